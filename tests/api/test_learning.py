"""The precision of rules: its interval, the time that is looked at, and what comes first."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from api.learning import (
    DAY_S,
    DAYS,
    MAX_DAYS,
    Judged,
    LongSpanError,
    NoSpanError,
    Z,
    span,
    wilson,
    worst_first,
)
from tests.api.served import DAY

NUMBERS = st.integers(0, 100_000)


def judged(true: int, false: int, alerts: int | None = None, camera: str = "plaza") -> Judged:
    total = true + false if alerts is None else alerts
    return Judged(camera, "intrusion", "intrusion@lawn", total, true, false)


@given(NUMBERS, NUMBERS)
def test_the_interval_holds_the_share_within_0_and_1(yes: int, no: int) -> None:
    assume(yes + no)
    found = wilson(yes, no)
    assert found is not None
    assert 0 <= found.low <= yes / (yes + no) <= found.high <= 1
    assert found.low < found.high


@given(NUMBERS, NUMBERS)
def test_it_is_the_same_the_other_way_round(yes: int, no: int) -> None:
    assume(yes + no)
    found, other = wilson(yes, no), wilson(no, yes)
    assert found is not None
    assert other is not None
    assert found.low == pytest.approx(1 - other.high, abs=1e-12)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(2, 50))
def test_it_is_narrower_where_more_was_judged(yes: int, no: int, times: int) -> None:
    assume(yes + no)
    few, many = wilson(yes, no), wilson(times * yes, times * no)
    assert few is not None
    assert many is not None
    assert many.high - many.low < few.high - few.low


@given(NUMBERS, NUMBERS)
def test_it_is_what_another_library_says(yes: int, no: int) -> None:
    assume(yes + no)
    found = wilson(yes, no)
    wanted = binomtest(yes, yes + no).proportion_ci(0.95, method="wilson")
    assert found == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_it_is_of_95_of_a_hundred() -> None:
    assert norm.ppf(0.975) == pytest.approx(Z)


def test_of_nothing_there_is_none() -> None:
    assert wilson(0, 0) is None
    row = judged(0, 0, alerts=7)
    assert (row.precision, row.interval, row.unjudged) == (None, None, 7)


def test_the_ends_are_exact() -> None:
    for n in range(1, 300):
        none, every = wilson(0, n), wilson(n, 0)
        assert none is not None
        assert every is not None
        assert (none.low, every.high) == (0.0, 1.0)


@pytest.mark.parametrize(("true", "false", "alerts"), [(3, 2, 4), (-1, 2, 4), (2, -1, 4)])
def test_more_cannot_be_closed_than_there_were(true: int, false: int, alerts: int) -> None:
    with pytest.raises(ValueError, match="do not fit into 4 alerts"):
        judged(true, false, alerts)
    if min(true, false) < 0:
        with pytest.raises(ValueError, match="none is less than 0"):
            wilson(true, false)


def test_first_comes_what_is_bad_for_certain() -> None:
    sure, likely, perhaps = judged(2, 98), judged(1, 9), judged(0, 1)
    unknown, busy, good = judged(0, 0, 3), judged(0, 0, 500), judged(40, 0)
    rows = [good, unknown, perhaps, busy, likely, sure]
    assert worst_first(rows) == [sure, likely, perhaps, busy, good, unknown]
    east, west = judged(0, 0, 3, "east"), judged(0, 0, 3, "west")
    assert worst_first([west, east]) == [east, west]


def test_the_last_days_are_looked_at() -> None:
    assert span(None, None, DAY) == (DAY - DAYS * DAY_S, DAY)
    assert span(None, DAY, DAY * 2) == (DAY - DAYS * DAY_S, DAY)
    assert span(DAY, None, DAY + 5) == (DAY, DAY + 5)
    assert span(None, 5.0, DAY) == (0.0, 5.0)
    year = MAX_DAYS * DAY_S
    assert span(DAY - year, DAY, 0) == (DAY - year, DAY)
    with pytest.raises(LongSpanError):
        span(DAY - year - 1, DAY, 0)
    for begin in (DAY, DAY + 1):
        with pytest.raises(NoSpanError):
            span(begin, None, DAY)
