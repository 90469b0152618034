"""The relay: what it lets through, and what it makes of the rest."""

from __future__ import annotations

import shutil
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.health import Code
from streams.rtsp.relay import MAX_BODY_BYTES, MAX_GARBAGE_BYTES, Conversation, Relay
from tests.needs import need

NOW = 1000.0
GUARD_S = 30.0


def request(method: str, *, login: bool = False) -> bytes:
    header = "Authorization: Basic eDp5\r\n" if login else ""
    return f"{method} rtsp://127.0.0.1/x RTSP/1.0\r\nCSeq: 1\r\n{header}\r\n".encode()


def answer(status: int = 200, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"RTSP/1.0 {status} Whatever", "CSeq: 1", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def packet(sequence: int, rtp_time: int, *, marker: bool = True, channel: int = 0) -> bytes:
    rtp = struct.pack(">BBHII", 0x80, 96 | marker << 7, sequence & 0xFFFF, rtp_time, 7) + b"data"
    return struct.pack(">cBH", b"$", channel, len(rtp)) + rtp


def playing() -> Conversation:
    talk = Conversation(has_login=False)
    talk.asked(request("SETUP"))
    talk.answered(answer(200, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"), NOW)
    talk.asked(request("PLAY"))
    talk.answered(answer(), NOW)
    assert talk.playing
    return talk


def said(data: bytes, *, login: bool = False, asked: bytes = b"") -> Code | None:
    """The code after FFmpeg asked and the camera said ``data``; nothing of it passes then."""
    talk = Conversation(has_login=login)
    talk.asked(asked or request("DESCRIBE"))
    passed = talk.answered(data, NOW)
    assert talk.code is None or passed == b""
    return talk.code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, None),
        (100, None),
        (300, Code.REDIRECTED),
        (301, Code.REDIRECTED),
        (302, Code.REDIRECTED),
        (305, Code.REDIRECTED),
        (399, Code.REDIRECTED),
        (400, Code.SERVER_ERROR),
        (401, Code.UNAUTHORIZED),
        (403, Code.UNAUTHORIZED),
        (404, Code.NOT_FOUND),
        (410, Code.NOT_FOUND),
        (453, Code.SERVER_ERROR),
        (461, Code.SERVER_ERROR),
        (500, Code.SERVER_ERROR),
        (503, Code.SERVER_ERROR),
    ],
)
def test_what_a_status_means(status: int, code: Code | None) -> None:
    assert said(answer(status, "Location: rtsp://127.0.0.1:9/x")) is code


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail ESMTP\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"\x00" * 100,
        b"RTSP/2.0 200 OK\r\n\r\n",
        b"RTSP/1.0 abc\r\n\r\n",
        b"RTSP/1.0 2000 OK\r\n\r\n",
        b"RTSP/1.0\r\n\r\n",
        b"$\x00\x00\x10" + b"x" * 16,
        b"\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"X: " + b"y" * 20_000,
        answer(200, f"Content-Length: {MAX_BODY_BYTES + 1}"),
        answer(200, "Content-Length: 999999999"),
    ],
)
def test_what_is_no_rtsp(data: bytes) -> None:
    assert said(data) is Code.NOT_RTSP


def test_a_challenge_is_normal_with_a_login() -> None:
    challenge = answer(401, 'WWW-Authenticate: Digest realm="x", nonce="1"')
    assert said(challenge) is Code.UNAUTHORIZED
    assert said(challenge, login=True) is None
    with_login = request("DESCRIBE", login=True)
    assert said(challenge, login=True, asked=with_login) is Code.UNAUTHORIZED
    stale = answer(401, 'WWW-Authenticate: Digest realm="x", nonce="2", stale=TRUE')
    assert said(stale, login=True, asked=with_login) is None


def test_a_nonce_cannot_be_stale_for_ever() -> None:
    talk = Conversation(has_login=True)
    stale = answer(401, 'WWW-Authenticate: Digest realm="x", nonce="2", stale=true')
    for _ in range(5):
        talk.asked(request("DESCRIBE", login=True))
        talk.answered(stale, NOW)
    assert talk.code is Code.UNAUTHORIZED


def test_a_camera_that_asks_us_away_is_left() -> None:
    assert said(b"REDIRECT rtsp://10.0.0.9/x RTSP/1.0\r\nCSeq: 1\r\n\r\n") is Code.REDIRECTED
    assert said(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n") is None
    talk = playing()
    assert talk.answered(b"REDIRECT rtsp://10.0.0.9/x RTSP/1.0\r\nCSeq: 1\r\n\r\n", NOW) == b""
    assert talk.code is Code.REDIRECTED


def test_refusals_of_keep_alives_are_no_end_but_redirects_are() -> None:
    talk = playing()
    assert talk.answered(answer(501), NOW) == answer(501)
    assert talk.code is None
    assert talk.answered(answer(302, "Location: rtsp://10.0.0.9/"), NOW) == b""
    assert talk.code is Code.REDIRECTED


def test_waiting_and_playing() -> None:
    talk = Conversation(has_login=False)
    assert not talk.waiting
    for method in ("OPTIONS", "DESCRIBE", "SETUP", "PLAY"):
        whole = request(method)
        talk.asked(whole[:9])
        talk.asked(whole[9:])
        assert talk.waiting
        assert not talk.playing
        talk.answered(answer(), NOW)
        assert not talk.waiting
    assert talk.playing


BEGINNING = (
    answer(200, "Public: OPTIONS")
    + answer(200, body=b"v=0\r\n\r\n$\x00\x00\x04RTSP/1.0 302 x\r\n\r\n")
    + answer(200, "Transport: RTP/AVP/TCP;unicast;interleaved=2-3")
)
MEDIA = (
    packet(7, 50, channel=2)
    + answer(200)
    + packet(8, 100, channel=2, marker=False)
    + packet(9, 100, channel=2)
    + packet(900, 555, channel=0)
    + struct.pack(">cBH", b"$", 3, 0)
    + answer(200)
    + packet(10, 200, channel=2)
)


@given(
    st.lists(st.integers(0, len(BEGINNING)), max_size=20),
    st.lists(st.integers(0, len(MEDIA)), max_size=20),
)
def test_however_it_is_cut_a_session_passes_unchanged(
    beginning: list[int], media: list[int]
) -> None:
    talk = Conversation(has_login=False)
    for method, data, cuts in (("SETUP", BEGINNING, beginning), ("PLAY", MEDIA, media)):
        talk.asked(request(method))
        places = sorted({0, *cuts, len(data)})
        parts = [data[a:b] for a, b in pairwise(places)]
        assert b"".join(talk.answered(part, NOW) for part in parts) == data
        assert talk.code is None
    assert [talk.rtp_time(i) for i in range(4)] == [50, 100, 200, None]


@given(st.lists(st.integers(1, 59), max_size=10))
def test_not_one_byte_of_a_redirect_passes(cuts: list[int]) -> None:
    data = answer(302, "Location: rtsp://127.0.0.1:9/x")
    talk = Conversation(has_login=False)
    talk.asked(request("DESCRIBE"))
    places = sorted({0, *cuts, len(data)})
    for a, b in pairwise(places):
        assert talk.answered(data[a:b], NOW) == b""
    assert talk.code is Code.REDIRECTED


@given(st.lists(st.binary(max_size=200), max_size=20), st.booleans())
def test_hostile_bytes_never_raise(parts: list[bytes], is_playing: bool) -> None:
    talk = playing() if is_playing else Conversation(has_login=True)
    for part in parts:
        talk.asked(part)
        passed = talk.answered(part, NOW)
        assert talk.code is None or passed == b""


def test_times_and_losses_of_pictures() -> None:
    talk = playing()
    stream = [
        (1, 100, False), (2, 100, True),   # whole
        (3, 200, False), (5, 200, True),   # one missing in its middle
        (6, 300, True),                    # whole
        (8, 400, True),                    # its beginning is missing
        (9, 500, False), (11, 600, True),  # the end of one or the beginning of the next
        (12, 700, True),
    ]  # fmt: skip
    for i, (sequence, rtp_time, marker) in enumerate(stream):
        talk.answered(packet(sequence, rtp_time, marker=marker), NOW + i)
    found = {t: talk.arrival(t) for t in range(100, 800, 100)}
    assert [a.ts - NOW for a in found.values() if a] == [0, 2, 4, 5, 6, 7, 8]
    damaged = [t for t, a in found.items() if a and a.damaged]
    assert damaged == [200, 400, 500, 600]
    assert talk.arrival(650) is None


def test_numbers_wrap_around() -> None:
    talk = playing()
    for sequence in (65_534, 65_535, 65_536, 65_537):
        talk.answered(packet(sequence, (0xFFFFFFFF + sequence) & 0xFFFFFFFF), NOW)
    assert talk.pictures == 4
    assert not any(
        a.damaged for a in map(talk.arrival, (65_533, 65_534, 65_535, 65_536)) if a is not None
    )
    first = talk.rtp_time(0)
    assert first is not None
    assert talk.arrival(first + (1 << 32)) is talk.arrival(first)


def test_what_is_known_of_pictures_is_bounded() -> None:
    talk = playing()
    for i in range(5000):
        talk.answered(packet(i, i), NOW)
    assert talk.arrival(0) is None
    assert talk.arrival(4999) is not None
    assert len(talk._arrivals) < 2000


def test_garbage_between_packets_is_left_out_and_has_an_end() -> None:
    talk = playing()
    first, second = packet(1, 100), packet(2, 200)
    assert talk.answered(first + b"\x00\x01garbage" + second, NOW) == first + second
    assert talk.code is None
    for _ in range(MAX_GARBAGE_BYTES // 1000 + 2):
        talk.answered(b"\x01" * 1000, NOW)
    assert talk.code is Code.CORRUPT


# --- with sockets


@contextmanager
def camera(
    *, secure: bool = False, has_login: bool = False
) -> Iterator[tuple[socket.socket, Relay]]:
    """A relay and the camera's end of its connection."""
    ours, theirs = socket.socketpair()
    relay = Relay(ours, secure=secure, has_login=has_login)
    theirs.settimeout(GUARD_S)
    try:
        yield theirs, relay
    finally:
        theirs.close()
        with socket.socket() as waker:
            # One that still waits for its client.
            waker.connect_ex(("127.0.0.1", relay.port))
        relay.join(GUARD_S)


def client(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), timeout=GUARD_S)


def test_bytes_pass_both_ways_and_the_end_does() -> None:
    with camera() as (theirs, relay), client(relay) as ours:
        ours.sendall(request("OPTIONS"))
        assert theirs.recv(1000) == request("OPTIONS")
        theirs.sendall(answer())
        assert ours.recv(1000) == answer()
        theirs.close()
        assert ours.recv(1000) == b""
        relay.join(GUARD_S)
        assert relay.code is Code.DISCONNECTED


def test_one_client_and_no_second() -> None:
    with camera() as (theirs, relay), client(relay) as ours:
        ours.sendall(b"x")
        theirs.recv(10)
        with socket.socket() as second:
            second.settimeout(GUARD_S)
            assert second.connect_ex(("127.0.0.1", relay.port)) != 0


def test_a_redirect_ends_both_connections() -> None:
    with camera() as (theirs, relay), client(relay) as ours:
        ours.sendall(request("DESCRIBE"))
        theirs.recv(1000)
        theirs.sendall(answer(302, "Location: rtsp://127.0.0.1:9/x"))
        assert ours.recv(1000) == b""
        assert theirs.recv(1000) == b""
        relay.join(GUARD_S)
        assert relay.code is Code.REDIRECTED


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate signed by itself."""
    openssl = need(shutil.which("openssl"), "openssl")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    made = subprocess.run(
        [openssl, "req", "-x509", *curve, "-days", "2", "-subj", "/CN=camera", "-keyout", "-"],
        capture_output=True,
        check=True,
    )
    path = tmp_path_factory.mktemp("tls") / "camera.pem"
    path.write_bytes(made.stdout)
    return path


@pytest.mark.parametrize("after_s", [0.0, 0.5])
def test_tls_with_a_certificate_signed_by_itself(certificate: Path, after_s: float) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    big = answer(200, body=b"x" * 100_000)
    with (
        camera(secure=True) as (theirs, relay),
        client(relay) as ours,
        context.wrap_socket(theirs, server_side=True) as secured,
    ):
        # by then the camera's tickets for a later session have come, which are no answer
        time.sleep(after_s)
        ours.sendall(request("DESCRIBE"))
        assert secured.recv(1000) == request("DESCRIBE")
        secured.sendall(big)
        data = b""
        while len(data) < len(big):
            data += ours.recv(65536)
        assert data == big


def test_a_camera_without_tls_does_not_speak_rtsps() -> None:
    with camera(secure=True) as (theirs, relay):
        theirs.recv(1000)
        theirs.sendall(answer(400))
        relay.join(GUARD_S)
        assert relay.code is Code.NOT_RTSP
