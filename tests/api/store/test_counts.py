"""Counts are replaced as a whole, summed without mixing, and a gap stays a gap."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.store import CountRow, Store
from api.store.counts import Passage
from streams.messages import CountsMessage
from tests.api.served import CLASSES, DAY, LINES, counted, sqlite_url
from tests.api.store.older import make_older

START = int(DAY)
IN_CAR = ("gate", "in", "car")
OLD_COUNT = (
    """
    INSERT INTO layouts (id, digest, lines, classes)
    VALUES (1000, 'd', '{"gate": ["in", "out"]}', '["car", "bus"]')
    """,
    # at DAY
    """
    INSERT INTO count_intervals
    (id, camera, start_ts, seconds, revision, version, observed_s, frames, layout, synthetic)
    VALUES (1000, 'plaza', 1769817600, 60, 1, 1, 60, 300, 1000, false)
    """,
    "INSERT INTO counts VALUES (1000, 'gate', 'in', 'car', 3)",
)
PASSAGES = [Passage(line, d, c) for line, ds in LINES.items() for d in ds for c in CLASSES]


def sums(store: Store, minutes: int, seconds: int = 60, **more: object) -> list[CountRow]:
    return list(
        store.counts.sums(
            "plaza",
            line=more.get("line"),  # type: ignore[arg-type]
            from_ts=START,
            to_ts=START + 60 * minutes,
            seconds=seconds,
        )
    )


def cars(rows: list[CountRow]) -> list[tuple[int | None, float, int | None]]:
    return [(r.count, r.observed_s, r.revision) for r in rows if r.passage == IN_CAR]


def test_zero_is_where_somebody_looked(store: Store) -> None:
    store.record([counted(0, {IN_CAR: 3}), counted(120, observed_s=0.0, frames=0)])
    rows = sums(store, 4)
    assert [r.passage for r in rows] == sorted(PASSAGES) * 4
    assert cars(rows) == [(3, 60.0, 1), (None, 0.0, None), (None, 0.0, 1), (None, 0.0, None)]
    others = [r for r in rows if r.start_ts == START and r.passage != IN_CAR]
    assert [r.count for r in others] == [0, 0, 0]


def test_a_newer_version_replaces_all(store: Store) -> None:
    store.record([counted(0, {IN_CAR: 3, ("gate", "out", "bus"): 2})])
    store.record([counted(0, {IN_CAR: 9}, version=1)])
    assert cars(sums(store, 1)) == [(3, 60.0, 1)]
    store.record([counted(0, {IN_CAR: 1}, version=2, observed_s=31.5)])
    rows = sums(store, 1)
    assert cars(rows) == [(1, 31.5, 1)]
    assert sum(r.count or 0 for r in rows) == 1
    store.record([counted(0, {IN_CAR: 3}, version=1)])
    assert sums(store, 1) == rows


def test_revisions_and_the_synthetic_stay_apart(store: Store) -> None:
    store.record([
        counted(0, {IN_CAR: 1}, revision=1, observed_s=20.0),
        counted(0, {IN_CAR: 2}, revision=2, observed_s=35.0),
        counted(60, {IN_CAR: 4}, revision=2),
        counted(60, {IN_CAR: 8}, revision=3, synthetic=True, observed_s=5.0),
    ])  # fmt: skip
    rows = sums(store, 15, seconds=900)
    assert cars(rows) == [(1, 20.0, 1), (6, 95.0, 2), (8, 5.0, 3)]
    assert [r.synthetic for r in rows if r.passage == IN_CAR] == [False, False, True]


def test_each_revision_has_its_own_lines(store: Store) -> None:
    store.record([counted(0), counted(60, revision=2, lines={"bridge": ("east", "west")})])
    rows = sums(store, 15, seconds=900)
    assert {(r.passage.line, r.revision) for r in rows} == {("gate", 1), ("bridge", 2)}
    gap = list(store.counts.sums("plaza", line=None, from_ts=START - 900, to_ts=START, seconds=900))
    assert {(r.passage.line, r.revision) for r in gap} == {("bridge", None)}
    assert {r.passage.line for r in sums(store, 15, seconds=900, line="gate")} == {"gate"}


def test_longer_intervals_are_not_cut_up(store: Store) -> None:
    store.record([counted(0, {IN_CAR: 7}, seconds=300, observed_s=300.0)])
    assert cars(sums(store, 5)) == [(None, 0.0, None)] * 5
    assert cars(sums(store, 5, seconds=300)) == [(7, 300.0, 1)]
    assert cars(sums(store, 15, seconds=900)) == [(7, 300.0, 1)]


def test_other_cameras_do_not_count(store: Store) -> None:
    store.record([counted(0, {IN_CAR: 1}), counted(0, {IN_CAR: 5}, camera="north")])
    assert cars(sums(store, 1)) == [(1, 60.0, 1)]
    assert store.counts.passages("nobody") == set()
    assert list(
        store.counts.sums("nobody", line=None, from_ts=START, to_ts=START + 60, seconds=60)
    ) == []  # fmt: skip


def lates(store: Store, minutes: int, seconds: int) -> set[tuple[int, str, str, int]]:
    rows = sums(store, minutes, seconds)
    return {
        (r.start_ts - START, r.passage.line, r.passage.direction, r.late) for r in rows if r.late
    }


def test_who_came_late_is_beside_the_counts(store: Store) -> None:
    late = ({"line": "gate", "direction": "in", "count": 2},)
    store.record([
        counted(0, {IN_CAR: 5}, late=late),
        counted(60, late=({"line": "gate", "direction": "out", "count": 1}, *late)),
        counted(120),
        counted(0, {IN_CAR: 9}, camera="north", late=late),
    ])  # fmt: skip
    assert lates(store, 3, 60) == {
        (0, "gate", "in", 2),
        (60, "gate", "in", 2),
        (60, "gate", "out", 1),
    }
    assert lates(store, 15, 900) == {(0, "gate", "in", 4), (0, "gate", "out", 1)}
    assert cars(sums(store, 1)) == [(5, 60.0, 1)]
    store.record([counted(0, {IN_CAR: 6}, version=2), counted(60, version=1)])
    assert lates(store, 3, 60) == {(60, "gate", "in", 2), (60, "gate", "out", 1)}


def test_a_movement_is_counted_like_a_line_of_many_directions(store: Store) -> None:
    ways = ("a → b", "a → unknown", "unknown → b", "unknown → unknown")
    row = ("junction", "a → b", "car")
    store.record([counted(0, {row: 3}, lines={"junction": ways} | LINES)])
    rows = sums(store, 1)
    assert len(rows) == (4 + 2) * len(CLASSES)
    assert [r.count for r in rows if r.passage == row] == [3]
    assert {r.passage.direction for r in sums(store, 1, line="junction")} == set(ways)


def test_a_database_of_the_version_before_keeps_its_counts(blank: str) -> None:
    make_older(blank, "0003", OLD_COUNT)
    with Store.open(blank) as store:
        assert cars(sums(store, 1)) == [(3, 60.0, 1)]
        late = ({"line": "gate", "direction": "in", "count": 2},)
        store.record([counted(0, {IN_CAR: 4}, version=2, late=late)])
        assert lates(store, 1, 60) == {(0, "gate", "in", 2)}


def test_a_line_of_one_view_is_watched_while_that_is_seen(store: Store) -> None:
    """The camera looks at the gate for 40 s of a minute and then elsewhere, and comes back."""
    lines = LINES | {"pier": ("off", "on")}
    pier = ("pier", "on", "car")
    first = counted(0, {IN_CAR: 3}, lines=lines, observed={"gate": 40.0, "pier": 20.0})
    second = counted(60, {pier: 2}, lines=lines, observed={"gate": 0.0, "pier": 60.0})
    store.record([first, second])

    def watched(seconds: int) -> set[tuple[int, str, int | None, float]]:
        return {
            (row.start_ts - START, row.passage.line, row.count, row.observed_s)
            for row in sums(store, 2, seconds)
            if row.passage in {IN_CAR, pier}
        }

    assert watched(60) == {
        (0, "gate", 3, 40.0),
        (0, "pier", 0, 20.0),
        (60, "gate", None, 0.0),
        (60, "pier", 2, 60.0),
    }
    assert watched(120) == {(0, "gate", 3, 40.0), (0, "pier", 2, 80.0)}
    # a newer version replaces that too
    store.record([counted(60, {pier: 2}, version=2, lines=lines)])
    assert (60, "gate", 0, 60.0) in watched(60)


def test_layouts_are_kept_once(store: Store) -> None:
    store.record([counted(60 * n) for n in range(20)])
    with store._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM layouts").scalar() == 1


COUNTS = st.dictionaries(st.sampled_from(PASSAGES), st.integers(0, 50), max_size=4)
MESSAGES = st.builds(
    lambda minute, counts, revision, version, observed: counted(
        60 * minute, counts, revision=revision, version=version, observed_s=observed
    ),
    st.integers(0, 29), COUNTS, st.integers(1, 2), st.integers(1, 3),
    st.sampled_from([0.0, 12.5, 60.0]),
)  # fmt: skip


@settings(max_examples=60)
@given(
    messages=st.lists(MESSAGES, max_size=12, unique_by=lambda m: m.key),
    seed=st.integers(0, 1000),
    seconds=st.sampled_from([60, 300, 900]),
)
def test_replays_and_any_order_sum_the_same(
    messages: list[CountsMessage], seed: int, seconds: int
) -> None:
    newest: dict[tuple[float, int], CountsMessage] = {}
    for message in messages:
        key = message.start_ts, message.revision
        if key not in newest or message.version > newest[key].version:
            newest[key] = message
    expected: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0, 0.0])
    for message in newest.values():
        bucket = int(message.start_ts) // seconds * seconds, message.revision
        found = {(c.line, c.direction, c.class_name): c.count for c in message.counts}
        expected[bucket][0] += found.get(IN_CAR, 0)
        expected[bucket][1] += message.observed_s

    dice = random.Random(seed)
    sent = messages + dice.choices(messages, k=5) if messages else []
    dice.shuffle(sent)
    with TemporaryDirectory() as folder, Store.open(sqlite_url(Path(folder))) as store:
        while sent:
            size = dice.randint(1, 4)
            store.record(sent[:size])
            del sent[:size]
        rows = [r for r in sums(store, 30, seconds=seconds) if r.passage == IN_CAR]
    got = {(r.start_ts, r.revision): (r.count, r.observed_s) for r in rows if r.revision}
    assert got == {
        key: (None if not count and not observed else count, pytest.approx(observed))
        for key, (count, observed) in expected.items()
    }
    gaps = [r for r in rows if r.revision is None]
    assert all(r.count is None and r.observed_s == 0 for r in gaps)
    if messages:
        starts = {r.start_ts for r in rows}
        assert starts == set(range(START, START + 1800, seconds)), "every interval is there"


def test_gaps_of_a_synthetic_camera_are_synthetic(store: Store) -> None:
    store.record([counted(60, synthetic=True)])
    assert [r.synthetic for r in sums(store, 3) if r.passage == IN_CAR] == [True] * 3
    store.record([counted(0, revision=2)])
    assert [r.synthetic for r in sums(store, 3) if r.passage == IN_CAR] == [False, True, False]


def test_totals_and_tallies_of_all_cameras(store: Store) -> None:
    out_bus = ("gate", "out", "bus")
    store.record([
        counted(0, {IN_CAR: 3, out_bus: 1}),
        counted(60, {IN_CAR: 4}),
        counted(60, {IN_CAR: 2}, revision=2),
        counted(60, {IN_CAR: 5}, camera="other"),
        counted(120, {IN_CAR: 100}),
        counted(60, {}, camera="still"),
    ])  # fmt: skip
    span = {"from_ts": START, "to_ts": START + 120}
    assert store.counts.totals(**span) == {
        "plaza": {Passage(*IN_CAR): 9, Passage(*out_bus): 1},
        "other": {Passage(*IN_CAR): 5},
    }
    tallies = store.counts.tallies(from_ts=START + 60, to_ts=START + 120)
    assert sorted(tallies) == [
        ("other", START + 60, 1, IN_CAR, 5),
        ("plaza", START + 60, 1, IN_CAR, 4),
        ("plaza", START + 60, 2, IN_CAR, 2),
    ]
    assert store.counts.totals(from_ts=START + 600, to_ts=START + 660) == {}
