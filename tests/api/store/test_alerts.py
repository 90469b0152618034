"""Alerts are kept once, at their newest, and the feed names every change in order."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from api.store import Store
from api.store.alerts import lock_feed, record_alerts, set_feed
from tests.api.served import DAY, alert, sqlite_url, wait_until

IDS = st.sampled_from("abc")
STATEMENTS = st.lists(st.tuples(IDS, st.integers(1, 4)), max_size=12)


def test_an_alert_is_read_as_it_was_stated(store: Store) -> None:
    message = alert("x", end_ts=DAY + 9.125, state="closed", track_ids=(3, 4), synthetic=True)
    assert store.record([message]).created == {"x"}
    stored = store.alerts.get("x")
    assert stored is not None
    for name, value in message.model_dump(exclude={"schema_version", "type"}).items():
        got = getattr(stored, name)
        assert (tuple(got) if name == "track_ids" else got) == value, name
    assert stored.stored_at == stored.updated_at > DAY
    assert (stored.acknowledged_at, stored.acknowledged_by) == (None, None)
    assert store.alerts.get("y") is None


def test_nothing_is_nothing(store: Store) -> None:
    recorded = store.record([])
    assert (recorded.created, recorded.alerts_changed) == (frozenset(), False)


def test_only_a_newer_version_changes_an_alert(store: Store) -> None:
    store.record([alert(version=2, place="two")])
    for message in (alert(version=2, place="again"), alert(version=1, place="one")):
        recorded = store.record([message])
        assert (recorded.created, recorded.alerts_changed) == (frozenset(), False)
    stored = store.alerts.get("a")
    assert stored is not None
    assert (stored.place, stored.position) == ("two", 1)
    assert store.record([alert(version=3, place="three")]).alerts_changed
    stored = store.alerts.get("a")
    assert stored is not None
    assert (stored.place, stored.position) == ("three", 2)


def test_an_update_keeps_who_acknowledged(store: Store) -> None:
    store.record([alert()])
    first = store.alerts.acknowledge("a", "ana")
    assert first is not None
    assert (first.acknowledged_by, first.position) == ("ana", 2)
    assert store.alerts.acknowledge("a", "ben") == first, "the first one stays"
    assert store.alerts.position() == 2
    store.record([alert(version=2)])
    stored = store.alerts.get("a")
    assert stored is not None
    assert (stored.acknowledged_by, stored.acknowledged_at) == ("ana", first.acknowledged_at)
    assert store.alerts.acknowledge("none", "ana") is None


@settings(max_examples=60)
@given(batches=st.lists(STATEMENTS, max_size=5), steps=st.lists(st.integers(0, 30), max_size=6))
def test_any_order_and_any_repeats_end_the_same(
    batches: list[list[tuple[str, int]]], steps: list[int]
) -> None:
    newest: dict[str, int] = defaultdict(int)
    with TemporaryDirectory() as folder, Store.open(sqlite_url(Path(folder))) as store:
        created: list[str] = []
        seen: dict[str, int] = {}
        cursor = 0
        for number, batch in enumerate(batches):
            recorded = store.record([alert(i, v, place=f"v{v}") for i, v in batch])
            changed = any(v > newest[i] for i, v in batch)
            assert recorded.alerts_changed == changed
            created += recorded.created
            for alert_id, version in batch:
                newest[alert_id] = max(newest[alert_id], version)
            # a client that reads now and then, a few rows at a time
            for row in store.alerts.changes(cursor, steps[number] if number < len(steps) else 0):
                assert row.position > cursor
                cursor = row.position
                seen[row.id] = row.version
        for row in store.alerts.changes(cursor, 100):
            seen[row.id] = row.version
        expected = {alert_id: version for alert_id, version in newest.items() if version}
        assert sorted(created) == sorted(expected), "each is new once"
        assert seen == expected, "whoever follows the feed knows all"
        stored = store.alerts.find(limit=100).alerts
        assert {(a.id, a.version, a.place) for a in stored} == {
            (i, v, f"v{v}") for i, v in expected.items()
        }
        assert len({a.position for a in stored}) == len(stored)


def test_who_commits_late_is_not_skipped(store: Store) -> None:
    """A first transaction has its position and is not committed; a second one wants to overtake."""
    second = threading.Thread(target=store.record, args=([alert("second")],))
    with store._database.write() as connection:
        position = lock_feed(connection)
        after, _ = record_alerts(connection, [alert("first")], position=position, now=DAY)
        set_feed(connection, after)
        second.start()
        second.join(0.3)
        assert second.is_alive(), "the second waits for the first"
        assert store.alerts.changes(0, 10) == [], "no position is seen before its predecessors"
        assert store.alerts.position() == 0
    second.join(10)
    assert [row.id for row in store.alerts.changes(0, 10)] == ["first", "second"]


def test_a_follower_misses_nothing_of_many_writers(store: Store) -> None:
    def write(writer: int) -> None:
        for number in range(25):
            store.record([alert(f"{writer}-{number}")])

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    seen: list[str] = []
    cursor = 0
    while len(seen) < 100:
        wait_until(lambda at=cursor: store.alerts.position() > at, 30)
        for row in store.alerts.changes(cursor, 7):
            assert row.position == cursor + 1, "no gap that is filled later"
            cursor = row.position
            seen.append(row.id)
    for writer in writers:
        writer.join()
    assert len(set(seen)) == 100


def test_filters(store: Store) -> None:
    store.record([
        alert("a", camera="north", kind="loitering", start_ts=DAY, raised_ts=DAY),
        alert("b", severity="low", start_ts=DAY + 10, raised_ts=DAY + 10),
        alert("c", state="closed", end_ts=DAY + 30, start_ts=DAY + 20, raised_ts=DAY + 20),
    ])  # fmt: skip
    store.alerts.acknowledge("b", "ana")

    def ids(**filters: object) -> str:
        return "".join(a.id for a in store.alerts.find(limit=10, **filters).alerts)  # type: ignore[arg-type]

    assert ids() == "cba"
    assert ids(camera="plaza") == "cb"
    assert ids(camera="north") == ids(kind="loitering") == "a"
    assert ids(state="closed") == "c"
    assert ids(severity="low") == ids(acknowledged=True) == "b"
    assert ids(acknowledged=False) == "ca"
    assert ids(from_ts=DAY + 10) == "cb"
    assert ids(to_ts=DAY + 10) == "a"
    assert ids(from_ts=DAY + 10, to_ts=DAY + 20, camera="plaza", severity="low") == "b"
    assert ids(camera="' OR 1=1 --") == ""


@settings(max_examples=30)
@given(
    starts=st.lists(st.sampled_from([0.0, 0.1, 0.25, 1.5, 1e9 / 3]), min_size=1, max_size=15),
    limit=st.integers(1, 6),
)
def test_pages_neither_repeat_nor_skip(starts: list[float], limit: int) -> None:
    with TemporaryDirectory() as folder, Store.open(sqlite_url(Path(folder))) as store:
        messages = [
            alert(f"a{n:02}", start_ts=start, raised_ts=start) for n, start in enumerate(starts)
        ]
        store.record(messages)
        expected = [m.id for m in sorted(messages, key=lambda m: (-m.start_ts, -int(m.id[1:])))]
        found: list[str] = []
        before = None
        while page := store.alerts.find(limit=limit, before=before).alerts:
            assert len(page) <= limit
            found += [row.id for row in page]
            before = page[-1].start_ts, page[-1].id
            # newer ones that come meanwhile change nothing
            store.record([alert(f"z{len(found)}", start_ts=2e9, raised_ts=2e9)])
        assert found == expected
