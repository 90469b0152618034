"""What cameras do wrong, and what becomes of our own processes: a code, a return, no trace."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import pytest
import structlog

from streams.address import RtspAddress
from streams.health import SENTENCES, Code, State
from streams.rtsp.forkserver import ForkServer
from streams.simulator import Fault, FaultKind, Recording, Simulator, load_recording
from tests.streams.rtsp.oddcameras import answering, frames, free_port, serving, source, until
from tests.streams.simulator.clients import GUARD_S, small_clip

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"


@pytest.fixture(scope="module")
def forkserver() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


def test_each_fault_has_its_code(recording: Recording, forkserver: ForkServer) -> None:
    expected = {
        "fault=stall&after=1": Code.STALLED,
        "fault=close&after=1": Code.DISCONNECTED,
        "fault=401": Code.UNAUTHORIZED,
        "fault=404": Code.NOT_FOUND,
        "fault=453": Code.SERVER_ERROR,
        "fault=500": Code.SERVER_ERROR,
        "fault=redirect&to=rtsp://127.0.0.1:9/x": Code.REDIRECTED,
        "fault=redirect-loop": Code.REDIRECTED,
        "fault=garbage": Code.NOT_RTSP,
        "fault=silent": Code.STALLED,
    }
    with Simulator({"a": recording}) as simulator:

        def seen(query: str) -> Code | None:
            with source(simulator.url("a", query), forkserver) as camera:
                end = time.monotonic() + 3 * GUARD_S
                while camera.health.state is not State.DOWN and time.monotonic() < end:
                    camera.next(0.2)
                assert camera.health.message == SENTENCES[camera.health.code or Code.CORRUPT]
                return camera.health.code

        with ThreadPoolExecutor(len(expected)) as pool:
            assert dict(zip(expected, pool.map(seen, expected), strict=True)) == expected


SDP_AUDIO = (
    b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:a\r\n"
)
SDP_VP8 = (
    b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    b"a=rtpmap:96 VP8/90000\r\na=control:v\r\n"
)


def described(sdp: bytes) -> list[bytes]:
    head = (
        f"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: {len(sdp)}"
    )
    setup = (
        b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 1\r\n"
        b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
    )
    played = b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 1\r\n\r\n"
    return [OK, head.encode() + b"\r\n\r\n" + sdp, setup, played]


@pytest.mark.parametrize(
    ("talk", "code"),
    [
        (lambda _: None, Code.DISCONNECTED),
        (answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Code.NOT_RTSP),
        (answering(OK, b"\xff\xfe" * 500), Code.NOT_RTSP),
        (answering(*described(SDP_AUDIO)), Code.NO_VIDEO),
        (answering(*described(SDP_VP8)), Code.NO_VIDEO),
        (answering(*described(b"")), Code.NO_VIDEO),
        (answering(*described(b"not a session description")), Code.NO_VIDEO),
        (answering(OK, b"RTSP/1.0 503 Busy\r\nCSeq: 2\r\n\r\n"), Code.SERVER_ERROR),
    ],
    ids=["closes", "http", "noise", "audio", "vp8", "nothing", "prose", "busy"],
)
def test_odd_cameras(
    talk: Callable[[socket.socket], object], code: Code, forkserver: ForkServer
) -> None:
    with serving(talk) as listener, source(listener.url(), forkserver) as camera:
        until(camera, State.DOWN, code)


def test_nothing_answers(forkserver: ForkServer) -> None:
    with source(f"rtsp://127.0.0.1:{free_port()}/x", forkserver) as camera:
        until(camera, State.DOWN, Code.UNREACHABLE)


def test_addresses_outside_the_networks_are_never_connected_to(forkserver: ForkServer) -> None:
    with serving(lambda _: None) as listener:
        private = (ip_network("10.0.0.0/8"),)
        with source(listener.url(), forkserver, networks=private) as camera:
            until(camera, State.DOWN, Code.ADDRESS_REFUSED)
        assert listener.connections == 0


def test_an_unknown_name(forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    address = RtspAddress(False, "no.such.camera", 554, "/x")
    with source(address, forkserver) as camera:
        until(camera, State.DOWN, Code.UNRESOLVED)


def test_a_dns_that_hangs_holds_up_nobody(
    forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    asked: list[str] = []

    def hanging(host: str, *_: object, **__: object) -> Any:
        asked.append(host)
        release.wait(GUARD_S)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    monkeypatch.setattr("streams.rtsp.dialing.RESOLVE_S", 0.3)
    try:
        with source(RtspAddress(False, "slow.camera", 554, "/x"), forkserver) as camera:
            until(camera, State.DOWN, Code.UNRESOLVED)
            for _ in range(10):
                assert camera.next(0.1) is None
            # One look-up at a time, however long it takes.
            assert asked == ["slow.camera"]
    finally:
        release.set()


@pytest.mark.parametrize("loop", [False, True], ids=["elsewhere", "loop"])
def test_a_redirect_is_followed_by_nobody(
    loop: bool, recording: Recording, forkserver: ForkServer
) -> None:
    with serving(lambda _: None) as elsewhere, Simulator({"a": recording}) as simulator:
        query = "fault=redirect-loop" if loop else f"fault=redirect&to={elsewhere.url()}"
        with source(simulator.url("a", query), forkserver) as camera:
            until(camera, State.DOWN, Code.REDIRECTED)
            camera.next(0.8)
        assert elsewhere.connections == 0


def test_a_loop_of_redirects_is_one_connection_an_attempt(forkserver: ForkServer) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(OK)
        connection.recv(65536)
        place = f"rtsp://127.0.0.1:{connection.getsockname()[1]}/x"
        connection.sendall(f"RTSP/1.0 302 Found\r\nCSeq: 2\r\nLocation: {place}\r\n\r\n".encode())
        while connection.recv(65536):
            pass

    with serving(talk) as listener, source(listener.url(), forkserver) as camera:
        until(camera, State.DOWN, Code.REDIRECTED)
        assert listener.connections == 1


def test_a_camera_that_was_away_is_live_again(recording: Recording, forkserver: ForkServer) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        first = frames(camera, 2)[-1]
        simulator.close_port()
        until(camera, State.DOWN, Code.UNREACHABLE)
        simulator.open_port()
        until(camera, State.LIVE, None)
        (second,) = frames(camera, 1)
        assert camera.connects == 2
        assert second.index > first.index
        assert second.ts > first.ts


def test_pauses_grow_and_are_bounded(
    forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("streams.rtsp.source.time.monotonic", lambda: now[0])
    with source(f"rtsp://127.0.0.1:{free_port()}/x", forkserver) as camera:

        def pauses(code: Code) -> list[float]:
            found = []
            for _ in range(40):
                camera._fail(code, "")
                found.append(camera._retry_at - now[0])
            return found

        usual = pauses(Code.UNREACHABLE)
        assert 0.3 < usual[0] < 0.7
        assert max(usual) <= 5.0
        assert min(usual[5:]) >= 3.0
        assert len({round(pause, 6) for pause in usual[5:]}) > 20
        # A camera that boots may refuse its login, but no account is to be locked for ours.
        for _ in range(2):
            refused = pauses(Code.UNAUTHORIZED)
            assert sum(refused[:4]) < 10
            assert min(refused[7:]) > 20
            assert max(pauses(Code.UNREACHABLE)) <= 5.0


def named(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    """Every name has these addresses."""

    def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_the_other_addresses_of_a_name_are_tried(
    recording: Recording, forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One refuses, one says nothing at all, one is the camera."""
    with Simulator({"a": recording}) as simulator, socket.socket() as mute:
        port = int(simulator.url("a").split(":")[2].split("/")[0])
        mute.bind(("127.0.0.3", port))
        mute.listen(0)
        with contextlib.ExitStack() as held:
            # What is not accepted fills the queue, and then nobody is answered.
            for _ in range(4):
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.3", port))
            named(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
            address = RtspAddress(False, "many.camera", port, "/a")
            with source(address, forkserver) as camera:
                frames(camera, 1)
                assert camera._failures == 0
            named(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.4")
            with source(address, forkserver) as camera:
                until(camera, State.DOWN, Code.UNREACHABLE)
            named(monkeypatch, "127.0.0.1", "10.0.0.1")
            with source(address, forkserver) as camera:
                until(camera, State.DOWN, Code.ADDRESS_REFUSED)


def test_another_address_is_first_after_one_that_brought_nothing(
    recording: Recording, forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that is no camera listens at the first address."""
    with Simulator({"a": recording}) as simulator, socket.socket() as server:
        port = int(simulator.url("a").split(":")[2].split("/")[0])
        server.bind(("127.0.0.2", port))
        server.listen()

        def close_all() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        thread = threading.Thread(target=close_all)
        thread.start()
        named(monkeypatch, "127.0.0.2", "127.0.0.1")
        with source(RtspAddress(False, "two.cameras", port, "/a"), forkserver) as camera:
            until(camera, State.DOWN, Code.DISCONNECTED)
            until(camera, State.LIVE, None)
            assert camera._failures == 1
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_lookup_that_breaks_down_is_a_failed_attempt(
    forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: object, **__: object) -> Any:
        raise MemoryError

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(socket, "getaddrinfo", short)
    with source(RtspAddress(False, "some.camera", 554, "/x"), forkserver) as camera:
        until(camera, State.DOWN, Code.UNRESOLVED)


def test_a_machine_without_threads_or_memory_is_a_failed_attempt(
    recording: Recording, forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def no_memory(*_: object) -> Any:
        raise MemoryError

    with Simulator({"a": recording}) as simulator:
        port = int(simulator.url("a").split(":")[2].split("/")[0])
        named(monkeypatch, "127.0.0.1")
        with source(RtspAddress(False, "some.camera", port, "/a"), forkserver) as camera:
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", no_thread)
                until(camera, State.DOWN, Code.DECODER_FAILED)
            until(camera, State.LIVE, None)
            with monkeypatch.context() as patched:
                patched.setattr("streams.rtsp.decoding.np.empty", no_memory)
                until(camera, State.DOWN, Code.DECODER_FAILED)
            until(camera, State.LIVE, None)


@pytest.mark.parametrize("when", ["waiting", "pausing", "starting"])
def test_close_ends_a_waiting_next(when: str, recording: Recording, forkserver: ForkServer) -> None:
    with Simulator({"a": recording}) as simulator:
        query = {"waiting": "fault=stall&after=1", "starting": "fault=silent"}.get(
            when, "fault=404"
        )
        camera = source(simulator.url("a", query), forkserver)
        if when == "waiting":
            frames(camera, 1)
        elif when == "pausing":
            until(camera, State.DOWN, Code.NOT_FOUND)
        ended = threading.Event()

        def wait() -> None:
            while camera.next(3 * GUARD_S) is not None:
                pass
            ended.set()

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.3)
        with structlog.testing.capture_logs() as logs:
            camera.close()
        assert not [entry for entry in logs if entry.get("code")]
        assert ended.wait(GUARD_S / 3)
        thread.join()
        assert camera.health.state is State.STOPPED
        camera.close()


@pytest.mark.long
def test_twenty_returns(recording: Recording, forkserver: ForkServer) -> None:
    with (
        Simulator({"a": recording, "b": recording}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        for count in range(1, 21):
            until(camera, State.LIVE, None)
            assert camera.connects == count
            simulator.stop_camera("a")
            while camera.health.state is State.LIVE:
                camera.next(0.2)
            simulator.fault("a", None)
            simulator.start_camera("a")


def test_a_fault_that_ends_is_forgotten(recording: Recording, forkserver: ForkServer) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        frames(camera, 1)
        simulator.fault("a", Fault(FaultKind.UNAUTHORIZED))
        until(camera, State.DOWN, Code.UNAUTHORIZED)
        simulator.fault("a", None)
        until(camera, State.LIVE, None)
