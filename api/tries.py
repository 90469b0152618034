"""What workers try on behalf of people: addresses, since they reach the cameras, and thresholds,
since they keep what passed them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from streams.bus import Control
from streams.commands import Suggest, Suggested, Tried, Try
from streams.messages import encode
from vision.errors import ServiceError

MAX_TRIES: Final = 8
"""At the same moment, by all callers; a worker takes fewer."""
MAX_SUGGESTIONS: Final = 4
"""The same of thresholds; a worker takes one."""
MORE_S: Final = 3.0
"""A worker that answers does so within its time-out and this."""
SLICE_S: Final = 0.5
TOO_MANY: Final = "so many addresses are tried that no other can be: try this one again later"
CROWDED: Final = "so many thresholds are tried that no other can be: ask again in a minute"


class TooManyTriesError(ServiceError):
    """As many are tried as can be, by all callers or by that worker."""

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
        body = await _answer(self._control, worker, wanted, self._ended)
        if body is None:
            return None
        tried = Tried.of(body)
        if tried.busy:
            raise TooManyTriesError(tried.message)
        return tried


class Suggestions:
    """Asks workers for thresholds. Used within one event loop; ``ended`` says that all is to end,
    which no question then holds up."""

    def __init__(self, control: Control, ended: Callable[[], bool]) -> None:
        self._control = control
        self._ended = ended
        self._running = 0

    async def ask(self, worker: str, wanted: Suggest) -> Suggested | None:
        """What ``worker`` found, or None where it says nothing in time. Raises BusError,
        TooManyTriesError, or MessageError for an answer that is none."""
        if self._running >= MAX_SUGGESTIONS:
            raise TooManyTriesError(CROWDED)
        self._running += 1
        try:
            body = await _answer(self._control, worker, wanted, self._ended)
        finally:
            self._running -= 1
        found = None if body is None else Suggested.of(body)
        if found is not None and found.busy:
            raise TooManyTriesError(found.message)
        return found


async def _answer(
    control: Control, worker: str, wanted: Try | Suggest, ended: Callable[[], bool]
) -> str | None:
    """What ``worker`` answers to a command, or None where it says nothing in time or all is to end.
    Raises BusError."""
    until_s = time.monotonic() + wanted.timeout_s + MORE_S
    command = await run_in_threadpool(control.send, worker, encode(wanted), ttl_s=MORE_S)
    while not ended() and (left_s := until_s - time.monotonic()) > 0:
        body = await run_in_threadpool(control.answered, command, wait_s=min(left_s, SLICE_S))
        if body is not None:
            return body
    return None
