"""One connection to a Redis or Valkey: how it is opened, what it must be able to do, and what its
errors mean.

Commands are those of Redis 6.2 to 7.0, which Valkey speaks too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthorizationError
from redis.retry import Retry

from streams.bus.address import URL_HINT, bus_address, what_is_wrong
from vision.errors import BusError, BusGoneError

OLDEST: Final = (6, 2)
"""XAUTOCLAIM came with Redis 6.2."""
ANSWER_S = 3.0
"""Longest wait for an answer, beyond what the command itself waits."""
SLICE_S = 0.25
"""Waits are cut into pieces of this, so that ``close`` ends them."""
HEALTH_S = 10


class Connection:
    """A Redis or Valkey at ``url``, used by many threads.

    Building it connects to nothing; it raises BusError for an address that cannot be right. No
    text of it, nor of its errors, shows the login in ``url``.
    """

    def __init__(self, url: str) -> None:
        self.address = bus_address(url)
        self._closed = threading.Event()
        try:
            self.redis = redis.Redis.from_url(
                url,
                protocol=2,
                socket_timeout=SLICE_S + ANSWER_S,
                socket_connect_timeout=ANSWER_S,
                health_check_interval=HEALTH_S,
                retry=Retry(NoBackoff(), 0),
                **({} if url.startswith("unix") else {"socket_keepalive": True}),
            )
        except (ValueError, TypeError):
            raise BusError(f"the address {self.address} cannot be read: {URL_HINT}") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def check(self) -> None:
        """Raise BusError unless the server answers, is new enough and never evicts."""
        with self.errors():
            self.redis.ping()
            server = _info(self.redis, "server")
            version = str(server.get("redis_version", "0"))
            role = str(_info(self.redis, "replication").get("role", "master"))
            policy = self._policy()
        if _version(version) < OLDEST:
            raise BusError(
                f"{self.address} runs version {version}, which is too old: install Redis "
                f"{'.'.join(map(str, OLDEST))} or newer, or Valkey"
            )
        if role != "master":
            raise BusError(
                f"{self.address} is a replica, which takes no messages: name its primary in "
                "MATAKOTA_REDIS_URL"
            )
        if policy != "noeviction":
            has = f"evicts by '{policy}'" if policy else "does not say whether it evicts"
            raise BusError(
                f"{self.address} {has}, which may lose alerts: set its 'maxmemory-policy' to "
                "noeviction"
            )

    def close(self) -> None:
        """Release the connections; a waiting call ends with BusError."""
        self._closed.set()
        self.redis.connection_pool.disconnect(inuse_connections=False)

    def _policy(self) -> str:
        """How it makes room when its memory is full; empty where it does not say."""
        try:
            answer: Any = self.redis.config_get("maxmemory-policy")
        except redis.ResponseError:
            # hosted ones forbid CONFIG
            return str(_info(self.redis, "memory").get("maxmemory_policy", ""))
        return str(next(iter(answer.values()), ""))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Whatever goes wrong in the block becomes a BusError."""
        if self._closed.is_set():
            raise BusError(f"the connection to {self.address} is closed")
        try:
            yield
        except (redis.RedisError, OSError) as error:
            # what the server said may repeat what it was sent, the login included
            answered = isinstance(error, redis.ResponseError)
            why = what_is_wrong(str(error), answered=answered)
            gone = isinstance(error, redis.ConnectionError | redis.TimeoutError | OSError)
            refused = isinstance(error, redis.AuthenticationError | AuthorizationError)
            kind = BusGoneError if gone and not refused else BusError
            raise kind(f"{self.address} {why}") from None
        finally:
            if self._closed.is_set():
                self.redis.connection_pool.disconnect(inuse_connections=False)
        if self._closed.is_set():
            raise BusError(f"the connection to {self.address} is closed")


def milliseconds(wait_s: float) -> int | None:
    """For BLOCK, where 0 would mean for ever."""
    return None if wait_s <= 0 else max(1, round(wait_s * 1000))


def text(value: bytes | None) -> str:
    """What the server sent, as text; empty for nothing."""
    return "" if value is None else value.decode("utf-8", "replace")


def _info(client: redis.Redis, section: str) -> Mapping[str, Any]:
    answer: Any = client.info(section)
    return dict(answer)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in text.split(".")[:2])
