"""Wakes event streams of this process when something was stored, so that they need not wait for
their next look. Whoever misses it looks within a second anyway."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress


class Bell:
    """Rung by any thread; waited for in one event loop. ``closed`` is True at the end, when
    streams are to stop."""

    def __init__(self) -> None:
        # a signal's handler may ring in the middle of what its own thread does here
        self._lock = threading.RLock()
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self.closed = False

    def ring(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            loop, event = waiting
            # a loop that has ended has nobody who waits
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        self.closed = True
        self.ring()

    def next(self) -> asyncio.Event:
        """Set at the next ring: take it before looking, so that no ring falls in between."""
        loop = asyncio.get_running_loop()
        with self._lock:
            waiting = self._waiting
            if waiting is None or waiting[0] is not loop:
                waiting = self._waiting = loop, asyncio.Event()
            return waiting[1]
