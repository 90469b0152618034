"""One SQLite file that belongs to one process: durable, private, and able to shrink on a full
disk."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from vision.errors import SpoolError, SpoolFullError

BUSY_S = 5.0
PAGE_BYTES: Final = 4096
JOURNAL_PAGES = 256
RESERVE_BYTES = 2 * JOURNAL_PAGES * PAGE_BYTES
"""Kept free beside the file: on a full disk, deleting needs as much as the journal holds."""

SMALL_FILE_BYTES: Final = 1 << 16
DISK_FULL: Final = "the disk is full: free some space"

_APPLICATION: Final = 0x4D4B5350

T = TypeVar("T")


class SpoolFile:
    """The database ``path``, made with ``tables`` (SQL) as ``schema``; WAL, synchronous FULL.

    Everything raises SpoolError, one sentence; then nothing of the call was written. Building it
    raises it too where another process has the file, or another program or a newer schema made it.
    It is SpoolFullError where the disk or the file is full.
    Used by many threads.
    """

    def __init__(self, path: Path, *, tables: str, schema: int, max_bytes: int) -> None:
        self.path = path
        self.mutex = threading.RLock()
        self._reserve = path.with_name(f"{path.name}-reserve")
        self._reserved = False
        self._max_pages = max(1, max_bytes // PAGE_BYTES)
        self._db: sqlite3.Connection | None = None
        self._lock: int | None = self._take_lock()
        with ExitStack() as undo:
            undo.callback(self.close)
            try:
                self._begin(tables, schema)
            except SpoolFullError:
                # SQLite needs a few files beside its own, and room for them.
                if not self._give_up_reserve():
                    raise
                self._begin(tables, schema)
            undo.pop_all()

    def change(self, work: Callable[[sqlite3.Connection], T], *, frees: bool = False) -> T:
        """``work`` in one transaction, on the disk when it returns. One that ``frees`` space
        succeeds on a full disk too, and may be run twice for that."""
        with self.mutex:
            try:
                return self._transaction(work)
            except SpoolFullError:
                if not (frees and self._reserved):
                    raise
            self._give_up_reserve()
            done = self._transaction(work)
            self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            return done

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """What a query finds."""
        with self.mutex, self._errors():
            return self._open().execute(sql, values).fetchall()

    def value(self, sql: str) -> Any:
        """The one value that a query finds."""
        return self.rows(sql)[0][0]

    def close(self) -> None:
        """Let go of the file. Nothing is lost by not calling it."""
        with self.mutex:
            if self._db is not None:
                with suppress(sqlite3.Error):
                    self._db.close()
                self._db = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            raise SpoolError(f"the spool {self.path} is closed")
        return self._db

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._errors():
            db = self._open()
            if not self._reserved:
                self._reserve_space(db)
            db.execute("BEGIN IMMEDIATE")
            try:
                done = work(db)
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    with suppress(sqlite3.Error):
                        db.execute("ROLLBACK")
        return done

    def _reserve_space(self, db: sqlite3.Connection) -> None:
        """Take the reserve where it leaves room for the journal. Without it, the file may not
        grow: what is free then belongs to the journal, through which space is freed."""
        with suppress(OSError):
            disk = os.statvfs(self.path.parent)
            kept = self._reserve.stat().st_size >= RESERVE_BYTES
            if not kept and disk.f_bavail * disk.f_frsize >= 2 * RESERVE_BYTES:
                # no zeros, which some file systems do not store
                self._reserve.write_bytes(os.urandom(RESERVE_BYTES))
                kept = True
            self._reserved = kept
        pages = self._max_pages if self._reserved else 1
        # SQLite takes the present size for a limit below it
        db.execute(f"PRAGMA max_page_count = {pages}")

    def _give_up_reserve(self) -> bool:
        """Whether there was one."""
        there = False
        with suppress(OSError):
            there = self._reserve.stat().st_size > 0
            os.truncate(self._reserve, 0)
        self._reserved = False
        with suppress(SpoolError):
            self.rows("PRAGMA max_page_count = 1")
            self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return there

    # --- opening

    def _begin(self, tables: str, schema: int) -> None:
        try:
            with self._errors():
                db = self._connect()
                self._prepare(db, tables, schema)
                self._reserve_space(db)
        except SpoolError:
            if self._db is not None:
                with suppress(sqlite3.Error):
                    self._db.close()
                self._db = None
            raise

    def _take_lock(self) -> int:
        """A file of its own: SQLite's locks on the database end when anybody here closes it."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = self.path.with_name(f"{self.path.name}-lock")
            lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._cannot_open(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if not isinstance(error, BlockingIOError):
                raise self._cannot_open(error) from error
            raise SpoolError(
                f"the spool {self.path} is in use by another worker: end that one, or give this "
                "one another name"
            ) from None
        return lock

    def _cannot_open(self, error: OSError) -> SpoolError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return SpoolFullError(f"the spool {self.path} cannot be opened because {DISK_FULL}")
        return SpoolError(
            f"the spool {self.path} cannot be opened ({(error.strerror or str(error)).lower()}): "
            "correct that, or choose another data folder"
        )

    def _connect(self) -> sqlite3.Connection:
        try:
            # made by us, so that they are private from the first moment
            for path in (self.path, self._reserve):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._cannot_open(error) from error
        db = self._db = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {JOURNAL_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {JOURNAL_PAGES * PAGE_BYTES}")
        db.execute(f"PRAGMA max_page_count = {self._max_pages}")
        return db

    def _prepare(self, db: sqlite3.Connection, tables: str, schema: int) -> None:
        """Make the tables, or see that they are ours."""
        application = self.value("PRAGMA application_id")
        found = self.value("PRAGMA user_version")
        if self.value("SELECT count(*) FROM sqlite_master") == 0:
            ours = f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {schema};"
            db.executescript(f"BEGIN IMMEDIATE; {tables} {ours} COMMIT;")
        elif application != _APPLICATION:
            raise SpoolError(
                f"{self.path} is a database of another program: move it away, or choose another "
                "data folder"
            )
        elif found > schema:
            raise SpoolError(
                f"the spool {self.path} was written by a newer Matakota (schema {found}): "
                "install that one again, or let it send everything first"
            )
        elif self.value("PRAGMA quick_check(1)") != "ok":
            raise SpoolError(self._sentence(sqlite3.SQLITE_CORRUPT))

    # --- errors

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = _code(error)
            # Where no file can be made or grown, SQLite does not always say why.
            unclear = code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
            if unclear and not self._disk_has(SMALL_FILE_BYTES):
                code = sqlite3.SQLITE_FULL
            kind = SpoolFullError if code == sqlite3.SQLITE_FULL else SpoolError
            raise kind(self._sentence(code)) from error

    def _sentence(self, code: int) -> str:
        """What an error of SQLite means, and what to do."""
        match code:
            case sqlite3.SQLITE_FULL:
                why = (
                    "has reached its limit: see why messages do not reach the store"
                    if self._at_limit()
                    else f"cannot be written because {DISK_FULL}"
                )
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
                why = "is read-only: make the file and its folder writable"
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                why = "is damaged or no database: move it away, with what it still held"
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                why = "is locked by another program: close what has it open"
            case sqlite3.SQLITE_CANTOPEN:
                why = "cannot be opened: check that it is a file in a folder that is writable"
            case sqlite3.SQLITE_IOERR:
                why = "cannot be read or written: check its disk"
            case _:
                why = f"does not work (SQLite code {code}): check its disk, or move it away"
        return f"the spool {self.path} {why}"

    def _at_limit(self) -> bool:
        """Whether it is not the disk that is full: with the reserve taken, nothing else limits."""
        return self._reserved and self._disk_has(RESERVE_BYTES)

    def _disk_has(self, size: int) -> bool:
        """Whether there is room for a new file of ``size`` bytes."""
        try:
            disk = os.statvfs(self.path.parent)
        except OSError:
            return True
        no_names = disk.f_files > 0 and disk.f_favail == 0
        return not no_names and disk.f_bavail * disk.f_frsize >= size


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is not its own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
