"""Which box belongs to which track: how well each pair fits, and the pairs that fit best in all.

Everything is (n, m): n boxes found in a picture by m tracks where they are expected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vision.types import BoolArray

Table = NDArray[np.floating]
Rows = NDArray[np.intp]

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

    overlap: Table
    height: Table
    near: BoolArray


def centred(xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
    """Boxes (n, 4) xyxy as centre x, centre y, width, height."""
    low, high = xyxy[:, :2].astype(np.float64), xyxy[:, 2:].astype(np.float64)
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def fit(
    found: NDArray[np.float64], expected: NDArray[np.float64], spread: NDArray[np.float64]
) -> Fit:
    """Boxes ``found`` (n, 4) and ``expected`` (m, 4), centred; ``spread`` (m, 2) px² is the
    variance of a measurement about the expected centre."""
    overlap = iou_centred(found, expected)
    h, eh = found[:, 3, None], expected[None, :, 3]
    dx = found[:, 0, None] - expected[None, :, 0]
    dy = found[:, 1, None] - expected[None, :, 1]
    near = dx * dx / spread[None, :, 0] + dy * dy / spread[None, :, 1] < GATE
    return Fit(overlap, np.minimum(h, eh) / np.maximum(h, eh), near)


def iou_centred(
    a: NDArray[np.float64], b: NDArray[np.float64], grown: float = 0.0
) -> NDArray[np.float64]:
    """IoU (n, m) of centred boxes (n, 4) and (m, 4), each side longer by ``grown`` of itself at
    both ends."""
    half_a, half_b = a[:, 2:] * (0.5 + grown), b[:, 2:] * (0.5 + grown)
    w = _common(a[:, 0], half_a[:, 0], b[:, 0], half_b[:, 0])
    h = _common(a[:, 1], half_a[:, 1], b[:, 1], half_b[:, 1])
    common = w * h
    area_a, area_b = 4 * half_a[:, 0] * half_a[:, 1], 4 * half_b[:, 0] * half_b[:, 1]
    return np.asarray(common / np.maximum(area_a[:, None] + area_b[None] - common, 1e-9))


def _common(
    a: NDArray[np.float64], half_a: NDArray[np.float64],
    b: NDArray[np.float64], half_b: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """The common length (n, m) of intervals about ``a`` (n,) and ``b`` (m,)."""
    low = np.maximum.outer(a - half_a, b - half_b)
    high = np.minimum.outer(a + half_a, b + half_b)
    return np.maximum(high - low, 0)


def ahead(
    found: NDArray[np.float64], behind: NDArray[np.float64], speed: NDArray[np.float64],
    side: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """-1..1 (n, m): the cosine between a track's ``speed`` (m, 2) px/s and the way to a box from
    ``behind`` (m, 2), where the track was some moments ago; less for a track that hardly moves
    (``side`` (m,) px is its mean side)."""
    dx = found[:, 0, None] - behind[None, :, 0]
    dy = found[:, 1, None] - behind[None, :, 1]
    pace = np.hypot(speed[:, 0], speed[:, 1])
    weight = np.minimum(pace / np.maximum(SURE_SPEED * side, 1e-9), 1) / np.maximum(pace, 1e-9)
    along = dx * (speed[:, 0] * weight)[None] + dy * (speed[:, 1] * weight)[None]
    return np.asarray(along / np.maximum(np.sqrt(dx * dx + dy * dy), 1e-9))


def assign(value: Table, floor: float) -> tuple[Rows, Rows]:
    """Pairs (rows, columns) of the best total ``value`` (n, m), each above ``floor`` (Hungarian
    method)."""
    good = value > floor
    if not good.any():
        return _NONE, _NONE
    # pairs below the floor are worth nothing, so that none is bought at a good pair's expense
    rows, columns = linear_sum_assignment(np.where(good, value, 0), maximize=True)
    chosen = good[rows, columns]
    return rows[chosen], columns[chosen]


def leaps(
    found: NDArray[np.float64], begun: NDArray[np.float64], begun_s: NDArray[np.float64],
    same: BoolArray, *, sides_per_s: float, least_ratio: float,
) -> list[tuple[int, int, int]]:  # fmt: skip
    """Second boxes of beginnings whose speed is unknown, and who move by more than their size.

    ``found`` (n, 4) and ``begun`` (m, 4) are centred boxes, ``begun_s`` (m,) how long ago each
    beginning was seen, ``same`` (n, m) which may belong together. They move by at most
    ``sides_per_s`` mean sides a second, and their mean sides have a ratio of ``least_ratio`` or
    more. Returns (box, beginning, step) with ``step`` -1 where the two have no rival; otherwise a
    third beginning lies between them, where an even speed would have it.
    """
    near = same & _alike(found, begun, least_ratio)
    near &= _reach(found, begun, begun_s, sides_per_s)
    taken: list[tuple[int, int, int]] = []
    free_box, free_row = np.asarray(near.any(axis=1)), np.asarray(near.any(axis=0))
    for age in np.unique(begun_s[free_row]):
        here = np.flatnonzero(free_row & (begun_s == age))
        open_box = np.flatnonzero(free_box)
        if not len(here) or not len(open_box):
            continue
        pairs = near[np.ix_(open_box, here)]
        steps = _even_steps(found[open_box], begun, begun_s, here, pairs, least_ratio)
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


def _alike(a: NDArray[np.float64], b: NDArray[np.float64], least: float) -> BoolArray:
    side_a, side_b = np.sqrt(a[:, 2] * a[:, 3]), np.sqrt(b[:, 2] * b[:, 3])
    ratio = side_a[:, None] / np.maximum(side_b[None], 1e-9)
    return np.asarray((ratio > least) & (ratio < 1 / least))


def _reach(
    a: NDArray[np.float64], b: NDArray[np.float64], seconds: NDArray[np.float64], speed: float
) -> BoolArray:
    far = np.hypot(a[:, 0, None] - b[None, :, 0], a[:, 1, None] - b[None, :, 1])
    return np.asarray(far <= speed * (seconds * np.sqrt(b[:, 2] * b[:, 3]))[None])


def _even_steps(
    found: NDArray[np.float64], begun: NDArray[np.float64], begun_s: NDArray[np.float64],
    middle: Rows, pairs: BoolArray, least_ratio: float,
) -> list[tuple[int, int, int]]:  # fmt: skip
    """(box, index into ``middle``, older beginning), the evenest first, where the way from the
    older one to the ``middle`` goes on to the box."""
    older = np.flatnonzero(begun_s > begun_s[middle[0]])
    if not len(older) or not pairs.any():
        return []
    at, since = begun[middle], begun_s[middle[0]]
    before = begun[older]
    share = since / (begun_s[older] - since)
    on = at[None, :, :2] + (at[None, :, :2] - before[:, None, :2]) * share[:, None, None]
    off = np.linalg.norm(found[:, None, None, :2] - on[None], axis=3)
    side = np.sqrt(at[:, 2] * at[:, 3])
    even = (off < EVEN * side[None, None]) & pairs[:, None, :]
    even &= _alike(at, before, least_ratio).T[None] & _alike(found, before, least_ratio)[..., None]
    i, k, j = np.nonzero(even)
    order = np.argsort(off[i, k, j] / side[j], kind="stable")
    return [(int(i[o]), int(j[o]), int(older[k[o]])) for o in order]


def camera_shift(off: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """By how much (2,), px, the camera turned, if it did: the median of where tracks were found,
    ``off`` (k, 2) px from where they were expected. None where too few say so, or they differ:
    one car that brakes moves no camera."""
    if len(off) < MIN_SHIFTED:
        return None
    middle = np.median(off, axis=0)
    differ = np.median(np.abs(off - middle), axis=0)
    if (np.abs(middle) <= SHIFT_SURE * differ / np.sqrt(len(off))).all():
        return None
    return np.asarray(middle)


_NONE: Rows = np.zeros(0, np.intp)
