"""Who is seen in one picture, as arrays: what counters ask of all tracks at once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vision.types import Track


@dataclass(frozen=True, eq=False)
class Sightings:
    """The ``tracks`` that are seen in a picture, and of each in ``rows`` where: x, y of its foot,
    px, seconds since it began, width and height of its box, px. ``before_s`` are the seconds of
    the sighting before this one, -inf where there is none."""

    tracks: tuple[Track, ...]
    rows: list[list[float]]
    before_s: list[float]

    @classmethod
    def at(cls, ts: float, tracks: Iterable[Track]) -> Sightings:
        """Those of ``tracks`` that are seen at ``ts``."""
        seen = tuple(track for track in tracks if track.last_ts == ts)
        rows = [[*track.path[-1].tolist(), *track.sizes[-1].tolist()] for track in seen]
        before_s = [track.path.item(-2, 2) if len(track.path) > 1 else -math.inf for track in seen]
        return cls(seen, rows, before_s)

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """(n, 5): the rows."""
        return np.array(self.rows, np.float64).reshape(-1, 5)

    @cached_property
    def sides(self) -> NDArray[np.float64]:
        """(n,) px: the mean side of each box."""
        return np.sqrt(self.points[:, 3] * self.points[:, 4])

    @cached_property
    def before(self) -> NDArray[np.float64]:
        """(n,): ``before_s``."""
        return np.array(self.before_s, np.float64)
