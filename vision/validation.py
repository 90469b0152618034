"""How wrong a machine counts: its counts of some pieces of time beside those of people who watched
the same pieces.

The pieces are a sample, so what they say of all the time is a ratio estimate with an interval
(W. G. Cochran, *Sampling Techniques*, 3rd edition, Wiley 1977, chapter 6).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

EVERY: Final = ""
"""Stands for all classes together."""
NORMAL: Final = 1.959963984540054
"""Of a normal variable, 95 % lie less than so many standard deviations from its mean."""
STUDENT: Final = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010,
    2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
)  # fmt: skip
"""The same of Student's t, with 1 degree of freedom and more."""
NONE_OF: Final = -math.log(0.025)
"""Who sees nothing wrong in n may, with 97.5 % certainty, still have up to so many n-ths wrong: no
interval is narrower on either side."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a machine and a person counted of one piece, by class; who is not there was not
    counted."""

    machine: Mapping[str, int]
    true: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How a machine counted one class, or ``EVERY`` one, in so many ``pieces``: ``machine`` of it,
    where there were ``true``.

    ``low`` and ``high`` are the 95 % interval of ``ratio``; None where the pieces are too few, or
    too unlike each other, to tell.
    """

    class_name: str
    pieces: int
    machine: int
    true: int
    low: float | None = None
    high: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many the machine counts for each that was there; None where nobody was."""
        return self.machine / self.true if self.true else None

    @property
    def error(self) -> float | None:
        """The same less 1: 0.05 is 5 % too many."""
        return None if self.ratio is None else self.ratio - 1

    @property
    def errors(self) -> tuple[float, float] | None:
        """The interval of ``error``."""
        if self.low is None or self.high is None:
            return None
        return self.low - 1, self.high - 1

    @property
    def factor(self) -> float | None:
        """What a machine's count would have to be multiplied by to come to the true one."""
        return self.true / self.machine if self.machine and self.true else None

    @property
    def factors(self) -> tuple[float, float] | None:
        """The interval of ``factor``; infinite where the machine may count next to nothing."""
        if self.factor is None or self.low is None or self.high is None:
            return None
        return 1 / self.high, 1 / self.low if self.low > 0 else math.inf


def accuracies(pieces: Sequence[Compared], classes: Iterable[str]) -> tuple[Accuracy, ...]:
    """How right each class was counted in these pieces, those beside ``classes`` that anybody
    counted after them, and last all together."""
    names = dict.fromkeys(classes)
    for piece in pieces:
        names |= dict.fromkeys(name for name, n in piece.machine.items() if n)
        names |= dict.fromkeys(name for name, n in piece.true.items() if n)
    found = [
        _accuracy(name, [(each.machine.get(name, 0), each.true.get(name, 0)) for each in pieces])
        for name in names
    ]
    whole = [(sum(each.machine.values()), sum(each.true.values())) for each in pieces]
    return (*found, _accuracy(EVERY, whole))


def _accuracy(name: str, counted: Sequence[tuple[int, int]]) -> Accuracy:
    """Of each piece what the machine counted, and what was true."""
    machine, true = sum(each for each, _ in counted), sum(each for _, each in counted)
    limits = _limits(counted)
    if limits is None:
        return Accuracy(name, len(counted), machine, true)
    ratio, slack = machine / true, NONE_OF / true
    low, high = min(limits[0], ratio - slack), max(limits[1], ratio + slack)
    return Accuracy(name, len(counted), machine, true, max(low, 0.0), high)


def _limits(counted: Sequence[tuple[int, int]]) -> tuple[float, float] | None:
    """Between which the ratio of sums lies with 95 % certainty.

    The limits are those R for which the mean of machine - R true does not differ from 0 by more
    than t of its own standard errors. For many pieces they come to the ratio ± t times Cochran's
    standard error of it; for few they are wider, and not even on both sides, and where true counts
    differ so much that their mean may be next to nothing, there are none.
    """
    n = len(counted)
    if n < 2 or not any(true for _, true in counted):
        return None
    y, x = sum(each for each, _ in counted) / n, sum(each for _, each in counted) / n
    yy = sum((each - y) ** 2 for each, _ in counted) / (n - 1)
    xx = sum((each - x) ** 2 for _, each in counted) / (n - 1)
    yx = sum((each - y) * (true - x) for each, true in counted) / (n - 1)
    share = student(n - 1) ** 2 / n
    a, b, c = x * x - share * xx, x * y - share * yx, y * y - share * yy
    if a <= 0:
        return None
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a, (b + root) / a


def student(freedom: int) -> float:
    """Of Student's t with so many degrees of freedom, 1 or more, 95 % lie within this of 0."""
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    # R. A. Fisher's expansion, right to 4 decimals from here on
    z, v = NORMAL, float(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / v + second / v**2 + third / v**3


def drawn(starts: Sequence[float], number: int, seed: int) -> list[float]:
    """Up to ``number`` of these times, one by chance out of each of as many even parts of them in
    their order: so each hour and its light has its share, and each time the same chance as far as
    they divide. The same ``seed`` draws the same."""
    if number < 1:
        raise ValueError(f"at least 1 piece is drawn, not {number}")
    ordered = sorted(starts)
    parts = min(number, len(ordered))
    chance = random.Random(seed)
    return [
        chance.choice(ordered[i * len(ordered) // parts : (i + 1) * len(ordered) // parts])
        for i in range(parts)
    ]
