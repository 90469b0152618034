"""Who was where a moment ago: whoever left something, or took it, has often gone on since."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vision.types import BoolArray, FloatArray, Track, Tracked

MEMORY_S: Final = 20.0
"""So long a track that ended is remembered. A blob is known some seconds after it came, and later
where people stand in front of it."""
BEFORE_S = 3.0
AFTER_S = 1.0
"""Somebody who was near from so long before to so long after may have brought or taken it: what
lies behind a body is seen only once that has moved on."""
EDGE = 0.6
"""A box whose middle is so many of its widths from a side of the picture comes or goes there."""
RIM, CUT = 0.02, 0.6
"""And one that ends within this part of the lower edge, when this part of its height is left."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Passer:
    """Who was nearest to a place: ``away_heights`` from it, in heights of the person's own box,
    which was ``height_px`` tall then."""

    track_id: int
    away_heights: float
    height_px: float


class Whereabouts:
    """The tracks of some classes, and for ``MEMORY_S`` those that ended."""

    def __init__(self) -> None:
        self._live: dict[int, Track] = {}
        self._ended: deque[tuple[float, Track]] = deque()

    def update(self, tracked: Tracked, classes: Container[str]) -> None:
        """Take in a step. What turned out to be a thing was never anywhere."""
        things = tracked.observations.things
        for track in tracked.tracks:
            if track.id in things:
                self._live.pop(track.id, None)
            elif track.class_name in classes:
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
            then = (times >= ts - BEFORE_S) & (times <= ts + AFTER_S)
            if not then.any():
                continue
            away = heights_away(box, track.path[then, :2], _tall(track)[then])
            row = int(np.argmin(away))
            if found is None or away[row] < found.away_heights:
                height_px = float(_tall(track)[then][row])
                found = Passer(track.id, float(away[row]), height_px)
        return found

    def looked_after(
        self, box: FloatArray, near_heights: float, alone_s: float, carrier: int | None
    ) -> float:
        """When somebody last looked after ``box``: its carrier, or who stayed near for
        ``alone_s``. Long ago if nobody did."""
        latest_ts = -math.inf
        for track in self._all():
            since_ts, until_ts = stay(track, box, near_heights)
            if track.id == carrier or until_ts - since_ts >= alone_s:
                latest_ts = max(latest_ts, until_ts)
        return latest_ts

    def has_left(self, box: FloatArray, near_heights: float, ts: float, size: Size) -> bool:
        """Whether anybody who was near ``box`` around ``ts`` or later was seen elsewhere after
        ``ts``, or to go out of the picture of ``size`` (w, h)."""
        for track in self._all():
            times, near = _nearness(track, box, near_heights)
            rows = np.flatnonzero(near & (times >= ts - BEFORE_S))
            if not len(rows):
                continue
            later = times > ts
            later[: rows[0]] = False
            if bool((~near & later).any()) or _at_edge(track, -1, size):
                return True
        return False

    def has_come(self, box: FloatArray, near_heights: float, ts: float, size: Size) -> bool:
        """Whether anybody who was near ``box`` around ``ts`` was seen to come to it from
        elsewhere, or into the picture of ``size`` (w, h)."""
        for track in self._all():
            times, near = _nearness(track, box, near_heights)
            rows = np.flatnonzero(near & (times >= ts - BEFORE_S) & (times <= ts + AFTER_S))
            if len(rows) and (not near[: rows[-1]].all() or _at_edge(track, 0, size)):
                return True
        return False


def away_now(box: FloatArray, track: Track) -> float:
    """How far ``track`` is from ``box`` (4,), in heights of its own, where it was last seen."""
    return float(heights_away(box, track.path[-1:, :2], _tall(track)[-1:])[0])


def heights_away(box: FloatArray, feet: FloatArray, heights: FloatArray) -> FloatArray:
    """How far each of the ``feet`` (n, 2) is from the lower edge of ``box`` (4,), in ``heights``
    (n,) of its own: (n,). Upwards in the picture counts twice, since the ground is seen aslant."""
    x1, _, x2, y2 = box.tolist()
    beside = np.maximum(np.maximum(x1 - feet[:, 0], feet[:, 0] - x2), 0)
    return np.asarray(np.hypot(beside, 2 * (feet[:, 1] - y2)) / np.maximum(heights, 1), np.float32)


def stay(track: Track, box: FloatArray, near_heights: float) -> tuple[float, float]:
    """From when to when ``track`` was last within ``near_heights`` of ``box``; from ever for one
    that was first seen there: people do not come out of nothing, but tracks break. Empty, long
    ago, for one that never was."""
    times, near = _nearness(track, box, near_heights)
    rows = np.flatnonzero(near)
    if not len(rows):
        return -math.inf, -math.inf
    far = np.flatnonzero(~near[: rows[-1]])
    since_ts = float(times[far[-1] + 1]) if len(far) else -math.inf
    return since_ts, float(times[rows[-1]])


def _nearness(
    track: Track, box: FloatArray, near_heights: float
) -> tuple[NDArray[np.float64], BoolArray]:
    """The times (k,) of the points of ``track``, UTC seconds, and which are near ``box``."""
    times = track.first_ts + track.path[:, 2].astype(np.float64)
    return times, heights_away(box, track.path[:, :2], _tall(track)) <= near_heights


def _at_edge(track: Track, row: int, size: Size) -> bool:
    """Is the upright ``row``-th box of ``track`` going out of a picture of ``size`` (w, h): cut by
    a side of it, or by its lower edge?"""
    (x, y), (w, h) = track.path[row, :2].tolist(), track.sizes[row].tolist()
    beside = min(x, size[0] - x) <= EDGE * w
    below = y >= (1 - RIM) * size[1] and h <= CUT * float(track.sizes[:, 1].max())
    return bool(h > w and (beside or below))


def _tall(track: Track) -> FloatArray:
    """(k,) px, how tall the object is at each point: the longer side, since people also fall."""
    return np.asarray(track.sizes.max(axis=1), np.float32)


def could_carry(passer: Passer, box: FloatArray, least: float, most: float) -> bool:
    """Could ``passer`` carry what fills ``box`` (4,)? Its mean side is at least ``least`` of the
    person's height, its longer side at most ``most`` of that."""
    width, height = (box[2:] - box[:2]).tolist()
    tall = passer.height_px
    fits = max(width, height) <= most * tall
    return bool(fits and math.sqrt(width * height) >= least * tall)
