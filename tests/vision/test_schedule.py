"""Schedules: days and hours in a time zone, over midnight, clocks that are put on, holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.schedule import EVERY_DAY, OnHolidays, Schedule, Span, public_holidays

MAKASSAR = ZoneInfo("Asia/Makassar")
NEW_YORK = ZoneInfo("America/New_York")
WORKDAYS = frozenset(range(5))
MINUTE = timedelta(minutes=1)


def span(text: str, days: frozenset[int] = EVERY_DAY) -> Span:
    """``22:00-05:00`` and so on."""
    start, end = map(time.fromisoformat, text.split("-"))
    return Span(days, start, end)


def watches(schedule: Schedule, local: str) -> bool:
    """Does it watch at this local time? An offset tells two that read the same apart."""
    moment = datetime.fromisoformat(local)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=schedule.zone)
    return schedule.active(moment.timestamp())


NIGHT = span("22:00-05:00", WORKDAYS)


# 2026-01-30 is a Friday.
@pytest.mark.parametrize(
    ("spans", "local", "active"),
    [
        ([span("08:00-17:00")], "2026-01-30 07:59:59.999", False),
        ([span("08:00-17:00")], "2026-01-30 08:00", True),
        ([span("08:00-17:00")], "2026-01-30 16:59:59.999", True),
        ([span("08:00-17:00")], "2026-01-30 17:00", False),
        ([span("08:00-17:00", WORKDAYS)], "2026-01-31 12:00", False),
        ([NIGHT], "2026-01-30 21:59", False),
        ([NIGHT], "2026-01-30 22:00", True),
        # Saturday's small hours belong to Friday's night, Monday's to Sunday's
        ([NIGHT], "2026-01-31 04:59", True),
        ([NIGHT], "2026-01-31 05:00", False),
        ([NIGHT], "2026-01-31 22:30", False),
        ([NIGHT], "2026-02-02 04:59", False),
        ([span("00:00-00:00", frozenset({5}))], "2026-01-30 23:59", False),
        ([span("00:00-00:00", frozenset({5}))], "2026-01-31 00:00", True),
        ([span("00:00-00:00", frozenset({5}))], "2026-01-31 23:59", True),
        ([span("00:00-00:00", frozenset({5}))], "2026-02-01 00:00", False),
        ([span("08:00-09:00"), span("17:00-18:00")], "2026-01-30 08:30", True),
        ([span("08:00-09:00"), span("17:00-18:00")], "2026-01-30 12:00", False),
        ([span("08:00-09:00"), span("17:00-18:00")], "2026-01-30 17:30", True),
    ],
)
def test_days_and_hours(spans: list[Span], local: str, active: bool) -> None:
    assert watches(Schedule(tuple(spans), MAKASSAR), local) == active


def test_hours_are_those_of_the_time_zone() -> None:
    day = (span("08:00-17:00"),)
    noon_utc = datetime(2026, 1, 30, 0, 0, tzinfo=UTC).timestamp()  # 08:00 in Makassar
    assert Schedule(day, MAKASSAR).active(noon_utc)
    assert not Schedule(day, ZoneInfo("UTC")).active(noon_utc)
    assert not Schedule(day, ZoneInfo("Asia/Jakarta")).active(noon_utc)


# In New York, on 2026-03-08 02:00 becomes 03:00, and on 2026-11-01 02:00 becomes 01:00.
@pytest.mark.parametrize(
    ("hours", "local", "active"),
    [
        # what the clock jumps past begins, or ends, with the jump
        ("02:30-04:00", "2026-03-08 01:59", False),
        ("02:30-04:00", "2026-03-08 03:00", True),
        ("02:30-04:00", "2026-03-08 04:00", False),
        ("01:00-02:30", "2026-03-08 01:59", True),
        ("01:00-02:30", "2026-03-08 03:00", False),
        ("02:10-02:50", "2026-03-08 03:00", False),
        # of an hour that comes twice, a span begins in the first and ends in the second
        ("01:30-03:00", "2026-11-01T01:29:00-04:00", False),
        ("01:30-03:00", "2026-11-01T01:30:00-04:00", True),
        ("01:30-03:00", "2026-11-01T01:00:00-05:00", True),
        ("00:30-01:30", "2026-11-01T01:45:00-04:00", True),
        ("00:30-01:30", "2026-11-01T01:29:00-05:00", True),
        ("00:30-01:30", "2026-11-01T01:30:00-05:00", False),
        ("22:00-05:00", "2026-11-01T01:15:00-05:00", True),
    ],
)
def test_clocks_that_are_put_on_or_back(hours: str, local: str, active: bool) -> None:
    assert watches(Schedule((span(hours),), NEW_YORK), local) == active


CLOSED = frozenset({date(2026, 12, 25)})  # a Friday


@pytest.mark.parametrize(
    ("on_holidays", "local", "active"),
    [
        ("same", "2026-12-25 12:00", False),
        ("same", "2026-12-25 23:00", True),
        ("all", "2026-12-24 23:00", True),
        ("all", "2026-12-25 04:00", True),
        ("all", "2026-12-25 12:00", True),
        ("all", "2026-12-26 04:00", True),  # the night that began on the holiday goes on
        ("all", "2026-12-26 12:00", False),
        ("none", "2026-12-24 23:00", True),
        ("none", "2026-12-25 04:00", False),
        ("none", "2026-12-25 23:00", False),
        ("none", "2026-12-26 04:00", False),  # and one that did not begin does not
        ("none", "2026-12-28 23:00", True),
    ],
)
def test_holidays(on_holidays: OnHolidays, local: str, active: bool) -> None:
    assert watches(Schedule((NIGHT,), MAKASSAR, CLOSED, on_holidays), local) == active


def test_a_country_s_holidays() -> None:
    # 2026-08-17 is Independence Day, 2026-12-24 joint leave
    days = span("08:00-17:00", WORKDAYS)
    for country, local, active in [
        ("ID", "2026-08-17 12:00", False),
        ("ID", "2026-12-24 12:00", True),
        ("ID/government", "2026-08-17 12:00", False),
        ("ID/government", "2026-12-24 12:00", False),
    ]:
        schedule = Schedule((days,), MAKASSAR, on_holidays="none", countries=(country,))
        assert watches(schedule, local) == active
    assert date(2027, 8, 17) in public_holidays("ID", 2027)
    assert {day.year for day in public_holidays("ID", 2027)} == {2027}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Schedule((), MAKASSAR), "a schedule has a span or more"),
        (lambda: Span(frozenset(), time(0), time(1)), r"days are some of 0 to 6, not \[\]"),
        (lambda: Span(frozenset({7}), time(0), time(1)), r"days are some of 0 to 6, not \[7\]"),
        (lambda: Schedule((NIGHT,), MAKASSAR, countries=("XX",)), "the holidays of 'XX' are not"),
        (lambda: Schedule((NIGHT,), MAKASSAR, countries=("ID/bank",)), "'/bank' after 'ID' has"),
        (lambda: Schedule((NIGHT,), MAKASSAR, countries=("DE/government",)), "no days are known"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


class Slow:
    """The same by brute force: every minute of some days is looked at, and a span is from the
    first at which the clock is at its start or past it to the last before its end."""

    def __init__(self, schedule: Schedule, first: datetime, days: int) -> None:
        self.schedule = schedule
        self.minutes = [first + i * MINUTE for i in range(days * 24 * 60)]
        self.clock = [
            minute.astimezone(schedule.zone).replace(tzinfo=None) for minute in self.minutes
        ]
        self.on = [False] * len(self.minutes)
        for day in sorted({clock.date() + timedelta(d) for clock in self.clock for d in (-1, 0)}):
            if schedule.on_holidays == "none" and day in schedule.holidays:
                continue
            for each in schedule.spans:
                if day.weekday() in each.days:
                    self._add(day, each)
        for i, clock in enumerate(self.clock):
            if schedule.on_holidays != "same" and clock.date() in schedule.holidays:
                self.on[i] = schedule.on_holidays == "all"

    def _add(self, day: date, each: Span) -> None:
        start, end = datetime.combine(day, each.start), datetime.combine(day, each.end)
        if end <= start:
            end += timedelta(days=1)
        since = next((i for i, clock in enumerate(self.clock) if clock >= start), len(self.clock))
        until = max((i for i, clock in enumerate(self.clock) if clock < end), default=-1)
        for i in range(since, until + 1):
            self.on[i] = True


clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 29, 30, 31, 59]))
all_spans = st.builds(Span, st.frozensets(st.integers(0, 6), min_size=1), clocks, clocks)


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Asia/Makassar", "2026-01-30"),
        ("America/New_York", "2026-03-07"),
        ("America/New_York", "2026-10-31"),
        ("Australia/Lord_Howe", "2026-04-04"),  # by half an hour
        ("Pacific/Apia", "2011-12-29"),  # a day was left out
    ],
)
@settings(max_examples=8, deadline=None)
@given(
    spans=st.lists(all_spans, min_size=1, max_size=3),
    holidays=st.frozensets(st.integers(0, 3), max_size=2),
    on_holidays=st.sampled_from(["all", "none", "same"]),
)
def test_a_schedule_is_what_looking_at_every_minute_finds(
    zone: str, first: str, spans: list[Span], holidays: frozenset[int], on_holidays: OnHolidays
) -> None:
    begin = datetime.fromisoformat(first).replace(tzinfo=UTC) - timedelta(hours=12)
    days = frozenset(begin.date() + timedelta(days=d) for d in holidays)
    schedule = Schedule(tuple(spans), ZoneInfo(zone), days, on_holidays)
    # two days before are there only so that spans which began then are known
    slow = Slow(schedule, begin - timedelta(days=2), 5)
    for minute, clock, on in list(zip(slow.minutes, slow.clock, slow.on, strict=True))[2 * 1440 :]:
        assert schedule.active(minute.timestamp()) == on, clock
        assert schedule.active(minute.timestamp() + 59.999) == on, clock
