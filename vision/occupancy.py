"""For how long something stands on a line: as a loop in the road would tell.

An object stands on a line while that passes through the ground part of its box, the lower third:
what is above is the object's height, which hides the ground behind it. So a long vehicle is on a
line for longer than a short one, and who waits on it all the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vision.scene import Line
from vision.types import BoolArray, FloatArray, Tracked

GROUND_SHARE: Final = 1 / 3
"""So much of a box, from below, is taken for the ground that the object covers."""
MAX_GAP_S: Final = 2.0
"""Nothing is known of the time between two pictures that are further apart."""
LEAST_PX: Final = 1e-9
"""A line that runs straight down or across has no width to divide by."""


@dataclass(frozen=True, slots=True)
class Stood:
    """Something stood on ``line`` from ``start_ts`` to ``end_ts``, between two pictures that
    follow each other."""

    line: str
    start_ts: float
    end_ts: float


class Occupancy:
    """What stands on the ``lines`` of one view, picture by picture."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._names = [line.name for line in lines]
        points = np.array([line.points for line in lines], np.float64).reshape(-1, 2, 2)
        way = points[:, 1] - points[:, 0]
        self._from = points[:, None, 0]
        self._way = np.where(np.abs(way) < LEAST_PX, LEAST_PX, way)[:, None]
        self._on: frozenset[str] = frozenset()
        self._ts = -math.inf

    def update(self, tracked: Tracked) -> tuple[Stood, ...]:
        """What stood on which line since the picture before: where something did in one of the
        two alone, for half of the time."""
        before_ts, self._ts = self._ts, tracked.ts
        before, self._on = self._on, self._standing(tracked)
        either = before | self._on
        if not either or not 0 < tracked.ts - before_ts <= MAX_GAP_S:
            return ()
        middle_ts = (before_ts + tracked.ts) / 2
        return tuple(
            Stood(
                line,
                before_ts if line in before else middle_ts,
                tracked.ts if line in self._on else middle_ts,
            )
            for line in sorted(either)
        )

    def _standing(self, tracked: Tracked) -> frozenset[str]:
        boxes = [track.box for track in tracked.tracks if track.last_ts == tracked.ts]
        if not boxes or not self._names:
            return frozenset()
        passed = self._passes(np.array(boxes))
        return frozenset(name for name, by in zip(self._names, passed, strict=True) if by.any())

    def _passes(self, boxes: FloatArray) -> BoolArray:
        """Which of the m lines pass through the ground part of which of ``boxes`` (n, 4) xyxy:
        (m, n), by the parts of the line that are within each box across and down (Liang and Barsky,
        ACM Transactions on Graphics 3, 1984)."""
        left_top = boxes[:, :2].astype(np.float64)
        right_bottom = boxes[:, 2:].astype(np.float64)
        left_top[:, 1] += (right_bottom[:, 1] - left_top[:, 1]) * (1 - GROUND_SHARE)
        one, other = (left_top - self._from) / self._way, (right_bottom - self._from) / self._way
        enters = np.minimum(one, other).max(axis=2)
        leaves = np.maximum(one, other).min(axis=2)
        return np.asarray(np.maximum(enters, 0) <= np.minimum(leaves, 1))
