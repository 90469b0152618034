"""Numbers among a rule's settings that decide how readily it speaks, and which of their values are
worth a try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

STRIDES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""So many steps from how it is: close ones first, further ones further apart."""
DIGITS: Final = 6
"""Steps are decimals, and so are the values that they lead to."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The setting ``name``, a number; the rule tells of less where it is moved in the direction
    ``stricter``. Sensible values lie from ``low`` to ``high``, in steps of ``step``. Raises
    ValueError where nothing lies between them."""

    name: str
    low: float
    high: float
    step: float
    stricter: Literal["up", "down"] = "up"

    def __post_init__(self) -> None:
        if not 0 < self.step <= self.high - self.low:
            raise ValueError(f"{self.name} has no steps of {self.step:g} within its bounds")

    def beyond(self, value: float) -> tuple[float, ...]:
        """Stricter values than ``value``, the least strict first; none where there are no more."""
        way = self.step if self.stricter == "up" else -self.step
        found = (round(value + stride * way, DIGITS) for stride in STRIDES)
        return tuple(each for each in found if self.low <= each <= self.high)
