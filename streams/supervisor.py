"""Keeps the processes of one machine running: starts them in order, starts them again with
back-off and a limit, and ends them in order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from vision.errors import ServiceError

BAD_INPUT = 2
"""Exit code of a command whose configuration is wrong: starting it again changes nothing."""
FIRST_DELAY_S = 0.2
MAX_DELAY_S = 5.0
STEADY_S = 10.0
"""A process that ran for so long starts again without delay."""
MAX_RESTARTS = 40
WINDOW_S = 600.0
POLL_S = 0.1
MIN_GRACE_S = 1.0

log = structlog.get_logger()


class Child(Protocol):
    """A process that the supervisor looks after. ``poll`` gives its exit code once it ended."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    def start(self) -> None: ...

    def poll(self) -> int | None: ...

    def stop(self, grace_s: float) -> None: ...


class Command:
    """One of our own commands as a child process, in a session of its own, so that a Ctrl-C at
    the terminal reaches the supervisor alone. It ends itself when the supervisor is gone."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._arguments = arguments
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Raises ServiceError where the system refuses another process."""
        try:
            self._process = subprocess.Popen(
                # -P: a folder named 'api' where the command is called must not be imported
                [sys.executable, "-P", "-m", "api",
                 "--supervised-by", str(os.getpid()), *self._arguments],
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ServiceError(
                f"the {self.name} cannot be started ({error.strerror}): free memory or processes"
            ) from error

    def poll(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def stop(self, grace_s: float) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            log.warning("does not end by itself, so it is killed", process=self.name)
            self._process.kill()
            self._process.wait()


class _Watched:
    """A child with its history of restarts."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.started_s = 0.0
        self.due_s: float | None = None
        self.delay_s = FIRST_DELAY_S
        self.restarts: deque[float] = deque()

    def start(self, now: float) -> None:
        # also for a start that fails: it has not been steady since an earlier one
        self.started_s = now
        self.due_s = None
        self.child.start()

    def ended(self, code: int, now: float) -> None:
        """Plan the next start. Raises ServiceError where there is none."""
        name = self.child.name
        if code == BAD_INPUT:
            raise ServiceError(f"the {name} cannot run with this configuration: see its message")
        while self.restarts and now - self.restarts[0] > WINDOW_S:
            self.restarts.popleft()
        if len(self.restarts) >= MAX_RESTARTS:
            raise ServiceError(
                f"the {name} ended {MAX_RESTARTS} times within {WINDOW_S / 60:.0f} minutes: look "
                "at its log, then start again"
            )
        self.restarts.append(now)
        if now - self.started_s >= STEADY_S:
            self.delay_s = FIRST_DELAY_S
        wait_s = self.delay_s * random.uniform(0.5, 1.0)
        self.delay_s = min(2 * self.delay_s, MAX_DELAY_S)
        self.due_s = now + wait_s
        log.warning("ended and is started again", process=name, code=code, in_s=round(wait_s, 1))


class Supervisor:
    """Looks after ``children``: started in this order, ended in the reverse one."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._watched = [_Watched(child) for child in children]

    def start(self) -> None:
        """Start them all. Raises ServiceError where one cannot be started."""
        for watched in self._watched:
            watched.start(time.monotonic())
            log.info("started", process=watched.child.name, pid=watched.child.pid)

    def run(self, seconds: float | None = None) -> None:
        """Watch for so long, or until interrupted. Raises ServiceError where a child cannot be
        kept running."""
        end_s = None if seconds is None else time.monotonic() + seconds
        while end_s is None or time.monotonic() < end_s:
            time.sleep(POLL_S)
            for watched in self._watched:
                self._look_after(watched, time.monotonic())

    def _look_after(self, watched: _Watched, now: float) -> None:
        if watched.due_s is None:
            code = watched.child.poll()
            if code is not None:
                watched.ended(code, now)
        elif now >= watched.due_s:
            try:
                watched.start(now)
                log.info("started", process=watched.child.name, pid=watched.child.pid)
            except ServiceError as error:
                log.error("cannot be started", process=watched.child.name, why=str(error))
                watched.ended(1, now)

    def stop(self, grace_s: float) -> None:
        """End them all within ``grace_s`` together, killing who takes longer; the later ones have
        a second each, whatever the earlier ones take."""
        end_s = time.monotonic() + grace_s
        for after, watched in reversed(list(enumerate(self._watched))):
            watched.child.stop(max(MIN_GRACE_S, end_s - time.monotonic() - after * MIN_GRACE_S))
