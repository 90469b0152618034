"""One camera's loop over a scripted source, for its tests.

The spool is real; the source and the analysis say what the test tells them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any, Literal, Self

import numpy as np
import pytest

import streams.camera as module
from streams.assignment import Analysis, Assignment
from streams.camera import CameraLoop, Left
from streams.config import SYNTHETIC, CameraConfig, Credential
from streams.evidence import Evidence
from streams.health import Code, Health, State
from streams.messages import AlertMessage, CountsMessage, decode
from streams.opinions import Opinions
from streams.pictures import Offer
from streams.recorder import Recorder
from streams.rtsp.ring import Ring
from streams.source import LiveSource
from streams.spool import Spool
from tests.waiting import PATIENCE_S, wait_for
from vision.counting import Counted
from vision.pipeline import Step
from vision.scene import Line, Scene
from vision.types import Crossing, Detections, Event, Frame, Late, Tracked, Trip
from vision.watch import Decided

LINE = Line("gate", np.array([[10.0, 0.0], [10.0, 50.0]]), "in", "out")
SCENE = Scene((64, 48), ("person",), (LINE,))
START_TS = 1_800_000_000.0


class Script:
    """A live source that hands out what it was told, then nothing."""

    def __init__(self) -> None:
        self.health = Health(State.STARTING, None, START_TS)
        self.dropped = 0
        self.connects = 1
        self.ring: Ring | None = None
        self.stream: Literal["main", "sub"] | None = None
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
        self.trips: dict[float, list[Trip]] = {}
        self.late: dict[float, list[Late]] = {}
        self.left: list[Trip] = []
        """Of those who are in sight at the end."""
        self.over: list[Event] = []
        """What is stated at the end."""
        self.watches = True
        """Whether its rules watch what is remembered."""
        self.remembered: list[Event] = []
        self.broken = False
        self.built = 0
        self.scene = SCENE
        self.sights: dict[tuple[int, int], str] = {}
        """How it looks at pictures of a size, where that matters."""

    def build(self, size: tuple[int, int], view: str | None = None) -> Any:
        self.scene.scale_from(size)
        self.view = view
        self.built += 1
        self.open: tuple[Event, ...] = ()
        self.learnt: str | None = None
        return self

    def sight(self, size: tuple[int, int]) -> str | None:
        return self.sights.get(size)

    def remember(self, events: Iterable[Event]) -> None:
        self.remembered = list(events)
        if self.watches:
            self.open = tuple(self.remembered)

    def step(self, frame: Frame) -> Step:
        if self.broken:
            raise RuntimeError("the model is gone")
        tracked = Tracked(
            "a", frame.index, frame.ts, ("person",), Detections.empty(), np.zeros(0, np.int32),
            (), (),
        )  # fmt: skip
        return Step(
            tracked,
            Counted(tuple(self.crossings.get(frame.ts, ())), tuple(self.late.get(frame.ts, ()))),
            tuple(self.trips.get(frame.ts, ())),
            tuple(self.events.get(frame.ts, ())),
        )

    def finish(self) -> Decided:
        left, self.left = tuple(self.left), []
        over, self.over = tuple(self.over), []
        return Decided(trips=left, events=over)


def event(name: str, start_ts: float, end_ts: float | None = None, *, lost: bool = False) -> Event:
    return Event(
        name, "intrusion", "r", "a", "yard", start_ts, start_ts, end_ts, (1,), 0.5, {"why": "x"},
        lost=lost,
    )  # fmt: skip


class Viewer:
    """Somebody who views camera ``a``, or nobody."""

    def __init__(self) -> None:
        self.views = False
        self.offered: list[Offer] = []

    def wanted(self, camera: str) -> bool:
        return self.views

    def offer(self, camera: str, offer: Offer) -> None:
        assert camera == offer.frame.camera_id
        self.offered.append(offer)


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


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cameras lose patience sooner than they would."""
    monkeypatch.setattr(module, "OUTAGE_AFTER_S", 0.05)
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(module, "TICK_S", 0.02)


class Stage:
    """A running loop with everything around it."""

    def __init__(
        self,
        spool: Spool,
        *,
        scene: bool = True,
        left: Left | None = None,
        asked: Assignment | None = None,
        opinions: Opinions | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self.spool = spool
        self.source = Script()
        self.sources: list[LiveSource] = [self.source]
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
            opinions=opinions,
            evidence=evidence,
        )
        self._thread = threading.Thread(target=self._run, args=(left or Left(),))

    def _analysis(self, config: CameraConfig) -> Analysis:
        if self.refused is not None:
            raise self.refused
        if config.scene is None:
            return Analysis()
        analysis = self.analysis
        return Analysis(
            analysis.scene, config.revision, ("person",), analysis.build, analysis.sight
        )

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
        another = Script()
        self.sources.append(another)
        return another

    def messages(self) -> list[AlertMessage | CountsMessage]:
        return [decode(spooled.body) for spooled in self.spool.unsent(10_000)]

    def alerts(self, kind: str = "") -> list[AlertMessage]:
        found = [m for m in self.messages() if isinstance(m, AlertMessage)]
        return [m for m in found if kind in m.kind]

    def counts(self) -> list[CountsMessage]:
        return [m for m in self.messages() if isinstance(m, CountsMessage)]

    def analysed(self, number: int) -> None:
        wait_for(lambda: self.loop.report().analysed >= number, f"{number} analysed")
