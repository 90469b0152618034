"""The cameras of one worker that run now, each in a thread of its own; they follow the city."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import structlog

from models.errors import ModelError
from streams.assignment import Analysis, Assignment, analysis_of
from streams.camera import CameraLoop, Left
from streams.config import SYNTHETIC, CameraConfig, City, Credential
from streams.counts import CameraCounts
from streams.detector import Detectors
from streams.drawing import Checked
from streams.evidence import Evidence
from streams.health import SENTENCES, Code, Health, State
from streams.keeper import Keeper
from streams.opinions import Opinions
from streams.pictures import Viewing
from streams.recorder import Recorder
from streams.reports import CameraReport
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Ring
from streams.rtsp.source import RtspSource
from streams.source import LiveSource
from streams.streamwish import WishOf
from streams.synthetic import SyntheticSource
from vision.errors import DetectorError, SceneError
from vision.types import Frame

MAX_LEFT = 10_000
"""Cameras that are gone and whose counts are remembered in case that they come back."""
STOPPED = "the worker stopped"
REMOVED = "the camera was removed"

log = structlog.get_logger()


@dataclass(slots=True)
class _Member:
    """A camera that runs."""

    loop: CameraLoop
    thread: threading.Thread
    wish: WishOf


class Crew:
    """All cameras of one worker. Used by many threads; nothing in it waits for a camera but
    ``stop``.

    ``left`` is what an earlier run left, by camera; ``viewing`` may want to see pictures,
    ``opinions`` are asked about what is reported, ``keeper`` keeps tracks and ``evidence`` what
    shows an alert, where there are any.
    """

    def __init__(
        self,
        *,
        recorder: Recorder,
        detectors: Detectors,
        forkserver: ForkServer,
        viewing: Viewing,
        left: Mapping[str, Left],
        opinions: Opinions | None = None,
        keeper: Keeper | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self._recorder = recorder
        self._detectors = detectors
        self._forkserver = forkserver
        self._viewing = viewing
        self._opinions = opinions
        self._keeper = keeper
        self._evidence = evidence
        self._slots = threading.Semaphore(os.cpu_count() or 1)
        self._lock = threading.Lock()
        self._left = dict(left)
        self._followed = self._stopped = False
        self._members: dict[str, _Member] = {}
        self._leaving: dict[str, threading.Thread] = {}

    def follow(self, city: City, logins: Mapping[str, Credential], worker: str) -> None:
        """Run the cameras of ``city`` that are ``worker``'s or nobody's, and end the others. One
        that stays as it is goes on undisturbed; one that changes does so by itself."""
        asked = {
            camera.id: Assignment(camera, logins.get(camera.login or ""), city.networks)
            for camera in city.cameras
            if camera.worker in {None, worker}
        }
        with self._lock:
            if self._stopped:
                return
            self._leaving = {i: each for i, each in self._leaving.items() if each.is_alive()}
            for camera_id in [i for i in self._members if i not in asked]:
                member = self._members.pop(camera_id)
                member.loop.stop(REMOVED, removed=True)
                self._leaving[camera_id] = member.thread
            for camera_id, assignment in asked.items():
                known = self._members.pop(camera_id, None)
                if known is None:
                    known = self._joined(assignment)
                elif known.loop.asked != assignment:
                    known.wish.config = assignment.config
                    known.loop.take(assignment)
                # in the order of the configuration
                self._members[camera_id] = known
            if not self._followed:
                self._followed = True
                for camera_id in [i for i in self._left if i not in asked]:
                    self._left[camera_id] = self._close_orphan(camera_id, self._left[camera_id])
        log.info("configuration is followed", worker=worker, cameras=len(asked))

    def check(self, config: CameraConfig) -> Checked:
        """Whether a camera could be watched so. Never raises: the answer says what is wrong."""
        try:
            analysis_of(config, self._detectors)
        except (SceneError, DetectorError) as error:
            return Checked(ok=False, message=str(error))
        except ModelError as error:
            # a file may come
            return Checked(ok=False, busy=True, message=str(error))
        return Checked(ok=True)

    def reports(self) -> tuple[CameraReport, ...]:
        """How each camera is, in the order of the configuration."""
        with self._lock:
            loops = [member.loop for member in self._members.values()]
        return tuple(loop.report() for loop in loops)

    @property
    def dead(self) -> list[str]:
        """Cameras whose thread ended though it should run."""
        with self._lock:
            return [i for i, member in self._members.items() if not member.thread.is_alive()]

    def stop(self, wait_s: float) -> None:
        """End all cameras, waiting up to ``wait_s`` seconds for them."""
        end_s = time.monotonic() + wait_s
        with self._lock:
            self._stopped = True
            members, self._members = self._members, {}
            threads = self._leaving | {i: member.thread for i, member in members.items()}
            self._leaving = {}
        for member in members.values():
            member.loop.stop(STOPPED)
        for thread in threads.values():
            thread.join(max(0.0, end_s - time.monotonic()))
        late = [camera_id for camera_id, thread in threads.items() if thread.is_alive()]
        if late:
            log.warning("cameras did not end in time", cameras=late)

    # --- one camera

    def _joined(self, assignment: Assignment) -> _Member:
        shows = self._evidence is not None or self._opinions is not None
        wish = WishOf(assignment.config, self._detectors, shows=shows)
        loop = CameraLoop(
            assignment,
            sources=partial(self._source, wish),
            analyses=self._analysis,
            recorder=self._recorder,
            slots=self._slots,
            viewing=self._viewing,
            opinions=self._opinions,
            keeper=self._keeper,
            evidence=self._evidence,
        )
        before = self._leaving.pop(loop.id, None)
        thread = threading.Thread(target=self._live, args=(loop, before), name=loop.id, daemon=True)
        thread.start()
        return _Member(loop, thread, wish)

    def _live(self, loop: CameraLoop, before: threading.Thread | None) -> None:
        if before is not None:
            # the same camera, removed a moment ago: what it leaves is needed
            before.join()
        with self._lock:
            left = self._left.pop(loop.id, Left())
        left = loop.run(left)
        with self._lock:
            self._left[loop.id] = left
            while len(self._left) > MAX_LEFT:
                del self._left[next(iter(self._left))]

    def _close_orphan(self, camera_id: str, left: Left) -> Left:
        """Nobody watches this camera any more, so nobody would close its alerts and state the
        minute that it was in. Returns what it needs should it come back."""
        counts = CameraCounts(camera_id, self._recorder, left.kept)
        counts.settle()
        now = time.time()
        self._recorder.put([message.closed(now, REMOVED) for message in left.opened])
        return Left((), counts.kept)

    def _source(self, wish: WishOf, assignment: Assignment) -> LiveSource:
        config = assignment.config
        if config.source == SYNTHETIC:
            return SyntheticSource(config.id, fps=config.fps)
        if config.login is not None and assignment.credential is None:
            log.warning(
                f"camera is down: {SENTENCES[Code.LOGIN_UNKNOWN]}",
                camera=config.id,
                login=config.login,
            )
            return RefusedSource(config.id, Code.LOGIN_UNKNOWN)
        return RtspSource(
            config.id,
            config.source,
            assignment.credential,
            networks=assignment.networks,
            fps=config.fps,
            forkserver=self._forkserver,
            ring=None if self._evidence is None else Ring(self._forkserver),
            wish=wish,
        )

    def _analysis(self, config: CameraConfig) -> Analysis:
        analysis, warnings = analysis_of(config, self._detectors)
        for warning in warnings:
            log.warning(warning, camera=config.id)
        return analysis


class RefusedSource:
    """A live source that is not even tried: it is down for the reason ``code``."""

    dropped = connects = 0
    ring = stream = None

    def __init__(self, camera_id: str, code: Code) -> None:
        self.camera_id = camera_id
        self.health = Health(State.DOWN, code, time.time())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """It holds nothing."""

    def next(self, timeout_s: float) -> Frame | None:
        """Waits like a camera that sends nothing."""
        time.sleep(timeout_s)
        return None
