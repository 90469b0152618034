"""What people closed alerts as, counted by the database as one counts by hand."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from sqlalchemy import create_engine, event, text

from api.learning import Judged, Span, worst_first
from api.store import Store
from api.store import precision as counting
from api.store.cases import ByHand
from streams.messages import CANARY, SYSTEM_CAMERA
from tests.api.served import DAY, TESTER, alert, report

LOOKED = Span(DAY, DAY + 1000)
CAMERAS = ("plaza", "gate", "quay")
KINDS = ("intrusion", "crowd")
SEED = 20_270_131


def close(store: Store, alert_id: str, outcome: str) -> None:
    done = store.cases.resolve(
        alert_id, "true" if outcome == "true" else "false", "", TESTER, edit=0, only=None
    )
    assert done is not None


def only_row(store: Store, looked: Span = LOOKED) -> tuple[int, int, int]:
    (row,) = store.precision.find(looked, only=None).rows
    return row.alerts, row.true_alarms, row.false_alarms


def test_it_counts_as_one_counts_by_hand(store: Store) -> None:
    chance = random.Random(SEED)
    alerts: Counter[tuple[str, str, str]] = Counter()
    closed: Counter[tuple[str, str, str, str]] = Counter()
    made = []
    for n in range(150):
        camera, kind = chance.choice(CAMERAS), chance.choice(KINDS)
        raised = DAY + chance.randrange(-200, 1200)
        group = camera, kind, f"{kind}@{chance.choice('ab')}"
        outcome = chance.choice(["true", "false", "", "merged", "reopened"])
        made.append((f"a{n}", outcome))
        store.record([
            alert(
                f"a{n}", camera=camera, kind=kind, rule=group[2], start_ts=raised - 5,
                raised_ts=raised,
            )
        ])  # fmt: skip
        if LOOKED.from_ts <= raised < LOOKED.to_ts and outcome != "merged":
            alerts[group] += 1
            closed[*group, outcome] += 1
    store.record([alert("target", start_ts=DAY - 9, raised_ts=DAY - 9)])
    for name, outcome in made:
        if outcome in {"true", "false", "reopened"}:
            close(store, name, outcome)
        if outcome == "reopened":
            store.cases.reopen(name, "", TESTER, edit=1, only=None)
        if outcome == "merged":
            store.cases.merge(name, "target", TESTER, edit=0, only=None)
    wanted = [
        Judged(*group, count, closed[*group, "true"], closed[*group, "false"])
        for group, count in alerts.items()
    ]
    assert store.precision.find(LOOKED, only=None) == (worst_first(wanted), 0)
    for only in (frozenset[str](), frozenset({"gate"}), frozenset({"gate", "quay", "other"})):
        mine = [row for row in wanted if row.camera in only]
        assert store.precision.find(LOOKED, only=only).rows == worst_first(mine)
    crowds = [row for row in wanted if (row.camera, row.kind) == ("quay", "crowd")]
    found = store.precision.find(LOOKED, only=None, camera="quay", kind="crowd")
    assert found.rows == worst_first(crowds)
    assert store.precision.find(LOOKED, only=frozenset({"gate"}), camera="quay").rows == []


def test_what_tells_of_no_work_of_a_rule_is_not_counted(store: Store) -> None:
    store.cameras.save(report(DAY, "plaza"))
    store.record([
        alert("real"),
        alert("part", rule="other"),
        alert("made", synthetic=True),
        alert("own", camera=SYSTEM_CAMERA, kind="dead_letter"),
        alert("canary:w", kind=CANARY),
    ])  # fmt: skip
    store.cases.merge("part", "real", TESTER, edit=0, only=None)
    hand = store.cases.open(ByHand("crowd", "plaza", "low", start_ts=DAY), TESTER, only=None)
    assert hand is not None
    assert only_row(store, Span(0, 4e9)) == (1, 0, 0)
    # what is on its own again is counted again
    store.cases.reopen("part", "", TESTER, edit=1, only=None)
    assert len(store.precision.find(LOOKED, only=None).rows) == 2


def test_what_is_opened_again_is_not_judged_any_more(store: Store) -> None:
    store.record([alert("a"), alert("b")])
    close(store, "a", "true")
    close(store, "b", "false")
    assert only_row(store) == (2, 1, 1)
    store.cases.reopen("a", "", TESTER, edit=1, only=None)
    assert only_row(store) == (2, 0, 1)
    # a rule that says more of it takes no judgement away
    store.record([alert("b", 2, state="closed", end_ts=DAY + 9)])
    assert only_row(store) == (2, 0, 1)


def test_the_span_is_of_when_they_were_raised(store: Store) -> None:
    store.record([alert("a", start_ts=DAY - 50, raised_ts=DAY)])
    assert only_row(store, Span(DAY, DAY + 1)) == (1, 0, 0)
    assert store.precision.find(Span(DAY - 60, DAY), only=None) == ([], 0)


def test_of_too_many_those_with_the_most_alerts_come(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MAX_ROWS", 2)
    rules = ["one", "two", "two", "three", "three", "three"]
    store.record([alert(f"a{n}", rule=rule) for n, rule in enumerate(rules)])
    close(store, "a0", "false")
    found = store.precision.find(LOOKED, only=None)
    assert ([row.rule for row in found.rows], found.left_out) == (["three", "two"], 1)


def test_the_database_looks_only_at_what_was_raised_then(url: str, store: Store) -> None:
    """By the index of when they were raised, and not at every alert that there ever was."""
    if not url.startswith("sqlite"):
        pytest.skip("what PostgreSQL does depends on how many there are")
    asked: list[str] = []
    engine = store.precision._database._engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    store.precision.find(LOOKED, only=None)
    (query,) = [each for each in asked if "GROUP BY" in each]
    plain = create_engine(url)
    with plain.connect() as connection:
        explained = f"EXPLAIN QUERY PLAN {query}".replace("?", "1")
        plan = " ".join(str(row) for row in connection.execute(text(explained)))
    plain.dispose()
    assert "ix_alerts_raised" in plan


def test_the_closed_alerts_of_a_rule_the_newest_of_each_kind(store: Store) -> None:
    for n in range(60):
        store.record([
            alert(f"a{n:02}", start_ts=DAY + n, raised_ts=DAY + n, track_ids=tuple(range(300)))
        ])  # fmt: skip
        close(store, f"a{n:02}", "true" if n < 3 else "false")
    store.record([alert("open"), alert("other", rule="else"), alert("there", camera="gate")])
    for name in ("other", "there"):
        close(store, name, "false")
    rows, left_out = store.precision.closings(LOOKED, "plaza", "intrusion@lawn")
    assert [each.alert for each in rows] == [
        "a02", "a01", "a00", *(f"a{n:02}" for n in range(59, 12, -1)),
    ]  # fmt: skip
    assert (left_out, [each.true_alarm for each in rows].count(True)) == (10, 3)
    first = rows[0]
    assert (first.start_ts, first.raised_ts, first.end_ts) == (DAY + 2, DAY + 2, None)
    assert first.track_ids == tuple(range(100, 300))
    assert store.precision.closings(Span(0, DAY), "plaza", "intrusion@lawn") == ([], 0)
    assert store.precision.closings(LOOKED, "plaza", "nothing").rows == []
