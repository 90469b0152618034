"""The alerts' feed as server-sent events: each client is a cursor into the store, and no more."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

import structlog
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.bell import Bell
from api.store import Alerts, StoredAlert
from api.store.alerts import Changes
from vision.errors import StoreError

POLL_S: Final = 0.5
"""Other processes ring no bell here: so often all streams together ask whether anything moved."""
BEAT_S: Final = 15.0
BATCH: Final = 100
RETRY_MS: Final = 2000
"""After so long a browser's client connects again."""

Renew: TypeAlias = Callable[[], Awaitable[Caller | None]]
"""Who somebody is now, with the rights of now; None where what opened the door does so no more."""

log = structlog.get_logger()


class News(NamedTuple):
    """Alerts that changed, of cameras that the ``reader`` saw when they were read, and the
    position up to which that is all."""

    reader: Caller
    alerts: list[StoredAlert]
    position: int


class Feed:
    """Event streams over the alerts; ``show`` turns an alert into the JSON of its event."""

    def __init__(self, alerts: Alerts, bell: Bell, show: Callable[[StoredAlert], str]) -> None:
        self._alerts = alerts
        self._bell = bell
        self._show = show
        self._position = -1
        self._asked_s = -math.inf
        self._lost = False

    async def events(self, after: int, renew: Renew) -> AsyncIterator[str]:
        """The text of a stream that begins after a position, until the bell is closed or its
        reader, whom ``renew`` tells, may read alerts no more."""
        yield f"retry: {RETRY_MS}\n: the alerts from here on\n\n"
        async for news in self.follow(after, renew):
            if not news.alerts:
                # whoever comes again goes on from here, past what was not for them
                yield f": still here\nid: {news.position}\n\n"
            for alert in news.alerts:
                # the last one may have been taken long ago
                reader = await _reader(renew)
                if reader is None:
                    return
                if reader.sees(alert.camera):
                    yield f"id: {alert.position}\nevent: alert\ndata: {self._show(alert)}\n\n"

    async def follow(self, after: int, renew: Renew) -> AsyncIterator[News]:
        """The alerts of the reader's cameras that change after a position, some at a time in the
        order of their changes, and none of them where nothing changed for ``BEAT_S``.

        Nothing waits in memory for a slow reader: the next rows are read when it took the last.
        """
        beat_s = time.monotonic()
        rung, look = self._bell.next(), True
        while not self._bell.closed and (reader := await _reader(renew)) is not None:
            changes = await self._changes(after, reader) if look else Changes([], after)
            after = changes.position
            now_s = time.monotonic()
            if changes.alerts or now_s >= beat_s + BEAT_S:
                beat_s = now_s
                yield News(reader, *changes)
            look = len(changes.alerts) == BATCH
            if not look:
                await _first(rung, POLL_S)
                # the next one before looking, so that no ring falls in between
                before, rung = rung, self._bell.next()
                look = before.is_set() or await self._moved(after)

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

    async def _changes(self, after: int, reader: Caller) -> Changes:
        only = reader.cameras
        try:
            found = await run_in_threadpool(self._alerts.changes, after, BATCH, only=only)
        except StoreError as error:
            if not self._lost:
                log.warning("event streams wait", why=str(error))
            self._lost = True
            return Changes([], after)
        self._lost = False
        return found


async def _reader(renew: Renew) -> Caller | None:
    """Who reads, with the rights of now; None where they may not any more."""
    reader = await renew()
    return reader if reader is not None and reader.may(Permission.ALERTS_READ) else None


async def _first(event: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
