"""The heads of the chain, kept outside the database: a file that is only added to. Whoever changes
the chain in the database does not agree with it any more."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api.evidence.files import sync_folder
from api.evidence.refusals import UnavailableError
from api.store.evidence import Evidence
from api.store.evidence_chain import Link
from api.store.evidence_items import NO_HASH
from api.times import iso

PRIVATE: Final = 0o600
PIECE: Final = 500
TAIL: Final = 1024
"""No line has as many bytes."""
_LINE: Final = re.compile(r"(\d{1,18}) ([0-9a-f]{64}) \S{1,40}")


@dataclass(frozen=True, slots=True)
class Head:
    """The number of an entry and its hash; number 0 is what was before the first one."""

    seq: int
    hash: str


class HeadsError(UnavailableError):
    """The file is not there, cannot be written, or the chain does not go on from its last head."""


class Heads:
    """Everything raises HeadsError."""

    def __init__(self, path: Path, chain: Evidence) -> None:
        self._path = path
        self._chain = chain

    def begin(self) -> None:
        """Make the file, if there is none, before anything is in the chain."""
        with self._errors():
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
            with open(descriptor, "ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_size == 0:
                    file.write(_line(0, NO_HASH, time.time()))
                    file.flush()
                    os.fsync(descriptor)
            sync_folder(self._path.parent)

    def catch_up(self) -> None:
        """Add the heads that the chain has and the file has not; nothing where the chain does not
        go on from the file's last one."""
        if self._chain.head() is None and not self._path.exists():
            return
        with self._errors():
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND)
            with open(descriptor, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._cut_torn(descriptor)
                last = self._last(descriptor)
                while lines := self._following(last):
                    os.write(descriptor, b"".join(_line(x.seq, x.hash, x.at) for x in lines))
                    os.fsync(descriptor)
                    last = Head(lines[-1].seq, lines[-1].hash)

    def all(self) -> list[Head]:
        """Every head in the file, in its order; a last line without its end is none."""
        with self._errors():
            content = self._path.read_bytes()
        whole, _, _ = content.rpartition(b"\n")
        found = list[Head]()
        for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
            match = _LINE.fullmatch(line.decode("ascii", "replace"))
            if match is None:
                raise HeadsError(
                    f"line {number} of {self._path} is no head: the file was changed or is "
                    "damaged; compare it with a backup of it"
                )
            found.append(Head(int(match[1]), match[2]))
        return found

    def _following(self, last: Head) -> list[Link]:
        """The next entries after that head, each of which must go on from the one before."""
        if last.seq > 0:
            (before,) = self._chain.links(last.seq - 1, 1) or (None,)
            if before is None or (before.seq, before.hash) != (last.seq, last.hash):
                raise self._apart(last)
        found = self._chain.links(last.seq, PIECE)
        for link in found:
            if (link.seq, link.prev) != (last.seq + 1, last.hash) or link.computed() != link.hash:
                raise self._apart(last)
            last = Head(link.seq, link.hash)
        return found

    def _apart(self, last: Head) -> HeadsError:
        return HeadsError(
            f"the chain of evidence in the database does not go on from head {last.seq} in "
            f"{self._path}: one of them was changed or restored; see 'matakota evidence verify'"
        )

    def _cut_torn(self, descriptor: int) -> None:
        """Take away what a crash left of a line."""
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, TAIL, max(0, size - TAIL))
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(descriptor, size - torn)

    def _last(self, descriptor: int) -> Head:
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, TAIL, max(0, size - TAIL)).rstrip(b"\n")
        line = tail.rpartition(b"\n")[2].decode("ascii", "replace")
        match = _LINE.fullmatch(line)
        if match is None:
            raise HeadsError(
                f"the last line of {self._path} is no head: the file was changed or is damaged; "
                "restore it from a backup"
            )
        return Head(int(match[1]), match[2])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise HeadsError(
                f"{self._path}, where the heads of the chain of evidence are kept, is not there: "
                "restore it from a backup, or name its place in MATAKOTA_EVIDENCE_HEADS"
            ) from None
        except OSError as error:
            raise HeadsError(
                f"{self._path}, where the heads of the chain of evidence are kept, cannot be used "
                f"({(error.strerror or 'error').lower()}): check its disk and its rights"
            ) from None


def _line(seq: int, digest: str, at: float) -> bytes:
    return f"{seq} {digest} {iso(at)}\n".encode("ascii")
