"""Who passed which line in which direction: segment intersection of the ground-contact point.

A crossing is decided between two places where the object was clear of the line, so jitter on the
line counts nothing; its moment and place are interpolated on the path between them. A track
counts once for each passage; only one that has visibly come back may pass again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.geometry import along, side_distance
from vision.scene import Line
from vision.types import Crossing, Late, Track, Tracked

HYSTERESIS = 0.1
"""An object is clear of a line at this part of the mean side of its box (of the square root of
its area) from it."""
RETURN = 0.5
"""Once counted, it has come back only when it is clear on the other side by this part: a queue
that sways on the line is no traffic, a person who walks to and fro is."""
EDGE = 0.01
"""A line that ends within this part of the picture's height from its edge goes on beyond it:
feet at the edge are cut off or estimated outside the picture."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What one step decided, each in order of time."""

    crossings: tuple[Crossing, ...] = ()
    late: tuple[Late, ...] = ()


class _Passage:
    """How far one track has been followed at one line."""

    __slots__ = ("clear", "counted", "side")

    def __init__(self) -> None:
        self.side = 0
        self.clear: NDArray[np.float64] | None = None
        self.counted = False


class LineCounter:
    """Crossings of one line. State of a track goes when its id is in ``Tracked.ended``."""

    def __init__(self, line: Line, frame_size: tuple[int, int]) -> None:
        self.line = line
        w, h = frame_size
        x, y = line.points[:, 0], line.points[:, 1]
        at_edge = np.minimum(np.minimum(x, w - x), np.minimum(y, h - y)) <= EDGE * h
        self._from = -np.inf if at_edge[0] else 0.0
        self._to = np.inf if at_edge[1] else 1.0
        self._passages: dict[int, _Passage] = {}

    def update(self, tracked: Tracked) -> list[Crossing]:
        """The crossings that this step decided, by track id."""
        found = []
        for track in tracked.tracks:
            if track.last_ts == tracked.ts:
                found += self._follow(track, tracked)
        for track_id in tracked.ended:
            self._passages.pop(track_id, None)
        return found

    def _follow(self, track: Track, tracked: Tracked) -> list[Crossing]:
        passage = self._passages.get(track.id)
        path = track.path
        if passage is None:
            passage = self._passages[track.id] = _Passage()
        if passage.clear is None:
            points = path.astype(np.float64)
        else:
            # from the last clear place on, which is kept here: the path is bounded, and who waits
            # on the line for long leaves it behind; another point may have its time
            later = path[np.searchsorted(path[:, 2], passage.clear[2]) :].astype(np.float64)
            known = np.flatnonzero((later == passage.clear).all(axis=1))
            later = later[known[-1] + 1 :] if len(known) else later
            points = np.concatenate([passage.clear[None], later])
        distance = side_distance(points[:, :2], self.line.points)
        mean_side = float(np.sqrt(np.prod(track.box[2:] - track.box[:2])))
        found = []
        since = 0
        for i in np.flatnonzero(np.abs(distance) >= HYSTERESIS * mean_side):
            side = 1 if distance[i] > 0 else -1
            if passage.side == -side:
                if passage.counted and abs(distance[i]) < RETURN * mean_side:
                    continue
                crossing = self._crossing(points[since : i + 1], distance[since : i + 1], side)
                if crossing is not None:
                    passage.counted = True
                    x, y, seconds = crossing
                    found.append(
                        Crossing(
                            camera_id=tracked.camera_id,
                            line=self.line.name,
                            direction=self.line.forward if side > 0 else self.line.backward,
                            class_name=track.class_name,
                            track_id=track.id,
                            ts=track.first_ts + seconds,
                            x=x,
                            y=y,
                        )
                    )
            passage.side, passage.clear, since = side, points[i].copy(), int(i)
        return found

    def _crossing(
        self, points: np.ndarray, distance: np.ndarray, side: int
    ) -> tuple[float, float, float] | None:
        """Where and when the path (k, 3) last changed to ``side``; None when that was beyond the
        line's ends."""
        step = int(np.flatnonzero(distance * side <= 0)[-1])
        share = distance[step] / (distance[step] - distance[step + 1])
        place = points[step] + (points[step + 1] - points[step]) * share
        if not self._from <= along(place[None, :2], self.line.points)[0] <= self._to:
            return None
        return float(place[0]), float(place[1]), float(place[2])


class Counter:
    """Counts of all lines: line → direction → class → n, every line and direction present."""

    def __init__(self, lines: Sequence[Line], frame_size: tuple[int, int]) -> None:
        self._lines = [LineCounter(line, frame_size) for line in lines]
        self.counts: dict[str, dict[str, dict[str, int]]] = {
            line.name: {line.forward: {}, line.backward: {}} for line in lines
        }

    def update(self, tracked: Tracked) -> Counted:
        """Count what this step decided."""
        found = [crossing for line in self._lines for crossing in line.update(tracked)]
        for crossing in found:
            of_class = self.counts[crossing.line][crossing.direction]
            of_class[crossing.class_name] = of_class.get(crossing.class_name, 0) + 1
        found.sort(key=lambda crossing: (crossing.ts, crossing.line, crossing.track_id))
        return Counted(tuple(found))

    def finish(self) -> Counted:
        """The source has ended: what was not decided yet."""
        return Counted()
