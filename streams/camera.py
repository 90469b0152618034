"""One live camera: pictures in; alerts and counts to the recorder, health for the report.

Its thread owns everything that is known of the camera. Alerts that are open when it starts were
left by a worker that was ended in their middle: an outage goes on where it was, the others are
closed, since who caused them is not followed any more.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from streams.config import SYNTHETIC, CameraConfig
from streams.health import SENTENCES, Code, Health, State
from streams.messages import AlertMessage, CameraReport, CountsMessage
from streams.recorder import Recorder
from streams.source import LiveSource
from vision.bins import Binner, Interval
from vision.errors import SceneError
from vision.pipeline import Pipeline
from vision.policy import CAMERA_DOWN, alert_of, camera_down
from vision.scene import Scene
from vision.types import Event, Frame

TICK_S = 0.5
OUTAGE_AFTER_S = 2.0
"""A camera without an analysed picture for so long, and known to be down, is an incident."""
GONE_AFTER_S = 10.0
"""After so long without pictures nobody in front of the camera is followed any more."""
KEEP_S = 5.0
"""A kill loses at most so many observed seconds; crossings are kept at once."""
FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0

log = structlog.get_logger()


class CameraLoop:
    """The loop of one camera, run in a thread of its own until ``stop`` is set.

    A camera without ``scene`` is only watched for its health. ``pipelines`` builds the analysis
    for pictures of a size (w, h), ``binner`` counts by the minute and may know the minute that an
    earlier run was in; ``slots`` bounds how many cameras are analysed at the same moment;
    ``opened`` are its alerts that the spool remembers as open, from a run that saw its last
    picture at ``left_ts``.
    """

    def __init__(
        self,
        config: CameraConfig,
        scene: Scene | None,
        revision: int,
        source: LiveSource,
        *,
        pipelines: Callable[[Scene, tuple[int, int]], Pipeline],
        recorder: Recorder,
        slots: threading.Semaphore,
        binner: Binner | None = None,
        opened: Iterable[AlertMessage] = (),
        left_ts: float | None = None,
    ) -> None:
        self.config = config
        self._scene = scene
        self._revision = revision
        self._source = source
        self._pipelines = pipelines
        self._recorder = recorder
        self._slots = slots
        self._pipeline: Pipeline | None = None
        self._binner = binner
        self._opened = list(opened)
        self._left_ts = left_ts
        self._open: dict[str, AlertMessage] = {}
        self._outage: str | None = None
        self._fault: Health | None = None
        self._pause_s = FIRST_PAUSE_S
        self._resume_s = 0.0
        self._started_ts = time.time()
        self._size: tuple[int, int] | None = None
        self._last_ts: float | None = None
        self._last_s = time.monotonic()
        self._kept_s = self._last_s
        self._analysed = self._skipped = 0

    def run(self, stop: threading.Event) -> None:
        """Analyse until ``stop``; whatever breaks is said, and tried again."""
        self._take_over()
        with self._source:
            while not stop.is_set():
                self._guarded(stop)
        self._finish("the worker stopped")

    def report(self) -> CameraReport:
        """How the camera is now. Read by another thread: every part is a single value."""
        health = self._health()
        width, height = self._size or (None, None)
        return CameraReport(
            camera=self.config.id,
            name=self.config.name,
            source=SYNTHETIC if self.config.synthetic else "rtsp",
            state=health.state,
            code=health.code,
            message=health.message,
            since_ts=health.since_ts,
            last_frame_ts=self._last_ts,
            width=width,
            height=height,
            analysed=self._analysed,
            dropped=self._source.dropped + self._skipped,
            connects=self._source.connects,
            revision=self._revision,
        )

    def _health(self) -> Health:
        health, fault = self._source.health, self._fault
        return fault if fault is not None and health.state is State.LIVE else health

    # --- pictures

    def _guarded(self, stop: threading.Event) -> None:
        """One turn of this thread's outermost loop: one camera's trouble is its own."""
        try:
            self._turn(stop)
        except SceneError as error:
            if self._broken(Code.SCENE_MISMATCH):
                log.error("not analysed", camera=self.config.id, why=str(error))
        except Exception:
            if self._broken(Code.ANALYSIS_FAILED):
                log.exception("not analysed", camera=self.config.id)
            stop.wait(TICK_S)

    def _turn(self, stop: threading.Event) -> None:
        if not self._recorder.ready:
            stop.wait(TICK_S)
            return
        self._watch()
        frame = self._source.next(TICK_S)
        if frame is None:
            return
        if time.monotonic() < self._resume_s:
            self._skipped += 1
            return
        with self._slots:
            self._analyse(frame)
        self._fault = None
        self._pause_s = FIRST_PAUSE_S

    def _analyse(self, frame: Frame) -> None:
        if self._scene is not None:
            if self._pipeline is None:
                self._pipeline = self._pipelines(self._scene, frame.size)
            step = self._pipeline.step(frame)
            self._say([self._stated(event) for event in step.events])
            if self._binner is not None:
                done = self._binner.update(frame.ts, step.crossings)
                self._count(self._binner, done, crossed=bool(step.crossings))
        self._analysed += 1
        self._size, self._last_ts = frame.size, frame.ts
        self._last_s = time.monotonic()
        if self._outage is not None:
            self._end_outage(frame.ts)

    def _broken(self, code: Code) -> bool:
        """Pause before the next try; whether this is new."""
        new = self._fault is None or self._fault.code is not code
        if new:
            self._fault = Health(State.DOWN, code, time.time())
        self._resume_s = time.monotonic() + self._pause_s * random.uniform(0.5, 1.0)
        self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)
        self._drop_pipeline("the analysis broke down")
        return new

    def _drop_pipeline(self, why: str) -> None:
        """Forget who is in the picture, and close what they caused."""
        self._pipeline = None
        end_ts = self._started_ts if self._last_ts is None else self._last_ts
        followed = [m for m in self._open.values() if m.kind != CAMERA_DOWN]
        self._say([message.closed(end_ts, why) for message in followed])

    # --- alerts

    def _stated(self, event: Event) -> AlertMessage:
        """What is said of ``event`` now; an event may begin and end in one step."""
        known = self._open.get(event.id)
        alert = alert_of(event, 1 if known is None else known.version + 1)
        message = AlertMessage.of(alert, revision=self._revision, synthetic=self.config.synthetic)
        self._open[event.id] = message
        return message

    def _say(self, messages: Sequence[AlertMessage]) -> None:
        for message in messages:
            if message.state == "closed":
                self._open.pop(message.id, None)
        if messages:
            self._recorder.put(messages)

    def _watch(self) -> None:
        """The camera itself as an incident: it opens and closes by itself."""
        idle_s = time.monotonic() - self._last_s
        health = self._health()
        if self._outage is None and health.state is State.DOWN and idle_s >= OUTAGE_AFTER_S:
            self._begin_outage(health)
        if self._pipeline is not None and idle_s >= GONE_AFTER_S:
            self._drop_pipeline("the camera sends no pictures")
        binner = self._binner
        if binner is not None and idle_s >= TICK_S and (due := binner.due(self._now_ts())):
            self._count(binner, due, crossed=False)

    def _now_ts(self) -> float:
        """Now by the camera's own times: the host's clock may be set meanwhile."""
        if self._last_ts is None:
            return time.time()
        return self._last_ts + time.monotonic() - self._last_s

    def _begin_outage(self, health: Health) -> None:
        code = health.code or Code.DISCONNECTED
        start_ts = self._started_ts if self._last_ts is None else self._last_ts
        outage = camera_down(
            self.config.id,
            start_ts=start_ts,
            raised_ts=max(start_ts, self._now_ts()),
            end_ts=None,
            code=code.value,
            why=SENTENCES[code],
        )
        self._outage = outage.id
        self._say([self._stated(outage)])

    def _end_outage(self, ts: float) -> None:
        message = self._open.get(self._outage or "")
        self._outage = None
        if message is not None:
            self._say([message.closed(ts, "pictures are analysed again")])

    # --- counts

    def _count(self, binner: Binner, intervals: Sequence[Interval], *, crossed: bool) -> None:
        """State ``intervals`` and keep the rest of ``binner``, at least every few seconds."""
        now_s = time.monotonic()
        if not (intervals or crossed or now_s - self._kept_s >= KEEP_S):
            return
        self._kept_s = now_s
        synthetic = self.config.synthetic
        self._recorder.put(
            [CountsMessage.of(interval, synthetic=synthetic) for interval in intervals],
            bins={self.config.id: json.dumps(binner.state())},
        )

    # --- beginning and end

    def _take_over(self) -> None:
        """Go on with an outage that the last worker stated, close its other alerts."""
        for message in self._opened:
            if message.kind == CAMERA_DOWN and self._outage is None:
                self._open[message.id] = message
                self._outage = message.id
            else:
                end_ts = message.raised_ts if self._left_ts is None else self._left_ts
                self._say([message.closed(end_ts, "the worker was started anew")])

    def _finish(self, why: str) -> None:
        self._drop_pipeline(why)
        if self._binner is not None and self._last_ts is not None:
            self._count(self._binner, self._binner.flush(self._last_ts), crossed=True)
