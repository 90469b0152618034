"""Where the files of evidence lie: a folder, or a bucket; names in, bytes in and out."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Self

import fsspec
from fsspec.asyn import AsyncFileSystem, sync
from fsspec.implementations.local import LocalFileSystem

from api.evidence.refusals import DamagedError, NoRoomError, UnavailableError
from api.evidence.settings import BUCKET, URL_VARIABLE
from vision.errors import ConfigError

PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
CHUNK: Final = 1 << 20
INSIDE: Final = ".incoming"
PROBE: Final = ".probe"
"""Of a folder, where files are until they are whole."""
CONNECT_S: Final = 3
READ_S: Final = 15
UPLOAD_S: Final = 30
SLOWEST_BYTES_PER_S: Final = 1 << 20
"""An upload takes no longer than ``UPLOAD_S`` and its bytes at this rate."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
TRIES: Final = 2
"""Of each request to a bucket, so that one that is gone is noticed within a minute."""


class Files:
    """``name`` is a path below ``root``, with ``/``. Files are written whole or not at all, and
    never changed. Errors name ``label``, and never an address with a login."""

    def __init__(self, system: Any, root: str, incoming: Path, label: str) -> None:
        """``system`` is one of fsspec; ``incoming`` a folder of this machine, on the same disk
        where ``system`` is this machine's."""
        self._system = system
        self._root = root.rstrip("/")
        self._incoming = incoming
        self.label = label
        self._folder = Path(root) if isinstance(system, LocalFileSystem) else None
        self._wrong = _errors_of(system)

    @classmethod
    def open(cls, url: str, incoming: Path) -> Self:
        """Of a folder, which is made, or of ``s3://BUCKET/PREFIX``. Raises ConfigError."""
        if not url.startswith(BUCKET):
            folder = Path(url)
            try:
                folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    f"the folder {folder} for evidence cannot be used "
                    f"({(error.strerror or 'error').lower()}): name another in {URL_VARIABLE}"
                ) from None
            # what fsspec keeps of one is for all who ask for the same
            local = LocalFileSystem(skip_instance_cache=True)
            return cls(local, str(folder), folder / INSIDE, str(folder))
        try:
            system = fsspec.filesystem(
                "s3",
                skip_instance_cache=True,
                use_listings_cache=False,
                default_cache_type="none",
                config_kwargs={
                    "connect_timeout": CONNECT_S,
                    "read_timeout": READ_S,
                    "retries": {"total_max_attempts": 1},
                },
            )
        except ImportError:
            raise ConfigError(
                "a bucket needs s3fs: install matakota[s3], or name a folder in " + URL_VARIABLE
            ) from None
        system.retries = TRIES
        return cls(system, url.removeprefix(BUCKET), incoming, url)

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file that is there afterwards, also after a loss of power. What ``chunks`` raises
        leaves none. Raises NoRoomError."""
        beside = self._beside(name)
        try:
            with self._no_room():
                beside.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
                descriptor = os.open(beside, flags, PRIVATE)
            with open(descriptor, "wb", buffering=0) as file:
                for chunk in chunks:
                    with self._no_room():
                        _write_all(file.fileno(), chunk)
                with self._no_room():
                    os.fsync(file.fileno())
            with self._no_room():
                self._put(beside, name)
        finally:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)

    def check(self) -> None:
        """See whether files can be written and removed there; a full disk counts as one where they
        can, since room may be made. Raises NoRoomError."""
        name = f"{INSIDE}/{secrets.token_hex(8)}{PROBE}"
        try:
            if self._folder is None:
                self.write(name, ())
            else:
                with self._no_room(but=_FULL):
                    path = self._folder / name
                    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
                    path.touch(PRIVATE)
            self.remove(name)
        except UnavailableError as error:
            raise NoRoomError(str(error)) from None

    def read(self, name: str, offset: int = 0, length: int | None = None) -> Generator[bytes]:
        """The bytes from ``offset`` on. Raises DamagedError where there is no such file, and
        UnavailableError."""
        left = length
        with self._unavailable(name), self._system.open(self._path(name), "rb") as file:
            file.seek(offset)
            while left is None or left > 0:
                chunk = file.read(CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield bytes(chunk)

    def size(self, name: str) -> int:
        """Bytes of a file. Raises DamagedError where there is no such, and UnavailableError."""
        with self._unavailable(name):
            return int(self._system.info(self._path(name))["size"])

    def remove(self, name: str) -> None:
        """Also where it is not there, or was never whole. Raises UnavailableError."""
        with contextlib.suppress(DamagedError), self._unavailable(name):
            self._beside(name).unlink(missing_ok=True)
            self._system.rm_file(self._path(name))

    def names(self) -> list[str]:
        """Of every file that is there, but for those that are not whole. Raises
        UnavailableError."""
        with self._unavailable(""):
            found = self._system.find(self._root)
        prefix = f"{self._root}/"
        names = (str(path).removeprefix(prefix) for path in found)
        return [name for name in names if not name.startswith(f"{INSIDE}/")]

    def clear_incoming(self, older_s: float) -> int:
        """Remove what was begun so long ago and never became whole, and probes; how many."""
        gone, limit = 0, time.time() - older_s
        with contextlib.suppress(OSError):
            for path in self._incoming.iterdir():
                if path.suffix == PROBE or path.lstat().st_mtime < limit:
                    path.unlink(missing_ok=True)
                    gone += 1
        return gone

    def free(self) -> int | None:
        """Bytes that are free on the disk of the folder; None of a bucket."""
        if self._folder is None:
            return None
        with self._no_room():
            return shutil.disk_usage(self._folder).free

    def _put(self, beside: Path, name: str) -> None:
        if self._folder is None:
            self._upload(beside, name)
            return
        path = self._folder / name
        path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        os.replace(beside, path)
        for folder in (path.parent, path.parent.parent):
            sync_folder(folder)

    def _upload(self, beside: Path, name: str) -> None:
        if not isinstance(self._system, AsyncFileSystem):
            self._system.put_file(str(beside), self._path(name))
            return
        # who waits for leave to send a body does so without any limit of its own
        limit_s = UPLOAD_S + beside.stat().st_size / SLOWEST_BYTES_PER_S
        put = self._system._put_file
        sync(self._system.loop, put, str(beside), self._path(name), timeout=limit_s)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _beside(self, name: str) -> Path:
        return self._incoming / name.replace("/", "_")

    @contextmanager
    def _no_room(self, but: Collection[int] = ()) -> Iterator[None]:
        """``but`` are numbers of errors of the system that pass."""
        try:
            yield
        except self._wrong as error:
            if getattr(error, "errno", None) in but:
                return
            raise NoRoomError(
                f"evidence cannot be written to {self.label} ({_said(error)}): free some space, "
                "and check its rights and that it answers"
            ) from None

    @contextmanager
    def _unavailable(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise DamagedError(
                f"the file {name} is not in {self.label}: see 'matakota evidence verify'"
            ) from None
        except self._wrong as error:
            raise UnavailableError(
                f"evidence in {self.label} cannot be reached ({_said(error)}): check its rights "
                "and that it answers"
            ) from None


def _errors_of(system: Any) -> tuple[type[BaseException], ...]:
    """What may come of using it; that of a bucket has errors of its own beside OSError."""
    if "s3" not in system.protocol:
        return (OSError,)
    found = import_module("botocore.exceptions")
    return (OSError, found.BotoCoreError, found.ClientError)


def _said(error: BaseException) -> str:
    """In words that hold no address and no login."""
    reason = getattr(error, "strerror", None)
    return reason.lower() if isinstance(reason, str) else type(error).__name__


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Bring what a folder holds to the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
