"""One camera's loop over a scripted source: outages, alerts, counts, what breaks and what returns.

The spool is real; the source and the analysis say what the test tells them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

import streams.camera as module
from streams.assignment import Analysis, Assignment
from streams.camera import CameraLoop, Left
from streams.config import SYNTHETIC, CameraConfig, Credential
from streams.health import Code, Health, State
from streams.messages import AlertMessage, CountsMessage, decode
from streams.recorder import Recorder
from streams.spool import Spool
from tests.waiting import PATIENCE_S, wait_for
from vision.errors import SceneError
from vision.pipeline import Step
from vision.scene import Line, Scene
from vision.types import Crossing, Detections, Event, Frame, Tracked

LINE = Line("gate", np.array([[10.0, 0.0], [10.0, 50.0]]), "in", "out")
SCENE = Scene((64, 48), ("person",), (LINE,))
START_TS = 1_800_000_000.0


class Script:
    """A live source that hands out what it was told, then nothing."""

    def __init__(self) -> None:
        self.health = Health(State.STARTING, None, START_TS)
        self.dropped = 0
        self.connects = 1
        self.camera_id = "a"
        self._frames: list[Frame] = []
        self._lock = threading.Lock()
        self.index = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.health = Health(State.STOPPED, None, START_TS)

    def next(self, timeout_s: float) -> Frame | None:
        with self._lock:
            if self._frames:
                return self._frames.pop(0)
        time.sleep(0.005)
        return None

    def show(self, ts: float, size: tuple[int, int] = (64, 48)) -> None:
        self.health = Health(State.LIVE, None, ts)
        image = np.zeros((size[1], size[0], 3), np.uint8)
        with self._lock:
            self._frames.append(Frame("a", self.index, ts, image))
        self.index += 1

    def fail(self, code: Code) -> None:
        self.health = Health(State.DOWN, code, START_TS)


class Scripted:
    """Stands for a pipeline: gives the events and crossings that the test put into it."""

    def __init__(self) -> None:
        self.events: dict[float, list[Event]] = {}
        self.crossings: dict[float, list[Crossing]] = {}
        self.broken = False
        self.built = 0
        self.scene = SCENE

    def build(self, size: tuple[int, int]) -> Any:
        self.scene.scale_from(size)
        self.built += 1
        return self

    def step(self, frame: Frame) -> Step:
        if self.broken:
            raise RuntimeError("the model is gone")
        tracked = Tracked(
            "a", frame.index, frame.ts, ("person",), Detections.empty(), np.zeros(0, np.int32),
            (), (),
        )  # fmt: skip
        return Step(
            tracked,
            tuple(self.crossings.get(frame.ts, ())),
            tuple(self.events.get(frame.ts, ())),
        )


def event(name: str, start_ts: float, end_ts: float | None = None) -> Event:
    return Event(
        name, "intrusion", "r", "a", "yard", start_ts, start_ts, end_ts, (1,), 0.5, {"why": "x"}
    )


class Viewer:
    """Somebody who views camera ``a``, or nobody."""

    def __init__(self) -> None:
        self.views = False
        self.offered: list[tuple[Any, ...]] = []

    def wanted(self, camera: str) -> bool:
        return self.views

    def offer(self, *offered: Any) -> None:
        self.offered.append(offered)


def assigned(
    revision: int = 1,
    *,
    source: Any = SYNTHETIC,
    scene: bool = True,
    name: str = "A",
    model: str = "m",
    password: str | None = None,
) -> Assignment:
    """Camera ``a`` as it is configured; the revision says which scene it has."""
    drawn: Any = {"revision": revision} if scene else None
    login = None if password is None else "gate"
    credential = None if password is None else Credential("operator", password)
    return Assignment(
        CameraConfig("a", name, source, login, model, None, None, drawn, revision), credential, ()
    )


class Stage:
    """A running loop with everything around it."""

    def __init__(
        self,
        spool: Spool,
        *,
        scene: bool = True,
        left: Left | None = None,
        asked: Assignment | None = None,
    ) -> None:
        self.spool = spool
        self.source = Script()
        self.sources = [self.source]
        self.analysis = Scripted()
        self.refused: Exception | None = None
        self.recorder = Recorder(spool)
        self.viewer = Viewer()
        self.left = Left()
        self.loop = CameraLoop(
            asked or assigned(scene=scene),
            sources=lambda _: self.sources[-1],
            analyses=self._analysis,
            recorder=self.recorder,
            slots=threading.Semaphore(1),
            viewing=self.viewer,
        )
        self._thread = threading.Thread(target=self._run, args=(left or Left(),))

    def _analysis(self, config: CameraConfig) -> Analysis:
        if self.refused is not None:
            raise self.refused
        if config.scene is None:
            return Analysis()
        return Analysis(self.analysis.scene, config.revision, ("person",), self.analysis.build)

    def _run(self, left: Left) -> None:
        self.left = self.loop.run(left)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end("the worker stopped")

    def end(self, why: str, *, removed: bool = False) -> None:
        self.loop.stop(why, removed=removed)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def another_source(self) -> Script:
        """What the next address leads to."""
        self.sources.append(Script())
        return self.sources[-1]

    def messages(self) -> list[AlertMessage | CountsMessage]:
        return [decode(spooled.body) for spooled in self.spool.unsent(10_000)]

    def alerts(self, kind: str = "") -> list[AlertMessage]:
        found = [m for m in self.messages() if isinstance(m, AlertMessage)]
        return [m for m in found if kind in m.kind]

    def counts(self) -> list[CountsMessage]:
        return [m for m in self.messages() if isinstance(m, CountsMessage)]

    def analysed(self, number: int) -> None:
        wait_for(lambda: self.loop.report().analysed >= number, f"{number} analysed")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTAGE_AFTER_S", 0.05)
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(module, "TICK_S", 0.02)


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
        # the worker stops: nobody follows e2 any more
        ("e2", 2, "closed"),
    ]
    assert stage.alerts()[-1].details["closed"] == "the worker stopped"
    assert stage.alerts()[-1].end_ts == START_TS + 2
    assert spool.open_alerts() == []


def test_who_was_followed_when_the_camera_went_is_closed_after_a_while(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GONE_AFTER_S", 0.1)
    with Stage(spool) as stage:
        stage.analysis.events = {START_TS: [event("e1", START_TS)]}
        stage.source.show(START_TS)
        stage.analysed(1)
        stage.source.fail(Code.STALLED)
        wait_for(lambda: len(stage.alerts("intrusion")) == 2, "closed")
        stage.source.show(START_TS + 60)
        stage.analysed(2)
    assert stage.alerts("intrusion")[1].end_ts == START_TS
    assert stage.analysis.built == 2


def test_what_an_earlier_run_left_open(spool: Spool) -> None:
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
        stage.source.fail(Code.UNREACHABLE)
        time.sleep(0.2)
        stage.source.show(START_TS + 50)
        wait_for(lambda: any(m.state == "closed" for m in stage.alerts("camera_down")), "closed")
    outages = stage.alerts("camera_down")
    assert {m.id for m in outages} == {down.id}
    assert [(m.version, m.state) for m in outages] == [(1, "open"), (2, "closed")]
    assert outages[1].end_ts == START_TS + 50
    assert [m.state for m in stage.alerts("intrusion")] == ["open", "closed"]


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
    def refuse(size: tuple[int, int]) -> Any:
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
