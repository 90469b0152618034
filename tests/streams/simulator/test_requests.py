"""The RTSP of the simulator, asked by a plain socket: what is right, and all that is not."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.simulator import Login, Recording, Simulator, load_recording
from tests.streams.simulator.clients import (
    RATE,
    SIZE,
    RtspSocket,
    digest,
    eventually,
    small_clip,
    watch,
)  # fmt: skip

PASSWORD = "Sulawesi-2026"
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


@pytest.fixture(scope="module")
def simulator(recording: Recording) -> Iterator[Simulator]:
    with Simulator({"plaza": recording, "other": recording}) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[RtspSocket]:
    with RtspSocket(simulator.url("plaza")) as client:
        yield client


def test_options_name_the_methods(client: RtspSocket) -> None:
    for uri in (None, "*"):
        answer = client.ask("OPTIONS", uri)
        assert answer.status == 200
        assert {"DESCRIBE", "SETUP", "PLAY", "TEARDOWN"} <= set(
            answer.headers["public"].split(", ")
        )


def test_the_description_says_what_comes(client: RtspSocket, recording: Recording) -> None:
    answer = client.ask("DESCRIBE", Accept="application/sdp")
    assert answer.headers["content-type"] == "application/sdp"
    assert answer.headers["content-base"] == f"{client.url}/"
    lines = answer.body.decode().split("\r\n")
    assert lines[0] == "v=0"
    assert "m=video 0 RTP/AVP 96" in lines
    assert f"a=framesize:96 {SIZE[0]}-{SIZE[1]}" in lines
    assert f"a=framerate:{RATE}.000" in lines
    fmtp = next(line for line in lines if line.startswith("a=fmtp:96 "))
    sets = re.search(r"profile-level-id=4D\w{4};sprop-parameter-sets=(\S+),(\S+)$", fmtp)
    assert sets is not None
    assert tuple(base64.b64decode(part) for part in sets.groups()) == (recording.sps, recording.pps)


def test_a_session_goes_through_its_states(simulator: Simulator, client: RtspSocket) -> None:
    track = f"{client.url}/trackID=0"
    assert client.ask("PLAY").status == 454
    setup = client.ask("SETUP", track, Transport="RTP/AVP;unicast;client_port=5000-5001")
    assert setup.status == 461
    setup = client.ask("SETUP", track, Transport=f"RTP/AVP/UDP;unicast,{TCP}")
    assert setup.status == 200
    assert setup.headers["session"].endswith(";timeout=60")
    transport = setup.headers["transport"]
    assert re.fullmatch(
        r'RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=[0-9A-F]{8};mode="PLAY"', transport
    )
    session = setup.session
    assert client.ask("SETUP", track, Transport=TCP).status == 455
    assert client.ask("PLAY", Session="other").status == 454
    play = client.ask("PLAY", Session=f"{session};timeout=60")
    assert play.status == 200
    assert re.fullmatch(rf"url={re.escape(track)};seq=\d+;rtptime=\d+", play.headers["rtp-info"])
    assert client.ask("PLAY", Session=session).status == 455
    assert client.ask("GET_PARAMETER", Session=session).status == 200
    assert client.ask("SET_PARAMETER", Session=session).status == 200
    assert client.ask("GET_PARAMETER", Session="other").status == 454
    assert client.ask("PAUSE", Session=session).status == 405
    # another camera on the same connection would mix two streams
    assert client.ask("DESCRIBE", simulator.url("other")).status == 455
    client.send(b"$\x01\x00\x04abcd")
    assert client.ask("OPTIONS").status == 200
    assert client.ask("TEARDOWN", Session=session).status == 200
    assert client.ask("TEARDOWN", Session=session).status == 454
    assert simulator.seen("plaza").playing == 0
    # and once more on the same connection
    assert client.play().status == 200
    assert simulator.seen("plaza").playing == 1


@pytest.mark.parametrize(
    ("transport", "channel"),
    [("RTP/AVP/TCP", 0), ("RTP/AVP/TCP;interleaved=4-5", 4), ("rtp/avp/tcp;interleaved=7", 7)],
)
def test_the_client_chooses_its_channels(client: RtspSocket, transport: str, channel: int) -> None:
    setup = client.ask("SETUP", f"{client.url}/trackID=0", Transport=transport)
    assert f"interleaved={channel}-{channel + 1};" in setup.headers["transport"]
    client.ask("PLAY", Session=setup.session)
    packets = client.stream()
    assert {next(packets)[0] for _ in range(6)} == {channel, channel + 1}


@pytest.mark.parametrize(
    ("transport", "status"),
    [
        ("RTP/AVP/TCP;interleaved=255-256", 400),
        ("RTP/AVP/TCP;interleaved=0-2", 400),
        ("RTP/AVP/TCP;interleaved=x", 400),
        ("RTP/AVP/TCP;multicast;interleaved=0-1", 461),
        ("RTP/AVP/UDP;unicast", 461),
        ("nonsense", 461),
    ],
)
def test_wrong_transports(client: RtspSocket, transport: str, status: int) -> None:
    uri = f"{client.url}/trackID=0"
    assert client.ask("SETUP", uri, Transport=transport).status == status
    assert client.ask("SETUP", uri).status == 461
    assert client.ask("SETUP", uri, Transport=TCP).status == 200


@pytest.mark.parametrize(
    ("method", "uri", "status"),
    [
        ("DESCRIBE", "rtsp://h/nowhere", 404),
        ("DESCRIBE", "rtsp://h/", 404),
        ("DESCRIBE", "rtsp://h/plaza/trackID=9", 404),
        ("DESCRIBE", "http://h/plaza", 400),
        ("DESCRIBE", "/plaza", 400),
        ("DESCRIBE", "*", 400),
        ("DESCRIBE", "rtsp:///plaza", 400),
        ("DESCRIBE", "rtsp://h:99999/plaza", 400),
        ("DESCRIBE", "rtsp://[h/plaza", 400),
        ("DESCRIBE", "rtsp://h/plaza?fault=nothing", 400),
        ("DESCRIBE", "rtsp://h/plaza?fault=stall&after=x", 400),
        ("DESCRIBE", "rtsp://h/plaza?fault=stall&after=-1", 400),
        ("DESCRIBE", "rtsp://h/plaza?fault=stall&after=inf", 400),
        ("DESCRIBE", "rtsp://h/plaza?fault=redirect", 400),
        ("DESCRIBE", "rtsp://h/plaza?fault=redirect&to=a%0d%0aX:%20b", 400),
        ("DESCRIBE", "rtsp://h/plaza?" + "&".join(f"a{i}=1" for i in range(20)), 400),
        ("ANNOUNCE", "rtsp://h/plaza", 405),
        ("RECORD", "rtsp://h/plaza", 405),
        ("DANCE", "rtsp://h/plaza", 501),
        ("DESCRIBE", "rtsp://h/plaza?x=1", 200),
        ("DESCRIBE", "rtsp://h/plaza/", 200),
    ],
)
def test_wrong_addresses_and_methods_leave_the_connection_usable(
    client: RtspSocket, method: str, uri: str, status: int
) -> None:
    assert client.ask(method, uri).status == status
    assert client.ask("DESCRIBE").status == 200


OK = b"OPTIONS rtsp://h/plaza RTSP/1.0\r\nCSeq: 1\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"OPTIONS rtsp://h/plaza\r\nCSeq: 1\r\n\r\n", 400),
        (b"OPTIONS  rtsp://h/plaza RTSP/1.0\r\nCSeq: 1\r\n\r\n", 400),
        (b"options rtsp://h/plaza RTSP/1.0\r\nCSeq: 1\r\n\r\n", 400),
        (b"OPTIONS rtsp://h/plaza RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505),
        (b"OPTIONS rtsp://h/plaza RTSP/1.0\r\n\r\n", 400),
        (b"OPTIONS rtsp://h/plaza RTSP/1.0\r\nCSeq: x\r\n\r\n", 400),
        (b"OPTIONS rtsp://h/plaza RTSP/1.0\r\nCSeq 1\r\n\r\n", 400),
        (b"OPTIONS rtsp://h/plaza RTSP/1.0\r\nCSeq: 1\r\n: x\r\n\r\n", 400),
        (b"OPTIONS rtsp://h/pl\xffaza RTSP/1.0\r\nCSeq: 1\r\n\r\n", 400),
        (OK + b"X: \xff\r\n\r\n", 400),
        (OK + b"X: a\x00b\r\n\r\n", 400),
        (OK + b"Content-Length: x\r\n\r\n", 400),
        (OK + b"Content-Length: -1\r\n\r\n", 400),
        (OK + b"Content-Length: 4097\r\n\r\n", 413),
        (OK + b"X: " + b"a" * 9000 + b"\r\n\r\n", 413),
        (b"a" * 20_000, 413),
        (b"\x00\x01\x02\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_answered_once_and_ends(
    simulator: Simulator, sent: bytes, status: int
) -> None:
    with RtspSocket(simulator.url("plaza")) as client:
        client.send(sent)
        assert client.answer().status == status
        assert client.closed()


def test_bodies_and_blank_lines_are_skipped(client: RtspSocket) -> None:
    client.send(b"\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello")
    assert client.answer().status == 200
    client.send(OK[:20])
    client.send(OK[20:] + b"\r\n" + OK + b"\r\n")
    assert client.answer().status == client.answer().status == 200


@settings(max_examples=60)
@given(data=st.binary(max_size=400))
def test_any_bytes_leave_the_server_alive(simulator: Simulator, data: bytes) -> None:
    with RtspSocket(simulator.url("plaza")) as client, contextlib.suppress(OSError):
        client.send(data + b"\r\n\r\n")
    with RtspSocket(simulator.url("plaza")) as client:
        assert client.ask("OPTIONS").status == 200


def test_those_who_leave_in_the_middle_leave_nothing(simulator: Simulator) -> None:
    address = ("127.0.0.1", simulator.port)
    for sent in (b"", b"$", b"$\x00\xff\xff1", OK, OK + b"Content-Length: 9\r\n\r\n1"):
        with socket.create_connection(address) as client:
            client.sendall(sent)
    assert eventually(lambda: simulator.connected == 0)


class TestLogin:
    @pytest.fixture(params=["basic", "digest", "both"])
    def guarded(
        self, recording: Recording, request: pytest.FixtureRequest
    ) -> Iterator[tuple[str, RtspSocket]]:
        login = Login("operator", PASSWORD, request.param)
        with (
            Simulator({"plaza": recording}, login=login) as simulator,
            RtspSocket(simulator.url("plaza")) as client,
        ):
            yield request.param, client

    def test_everything_but_options_asks_for_it(self, guarded: tuple[str, RtspSocket]) -> None:
        scheme, client = guarded
        assert client.ask("OPTIONS").status == 200
        for method in ("DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "TEARDOWN"):
            refused = client.ask(method)
            assert refused.status == 401
            kinds = [c.split()[0] for c in refused.headers["www-authenticate"].split("\n")]
            wanted = {"basic": ["Basic"], "digest": ["Digest"], "both": ["Digest", "Basic"]}
            assert kinds == wanted[scheme]
        # whoever has no login does not learn which cameras there are
        assert client.ask("DESCRIBE", "rtsp://h/nowhere").status == 401

    @pytest.mark.parametrize("qop", [True, False])
    def test_digest(self, guarded: tuple[str, RtspSocket], qop: bool) -> None:
        scheme, client = guarded
        challenge = client.ask("DESCRIBE").headers["www-authenticate"]
        if scheme == "basic":
            challenge = 'Digest realm="Matakota simulator", nonce="0"'
        path = "/plaza"

        def status(
            method: str = "DESCRIBE", uri: str = client.url, user: str = "operator",
            password: str = PASSWORD, challenge: str = challenge,
        ) -> int:  # fmt: skip
            shown = digest(challenge, method, uri, user, password, qop=qop)
            return client.ask("DESCRIBE", Authorization=shown).status

        right = 401 if scheme == "basic" else 200
        assert status() == right
        assert status(uri=path) == right
        assert status(password="sulawesi-2026") == 401
        assert status(user="Operator") == 401
        assert status(method="PLAY") == 401
        assert status(uri=f"{client.url}/other") == 401
        assert status(challenge=re.sub(r'nonce="\w+"', 'nonce="0"', challenge)) == 401
        for broken in ("Digest", "Digest x", 'Digest username="operator"', "Bearer x"):
            assert client.ask("DESCRIBE", Authorization=broken).status == 401

    def test_basic(self, guarded: tuple[str, RtspSocket]) -> None:
        scheme, client = guarded

        def status(text: str) -> int:
            shown = base64.b64encode(text.encode()).decode()
            return client.ask("DESCRIBE", Authorization=f"Basic {shown}").status

        assert status("operator:Sulawesi-2026") == (401 if scheme == "digest" else 200)
        for wrong in ("operator:", "operator:sulawesi-2026", "x:Sulawesi-2026", ":", "operator"):
            assert status(wrong) == 401
        assert client.ask("DESCRIBE", Authorization="Basic ???").status == 401
        assert client.ask("DESCRIBE", Authorization="Basic").status == 401

    def test_nonces_are_of_one_connection(self, recording: Recording) -> None:
        login = Login("operator", PASSWORD, "digest")
        with Simulator({"plaza": recording}, login=login) as simulator:
            url = simulator.url("plaza")
            with RtspSocket(url) as first, RtspSocket(url) as second:
                challenge = first.ask("DESCRIBE").headers["www-authenticate"]
                shown = digest(challenge, "DESCRIBE", url, "operator", PASSWORD, qop=True)
                assert second.ask("DESCRIBE", Authorization=shown).status == 401
                assert first.ask("DESCRIBE", Authorization=shown).status == 200

    def test_the_password_is_nowhere_to_be_read(
        self, recording: Recording, capsys: pytest.CaptureFixture[str]
    ) -> None:
        login = Login("operator", PASSWORD)
        with Simulator({"plaza": recording}, login=login) as simulator:
            url = simulator.url("plaza")
            assert watch(url, login="operator:Sulawesi-2026", limit=1).ended == "limit"
            with RtspSocket(f"{url}?fault=nonsense&Sulawesi-2026") as client:
                assert client.ask("DESCRIBE").status == 400
        written = capsys.readouterr()
        assert "Sulawesi" not in written.out + written.err + repr(login) + url


def test_ipv6(recording: Recording, tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6 on this machine")
    with Simulator({"a": recording}, host="::1") as simulator:
        assert simulator.url("a").startswith("rtsp://[::1]:")
        assert watch(simulator.url("a"), limit=1).ended == "limit"
