"""Addresses that are tried on behalf of people, by a worker, since it reaches the cameras."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from streams.bus import Control
from streams.commands import Tried, Try
from streams.messages import encode
from vision.errors import ServiceError

MAX_TRIES: Final = 8
"""At the same moment, by all callers; a worker takes fewer."""
MORE_S: Final = 3.0
"""A worker that answers does so within its time-out and this."""
SLICE_S: Final = 0.5
TOO_MANY: Final = "so many addresses are tried that no other can be: try this one again later"


class TooManyTriesError(ServiceError):
    """As many addresses are tried as can be, by all callers or by that worker."""

    passing = True


class Tries:
    """Asks workers to try addresses. Used within one event loop; ``ended`` says that all is to
    end, which no try then holds up."""

    def __init__(self, control: Control, ended: Callable[[], bool]) -> None:
        self._control = control
        self._ended = ended
        self._running = 0

    async def ask(self, worker: str, wanted: Try) -> Tried | None:
        """What ``worker`` says of an address, or None where it says nothing in time. Raises
        BusError, TooManyTriesError, or MessageError for an answer that is none."""
        if self._running >= MAX_TRIES:
            raise TooManyTriesError(TOO_MANY)
        self._running += 1
        try:
            return await self._ask(worker, wanted)
        finally:
            self._running -= 1

    async def _ask(self, worker: str, wanted: Try) -> Tried | None:
        wait_s = wanted.timeout_s + MORE_S
        until_s = time.monotonic() + wait_s
        command = await run_in_threadpool(self._control.send, worker, encode(wanted), ttl_s=MORE_S)
        while not self._ended() and (left_s := until_s - time.monotonic()) > 0:
            body = await run_in_threadpool(
                self._control.answered, command, wait_s=min(left_s, SLICE_S)
            )
            if body is not None:
                tried = Tried.of(body)
                if tried.busy:
                    raise TooManyTriesError(tried.message)
                return tried
        return None
