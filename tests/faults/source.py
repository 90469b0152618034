"""A worker without cameras: states made-up alerts through the real spool, recorder and forwarder,
as ``streams.worker`` does, and notes in a ledger outside the system what was durable.

Killed and started again it goes on where the ledger ends. It never ends by itself.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Literal

from streams.bus import RedisBus
from streams.forwarder import Forwarder
from streams.messages import AlertMessage, encode
from streams.posting import Poster
from streams.recorder import Recorder
from streams.reports import HealthReport
from streams.settings import API_KEY_VARIABLE, API_VARIABLE, REDIS_VARIABLE
from streams.spool import Spool
from tests.faults.ledger import Ledger
from vision.errors import BusError
from vision.types import Severity

NAME = "source"
CAMERAS = 8
LAST = 3
"""An alert is opened, changes once, and is closed."""
TICK_S = 0.05
REPORT_S = 1.0
BATCH = 40
DRAIN_S = 2.0


def alert(number: int, version: int) -> AlertMessage:
    """The alert of this number as its version says it is; every tenth is urgent."""
    now = time.time()
    severity: Severity = "critical" if number % 10 == 0 else "medium"
    state: Literal["open", "closed"] = "closed" if version == LAST else "open"
    return AlertMessage(
        id=name(number),
        version=version,
        camera=camera(number),
        kind="intrusion",
        rule="intrusion@yard",
        place="yard",
        severity=severity,
        state=state,
        start_ts=now - version,
        raised_ts=now,
        end_ts=now if version == LAST else None,
        score=0.5,
        details={"number": number, "why": "in the yard"},
        revision=1,
    )


def camera(number: int) -> str:
    return f"made-{number % CAMERAS}"


def name(number: int) -> str:
    return f"made:{number:06}"


class Source:
    """States ``alerts`` of them, ``rate`` a second from ``began_s`` (monotonic seconds) on."""

    def __init__(
        self, recorder: Recorder, ledger: Ledger, *, alerts: int, rate: float, began_s: float
    ) -> None:
        self._recorder = recorder
        self._ledger = ledger
        self._alerts = alerts
        self._rate = rate
        self._began_s = began_s
        known = ledger.read()
        self._opened = len(known)
        self._due = [
            (int(each.partition(":")[2]), version + 1)
            for each, version in known.items()
            if version < LAST
        ]
        self._unwritten: list[tuple[str, int]] = []

    def step(self) -> None:
        """State what is due, and note it once it is on the disk."""
        if not self._recorder.ready:
            return
        due, self._due = self._due[:BATCH], self._due[BATCH:]
        until = min(self._alerts, int((time.monotonic() - self._began_s) * self._rate))
        for number in range(self._opened, min(until, self._opened + BATCH)):
            due.append((number, 1))
        self._opened = max(self._opened, min(until, self._opened + BATCH))
        if due:
            self._recorder.put([alert(number, version) for number, version in due])
        self._unwritten += [(name(number), version) for number, version in due]
        self._due += [(number, version + 1) for number, version in due if version < LAST]
        if self._recorder.held == 0:
            # as the worker, which logs as spooled what is
            self._ledger.append(self._unwritten)
            self._unwritten.clear()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--alerts", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--began", type=float, required=True)
    told = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    bus = RedisBus(os.environ[REDIS_VARIABLE])
    poster = Poster(os.environ[API_VARIABLE], os.environ[API_KEY_VARIABLE])
    with Spool(told.data / f"spool-{NAME}.db") as spool:
        recorder, forwarder = Recorder(spool), Forwarder(spool, bus, NAME, poster=poster)
        source = Source(
            recorder, Ledger(told.ledger), alerts=told.alerts, rate=told.rate, began_s=told.began
        )
        stating = threading.Thread(target=_state, args=(source, stop), name="stating", daemon=True)
        forwarder.start()
        stating.start()
        while not stop.wait(REPORT_S) and forwarder.alive and stating.is_alive():
            recorder.retry()
            _report(bus, recorder, forwarder, spool)
        alive = stop.is_set()
        stop.set()
        stating.join(DRAIN_S)
        forwarder.stop(DRAIN_S)
    sys.exit(0 if alive else 1)


def _state(source: Source, stop: threading.Event) -> None:
    while not stop.wait(TICK_S):
        source.step()


def _report(bus: RedisBus, recorder: Recorder, forwarder: Forwarder, spool: Spool) -> None:
    report = HealthReport(
        worker=NAME,
        ts=time.time(),
        problem=recorder.problem or forwarder.problem,
        waiting=spool.waiting + recorder.held,
        cameras=(),
    )
    try:
        bus.report(NAME, encode(report), ttl_s=10 * REPORT_S)
    except BusError:
        return
