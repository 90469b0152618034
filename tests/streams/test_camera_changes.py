"""What a running camera makes of another configuration: nothing is lost, and nothing counts twice.

The spool is real, source and analysis are scripted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import streams.camera as module
from models.errors import MissingWeights
from streams.address import parse_address
from streams.camera import Left
from streams.health import Code, State
from streams.messages import CountsMessage
from streams.spool import Spool
from tests.streams.stage import START_TS, Stage, assigned, event, quick
from tests.waiting import wait_for
from vision.errors import DetectorError, SceneError
from vision.types import Crossing

ADDRESS = parse_address("rtsp://127.0.0.1:5540/a")
ELSEWHERE = parse_address("rtsp://127.0.0.1:5540/b")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db") as opened:
        yield opened


def crossing(ts: float) -> Crossing:
    return Crossing("a", "gate", "in", "person", 1, ts, 10, 20)


def total(messages: list[CountsMessage]) -> Counter[int]:
    """What a store has of these, by revision: the highest version of each interval."""
    latest: dict[tuple[float, int], CountsMessage] = {}
    for message in messages:
        key = message.start_ts, message.revision
        assert message.version == (latest[key].version + 1 if key in latest else 1)
        latest[key] = message
    found: Counter[int] = Counter()
    for (_, revision), message in latest.items():
        found[revision] += sum(count.count for count in message.counts)
    return found


@pytest.mark.parametrize("watched", [True, False])
def test_a_scene_changes_under_a_running_camera(spool: Spool, watched: bool) -> None:
    with Stage(spool) as stage:
        stage.analysis.watches = watched
        stage.analysis.events = {START_TS + 3: [event("e1", START_TS + 3)]}
        stage.analysis.crossings = {START_TS + k: [crossing(START_TS + k)] for k in range(20)}
        for k in range(10):
            stage.source.show(START_TS + k)
        stage.analysed(10)
        stage.loop.take(assigned(2))
        wait_for(lambda: stage.loop.report().revision == 2, "in force")
        for k in range(10, 20):
            stage.source.show(START_TS + k)
        stage.analysed(20)
        report = stage.loop.report()
        assert (report.crossings, report.connects) == (20, 1)
        assert [(each.revision, each.counts[0].count) for each in report.running] == [(2, 10)]
    # the minute is split by revision
    assert total(stage.counts()) == {1: 10, 2: 10}
    observed = {m.revision: m.observed_s for m in stage.counts()}
    assert observed == {1: 9, 2: 9}
    assert stage.analysis.built == 2
    # an incident of a rule that is still there goes on
    over = stage.alerts()[-1]
    assert (over.id, over.revision) == ("e1", 1)
    assert [(each.id, each.end_ts) for each in stage.analysis.remembered] == [("e1", START_TS + 9)]
    assert over.state == ("open" if watched else "closed")
    if not watched:
        assert (over.details["closed"], over.end_ts) == ("the scene was changed", START_TS + 9)


def test_many_changes_in_one_minute_lose_no_crossing(spool: Spool) -> None:
    with Stage(spool) as stage:
        for k in range(30):
            ts = START_TS + k
            stage.analysis.crossings[ts] = [crossing(ts)]
            stage.source.show(ts)
            stage.analysed(k + 1)
            stage.loop.take(assigned(k + 2))
            wait_for(lambda n=k + 2: stage.loop.report().revision == n, "in force")
        assert stage.loop.report().crossings == 30
    assert total(stage.counts()) == {k + 1: 1 for k in range(30)}


def test_a_camera_that_is_down_takes_its_scene_too(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.source.fail(Code.UNREACHABLE)
        wait_for(lambda: stage.alerts("camera_down"), "the outage")
        stage.loop.take(assigned(2))
        wait_for(lambda: stage.loop.report().revision == 2, "in force")
        assert stage.loop.report().code is Code.UNREACHABLE
        stage.source.show(START_TS + 9)
        wait_for(lambda: len(stage.alerts("camera_down")) == 2, "it is one outage")


def test_a_name_disturbs_nothing(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.analysis.events = {START_TS: [event("e1", START_TS)]}
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.loop.take(assigned(1, name="Harbour"))
        wait_for(lambda: stage.loop.report().name == "Harbour", "called so")
        stage.source.show(START_TS + 1)
        stage.analysed(2)
        assert [m.state for m in stage.alerts()] == ["open"]
    assert stage.analysis.built == 1


@pytest.mark.parametrize(
    "error", [SceneError("no line"), DetectorError("no unicorn"), MissingWeights("no file")]
)
def test_what_cannot_be_used_leaves_the_scene_before(spool: Spool, error: Exception) -> None:
    with Stage(spool) as stage:
        stage.analysis.events = {START_TS: [event("e1", START_TS)]}
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.refused = error
        stage.loop.take(assigned(2))
        wait_for(lambda: stage.loop.report().code is Code.CONFIGURATION_REFUSED, "said")
        report = stage.loop.report()
        assert (report.state, report.revision) == (State.LIVE, 1)
        assert "config apply" in report.message
        stage.source.show(START_TS + 1)
        stage.analysed(2)
        assert [m.state for m in stage.alerts()] == ["open"]
        # the one before again: it never ended
        stage.loop.take(assigned(1))
        wait_for(lambda: stage.loop.report().code is None, "well again")
        assert stage.analysis.built == 1
        stage.refused = None
        stage.loop.take(assigned(3))
        wait_for(lambda: stage.loop.report().revision == 3, "in force")


def test_a_camera_without_a_scene_that_can_be_used_is_down(spool: Spool) -> None:
    stage = Stage(spool)
    stage.refused = SceneError("no line")
    with stage:
        (alert,) = wait_for(lambda: stage.alerts(), "the outage")
        report = stage.loop.report()
        assert (alert.kind, alert.details["code"]) == ("camera_down", "configuration_refused")
        assert (report.state, report.code) == (State.DOWN, Code.CONFIGURATION_REFUSED)
        assert report.revision == 0
        stage.refused = None
        stage.source.show(START_TS)
        time.sleep(0.1)
        # what is wrong in it stays wrong
        assert stage.loop.report().analysed == 0
        stage.loop.take(assigned(2))
        stage.analysed(1)
        wait_for(lambda: [m.state for m in stage.alerts()] == ["open", "closed"], "over")


def test_a_model_that_is_missing_may_come(spool: Spool) -> None:
    stage = Stage(spool)
    stage.refused = MissingWeights("no file")
    with stage:
        wait_for(lambda: stage.loop.report().code is Code.CONFIGURATION_REFUSED, "said")
        stage.refused = None
        wait_for(lambda: stage.loop.report().revision == 1, "in force")


def test_an_analysis_that_breaks_while_it_is_built_is_tried_again(spool: Spool) -> None:
    stage = Stage(spool)
    stage.refused = MemoryError("no room")
    with stage:
        wait_for(lambda: stage.loop.report().code is Code.ANALYSIS_FAILED, "said")
        assert stage.loop.report().state is State.DOWN
        stage.refused = None
        stage.source.show(START_TS)
        stage.analysed(1)
        assert stage.loop.report().code is None


def test_another_address(spool: Spool) -> None:
    with Stage(spool, asked=assigned(source=ADDRESS)) as stage:
        stage.analysis.events = {START_TS: [event("e1", START_TS)]}
        stage.analysis.crossings = {
            START_TS: [crossing(START_TS)],
            START_TS + 5: [crossing(START_TS + 5)],
        }
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.analysis.learnt = "as it looks there"
        stage.source.dropped = 3
        other = stage.another_source()
        other.dropped = 4
        stage.loop.take(assigned(source=ELSEWHERE))
        wait_for(lambda: stage.source.health.state is State.STOPPED, "closed")
        other.show(START_TS + 5)
        stage.analysed(2)
        report = stage.loop.report()
        assert (report.dropped, report.connects, report.crossings) == (7, 2, 2)
        over = stage.alerts()[-1]
        assert (over.state, over.details["closed"]) == ("closed", "the camera was changed")
        assert [each.counts[0].count for each in report.running] == [2]
        assert (stage.analysis.built, stage.analysis.view) == (2, None)
    assert total(stage.counts()) == {1: 2}
    assert other.health.state is State.STOPPED


def test_another_login_connects_anew_and_keeps_the_scene(spool: Spool) -> None:
    with Stage(spool, asked=assigned(source=ADDRESS, password="old")) as stage:
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.refused = SceneError("no line")
        stage.loop.take(assigned(2, source=ADDRESS, password="old"))
        wait_for(lambda: stage.loop.report().code is Code.CONFIGURATION_REFUSED, "said")
        other = stage.another_source()
        stage.loop.take(assigned(2, source=ADDRESS, password="new"))
        other.show(START_TS + 5)
        stage.analysed(2)
        assert (stage.loop.report().revision, stage.loop.report().connects) == (1, 2)
        # the camera of another address never gets a scene that was drawn on this one
        third = stage.another_source()
        stage.loop.take(assigned(2, source=ELSEWHERE))
        wait_for(lambda: stage.loop.report().state is State.DOWN, "down")
        third.show(START_TS + 9)
        time.sleep(0.1)
        assert stage.loop.report().analysed == 2


@pytest.mark.parametrize("synthetic_first", [True, False])
def test_a_minute_that_is_partly_synthetic_says_so(spool: Spool, synthetic_first: bool) -> None:
    before, after = assigned(), assigned(source=ADDRESS)
    if not synthetic_first:
        before, after = after, before
    with Stage(spool, asked=before) as stage:
        for k in range(70):
            stage.source.show(START_TS + k)
        stage.analysed(70)
        other = stage.another_source()
        stage.loop.take(after)
        for k in range(71, 200):
            other.show(START_TS + k)
        stage.analysed(199)
    marked = {m.start_ts - START_TS: m.synthetic for m in stage.counts()}
    first, last = synthetic_first, not synthetic_first
    assert marked == {0: first, 60: True, 120: last, 180: last}


@pytest.mark.parametrize("synthetic_first", [True, False])
def test_a_minute_that_another_run_began_may_be_synthetic(
    spool: Spool, synthetic_first: bool
) -> None:
    before, after = assigned(), assigned(source=ADDRESS)
    if not synthetic_first:
        before, after = after, before
    with Stage(spool, asked=before) as stage:
        stage.source.show(START_TS)
        stage.analysed(1)
    with Stage(spool, asked=after, left=stage.left) as stage:
        for k in range(1, 70):
            stage.source.show(START_TS + k)
        stage.analysed(69)
    marked = {m.start_ts - START_TS: m.synthetic for m in stage.counts()}
    assert marked == {0: True, 60: not synthetic_first}


def test_the_scene_is_taken_away_and_given_back(spool: Spool) -> None:
    with Stage(spool) as stage:
        for k in range(3):
            ts = START_TS + k
            stage.analysis.crossings[ts] = [crossing(ts)]
            stage.loop.take(assigned(1, scene=k != 1))
            wait_for(lambda n=int(k != 1): stage.loop.report().revision == n, "in force")
            stage.source.show(ts)
            stage.analysed(k + 1)
        assert stage.loop.report().crossings == 2
    # the same revision in the same minute goes on where it was
    assert total(stage.counts()) == {1: 2}


def test_a_camera_that_is_removed_closes_everything(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.analysis.events = {START_TS: [event("e1", START_TS)]}
        stage.analysis.crossings = {START_TS: [crossing(START_TS)]}
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.source.fail(Code.STALLED)
        wait_for(lambda: stage.alerts("camera_down"), "the outage")
        stage.end("the camera was removed", removed=True)
        assert spool.open_alerts() == []
        closed = [m for m in stage.alerts() if m.state == "closed"]
        assert {m.kind for m in closed} == {"intrusion", "camera_down"}
        assert {m.details["closed"] for m in closed} == {"the camera was removed"}
    # and when it comes back in the same minute it goes on counting
    with Stage(spool, left=stage.left) as again:
        again.analysis.crossings = {START_TS + 9: [crossing(START_TS + 9)]}
        again.source.show(START_TS + 9)
        again.analysed(1)
        assert again.loop.report().crossings == 1
    assert total(again.counts()) == {1: 2}


def test_a_removed_camera_whose_scene_was_refused_states_the_minute_before(
    spool: Spool, tmp_path: Path
) -> None:
    with Stage(spool) as stage:
        stage.analysis.crossings = {START_TS: [crossing(START_TS)]}
        stage.source.show(START_TS)
        stage.analysed(1)
        killed = Left((), spool.kept_bins()["a"])
    with Spool(tmp_path / "another.db") as another:
        refused = Stage(another, left=killed, asked=assigned(2))
        refused.refused = SceneError("no line")
        with refused:
            wait_for(lambda: refused.loop.report().code is Code.CONFIGURATION_REFUSED, "said")
            assert refused.counts() == []
            refused.end("the camera was removed", removed=True)
        assert total(refused.counts()) == {1: 1}


def test_pictures_are_offered_while_somebody_wants_them(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.analysis.events = {START_TS + 1: [event("e1", START_TS + 1)]}
        stage.analysis.crossings = {START_TS + k: [crossing(START_TS + k)] for k in range(3)}
        stage.source.show(START_TS)
        stage.analysed(1)
        assert stage.viewer.offered == []
        stage.viewer.views = True
        stage.source.show(START_TS + 1)
        wait_for(lambda: len(stage.viewer.offered) == 1, "offered")
        stage.viewer.views = False
        stage.source.show(START_TS + 2)
        stage.analysed(3)
        (offer,) = stage.viewer.offered
    assert offer.tracked is not None
    assert (offer.frame.camera_id, offer.frame.ts, offer.tracked.ts) == (
        "a", START_TS + 1, START_TS + 1,
    )  # fmt: skip
    assert offer.scene is stage.analysis.scene
    # what passed later does not change what was handed over
    assert offer.counts == {"gate": {"in": 2, "out": 0}}
    assert [each.id for each in offer.events] == ["e1"]


def test_pictures_without_a_scene(spool: Spool) -> None:
    stage = Stage(spool, scene=False)
    stage.viewer.views = True
    with stage:
        stage.source.show(START_TS)
        (offer,) = wait_for(lambda: stage.viewer.offered, "offered")
    assert (offer.frame.ts, offer.tracked, offer.scene) == (START_TS, None, None)
    assert (offer.counts, offer.events) == ({}, ())


def test_totals_do_not_fall_when_the_analysis_is_built_anew(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GONE_AFTER_S", 0.1)
    with Stage(spool) as stage:
        stage.viewer.views = True
        stage.analysis.crossings = {START_TS + k: [crossing(START_TS + k)] for k in range(2)}
        stage.source.show(START_TS)
        stage.analysed(1)
        time.sleep(0.3)
        stage.source.show(START_TS + 1)
        wait_for(lambda: len(stage.viewer.offered) == 2, "offered")
        stage.loop.take(assigned(2))
        wait_for(lambda: stage.loop.report().revision == 2, "in force")
        stage.source.show(START_TS + 2)
        wait_for(lambda: len(stage.viewer.offered) == 3, "offered")
    assert stage.analysis.built == 3
    assert [offer.counts["gate"]["in"] for offer in stage.viewer.offered] == [1, 2, 0]
