"""Keys and the cameras' last reports."""

from __future__ import annotations

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
