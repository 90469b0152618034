"""Decoder processes that cost milliseconds: one small process has imported everything once, has
one thread and no secrets, and forks a child for each connection to a camera and each cut of a clip.

The worker asks over a socket that nobody else holds. Where the worker dies the socket ends, and
with it the fork server and its children. Neither the command line nor the environment of these
processes says anything about a camera: a child is told over its own channel.
"""

from __future__ import annotations

import array
import contextlib
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import structlog

from vision.errors import ServiceError

log = structlog.get_logger()

REQUEST: Final = struct.Struct("<cII")
"""What, the number of the child that is to end, the number of the request."""
REPLY: Final = struct.Struct("<IIIi")
"""The number of the request, and then: the new child's number and process id, or whether the
child had ended and how."""
DECODE: Final = b"D"
CUT: Final = b"C"
END: Final = b"E"
ENDED, RUNNING = 1, 0
FDS: Final = {DECODE: (3, 5), CUT: (4,)}
"""How many descriptors a child gets. A decoder: its channel, the memory of its pictures, the
connection to the camera, and the two books of a ring where there is one. A cutter: its channel,
the file, the two books."""
MAX_FDS = 5

START_S, ANSWER_S, STOP_S = 30.0, 5.0, 1.0
SILENT_ANSWER_S, SILENT_S = 0.5, 20.0
"""While an answer is overdue, others are waited for less; after this long it is started anew."""
FIRST_PAUSE_S, LONGEST_PAUSE_S, JITTER = 0.2, 5.0, 0.25
STEADY_S = 30.0
"""Between two starts of a fork server that ends again, unless it ran for this long."""
CLOSE_S = 2 * STOP_S
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""The rest of the worker's environment, such as the address of Redis, is not for decoders."""


class ForkServerError(ServiceError):
    """The fork server cannot be started, or gave no answer."""


class Child:
    """One such process. ``pid`` is for people; it is ended by ``end`` alone."""

    def __init__(self, server: ForkServer, generation: int, serial: int, pid: int) -> None:
        self._server = server
        self._generation = generation
        self._serial = serial
        self.pid = pid

    def end(self) -> int | None:
        """Kill it if it still runs. How it had ended by itself (exit code, or less a signal's
        number), None where it had not or nobody knows. Safe to repeat."""
        return self._server.end(self._generation, self._serial)


class ForkServer:
    """Starts decoder processes for all cameras of one worker; threads may share it.

    The process behind it starts with the first child, and again where it was killed. Use it as a
    context, or call ``close``, which ends it and every child.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._generation = 0
        self._request = 0
        self._silent_since: float | None = None
        self._closed = False
        self._pause_s = 0.0
        self._started_at = self._not_before = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The fork server's process, None while none runs."""
        process = self._process
        return process.pid if process is not None else None

    def spawn(self, fds: Sequence[int], job: bytes = DECODE) -> Child:
        """A new process for ``job`` that owns copies of ``fds`` (see ``FDS``).

        Raises ForkServerError where no process can be had now; try again after a while.
        """
        if len(fds) not in FDS[job]:
            raise ValueError(f"such a child gets {FDS[job]} descriptors, not {len(fds)}")
        with self._lock:
            for last in (False, True):
                control = self._running()
                try:
                    serial, pid, _ = self._ask(control, job, 0, fds)
                except OSError as error:
                    # It may have been killed since the last call: one more try with a new one.
                    if self._socket is None and not last:
                        continue
                    raise ForkServerError(
                        f"the decoders' fork server gives no answer ({error}): see the "
                        "machine's memory and process limits"
                    ) from error
                if pid == 0:
                    raise ForkServerError(
                        "no decoder process can be started: raise the limits of processes and "
                        "memory, or watch fewer cameras here"
                    )
                return Child(self, self._generation, serial, pid)
        raise AssertionError

    def end(self, generation: int, serial: int) -> int | None:
        """What ``Child.end`` promises."""
        with self._lock:
            if generation != self._generation or self._socket is None:
                return None
            try:
                state, _, status = self._ask(self._socket, END, serial, ())
            except OSError:
                # One that is only late still reads the request.
                return None
            return status if state == ENDED else None

    def close(self) -> None:
        """End the fork server and every child, within about two seconds. Nothing can be spawned
        after it."""
        self._closed = True
        control = self._socket
        if control is not None:
            # Wakes whoever waits for an answer, or for its start, and ends the process.
            with contextlib.suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)
        if not self._lock.acquire(timeout=CLOSE_S):
            log.warning("the decoders' fork server is not ended yet: it ends by itself")
            return
        try:
            self._stop()
        finally:
            self._lock.release()

    def _running(self) -> socket.socket:
        """The way to the fork server, which is started if need be."""
        self._refuse_closed()
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        died = self._process is not None
        self._stop()
        now = time.monotonic()
        if now - self._started_at > STEADY_S:
            self._pause_s = 0.0
        if now < self._not_before:
            raise ForkServerError(
                "the decoders' fork server keeps ending: see the machine's memory and its log"
            )
        self._pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._started_at = now
        self._not_before = now + self._pause_s * random.uniform(1 - JITTER, 1 + JITTER)
        if died:
            log.warning("the decoders' fork server ended and is started again")
        return self._start()

    def _start(self) -> socket.socket:
        self._generation += 1
        try:
            ours, theirs = socket.socketpair()
            self._socket = ours
            # Closed here at once, or its end would not be noticed.
            with theirs:
                if self._closed:
                    raise ConnectionAbortedError("it was closed")
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-m", "streams.rtsp.forked"),
                        *(str(theirs.fileno()), str(os.getpid())),
                    ],
                    env=bare_environment(),
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    # FFmpeg's and Python's last words may hold an address with its login.
                    stderr=subprocess.DEVNULL,
                )
            ours.settimeout(START_S)
            received(ours, 1)
            ours.settimeout(ANSWER_S)
        except (OSError, subprocess.SubprocessError, MemoryError) as error:
            self._stop()
            self._refuse_closed()
            raise ForkServerError(
                f"the decoders' fork server cannot be started ({error}): see the machine's "
                "memory and process limits"
            ) from error
        return ours

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ForkServerError("the decoders' fork server is closed: the worker is ending")

    def _ask(
        self, control: socket.socket, what: bytes, argument: int, fds: Sequence[int]
    ) -> tuple[int, int, int]:
        """The answer to one request. Raises OSError where none comes; then the fork server was
        stopped if it is gone, or has been silent for too long for its children to be spared."""
        self._request = (self._request + 1) & 0xFFFFFFFF
        asked_at = time.monotonic()
        try:
            control.settimeout(ANSWER_S if self._silent_since is None else SILENT_ANSWER_S)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            # A few bytes are never sent in parts.
            control.sendmsg([REQUEST.pack(what, argument, self._request)], rights)
            while True:
                number, first, second, third = REPLY.unpack(received(control, REPLY.size))
                # Before it there may be late answers to those who did not wait so long.
                if number == self._request:
                    break
        except TimeoutError:
            self._silent_since = self._silent_since or asked_at
            if time.monotonic() - self._silent_since > SILENT_S:
                self._stop()
            raise
        except ConnectionError:
            self._stop()
            raise
        self._silent_since = None
        return first, second, third

    def _stop(self) -> None:
        self._silent_since = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_S)
            self._process = None


def bare_environment() -> dict[str, str]:
    """What a process that reads a camera's bytes may know of the worker's environment."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    # One thread in the fork server, or forking it is not safe; small arenas for small children.
    return kept | {
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def received(sock: socket.socket, size: int) -> bytes:
    """Exactly ``size`` bytes. Raises OSError where they do not come."""
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionResetError("it ended")
        data += part
    return data
