"""How surely the ground of a view is known: what its marks may be off by, carried on to whatever
is measured with them (propagation of uncertainty, JCGM 100:2008, chapter 5.1.2, by differences).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from vision.calibration import MIN_POINTS, Calibration

MARK_PX: Final = 1.0
"""Standard deviation of where a person points at a mark in the picture, px a coordinate."""
MARK_M: Final = 0.05
"""Standard deviation of a mark's place that is measured with a tape, metres a coordinate."""


class Marks:
    """The errors that the marks of a ``calibration`` may have: each by ``MARK_PX`` in the picture
    and ``MARK_M`` on the ground, or by more where they contradict each other by more.

    Raises ValueError where such an error turns the ground inside out.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        px, m = calibration.px, calibration.m
        steps = calibration.m_per_px(px)
        spread = MARK_PX**2 * steps @ steps.transpose(0, 2, 1) + MARK_M**2 * np.eye(2)
        sizes, ways = np.linalg.eigh(spread)
        # a metre of the residual is worth what a mark may be off by there, and that is 1 if all
        # is as supposed; eight numbers of a homography are fitted to two of each mark
        away = calibration.to_ground(px) - m
        worth = ((ways.transpose(0, 2, 1) @ away[..., None])[..., 0] ** 2 / sizes).sum()
        free = 2 * (len(px) - MIN_POINTS)
        worse = max(1.0, math.sqrt(worth / free)) if free else 1.0
        moved = []
        for mark in range(len(px)):
            for axis in range(2):
                others = m.copy()
                others[mark] += worse * math.sqrt(sizes[mark, axis]) * ways[mark, :, axis]
                moved.append(others)
        try:
            self._others = tuple(Calibration(px, others) for others in moved)
        except ValueError:
            raise ValueError(
                "the marks of the calibration are so close together that an error of a pixel "
                "turns the ground over; choose marks that are further apart"
            ) from None

    def spread(self, measure: Callable[[Calibration], float]) -> float:
        """Standard deviation of what ``measure`` finds on the ground, of its own unit; infinite
        where it is no number."""
        here = measure(self.calibration)
        found = math.sqrt(sum((measure(other) - here) ** 2 for other in self._others))
        return found if math.isfinite(found) else math.inf
