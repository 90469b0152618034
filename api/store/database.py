"""One database: how it is opened and migrated, how transactions begin, what its errors mean."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from streams.settings import DATABASE_VARIABLE, SQLITE
from vision.errors import StoreError, StoreGoneError

BUSY_MS = 5000
CONNECT_S = 5
POOL_SIZE = 8
MAX_EXTRA_CONNECTIONS = 32
PRIVATE = 0o600
MIGRATIONS = Path(__file__).with_name("migrations")
VERSIONS = "alembic_version"
"""The table that says which tables there are."""
MIGRATION_LOCK = 0x6D6B
"""Any number that no other program on the same PostgreSQL takes."""
RIGHTS_LOCK = 0x6D6C
RECORD_LOCK = 0x6D6D

_SQLITE_REASONS = {
    "is full": "no space is left for it; free some space",
    "locked": "another process holds it; end that process or try again",
    "readonly": "it may not be written; change the rights of the file and its folder",
    "not a database": "the file is no database; move it away or restore a backup",
    "malformed": "it is damaged; restore a backup or move it away",
    "unable to open": "it cannot be opened; check that its folder exists and may be written",
    "disk i/o": "the disk reports an error; check the disk and its free space",
}


class UnstorableError(StoreError):
    """The database works, and refuses what it was given for what that holds."""


class Database:
    """Connections to one database whose tables are those of this version.

    ``read`` and ``write`` open a transaction each, to be used by any thread; everything raises
    StoreError, one sentence without the address's password.
    """

    def __init__(self, url: str) -> None:
        parsed, self.label, self._file = _parse(url)
        self._writing = Lock()
        self._engine = self._build(parsed)
        # so that the statements of one reading see the same moment, as they do in SQLite
        snapshot = {} if self._file is not None else {"isolation_level": "REPEATABLE READ"}
        self._reading = self._engine.execution_options(**snapshot)
        with ExitStack() as undo:
            undo.callback(self.close)
            with self.errors():
                if self._file is not None:
                    _make_private(self._file)
                self._migrate()
            undo.pop_all()

    def __repr__(self) -> str:
        return f"Database({self.label})"

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment and changes nothing."""
        with self.errors(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed durably at the end of the block, or not at all."""
        with self.errors():
            if self._file is None:
                with self._engine.begin() as connection:
                    yield connection
            else:
                # SQLite has one writer at a time, and its waiting is not fair between threads.
                with self._writing, self._begin_immediate() as connection:
                    yield connection

    @contextmanager
    def write_alone(self) -> Iterator[Connection]:
        """As ``write``, one at a time for whoever changes what opens the door and for whom: what
        was looked at before the change is still so when it is committed."""
        with self.write() as connection:
            take_turn(connection, RIGHTS_LOCK)
            yield connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the database raises in the block into a StoreError."""
        try:
            yield
        except (IntegrityError, DataError) as error:
            raise UnstorableError(
                f"the database {self.label} refuses this: {_first(error)}"
            ) from None
        except (OverflowError, UnicodeEncodeError):
            raise UnstorableError(
                f"the database {self.label} refuses this: a value is beyond what it can hold"
            ) from None
        except DBAPIError as error:
            kind = StoreGoneError if self._is_gone(error) else StoreError
            raise kind(f"the database {self.label}: {self._reason(error)}") from None
        except SQLAlchemyError as error:
            said = type(error).__name__
            raise StoreGoneError(
                f"the database {self.label} gives no answer ({said}); check that it runs"
            ) from None
        except OSError as error:
            said = (error.strerror or "error").lower()
            raise StoreError(
                f"the database {self.label} cannot be opened ({said}); check its folder"
            ) from None

    def _is_gone(self, error: DBAPIError) -> bool:
        said = str(error.orig).lower()
        if self._file is not None:
            return "locked" in said
        # A server that refuses us will do so again.
        refused = ("authentication", "does not exist", "permission", "pg_hba")
        return isinstance(error, OperationalError) and not any(part in said for part in refused)

    def _reason(self, error: DBAPIError) -> str:
        if self._file is None:
            return f"{_first(error)}; check that it runs and that its address is right"
        said = str(error.orig).lower()
        for part, reason in _SQLITE_REASONS.items():
            if part in said:
                return reason
        return f"{_first(error)}; check the file and its disk"

    def _build(self, url: URL) -> Engine:
        options: dict[str, Any] = {
            "pool_size": POOL_SIZE,
            "max_overflow": MAX_EXTRA_CONNECTIONS,
            "pool_timeout": CONNECT_S,
        }
        if self._file is None:
            options |= {
                "pool_pre_ping": True,
                "connect_args": {"connect_timeout": CONNECT_S, "application_name": "matakota"},
            }
        try:
            engine = create_engine(url, **options)
        except ModuleNotFoundError:
            raise StoreError(
                "PostgreSQL needs its driver: install matakota[postgres], or leave "
                f"{DATABASE_VARIABLE} empty for SQLite"
            ) from None
        if self._file is not None:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def _begin_immediate(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            connection.execution_options(immediate=True)
            with connection.begin():
                yield connection

    def _migrate(self) -> None:
        with self.read() as connection:
            if inspect(connection).has_table(VERSIONS):
                found = connection.execute(text(f"SELECT version_num FROM {VERSIONS}"))  # noqa: S608
                if found.scalar() == _newest():
                    return
        # what changes tables takes long to load, and is hardly ever needed
        from api.store.migrating import migrate

        with self.write() as connection:
            take_turn(connection, MIGRATION_LOCK)
            migrate(connection, MIGRATIONS, self.label)


def take_turn(connection: Connection, lock: int) -> None:
    """Wait for whoever has this lock, and have it until the transaction ends. SQLite has one
    writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": lock})


def _newest() -> str:
    """The number of the tables of this version."""
    return max(path.stem for path in (MIGRATIONS / "versions").glob("v*_*.py"))[1:5]


def _parse(url: str) -> tuple[URL, str, Path | None]:
    """What to connect to, what to call it in messages, and the file of an SQLite database."""
    if url.startswith(SQLITE):
        path = url.removeprefix(SQLITE)
        if not path or path == ":memory:":
            raise StoreError(
                f"an SQLite database needs a file: write {SQLITE}/FOLDER/matakota.db in "
                f"{DATABASE_VARIABLE}"
            )
        file = Path(path)
        # built, not parsed: a path may hold '?' and '%'
        return URL.create("sqlite", database=path), str(file), file
    try:
        parsed = make_url(url)
        if parsed.drivername not in {"postgres", "postgresql", "postgresql+psycopg"}:
            raise NoSuchModuleError
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise StoreError(
            f"{DATABASE_VARIABLE} is no address of a database: write sqlite:////FOLDER/matakota.db "
            "or postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from None
    label = f"{parsed.host or 'localhost'}:{parsed.port or 5432}/{parsed.database or ''}"
    return parsed.set(drivername="postgresql+psycopg"), label, None


def _make_private(file: Path) -> None:
    """The file exists, for its owner alone; what SQLite puts beside it takes its rights."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & ~PRIVATE:
            os.fchmod(descriptor, PRIVATE)
    finally:
        os.close(descriptor)


def _prepare_sqlite(connection: SqliteConnection, _record: object) -> None:
    # sqlite3 would begin transactions by its own rules, and commit before a change of tables
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    # its own knows no capitals but those of English
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: object) -> str | None:
    return None if value is None else str(value).lower()


def _begin_sqlite(connection: Connection) -> None:
    wants_to_write = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if wants_to_write else "BEGIN")


def _first(error: DBAPIError) -> str:
    """The first line of what the driver says: never the statement, never its values."""
    return str(error.orig).strip().partition("\n")[0] or type(error.orig).__name__
