"""What whoever draws asks of a worker: a scene tried on the last minutes, plain pictures, how a
view looks; and a scene that is drawn is soon what the worker watches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import streams.keeper
import streams.replaying
from api import conditions, drawing, tries
from api.access import Role
from api.i18n import LANGUAGES, texts
from api.ingest import Heard
from api.publisher import Publisher
from api.store import Store
from streams.commands import Replayed
from streams.drawing import Met, Silent, Taken
from streams.health import State
from streams.keeper import Keeper
from streams.messages import encode
from tests.api.answering import answering
from tests.api.served import TESTER, Api, add_user, api, person, report, sqlite_url
from tests.api.viewing import PREFIX, brightness, cameras, hear, working
from tests.streams.keeping import YARD, keep, kept, obeying, stays
from tests.streams.workers import GATE, Running, camera
from tests.streams.workers import city as city_of
from tests.vision.rules.scenarios import T0
from vision.replay import STAGES
from vision.rules.base import Condition
from vision.types import JsonValue
from vision.views import View

REPLAY = f"{PREFIX}/cameras/cam/replay"
FAR: JsonValue = [{"name": "yard", "polygon": [[10, 10], [90, 10], [90, 90], [10, 90]]}]
SLOW: JsonValue = [{"kind": "intrusion", "zone": "yard", "name": "in", "min_dwell_s": 30}]


@pytest.fixture(scope="module")
def kept_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Keeper]]:
    """A city whose camera ``cam`` saw somebody stand in the yard for nine seconds."""
    folder = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams.keeper, "FREE_BYTES", 0)
        patch.setattr(streams.replaying, "REST_AFTER_S", 9.0)
        with kept(folder) as keeper, Store.open(sqlite_url(folder)) as store, api(store) as city:
            keep(keeper, stays([9]))
            store.cameras.save(report(T0, "cam"))
            yield city, keeper


@pytest.fixture
def city(kept_of: tuple[Api, Keeper], monkeypatch: pytest.MonkeyPatch) -> Api:
    clock = SimpleNamespace(time=lambda: T0 + 60, monotonic=time.monotonic)
    monkeypatch.setattr(drawing, "time", clock)
    found, _ = kept_of
    found.ingest.workers = (Heard(report(T0, "cam"), time.monotonic()),)
    return found


@pytest.fixture
def editor(city: Api) -> Iterator[httpx.Client]:
    name = f"kendali {time.monotonic_ns()}"
    with person(city, add_user(city.store, name)) as client:
        yield client


@pytest.fixture
def worker(city: Api, kept_of: tuple[Api, Keeper]) -> Iterator[None]:
    with obeying(city.control, kept_of[1], camera("cam", scene=YARD)):
        yield


def tried(client: httpx.Client, **wish: Any) -> dict[str, Any]:
    answer = client.post(REPLAY, json={"lang": "en"} | wish)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# --- tried on the last minutes


@pytest.mark.usefixtures("worker")
def test_what_would_have_been_told(editor: httpx.Client) -> None:
    found = tried(editor)
    assert found["ok"]
    assert (found["from"], found["to"]) == ("2026-01-30T23:51:00.000Z", "2026-01-31T00:01:00.000Z")
    (event,) = found["events"]
    assert event == {
        "rule": "in", "kind": "intrusion", "place": "yard", "severity": "high",
        "start": "2026-01-31T00:00:00.000Z", "raised": "2026-01-31T00:00:00.600Z",
        "end": "2026-01-31T00:00:09.000Z", "score": 0.626, "track_ids": [1],
    }  # fmt: skip
    assert found["said"] == [
        "Looked at: 53 pictures from 08:00:00 to 08:00:10 WITA.",
        "1 incident would have been told.",
    ]
    assert {each["rule"] for each in found["why_not"]} == {"many", "over"}
    down = next(each for each in found["left_out"] if each["rule"] == "down")
    assert down["why"] == STAGES["poses"]
    assert texts("id")(down["why"]) in {
        each["why"] for each in tried(editor, lang="id")["left_out"]
    }
    assert (found["more"], found["reached"], found["counts"]) == (0, None, [])


@pytest.mark.usefixtures("worker")
def test_why_a_rule_would_have_been_silent(editor: httpx.Client) -> None:
    found = tried(editor, scene=YARD | {"rules": SLOW}, minutes=2.5)
    (silent,) = found["why_not"]
    assert (silent["rule"], silent["kind"], silent["place"]) == ("in", "intrusion", "yard")
    assert [each["met"] for each in silent["conditions"]] == [True, True, False]
    assert silent["conditions"][2]["needed"] == "30 s"
    assert silent["said"].startswith("Nearest at 08:00:")
    assert "2 of 3 conditions were met; time inside: " in silent["said"]
    assert silent["said"].endswith(" s, but it needs 30 s.")
    assert silent["at"].startswith("2026-01-31T00:00:")
    (far,) = tried(editor, scene=YARD | {"zones": FAR, "rules": SLOW}, lang="id")["why_not"]
    assert "zona: di luar, padahal syaratnya di dalam 'yard'" in far["said"]
    assert far["conditions"][1] == {
        "what": "zona", "met": False, "found": "di luar", "needed": "di dalam 'yard'",
    }  # fmt: skip


@pytest.mark.usefixtures("worker")
def test_what_cannot_be_tried(editor: httpx.Client) -> None:
    other = tried(editor, scene={"frame_size": [400, 400]})
    assert not other["ok"]
    assert "another shape" in other["said"][0]
    empty = tried(editor, minutes=0.1)
    assert (empty["ok"], empty["pictures"], empty["said"]) == (True, 0, [drawing.EMPTY])
    wrong = editor.post(REPLAY, json={"scene": {"frame_size": [64]}})
    assert wrong.status_code == 422
    assert wrong.json()["detail"].startswith("scene.frame_size: found 1 values")


def test_a_worker_that_keeps_nothing_is_busy_silent_or_odd(
    city: Api, editor: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "MORE_S", 0.1)
    assert editor.post(REPLAY, json={"timeout_seconds": 1}).status_code == 504
    monkeypatch.setattr(tries, "MORE_S", 9.0)
    with answering(city.control, encode(Replayed(ok=False, message=drawing.NO_TRACKS))):
        assert tried(editor, lang="id")["said"] == ["worker ini tidak menyimpan jejak"]
    busy = Replayed(ok=False, busy=True, message="tracks are being replayed now")
    for said, status in ((encode(busy), 503), ("{}", 504)):
        with answering(city.control, said):
            answer = editor.post(REPLAY, json={})
        assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)
    cut = Replayed(ok=True, pictures=9, first_ts=T0, last_ts=T0, reached_ts=T0, damaged=2, more=3)
    with answering(city.control, encode(cut)):
        said = tried(editor)["said"]
    assert said[1:] == [
        "3 incidents would have been told.",
        "There was no time to look at all of it: give it more, or fewer minutes.",
        "Pieces of what is kept that cannot be read: 2.",
    ]
    city.ingest.workers = ()
    assert editor.post(REPLAY, json={}).status_code == 503
    monkeypatch.setattr(tries.Replays, "most", 0)
    assert editor.post(REPLAY, json={}).status_code == 503


@pytest.mark.parametrize(
    "wish",
    [{"minutes": 0}, {"minutes": 1e-9}, {"minutes": 1441}, {"minutes": "10"},
     {"timeout_seconds": 301}, {"lang": "de"}, {"scene": []}, {"rule": "in"}],
)  # fmt: skip
def test_what_is_wrong_is_refused(editor: httpx.Client, wish: dict[str, Any]) -> None:
    assert editor.post(REPLAY, json=wish).status_code == 422


def test_who_may_try(city: Api, editor: httpx.Client) -> None:
    assert editor.post(f"{PREFIX}/cameras/nowhere/replay", json={}).status_code == 404
    assert editor.post(f"{PREFIX}/cameras/nowhere/view").status_code == 404
    operator = add_user(city.store, f"jaga {time.monotonic_ns()}", Role.OPERATOR)
    for client in (city.client, person(city, operator)):
        with client if client is not city.client else _open(client) as asking:
            assert asking.post(REPLAY, json={}).status_code == 403
            assert asking.post(f"{PREFIX}/cameras/cam/view").status_code == 403


@contextmanager
def _open(client: httpx.Client) -> Iterator[httpx.Client]:
    yield client


# --- in words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_its_sentence(language: Any) -> None:
    _ = texts(language)
    met = Met(what="zone", met=True, found="inside", needed="inside 'x'")
    silent = Silent(rule="in", kind="intrusion", place="x")
    for found, said in (
        (silent, conditions.NOBODY),
        (silent.model_copy(update={"at_ts": T0, "conditions": (met,)}), conditions.ALL_MET),
        (silent.model_copy(update={"at_ts": T0, "conditions": (met,), "told": True}),
         conditions.TOLD),
    ):  # fmt: skip
        assert conditions.why(found, _) == _(said) % {"time": "08:00:00"}


def test_what_rules_say_is_put_into_words() -> None:
    _ = texts("id")
    for text, said in (
        ("crossed 1.5 s ago", "melintas 1.5 dtk lalu"),
        ("within 20 px of one spot in 'a 'b' c'", "dalam 20 px dari satu tempat di 'a 'b' c'"),
        ("50% of it", "50% darinya"),
        ("looks for a, b, which was not looked for", "mencari a, b, padahal itu tidak dicari"),
        (
            "looks for a, which was not looked for in 1 of 2 pictures",
            "mencari a, padahal itu tidak dicari pada 1 dari 2 gambar",
        ),
        ("something new", "something new"),
        ("inside '%(place)s %s'", "di dalam '%(place)s %s'"),
    ):
        condition = Condition("dwell", False, text, text)
        found = conditions.in_words(Met(what=condition.what, met=False, found=text, needed=text), _)
        assert (found.what, found.found, found.needed) == ("waktu di dalam", said, said)
    # a direction that somebody called so
    named = conditions.in_words(Met(what="direction", met=False, found="inside", needed="x"), _)
    assert (named.what, named.found) == ("arah", "inside")


# --- pictures


@pytest.fixture
def viewed(tmp_path: Path) -> Iterator[tuple[Api, httpx.Client]]:
    with cameras(tmp_path) as served:
        add = add_user(served.store, "kendali")
        with person(served, add) as client:
            yield served, client


def test_a_plain_picture(viewed: tuple[Api, httpx.Client]) -> None:
    served, client = viewed
    path = f"{PREFIX}/cameras/plaza/snapshot?plain=1"
    with working(served.control, "plaza") as worker:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-captured"].startswith("2026-01-31T00:00:")
        assert abs(brightness(answer.content) - worker.index) < 50
        assert not worker.views, "nobody looks at what is drawn"
        # a key that may see pictures may see this one
        assert served.client.get(path).status_code == 200
        # a wall that gets brighter is no view
        wall = client.post(f"{PREFIX}/cameras/plaza/view")
        assert wall.status_code == 503
        assert "too little texture" in wall.json()["detail"]
    hear(served)
    gone = client.get(path)
    assert (gone.status_code, "no worker is heard" in gone.json()["detail"]) == (503, True)
    assert client.get(path.replace("plaza", "nowhere")).status_code == 404


def test_how_a_view_looks(viewed: tuple[Api, httpx.Client]) -> None:
    served, client = viewed
    path = f"{PREFIX}/cameras/plaza/view"
    with answering(served.control, encode(Taken(ok=True, view="AZ"))):
        assert client.post(path).json() == {"view": "AZ"}
    busy = Taken(ok=False, busy=True, message="pictures are taken now")
    for said, status in ((encode(busy), 503), ("{}", 504)):
        with answering(served.control, said):
            assert client.post(path).status_code == status


# --- live


def test_what_is_drawn_is_soon_what_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the store, the bus and a real worker: as fast as it is in use, since nothing here is
    hurried but what the worker reports."""
    monkeypatch.setattr("streams.worker.REPORT_S", 0.05)
    monkeypatch.setattr("streams.worker.DRAIN_S", 0.0)
    monkeypatch.setattr(streams.keeper, "FREE_BYTES", 0)
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as served:
        store.configuration.apply(city_of(camera("cam", scene=dict(GATE))), TESTER)
        publisher = Publisher(store, served.control, lambda: ("w",))
        publisher.start()
        try:
            keeper = Keeper(tmp_path / "tracks", clock=time.time)
            with Running(tmp_path, control=served.control, keeper=keeper) as running:
                running.until("cam", state=State.LIVE, revision=1)
                with person(served, add_user(store, "kendali")) as client:
                    path = f"{PREFIX}/cameras/cam/scene"
                    lines: JsonValue = [{"name": "far", "points": [[100, 100], [500, 100]]}]
                    wish = {"base": 1, "scene": {**GATE, "lines": lines}, "note": "further away"}
                    assert client.put(path, json=wish).status_code == 200
                    running.until("cam", state=State.LIVE, revision=2)
                    # undone, as every revision can be
                    wish = {"base": 2, "scene": dict(GATE)}
                    assert client.put(path, json=wish).status_code == 200
                    running.until("cam", state=State.LIVE, revision=3)
                    _ask_for_all(served, client)
                    wish = {"base": 3, "scene": {**GATE, "classes": ["dinosaur"]}}
                    refused = client.put(path, json=wish)
                    assert (refused.status_code, "dinosaur" in refused.text) == (422, True)
                    answer = client.put(path, json={"base": 3, "scene": {**GATE, "lines": lines}})
                    assert answer.json()["unchecked"] is None
        finally:
            publisher.stop()


def _ask_for_all(served: Api, client: httpx.Client) -> None:
    """The worker gives a picture and its view, and has kept what it saw."""
    served.ingest.workers = (Heard(report(time.time(), "cam"), time.monotonic()),)
    assert client.get(f"{PREFIX}/cameras/cam/snapshot?plain=1").content.startswith(b"\xff\xd8")
    text = client.post(f"{PREFIX}/cameras/cam/view").json()["view"]
    assert View.of_text(text).text == text
    found = client.post(REPLAY, json={}).json()
    assert found["ok"], found
    assert found["pictures"] > 0
