"""``GET /api/v1/suggestion``: what a worker finds on kept tracks, of own cameras, in sentences."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import streams.keeper
import streams.replaying
from api import suggestion, tries
from api.access import Permission, Role
from api.i18n import LANGUAGES, texts
from api.ingest import Heard
from api.learning import Span
from api.store import Store
from api.store.precision import Closings
from streams.commands import NotTried, Suggested, TriedValue
from streams.keeper import Keeper
from streams.messages import encode
from tests.api.answering import answering
from tests.api.served import TESTER, Api, add_key, add_user, api, person, report, sqlite_url
from tests.streams.keeping import YARD, alert_of, keep, kept, obeying, stays, told
from tests.streams.workers import camera
from tests.vision.rules.scenarios import T0

PATH = "/api/v1/suggestion"
ASKED = {"camera": "cam", "rule": "in"}


@pytest.fixture(scope="module")
def told_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Keeper]]:
    """A city whose camera ``cam`` told of two false alarms and a true one, and the memory of its
    worker."""
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams.keeper, "FREE_BYTES", 0)
        patch.setattr(streams.replaying, "REST_AFTER_S", 9.0)
        with kept(folder) as keeper, Store.open(sqlite_url(folder)) as store, api(store) as city:
            keep(keeper, stays([1.2, 9, 1.8]))
            store.cameras.save(report(T0, "cam", "gate"))
            for closing in told(keeper, "in", {1}):
                store.record([alert_of(closing)])
                outcome = "true" if closing.true_alarm else "false"
                store.cases.resolve(closing.alert, outcome, "", TESTER, edit=0, only=None)  # type: ignore[arg-type]
            yield city, keeper


@pytest.fixture
def city(told_of: tuple[Api, Keeper], monkeypatch: pytest.MonkeyPatch) -> Api:
    clock = SimpleNamespace(time=lambda: T0 + 3600, monotonic=time.monotonic)
    monkeypatch.setattr(suggestion, "time", clock)
    found, _ = told_of
    found.ingest.workers = (Heard(report(T0, "cam"), time.monotonic()),)
    return found


@pytest.fixture
def worker(city: Api, told_of: tuple[Api, Keeper]) -> Iterator[None]:
    with obeying(city.control, told_of[1], camera("cam", scene=YARD)):
        yield


def ask(city: Api, **query: Any) -> httpx.Response:
    return city.client.get(PATH, params=ASKED | query)


@pytest.mark.usefixtures("worker")
def test_a_worker_finds_a_threshold(city: Api) -> None:
    answer = ask(city)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["kind"], found["refused"], found["why_none"]) == ("intrusion", None, None)
    assert found["best"] == {
        "setting": "min_dwell_s", "value": 2.0, "true_kept": 1, "false_gone": 2, "later_s": 1.4,
    }  # fmt: skip
    assert (found["true_alarms"], found["false_alarms"], found["left_out"]) == (1, 2, 0)
    assert found["now"] == {"min_dwell_s": 0.5, "box_overlap_share": 0.3}
    assert found["said"][0].startswith("Set min_dwell_s to 2 instead of 0.5: 2 of 2 false alarms")
    assert found["said"][1:] == [
        "The true alarm that waits longest would have come 1.4 s later.",
        "Of more such false alarms it leaves out 34% to 100%, with 95 per cent certainty.",
        "Of more such true alarms it keeps 21% to 100%, with 95 per cent certainty.",
        "That is little to go by: only 3 alerts could be tried.",
    ]


@pytest.mark.usefixtures("worker")
def test_a_rule_that_cannot_be_tried_is_an_answer(city: Api) -> None:
    city.store.record([
        alert_of(told_alert(), id="line", rule="over", kind="line_crossing", place="gate")
    ])  # fmt: skip
    city.store.cases.resolve("line", "false", "", TESTER, edit=0, only=None)
    found = ask(city, rule="over").json()
    assert (found["refused"], found["best"]) == ("no thresholds", None)
    assert found["said"] == [suggestion.REFUSED["no thresholds"]]


def told_alert() -> Any:
    return SimpleNamespace(
        alert="x", start_ts=T0 + 1, raised_ts=T0 + 1, end_ts=T0 + 1, track_ids=(1,)
    )


def test_without_a_false_alarm_no_worker_is_asked(city: Api) -> None:
    found = ask(city, rule="nobody").json()
    assert (found["why_none"], found["tried"]) == ("unknown", [])
    assert found["said"] == ["There is no false alarm on which a threshold could be tried."]


def test_where_no_worker_has_it(city: Api) -> None:
    for workers in ((), (Heard(report(T0, "gate"), time.monotonic()),),
                    (Heard(report(T0, "cam"), time.monotonic() - 60),)):  # fmt: skip
        city.ingest.workers = workers
        answer = ask(city)
        assert answer.status_code == 503
        assert "no worker is heard that has the camera" in answer.json()["detail"]


def test_a_worker_that_is_busy_silent_or_odd(city: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "MORE_S", 0.1)
    assert ask(city, timeout_seconds=1).status_code == 504
    monkeypatch.setattr(tries, "MORE_S", 9.0)
    busy = Suggested(ok=False, refused="busy", message="another one is tried now")
    for said, status in ((encode(busy), 503), ("{}", 504)):
        # the one that nobody took has expired by then
        with answering(city.control, said):
            answer = ask(city)
        assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)
    monkeypatch.setattr(tries.Replays, "most", 0)
    assert ask(city).status_code == 503


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"camera": "nowhere"}, 404), ({"days": 0}, 422), ({"days": 367}, 422), ({"rule": ""}, 422),
        ({"timeout_seconds": 301}, 422), ({"limit": 3}, 422),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(city: Api, query: dict[str, Any], status: int) -> None:
    assert ask(city, **query).status_code == status


def test_only_of_own_cameras_and_for_who_reads_alerts(city: Api) -> None:
    with person(city, add_user(city.store, "jaga", Role.VIEWER, cameras=["gate"])) as jaga:
        answer = jaga.get(PATH, params=ASKED)
        assert answer.status_code == 404
        assert answer.json() == ask(city, camera="nowhere").json() | {
            "detail": answer.json()["detail"]
        }
        assert jaga.get(PATH, params=ASKED | {"camera": "gate"}).status_code == 200
    key = add_key(city.store, "counts", scopes=[Permission.COUNTS_READ])
    headers = {"authorization": f"Bearer {key}"}
    assert city.client.get(PATH, params=ASKED, headers=headers).status_code == 403


# --- in words

VALUE = TriedValue(setting="dwell_s", value=65, true_kept=0, false_gone=2, later_s=0)


def said(found: Suggested, left_out: int = 0) -> str:
    asked = suggestion.Asked("cam", "in", Span(0, 1), Closings([], left_out), found)
    for language in LANGUAGES:
        assert all(suggestion.sentences(asked, texts(language)))
    return " ".join(suggestion.sentences(asked, texts("en")))


def test_every_outcome_has_its_sentence() -> None:
    for word, sentence in suggestion.NONE.items():
        assert said(Suggested(ok=True, why_none=word)) == sentence  # type: ignore[arg-type]
    for word, sentence in suggestion.REFUSED.items():
        assert said(Suggested(ok=False, refused=word)) == sentence  # type: ignore[arg-type]


def test_where_no_true_alarm_is_known_it_says_so() -> None:
    words = said(
        Suggested(ok=True, best=VALUE, tried=(VALUE,), false_alarms=3, now={"dwell_s": 60})
    )
    assert "Set dwell_s to 65 instead of 60: 2 of 3 false alarms" in words
    assert "No true alarm is known that it could lose" in words
    assert "later" not in words


def test_what_was_not_tried_is_counted() -> None:
    rest = tuple(
        NotTried(alert="a", true_alarm=False, why=why)  # type: ignore[arg-type]
        for why in ("gone", "gone", "cut", "quiet", "time")
    )
    words = said(Suggested(ok=True, why_none="unknown", not_tried=rest), left_out=7)
    for counted in ("kept any more of: 2", "over, of: 1", "tell of: 1", "try it on: 1", "at: 7"):
        assert counted in words
