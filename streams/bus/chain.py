"""The chain: messages, receipts and reports between workers and API, over Redis streams.

Nothing is tried again in here: whoever calls knows whether, and how long, it is worth it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

import redis

from streams.bus.connection import SLICE_S, Connection, milliseconds, text
from streams.messages import END_TS, Hops

STREAM: Final = "matakota:messages"
GROUP: Final = "store"
RECEIPTS: Final = "matakota:receipts:"
REPORT: Final = "matakota:report:"
WORKERS: Final = "matakota:workers"

CLAIM_IDLE_S = 15.0
"""A consumer that left a message alone for so long is gone; another one takes it over."""
CLAIM_EVERY_S = 3.0
LATER: Final = "later"
"""A consumer that nobody is: what it has is taken over like that of one that is gone."""
FORGET_S = 86_400
"""A consumer without messages that was not heard for so long does not come back."""
TIDY_EVERY_S = 600.0
MAX_RECEIPTS = 100_000
MAX_TAKEN = 5_000
RECEIPTS_KEPT_S = 86_400
"""Receipts of a worker that never comes back go after a day."""
UNKNOWN: Final[Mapping[str, float]] = MappingProxyType({})
"""Nobody says when anything was spooled."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as the bus delivers it, perhaps more than once. ``id`` is the bus's own;
    ``key`` goes back to ``worker`` as the receipt. What somebody else put on the bus may lack
    each of the three others, which are then empty. ``hops`` are when it was spooled, where its
    worker said so, and when the bus took it, by the bus's own clock."""

    id: str
    worker: str
    key: str
    body: str
    hops: Hops = field(default_factory=Hops)


class Bus(Protocol):
    """Delivers every published message at least once to one of the consumers. Everything raises
    BusError, one sentence, where the bus is gone, refuses us or may lose what it is given.
    Used by many threads."""

    def check(self) -> None:
        """Raise BusError unless the bus answers, is new enough and never evicts."""

    def publish(
        self,
        worker: str,
        messages: Sequence[tuple[str, str]],
        *,
        spooled: Mapping[str, float] = UNKNOWN,
    ) -> None:
        """Append messages, each a key and a body, in this order: all of them, or none where it
        raises; where the answer was lost, they may be there nevertheless. ``spooled`` says by key
        when they were spooled (UTC seconds)."""

    def consume(self, consumer: str, *, limit: int, wait_s: float) -> list[Entry]:
        """Up to ``limit`` messages that ``consumer`` has to handle: first those that it, or a
        consumer that is gone, left unacknowledged, then new ones; waits up to ``wait_s``."""

    def acknowledge(self, ids: Sequence[str]) -> None:
        """These entries are stored: forget them."""

    def put_off(self, ids: Sequence[str]) -> None:
        """Leave these entries to whoever takes them over later, as if this consumer were gone:
        they come again after a while, and hold up no others meanwhile."""

    def send_receipts(self, worker: str, keys: Sequence[str]) -> None:
        """Tell ``worker`` that the messages of these keys are stored. Receipts may be lost."""

    def take_receipts(self, worker: str, *, wait_s: float) -> list[str]:
        """Keys that were confirmed since the last call; waits up to ``wait_s`` for the first."""

    def report(self, worker: str, body: str, *, ttl_s: float) -> None:
        """Replace the worker's health report, which expires by itself."""

    def reports(self) -> list[str]:
        """The health reports of all workers that have not expired."""

    def close(self) -> None:
        """Release the connections; a waiting call ends with BusError."""


class RedisBus(Connection):
    """The bus over a Redis or Valkey at ``url``.

    Building it connects to nothing; it raises BusError for an address that cannot be right. No
    text of it, nor of its errors, shows the login in ``url``.
    """

    def __init__(
        self,
        url: str,
        *,
        stream: str = STREAM,
        group: str = GROUP,
        claim_idle_s: float = CLAIM_IDLE_S,
    ) -> None:
        super().__init__(url)
        self._stream = stream
        self._group = group
        self._claim_idle_s = claim_idle_s
        self._claim_due_s = 0.0
        self._claim_from = "0-0"
        self._claimed = False
        self._tidy_due_s = 0.0

    def publish(
        self,
        worker: str,
        messages: Sequence[tuple[str, str]],
        *,
        spooled: Mapping[str, float] = UNKNOWN,
    ) -> None:
        if not messages:
            return
        with self.errors(), self.redis.pipeline(transaction=True) as pipeline:
            for key, body in messages:
                fields: dict[Any, Any] = {"worker": worker, "key": key, "body": body}
                if key in spooled:
                    fields["spooled"] = repr(spooled[key])
                pipeline.xadd(self._stream, fields)
            pipeline.execute()

    def consume(self, consumer: str, *, limit: int, wait_s: float) -> list[Entry]:
        until_s = time.monotonic() + wait_s
        with self.errors():
            self._tidy()
            found = self._own(consumer, limit)
            if not found and self._claimed:
                # in turns, so that many that are put off again and again do not hold up new ones
                self._claimed = False
                found = self._read(consumer, ">", limit, 0.0)
            while not found:
                found = self._claim(consumer, limit)
                self._claimed = bool(found)
                left_s = until_s - time.monotonic()
                if not found:
                    found = self._read(consumer, ">", limit, min(left_s, SLICE_S))
                if left_s <= SLICE_S or self.closed:
                    break
        return found

    def acknowledge(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        with self.errors():
            self._forget(ids)

    def put_off(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        with self.errors():
            try:
                self.redis.xclaim(self._stream, self._group, LATER, 0, list(ids), justid=True)
            except redis.ResponseError as error:
                self._mend(error)

    def send_receipts(self, worker: str, keys: Sequence[str]) -> None:
        if not keys:
            return
        name = RECEIPTS + worker
        with self.errors(), self.redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.xadd(name, {"key": key}, maxlen=MAX_RECEIPTS, approximate=True)
            pipeline.expire(name, RECEIPTS_KEPT_S)
            pipeline.execute()

    def take_receipts(self, worker: str, *, wait_s: float) -> list[str]:
        name = RECEIPTS + worker
        until_s = time.monotonic() + wait_s
        with self.errors():
            while True:
                left_s = until_s - time.monotonic()
                block = milliseconds(min(left_s, SLICE_S))
                answer: Any = self.redis.xread({name: "0-0"}, count=MAX_TAKEN, block=block)
                taken = [(i, fields) for _, entries in answer or () for i, fields in entries]
                if taken:
                    self.redis.xdel(name, *(i for i, _ in taken))
                    return [text(fields.get(b"key")) for _, fields in taken]
                if left_s <= SLICE_S or self.closed:
                    return []

    def report(self, worker: str, body: str, *, ttl_s: float) -> None:
        with self.errors(), self.redis.pipeline(transaction=True) as pipeline:
            pipeline.set(REPORT + worker, body, px=max(1, round(ttl_s * 1000)))
            pipeline.sadd(WORKERS, worker)
            pipeline.execute()

    def reports(self) -> list[str]:
        with self.errors():
            known: Any = self.redis.smembers(WORKERS)
            workers = sorted(known)
            if not workers:
                return []
            bodies: Any = self.redis.mget([REPORT.encode() + worker for worker in workers])
            # a worker that reports again puts itself back
            gone = [worker for worker, body in zip(workers, bodies, strict=True) if body is None]
            if gone:
                self.redis.srem(WORKERS, *gone)
        return [text(body) for body in bodies if body is not None]

    # --- the consumer group

    def _own(self, consumer: str, limit: int) -> list[Entry]:
        """What this consumer was given before and has not acknowledged."""
        return self._read(consumer, "0", limit, 0.0)

    def _claim(self, consumer: str, limit: int) -> list[Entry]:
        """What consumers that are gone have not acknowledged."""
        now_s = time.monotonic()
        if now_s < self._claim_due_s:
            return []
        idle_ms = round(self._claim_idle_s * 1000)
        try:
            answer: Any = self.redis.xautoclaim(
                self._stream, self._group, consumer, idle_ms, self._claim_from, count=limit
            )
        except redis.ResponseError as error:
            self._mend(error)
            return []
        self._claim_from = text(answer[0])
        if self._claim_from == "0-0":
            self._claim_due_s = now_s + min(CLAIM_EVERY_S, self._claim_idle_s)
        return self._entries(answer[1])

    def _tidy(self) -> None:
        """Forget consumers of processes that are gone for good: each start may have a new name."""
        now_s = time.monotonic()
        if now_s < self._tidy_due_s:
            return
        self._tidy_due_s = now_s + TIDY_EVERY_S
        try:
            known: Any = self.redis.xinfo_consumers(self._stream, self._group)
        except redis.ResponseError:
            # there is no group yet, or this is not allowed to us, which costs a few bytes
            return
        for consumer in known:
            if consumer["pending"] == 0 and consumer["idle"] >= FORGET_S * 1000:
                self.redis.xgroup_delconsumer(self._stream, self._group, consumer["name"])

    def _read(self, consumer: str, after: str, limit: int, wait_s: float) -> list[Entry]:
        try:
            answer: Any = self.redis.xreadgroup(
                self._group,
                consumer,
                {self._stream: after},
                count=limit,
                block=milliseconds(wait_s),
            )
        except redis.ResponseError as error:
            self._mend(error)
            return []
        return self._entries([entry for _, entries in answer or () for entry in entries])

    def _mend(self, error: redis.ResponseError) -> None:
        """Make the group where it, or all, was deleted; from the first entry on, since what was
        handled is not on the stream any more. Raises ``error`` where it is about something else."""
        if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
            raise error
        try:
            self.redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except redis.ResponseError as refused:
            if not str(refused).startswith("BUSYGROUP"):
                raise

    def _entries(
        self, found: Sequence[tuple[bytes | None, Mapping[bytes, bytes] | None]]
    ) -> list[Entry]:
        entries = []
        deleted = []
        for entry_id, fields in found:
            if entry_id is None:
                continue
            if not fields:
                deleted.append(text(entry_id))
                continue
            worker, key, body = (text(fields.get(name)) for name in (b"worker", b"key", b"body"))
            hops = _hops(text(entry_id), text(fields.get(b"spooled")))
            entries.append(Entry(text(entry_id), worker, key, body, hops))
        if deleted:
            self._forget(deleted)
        return entries

    def _forget(self, ids: Sequence[str]) -> None:
        with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.xack(self._stream, self._group, *ids)
            pipeline.xdel(self._stream, *ids)
            pipeline.execute()


def _hops(entry_id: str, spooled: str) -> Hops:
    """What a stream's entry says of its way; its id begins with the server's own milliseconds."""
    return Hops(_ts(spooled, 1), _ts(entry_id.partition("-")[0], 1000))


def _ts(said: str, units: int) -> float | None:
    """UTC seconds of a number of ``units`` to the second; None where it is no time."""
    try:
        ts = float(said) / units
    except ValueError:
        return None
    return ts if 0 <= ts < END_TS else None
