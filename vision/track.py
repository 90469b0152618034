"""Who is who from frame to frame: a ByteTrack-class tracker on arrays, without appearance.

After Zhang et al. 2022 (ByteTrack: low scores continue tracks) with a Kalman filter in
continuous time, so that 5 and 30 frames a second mean the same. Ours differs in what a city
needs: low scores may also confirm a birth, and an object that stood still is remembered at its
place, so that a parked car that flickers keeps its identity. One ``Tracker`` per camera; all
state lives in the instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vision.geometry import distances, feet, iou
from vision.kalman import BoxFilter
from vision.types import BoolArray, Detections, FloatArray, IntArray, Track

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """``low``, ``match`` and ``birth`` are scores and belong to the model: a box continues a
    track from ``low`` on, with preference from ``match`` on, and begins one from ``birth`` on."""

    low: float
    match: float
    birth: float
    confirm_hits: int = 3
    """Boxes that make a beginning a track."""
    lost_s: float = 1.0
    """How long a moving object may be out of sight."""
    tentative_s: float = 0.5
    """How long a beginning may be out of sight."""
    place_s: float = 60.0
    """How long the place of something that stood still is remembered."""
    still_s: float = 2.0
    """How long it must have stood for that."""
    still_share: float = 0.25
    """Standing: the foot stayed within this part of the box's mean side."""
    iou_high: float = 0.2
    iou_low: float = 0.4
    iou_birth: float = 0.2
    iou_place: float = 0.5
    buffer: float = 0.35
    """Part of its sides by which a box grows on each side in the last attempt to match
    (Yang et al. 2023, C-BIoU)."""
    iou_buffered: float = 0.25
    leap_sides_per_s: float = 15.0
    """How fast a beginning may move before its speed is known, in mean sides a second: a
    motorcycle at 60 km/h does about 10."""
    leap_size: float = 0.6
    """And how alike its two boxes must be: least ratio of their mean sides."""
    duplicate_iou: float = 0.7
    """A box that overlaps a box of a matched track, or a better birth, by more is no birth."""
    max_path: int = 1024


class _Path:
    """A bounded, growing (k, 5) array of foot x, foot y, seconds, width, height whose handed-out
    views never change."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._points = np.empty((16, 5), np.float32)
        self._start = self._end = 0

    def add(self, row: list[float]) -> None:
        if self._end == len(self._points):
            kept = self._points[
                max(self._start, self._end - self._limit + self._limit // 4) : self._end
            ]
            grown = np.empty((max(32, len(kept) * 2), 5), np.float32)
            grown[: len(kept)] = kept
            self._points, self._start, self._end = grown, 0, len(kept)
        self._points[self._end] = row
        self._end += 1
        self._start = max(self._start, self._end - self._limit)

    def view(self) -> FloatArray:
        return self._points[self._start : self._end]


class Tracker:
    """Tracks of one camera. ``class_group`` (C,) says which classes may continue each other.

    Coordinates are the scene's pixels, times capture seconds that never run backwards.
    """

    def __init__(
        self, settings: TrackerSettings, classes: Sequence[str], class_group: IntArray
    ) -> None:
        self.settings = settings
        self.classes = tuple(classes)
        self._class_group = class_group
        self._filter = BoxFilter()
        self._serial = 0
        self._ts: float | None = None
        self._id = np.zeros(0, np.int64)
        self._group = np.zeros(0, np.int32)
        self._hits = np.zeros(0, np.int32)
        self._first = np.zeros(0)
        self._last = np.zeros(0)
        self._votes = np.zeros((0, len(self.classes)), np.float32)
        self._anchor = np.zeros((0, 3))
        self._paths: list[_Path] = []

    def update(
        self, found: Detections, ts: float
    ) -> tuple[IntArray, tuple[Track, ...], tuple[int, ...]]:
        """Take one frame's detections: the track id of each (n,), -1 where there is none, the
        live confirmed tracks, and the ids that ended. Raises ValueError when time runs back."""
        if self._ts is not None and ts < self._ts:
            raise ValueError(f"time ran backwards, from {self._ts} to {ts}")
        if self._ts is not None:
            self._filter.freeze(self._stood() & (self._last < self._ts))
            self._filter.predict(ts - self._ts)
        self._ts = ts
        row_of = self._associate(found, ts)
        matched = np.flatnonzero(row_of >= 0)
        self._absorb(row_of[matched], found.select(matched), ts)
        row_of = self._begin(found, row_of, ts)
        self._confirm()
        ended, row_of = self._drop(row_of, ts)
        ids = np.full(len(found), -1, np.int32)
        seen = row_of >= 0
        ids[seen] = self._id[row_of[seen]]
        return ids, self._tracks(), ended

    def _associate(self, found: Detections, ts: float) -> Rows:
        """The row of each detection, -1 where none: confirmed first, strong boxes first."""
        s = self.settings
        row_of = np.full(len(found), -1, np.intp)
        if not len(found) or not len(self._id):
            return row_of
        predicted = self._filter.boxes()
        overlap = iou(found.xyxy, predicted)
        same = self._class_group[found.class_id][:, None] == self._group[None, :]
        overlap = np.where(same, overlap, 0)
        strong = found.score >= s.match
        weak = (found.score >= s.low) & ~strong
        away = ts - self._last
        confirmed = self._id >= 0
        moving = confirmed & (away <= s.lost_s)
        free_row = np.ones(len(self._id), np.bool_)

        def match(
            boxes: BoolArray, rows: BoolArray, table: NDArray[np.floating], floor: float
        ) -> None:
            d = np.flatnonzero(boxes & (row_of < 0))
            t = np.flatnonzero(rows & free_row)
            for i, j in _assign(table[np.ix_(d, t)], floor):
                row_of[d[i]] = t[j]
                free_row[t[j]] = False

        match(strong, moving, overlap, s.iou_high)
        match(weak, moving & (away <= s.lost_s / 2), overlap, s.iou_low)
        match(strong, ~confirmed, overlap, s.iou_birth)
        match(weak, ~confirmed, overlap, s.iou_low)
        if (strong & (row_of < 0)).any() and free_row.any():
            wide = np.where(same, iou(_grown(found.xyxy, s.buffer), _grown(predicted, s.buffer)), 0)
            match(strong, moving, wide, s.iou_buffered)
            match(strong, ~confirmed, wide, s.iou_buffered)
            self._leap(found, ts, same, row_of, free_row)
        match(strong | weak, confirmed & (away > s.lost_s), overlap, s.iou_place)
        return row_of

    def _leap(
        self, found: Detections, ts: float, same: BoolArray, row_of: Rows, free_row: BoolArray
    ) -> None:
        """Match second boxes of beginnings that moved by more than their size, in ``row_of``
        and ``free_row``: their speed is unknown, so only a pair without any rival is taken."""
        s = self.settings
        d = np.flatnonzero((found.score >= s.match) & (row_of < 0))
        t = np.flatnonzero(free_row & (self._hits == 1) & (self._last < ts))
        if not len(d) or not len(t):
            return
        boxes, starts = found.xyxy[d], self._filter.boxes()[t]
        far, ratio = distances(boxes, starts)
        seconds = (ts - self._last[t])[None, :]
        near = same[np.ix_(d, t)] & (far <= s.leap_sides_per_s * seconds)
        near &= (ratio > s.leap_size) & (ratio < 1 / s.leap_size)
        alone = near & (near.sum(axis=0) == 1)[None, :] & (near.sum(axis=1) == 1)[:, None]
        for i, j in zip(*np.nonzero(alone), strict=True):
            row_of[d[i]] = t[j]
            free_row[t[j]] = False

    def _absorb(self, rows: Rows, found: Detections, ts: float) -> None:
        self._filter.update(rows, found.xyxy)
        self._hits[rows] += 1
        self._last[rows] = ts
        self._votes[rows, found.class_id] += found.score
        self._trace(rows, ts)

    def _trace(self, rows: Rows, ts: float) -> None:
        """Extend the paths of ``rows`` and see whether they still stand where they stood."""
        boxes = self._filter.boxes()[rows]
        x, y = feet(boxes).T
        side = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        far = (
            np.hypot(x - self._anchor[rows, 0], y - self._anchor[rows, 1])
            > self.settings.still_share * side
        )
        moved = rows[far]
        self._anchor[moved] = np.stack([x[far], y[far], np.full(len(moved), ts)], axis=1)
        points = np.stack(
            [x, y, ts - self._first[rows], boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], 1
        )
        for row, point in zip(rows.tolist(), points.tolist(), strict=True):
            self._paths[row].add(point)

    def _begin(self, found: Detections, row_of: Rows, ts: float) -> Rows:
        s = self.settings
        fresh = np.flatnonzero((row_of < 0) & (found.score >= s.birth))
        if not len(fresh):
            return row_of
        group = self._class_group[found.class_id]
        twin = (iou(found.xyxy, found.xyxy) > s.duplicate_iou) & (group[:, None] == group[None, :])
        known = row_of >= 0
        for i in fresh[np.argsort(-found.score[fresh], kind="stable")]:
            known[i] = not twin[i, known].any()
        new = fresh[known[fresh]]
        if not len(new):
            return row_of
        n, first = len(new), len(self._id)
        born = found.select(new)
        self._filter.add(born.xyxy)
        self._id = np.append(self._id, np.full(n, -1))
        self._group = np.append(self._group, self._class_group[born.class_id])
        self._hits = np.append(self._hits, np.ones(n, np.int32))
        self._first = np.append(self._first, np.full(n, ts))
        self._last = np.append(self._last, np.full(n, ts))
        votes = np.zeros((n, len(self.classes)), np.float32)
        votes[np.arange(n), born.class_id] = born.score
        self._votes = np.concatenate([self._votes, votes])
        self._anchor = np.concatenate([self._anchor, np.tile([-np.inf, -np.inf, ts], (n, 1))])
        self._paths += [_Path(s.max_path) for _ in range(n)]
        rows = np.arange(first, first + n)
        self._trace(rows, ts)
        row_of = row_of.copy()
        row_of[new] = rows
        return row_of

    def _confirm(self) -> None:
        for row in np.flatnonzero((self._id < 0) & (self._hits >= self.settings.confirm_hits)):
            self._serial += 1
            self._id[row] = self._serial

    def _stood(self) -> BoolArray:
        """Rows (n,) that stood still when they were last seen."""
        return np.asarray(self._last - self._anchor[:, 2] >= self.settings.still_s)

    def _drop(self, row_of: Rows, ts: float) -> tuple[tuple[int, ...], Rows]:
        s = self.settings
        away = ts - self._last
        limit = np.where(self._id < 0, s.tentative_s, np.where(self._stood(), s.place_s, s.lost_s))
        keep = (away <= limit) & self._filter.sane()
        if keep.all():
            return (), row_of
        ended = tuple(int(i) for i in np.sort(self._id[~keep & (self._id >= 0)]))
        moved_to = np.where(keep, np.cumsum(keep) - 1, -1)
        row_of = np.where(row_of >= 0, moved_to[row_of], -1)
        self._filter.keep(keep)
        for name in ("_id", "_group", "_hits", "_first", "_last", "_votes", "_anchor"):
            setattr(self, name, getattr(self, name)[keep])
        self._paths = [path for path, stays in zip(self._paths, keep, strict=True) if stays]
        return ended, row_of

    def _tracks(self) -> tuple[Track, ...]:
        boxes = self._filter.boxes()
        best = self._votes.argmax(axis=1) if len(self._votes) else np.zeros(0, np.intp)
        total = self._votes.sum(axis=1)
        share = self._votes.max(axis=1, initial=0) / np.maximum(total, 1e-9)
        rows = np.flatnonzero(self._id >= 0)
        return tuple(
            Track(
                id=int(self._id[row]),
                class_name=self.classes[best[row]],
                class_share=float(share[row]),
                score=float(total[row] / self._hits[row]),
                first_ts=float(self._first[row]),
                last_ts=float(self._last[row]),
                box=boxes[row],
                path=self._paths[row].view()[:, :3],
                sizes=self._paths[row].view()[:, 3:],
            )
            for row in rows[np.argsort(self._id[rows])]
        )


def _assign(score: NDArray[np.floating], floor: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of the best total ``score`` (n, m), each above ``floor``
    (Hungarian method)."""
    if not score.size or score.max() <= floor:
        return []
    # pairs below the floor are worth nothing, so that none is bought at a good pair's expense
    rows, columns = linear_sum_assignment(np.where(score > floor, score, 0), maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if score[i, j] > floor]


def _grown(boxes: NDArray[np.floating], share: float) -> NDArray[np.floating]:
    """Boxes (n, 4) grown by ``share`` of their sides on each side."""
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return boxes + np.stack([-w, -h, w, h], axis=1) * share
