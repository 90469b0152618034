"""Decoder processes that cost milliseconds: one small process has imported everything once, has
one thread and no secrets, and forks a child for each connection to a camera.

The worker asks over a socket that nobody else holds. Where the worker dies the socket ends, and
with it the fork server and its children. Neither the command line nor the environment of these
processes says anything about a camera: a child is told over its own channel.
"""

from __future__ import annotations

import array
import contextlib
import gc
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, NoReturn, Self, TypeAlias

import structlog

from vision.errors import ServiceError

log = structlog.get_logger()

REQUEST: Final = struct.Struct("<cII")
"""What, the number of the child that is to end, the number of the request."""
REPLY: Final = struct.Struct("<IIIi")
"""The number of the request, and then: the new child's number and process id, or whether the
child had ended and how."""
SPAWN, END = b"S", b"E"
ENDED, RUNNING = 1, 0
CHILD_FDS = 3
"""The child's channel, the memory of its pictures, the connection to the camera."""
Decoder: TypeAlias = Callable[[int, int, int, int], int]
"""What a child does with its parent's process id and those three; returns its exit code."""

START_S, ANSWER_S, STOP_S = 30.0, 5.0, 1.0
SILENT_ANSWER_S, SILENT_S = 0.5, 20.0
"""While an answer is overdue, others are waited for less; after this long it is started anew."""
FIRST_PAUSE_S, LONGEST_PAUSE_S, JITTER = 0.2, 5.0, 0.25
STEADY_S = 30.0
"""Between two starts of a fork server that ends again, unless it ran for this long."""
CLOSE_S = 2 * STOP_S
PARENT_POLL_S = 1.0
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""The rest of the worker's environment, such as the address of Redis, is not for decoders."""


class ForkServerError(ServiceError):
    """The fork server cannot be started, or gave no answer."""


class Child:
    """One decoder process. ``pid`` is for people; it is ended by ``end`` alone."""

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

    def spawn(self, fds: Sequence[int]) -> Child:
        """A new decoder that owns copies of ``fds``: channel, pictures, camera.

        Raises ForkServerError where no process can be had now; try again after a while.
        """
        if len(fds) != CHILD_FDS:
            raise ValueError(f"a decoder gets {CHILD_FDS} descriptors, not {len(fds)}")
        with self._lock:
            for last in (False, True):
                control = self._running()
                try:
                    serial, pid, _ = self._ask(control, SPAWN, 0, fds)
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
                        *(sys.executable, "-P", "-m", "streams.rtsp.forkserver"),
                        *(str(theirs.fileno()), str(os.getpid())),
                    ],
                    env=_environment(),
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    # FFmpeg's and Python's last words may hold an address with its login.
                    stderr=subprocess.DEVNULL,
                )
            ours.settimeout(START_S)
            _receive(ours, 1)
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
                number, first, second, third = REPLY.unpack(_receive(control, REPLY.size))
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


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    # One thread in the fork server, or forking it is not safe; small arenas for small children.
    return kept | {
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def _receive(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionResetError("it ended")
        data += part
    return data


class _Server:
    """The process itself. Its children are known by serial numbers, which never return, and not
    by process ids, which do."""

    def __init__(self, control: socket.socket, parent_pid: int, child: Decoder) -> None:
        self._control = control
        self._parent_pid = parent_pid
        self._child = child
        self._serial = 0
        self._running: dict[int, int] = {}
        self._pids: dict[int, int] = {}
        self._ended: dict[int, int] = {}
        # A signal during the wait makes it readable, so that the dead are fetched at once.
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)

    def run(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._control.sendall(b"R")
        while os.getppid() == self._parent_pid:
            ready, _, _ = select.select([self._control, self._woken], [], [], PARENT_POLL_S)
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            self._fetch_dead()
            if self._control in ready and not self._answer():
                break
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)

    def _answer(self) -> bool:
        """Handle one request; False where the worker is gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self._control, REQUEST.size, CHILD_FDS)
            if not data:
                return False
            data += _receive(self._control, REQUEST.size - len(data))
            what, serial, number = REQUEST.unpack(data)
            if what == SPAWN:
                self._control.sendall(REPLY.pack(number, *self._spawn(fds), 0))
            else:
                self._control.sendall(REPLY.pack(number, *self._end(serial)))
        except OSError:
            return False
        return True

    def _spawn(self, fds: list[int]) -> tuple[int, int]:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            self._become_decoder(parent, fds)
        for fd in fds:
            os.close(fd)
        if pid < 0:
            return 0, 0
        self._serial += 1
        self._running[self._serial] = pid
        self._pids[pid] = self._serial
        return self._serial, pid

    def _become_decoder(self, parent: int, fds: list[int]) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for held in (self._control, self._waker, self._woken):
                held.close()
            status = self._child(parent, *fds)
        finally:
            # Whatever happened, this process never goes on as a second fork server.
            os._exit(status)

    def _end(self, serial: int) -> tuple[int, int, int]:
        if serial in self._ended:
            return ENDED, 0, self._ended.pop(serial)
        pid = self._running.pop(serial, None)
        if pid is not None:
            # It was not fetched yet, so the number is still its own.
            os.kill(pid, signal.SIGKILL)
        return RUNNING, 0, 0

    def _fetch_dead(self) -> None:
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            serial = self._pids.pop(pid)
            # Nobody asks any more for one that was killed on request.
            if self._running.pop(serial, None) is not None:
                self._ended[serial] = os.waitstatus_to_exitcode(status)


def _main(control_fd: int, parent_pid: int) -> None:
    # Imported here, because the worker itself needs no FFmpeg.
    from streams.rtsp import decoder

    # What is there now stays for ever: the collector would only copy the children's pages.
    gc.freeze()
    _Server(socket.socket(fileno=control_fd), parent_pid, decoder.run).run()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
