"""What moves, without a model: blobs of what differs from the empty view of a fixed camera.

A second kind of detector for views that no model knows: from above, from afar, thermal. It knows
one class, ``moving``. It remembers its camera's view (``vision.background``), so each camera has
its own; all rates follow capture time, so that 5 and 25 pictures a second mean the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from vision.background import Background, Difference
from vision.errors import DetectorError
from vision.track import TrackerSettings
from vision.types import BoolArray, Detections, Frame, Image, IntArray

MOVING: Final = "moving"

WIDTH_PX = 320
"""Pictures are looked at in this width, or their own if it is smaller."""
MIN_AREA = 0.0012
"""The smallest object, as a part of the picture."""
MIN_SURE_SHARE = 0.15
"""At least this part of an object differs by twice what is needed."""
MIN_SOLID_SHARE = 0.2
"""And of a blob at least this part is more than light and shadow."""
WHOLE_SHARE = 0.95
"""A blob that is solid to this part casts no shadow worth cutting off."""
JOIN_SHARE = 0.6
"""Solid pieces of a blob are one object where it fills so much of the box around them."""
FULL_SHARE = 0.75
"""What fills so much of its box is one object; otherwise it may be several that touch."""
NECK = 0.4
"""Objects that touch are apart where they are thicker than this part of the thickest place."""
MIDDLE_SHARE = 0.06
"""And each of those places is at least this part of all."""
MIN_PIECE = 20
"""Smaller pieces are noise."""
_OPEN = np.ones((3, 3), np.uint8)
_CLOSE = np.ones((5, 5), np.uint8)

Rectangle = tuple[int, int, int, int]
"""x, y, width, height, px."""


class MotionDetector:
    """Finds what moves in the pictures of one camera; ``classes`` is ``("moving",)``.

    Raises DetectorError where another class is ``wanted``.
    """

    classes: tuple[str, ...] = (MOVING,)

    def __init__(self, wanted: Sequence[str] = ()) -> None:
        for name in wanted:
            if name != MOVING:
                raise DetectorError(
                    f"the model does not know the class '{name}': motion finds '{MOVING}' alone, "
                    "so name that, or choose another model"
                )
        self.wanted: tuple[str, ...] = (MOVING,)
        self.group_of: IntArray = np.zeros(1, np.int32)
        self._size: tuple[int, int] | None = None
        self._view = Background()

    def find(self, frame: Frame) -> Detections:
        """What moves in ``frame``, in its own pixels, the largest first. ``score`` is the part of
        the box that differs from the empty view. Nothing while that is being learnt."""
        if frame.size != self._size:
            self._size = frame.size
            self._view = Background()
        seen = self._view.update(frame.picture.yuv(_looked_at(frame.size)), frame.ts)
        if seen is None:
            return Detections.empty()
        boxes = sorted(_objects(seen), key=lambda box: -box[4])
        found = np.array(boxes, np.float32).reshape(-1, 5)
        h, w = seen.all.shape
        scale = np.array(frame.size, np.float32) / np.array([w, h], np.float32)
        corner, sides = found[:, :2], found[:, 2:4]
        xyxy = np.concatenate([corner * scale, (corner + sides) * scale], axis=1)
        score = found[:, 4] / np.maximum(sides[:, 0] * sides[:, 1], 1)
        return Detections(xyxy, score, np.zeros(len(found), np.int32))


def motion_tracker() -> TrackerSettings:
    """The tracker's settings for ``MotionDetector``, whose boxes jump when two objects touch."""
    return TrackerSettings(low=0.15, match=0.3, birth=0.35, split_merges=True)


def _looked_at(size: tuple[int, int]) -> tuple[int, int]:
    """In what size (w, h) px pictures of ``size`` are looked at."""
    w, h = size
    return (WIDTH_PX, max(1, round(h * WIDTH_PX / w))) if w > WIDTH_PX else size


def _objects(seen: Difference) -> list[tuple[int, int, int, int, int]]:
    """x, y, width, height and pixels of each object."""
    blobs, solid = _tidied(seen.all), _tidied(seen.solid)
    solid &= blobs
    number, labels, stats, _ = cv2.connectedComponentsWithStats(blobs, connectivity=8)
    sure = np.bincount(labels[seen.sure], minlength=number)
    firm = np.bincount(labels[solid > 0], minlength=number)
    least = MIN_AREA * blobs.size
    found = []
    for row in range(1, number):
        left, top, width, height, area = stats[row].tolist()
        if firm[row] < max(least, MIN_SOLID_SHARE * area):
            continue
        if sure[row] < MIN_SURE_SHARE * firm[row]:
            continue
        box = np.s_[top : top + height, left : left + width]
        blob = (labels[box] == row).view(np.uint8)
        whole = firm[row] >= WHOLE_SHARE * area
        pieces = [(0, 0, width, height)] if whole else _pieces(blob, solid[box] & blob)
        for x, y, w, h in pieces:
            piece = _filled(blob[y : y + h, x : x + w])
            pixels = cv2.countNonZero(piece)
            if pixels >= least:
                found += [
                    (left + x + px, top + y + py, pw, ph, n)
                    for px, py, pw, ph, n in _parts(piece, pixels)
                ]
    return found


def _tidied(mask: BoolArray) -> Image:
    """``mask`` (h, w) without specks, and with narrow gaps closed."""
    opened = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, _OPEN)
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _CLOSE), np.uint8)


def _pieces(blob: Image, solid: Image) -> list[Rectangle]:
    """Boxes around the ``solid`` parts of ``blob``, both (h, w): a shadow beside them is left
    out, and even paint or a windscreen between them is not taken for a gap."""
    number, _, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    boxes = [
        (x, y, x + w, y + h)
        for x, y, w, h, area in sorted(stats[1:number].tolist(), key=lambda row: -row[4])
        if area >= MIN_PIECE
    ]
    joined: list[Rectangle] = []
    while boxes:
        box = boxes.pop(0)
        for other in boxes:
            x1, y1 = min(box[0], other[0]), min(box[1], other[1])
            x2, y2 = max(box[2], other[2]), max(box[3], other[3])
            filled = cv2.countNonZero(np.ascontiguousarray(blob[y1:y2, x1:x2]))
            if filled >= JOIN_SHARE * (x2 - x1) * (y2 - y1):
                boxes.remove(other)
                boxes.insert(0, (x1, y1, x2, y2))
                break
        else:
            joined.append((box[0], box[1], box[2] - box[0], box[3] - box[1]))
    return joined


def _filled(blob: Image) -> Image:
    """``blob`` (h, w) without holes: a car whose roof is as grey as the road is one object."""
    blob = np.ascontiguousarray(blob)
    outlines, _ = cv2.findContours(blob, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(cv2.drawContours(blob, outlines, -1, 1, cv2.FILLED), np.uint8)


def _parts(blob: Image, area: int) -> list[tuple[int, int, int, int, int]]:
    """x, y, width, height and pixels of each object in ``blob`` (h, w): one, or several that only
    touch. Then each pixel belongs to the object whose middle is nearest."""
    h, w = blob.shape
    whole = [(0, 0, w, h, area)]
    if area >= FULL_SHARE * w * h:
        return whole
    # what lies at the edge of the box is no middle
    framed = cv2.copyMakeBorder(blob, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1]
    number, labels, stats, _ = cv2.connectedComponentsWithStats(
        (depth > NECK * depth.max()).view(np.uint8), connectivity=8
    )
    middles = 1 + np.flatnonzero(stats[1:number, cv2.CC_STAT_AREA] >= MIDDLE_SHARE * area)
    if len(middles) < 2:
        return whole
    away = [
        cv2.distanceTransform((labels != middle).view(np.uint8), cv2.DIST_L2, 3)
        for middle in middles
    ]
    nearest = np.argmin(away, axis=0)
    parts = [((nearest == i) & (blob > 0)).view(np.uint8) for i in range(len(middles))]
    return [(*_rectangle(part), cv2.countNonZero(part)) for part in parts]


def _rectangle(mask: Image) -> tuple[int, int, int, int]:
    x, y, w, h = cv2.boundingRect(mask)
    return x, y, w, h
