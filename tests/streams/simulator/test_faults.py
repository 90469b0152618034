"""Each fault of the simulator, asked for in the address and set while a client watches."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from av.error import FFmpegError

from streams.simulator import Fault, FaultKind, Recording, Simulator, load_recording
from streams.simulator.camera import YEAR_S, parse_fault
from tests.streams.simulator.clients import (
    COUNT,
    GUARD_S,
    SIZE,
    RtspSocket,
    descriptors,
    eventually,
    noise_clip,
    small_clip,
    watch,
)  # fmt: skip

FAST = 8.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("noise")
    return load_recording(noise_clip(folder / "noise.mp4"), folder / "cache")


@pytest.fixture
def simulator(recording: Recording) -> Iterator[Simulator]:
    with Simulator({"plaza": recording, "other": recording}, speed=FAST) as simulator:
        yield simulator


ANSWERS = {
    FaultKind.UNAUTHORIZED: (401, "401"),
    FaultKind.NOT_FOUND: (404, "404"),
    FaultKind.BUSY: (453, "4XX"),
    FaultKind.SERVER_ERROR: (500, "5XX"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_refusals(simulator: Simulator, kind: FaultKind) -> None:
    status, said = ANSWERS[kind]
    with RtspSocket(simulator.url("plaza", f"fault={kind}")) as client:
        assert client.ask("OPTIONS").status == 200
        assert client.ask("DESCRIBE").status == status
        # the fault is the connection's, whatever it asks for next
        assert client.ask("DESCRIBE", simulator.url("plaza")).status == status
    with pytest.raises(FFmpegError, match=said):
        watch(simulator.url("plaza", f"fault={kind}"))
    assert watch(simulator.url("plaza"), limit=1).ended == "limit"


@pytest.mark.parametrize("kind", [*ANSWERS, FaultKind.REDIRECT_LOOP, FaultKind.SILENT])
def test_a_fault_of_the_requests_ends_whoever_watches(
    simulator: Simulator, kind: FaultKind
) -> None:
    with (
        RtspSocket(simulator.url("plaza")) as client,
        RtspSocket(simulator.url("other")) as other,
    ):
        client.play()
        other.play()
        simulator.fault("plaza", Fault(kind))
        assert client.closed()
        assert other.ask("OPTIONS").status == 200
    simulator.fault("plaza", None)
    assert watch(simulator.url("plaza"), limit=1).ended == "limit"


@pytest.mark.parametrize("asked", [True, False])
def test_stall(simulator: Simulator, asked: bool) -> None:
    query = "fault=stall&after=0.3" if asked else ""
    with RtspSocket(simulator.url("plaza", query)) as client:
        client.play()
        packets = client.stream()
        next(packets)
        if not asked:
            simulator.fault("plaza", Fault(FaultKind.STALL))
        client._socket.settimeout(0.7)
        with pytest.raises(TimeoutError):
            for _ in packets:
                pass
        # the connection lives, and the requests are answered
        client._socket.settimeout(GUARD_S)
        assert client.ask("OPTIONS").status == 200
        assert simulator.seen("plaza").playing == 1


def test_a_stall_that_ends_goes_on_where_it_was(recording: Recording) -> None:
    with Simulator({"plaza": recording}, once=True, speed=FAST) as simulator:
        simulator.fault("plaza", Fault(FaultKind.STALL))
        with RtspSocket(simulator.url("plaza")) as client:
            client.play()
            client._socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                next(client.stream())
            client._socket.settimeout(GUARD_S)
            simulator.fault("plaza", None)
            media = [data for channel, data in client.stream() if channel == 0]
        assert sum(data[1] >> 7 for data in media) == COUNT


def test_close(simulator: Simulator) -> None:
    seen = watch(simulator.url("plaza", "fault=close&after=0.3"))
    assert seen.ended == "end"
    assert 0 < len(seen.indices) < 20 * COUNT
    with RtspSocket(simulator.url("plaza")) as client:
        client.play()
        simulator.fault("plaza", Fault(FaultKind.CLOSE))
        assert client.closed()
    assert eventually(lambda: simulator.seen("plaza").connections == 0)


def test_redirect_points_elsewhere(simulator: Simulator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        to = f"rtsp://127.0.0.1:{listener.getsockname()[1]}/trap"
        with RtspSocket(simulator.url("plaza", f"fault=redirect&to={to}")) as client:
            answer = client.ask("DESCRIBE")
        assert (answer.status, answer.headers["location"]) == (302, to)
        simulator.fault("plaza", Fault(FaultKind.REDIRECT, to="rtsp://127.0.0.1:9/x"))
        with RtspSocket(simulator.url("plaza", f"fault=redirect&to={to}")) as client:
            # what is set at the camera stands above the address
            assert client.ask("DESCRIBE").headers["location"] == "rtsp://127.0.0.1:9/x"


def test_redirect_loop_points_to_itself(simulator: Simulator) -> None:
    with RtspSocket(simulator.url("plaza", "fault=redirect-loop")) as client:
        for _ in range(3):
            answer = client.ask("DESCRIBE")
            assert (answer.status, answer.headers["location"]) == (302, client.url)


def test_garbage(simulator: Simulator) -> None:
    with RtspSocket(simulator.url("plaza", "fault=garbage")) as client:
        client.send(f"OPTIONS {client.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        assert client.closed()
        assert len(client._waiting) > 4000
        assert b"RTSP/1.0" not in client._waiting
    with pytest.raises(FFmpegError, match="Invalid data"):
        watch(simulator.url("plaza", "fault=garbage"))
    seen = watch(simulator.url("plaza", "fault=garbage&after=0.3"))
    assert seen.indices
    assert seen.ended in ("end", "InvalidDataError")


def test_silent(simulator: Simulator) -> None:
    with RtspSocket(simulator.url("plaza", "fault=silent")) as client:
        client.send(f"OPTIONS {client.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        client._socket.settimeout(0.3)
        assert not client.closed()
        assert simulator.seen("plaza").connections == 1
    assert eventually(lambda: simulator.connected == 0)


def test_corrupt_damages_some_pictures_and_no_more(noise: Recording) -> None:
    with Simulator({"a": noise}, once=True, speed=FAST) as simulator:
        simulator.fault("a", Fault(FaultKind.CORRUPT))
        with RtspSocket(simulator.url("a")) as client:
            client.play()
            pictures: list[bytes] = []
            current = bytearray()
            for channel, data in client.stream():
                if channel == 0:
                    current += data[12:]
                    if data[1] >> 7:
                        pictures.append(bytes(current))
                        current.clear()
    sound = [b"".join(h + bytes(b) for h, b in unit.parts) for unit in noise.units]
    pairs = enumerate(zip(pictures, sound, strict=True))
    assert [i for i, (sent, whole) in pairs if sent != whole] == [6]
    assert len(pictures[6]) < len(sound[6])


def test_a_decoder_notices_corrupt_pictures(noise: Recording) -> None:
    with Simulator({"a": noise}, speed=FAST) as simulator:
        seen = watch(simulator.url("a", "fault=corrupt"), limit=28)
    assert seen.corrupt >= 2
    assert seen.ended == "limit"


def test_resolution_changes_in_the_middle_and_back(simulator: Simulator) -> None:
    half = (SIZE[0] // 2, SIZE[1] // 2)
    simulator.fault("plaza", Fault(FaultKind.RESOLUTION, after_s=0.2))
    seen = watch(simulator.url("plaza"), limit=3 * COUNT)
    assert set(seen.sizes) == {SIZE, half}
    change = seen.sizes.index(half)
    assert seen.sizes[:change] == [SIZE] * change
    assert seen.indices[change : change + COUNT] == list(range(COUNT))
    assert all(a < b for a, b in zip(seen.times, seen.times[1:], strict=False))
    # not even at once is the first picture another than the description says
    assert watch(simulator.url("other", "fault=resolution"), limit=9).sizes[0] == SIZE


def test_clock_is_a_year_behind(simulator: Simulator) -> None:
    seen = watch(simulator.url("plaza", "fault=clock"), limit=3)
    assert seen.skew_s == pytest.approx(-YEAR_S, abs=GUARD_S)


def test_slow_sends_little(noise: Recording) -> None:
    size = sum(len(part) for unit in noise.units for part in unit.slices)
    assert size > 200_000, "or nothing would be slow"
    with (
        Simulator({"a": noise}, speed=FAST) as simulator,
        RtspSocket(simulator.url("a", "fault=slow")) as client,
    ):
        client.play()
        got = 0
        packets = client.stream()
        while got < 16_000:
            channel, data = next(packets)
            got += len(data)
            assert channel == 1 or not data[1] >> 7, "a whole picture came too soon"
        assert client.ask("OPTIONS").status == 200


def test_fifty_of_each_leave_nothing(simulator: Simulator) -> None:
    watch(simulator.url("plaza", "fault=resolution"), limit=5)
    assert eventually(lambda: simulator.connected == 0)
    files = descriptors()
    queries = [f"fault={kind}" for kind in FaultKind if kind is not FaultKind.REDIRECT]
    for query in [*queries, "fault=redirect&to=rtsp://127.0.0.1:9/"] * 50:
        with RtspSocket(simulator.url("plaza", query)) as client:
            client.send(f"DESCRIBE {client.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
    assert eventually(lambda: simulator.connected == 0)
    assert eventually(lambda: descriptors() <= files)


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("", None),
        ("a=b", None),
        ("fault=stall", Fault(FaultKind.STALL)),
        ("fault=401&after=3.5", Fault(FaultKind.UNAUTHORIZED, 3.5)),
        ("x=1&fault=redirect&to=rtsp%3A//h/p%3Fq", Fault(FaultKind.REDIRECT, to="rtsp://h/p?q")),
    ],
)
def test_queries(query: str, fault: Fault | None) -> None:
    assert parse_fault(query) == fault


def test_faults_that_cannot_be(simulator: Simulator) -> None:
    for after_s in (-1.0, float("nan"), float("inf"), 1e9):
        with pytest.raises(ValueError, match="86400"):
            Fault(FaultKind.STALL, after_s)
    with pytest.raises(ValueError, match="'to'"):
        Fault(FaultKind.STALL, to="rtsp://h/")
    with pytest.raises(ValueError, match="'to'"):
        Fault(FaultKind.REDIRECT)
    with pytest.raises(ValueError, match="ASCII"):
        Fault(FaultKind.REDIRECT, to="a\r\nb")
    with pytest.raises(ValueError, match="no camera"):
        simulator.fault("nowhere", None)
