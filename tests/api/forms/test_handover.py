"""What a shift hands over, as a page: of own cameras, in both languages, and harmless."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.access import Role
from api.alerting.settings import Matcher
from api.times import local
from streams.messages import SYSTEM_CAMERA
from tests.api.forms.pages import HOSTILE, NAMES, Browser, browser
from tests.api.served import TESTER, Api, add_user, alert, report

PATH = "/handover"


def around(hours: float = 1) -> dict[str, str]:
    """From an hour ago until in an hour, as the fields hold it."""
    now = time.time()
    ends = {"from": now - hours * 3600, "to": now + hours * 3600}
    return {name: f"{local(ts):%Y-%m-%dT%H:%M}" for name, ts in ends.items()}


def state(city: Api, name: str, **more: Any) -> None:
    now = time.time() - 600
    city.store.record([alert(name, start_ts=now, raised_ts=now, **more)])


def test_it_shows_what_is_left_and_what_was_done(city: Api, office: Browser) -> None:
    city.store.cameras.save(report(time.time(), "plaza", state="down", code="stalled"))
    state(city, "left", severity="critical")
    state(city, "done")
    state(city, "own", camera=SYSTEM_CAMERA, kind="chain_broken", place="")
    city.store.cases.resolve("done", "false", "A dog", TESTER, edit=0, only=None)
    page = office.open(PATH, **around())
    assert page.status == 200
    assert "■ Intrusion critical" in page.text
    assert "still open nobody yet on the lawn" in page.text
    assert "false alarm, says tests on the lawn Note: A dog" in page.text
    assert "the camera is connected but sends no pictures" in page.text
    assert "▲ Alerts may not arrive" in page.text
    assert "/room/#left" in page.links
    assert "script" not in page.tags
    (pdf,) = (link for link in page.links if ".pdf" in link)
    answer = office.client.get(pdf)
    assert (answer.status_code, answer.content[:5]) == (200, b"%PDF-")
    asked = parse_qs(urlsplit(pdf).query)
    assert (asked["from"][0][-1], asked["language"]) == ("Z", ["en"])


def test_the_shift_that_ends_nearest_is_shown_by_itself(city: Api, office: Browser) -> None:
    page = office.open(PATH)
    form = page.form(PATH)
    (begin,), (end,) = form.values("from"), form.values("to")
    assert begin[-5:] in {"07:00", "15:00", "23:00"}
    assert f"{begin.replace('T', ' ')} – {end.replace('T', ' ')} WITA" in page.text
    before, this, after = (link for link in page.links if link.startswith("/handover?"))
    assert office.open(this).form(PATH).values("from") == [begin]
    assert office.open(before).form(PATH).values("to") == [begin]
    assert office.open(after).form(PATH).values("from") == [end]
    other = office.open(PATH, shifts="4")
    assert other.form(PATH).values("from")[0].endswith("04:00")
    assert all("shifts=4" in link for link in other.links if link.startswith("/handover?"))


def test_it_speaks_the_language_of_whoever_looks(city: Api, office: Browser) -> None:
    state(city, "left")
    office.client.headers["accept-language"] = "id"
    page = office.open(PATH, **around())
    assert "Laporan serah terima sif" in page.text
    assert "masih berlangsung belum ada on the lawn" in page.text
    assert any("language=id" in link for link in page.links)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"from": "2026-01-31T07:00", "to": "2026-01-31T07:00"}, "Nothing lies between these"),
        ({"from": "2026-01-31T07:00"}, "Write both times"),
        ({"to": "2026-01-31T07:00"}, "Write both times"),
        ({"from": "2026-01-01T07:00", "to": "2026-01-31T07:00"}, "At most 7 days are looked at"),
        ({"from": "x", "to": "soon"}, "“x” is no time"),
        ({"shifts": "7;15"}, "“7;15” names no hours"),
        ({"shifts": "9" * 900}, "“999"),
    ],
)
def test_what_is_wrong_is_said(office: Browser, query: dict[str, str], said: str) -> None:
    page = office.open(PATH, **query)
    assert page.status == 422
    assert page.problem.startswith(said)
    # what was chosen is still there to be corrected
    assert all(value in page.answer.text for value in query.values())


def test_whoever_sees_one_camera_is_told_of_that_alone(city: Api) -> None:
    city.ingest.running = False
    for camera in ("plaza", "gate", SYSTEM_CAMERA):
        state(city, f"left-{camera}", camera=camera, details={"why": f"why {camera}"})
        state(city, f"done-{camera}", camera=camera, details={"why": f"why {camera}"})
        state(city, f"down-{camera}", camera=camera, kind="camera_down")
        city.store.cases.resolve(f"done-{camera}", "true", "", TESTER, edit=0, only=None)
    city.store.cameras.save(report(time.time(), "plaza", "gate", state="down", code="stalled"))
    now = time.time()
    for camera in ("plaza", "gate"):
        city.store.alerting.silence(
            Matcher(cameras=(camera,)), f"works at {camera}", starts_at=now, ends_at=now + 60,
            by=TESTER,
        )  # fmt: skip
    jaga = add_user(city.store, "jaga", Role.VIEWER, cameras=["plaza"])
    with browser(city, jaga) as room:
        page = room.open(PATH, **around())
    assert "works at plaza" in page.text
    assert "gate" not in page.answer.text.lower()
    assert f"why {SYSTEM_CAMERA}" not in page.text
    assert "▲ high severity 3 1 0 0 2" in page.text
    # why something is not well is for whoever may read the system
    assert "Something in the system is not well: tell an administrator." in page.text
    assert "the ingest has ended" not in page.text
    assert PATH in page.links


def test_an_administrator_reads_what_is_wrong(city: Api, office: Browser) -> None:
    city.ingest.running = False
    assert "Now: the ingest has ended" in office.open(PATH).text


def test_whoever_reads_no_alerts_does_not_see_it(city: Api) -> None:
    with browser(city, add_user(city.store, "kendali", Role.ANALYST)) as room:
        assert room.open(PATH).status == 403
        assert PATH not in room.open("/account").links


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_only_text(city: Api, office: Browser, name: str) -> None:
    state(city, "left", camera=name, kind="<b>x", place=name, details={"why": name})
    page = office.open(PATH, **around())
    assert page.text.count(name) == 3
    assert "script" not in page.tags
    assert page.tags.count("img") == 1, "the program's own"


def test_a_long_text_is_cut(city: Api, office: Browser) -> None:
    state(city, "left", details={"why": HOSTILE * 200})
    page = office.open(PATH, **around())
    assert 1 < page.text.count("<script>") < 10
    assert "…" in page.text
