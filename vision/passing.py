"""Who passes the lines of one view, how fast in a calibrated one, and for how long something stands
on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np

from vision.counting import Counted, Counter
from vision.groundspeed import GroundSpeed
from vision.occupancy import Occupancy
from vision.scene import Scene
from vision.types import Crossing, Track, Tracked

REACHES_S: Final = (1.0, 3.0)
"""A speed at a line is that of so many seconds before and after it. Who is slow comes too short a
way in the first, and is measured over the second."""
MAX_SD_SHARE: Final = 0.15
"""A speed of which the standard deviation is a larger part of it is too unsure to be told."""
MAX_KMH: Final = 200.0
"""What is faster on a city's street was not measured right."""
EDGE_SHARE: Final = 0.01
"""A box that ends so near to the edge of what is looked at, as a share of the picture's height, is
cut off there: its foot is estimated."""


class SpotSpeeds:
    """How fast those are that pass a line of ``scene``; of nobody where that is not calibrated, or
    by marks that are no good. ``region`` (x, y, width, height) is what is looked at."""

    def __init__(self, scene: Scene, region: tuple[int, int, int, int] | None = None) -> None:
        self._ground: GroundSpeed | None = None
        if scene.calibration is not None and scene.lines:
            try:
                self._ground = GroundSpeed(scene.calibration)
            except ValueError:
                self._ground = None
        w, h = scene.frame_size
        left, top, width, height = region or (0, 0, w, h)
        rim = EDGE_SHARE * h
        self._whole = left + rim, left + width - rim, top + height - rim

    @property
    def measures(self) -> bool:
        """Is there any speed to tell?"""
        return self._ground is not None

    def kmh(self, track: Track, ts: float) -> float | None:
        """Of a track that passed at ``ts``, by what is known of its way; None where that is too
        little or too unsure."""
        if self._ground is None:
            return None
        times = track.first_ts - ts + track.path[:, 2].astype(np.float64)
        px, half = track.path[:, :2].astype(np.float64), track.sizes[:, 0] / 2
        left, right, bottom = self._whole
        good = (px[:, 0] - half > left) & (px[:, 0] + half < right) & (px[:, 1] < bottom)
        good &= self._ground.calibration.on_ground(px)
        for reach_s in REACHES_S:
            near = good & (np.abs(times) <= reach_s)
            speed = self._ground.speed(times[near], px[near])
            if (
                speed is not None
                and 0 < speed.kmh <= MAX_KMH
                and speed.sd_kmh <= MAX_SD_SHARE * speed.kmh
            ):
                return speed.kmh
        return None


class Passing:
    """All that is counted at the lines of ``scene``, which is one view. ``groups`` and ``region``
    are those of ``Counter``."""

    def __init__(
        self,
        scene: Scene,
        groups: Mapping[str, int] = MappingProxyType({}),
        region: tuple[int, int, int, int] | None = None,
    ) -> None:
        self._counter = Counter(scene.lines, scene.frame_size, groups, region)
        self._occupancy = Occupancy(scene.lines)
        self._speeds = SpotSpeeds(scene, region)
        self._tracks: tuple[Track, ...] = ()

    @property
    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Counts so far: line → direction → class → n, every line and direction present."""
        return self._counter.counts

    @property
    def late(self) -> dict[str, dict[str, int]]:
        """Who came late so far: line → direction → n, every line and direction present."""
        return self._counter.late

    def update(self, tracked: Tracked) -> Counted:
        """Take what this step knows: what it decided, and what stood on a line since the last."""
        counted = self._counter.update(tracked)
        stood = self._occupancy.update(tracked)
        # a track that ended in this step is not among its own any more
        known = (*self._tracks, *tracked.tracks) if counted.crossings else ()
        self._tracks = tracked.tracks
        if not counted.crossings and not stood:
            return counted
        return Counted(self._paced(counted.crossings, known), counted.late, stood)

    def finish(self) -> Counted:
        """The source has ended: what was not decided yet."""
        counted = self._counter.finish()
        tracks, self._tracks = self._tracks, ()
        return replace(counted, crossings=self._paced(counted.crossings, tracks))

    def _paced(
        self, crossings: tuple[Crossing, ...], tracks: tuple[Track, ...]
    ) -> tuple[Crossing, ...]:
        """The same with their speeds. A track that was joined was not seen at the line."""
        if not self._speeds.measures:
            return crossings
        by_id = {track.id: track for track in tracks}
        return tuple(
            replace(each, kmh=self._speeds.kmh(by_id[each.track_id], each.ts))
            if each.joined is None and each.track_id in by_id
            else each
            for each in crossings
        )
