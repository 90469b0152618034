"""Who must not be recognised in a picture: where heads and plates are, from boxes over time.

Boxes come from analysed pictures, a few a second; the pictures to mask are more. Between two of
them a box is where it would be on a straight way, and it is carried on for a while at both ends.
Where nobody knows who was there, all of the picture is hidden, or the part that nobody looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vision.bystanders import Part
from vision.geometry import iou
from vision.types import FloatArray, Image, IntArray

PERSON: Final = "person"
RIDDEN: Final = frozenset({"bicycle", "motorcycle"})
WITH_PLATES: Final = frozenset({"car", "bus", "truck"})
HIDDEN: Final = RIDDEN | WITH_PLATES | {PERSON}
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
"""As ``CARRY_S``, for a box that nobody follows; or up to the next analysed picture and from the
one before, where those are further."""
STAYS_IOU: Final = 0.4
"""Where the next analysed picture, or the one before, has such a box of the same class, the two of
them hide what is between: of heads, 0.45 of the height, which is as far as they may be apart."""
SLACK_S: Final = 0.1
"""Otherwise it may have gone anywhere. So long its margin hides that."""
WALKS: Final = 0.8
"""After that a person's hidden part grows on each side by so many of its heights a second, which is
1.4 m/s of who is 1.7 m tall."""
DRIVES: Final = 2.0
"""And a vehicle's: one that comes at 8 m/s, 20 m before a camera 5 m high, moves by 1.7 in the
picture. One that passes is faster, and its plates are not seen from the side."""

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
    width and height. ``complete`` says that persons were looked for and the picture was trusted,
    ``within`` in what part of it, in shares too: None for all, one without area for none."""

    ts: float
    complete: bool
    ids: tuple[int, ...]
    names: tuple[str, ...]
    xyxy: FloatArray
    within: Part | None = None

    def __post_init__(self) -> None:
        n = len(self.ids)
        if len(self.names) != n or self.xyxy.shape != (n, 4):
            raise ValueError(f"{n} boxes have {n} classes and ({n}, 4) places")


@dataclass(frozen=True, slots=True, eq=False)
class _Loose:
    """A box that nobody follows: seen at ``ts``, it is hidden from ``first_ts`` to ``last_ts``.
    ``came`` and ``stays`` say whether it was there before, and is after it."""

    ts: float
    first_ts: float
    last_ts: float
    name: str
    box: FloatArray
    came: bool
    stays: bool

    def grown(self, ts: float) -> float:
        """By how many of its heights it may have moved at ``ts``."""
        if self.came if ts < self.ts else self.stays:
            return 0.0
        pace = WALKS if self.name == PERSON else DRIVES
        return pace * max(0.0, abs(ts - self.ts) - SLACK_S)


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
        known = [sight for sight in ordered if sight.complete]
        self._times = [sight.ts for sight in known]
        self._ways = _ways(ordered)
        self._loose = [loose for sight in ordered for loose in _loose(sight, known, self._times)]
        self._loose_times = [loose.ts for loose in self._loose]
        looks = [sight for sight in ordered if sight.complete or sight.within is not None]
        self._look_times = [sight.ts for sight in looks]
        self._within = [sight.within for sight in looks]

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
        it, none of them empty; the whole picture where ``covers`` says no, and what one of the
        analysed pictures before and after it did not look at."""
        w, h = size
        if not self.covers(ts):
            return np.array([[0, 0, w, h]], np.int32)
        scale = np.array([w, h, w, h], np.float32)
        hidden = [part * scale for part in self._unseen(ts)]
        for way in self._ways:
            for box in way.at(ts):
                hidden += _hidden(way.names, box * scale)
        first = bisect_left(self._loose_times, ts - GAP_S)
        last = bisect_right(self._loose_times, ts + GAP_S)
        for loose in self._loose[first:last]:
            if loose.first_ts <= ts <= loose.last_ts:
                hidden += _hidden({loose.name}, loose.box * scale, loose.grown(ts))
        return _within(hidden, size)

    def _unseen(self, ts: float) -> list[FloatArray]:
        """What was not looked at, (4,) each, in shares of the picture."""
        times = self._look_times
        after = bisect_left(times, ts)
        here = after < len(times) and times[after] == ts
        near = [after] if here else [i for i in (after - 1, after) if 0 <= i < len(times)]
        parts = dict.fromkeys(self._within[i] for i in near)
        return [outer for part in parts if part is not None for outer in _around(part)]


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


def _loose(sight: Sight, known: Sequence[Sight], times: Sequence[float]) -> Iterator[_Loose]:
    """Those of ``sight`` whom nobody follows, between its neighbours in ``known``, which are of
    ``times``."""
    if not any(number < 0 for number in sight.ids):
        return
    ts = sight.ts
    before, after = bisect_left(times, ts) - 1, bisect_right(times, ts)
    last = known[before] if before >= 0 else None
    next_ = known[after] if after < len(known) else None
    since_s = END_S if last is None else min(ts - last.ts, GAP_S)
    until_s = END_S if next_ is None else min(next_.ts - ts, GAP_S)
    first_ts, last_ts = ts - max(LOOSE_S, since_s), ts + max(LOOSE_S, until_s)
    rows = zip(
        sight.ids, sight.names, sight.xyxy, _is_in(sight, last), _is_in(sight, next_), strict=True
    )
    for number, name, box, came, stays in rows:
        if number < 0:
            yield _Loose(ts, first_ts, last_ts, name, box, came, stays)


def _is_in(sight: Sight, other: Sight | None) -> list[bool]:
    """Of each box, whether ``other`` has one like it."""
    if other is None:
        return [False] * len(sight.ids)
    same = np.array(sight.names)[:, None] == np.array(other.names)[None, :]
    like = same & (iou(sight.xyxy, other.xyxy) >= STAYS_IOU)
    found: list[bool] = like.any(axis=1).tolist()
    return found


def _around(part: Part) -> list[FloatArray]:
    """What is left of a picture without ``part``, all in shares; some may be empty."""
    x1, y1, x2, y2 = part
    outer = [(0, 0, 1, y1), (0, y2, 1, 1), (0, y1, x1, y2), (x2, y1, 1, y2)]
    return [np.array(each, np.float32) for each in outer]


def _hidden(names: Set[str], box: FloatArray, grown: float = 0.0) -> list[FloatArray]:
    """The parts to hide of a ``box`` (4,) xyxy px that was taken for each of ``names``, with
    ``grown`` of its heights more on each side."""
    x1, y1, x2, y2 = box.tolist()
    pad_x, pad_y = WIDEN * (x2 - x1), WIDEN * (y2 - y1)
    left, top, right, bottom = x1 - pad_x, y1 - pad_y, x2 + pad_x, y2 + pad_y
    known = names & (HIDDEN | {MOVING})
    parts = []
    if MOVING in names or (known and max(x2 - x1, y2 - y1) <= SMALL_PX):
        parts.append((left, top, right, bottom))
    if PERSON in names:
        parts.append((left, top, right, y1 + HEAD * (y2 - y1)))
    if names & RIDDEN:
        parts.append((left, y1 - RIDER * (y2 - y1), right, bottom))
    if names & WITH_PLATES:
        parts.append((left, y2 - PLATE * (y2 - y1), right, bottom))
    more = np.array([-1, -1, 1, 1], np.float32) * np.float32(grown * (y2 - y1))
    return [np.array(part, np.float32) + more for part in parts]


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
