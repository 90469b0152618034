"""The bus inside one process, with Redis' own behaviour: for tests, and to try things out."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streams.bus.chain import CLAIM_IDLE_S, LATER, MAX_RECEIPTS, MAX_TAKEN, UNKNOWN, Entry
from streams.messages import Hops
from vision.errors import BusError


@dataclass(slots=True)
class _Pending:
    """Who has an entry, and since when (monotonic)."""

    consumer: str
    since_s: float


class MemoryBus:
    """A ``Bus`` that forgets everything with its process."""

    def __init__(self, *, claim_idle_s: float = CLAIM_IDLE_S) -> None:
        self._claim_idle_s = claim_idle_s
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._new: deque[Entry] = deque()
        self._given: dict[str, Entry] = {}
        self._pending: dict[str, _Pending] = {}
        self._claimed = False
        self._receipts: dict[str, deque[str]] = {}
        self._reports: dict[str, tuple[str, float]] = {}
        self._closed = False

    def check(self) -> None:
        with self._changed:
            self._open()

    def publish(
        self,
        worker: str,
        messages: Sequence[tuple[str, str]],
        *,
        spooled: Mapping[str, float] = UNKNOWN,
    ) -> None:
        now = time.time()
        with self._changed:
            self._open()
            for key, body in messages:
                hops = Hops(spooled.get(key), now)
                self._new.append(Entry(f"{next(self._numbers)}-0", worker, key, body, hops))
            self._changed.notify_all()

    def consume(self, consumer: str, *, limit: int, wait_s: float) -> list[Entry]:
        until_s = time.monotonic() + wait_s
        with self._changed:
            while True:
                self._open()
                found = self._taken(consumer, limit)
                left_s = until_s - time.monotonic()
                if found or left_s <= 0:
                    return found
                self._changed.wait(min(left_s, self._claim_idle_s))

    def acknowledge(self, ids: Sequence[str]) -> None:
        with self._changed:
            self._open()
            for entry_id in ids:
                self._given.pop(entry_id, None)
                self._pending.pop(entry_id, None)

    def put_off(self, ids: Sequence[str]) -> None:
        now_s = time.monotonic()
        with self._changed:
            self._open()
            for entry_id in ids:
                if entry_id in self._given:
                    self._pending[entry_id] = _Pending(LATER, now_s)

    def send_receipts(self, worker: str, keys: Sequence[str]) -> None:
        with self._changed:
            self._open()
            self._receipts.setdefault(worker, deque(maxlen=MAX_RECEIPTS)).extend(keys)
            self._changed.notify_all()

    def take_receipts(self, worker: str, *, wait_s: float) -> list[str]:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._receipts.get(worker), wait_s)
            self._open()
            waiting = self._receipts.get(worker, deque())
            return [waiting.popleft() for _ in range(min(len(waiting), MAX_TAKEN))]

    def report(self, worker: str, body: str, *, ttl_s: float) -> None:
        with self._changed:
            self._open()
            self._reports[worker] = body, time.monotonic() + ttl_s

    def reports(self) -> list[str]:
        now_s = time.monotonic()
        with self._changed:
            self._open()
            self._reports = {w: kept for w, kept in self._reports.items() if kept[1] > now_s}
            return [self._reports[worker][0] for worker in sorted(self._reports)]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _open(self) -> None:
        if self._closed:
            raise BusError("the bus in memory is closed")

    def _taken(self, consumer: str, limit: int) -> list[Entry]:
        """Its own, then in turns what others left alone for long and what is new."""
        now_s = time.monotonic()
        own = [i for i, pending in self._pending.items() if pending.consumer == consumer]
        left = [i for i, p in self._pending.items() if now_s - p.since_s >= self._claim_idle_s]
        turn = [] if self._claimed and self._new else left
        ids = (own or turn)[:limit]
        if not own:
            self._claimed = bool(turn)
        if not ids:
            fresh = [self._new.popleft() for _ in range(min(len(self._new), limit))]
            self._given.update((entry.id, entry) for entry in fresh)
            ids = [entry.id for entry in fresh]
        for entry_id in ids:
            self._pending[entry_id] = _Pending(consumer, now_s)
        return [self._given[entry_id] for entry_id in ids]
