"""What a track was, known once it is over: its boxes at every picture, from its first on.

A beginning becomes a track with its third box, and who was hidden is found again later; a history
has the boxes of both, those of a gap interpolated between the sightings around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.types import BoolArray, FloatArray, Tracked


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """One track from its first sighting to its last: ``ts`` (k,) float64 the times of all pictures
    between, ``xyxy`` (k, 4) float32 px its boxes, ``seen`` (k,) where it was seen and not
    interpolated."""

    id: int
    class_name: str
    ts: NDArray[np.float64]
    xyxy: FloatArray
    seen: BoolArray


class Histories:
    """Collects the histories of one camera's tracks. Everything of a track is kept until it ends,
    so this is for recordings."""

    def update(self, tracked: Tracked) -> list[History]:
        """Take one step; the histories of the tracks that ended in it."""
        raise NotImplementedError

    def finish(self) -> list[History]:
        """The source has ended: the histories of all others, by id."""
        raise NotImplementedError
