"""A camera with two streams, against simulated ones and real decoder processes: the smaller one is
looked at where it is there and fits, and the main one goes on wherever it is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import streams.rtsp.choosing as module
import streams.rtsp.source as source_module
from streams.config import Credential
from streams.health import Code, State
from streams.rtsp.choosing import Choice
from streams.rtsp.clipping import cut
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Ring
from streams.rtsp.source import RtspSource
from streams.simulator import Fault, FaultKind, Login, Recording, Simulator, load_recording
from tests.streams.rtsp.oddcameras import frames, source, until
from tests.streams.rtsp.wishes import Wanted
from tests.streams.simulator.clients import SIZE, eventually, small_clip
from tests.streams.test_maskingprocess import pictures

HALF = (SIZE[0] // 2, SIZE[1] // 2)
SQUARE = (48, 48)
CANARY = "not-a-real-password"


@pytest.fixture(scope="module")
def forkserver() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], Recording]:
    """A clip in the sizes of a main stream, of a sub-stream, and of one of another shape."""
    folder = tmp_path_factory.mktemp("clips")
    clip = small_clip(folder / "small.mp4")
    return {
        size: load_recording(clip, folder / "cache", size=size) for size in (SIZE, HALF, SQUARE)
    }


Clips = dict[tuple[int, int], Recording]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cameras with pictures of stamps' size."""
    monkeypatch.setattr(module, "SMALL_PX", 0)


def sizes(camera: RtspSource, count: int = 3) -> set[tuple[int, int]]:
    return {frame.size for frame in frames(camera, count)}


def wanted(**more: object) -> Wanted:
    return Wanted(**{"drawn": SIZE, **more})  # type: ignore[arg-type]


def until_size(camera: RtspSource, size: tuple[int, int]) -> None:
    """Ask for pictures until they have this size; the camera is never said to be down."""

    def said() -> bool:
        frame = camera.next(0.5)
        assert camera.health.state in (State.STARTING, State.LIVE)
        return frame is not None and frame.size == size

    assert eventually(said)


def test_it_is_chosen_and_the_main_stream_left_alone(clips: Clips, forkserver: ForkServer) -> None:
    with (
        Simulator({"a": clips[SIZE]}, subs={"a": clips[HALF]}) as simulator,
        source(simulator.main_url("a"), forkserver, wish=wanted()) as camera,
    ):
        assert camera.stream is None
        assert sizes(camera) == {HALF}
        assert (camera.stream, camera.connects, camera.health.code) == ("sub", 1, None)
        assert (simulator.seen("a").plays, simulator.seen("a/stream2").plays) == (0, 1)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.NOT_FOUND),
        Fault(FaultKind.SERVER_ERROR),
        Fault(FaultKind.UNAUTHORIZED),
        Fault(FaultKind.GARBAGE),
        Fault(FaultKind.REDIRECT, to="rtsp://127.0.0.1:9/elsewhere"),
        Fault(FaultKind.STALL),
    ],
    ids=lambda fault: fault.kind.value,
)
def test_where_it_does_not_work_the_main_stream_is_looked_at(
    fault: Fault, clips: Clips, forkserver: ForkServer
) -> None:
    with (
        Simulator({"a": clips[SIZE]}, subs={"a": clips[HALF]}) as simulator,
        source(simulator.main_url("a"), forkserver, wish=wanted()) as camera,
    ):
        simulator.fault("a/stream2", fault)
        until_size(camera, SIZE)
        assert (camera.stream, camera.connects, camera.health.code) == ("main", 1, None)


def test_it_is_asked_for_once_and_not_with_each_connection(
    clips: Clips, forkserver: ForkServer
) -> None:
    with (
        capture_logs() as logs,
        Simulator({"a": clips[SIZE]}) as simulator,
        source(simulator.main_url("a"), forkserver, wish=wanted()) as camera,
    ):
        until_size(camera, SIZE)
        for connects in (2, 3):
            simulator.stop_camera("a")
            until(camera, State.DOWN, Code.DISCONNECTED)
            simulator.start_camera("a")
            while camera.connects < connects:
                camera.next(0.5)
    left = [entry for entry in logs if entry["event"] == "a stream of the camera is left"]
    assert [(entry["stream"], entry["why"]) for entry in left] == [("sub", "not_found")]


@pytest.mark.parametrize("limit", [None, 1])
def test_another_shape_is_not_shown(
    limit: int | None, clips: Clips, forkserver: ForkServer
) -> None:
    with (
        Simulator({"a": clips[SIZE]}, subs={"a": clips[SQUARE]}, limit=limit) as simulator,
        source(simulator.main_url("a"), forkserver, wish=wanted()) as camera,
    ):
        # with one session at a time too, the main stream is not lost
        assert sizes(camera) == {SIZE}
        assert camera.stream == "main"
        assert simulator.seen("a/stream2").plays == 1


def test_what_is_not_fetched_in_time_came_once(
    clips: Clips, forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[int] = []

    def check(_: Choice, _size: object, pictures: int, *_rest: object) -> str:
        came.append(pictures)
        return ""

    monkeypatch.setattr(Choice, "check", check)
    monkeypatch.setattr(source_module, "LOOK_S", 0.0)
    with (
        Simulator({"a": clips[SIZE]}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        seen = []
        while not camera.dropped or len(seen) < 5:
            seen += frames(camera, 1)
            time.sleep(0.2)
    assert came == [frame.index + 1 for frame in seen]


def test_too_few_pixels_are_not_shown(clips: Clips, forkserver: ForkServer) -> None:
    with (
        Simulator({"a": clips[SIZE]}, subs={"a": clips[HALF]}) as simulator,
        source(simulator.main_url("a"), forkserver, wish=wanted(least=SIZE[0])) as camera,
    ):
        assert sizes(camera) == {SIZE}


@pytest.mark.parametrize("kind", [FaultKind.STALL, FaultKind.CLOSE, FaultKind.NOT_FOUND])
def test_when_it_dies_the_main_stream_goes_on(
    kind: FaultKind, clips: Clips, forkserver: ForkServer
) -> None:
    with (
        Simulator({"a": clips[SIZE]}, subs={"a": clips[HALF]}) as simulator,
        source(simulator.main_url("a"), forkserver, wish=wanted()) as camera,
    ):
        before = frames(camera, 3)[-1]
        simulator.fault("a/stream2", Fault(kind))
        until_size(camera, SIZE)
        (after,) = frames(camera, 1)
        # times and numbers run on, and nothing is said against the camera
        assert (camera.stream, camera.connects, camera.health.code) == ("main", 2, None)
        assert after.ts > before.ts
        assert after.index > before.index
        assert simulator.seen("a/stream2").playing == 0


@pytest.mark.parametrize("limit", [None, 1])
def test_it_comes_back(
    limit: int | None, clips: Clips, forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_HOLD_S", 0.1)
    monkeypatch.setattr(module, "SETTLED_S", 0.5)
    with (
        Simulator({"a": clips[SIZE]}, subs={"a": clips[HALF]}, limit=limit) as simulator,
        source(simulator.main_url("a"), forkserver, wish=wanted()) as camera,
    ):
        assert sizes(camera) == {HALF}
        simulator.fault("a/stream2", Fault(FaultKind.NOT_FOUND))
        until_size(camera, SIZE)
        simulator.fault("a/stream2", None)
        until_size(camera, HALF)
        assert camera.stream == "sub"


def test_what_was_sent_is_kept_of_both(
    clips: Clips, forkserver: ForkServer, tmp_path: Path
) -> None:
    ring = Ring(forkserver)
    with (
        Simulator({"a": clips[SIZE]}, subs={"a": clips[HALF]}) as simulator,
        source(simulator.main_url("a"), forkserver, wish=wanted(), ring=ring) as camera,
    ):
        before = frames(camera, 20)
        simulator.fault("a/stream2", Fault(FaultKind.NOT_FOUND))
        until_size(camera, SIZE)
        after = frames(camera, 20)
        for number, seen in enumerate((before, after)):
            path = tmp_path / f"{number}.mp4"
            cut(ring, seen[5].ts, seen[10].ts, path)
            assert {image.shape[1::-1] for _, image in pictures(path)} == {seen[0].size}
        # a clip over both is the longer part, and says so
        clip = cut(ring, before[10].ts, after[15].ts, tmp_path / "both.mp4")
        assert "changed its format" in (clip.note or "")


def test_a_path_that_is_named_and_one_that_is_off(clips: Clips, forkserver: ForkServer) -> None:
    with Simulator({"a": clips[SIZE], "b": clips[HALF]}) as simulator:
        url, wish = simulator.url("a"), wanted(setting="/b", drawn=None)
        with source(url, forkserver, wish=wish) as camera:
            assert sizes(camera) == {HALF}
            # it changes while the camera runs
            wish.setting = "off"
            until_size(camera, SIZE)
            assert camera.health.code is None
        with source(simulator.main_url("a"), forkserver, wish=wish) as camera:
            assert sizes(camera) == {SIZE}
        assert simulator.seen("b").plays == 1


def test_the_login_goes_along_and_is_never_told(clips: Clips, forkserver: ForkServer) -> None:
    known, wrong = Login("u", CANARY), Credential("u", f"{CANARY}-no")
    with (
        capture_logs() as logs,
        Simulator({"a": clips[SIZE]}, subs={"a": clips[HALF]}, login=known) as simulator,
    ):
        url, login = simulator.main_url("a", f"user=u&password={CANARY}"), Credential("u", CANARY)
        with source(url, forkserver, login=login, wish=wanted()) as camera:
            assert sizes(camera) == {HALF}
            simulator.fault("a/stream2", Fault(FaultKind.NOT_FOUND))
            until_size(camera, SIZE)
        with source(url, forkserver, login=wrong, wish=wanted()) as camera:
            until(camera, State.DOWN, Code.UNAUTHORIZED)
            assert camera.connects == 0
    assert logs
    assert CANARY not in repr(logs)


def test_a_camera_that_is_away_is_down_as_ever(clips: Clips, forkserver: ForkServer) -> None:
    with (
        Simulator({"a": clips[SIZE]}, subs={"a": clips[HALF]}) as simulator,
        source(simulator.main_url("a"), forkserver, wish=wanted()) as camera,
    ):
        frames(camera, 1)
        simulator.close_port()
        until(camera, State.DOWN, Code.UNREACHABLE)
        simulator.open_port()
        # its sub-stream is not to blame
        assert sizes(camera) == {HALF}
        assert camera.health.state is State.LIVE
