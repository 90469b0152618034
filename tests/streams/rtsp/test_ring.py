"""The ring of packets: what is written comes back, and nothing in it is believed unseen."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import KEPT_S, MAX_BYTES, Books, Packet, Recorder, Ring, read
from vision.errors import EvidenceError

NOW = 1_700_000_000.0
RATE = 10
SMALL = 4096
"""Bytes of both books."""


@pytest.fixture
def ring() -> Iterator[Ring]:
    ring = Ring(ForkServer(), max_bytes=SMALL)
    yield ring
    ring.close()


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("streams.rtsp.ring.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def put(
    recorder: Recorder,
    numbers: Sequence[int],
    *,
    size: int = 40,
    keys_every: int = RATE,
    offset_s: float = NOW,
    clock: Clock | None = None,
) -> None:
    """One packet a number, ``RATE`` a second, whose bytes tell the number."""
    for i in numbers:
        data = i.to_bytes(4, "big") * (size // 4)
        media_s = i / RATE
        recorder.write(
            memoryview(data), i % keys_every == 0, media_s, NOW + media_s + 0.01, offset_s
        )
        if clock is not None:
            clock.now += 1 / RATE


def numbers(packets: Sequence[Packet]) -> list[int]:
    return [int.from_bytes(packet.data[:4], "big") for packet in packets]


def test_what_is_written_comes_back(ring: Ring) -> None:
    books = ring.open()
    assert read(books) == []
    recorder = Recorder(books, "hevc", b"\0\0\0\1sets")
    put(recorder, range(12))
    found = read(books)
    assert numbers(found) == list(range(12))
    assert [packet.key for packet in found] == [i % RATE == 0 for i in range(12)]
    assert [packet.media_s for packet in found] == [i / RATE for i in range(12)]
    assert [packet.ts for packet in found] == pytest.approx([NOW + i / RATE for i in range(12)])
    assert bytes(found[3].data) == (3).to_bytes(4, "big") * 10
    assert {packet.section for packet in found} == {found[0].section}
    assert (found[0].section.codec, found[0].section.extradata) == ("hevc", b"\0\0\0\1sets")


def test_a_book_covers_its_time_and_the_other_is_kept(clock: Clock) -> None:
    ring = Ring(ForkServer())
    books = ring.open()
    recorder = Recorder(books, "h264", b"")
    count = 0
    for _ in range(8):
        put(recorder, range(count, count + 20 * RATE), clock=clock)
        count += 20 * RATE
        kept = numbers(read(books))
        assert kept == list(range(kept[0], count))
        assert min(count, KEPT_S * RATE) <= len(kept) <= (2 * KEPT_S + 1) * RATE
        assert kept[0] % RATE == 0
    ring.close()


def test_a_camera_of_a_high_bit_rate_is_kept_for_less(ring: Ring) -> None:
    books = ring.open()
    put(Recorder(books, "h264", b""), range(200), size=400, keys_every=1000)
    kept = numbers(read(books))
    assert kept == list(range(kept[0], 200))
    assert SMALL // 2 // 500 <= len(kept) <= SMALL // 400
    for book in books:
        assert os.fstat(book).st_size == SMALL // 2


def test_what_no_book_holds_is_a_gap(ring: Ring) -> None:
    books = ring.open()
    recorder = Recorder(books, "h264", b"")
    put(recorder, [0, 1])
    put(recorder, [2], size=SMALL)
    put(recorder, [3, 4])
    found = read(books)
    assert numbers(found)[-2:] == [3, 4]
    assert found[-1].section.number > 1


@pytest.mark.skipif(sys.platform != "linux", reason="seals are Linux's")
def test_nobody_makes_a_book_larger(ring: Ring) -> None:
    for book in ring.open():
        for size in (0, SMALL):
            with pytest.raises(PermissionError):
                os.ftruncate(book, size)
        with pytest.raises(PermissionError):
            os.pwrite(book, b"x", SMALL // 2)
    large = Ring(ForkServer())
    assert sum(os.fstat(book).st_size for book in large.open()) == MAX_BYTES
    # Memory is taken as it is used.
    assert sum(os.fstat(book).st_blocks for book in large.open()) == 0
    large.close()


def test_the_next_connection_goes_on_in_a_section_of_its_own(ring: Ring, clock: Clock) -> None:
    books = ring.open()
    for first in (0, 10, 20):
        put(Recorder(books, "h264", b""), range(first, first + 5), size=8, clock=clock)
        clock.now += 2.0
    found = read(books)
    assert numbers(found) == [*range(5), *range(10, 15), *range(20, 25)]
    sections = [packet.section.number for packet in found]
    assert sections == sorted(sections)
    assert len(set(sections)) == 3


def test_capture_times_before_the_first_picture_and_after_a_leap(ring: Ring) -> None:
    books = ring.open()
    recorder = Recorder(books, "h264", b"")
    times = [(0.0, math.nan), (0.1, math.nan), (0.2, NOW), (90.0, NOW), (90.1, NOW - 89.7)]
    for media_s, offset_s in times:
        recorder.write(memoryview(b"x"), True, media_s, NOW + 0.5, offset_s)
    # A picture's own offset is known when the next one comes.
    assert [packet.ts - NOW for packet in read(books)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_where_nothing_was_shown_the_least_delay_counts(ring: Ring) -> None:
    books = ring.open()
    recorder = Recorder(books, "h264", b"")
    for media_s, delay_s in ((0.0, 0.3), (0.1, 0.1), (0.2, 0.2)):
        recorder.write(memoryview(b"x"), True, media_s, NOW + media_s + delay_s, math.nan)
    assert [packet.ts - NOW for packet in read(books)] == pytest.approx([0.1, 0.2, 0.3])


def test_a_ring_that_is_closed_or_was_never_opened_has_nothing(ring: Ring) -> None:
    with pytest.raises(EvidenceError, match="no packets"), ring.held():
        pass
    before = len(os.listdir("/dev/fd"))
    ring.open()
    with ring.held() as books:
        ring.close()
        assert read(books) == []
    ring.close()
    assert len(os.listdir("/dev/fd")) == before
    with pytest.raises(EvidenceError, match="no packets"), ring.held():
        pass
    with pytest.raises(OSError, match="closed"):
        ring.open()


# --- hostile decoders


def written() -> tuple[Ring, Books]:
    ring = Ring(ForkServer(), max_bytes=SMALL)
    recorder = Recorder(ring.open(), "h264", b"sets")
    put(recorder, range(40))
    return ring, ring.open()


@settings(deadline=None)
@given(
    which=st.integers(0, 1),
    at=st.one_of(st.integers(0, 120), st.integers(0, SMALL // 2 - 1)),
    data=st.binary(min_size=1, max_size=60),
)
def test_changed_bytes_are_noticed(which: int, at: int, data: bytes) -> None:
    ring, books = written()
    try:
        before = numbers(read(books))
        os.pwrite(books[which], data[: SMALL // 2 - at], at)
        with contextlib.suppress(EvidenceError):
            # A head that is none, or bytes behind the end, leave what the other book holds.
            assert set(numbers(read(books))) <= set(before)
        # Whatever is there, the next decoder writes, and what it writes is read once both are its.
        recorder = Recorder(books, "h264", b"")
        put(recorder, range(100, 200))
        assert numbers(read(books))[-10:] == list(range(190, 200))
    finally:
        ring.close()


def sealed(content: bytes) -> bytes:
    """A record with the right checksum, as a decoder that was taken over can write it."""
    return zlib.crc32(content).to_bytes(4, "little") + content


SECTION = sealed(
    (13).to_bytes(4, "little") + b"\0" + bytes(24) + (1).to_bytes(8, "little") + b"\0sets"
)


def packet(kind: int, *times: float, data: bytes = b"x") -> bytes:
    return sealed(struct.pack("<IBddd", len(data), kind, *times) + data)


FINE = packet(1, 0.0, NOW, NOW)


def filled(ring: Ring, *records: bytes, end: int | None = None, changes: int = 1) -> Books:
    import struct

    books = ring.open()
    content = b"".join(records)
    head = struct.pack("<QQQd", changes, 1, 36 + len(content) if end is None else end, 0.0)
    os.pwrite(books[0], head + zlib.crc32(head).to_bytes(4, "little") + content, 0)
    return books


def test_what_the_hostile_records_are_made_of_is_fine(ring: Ring) -> None:
    assert len(read(filled(ring, SECTION, FINE, FINE))) == 2


@pytest.mark.parametrize(
    "records",
    [
        (FINE,),
        (SECTION, FINE[:-1]),
        (SECTION, FINE[:20]),
        (SECTION, packet(3, 0.0, NOW, NOW)),
        (SECTION, packet(1, math.nan, NOW, NOW)),
        (SECTION, packet(1, 1e300, NOW, NOW)),
        (SECTION, packet(1, 0.0, -1.0, NOW)),
        (SECTION, packet(1, 0.0, math.inf, NOW)),
        (SECTION, packet(1, 0.0, math.nan, NOW)),
        (SECTION, packet(1, 0.0, NOW, math.inf)),
        (SECTION, packet(1, 0.0, NOW, -1e300)),
        (SECTION, packet(1, 0.0, NOW, NOW, data=b"")),
        (packet(0, 0.0, 0.0, 0.0, data=b"short"),),
        (packet(0, 0.0, 0.0, 0.0, data=bytes(8) + b"\xff"),),
        (sealed(b"\xff\xff\xff\xff\1" + bytes(24)),),
        (bytes(200),),
    ],
)
def test_nonsense_is_refused(records: tuple[bytes, ...], ring: Ring) -> None:
    with pytest.raises(EvidenceError, match="cannot be read"):
        read(filled(ring, *records))


def test_more_packets_than_a_camera_sends_are_refused(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = filled(ring, SECTION, FINE, FINE)
    monkeypatch.setattr("streams.rtsp.ring.MAX_PACKETS", 2)
    with pytest.raises(EvidenceError, match="cannot be read"):
        read(books)


@pytest.mark.parametrize(("end", "changes"), [(0, 1), (1 << 40, 1), (36, 1 << 50)])
def test_a_head_out_of_bounds_is_no_head(end: int, changes: int, ring: Ring) -> None:
    books = filled(ring, SECTION, FINE, end=end, changes=changes)
    assert read(books) == []
    put(Recorder(books, "h264", b""), [7])
    assert numbers(read(books)) == [7]


def test_a_book_that_changes_all_the_time_is_given_up(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = filled(ring, SECTION, FINE)
    changes = itertools.count(2)
    pread = os.pread

    def turning(fd: int, size: int, at: int) -> bytes:
        data = pread(fd, size, at)
        filled(ring, SECTION, FINE, changes=next(changes))
        return data

    monkeypatch.setattr("streams.rtsp.ring.os.pread", turning)
    with pytest.raises(EvidenceError, match="cannot be read"):
        read(books)
