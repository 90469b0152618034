"""Results that appear whole or not at all.

A result is written to a hidden file beside its place and renamed onto it when it is complete.
What is no regular file (standard output, a pipe, a device) cannot be renamed onto: its text waits
in an anonymous temporary file and is copied when it is complete.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from vision.errors import OutputError

SPOOL_BYTES = 1 << 20
"""Text up to this size waits in memory."""
STDOUT_NAME = "standard output"

_REASONS = {
    errno.ENOSPC: "no space left on the device; free some space or choose another {option}",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another {option}",
    errno.EFBIG: "it grew past the largest file allowed; raise 'ulimit -f' or ask for less",
    errno.ENOENT: "its folder does not exist; create it or choose another {option}",
    errno.ENOTDIR: "a part of its path is no folder; choose another {option}",
    errno.EISDIR: "it is a folder; name a file in it",
    errno.EACCES: "permission denied; change the folder's rights or choose another {option}",
    errno.EPERM: "permission denied; change the folder's rights or choose another {option}",
    errno.EROFS: "the file system is read-only; choose another {option}",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter {option}",
}


def output_error(name: object, error: OSError, option: str) -> OutputError:
    """One sentence about why ``name`` cannot be written, and what to do about ``option``."""
    fallback = f"{(error.strerror or str(error)).lower()}; choose another {{option}}"
    reason = _REASONS.get(error.errno or 0, fallback).format(option=option)
    return OutputError(f"cannot write {name}: {reason}")


class Place:
    """Where a result goes: ``part`` is the hidden file that is written meanwhile.

    ``option`` is the command-line option that named the place, for messages. Building it creates
    ``part``, so that a wrong place is known before the work and not after it; raises OutputError.
    A symbolic link is kept and its target replaced; an existing file's mode is kept.
    """

    def __init__(self, path: Path, *, option: str) -> None:
        self.path = path
        self._option = option
        with self.errors():
            self._target = Path(os.path.realpath(path))
            self.part = self._target.with_name(f".{self._target.name}.part-{os.getpid()}")
            mode = _mode(self._target)
            if mode is not None and stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, "")
            if mode is not None and not stat.S_ISREG(mode):
                raise OutputError(f"cannot write {path}: it is no regular file; name a file")
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(self.part, flags, 0o666), "wb") as file:
                if mode is not None:
                    os.fchmod(file.fileno(), stat.S_IMODE(mode))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn an OSError of the block into an OutputError, unless a reader has gone away."""
        with _errors_about(self.path, self._option):
            yield

    def commit(self) -> None:
        """Put ``part``, which is complete and closed, in its place; raises OutputError."""
        with self.errors():
            with self.part.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(self.part, self._target)

    def discard(self) -> None:
        """Remove ``part`` if it is still there."""
        with contextlib.suppress(OSError):
            self.part.unlink(missing_ok=True)


class AtomicText:
    """Text, such as JSON lines, or bytes that appear at ``path`` whole on ``commit`` or not at all.

    ``path`` None is standard output. Building it raises OutputError for a place that cannot be
    written, ``write`` and ``commit`` raise it when the device is full; a BrokenPipeError is left
    to the caller, whose reader has what it wanted. Without ``commit`` nothing appears.
    """

    def __init__(self, path: Path | None, *, option: str = "--out") -> None:
        self._path = path
        self._option = option
        self._name = STDOUT_NAME if path is None else str(path)
        self._place: Place | None = None
        self._file: IO[bytes]
        if path is not None and not _is_special(path):
            self._place = Place(path, option=option)
            with self._place.errors():
                self._file = self._place.part.open("wb")
            return
        if path is not None and not os.access(path, os.W_OK):
            raise output_error(path, PermissionError(errno.EACCES, ""), option)
        self._file = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Closing writes what is buffered once more, which fails again on a full device.
        with contextlib.suppress(OSError):
            self._file.close()
        if self._place is not None:
            self._place.discard()

    def write(self, text: str) -> None:
        """Add text, written as UTF-8."""
        self.write_bytes(text.encode("utf-8", "surrogateescape"))

    def write_bytes(self, data: bytes) -> None:
        """Add what is no text."""
        if self._place is not None:
            with self._place.errors():
                self._file.write(data)
            return
        with _errors_about(f"to the folder {tempfile.gettempdir()}", "TMPDIR"):
            self._file.write(data)

    def commit(self) -> None:
        """Let the whole text appear; nothing can be written after it."""
        with _errors_about(self._name, self._option):
            if self._place is not None:
                self._file.close()
                self._place.commit()
                return
            self._file.seek(0)
            if self._path is None:
                shutil.copyfileobj(self._file, sys.stdout.buffer)
                sys.stdout.buffer.flush()
                return
            # Appending, because /dev/stdout may be a file that has text already.
            with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_APPEND), "wb") as target:
                shutil.copyfileobj(self._file, target)


@contextmanager
def _errors_about(name: object, option: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(name, error, option) from error


def _mode(path: Path) -> int | None:
    """The type and rights of what is at ``path``, None where nothing is."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _is_special(path: Path) -> bool:
    """Whether ``path`` is something to write into rather than to replace."""
    if str(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
