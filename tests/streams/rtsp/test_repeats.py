"""Every fault of the simulated cameras, many times: the right code each time, and no trace."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.config import Credential
from streams.health import Code, State
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.source import RtspSource
from streams.simulator import FaultKind, Recording, Simulator, load_recording
from tests.streams.rtsp.oddcameras import Listener, free_port, serving, source
from tests.streams.simulator.clients import (
    GUARD_S,
    descriptors,
    eventually,
    noise_clip,
    small_clip,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

LOGIN = Credential("operator", "not-a-real-password")


@dataclass(frozen=True)
class Way:
    """One way to fail, or to be live with a warning. ``beside`` each other are those that take
    seconds."""

    query: str
    code: Code
    live: bool = False
    camera: str = "a"
    login: bool = False
    beside: int = 1


WAYS = (
    Way("fault=stall&after=0.2", Code.STALLED, beside=5),
    Way("fault=silent", Code.STALLED, beside=5),
    Way("fault=slow", Code.STALLED, camera="big", beside=10),
    Way("fault=close&after=0.1", Code.DISCONNECTED),
    Way("fault=401", Code.UNAUTHORIZED),
    Way("fault=401", Code.UNAUTHORIZED, login=True),
    Way("fault=404", Code.NOT_FOUND),
    Way("fault=453", Code.SERVER_ERROR),
    Way("fault=500", Code.SERVER_ERROR),
    Way("fault=redirect&to={elsewhere}", Code.REDIRECTED),
    Way("fault=redirect-loop", Code.REDIRECTED),
    Way("fault=garbage", Code.NOT_RTSP),
    Way("fault=garbage&after=0.2", Code.DISCONNECTED),
    Way("fault=corrupt", Code.CORRUPT, live=True, camera="fast", beside=2),
    Way("fault=resolution", Code.RESOLUTION_CHANGED, live=True, camera="fast"),
    Way("fault=clock", Code.CLOCK_SKEW, live=True),
    Way("refused", Code.UNREACHABLE),
    Way("closes", Code.DISCONNECTED),
)


def test_no_fault_is_missing() -> None:
    assert {way.query.split("fault=")[-1].split("&")[0] for way in WAYS} >= set(FaultKind)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    folder = tmp_path_factory.mktemp("clips")
    small = load_recording(small_clip(folder / "small.mp4"), folder / "cache")
    return {"a": small, "big": load_recording(noise_clip(folder / "big.mp4"), folder / "cache")}


class Faults:
    """Cameras that do everything wrong, and one fork server."""

    def __init__(
        self, recordings: dict[str, Recording], forkserver: ForkServer, closing: Listener
    ) -> None:
        self.forkserver = forkserver
        self.closing = closing
        self.elsewhere = closing
        self.usual = Simulator({"a": recordings["a"], "big": recordings["big"]})
        self.fast = Simulator({"fast": recordings["a"]}, speed=4)

    def url(self, way: Way) -> str:
        if way.query == "refused":
            return f"rtsp://127.0.0.1:{free_port()}/x"
        if way.query == "closes":
            return self.closing.url()
        simulator = self.fast if way.camera == "fast" else self.usual
        return simulator.url(way.camera, way.query.format(elsewhere=self.elsewhere.url()))

    def repeat(self, way: Way, times: int) -> list[Code]:
        """What the camera was said to have, each time."""
        if way.live:
            return [self._until_it_warns(way) for _ in range(times)]
        found: list[Code] = []
        with self._source(way) as camera:
            fail = camera._fail

            def noted(code: Code, detail: str) -> None:
                found.append(code)
                fail(code, detail)
                camera._retry_at = 0.0

            camera._fail = noted  # type: ignore[method-assign]
            for count in range(1, times + 1):
                end = time.monotonic() + 2 * GUARD_S
                while len(found) < count:
                    assert time.monotonic() < end, (way, found, camera.health)
                    camera.next(0.05)
        return found

    def _source(self, way: Way) -> RtspSource:
        return source(self.url(way), self.forkserver, login=LOGIN if way.login else None)

    def _until_it_warns(self, way: Way) -> Code:
        with self._source(way) as camera:
            end = time.monotonic() + 2 * GUARD_S
            while camera.health.code is None:
                assert time.monotonic() < end, (way, camera.health)
                camera.next(0.2)
            assert camera.health.state is State.LIVE, (way, camera.health)
            return camera.health.code


@pytest.fixture
def faults(recordings: dict[str, Recording]) -> Iterator[Faults]:
    with ForkServer() as server, serving(lambda _: None) as closing:
        made = Faults(recordings, server, closing)
        with made.usual, made.fast, serving(lambda _: None) as elsewhere:
            made.elsewhere = elsewhere
            yield made
            assert elsewhere.connections == 0


def churn(faults: Faults, repeats: int, ways: Sequence[Way] = WAYS) -> None:
    """Each of ``ways`` ``repeats`` times, all of them side by side; fails where a code is wrong."""
    tasks = [
        (way, len(range(part, repeats, way.beside)))
        for way in ways
        for part in range(min(way.beside, repeats))
    ]
    # The longest first.
    tasks.sort(key=lambda task: -task[0].beside)
    with ThreadPoolExecutor(len(tasks)) as pool:
        found = list(pool.map(faults.repeat, *zip(*tasks, strict=True)))
    for (way, _), codes in zip(tasks, found, strict=True):
        assert set(codes) == {way.code}, way
    for way in ways:
        told = [len(codes) for (other, _), codes in zip(tasks, found, strict=True) if other == way]
        assert sum(told) >= repeats
    faults.closing.held.clear()
    # The fork server fetches its dead a moment later.
    assert eventually(lambda: not children_of(server_pid(faults)))


def server_pid(faults: Faults) -> int:
    assert faults.forkserver.pid is not None
    return faults.forkserver.pid


def children_of(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(child) for child in text.split()}


def memory_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError


def at_rest(faults: Faults) -> int:
    """Our descriptors, once the simulator has closed its own of the last connections."""
    counts = [descriptors()]
    for _ in range(20):
        time.sleep(0.05)
        counts.append(descriptors())
    return min(counts)


def test_every_fault_has_its_code_each_time(faults: Faults) -> None:
    churn(faults, 1, [way for way in WAYS if way.beside == 1])
    pid, before, opened = server_pid(faults), at_rest(faults), children_of(os.getpid())
    churn(faults, 2)
    assert at_rest(faults) <= before
    assert children_of(os.getpid()) == opened
    assert server_pid(faults) == pid


@pytest.mark.long
def test_fifty_repeats_of_every_fault_leave_nothing(faults: Faults) -> None:
    churn(faults, 10)
    gc.collect()
    pid, before, opened = server_pid(faults), at_rest(faults), children_of(os.getpid())
    memory = memory_kb(os.getpid()), memory_kb(pid)
    served = len(os.listdir(f"/proc/{pid}/fd"))
    churn(faults, 50)
    gc.collect()
    assert at_rest(faults) <= before
    assert children_of(os.getpid()) == opened
    assert server_pid(faults) == pid
    assert len(os.listdir(f"/proc/{pid}/fd")) == served
    after = memory_kb(os.getpid()), memory_kb(pid)
    print(f"worker {memory[0]} to {after[0]} kB, fork server {memory[1]} to {after[1]} kB")
    assert after[0] < memory[0] * 1.05
    assert after[1] < memory[1] * 1.05
