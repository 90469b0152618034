"""One live camera: pictures in; alerts and counts to the recorder, health for the report.

Its thread owns everything that is known of the camera, and takes over by itself what is asked of
it: another address, another scene, a model. Incidents that are open when it starts were left by
another run, and go on.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import structlog

from models.errors import ModelError
from streams.assignment import Analysis, Assignment
from streams.config import SYNTHETIC, CameraConfig
from streams.counts import CameraCounts
from streams.evidence import Evidence
from streams.health import Code, Health, State
from streams.incidents import Incidents, Seen
from streams.keeper import Keeper
from streams.messages import AlertMessage
from streams.opinions import Opinions
from streams.pictures import Offer, Viewing
from streams.recorder import Recorder
from streams.reports import CameraReport
from streams.source import LiveSource
from vision.errors import DetectorError, MatakotaError, SceneError
from vision.pipeline import Pipeline
from vision.policy import CAMERA_DOWN
from vision.types import Event, Frame, Tracked

TICK_S = 0.5
OUTAGE_AFTER_S = 2.0
"""A camera without an analysed picture for so long, and known to be down, is an incident."""
GONE_AFTER_S = 10.0
"""After so long without pictures nobody in front of the camera is followed any more; who is found
there later may be the same incident."""
FIRST_PAUSE_S = 1.0
LONGEST_BLIND_S = 5.0
"""So long at the most nobody looks after a camera whose turn broke down."""
MAX_PAUSE_S = 30.0
TROUBLE = (
    MatakotaError, ModelError, cv2.error, ArithmeticError, LookupError, MemoryError, OSError,
    RuntimeError, ValueError,
)  # fmt: skip
"""What one camera, its pictures or its model may cause, and what a machine may run out of. Anything
else ends the thread, and the worker with it, which is started anew."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Left:
    """What another run, or an earlier time of this one, left of a camera: alerts that are open,
    and the counts that it was in the middle of."""

    opened: tuple[AlertMessage, ...] = ()
    kept: str | None = None


class CameraLoop:
    """The loop of one camera, run in a thread of its own until ``stop``.

    ``sources`` opens the camera of an assignment, ``analyses`` says how its pictures are analysed;
    both are called in that thread. ``slots`` bounds how many cameras are analysed at the same
    moment. ``keeper`` keeps the tracks and ``evidence`` what shows an alert, where there are any.
    """

    def __init__(
        self,
        assignment: Assignment,
        *,
        sources: Callable[[Assignment], LiveSource],
        analyses: Callable[[CameraConfig], Analysis],
        recorder: Recorder,
        slots: threading.Semaphore,
        viewing: Viewing,
        opinions: Opinions | None,
        keeper: Keeper | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self._asked = assignment
        self._doing: Assignment | None = None
        self._sources = sources
        self._analyses = analyses
        self._recorder = recorder
        self._slots = slots
        self._viewing = viewing
        self._memories = [each for each in (keeper, evidence) if each is not None]
        self._evidence = evidence
        self._stop = threading.Event()
        self._why, self._removed = "", False
        self._source: LiveSource | None = None
        self._closed_dropped = self._closed_connects = 0
        self._analysis: Analysis | None = None
        self._in_force: object = None
        self._prepare_s = math.inf
        self._refused: tuple[str, Health] | None = None
        self._pipeline: Pipeline | None = None
        self._counts = CameraCounts(self.id, recorder)
        self._incidents = Incidents(self.id, recorder, self._seen, opinions)
        self._fault: Health | None = None
        self._pause_s = self._prepare_pause_s = FIRST_PAUSE_S
        self._resume_s = 0.0
        self._started_ts = time.time()
        self._size: tuple[int, int] | None = None
        self._last_ts: float | None = None
        self._last_s = time.monotonic()
        self._analysed = self._skipped = self._detections = 0

    @property
    def id(self) -> str:
        return self._asked.config.id

    @property
    def asked(self) -> Assignment:
        """What the camera is to do; its thread does so within a second."""
        return self._asked

    def take(self, assignment: Assignment) -> None:
        """Do this from now on. What stays as it was goes on undisturbed."""
        self._asked = assignment

    def stop(self, why: str, *, removed: bool = False) -> None:
        """End within a second. What is open stays so for the next run, unless the camera is
        ``removed``."""
        self._why, self._removed = why, removed
        self._stop.set()

    def run(self, left: Left) -> Left:
        """Analyse until ``stop``; whatever breaks is said, and tried again. Returns what the next
        loop of this camera needs."""
        self._counts = CameraCounts(self.id, self._recorder, left.kept)
        self._incidents.take_over(left.opened, self._counts.last_ts)
        while not self._stop.is_set():
            self._guarded()
        self._finish()
        return Left((), self._counts.kept)

    def report(self) -> CameraReport:
        """How the camera is now. Read by another thread: every part is a single value."""
        config, health, source = self._asked.config, self._health(), self._source
        width, height = self._size or (None, None)
        return CameraReport(
            camera=config.id,
            name=config.name,
            source=SYNTHETIC if config.synthetic else "rtsp",
            state=health.state,
            code=health.code,
            message=health.message,
            since_ts=health.since_ts,
            last_frame_ts=self._last_ts,
            width=width,
            height=height,
            analysed=self._analysed,
            dropped=self._skipped + self._closed_dropped + (source.dropped if source else 0),
            connects=self._closed_connects + (source.connects if source else 0),
            revision=self._revision,
            detections=self._detections,
            crossings=self._counts.crossings,
            running=self._counts.running,
            stream=source.stream if source else None,
        )

    @property
    def _revision(self) -> int:
        analysis = self._analysis
        return 0 if analysis is None else analysis.revision

    def _seen(self) -> Seen:
        return Seen(self._revision, self._doing is not None and self._doing.config.synthetic)

    def _health(self) -> Health:
        source, fault, refused = self._source, self._fault, self._refused
        if self._analysis is None and refused is not None:
            return refused[1]
        if self._analysis is None and fault is not None:
            return fault
        health = source.health if source else Health(State.STARTING, None, self._started_ts)
        if health.state is not State.LIVE:
            return health
        if fault is not None:
            return fault
        return Health(State.LIVE, refused[1].code, refused[1].since_ts) if refused else health

    # --- what is asked

    def _follow(self) -> None:
        """Begin what was asked, where it differs from what is done."""
        asked, doing = self._asked, self._doing
        if asked is not doing:
            if doing is None or asked.way != doing.way:
                self._move(asked)
            if doing is not None and asked.config.source != doing.config.source:
                # what was drawn may not fit what is seen now, and what is open was seen elsewhere
                self._analysis = self._refused = None
                self._incidents.close("the camera was changed")
            self._prepare_s, self._prepare_pause_s = 0.0, FIRST_PAUSE_S
            if self._analysis is not None and asked.analysis == self._in_force:
                self._refused, self._prepare_s = None, math.inf
            self._doing = asked
        if time.monotonic() >= self._prepare_s:
            self._prepare_s = time.monotonic() + _jittered(self._prepare_pause_s)
            self._prepare_pause_s = min(2 * self._prepare_pause_s, MAX_PAUSE_S)
            self._prepare(asked)

    def _move(self, asked: Assignment) -> None:
        """Look through another camera, or with another login, in place of the one until now."""
        before, self._source = self._source, None
        if before is not None:
            self._drop_pipeline("the camera was changed")
            self._closed_dropped += before.dropped
            self._closed_connects += before.connects
            before.__exit__(None, None, None)
        self._source = self._sources(asked).__enter__()

    def _prepare(self, asked: Assignment) -> None:
        """Take the scene and the model of ``asked``, or go on as before and say why."""
        try:
            analysis = self._analyses(asked.config)
        except (SceneError, DetectorError, ModelError) as error:
            self._refuse(error)
            return
        before = self._analysis
        if before is not None:
            changed = "model" if before.revision == analysis.revision else "scene"
            self._drop_pipeline(f"the {changed} was changed")
            log.info("follows its configuration", camera=self.id, revision=analysis.revision)
        self._counts.begin(
            analysis.scene, analysis.classes, analysis.revision,
            address=str(asked.config.source), synthetic=asked.config.synthetic,
        )  # fmt: skip
        self._analysis, self._in_force = analysis, asked.analysis
        self._refused = self._fault = None
        self._resume_s, self._pause_s, self._prepare_s = 0.0, FIRST_PAUSE_S, math.inf

    def _refuse(self, error: Exception) -> None:
        said = str(error)
        if self._refused is None or self._refused[0] != said:
            log.error("the configuration is not used", camera=self.id, why=said)
            health = Health(State.DOWN, Code.CONFIGURATION_REFUSED, time.time())
            self._refused = said, health
        if not isinstance(error, ModelError):
            # a file may come, but this stays wrong
            self._prepare_s = math.inf

    # --- pictures

    def _guarded(self) -> None:
        """One turn, where one camera's trouble is its own."""
        try:
            self._turn()
        except SceneError as error:
            if self._broken(Code.SCENE_MISMATCH):
                log.error("not analysed", camera=self.id, why=str(error))
        except TROUBLE:
            if self._broken(Code.ANALYSIS_FAILED):
                log.exception("not analysed", camera=self.id)
            self._stop.wait(_jittered(min(self._pause_s, LONGEST_BLIND_S)))

    def _turn(self) -> None:
        if not self._recorder.ready:
            self._stop.wait(TICK_S)
            return
        self._watch()
        self._follow()
        if self._analysis is None or self._source is None:
            self._stop.wait(TICK_S)
            return
        frame = self._source.next(TICK_S)
        if frame is None:
            return
        if time.monotonic() < self._resume_s:
            self._skipped += 1
            return
        with self._slots:
            tracked = self._analyse(frame, self._analysis)
        self._fault = None
        self._pause_s = FIRST_PAUSE_S
        if self._viewing.wanted(self.id):
            self._viewing.offer(self.id, self._offer(frame, tracked))

    def _analyse(self, frame: Frame, analysis: Analysis) -> Tracked | None:
        tracked = None
        if analysis.pipeline is not None:
            if self._pipeline is not None and not analysis.goes_on(self._size, frame.size):
                self._drop_pipeline("the stream was changed")
            if self._pipeline is None:
                self._pipeline = pipeline = analysis.pipeline(frame.size, self._counts.view)
                self._counts.learnt = lambda: pipeline.learnt
                self._incidents.resume(self._pipeline)
            step = self._pipeline.step(frame)
            tracked = step.tracked
            self._detections += int(np.count_nonzero(tracked.track_id >= 0))
            drawn_on = frame.size if analysis.scene is None else analysis.scene.frame_size
            self._incidents.state(step.events, frame, drawn_on)
            self._counts.update(
                frame.ts, step.counted.crossings, step.trips, step.counted.late,
                step.tracked.quality, step.counted.stood,
            )  # fmt: skip
            for memory in self._memories if analysis.scene is not None else ():
                memory.keep(tracked, frame_size=drawn_on, looked_for=analysis.classes)
            self._show_why(frame, tracked)
        self._analysed += 1
        self._size, self._last_ts = frame.size, frame.ts
        self._last_s = time.monotonic()
        self._incidents.end(CAMERA_DOWN, frame.ts, "pictures are analysed again")
        return tracked

    def _offer(self, frame: Frame, tracked: Tracked | None) -> Offer:
        passed = {line: dict(by) for line, by in self._counts.passed.items()}
        scene = None if self._analysis is None else self._analysis.scene
        return Offer(frame, tracked, scene, passed, self._incidents.events)

    def _show_why(self, frame: Frame | None = None, tracked: Tracked | None = None) -> None:
        """Hand over what is new, and the picture that showed it, if one did."""
        new = self._incidents.take_new()
        if new and self._evidence is not None:
            seen = None if frame is None else self._offer(frame, tracked)
            ring = None if self._source is None else self._source.ring
            self._evidence.raised(self.id, new, seen, self._seen(), ring, self._now_ts())

    def _broken(self, code: Code) -> bool:
        """Pause before the next try; whether this is new."""
        new = self._fault is None or self._fault.code is not code
        if new:
            self._fault = Health(State.DOWN, code, time.time())
        self._resume_s = time.monotonic() + _jittered(self._pause_s)
        self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)
        # what broke down is asked nothing more
        self._pipeline = None
        self._drop_pipeline("the analysis broke down")
        return new

    def _drop_pipeline(self, why: str) -> None:
        """Forget who is in the picture, and count what is decided of them. What is open is for
        the next pipeline; what that does not watch was closed for the reason ``why``."""
        events: tuple[Event, ...] = ()
        if self._pipeline is not None:
            last = self._pipeline.finish()
            self._counts.finish(last.counted, last.trips)
            events = last.events
        self._pipeline = None
        for memory in self._memories:
            memory.cut(self.id)
        self._incidents.leave(events, self._ended_ts, why)

    # --- the camera itself

    def _watch(self) -> None:
        """The camera itself as an incident: it opens and closes by itself."""
        idle_s = time.monotonic() - self._last_s
        health = self._health()
        if self._source is not None:
            self._incidents.watch(self._source.health, self._now_ts())
        down = health.state is State.DOWN and idle_s >= OUTAGE_AFTER_S
        if down and not self._incidents.outage:
            self._incidents.begin(
                CAMERA_DOWN, health.code or Code.DISCONNECTED, self._ended_ts, self._now_ts()
            )
        self._show_why()
        if self._pipeline is not None and idle_s >= GONE_AFTER_S:
            self._drop_pipeline("the camera sends no pictures")
        if idle_s >= TICK_S:
            self._counts.due(self._now_ts())

    def _now_ts(self) -> float:
        """Now by the camera's own times: the host's clock may be set meanwhile."""
        if self._last_ts is None:
            return time.time()
        return self._last_ts + time.monotonic() - self._last_s

    @property
    def _ended_ts(self) -> float:
        """When the last picture was seen, or should have been."""
        return self._started_ts if self._last_ts is None else self._last_ts

    def _finish(self) -> None:
        if self._source is not None:
            self._source.__exit__(None, None, None)
        self._drop_pipeline(self._why)
        self._counts.end()
        if self._removed:
            self._incidents.close(self._why)
            self._incidents.end_all(self._now_ts(), self._why)
            self._counts.settle()


def _jittered(pause_s: float) -> float:
    return pause_s * random.uniform(0.5, 1.0)
