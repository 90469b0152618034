"""What people do about alerts is kept with who did it, once, and of own cameras alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from api.access import Role
from api.lifecycle import Case, ConflictError, IntoMergedError, ResolvedError
from api.store import Actor, Entry, Store, StoredAlert
from api.store.cases import (
    MAX_BULK,
    AssigneeError,
    ByHand,
    NoTargetError,
    OpeningError,
)
from streams.messages import CANARY, SYSTEM_CAMERA
from tests.api.served import DAY, TESTER, add_user, alert, report
from vision.errors import HandlingError

ROOM, JAGA = Actor("user", "room1", "1", "10.0.0.9"), Actor("user", "jaga", "2")
PLAZA = frozenset({"plaza"})


def must(found: StoredAlert | None) -> StoredAlert:
    assert found is not None
    return found


def got(store: Store, alert_id: str = "a") -> StoredAlert:
    return must(store.alerts.get(alert_id, only=None))


def history(store: Store, alert_id: str = "a", **more: Any) -> list[Entry]:
    found = store.cases.history(alert_id, **({"only": None} | more))
    assert found is not None
    return found


def test_a_whole_life(store: Store) -> None:
    add_user(store, "petugas", Role.OPERATOR, cameras=["plaza"])
    store.record([alert("a"), alert("b")])
    assert store.cases.acknowledge(["a"], ROOM, only=None) == (["a"], [], [])
    store.cases.assign("a", "Petugas", ROOM, edit=1, only=None)
    done = must(store.cases.resolve("a", "false", "a drill", JAGA, edit=2, only=None))
    assert (done.status, done.edit, done.outcome, done.note) == ("resolved", 3, "false", "a drill")
    assert (done.assigned_to, done.acknowledged_by) == ("petugas", "room1")
    assert (done.state, done.version) == ("open", 1), "that is for its rule to say"
    again = must(store.cases.reopen("a", "it was none", ROOM, edit=3, only=None))
    assert (again.status, again.outcome, again.resolved_at) == ("assigned", None, None)
    part = must(store.cases.merge("a", "b", ROOM, edit=4, only=None))
    assert (part.status, part.merged_into, part.outcome, part.edit) == ("resolved", "b", None, 5)
    assert part.position == store.alerts.position() == 7
    assert [(e.actor, e.action, e.before) for e in history(store)] == [
        ("room1", "alert.acknowledged", {"status": "new"}),
        ("room1", "alert.assigned", {"status": "acknowledged", "assigned_to": None}),
        ("jaga", "alert.resolved", {"status": "assigned", "outcome": None, "note": None}),
        ("room1", "alert.reopened", {"status": "resolved", "outcome": "false", "note": "a drill"}),
        ("room1", "alert.merged", {
            "status": "assigned", "note": "it was none", "merged_into": None,
        }),
    ]  # fmt: skip
    assert history(store)[2].after == {
        "status": "resolved", "outcome": "false", "note": "a drill",
        "camera": "plaza", "kind": "intrusion",
    }  # fmt: skip
    assert history(store)[0].address == "10.0.0.9"
    assert history(store, "b") == []


def test_rules_and_people_leave_each_other_alone(store: Store) -> None:
    store.record([alert("a")])
    store.cases.resolve("a", "true", "", ROOM, edit=0, only=None)
    case = got(store).case
    store.record([alert("a", 2, severity="critical")])
    store.record([alert("a", 3, state="closed", end_ts=DAY + 9)])
    assert got(store).case == case
    assert (got(store).version, got(store).state) == (3, "closed")
    store.cases.reopen("a", "", JAGA, edit=1, only=None)
    assert (got(store).version, got(store).state, got(store).end_ts) == (3, "closed", DAY + 9)


def test_of_two_at_once_one_hears_of_the_other(store: Store) -> None:
    """Both looked at the same; the store gives them turns."""
    store.record([alert("a")])
    ready = threading.Barrier(2)
    said: dict[str, str] = {}

    def resolve(by: Actor) -> None:
        ready.wait(20)
        try:
            store.cases.resolve("a", "true", by.name, by, edit=0, only=None)
        except ConflictError as error:
            said[by.name] = str(error)

    both = [threading.Thread(target=resolve, args=(by,)) for by in (ROOM, JAGA)]
    for each in both:
        each.start()
    for each in both:
        each.join(20)
    ((loser, words),) = said.items()
    winner = "jaga" if loser == "room1" else "room1"
    assert words.startswith(f"{winner} resolved it, and the alert is at edit 1, not 0")
    assert (got(store).resolved_by, got(store).note, got(store).edit) == (winner, winner, 1)
    assert [entry.actor for entry in history(store)] == [winner]


Change = Callable[[Store], object]
REFUSED: list[tuple[str, Change, type[HandlingError]]] = [
    ("stale", lambda s: s.cases.resolve("a", "true", "", ROOM, edit=0, only=None), ConflictError),
    ("ahead", lambda s: s.cases.reopen("a", "", ROOM, edit=2, only=None), ConflictError),
    ("resolved", lambda s: s.cases.resolve("a", "true", "", ROOM, edit=1, only=None),
     ResolvedError),
    ("into a part", lambda s: s.cases.merge("c", "b", ROOM, edit=0, only=None), IntoMergedError),
    ("into none", lambda s: s.cases.merge("c", "none", ROOM, edit=0, only=None), NoTargetError),
    ("into another's", lambda s: s.cases.merge("c", "road", ROOM, edit=0, only=PLAZA),
     NoTargetError),
    ("to none", lambda s: s.cases.assign("c", "nobody", ROOM, edit=0, only=None), AssigneeError),
    ("to no name", lambda s: s.cases.assign("c", " \t", ROOM, edit=0, only=None), AssigneeError),
    ("to a viewer", lambda s: s.cases.assign("c", "viewer", ROOM, edit=0, only=None),
     AssigneeError),
    ("to one elsewhere", lambda s: s.cases.assign("c", "elsewhere", ROOM, edit=0, only=None),
     AssigneeError),
    ("to one who left", lambda s: s.cases.assign("c", "former", ROOM, edit=0, only=None),
     AssigneeError),
    ("too many", lambda s: s.cases.acknowledge(["c"] * (MAX_BULK + 1), ROOM, only=None),
     HandlingError),
    ("a canary", lambda s: s.cases.open(ByHand(CANARY, "plaza", "low"), ROOM, only=None),
     OpeningError),
    ("tomorrow", lambda s: s.cases.open(
        ByHand("crowd", "plaza", "low", start_ts=4e9), ROOM, only=None), OpeningError),
]  # fmt: skip


@pytest.mark.parametrize(("change", "error"), [row[1:] for row in REFUSED], ids=lambda _: "")
def test_what_is_refused_changes_nothing(
    store: Store, change: Change, error: type[HandlingError]
) -> None:
    add_user(store, "viewer", Role.VIEWER)
    add_user(store, "elsewhere", Role.OPERATOR, cameras=["road"])
    store.people.set_disabled(add_user(store, "former", Role.OPERATOR), TESTER, disabled=True)
    store.cameras.save(report(DAY, "plaza"))
    store.record([alert("a"), alert("b"), alert("c"), alert("road", camera="road")])
    store.cases.resolve("a", "true", "", ROOM, edit=0, only=None)
    store.cases.merge("b", "c", ROOM, edit=0, only=None)
    before = store.alerts.find(only=None, limit=9), store.alerts.position()
    with pytest.raises(error) as refused:
        change(store)
    said = str(refused.value)
    assert ": " in said
    assert "\n" not in said
    assert (store.alerts.find(only=None, limit=9), store.alerts.position()) == before
    assert [len(history(store, name)) for name in ("a", "b", "c")] == [1, 1, 0]


def test_alerts_of_other_cameras_do_not_exist(store: Store) -> None:
    add_user(store, "jaga", Role.OPERATOR)
    store.record([alert("a"), alert("x", camera="road")])
    cases = store.cases
    assert cases.assign("x", "jaga", ROOM, edit=0, only=PLAZA) is None
    assert cases.resolve("x", "true", "", ROOM, edit=7, only=PLAZA) is None
    assert cases.reopen("x", "", ROOM, edit=0, only=PLAZA) is None
    assert cases.merge("x", "a", ROOM, edit=0, only=PLAZA) is None
    assert cases.history("x", only=PLAZA) is None
    assert cases.acknowledge(["x", "a", "y"], ROOM, only=PLAZA) == (["a"], [], ["x", "y"])
    assert got(store, "x").case == Case()
    assert cases.history("y", only=None) is None


def test_many_at_once(store: Store) -> None:
    names = [f"a{n:03}" for n in range(MAX_BULK)]
    store.record([alert(name) for name in names])
    store.cases.acknowledge(["a007"], JAGA, only=None)
    done = store.cases.acknowledge(names, ROOM, only=None)
    assert done == ([name for name in names if name != "a007"], ["a007"], [])
    assert got(store, "a007").acknowledged_by == "jaga"
    changes = store.alerts.changes(MAX_BULK + 1, MAX_BULK, only=None)
    assert [each.id for each in changes.alerts] == done.acknowledged, "whoever follows hears of it"
    assert store.cases.acknowledge(names, ROOM, only=None) == ([], names, [])
    assert store.cases.acknowledge(["a000"] * 2, ROOM, only=None) == ([], ["a000"], [])
    assert store.alerts.position() == 2 * MAX_BULK


def test_merging_leaves_no_chain_behind(store: Store) -> None:
    """Also where a part is of a camera that whoever merges does not see."""
    store.record([alert("a", camera="road"), alert("b"), alert("c"), alert("d", camera="gate")])
    store.cases.merge("a", "b", ROOM, edit=0, only=None)
    store.cases.merge("b", "c", JAGA, edit=0, only=PLAZA)
    assert (got(store, "a").merged_into, got(store, "a").edit) == ("c", 2)
    assert got(store, "b").merged_into == "c"
    with pytest.raises(ConflictError, match="jaga merged it"):
        store.cases.reopen("a", "", ROOM, edit=1, only=None)
    alone = must(store.cases.reopen("a", "", ROOM, edit=2, only=None))
    assert (alone.merged_into, alone.status) == (None, "acknowledged")
    assert got(store, "b").merged_into == "c", "the others stay where they are"
    # what is told of a foreign alert is that there is none
    store.cases.merge("c", "d", ROOM, edit=0, only=None)
    assert [e.after and e.after["merged_into"] for e in history(store, "b")] == ["c", "d"]
    told = [
        (e.before and e.before["merged_into"], e.after and e.after["merged_into"])
        for e in history(store, "b", only=PLAZA)
    ]
    assert told == [(None, "c"), ("c", None)]
    assert must(store.alerts.get("b", only=PLAZA)).merged_into is None
    # whoever does not see the target writes it back as it is
    assert must(store.cases.reopen("b", "", ROOM, edit=2, only=PLAZA)).merged_into is None
    assert got(store, "c").merged_into == "d"


def test_opened_by_hand(store: Store) -> None:
    store.cameras.save(report(DAY, "plaza"))
    seen = ByHand("smoke_fire", "plaza", "critical", start_ts=DAY, note="smoke", place="roof")
    opened = must(store.cases.open(seen, ROOM, only=PLAZA))
    assert opened.id.startswith("hand-")
    assert (opened.rule, opened.opened_by, opened.state, opened.version) == (
        "by hand", "room1", "open", 1,
    )  # fmt: skip
    assert (opened.start_ts, opened.details, opened.place) == (DAY, {"why": "smoke"}, "roof")
    assert (opened.status, opened.edit, opened.severity) == ("new", 0, "critical")
    assert opened == got(store, opened.id)
    other = must(store.cases.open(seen, ROOM, only=None))
    assert other.id != opened.id
    over = must(store.cases.resolve(opened.id, "true", "", JAGA, edit=0, only=None))
    assert (over.state, over.version, over.end_ts) == ("closed", 2, over.resolved_at)
    lasts = must(store.cases.reopen(opened.id, "", JAGA, edit=1, only=None))
    assert (lasts.state, lasts.version, lasts.end_ts) == ("open", 3, None)
    part = must(store.cases.merge(opened.id, other.id, JAGA, edit=2, only=None))
    assert (part.state, part.version) == ("closed", 4)
    assert [entry.action for entry in history(store, opened.id)] == [
        "alert.opened", "alert.resolved", "alert.reopened", "alert.merged",
    ]  # fmt: skip


@pytest.mark.parametrize("camera", ["road", "none", SYSTEM_CAMERA])
def test_nothing_is_opened_for_a_camera_that_is_none(store: Store, camera: str) -> None:
    store.cameras.save(report(DAY, "plaza", "road"))
    seen = ByHand("crowd", camera, "low")
    assert store.cases.open(seen, ROOM, only=PLAZA) is None
    assert (store.cases.open(seen, ROOM, only=None) is None) == (camera != "road")
    assert store.alerts.position() == (camera == "road")
