"""Where points are in drawn zones: depths from their borders, and ways through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from vision.scene import Zone
from vision.types import BoolArray

EDGE: Final = 0.01
"""A corner within this part of the picture's height from its edge lies on the edge, and a zone
goes on beyond it: feet at the edge are cut off or estimated outside the picture."""
FAR_PX: Final = 1e6
"""Depth in a zone that has no border."""

Floats = NDArray[np.float64]


class Ground:
    """Zones of one picture of ``frame_size`` (w, h) px, all asked at once."""

    def __init__(self, zones: Sequence[Zone], frame_size: tuple[int, int]) -> None:
        self._last = np.nextafter(np.array(frame_size, np.float64), 0)
        self._polygons = [_to_edges(zone.polygon, frame_size) for zone in zones]
        self._areas = [shapely.Polygon(polygon) for polygon in self._polygons]
        starts: list[Floats] = []
        ends: list[Floats] = []
        self._firsts: list[int] = []
        for polygon in self._polygons:
            following = np.roll(polygon, -1, axis=0)
            on_edge = (polygon == following) & (
                (polygon == 0) | (polygon == np.array(frame_size, np.float64))
            )
            inner = ~on_edge.any(axis=1)
            # a zone that is the whole picture has no border: one that nobody comes near
            nowhere = np.full((1, 2), -FAR_PX)
            self._firsts.append(sum(len(each) for each in starts))
            starts.append(polygon[inner] if inner.any() else nowhere)
            ends.append(following[inner] if inner.any() else nowhere)
        # all corners in a row, for one look at all polygons (``geometry.contains``)
        corner = np.concatenate(self._polygons)
        following = np.concatenate([np.roll(each, -1, axis=0) for each in self._polygons])
        self._corners = np.cumsum([0, *map(len, self._polygons[:-1])])
        self._x0, self._y0, self._y1 = corner[:, 0], corner[:, 1], following[:, 1]
        self._wide = following[:, 0] - corner[:, 0]
        self._rise = np.where(self._y1 == self._y0, 1.0, self._y1 - self._y0)
        self._start = np.concatenate(starts)
        self._way = np.concatenate(ends) - self._start
        self._length2 = np.maximum((self._way**2).sum(axis=1), 1e-12)

    def clipped(self, points: Floats) -> Floats:
        """Points (n, 2) px; those outside the picture on its edge, where they are in a zone."""
        return np.clip(points, 0, self._last)

    def depths(self, points: Floats) -> Floats:
        """How deep each of the clipped ``points`` (n, 2) is inside each zone (n, zones), px from
        its border; negative outside. What lies along the picture's edge is no border."""
        dx = points[:, 0, None] - self._start[:, 0]
        dy = points[:, 1, None] - self._start[:, 1]
        way_x, way_y = self._way[:, 0], self._way[:, 1]
        share = (dx * way_x + dy * way_y) / self._length2
        np.minimum(np.maximum(share, 0, out=share), 1, out=share)
        dx -= share * way_x
        dy -= share * way_y
        far = np.minimum(np.sqrt(dx * dx + dy * dy), FAR_PX)
        distance = np.minimum.reduceat(far, self._firsts, axis=1)
        return np.where(self._inside(points), distance, -distance)

    def _inside(self, points: Floats) -> BoolArray:
        """Which of ``points`` (n, 2) are in which zone (n, zones)."""
        x, y = points[:, 0, None], points[:, 1, None]
        spans = (self._y0 > y) != (self._y1 > y)
        spans &= x < self._wide * (y - self._y0) / self._rise + self._x0
        return np.asarray(np.logical_xor.reduceat(spans, self._corners, axis=1))

    def passed(self, zone: int, a: Floats, b: Floats) -> tuple[float, float, float]:
        """The way from ``a`` to ``b`` (2,) through a zone: its length, px, and where it begins
        and ends as shares of the whole."""
        whole = shapely.LineString([a, b])
        part = whole.intersection(self._areas[zone])
        if part.is_empty:
            return 0.0, 0.0, 0.0
        before, after = (shapely.Point(end).distance(part) / whole.length for end in (a, b))
        return float(part.length), float(before), float(1 - after)


def _to_edges(polygon: Floats, frame_size: tuple[int, int]) -> Floats:
    """The polygon (k, 2) px with corners near the picture's edges moved onto them, unless nothing
    would be left of it."""
    size = np.array(frame_size, np.float64)
    near = EDGE * size[1]
    moved = np.where(polygon <= near, 0.0, np.where(polygon >= size - near, size, polygon))
    area = shapely.Polygon(moved)
    return moved if area.is_valid and area.area > 0 else polygon
