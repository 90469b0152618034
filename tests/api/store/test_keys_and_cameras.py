"""Keys, links and sessions, and the cameras' last reports."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.store import Store
from tests.api.served import DAY, add_key, report
from vision.errors import StoreError


def test_a_key_is_kept_without_its_secret(store: Store) -> None:
    text = add_key(store, "control-room")
    (key,) = store.keys.all()
    secret = text.rpartition("_")[2]
    assert (key.name, key.revoked_at, key.last_used_at) == ("control-room", None, None)
    assert secret not in f"{key.hash}{key!r}"
    assert key.hash not in repr(key)
    assert store.keys.get(key.id) == key
    assert store.keys.get("none") is None


def test_one_key_in_use_per_name(store: Store) -> None:
    add_key(store, "one")
    with pytest.raises(StoreError, match="a key one already"):
        add_key(store, "one")
    assert store.keys.revoke("one").name == "one"
    add_key(store, "one")
    assert len(store.keys.all()) == 2


def test_revoked_by_name_or_id_once(store: Store) -> None:
    add_key(store, "one")
    add_key(store, "two")
    first, second = store.keys.all()
    store.keys.revoke(first.id)
    store.keys.revoke("two")
    assert all(key.revoked_at for key in store.keys.all())
    for gone in (first.id, "two", "three"):
        with pytest.raises(StoreError, match=f"no key {gone} is in use"):
            store.keys.revoke(gone)
    store.keys.used(second.id)
    assert store.keys.all()[1].last_used_at is not None


def test_keys_of_an_older_version_stay_keys(url: str) -> None:
    with Store.open(url) as store:
        store.keys.add("old", "room", "hash")
        with store._database.write() as connection:
            for statement in (
                "DROP TABLE watched_lines",
                "DROP TABLE late_counts",
                "ALTER TABLE keys DROP COLUMN kind",
                "ALTER TABLE keys DROP COLUMN expires_at",
                "UPDATE alembic_version SET version_num = '0002'",
            ):
                connection.exec_driver_sql(statement)
    with Store.open(url) as store:
        (key,) = store.keys.all()
        assert (key.kind, key.expires_at) == ("key", None)
        assert key.is_live(1e12)


LASTS_S = 100.0


@pytest.fixture
def now() -> list[float]:
    return [DAY]


@pytest.fixture
def timed(url: str, now: list[float]) -> Iterator[Store]:
    """A store whose clock a test sets."""
    with Store.open(url, clock=lambda: now[0]) as opened:
        yield opened


def redeem(store: Store, link_hash: str = "hash", number: int = 0, link_id: str = "link") -> bool:
    session = store.keys.redeem(link_id, link_hash, f"s{number}", "session", lasts_s=LASTS_S)
    assert session is None or session == store.keys.get(f"s{number}")
    return session is not None


def test_a_link_becomes_a_session_once(timed: Store, now: list[float]) -> None:
    timed.keys.add_link("link", "administrator", "hash", lasts_s=10)
    assert not redeem(timed, "other")
    assert not redeem(timed, link_id="none")
    now[0] += 9
    assert redeem(timed, number=1)
    assert not redeem(timed, number=2)
    assert not redeem(timed, "session", number=2, link_id="s1"), "a session is no link"
    link, session = timed.keys.all()
    assert (link.kind, link.revoked_at, link.expires_at) == ("link", DAY + 9, DAY + 10)
    assert (session.kind, session.name) == ("session", "administrator")
    assert (session.revoked_at, session.expires_at) == (None, DAY + 9 + LASTS_S)


def test_a_link_that_is_over_becomes_nothing(timed: Store, now: list[float]) -> None:
    timed.keys.add_link("link", "administrator", "hash", lasts_s=10)
    timed.keys.add_link("ended", "administrator", "hash", lasts_s=10)
    timed.keys.revoke("ended")
    assert not redeem(timed, link_id="ended")
    now[0] += 10
    assert not redeem(timed)
    timed.keys.add("key", "room", "hash")
    assert not redeem(timed, link_id="key")
    assert kinds(timed) == {"link", "key"}


def kinds(store: Store) -> set[str]:
    return {key.kind for key in store.keys.all()}


def test_what_is_not_stored_uses_no_link(timed: Store) -> None:
    timed.keys.add_link("link", "administrator", "hash", lasts_s=10)
    timed.keys.add("s1", "room", "hash")
    with pytest.raises(StoreError):
        redeem(timed, number=1)
    assert redeem(timed, number=2)


def test_of_many_redeemers_one_wins(timed: Store) -> None:
    for attempt in range(5):
        link_id, many = f"link{attempt}", 6
        timed.keys.add_link(link_id, "administrator", "hash", lasts_s=10)
        together = threading.Barrier(many)

        def ask(number: int, link_id: str = link_id, gate: threading.Barrier = together) -> bool:
            gate.wait(30)
            return redeem(timed, "hash", number, link_id)

        with ThreadPoolExecutor(many) as pool:
            numbers = range(attempt * many, attempt * many + many)
            assert sum(pool.map(ask, numbers)) == 1


def test_sessions_are_not_found_by_their_name(timed: Store) -> None:
    timed.keys.add_link("link", "administrator", "hash", lasts_s=10)
    assert redeem(timed)
    with pytest.raises(StoreError, match="no key administrator is in use"):
        timed.keys.revoke("administrator")
    # and keep no key from having it
    timed.keys.add("key", "administrator", "hash")
    assert timed.keys.revoke("administrator").id == "key"
    assert timed.keys.revoke("s0").kind == "session"
    with pytest.raises(StoreError, match="no key s0 is in use"):
        timed.keys.revoke("s0")


def test_what_expired_is_not_in_use(timed: Store, now: list[float]) -> None:
    timed.keys.add_link("link", "administrator", "hash", lasts_s=10)
    link = timed.keys.get("link")
    assert link is not None
    assert link.is_live(DAY + 9.9)
    assert not link.is_live(DAY + 10)
    now[0] += 10
    with pytest.raises(StoreError, match="no key link is in use"):
        timed.keys.revoke("link")


def test_ending_again_changes_nothing(timed: Store, now: list[float]) -> None:
    timed.keys.add("key", "room", "hash")
    for _ in range(2):
        timed.keys.end("key")
        timed.keys.end("none")
        now[0] += 5
    (key,) = timed.keys.all()
    assert key.revoked_at == DAY


def test_what_is_over_for_a_week_is_forgotten(timed: Store, now: list[float]) -> None:
    timed.keys.add("key", "room", "hash")
    timed.keys.revoke("room")
    timed.keys.add_link("link", "administrator", "hash", lasts_s=10)
    assert redeem(timed)
    now[0] += 10 + 7 * 86_400
    timed.keys.add_link("l2", "administrator", "hash", lasts_s=10)
    assert {key.id for key in timed.keys.all()} == {"key", "link", "s0", "l2"}
    now[0] += 1
    timed.keys.add_link("l3", "administrator", "hash", lasts_s=1e9)
    assert {key.id for key in timed.keys.all()} == {"key", "s0", "l2", "l3"}
    now[0] += LASTS_S
    assert redeem(timed, number=1, link_id="l3")
    assert {key.id for key in timed.keys.all()} == {"key", "l2", "l3", "s1"}


def test_reports_replace_each_other(store: Store) -> None:
    store.cameras.save(report(DAY, "a", "b"))
    store.cameras.save(report(DAY + 2, "a", "b", state="down", code="stalled"))
    found = store.cameras.all()
    assert [(c.report.camera, c.report.state, c.worker) for c in found] == [
        ("a", "down", "w"), ("b", "down", "w"),
    ]  # fmt: skip
    assert store.cameras.known("a")
    assert not store.cameras.known("c")


def test_the_same_report_again_is_not_heard_again(url: str) -> None:
    now = [DAY]
    with Store.open(url, clock=lambda: now[0]) as store:
        store.cameras.save(report(DAY, "a"))
        now[0] += 100
        store.cameras.save(report(DAY, "a"))
        assert store.cameras.all()[0].seen_at == DAY
        store.cameras.save(report(DAY + 1, "a"))
        assert store.cameras.all()[0].seen_at == DAY + 100


def test_cameras_that_their_worker_no_longer_has_are_forgotten(store: Store) -> None:
    store.cameras.save(report(DAY, "a", "b"))
    store.cameras.save(report(DAY, "c", worker="other"))
    store.cameras.save(report(DAY + 2, "b"))
    assert [c.report.camera for c in store.cameras.all()] == ["b", "c"]
    store.cameras.save(report(DAY + 3, "b", worker="other"))
    assert [(c.report.camera, c.worker) for c in store.cameras.all()] == [("b", "other")]
    store.cameras.save(report(DAY + 4, worker="other"))
    assert store.cameras.all() == []


def test_a_report_of_another_version_counts_as_not_heard(store: Store) -> None:
    store.cameras.save(report(DAY, "a", "b"))
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE cameras SET report = '{}' WHERE id = 'a'")
    assert [c.report.camera for c in store.cameras.all()] == ["b"]


def test_cameras_nobody_reports_are_forgotten_after_a_week(url: str) -> None:
    now = [DAY]
    with Store.open(url, clock=lambda: now[0]) as store:
        store.cameras.save(report(DAY, "old", worker="gone"))
        now[0] += 7 * 86_400 - 1
        store.cameras.save(report(DAY + 1, "a"))
        assert store.cameras.workers() == {"gone": 7 * 86_400 - 1, "w": 0.0}
        now[0] += 2
        store.cameras.save(report(DAY + 3, "a"))
        assert store.cameras.workers() == {"w": 0.0}
        assert not store.cameras.known("old")


def test_a_name_that_is_another_keys_id(store: Store) -> None:
    store.keys.add("aaaaaaaa", "one", "h1")
    store.keys.add("bbbbbbbb", "aaaaaaaa", "h2")
    assert store.keys.revoke("aaaaaaaa").name == "one", "the id is meant"
    with pytest.raises(StoreError, match=r"revoked already, and the name of another: .*bbbbbbbb"):
        store.keys.revoke("aaaaaaaa")
    assert store.keys.revoke("bbbbbbbb").name == "aaaaaaaa"
    with pytest.raises(StoreError, match="no key aaaaaaaa is in use"):
        store.keys.revoke("aaaaaaaa")
