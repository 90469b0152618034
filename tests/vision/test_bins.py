"""Counts by the minute: every crossing once, in the minute it happened; gaps stay gaps."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.bins import GRACE_S, KEEP_S, MAX_GAP_S, Binner, Interval
from vision.scene import Line
from vision.types import CountBin, Crossing

T0 = 1_700_000_040
"""The beginning of a minute."""
LINES = (
    Line("gate", np.array([[0.0, 0.0], [10.0, 0.0]]), "in", "out"),
    Line("road", np.array([[0.0, 5.0], [10.0, 5.0]]), "east", "west"),
)
CLASSES = ("person", "car")


def binner(*, revision: int = 3, seconds: int = 60) -> Binner:
    return Binner("cam1", LINES, CLASSES, revision, seconds)


def passed(ts: float, line: str = "gate", direction: str = "in", name: str = "person") -> Crossing:
    return Crossing("cam1", line, direction, name, 7, ts, 1.0, 2.0)


def run(binner: Binner, times: Iterable[float]) -> list[Interval]:
    return [interval for ts in times for interval in binner.update(ts, [])]


def span(start: float, end: float, step: float = 1.0) -> list[float]:
    return [start + i * step for i in range(math.ceil((end - start) / step))]


def latest(intervals: Iterable[Interval]) -> dict[tuple[float, int], Interval]:
    """What a store would keep; versions rise by one."""
    kept: dict[tuple[float, int], Interval] = {}
    for interval in intervals:
        key = interval.start_ts, interval.revision
        assert interval.version == (kept[key].version + 1 if key in kept else 1)
        kept[key] = interval
    return kept


def total(intervals: Iterable[Interval]) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for interval in latest(intervals).values():
        found.update(interval.counts)
    return found


def test_a_minute_is_final_a_little_after_its_end() -> None:
    made = binner()
    assert run(made, span(T0, T0 + 60 + GRACE_S)) == []
    (interval,) = made.update(T0 + 60 + GRACE_S, [])
    assert interval == Interval(
        camera_id="cam1",
        start_ts=float(T0),
        seconds=60,
        revision=3,
        version=1,
        observed_s=60.0,
        frames=60,
        lines={"gate": ("in", "out"), "road": ("east", "west")},
        classes=CLASSES,
        counts={},
    )
    assert run(made, span(T0 + 66, T0 + 120)) == []


def test_a_crossing_counts_when_it_happened_not_when_it_was_decided() -> None:
    made = binner()
    run(made, span(T0, T0 + 60))
    made.update(T0 + 60.5, [passed(T0 + 59.9), passed(T0 + 60.1), passed(T0 + 60.2)])
    first, second = made.flush(T0 + 61)
    assert first.counts == {("gate", "in", "person"): 1}
    assert second.counts == {("gate", "in", "person"): 2}


def test_bins_hold_the_zeros() -> None:
    made = binner()
    made.update(T0 + 0.0, [])
    made.update(T0 + 1.5, [passed(T0 + 1), passed(T0 + 1.2, "road", "west", "car")])
    (interval,) = made.flush(T0 + 1.5)
    bins = interval.bins()
    assert len(bins) == 2 * 2 * 2
    assert {(b.line, b.direction, b.class_name): b.count for b in bins if b.count} == {
        ("gate", "in", "person"): 1,
        ("road", "west", "car"): 1,
    }
    assert bins[0] == CountBin("cam1", "gate", "in", "person", float(T0), 60, 3, 1, 1.5)


def test_a_class_that_nobody_looks_for_any_more_is_not_lost() -> None:
    made = binner()
    made.update(T0, [passed(T0, name="tram")])
    (interval,) = made.flush(T0)
    assert len(interval.bins()) == 9
    assert interval.bins()[-1].class_name == "tram"


@pytest.mark.parametrize(
    ("times", "observed_s"),
    [
        ([0], 0.0),
        ([0, 1], 1.0),
        ([0, MAX_GAP_S], MAX_GAP_S),
        ([0, MAX_GAP_S + 0.01], 0.0),
        ([0, 1, 1, 2], 2.0),
        ([0, 1, 30, 31], 2.0),
        # a clock that was set back
        ([10, 11, 5, 6], 2.0),
    ],
)
def test_time_is_watched_between_frames_that_are_close(
    times: list[float], observed_s: float
) -> None:
    made = binner()
    run(made, [T0 + t for t in times])
    (interval,) = made.flush(T0 + times[-1])
    assert interval.observed_s == observed_s
    assert interval.frames == len(times)


def test_watched_time_is_cut_at_the_border() -> None:
    made = binner()
    run(made, [T0 + 59.5, T0 + 60.25])
    first, second = made.flush(T0 + 61.0)
    assert (first.observed_s, second.observed_s) == (0.5, 1.0)
    assert (first.frames, second.frames) == (1, 1)


def test_time_that_is_credited_later_amends() -> None:
    made = binner()
    made.update(T0 + 59.5, [])
    assert [i.observed_s for i in made.flush(T0 + 59.5)] == [0.0]
    made.update(T0 + 60.25, [])
    first, second = made.flush(T0 + 60.25)
    assert (first.start_ts, first.version, first.observed_s) == (T0, 2, 0.5)
    assert (second.version, second.observed_s) == (1, 0.25)


def test_the_last_frame_stands_until_the_source_ended() -> None:
    made = binner()
    made.update(T0, [])
    assert made.flush(T0 + 0.2)[0].observed_s == 0.2
    made = binner()
    made.update(T0, [])
    assert made.flush(T0 + 20)[0].observed_s == 0.0


def test_a_gap_is_no_zero() -> None:
    made = binner()
    stated = run(made, [T0, T0 + 1, T0 + 600, T0 + 601]) + made.flush(T0 + 601)
    assert [interval.start_ts - T0 for interval in stated] == [0, 600]


def test_a_camera_that_sends_nothing_more_does_not_hold_its_minute() -> None:
    made = binner()
    made.update(T0, [passed(T0)])
    assert made.due(T0 + 60 + GRACE_S - 0.1) == []
    (interval,) = made.due(T0 + 60 + GRACE_S)
    assert interval.counts == {("gate", "in", "person"): 1}
    assert made.due(T0 + 900) == []


def test_late_crossings_amend_their_minute() -> None:
    made = binner()
    stated = run(made, span(T0, T0 + 120))
    assert [i.version for i in stated] == [1]
    again = made.update(T0 + 120, [passed(T0 + 30), passed(T0 + 31)])
    again += made.update(T0 + 121, [passed(T0 + 32)])
    assert [(i.start_ts, i.version) for i in again] == [(T0, 2), (T0, 3)]
    assert again[-1].counts == {("gate", "in", "person"): 3}
    assert again[-1].observed_s == 60.0


def test_a_crossing_of_a_forgotten_minute_counts_when_it_was_decided() -> None:
    made = binner()
    run(made, span(T0, T0 + 3600))
    late = T0 + 3600 - KEEP_S
    (kept,) = made.update(T0 + 3600, [passed(late)])
    assert (kept.start_ts, kept.version) == (late, 2)
    stated = made.update(T0 + 3601, [passed(late)]) + made.flush(T0 + 3601)
    assert [(i.start_ts - T0, i.version, sum(i.counts.values())) for i in stated] == [
        (3540, 1, 0),
        (3600, 1, 1),
    ]


def test_a_crossing_of_the_future_counts_now() -> None:
    made = binner()
    made.update(T0, [passed(T0 + 500)])
    (interval,) = made.flush(T0)
    assert (interval.start_ts, sum(interval.counts.values())) == (T0, 1)


def test_state_is_bounded() -> None:
    made = binner()
    run(made, span(T0, T0 + 7200, 2.0))
    assert len(json.dumps(made.state())) < 3000


def test_an_interval_does_not_change_behind_its_back() -> None:
    made = binner()
    made.update(T0, [passed(T0)])
    (interval,) = made.flush(T0)
    made.update(T0 + 1, [passed(T0 + 1)])
    assert interval.counts == {("gate", "in", "person"): 1}
    (again,) = made.flush(T0 + 1)
    assert (again.version, again.frames) == (2, 2)


def test_wrong_lengths() -> None:
    with pytest.raises(ValueError, match="1 second or more"):
        binner(seconds=0)


# --- restarts


def restarted(old: Binner, **more: int) -> tuple[Binner, list[Interval]]:
    made = binner(**more)
    return made, made.restore(json.loads(json.dumps(old.state())))


def test_a_restart_goes_on_with_the_minute() -> None:
    old = binner()
    run(old, span(T0, T0 + 10))
    old.update(T0 + 10, [passed(T0 + 10)])
    made, stated = restarted(old)
    assert stated == []
    # nobody watched in between
    made.update(T0 + 11, [])
    made.update(T0 + 12, [passed(T0 + 11.5)])
    (interval,) = made.flush(T0 + 12)
    assert (interval.version, interval.frames, interval.observed_s) == (1, 13, 11.0)
    assert interval.counts == {("gate", "in", "person"): 2}


def test_a_restart_amends_what_was_stated() -> None:
    old = binner()
    run(old, span(T0, T0 + 70))
    made, _ = restarted(old)
    (interval,) = made.update(T0 + 71, [passed(T0 + 59)])
    assert (interval.start_ts, interval.version) == (T0, 2)
    made, _ = restarted(made)
    assert [(i.start_ts, i.version) for i in made.flush(T0 + 72)] == [(T0 + 60, 1)]


def test_a_new_revision_states_what_the_old_one_left() -> None:
    old = Binner("cam1", LINES[:1], ("tram",), 2)
    old.update(T0, [passed(T0, name="tram")])
    made = binner(revision=3)
    (interval,) = made.restore(json.loads(json.dumps(old.state())))
    assert (interval.revision, interval.version) == (2, 1)
    assert (interval.lines, interval.classes) == ({"gate": ("in", "out")}, ("tram",))
    assert interval.counts == {("gate", "in", "tram"): 1}
    made.update(T0 + 5, [])
    assert [(i.revision, i.counts) for i in made.flush(T0 + 5)] == [(3, {})]


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        "x",
        {},
        {"revision": 3, "seconds": 60, "lines": {}, "classes": [], "intervals": [{}]},
        {"revision": 3, "seconds": 60, "lines": {"a": 1}, "classes": [], "intervals": []},
    ],
)
def test_what_is_no_state(state: object) -> None:
    made = binner()
    with pytest.raises(ValueError, match="no state of counts"):
        made.restore(state)  # type: ignore[arg-type]
    made.update(T0, [])
    assert len(made.flush(T0)) == 1


# --- whatever comes

STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.2, 1.0, 1.9, 2.1, 7.0, 45.0, 130.0]),
        st.lists(
            st.tuples(
                st.sampled_from([0.0, 0.5, 3.0, 50.0, 400.0, 1000.0]),
                st.sampled_from([("gate", "in", "person"), ("road", "west", "car")]),
            ),
            max_size=3,
        ),
    ),
    min_size=1,
    max_size=40,
)
Steps = list[tuple[float, list[tuple[float, tuple[str, str, str]]]]]


def crossings(ts: float, late: list[tuple[float, tuple[str, str, str]]]) -> list[Crossing]:
    return [passed(ts - by, *key) for by, key in late]


@given(steps=STEPS)
def test_every_crossing_is_counted_once_and_no_time_twice(steps: Steps) -> None:
    made = binner()
    ts, stated, wanted, elapsed = float(T0), [], Counter[tuple[str, str, str]](), 0.0
    for i, (pause, late) in enumerate(steps):
        ts += pause
        elapsed += pause if i else 0.0
        found = crossings(ts, late)
        wanted.update(key for _, key in late)
        stated += made.update(ts, found)
        assert made.due(ts) == []
    stated += made.flush(ts)
    assert total(stated) == wanted
    kept = latest(stated)
    assert sum(i.observed_s for i in kept.values()) <= elapsed + 1e-3 * len(kept)
    assert sum(i.frames for i in kept.values()) == len(steps)
    for interval in kept.values():
        assert interval.start_ts % 60 == 0
        assert 0 <= interval.observed_s <= 60
        assert all(bin_.observed_s == interval.observed_s for bin_ in interval.bins())
        assert sum(b.count for b in interval.bins()) == sum(interval.counts.values())


@given(steps=STEPS, cut=st.integers(0, 40))
def test_a_restart_is_like_a_run_without_one(steps: Steps, cut: int) -> None:
    one, two = binner(), binner()
    ts = float(T0)
    alone: list[Interval] = []
    cut_up: list[Interval] = []
    for i, (pause, late) in enumerate(steps):
        # the pause of a restart is watched by neither
        ts += pause if i != cut else max(pause, MAX_GAP_S + 0.1)
        if i == cut:
            two, left = restarted(two)
            cut_up += left
        alone += one.update(ts, crossings(ts, late))
        cut_up += two.update(ts, crossings(ts, late))
        assert two.state() == one.state()
    alone += one.flush(ts)
    cut_up += two.flush(ts)
    assert cut_up == alone


@pytest.mark.parametrize(
    ("minutes", "n", "wanted"),
    [
        ([], 3, []),
        ([0], 3, [(0, 1)]),
        ([0, 0, 1], 3, [(0, 2), (1, 1)]),
        # the newest ones, the oldest of them first
        ([0, 1, 2, 2, 3], 3, [(1, 1), (2, 2), (3, 1)]),
        ([0, 1, 2], 1, [(2, 1)]),
        ([0, 1], 0, [(1, 1)]),
        # a minute without a picture is none
        ([0, 4], 2, [(0, 1), (4, 1)]),
        # a crossing that is decided late belongs to its own minute
        ([1, 0], 3, [(0, 1), (1, 1)]),
    ],
)
def test_the_latest_intervals_as_they_are_now(
    minutes: list[int], n: int, wanted: list[tuple[int, int]]
) -> None:
    made = binner()
    now = float(T0)
    for minute in minutes:
        now = max(now, T0 + minute * 60 + 1.0)
        made.update(now, [passed(T0 + minute * 60 + 1.0)])
    found = [(int(i.start_ts - T0) // 60, sum(i.counts.values())) for i in made.latest(n)]
    assert found == wanted


@given(steps=STEPS, n=st.integers(1, 5))
def test_looking_at_the_latest_changes_nothing(steps: Steps, n: int) -> None:
    alone, looked_at = binner(), binner()
    ts = float(T0)
    for pause, late in steps:
        ts += pause
        stated = alone.update(ts, crossings(ts, late))
        assert looked_at.update(ts, crossings(ts, late)) == stated
        found = looked_at.latest(n)
        assert len(found) <= n
        assert [i.start_ts for i in found] == sorted({i.start_ts for i in found})
        # what was stated and not changed since is stated as it is shown
        for interval in stated:
            assert all(i == interval for i in found if i.start_ts == interval.start_ts)
    assert looked_at.state() == alone.state()
