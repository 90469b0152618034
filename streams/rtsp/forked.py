"""The fork server's own process: it has imported everything once, has one thread and no secrets,
and forks a child for each connection to a camera and each cut of a clip
(``streams.rtsp.forkserver`` is the worker's side of it)."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeAlias

from streams.rtsp.forkserver import (
    CUT,
    DECODE,
    END,
    ENDED,
    MAX_FDS,
    REPLY,
    REQUEST,
    RUNNING,
    received,
)

PARENT_POLL_S = 1.0
Work: TypeAlias = Callable[..., int]
"""What a child does with its parent's process id and its descriptors; returns its exit code."""


class _Server:
    """The process itself. Its children are known by serial numbers, which never return, and not
    by process ids, which do."""

    def __init__(self, control: socket.socket, parent_pid: int, work: Mapping[bytes, Work]) -> None:
        self._control = control
        self._parent_pid = parent_pid
        self._work = work
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
            data, fds, _, _ = socket.recv_fds(self._control, REQUEST.size, MAX_FDS)
            if not data:
                return False
            data += received(self._control, REQUEST.size - len(data))
            what, serial, number = REQUEST.unpack(data)
            if what == END:
                self._control.sendall(REPLY.pack(number, *self._end(serial)))
            else:
                self._control.sendall(REPLY.pack(number, *self._spawn(self._work[what], fds), 0))
        except OSError:
            return False
        return True

    def _spawn(self, work: Work, fds: list[int]) -> tuple[int, int]:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            self._become(work, parent, fds)
        for fd in fds:
            os.close(fd)
        if pid < 0:
            return 0, 0
        self._serial += 1
        self._running[self._serial] = pid
        self._pids[pid] = self._serial
        return self._serial, pid

    def _become(self, work: Work, parent: int, fds: list[int]) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for held in (self._control, self._waker, self._woken):
                held.close()
            status = work(parent, *fds)
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
    from streams.rtsp import cutting, decoder

    # What is there now stays for ever: the collector would only copy the children's pages.
    gc.freeze()
    work: Mapping[bytes, Work] = {DECODE: decoder.run, CUT: cutting.run}
    _Server(socket.socket(fileno=control_fd), parent_pid, work).run()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
