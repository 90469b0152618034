"""The decoder process: times put together, what is left out under load, and hostile cameras."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import time
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streams.health import Code, State
from streams.rtsp.arrivals import Stamp, Times
from streams.rtsp.decoder import LAG_PICTURES, LAG_S, _Output, _Stream
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.order import MAX_LINE_BYTES, Order
from streams.rtsp.relay import Conversation
from tests.streams.rtsp.oddcameras import serving, source
from tests.streams.simulator.clients import GUARD_S
from tests.streams.test_planar import BT709, FULL, framed, values

NOW = 1_700_000_000.0
TICKS = 6000
"""Of 1/90000 s between pictures."""


def seen(count: int, first: int = 1000, *, lost: int | None = None) -> Conversation:
    """A talk in which ``count`` pictures came, a second apart; before ``lost`` packets are
    missing."""
    talk = Conversation(has_login=False)
    talk.asked(b"PLAY x RTSP/1.0\r\n\r\n")
    talk.answered(b"RTSP/1.0 200 OK\r\n\r\n", NOW)
    for i in range(count):
        sequence = i + (lost is not None and i >= lost)
        rtp = struct.pack(">BBHII", 0x80, 0xE0, sequence, (first + i * TICKS) % 2**32, 7)
        talk.answered(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp, NOW + i)
    return talk


def packet(pts: int | None, *, prft: bytes = b"", corrupt: bool = False) -> Any:
    return SimpleNamespace(
        pts=pts,
        time_base=Fraction(1, 90_000),
        is_corrupt=corrupt,
        has_sidedata=lambda kind: kind == "prft" and bool(prft),
        get_sidedata=lambda _: prft,
    )


@pytest.mark.parametrize("first", [0, 1000, 2**32 - 9000])
@pytest.mark.parametrize("origin", [0, 777, -5])
@pytest.mark.parametrize("timeless", [0, 1, 2])
def test_arrivals_are_found_for_ffmpegs_times(first: int, origin: int, timeless: int) -> None:
    times = Times(seen(6, first))
    found = [
        times.of(packet(None if i < timeless else origin + i * TICKS)).arrival_s for i in range(6)
    ]
    assert found == [NOW + i for i in range(6)]


def test_pictures_that_the_relay_did_not_see_came_now() -> None:
    times = Times(Conversation(has_login=False))
    before = time.time()
    stamp = times.of(packet(0))
    assert before <= stamp.arrival_s <= time.time()
    assert (stamp.camera_s, stamp.damaged, stamp.behind) == (None, False, 0)


def test_what_is_known_of_a_picture() -> None:
    times = Times(seen(5, lost=2))
    wall = struct.pack("=qi", 1_700_000_000_250_000, 24) + bytes(4)
    stamps = [times.of(packet(i * TICKS, prft=wall, corrupt=i == 4)) for i in range(5)]
    assert [stamp.damaged for stamp in stamps] == [False, False, True, False, True]
    assert [stamp.behind for stamp in stamps] == [4, 3, 2, 1, 0]
    assert [stamp.media_s for stamp in stamps] == pytest.approx([i / 15 for i in range(5)])
    assert {stamp.camera_s for stamp in stamps} == {1_700_000_000.25}


def test_a_stream_without_times_goes_on() -> None:
    times = Times(seen(3))
    medias = [times.of(packet(None)).media_s for _ in range(50)]
    assert medias == sorted(set(medias))


@pytest.fixture
def stream() -> _Stream:
    order = Order("/x", False, None, None, 5.0, 0, 0.0)
    relay = SimpleNamespace(talk=Conversation(has_login=False))
    output = SimpleNamespace(dropped=0)
    stream = _Stream(order, relay, output)  # type: ignore[arg-type]
    stream._started = True
    return stream


def left_out(stream: _Stream, lag_s: float, behind: int, media_s: float, *, key: bool) -> bool:
    stamp = Stamp(time.time() - lag_s, None, media_s, False, behind)
    return stream._left_out(stamp, key)


def test_under_load_pictures_are_left_out_up_to_a_key_frame(stream: _Stream) -> None:
    assert not left_out(stream, 0.1, 0, 0.0, key=True)
    assert not left_out(stream, LAG_S - 0.5, 90, 0.1, key=False)
    late = LAG_S + 1
    # A slow camera's picture is late because FFmpeg waits for the next.
    assert not left_out(stream, late, 1, 0.2, key=False)
    assert [left_out(stream, late, 90, 1 + i / 5, key=i == 2) for i in range(5)] == [True] * 5
    assert stream._output.dropped == 5
    assert left_out(stream, 0.1, 0, 2.0, key=False)
    assert not left_out(stream, 0.1, 0, 2.2, key=True)
    assert not left_out(stream, 0.1, 0, 2.4, key=False)


def test_nothing_is_left_out_before_the_first_picture(stream: _Stream) -> None:
    stream._started = False
    assert not left_out(stream, LAG_S + 1, LAG_PICTURES + 1, 0.0, key=False)


@pytest.mark.parametrize("size", [(97, 65), (640, 360), (33, 2), (1, 1)])
def test_planes_come_to_the_worker_as_they_are(size: tuple[int, int]) -> None:
    told = values(size)
    ours, theirs = socket.socketpair()
    memory = os.memfd_create("picture")
    with ours, theirs:
        output = _Output(theirs, memory, 7)
        output._wanted = True
        output.offer(framed(told, BT709, FULL), 1234.5)
        said = json.loads(ours.recv(MAX_LINE_BYTES))
    assert (said["width"], said["height"]) == size
    assert (said["matrix"], said["full_range"], said["ts"]) == ("bt709", True, 1234.5)
    expected = np.concatenate([plane.ravel() for plane in told])
    assert os.pread(memory, expected.size + 9, 0) == expected.tobytes()
    os.close(memory)


# --- hostile cameras

SDP = (
    "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 {codec}/90000\r\na=control:v\r\n"
)


@pytest.fixture(scope="module")
def forkserver() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


def hostile(seed: int) -> Any:
    """A camera that answers as it should, and then plays noise in packets, or noise at all."""
    choose = random.Random(seed)
    codec = choose.choice(["H264", "H265", "JPEG", "MP4V-ES"])
    sdp = SDP.format(codec=codec).encode()
    if choose.random() < 0.3:
        place = choose.randrange(len(sdp))
        sdp = sdp[:place] + choose.randbytes(choose.randrange(40)) + sdp[place:]

    def talk(connection: socket.socket) -> None:
        session = "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        described = f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n"
        for headers, body in (("", b""), (described, sdp), (session, b""), (session, b"")):
            request = connection.recv(65536)
            number = request.partition(b"CSeq: ")[2].partition(b"\r")[0].decode()
            head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{headers}\r\n"
            connection.sendall(head.encode() + body)
        for i in range(200):
            payload = choose.randbytes(choose.choice([0, 1, 3, 20, 900]))
            if payload and choose.random() < 0.7:
                kind = choose.choice([0x65, 0x67, 0x68, 0x7C, 0x78, 0x26, 0x40, 0x42, 0x62])
                payload = bytes([kind, choose.choice([0x85, 0x45, 0x01])]) + payload
            marker = choose.random() < 0.5
            rtp = struct.pack(">BBHII", 0x80, 96 | marker << 7, i, i // 3 * TICKS, 7) + payload
            connection.sendall(
                struct.pack(">cBH", b"$", choose.choice([0, 0, 0, 1]), len(rtp)) + rtp
            )
            if choose.random() < 0.02:
                connection.sendall(choose.randbytes(50))

    return talk


@pytest.mark.parametrize("seed", range(12))
def test_hostile_cameras_end_with_a_code(seed: int, forkserver: ForkServer) -> None:
    fine = set(Code) - {Code.DECODER_FAILED, Code.UNRESOLVED, Code.ADDRESS_REFUSED}
    with serving(hostile(seed)) as listener, source(listener.url(), forkserver) as camera:
        end = time.monotonic() + GUARD_S
        while camera.health.state is not State.DOWN:
            assert time.monotonic() < end
            camera.next(0.2)
        assert camera.health.code in fine
