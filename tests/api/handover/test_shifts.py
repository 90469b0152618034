"""When shifts begin and end by the city's clocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.handover.shifts import (
    BEGINS,
    HOUR_S,
    MAX_DAYS,
    HalfSpanError,
    LongSpanError,
    NoShiftsError,
    hours,
    shifts,
    span,
)
from api.learning import NoSpanError, Span
from api.times import local
from tests.api.served import DAY

# DAY is 08:00 in Makassar
MIDNIGHT = DAY - 8 * HOUR_S
USUAL = Span(1.0, 2.0)


def clocks(of: Span) -> str:
    return f"{local(of.from_ts):%d %H:%M}-{local(of.to_ts):%d %H:%M}"


@pytest.mark.parametrize(
    ("hour", "this"),
    [
        (6.9, "30 23:00-31 07:00"),
        (7.5, "30 23:00-31 07:00"),
        (11.0, "30 23:00-31 07:00"),
        (11.1, "31 07:00-31 15:00"),
        (15.0, "31 07:00-31 15:00"),
        (20.0, "31 15:00-31 23:00"),
        (23.5, "31 15:00-31 23:00"),
        (2.9, "30 15:00-30 23:00"),
    ],
)
def test_the_shift_that_ends_nearest(hour: float, this: str) -> None:
    assert clocks(shifts(MIDNIGHT + hour * HOUR_S).this) == this


def test_shifts_beside_it() -> None:
    found = shifts(MIDNIGHT + 7 * HOUR_S)
    assert [clocks(each) for each in found] == [
        "30 15:00-30 23:00", "30 23:00-31 07:00", "31 07:00-31 15:00",
    ]  # fmt: skip
    assert clocks(shifts(MIDNIGHT + 7 * HOUR_S, [8]).this) == "30 08:00-31 08:00"


@given(
    st.floats(86_400, 4e9),
    st.lists(st.integers(0, 23), min_size=1, max_size=12, unique=True),
)
def test_shifts_follow_each_other_around_any_moment(now: float, begins: list[int]) -> None:
    found = shifts(now, begins)
    assert found.before.to_ts == found.this.from_ts
    assert found.this.to_ts == found.after.from_ts
    for each in found:
        assert local(each.from_ts).hour in begins
        assert local(each.to_ts).hour in begins
        assert 0 < each.to_ts - each.from_ts <= 24 * HOUR_S
    near = abs(found.this.to_ts - now)
    assert near <= abs(found.before.to_ts - now)
    assert near <= abs(found.after.to_ts - now)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", BEGINS), (" ", BEGINS), ("6,18", (6, 18)), (" 22, 6,14 ", (6, 14, 22)), ("0", (0,))],
)
def test_hours_are_read(text: str, found: tuple[int, ...]) -> None:
    assert hours(text) == found


MANY = ",".join(map(str, range(13)))


@pytest.mark.parametrize(
    "text",
    ["7,", "24", "-1", "7;15", "7,7", "seven", "\uff17", "7.5", "007", MANY, "7," * 99],
)
def test_what_is_no_hour_is_refused(text: str) -> None:
    with pytest.raises(NoShiftsError, match="different full hours"):
        hours(text)


def test_a_time_of_ones_own() -> None:
    assert span(None, None, USUAL) == USUAL
    assert span(DAY, DAY + 1, USUAL) == Span(DAY, DAY + 1)
    longest = MAX_DAYS * 86_400
    assert span(DAY, DAY + longest, USUAL) == Span(DAY, DAY + longest)
    for (from_ts, to_ts), error in (
        ((DAY, None), HalfSpanError),
        ((None, DAY), HalfSpanError),
        ((DAY, DAY), NoSpanError),
        ((DAY, DAY + longest + 1), LongSpanError),
    ):
        with pytest.raises(error):
            span(from_ts, to_ts, USUAL)
