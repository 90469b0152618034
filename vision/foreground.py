"""What moves, without a model: pictures against a background that is learnt as time goes by.

A plain detector for fixed cameras over a road. It knows one class, ``vehicle``: whatever differs
from the empty road and is large enough. It keeps the road as it was last seen, so each camera has
its own; all rates follow capture time, so that 5 and 25 pictures a second mean the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from vision.errors import DetectorError
from vision.track import TrackerSettings
from vision.types import BoolArray, Detections, FloatArray, Frame, Image, IntArray

VEHICLE: Final = "vehicle"

WIDTH_PX = 320
"""Pictures are looked at in this width, or their own if it is smaller."""
LEARN_S = 2.0
"""So long the empty road is learnt before anything is found: the median of what was seen there."""
SAMPLE_S = 0.2
MIN_SAMPLES = 5
"""Fewer say little about what is usual, so a camera of few pictures a second learns for longer."""
FOLLOW_S = 10.0
"""The time constant with which the road follows what it looks like now."""
MELT_S = 60.0
"""What stood still and in sight for so long belongs to the road from then on."""
MAX_STEP_S = 1.0
"""Longer pauses between two pictures count as this long."""
MIN_DIFFERENCE = 14.0
"""A pixel that differs by less (0..255, its most different channel) shows the road."""
NOISE_FACTOR = 4.0
"""Or by less than so many times what it usually differs by."""
SURE = 2.0
"""An object has pixels that differ by so many times as much."""
MIN_SURE_SHARE = 0.15
"""And at least so many of them."""
MIN_AREA = 0.0012
"""The smallest object, as a part of the picture."""
GLOBAL_SHARE = 0.5
"""Where more of the picture changes at once, it is the light or the view, and no object."""
MAX_GAIN = 1.6
"""Neither does the exposure of a camera change by more from one picture to the next."""
FULL_SHARE = 0.75
"""What fills so much of its box is one object; otherwise it may be several that touch."""
NECK = 0.4
"""Objects that touch are apart where they are thicker than this part of the thickest place."""
MIDDLE_SHARE = 0.06
"""And each of those places is at least this part of all."""
MIN_TELLING = 32
"""So many pixels, of one in sixteen, say how the exposure changed."""
_OPEN = np.ones((3, 3), np.uint8)
_CLOSE = np.ones((5, 5), np.uint8)


class MotionDetector:
    """Finds what moves in the pictures of one camera; ``classes`` is ``("vehicle",)``.

    Raises DetectorError where another class is ``wanted``.
    """

    classes: tuple[str, ...] = (VEHICLE,)

    def __init__(self, wanted: Sequence[str] = ()) -> None:
        for name in wanted:
            if name != VEHICLE:
                raise DetectorError(
                    f"the model does not know the class '{name}': motion finds '{VEHICLE}' alone, "
                    "so name that, or choose another model"
                )
        self.wanted: tuple[str, ...] = (VEHICLE,)
        self.group_of: IntArray = np.zeros(1, np.int32)
        self._ts: float | None = None
        self._size: tuple[int, int] | None = None
        self._forget()

    def find(self, frame: Frame) -> Detections:
        """What moves in ``frame``, in its own pixels, the largest first. ``score`` is the part of
        the box that differs from the road. Nothing while the road is being learnt."""
        if frame.size != self._size:
            self._size = frame.size
            self._forget()
        step_s = 0.0 if self._ts is None else min(max(0.0, frame.ts - self._ts), MAX_STEP_S)
        self._ts = frame.ts
        small = _reduced(frame.image)
        if self._road is None:
            self._learn(small, frame.ts)
            return Detections.empty()
        gain = _gain(small, self._road)
        if not 1 / MAX_GAIN <= gain <= MAX_GAIN:
            return self._begin_again(small, frame.ts)
        # the road under an object gets lighter and darker with the rest
        self._road *= np.float32(gain)
        difference = _most(small, self._road)
        threshold = np.maximum(self._noise * np.float32(NOISE_FACTOR), np.float32(MIN_DIFFERENCE))
        differs = difference > threshold
        if np.count_nonzero(differs) > GLOBAL_SHARE * differs.size:
            return self._begin_again(small, frame.ts)
        self._follow(small, difference, differs, step_s)
        return self._objects(differs, difference > threshold * np.float32(SURE), frame.size)

    # --- the road

    def _forget(self) -> None:
        self._samples: list[Image] = []
        self._since_s = self._sampled_s = -math.inf
        self._road: FloatArray | None = None
        self._noise: FloatArray = np.zeros((0, 0), np.float32)
        self._stood_s: FloatArray = np.zeros((0, 0), np.float32)

    def _begin_again(self, small: Image, ts: float) -> Detections:
        self._forget()
        self._learn(small, ts)
        return Detections.empty()

    def _learn(self, small: Image, ts: float) -> None:
        if not self._samples:
            self._since_s = ts
        # half a step early is not too early: pictures do not come at the very moment
        if ts - self._sampled_s < SAMPLE_S * 0.75:
            return
        self._sampled_s = ts
        # a small picture is the frame's own, which may be written over
        self._samples.append(small.copy())
        if ts - self._since_s < LEARN_S or len(self._samples) < MIN_SAMPLES:
            return
        seen = np.stack(self._samples)
        road = np.median(seen, axis=0).astype(np.float32)
        self._noise = np.full(small.shape[:2], MIN_DIFFERENCE / NOISE_FACTOR, np.float32)
        self._stood_s = np.zeros(small.shape[:2], np.float32)
        self._road, self._samples = road, []

    def _follow(self, small: Image, difference: Image, differs: BoolArray, step_s: float) -> None:
        """Let the road be what it looks like now where nothing is, and what stood there for
        long."""
        assert self._road is not None  # noqa: S101 - for the type checker
        rate = 1 - math.exp(-step_s / FOLLOW_S)
        free = (~differs).view(np.uint8)
        cv2.accumulateWeighted(small, self._road, rate, mask=free)
        cv2.accumulateWeighted(difference, self._noise, rate, mask=free)
        self._stood_s += np.float32(step_s)
        self._stood_s *= differs
        melted = self._stood_s >= MELT_S
        if melted.any():
            self._road[melted] = small[melted]
            self._stood_s[melted] = 0

    # --- what is on it

    def _objects(
        self, differs: BoolArray, sure: BoolArray, frame_size: tuple[int, int]
    ) -> Detections:
        mask = cv2.morphologyEx(differs.view(np.uint8), cv2.MORPH_OPEN, _OPEN)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _CLOSE)
        number, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        certain = np.bincount(labels[sure], minlength=number)
        boxes = []
        for row in range(1, number):
            left, top, width, height, area = stats[row].tolist()
            if area < MIN_AREA * mask.size or certain[row] < MIN_SURE_SHARE * area:
                continue
            part = (labels[top : top + height, left : left + width] == row).view(np.uint8)
            boxes += [
                (left + x, top + y, left + x + w, top + y + h, filled / (w * h), filled)
                for x, y, w, h, filled in _parts(part, area)
            ]
        boxes.sort(key=lambda box: -box[5])
        found = np.array(boxes, np.float32).reshape(-1, 6)
        scale = np.array(frame_size, np.float32) / np.array(mask.shape[::-1], np.float32)
        return Detections(
            found[:, :4] * np.tile(scale, 2), found[:, 4], np.zeros(len(found), np.int32)
        )


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


def motion_tracker() -> TrackerSettings:
    """The tracker's settings for ``MotionDetector``, whose boxes jump when two objects touch."""
    return TrackerSettings(low=0.15, match=0.3, birth=0.35)


def _reduced(image: Image) -> Image:
    h, w = image.shape[:2]
    if w <= WIDTH_PX:
        return image
    width, height = WIDTH_PX, max(1, round(h * WIDTH_PX / w))
    # averaging four pixels each is fast, and so is picking those of twice the size
    twice = cv2.resize(image, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(twice, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _most(small: Image, road: FloatArray) -> Image:
    """(h, w) by how much the most different of the three channels differs."""
    blue, green, red = cv2.split(cv2.absdiff(small, cv2.convertScaleAbs(road)))
    return np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)


def _gain(small: Image, road: FloatArray) -> float:
    """By what the picture as a whole got lighter than the road, told by its green channel."""
    now = small[::4, ::4, 1].astype(np.float32)
    before = road[::4, ::4, 1]
    # what is nearly black or white says nothing of the exposure
    telling = (before > 16) & (before < 240) & (now > 8) & (now < 250)
    if np.count_nonzero(telling) < MIN_TELLING:
        return 1.0
    return float(np.median(now[telling] / before[telling]))
