"""Evidence on its way in and out over HTTP: piece by piece, never whole in memory, and not for
longer than the other end really sends or takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any, Final, TypeAlias, TypeVar

from anyio import CapacityLimiter, from_thread, to_thread
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Send

from api.evidence.refusals import UnavailableError, UnfitError
from api.evidence.room import Taken
from streams.evidenceform import MAX_HEAD_BYTES, Head
from vision.errors import EvidenceError, ServiceError

MAX_UPLOADS: Final = 4
"""At the same moment: each has a thread."""
MAX_READING: Final = 8
"""Threads that wait for storage at the same moment; those of everything else stay free."""
WAIT_S = 5.0
"""So long one of them is waited for."""
STALLED_S = 20.0
"""Whoever sends or takes nothing for so long is not waited for."""
UPLOAD_S = 900.0
"""However slowly it comes, an upload is over by then."""
CHECK_S = 5.0
"""So often it is asked, while something is sent, whether it may still be seen."""
CROWDED: Final = "so much evidence is being sent that this has to wait: send it again later"
STALLED: Final = "the evidence did not come in time: send it again, without a pause"
NO_HEAD: Final = f"evidence begins with a line of at most {MAX_HEAD_BYTES} bytes: send that first"
TOO_MUCH: Final = "more bytes came than the parts of the first line have: send those alone"
SILENT: Final = "where evidence is kept answers so slowly that this has to wait: ask again later"
T = TypeVar("T")
Take: TypeAlias = Callable[[Head, Iterator[bytes]], Taken]


class TooManyUploadsError(ServiceError):
    """As much is taken at the same time as can be."""

    passing = True


class StoppedError(EvidenceError):
    """What is sent does not come, or no more."""

    passing = True


class TooLongError(EvidenceError):
    """What is sent is longer than it may be."""


class Intake:
    """Takes what workers send. Used within one event loop."""

    def __init__(self) -> None:
        self._running = 0

    async def take(self, request: Request, fits: Callable[[Head], None], take: Take) -> Taken:
        """What ``take`` makes of the body, if its head ``fits``, which raises otherwise. The rest
        of a body that was not wanted is read all the same, since a client that is cut off while it
        sends hears no answer. Raises TooManyUploadsError, StoppedError, TooLongError, and what
        those two raise."""
        if self._running >= MAX_UPLOADS:
            raise TooManyUploadsError(CROWDED)
        self._running += 1
        try:
            body = _Body(request)
            head = await body.head()
            try:
                fits(head)
                taken = await run_in_threadpool(take, head, body.pieces())
            finally:
                with suppress(EvidenceError):
                    await body.drain()
            return taken
        finally:
            self._running -= 1


class Reading:
    """Threads of their own for what reads from storage, so that one that is silent takes no others.
    Used within one event loop."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MAX_READING)
        self._limiter = CapacityLimiter(MAX_READING)

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """What ``call`` gives. Raises UnavailableError where no thread is free for some seconds,
        and what it raises."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise UnavailableError(SILENT) from None
        try:
            return await to_thread.run_sync(call, *args, limiter=self._limiter)
        finally:
            self._free.release()


class _Body:
    """The body of a request: its first line, then its parts."""

    def __init__(self, request: Request) -> None:
        self._stream = request.stream()
        self._until_s = time.monotonic() + UPLOAD_S
        self._first = b""
        self._left = 0

    async def head(self) -> Head:
        """Raises TooLongError, UnfitError or StoppedError."""
        begun = bytearray()
        while (end := begun.find(b"\n")) < 0:
            piece = await self._more()
            begun += piece
            if not piece:
                raise UnfitError(NO_HEAD)
            if len(begun) > MAX_HEAD_BYTES and b"\n" not in begun[:MAX_HEAD_BYTES]:
                raise TooLongError(NO_HEAD)
        try:
            head = Head.decode(bytes(begun[: end + 1]))
        except EvidenceError as error:
            raise UnfitError(str(error)) from None
        self._first = bytes(begun[end + 1 :])
        self._left = sum(part.size for part in head.parts)
        return head

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the parts, for a thread of the loop's pool. Raises UnfitError or
        StoppedError."""
        while piece := from_thread.run(self._next):
            yield piece

    async def drain(self) -> None:
        """Read what is left of as much as was promised."""
        while self._left > 0 and await self._next():
            pass

    async def _next(self) -> bytes:
        piece, self._first = self._first, b""
        piece = piece or await self._more()
        self._left -= len(piece)
        if self._left < 0:
            raise UnfitError(TOO_MUCH)
        return piece

    async def _more(self) -> bytes:
        """What comes next; nothing at the end."""
        wait_s = min(STALLED_S, self._until_s - time.monotonic())
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                async for piece in self._stream:
                    if piece:
                        return piece
        except (TimeoutError, ClientDisconnect):
            # a time-out is an OSError too, which whoever writes it would take for its disk's
            raise StoppedError(STALLED) from None
        return b""


class Sent(StreamingResponse):
    """Bytes from a thread's iterator, for as long as somebody takes them."""

    def __init__(self, pieces: AsyncGenerator[bytes], **more: Any) -> None:
        super().__init__(pieces, **more)
        self._pieces = pieces

    async def stream_response(self, send: Send) -> None:
        async def bounded(message: Any) -> None:
            async with asyncio.timeout(STALLED_S):
                await send(message)

        async with aclosing(self._pieces):
            await super().stream_response(bounded)


async def sent(
    chunks: Iterator[bytes], allowed: Callable[[], Awaitable[bool]], reading: Reading
) -> AsyncGenerator[bytes]:
    """The chunks, read by threads of ``reading``. Raises ServiceError where they are not
    ``allowed`` any more, or cannot be read: an end that looks like one would pass for the whole."""
    checked_s = time.monotonic()
    try:
        while piece := await reading.run(next, chunks, b""):
            if time.monotonic() >= checked_s + CHECK_S:
                if not await allowed():
                    raise ServiceError("the right to see this ended while it was sent")
                checked_s = time.monotonic()
            yield piece
    except EvidenceError as error:
        raise ServiceError(str(error)) from None
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            await run_in_threadpool(close)
