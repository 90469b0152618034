"""An RTSP camera as a source, against simulated cameras and real decoder processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from streams.config import Credential
from streams.health import Code, State
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.order import Order
from streams.simulator import Fault, FaultKind, Login, Recording, Simulator, load_recording
from streams.source import LiveSource
from tests.streams.rtsp.oddcameras import (
    Terse,
    frames,
    painted_clip,
    painting,
    source,
    until,
    with_messages,
)
from tests.streams.simulator.clients import COUNT, GUARD_S, RATE, SIZE, small_clip, which_bar
from vision.picture import Planes

ODD = Credential("o pé", "p@ss:w/ö#%? &=+'\"\\")


@pytest.fixture(scope="module")
def forkserver() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


def test_pictures_arrive_in_order_and_in_time(recording: Recording, forkserver: ForkServer) -> None:
    with Simulator({"a": recording}) as simulator:
        camera = source(simulator.url("a"), forkserver)
        live: LiveSource = camera
        with live:
            assert camera.health.state is State.STARTING
            began = time.time()
            found = frames(camera, COUNT + RATE // 2)
            assert (camera.health.state, camera.health.code) == (State.LIVE, None)
            assert camera.health.message == ""
            assert (camera.connects, camera.camera_id) == (1, "cam")
            first = found[0]
            # The last one that came was waited for, so it is fresh.
            assert time.time() - found[-1].ts < GUARD_S / 10
        assert camera.health.state is State.STOPPED
        assert camera.next(0.1) is None
    assert {frame.camera_id for frame in found} == {"cam"}
    assert {frame.size for frame in found} == {SIZE}
    # The camera may have come to its next key frame before we asked.
    origin = which_bar(first.image)
    assert first.index == 0
    assert origin % RATE == 0
    assert abs(first.ts - began) < GUARD_S / 10
    for before, after in pairwise(found):
        assert after.index > before.index
        steps = after.index - before.index
        assert after.ts - before.ts == pytest.approx(steps / RATE, abs=0.02)
        assert which_bar(after.image) == (origin + after.index) % COUNT
    assert isinstance(first.picture, Planes)
    assert first.picture.nbytes == SIZE[0] * SIZE[1] * 3 // 2 + first.image.nbytes


def test_the_picture_is_where_the_clip_has_it(tmp_path: Path, forkserver: ForkServer) -> None:
    sizes = [(1920, 1080), (98, 66), (130, 50), (640, 360)]
    recordings = {
        f"{w}x{h}": load_recording(painted_clip(tmp_path / f"{w}.mp4", (w, h)), tmp_path)
        for w, h in sizes
    }
    with Simulator(recordings) as simulator:
        for (w, h), name in zip(sizes, recordings, strict=True):
            with source(simulator.url(name), forkserver) as camera:
                (frame,) = frames(camera, 1)
            assert frame.size == (w, h)
            off = np.abs(frame.image.astype(int) - painting((w, h)).astype(int))
            assert off.mean() < 6


def test_colours_are_what_the_camera_means(tmp_path: Path, forkserver: ForkServer) -> None:
    size = (640, 360)
    clip = painted_clip(tmp_path / "c.mp4", size, matrix="ITU709")
    with (
        Simulator({"a": load_recording(clip, tmp_path)}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        (frame,) = frames(camera, 1)
    picture = frame.picture
    assert isinstance(picture, Planes)
    assert (picture.matrix, picture.full_range) == ("bt709", False)
    off, otherwise = (
        np.abs(shown.image.astype(int) - painting(size).astype(int)).mean()
        for shown in (picture, replace(picture, matrix="bt601"))
    )
    assert off < 3 < otherwise


def test_fps_picks_by_media_time(recording: Recording, forkserver: ForkServer) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver, fps=4) as camera,
    ):
        found = [frame.index for frame in frames(camera, 6)]
        assert [index % (RATE // 4) for index in found] == [0] * 6
        with pytest.raises(ValueError, match="above 0"):
            source(simulator.url("a"), forkserver, fps=0)


def test_the_newest_picture_wins_and_the_others_are_counted(
    recording: Recording, forkserver: ForkServer
) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        (first,) = frames(camera, 1)
        time.sleep(1.5)
        (second,) = frames(camera, 1)
        left_out = second.index - first.index - 1
        assert left_out >= RATE
        assert camera.dropped == left_out


def test_one_pass_ends_as_a_disconnect_with_its_last_picture(
    recording: Recording, forkserver: ForkServer
) -> None:
    with (
        Simulator({"a": recording}, once=True) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        found = frames(camera, 1)
        while camera.health.state is State.LIVE:
            frame = camera.next(0.2)
            if frame is not None:
                found.append(frame)
        assert camera.health.code is Code.DISCONNECTED
        assert found[-1].index == COUNT - 1
        assert len(found) + camera.dropped == COUNT
        until(camera, State.DOWN, Code.NOT_FOUND)


@pytest.mark.parametrize("scheme", ["basic", "digest", "both"])
@pytest.mark.parametrize("login", [Credential("user", "secret"), ODD], ids=["plain", "odd"])
def test_logins(
    scheme: str, login: Credential, recording: Recording, forkserver: ForkServer
) -> None:
    known = Login(login.user, login.password, scheme)  # type: ignore[arg-type]
    with (
        Simulator({"a": recording}, login=known) as simulator,
        source(simulator.url("a"), forkserver, login=login) as camera,
    ):
        frames(camera, 2)
        assert camera.health.state is State.LIVE
        wrong = Credential(login.user, login.password + "x")
        for other in (wrong, None):
            with source(simulator.url("a"), forkserver, login=other) as refused:
                until(refused, State.DOWN, Code.UNAUTHORIZED)
                assert refused.connects == 0


def test_no_text_of_ours_shows_the_password(forkserver: ForkServer) -> None:
    order = Order("/x", False, "user", "canary", 5.0, 0, 0.0)
    assert "canary" not in f"{order!r}{order}"
    assert {field.name for field in fields(Order) if not field.repr} == {"password"}
    with source("rtsp://127.0.0.1:9/x", forkserver, login=Credential("u", "canary")) as camera:
        assert "canary" not in repr(camera)


def test_ipv6(recording: Recording, forkserver: ForkServer) -> None:
    try:
        simulator = Simulator({"a": recording}, host="::1").__enter__()
    except OSError:  # pragma: no cover
        pytest.skip("no IPv6 here")
    try:
        with source(simulator.url("a"), forkserver) as camera:
            frames(camera, 2)
    finally:
        simulator.__exit__(None, None, None)


@pytest.mark.parametrize(
    "message",
    [b"\x06\x05\x04abcd\x80", b"\x06\x05\xff\x10abcd\x80", b"\x06\x00\x02\xff\xff\x80"],
    ids=["short", "overlong", "buffering"],
)
def test_odd_messages_in_the_stream_are_no_damage(
    message: bytes, recording: Recording, forkserver: ForkServer
) -> None:
    with (
        Simulator({"a": with_messages(recording, message)}, speed=2) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        found = frames(camera, RATE)
        origin = which_bar(found[0].image)
        assert [which_bar(frame.image) for frame in found] == [
            (origin + frame.index) % COUNT for frame in found
        ]
        assert camera.health.code is None


def test_parameter_sets_may_come_with_the_stream(
    recording: Recording, forkserver: ForkServer
) -> None:
    values = {field.name: getattr(recording, field.name) for field in fields(recording)}
    with (
        Simulator({"a": Terse(**values)}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        assert frames(camera, 3)[0].index == 0


def test_a_change_of_size_is_handed_out_and_said(
    recording: Recording, forkserver: ForkServer
) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        frames(camera, 3)
        simulator.fault("a", Fault(FaultKind.RESOLUTION))
        until(camera, State.LIVE, Code.RESOLUTION_CHANGED)
        (frame,) = frames(camera, 1)
        assert frame.size == (SIZE[0] // 2, SIZE[1] // 2)
        assert camera.connects == 1
        simulator.fault("a", None)
        assert frames(camera, 2 * RATE)[-1].size == SIZE


def test_damaged_pictures_are_left_out_and_said(
    recording: Recording, forkserver: ForkServer
) -> None:
    with (
        Simulator({"a": recording}, speed=4) as simulator,
        source(simulator.url("a", "fault=corrupt&after=1"), forkserver) as camera,
    ):
        until(camera, State.LIVE, Code.CORRUPT)
        assert camera.connects == 1
        frames(camera, RATE)


def test_a_wrong_camera_clock_is_not_used_and_said(
    recording: Recording, forkserver: ForkServer
) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a", "fault=clock"), forkserver) as camera,
    ):
        until(camera, State.LIVE, Code.CLOCK_SKEW)
        (frame,) = frames(camera, 1)
        assert abs(time.time() - frame.ts) < GUARD_S / 10


def test_several_cameras_share_a_fork_server(recording: Recording, forkserver: ForkServer) -> None:
    names = [f"cam{i}" for i in range(4)]
    with Simulator(dict.fromkeys(names, recording)) as simulator:
        cameras = [source(simulator.url(name), forkserver) for name in names]
        try:
            for _ in range(3):
                for camera in cameras:
                    frames(camera, 1)
            assert [camera.connects for camera in cameras] == [1] * 4
        finally:
            for camera in cameras:
                camera.close()
