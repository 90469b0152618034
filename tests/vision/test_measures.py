"""Peak hour, shares, headway, averages of weekdays, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.measures import (
    DAY_S,
    Average,
    Comparison,
    Peak,
    Slot,
    compared,
    heavy_share,
    local_day,
    mean_headway_s,
    occupancy,
    peak_hour,
    shares,
    week_of,
)
from vision.traffic import VehicleClass

WITA_S = 8 * 3600
START_TS = datetime.fromisoformat("2026-01-30T06:00+08:00").timestamp()
"""A Friday."""


def slots(values: Sequence[float | None], seconds: int = 900, **more: float) -> list[Slot]:
    """One after another; None is a gap."""
    return [
        Slot(
            START_TS + i * seconds, seconds, value,
            0.0 if value is None else more.get("observed_s", seconds),
        )
        for i, value in enumerate(values)
    ]  # fmt: skip


def test_the_peak_hour_slides_by_slots() -> None:
    found = peak_hour(slots([10, 20, 50, 60, 30, 40, 5, 5]))
    assert found == Peak(START_TS + 1800, 180, 1.0, quarter=60, hours=5, of=5)
    assert found.factor == 180 / 240


def test_of_several_the_first_is_the_peak() -> None:
    found = peak_hour(slots([1] * 8))
    assert found == Peak(START_TS, 4, 1.0, 1, 5, 5)
    assert found.factor == 1.0


def test_an_hour_with_a_gap_is_none() -> None:
    values = [90, 90, None, 90, 10, 10, 10, 11]
    found = peak_hour(slots(values))
    # 90 + 10 + 10 + 10, and not 90 + 90 + 90 with a hole
    assert found == Peak(START_TS + 2700, 120, 1.0, 90, hours=2, of=5)
    assert peak_hour(slots([9, None, 9, 9])) is None
    # a slot that is missing is a gap as well
    assert peak_hour([slot for slot in slots(values) if slot.value is not None]) == found


def test_an_hour_that_was_hardly_watched_is_none() -> None:
    assert peak_hour(slots([5] * 4, observed_s=809)) is None
    found = peak_hour(slots([5] * 4, observed_s=810))
    assert found is not None
    assert (found.value, found.watched) == (20, 0.9)


def test_nothing_passed_in_the_peak() -> None:
    found = peak_hour(slots([0] * 4))
    assert found is not None
    assert (found.value, found.factor) == (0, None)


def test_the_fullest_quarter_slides_by_minutes() -> None:
    minutes: list[float | None] = [0] * 60
    minutes[10:25] = [4] * 15
    found = peak_hour(slots(minutes, 60))
    assert found is not None
    assert (found.quarter, found.factor) == (60, 0.25)
    hourly = peak_hour(slots([7, 9], 3600))
    assert hourly == Peak(START_TS + 3600, 9, 1.0, None, 2, 2)
    assert hourly.factor is None


@pytest.mark.parametrize(
    "bad",
    [
        [*slots([1] * 4), Slot(START_TS + 3600, 60, 1, 60)],
        slots([1] * 4, 7200),
        slots([1] * 4, 700),
        [*slots([1] * 4), *slots([2])],
    ],
)
def test_what_makes_no_hours_is_refused(bad: list[Slot]) -> None:
    with pytest.raises(ValueError, match="slot"):
        peak_hour(bad)


VALUES = st.lists(st.one_of(st.none(), st.integers(0, 500)), max_size=40)


@settings(max_examples=60)
@given(VALUES)
def test_no_hour_has_more_than_the_peak(values: list[int | None]) -> None:
    found = peak_hour(slots(values))
    hours = [values[i : i + 4] for i in range(len(values) - 3)]
    whole = [sum(each) for each in hours if None not in each]  # type: ignore[arg-type]
    if not whole:
        assert found is None
        return
    assert found is not None
    assert (found.value, found.hours, found.of) == (max(whole), len(whole), len(hours))
    assert found.factor is None or 0.25 <= found.factor <= 1


def test_shares() -> None:
    assert shares({"in": 30, "out": 10}) == {"in": 0.75, "out": 0.25}
    assert shares({"in": 0, "out": 0}) is None
    counts = {VehicleClass.SM: 6, VehicleClass.KS: 1, VehicleClass.TB: 1, VehicleClass.KTB: 99}
    assert heavy_share(counts) == 0.25
    assert heavy_share({VehicleClass.KTB: 3}) is None


def test_headway_and_occupancy_are_of_what_was_watched() -> None:
    assert mean_headway_s(45, 450) == 10
    assert mean_headway_s(0, 900) is None
    assert occupancy(90, 450) == 0.2
    assert occupancy(0, 0) is None


def day(text: str, value: float | None, *, observed_s: float = DAY_S) -> Slot:
    ts = datetime.fromisoformat(f"{text}T00:00+08:00").timestamp()
    return Slot(ts, DAY_S, value, observed_s)


def test_averages_of_weekdays_leave_holidays_and_gaps_out() -> None:
    found = week_of(
        [
            day("2026-01-02", 100),
            day("2026-01-09", 200),
            day("2026-01-16", 9999),
            day("2026-01-23", None, observed_s=0),
            day("2026-01-30", 7, observed_s=DAY_S / 2),
            day("2026-01-03", 50),
        ],
        {date(2026, 1, 16), date(2026, 3, 20)},
        WITA_S,
    )
    assert found.averages == {(4, 0): Average(150, 2), (5, 0): Average(50, 1)}
    assert found.left_out == (date(2026, 1, 16),)


def test_a_day_is_that_of_the_place() -> None:
    assert local_day(START_TS, WITA_S) == (date(2026, 1, 30), 6 * 3600)
    assert local_day(START_TS, 0) == (date(2026, 1, 29), 22 * 3600)
    found = week_of(slots([3, 4]), (), WITA_S)
    assert found.averages == {(4, 6 * 3600): Average(3, 1), (4, 6 * 3600 + 900): Average(4, 1)}


def test_only_what_was_watched_both_times_is_compared() -> None:
    now = slots([10, 20, None, 40])
    shift: Any = 7 * DAY_S
    before = [
        Slot(slot.start_ts - shift, 900, value, 900)
        for slot, value in zip(slots([1] * 4), (20, None, 30, 20), strict=True)
    ]
    found = compared(now, before, shift)
    assert found == Comparison(now=50, before=40, slots=2, of=4)
    assert found.change == 0.25
    assert compared(now, before, DAY_S) is None
    assert compared(now, slots([0] * 4), 0) == Comparison(70, 0, 3, 4)
    assert Comparison(70, 0, 3, 4).change is None
