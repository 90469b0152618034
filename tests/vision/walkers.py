"""Hand-made tracks over drawn lines: who walks where, seen by a tracker that does as the real one
does: three boxes make a track, and one that is out of sight for a second is over."""

from __future__ import annotations

import math
from collections import Counter as Votes
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from vision.counting import Counted
from vision.scene import Line
from vision.types import Crossing, Detections, Late, Track, Tracked

START = 1_760_000_000.0
SIDE = 40.0
PLAZA, STREET = (768, 576), (640, 352)
CONFIRMED = 2
"""The point with which a beginning becomes a track."""
LOST_S = 1.0
Point = tuple[float, float]


def line(*points: Sequence[float], name: str = "line", **names: str) -> Line:
    return Line(name, np.array(points, np.float64), **names)


ACROSS = line([384, 0], [384, 575])
"""Down the middle of the plaza; forward is from right to left."""


class Walker:
    """A track that goes from point to point: (x, y) of its feet at each time, seconds. ``side`` is
    that of its square box, ``boxes`` its width and height at each point where they change;
    ``votes`` the class of each box where they differ."""

    def __init__(
        self,
        points: Sequence[Point],
        times: Sequence[float],
        *,
        number: int = 1,
        side: float = SIDE,
        boxes: Sequence[tuple[float, float]] | None = None,
        name: str = "person",
        votes: Sequence[str] | None = None,
        bound: int = 1024,
    ) -> None:
        rows = [(x, y, t - times[0]) for (x, y), t in zip(points, times, strict=True)]
        self.path = np.array(rows, np.float32)
        self.sizes = np.array(boxes or [(side, side)] * len(rows), np.float32)
        self.times, self.number = times, number
        self.votes = votes or [name] * len(rows)
        self.bound = bound

    def at(self, step: int) -> Track:
        """The track as known after its point ``step``."""
        (x, y), (w, h) = self.path[step, :2], self.sizes[step]
        ((name, most),) = Votes(self.votes[: step + 1]).most_common(1)
        kept = slice(max(0, step + 1 - self.bound), step + 1)
        return Track(
            id=self.number,
            class_name=name,
            class_share=most / (step + 1),
            score=0.9,
            first_ts=START + self.times[0],
            last_ts=START + self.times[step],
            box=np.array([x - w / 2, y - h, x + w / 2, y], np.float32),
            path=self.path[kept],
            sizes=self.sizes[kept],
        )


def straight(
    begin: Point, velocity: Point, times: Sequence[float], since: float | None = None, **more: Any
) -> Walker:
    """A walk with ``velocity`` px/s that is at ``begin`` at its first time, or at ``since``."""
    since = times[0] if since is None else since
    (x, y), (vx, vy) = begin, velocity
    return Walker([(x + vx * (t - since), y + vy * (t - since)) for t in times], times, **more)


def seconds(begin: float, end: float, fps: float = 10) -> list[float]:
    """The times of the pictures from ``begin`` to ``end``, both included."""
    first, last = math.ceil(begin * fps - 1e-6), math.floor(end * fps + 1e-6)
    return [k / fps for k in range(first, last + 1)]


def step_of(ts: float, *tracks: Track, ended: tuple[int, ...] = ()) -> Tracked:
    ids = np.zeros(0, np.int32)
    return Tracked("cam", 0, ts, ("person", "car"), Detections.empty(), ids, tracks, ended)


def walk(counter: Any, walker: Walker, born: int = 0) -> list[Crossing]:
    """All crossings of a walk; the tracker confirms the track at its point ``born``."""
    found = []
    for step in range(min(born, len(walker.path) - 1), len(walker.path)):
        track = walker.at(step)
        counted = counter.update(step_of(track.last_ts, track))
        found += counted.crossings if isinstance(counted, Counted) else counted
    if isinstance(finished := getattr(counter, "finish", Counted)(), Counted):
        found += finished.crossings
    return found


def play(
    counter: Any,
    walkers: Sequence[Walker],
    *,
    fps: float = 10,
    begin: float = 0.0,
    until: float | None = None,
    finish: bool = True,
) -> tuple[list[Crossing], list[Late]]:
    """What the counter says of all walkers together, from picture to picture."""
    last = max(walker.times[-1] for walker in walkers)
    crossings: list[Crossing] = []
    late: list[Late] = []

    def take(counted: Counted) -> None:
        crossings.extend(counted.crossings)
        late.extend(counted.late)

    gone: set[int] = set()
    for t in seconds(begin, last + 5 if until is None else until, fps):
        tracks, ended = [], []
        for walker in sorted(walkers, key=lambda walker: walker.number):
            step = int(np.searchsorted(walker.times, t + 1e-6)) - 1
            if step < min(CONFIRMED, len(walker.times) - 1) or walker.number in gone:
                continue
            away = t - walker.times[step]
            if step == len(walker.times) - 1 and away > LOST_S + 1e-6:
                gone.add(walker.number)
                ended.append(walker.number)
            else:
                tracks.append(walker.at(step))
        take(counter.update(step_of(START + t, *tracks, ended=tuple(ended))))
    if finish:
        take(counter.finish())
    return crossings, late


def to_and_fro(*stations: Point, px: float = 10) -> list[Point]:
    """A walk from station to station in steps of about ``px``."""
    points = [stations[0]]
    for (x0, y0), (x1, y1) in pairwise(stations):
        n = max(1, round(math.hypot(x1 - x0, y1 - y0) / px))
        points += [(x0 + (x1 - x0) * k / n, y0 + (y1 - y0) * k / n) for k in range(1, n + 1)]
    return points


def beside(*offsets: float, px: float = 10) -> list[Point]:
    """A walk to and fro over ACROSS: px to the left of it (forward) are positive."""
    return to_and_fro(*((384 - offset, 300) for offset in offsets), px=px)
