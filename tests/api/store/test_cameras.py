"""The cameras' last reports."""

from __future__ import annotations

from api.store import Store
from tests.api.served import DAY, report


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
