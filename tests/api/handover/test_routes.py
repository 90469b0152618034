"""The report of a shift as a PDF: read back, in both languages, of own cameras, whatever names
hold."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from api.access import Role
from api.alerting.settings import Alerting, Matcher, Site
from api.handover import press
from api.handover.press import Press, PressBusyError
from api.handover.sheet import draw
from api.handover.values import Cell, Column, Report, Section
from api.learning import Span
from api.store import Store
from api.times import iso, local
from streams.config import CameraConfig, City
from tests.api.forms.pages import HOSTILE
from tests.api.served import (
    DAY,
    TESTER,
    Api,
    add_key,
    add_user,
    alert,
    api,
    person,
    report,
    sqlite_url,
)

PDF = "/api/v1/handover.pdf"
LOUD = "W" * 120
NAMES = (HOSTILE, "مراقب الليل", "港口一号", "😀" * 20, LOUD, 'O\'Neil & "co" <b>%(n)s{{ 7 }}')


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        yield running


def pages(body: bytes) -> list[str]:
    """What each page says, with one space where there are more."""
    reader = PdfReader(io.BytesIO(body))
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def handed(city: Api, **query: str) -> list[str]:
    now = time.time()
    asked = {"from": iso(now - 3600), "to": iso(now + 3600), "language": "en"} | query
    answer = city.client.get(PDF, params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    return pages(answer.content)


def state(city: Api, name: str, **more: Any) -> None:
    now = time.time() - 600
    city.store.record([alert(name, start_ts=now, raised_ts=now, **more)])


def named(city: Api, **names: str) -> None:
    cameras = tuple(
        CameraConfig(camera, name, "synthetic", None, "motion", 5.0, None, None)
        for camera, name in names.items()
    )
    city.store.configuration.apply(City("Makassar", (), None, cameras), TESTER)


def test_a_shift_is_handed_over(city: Api) -> None:
    named(city, plaza="Plaza Losari", gate="Gate")
    state(city, "left", severity="critical")
    state(city, "given", kind="crowd", place="")
    state(city, "done", kind="queue")
    state(city, "dog", kind="loitering")
    state(city, "lost", kind="camera_down", camera="gate")
    add_user(city.store, "jaga")
    city.store.cases.assign("given", "jaga", TESTER, edit=0, only=None)
    city.store.cases.resolve("done", "true", "Police came", TESTER, edit=0, only=None)
    city.store.cases.resolve("dog", "false", "A dog", TESTER, edit=0, only=None)
    now = time.time()
    city.store.alerting.silence(
        Matcher(cameras=("gate",)), "A fair", starts_at=now, ends_at=now + 3600, by=TESTER
    )
    found = handed(city)
    text = " ".join(found)
    wanted = (
        "critical 1 0 0 0 1", "high severity 4 1 1 0 2", "Intrusion critical Plaza Losari lawn",
        "still open nobody yet on the lawn", "assigned to jaga", "true alarm, says tests",
        "Note: Police came", "false alarm, says tests", "Note: A dog", "once, 10 min in all",
        "cameras: Gate A fair", "unknown no worker has this camera", "Handed over by",
        "Taken over by", "Signature", "Remarks", "by tests · English",
        f"{local(now):%Y-%m-%d}",
    )  # fmt: skip
    assert [word for word in wanted if word not in text] == []
    assert text.index("Intrusion critical") < text.index("assigned to jaga")
    for number, page in enumerate(found, 1):
        assert f"Page {number} of {len(found)} " in page
    assert "empty box" not in text


def test_it_speaks_the_language_of_whoever_asks(city: Api) -> None:
    state(city, "left")
    assert "Yang masih harus ditangani" in handed(city, language="id")[0]
    user = add_user(city.store, "room1", Role.OPERATOR)
    with person(city, user) as room:
        room.headers["accept-language"] = "id"
        answer = room.get(PDF)
        assert "Laporan serah terima sif" in pages(answer.content)[0]
        assert "dibuat" in pages(answer.content)[0]
        assert "oleh room1" in pages(answer.content)[0]
        room.headers["accept-language"] = "en"
        assert "Shift hand-over report" in pages(room.get(PDF).content)[0]
    begin = answer.headers["content-disposition"]
    assert begin.startswith('attachment; filename="matakota-handover-2')
    assert begin.endswith('00.pdf"')


def test_of_own_cameras_alone(city: Api) -> None:
    city.store.cameras.save(report(time.time(), "plaza", "gate", state="down", code="stalled"))
    for camera in ("plaza", "gate"):
        state(city, f"left-{camera}", camera=camera, place=f"at-{camera}")
    key = add_key(city.store, "one", scopes=["alerts:read"], cameras=["plaza"])
    city.client.headers["authorization"] = f"Bearer {key}"
    text = " ".join(handed(city))
    assert "at-plaza" in text
    assert "gate" not in text.lower()
    assert "1 camera" in text


def test_silences_of_more_than_own_cameras_are_told_by_their_number(city: Api) -> None:
    now = time.time()
    site = Site(name="harbour", cameras=("gate", "plaza"))
    city.store.alerting.apply(Alerting(sites=(site,)), TESTER)
    for n, match in enumerate(
        (
            Matcher(cameras=("gate",)),
            Matcher(kinds=("crowd",)),
            Matcher(cameras=("plaza", "gate")),
            Matcher(sites=("harbour",)),
            Matcher(sites=("harbour",), cameras=("gate",)),
        )
    ):
        city.store.alerting.silence(match, f"why-{n}", starts_at=now, ends_at=now + 3600, by=TESTER)
    assert "may hold for these cameras" not in " ".join(handed(city))
    key = add_key(city.store, "one", scopes=["alerts:read"], cameras=["plaza"])
    city.client.headers["authorization"] = f"Bearer {key}"
    text = " ".join(handed(city))
    assert "3 silences may hold for these cameras too and are not shown here" in text
    assert "None is about these cameras alone" in text
    assert "told of every alert" not in text
    assert "gate" not in text
    assert "why-" not in text
    indonesian = " ".join(handed(city, language="id"))
    assert "3 pembisuan mungkin berlaku juga untuk kamera-kamera ini" in indonesian


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_only_text(city: Api, name: str) -> None:
    named(city, plaza=name)
    state(city, "left", place=name, details={"why": name * 300}, kind="<b>kind")
    city.store.cases.acknowledge(["left"], TESTER, only=None)
    text = " ".join(handed(city))
    assert "plaza" in text
    assert "Page 1 of" in text
    whole = "".join(text.split())
    if name.isascii():
        assert "".join(name.split())[:60] in whole
        assert "empty box" not in text
    else:
        # it can be told by its id, and why its name cannot be read
        assert "An empty box stands for a letter" in text


def test_what_is_wrong_is_said(city: Api) -> None:
    for query, said in (
        ({"from": iso(DAY)}, "both 'from' and 'to'"),
        ({"from": iso(DAY), "to": iso(DAY)}, "'from' must be before 'to'"),
        ({"from": iso(DAY), "to": iso(DAY + 8 * 86_400)}, "at most 7 days"),
        ({"shifts": "25"}, "full hours"),
        ({"language": "fr"}, "language"),
        ({"shift": "7"}, "unknown here"),
    ):
        answer = city.client.get(PDF, params=query)
        assert answer.status_code == 422
        assert said in answer.json()["detail"]


def test_at_the_end_of_time(city: Api) -> None:
    time_of = {"from": "9999-12-31T23:00:00Z", "to": "9999-12-31T23:59:00Z"}
    assert "Time 9999-12-31 23:59 – 9999-12-31 23:59 WITA" in handed(city, **time_of)[0]


def test_the_shifts_of_the_city(city: Api) -> None:
    answer = city.client.get(PDF, params={"shifts": "6"})
    assert answer.headers["content-disposition"].endswith('-0600.pdf"')


def test_a_report_of_many_pages(city: Api) -> None:
    city.store.record([alert(f"a{n}", place=f"place-{n}") for n in range(230)])
    found = handed(city)
    text = " ".join(found)
    assert len(found) > 4
    assert text.count("Incident Where Began") >= len(found) - 2
    assert text.count("place-") == 200
    assert "30 more are not shown here" in text


def test_one_is_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _report([])
    busy = Press()
    monkeypatch.setattr(press, "WAIT_S", 0.01)
    asked = list[str]()

    def read() -> Report:
        asked.append("read")
        return made

    with busy.turn(), pytest.raises(PressBusyError, match="ask again"):
        busy.make(read)
    # whoever is turned away has read nothing
    assert asked == []
    assert busy.make(read).startswith(b"%PDF-")


def _report(rows: list[tuple[Cell, ...]]) -> Report:
    section = Section("s", "Section", (Column("A", 1), Column("B", 1, number=True)), rows, "None")
    return Report("Title", "made", [("Time", "now")], [section], Span(0, 1), "en")


def test_a_table_goes_on_beside_whatever_is_in_its_cells() -> None:
    cells = [Cell("x" * n, "y" * n, "critical") for n in (0, 1, 300, 900)]
    rows: list[tuple[Cell, ...]] = [(cell, Cell("1")) for cell in cells * 5]
    text = "".join("".join(pages(draw(_report(rows)))).split())
    assert text.count("x" * 20) > 100
    assert text.count("y" * 20) > 100
