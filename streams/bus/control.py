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

from streams.bus import connection
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
QUEUE_TTL_S = 3600.0
"""What waits for a worker that never comes goes by itself, its names too."""
SHORTEST_S = 0.01
"""A wait of 0 would be one for ever."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command as its worker takes it: ``id`` is where its answer goes."""

    id: str
    body: str


class Pictures(Protocol):
    """Live pictures of the cameras that are followed. Used by one thread, but for ``follow``."""

    def follow(self, cameras: Collection[str]) -> None:
        """From now on get these cameras' pictures and no others'; in force with ``next``."""

    def next(self, *, wait_s: float) -> tuple[str, bytes] | None:
        """The next picture and its camera; None where none came in ``wait_s``, or sooner. Raises
        BusError; the next call connects again."""

    def close(self) -> None:
        """Follow nothing any more, until ``follow`` is called again."""


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
        """The commands that wait for ``worker`` and have not expired, oldest first, each once;
        waits up to ``wait_s`` for the first."""

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
            # what expired before has no body any more
            pipeline.pexpire(queue, max(ttl_ms, milliseconds(QUEUE_TTL_S) or 1))
            pipeline.execute()
        return command

    def take(self, worker: str, *, wait_s: float) -> list[Command]:
        queue = QUEUE + worker
        until_s = time.monotonic() + wait_s
        with self.errors():
            while True:
                left_s = until_s - time.monotonic()
                found = self._bodies(self._popped(queue, min(left_s, SLICE_S)))
                if found or left_s <= SLICE_S or self.closed:
                    return found

    def _popped(self, queue: str, wait_s: float) -> list[str]:
        first: Any = None
        if wait_s > 0:
            first = self.redis.blpop([queue], timeout=max(SHORTEST_S, wait_s))
            if first is None:
                return []
        rest: Any = self.redis.lpop(queue, MAX_QUEUED)
        return [text(command) for command in [*((first or ())[1:]), *(rest or ())]]

    def _bodies(self, commands: list[str]) -> list[Command]:
        """Those of ``commands`` that have not expired."""
        if not commands:
            return []
        bodies: Any = self.redis.mget([COMMAND + command for command in commands])
        return [
            Command(command, text(body))
            for command, body in zip(commands, bodies, strict=True)
            if body is not None
        ]

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
                timeout_s = max(SHORTEST_S, min(left_s, SLICE_S))
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
    def __init__(self, control: RedisControl) -> None:
        self._control = control
        self._wanted: frozenset[str] = frozenset()
        self._followed: frozenset[str] = frozenset()
        self._pubsub: redis.client.PubSub | None = None
        self._heard_s = 0.0

    def follow(self, cameras: Collection[str]) -> None:
        self._wanted = frozenset(cameras)

    def next(self, *, wait_s: float) -> tuple[str, bytes] | None:
        wait_s = min(wait_s, SLICE_S)
        try:
            with self._control.errors():
                pubsub = self._subscribed()
                if pubsub is None:
                    time.sleep(max(0.0, wait_s))
                    return None
                message: Any = pubsub.get_message(timeout=max(0.0, wait_s))
                self._see_who_lives(pubsub, heard=message is not None)
        except BusError:
            self._leave()
            raise
        if message is None or message["type"] != "message":
            return None
        camera = text(message["channel"]).removeprefix(PICTURES)
        # one that was followed until just now may still be on its way
        return (camera, message["data"]) if camera in self._wanted else None

    def close(self) -> None:
        self._wanted = frozenset()
        self._leave()

    def _leave(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        self._followed = frozenset()
        if pubsub is not None:
            with suppress(redis.RedisError, OSError):
                pubsub.close()

    def _subscribed(self) -> redis.client.PubSub | None:
        """Subscribed to what is wanted; None where nothing is."""
        wanted = self._wanted
        if not wanted:
            self._leave()
            return None
        if self._pubsub is None:
            made: Any = self._control.redis.pubsub(  # type: ignore[no-untyped-call]
                ignore_subscribe_messages=True
            )
            self._pubsub, self._heard_s = made, time.monotonic()
        if more := wanted - self._followed:
            self._pubsub.subscribe(*(PICTURES + camera for camera in sorted(more)))
        if less := self._followed - wanted:
            self._pubsub.unsubscribe(*(PICTURES + camera for camera in sorted(less)))
        self._followed = wanted
        return self._pubsub

    def _see_who_lives(self, pubsub: redis.client.PubSub, *, heard: bool) -> None:
        """A link that is dead brings no pictures, just as cameras that are: it is asked for a sign
        of life where nothing comes."""
        now_s = time.monotonic()
        if heard or not pubsub.health_check_response_counter:
            self._heard_s = now_s
        elif now_s - self._heard_s > connection.ANSWER_S:
            raise redis.TimeoutError
