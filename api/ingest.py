"""From the bus to the store: one transaction, then the receipts, then the acknowledgement.

Whatever ends in between is delivered again and changes nothing. A message that can never be
stored is kept apart, with the reason, and does not hold up the others.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from api.bell import Bell
from api.store import Store, UnstorableError
from api.trouble import Trouble
from streams.bus import Bus, Entry
from streams.messages import (
    AlertMessage,
    CountsMessage,
    Hops,
    MessageError,
    NewerMessageError,
    decode,
)
from streams.reports import HealthReport, decode_report
from vision.errors import BusError, StoreError

BATCH = 500
WAIT_S = 0.5
REPORTS_EVERY_S = 2.0
JOIN_S = 2.0
HELD_S = 60.0
"""What waits for a newer version comes by far more often than this."""
MAX_HELD = 100_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heard:
    """A worker's last report, and when it was new here (monotonic seconds)."""

    report: HealthReport
    at_s: float


class _Held:
    """Messages of newer workers, which wait on the bus for a version that can read them."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def hold(self, entry: Entry) -> bool:
        """Whether ``entry`` is to wait. A copy of one that waits need not: its worker, which gets
        no receipt, sends it again and again, and would fill the bus."""
        self._expire()
        name = entry.worker, entry.key if entry.worker and entry.key else entry.id
        known, _ = self._seen.get(name, (entry.id, 0.0))
        if known == entry.id:
            self._seen[name] = entry.id, time.monotonic()
            self._seen.move_to_end(name)
        return known == entry.id

    def workers(self) -> list[str]:
        """Who sent what waits now."""
        self._expire()
        return sorted({worker or "somebody" for worker, _ in self._seen})

    def _expire(self) -> None:
        limit_s = time.monotonic() - HELD_S
        while self._seen:
            name = next(iter(self._seen))
            if self._seen[name][1] >= limit_s and len(self._seen) <= MAX_HELD:
                break
            del self._seen[name]


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
        self._trouble = Trouble("messages wait", "messages are stored again", self._stopping)
        self._workers: dict[str, Heard] = {}
        self._ignored: frozenset[str] = frozenset()
        self._held = _Held()
        self._newer: str | None = None

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
        return self._trouble.error

    @property
    def newer(self) -> str | None:
        """Whose messages wait since only a newer version than this one can read them."""
        return self._newer

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
        while not self._stopping.is_set():
            try:
                if self._trouble.error is not None:
                    self._bus.check()
                self._step()
            except (BusError, StoreError) as error:
                self._trouble.wait(error)
            else:
                self._trouble.end()

    def _step(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._reports_due_s:
            self._take_reports()
            self._reports_due_s = now_s + REPORTS_EVERY_S
            self._look_for_newer()
        entries = self._bus.consume(self._consumer, limit=BATCH, wait_s=WAIT_S)
        if entries:
            self._handle(entries)

    def _handle(self, entries: Sequence[Entry]) -> None:
        messages = []
        done = []
        copies: list[str] = []
        waiting: list[str] = []
        for entry in entries:
            try:
                messages.append((entry, decode(entry.body)))
            except NewerMessageError:
                (waiting if self._held.hold(entry) else copies).append(entry.id)
                continue
            except MessageError as error:
                self._reject(entry, error)
            done.append(entry)
        if waiting:
            self._look_for_newer()
            self._bus.put_off(waiting)
        self._record(messages)
        receipts = defaultdict(list)
        for entry in done:
            if entry.worker and entry.key:
                receipts[entry.worker].append(entry.key)
        for worker, keys in receipts.items():
            self._bus.send_receipts(worker, keys)
        self._bus.acknowledge([*(entry.id for entry in done), *copies])

    def _look_for_newer(self) -> None:
        """Say whose messages wait for a newer version, or that none do any more."""
        workers = self._held.workers()
        said = None
        if workers:
            said = (
                f"messages from {', '.join(workers)} are of a newer version, which this one cannot "
                "read: install that version here; until then they wait in Redis"
            )
        if said != self._newer and said is not None:
            log.warning("messages wait for a newer version", why=said)
        self._newer = said

    def _record(self, messages: Sequence[tuple[Entry, AlertMessage | CountsMessage]]) -> None:
        hops: dict[str, Hops] = {}
        for entry, message in messages:
            # of several copies, the one that came first
            hops.setdefault(message.key, entry.hops)
        try:
            recorded = self._store.record([message for _, message in messages], hops)
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
        # an alert says that there is one
        self._bell.ring()

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
