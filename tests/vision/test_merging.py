"""Intervals add up to longer ones: nothing is lost, nothing is counted twice, and neither the order
nor the steps matter."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.bins import Interval
from vision.merging import binned, merged
from vision.paces import KMH, Pace

LINES = {"gate": ("in", "out"), "pier": ("on", "off")}
CLASSES = ("car", "bus")
KEYS = [(line, way, name) for line, ways in LINES.items() for way in ways for name in CLASSES]
MINUTE = 60
SECONDS = st.integers(0, 60_000).map(lambda ms: ms / 1000)


@st.composite
def minutes(draw: st.DrawFn) -> Interval:
    """A minute of the first two hours. Thousandths of a second and quarters of a s/m add up
    exactly, or nearly so."""
    lines = draw(st.sampled_from([LINES, {"gate": LINES["gate"]}]))
    keys = [key for key in KEYS if key[0] in lines]
    counts = draw(st.dictionaries(st.sampled_from(keys), st.integers(1, 40), max_size=4))
    paces = {
        key: Pace(draw(st.integers(1, count)), draw(st.integers(1, 400)) / 4)
        for key, count in counts.items()
        if draw(st.booleans())
    }
    observed_s = draw(SECONDS)
    share = st.floats(0, 1)
    observed = {line: round(observed_s * draw(share), 3) for line in lines if draw(st.booleans())}
    return Interval(
        camera_id="cam",
        start_ts=float(MINUTE * draw(st.integers(0, 119))),
        seconds=MINUTE,
        revision=draw(st.integers(1, 2)),
        version=1,
        observed_s=observed_s,
        frames=draw(st.integers(0, 300)),
        lines=lines,
        classes=draw(st.sampled_from([CLASSES, CLASSES[:1]])),
        counts=counts,
        late=draw(st.dictionaries(st.just(("gate", "in")), st.integers(1, 3))),
        observed=observed,
        blind_s=draw(SECONDS),
        paces=paces,
        occupied={
            line: round(observed.get(line, observed_s) * draw(share), 3)
            for line in lines
            if draw(st.booleans())
        },
        synthetic=draw(st.booleans()),
    )


def identity(each: Interval) -> tuple[Any, ...]:
    return each.start_ts, each.revision, each.synthetic


DAYS = st.lists(minutes(), max_size=14, unique_by=identity)


def told(intervals: Sequence[Interval]) -> list[Any]:
    """All that they say, where the order of names says nothing and sums of parts of a second are
    not quite the same in every order."""

    def near(values: dict[Any, float]) -> dict[Any, Any]:
        return {key: pytest.approx(value, abs=2e-3) for key, value in values.items()}

    return [
        (
            *identity(each),
            each.seconds,
            each.frames,
            {line: set(ways) for line, ways in each.lines.items()},
            set(each.classes),
            dict(each.counts),
            dict(each.late),
            {key: pace.measured for key, pace in each.paces.items()},
            near({key: pace.s_per_m for key, pace in each.paces.items()}),
            near(dict(each.occupied)),
            near({line: each.observed_of(line) for line in each.lines}),
            pytest.approx(each.observed_s, abs=2e-3),
            pytest.approx(each.blind_s, abs=2e-3),
        )
        for each in intervals
    ]


@settings(max_examples=60)
@given(DAYS, st.sampled_from([300, 900, 3600]), st.sampled_from([0, 600]))
def test_what_is_added_up_is_what_there_was(
    day: list[Interval], seconds: int, offset_s: int
) -> None:
    made = binned(day, seconds, offset_s)
    assert [identity(each) for each in made] == sorted(identity(each) for each in made)
    groups: defaultdict[Any, list[Interval]] = defaultdict(list)
    for each in day:
        start = math.floor((each.start_ts + offset_s) / seconds) * seconds - offset_s
        groups[start, each.revision, each.synthetic].append(each)
    assert {identity(each) for each in made} == set(groups)
    for each in made:
        parts = groups[identity(each)]
        assert each.seconds == seconds
        assert each.frames == sum(part.frames for part in parts)
        for key in KEYS:
            assert each.counts.get(key, 0) == sum(part.counts.get(key, 0) for part in parts)
            known = [part.paces[key] for part in parts if key in part.paces]
            assert (key in each.paces) == bool(known)
            if known:
                pace = each.paces[key]
                assert pace.measured == sum(one.measured for one in known) <= each.counts[key]
                assert pace.s_per_m == pytest.approx(sum(one.s_per_m for one in known))
        for line in each.lines:
            watched = sum(part.observed_of(line) for part in parts if line in part.lines)
            assert each.observed_of(line) == pytest.approx(watched, abs=1e-3)
            stood = sum(part.occupied.get(line, 0.0) for part in parts)
            assert each.occupied.get(line, 0.0) == pytest.approx(stood, abs=1e-3)
            assert each.occupied.get(line, 0.0) <= each.observed_of(line) + 1e-3
        assert each.observed_s == pytest.approx(sum(part.observed_s for part in parts), abs=1e-3)
        assert each.blind_s == pytest.approx(sum(part.blind_s for part in parts), abs=1e-3)
        late = sum((Counter(part.late) for part in parts), Counter[Any]())
        assert dict(each.late) == dict(late)
        assert set(each.lines) == {line for part in parts for line in part.lines}
        assert set(each.classes) == {name for part in parts for name in part.classes}


@settings(max_examples=40)
@given(DAYS, st.integers(0, 1000))
def test_neither_order_nor_steps_matter(day: list[Interval], seed: int) -> None:
    hours = binned(day, 3600)
    mixed = list(day)
    random.Random(seed).shuffle(mixed)
    assert told(binned(mixed, 3600)) == told(hours)
    assert told(binned(binned(binned(mixed, 300), 900), 3600)) == told(hours)
    assert told(binned(hours, 3600)) == told(hours)


@given(minutes())
def test_one_alone_stays_what_it_is(minute: Interval) -> None:
    (alone,) = binned([minute], MINUTE)
    assert told([alone]) == told([minute])
    assert alone.version == 0


def test_a_day_begins_where_it_is_told_to() -> None:
    """At 16:00 UTC the next day begins eight hours to the east."""
    day, east_s = 86_400, 8 * 3600
    minute = replace(
        merged([_minute()], 0, MINUTE), start_ts=16 * 3600.0 - MINUTE, counts={KEYS[0]: 1}
    )
    later = replace(minute, start_ts=16 * 3600.0, counts={KEYS[0]: 2})
    made = binned([minute, later], day, east_s)
    assert [(each.start_ts, each.counts[KEYS[0]]) for each in made] == [
        (-east_s, 1),
        (day - east_s, 2),
    ]


def test_a_line_that_came_later_was_not_watched_before() -> None:
    old = _minute(lines={"gate": LINES["gate"]})
    new = _minute(start_ts=60.0, observed={"pier": 20.0})
    made = merged([old, new], 0.0, 900)
    assert (made.observed_s, made.observed_of("gate"), made.observed_of("pier")) == (120, 120, 20)
    # where all lines are always watched it goes without saying
    assert merged([old, replace(old, start_ts=60.0)], 0.0, 900).observed == {}


def test_the_mean_speed_is_that_over_the_way() -> None:
    """Two go 40 and 60 km/h past a line: of all on a piece of road, more are slow ones, and their
    mean is 2 / (1/40 + 1/60) = 48 km/h, not 50."""
    key = KEYS[0]
    slow, fast = (_minute(counts={key: 1}, paces={key: Pace(1, KMH / kmh)}) for kmh in (40.0, 60.0))
    made = merged([slow, replace(fast, start_ts=60.0)], 0.0, 900)
    assert made.paces[key].measured == 2
    assert made.paces[key].kmh == pytest.approx(48)


@pytest.mark.parametrize("wrong", [(0, 1.0), (-1, 1.0), (1, 0.0), (1, math.nan)])
def test_a_pace_of_nobody_is_none(wrong: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="a pace is of one or more"):
        Pace(*wrong)


def _minute(**more: Any) -> Interval:
    values: dict[str, Any] = {
        "camera_id": "cam", "start_ts": 0.0, "seconds": MINUTE, "revision": 1, "version": 1,
        "observed_s": 60.0, "frames": 300, "lines": LINES, "classes": CLASSES, "counts": {},
    }  # fmt: skip
    return Interval(**(values | more))
