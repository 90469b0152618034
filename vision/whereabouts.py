"""Who was where a moment ago: whoever left something, or took it, has often gone on since."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from vision.types import FloatArray, Track, Tracked

MEMORY_S: Final = 20.0
"""So long a track that ended is remembered. A blob is known some seconds after it came, and later
where people stand in front of it."""
BEFORE_S = 3.0
AFTER_S = 1.0
"""Somebody who was near from so long before to so long after may have brought or taken it: what
lies behind a body is seen only once that has moved on."""


@dataclass(frozen=True, slots=True, eq=False)
class Passer:
    """Who was nearest to a place: ``away_heights`` from it, in heights of the person's own box,
    ``height_px`` tall, at ``ts``."""

    track_id: int
    away_heights: float
    height_px: float
    ts: float


class Whereabouts:
    """The tracks of some classes, and for ``MEMORY_S`` those that ended."""

    def __init__(self) -> None:
        self._live: dict[int, Track] = {}
        self._ended: deque[tuple[float, Track]] = deque()

    def update(self, tracked: Tracked, classes: Container[str]) -> None:
        """Take in a step."""
        for track in tracked.tracks:
            if track.class_name in classes:
                self._live[track.id] = track
        for track_id in tracked.ended:
            ended = self._live.pop(track_id, None)
            if ended is not None:
                self._ended.append((tracked.ts, ended))
        while self._ended and tracked.ts - self._ended[0][0] > MEMORY_S:
            self._ended.popleft()

    def _all(self) -> Iterator[Track]:
        yield from (track for _, track in self._ended)
        yield from self._live.values()

    def nearest(self, box: FloatArray, ts: float) -> Passer | None:
        """Who came nearest to ``box`` (4,) around ``ts``; the earlier one of two."""
        found: Passer | None = None
        for track in self._all():
            times = track.first_ts + track.path[:, 2].astype(np.float64)
            near = (times >= ts - BEFORE_S) & (times <= ts + AFTER_S)
            if not near.any():
                continue
            away = heights_away(box, track.path[near, :2], track.sizes[near, 1])
            row = int(np.argmin(away))
            if found is None or away[row] < found.away_heights:
                at = np.flatnonzero(near)[row]
                found = Passer(
                    track.id, float(away[row]), float(track.sizes[at, 1]), float(times[at])
                )
        return found

    def last_near(self, track_id: int, box: FloatArray, near_heights: float) -> float:
        """When that track was last within ``near_heights`` of ``box``; long ago if it never was."""
        last_ts = -math.inf
        for track in self._all():
            if track.id == track_id:
                away = heights_away(box, track.path[:, :2], track.sizes[:, 1])
                near = np.flatnonzero(away <= near_heights)
                if len(near):
                    last_ts = track.first_ts + float(track.path[near[-1], 2])
        return last_ts


def heights_away(box: FloatArray, feet: FloatArray, heights: FloatArray) -> FloatArray:
    """How far each of the ``feet`` (n, 2) is from the lower edge of ``box`` (4,), in ``heights``
    (n,) of its own: (n,). Upwards in the picture counts twice, since the ground is seen aslant."""
    x1, _, x2, y2 = box.tolist()
    beside = np.maximum(np.maximum(x1 - feet[:, 0], feet[:, 0] - x2), 0)
    return np.asarray(np.hypot(beside, 2 * (feet[:, 1] - y2)) / np.maximum(heights, 1), np.float32)


def near_since(track: Track, box: FloatArray, near_heights: float) -> float:
    """Since when ``track`` is within ``near_heights`` of ``box``; from ever for one that was first
    seen there: people do not come out of nothing, but tracks break."""
    away = heights_away(box, track.path[:, :2], track.sizes[:, 1])
    far = np.flatnonzero(away > near_heights)
    return track.first_ts + float(track.path[far[-1], 2]) if len(far) else -math.inf


def could_carry(passer: Passer, box: FloatArray, least: float, most: float) -> bool:
    """Could ``passer`` carry what fills ``box`` (4,)? Its mean side is at least ``least`` of the
    person's height, its height at most ``most`` of that and its width at most twice as much."""
    width, height = (box[2:] - box[:2]).tolist()
    tall = passer.height_px
    fits = height <= most * tall and width <= 2 * most * tall
    return bool(fits and math.sqrt(width * height) >= least * tall)
