"""Who must not be recognised in a picture: where heads and plates are, from boxes over time.

Boxes come from analysed pictures, a few a second; the pictures to mask are more. Between two of
them a box is where it would be on a straight way, and it is carried on for a while at both ends.
Where nobody knows who was there, all of the picture is hidden.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vision.types import FloatArray, Image, IntArray

PERSON: Final = "person"
RIDDEN: Final = frozenset({"bicycle", "motorcycle"})
WITH_PLATES: Final = frozenset({"car", "bus", "truck"})
MOVING: Final = "moving"
"""What moves and nobody knows what it is."""

GAP_S: Final = 1.0
"""Between two analysed pictures further apart than this, anybody may have come and gone."""
END_S: Final = GAP_S / 2
"""So long before the first and after the last of them no others are taken to be there."""
CARRY_S: Final = 1.0
"""A box is hidden for so long before it was first and after it was last known."""
JOIN_S: Final = 2.0
"""And in between, where it was lost for less than this."""
LOOSE_S: Final = 0.3
"""As ``CARRY_S``, for a box that nobody follows."""

WIDEN: Final = 0.15
"""Of a box's width and height, added on each side."""
HEAD: Final = 0.30
"""The upper part of a person that is hidden. A head is half of that, upright; not of who bends."""
RIDER: Final = 0.6
"""So much of a bicycle's height above it is hidden too: its rider's head, who may be no person to
the detector."""
PLATE: Final = 0.5
"""The lower part of a vehicle that is hidden."""
SMALL_PX: Final = 48
"""What is no larger is hidden whole."""

BLOCKS: Final = 6
"""A region has at most so many blocks across: about two for each head."""
MIN_BLOCK_PX: Final = 8
LEVELS: Final = 16
"""The mean of a block is rounded to one of so many levels. A region's blocks go with it, so that
they cover about the same parts of somebody in each picture; what is left of new means, from boxes
that tremble, mostly falls to the rounding. A grid that stands still would be walked through, and
many pictures of it together would tell more than one."""

NONE: Final = np.zeros((0, 4), np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Who was in one analysed picture at ``ts`` (UTC seconds): of each its track (-1 for a box
    that nobody follows), its class, and its box (n, 4) float32 xyxy in shares of the picture's
    width and height. ``complete`` says that persons were looked for and the picture was trusted."""

    ts: float
    complete: bool
    ids: tuple[int, ...]
    names: tuple[str, ...]
    xyxy: FloatArray

    def __post_init__(self) -> None:
        n = len(self.ids)
        if len(self.names) != n or self.xyxy.shape != (n, 4):
            raise ValueError(f"{n} boxes have {n} classes and ({n}, 4) places")


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """Where one box was: ``times`` (k,) rising, ``xyxy`` (k, 4), k >= 1."""

    names: frozenset[str]
    times: NDArray[np.float64]
    xyxy: FloatArray

    def at(self, ts: float) -> FloatArray:
        """Where it may be at ``ts``, (m, 4) with m of 0 to 2."""
        times = self.times
        after = int(np.searchsorted(times, ts))
        if after < len(times) and times[after] == ts:
            there: FloatArray = self.xyxy[after : after + 1]
            return there
        if 0 < after < len(times) and times[after] - times[after - 1] <= JOIN_S:
            share = (ts - times[after - 1]) / (times[after] - times[after - 1])
            between = self.xyxy[after - 1] * (1 - share) + self.xyxy[after] * share
            found: FloatArray = between[None].astype(np.float32)
            return found
        near = [i for i in (after - 1, after) if 0 <= i < len(times)]
        carried: FloatArray = self.xyxy[[i for i in near if abs(times[i] - ts) <= CARRY_S]]
        return carried


class Masking:
    """What to hide at any time, from ``sights`` in any order."""

    def __init__(self, sights: Iterable[Sight]) -> None:
        ordered = sorted(sights, key=lambda sight: sight.ts)
        self._times = [sight.ts for sight in ordered if sight.complete]
        self._ways = _ways(ordered)
        self._loose = [
            (sight.ts, name, box)
            for sight in ordered
            for number, name, box in zip(sight.ids, sight.names, sight.xyxy, strict=True)
            if number < 0
        ]
        self._loose_times = [ts for ts, _, _ in self._loose]

    def covers(self, ts: float) -> bool:
        """Whether it is known who was there at ``ts``."""
        times = self._times
        after = bisect_left(times, ts)
        if after < len(times) and times[after] == ts:
            return True
        if 0 < after < len(times):
            return times[after] - times[after - 1] <= GAP_S
        nearest = times[:1] if after == 0 else times[-1:]
        return any(abs(ts - each) <= END_S for each in nearest)

    def regions(self, ts: float, size: tuple[int, int]) -> IntArray:
        """What to hide in a picture of ``size`` (w, h) at ``ts``: (n, 4) int32 xyxy px within
        it, none of them empty; the whole picture where ``covers`` says no."""
        w, h = size
        if not self.covers(ts):
            return np.array([[0, 0, w, h]], np.int32)
        found = [(way.names, way.at(ts)) for way in self._ways]
        first = bisect_left(self._loose_times, ts - LOOSE_S)
        for seen_ts, name, box in self._loose[first:]:
            if seen_ts > ts + LOOSE_S:
                break
            found.append((frozenset({name}), box[None]))
        scale = np.array([w, h, w, h], np.float32)
        hidden = [
            part for names, boxes in found for box in boxes for part in _hidden(names, box * scale)
        ]
        return _within(hidden, size)


def pixelate(image: Image, regions: IntArray) -> Image:
    """A new picture in which each of ``regions`` (n, 4) xyxy px is a few large blocks."""
    made = image.copy()
    for x1, y1, x2, y2 in regions.tolist():
        part = made[y1:y2, x1:x2]
        part[:] = _blocks(part)
    return made


def _ways(sights: Sequence[Sight]) -> list[_Way]:
    names: defaultdict[int, set[str]] = defaultdict(set)
    places: defaultdict[int, dict[float, FloatArray]] = defaultdict(dict)
    for sight in sights:
        for number, name, box in zip(sight.ids, sight.names, sight.xyxy, strict=True):
            if number >= 0:
                names[number].add(name)
                places[number][sight.ts] = box
    return [
        _Way(frozenset(names[i]), np.array([*at], np.float64), np.stack([*at.values()]))
        for i, at in places.items()
    ]


def _hidden(names: frozenset[str], box: FloatArray) -> list[FloatArray]:
    """The parts to hide of a ``box`` (4,) xyxy px that was taken for each of ``names``."""
    x1, y1, x2, y2 = box.tolist()
    pad_x, pad_y = WIDEN * (x2 - x1), WIDEN * (y2 - y1)
    left, top, right, bottom = x1 - pad_x, y1 - pad_y, x2 + pad_x, y2 + pad_y
    known = names & (RIDDEN | WITH_PLATES | {PERSON, MOVING})
    parts = []
    if MOVING in names or (known and max(x2 - x1, y2 - y1) <= SMALL_PX):
        parts.append((left, top, right, bottom))
    if PERSON in names:
        parts.append((left, top, right, y1 + HEAD * (y2 - y1)))
    if names & RIDDEN:
        parts.append((left, y1 - RIDER * (y2 - y1), right, bottom))
    if names & WITH_PLATES:
        parts.append((left, y2 - PLATE * (y2 - y1), right, bottom))
    return [np.array(part, np.float32) for part in parts]


def _within(parts: Sequence[FloatArray], size: tuple[int, int]) -> IntArray:
    if not parts:
        return NONE
    boxes = np.stack(parts)
    boxes = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
    whole = np.clip(boxes, 0, [size[0], size[1], size[0], size[1]]).astype(np.int32)
    return whole[(whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1])]


def _blocks(part: Image) -> Image:
    h, w = part.shape[:2]
    side = max(MIN_BLOCK_PX, max(w, h) / BLOCKS)
    rows, columns = _edges(h, side), _edges(w, side)
    sums = np.add.reduceat(part, rows[:-1], axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1, dtype=np.uint32)
    tall, wide = np.diff(rows), np.diff(columns)
    step = 256 // LEVELS
    means = sums // (tall[:, None] * wide)[..., None] // step * step + step // 2
    blocks: Image = means.astype(np.uint8).repeat(tall, axis=0).repeat(wide, axis=1)
    return blocks


def _edges(length: int, side: float) -> NDArray[np.intp]:
    """Where blocks of at least ``side`` px begin and end along ``length`` px, evenly."""
    n = max(1, int(length / side))
    return np.arange(n + 1, dtype=np.intp) * length // n
