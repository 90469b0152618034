"""What workers try on behalf of people: addresses, since they reach the cameras; thresholds and
scenes, since they keep what passed and have the models; and pictures as the cameras see them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final, Protocol, TypeAlias, TypeVar

from starlette.concurrency import run_in_threadpool

from streams.bus import Control
from streams.commands import Replay, Replayed, Suggest, Suggested, Tried, Try
from streams.drawing import Check, Checked, Still, Taken
from streams.messages import encode
from vision.errors import ServiceError

MAX_TRIES: Final = 8
"""At the same moment, by all callers; a worker takes fewer."""
MAX_REPLAYS: Final = 4
"""The same of what is kept; a worker takes one."""
MAX_STILLS: Final = 8
"""The same of pictures as they are, and of scenes."""
MORE_S: Final = 3.0
"""A worker that answers does so within its time-out and this."""
SLICE_S: Final = 0.5
TOO_MANY: Final = "so many addresses are tried that no other can be: try this one again later"
CROWDED: Final = "so many thresholds are tried that no other can be: ask again in a minute"
REPLAYING: Final = "so much is replayed that nothing else can be: ask again in a minute"
CROWDED_STILLS: Final = "so many pictures are taken that no other can be: ask again in a moment"
CROWDED_CHECKS: Final = "so many scenes are checked that no other can be: try again in a moment"
Wanted: TypeAlias = Try | Suggest | Replay | Still | Check


class TooManyTriesError(ServiceError):
    """As many are tried as can be, by all callers or by that worker."""

    passing = True


class _Said(Protocol):
    """What a worker answers; one that is busy did nothing, and says so."""

    @property
    def busy(self) -> bool: ...

    @property
    def message(self) -> str: ...


_S = TypeVar("_S", bound=_Said)


class _Asking:
    """Asks workers, so many at the same moment. Used within one event loop; ``ended`` says that all
    is to end, which no question then holds up."""

    most: ClassVar[int]

    def __init__(self, control: Control, ended: Callable[[], bool]) -> None:
        self._control = control
        self._ended = ended
        self._running = 0

    async def _asked(
        self, worker: str, wanted: Wanted, read: Callable[[str], _S], crowded: str
    ) -> _S | None:
        """What ``worker`` answers, as it is ``read``, or None where it says nothing in time. Raises
        BusError, TooManyTriesError, or MessageError for an answer that is none."""
        if self._running >= self.most:
            raise TooManyTriesError(crowded)
        self._running += 1
        try:
            body = await _answer(self._control, worker, wanted, self._ended)
        finally:
            self._running -= 1
        said = None if body is None else read(body)
        if said is not None and said.busy:
            raise TooManyTriesError(said.message)
        return said


class Tries(_Asking):
    """Asks workers to try addresses. All that is asked raises what ``_asked`` does, and is None
    where a worker says nothing in time."""

    most = MAX_TRIES

    async def ask(self, worker: str, wanted: Try) -> Tried | None:
        """What ``worker`` says of an address."""
        return await self._asked(worker, wanted, Tried.of, TOO_MANY)


class Replays(_Asking):
    """Asks workers about tracks that they keep, as ``Tries``; each does one of both at a time."""

    most = MAX_REPLAYS

    async def suggest(self, worker: str, wanted: Suggest) -> Suggested | None:
        """The threshold that ``worker`` found."""
        return await self._asked(worker, wanted, Suggested.of, CROWDED)

    async def replay(self, worker: str, wanted: Replay) -> Replayed | None:
        """What rules would have told of."""
        return await self._asked(worker, wanted, Replayed.of, REPLAYING)


class Stills(_Asking):
    """Asks workers for pictures as they are, and how views look, as ``Tries``."""

    most = MAX_STILLS

    async def ask(self, worker: str, wanted: Still) -> Taken | None:
        """What ``worker`` took."""
        return await self._asked(worker, wanted, Taken.of, CROWDED_STILLS)


class Checks(_Asking):
    """Asks workers whether scenes can be used, as ``Tries``."""

    most = MAX_STILLS

    async def ask(self, worker: str, wanted: Check) -> Checked | None:
        """What ``worker`` says of a scene."""
        return await self._asked(worker, wanted, Checked.of, CROWDED_CHECKS)


async def _answer(
    control: Control, worker: str, wanted: Wanted, ended: Callable[[], bool]
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
