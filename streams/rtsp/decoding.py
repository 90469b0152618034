"""What a worker and a decoder process say to each other, and the worker's end of it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import socket
import tempfile
import time
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np

from streams.health import Code
from streams.rtsp.dialing import AttemptError
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Books
from vision.types import Image

MAX_PIXELS: Final = 8192 * 4352
"""8K with a margin: above it a picture is refused before memory is taken for it."""
MAX_LINE_BYTES: Final = 1 << 16
SILENCE_S = 8.0
"""A decoder says something every second; opening a stream may take it 7 s."""
ASK: Final = b"\n"
NONSENSE = "the decoder speaks nonsense"


@dataclass(frozen=True, slots=True)
class Order:
    """What a decoder is to do. ``fps`` None is every picture; ``index`` is that of the next
    picture; ``not_before`` (UTC seconds) is the time of the last one."""

    path: str
    secure: bool
    user: str | None
    password: str | None = field(repr=False)
    fps: float | None
    index: int
    not_before: float

    def line(self) -> bytes:
        """The order as it goes over the channel."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Decoding:
    """One decoder process as the worker sees it. What it says is checked: it has read whatever a
    camera sent."""

    def __init__(
        self,
        forkserver: ForkServer,
        order: Order,
        camera: socket.socket,
        books: Books | tuple[()] = (),
    ) -> None:
        self.index = order.index
        self.dropped = 0
        self.skewed = False
        self.corrupt_grew = False
        self.live_since: float | None = None
        self._corrupt = 0
        self._buffer = b""
        self._asked = False
        self._heard_at = time.monotonic()
        with contextlib.ExitStack() as undo:
            self._pictures = _memory()
            undo.callback(os.close, self._pictures)
            self._channel, theirs = socket.socketpair()
            undo.enter_context(self._channel)
            with theirs:
                fds = (theirs.fileno(), self._pictures, camera.fileno(), *books)
                self._child = forkserver.spawn(fds)
            undo.callback(self._child.end)
            self._channel.sendall(order.line())
            self._waiting = select.poll()
            self._waiting.register(self._channel, select.POLLIN)
            undo.pop_all()

    @property
    def pid(self) -> int:
        """The process, for people."""
        return self._child.pid

    def wake(self) -> None:
        """End a waiting ``next``."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def close(self) -> int | None:
        """End the process. How it had ended by itself, None where it had not."""
        self._channel.close()
        if self._pictures >= 0:
            os.close(self._pictures)
            self._pictures = -1
        return self._child.end()

    def next(self, deadline: float) -> tuple[Image, int, float] | None:
        """The newest picture (BGR, its index, its time), None where none came. Raises
        AttemptError where the connection is over."""
        self.corrupt_grew = False
        now = time.monotonic()
        try:
            if not self._asked:
                # One that has ended already may have left its reason to be read.
                with contextlib.suppress(OSError):
                    self._channel.send(ASK)
                self._asked = True
                self._heard_at = now
            while True:
                line, rest, self._buffer = self._buffer.partition(b"\n")
                if rest:
                    picture = self._understand(line)
                    if picture is not None:
                        return picture
                    continue
                if len(line) > MAX_LINE_BYTES:
                    raise AttemptError(Code.DECODER_FAILED, NONSENSE)
                self._buffer = line
                limit = min(deadline, self._heard_at + SILENCE_S)
                if self._waiting.poll(1000 * max(0.0, limit - time.monotonic())):
                    data = self._channel.recv(MAX_LINE_BYTES)
                    if not data:
                        raise AttemptError(Code.DECODER_FAILED, "the decoder ended")
                    self._buffer += data
                    self._heard_at = time.monotonic()
                elif time.monotonic() - self._heard_at >= SILENCE_S:
                    raise AttemptError(Code.STALLED, "the decoder says nothing")
                elif time.monotonic() >= deadline:
                    return None
        except OSError as error:
            raise AttemptError(Code.DECODER_FAILED, "the decoder ended") from error

    def _understand(self, line: bytes) -> tuple[Image, int, float] | None:
        try:
            said = json.loads(line)
            if not said:
                return None
            self.index = _count(said["index"], self.index)
            self.dropped = _count(said["dropped"], self.dropped)
            corrupt = _count(said["corrupt"], self._corrupt)
            self.corrupt_grew |= corrupt > self._corrupt
            self._corrupt = corrupt
            self.skewed = said["skewed"] is True
            if "code" in said:
                raise AttemptError(Code(said["code"]), str(said["detail"])[:200])
            width, height = _count(said["width"], 1), _count(said["height"], 1)
            index, ts = _count(said["picture"], 0), float(said["ts"])
            if width * height > MAX_PIXELS or not 0 <= ts < math.inf:
                raise ValueError("a picture out of bounds")
            image = np.empty((height, width, 3), np.uint8)
            if os.preadv(self._pictures, [image.data.cast("B")], 0) != image.nbytes:
                raise ValueError("a picture is missing")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise AttemptError(Code.DECODER_FAILED, NONSENSE) from error
        self._asked = False
        return image, index, ts


def _count(value: object, least: int) -> int:
    if type(value) is not int or not least <= value < 1 << 60:
        raise ValueError("no count")
    return value


def _memory() -> int:
    """A descriptor of memory that has no name and grows as it is written."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("picture")
    with tempfile.TemporaryFile() as file:  # pragma: no cover
        return os.dup(file.fileno())
