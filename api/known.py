"""Keys, sessions and links that were asked for lately, and what their holders may."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from typing import Any, Final

import structlog
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.store import Holder, Keys
from vision.errors import StoreError

CACHE_S: Final = 3.0
"""A key that is revoked opens nothing after this, and a right that is taken ends."""
CACHE_SIZE: Final = 1024
USED_EVERY_S: Final = 60.0

log = structlog.get_logger()


class KnownKeys:
    """Keys, sessions and links by id, and ids that are none, kept for ``CACHE_S`` seconds. For any
    thread."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, tuple[Holder, float]] = OrderedDict()
        # apart, so that invented ids push no key out
        self._none: OrderedDict[str, float] = OrderedDict()
        self._used: OrderedDict[str, float] = OrderedDict()
        self._changes = 0

    def now(self) -> float:
        """The time by which they expire, UTC seconds."""
        return self._keys.now()

    def cached(self, key_id: str) -> Holder | None:
        with self._lock:
            holder, at_s = self._cache.get(key_id, (None, 0.0))
            return holder if time.monotonic() < at_s + CACHE_S else None

    def _last(self, key_id: str) -> Holder | None:
        """What had this id when the store answered last, however long ago."""
        with self._lock:
            return self._cache.get(key_id, (None, 0.0))[0]

    def is_none(self, key_id: str) -> bool:
        """Whether the store had no such key just now."""
        with self._lock:
            return time.monotonic() < self._none.get(key_id, -math.inf) + CACHE_S

    async def get(self, key_id: str) -> Holder | None:
        """What has this id, as it was in the store within ``CACHE_S``. Raises StoreError."""
        holder = self.cached(key_id)
        if holder is not None or self.is_none(key_id):
            return holder
        return await run_in_threadpool(self.find, key_id)

    async def renewed(self, caller: Caller) -> Caller | None:
        """Who this one is now, with the rights of now; None where what opened the door does so no
        more. Where the store gives no answer, as it was; what has expired is over all the same."""
        try:
            found = await self.get(caller.id)
        except StoreError:
            # whoever waits for news of this store gets none meanwhile
            last = self._last(caller.id)
            return caller if last is None or last.is_live(self.now()) else None
        if found is None or found.key.kind != caller.kind or not found.is_live(self.now()):
            return None
        return found.caller

    def find(self, key_id: str) -> Holder | None:
        """What has this id in the store. Raises StoreError."""
        at_s = time.monotonic()
        with self._lock:
            changes = self._changes
        holder = self._keys.holder(key_id)
        with self._lock:
            if changes != self._changes:
                # it may have been read before that change
                return holder
            if holder is not None:
                _keep(self._cache, key_id, (holder, at_s))
                self._none.pop(key_id, None)
            else:
                self._cache.pop(key_id, None)
                _keep(self._none, key_id, at_s)
        return holder

    def forget(self, key_id: str | None = None) -> None:
        """Ask the store anew, of this one or of all, since it was changed here."""
        with self._lock:
            self._changes += 1
            if key_id is None:
                self._cache.clear()
                self._none.clear()
                return
            self._cache.pop(key_id, None)
            self._none.pop(key_id, None)

    def use(self, key_id: str) -> bool:
        """Whether its use is to be kept now, which is so at most once in ``USED_EVERY_S``."""
        now_s = time.monotonic()
        with self._lock:
            due = now_s >= self._used.get(key_id, -math.inf) + USED_EVERY_S
            if due:
                _keep(self._used, key_id, now_s)
            return due

    def keep_use(self, key_id: str) -> None:
        """Keep that a key was used; nobody is refused where the store takes nothing."""
        try:
            self._keys.used(key_id)
        except StoreError as error:
            log.warning("the use of a key was not kept", key=key_id, why=str(error))


def _keep(cache: OrderedDict[str, Any], name: str, value: Any) -> None:
    cache[name] = value
    cache.move_to_end(name)
    if len(cache) > CACHE_SIZE:
        cache.popitem(last=False)
