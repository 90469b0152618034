"""The last half minute of what a camera sent, in memory that outlives its decoder.

Two books, files without a name, belong to the worker. A decoder writes each packet into one of
them and changes to the other, whose content is older, when this one covers ``KEPT_S`` seconds or
is full. The kernel holds both at their size, whatever a decoder does. A book is a head and then
records: what the packets are (a section), and packets. Whoever reads believes nothing: a decoder
has read whatever a camera sent.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from streams.rtsp.forkserver import ForkServer
from vision.errors import EvidenceError

MAX_BYTES = 48 << 20
"""Of both books together: a minute of 6 Mbit/s, so 30 s at the least."""
KEPT_S = 30.0
CODECS: Final = ("h264", "hevc", "mjpeg", "mpeg4")
MAX_EXTRADATA_BYTES = 1 << 16
MAX_COUNT = 1 << 48
MAX_PACKETS = 1 << 16
"""In one book: what has more was not sent by a camera that shows key frames."""
LATEST_TS = 1e11
TRIES = 5
"""How often a book is read anew that is written over meanwhile."""

Books: TypeAlias = tuple[int, int]
"""The descriptors of both."""

_HEAD: Final = struct.Struct("<QQQdI")
"""How often the books were changed, the section, where the records end, when the first one came
(monotonic seconds), and a checksum of these."""
_RECORD: Final = struct.Struct("<IIBddd")
"""Checksum of all that follows, size of the content, kind, and of packets: media time, arrival
and capture time less media time (seconds, NaN where unknown)."""
_SECTION, _PACKET, _KEY = 0, 1, 2
_NUMBER: Final = struct.Struct("<QB")
"""What a section's content begins with: its number and its codec; its extradata follow."""

NONSENSE = (
    "what was kept of the camera's packets cannot be read: it is kept anew within two minutes; "
    "restart the worker where it stays so"
)


class Ring:
    """The books of one camera, up to ``max_bytes``, and the fork server whose processes write
    and read them. The first decoder opens them; ``close`` may be called from any thread."""

    def __init__(self, forkserver: ForkServer, *, max_bytes: int = MAX_BYTES) -> None:
        self.forkserver = forkserver
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._books: Books | None = None
        self._closed = False

    def open(self) -> Books:
        """The books, which stay the ring's own. Raises OSError where memory or descriptors are
        short."""
        with self._lock:
            if self._closed:
                raise OSError("the ring is closed")
            if self._books is None:
                with contextlib.ExitStack() as undo:
                    first = _memory(self.max_bytes // 2)
                    undo.callback(os.close, first)
                    self._books = first, _memory(self.max_bytes // 2)
                    undo.pop_all()
            return self._books

    @contextlib.contextmanager
    def held(self) -> Iterator[Books]:
        """Copies of the books that stay open in this context. Raises EvidenceError where there
        are none, and OSError."""
        with self._lock, contextlib.ExitStack() as undo:
            if self._books is None:
                raise EvidenceError(
                    "this worker has no packets of the camera: it sent none, or was taken away"
                )
            first = os.dup(self._books[0])
            undo.callback(os.close, first)
            second = os.dup(self._books[1])
            undo.callback(os.close, second)
            copies = undo.pop_all()
        with copies:
            yield first, second

    def close(self) -> None:
        """Forget everything. Safe to repeat."""
        with self._lock:
            self._closed = True
            books, self._books = self._books, None
        for book in books or ():
            os.close(book)


def _memory(size: int) -> int:
    """A descriptor of memory without a name that holds ``size`` bytes, and never more."""
    if not hasattr(os, "memfd_create"):  # pragma: no cover
        with tempfile.TemporaryFile() as file:
            os.truncate(file.fileno(), size)
            return os.dup(file.fileno())
    fd = os.memfd_create("packets", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        # Pages are taken as they are written.
        os.ftruncate(fd, size)
        seals = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    except OSError:
        os.close(fd)
        raise
    return fd


@dataclass(frozen=True, slots=True)
class _Head:
    changes: int = 0
    section: int = 0
    end: int = _HEAD.size
    began: float = -math.inf

    def write(self, book: int) -> None:
        data = _HEAD.pack(self.changes, self.section, self.end, self.began, 0)[:-4]
        os.pwrite(book, data + zlib.crc32(data).to_bytes(4, "little"), 0)

    @staticmethod
    def read(book: int) -> _Head | None:
        """None where nothing was written yet, or no head."""
        data = os.pread(book, _HEAD.size, 0)
        if len(data) < _HEAD.size or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            return None
        changes, section, end, began, _ = _HEAD.unpack(data)
        size = os.fstat(book).st_size
        if not (changes < MAX_COUNT and section < MAX_COUNT and _HEAD.size <= end <= size):
            return None
        return _Head(changes, section, end, began)


class Recorder:
    """Writes the packets of one connection, in the decoder. Goes on where the last one ended."""

    def __init__(self, books: Books, codec: str, extradata: bytes) -> None:
        self._books = books
        self._size = min(os.fstat(book).st_size for book in books)
        self._codec = CODECS.index(codec)
        self._extradata = extradata[:MAX_EXTRADATA_BYTES]
        heads = [_Head.read(book) or _Head() for book in books]
        self._at = int(heads[1].changes > heads[0].changes)
        head = heads[self._at]
        self._changes, self._section = head.changes, head.section + 1
        self._end, self._began = head.end, head.began
        self._said = False

    def write(
        self, data: memoryview, key: bool, media_s: float, arrival_s: float, offset_s: float
    ) -> None:
        """Append a packet of the camera's ``media_s`` (seconds) that began to come at
        ``arrival_s`` (UTC seconds). ``offset_s`` is the capture time of the last picture that was
        shown less its media time, NaN before that. Raises OSError."""
        now = time.monotonic()
        size = _RECORD.size + len(data)
        section = 0 if self._said else self._section_bytes()
        full = self._end + section + size > self._size
        # Nonsense is no reason to keep a book for ever.
        covers = not 0 <= now - self._began < KEPT_S
        if full or not self._changes or (key and covers):
            self._changes, self._at = self._changes + 1, 1 - self._at
            self._end, self._began, self._said = _HEAD.size, now, False
            self._commit()
            section = self._section_bytes()
        if self._end + section + size > self._size:
            # No book holds it; what follows does not belong to what was before.
            self._section += 1
            self._said = False
            return
        if not self._said:
            number = _NUMBER.pack(self._section, self._codec)
            self._append(_SECTION, memoryview(number + self._extradata), 0.0, 0.0, 0.0)
            self._said = True
        self._append(_KEY if key else _PACKET, data, media_s, arrival_s, offset_s)
        self._commit()

    def _section_bytes(self) -> int:
        return _RECORD.size + _NUMBER.size + len(self._extradata)

    def _append(self, kind: int, data: memoryview, *times: float) -> None:
        head = _RECORD.pack(0, len(data), kind, *times)[4:]
        checksum = zlib.crc32(data, zlib.crc32(head)).to_bytes(4, "little")
        book, size = self._books[self._at], _RECORD.size + len(data)
        if os.pwritev(book, [checksum + head, data], self._end) != size:
            raise OSError("a packet was not written whole")
        self._end += size

    def _commit(self) -> None:
        _Head(self._changes, self._section, self._end, self._began).write(self._books[self._at])


@dataclass(frozen=True, slots=True)
class Section:
    """What packets have in common. Those of one ``number`` follow on each other."""

    number: int
    codec: str
    extradata: bytes


@dataclass(frozen=True, slots=True)
class Packet:
    """What a camera sent as one picture: ``media_s`` is the time that it wrote on it, ``ts`` the
    capture time (UTC seconds)."""

    section: Section
    key: bool
    media_s: float
    ts: float
    data: memoryview


@dataclass(frozen=True, slots=True)
class _Raw:
    section: Section
    key: bool
    media_s: float
    arrival_s: float
    offset_s: float
    data: memoryview


def read(books: Books) -> list[Packet]:
    """All packets of both books, oldest first, as they are now; the memory taken is theirs.
    Raises EvidenceError for what no decoder of ours has written."""
    for _ in range(TRIES):
        heads = [_Head.read(book) for book in books]
        found = [
            (head, os.pread(book, head.end, 0))
            for book, head in zip(books, heads, strict=True)
            if head is not None and head.changes
        ]
        after = [_Head.read(book) for book in books]
        if [head and head.changes for head in heads] == [head and head.changes for head in after]:
            break
    else:
        raise EvidenceError(NONSENSE)
    raws: list[_Raw] = []
    for head, data in sorted(found, key=lambda pair: pair[0].changes):
        if len(data) != head.end:
            raise EvidenceError(NONSENSE)
        raws += _records(memoryview(data))
    return _timed(raws)


def _records(book: memoryview) -> Iterator[_Raw]:
    at, count, section = _HEAD.size, 0, None
    while at < len(book):
        if len(book) - at < _RECORD.size:
            raise EvidenceError(NONSENSE)
        checksum, size, kind, media_s, arrival_s, offset_s = _RECORD.unpack_from(book, at)
        end = at + _RECORD.size + size
        if end > len(book) or zlib.crc32(book[at + 4 : end]) != checksum:
            raise EvidenceError(NONSENSE)
        data, at, count = book[end - size : end], end, count + 1
        if kind == _SECTION:
            section = _section(data)
        elif (
            section is None
            or kind not in (_PACKET, _KEY)
            or not size
            or count > MAX_PACKETS
            or not (abs(media_s) < LATEST_TS and 0 <= arrival_s < LATEST_TS)
            or abs(offset_s) > LATEST_TS
        ):
            raise EvidenceError(NONSENSE)
        else:
            yield _Raw(section, kind == _KEY, media_s, arrival_s, offset_s, data)


def _section(data: memoryview) -> Section:
    if not _NUMBER.size <= len(data) <= _NUMBER.size + MAX_EXTRADATA_BYTES:
        raise EvidenceError(NONSENSE)
    number, codec = _NUMBER.unpack_from(data)
    if codec >= len(CODECS):
        raise EvidenceError(NONSENSE)
    return Section(number, CODECS[codec], bytes(data[_NUMBER.size :]))


def _timed(raws: list[_Raw]) -> list[Packet]:
    """With their capture times: a picture's own offset is known when the next packet comes."""
    least: dict[int, float] = {}
    for raw in raws:
        number, delay = raw.section.number, raw.arrival_s - raw.media_s
        least[number] = min(least.get(number, math.inf), delay)
    packets: list[Packet] = []
    later: _Raw | None = None
    known = math.nan
    for raw in reversed(raws):
        if later is None or later.section.number != raw.section.number:
            # Where nothing was ever shown, the least delay is the stream's own.
            known = least[raw.section.number] if math.isnan(raw.offset_s) else raw.offset_s
        ts = raw.media_s + known
        packets.append(Packet(raw.section, raw.key, raw.media_s, ts, raw.data))
        known = known if math.isnan(raw.offset_s) else raw.offset_s
        later = raw
    packets.reverse()
    return packets
