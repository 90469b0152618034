"""A Kalman filter over many boxes at once: constant velocity, continuous time.

Centre x, centre y, width and height are filtered independently, so every covariance is 2x2 and
the filter is a few operations on (n, 4) arrays. Noise scales with the box's mean side, as in
Wojke et al. 2017 (DeepSORT), here per second instead of per frame.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.types import BoolArray, FloatArray

Rows: TypeAlias = NDArray[np.intp]
Boxes: TypeAlias = NDArray[np.floating]
"""Centred: x, y, width, height in columns."""

MEASURED = 0.1
"""Standard deviation of a measured box, in mean sides."""
START_SPEED = 3.0
"""Standard deviation of a new box's speed, in mean sides a second."""
DRIFT = 0.15
"""Random walk of the place, mean sides per square root of a second."""
SWERVE = 0.3
"""Random walk of the speed, mean sides a second per square root of a second."""
SURPRISE = 1.5
"""What the place or the size of a box is off by, squared, in its variance, before it is doubted."""
MAX_DOUBT = 10.0
DOUBTFUL = 4.0
"""A speed, squared, in its variance, that need not be one."""
SIZE_SHARE = 0.3
"""How much slower than its place a box's size changes."""


class BoxFilter:
    """Rows are boxes; the owner adds, keeps and updates rows by index."""

    def __init__(self) -> None:
        # place, speed, and the (co)variances place-place, place-speed, speed-speed
        self._state = np.zeros((5, 0, 4))

    def add(self, boxes: Boxes) -> None:
        """New rows at centred boxes (n, 4), speed unknown."""
        fresh = np.zeros((5, *boxes.shape))
        squared = _squared(boxes)
        fresh[0] = boxes
        fresh[2] = MEASURED**2 * squared
        fresh[4] = START_SPEED**2 * squared * _PACE2
        self._state = np.concatenate([self._state, fresh], axis=1)

    def predict(self, seconds: float) -> None:
        """Move every row ``seconds`` ahead."""
        place, speed, pp, pv, vv = self._state
        if seconds <= 0 or not len(place):
            return
        noise = _squared(place) * _PACE2
        place += speed * seconds
        # a box must not shrink through zero while nobody sees it
        np.maximum(place[:, 2:], 1, out=place[:, 2:])
        pp += (2 * pv + vv * seconds) * seconds
        pp += noise * (DRIFT**2 * seconds + SWERVE**2 * seconds**3 / 3)
        pv += vv * seconds + noise * (SWERVE**2 * seconds**2 / 2)
        vv += noise * (SWERVE**2 * seconds)

    def update(self, rows: Rows, measured: Boxes) -> None:
        """Correct ``rows`` (k,) by measured centred boxes (k, 4)."""
        state = self._state[:, rows]
        place, speed, pp, pv, vv = state
        off = measured - place
        noise = MEASURED**2 * _squared(measured)
        state[2:] *= _doubt(off * off / (pp + noise))
        total = pp + noise
        gain_place, gain_speed = pp / total, pv / total
        place += gain_place * off
        speed += gain_speed * off
        vv -= gain_speed * pv
        pv *= 1 - gain_place
        pp *= 1 - gain_place
        self._state[:, rows] = state

    @property
    def place(self) -> Boxes:
        """Centre x, centre y, width, height (n, 4) px of all rows."""
        return np.asarray(self._state[0])

    @property
    def speed(self) -> Boxes:
        """The speed (n, 2) of the centres, px/s."""
        return np.asarray(self._state[1, :, :2])

    def spread(self) -> Boxes:
        """The variance (n, 2) px² of a measured centre about the expected one."""
        return np.asarray(self._state[2, :, :2] + MEASURED**2 * _squared(self._state[0]))

    def shift(self, by: Boxes) -> None:
        """Move every row by (2,) px: the camera turned."""
        self._state[0, :, :2] += by

    def boxes(self) -> FloatArray:
        """Boxes (n, 4) xyxy of all rows."""
        place = self._state[0]
        half = place[:, 2:] / 2
        found = np.empty(place.shape, np.float32)
        found[:, :2], found[:, 2:] = place[:, :2] - half, place[:, :2] + half
        return found

    def sane(self) -> BoolArray:
        """Rows (n,) whose values are finite."""
        return np.asarray(np.isfinite(self._state[0]).all(axis=1))

    def freeze(self, rows: BoolArray) -> None:
        """Stop the rows of a mask: what stood still stays where it stood."""
        self._state[1, rows] = 0

    def doubtful(self) -> BoolArray:
        """Rows (n,) whose speed may be nothing but noise."""
        speed, variance = self._state[1, :, :2], self._state[4, :, :2]
        return np.asarray((speed * speed).sum(axis=1) < DOUBTFUL * variance.sum(axis=1))

    def keep(self, mask: BoolArray) -> None:
        """Drop all rows outside ``mask`` (n,)."""
        self._state = self._state[:, mask]


_PACE2 = np.array([1.0, 1.0, SIZE_SHARE, SIZE_SHARE]) ** 2


def _squared(boxes: Boxes) -> Boxes:
    """The mean side, squared, (n, 1) px² of centred boxes (n, 4)."""
    return np.asarray(np.maximum(boxes[:, 2:3] * boxes[:, 3:4], 1))


def _doubt(surprise: Boxes) -> Boxes:
    """By what (k, 4) to doubt what is known of boxes whose squared innovations (k, 4), in their
    own variance, are larger than noise explains: who brakes, turns or comes near is followed at
    once (Zhou and Frank 1996, strong tracking filter)."""
    doubt = np.empty_like(surprise)
    doubt[:, :2] = surprise[:, 0:1] + surprise[:, 1:2]
    doubt[:, 2:] = surprise[:, 2:3] + surprise[:, 3:4]
    doubt /= 2 * SURPRISE
    return np.minimum(np.maximum(doubt, 1, out=doubt), MAX_DOUBT, out=doubt)
