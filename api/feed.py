"""The alerts' feed as server-sent events: each client is a cursor into the store, and no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import structlog
from starlette.concurrency import run_in_threadpool

from api.bell import Bell
from api.store import Alerts, StoredAlert
from vision.errors import StoreError

POLL_S: Final = 1.0
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

    async def events(self, after: int) -> AsyncIterator[str]:
        """The text of a stream that begins after a position, until the bell is closed.

        Nothing waits in memory for a slow client: the next rows are read when it took the last.
        """
        yield f"retry: {RETRY_MS}\n: the alerts from here on\n\n"
        beat_s = time.monotonic()
        lost = False
        while not self._bell.closed:
            rung = self._bell.next()
            try:
                changes = await run_in_threadpool(self._alerts.changes, after, BATCH)
            except StoreError as error:
                if not lost:
                    log.warning("an event stream waits", why=str(error))
                lost, changes = True, []
            else:
                lost = False
            for alert in changes:
                after = alert.position
                yield f"id: {after}\nevent: alert\ndata: {self._show(alert)}\n\n"
            now_s = time.monotonic()
            if changes:
                beat_s = now_s
            elif now_s >= beat_s + BEAT_S:
                beat_s = now_s
                yield ": still here\n\n"
            if len(changes) < BATCH:
                await _first(rung, POLL_S)


async def _first(event: asyncio.Event, timeout_s: float) -> Any:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
