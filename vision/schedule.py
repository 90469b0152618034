"""When a rule watches: days of the week and hours, in a time zone, with holidays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` to ``end`` on each of ``days`` (Monday is 0), local time. A span that ends
    no later than it starts goes on into the next day and belongs to the day of its start."""

    days: frozenset[int]
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule watches while any of ``spans`` holds in ``zone``. On ``holidays`` it watches the
    whole day ("all"), not at all ("none"), or as on any other day ("same")."""

    spans: tuple[Span, ...]
    zone: ZoneInfo
    holidays: frozenset[date] = frozenset()
    on_holidays: Literal["all", "none", "same"] = "same"

    def active(self, ts: float) -> bool:
        """Does the rule watch at ``ts`` (UTC seconds)?"""
        now = datetime.fromtimestamp(ts, self.zone)
        if self.on_holidays != "same" and now.date() in self.holidays:
            return self.on_holidays == "all"
        return any(self._holds(span, now, day) for span in self.spans for day in (0, 1))

    def _holds(self, span: Span, now: datetime, days_ago: int) -> bool:
        """Does the part of ``span`` that began ``days_ago`` hold now?"""
        day = now.date() - days_ago * DAY
        if day.weekday() not in span.days:
            return False
        if self.on_holidays != "same" and day in self.holidays:
            return False
        over_midnight = span.end <= span.start
        clock = now.time()
        if days_ago == 0:
            return clock >= span.start and (over_midnight or clock < span.end)
        return over_midnight and clock < span.end
