"""A picture to draw on: translucent and opaque marks, words, and places that are given out once.

What is translucent is shaded through a mask, for one object at the cost of a hundred; what is
opaque comes after ``settle``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.types import Image

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = NDArray[np.float64]
Rect: TypeAlias = tuple[float, float, float, float]
"""x, y, width, height of a label or a panel, px of the picture."""

BAND_PX = 64
FADING_STEPS = 8
REGULAR, BOLD = 450, 650
SHIFT = 4
"""Fraction bits of coordinates, so that boxes glide instead of jumping from pixel to pixel."""


class Canvas:
    """A copy of ``image`` being drawn on: sizes follow its height, places are given out once.

    Points of ``fill``, ``shade`` and ``fixed`` are in pixels of a picture of ``frame_size``
    (w, h), all others in those of the image. ``boxes`` (n, 4) xyxy of ``frame_size`` are what
    labels should not hide.
    """

    def __init__(
        self, image: Image, frame_size: tuple[int, int], boxes: NDArray[np.floating]
    ) -> None:
        self.image = np.ascontiguousarray(image).copy()
        self.h, self.w = image.shape[:2]
        self.scale = np.array([self.w / frame_size[0], self.h / frame_size[1]])
        # Small pictures need relatively larger text to stay legible.
        self.text_px = max(11, round(0.014 * self.h + 6))
        self.stroke = max(1.0, self.h / 420)
        self.font = cv2.FontFace("sans")
        self._layer = self.image.copy()
        self._mask = np.zeros((self.h, self.w), np.uint8)
        # Boxes first: to hide an object is bad, to hide a label is worse.
        self._covered = boxes.astype(np.float64) * np.tile(self.scale, 2)
        self._boxes = len(boxes)

    def settle(self) -> None:
        """Lay the translucent layer over the picture."""
        # In bands: whole float32 masks fall out of the cache, which takes twice as long.
        for top in range(0, self.h, BAND_PX):
            x, _, w, _ = cv2.boundingRect(self._mask[top : top + BAND_PX])
            here = np.s_[top : top + BAND_PX, x : x + w]
            if w:
                weight = self._mask[here] * np.float32(1 / 255)
                below = self.image[here]
                below[:] = cv2.blendLinear(self._layer[here], below, weight, 1 - weight)

    def fill(self, polygon: Points, colour: Colour, alpha: int) -> None:
        """Tint the inside of ``polygon`` (k, 2)."""
        corners = self.fixed(polygon)
        cv2.fillPoly(self._layer, [corners], colour, cv2.LINE_8, SHIFT)
        cv2.fillPoly(self._mask, [corners], alpha, cv2.LINE_AA, SHIFT)

    def shade(self, points: Points, ink: Colour, width: float, alpha: int, closed: bool) -> None:
        """A translucent line through ``points`` (k, 2)."""
        fixed, thick = [self.fixed(points)], max(1, round(width))
        # The colour reaches beyond the mask, whose soft edge then never shows the old layer.
        cv2.polylines(self._layer, fixed, closed, ink, thick + 1, cv2.LINE_8, SHIFT)
        cv2.polylines(self._mask, fixed, closed, alpha, thick, cv2.LINE_AA, SHIFT)

    def fading(self, points: NDArray[np.floating], colour: Colour, width: float) -> None:
        """A path whose older end, the first points (k, 2), fades."""
        fixed, thick = self.fixed(points), max(1, round(width))
        cv2.polylines(self._layer, [fixed], False, colour, thick + 1, cv2.LINE_8, SHIFT)
        step = max(1, math.ceil(len(fixed) / FADING_STEPS))
        for start in range(0, len(fixed) - 1, step):
            part = fixed[start : start + step + 1]
            alpha = min(225, 225 * (start + step) // len(fixed))
            cv2.polylines(self._mask, [part], False, alpha, thick, cv2.LINE_AA, SHIFT)

    def edges(
        self, lines: NDArray[np.floating], colour: Colour, width: float, *, closed: bool
    ) -> None:
        """Opaque lines, ``lines`` (n, k, 2)."""
        thick = max(1, round(width))
        cv2.polylines(
            self.image, list(self.fixed(lines)), closed, colour, thick, cv2.LINE_AA, SHIFT
        )

    def fixed(self, points: NDArray[np.floating]) -> NDArray[np.int32]:
        """Scene points (..., 2) as OpenCV's fixed-point pixels."""
        return self.near(points * self.scale)

    def near(self, points: Points) -> NDArray[np.int32]:
        """Picture points in fixed point; OpenCV's integers overflow on those far outside."""
        far = 3 * max(self.w, self.h)
        near = np.maximum(np.minimum(points, far), -far)
        return np.asarray(np.rint(near * (1 << SHIFT)), np.int32)

    def panel(self, rect: Rect, colour: Colour, alpha: float, radius: float) -> None:
        """A filled rectangle with round corners, blended with what is below it."""
        x, y, w, h = rect
        x0, y0 = max(0, round(x)), max(0, round(y))
        x1, y1 = min(self.w, round(x + w)), min(self.h, round(y + h))
        if x1 <= x0 or y1 <= y0:
            return
        below = self.image[y0:y1, x0:x1]
        above = below.copy()
        right, low = x1 - x0 - 1, y1 - y0 - 1
        r = min(round(radius), right // 2, low // 2)
        cv2.rectangle(above, (r, 0), (right - r, low), colour, -1)
        cv2.rectangle(above, (0, r), (right, low - r), colour, -1)
        for corner in ((r, r), (right - r, r), (r, low - r), (right - r, low - r)):
            cv2.circle(above, corner, r, colour, -1, cv2.LINE_AA)
        cv2.addWeighted(above, alpha, below, 1 - alpha, 0, dst=below)

    def head(self, tip: Points, towards: Points, size: float, colour: Colour) -> None:
        """A triangle at ``tip`` (2,) px that points along the unit vector ``towards``."""
        across = np.array([-towards[1], towards[0]])
        back = tip - towards * size * 1.5
        corners = self.near(np.stack([tip, back + across * size, back - across * size]))
        cv2.fillConvexPoly(self.image, corners, colour, cv2.LINE_AA, SHIFT)

    def chip_size(self, text: str, size: int) -> tuple[float, float]:
        """Width and height of a chip with ``text``."""
        return self.width(text, size, BOLD) + size * 0.8, round(size * 1.4)

    def chip(self, text: str, rect: Rect, colour: Colour, size: int, ink: Colour) -> None:
        """Words in ``ink`` on a coloured chip."""
        self.panel(rect, colour, 0.92, size * 0.32)
        self.text(text, rect[0] + size * 0.4, rect[1] + rect[3] / 2, size, ink, BOLD)

    def width(self, text: str, size: int, weight: int) -> float:
        """How wide ``text`` is."""
        return float(cv2.getTextSize((0, 0), text, (0, 0), self.font, size, weight)[2])

    def text(self, text: str, x: float, y: float, size: int, ink: Colour, weight: int) -> float:
        """Text from ``x`` on, its capitals centred on ``y``; returns the x where it ends."""
        at = round(x), round(y + size * 0.36)
        return float(cv2.putText(self.image, text, at, ink, self.font, size, weight)[0][0])

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        cx, cy = self.near(np.array([x, y])).tolist()
        size = round(radius * (1 << SHIFT))
        cv2.circle(self.image, (cx, cy), size, colour, -1, cv2.LINE_AA, SHIFT)

    def fitting(self, text: str, size: int, weight: int, room: float) -> str:
        """The text, on one line, cut at its end where it is wider than ``room`` px."""
        text = " ".join(text.split())
        if self.width(text, size, weight) <= room:
            return text
        while text and self.width(text + "…", size, weight) > room:
            text = text[:-1].rstrip()
        return text + "…" if text else ""

    def place(self, spots: Sequence[Rect], limit: float = math.inf) -> tuple[Rect, float]:
        """The spot, moved into the picture, that hides least, and the part of it (0..1) that lies
        on labels and panels; it is taken if that is at most ``limit``."""
        asked = np.array(spots)
        size = asked[:, 2:]
        low = np.maximum(1, np.minimum(asked[:, :2], [self.w - 1, self.h - 1] - size))
        ends = np.minimum((low + size)[:, None], self._covered[:, 2:])
        meet = np.maximum(ends - np.maximum(low[:, None], self._covered[:, :2]), 0)
        parts = meet[..., 0] * meet[..., 1] / (size[:, :1] * size[:, 1:])
        covered = parts[:, self._boxes :].sum(axis=1)
        hidden = parts[:, : self._boxes].sum(axis=1)
        moved = np.abs(low - asked[:, :2]).sum(axis=1) / (self.w + self.h)
        cost = covered + 0.3 * hidden + 2 * moved + 1e-3 * np.arange(len(spots))
        best = int(np.argmin(cost))
        if covered[best] <= limit:
            self._covered = np.vstack([self._covered, [*low[best], *(low + size)[best]]])
        x, y, w, h = (float(value) for value in np.hstack([low, size])[best])
        return (x, y, w, h), float(covered[best])


def around(box: Points, w: float, h: float, gap: float) -> Iterator[Rect]:
    """Places for a panel of ``w`` by ``h`` around the ``box`` (4,) xyxy px, the nearest first."""
    left, top, right, bottom = (float(edge) for edge in box)
    x, y = (left + right) / 2, (top + bottom) / 2
    for away in (0, gap, 2.5 * gap, 5 * gap, 8 * gap):
        for at in (x - w / 2, left, right - w):
            yield at, top - h - away, w, h
            yield at, bottom + away, w, h
        for at in (y - h / 2, top, bottom - h):
            yield right + away, at, w, h
            yield left - w - away, at, w, h
        if away:
            for at in (top - h - away, bottom + away):
                yield right + away, at, w, h
                yield left - w - away, at, w, h
