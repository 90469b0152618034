"""How fast those were that passed a line: sums that can be added up over any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KMH: Final = 3.6
"""km/h in a m/s."""


@dataclass(frozen=True, slots=True)
class Pace:
    """``measured`` of those that were counted have a speed, and their slownesses, in seconds for a
    metre, are ``s_per_m`` together. Raises ValueError where nobody was measured, or no time."""

    measured: int
    s_per_m: float

    def __post_init__(self) -> None:
        if self.measured < 1 or not self.s_per_m > 0:
            raise ValueError(
                f"a pace is of one or more and takes time, not {self.s_per_m} s/m of "
                f"{self.measured}"
            )

    @property
    def kmh(self) -> float:
        """The space-mean speed: the harmonic mean of speeds at a line (J. G. Wardrop, *Some
        theoretical aspects of road traffic research*, Proceedings of the Institution of Civil
        Engineers, part II, vol. 1, 1952)."""
        return KMH * self.measured / self.s_per_m

    def __add__(self, other: Pace) -> Pace:
        return Pace(self.measured + other.measured, self.s_per_m + other.s_per_m)
