"""What is kept of one analysed picture: who was in it, and where, as arrays; and the tracks that
are known again from it.

Places are kept as they are, to the last bit: ids of events are made of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vision.paths import Path
from vision.tracksettings import TrackerSettings
from vision.types import (
    BoolArray,
    Detections,
    Fault,
    FaultKind,
    FloatArray,
    IntArray,
    Quality,
    Track,
    Tracked,
)

MAX_PATH: Final = TrackerSettings(low=0.0, match=0.0, birth=0.0).max_path


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """The path of a track before the picture in which it is first told of, as in ``Track``:
    ``path`` (k, 3) float32 and ``sizes`` (k, 2) float32 px, k >= 1."""

    id: int
    path: FloatArray
    sizes: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The live tracks of one picture, in order of id: ``id`` (n,) int32, ``class_id`` (n,) int32
    into ``Kept.classes``, ``seen`` (n,) whether it was seen in this picture, ``foot`` (n, 2) and
    ``size`` (n, 2) float32 px of its box, ``score`` (n,) float32 of its detection, NaN where it
    had none, ``mean`` and ``share`` (n,) float32 as ``Track.score`` and ``Track.class_share``,
    ``first_ts`` (n,) float64. Raises ValueError where shapes do not fit."""

    id: IntArray
    class_id: IntArray
    seen: BoolArray
    foot: FloatArray
    size: FloatArray
    score: FloatArray
    mean: FloatArray
    share: FloatArray
    first_ts: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.id)
        columns = (self.class_id, self.seen, self.score, self.mean, self.share, self.first_ts)
        if any(column.shape != (n,) for column in columns):
            raise ValueError(f"each column of {n} tracks is ({n},)")
        if self.foot.shape != (n, 2) or self.size.shape != (n, 2):
            raise ValueError(f"foot and size of {n} tracks are ({n}, 2)")

    def __len__(self) -> int:
        return len(self.id)

    @property
    def xyxy(self) -> FloatArray:
        """The boxes (n, 4) float32 px."""
        (x, y), (w, h) = self.foot.T, self.size.T
        return np.stack([x - w / 2, y - h, x + w / 2, y], axis=1)


NOBODY: Final = Rows(
    id=np.zeros(0, np.int32),
    class_id=np.zeros(0, np.int32),
    seen=np.zeros(0, np.bool_),
    foot=np.zeros((0, 2), np.float32),
    size=np.zeros((0, 2), np.float32),
    score=np.zeros(0, np.float32),
    mean=np.zeros(0, np.float32),
    share=np.zeros(0, np.float32),
    first_ts=np.zeros(0, np.float64),
)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """One picture of ``camera_id`` at ``ts`` (UTC seconds), in px of a picture of ``frame_size``
    (w, h).

    ``looked_for`` are the classes that were looked for, ``classes`` the names behind
    ``rows.class_id``. ``view``, ``faults`` and ``doubt_ts`` are those of its ``Quality``;
    ``ended`` the ids that ended in it; ``pasts`` belong to tracks that are told of for the first
    time. ``run`` and ``number`` tell whether it follows the one before: of one run, the next
    number.
    """

    camera_id: str
    ts: float
    frame_size: tuple[int, int]
    looked_for: tuple[str, ...]
    classes: tuple[str, ...]
    rows: Rows
    view: str = ""
    faults: tuple[FaultKind, ...] = ()
    doubt_ts: float | None = None
    ended: tuple[int, ...] = ()
    pasts: tuple[Past, ...] = ()
    run: float = 0.0
    number: int = 0

    @property
    def trusted(self) -> bool:
        """Whether the picture could be trusted; where not, nobody was followed in it."""
        return not self.faults

    @property
    def names(self) -> tuple[str, ...]:
        """The class of each row."""
        return tuple(self.classes[i] for i in self.rows.class_id.tolist())


def kept_of(
    tracked: Tracked,
    *,
    frame_size: tuple[int, int],
    looked_for: tuple[str, ...],
    known: Collection[int],
    run: float,
    number: int,
) -> Kept:
    """What is kept of one step. ``known`` are the ids that the picture before it told of."""
    tracks, quality = tracked.tracks, tracked.quality
    # a camera that looks for one class has one name in all of its blocks
    names = dict.fromkeys((*looked_for, *(track.class_name for track in tracks)))
    pasts = []
    for track in tracks:
        if track.id not in known:
            end = len(track.path) - (track.last_ts == tracked.ts)
            if end:
                pasts.append(Past(track.id, track.path[:end], track.sizes[:end]))
    return Kept(
        camera_id=tracked.camera_id,
        ts=tracked.ts,
        frame_size=frame_size,
        looked_for=looked_for,
        classes=tuple(names),
        rows=_rows(tracked, {name: i for i, name in enumerate(names)}) if tracks else NOBODY,
        view=quality.view,
        faults=tuple(fault.kind for fault in quality.faults),
        doubt_ts=quality.doubt_ts,
        ended=tracked.ended,
        pasts=tuple(pasts),
        run=run,
        number=number,
    )


def _rows(tracked: Tracked, numbers: Mapping[str, int]) -> Rows:
    tracks, ts = tracked.tracks, tracked.ts
    scores = dict(zip(tracked.track_id.tolist(), tracked.detections.score.tolist(), strict=True))
    seen = np.array([track.last_ts == ts for track in tracks], np.bool_)
    # joined, and not one by one, which costs ten times as much
    box = np.concatenate([track.box for track in tracks]).reshape(-1, 4)
    last = np.concatenate([track.path[-1] for track in tracks]).reshape(-1, 3)
    sizes = np.concatenate([track.sizes[-1] for track in tracks]).reshape(-1, 2)
    # what was seen stands in the path, exactly
    x = np.where(seen, last[:, 0], (box[:, 0] + box[:, 2]) / 2)
    y = np.where(seen, last[:, 1], box[:, 3])
    return Rows(
        id=np.array([track.id for track in tracks], np.int32),
        class_id=np.array([numbers[track.class_name] for track in tracks], np.int32),
        seen=seen,
        foot=np.stack([x, y], axis=1),
        size=np.where(seen[:, None], sizes, box[:, 2:] - box[:, :2]),
        score=np.array([scores.get(track.id, np.nan) for track in tracks], np.float32),
        mean=np.array([track.score for track in tracks], np.float32),
        share=np.array([track.class_share for track in tracks], np.float32),
        first_ts=np.array([track.first_ts for track in tracks], np.float64),
    )


@dataclass(slots=True, eq=False)
class _Growing:
    path: Path = field(default_factory=lambda: Path(MAX_PATH))
    last_ts: float = -np.inf


class Rebuilder:
    """Makes steps of kept pictures again, one by one: tracks with their paths, as the tracker told
    of them. ``ended`` are those of the run; what a gap leaves open ends unsaid."""

    def __init__(self) -> None:
        self._growing: dict[int, _Growing] = {}
        self._last: tuple[float, int] | None = None
        self._steps = 0

    def follows(self, kept: Kept) -> bool:
        """Whether ``kept`` goes on where the picture before it stopped."""
        return self._last == (kept.run, kept.number - 1)

    def update(self, kept: Kept, scale: tuple[float, float] = (1.0, 1.0)) -> Tracked:
        """The step of ``kept``; ``scale`` (x, y) takes its px to those that are wanted. Detections
        are the boxes of the tracks that were seen, since no others are kept."""
        if not self.follows(kept):
            self._growing = {}
        self._last = kept.run, kept.number
        by = np.array(scale, np.float32)
        rows = kept.rows
        foot, size = rows.foot * by, rows.size * by
        for past in kept.pasts:
            self._begin(past, by, float(rows.first_ts[rows.id == past.id][0]))
        there = set(rows.id.tolist())
        self._growing = {i: each for i, each in self._growing.items() if i in there}
        self._grow(kept, foot, size)
        box = np.stack(
            [foot[:, 0] - size[:, 0] / 2, foot[:, 1] - size[:, 1],
             foot[:, 0] + size[:, 0] / 2, foot[:, 1]], axis=1,
        )  # fmt: skip
        found = rows.seen & np.isfinite(rows.score)
        self._steps += 1
        return Tracked(
            camera_id=kept.camera_id,
            index=self._steps - 1,
            ts=kept.ts,
            classes=kept.classes,
            detections=Detections(box[found], rows.score[found], rows.class_id[found]),
            track_id=rows.id[found],
            tracks=self._tracks(kept, box),
            ended=kept.ended,
            quality=Quality(
                tuple(Fault(kind, kept.ts, 1.0, {}) for kind in kept.faults),
                kept.view,
                kept.doubt_ts,
            ),
        )

    def _begin(self, past: Past, by: FloatArray, first_ts: float) -> None:
        grown = self._growing[past.id] = _Growing()
        points = np.concatenate([past.path[:, :2] * by, past.path[:, 2:], past.sizes * by], axis=1)
        for point in points:
            grown.path.add(point)
        grown.last_ts = first_ts + float(past.path[-1, 2])

    def _grow(self, kept: Kept, foot: FloatArray, size: FloatArray) -> None:
        rows = kept.rows
        points = np.empty((len(rows), 5), np.float32)
        points[:, :2], points[:, 3:] = foot, size
        points[:, 2] = kept.ts - rows.first_ts
        for row in np.flatnonzero(rows.seen).tolist():
            grown = self._growing.setdefault(int(rows.id[row]), _Growing())
            grown.path.add(points[row])
            grown.last_ts = kept.ts

    def _tracks(self, kept: Kept, box: FloatArray) -> tuple[Track, ...]:
        """Those of which at least one sighting is known."""
        rows, found = kept.rows, []
        columns = zip(
            rows.id.tolist(), kept.names, rows.share.tolist(), rows.mean.tolist(),
            rows.first_ts.tolist(), box, strict=True,
        )  # fmt: skip
        for number, name, share, mean, first_ts, own in columns:
            grown = self._growing.get(number)
            if grown is not None:
                path, sizes = grown.path.split()
                last_ts = max(first_ts, grown.last_ts)
                found.append(Track(number, name, share, mean, first_ts, last_ts, own, path, sizes))
        return tuple(found)
