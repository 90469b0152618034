"""What people's closings say of rules, as values: how often a rule's alerts were true alarms, and
how sure that is. No clock and no store; times are UTC seconds that the caller gives."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

Z: Final = 1.959963984540054
"""Of a normal variable, 95 % lie less than so many standard deviations from its mean."""
DAY_S: Final = 86_400.0
DAYS: Final = 30
"""So far back is looked where nobody says how far."""
MAX_DAYS: Final = 366


class NoSpanError(ValueError):
    """Nothing lies between two times."""

    def __init__(self) -> None:
        super().__init__("'from' must be before 'to', which is now by default")


class LongSpanError(ValueError):
    """Too much lies between two times."""

    def __init__(self) -> None:
        super().__init__(f"at most {MAX_DAYS} days are looked at: ask for a shorter time")


class Span(NamedTuple):
    """From ``from_ts`` until before ``to_ts``, UTC seconds."""

    from_ts: float
    to_ts: float


def span(from_ts: float | None, to_ts: float | None, now: float) -> Span:
    """The time to look at: until ``now`` and ``DAYS`` long where nothing else is said. Raises
    NoSpanError, or LongSpanError for more than ``MAX_DAYS``."""
    end = now if to_ts is None else to_ts
    begin = max(0.0, end - DAYS * DAY_S) if from_ts is None else from_ts
    if begin >= end:
        raise NoSpanError
    if end - begin > MAX_DAYS * DAY_S:
        raise LongSpanError
    return Span(begin, end)


class Interval(NamedTuple):
    """Where a share most likely lies, both within 0..1."""

    low: float
    high: float


def wilson(yes: int, no: int) -> Interval | None:
    """The 95 % score interval of the share of ``yes`` among ``yes + no``, None of nothing.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
    the American Statistical Association 22 (1927), 209-212. It stays within 0..1 and is of use for
    few, too. Raises ValueError for what is less than nothing.
    """
    if min(yes, no) < 0:
        raise ValueError(f"{yes} and {no} are no numbers of alerts: none is less than 0")
    n = yes + no
    if n == 0:
        return None
    share, spread = yes / n, Z * Z / n
    middle = share + spread / 2
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    # at both ends the formula gives exactly these, which rounding misses
    low = 0.0 if yes == 0 else (middle - half) / (1 + spread)
    high = 1.0 if no == 0 else (middle + half) / (1 + spread)
    return Interval(low, high)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the ``alerts`` of one rule at one camera: so many were closed as true and as
    false alarms. Raises ValueError where more were closed than there are."""

    camera: str
    kind: str
    rule: str
    alerts: int
    true_alarms: int
    false_alarms: int

    def __post_init__(self) -> None:
        if self.unjudged < 0 or min(self.true_alarms, self.false_alarms) < 0:
            raise ValueError(
                f"{self.true_alarms} true and {self.false_alarms} false alarms do not fit into "
                f"{self.alerts} alerts"
            )

    @property
    def unjudged(self) -> int:
        """Of so many nobody has said yet what they were."""
        return self.alerts - self.true_alarms - self.false_alarms

    @property
    def precision(self) -> float | None:
        """The share of true alarms among those that were judged, 0..1; None where none was."""
        judged = self.true_alarms + self.false_alarms
        return self.true_alarms / judged if judged else None

    @property
    def interval(self) -> Interval | None:
        """In which the precision lies with 95 %; None where nothing was judged."""
        return wilson(self.true_alarms, self.false_alarms)


def worst_first(rows: Iterable[Judged]) -> list[Judged]:
    """First those whose precision is low for certain: by the upper end of the interval, which is 1
    where nothing was judged; of equal ones those with most alerts."""
    return sorted(rows, key=_badness)


def _badness(row: Judged) -> tuple[float, int, str, str, str]:
    interval = row.interval
    high = 1.0 if interval is None else interval.high
    return high, -row.alerts, row.camera, row.kind, row.rule
