"""What a count says about traffic: peak hour, its factor, shares, headway, averages, comparison.

Nothing is added for time that nobody watched, and nothing is divided by 0: a measure that has no
value is None. What was hardly watched is in no peak, average or comparison.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from vision.traffic import HEAVY, HOUR_S, WATCHED, Passed, motorised

QUARTER_S: Final = 900
DAY_S: Final = 86_400
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Slot:
    """``value`` (vehicles, or passenger-car units) of the ``seconds`` from ``start_ts`` on, of
    which ``observed_s`` were watched; None where nothing was stated."""

    start_ts: float
    seconds: int
    value: float | None
    observed_s: float

    @property
    def watched(self) -> float:
        """The part that was watched, 0 to 1."""
        return min(self.observed_s / self.seconds, 1.0)

    @property
    def known(self) -> float | None:
        """Its value where enough of it was watched to set it beside others."""
        return self.value if self.watched >= WATCHED else None


@dataclass(frozen=True, slots=True)
class Peak:
    """The hour in which most passed: ``value`` from ``start_ts`` on, ``watched`` of it (0 to 1).
    ``quarter`` passed in the fullest 15 minutes of it; None where slots are longer. It was looked
    for among ``hours`` hours, of the ``of`` that begin and end in the time."""

    start_ts: float
    value: float
    watched: float
    quarter: float | None
    hours: int
    of: int

    @property
    def factor(self) -> float | None:
        """The peak-hour factor, V / (4 V15): 0.25 where all came in a quarter, 1 where they came
        evenly (*Highway Capacity Manual*; in Indonesia *faktor jam sibuk*)."""
        return self.value / (4 * self.quarter) if self.quarter else None


def peak_hour(slots: Sequence[Slot]) -> Peak | None:
    """The fullest hour, sliding by slots; the first of several. Only hours all of whose slots are
    stated, and of which ``WATCHED`` was watched, are looked at. None where there is no such hour.
    Raises ValueError for slots that do not make hours: of several lengths, or none that divides
    one."""
    if not slots:
        return None
    seconds = _length(slots)
    by_start = {slot.start_ts: slot for slot in slots}
    if len(by_start) < len(slots):
        raise ValueError("two slots begin at the same time")
    n = HOUR_S // seconds
    best: tuple[float, Sequence[Slot]] | None = None
    hours = 0
    for start_ts in sorted(by_start):
        found = [by_start.get(start_ts + i * seconds) for i in range(n)]
        hour = [slot for slot in found if slot is not None and slot.value is not None]
        if len(hour) < n or math.fsum(slot.observed_s for slot in hour) < WATCHED * HOUR_S:
            continue
        hours += 1
        value = _sum(hour)
        if best is None or value > best[0]:
            best = value, hour
    if best is None:
        return None
    value, fullest = best
    first_ts, last_ts = min(by_start), max(by_start) + seconds
    return Peak(
        start_ts=fullest[0].start_ts,
        value=value,
        watched=min(math.fsum(slot.observed_s for slot in fullest) / HOUR_S, 1.0),
        quarter=_fullest_quarter(fullest, seconds),
        hours=hours,
        of=max(math.floor((last_ts - first_ts - HOUR_S) / seconds) + 1, 0),
    )


def shares(values: Mapping[K, float]) -> dict[K, float] | None:
    """Which part each has of the sum, such as the directional split. None of nothing."""
    total = math.fsum(values.values())
    return {key: value / total for key, value in values.items()} if total else None


def heavy_share(counts: Passed) -> float | None:
    """The part of the motorised vehicles that is heavy (KS, BB, TB)."""
    total = motorised(counts)
    return sum(counts.get(name, 0) for name in HEAVY) / total if total else None


def mean_headway_s(count: float, observed_s: float) -> float | None:
    """Seconds from one to the next, on average over the time that was watched. None where nobody
    passed."""
    return observed_s / count if count else None


def occupancy(occupied_s: float, observed_s: float) -> float | None:
    """The part of the watched time for which something stood on the line, 0 to 1."""
    return min(occupied_s / observed_s, 1.0) if observed_s else None


class Average(NamedTuple):
    """The mean over so many ``days``."""

    value: float
    days: int


@dataclass(frozen=True, slots=True)
class Week:
    """``averages`` by weekday (Monday is 0) and by second of the day at which slots begin, over
    days that are no holidays; ``left_out`` are the holidays in the time."""

    averages: Mapping[tuple[int, int], Average]
    left_out: tuple[date, ...]


def week_of(slots: Sequence[Slot], holidays: Collection[date], offset_s: int) -> Week:
    """What passes on each weekday; a clock of the place is ``offset_s`` seconds ahead of UTC."""
    found: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    left_out = set()
    for slot in slots:
        value = slot.known
        day, second = local_day(slot.start_ts, offset_s)
        if day in holidays:
            left_out.add(day)
        elif value is not None:
            found[day.weekday(), second].append(value)
    averages = {
        key: Average(math.fsum(values) / len(values), len(values))
        for key, values in sorted(found.items())
    }
    return Week(averages, tuple(sorted(left_out)))


def local_day(ts: float, offset_s: int) -> tuple[date, int]:
    """The day of ``ts`` (UTC seconds) at a place whose clock is ``offset_s`` ahead, and how many
    seconds of it are over."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=math.floor(ts) + offset_s)
    return moment.date(), (math.floor(ts) + offset_s) % DAY_S


@dataclass(frozen=True, slots=True)
class Comparison:
    """``now`` passed against ``before``, in ``slots`` slots that were watched both times, of the
    ``of`` that there are now."""

    now: float
    before: float
    slots: int
    of: int

    @property
    def change(self) -> float | None:
        """The part by which it grew; negative where it shrank."""
        return (self.now - self.before) / self.before if self.before else None


def compared(now: Sequence[Slot], before: Sequence[Slot], shift_s: float) -> Comparison | None:
    """Slots against those that began ``shift_s`` earlier (0: of another line at the same time).
    None where none was watched both times."""
    earlier = {slot.start_ts + shift_s: slot.known for slot in before}
    pairs = [
        (slot.known, other)
        for slot in now
        if slot.known is not None and (other := earlier.get(slot.start_ts)) is not None
    ]
    if not pairs:
        return None
    return Comparison(
        math.fsum(value for value, _ in pairs),
        math.fsum(value for _, value in pairs),
        len(pairs),
        len(now),
    )


def _length(slots: Sequence[Slot]) -> int:
    seconds = slots[0].seconds
    if any(slot.seconds != seconds for slot in slots):
        raise ValueError("slots of several lengths have no peak hour")
    if seconds < 1 or HOUR_S % seconds:
        raise ValueError(f"slots of {seconds} s make no hour")
    return seconds


def _fullest_quarter(hour: Sequence[Slot], seconds: int) -> float | None:
    if QUARTER_S % seconds:
        return None
    n = QUARTER_S // seconds
    return max(_sum(hour[i : i + n]) for i in range(len(hour) - n + 1))


def _sum(slots: Sequence[Slot]) -> float:
    return math.fsum(slot.value for slot in slots if slot.value is not None)
