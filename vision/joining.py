"""Broken tracks: which track that began is the rest of one that was lost.

The tracker finds most objects again by itself; this is for those that it gave up and began anew.
Two tracks are taken for one only where everything speaks for it and nobody else could be meant
(``docs/decisions/0015-late-and-joined.md``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.types import Track, Tracked

GAP_S = 1.5
"""Time between the last sight of the one and the first of the other, at most."""
JUDGED_S = 2.0
"""So long after its beginning a track is judged: by then a rival of it is a track as well."""
PLACE_SIDES = 0.5
"""The other began so near to where the one would be, in mean sides of its box …"""
PLACE_WAY = 0.2
"""… and this part of the way between them besides: a speed is known to about a fifth."""
SIZE_RATIO = 0.6
"""How alike their mean sides must be: the least ratio."""
SPEED_RATIO = 0.5
"""How alike their speeds must be: the least ratio."""
TURN_DEG = 30.0
"""How far the directions of the two may differ."""
MIN_SPEED = 0.3
"""What moves slower, in mean sides a second, has no direction that could be compared."""
MOTION_S = 1.0
"""Speed and size are those of so many seconds before the end, or after the beginning."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How a track moved: ``velocity`` (2,) px/s of its foot, ``side`` its mean side, px."""

    velocity: NDArray[np.float64]
    side: float

    @property
    def speed(self) -> float:
        """px/s."""
        return float(np.hypot(*self.velocity))


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """``second`` is the rest of ``first``: it began ``gap_s`` later, ``off_px`` from where the
    first would have been; its mean side is ``size_ratio`` times and its speed ``speed_ratio``
    times that of the first."""

    first: Track
    second: Track
    gap_s: float
    off_px: float
    size_ratio: float
    speed_ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """A track that has been followed for long enough to say where it came from: of ``joint``'s
    first track, None where nobody, or more than one, could be meant."""

    track: Track
    joint: Joint | None


class Joiner:
    """Judges the beginnings of one camera's tracks. Classes of one number in ``groups`` may
    continue each other, a class that is not there only itself. A track that is over is remembered
    for ``GAP_S + JUDGED_S``."""

    def __init__(self, groups: Mapping[str, int]) -> None:
        self._groups = groups
        self._live: dict[int, Track] = {}
        self._over: dict[int, Track] = {}
        self._judged: set[int] = set()

    def update(self, tracked: Tracked) -> list[Beginning]:
        """The beginnings that are due, in order of time."""
        self._over |= {i: self._live[i] for i in tracked.ended if i in self._live}
        # a live track that is not among them is of a class that nobody wants
        self._live = {track.id: track for track in tracked.tracks}
        due = self._judge(tracked.ts - JUDGED_S)
        oldest = tracked.ts - JUDGED_S - GAP_S
        gone = {i for i, track in self._over.items() if track.last_ts < oldest}
        # one that nobody wants may be wanted again, and is judged only once, until it ends
        gone.update(i for i in tracked.ended if i not in self._over)
        self._over = {i: track for i, track in self._over.items() if i not in gone}
        self._judged -= gone
        return due

    def finish(self) -> list[Beginning]:
        """The source has ended: all that were not judged yet."""
        return self._judge(math.inf)

    def _judge(self, until_ts: float) -> list[Beginning]:
        known = self._over | self._live
        due = [t for t in known.values() if t.first_ts <= until_ts and t.id not in self._judged]
        self._judged |= {track.id for track in due}
        due.sort(key=lambda track: (track.first_ts, track.id))
        return [Beginning(track, self._joint(track, known)) for track in due]

    def _joint(self, second: Track, known: Mapping[int, Track]) -> Joint | None:
        """What ``second`` is the rest of, if that is certain."""
        firsts = [track for track in known.values() if self._off(track, second) is not None]
        if len(firsts) != 1:
            return None
        rivals = [track for track in known.values() if self._off(firsts[0], track) is not None]
        return self._alike(firsts[0], second) if len(rivals) == 1 else None

    def _off(self, first: Track, second: Track) -> float | None:
        """By how many px ``second`` began beside where ``first``, which was not seen since, would
        have been; None where it cannot be its rest by time, class and place."""
        gap_s = second.first_ts - first.last_ts
        if not 0 < gap_s <= GAP_S or not self._one_group(first.class_name, second.class_name):
            return None
        motion = motion_of(first, at_end=True)
        if motion is None:
            return None
        where = first.path[-1, :2] + motion.velocity * gap_s
        off_px = float(np.hypot(*(second.path[0, :2] - where)))
        near_px = PLACE_SIDES * motion.side + PLACE_WAY * motion.speed * gap_s
        return off_px if off_px <= near_px else None

    def _one_group(self, one: str, other: str) -> bool:
        return one == other or (
            one in self._groups and self._groups[one] == self._groups.get(other)
        )

    def _alike(self, first: Track, second: Track) -> Joint | None:
        """The joint of the two, None where they do not look and move alike."""
        off_px = self._off(first, second)
        before, after = motion_of(first, at_end=True), motion_of(second, at_end=False)
        if off_px is None or before is None or after is None:
            return None
        if min(before.speed / before.side, after.speed / after.side) < MIN_SPEED:
            return None
        size, speed = after.side / before.side, after.speed / before.speed
        cosine = float(before.velocity @ after.velocity) / (before.speed * after.speed)
        if (
            min(size, 1 / size) < SIZE_RATIO
            or min(speed, 1 / speed) < SPEED_RATIO
            or cosine < math.cos(math.radians(TURN_DEG))
        ):
            return None
        gap_s = second.first_ts - first.last_ts
        return Joint(first, second, gap_s, off_px, size, speed)


def motion_of(track: Track, *, at_end: bool) -> Motion | None:
    """How the track moved over its last, or its first, ``MOTION_S`` seconds: the least-squares
    line through its places. None where they are all of one time."""
    seconds = track.path[:, 2].astype(np.float64)
    near = seconds >= seconds[-1] - MOTION_S if at_end else seconds <= seconds[0] + MOTION_S
    # of a camera with few pictures a second, the two that there are
    near[-2:] |= at_end
    near[:2] |= not at_end
    t = seconds[near] - seconds[near].mean()
    spread = float(t @ t)
    if spread == 0:
        return None
    places = track.path[near, :2].astype(np.float64)
    side = float(np.sqrt(np.prod(track.sizes[near], axis=1)).mean())
    return Motion(t @ (places - places.mean(axis=0)) / spread, max(side, 1.0))
