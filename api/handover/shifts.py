"""When shifts begin and end, by the city's clocks. No clock and no store; times are UTC seconds
that the caller gives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from api.learning import NoSpanError, Span
from api.times import midnight

BEGINS: Final = (7, 15, 23)
"""The hours at which shifts begin, where nobody says others."""
MAX_SHIFTS: Final = 12
MAX_CHARS: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
MAX_DAYS: Final = 7
"""So long a report may look back; it is for whoever takes over."""


class HalfSpanError(ValueError):
    """Only one end of a time was named."""

    def __init__(self) -> None:
        super().__init__("write both 'from' and 'to', or none of them for the shift that ends")


class LongSpanError(ValueError):
    """Too much lies between two times."""

    def __init__(self) -> None:
        super().__init__(f"a report is of at most {MAX_DAYS} days: ask for a shorter time")


class NoShiftsError(ValueError):
    """A text that names no hours."""

    def __init__(self) -> None:
        super().__init__(
            f"write up to {MAX_SHIFTS} different full hours from 0 to 23 at which shifts begin, "
            "such as 7,15,23"
        )


class Shifts(NamedTuple):
    """A shift, the one before it and the one after."""

    before: Span
    this: Span
    after: Span


def hours(text: str) -> tuple[int, ...]:
    """The hours at which shifts begin, of a text such as ``7, 15, 23``; the usual ones of an empty
    one. Raises NoShiftsError."""
    if not text.strip():
        return BEGINS
    parts = [part.strip() for part in text[: MAX_CHARS + 1].split(",")]
    found = {int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) <= 2}
    if len(text) > MAX_CHARS or len(found) != len(parts) or not len(found) <= MAX_SHIFTS:
        raise NoShiftsError
    if max(found) > 23:
        raise NoShiftsError
    return tuple(sorted(found))


def shifts(now: float, begins: Sequence[int] = BEGINS) -> Shifts:
    """The shift whose end is nearest to ``now``, since reports are made shortly before it and
    shortly after; of two that are as near the earlier one."""
    day = midnight(now)
    ends = [day + n * DAY_S + hour * HOUR_S for n in range(-3, 4) for hour in sorted(begins)]
    spans = [Span(float(begin), float(end)) for begin, end in pairwise(ends)]
    # the first and the last only stand beside others
    at = min(range(1, len(spans) - 1), key=lambda n: abs(spans[n].to_ts - now))
    return Shifts(*spans[at - 1 : at + 2])


def span(from_ts: float | None, to_ts: float | None, usual: Span) -> Span:
    """The time of a report, the ``usual`` one where nothing else is said. Raises HalfSpanError,
    NoSpanError or LongSpanError."""
    if from_ts is None and to_ts is None:
        return usual
    if from_ts is None or to_ts is None:
        raise HalfSpanError
    if from_ts >= to_ts:
        raise NoSpanError
    if to_ts - from_ts > MAX_DAYS * DAY_S:
        raise LongSpanError
    return Span(from_ts, to_ts)
