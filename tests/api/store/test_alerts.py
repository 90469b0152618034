"""Alerts are kept once, at their newest, and the feed names every change in order."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from api.access import Role
from api.lifecycle import Case
from api.store import Actor, Rights, Store, Wanted
from api.store.alerts import lock_feed, record_alerts, set_feed
from streams.messages import CANARY, SYSTEM_CAMERA, Hops
from tests.api.served import DAY, alert, sqlite_url, wait_until

ANA, BEN = Actor("user", "ana", "1", "10.0.0.9"), Actor("key", "ben", "k")
MANY = 468
"""As many cameras as one city has."""
IDS = st.sampled_from("abc")
STATEMENTS = st.lists(st.tuples(IDS, st.integers(1, 4)), max_size=12)


def test_an_alert_is_read_as_it_was_stated(store: Store) -> None:
    more = {"detected_ts": DAY + 2.5, "severity": "critical"}
    message = alert(
        "x", end_ts=DAY + 9.125, state="closed", track_ids=(3, 4), synthetic=True, **more
    )
    hops = {message.key: Hops(spooled_ts=DAY + 3, published_ts=DAY + 4)}
    assert store.record([message], hops).created == {"x"}
    stored = store.alerts.get("x", only=None)
    assert stored is not None
    left_out = {"schema_version", "type", "detected_ts"}
    for name, value in message.model_dump(exclude=left_out).items():
        got = getattr(stored, name)
        assert (tuple(got) if name == "track_ids" else got) == value, name
    assert stored.stored_at == stored.updated_at > DAY
    assert stored.case == Case()
    passed = stored.detected_at, stored.spooled_at, stored.published_at, stored.delivered_at
    assert passed == (DAY + 2.5, DAY + 3, DAY + 4, None)
    assert store.alerts.get("y", only=None) is None


def test_nothing_is_nothing(store: Store) -> None:
    recorded = store.record([])
    assert (recorded.created, recorded.alerts_changed) == (frozenset(), False)


def test_only_a_newer_version_changes_an_alert(store: Store) -> None:
    store.record([alert(version=2, place="two")])
    for message in (alert(version=2, place="again"), alert(version=1, place="one")):
        recorded = store.record([message])
        assert (recorded.created, recorded.alerts_changed) == (frozenset(), False)
    stored = store.alerts.get("a", only=None)
    assert stored is not None
    assert (stored.place, stored.position) == ("two", 1)
    assert store.record([alert(version=3, place="three")]).alerts_changed
    stored = store.alerts.get("a", only=None)
    assert stored is not None
    assert (stored.place, stored.position) == ("three", 2)


def test_an_update_keeps_who_acknowledged(store: Store) -> None:
    store.record([alert()])
    assert store.cases.acknowledge(["a"], ANA, only=None).acknowledged == ["a"]
    first = store.alerts.get("a", only=None)
    assert first is not None
    assert (first.acknowledged_by, first.position) == ("ana", 2)
    assert store.cases.acknowledge(["a"], BEN, only=None).already == ["a"]
    assert store.alerts.get("a", only=None) == first, "the first one stays"
    assert store.alerts.position() == 2
    store.record([alert(version=2)])
    stored = store.alerts.get("a", only=None)
    assert stored is not None
    assert (stored.acknowledged_by, stored.acknowledged_at) == ("ana", first.acknowledged_at)
    assert store.cases.acknowledge(["none"], ANA, only=None).unknown == ["none"]


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
            limit = steps[number] if number < len(steps) else 0
            changes = store.alerts.changes(cursor, limit, only=None)
            for row in changes.alerts:
                assert cursor < row.position <= changes.position
                seen[row.id] = row.version
            cursor = changes.position
        for row in store.alerts.changes(cursor, 100, only=None).alerts:
            seen[row.id] = row.version
        expected = {alert_id: version for alert_id, version in newest.items() if version}
        assert sorted(created) == sorted(expected), "each is new once"
        assert seen == expected, "whoever follows the feed knows all"
        stored = store.alerts.find(only=None, limit=100).alerts
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
        assert store.alerts.changes(0, 10, only=None) == ([], 0), (
            "no position is seen before its predecessors"
        )
        assert store.alerts.position() == 0
    second.join(10)
    assert [row.id for row in store.alerts.changes(0, 10, only=None).alerts] == ["first", "second"]


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
        for row in store.alerts.changes(cursor, 7, only=None).alerts:
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
    store.cases.acknowledge(["b"], ANA, only=None)

    def ids(**filters: object) -> str:
        found = store.alerts.find(**({"only": None, "limit": 10} | filters))  # type: ignore[arg-type]
        return "".join(a.id for a in found.alerts)

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
    assert ids(only=frozenset({"north"})) == "a"
    assert ids(only=frozenset({"north", "plaza"}), camera="plaza") == "cb"
    assert ids(only=frozenset({"north"}), camera="plaza") == ids(only=frozenset()) == ""


def test_filters_of_what_people_did(store: Store) -> None:
    store.record([alert(name) for name in "abcd"])
    store.cases.acknowledge(["b"], ANA, only=None)
    store.people.add("jaga", Rights(Role.OPERATOR, every_camera=True), ANA)
    store.cases.assign("c", "jaga", ANA, edit=0, only=None)
    store.cases.merge("d", "a", ANA, edit=0, only=None)

    def ids(**filters: object) -> str:
        found = store.alerts.find(**({"only": None, "limit": 10} | filters))  # type: ignore[arg-type]
        return "".join(sorted(a.id for a in found.alerts))

    assert ids(status="new") == ids(acknowledged=False) == "a"
    assert ids(status="acknowledged") == "b"
    assert ids(status="assigned") == ids(assigned_to="jaga") == "c"
    assert ids(status="resolved") == ids(merged=True) == "d"
    assert ids(merged=False) == "abc"
    assert ids(assigned_to="JAGA") == ids(status="assigned", merged=True) == ""


def test_canaries_are_shown_to_whoever_asks_for_them_alone(store: Store) -> None:
    bird = {"kind": CANARY, "camera": SYSTEM_CAMERA}
    store.record([alert("a"), alert("canary:w", 7, **bird), alert("b"), alert("canary:v", **bird)])
    assert {a.id for a in store.alerts.find(only=None, limit=9).alerts} == {"a", "b"}
    found = store.alerts.find(only=None, kind=CANARY, limit=9).alerts
    assert {a.id for a in found} == {"canary:w", "canary:v"}
    changes = store.alerts.changes(0, 9, only=None)
    assert [a.id for a in changes.alerts] == ["a", "b"]
    assert changes.position == 4, "whoever follows goes past them"
    assert store.alerts.changes(3, 9, only=None) == ([], 4)
    assert store.alerts.find(only=frozenset({"plaza"}), kind=CANARY, limit=9).alerts == []


def test_what_one_is_a_part_of_is_told_to_whoever_sees_both(store: Store) -> None:
    store.record([alert("a", camera="plaza"), alert("b", camera="road")])
    store.cases.merge("a", "b", ANA, edit=0, only=None)
    for only, told in ((None, "b"), ({"plaza", "road"}, "b"), ({"plaza"}, None)):
        own = None if only is None else frozenset(only)
        got = store.alerts.get("a", only=own)
        (found,) = [a for a in store.alerts.find(only=own, limit=9).alerts if a.id == "a"]
        (changed,) = [a for a in store.alerts.changes(0, 9, only=own).alerts if a.id == "a"]
        assert got == found == changed
        assert got is not None
        assert (got.status, got.merged_into) == ("resolved", told)


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
        while page := store.alerts.find(only=None, limit=limit, before=before).alerts:
            assert len(page) <= limit
            found += [row.id for row in page]
            before = page[-1].start_ts, page[-1].id
            # newer ones that come meanwhile change nothing
            store.record([alert(f"z{len(found)}", start_ts=2e9, raised_ts=2e9)])
        assert found == expected


# --- of some cameras only


def test_alerts_of_other_cameras_do_not_exist(store: Store) -> None:
    store.record([alert("mine", camera="plaza"), alert("other", camera="road")])
    own = frozenset({"plaza", "gate"})
    assert store.alerts.get("other", only=own) is None
    assert store.cases.acknowledge(["other"], ANA, only=own).unknown == ["other"]
    assert store.alerts.get("mine", only=frozenset()) is None
    other = store.alerts.get("other", only=None)
    assert other is not None
    assert other.acknowledged_at is None
    assert store.alerts.position() == 2
    store.cases.acknowledge(["mine"], ANA, only=own)
    found = store.alerts.get("mine", only=own)
    assert found is not None
    assert found.acknowledged_by == "ana"


def test_who_acknowledged_is_in_the_record_once(store: Store) -> None:
    store.record([alert("a")])
    for by in (ANA, BEN):
        store.cases.acknowledge(["a"], by, only=None)
    store.cases.acknowledge(["none"], ANA, only=None)
    (entry,) = store.audit.find(Wanted(action="alert"), limit=10).entries
    assert (entry.action, entry.object_kind, entry.object) == ("alert.acknowledged", "alert", "a")
    assert (entry.actor_kind, entry.actor, entry.actor_id, entry.address) == (
        "user", "ana", "1", "10.0.0.9",
    )  # fmt: skip
    assert entry.before == {"status": "new"}
    assert entry.after == {"status": "acknowledged", "camera": "plaza", "kind": "intrusion"}


def test_an_id_of_another_camera_is_neither_changed_nor_read(store: Store) -> None:
    store.record([alert("x", camera="road", version=2)])
    before = store.alerts.get("x", only=None)
    own = frozenset({"plaza", "gate"})
    assert store.alerts.state(alert("x", version=9, camera="plaza"), only=own) is None
    assert store.alerts.state(alert("x", version=1, camera="plaza"), only=own) is None
    assert store.alerts.state(alert("x", version=9, camera="road"), only=own) is None
    assert store.alerts.state(alert("new", camera="road"), only=own) is None
    assert store.alerts.get("x", only=None) == before
    assert store.alerts.get("new", only=None) is None
    assert store.alerts.position() == 1


def test_stated_is_what_is_stored(store: Store) -> None:
    own = frozenset({"plaza", "gate"})
    first = store.alerts.state(alert("x"), only=own)
    assert first is not None
    assert (first.created, first.changed, first.alert.position) == (True, True, 1)
    again = store.alerts.state(alert("x", place="elsewhere"), only=own)
    assert again is not None
    assert again == (first.alert, False, False)
    moved = store.alerts.state(alert("x", version=2, camera="gate"), only=own)
    assert moved is not None
    assert (moved.created, moved.changed, moved.alert.camera) == (False, True, "gate")
    back = store.alerts.state(alert("x", version=3, camera="road"), only=None)
    assert back is not None
    assert back.alert.camera == "road"


def test_the_feed_of_some_cameras_goes_past_the_others(store: Store) -> None:
    cameras = ("plaza", "road", "road", "road", "plaza", "road")
    store.record([alert(f"a{n}", camera=camera) for n, camera in enumerate(cameras)])
    own = frozenset({"plaza"})
    first = store.alerts.changes(0, 1, only=own)
    assert [row.id for row in first.alerts] == ["a0"]
    assert first.position == 1, "more of them may follow"
    rest = store.alerts.changes(first.position, 2, only=own)
    assert [row.id for row in rest.alerts] == ["a4"]
    assert rest.position == 6, "all that came after is of other cameras"
    assert store.alerts.changes(6, 2, only=own) == ([], 6)
    assert store.alerts.changes(0, 9, only=frozenset()) == ([], 6)
    assert store.alerts.changes(99, 9, only=own) == ([], 99)


def test_pages_of_many_cameras_neither_repeat_nor_skip(store: Store) -> None:
    """Every second camera of a whole city is seen."""
    store.record([
        alert(f"a{n:03}", camera=f"c{n}", start_ts=DAY + n // 7, raised_ts=DAY + n // 7)
        for n in range(2 * MANY)
    ])  # fmt: skip
    own = frozenset(f"c{n}" for n in range(0, 2 * MANY, 2))
    assert len(own) == MANY
    found: list[str] = []
    before = None
    while True:
        page = store.alerts.find(only=own, limit=50, before=before)
        found += [row.id for row in page.alerts]
        if not page.more:
            break
        before = page.alerts[-1].start_ts, page.alerts[-1].id
    assert found == [
        f"a{n:03}" for n in sorted(range(0, 2 * MANY, 2), key=lambda n: (-(n // 7), -n))
    ]
    changes: list[str] = []
    cursor = 0
    while cursor < 2 * MANY:
        some = store.alerts.changes(cursor, 100, only=own)
        assert some.position > cursor
        changes += [row.id for row in some.alerts]
        cursor = some.position
    assert changes == [f"a{n:03}" for n in range(0, 2 * MANY, 2)]
    assert cursor == 2 * MANY
