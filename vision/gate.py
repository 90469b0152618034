"""The motion gate: while a picture shows nothing new, the model is not asked again.

A picture is compared with the one that the model saw last, not with the one before, so that what is
slow adds up until it is seen. Blocks of a small luma plane are compared by the variance of their
difference: light that becomes more or less by the same in a whole block is no change. How much a
block differs by itself is learnt, and how much all of them do at once (a key frame, grain at
night) is told by their median.

An answer is given again only once it is settled: as many answers of the model as make a track, over
as long, have the same clear boxes, and no other is so near to being one that the next answer might.
So nothing becomes a track by being said again. What only some of them have is faint and said too.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace

import cv2
import numpy as np

from vision.detect import Finder, Look, look
from vision.geometry import iou
from vision.picture import Picture
from vision.tracksettings import TrackerSettings
from vision.types import BoolArray, Detections, FloatArray, Frame, Image, IntArray

REFRESH_S = 2.0
"""The model is asked again after so long, whatever the picture shows."""
ROUNDING_S = 1e-3
"""Times are off by less."""
PLANE_PX = 320 * 180
"""Pictures are compared in so many pixels, or in their own if they are fewer."""
CELL_PX = 4
"""A block is 2x2 cells, and one begins at each cell: someone of 2x5 px is whole in one of them."""
LEAST = 12.0
"""A block differs from this variance on, squared levels of 255: a pedestrian of 6x13 px in a
picture of 768x576 who is 10 levels off the ground,"""
MOST = 64.0
"""and from here on at the latest, however much it differs by itself: one of 22 levels."""
USUAL_FACTOR = 3.0
"""A block that differs by so many times what is usual for it shows something new,"""
MEDIAN_FACTOR = 6.0
"""if that is as many times what blocks differ by just now."""
RISE_S = 2.0
FALL_S = 20.0
"""How soon what is usual becomes 2.7 times as much, or as little: it is what a block exceeds in 9 %
of the pictures."""
LIGHT = 20.0
"""A block whose mean differs by more levels shows something new as well: the light went on."""
SAME_IOU = 0.5
"""Boxes of two answers are of one thing from here on."""
DOUBT = 0.04
"""What is so little below the score that begins a track may exceed it in the next picture: scores
of one view vary by .01 to .03 under grain of 2 to 5 levels."""


class GatedFinder:
    """Finds what ``finder`` finds in the pictures of one camera; ``settings`` are its tracker's.

    ``looks`` counts pictures and ``asked`` how many of them ``finder`` has looked at.
    """

    def __init__(self, finder: Finder, settings: TrackerSettings) -> None:
        self.finder = finder
        self.looks = self.asked = 0
        self._settings = settings
        self._changes = _Changes()
        self._asked_ts = -math.inf
        self._since_ts = -math.inf
        self._answers: deque[Look] = deque(maxlen=settings.confirm_hits)
        self._again: Look | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.finder.classes

    @property
    def wanted(self) -> tuple[str, ...]:
        return self.finder.wanted

    @property
    def group_of(self) -> IntArray:
        return self.finder.group_of

    def find(self, frame: Frame) -> Detections:
        """What is found in ``frame``, or was found in a picture that shows the same."""
        return self.look(frame).found

    def look(self, frame: Frame) -> Look:
        """The same, and the bystanders."""
        self.looks += 1
        same = self._changes.none_in(frame.picture, frame.ts)
        late = not 0 <= frame.ts - self._asked_ts < REFRESH_S - ROUNDING_S
        if same and not late and self._again is not None:
            return self._again
        seen = look(self.finder, frame)
        self.asked += 1
        self._asked_ts = frame.ts
        self._changes.keep()
        if not same or not all(self._agree(seen, before) for before in self._answers):
            self._answers.clear()
        if not self._answers:
            self._since_ts = frame.ts
        self._answers.append(seen)
        self._again = self._settled(frame.ts)
        return seen

    def _agree(self, one: Look, other: Look) -> bool:
        """Whether two answers have the same boxes from the score on that begins a track."""
        a, b = (each.found.select(self._clear(each)) for each in (one, other))
        same = iou(a.xyxy, b.xyxy) >= SAME_IOU
        same &= a.class_id[:, None] == b.class_id
        return bool(same.any(axis=1).all() and same.any(axis=0).all())

    def _clear(self, answer: Look) -> BoolArray:
        return np.asarray(answer.found.score >= self._settings.birth)

    def _settled(self, ts: float) -> Look | None:
        """What is said until something changes; None while the answers may still differ."""
        s = self._settings
        if len(self._answers) < s.confirm_hits or ts - self._since_ts < s.confirm_s:
            return None
        *before, last = self._answers
        for answer in reversed(before):
            last = _joined(last, answer)
        found, clear = last.found, self._clear(last)
        near = (found.score >= s.birth - DOUBT) & ~clear
        return last if _among(found.xyxy[near], found.xyxy[clear]).all() else None


class _Changes:
    """What is new in a picture, compared with the one that was kept."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._ts = -math.inf
        self._known: Image | None = None
        self._now: Image | None = None
        self._usual: FloatArray | None = None

    def none_in(self, picture: Picture, ts: float) -> bool:
        """Whether ``picture``, of time ``ts``, shows what the kept one does."""
        if picture.size != self._size:
            self._size, self._known, self._usual = picture.size, None, None
        step_s, self._ts = ts - self._ts, ts
        self._now = picture.luma(_plane(picture.size))
        if self._known is None:
            return False
        mean, variance = _compared(self._now, self._known)
        if self._usual is None:
            self._usual = np.full(variance.shape, LEAST / USUAL_FACTOR, np.float32)
        median = float(np.median(variance[::2, ::2]))
        limit = np.clip(
            np.maximum(self._usual * np.float32(USUAL_FACTOR), MEDIAN_FACTOR * median), LEAST, MOST
        )
        new = (variance > limit).any() or (np.abs(mean) > LIGHT).any()
        self._learn(variance, step_s)
        return not new

    def keep(self) -> None:
        """The picture that was looked at last is what others are compared with."""
        # a decoder may use its memory again
        self._known = None if self._now is None else self._now.copy()

    def _learn(self, variance: FloatArray, step_s: float) -> None:
        if self._usual is None or not 0 < step_s < REFRESH_S:
            return
        more, less = math.exp(step_s / RISE_S), math.exp(-step_s / FALL_S)
        self._usual *= np.where(variance > self._usual, np.float32(more), np.float32(less))
        np.clip(self._usual, LEAST / USUAL_FACTOR, MOST / USUAL_FACTOR, out=self._usual)


def _plane(size: tuple[int, int]) -> tuple[int, int]:
    """The size (w, h) in which pictures of ``size`` are compared: whole cells, at least a block."""
    scale = min(1.0, math.sqrt(PLANE_PX / (size[0] * size[1])))
    w, h = (max(2, int(side * scale / CELL_PX)) * CELL_PX for side in size)
    return w, h


def _compared(now: Image, known: Image) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the difference of two planes in each block."""
    apart = np.asarray(cv2.subtract(now, known, dtype=cv2.CV_32F), np.float32)
    mean = _blocks(apart)
    return mean, _blocks(apart * apart) - mean * mean


def _blocks(plane: FloatArray) -> FloatArray:
    """The mean of each block of ``plane``."""
    cells = plane.shape[1] // CELL_PX, plane.shape[0] // CELL_PX
    small = cv2.resize(plane, cells, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(small, (2, 2)), np.float32)


def _joined(last: Look, before: Look) -> Look:
    """``last``, and what ``before`` shows at places where it shows nothing."""
    besides = before.found.select(~_among(before.found.xyxy, last.found.xyxy))
    found = Detections(
        np.concatenate([last.found.xyxy, besides.xyxy]),
        np.concatenate([last.found.score, besides.score]),
        np.concatenate([last.found.class_id, besides.class_id]),
    )
    hidden, known = before.bystanders, last.bystanders
    new = np.flatnonzero(~_among(hidden.xyxy, known.xyxy))
    names = [hidden.names[i] for i in new.tolist()]
    return replace(last, found=found, bystanders=known.joined(names, hidden.xyxy[new]))


def _among(boxes: FloatArray, others: FloatArray) -> BoolArray:
    """Which of ``boxes`` (n, 4) are of the same things as ``others`` (m, 4): a mask (n,)."""
    return np.asarray((iou(boxes, others) >= SAME_IOU).any(axis=1))
