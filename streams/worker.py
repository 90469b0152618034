"""The worker: many cameras in one process, from their pictures to the bus.

Each camera has a thread; as many are analysed at one moment as there are cores. What they state
goes through the recorder into the spool, and from there by the forwarder over the bus.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Mapping

import structlog

from streams.bus import Bus
from streams.camera import CameraLoop
from streams.config import CameraConfig, City
from streams.detector import Detectors
from streams.forwarder import Forwarder
from streams.messages import AlertMessage, CountsMessage, HealthReport, MessageError, decode, encode
from streams.recorder import Recorder
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.source import RtspSource
from streams.scenefile import load_scene, scene_revision
from streams.source import LiveSource
from streams.spool import Spool
from streams.synthetic import SyntheticSource
from vision.bins import Binner
from vision.errors import BrokenError, BusError, DetectorError, SceneError
from vision.pipeline import Pipeline
from vision.scene import Scene
from vision.scene_check import check_scene

REPORT_S = 1.0
REPORT_TTL_S = 10.0
JOIN_S = 3.0
DRAIN_S = 2.0

log = structlog.get_logger()


class Worker:
    """Everything of one worker; ``run`` ends when ``stop`` is set.

    Building it reads every scene and loads every model. Raises SceneError, DetectorError,
    ModelError or SpoolError where one of them cannot work.
    """

    def __init__(
        self, city: City, *, name: str, spool: Spool, bus: Bus, detectors: Detectors
    ) -> None:
        self.name = name
        self._city = city
        self._spool = spool
        self._bus = bus
        self._detectors = detectors
        self._recorder = Recorder(spool)
        self._forwarder = Forwarder(spool, bus, name)
        self._forkserver = ForkServer()
        self._slots = threading.Semaphore(os.cpu_count() or 1)
        self._kept = dict(spool.kept_bins())
        opened = self._opened()
        self._loops = [self._loop(camera, opened.pop(camera.id, [])) for camera in city.cameras]
        self._close_orphans(opened)

    def run(self, stop: threading.Event) -> None:
        """Run all cameras until ``stop`` is set or this thread is interrupted; ends within
        seconds, with everything that was stated in the spool."""
        threads = [
            threading.Thread(target=loop.run, args=(stop,), name=loop.config.id, daemon=True)
            for loop in self._loops
        ]
        log.info("worker runs", worker=self.name, cameras=len(threads))
        with self._forkserver:
            try:
                self._forwarder.start()
                for thread in threads:
                    thread.start()
                while not stop.wait(REPORT_S):
                    self._recorder.retry()
                    self._report()
                    self._see_who_lives(threads)
            finally:
                stop.set()
                self._end(threads)

    def _see_who_lives(self, threads: list[threading.Thread]) -> None:
        """A thread that died would be missed by nobody: then all of it starts anew."""
        dead = [thread.name for thread in threads if not thread.is_alive()]
        if not self._forwarder.alive:
            dead.append("the forwarder")
        if dead:
            raise BrokenError(
                f"the worker broke down ({', '.join(dead[:3])}): start it again, and see its log"
            )

    def _end(self, threads: list[threading.Thread]) -> None:
        end_s = time.monotonic() + JOIN_S
        for thread in threads:
            thread.join(max(0.0, end_s - time.monotonic()))
        late = [thread.name for thread in threads if thread.is_alive()]
        if late:
            log.warning("cameras did not end in time", cameras=late)
        self._recorder.retry()
        if self._recorder.held:
            log.error("statements could not be spooled and are lost", number=self._recorder.held)
        self._forwarder.stop(DRAIN_S)
        log.info("worker ends", worker=self.name, waiting=self._spool.waiting)

    def _report(self) -> None:
        report = HealthReport(
            worker=self.name,
            ts=time.time(),
            problem=self._recorder.problem or self._forwarder.problem,
            waiting=self._spool.waiting + self._recorder.held,
            cameras=tuple(loop.report() for loop in self._loops),
        )
        try:
            self._bus.report(self.name, encode(report), ttl_s=REPORT_TTL_S)
        except BusError as error:
            # the forwarder says it once; here it would be said each second
            log.debug("no report", why=str(error))

    # --- building

    def _loop(self, camera: CameraConfig, opened: list[AlertMessage]) -> CameraLoop:
        scene = None if camera.scene is None else load_scene(camera.scene)
        revision = 0
        if camera.scene is not None and scene is not None:
            revision = scene_revision(camera.scene)
            for warning in check_scene(scene):
                log.warning(warning, scene=str(camera.scene))

        def pipelines(drawn: Scene, size: tuple[int, int]) -> Pipeline:
            drawn.scale_from(size)
            detector, tracker = self._detectors.get(camera.model, size, drawn.classes)
            return Pipeline(drawn, detector, tracker)

        binner, left_ts = None, None
        if scene is not None:
            try:
                wanted = pipelines(scene, scene.frame_size).wanted
            except (SceneError, DetectorError) as error:
                raise type(error)(f"{camera.scene}: {error}") from None
            binner = Binner(camera.id, scene.lines, wanted, revision)
            left_ts = self._restored(camera.id, binner, synthetic=camera.synthetic)
        return CameraLoop(
            camera,
            scene,
            revision,
            self._source(camera),
            pipelines=pipelines,
            recorder=self._recorder,
            slots=self._slots,
            binner=binner,
            opened=opened,
            left_ts=left_ts,
        )

    def _restored(self, camera_id: str, binner: Binner, *, synthetic: bool) -> float | None:
        """Put ``binner`` into the minute that an earlier run left, and state what that run counted
        with another revision of the scene. Returns the time of its last picture."""
        kept = self._kept.pop(camera_id, None)
        if kept is None:
            return None
        try:
            state = json.loads(kept)
            earlier = binner.restore(state)
            left_ts = state.get("last_ts")
        except ValueError as error:
            log.warning("the running minute is lost", camera=camera_id, why=str(error))
            return None
        self._recorder.put(
            [CountsMessage.of(interval, synthetic=synthetic) for interval in earlier],
            bins={camera_id: json.dumps(binner.state())},
        )
        return None if left_ts is None else float(left_ts)

    def _source(self, camera: CameraConfig) -> LiveSource:
        if camera.source == "synthetic":
            return SyntheticSource(camera.id, fps=camera.fps)
        return RtspSource(
            camera.id,
            camera.source,
            camera.credential,
            networks=self._city.networks,
            fps=camera.fps,
            forkserver=self._forkserver,
        )

    def _opened(self) -> dict[str, list[AlertMessage]]:
        """The alerts that an earlier run left open, by camera."""
        found: defaultdict[str, list[AlertMessage]] = defaultdict(list)
        for body in self._spool.open_alerts():
            try:
                message = decode(body)
            except MessageError as error:
                log.warning("an open alert of another version stays open", why=str(error))
                continue
            if isinstance(message, AlertMessage):
                found[message.camera].append(message)
        return found

    def _close_orphans(self, opened: Mapping[str, list[AlertMessage]]) -> None:
        """Nobody watches these cameras any more, so nobody would close their alerts and state
        the minute that they were in."""
        for camera_id in list(self._kept):
            nothing = Binner(camera_id, (), (), revision=-1)
            self._restored(camera_id, nothing, synthetic=False)
        now = time.time()
        self._recorder.put(
            [
                message.closed(now, "the camera was removed")
                for messages in opened.values()
                for message in messages
            ]
        )
