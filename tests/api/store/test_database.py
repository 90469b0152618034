"""Opening, migrating, and what the database's errors become."""

from __future__ import annotations

import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event

from api.store import Store, UnstorableError, database
from api.store.tables import metadata
from tests.api.served import alert, counted, sqlite_url
from vision.errors import StoreError


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    finally:
        connection.close()


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_migrations_make_the_tables_as_they_are_now(store: Store) -> None:
    with store._database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_opened_again_it_holds_what_it_held(url: str) -> None:
    with Store.open(url) as first:
        first.record([alert()])
    with Store.open(url) as second:
        second.check()
        assert second.alerts.get("a", only=None) is not None


def test_many_open_a_new_database_at_once(url: str) -> None:
    barrier = threading.Barrier(6)

    def open_it(number: int) -> int:
        barrier.wait()
        with Store.open(url) as store:
            store.record([alert(f"a{number}")])
            return store.alerts.position()

    with ThreadPoolExecutor(6) as pool:
        positions = list(pool.map(open_it, range(6)))
    assert max(positions) == 6


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "matakota.db"
    path.touch(0o644)
    with Store.open(sqlite_url(tmp_path)) as store:
        store.record([alert()])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert set(modes) >= {"matakota.db", "matakota.db-wal"}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("name", ["with ? and #.db", "100%20.db", "sürat.db"])
def test_a_path_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    with Store.open(f"sqlite:///{tmp_path / name}") as store:
        store.check()
    assert "alerts" in tables(tmp_path / name)


def test_newer_tables_are_refused(tmp_path: Path) -> None:
    Store.open(sqlite_url(tmp_path)).close()
    change(tmp_path / "matakota.db", "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"written by a newer version \(its tables are 9999\)"):
        Store.open(sqlite_url(tmp_path))


def test_a_migration_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(tmp_path / "matakota.db", "CREATE TABLE rejected (x)")
    with pytest.raises(StoreError, match="already exists"):
        Store.open(sqlite_url(tmp_path))
    assert tables(tmp_path / "matakota.db") == {"rejected"}


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "matakota.db").write_bytes(b"no database at all, but long enough" * 100)
    with pytest.raises(StoreError, match="the file is no database; move it away"):
        Store.open(sqlite_url(tmp_path))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///{tmp}/none/matakota.db", "cannot be opened"),
        ("sqlite:///{tmp}", "cannot be opened"),
        ("sqlite:///", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("mysql://u:geheim@host/db", "is no address of a database"),
        ("geheim", "is no address of a database"),
        ("postgresql://u:geheim@host:port/db", "is no address of a database"),
        ("postgresql://u:geheim@127.0.0.1:1/db", "127.0.0.1:1/db|needs its driver"),
    ],
)
def test_wrong_addresses(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(StoreError, match=said) as raised:
        Store.open(url.format(tmp=tmp_path))
    assert "geheim" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_texts_show_no_password(url: str) -> None:
    with Store.open(url) as store:
        for text in (repr(store), repr(store._database)):
            assert "@" not in text


def test_a_full_disk(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path)) as store:
        store.record([alert("before")])
        limit = {"pages": 0}

        @event.listens_for(store._database._engine, "begin")
        def limited(connection):  # type: ignore[no-untyped-def]
            connection.exec_driver_sql(f"PRAGMA max_page_count={limit['pages'] or 1 << 30}")

        limit["pages"] = 1
        big = alert("big", details={"text": "x" * 200_000})
        with pytest.raises(StoreError, match="no space is left for it; free some space"):
            store.record([alert("small"), big])
        assert store.alerts.get("small", only=None) is None
        assert store.alerts.get("before", only=None) is not None
        limit["pages"] = 0
        store.record([alert("small"), big])
        assert store.alerts.get("big", only=None) is not None


def test_another_process_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 50)
    with Store.open(sqlite_url(tmp_path)) as store:
        other = sqlite3.connect(tmp_path / "matakota.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process holds it"):
            store.record([alert()])
        assert store.alerts.get("a", only=None) is None, "reading goes on"
        other.execute("COMMIT")
        other.close()
        store.record([alert()])


def test_damage_is_said(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path)) as store:
        store.record([alert(f"a{n}") for n in range(200)])
    path = tmp_path / "matakota.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged; restore a backup"):
        Store.open(sqlite_url(tmp_path)).alerts.find(only=None, limit=10)


def test_what_no_database_takes(store: Store) -> None:
    for message in (
        counted(frames=1 << 70),
        counted(start_s=0.5),
        counted().model_copy(update={"counts": counted(0, {("gate", "in", "car"): 1}).counts * 2}),
    ):
        with pytest.raises(UnstorableError):
            store.record([alert("with-it"), message])
    assert store.alerts.get("with-it", only=None) is None, "all of a batch or nothing"


def test_rejected_messages_are_kept_once_and_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.store.rejected.MAX_REJECTED", 5)
    monkeypatch.setattr("api.store.rejected.MAX_BODY_BYTES", 15_000)
    for number in range(9):
        for _ in range(2):
            store.reject(f"{number}-0", "why\0\ud800", "x" * 20_000)
    with store._database.read() as connection:
        rows = connection.exec_driver_sql("SELECT entry, reason, body FROM rejected").all()
    assert sorted(row[0] for row in rows) == [f"{number}-0" for number in range(4, 9)]
    assert {(row[1], len(row[2])) for row in rows} == {("why\N{REPLACEMENT CHARACTER}?", 10_000)}
