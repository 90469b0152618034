"""Boxes, segments and polygons as whole-array operations. Pixels, origin at the top left."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.types import BoolArray

Floats = NDArray[np.floating[Any]]
Box: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2 px."""


def intersections(a: Floats, b: Floats) -> Floats:
    """Overlap (n, m), px², of every box of ``a`` (n, 4) xyxy with every box of ``b`` (m, 4)."""
    left_top = np.maximum(a[:, None, :2], b[None, :, :2])
    right_bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(right_bottom - left_top, 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def areas(boxes: Floats) -> Floats:
    """Areas, px², of boxes (n, 4) xyxy; 0 where a box is inside out."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of boxes ``a`` (n, 4) and ``b`` (m, 4) xyxy: (n, m) in 0..1."""
    common = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - common
    return np.asarray(common / np.maximum(union, 1e-9))


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes xyxy; 0 where they have no area."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    common = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return common / union if union > 0 else 0.0


def distances(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Between every box of ``a`` (n, 4) and ``b`` (m, 4): the distance of their centres in mean
    sides of ``b`` (n, m), and the ratio of their mean sides (n, m)."""
    centres_a, centres_b = (a[:, :2] + a[:, 2:]) / 2, (b[:, :2] + b[:, 2:]) / 2
    side_a, side_b = np.sqrt(areas(a)), np.maximum(np.sqrt(areas(b)), 1e-6)
    apart = centres_a[:, None] - centres_b[None]
    return np.hypot(apart[..., 0], apart[..., 1]) / side_b, side_a[:, None] / side_b


def feet(boxes: Floats) -> Floats:
    """Ground-contact points (n, 2): the middle of each box's bottom edge, px."""
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)


def side_distance(points: Floats, line: Floats) -> Floats:
    """Signed distance (n,), px, of ``points`` (n, 2) from the infinite line through ``line``
    (2, 2). Positive on the right-hand side of someone who walks from its first point to its
    second, as seen in the picture (y points down)."""
    direction = line[1] - line[0]
    offset = points - line[0]
    cross = direction[0] * offset[:, 1] - direction[1] * offset[:, 0]
    return np.asarray(cross / np.hypot(direction[0], direction[1]))


def along(points: Floats, line: Floats) -> Floats:
    """Where the foot of the perpendicular from each point (n, 2) falls on ``line`` (2, 2):
    (n,), 0 at the first point and 1 at the second."""
    direction = line[1] - line[0]
    return np.asarray((points - line[0]) @ direction / (direction @ direction))


def contains(polygon: Floats, points: Floats) -> BoolArray:
    """Mask (n,) of the ``points`` (n, 2) inside a simple ``polygon`` (k, 2): even-odd rule
    (W. R. Franklin's pnpoly); a point on an edge may fall on either side."""
    x, y = points[:, 0, None], points[:, 1, None]
    x0, y0 = polygon[:, 0], polygon[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    spans = (y0 > y) != (y1 > y)
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    left = x < (x1 - x0) * (y - y0) / rise + x0
    inside = np.count_nonzero(spans & left, axis=1) % 2 == 1
    return np.asarray(inside, dtype=np.bool_)


class Outline:
    """The polygon (k, 2) of ``contains``, asked for one point after the other in plain numbers:
    numpy takes ten times as long for one."""

    __slots__ = ("_edges",)

    def __init__(self, polygon: Floats) -> None:
        corners = [(float(x), float(y)) for x, y in polygon]
        self._edges = [
            (x0, y0, y1, x1 - x0, 1.0 if y1 == y0 else y1 - y0)
            for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True)
        ]

    def holds(self, x: float, y: float) -> bool:
        """Is the point inside?"""
        inside = False
        for x0, y0, y1, wide, rise in self._edges:
            if (y0 > y) != (y1 > y) and x < wide * (y - y0) / rise + x0:
                inside = not inside
        return inside


def box_shares(boxes: Floats, polygon: Floats) -> Floats:
    """The part of each box (n, 4) that lies inside the ``polygon`` (k, 2): (n,) in 0..1, by
    16 x 16 sample points a box."""
    steps = (np.arange(16) + 0.5) / 16
    gx, gy = np.meshgrid(steps, steps)
    grid = np.stack([gx.ravel(), gy.ravel()], axis=1)
    points = boxes[:, None, :2] + grid[None] * (boxes[:, 2:] - boxes[:, :2])[:, None]
    inside = contains(polygon, points.reshape(-1, 2))
    return np.asarray(inside.reshape(len(boxes), len(grid)).mean(axis=1))
