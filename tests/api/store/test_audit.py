"""The record: added to with what it tells of, found again, and never changed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from api.access import SCOPES, Permission
from api.store import Actor, Store, Wanted, audit
from api.store.tables import metadata
from tests.api.served import DAY, TESTER
from tests.api.store.older import make_older
from vision.errors import StoreError

ANA = Actor("user", "ana", "1", "10.0.0.9")


def fill(store: Store, now: list[float]) -> None:
    for actor, action, kind, name in (
        (TESTER, "user.added", "user", "ana"),
        (ANA, "user.changed", "user", "ben"),
        (ANA, "USER.changed", "user", "ben"),
        (ANA, "users.swapped", "user", "cam"),
        (ANA, "key.created", "key", "ben"),
        (TESTER, "user", "user", "ben"),
    ):
        store.audit.add(actor, action, kind, name)
        now[0] += 1


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), "123456"),
        (Wanted(actor="ana"), "2345"),
        (Wanted(actor="Ana"), ""),
        (Wanted(action="user"), "126"),
        (Wanted(action="user."), ""),
        (Wanted(action="user.changed"), "2"),
        (Wanted(action="%"), ""),
        (Wanted(action="use_"), ""),
        (Wanted(object_kind="user", object="ben"), "236"),
        (Wanted(object="ben"), "2356"),
        (Wanted(from_ts=DAY + 2), "3456"),
        (Wanted(to_ts=DAY + 2), "12"),
        (Wanted(from_ts=DAY + 1, to_ts=DAY + 2), "2"),
        (Wanted(actor="' OR 1=1 --"), ""),
    ],
)
def test_what_is_wanted_is_found(url: str, wanted: Wanted, found: str) -> None:
    now = [DAY]
    with Store.open(url, clock=lambda: now[0]) as store:
        fill(store, now)
        each = list(store.audit.each(wanted))
        page = store.audit.find(wanted, limit=100)
    assert "".join(str(entry.id) for entry in each) == found
    assert page.entries == each[::-1]
    assert not page.more


def test_an_entry_is_read_as_it_was_written(store: Store) -> None:
    values = {"role": "viewer", "groups": ["ñ", "b"], "n": 1, "none": None}
    store.audit.add(ANA, "a.b", "user", "ben", values)  # type: ignore[arg-type]
    store.audit.add(TESTER, "a.b", "user", "ben")
    first, second = store.audit.each(Wanted())
    assert (first.actor_kind, first.actor_id, first.actor, first.address) == (
        "user", "1", "ana", "10.0.0.9",
    )  # fmt: skip
    assert (first.before, first.after) == (None, values)
    assert (second.actor_kind, second.actor_id, second.address) == ("command", None, None)
    with store._database.read() as connection:
        empty = connection.exec_driver_sql("SELECT id FROM audit WHERE before IS NULL").all()
    assert len(empty) == 2


def test_pages_neither_repeat_nor_skip(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PIECE", 4)
    for number in range(11):
        store.audit.add(TESTER, "a", "user", f"u{number}")
    found: list[str] = []
    before = None
    while True:
        page = store.audit.find(Wanted(), before=before, limit=3)
        assert len(page.entries) <= 3
        found += [entry.object for entry in page.entries]
        before = page.entries[-1].id
        # what comes meanwhile is newer
        store.audit.add(TESTER, "a", "other", "late")
        if not page.more:
            break
    assert found == [f"u{number}" for number in range(10, -1, -1)]
    assert [e.object for e in store.audit.each(Wanted(object_kind="user"))] == found[::-1]


ROW = "(id, at, actor_kind, actor, action, object_kind, object) VALUES (1, 0, '', '', '', '', '')"
CHANGES = {
    "sqlite": [f"INSERT OR REPLACE INTO audit {ROW}", f"REPLACE INTO audit {ROW}"],
    "postgresql": ["TRUNCATE audit", "TRUNCATE audit CASCADE"],
    "both": [
        "UPDATE audit SET actor = 'nobody'",
        "UPDATE audit SET actor = 'nobody' WHERE id = 1",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE id = 1",
        f"INSERT INTO audit {ROW} ON CONFLICT (id) DO UPDATE SET actor = 'nobody'",
    ],
}


def test_nothing_is_changed_or_taken_away(store: Store) -> None:
    for name in ("ben", "cam"):
        store.audit.add(ANA, "a", "user", name)
    before = list(store.audit.each(Wanted()))
    with store._database.read() as connection:
        here = connection.dialect.name
    for statement in (*CHANGES["both"], *CHANGES[here]):
        with (
            pytest.raises(StoreError, match="the audit is only added to"),
            store._database.write() as connection,
        ):
            connection.exec_driver_sql(statement)
        assert list(store.audit.each(Wanted())) == before, statement
    store.audit.add(ANA, "a", "user", "dea")
    assert [entry.object for entry in store.audit.each(Wanted())] == ["ben", "cam", "dea"]


def test_what_is_not_done_is_not_recorded(store: Store) -> None:
    store.groups.add("north", ("a",), TESTER)
    with pytest.raises(StoreError):
        store.groups.add("NORTH", ("a",), TESTER)
    (entry,) = store.audit.each(Wanted())
    assert entry.after == {"name": "north", "cameras": ["a"]}


def test_whoever_reads_on_misses_nothing(url: str) -> None:
    """A first writer has its number and is not committed; a second one wants to overtake."""
    with Store.open(url) as store:
        second = threading.Thread(target=store.audit.add, args=(ANA, "b", "user", "second"))
        with store._database.write() as connection:
            audit.write_audit(connection, ANA, "a", "user", "first", now=DAY)
            second.start()
            second.join(0.3)
            assert second.is_alive(), "the second waits for the first"
            assert store.audit.find(Wanted(), limit=9).entries == []
        second.join(30)
        assert [entry.object for entry in store.audit.each(Wanted())] == ["first", "second"]


def test_many_write_at_once(url: str) -> None:
    with Store.open(url) as one, Store.open(url) as other, ThreadPoolExecutor(6) as pool:
        stores = (one, other)
        list(pool.map(lambda n: stores[n % 2].groups.add(f"g{n}", ("a",), TESTER), range(24)))
        assert len(list(one.audit.each(Wanted(action="group.added")))) == 24


# --- as an older version left it


OLD_KEYS = (
    "INSERT INTO keys (id, name, hash, created_at, kind) VALUES ('k1', 'room', 'h', 1, 'key')",
    "INSERT INTO keys (id, name, hash, created_at, kind) VALUES ('s1', 'anon', 'h', 1, 'session')",
    "INSERT INTO keys (id, name, hash, created_at, kind) VALUES ('l1', 'anon', 'h', 1, 'link')",
    "INSERT INTO keys (id, name, hash, created_at, revoked_at) VALUES ('k2', 'old', 'h', 1, 2)",
)


def test_keys_keep_what_they_could_do(blank: str) -> None:
    make_older(blank, "0005", OLD_KEYS)
    with Store.open(blank) as store:
        assert {key.id for key in store.keys.all()} == {"k1", "k2"}, "sessions were of nobody"
        holder = store.keys.holder("k1")
        assert holder is not None
        assert holder.is_live(DAY)
        later = {Permission.AUDIT_READ, Permission.EVIDENCE_SEE}
        could = frozenset(SCOPES) - later | {Permission.KNOWN}
        assert holder.caller.permissions == could, "there was neither a record nor evidence"
        assert holder.caller.cameras is None
        revoked = store.keys.get("k2")
        assert revoked is not None
        assert revoked.revoked_at == 2
        with store._database.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_keys_of_the_second_version_stay_keys(blank: str) -> None:
    old = "INSERT INTO keys (id, name, hash, created_at) VALUES ('k1', 'room', 'h', 1)"
    make_older(blank, "0002", [old])
    with Store.open(blank) as store:
        (key,) = store.keys.all()
        assert (key.kind, key.expires_at, key.worker) == ("key", None, False)
        assert key.is_live(1e12)
