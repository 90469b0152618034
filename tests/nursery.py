"""Processes of our own programs that need not import everything again: one process of each test
run imports it once, and forks a fresh one for each call, with a folder, variables and files of its
own."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

from streams.parentage import die_with_parent
from tests.needs import REPO

MAX_BYTES = 1 << 17
NUMBER = struct.Struct("i")


class Forked:
    """A process of a nursery's, told by what its minder says of it."""

    def __init__(self, said: socket.socket) -> None:
        self._said = said
        self.pid = self._number()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        with suppress(BlockingIOError):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal as ``subprocess`` has it. Raises TimeoutError."""
        if self.returncode is None:
            self._said.settimeout(timeout)
            self.returncode = self._number()
            self._said.close()
        return self.returncode

    def kill(self) -> None:
        """kill -9, and wait for its end."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def _number(self) -> int:
        said = self._said.recv(NUMBER.size)
        assert len(said) == NUMBER.size, "the nursery is gone"
        return int(NUMBER.unpack(said)[0])


class Nursery:
    """Forks processes that have these modules already, and those that were needed since."""

    def __init__(self, *modules: str) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.nursery", *modules],
                cwd=REPO,
                # a copy of a process with threads has locks that nobody opens
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                stdin=theirs,
            )

    def start(
        self,
        call: str,
        arguments: Sequence[str],
        *,
        folder: Path,
        variables: Mapping[str, str],
        files: tuple[IO[Any] | int, IO[Any] | int, IO[Any] | int],
        needs: str = "",
    ) -> Forked:
        """A process that calls ``module:function`` in a folder, with exactly these variables, and
        ``files`` as its standard input, output and error. The module that it ``needs`` is kept for
        those that come after it."""
        said, theirs = socket.socketpair()
        with theirs:
            wanted = [needs, call, list(arguments), str(folder), dict(variables)]
            asked = json.dumps(wanted).encode()
            assert len(asked) < MAX_BYTES
            numbers = [each if isinstance(each, int) else each.fileno() for each in files]
            socket.send_fds(self._link, [asked], [*numbers, theirs.fileno()])
        return Forked(said)

    def close(self) -> None:
        self._link.close()
        self._process.wait()


@cache
def nursery(*modules: str) -> Nursery:
    """The one of this process that has these modules; ends with it."""
    made = Nursery(*modules)
    atexit.register(made.close)
    return made


def main() -> None:
    """Serve the calls that come on standard input, until it ends."""
    # Ctrl-C ends the tests, and they end this
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in sys.argv[1:]:
        importlib.import_module(module)
    link = socket.socket(fileno=os.dup(0))
    nursery_pid = os.getpid()
    while True:
        asked, files, _, _ = socket.recv_fds(link, MAX_BYTES, 4)
        if not asked:
            return
        needs, *wanted = json.loads(asked)
        if needs:
            importlib.import_module(needs)
        if os.fork() == 0:
            link.close()
            die_with_parent(nursery_pid)
            _mind(wanted, files)
        for each in files:
            os.close(each)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _mind(wanted: Sequence[Any], files: Sequence[int]) -> None:
    """Fork the process itself, and say its number, then how it ended."""
    *standard, said = files
    pid = os.fork()
    if pid == 0:
        os.close(said)
        for number, file in enumerate(standard):
            os.dup2(file, number)
            os.close(file)
        _become(*wanted)
    for file in (0, 1, 2, *standard):
        os.close(file)
    # whoever asked may be gone
    with suppress(OSError):
        os.write(said, NUMBER.pack(pid))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(said, NUMBER.pack(code))
    os._exit(0)


def _become(call: str, arguments: list[str], folder: str, variables: dict[str, str]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    module, _, function = call.partition(":")
    sys.argv = [call, *arguments]
    getattr(importlib.import_module(module), function)()
    # through the interpreter's own end, as any process
    sys.exit(0)


if __name__ == "__main__":
    main()
