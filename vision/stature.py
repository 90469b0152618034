"""How tall people are in a view, by where they stand: what is much smaller there and never moved is
no person, whatever a detector takes it for (a bag on the ground, the top of a post)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from vision.types import Track

BANDS: Final = 24
"""The picture is cut across into so many parts, each with people of one height."""
NEAREST_BANDS = 2
"""Where nobody has walked, the height so many parts away is good enough."""
WALKED = 1.0
"""Who came this many of its own heights along is a person."""
RISE, FALL = 0.1, 0.02
"""So much a look at a walking person counts who is taller than known, and one who is smaller: of
many a part is hidden."""
SMALL = 0.6
"""A part of people's height: what is smaller, and never was further away than this, is a thing.
Who sits is 0.6 to 0.7 of that."""
MIN_AGE_S = 1.0
"""Younger tracks may be people of whom the rest is hidden."""


class Statures:
    """How tall people are in a picture of ``frame_size`` (w, h) px."""

    def __init__(self, frame_size: tuple[int, int]) -> None:
        self._band_px = frame_size[1] / BANDS
        self.reset()

    def reset(self) -> None:
        """Begin anew: the view is another one."""
        self._tall_px = np.full(BANDS, np.nan)

    def update(self, tracks: Iterable[Track], ts: float) -> frozenset[int]:
        """Learn from the people among ``tracks``, those of the picture at ``ts``; the ids of those
        that are things."""
        people = [track for track in tracks if track.class_name == "person"]
        for track in people:
            height_px = float(track.box[3] - track.box[1])
            if track.last_ts >= ts and _reach_px(track) >= WALKED * height_px:
                band = self._band(track)
                more_px = height_px - self._tall_px[band]
                if np.isnan(more_px):
                    self._tall_px[band] = height_px
                else:
                    self._tall_px[band] += (RISE if more_px > 0 else FALL) * more_px
        return frozenset(track.id for track in people if self._thing(track))

    def _thing(self, track: Track) -> bool:
        if track.last_ts - track.first_ts < MIN_AGE_S:
            return False
        known = np.flatnonzero(~np.isnan(self._tall_px))
        away = np.abs(known - self._band(track))
        if not len(known) or away.min() > NEAREST_BANDS:
            return False
        small_px = SMALL * float(self._tall_px[known[np.argmin(away)]])
        height_px = float(np.median(track.sizes[:, 1]))
        return height_px < small_px and _reach_px(track) < small_px

    def _band(self, track: Track) -> int:
        return int(np.clip(track.path[-1, 1] // self._band_px, 0, BANDS - 1))


def _reach_px(track: Track) -> float:
    """How far ``track`` ever was from where it is."""
    return float(np.hypot(*(track.path[:, :2] - track.path[-1, :2]).T).max())
