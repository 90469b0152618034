"""The supervisor over real processes: started in order, started again, given up, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import streams.supervisor as module
from streams.supervisor import BAD_INPUT, Command, Supervisor
from tests.needs import REPO
from tests.waiting import wait_for
from vision.errors import ServiceError


class Script:
    """A child that runs Python code."""

    def __init__(self, name: str, code: str) -> None:
        self.name = name
        self.starts = 0
        self.closed = False
        self._code = code
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        if self.closed:
            raise ServiceError("the test is over")
        self._process = subprocess.Popen([sys.executable, "-c", self._code])
        self.starts += 1

    def poll(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def stop(self, grace_s: float) -> None:
        # the thread that runs the supervisor would start it again
        self.closed = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Running:
    """A supervisor whose ``run`` is in a thread; what it raised is kept."""

    def __init__(self, *children: module.Child) -> None:
        self.supervisor = Supervisor(children)
        self.error: ServiceError | None = None
        self.supervisor.start()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.supervisor.run()
        except ServiceError as error:
            self.error = error


def test_a_killed_child_is_started_again() -> None:
    child = Script("one", "import time; time.sleep(600)")
    running = Running(child)
    try:
        for round_ in range(1, 4):
            before = child.pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            wait_for(lambda n=round_: child.starts == n + 1, "started again")
            assert child.pid != before
        assert running.error is None
    finally:
        running.supervisor.stop(1)


def test_a_wrong_configuration_is_not_tried_again() -> None:
    child = Script("worker", f"raise SystemExit({BAD_INPUT})")
    running = Running(child)
    wait_for(lambda: running.error, "given up")
    assert child.starts == 1
    assert "worker cannot run with this configuration" in str(running.error)


def test_who_always_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RESTARTS", 3)
    monkeypatch.setattr(module, "MAX_DELAY_S", 0.01)
    monkeypatch.setattr(module, "FIRST_DELAY_S", 0.01)
    child = Script("API", "raise SystemExit(1)")
    running = Running(child)
    wait_for(lambda: running.error, "given up")
    assert child.starts == 4
    assert "the API ended 3 times" in str(running.error)


def test_delays_double_up_to_a_limit_and_begin_anew_after_a_steady_run() -> None:
    watched = module._Watched(Script("x", ""))
    waits = []
    for _ in range(8):
        watched.started_s = 0.0
        watched.ended(1, 0.0)
        assert watched.due_s is not None
        waits.append(watched.due_s)
    limits = [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    for wait_s, limit in zip(waits, limits, strict=True):
        assert limit / 2 <= wait_s <= limit
    watched.started_s = 0.0
    watched.ended(1, module.STEADY_S)
    assert watched.due_s is not None
    assert watched.due_s - module.STEADY_S <= 0.2


def test_starts_that_fail_wait_ever_longer_too() -> None:
    class Refused(Script):
        def start(self) -> None:
            raise ServiceError("no")

    watched = module._Watched(Refused("x", ""))
    now, waits = 1000.0, []
    for _ in range(7):
        with pytest.raises(ServiceError):
            watched.start(now)
        watched.ended(1, now)
        assert watched.due_s is not None
        waits.append(watched.due_s - now)
        now = watched.due_s
    assert waits[-1] >= module.MAX_DELAY_S / 2


def test_stop_gives_each_child_its_time_within_the_whole() -> None:
    graces = []

    class Slow(Script):
        def stop(self, grace_s: float) -> None:
            graces.append(grace_s)

    Supervisor([Slow("Valkey", ""), Slow("API", ""), Slow("worker", "")]).stop(9.0)
    assert [round(grace) for grace in graces] == [7, 8, 9]


def test_a_command_is_one_of_our_own() -> None:
    command = Command("x", ["--version"], {**os.environ, "PYTHONPATH": str(REPO)})
    command.start()
    wait_for(lambda: command.poll() is not None, "ended")
    assert command.poll() == 0
    command.stop(1)


def test_a_folder_named_api_in_the_working_directory_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "__init__.py").write_text("raise SystemExit(77)")
    monkeypatch.chdir(tmp_path)
    command = Command("x", ["--version"], {**os.environ, "PYTHONPATH": str(REPO)})
    command.start()
    wait_for(lambda: command.poll() is not None, "ended")
    assert command.poll() == 0


def test_stop_kills_who_does_not_listen(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = Command("deaf", [], {})
    command._process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
                f"pathlib.Path({str(ready)!r}).touch(); time.sleep(600)"
            ),
        ]
    )
    wait_for(ready.exists, "ready")
    command.stop(0.1)
    assert command.poll() == -signal.SIGKILL


def test_it_watches_for_so_long() -> None:
    child = Script("one", "")
    supervisor = Supervisor([child])
    supervisor.start()
    try:
        while child.starts < 3:
            before = child.starts
            supervisor.run(0.5)
            # what it saw ended is started again by this call or a later one
            assert child.starts >= before
        supervisor.run(0)
    finally:
        supervisor.stop(1)


def test_what_cannot_run_is_said_within_the_time() -> None:
    supervisor = Supervisor([Script("one", f"raise SystemExit({BAD_INPUT})")])
    supervisor.start()
    try:
        with pytest.raises(ServiceError, match="the one cannot run with this configuration"):
            supervisor.run(100)
    finally:
        supervisor.stop(1)
