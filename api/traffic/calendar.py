"""What a day is to a report: the city's, and perhaps a holiday."""

from __future__ import annotations

from typing import Final

from api.times import local
from streams.config import WITA
from streams.trafficfile import Traffic
from vision.measures import DAY_S

WEEK_S: Final = 7 * DAY_S
AHEAD_S: Final = int(WITA.utcoffset(None).total_seconds())
"""By how much the city's clocks are ahead of UTC."""


def offset_of(seconds: int) -> int:
    """By how much bins of ``seconds`` begin before those of UTC: days are the city's."""
    return AHEAD_S if seconds == DAY_S else 0


class Days:
    """Which of the city's days in [from_ts, to_ts) are holidays."""

    def __init__(self, traffic: Traffic, from_ts: float, to_ts: float) -> None:
        first, last = local(from_ts).date(), local(to_ts - 1).date()
        years = range(first.year, last.year + 1)
        known = (day for year in years for day in traffic.holidays(year))
        self.holidays = frozenset(day for day in known if first <= day <= last)

    def holiday(self, ts: float) -> bool:
        return local(ts).date() in self.holidays
