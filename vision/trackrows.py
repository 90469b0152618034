"""What is known of each track, as rows of arrays, so that a step can take all tracks at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rows: TypeAlias = NDArray[np.intp]


class TrackRows:
    """Arrays by name, with a row for each track that is known. ``fresh`` says what a row begins
    with: its values have the shape and type of a row. An array is good until ``rows`` is asked
    for tracks not met before."""

    def __init__(self, **fresh: ArrayLike) -> None:
        self.row_of: dict[int, int] = {}
        self._free: list[int] = []
        self._fresh = {name: np.asarray(value)[()] for name, value in fresh.items()}
        self._arrays: dict[str, NDArray[Any]] = {}
        self._empty()

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def rows(self, track_ids: Sequence[int]) -> Rows:
        """The row of each, a fresh one where there is none yet."""
        known = self.row_of
        return np.array([known[i] if i in known else self._begin(i) for i in track_ids], np.intp)

    def drop(self, track_id: int) -> None:
        """Forget a track, if it is known."""
        row = self.row_of.pop(track_id, None)
        if row is not None:
            self._free.append(row)
        if not self.row_of:
            self._empty()

    def _empty(self) -> None:
        self._free = []
        for name, value in self._fresh.items():
            self._arrays[name] = np.empty((0, *value.shape), value.dtype)

    def _begin(self, track_id: int) -> int:
        if not self._free:
            self._grow()
        row = self.row_of[track_id] = self._free.pop()
        for name, value in self._fresh.items():
            self._arrays[name][row] = value
        return row

    def _grow(self) -> None:
        n = len(self.row_of)
        more = max(16, n)
        self._free = [*range(n + more - 1, n - 1, -1)]
        for name, array in self._arrays.items():
            self._arrays[name] = np.concatenate(
                [array, np.empty((more, *array.shape[1:]), array.dtype)]
            )
