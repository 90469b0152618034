"""Who is who from frame to frame: a ByteTrack-class tracker on arrays, without appearance.

After Zhang et al. 2022 (ByteTrack: low scores continue tracks) with a Kalman filter in
continuous time, so that 5 and 30 frames a second mean the same. A pair's value is its overlap by
the ratio of the heights, and more for a box ahead of the track; how the camera turned is told by
the boxes themselves. Ours differs in what a city needs: low scores may also begin and confirm a
track, and an object that stood still is remembered at its place, so that a parked car that
flickers keeps its identity. One ``Tracker`` per camera; all state lives in the instance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vision.association import (
    Floats,
    Pairs,
    Rows,
    camera_shift,
    centred,
    iou_centred,
    leaps,
    merged,
    mutual,
    one_group,
    only,
    values,
    with_parts,
    within_reach,
)
from vision.geometry import iou
from vision.kalman import BoxFilter
from vision.paths import Path
from vision.tracksettings import FASTEST, TrackerSettings
from vision.types import BoolArray, Detections, FloatArray, IntArray, Track

__all__ = ["Tracker", "TrackerSettings"]

RECENT_STEPS = 2.5
"""Who was seen in one of the last two pictures is in sight, even where one was missed."""
ANY_VOTE = 1e-9
"""A class that fits every group names a track only while no other does."""
BEHIND_S = 0.2
"""A track's direction is seen from where it was so long ago, or up to twice as long."""


class Tracker:
    """Tracks of one camera. ``class_group`` (C,) says which classes may continue each other; -1 is
    a class that may be anything, and takes the group of what continues it.

    Coordinates are the scene's pixels, times capture seconds that never run backwards.
    """

    def __init__(
        self, settings: TrackerSettings, classes: Sequence[str], class_group: IntArray
    ) -> None:
        self.settings = settings
        self.classes = tuple(classes)
        self._class_group = class_group
        self._any = bool((class_group < 0).any())
        fastest = dict(settings.fastest)
        self._pace = np.array([fastest.get(name, FASTEST) for name in classes])
        self._weight = np.where(class_group < 0, ANY_VOTE, 1.0)
        self._filter = BoxFilter()
        self._serial = 0
        self._ts: float | None = None
        self._step_s = 0.0
        self._id = np.zeros(0, np.int64)
        self._group = np.zeros(0, np.int32)
        self._hits = np.zeros(0, np.int32)
        self._first = np.zeros(0)
        self._last = np.zeros(0)
        self._best = np.zeros(0)
        self._total = np.zeros(0)
        self._seen = np.zeros((0, 4))
        self._votes = np.zeros((0, len(self.classes)))
        self._anchor = np.zeros((0, 3))
        self._behind = np.zeros((0, 2, 3))
        self._paths: list[Path] = []

    def update(
        self, found: Detections, ts: float
    ) -> tuple[IntArray, tuple[Track, ...], tuple[int, ...]]:
        """Take one frame's detections: the track id of each (n,), -1 where there is none, the
        live confirmed tracks, and the ids that ended. Raises ValueError when time runs back."""
        ended: tuple[int, ...] = ()
        if self._ts is not None:
            if ts < self._ts:
                raise ValueError(f"time ran backwards, from {self._ts} to {ts}")
            if ts - self._ts > self.settings.pause_s:
                ended = self._keep(self._stood() & (ts - self._last <= self.settings.place_s))
            hidden = self._last < self._ts
            if hidden.any():
                self._filter.freeze(hidden & self._stood())
            self._filter.predict(ts - self._ts)
            self._step_s = ts - self._ts
        self._ts = ts
        boxes = centred(found.xyxy)
        row_of = self._associate(found, boxes, ts)
        matched = np.flatnonzero(row_of >= 0)
        rows, measured = row_of[matched], boxes[matched]
        if self.settings.split_merges and len(matched):
            matched, rows, measured = self._split(boxes, row_of, matched, ts)
        if len(matched):
            self._absorb(rows, measured, found.score[matched], found.class_id[matched], ts)
        row_of = self._begin(found, boxes, row_of, ts)
        self._confirm()
        lost, row_of = self._drop(row_of, ts)
        ids = np.full(len(found), -1, np.int32)
        seen = row_of >= 0
        ids[seen] = self._id[row_of[seen]]
        return ids, self._tracks(), tuple(sorted(ended + lost))

    def forget(self) -> tuple[int, ...]:
        """Follow nobody any more, as where the view was lost: the ids that ended."""
        return tuple(sorted(self._keep(np.zeros(len(self._id), np.bool_))))

    # --- who is who

    def _associate(self, found: Detections, boxes: Floats, ts: float) -> Rows:
        """The row of each detection, -1 where none: confirmed first, strong boxes first."""
        s = self.settings
        pairs = Pairs(len(found), len(self._id))
        row_of, match = pairs.row_of, pairs.match
        if not len(found) or not len(self._id):
            return row_of
        away = ts - self._last
        confirmed = self._id >= 0
        moving = confirmed & (away <= s.lost_s)
        recent = confirmed & (away <= max(s.in_sight_s, RECENT_STEPS * self._step_s))
        strong = found.score >= s.match
        weak = (found.score >= s.low) & ~strong
        same = self._same(self._class_group[found.class_id])
        same &= within_reach(boxes, self._pace[found.class_id], self._seen, away)
        value, overlap = self._values(boxes, same, ts)
        i, j = mutual(value, s.value_high)
        sure = strong[i] & (moving & (away <= self._step_s))[j]
        shift = camera_shift(boxes[i[sure], :2] - self._filter.place[j[sure], :2])
        if shift is not None:
            # places stay where they are remembered: a queue that starts as one looks like a turn
            self._filter.shift(shift)
            self._behind[:, :, :2] += shift
            value, overlap = self._values(boxes, same, ts)

        def valued(d: Rows, t: Rows) -> Floats:
            return value[d[:, None], t]

        def overlapping(d: Rows, t: Rows) -> Floats:
            return overlap[d[:, None], t]

        def grown(d: Rows, t: Rows) -> Floats:
            return same[d[:, None], t] * iou_centred(boxes[d], self._filter.place[t], s.buffer)

        def stayed(d: Rows, t: Rows) -> Floats:
            return same[d[:, None], t] * iou_centred(boxes[d], self._seen[t])

        begun = ~confirmed
        match(strong, moving, valued, s.value_high)
        match(weak, moving & (away <= s.lost_s / 2), valued, s.value_low)
        # most of what is left is beyond the reach of anybody
        within = (row_of < 0) & (same & pairs.free).any(axis=1)
        if not within.any():
            return row_of
        strong, weak = strong & within, weak & within
        match(strong, recent, overlapping, s.iou_high)
        match(strong, begun, valued, s.value_high)
        match(weak, begun, valued, s.value_low)
        if (strong & (row_of < 0)).any() and pairs.free.any():
            match(strong, moving, overlapping, s.iou_high)
            match(strong, recent, grown, s.iou_buffered, only)
            match(strong, begun, grown, s.iou_buffered)
            self._leap(found, boxes, ts, same, pairs)
        if (row_of < 0).any():
            # who is hidden may have stood where he was last seen
            hidden = confirmed & (self._last < ts - self._step_s)
            match(strong, hidden & moving & self._filter.doubtful(), stayed, s.iou_place, only)
            match(strong | weak, hidden & ~moving, stayed, s.iou_place)
        return row_of

    def _same(self, group: IntArray) -> BoolArray:
        return one_group(group, self._group, self._any)

    def _values(self, boxes: Floats, same: BoolArray, ts: float) -> tuple[Floats, Floats]:
        # half the precision is twice as fast, and ample for what is compared
        single, f = np.float32, self._filter
        recent = self._behind[:, 1, 2] > ts - BEHIND_S
        came = np.where(recent[:, None], self._behind[:, 0], self._behind[:, 1]).astype(single)
        place, spread, speed = (each.astype(single) for each in (f.place, f.spread(), f.speed))
        least = self.settings.min_overlap
        return values(boxes.astype(single), place, spread, speed, came, same, least)

    def _leap(
        self, found: Detections, boxes: Floats, ts: float, same: BoolArray, pairs: Pairs
    ) -> None:
        """Match second boxes of beginnings that moved by more than their size."""
        s = self.settings
        d = np.flatnonzero((found.score >= s.match) & (pairs.row_of < 0))
        t = np.flatnonzero(pairs.free & (self._hits == 1) & (self._last < ts))
        if not len(d) or not len(t):
            return
        near = same[d[:, None], t]
        for i, j, step in leaps(boxes[d], self._seen[t], ts - self._last[t], near, s.leap_size):
            pairs.take(d[i], t[j])
            if step >= 0:
                # the box between is one of this track's, and no beginning of its own
                self._hits[t[j]] += 1
                self._total[t[j]] += self._total[t[step]]
                self._last[t[step]] = -np.inf
                pairs.free[t[step]] = False

    def _split(
        self, boxes: Floats, row_of: Rows, matched: Rows, ts: float
    ) -> tuple[Rows, Rows, Floats]:
        """Boxes, rows and what is measured of each: two that touch have a part of one box each."""
        known = self._id >= 0
        waiting = known & (ts - self._last <= self.settings.lost_s)
        waiting[row_of[matched]] = False
        owner = np.where((row_of >= 0) & known[row_of], row_of, -1)
        parts = merged(boxes, owner, self._filter.place, np.flatnonzero(waiting))
        return with_parts(matched, row_of, boxes, parts)

    # --- what is known of each

    def _absorb(
        self, rows: Rows, boxes: Floats, score: FloatArray, class_id: IntArray, ts: float
    ) -> None:
        """Let ``rows`` (k,) have been seen as centred ``boxes`` (k, 4) of ``score`` and class."""
        self._filter.update(rows, boxes)
        self._seen[rows] = boxes
        self._hits[rows] += 1
        self._last[rows] = ts
        self._total[rows] += score
        self._votes[rows, class_id] += score * self._weight[class_id]
        birth = self.settings.birth
        clear = rows[(self._best[rows] < birth) & (score >= birth)]
        self._best[rows] = np.maximum(self._best[rows], score)
        for row in clear[self._id[clear] < 0].tolist():
            # what was faint until now begins here
            self._hits[row], self._first[row], self._total[row] = 1, ts, self._best[row]
            self._paths[row] = Path(self.settings.max_path)
        if self._any:
            group = self._class_group[class_id]
            named = (self._group[rows] < 0) & (group >= 0)
            self._group[rows[named]] = group[named]
        self._trace(rows, ts)

    def _trace(self, rows: Rows, ts: float) -> None:
        """Extend the paths of ``rows`` and see whether they still stand where they stood."""
        place = self._filter.place[rows]
        x, w, h = place[:, 0], place[:, 2], place[:, 3]
        foot = place[:, 1] + h / 2
        anchor = self._anchor[rows]
        far = np.hypot(x - anchor[:, 0], foot - anchor[:, 1])
        moved = far > self.settings.still_share * np.sqrt(w * h)
        now = np.empty((len(rows), 5), np.float32)
        now[:, 0], now[:, 1], now[:, 2] = x, foot, ts - self._first[rows]
        now[:, 3:] = place[:, 2:]
        if moved.any():
            self._anchor[rows[moved], :2] = now[moved, :2]
            self._anchor[rows[moved], 2] = ts
        later = self._behind[rows, 1, 2] <= ts - BEHIND_S
        if later.any():
            passed = rows[later]
            self._behind[passed, 0] = self._behind[passed, 1]
            self._behind[passed, 1, :2] = place[later, :2]
            self._behind[passed, 1, 2] = ts
        paths = self._paths
        for row, point in zip(rows.tolist(), now, strict=True):
            paths[row].add(point)

    def _begin(self, found: Detections, boxes: Floats, row_of: Rows, ts: float) -> Rows:
        s = self.settings
        fresh = np.flatnonzero((row_of < 0) & (found.score >= s.match))
        if not len(fresh):
            return row_of
        group = self._class_group[found.class_id]
        twin = iou(found.xyxy[fresh], found.xyxy) > s.duplicate_iou
        twin &= one_group(group[fresh], group, self._any)
        known = row_of >= 0
        for k in np.argsort(-found.score[fresh], kind="stable"):
            known[fresh[k]] = not twin[k, known].any()
        new = fresh[known[fresh]]
        if not len(new):
            return row_of
        n, first = len(new), len(self._id)
        class_id, score = found.class_id[new], found.score[new].astype(np.float64)
        votes = np.zeros((n, len(self.classes)))
        votes[np.arange(n), class_id] = score * self._weight[class_id]
        here = np.concatenate([boxes[new, :2], np.full((n, 1), ts)], axis=1)
        born = {
            "_id": np.full(n, -1),
            "_group": group[new],
            "_hits": np.ones(n, np.int32),
            "_first": np.full(n, ts),
            "_last": np.full(n, ts),
            "_best": score,
            "_total": score,
            "_seen": boxes[new],
            "_votes": votes,
            "_anchor": np.tile([-np.inf, -np.inf, ts], (n, 1)),
            "_behind": np.repeat(here[:, None], 2, axis=1),
        }
        for name in _ROWS:
            setattr(self, name, np.concatenate([getattr(self, name), born[name]]))
        self._filter.add(boxes[new])
        self._paths += [Path(s.max_path) for _ in range(n)]
        rows = np.arange(first, first + n)
        self._trace(rows, ts)
        row_of = row_of.copy()
        row_of[new] = rows
        return row_of

    def _confirm(self) -> None:
        s = self.settings
        ready = self._id < 0
        if not ready.any():
            return
        ready &= self._hits >= s.confirm_hits
        ready &= self._last - self._first >= s.confirm_s
        ready &= (self._best >= s.birth) | (self._total >= s.birth * s.faint_hits)
        for row in np.flatnonzero(ready):
            if self._best[row] >= s.birth or self._travel(row) >= s.faint_travel:
                self._serial += 1
                self._id[row] = self._serial

    def _travel(self, row: np.intp) -> float:
        """How far the track of ``row`` has come, in mean sides of its box."""
        points = self._paths[row].view()
        far = np.hypot(*(points[-1, :2] - points[0, :2]))
        return float(far / np.sqrt(points[-1, 3] * points[-1, 4]))

    def _stood(self) -> BoolArray:
        """Rows (n,) that stood still when they were last seen."""
        return np.asarray(self._last - self._anchor[:, 2] >= self.settings.still_s)

    def _shadowed(self, gone: BoolArray, ts: float) -> BoolArray:
        """Rows (n,) of ``gone`` that were second tracks of something that stands."""
        rows = np.flatnonzero(gone)
        covered = iou_centred(self._seen[rows], self._seen) > self.settings.iou_place
        covered &= (self._stood() & (self._last == ts))[None, :]
        covered &= self._first[rows, None] > self._first[None, :]
        covered &= self._same(self._group[rows])
        found = np.zeros(len(gone), np.bool_)
        found[rows] = covered.any(axis=1)
        return found

    def _drop(self, row_of: Rows, ts: float) -> tuple[tuple[int, ...], Rows]:
        s = self.settings
        away = ts - self._last
        patience = max(s.tentative_s, RECENT_STEPS * self._step_s)
        ripe = (self._hits >= s.confirm_hits) & (self._best >= s.birth)
        begun = np.where(ripe, s.lost_s, patience)
        limit = np.where(self._id < 0, begun, np.where(self._stood(), s.place_s, s.lost_s))
        gone = (away > s.lost_s) & (away <= limit)
        if gone.any():
            limit[gone & self._shadowed(gone, ts)] = s.lost_s
        keep = (away <= limit) & self._filter.sane()
        if keep.all():
            return (), row_of
        moved_to = np.where(keep, np.cumsum(keep) - 1, -1)
        return self._keep(keep), np.where(row_of >= 0, moved_to[row_of], -1)

    def _keep(self, keep: BoolArray) -> tuple[int, ...]:
        """Forget the rows outside a mask (n,); the ids that end with them."""
        ended = self._id[~keep & (self._id >= 0)].tolist()
        self._filter.keep(keep)
        for name in _ROWS:
            setattr(self, name, getattr(self, name)[keep])
        self._paths = [path for path, stays in zip(self._paths, keep, strict=True) if stays]
        return tuple(ended)

    def _tracks(self) -> tuple[Track, ...]:
        rows = np.flatnonzero(self._id >= 0)
        if not len(rows):
            return ()
        rows = rows[np.argsort(self._id[rows])]
        votes = self._votes[rows]
        total = np.maximum(votes.sum(axis=1), 1e-15)
        columns = (
            rows.tolist(),
            self._id[rows].tolist(),
            votes.argmax(axis=1).tolist(),
            (votes.max(axis=1) / total).tolist(),
            (self._total[rows] / self._hits[rows]).tolist(),
            self._first[rows].tolist(),
            self._last[rows].tolist(),
            self._filter.boxes()[rows],
        )
        found = []
        for row, number, best, share, score, first, last, box in zip(*columns, strict=True):
            path, sizes = self._paths[row].split()
            name = self.classes[best]
            found.append(Track(number, name, share, score, first, last, box, path, sizes))
        return tuple(found)


_ROWS = ("_id", "_group", "_hits", "_first", "_last", "_best", "_total", "_seen", "_votes",
         "_anchor", "_behind")  # fmt: skip
