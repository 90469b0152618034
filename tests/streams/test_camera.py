"""One camera's loop: outages, alerts, counts, what breaks and what returns."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import streams.camera as module
from streams.camera import Left
from streams.health import Code, State
from streams.messages import AlertMessage, decode
from streams.opinions import LEAST_PX, Opinion, Opinions
from streams.spool import Spool
from tests.streams.stage import START_TS, Stage, event, quick
from tests.waiting import wait_for
from vision.errors import SceneError
from vision.types import Crossing, Event, Frame, Image, Late, Trip


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db") as opened:
        yield opened


def test_each_outage_is_one_alert_that_closes_by_itself(spool: Spool) -> None:
    with Stage(spool) as stage:
        for round_ in range(3):
            ts = START_TS + 10 * round_
            stage.source.show(ts)
            stage.analysed(round_ + 1)
            stage.source.fail(Code.DISCONNECTED)
            wait_for(lambda n=round_: len(stage.alerts("camera_down")) == 2 * n + 1, "opened")
            # another cause is the same outage
            stage.source.fail(Code.UNREACHABLE)
            time.sleep(0.1)
        stage.source.show(START_TS + 100)
        wait_for(lambda: len(stage.alerts("camera_down")) == 6, "closed")
        found = stage.alerts("camera_down")
    assert [m.state for m in found] == ["open", "closed"] * 3
    assert [m.version for m in found] == [1, 2] * 3
    assert len({m.id for m in found}) == 3
    first, over = found[:2]
    assert (first.severity, first.details["code"]) == ("high", "disconnected")
    assert (first.start_ts, over.end_ts) == (START_TS, START_TS + 10)
    assert first.synthetic


def test_a_camera_that_never_came_is_an_outage_from_the_start(spool: Spool) -> None:
    before = time.time()
    with Stage(spool, scene=False) as stage:
        stage.source.fail(Code.UNAUTHORIZED)
        (alert,) = wait_for(lambda: stage.alerts(), "opened")
    assert before <= alert.start_ts <= alert.raised_ts
    assert alert.details["code"] == "unauthorized"
    assert "credentials file" in str(alert.details["why"])


def test_others_are_shown_the_place_in_a_picture_of_another_size(spool: Spool) -> None:
    shown: list[tuple[int, ...]] = []

    class Adviser:
        def ask(self, crop: Image, event: Event) -> Opinion:
            shown.append(crop.shape)
            return Opinion("confirmed", "", "model")

    there = replace(event("e1", START_TS), details={"box_px": [2, 2, 4, 4]})
    with Opinions(Adviser()) as opinions, Stage(spool, opinions=opinions) as stage:
        stage.analysis.events = {START_TS: [there]}
        # ten times as large as the picture that was drawn on: the box is 20x20 px at (20, 20)
        stage.source.show(START_TS, (640, 480))
        wait_for(lambda: shown, "a question")
    assert shown == [(30 + LEAST_PX // 2, 30 + LEAST_PX // 2, 3)]


def test_a_short_silence_is_none(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.source.show(START_TS)
        stage.analysed(1)
        time.sleep(0.2)
        assert stage.loop.report().state is State.LIVE
    assert stage.alerts("camera_down") == []


def test_events_are_stated_as_they_begin_and_end(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.analysis.events = {
            START_TS: [event("e1", START_TS)],
            START_TS + 1: [event("e1", START_TS, START_TS + 1), event("e2", START_TS + 1)],
            START_TS + 2: [event("e3", START_TS + 2), event("e3", START_TS + 2, START_TS + 2)],
        }
        for k in range(3):
            stage.source.show(START_TS + k)
        stage.analysed(3)
        assert {decode(body).key for body in spool.open_alerts()} == {"alert:e2:1"}
    said = [(m.id, m.version, m.state) for m in stage.alerts()]
    assert said == [
        ("e1", 1, "open"),
        ("e1", 2, "closed"),
        ("e2", 1, "open"),
        ("e3", 1, "open"),
        ("e3", 2, "closed"),
    ]
    # the worker stops, and the next one goes on with e2
    assert {decode(body).key for body in spool.open_alerts()} == {"alert:e2:1"}


def test_what_was_open_when_the_camera_went_goes_on_when_it_is_back(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GONE_AFTER_S", 0.1)
    with Stage(spool) as stage:
        names = ("seen", "hidden", "gone")
        stage.analysis.events = {START_TS: [event(name, START_TS) for name in names]}
        stage.source.show(START_TS)
        stage.source.show(START_TS + 5)
        stage.analysed(2)
        # at its end it knows of one that left, and of one that it lost
        stage.analysis.over = [
            event("gone", START_TS, START_TS + 1),
            event("hidden", START_TS, START_TS + 2, lost=True),
        ]
        stage.source.fail(Code.STALLED)
        wait_for(lambda: len(stage.alerts("intrusion")) == 4, "one is closed")
        assert stage.loop.report().state is State.DOWN
        stage.analysis.events = {
            START_TS + 60: [event("seen", START_TS)],
            START_TS + 61: [event("hidden", START_TS, START_TS + 2, lost=True)],
        }
        stage.source.show(START_TS + 60)
        stage.source.show(START_TS + 61)
        stage.analysed(4)
        remembered = {each.id: each.end_ts for each in stage.analysis.remembered}
    assert remembered == {"seen": START_TS + 5, "hidden": START_TS + 2}
    assert stage.analysis.built == 2
    said = [(m.id, m.version, m.state, m.end_ts) for m in stage.alerts("intrusion")[3:]]
    assert said == [
        ("gone", 2, "closed", START_TS + 1),
        ("seen", 2, "open", None),
        ("hidden", 2, "closed", START_TS + 2),
    ]


@pytest.mark.parametrize("watched", [True, False])
def test_what_an_earlier_run_left_open(spool: Spool, watched: bool) -> None:
    with Stage(spool) as stage:
        stage.analysis.events = {START_TS: [event("e1", START_TS)]}
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.source.fail(Code.UNREACHABLE)
        wait_for(lambda: stage.alerts("camera_down"), "opened")
        # as a kill leaves it
        left = [decode(body) for body in spool.open_alerts()]
    opened = [m for m in left if isinstance(m, AlertMessage)]
    assert {m.kind for m in opened} == {"intrusion", "camera_down"}
    down = next(m for m in opened if m.kind == "camera_down")
    with Stage(spool, left=Left(tuple(opened))) as stage:
        stage.analysis.watches = watched
        stage.source.fail(Code.UNREACHABLE)
        time.sleep(0.2)
        assert len(stage.alerts()) == 2, "it is the same outage"
        stage.analysis.events = {START_TS + 50: [event("e1", START_TS)]} if watched else {}
        stage.source.show(START_TS + 50)
        stage.analysed(1)
    outages = stage.alerts("camera_down")
    assert {m.id for m in outages} == {down.id}
    assert [(m.version, m.state) for m in outages] == [(1, "open"), (2, "closed")]
    assert outages[1].end_ts == START_TS + 50
    again = stage.alerts("intrusion")[1:]
    assert [(m.id, m.version, m.state) for m in again] == [
        ("e1", 2, "open" if watched else "closed")
    ]
    if not watched:
        assert again[0].details["closed"] == "no rule watches it any more"


def test_an_end_of_the_worker_leaves_the_outage_open(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.source.fail(Code.STALLED)
        wait_for(lambda: stage.alerts("camera_down"), "the outage")
    assert [decode(body).type for body in spool.open_alerts()] == ["alert"]


def test_what_a_killed_run_left_held_until_its_last_picture(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.analysis.events = {START_TS: [event("e1", START_TS)]}
        stage.analysis.crossings = {
            START_TS + 7: [Crossing("a", "gate", "in", "person", 1, START_TS + 7, 10, 20)]
        }
        for ts in (START_TS, START_TS + 7):
            stage.source.show(ts)
        stage.analysed(2)
        opened = [decode(body) for body in spool.open_alerts()]
        killed = Left(
            tuple(m for m in opened if isinstance(m, AlertMessage)), spool.kept_bins()["a"]
        )
    with Stage(spool, left=killed) as again:
        again.source.show(START_TS + 30)
        again.analysed(1)
        (left,) = again.analysis.remembered
    assert (left.id, left.end_ts) == ("e1", START_TS + 7)
    # everything that the rules said of it is known again
    assert replace(left, end_ts=None) == event("e1", START_TS)


def test_a_picture_of_another_shape_says_so_and_heals(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.source.show(START_TS, (64, 64))
        wait_for(lambda: stage.loop.report().code is Code.SCENE_MISMATCH, "said")
        assert stage.loop.report().state is State.DOWN
        (alert,) = wait_for(lambda: stage.alerts("camera_down"), "opened")
        assert alert.details["code"] == "scene_mismatch"
        time.sleep(0.1)
        stage.source.show(START_TS + 1)
        wait_for(lambda: stage.loop.report().state is State.LIVE, "healed")
        wait_for(lambda: len(stage.alerts("camera_down")) == 2, "closed")
        assert (stage.loop.report().width, stage.loop.report().height) == (64, 48)


def test_an_analysis_that_breaks_is_tried_again(spool: Spool) -> None:
    with Stage(spool) as stage:
        stage.analysis.broken = True
        stage.source.show(START_TS)
        wait_for(lambda: stage.loop.report().code is Code.ANALYSIS_FAILED, "said")
        stage.analysis.broken = False
        time.sleep(0.1)
        stage.source.show(START_TS + 1)
        wait_for(lambda: stage.loop.report().code is None, "healed")
        assert stage.analysis.built == 2


def test_counts_travel_by_the_minute_and_survive(spool: Spool) -> None:
    ts = 1_800_000_000.0
    with Stage(spool) as stage:
        stage.analysis.crossings = {
            ts + 3: [Crossing("a", "gate", "in", "person", 1, ts + 3, 10, 20)]
        }
        for k in range(70):
            stage.source.show(ts + k)
        stage.analysed(70)
        (counts,) = wait_for(lambda: stage.counts(), "the minute")
        kept = json.loads(spool.kept_bins()["a"])
    assert (counts.start_ts, counts.seconds, counts.observed_s, counts.frames) == (ts, 60, 60, 60)
    assert [(c.line, c.direction, c.class_name, c.count) for c in counts.counts] == [
        ("gate", "in", "person", 1)
    ]
    assert (counts.lines, counts.classes) == ({"gate": ("in", "out")}, ("person",))
    assert kept["intervals"]
    # stopping states the minute that was running
    last = stage.counts()[-1]
    assert (last.start_ts, last.observed_s, last.frames) == (ts + 60, 9, 10)


def test_whoever_is_in_sight_when_the_camera_goes_is_counted(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GONE_AFTER_S", 0.1)
    with Stage(spool) as stage:
        trip = Trip("a", "junction", "north", None, "person", 1, START_TS, START_TS)
        stage.analysis.trips = {START_TS: [trip]}
        stage.analysis.late = {START_TS: [Late("a", "gate", "in", "person", 2, START_TS, 1, 2)]}
        stage.analysis.left = [replace(trip, destination="south", track_id=3)]
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.source.fail(Code.STALLED)
        wait_for(lambda: not stage.analysis.left, "counted")
    last = stage.counts()[-1]
    assert [(c.line, c.direction, c.count) for c in last.counts] == [
        ("junction", "north → south", 1),
        ("junction", "north → unknown", 1),
    ]
    assert [(c.line, c.direction, c.count) for c in last.late] == [("gate", "in", 1)]


def test_a_full_disk_pauses_the_camera_and_loses_nothing(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import streams.recorder as recorder

    monkeypatch.setattr(recorder, "MAX_HELD", 2)
    with full(spool), Stage(spool) as stage:
        stage.analysis.events = {
            START_TS + k: [event(f"e{k}", START_TS + k, START_TS + k)] for k in range(5)
        }
        for k in range(5):
            stage.source.show(START_TS + k)
        wait_for(lambda: stage.recorder.held == 2, "held")
        assert "disk is full" in str(stage.recorder.problem)
        assert stage.loop.report().analysed == 2
        spool.refuse = False  # type: ignore[attr-defined]
        stage.recorder.retry()
        stage.analysed(5)
    assert [m.id for m in stage.alerts()] == [f"e{k}" for k in range(5)]
    assert stage.recorder.problem is None


@contextmanager
def full(spool: Spool) -> Iterator[None]:
    """A disk that is full until the spool's ``refuse`` is unset."""
    from vision.errors import SpoolError

    put = spool.put

    def refused(*arguments: Any, **more: Any) -> None:
        if spool.refuse:  # type: ignore[attr-defined]
            raise SpoolError("the spool cannot be written because the disk is full: free space")
        put(*arguments, **more)

    spool.refuse = True  # type: ignore[attr-defined]
    spool.put = refused  # type: ignore[method-assign]
    yield


def test_a_scene_error_while_building_is_a_mismatch(spool: Spool) -> None:
    def refuse(size: tuple[int, int], view: str | None) -> Any:
        raise SceneError("no")

    stage = Stage(spool)
    stage.analysis.build = refuse  # type: ignore[method-assign]
    with stage:
        stage.source.show(START_TS)
        wait_for(lambda: stage.loop.report().code is Code.SCENE_MISMATCH, "said")


def test_a_source_that_breaks_costs_nothing_but_time(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stage(spool) as stage:
        stage.source.show(START_TS)
        stage.analysed(1)
        whole = stage.source.next

        def broken(timeout_s: float) -> Frame | None:
            raise MemoryError("no more")

        monkeypatch.setattr(stage.source, "next", broken)
        wait_for(lambda: stage.loop.report().code is Code.ANALYSIS_FAILED, "said")
        monkeypatch.setattr(stage.source, "next", whole)
        time.sleep(0.1)
        stage.source.show(START_TS + 1)
        wait_for(lambda: stage.loop.report().code is None, "healed")
        assert stage.loop.report().analysed == 2
