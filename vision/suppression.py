"""One object, one box: of boxes that overlap too far only the best stays.

Greedy suppression goes through the boxes from the best on: each that is left removes those after
it that overlap it too far. Which boxes stay is worked out for all at once: a box stays when none
that stays removes it, so in each round those without a rival that may still stay are decided, and
with them those that they remove. There are as many rounds as the longest chain of boxes of which
each would remove the next, a handful.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.geometry import areas
from vision.types import BoolArray, FloatArray, IntArray

Limits: TypeAlias = tuple[float, float | None]
"""Up to which intersection over union boxes stay both, and up to which part of the smaller one
that lies in the other; None where that does not matter."""


def survivors(
    xyxy: FloatArray, group: IntArray, limits: Sequence[Limits], otherwise: Limits
) -> NDArray[np.intp]:
    """Indices, in order, of what stays of boxes (n, 4) px with areas over 0, best first, that
    compete with those of the same ``group`` (n,) alone, by its ``limits``, or by ``otherwise``
    where it has none."""
    kept = np.ones(len(group), np.bool_)
    for number in np.flatnonzero(np.bincount(group) > 1).tolist():
        rows = np.flatnonzero(group == number)
        at_most = limits[number] if number < len(limits) else otherwise
        kept[rows] = staying(_removes(xyxy[rows], *at_most))
    return np.flatnonzero(kept)


def _removes(xyxy: FloatArray, iou: float, containment: float | None) -> BoolArray:
    """Which of n boxes would remove which after it (n, n)."""
    x1, y1, x2, y2 = np.ascontiguousarray(xyxy.T)
    area = areas(xyxy)
    common = np.minimum.outer(x2, x2)
    common -= np.maximum.outer(x1, x1)
    np.maximum(common, 0, out=common)
    high = np.minimum.outer(y2, y2)
    high -= np.maximum.outer(y1, y1)
    np.maximum(high, 0, out=high)
    common *= high
    either = np.add.outer(area, area)
    either -= common
    removes = np.asarray(common / either > iou)
    if containment is not None:
        removes |= common / np.minimum.outer(area, area) > containment
    return np.asarray(np.triu(removes, 1))


def staying(removes: BoolArray) -> BoolArray:
    """Which (n,) stay of boxes of which each ``removes`` (n, n) some after it, if it stays."""
    stays = np.asarray(~removes.any(axis=0))
    gone = removes[stays].any(axis=0)
    while not (stays | gone).all():
        open_ = ~(stays | gone)
        stays |= open_ & ~removes[open_].any(axis=0)
        gone |= removes[stays].any(axis=0)
    return stays
