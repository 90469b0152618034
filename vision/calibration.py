"""From the picture to the ground: where on it a point of the picture lies, in metres, and how
surely.

A plane seen by a camera without lens distortion is a homography (Hartley and Zisserman, Multiple
View Geometry, 2nd ed., chapters 2.3 and 4.1), here by the normalised direct linear transformation.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.types import FloatArray

Floats = NDArray[np.float64]

MIN_POINTS: Final = 4


class Calibration:
    """The ground of one view: ``px`` (k, 2) are points of the scene's picture, k >= 4, and ``m``
    (k, 2) where they are on the ground, metres in any system of coordinates.

    Raises ValueError where they do not say how the ground lies: fewer than four, or so many of
    them on one line that no other one is left, or ground that is turned inside out.
    """

    def __init__(self, px: FloatArray | Floats, m: FloatArray | Floats) -> None:
        self.px, self.m = np.asarray(px, np.float64), np.asarray(m, np.float64)
        if self.px.shape != self.m.shape or self.px.ndim != 2 or self.px.shape[1] != 2:
            raise ValueError("calibration: each point needs x and y in the picture and in metres")
        if len(self.px) < MIN_POINTS:
            raise ValueError(f"calibration: {len(self.px)} points are too few, give {MIN_POINTS}")
        if not (np.isfinite(self.px).all() and np.isfinite(self.m).all()):
            raise ValueError("calibration: a coordinate is not a number")
        if _flat(self.px) or _flat(self.m):
            raise ValueError(
                "calibration: the points lie on one line, or too many of them do; choose four that "
                "are the corners of a field"
            )
        to_ground, _ = cv2.findHomography(self.px, self.m)
        self._matrix = np.asarray(to_ground, np.float64)
        sides = self._side(self.px)
        if not (np.all(sides > 0) or np.all(sides < 0)):
            raise ValueError(
                "calibration: no flat ground looks like this; check the order of the points"
            )
        self._sign = float(np.sign(sides[0]))

    @property
    def residual_m(self) -> float:
        """How far its own points are off, metres, root mean square; 0 with four points, which
        always fit."""
        away = self.to_ground(self.px) - self.m
        return math.sqrt(float((away**2).sum(axis=1).mean()))

    def on_ground(self, points: FloatArray | Floats) -> NDArray[np.bool_]:
        """Which of the ``points`` (n, 2) px are on the ground at all, below the horizon: (n,)."""
        return np.asarray(self._side(np.asarray(points, np.float64)) * self._sign > 1e-9)

    def to_ground(self, points: FloatArray | Floats) -> Floats:
        """Where ``points`` (n, 2) px are on the ground, metres (n, 2); not a number above the
        horizon."""
        px = np.asarray(points, np.float64)
        lifted = np.column_stack([px, np.ones(len(px))]) @ self._matrix.T
        with np.errstate(divide="ignore", invalid="ignore"):
            found = lifted[:, :2] / lifted[:, 2:]
        found[~self.on_ground(px)] = np.nan
        return np.asarray(found)

    def m_per_px(self, points: FloatArray | Floats) -> Floats:
        """(n, 2, 2): by how many metres a point on the ground moves for a px across and a px
        down, at each of ``points`` (n, 2) px."""
        px = np.asarray(points, np.float64)
        third = self._side(px)[:, None]
        ground = self.to_ground(px)
        across, down = (
            (self._matrix[:2, axis] - ground * self._matrix[2, axis]) / third for axis in (0, 1)
        )
        return np.stack([across, down], axis=2)

    def _side(self, px: Floats) -> Floats:
        """(n,): of one sign on the ground, 0 on the horizon."""
        return np.asarray(px @ self._matrix[2, :2] + self._matrix[2, 2])


def _flat(points: Floats) -> bool:
    """Is there no way to choose four of the ``points`` (k, 2) of which no three are on a line?"""
    spread = points - points.mean(axis=0)
    scale = float(np.abs(spread).max())
    if scale <= 0:
        return True
    places = spread / scale
    for a in range(len(places)):
        for b in range(a + 1, len(places)):
            way = places[b] - places[a]
            length = float(np.hypot(*way))
            if length < 1e-3:
                continue
            off = places - places[a]
            away = np.abs(way[0] * off[:, 1] - way[1] * off[:, 0]) / length
            # a line through two of them that leaves fewer than two others aside
            if int((away > 1e-3).sum()) < 2:
                return True
    return False
