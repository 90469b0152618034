"""How fast something goes on the ground, and how surely: a straight line in time through its foot
points, by weighted least squares (Draper and Smith, Applied Regression Analysis, 3rd ed., chapter
9), with what the boxes, the box's foot on the body and the calibration's marks may be off by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from vision.calibration import Calibration
from vision.marks import Marks

Floats = NDArray[np.float64]

MIN_FIXES: Final = 4
"""Two make a line, the others say how good it is."""
KMH: Final = 3.6
"""km/h in a m/s."""
NOISE_PX: Final = 1.0
"""Standard deviation of a foot point that is never doubted: a few boxes that happen to lie on one
line are no better than that."""
SAME_S: Final = 0.2
"""Boxes of pictures that are closer in time are off in the same way, so that more of them in a
second say no more."""
SURE: Final = 0.97725
"""What is below two standard deviations above the mean of a normal distribution."""
JUMP_SIGMAS: Final = 3.0
"""A foot that jumps by more than so many standard deviations of its steps was not driven there."""
JUMP_SHARE: Final = 1.5
"""By so much of itself, a window's length, a jump in the middle changes the slope of the line."""
BODY_SHARE: Final = 0.025
"""Standard deviation of a speed for the bottom centre of a box wandering over the body while it
passes. Blocks of 4.4x1.8x1.5 m, 2x0.7x1.6 m and 11x2.5x3.1 m that pass cameras at 5 to 12 m, in
any direction, are too slow by 1.8, 0.4 and 2.3 % in the mean, and off by 4, 1.4 and 6 % at most in
95 of 100 cases."""


@dataclass(frozen=True, slots=True)
class Speed:
    """``kmh`` with its standard deviation ``sd_kmh``; the foot points lie about the line by
    ``noise_px``, root mean square."""

    kmh: float
    sd_kmh: float
    noise_px: float

    @property
    def at_least_kmh(self) -> float:
        """It is slower than this in two of a hundred cases: two standard deviations below."""
        return self.kmh - 2 * self.sd_kmh


class GroundSpeed:
    """Speeds in one calibrated view. Raises ValueError where its marks are no good."""

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self._marks = Marks(calibration)

    def step_m(self, point: Floats) -> float:
        """By how many metres a ``point`` (2,) px on the ground moves for one px in the worst
        direction; infinite above the horizon."""
        if not self.calibration.on_ground(point[None])[0]:
            return math.inf
        return float(np.linalg.norm(self.calibration.m_per_px(point[None])[0], 2))

    def speed(self, times: Floats, px: Floats) -> Speed | None:
        """Of foot points ``px`` (n, 2) at ``times`` (n,) seconds, all of them on the ground; None
        for fewer than ``MIN_FIXES``, or where they are all of one moment."""
        n = len(times)
        if n < MIN_FIXES or times[-1] <= times[0]:
            return None
        ground = self.calibration.to_ground(px)
        # in px, where one point is as good as another: near and far ones weigh what they are worth
        to_px = np.linalg.inv(self.calibration.m_per_px(px))
        since = times - times.mean()
        rows = np.concatenate([to_px, to_px * since[:, None, None]], axis=2).reshape(2 * n, 4)
        told = (to_px @ (ground - ground.mean(axis=0))[..., None]).reshape(2 * n)
        line, *_ = np.linalg.lstsq(rows, told)
        noise_px = math.sqrt(float(((rows @ line - told) ** 2).sum()) / (2 * n - 4))
        # what n points say, of which so many are of their own
        own = min(float(n), (times[-1] - times[0]) / SAME_S + 1)
        spread = np.linalg.inv(rows.T @ rows)[2:, 2:] * max(noise_px, NOISE_PX) ** 2 * n / own
        # so few tell their own spread badly: two of these are as sure as two of a known one
        spread *= (float(stdtrit(max(2 * own - 4, 1.0), SURE)) / 2) ** 2
        m_per_s = float(np.hypot(*line[2:]))
        way = line[2:] / m_per_s if m_per_s > 0 else np.array([1.0, 0.0])
        off = (ground - ground.mean(axis=0) - line[:2] - since[:, None] * line[2:]) @ way
        floor = NOISE_PX * float(np.hypot(*(way @ self.calibration.m_per_px(px).mean(axis=0))))
        parts = (
            float(way @ spread @ way),
            (BODY_SHARE * m_per_s) ** 2,
            (JUMP_SHARE * _jump(off, floor) / (times[-1] - times[0])) ** 2,
            self._of_marks(times, px),
        )
        return Speed(KMH * m_per_s, KMH * math.sqrt(sum(parts)), noise_px)

    def _of_marks(self, times: Floats, px: Floats) -> float:
        """The variance of the speed (m/s)² for the marks: how much the way from the first
        point to the last changes where they are off."""
        ends = px[[0, -1]]
        seconds = float(times[-1] - times[0])

        def m_per_s(calibration: Calibration) -> float:
            start, end = calibration.to_ground(ends)
            return float(np.hypot(*(end - start))) / seconds

        return self._marks.spread(m_per_s) ** 2


def _jump(off: Floats, floor: float) -> float:
    """By how much the largest step of residuals ``off`` (n,) is larger than chance makes it, in
    their unit; ``floor`` is the least that their standard deviation is taken for."""
    steps = np.diff(off)
    # a jump tilts the line, and all other steps by the same
    steps = np.abs(steps - np.median(steps))
    # the median of a normal distribution's absolute values is 0.6745 of its standard deviation
    typical = max(float(np.median(steps)) / 0.6745, math.sqrt(2) * floor)
    return max(0.0, float(steps.max()) - JUMP_SIGMAS * typical)
