"""How many cameras a worker carries: simulated ones in real time, over RTSP, through ``matakota
worker`` as it runs, with a Valkey of its own, and nothing else of the system.

Simulator, Valkey and worker are processes of their own, and whose CPU time is whose is told apart.
All of them are children of this process and end with it.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import IO, Final

from streams.address import parse_address
from streams.bus import RedisBus, RedisControl
from streams.citydocument import CityDocument, encode_city
from streams.config import CameraConfig, City
from streams.evaluation.playing import camera_names
from streams.health import State
from streams.reports import HealthReport, decode_report
from streams.settings import API_KEY_VARIABLE, API_VARIABLE, REDIS_VARIABLE
from streams.supervisor import Command
from streams.valkey import EmbeddedValkey
from vision.errors import BusError, ServiceError
from vision.types import JsonValue

SKIPPED_LIMIT: Final = 0.01
"""A worker that skips a larger share of the pictures that are due has too many cameras."""
SETTLE_S: Final = 8.0
"""After every camera is live: models are loaded, views are learnt."""
LIVE_S: Final = 60.0
MADE_S: Final = 300.0
"""The simulator's clips are made within so long."""
POLL_S: Final = 0.25
GRACE_S: Final = 10.0
WORKER: Final = "bench"
TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, slots=True)
class Load:
    """``cameras`` for ``seconds``: of ``due`` pictures ``analysed`` were analysed, by the worker's
    reports around them. CPU seconds are those of the worker and its decoders, of the simulator,
    and of Valkey. ``problem`` is what else is wrong, one sentence."""

    cameras: int
    seconds: float
    due: int
    analysed: int
    worker_s: float
    simulator_s: float
    valkey_s: float
    problem: str | None = None

    @property
    def skipped(self) -> float:
        """The share of due pictures that was not analysed."""
        return max(0.0, 1 - self.analysed / self.due) if self.due else 1.0

    @property
    def holds(self) -> bool:
        """Whether the worker carries so many."""
        return self.problem is None and self.skipped < SKIPPED_LIMIT

    @property
    def core_share(self) -> float:
        """The share of one core that a camera takes, its decoder included."""
        return self.worker_s / self.seconds / self.cameras


@dataclass(frozen=True, slots=True)
class Setting:
    """What every camera is: its model, pictures analysed a second, and what is drawn on it."""

    model: str
    fps: float
    scene: Mapping[str, JsonValue]
    clip: Path
    seconds: float
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def largest(most: int, measure: Callable[[int], Load]) -> list[Load]:
    """What ``measure`` says of numbers of cameras up to ``most``, in the order in which they were
    tried, until it is known which is the largest that holds."""
    tried = [measure(most)]
    good, bad = (most, most + 1) if tried[0].holds else (0, most)
    while bad - good > 1:
        tried.append(measure((good + bad) // 2))
        if tried[-1].holds:
            good = tried[-1].cameras
        else:
            bad = tried[-1].cameras
    return tried


@contextmanager
def loads(most: int, setting: Setting) -> Iterator[Callable[[int], Load]]:
    """What measures so many cameras, up to ``most``, while the context is open. Raises
    ServiceError where a process cannot be started."""
    if sys.platform != "linux":
        raise ServiceError("--cameras reads CPU times in /proc, which only Linux has")
    with (
        tempfile.TemporaryDirectory(prefix="matakota-bench-", ignore_cleanup_errors=True) as name,
        EmbeddedValkey(Path(name) / "valkey") as valkey,
        _simulator(most, Path(name), setting.clip) as (simulator, port),
    ):
        yield lambda number: _Trial(setting, Path(name), valkey, simulator, port).run(number)


class _Trial:
    """One worker with some cameras."""

    def __init__(
        self, setting: Setting, folder: Path, valkey: EmbeddedValkey, simulator: int, port: int
    ) -> None:
        self._setting = setting
        self._folder = folder
        self._valkey = valkey
        self._simulator = simulator
        self._port = port
        self._started_ts = time.time()

    def run(self, number: int) -> Load:
        setting = self._setting
        data = Path(tempfile.mkdtemp(dir=self._folder, prefix=f"worker-{number}-"))
        own = {API_VARIABLE, API_KEY_VARIABLE}
        environment = {k: v for k, v in setting.environment.items() if k not in own}
        environment[REDIS_VARIABLE] = self._valkey.url
        worker = Command(
            "worker",
            ["--log-level", "error", "worker", "--name", WORKER, "--data", str(data)],
            environment,
        )
        control = RedisControl(self._valkey.url)
        try:
            city = CityDocument.of(self._city(number), 1)
            control.configure(f"{number}-{time.monotonic_ns()}", encode_city(city))
            worker.start()
            return self._watch(worker, number)
        finally:
            worker.stop(GRACE_S)
            control.close()

    def _watch(self, worker: Command, number: int) -> Load:
        pid = worker.pid or 0
        bus = RedisBus(self._valkey.url)
        try:
            late_s = time.monotonic() + LIVE_S
            report = self._report(bus, worker)
            while not _live(report, number):
                if time.monotonic() > late_s:
                    return Load(number, 1.0, 0, 0, 0.0, 0.0, 0.0, _why(report, number))
                time.sleep(POLL_S)
                report = self._report(bus, worker)
            time.sleep(SETTLE_S)
            before, cpu, began_s = self._report(bus, worker), self._spent(pid), time.monotonic()
            time.sleep(self._setting.seconds)
            after, cpu_after = self._report(bus, worker), self._spent(pid)
            spent_s = time.monotonic() - began_s
        finally:
            bus.close()
        if before is None or after is None:
            raise ServiceError("the worker reports nothing: run 'matakota worker' and see its log")
        # pictures are those of the reports, CPU time that of a clock of its own
        reported_s = after.ts - before.ts
        analysed = _number(after, "analysed") - _number(before, "analysed")
        dropped = _number(after, "dropped") - _number(before, "dropped")
        # what no camera sent in time is missed as well, but for a picture at each end
        expected = int(number * (self._setting.fps * reported_s - 1))
        worker_s, simulator_s, valkey_s = (
            new - old for new, old in zip(cpu_after, cpu, strict=True)
        )
        problem = None if _live(after, number) else _why(after, number)
        due = max(analysed + dropped, expected)
        return Load(number, spent_s, due, analysed, worker_s, simulator_s, valkey_s, problem)

    def _spent(self, worker_pid: int) -> tuple[float, float, float]:
        return (
            session_cpu_s(worker_pid),
            process_cpu_s(self._simulator),
            process_cpu_s(self._valkey.pid or 0),
        )

    def _report(self, bus: RedisBus, worker: Command) -> HealthReport | None:
        if worker.poll() is not None:
            raise ServiceError(
                f"the worker ended (exit code {worker.poll()}): run 'matakota worker' and see why"
            )
        with suppress(BusError):
            for body in bus.reports():
                report = decode_report(body)
                if report.worker == WORKER and report.ts > self._started_ts:
                    return report
        return None

    def _city(self, number: int) -> City:
        setting = self._setting
        return City(
            name="Bench",
            networks=(ip_network("127.0.0.0/8"),),
            credentials=None,
            cameras=tuple(
                CameraConfig(
                    id=name,
                    name=name,
                    source=parse_address(f"rtsp://127.0.0.1:{self._port}/{name}"),
                    login=None,
                    model=setting.model,
                    fps=setting.fps,
                    worker=None,
                    scene=setting.scene,
                    revision=1,
                )
                for name in camera_names(number)
            ),
        )


def session_cpu_s(session: int) -> float:
    """CPU seconds of all processes of a session, those included that ended and were waited for."""
    found = 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[3]) == session:
                found += sum(map(int, fields[11:15])) / TICKS
    return found


def process_cpu_s(pid: int) -> float:
    """CPU seconds of one process."""
    fields = _stat(pid)
    return sum(map(int, fields[11:13])) / TICKS if fields else 0.0


def _stat(pid: int) -> list[str]:
    """What /proc says of a process behind its name: state, parent, group, session, …, at 11 its
    CPU ticks in user and system mode, and those of its children."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@contextmanager
def _simulator(
    number: int, folder: Path, clip: Path, made_s: float = MADE_S
) -> Iterator[tuple[int, int]]:
    """The process that plays the cameras, and its port, which it says within ``made_s``."""
    command = [sys.executable, "-P", "-m", "streams.evaluation.playing"]
    child = subprocess.Popen(
        [*command, str(number), str(folder), str(clip.resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield child.pid, _port(child.stdout, made_s)
    finally:
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _port(said: IO[bytes] | None, made_s: float) -> int:
    if said is not None and not select.select([said], [], [], made_s)[0]:
        raise ServiceError(f"the simulator had nothing to play within {made_s:.0f} s: try again")
    line = b"" if said is None else said.readline()
    if not line.strip().isdigit():
        raise ServiceError("the simulator cannot play: see the message above")
    return int(line)


def _live(report: HealthReport | None, number: int) -> bool:
    cameras = () if report is None else report.cameras
    return len(cameras) == number and all(
        each.state is State.LIVE and each.code is None and each.analysed for each in cameras
    )


def _why(report: HealthReport | None, number: int) -> str:
    if report is None:
        return "the worker reports nothing"
    live = [each for each in report.cameras if each.state is State.LIVE and each.analysed]
    said = next((each.message for each in report.cameras if each.message), report.problem or "")
    return f"{len(live)} of {number} cameras are live{f': {said}' if said else ''}"


def _number(report: HealthReport, name: str) -> int:
    return sum(int(getattr(each, name)) for each in report.cameras)
