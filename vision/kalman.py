"""A Kalman filter over many boxes at once: constant velocity, continuous time.

Centre x, centre y, width and height are filtered independently, so every covariance is 2x2 and
the filter is a few operations on (n, 4) arrays. Noise scales with the box's mean side, as in
Wojke et al. 2017 (DeepSORT), here per second instead of per frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.association import centred
from vision.types import BoolArray, FloatArray

Rows = NDArray[np.intp]

MEASURED = 0.1
"""Standard deviation of a measured box, in mean sides."""
START_SPEED = 2.0
"""Standard deviation of a new box's speed, in mean sides a second."""
DRIFT = 0.15
"""Random walk of the place, mean sides per square root of a second."""
SWERVE = 0.3
"""Random walk of the speed, mean sides a second per square root of a second."""
SURPRISE = 1.5
"""What the place or the size of a box is off by, squared, in its variance, before it is doubted."""
MAX_DOUBT = 10.0
SIZE_SHARE = 0.3
"""How much slower than its place a box's size changes."""


class BoxFilter:
    """Rows are boxes; the owner adds, keeps and updates rows by index."""

    def __init__(self) -> None:
        self._place = np.zeros((0, 4))
        self._speed = np.zeros((0, 4))
        self._pp = np.zeros((0, 4))
        self._pv = np.zeros((0, 4))
        self._vv = np.zeros((0, 4))

    def add(self, xyxy: NDArray[np.floating[Any]]) -> None:
        """New rows at boxes (n, 4), speed unknown."""
        place = centred(xyxy)
        unit = _unit(place)
        self._place = np.concatenate([self._place, place])
        self._speed = np.concatenate([self._speed, np.zeros_like(place)])
        self._pp = np.concatenate([self._pp, np.tile((MEASURED * unit) ** 2, (1, 4))])
        self._pv = np.concatenate([self._pv, np.zeros_like(place)])
        self._vv = np.concatenate([self._vv, (START_SPEED * unit * _PACE) ** 2])

    def predict(self, seconds: float) -> None:
        """Move every row ``seconds`` ahead."""
        if seconds <= 0 or not len(self._place):
            return
        unit = _unit(self._place) * _PACE
        drift, swerve = (DRIFT * unit) ** 2, (SWERVE * unit) ** 2
        self._place += self._speed * seconds
        # a box must not shrink through zero while nobody sees it
        self._place[:, 2:] = np.maximum(self._place[:, 2:], 1)
        self._pp += (
            2 * seconds * self._pv
            + seconds**2 * self._vv
            + drift * seconds
            + swerve * seconds**3 / 3
        )
        self._pv += seconds * self._vv + swerve * seconds**2 / 2
        self._vv += swerve * seconds

    def update(self, rows: Rows, xyxy: NDArray[np.floating[Any]]) -> None:
        """Correct ``rows`` (k,) by measured boxes (k, 4)."""
        measured = centred(xyxy)
        off = measured - self._place[rows]
        noise = (MEASURED * _unit(measured)) ** 2
        self._fade(rows, off**2 / (self._pp[rows] + noise))
        total = self._pp[rows] + noise
        gain_place, gain_speed = self._pp[rows] / total, self._pv[rows] / total
        self._place[rows] += gain_place * off
        self._speed[rows] += gain_speed * off
        self._vv[rows] -= gain_speed * self._pv[rows]
        self._pv[rows] *= 1 - gain_place
        self._pp[rows] *= 1 - gain_place

    def _fade(self, rows: Rows, surprise: NDArray[np.float64]) -> None:
        """Doubt what was known of ``rows`` (k,) whose squared innovations (k, 4), in their own
        variance, are larger than noise explains: who brakes, turns or comes near is followed at
        once (Zhou and Frank 1996, strong tracking filter)."""
        doubt = np.maximum(
            np.stack([surprise[:, :2].sum(axis=1), surprise[:, 2:].sum(axis=1)], axis=1)
            / (2 * SURPRISE),
            1,
        )
        doubt = np.minimum(
            np.concatenate([doubt[:, :1], doubt[:, :1], doubt[:, 1:], doubt[:, 1:]], axis=1),
            MAX_DOUBT,
        )
        self._pp[rows] *= doubt
        self._pv[rows] *= doubt
        self._vv[rows] *= doubt

    @property
    def place(self) -> NDArray[np.float64]:
        """Centre x, centre y, width, height (n, 4) px of all rows."""
        return self._place

    @property
    def speed(self) -> NDArray[np.float64]:
        """The speed (n, 2) of the centres, px/s."""
        return self._speed[:, :2]

    def spread(self) -> NDArray[np.float64]:
        """The variance (n, 2) px² of a measured centre about the expected one."""
        return np.asarray(self._pp[:, :2] + (MEASURED * _unit(self._place)) ** 2)

    def shift(self, by: NDArray[np.float64]) -> None:
        """Move every row by (2,) px: the camera turned."""
        self._place[:, :2] += by

    def boxes(self) -> FloatArray:
        """Boxes (n, 4) xyxy of all rows."""
        half = self._place[:, 2:] / 2
        return np.concatenate(
            [self._place[:, :2] - half, self._place[:, :2] + half], axis=1
        ).astype(np.float32)

    def sane(self) -> BoolArray:
        """Rows (n,) whose values are finite."""
        return np.asarray(np.isfinite(self._place).all(axis=1))

    def freeze(self, rows: BoolArray) -> None:
        """Stop the rows of a mask: what stood still stays where it stood."""
        self._speed[rows] = 0

    def keep(self, mask: BoolArray) -> None:
        """Drop all rows outside ``mask`` (n,)."""
        self._place, self._speed = self._place[mask], self._speed[mask]
        self._pp, self._pv, self._vv = self._pp[mask], self._pv[mask], self._vv[mask]


_PACE = np.array([1.0, 1.0, SIZE_SHARE, SIZE_SHARE])


def _unit(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean side (n, 1) of boxes (n, 4) cx, cy, w, h, px."""
    return np.sqrt(np.maximum(place[:, 2:3] * place[:, 3:4], 1))
