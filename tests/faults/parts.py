"""Processes that are started again as soon as they ended, each with its log in a file."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from streams.parentage import die_with_parent
from streams.supervisor import BAD_INPUT
from streams.valkey import EmbeddedValkey
from tests.nursery import Forked, nursery
from vision.errors import ServiceError

TICK_S = 0.02
GRACE_S = 10.0
MAX_ENDED = 20
"""What ends by itself more often than this is broken, whatever it says."""
PAUSE_S = 0.5
MODULES = "api.cli.serve", "api.cli.notify", "tests.faults.source"
"""Those of all the programs."""


class Part(Protocol):
    """A process that is started again whenever it ended, by ``tend``, from one thread that stays;
    ``pid`` is None while it does not run."""

    @property
    def pid(self) -> int | None: ...

    def tend(self) -> None: ...

    def stop(self) -> None: ...


class Command:
    """One of our own programs, ``module:function`` with arguments, in the folder of its log: a
    process that has its modules already, so that hundreds of starts cost little. It ends with this
    one."""

    def __init__(
        self,
        name: str,
        call: str,
        arguments: Sequence[str],
        variables: Mapping[str, str],
        log: Path,
    ) -> None:
        self.name = name
        self.ended = 0
        """How often it ended by itself."""
        self._arguments = call, *arguments
        self._variables = variables
        self._log = log
        self._process: Forked | None = None
        self._due_s = 0.0

    @property
    def pid(self) -> int | None:
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    def tend(self) -> None:
        """Start it where it does not run, at once where it was killed. Raises AssertionError where
        it ends by itself again and again, or says that it cannot run at all."""
        if self.pid is not None or time.monotonic() < self._due_s:
            return
        code = None if self._process is None else self._process.returncode
        if code is not None and code >= 0 and self._due_s == 0.0:
            self._judge(code)
            return
        self._due_s = 0.0
        with self._log.open("ab") as log, Path(os.devnull).open() as nothing:
            self._process = nursery(*MODULES).start(
                f"{__name__}:begin", self._arguments,
                folder=self._log.parent, variables=self._variables, files=(nothing, log, log),
            )  # fmt: skip

    def _judge(self, code: int) -> None:
        self.ended += 1
        said = f"{self.name} ended by itself {self.ended} times, with {code}: {tail(self._log)}"
        assert code != BAD_INPUT, said
        assert self.ended <= MAX_ENDED, said
        self._due_s = time.monotonic() + PAUSE_S

    def stop(self) -> None:
        if (pid := self.pid) is None or self._process is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            # one that was stopped hears of nothing before
            os.kill(pid, signal.SIGCONT)
        try:
            self._process.wait(GRACE_S)
        except TimeoutError:
            self._process.kill()


def begin() -> None:
    """The program that is named first, in a session of its own."""
    os.setsid()
    die_with_parent(os.getppid())
    module, _, function = sys.argv.pop(1).partition(":")
    getattr(importlib.import_module(module), function)()


class KeptValkey:
    """The embedded Valkey. A thread of its own starts it, so that it may be killed meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._valkey = EmbeddedValkey(folder)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="Valkey", daemon=True)

    @property
    def socket(self) -> Path:
        return self._valkey.socket

    @property
    def pid(self) -> int | None:
        return self._valkey.pid if self._valkey.poll() is None else None

    def tend(self) -> None:
        if self._thread.ident is None:
            self._thread.start()
        assert self._thread.is_alive(), "nobody starts Valkey any more"

    def stop(self) -> None:
        self._over.set()
        if self._thread.ident is not None:
            if (pid := self.pid) is not None:
                os.kill(pid, signal.SIGCONT)
            self._thread.join(2 * GRACE_S)

    def flush(self) -> bool:
        """FLUSHALL, as anybody at the socket could send it; whether it was done."""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(GRACE_S)
                link.connect(str(self.socket))
                link.sendall(b"FLUSHALL\r\n")
                return link.recv(64).startswith(b"+OK")
        except OSError:
            return False

    def _run(self) -> None:
        while not self._over.wait(TICK_S):
            if self.pid is None:
                # killed while it started: once more
                with suppress(ServiceError):
                    self._valkey.start()
        self._valkey.stop()


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-5:])
    except OSError:
        return "no log"
