"""Where a track was, as an array that grows and stays bounded."""

from __future__ import annotations

import numpy as np

from vision.types import FloatArray


class Path:
    """A bounded, growing (k, 5) array of foot x, foot y, seconds, width, height whose handed-out
    views never change."""

    __slots__ = ("_end", "_limit", "_points", "_start")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._points = np.empty((16, 5), np.float32)
        self._start = self._end = 0

    def add(self, row: FloatArray) -> None:
        if self._end == len(self._points):
            kept = self._points[
                max(self._start, self._end - self._limit + self._limit // 4) : self._end
            ]
            grown = np.empty((max(32, len(kept) * 2), 5), np.float32)
            grown[: len(kept)] = kept
            self._points, self._start, self._end = grown, 0, len(kept)
        self._points[self._end] = row
        self._end += 1
        if self._end - self._start > self._limit:
            self._start = self._end - self._limit

    def split(self) -> tuple[FloatArray, FloatArray]:
        """Views of foot and seconds (k, 3), and of width and height (k, 2)."""
        start, end = self._start, self._end
        return self._points[start:end, :3], self._points[start:end, 3:]

    def view(self) -> FloatArray:
        return self._points[self._start : self._end]
