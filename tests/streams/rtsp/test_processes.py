"""Our own processes and what they hold: they come back, tell no secret and leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from streams.config import Credential
from streams.health import Code, State
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.source import RtspSource
from streams.simulator import Login, Recording, Simulator, load_recording
from tests.needs import REPO
from tests.streams.rtsp.oddcameras import frames, serving, source, until
from tests.streams.simulator.clients import GUARD_S, eventually, small_clip

CANARY = "canary-5f2c"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(scope="module")
def forkserver() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


def decoder_pid(camera: RtspSource) -> int:
    assert camera._decoder is not None
    return camera._decoder.pid


def test_a_killed_decoder_comes_back(recording: Recording, forkserver: ForkServer) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        frames(camera, 1)
        os.kill(decoder_pid(camera), signal.SIGKILL)
        until(camera, State.DOWN, Code.DECODER_FAILED)
        until(camera, State.LIVE, None)
        assert camera.connects == 2


def test_a_decoder_that_hangs_is_killed(
    recording: Recording, forkserver: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        frames(camera, 1)
        monkeypatch.setattr("streams.rtsp.decoding.SILENCE_S", 1.0)
        pid = decoder_pid(camera)
        os.kill(pid, signal.SIGSTOP)
        until(camera, State.DOWN, Code.STALLED)
        assert eventually(lambda: not Path(f"/proc/{pid}").exists())
        monkeypatch.undo()
        until(camera, State.LIVE, None)


def test_a_killed_fork_server_comes_back(recording: Recording) -> None:
    with (
        ForkServer() as forkserver,
        Simulator({"a": recording}) as simulator,
        source(simulator.url("a"), forkserver) as camera,
    ):
        frames(camera, 1)
        assert forkserver.pid is not None
        os.kill(forkserver.pid, signal.SIGKILL)
        until(camera, State.DOWN, Code.DECODER_FAILED)
        until(camera, State.LIVE, None)


def test_a_fork_server_that_cannot_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        ForkServer() as forkserver,
        serving(lambda c: c.recv(10)) as listener,
        source(listener.url(), forkserver) as camera,
    ):
        until(camera, State.DOWN, Code.DECODER_FAILED)


def test_the_password_is_nowhere(recording: Recording, forkserver: ForkServer) -> None:
    login = Credential("operator", CANARY)
    with (
        structlog.testing.capture_logs() as logs,
        Simulator({"a": recording}, login=Login("operator", CANARY)) as simulator,
    ):
        for query in ("", "fault=404", "fault=garbage&after=1"):
            with source(simulator.url("a", query), forkserver, login=login) as camera:
                end = time.monotonic() + 0.8
                while time.monotonic() < end:
                    camera.next(0.2)
                    decoder = camera._decoder
                    if decoder is None or forkserver.pid is None:
                        continue
                    for pid in (decoder.pid, forkserver.pid):
                        for name in ("cmdline", "environ", "comm"):
                            assert CANARY.encode() not in _read(pid, name)
        with source(simulator.url("a"), forkserver, login=Credential("x", CANARY)) as camera:
            until(camera, State.DOWN, Code.UNAUTHORIZED)
    assert logs
    assert CANARY not in repr(logs)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


SHORT_OF_DESCRIPTORS = """
import os, resource, signal, sys, time
from streams.health import Code, State
from streams.rtsp.forkserver import ForkServer
from tests.streams.rtsp.oddcameras import source, until
from tests.streams.simulator.clients import GUARD_S, descriptors

held = []

def use_up(spare):
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for _ in range(spare):
        os.close(held.pop())

def free():
    while held:
        os.close(held.pop())

def failed_attempts(camera, number):
    wanted, end = camera._failures + number, time.monotonic() + GUARD_S
    while camera._failures < wanted:
        assert time.monotonic() < end, camera.health
        camera._retry_at = 0.0
        camera.next(0.2)
        assert camera.health.state is State.DOWN, camera.health

resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
with ForkServer() as server, source(sys.argv[1], server) as camera:
    # Before anything runs, at each step up to the fork server; then at each step of an attempt.
    for spare in range(8):
        use_up(0)
        camera.next(0.0)
        free()
        use_up(spare)
        camera._retry_at = 0.0
        camera.next(0.3)
        free()
    camera._retry_at = camera._pause_s = 0.0
    until(camera, State.LIVE, None)
    before = descriptors()
    for spare in (0, 1, 3):
        use_up(spare)
        os.kill(camera._decoder.pid, signal.SIGKILL)
        until(camera, State.DOWN, Code.DECODER_FAILED)
        use_up(spare)  # what that decoder had is free by now
        failed_attempts(camera, 2)
        assert camera.health.code is Code.DECODER_FAILED, camera.health
        free()
        camera._retry_at = camera._pause_s = 0.0
        until(camera, State.LIVE, None)
    assert descriptors() == before, (descriptors(), before)
print("recovered", flush=True)
"""


def test_a_worker_short_of_descriptors_recovers(recording: Recording) -> None:
    with Simulator({"a": recording}) as simulator:
        done = subprocess.run(
            [sys.executable, "-c", SHORT_OF_DESCRIPTORS, simulator.url("a")],
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=4 * GUARD_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("recovered\n")
