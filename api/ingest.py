"""From the bus to the store: one transaction, then the receipts, then the acknowledgement.

Whatever ends in between is delivered again and changes nothing. A message that can never be
stored is kept apart, with the reason, and does not hold up the others.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from api.bell import Bell
from api.store import Store, UnstorableError
from streams.bus import Bus, Entry
from streams.messages import (
    AlertMessage,
    CountsMessage,
    HealthReport,
    MessageError,
    decode,
    decode_report,
)
from vision.errors import BusError, StoreError

BATCH = 500
WAIT_S = 0.5
REPORTS_EVERY_S = 2.0
FIRST_DELAY_S = 0.2
MAX_DELAY_S = 5.0
JOIN_S = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heard:
    """A worker's last report, and when it was new here (monotonic seconds)."""

    report: HealthReport
    at_s: float


class Ingest:
    """A thread that stores what workers publish, between ``start`` and ``stop``.

    ``consumer`` names it on the bus: the same name after a restart, another one for each process
    that runs beside it. ``on_death`` is called where the thread ends without being asked to.
    """

    def __init__(
        self,
        bus: Bus,
        store: Store,
        bell: Bell,
        *,
        consumer: str,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._bus = bus
        self._store = store
        self._bell = bell
        self._consumer = consumer
        self._on_death = on_death
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._reports_due_s = 0.0
        self._problem: BusError | StoreError | None = None
        self._workers: dict[str, Heard] = {}
        self._ignored: frozenset[str] = frozenset()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread within a second or so; what is under way is delivered again."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def problem(self) -> BusError | StoreError | None:
        """What keeps messages from being stored now."""
        return self._problem

    @property
    def workers(self) -> tuple[Heard, ...]:
        """The workers whose reports have not expired."""
        return tuple(self._workers.values())

    def _run(self) -> None:
        try:
            self._loop()
        finally:
            if not self._stopping.is_set():
                self._on_death()

    def _loop(self) -> None:
        delay_s = FIRST_DELAY_S
        while not self._stopping.is_set():
            try:
                if self._problem is not None:
                    self._bus.check()
                self._step()
            except (BusError, StoreError) as error:
                # while stopping, the bus may have been closed under us
                if self._stopping.is_set():
                    return
                if str(error) != str(self._problem):
                    log.warning("messages wait", why=str(error))
                self._problem = error
                self._stopping.wait(random.uniform(delay_s / 2, delay_s))
                delay_s = min(2 * delay_s, MAX_DELAY_S)
            else:
                if self._problem is not None:
                    log.info("messages are stored again")
                self._problem = None
                delay_s = FIRST_DELAY_S

    def _step(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._reports_due_s:
            self._take_reports()
            self._reports_due_s = now_s + REPORTS_EVERY_S
        entries = self._bus.consume(self._consumer, limit=BATCH, wait_s=WAIT_S)
        if entries:
            self._handle(entries)

    def _handle(self, entries: Sequence[Entry]) -> None:
        messages = []
        for entry in entries:
            try:
                messages.append((entry, decode(entry.body)))
            except MessageError as error:
                self._reject(entry, error)
        self._record(messages)
        receipts = defaultdict(list)
        for entry in entries:
            if entry.worker and entry.key:
                receipts[entry.worker].append(entry.key)
        for worker, keys in receipts.items():
            self._bus.send_receipts(worker, keys)
        self._bus.acknowledge([entry.id for entry in entries])

    def _record(self, messages: Sequence[tuple[Entry, AlertMessage | CountsMessage]]) -> None:
        try:
            recorded = self._store.record([message for _, message in messages])
        except UnstorableError as error:
            if len(messages) == 1:
                self._reject(messages[0][0], error)
                return
            # halves, so that one among many is found with few transactions
            middle = len(messages) // 2
            self._record(messages[:middle])
            self._record(messages[middle:])
        else:
            if recorded.alerts_changed:
                self._bell.ring()

    def _reject(self, entry: Entry, error: MessageError | StoreError) -> None:
        log.error("message rejected", entry=entry.id, worker=entry.worker, why=str(error))
        self._store.reject(entry.id, str(error), entry.body)

    def _take_reports(self) -> None:
        heard: dict[str, Heard] = {}
        ignored = set()
        now_s = time.monotonic()
        for body in self._bus.reports():
            try:
                report = decode_report(body)
                before = self._workers.get(report.worker)
                if before is not None and before.report.ts == report.ts:
                    heard[report.worker] = before
                    continue
                self._store.cameras.save(report)
            except (MessageError, UnstorableError) as error:
                ignored.add(str(error))
                continue
            heard[report.worker] = Heard(report, now_s)
        for why in sorted(ignored - self._ignored):
            log.warning("health report ignored", why=why)
        self._ignored = frozenset(ignored)
        self._workers = heard
