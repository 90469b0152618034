"""What a shift hands over: of own cameras, the worst first, with what is left out counted."""

from __future__ import annotations

from typing import Any

import pytest

from api.learning import Span
from api.store import Store, handovers
from api.store.handovers import MAX_TEXT_CHARS, HandedOver, Numbers, Outage
from streams.messages import CANARY, SYSTEM_CAMERA
from tests.api.served import DAY, TESTER, alert

HOUR_S = 3600.0
SHIFT = Span(DAY, DAY + 8 * HOUR_S)
NOW = DAY + 8 * HOUR_S + 60


@pytest.fixture
def clock() -> list[float]:
    return [NOW - 600]


@pytest.fixture
def kept(url: str, clock: list[float]) -> Any:
    with Store.open(url, clock=lambda: clock[0]) as store:
        yield store


def state(
    store: Store, name: str, start_s: float = 0, end_s: float | None = None, **more: Any
) -> None:
    """An alert that began so many seconds into the shift."""
    start = DAY + start_s
    over = {} if end_s is None else {"state": "closed", "end_ts": DAY + end_s}
    store.record([alert(name, start_ts=start, raised_ts=start, **over, **more)])


def read(store: Store, *cameras: str, now: float = NOW) -> HandedOver:
    return store.handovers.read(SHIFT, now=now, only=frozenset(cameras) if cameras else None)


def test_nothing_is_handed_over_of_nothing(kept: Store) -> None:
    found = read(kept)
    assert list(found.numbers) == ["critical", "high", "medium", "low"]
    assert set(found.numbers.values()) == {Numbers()}
    assert (found.left.rows, found.closed.rows, found.own.rows, found.outages) == ([], [], [], [])


def test_what_is_left_comes_worst_first_then_newest(kept: Store) -> None:
    state(kept, "low", 50, severity="low")
    state(kept, "old", -90 * 86_400, severity="critical")
    state(kept, "late", 20, 30, severity="critical")
    state(kept, "seen", 10, severity="medium")
    state(kept, "given", 11, severity="medium")
    state(kept, "done", 12, severity="critical")
    state(kept, "canary", kind=CANARY)
    kept.cases.acknowledge(["seen"], TESTER, only=None)
    kept.cases.resolve("done", "true", "", TESTER, edit=0, only=None)
    found = read(kept)
    assert [each.id for each in found.left.rows] == ["late", "old", "given", "seen", "low"]
    assert found.left.left_out == 0
    late, _old, given, seen, _low = found.left.rows
    assert (late.state, late.end_ts, late.why, late.status) == (
        "closed", DAY + 30, "on the lawn", "new"
    )  # fmt: skip
    assert (seen.status, seen.acknowledged_by) == ("acknowledged", "tests")
    assert (given.status, given.acknowledged_by) == ("new", None)


def test_what_was_closed_in_the_time(kept: Store, clock: list[float]) -> None:
    for name in ("true", "false", "part", "before", "after", "again"):
        state(kept, name, severity="low")
    clock[0] = SHIFT.from_ts
    kept.cases.resolve("true", "true", "really", TESTER, edit=0, only=None)
    clock[0] = SHIFT.to_ts - 1
    kept.cases.resolve("false", "false", "a dog", TESTER, edit=0, only=None)
    kept.cases.merge("part", "true", TESTER, edit=0, only=None)
    kept.cases.resolve("again", "false", "", TESTER, edit=0, only=None)
    kept.cases.reopen("again", "a second one", TESTER, edit=1, only=None)
    clock[0] = SHIFT.from_ts - 1
    kept.cases.resolve("before", "true", "", TESTER, edit=0, only=None)
    clock[0] = SHIFT.to_ts
    kept.cases.resolve("after", "true", "", TESTER, edit=0, only=None)
    found = read(kept)
    assert [(each.id, each.outcome, each.note) for each in found.closed.rows] == [
        ("false", "false", "a dog"), ("part", None, ""), ("true", "true", "really"),
    ]  # fmt: skip
    assert found.closed.rows[0].resolved_by == "tests"
    assert found.numbers["low"] == Numbers(came=6, true=1, false=1, part=1, left=1)
    assert [(each.id, each.note) for each in found.left.rows] == [("again", "a second one")]


def test_numbers_are_of_what_came_in_the_time(kept: Store) -> None:
    for name, at in (("a", -1), ("b", 0), ("c", 8 * HOUR_S - 1), ("d", 8 * HOUR_S)):
        state(kept, name, at, severity="critical")
    assert read(kept).numbers["critical"] == Numbers(came=2, left=4)


def test_cameras_that_were_down(kept: Store) -> None:
    down: dict[str, Any] = {"kind": "camera_down"}
    state(kept, "before", -7200, -10, camera="gate", **down)
    state(kept, "across", -100, 50, camera="gate", **down)
    state(kept, "within", 1000, 1060, camera="gate", **down)
    state(kept, "still", 8 * HOUR_S - 30, camera="quay", **down)
    state(kept, "long", -90 * 86_400, camera="road", **down)
    state(kept, "later", 8 * HOUR_S, camera="pier", **down)
    state(kept, "other", 5, camera="pier")
    assert read(kept).outages == [
        Outage("road", 1, 8 * HOUR_S), Outage("gate", 2, 110.0), Outage("quay", 1, 30.0),
    ]  # fmt: skip
    # a shift that goes on is not over yet
    assert read(kept, "road", now=DAY + 60).outages == [Outage("road", 1, 60.0)]


def test_what_the_program_said_of_itself(kept: Store) -> None:
    own: dict[str, Any] = {"camera": SYSTEM_CAMERA, "kind": "chain_broken"}
    state(kept, "over", -7200, -10, **own)
    state(kept, "across", -100, 50, **own)
    state(kept, "on", 60, **own)
    assert [each.id for each in read(kept).own.rows] == ["on", "across"]


def test_only_of_own_cameras(kept: Store) -> None:
    for camera in ("gate", "plaza", SYSTEM_CAMERA):
        state(kept, f"left-{camera}", camera=camera)
        state(kept, f"closed-{camera}", camera=camera)
        state(kept, f"down-{camera}", camera=camera, kind="camera_down")
        kept.cases.resolve(f"closed-{camera}", "true", "", TESTER, edit=0, only=None)
    found = read(kept, "plaza")
    shown = [*found.left.rows, *found.closed.rows, *found.own.rows, *found.outages]
    assert {each.camera for each in shown} == {"plaza"}
    assert found.numbers["high"] == Numbers(came=3, true=1, left=2)
    nobody = kept.handovers.read(SHIFT, now=NOW, only=frozenset())
    assert (nobody.left.rows, nobody.numbers["high"]) == ([], Numbers())


def test_of_too_many_the_number_is_told(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handovers, "MAX_ROWS", 2)
    for n in range(5):
        state(kept, f"a{n}", n)
    found = read(kept).left
    assert ([each.id for each in found.rows], found.left_out) == (["a4", "a3"], 3)


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"why": "x" * 10_000}, "x" * MAX_TEXT_CHARS),
        ({"why": " two\n lines "}, "two lines"),
        ({"why": 5}, "5"),
        ({"why": None}, ""),
        ({}, ""),
    ],
)
def test_a_reason_is_short_and_one_line(kept: Store, details: dict[str, Any], said: str) -> None:
    state(kept, "a", details=details)
    assert read(kept).left.rows[0].why == said
