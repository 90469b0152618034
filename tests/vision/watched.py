"""A tracker with what it has said so far, and the boxes of made-up objects to show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from vision.track import Tracker, TrackerSettings
from vision.types import Detections, IntArray, Track, Tracked

CLASSES = ("person", "car", "truck")
GROUPS = np.array([0, 1, 1], np.int32)
SETTINGS = TrackerSettings(low=0.1, match=0.3, birth=0.5)
HIGH, WEAK = 0.8, 0.15
START = 1_760_000_000.0

Box = tuple[float, float, float, float, float, str]
"""Foot x, foot y, width, height, score, class."""


def person(x: float, y: float = 300, score: float = HIGH) -> Box:
    return (x, y, 40, 100, score, "person")


def car(x: float, y: float = 300, score: float = HIGH, name: str = "car") -> Box:
    return (x, y, 120, 80, score, name)


def found(boxes: Iterable[Box], classes: Sequence[str] = CLASSES) -> Detections:
    rows = list(boxes)
    xyxy = [(x - w / 2, y - h, x + w / 2, y) for x, y, w, h, *_ in rows]
    return Detections(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.array([row[4] for row in rows], np.float32),
        np.array([classes.index(row[5]) for row in rows], np.int32),
    )


def beginning(fps: float, settings: TrackerSettings = SETTINGS) -> int:
    """So many boxes of an object have no id yet, at ``fps`` pictures a second."""
    return max(settings.confirm_hits - 1, math.ceil(settings.confirm_s * fps))


class Camera:
    """A tracker, and the ids it gave in ``seen``, those it ended in ``ended``, its ``tracks`` and
    every step as it was told, ``steps``."""

    def __init__(
        self,
        settings: TrackerSettings = SETTINGS,
        classes: Sequence[str] = CLASSES,
        groups: IntArray = GROUPS,
    ) -> None:
        self.tracker = Tracker(settings, classes, groups)
        self.classes = tuple(classes)
        self.ts = START
        self.live: set[int] = set()
        self.tracks: tuple[Track, ...] = ()
        self.ended: list[int] = []
        self.seen: list[list[int]] = []
        self.steps: list[Tracked] = []

    def see(self, *boxes: Box, at: float) -> list[int]:
        """The ids of the boxes, ``at`` seconds after the start."""
        self.ts = START + at
        shown = found(boxes, self.classes)
        ids, self.tracks, ended = self.tracker.update(shown, self.ts)
        self.live |= {track.id for track in self.tracks}
        self.ended += ended
        self.seen.append(ids.tolist())
        self.steps.append(
            Tracked(
                camera_id="street",
                index=len(self.steps),
                ts=self.ts,
                classes=self.classes,
                detections=shown,
                track_id=ids,
                tracks=self.tracks,
                ended=ended,
            )
        )
        return self.seen[-1]

    def film(
        self, scene: Callable[[float], Sequence[Box]], fps: float, start: float, end: float
    ) -> list[list[int]]:
        """The ids of every frame from ``start`` to before ``end``, seconds; ``scene`` gives the
        boxes of a moment."""
        first, last = round(start * fps), round(end * fps)
        return [self.see(*scene(k / fps), at=k / fps) for k in range(first, last)]

    def track(self, number: int) -> Track:
        return next(track for track in self.tracks if track.id == number)
