"""How far two detectors agree on the same pictures, and how well each finds what is truly there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vision.geometry import iou
from vision.types import Detections, FloatArray, IntArray

SAME_IOU: Final = 0.5
"""Boxes that overlap by so much show the same object."""
Pair: TypeAlias = tuple[Detections, Detections]


@dataclass(frozen=True, slots=True)
class Matches:
    """Boxes of a reference that were ``found``, all there are (``wanted``); boxes that were
    ``right``, all that were ``given``."""

    found: int
    wanted: int
    right: int
    given: int

    @property
    def recall(self) -> float:
        """The share of what there is that was found; 1 where there is nothing."""
        return self.found / self.wanted if self.wanted else 1.0

    @property
    def precision(self) -> float:
        """The share of what was given that is right; 1 where nothing was."""
        return self.right / self.given if self.given else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0

    def __add__(self, other: Matches) -> Matches:
        return Matches(
            self.found + other.found,
            self.wanted + other.wanted,
            self.right + other.right,
            self.given + other.given,
        )


NOTHING: Final = Matches(0, 0, 0, 0)


def agreement(pairs: Iterable[Pair], group_of: IntArray, *, sure: float, seen: float) -> Matches:
    """What two detectors find in the same pictures, the reference first.

    What one is ``sure`` of (its score is as high) the other must at least have ``seen``: a box to
    which both give about the same score is no disagreement because it passes a threshold with one
    only. With ``sure`` equal to ``seen`` it is the plain F1 at one threshold. ``group_of`` (C,)
    says which classes one object may be taken for.
    """
    total = NOTHING
    for reference, other in pairs:
        wanted, given = reference.score >= sure, other.score >= sure
        matched = _same(reference, other, group_of)
        found = _hits(matched[wanted][:, other.score >= seen])
        right = _hits(matched[reference.score >= seen][:, given])
        total += Matches(found, int(wanted.sum()), right, int(given.sum()))
    return total


def against(truth: Iterable[tuple[FloatArray, FloatArray]]) -> Matches:
    """Boxes (n, 4) that are truly there, and boxes (m, 4) that were found, picture by picture."""
    total = NOTHING
    for there, boxes in truth:
        overlap = iou(there, boxes)
        hits = _hits(np.where(overlap >= SAME_IOU, overlap, 0))
        total += Matches(hits, len(there), hits, len(boxes))
    return total


def average_precision(truth: Sequence[tuple[FloatArray, Detections]]) -> float:
    """AP at an IoU of .5: boxes (n, 4) that are truly there, and what was found, picture by picture
    (Everingham et al. 2010, the area below the falling envelope of precision over recall)."""
    judged: list[tuple[float, bool]] = []
    for there, found in truth:
        overlap = iou(found.xyxy, there)
        for row in np.argsort(-found.score, kind="stable"):
            best = int(overlap[row].argmax()) if len(there) else -1
            hit = best >= 0 and bool(overlap[row, best] >= SAME_IOU)
            if hit:
                overlap[:, best] = 0
            judged.append((float(found.score[row]), hit))
    judged.sort(key=lambda each: -each[0])
    right = np.array([hit for _, hit in judged], np.float64)
    recall = right.cumsum() / max(1, sum(len(there) for there, _ in truth))
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0) * envelope).sum())


def _same(a: Detections, b: Detections, group_of: IntArray) -> NDArray[np.float64]:
    """(n, m): the overlap of boxes that may show the same object, 0 elsewhere."""
    overlap = iou(a.xyxy, b.xyxy)
    rivals = group_of[a.class_id][:, None] == group_of[b.class_id][None]
    return np.where(rivals & (overlap >= SAME_IOU), overlap, 0)


def _hits(overlap: NDArray[np.floating]) -> int:
    """How many pairs the best one-to-one assignment makes."""
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return int((overlap[rows, columns] > 0).sum())
