"""What a track was, known once it is over: its boxes at every picture, from its first on.

A beginning becomes a track some boxes later, and who was hidden is found again later; a history
has the boxes of both, those of a gap interpolated between the sightings around it. All are
smoothed by what comes before and after them, which nobody knows at the moment itself.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.types import BoolArray, FloatArray, Track, Tracked

SMOOTH_S = 0.3
"""Standard deviation of the Gaussian weights of a box's neighbours in time."""
REACH = 3.0
"""Neighbours further away than so many of these weigh nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """One track from its first sighting to its last: ``ts`` (k,) float64 the times of all pictures
    between, ``xyxy`` (k, 4) float32 px its boxes, smoothed, ``seen`` (k,) where it was seen and
    not interpolated."""

    id: int
    class_name: str
    ts: NDArray[np.float64]
    xyxy: FloatArray
    seen: BoolArray


class Histories:
    """Collects the histories of one camera's tracks. Everything of a track is kept until it ends,
    so this is for recordings."""

    def __init__(self) -> None:
        self._times = array("d")
        self._open: dict[int, _Growing] = {}

    def update(self, tracked: Tracked) -> list[History]:
        """Take one step; the histories of the tracks that ended in it."""
        self._times.append(tracked.ts)
        for track in tracked.tracks:
            if track.last_ts == tracked.ts:
                self._open.setdefault(track.id, _Growing()).follow(track)
        return [self._close(i) for i in tracked.ended if i in self._open]

    def finish(self) -> list[History]:
        """The source has ended: the histories of all others, by id."""
        return [self._close(i) for i in sorted(self._open)]

    def _close(self, track_id: int) -> History:
        grown = self._open.pop(track_id)
        sightings = np.concatenate(grown.parts)
        times = np.array(self._times)
        # take the picture's own time
        seen_at = np.searchsorted(times, sightings[:, 0] - 1e-3)
        seen_at, last = np.unique(seen_at[::-1], return_index=True)
        boxes = sightings[::-1][last, 1:]
        picture = np.arange(seen_at[0], seen_at[-1] + 1)
        filled = [np.interp(times[picture], times[seen_at], boxes[:, k]) for k in range(4)]
        return History(
            id=track_id,
            class_name=grown.class_name,
            ts=times[picture],
            xyxy=_smoothed(times[picture], np.stack(filled, axis=1)).astype(np.float32),
            seen=np.isin(picture, seen_at),
        )


class _Growing:
    """The sightings of one track so far: parts (k, 5) of time and box."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float64]] = []
        self.class_name = ""
        self._known_s = -np.inf

    def follow(self, track: Track) -> None:
        fresh = int(np.searchsorted(track.path[:, 2], self._known_s, side="right"))
        path, sizes = track.path[fresh:].astype(np.float64), track.sizes[fresh:]
        self.class_name = track.class_name
        if not len(path):
            return
        self._known_s = float(track.path[-1, 2])
        x, foot, seconds = path.T
        half = sizes[:, 0] / 2
        ts = track.first_ts + seconds
        # a point's time is kept in float32 seconds, that of the latest is known exactly
        ts[-1] = track.last_ts
        rows = [ts, x - half, foot - sizes[:, 1], x + half, foot]
        self.parts.append(np.stack(rows, axis=1))


def _smoothed(ts: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes (k, 4) by local linear regression over their times ``ts`` (k,) (Cleveland 1979,
    with Gaussian weights): an even motion stays what it is, up to its ends."""
    first = np.searchsorted(ts, ts - REACH * SMOOTH_S)
    last = np.searchsorted(ts, ts + REACH * SMOOTH_S, side="right")
    at = first[:, None] + np.arange((last - first).max())[None, :]
    inside = at < last[:, None]
    at = np.minimum(at, len(ts) - 1)
    away = ts[at] - ts[:, None]
    weight = np.where(inside, np.exp(-0.5 * (away / SMOOTH_S) ** 2), 0)
    s0, s1, s2 = weight.sum(axis=1), (weight * away).sum(axis=1), (weight * away**2).sum(axis=1)
    spread = s0 * s2 - s1 * s1
    sloped = spread > 1e-9
    share = weight * (s2[:, None] - s1[:, None] * away) / np.where(sloped, spread, 1)[:, None]
    share = np.where(sloped[:, None], share, weight / s0[:, None])
    return np.asarray(np.einsum("km,kmc->kc", share, boxes[at]))
