"""The worker: many cameras in one process, from their pictures to the bus.

Each camera has a thread; as many are analysed at one moment as there are cores. What they state
goes through the recorder into the spool, and from there by the forwarder over the bus. Which
cameras there are, the commander hears from the control path.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import nullcontext
from pathlib import Path

import structlog

from streams.bus import Bus, Control
from streams.camera import Left
from streams.canary import PERIOD_S, Canary
from streams.commander import Commander
from streams.crew import Crew
from streams.detector import Detectors
from streams.evidence import Evidence
from streams.forwarder import Forwarder
from streams.keeper import Keeper
from streams.messages import SYSTEM_CAMERA, AlertMessage, MessageError, decode, encode
from streams.opinions import Opinions
from streams.pictures import Pictures
from streams.posting import Poster
from streams.recorder import Recorder
from streams.reports import HealthReport
from streams.rtsp.forkserver import ForkServer
from streams.spool import Spool
from vision.errors import BrokenError, BusError

REPORT_S = 1.0
REPORT_TTL_S = 10.0
JOIN_S = 3.0
DRAIN_S = 2.0

log = structlog.get_logger()


class Worker:
    """Everything of one worker; ``run`` ends when ``stop`` is set.

    ``kept`` is the file of the configuration that it follows, from which it starts where nobody
    can be asked. ``credentials`` is the file of the cameras' logins, None for the one that the
    configuration names; ``hide`` hears every password before it is used. ``opinions`` are asked
    about what is reported, where there are any. ``poster`` posts alerts while the bus is out, where
    there is one, ``keeper`` keeps tracks and ``evidence`` what shows an alert. A canary is stated
    each ``canary_s``. Building it raises SpoolError where the spool cannot be read.
    """

    def __init__(
        self,
        *,
        name: str,
        spool: Spool,
        bus: Bus,
        control: Control,
        detectors: Detectors,
        kept: Path,
        credentials: Path | None = None,
        hide: Callable[[Collection[str]], None] = lambda _: None,
        opinions: Opinions | None = None,
        poster: Poster | None = None,
        keeper: Keeper | None = None,
        evidence: Evidence | None = None,
        canary_s: float = PERIOD_S,
    ) -> None:
        self.name = name
        self._spool = spool
        self._bus = bus
        self._recorder = Recorder(spool)
        self._canary = Canary(self._recorder, name, period_s=canary_s)
        self._forwarder = Forwarder(spool, bus, name, poster=poster)
        self._forkserver = ForkServer()
        self._pictures = Pictures(control)
        self._keeper = keeper
        self._evidence = evidence
        self._crew = Crew(
            recorder=self._recorder,
            detectors=detectors,
            forkserver=self._forkserver,
            viewing=self._pictures,
            left=_left(spool),
            opinions=opinions,
            keeper=keeper,
            evidence=evidence,
        )
        self._opinions = opinions
        self._commander = Commander(
            control,
            name,
            crew=self._crew,
            leases=self._pictures,
            forkserver=self._forkserver,
            kept=kept,
            credentials=credentials,
            hide=hide,
            keeper=keeper,
            evidence=evidence,
        )

    def run(self, stop: threading.Event) -> None:
        """Run the cameras of the configuration until ``stop`` is set or this thread is
        interrupted; ends within seconds, with everything that was stated in the spool."""
        log.info("worker runs", worker=self.name)
        with self._forkserver, self._opinions or nullcontext():
            try:
                self._forwarder.start()
                self._pictures.start()
                for part in (self._keeper, self._evidence):
                    if part is not None:
                        part.start()
                self._commander.start()
                while not stop.wait(REPORT_S):
                    self._recorder.retry()
                    self._canary.step()
                    self._report()
                    self._see_who_lives()
            finally:
                self._end()

    def _see_who_lives(self) -> None:
        """A thread that died would be missed by nobody: then all of it starts anew."""
        dead = self._crew.dead
        parts = {
            "the forwarder": self._forwarder.alive,
            "the commander": self._commander.alive,
            "the live pictures": self._pictures.alive,
            "the second opinions": self._opinions is None or self._opinions.alive,
            "the memory of tracks": self._keeper is None or self._keeper.alive,
            "the evidence": self._evidence is None or self._evidence.alive,
        }
        dead += [name for name, alive in parts.items() if not alive]
        if dead:
            raise BrokenError(
                f"the worker broke down ({', '.join(dead[:3])}): start it again, and see its log"
            )

    def _end(self) -> None:
        self._commander.stop()
        self._crew.stop(JOIN_S)
        self._pictures.stop()
        for part in (self._keeper, self._evidence):
            if part is not None:
                part.stop()
        self._recorder.retry()
        if self._recorder.held:
            log.error("statements could not be spooled and are lost", number=self._recorder.held)
        self._forwarder.stop(DRAIN_S)
        log.info("worker ends", worker=self.name, waiting=self._spool.waiting)

    def _report(self) -> None:
        report = HealthReport(
            worker=self.name,
            ts=time.time(),
            problem=self._recorder.problem
            or self._forwarder.problem
            or self._commander.problem
            or (None if self._keeper is None else self._keeper.problem)
            or (None if self._evidence is None else self._evidence.problem),
            waiting=self._spool.waiting + self._recorder.held,
            configuration=self._commander.number,
            pictures=self._pictures.made,
            cameras=self._crew.reports(),
        )
        try:
            self._bus.report(self.name, encode(report), ttl_s=REPORT_TTL_S)
        except BusError as error:
            # the forwarder says it once; here it would be said each second
            log.debug("no report", why=str(error))


def _left(spool: Spool) -> dict[str, Left]:
    """What an earlier run left, by camera."""
    opened: defaultdict[str, list[AlertMessage]] = defaultdict(list)
    for body in spool.open_alerts():
        try:
            message = decode(body)
        except MessageError as error:
            log.warning("an open alert of another version stays open", why=str(error))
            continue
        # what is about the program itself is no camera's to go on with
        if isinstance(message, AlertMessage) and message.camera != SYSTEM_CAMERA:
            opened[message.camera].append(message)
    kept = spool.kept_bins()
    return {i: Left(tuple(opened[i]), kept.get(i)) for i in [*kept, *opened]}
