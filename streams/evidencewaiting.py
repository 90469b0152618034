"""Evidence that waits to be posted, in a folder of the worker's data, so that a restart loses none.

Each entry is a file: an item as it is sent, or a statement that there is none, and why. What is
too much or too old goes, the oldest first, and a statement takes its place. While the disk takes
nothing, statements wait in memory.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from streams.evidenceform import (
    MAX_HEAD_BYTES,
    AlertId,
    Form,
    Head,
    Part,
    PartName,
    Sentence,
)
from streams.messages import Name
from vision.errors import EvidenceError

FOLDER: Final = "evidence-waiting"
MAX_BYTES: Final = 1 << 30
MAX_AGE_S: Final = 24 * 3600.0
MAX_ENTRIES: Final = 20_000
FREE_BYTES: Final = 64 << 20
"""So much of the disk is left to those who need it more: spool and database."""
CHUNK_BYTES: Final = 1 << 20
FULL: Final = "the worker's disk is full"
UNWRITABLE: Final = "the worker's folder for evidence cannot be written"
TOO_MUCH: Final = "more evidence waited on the worker than it may keep"
TOO_OLD: Final = "it waited on the worker for too long"

_NAME: Final = re.compile(r"\d{16}-[0-9a-f]{24}\.(item|missing)", re.ASCII)
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

log = structlog.get_logger()


class Missing(BaseModel):
    """There is no such item, or not yet, and ``why``, one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alert: AlertId
    camera: Name
    form: Form
    why: Sentence


@dataclass(slots=True, eq=False)
class Entry:
    """What waits: a ``missing`` statement or, where that is None, an item in the file ``path``,
    whose original has the hash ``sha256``. ``size`` is its file's. Times named ``…_s`` are
    monotonic, ``ts`` is UTC seconds."""

    alert: str
    camera: str
    form: Form
    missing: Missing | None
    path: Path | None
    sha256: str
    size: int
    ts: float
    tries: int = 0


class Waiting:
    """Entries in ``folder``, at most one for each alert and form. Used by many threads; putting
    waits for the disk. ``clock`` says how old something is."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._changed = threading.Condition()
        # in the order in which they were put
        self._entries: dict[tuple[str, Form], Entry] = {}
        self._due: list[tuple[float, int, Entry]] = []
        self._serial = itertools.count()
        self._bytes = self._lost = 0
        self._problem: str | None = None
        self._opening = threading.Lock()
        self._opened = False

    @property
    def problem(self) -> str | None:
        """Why nothing can be kept here, or not all of it, one sentence, or None."""
        lost = self._lost
        if self._problem is None and lost:
            return (
                f"of {lost} pictures and clips nothing was said, since more than {MAX_ENTRIES} "
                "waited: see why the API takes none"
            )
        return self._problem

    def __len__(self) -> int:
        return len(self._entries)

    # --- what is put

    def open(self) -> None:
        """Take up what an earlier run left; where that cannot be read yet, ``check``, ``sweep``
        and whatever is put try again."""
        with suppress(EvidenceError):
            self.check()
        self.sweep()

    def check(self) -> None:
        """Raises EvidenceError, which says why nothing can be kept now."""
        try:
            self._make_folder()
        except OSError as error:
            raise EvidenceError(self._fail(error)) from None
        self._well()

    def put_item(self, head: Head, parts: Mapping[PartName, bytes | Path]) -> None:
        """Keep an item until it is posted; ``head`` needs no parts that are right. Raises
        EvidenceError, which says why it cannot be kept."""
        try:
            entry = self._write_item(head, parts)
        except OSError as error:
            raise EvidenceError(self._fail(error)) from None
        self._well()
        self._add(entry)
        self.sweep()

    def put_missing(self, missing: Missing, *, held: bool = False) -> None:
        """Keep the statement; it is not posted while ``held``, but after a restart."""
        entry = Entry(
            missing.alert, missing.camera, missing.form, missing, None, "", 0, self._clock()
        )
        body = missing.model_dump_json().encode()
        try:
            path = self._place(entry, "missing")
            _write(path, [body])
            entry.path, entry.size = path, len(body)
            self._well()
        except OSError as error:
            self._fail(error)
        self._add(entry, held=held)

    def _write_item(self, head: Head, parts: Mapping[PartName, bytes | Path]) -> Entry:
        entry = Entry(head.alert, head.camera, head.form, None, None, "", 0, self._clock())
        entry.path = self._place(entry, "item")
        packed = pack(entry.path, head, parts, sync=True)
        entry.sha256, entry.size = packed.parts[0].sha256, entry.path.stat().st_size
        return entry

    def _place(self, entry: Entry, kind: str) -> Path:
        self._make_folder()
        name = hashlib.sha256(f"{entry.form}:{entry.alert}".encode()).hexdigest()[:24]
        return self.folder / f"{int(entry.ts * 1e6):016d}-{name}.{kind}"

    def _make_folder(self) -> None:
        """Raises OSError where nothing can be kept in it now; it is read all the same."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)
        # before anything of this run is in it, and on a disk without room too
        with self._opening:
            if not self._opened:
                self._take_up()
                self._opened = True
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize < FREE_BYTES:
            raise OSError(errno.ENOSPC, "")

    def _take_up(self) -> None:
        for name in sorted(os.listdir(self.folder)):
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
                continue
            try:
                entry = _read(path) if _NAME.fullmatch(name) else None
            except (OSError, EvidenceError, ValidationError):
                log.warning("evidence that waited cannot be read and is left out", file=name)
                entry = None
            if entry is None:
                # one that was not finished
                with suppress(OSError):
                    path.unlink()
                continue
            self._add(entry)
        with self._changed:
            # statements may have come before them, which were kept in memory
            self._entries = dict(sorted(self._entries.items(), key=lambda each: each[1].ts))

    def _add(self, entry: Entry, *, held: bool = False) -> None:
        with self._changed:
            self._drop(self._entries.get((entry.alert, entry.form)), but=entry.path)
            self._entries[entry.alert, entry.form] = entry
            self._bytes += entry.size
            while len(self._entries) > MAX_ENTRIES:
                if not self._lost:
                    log.warning("evidence is given up without a word", why=TOO_MUCH)
                self._lost += 1
                self._drop(next(iter(self._entries.values())))
            if not held:
                heappush(self._due, (time.monotonic(), next(self._serial), entry))
                self._changed.notify_all()

    def _drop(self, entry: Entry | None, but: Path | None = None) -> None:
        if entry is None or self._entries.get((entry.alert, entry.form)) is not entry:
            return
        del self._entries[entry.alert, entry.form]
        self._bytes -= entry.size
        if entry.path is not None and entry.path != but:
            with suppress(OSError):
                entry.path.unlink()
        if self._lost and len(self._entries) <= MAX_ENTRIES // 2:
            log.warning("no more evidence is given up without a word", lost=self._lost)
            self._lost = 0

    # --- what is taken

    def take(self, wait_s: float) -> Entry | None:
        """The entry that is due for the longest, None where none is within ``wait_s``. Give it
        back by ``done`` or ``later``."""
        end_s = time.monotonic() + wait_s
        with self._changed:
            while True:
                now_s = time.monotonic()
                while self._due and self._due[0][0] <= now_s:
                    entry = heappop(self._due)[2]
                    if self._entries.get((entry.alert, entry.form)) is entry:
                        return entry
                left_s = min(end_s, self._due[0][0] if self._due else end_s) - now_s
                if left_s <= 0 and now_s >= end_s:
                    return None
                self._changed.wait(max(0.0, left_s))

    def wake(self) -> None:
        """Let whoever waits in ``take`` look again."""
        with self._changed:
            self._changed.notify_all()

    def done(self, entry: Entry) -> None:
        """It needs no more posting."""
        with self._changed:
            self._drop(entry)

    def later(self, entry: Entry, delay_s: float) -> None:
        """Not before ``delay_s`` from now."""
        with self._changed:
            heappush(self._due, (time.monotonic() + delay_s, next(self._serial), entry))
            self._changed.notify_all()

    def sweep(self) -> None:
        """Let go of what is too old and, the oldest first, of items that are too much; look again
        where nothing could be kept."""
        if self._problem is not None:
            with suppress(EvidenceError):
                self.check()
        oldest_ts = self._clock() - self._max_age_s
        gone: list[tuple[Entry, str]] = []
        with self._changed:
            over = self._bytes - self._max_bytes
            for entry in self._entries.values():
                if entry.ts < oldest_ts:
                    over -= entry.size
                    gone.append((entry, TOO_OLD))
                elif over <= 0:
                    break
                elif entry.missing is None:
                    over -= entry.size
                    gone.append((entry, TOO_MUCH))
            for entry, _ in gone:
                self._drop(entry)
        for entry, why in gone:
            if entry.missing is not None:
                continue
            log.warning("evidence is given up", alert=entry.alert, form=entry.form, why=why)
            self.put_missing(
                Missing(alert=entry.alert, camera=entry.camera, form=entry.form, why=why)
            )

    # --- how the disk is

    def _fail(self, error: OSError) -> str:
        why = FULL if error.errno in _FULL else UNWRITABLE
        if self._problem is None:
            reason = (error.strerror or "it is nearly full").lower()
            self._problem = f"no evidence is kept in {self.folder} ({reason}): correct that"
            log.warning("evidence is not kept", why=self._problem)
        return why

    def _well(self) -> None:
        if self._problem is not None:
            log.info("evidence is kept again")
            self._problem = None


def pack(
    path: Path, head: Head, parts: Mapping[PartName, bytes | Path], *, sync: bool = False
) -> Head:
    """Write ``parts`` behind ``head``, which is told what they are, to ``path``, for its owner
    alone, whole or not at all. Raises EvidenceError where they do not fit, and OSError."""
    found = tuple(_part(name, content) for name, content in parts.items())
    try:
        head = Head.model_validate(head.model_dump() | {"parts": found})
    except ValidationError as error:
        raise EvidenceError(f"it is too large to be kept ({error.errors()[0]['msg']})") from None
    _write(path, [head.encode(), *parts.values()], sync=sync)
    return head


def _part(name: PartName, content: bytes | Path) -> Part:
    if isinstance(content, bytes):
        return Part(name, len(content), hashlib.sha256(content).hexdigest())
    with content.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Part(name, file.tell(), digest.hexdigest())


def _write(path: Path, contents: Sequence[bytes | Path], *, sync: bool = False) -> None:
    """A file for its owner alone, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            for content in contents:
                if isinstance(content, bytes):
                    file.write(content)
                    continue
                with content.open("rb") as source:
                    while chunk := source.read(CHUNK_BYTES):
                        file.write(chunk)
            file.flush()
            if sync:
                os.fdatasync(file.fileno())
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _read(path: Path) -> Entry:
    """Raises OSError, EvidenceError and ValidationError for what is no whole entry."""
    ts, size = int(path.name[:16]) / 1e6, path.stat().st_size
    with path.open("rb") as file:
        line = file.readline(MAX_HEAD_BYTES)
    if path.suffix == ".missing":
        said = Missing.model_validate_json(line)
        return Entry(said.alert, said.camera, said.form, said, path, "", size, ts)
    head = Head.decode(line)
    if size != len(line) + head.size:
        raise EvidenceError("an item is cut off")
    return Entry(head.alert, head.camera, head.form, None, path, head.parts[0].sha256, size, ts)
