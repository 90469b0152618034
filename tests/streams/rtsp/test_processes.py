"""Our own processes and what they hold: they come back, tell no secret and leave nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from streams.config import Credential
from streams.health import Code, State
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.source import RtspSource
from streams.simulator import Login, Recording, Simulator, load_recording
from tests.streams.rtsp.oddcameras import Listener, frames, free_port, serving, source, until
from tests.streams.simulator.clients import GUARD_S, descriptors, eventually, small_clip

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


def children_of(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(child) for child in text.split()}


def memory_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError


def churn(recording: Recording, forkserver: ForkServer, repeats: int) -> dict[str, tuple[int, int]]:
    """Fail ``repeats`` times in each way; what was open before and after."""
    growth: dict[str, tuple[int, int]] = {}
    kinds: dict[str, Callable[[Simulator, Listener], str]] = {
        "refused": lambda _s, _l: f"rtsp://127.0.0.1:{free_port()}/x",
        "404": lambda s, _: s.url("a", "fault=404"),
        "redirect": lambda s, _: s.url("a", "fault=redirect-loop"),
        "garbage": lambda s, _: s.url("a", "fault=garbage"),
        "close": lambda s, _: s.url("a", "fault=close&after=0.1"),
        "closes": lambda _, listener: listener.url(),
    }
    with Simulator({"a": recording}) as simulator, serving(lambda _: None) as listener:
        for kind, url in kinds.items():
            with source(url(simulator, listener), forkserver) as camera:
                for count in range(repeats + 1):
                    camera._retry_at = camera._pause_s = 0.0
                    failed = camera._failures
                    end = time.monotonic() + GUARD_S
                    while camera._failures == failed:
                        assert time.monotonic() < end
                        camera.next(0.2)
                    if count == 0:
                        before = descriptors()
                # The fork server fetches its dead a moment later.
                pid = forkserver.pid
                if pid is not None:
                    assert eventually(lambda pid=pid: not children_of(pid))  # type: ignore[misc]
                growth[kind] = before, descriptors()
            listener.held.clear()
    return growth


def test_failures_leave_nothing_open(recording: Recording, forkserver: ForkServer) -> None:
    for kind, (before, after) in churn(recording, forkserver, 2).items():
        assert after <= before, kind


@pytest.mark.long
def test_fifty_failures_of_each_kind_leave_nothing(recording: Recording) -> None:
    with ForkServer() as forkserver:
        churn(recording, forkserver, 5)
        assert forkserver.pid is not None
        memory = memory_kb(os.getpid()), memory_kb(forkserver.pid)
        for kind, (before, after) in churn(recording, forkserver, 50).items():
            assert after <= before, kind
        assert memory_kb(os.getpid()) < memory[0] * 1.05
        assert memory_kb(forkserver.pid) < memory[1] * 1.05
