"""Which box belongs to which track: how well each pair fits, and the pairs that fit best in all.

Everything is (n, m): n boxes found in a picture by m tracks where they are expected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vision.types import BoolArray, IntArray

Floats: TypeAlias = NDArray[np.floating]
Rows: TypeAlias = NDArray[np.intp]

DIRECTION = 0.1
"""Weight of the direction: what a pair gains that lies ahead of the track, and loses behind it
(Cao et al. 2023, OC-SORT)."""
SURE_SPEED = 0.3
"""A track's direction counts in full from this speed on, mean sides a second."""
HEIGHT_POWER = 2
"""Boxes of another height fit less, by the ratio of the two to this power (after Yang et al. 2024,
Hybrid-SORT): heights say who is nearer, where people walk past each other."""
MIN_HEIGHT = 0.7
"""Boxes whose heights have a smaller ratio are of two objects, or of a part of one."""
GATE = 16.0
"""The largest squared distance from where a track is expected, in its own uncertainty (4
standard deviations)."""
SLACK = 0.75
"""A box may be so many mean sides further off than its object can have moved: it may lose or gain
half of it."""
OUTGROWN = 1.25
"""A box that is by so much larger than its track may hold another."""
TOUCHES = 0.6
"""Which lies within it by this part of its own."""
ONE_OBJECT = 0.3
"""Two tracks that should overlap by more may be of one object, which is not split."""
EVEN = 0.5
"""How far from where an even speed would have it a third box may lie, in mean sides."""
MIN_SHIFTED = 4
"""So many tracks tell how the camera moved."""
SHIFT_SURE = 4.0
"""And by so many times what they differ by (their median absolute deviation), over the square root
of their number: about twice the standard error of a median."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """How boxes and tracks fit: ``overlap`` (IoU), ``height`` (the smaller by the larger), and
    ``near``, the pairs within ``GATE``."""

    overlap: Floats
    height: Floats
    near: BoolArray


def centred(xyxy: NDArray[np.floating]) -> Floats:
    """Boxes (n, 4) xyxy as centre x, centre y, width, height."""
    found = np.empty(xyxy.shape)
    found[:, :2] = xyxy[:, :2]
    found[:, :2] += xyxy[:, 2:]
    found[:, :2] /= 2
    found[:, 2:] = xyxy[:, 2:]
    found[:, 2:] -= xyxy[:, :2]
    return found


def fit(found: Floats, expected: Floats, spread: Floats) -> Fit:
    """Boxes ``found`` (n, 4) and ``expected`` (m, 4), centred; ``spread`` (m, 2) px² is the
    variance of a measurement about the expected centre."""
    overlap = iou_centred(found, expected)
    h, eh = found[:, 3, None], expected[None, :, 3]
    dx = found[:, 0, None] - expected[None, :, 0]
    dy = found[:, 1, None] - expected[None, :, 1]
    near = dx * dx / spread[None, :, 0] + dy * dy / spread[None, :, 1] < GATE
    return Fit(overlap, np.minimum(h, eh) / np.maximum(h, eh), near)


def iou_centred(a: Floats, b: Floats, grown: float = 0.0) -> Floats:
    """IoU (n, m) of centred boxes (n, 4) and (m, 4), each side longer by ``grown`` of itself at
    both ends."""
    half_a, half_b = a[:, 2:] * np.float32(0.5 + grown), b[:, 2:] * np.float32(0.5 + grown)
    w = _common(a[:, 0], half_a[:, 0], b[:, 0], half_b[:, 0])
    h = _common(a[:, 1], half_a[:, 1], b[:, 1], half_b[:, 1])
    common = w * h
    area_a, area_b = 4 * half_a[:, 0] * half_a[:, 1], 4 * half_b[:, 0] * half_b[:, 1]
    return np.asarray(common / np.maximum(area_a[:, None] + area_b[None] - common, 1e-9))


def _common(a: Floats, half_a: Floats, b: Floats, half_b: Floats) -> Floats:
    """The common length (n, m) of intervals about ``a`` (n,) and ``b`` (m,)."""
    low = np.maximum.outer(a - half_a, b - half_b)
    high = np.minimum.outer(a + half_a, b + half_b)
    return np.asarray(np.maximum(high - low, 0))


def ahead(dx: Floats, dy: Floats, speed: Floats, side: Floats) -> Floats:
    """-1..1 (n, m): the cosine between a track's ``speed`` (m, 2) px/s and the way ``dx``, ``dy``
    (n, m) px to a box from where the track was some moments ago; less for a track that hardly
    moves (``side`` (m,) px is its mean side)."""
    vx, vy = speed[:, 0], speed[:, 1]
    weight = 1 / np.maximum(np.sqrt(vx * vx + vy * vy), SURE_SPEED * side)
    along = dx * (vx * weight) + dy * (vy * weight)
    return np.asarray(along / np.sqrt(dx * dx + dy * dy + 1e-12))


def values(
    found: Floats, expected: Floats, spread: Floats, speed: Floats,
    came: Floats, same: BoolArray, min_overlap: float,
) -> tuple[Floats, Floats]:  # fmt: skip
    """What each pair of boxes (n, 4) and (m, 4) is worth (n, m), and its IoU; 0 where it is not of
    the ``same`` group, and no worth where it does not fit. ``came`` (m, 2) px is where each track
    was some moments ago; for the others see ``fit`` and ``ahead``."""
    pair = fit(found, expected, spread)
    overlap = np.where(same, pair.overlap, np.float32(0))
    dx = found[:, 0, None] - came[:, 0]
    dy = found[:, 1, None] - came[:, 1]
    side = np.sqrt(expected[:, 2] * expected[:, 3])
    value = overlap * pair.height**HEIGHT_POWER
    value += DIRECTION * ahead(dx, dy, speed, side)
    good = pair.near & (pair.height > MIN_HEIGHT) & (overlap > min_overlap)
    return np.where(good, value, np.float32(0)), overlap


def assign(value: Floats, floor: float) -> tuple[Rows, Rows]:
    """Pairs (rows, columns) of the best total ``value`` (n, m), each above ``floor`` (Hungarian
    method)."""
    good = value > floor
    if not good.any():
        return _NONE, _NONE
    # pairs below the floor are worth nothing, so that none is bought at a good pair's expense
    rows, columns = linear_sum_assignment(np.where(good, value, 0), maximize=True)
    chosen = good[rows, columns]
    return rows[chosen], columns[chosen]


def one_group(one: IntArray, other: IntArray, some_any: bool) -> BoolArray:
    """Which of groups (n,) and (m,) fit (n, m); -1, if there is one, fits every group."""
    same = np.equal.outer(one, other)
    if some_any:
        same |= (one < 0)[:, None] | (other < 0)[None, :]
    return np.asarray(same)


def within_reach(found: Floats, pace: Floats, seen: Floats, away: Floats) -> BoolArray:
    """Which centred boxes (n, 4) an object that was last ``seen`` (m, 4) ``away`` (m,) seconds ago
    can have come to (n, m), at ``pace`` (n,), the speed of the fastest of the box's class, in mean
    sides a second."""
    dx = found[:, 0, None] - seen[:, 0]
    dy = found[:, 1, None] - seen[:, 1]
    far = pace[:, None] * away + SLACK
    return np.asarray(dx * dx + dy * dy <= far * far * (seen[:, 2] * seen[:, 3]))


class Pairs:
    """Which box is whose, found step by step: ``row_of`` (n,) each box's track, -1 for none yet,
    ``free`` (m,) the tracks that have no box."""

    def __init__(self, boxes: int, tracks: int) -> None:
        self.row_of = np.full(boxes, -1, np.intp)
        self.free = np.ones(tracks, np.bool_)

    def match(
        self,
        boxes: BoolArray,
        tracks: BoolArray,
        value: Callable[[Rows, Rows], Floats],
        floor: float,
        by: Callable[[Floats, float], tuple[Rows, Rows]] = assign,
    ) -> None:
        """Pair what is left of ``boxes`` (n,) and ``tracks`` (m,); ``value`` gives the table of
        the boxes and tracks that it is asked for."""
        d = (boxes & (self.row_of < 0)).nonzero()[0]
        if not len(d):
            return
        t = (tracks & self.free).nonzero()[0]
        if len(t):
            i, j = by(value(d, t), floor)
            self.take(d[i], t[j])

    def take(self, boxes: Rows | np.intp, tracks: Rows | np.intp) -> None:
        """Let ``boxes`` be of ``tracks``, one by one."""
        self.row_of[boxes] = tracks
        self.free[tracks] = False


def only(value: Floats, floor: float) -> tuple[Rows, Rows]:
    """Pairs (rows, columns) of a ``value`` (n, m) above ``floor`` that have no rival."""
    good = value > floor
    alone = good & (good.sum(axis=1) == 1)[:, None] & (good.sum(axis=0) == 1)
    rows, columns = np.nonzero(alone)
    return rows, columns


def mutual(value: Floats, floor: float) -> tuple[Rows, Rows]:
    """Pairs (rows, columns) of a ``value`` (n, m) above ``floor`` that are each other's best."""
    best, row = value.argmax(axis=1), np.arange(len(value))
    sure = (value[row, best] > floor) & (value.argmax(axis=0)[best] == row)
    return row[sure], best[sure]


def merged(
    found: Floats, owner: Rows, expected: Floats, waiting: Rows
) -> list[tuple[int, int, Floats]]:
    """Tracks whose objects touch, and were found as one.

    ``found`` (n, 4) are centred boxes, ``owner`` (n,) the row of each or -1, ``expected`` (m, 4)
    where the tracks should be, ``waiting`` (k,) the rows that have no box. Returns (box, row, part
    of that box) for each waiting row that mostly lies within a box that has outgrown its owner,
    and for that owner.
    """
    owned = np.flatnonzero(owner >= 0)
    area = expected[:, 2] * expected[:, 3]
    grew = found[owned, 2] * found[owned, 3] > OUTGROWN * area[owner[owned]]
    wide = owned[grew]
    if not len(wide) or not len(waiting):
        return []
    half, need = found[wide, 2:] / 2, expected[waiting, 2:] / 2
    common = _common(found[wide, 0], half[:, 0], expected[waiting, 0], need[:, 0]) * _common(
        found[wide, 1], half[:, 1], expected[waiting, 1], need[:, 1]
    )
    inside = common / np.maximum(area[waiting], 1e-9)
    parts: list[tuple[int, int, Floats]] = []
    for k, row in enumerate(waiting.tolist()):
        i = int(inside[:, k].argmax())
        box = int(wide[i])
        both = expected[[owner[box], row]]
        if inside[i, k] < TOUCHES or iou_centred(both[:1], both[1:])[0, 0] > ONE_OBJECT:
            continue
        for each in (int(owner[box]), row):
            if all((box, each) != known[:2] for known in parts):
                parts.append((box, each, _within(expected[each], found[box])))
    return parts


def with_parts(
    matched: Rows, owner: Rows, boxes: Floats, parts: list[tuple[int, int, Floats]]
) -> tuple[Rows, Rows, Floats]:
    """The ``matched`` boxes (k,), the row of each, and what is measured of it (k, 4), where the
    ``parts`` of a box take its place."""
    whole = matched[~np.isin(matched, [box for box, _, _ in parts])]
    box_of = np.array([*whole, *(box for box, _, _ in parts)], np.intp)
    rows = np.array([*owner[whole], *(row for _, row, _ in parts)], np.intp)
    return box_of, rows, np.array([*boxes[whole], *(part for _, _, part in parts)])


def _within(box: Floats, outer: Floats) -> Floats:
    """The centred ``box`` (4,), moved into ``outer`` and no larger."""
    size = np.minimum(box[2:], outer[2:])
    room = (outer[2:] - size) / 2
    return np.concatenate([np.clip(box[:2], outer[:2] - room, outer[:2] + room), size])


def leaps(
    found: Floats, begun: Floats, begun_s: Floats, same: BoolArray, least_ratio: float
) -> list[tuple[int, int, int]]:
    """Second boxes of beginnings whose speed is unknown, and who move by more than their size.

    ``found`` (n, 4) and ``begun`` (m, 4) are centred boxes, ``begun_s`` (m,) how long ago each
    beginning was seen, ``same`` (n, m) which may belong together; their mean sides have a ratio of
    ``least_ratio`` or more. Returns (box, beginning, step) with ``step`` -1 where the two have no
    rival; otherwise a third beginning lies between them, where an even speed would have it.
    """
    near = same & _alike(found, begun, least_ratio)
    taken: list[tuple[int, int, int]] = []
    free_box, free_row = np.asarray(near.any(axis=1)), np.asarray(near.any(axis=0))
    for age in np.unique(begun_s[free_row]):
        here = np.flatnonzero(free_row & (begun_s == age))
        open_box = np.flatnonzero(free_box)
        if not len(here) or not len(open_box):
            continue
        pairs = near[np.ix_(open_box, here)]
        steps = _even_steps(
            found[open_box], begun, begun_s, here, pairs, same[open_box], least_ratio
        )
        for i, j, k in steps:
            if free_box[open_box[i]] and free_row[here[j]] and free_row[k]:
                taken.append((int(open_box[i]), k, int(here[j])))
                free_box[open_box[i]] = free_row[here[j]] = free_row[k] = False
        alone = pairs & (pairs.sum(axis=0) == 1)[None, :] & (pairs.sum(axis=1) == 1)[:, None]
        for i, j in zip(*np.nonzero(alone), strict=True):
            if free_box[open_box[i]] and free_row[here[j]]:
                taken.append((int(open_box[i]), int(here[j]), -1))
                free_row[here[j]] = False
        # who might come from here comes from nothing older
        free_box[open_box[pairs.any(axis=1)]] = False
    return taken


def _alike(a: Floats, b: Floats, least: float) -> BoolArray:
    side_a, side_b = np.sqrt(a[:, 2] * a[:, 3]), np.sqrt(b[:, 2] * b[:, 3])
    ratio = side_a[:, None] / np.maximum(side_b[None], 1e-9)
    return np.asarray((ratio > least) & (ratio < 1 / least))


def _even_steps(
    found: Floats, begun: Floats, begun_s: Floats,
    middle: Rows, pairs: BoolArray, same: BoolArray, least_ratio: float,
) -> list[tuple[int, int, int]]:  # fmt: skip
    """(box, index into ``middle``, older beginning), the evenest first, where the way from the
    older one to the ``middle`` goes on to the box."""
    older = np.flatnonzero(begun_s > begun_s[middle[0]])
    if not len(older) or not pairs.any():
        return []
    # few boxes are in reach of a beginning, and only those are looked at
    i, j = np.nonzero(pairs)
    at, since = begun[middle], begun_s[middle[0]]
    before = begun[older]
    share = since / (begun_s[older] - since)
    even = same[i[:, None], older] & _alike(found, before, least_ratio)[i]
    even &= _alike(at, before, least_ratio)[j]
    pair, k = np.nonzero(even)
    i, j = i[pair], j[pair]
    on = at[j, :2] + (at[j, :2] - before[k, :2]) * share[k, None]
    off = np.linalg.norm(found[i, :2] - on, axis=1) / np.sqrt(at[j, 2] * at[j, 3])
    order = np.lexsort((j, k, i, off))
    order = order[: np.searchsorted(off[order], EVEN)]
    return [(int(i[o]), int(j[o]), int(older[k[o]])) for o in order]


def camera_shift(off: Floats) -> Floats | None:
    """By how much (2,), px, the camera turned, if it did: the median of where tracks were found,
    ``off`` (k, 2) px from where they were expected. None where too few say so, or they differ:
    one car that brakes moves no camera."""
    if len(off) < MIN_SHIFTED:
        return None
    middle = _median(off)
    differ = _median(np.abs(off - middle))
    if (np.abs(middle) <= SHIFT_SURE * differ / np.sqrt(len(off))).all():
        return None
    return middle


def _median(values: Floats) -> Floats:
    """The (upper) median of each column; numpy's own takes ten times as long."""
    return np.asarray(np.sort(values, axis=0)[len(values) // 2])


_NONE: Rows = np.zeros(0, np.intp)
