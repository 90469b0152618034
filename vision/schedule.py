"""When a rule watches: days of the week and hours, in a time zone, with holidays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

OnHolidays: TypeAlias = Literal["all", "none", "same"]

DAY: Final = timedelta(days=1)
EVERY_DAY: Final = frozenset(range(7))
CLOSED_OFFICES: Final = "/government"
"""After a country's code: with the days on which only government offices are closed, which in
Indonesia are those of joint leave."""


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` to ``end`` on each of ``days`` (Monday is 0), local time. A span that ends
    no later than it starts goes on into the next day and belongs to the day of its start.

    Raises ValueError where there is no day, or one that no week has.
    """

    days: frozenset[int]
    start: time
    end: time

    def __post_init__(self) -> None:
        if not self.days or not self.days <= EVERY_DAY:
            raise ValueError(f"days are some of 0 to 6, not {sorted(self.days)}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule watches while any of ``spans`` holds in ``zone``.

    Each span is one stretch of time: it begins when the clock first comes to its start, or past it
    where clocks are put forward, and ends when the clock comes to its end, for the second time
    where an hour comes twice. Holidays are ``holidays`` and those of ``countries``, ISO 3166 codes.
    A rule watches on a holiday the whole day ("all"), not at all ("none"), or as on any other day
    ("same"); a span that begins on one and goes on into the next day is left out only by "none".

    Raises ValueError where there is no span, or a country that nothing is known of.
    """

    spans: tuple[Span, ...]
    zone: ZoneInfo
    holidays: frozenset[date] = frozenset()
    on_holidays: OnHolidays = "same"
    countries: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.spans:
            raise ValueError("a schedule has a span or more")
        for country in self.countries:
            public_holidays(country, date.max.year)  # whatever the year: it is known or it is not

    def active(self, ts: float) -> bool:
        """Does the rule watch at ``ts`` (UTC seconds)?"""
        now = datetime.fromtimestamp(ts, self.zone)
        today = now.date()
        if self.on_holidays != "same" and self._holiday(today):
            return self.on_holidays == "all"
        return any(
            self._holds(span, now, day)
            for day in (today - DAY, today)
            if self.on_holidays != "none" or not self._holiday(day)
            for span in self.spans
        )

    def _holiday(self, day: date) -> bool:
        return day in self.holidays or any(
            day in public_holidays(country, day.year) for country in self.countries
        )

    def _holds(self, span: Span, now: datetime, day: date) -> bool:
        """Does the stretch of ``span`` that begins on ``day`` hold now?"""
        if day.weekday() not in span.days:
            return False
        over = day if span.end > span.start else day + DAY
        return self._reached(datetime.combine(day, span.start), now) and not self._over(
            datetime.combine(over, span.end), now
        )

    def _reached(self, clock: datetime, now: datetime) -> bool:
        """Has the clock come to this local time, or past it?"""
        first, again = self._moments(clock)
        return now.replace(tzinfo=None) >= clock if first > again else now.timestamp() >= first

    def _over(self, clock: datetime, now: datetime) -> bool:
        """Will the clock never again show a time before this local one?"""
        first, again = self._moments(clock - timedelta.resolution)
        return now.replace(tzinfo=None) >= clock if first > again else now.timestamp() > again

    def _moments(self, clock: datetime) -> tuple[float, float]:
        """When the clock shows a local time for the first and the last time, UTC seconds; in the
        wrong order where it jumps past it."""
        first, again = (clock.replace(tzinfo=self.zone, fold=fold).timestamp() for fold in (0, 1))
        return first, again


@lru_cache(maxsize=256)
def public_holidays(country: str, year: int) -> frozenset[date]:
    """The public holidays of a country in a year, as far as they are known or can be reckoned
    ahead. ``country`` is an ISO 3166 code, with ``CLOSED_OFFICES`` or without. Raises ValueError
    for one that nothing is known of."""
    # only where a schedule names a country: it takes a while
    import holidays

    code, _, more = country.partition("/")
    if code not in holidays.list_supported_countries():
        raise ValueError(f"the holidays of '{code}' are not known")
    if more and f"/{more}" != CLOSED_OFFICES:
        raise ValueError(f"'/{more}' after '{code}' has no meaning")
    found = holidays.country_holidays(code, years=year)
    if more:
        if "government" not in found.supported_categories:
            raise ValueError(f"no days are known on which only offices are closed in '{code}'")
        found = holidays.country_holidays(code, years=year, categories=("public", "government"))
    return frozenset(day for day in found if day.year == year)
