"""The alerts' feed as server-sent events: each client is a cursor into the store, and no more."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool

from api.bell import Bell
from api.store import Alerts, StoredAlert
from vision.errors import StoreError

POLL_S: Final = 0.5
"""Other processes ring no bell here: so often all streams together ask whether anything moved."""
BEAT_S: Final = 15.0
BATCH: Final = 100
RETRY_MS: Final = 2000
"""After so long a browser's client connects again."""

log = structlog.get_logger()


class Feed:
    """Event streams over the alerts; ``show`` turns an alert into the JSON of its event."""

    def __init__(self, alerts: Alerts, bell: Bell, show: Callable[[StoredAlert], str]) -> None:
        self._alerts = alerts
        self._bell = bell
        self._show = show
        self._position = -1
        self._asked_s = -math.inf
        self._lost = False

    async def events(
        self, after: int, allowed: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[str]:
        """The text of a stream that begins after a position, until the bell is closed or its
        reader is not ``allowed`` any more."""
        yield f"retry: {RETRY_MS}\n: the alerts from here on\n\n"
        async for changes in self.follow(after, allowed):
            if not changes:
                yield ": still here\n\n"
            for alert in changes:
                # the last one may have been taken long ago
                if not await allowed():
                    return
                yield f"id: {alert.position}\nevent: alert\ndata: {self._show(alert)}\n\n"

    async def follow(
        self, after: int, allowed: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[list[StoredAlert]]:
        """The alerts that change after a position, some at a time in the order of their changes,
        and none of them where nothing changed for ``BEAT_S``.

        Nothing waits in memory for a slow reader: the next rows are read when it took the last.
        """
        beat_s = time.monotonic()
        rung = self._bell.next()
        changes = await self._changes(after)
        while not self._bell.closed and await allowed():
            now_s = time.monotonic()
            if changes or now_s >= beat_s + BEAT_S:
                beat_s = now_s
                yield changes
                after = changes[-1].position if changes else after
            if len(changes) < BATCH:
                await _first(rung, POLL_S)
            before, rung = rung, self._bell.next()
            look = len(changes) == BATCH or before.is_set() or await self._moved(after)
            changes = await self._changes(after) if look else []

    async def _moved(self, after: int) -> bool:
        """Whether the feed is beyond a position, as asked lately for any of the streams."""
        now_s = time.monotonic()
        if now_s >= self._asked_s + POLL_S:
            self._asked_s = now_s
            try:
                self._position = await run_in_threadpool(self._alerts.position)
            except StoreError:
                return True
        return self._position > after

    async def _changes(self, after: int) -> list[StoredAlert]:
        try:
            found = await run_in_threadpool(self._alerts.changes, after, BATCH)
        except StoreError as error:
            if not self._lost:
                log.warning("event streams wait", why=str(error))
            self._lost = True
            return []
        self._lost = False
        return found


async def _first(event: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
