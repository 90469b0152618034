"""A decoder process as its worker sees it: it asks for pictures, and believes nothing unseen."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import socket
import tempfile
import time
from typing import Final, get_args

import numpy as np

from streams.health import Code
from streams.rtsp.dialing import AttemptError
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.order import MAX_LINE_BYTES, MAX_PIXELS, Order
from streams.rtsp.ring import Books
from vision.picture import Matrix, Planes

SILENCE_S = 8.0
"""A decoder says something every second; opening a stream may take it 7 s."""
ASK: Final = b"\n"
NONSENSE = "the decoder speaks nonsense"


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

    def next(self, deadline: float) -> tuple[Planes, int, float] | None:
        """The newest picture, its index and its time, None where none came. Raises
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

    def _understand(self, line: bytes) -> tuple[Planes, int, float] | None:
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
            picture = self._read(width, height, said["matrix"], said["full_range"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise AttemptError(Code.DECODER_FAILED, NONSENSE) from error
        self._asked = False
        return picture, index, ts

    def _read(self, width: int, height: int, matrix: object, full_range: object) -> Planes:
        """A copy of the picture in the common memory: its planes follow each other."""
        named = next((known for known in get_args(Matrix) if known == matrix), None)
        if named is None or type(full_range) is not bool:
            raise ValueError("a picture of no known colours")
        half = (height + 1) // 2, (width + 1) // 2
        luma, chroma = width * height, half[0] * half[1]
        planes = np.empty(luma + 2 * chroma, np.uint8)
        if os.preadv(self._pictures, [planes.data], 0) != planes.nbytes:
            raise ValueError("a picture is missing")
        y, u, v = np.split(planes, (luma, luma + chroma))
        return Planes(y.reshape(height, width), u.reshape(half), v.reshape(half), named, full_range)


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
