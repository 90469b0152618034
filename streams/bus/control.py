"""The control path: the configuration that workers follow, commands to them, their live pictures.

Nothing in here is kept for long: commands and answers expire by the server's own clock, pictures
reach whoever watches at that moment, and the configuration is put back by whoever has the store.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import redis

from streams.bus.connection import SLICE_S, Connection, milliseconds, text
from vision.errors import BusError

CONFIGURATION: Final = "matakota:configuration"
QUEUE: Final = "matakota:commands:"
COMMAND: Final = "matakota:command:"
ANSWER: Final = "matakota:answer:"
PICTURES: Final = "matakota:pictures:"
ANSWER_TTL_S = 30.0
MAX_QUEUED = 1000
"""Commands that wait for a worker that takes none; older ones go first."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command as its worker takes it: ``id`` is where its answer goes."""

    id: str
    body: str


class Pictures(Protocol):
    """Live pictures of the cameras that are followed. Used by one thread, but for ``follow``."""

    def follow(self, cameras: Collection[str]) -> None:
        """From now on get these cameras' pictures and no others'."""

    def next(self, *, wait_s: float) -> tuple[str, bytes] | None:
        """The next picture and its camera; None where none came in ``wait_s``. Raises BusError;
        the next call connects again."""

    def close(self) -> None:
        """Follow nothing any more."""


class Control(Protocol):
    """Everything raises BusError, one sentence. Used by many threads."""

    def configure(self, version: str, body: str) -> None:
        """Replace the configuration that all workers follow."""

    def configuration(self, known: str) -> tuple[str, str] | None:
        """Version and body of the configuration, unless its version is ``known`` or there is
        none."""

    def configured(self) -> str:
        """The version of the configuration that is there; empty for none."""

    def send(self, worker: str, body: str, *, ttl_s: float) -> str:
        """Give ``worker`` a command, which expires after ``ttl_s``. Returns the command's id."""

    def take(self, worker: str, *, wait_s: float) -> list[Command]:
        """The commands that wait for ``worker`` and have not expired, oldest first; waits up to
        ``wait_s`` for the first."""

    def answer(self, command: str, body: str) -> None:
        """Answer a command; nobody may be waiting any more."""

    def answered(self, command: str, *, wait_s: float) -> str | None:
        """The answer to a command, waited for up to ``wait_s``."""

    def show(self, camera: str, picture: bytes) -> int:
        """Hand a picture to whoever follows ``camera`` now; returns how many do."""

    def pictures(self) -> Pictures:
        """Live pictures, of no camera yet."""

    def close(self) -> None:
        """Release the connections; a waiting call ends with BusError."""


class RedisControl(Connection):
    """The control path over a Redis or Valkey, beside the chain, on connections of its own."""

    def configure(self, version: str, body: str) -> None:
        with self.errors():
            self.redis.hset(CONFIGURATION, mapping={"version": version, "body": body})

    def configuration(self, known: str) -> tuple[str, str] | None:
        if self.configured() in {known, ""}:
            return None
        with self.errors():
            found: Any = self.redis.hmget(CONFIGURATION, ["version", "body"])
        version, body = map(text, found)
        return (version, body) if version and body else None

    def configured(self) -> str:
        with self.errors():
            version: Any = self.redis.hget(CONFIGURATION, "version")
        return text(version)

    def send(self, worker: str, body: str, *, ttl_s: float) -> str:
        command = secrets.token_hex(8)
        ttl_ms = milliseconds(ttl_s) or 1
        queue = QUEUE + worker
        with self.errors(), self.redis.pipeline(transaction=True) as pipeline:
            pipeline.set(COMMAND + command, body, px=ttl_ms)
            pipeline.rpush(queue, command)
            pipeline.ltrim(queue, -MAX_QUEUED, -1)
            # the newest decides: what expired before has no body any more
            pipeline.pexpire(queue, ttl_ms)
            pipeline.execute()
        return command

    def take(self, worker: str, *, wait_s: float) -> list[Command]:
        queue = QUEUE + worker
        until_s = time.monotonic() + wait_s
        with self.errors():
            while True:
                left_s = until_s - time.monotonic()
                ids = self._popped(queue, min(left_s, SLICE_S))
                if ids:
                    bodies: Any = self.redis.mget([COMMAND + text(i) for i in ids])
                    taken = zip(ids, bodies, strict=True)
                    return [Command(text(i), text(body)) for i, body in taken if body is not None]
                if left_s <= SLICE_S or self.closed:
                    return []

    def _popped(self, queue: str, wait_s: float) -> list[bytes]:
        first: Any = None
        if wait_s > 0:
            first = self.redis.blpop([queue], timeout=wait_s)
            if first is None:
                return []
        rest: Any = self.redis.lpop(queue, MAX_QUEUED)
        return [*([] if first is None else [first[1]]), *(rest or [])]

    def answer(self, command: str, body: str) -> None:
        with self.errors(), self.redis.pipeline(transaction=True) as pipeline:
            pipeline.rpush(ANSWER + command, body)
            pipeline.pexpire(ANSWER + command, milliseconds(ANSWER_TTL_S) or 1)
            pipeline.execute()

    def answered(self, command: str, *, wait_s: float) -> str | None:
        until_s = time.monotonic() + wait_s
        with self.errors():
            while True:
                left_s = until_s - time.monotonic()
                timeout_s = max(0.01, min(left_s, SLICE_S))
                found: Any = self.redis.blpop([ANSWER + command], timeout=timeout_s)
                if found is not None:
                    return text(found[1])
                if left_s <= SLICE_S or self.closed:
                    return None

    def show(self, camera: str, picture: bytes) -> int:
        with self.errors():
            # published, not kept: nothing of it goes into the server's file
            receivers: Any = self.redis.publish(PICTURES + camera, picture)
        return int(receivers)

    def pictures(self) -> Pictures:
        return _RedisPictures(self)


class _RedisPictures:
    def __init__(self, connection: RedisControl) -> None:
        self._connection = connection
        self._wanted: frozenset[str] = frozenset()
        self._followed: frozenset[str] = frozenset()
        self._pubsub: redis.client.PubSub | None = None

    def follow(self, cameras: Collection[str]) -> None:
        self._wanted = frozenset(cameras)

    def next(self, *, wait_s: float) -> tuple[str, bytes] | None:
        try:
            with self._connection.errors():
                pubsub = self._subscribed()
                if not self._followed:
                    time.sleep(min(wait_s, SLICE_S))
                    return None
                message: Any = pubsub.get_message(timeout=min(wait_s, SLICE_S))
        except BusError:
            self.close()
            raise
        if message is None or message["type"] != "message":
            return None
        return text(message["channel"]).removeprefix(PICTURES), message["data"]

    def close(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        self._followed = frozenset()
        if pubsub is not None:
            with suppress(redis.RedisError, OSError):
                pubsub.close()

    def _subscribed(self) -> redis.client.PubSub:
        pubsub = self._pubsub
        if pubsub is None:
            made: Any = self._connection.redis.pubsub(  # type: ignore[no-untyped-call]
                ignore_subscribe_messages=True
            )
            pubsub = self._pubsub = made
        wanted = self._wanted
        if more := wanted - self._followed:
            pubsub.subscribe(*(PICTURES + camera for camera in sorted(more)))
        if less := self._followed - wanted:
            pubsub.unsubscribe(*(PICTURES + camera for camera in sorted(less)))
        self._followed = wanted
        return pubsub
