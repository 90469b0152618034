"""Films without a camera: objects that walk simple paths, as the ``Tracked`` of each step.

A ``Walker`` goes straight from corner to corner of its path; ``film`` samples all walkers at a
frame rate and does what the tracker does: a track appears with its third box and ends a second
after its last one. All arrays are read-only, so a rule that writes into its input fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from vision.rules.base import Rule
from vision.rules.registry import kinds
from vision.scene import Line, RuleConfig, Scene, Zone
from vision.types import (
    Blob,
    Detections,
    Event,
    Fault,
    FaultKind,
    Observations,
    Pose,
    Quality,
    Track,
    Tracked,
)

T0 = 1_769_817_600.0
"""When films start unless told otherwise, UTC seconds."""
CONFIRM_HITS = 3
LOST_S = 1.0
MAX_PATH = 1024
SCORE = 0.625
CLASSES = ("person", "bicycle", "car", "fire", "smoke")
SIZE = (640, 360)


@dataclass(frozen=True)
class Walker:
    """``path``: corners (seconds, x, y), the foot in px; ``hidden``: spans (from, to) of seconds
    in which nobody sees it; ``classes``: what the vote says from which second on; ``box``: (w, h)
    px; ``flames``: how much it moves like fire from which second on."""

    path: tuple[tuple[float, float, float], ...]
    hidden: tuple[tuple[float, float], ...] = ()
    classes: tuple[tuple[float, str], ...] = ((0.0, "person"),)
    box: tuple[float, float] = (20.0, 40.0)
    flames: tuple[tuple[float, float], ...] = ()

    def seen(self, t: float) -> bool:
        inside = self.path[0][0] <= t <= self.path[-1][0]
        return inside and not any(low <= t <= high for low, high in self.hidden)

    def foot(self, t: float) -> tuple[float, float]:
        times, xs, ys = zip(*self.path, strict=True)
        return float(np.interp(t, times, xs)), float(np.interp(t, times, ys))

    def class_name(self, t: float) -> str:
        return [name for since, name in self.classes if since <= t][-1]

    def factor(self, t: float) -> float | None:
        return next((factor for since, factor in self.flames[::-1] if since <= t), None)


MEASURED: Mapping[FaultKind, Mapping[str, float]] = {
    "covered": {"seen_share": 0.12},
    "dark": {"light_share": 0.12, "contrast_share": 0.1},
    "defocused": {"sharpness_share": 0.21},
    "frozen": {"repeats_s": 2.5},
    "moved": {"seen_share": 0.1, "away_share": 0.083},
}
"""As the monitor measures them."""


@dataclass(frozen=True)
class Spoilt:
    """The picture has a fault from one second to another."""

    kind: FaultKind
    start: float
    end: float

    def fault(self, t: float, start_ts: float) -> tuple[Fault, ...]:
        if not self.start <= t <= self.end:
            return ()
        return (Fault(self.kind, start_ts + self.start, 0.75, dict(MEASURED[self.kind])),)


@dataclass(frozen=True)
class Left:
    """A blob that is there from one second to another, hidden in spans; ``box`` x1, y1, x2, y2."""

    start: float
    end: float
    box: tuple[float, float, float, float] = (290.0, 190.0, 310.0, 200.0)
    hidden: tuple[tuple[float, float], ...] = ()
    appeared: bool = True

    def blob(self, number: int, t: float, fps: float, start_ts: float) -> list[Blob]:
        if not self.start <= t <= self.end:
            return []
        steps = np.arange(np.ceil(self.start * fps), np.floor(t * fps) + 1) / fps
        seen = (s for s in steps[::-1] if not any(low <= s <= high for low, high in self.hidden))
        last = next(seen, self.start)
        box = _frozen(np.array(self.box, np.float32))
        return [Blob(number, box, start_ts + self.start, start_ts + last, self.appeared, 0.75)]


HOLDS: Mapping[str, tuple[tuple[float, float], ...]] = {
    # shoulders, hips, ankles: parts of the height, from the middle of the feet, y up
    "stands": ((0.0, 0.8), (0.0, 0.5), (0.0, 0.0)),
    "bends": ((0.25, 0.5), (0.0, 0.5), (0.0, 0.0)),
    "lies": ((0.45, 0.1), (0.15, 0.1), (-0.4, 0.05)),
    "lies along": ((0.15, 0.25), (0.12, 0.05), (-0.2, 0.0)),
}
"""How somebody may hold itself; along the line of sight the trunk seems to be upright."""


@dataclass(frozen=True)
class Posed:
    """The person of track ``person`` is looked at every 0.2 s from one second to another, with its
    feet at ``foot`` px, and holds itself as ``holds`` says (None: no pose is found); ``tall`` px is
    its height, ``stood`` whether it was seen to stand, ``seen`` whether the detector sees it. The
    pose is as large as ``part`` of that height."""

    start: float
    end: float
    holds: str | None = "lies"
    person: int = 1
    foot: tuple[float, float] = (300.0, 200.0)
    tall: float = 80.0
    stood: bool = True
    seen: bool = True
    score: float = 0.5
    part: float = 1.0

    def looks(self, t: float, fps: float) -> bool:
        # on a grid, as the stage does
        late = (t - self.start) % 0.2
        return (
            self.start - 1e-6 <= t <= self.end + 1e-6 and min(late, 0.2 - late) < 0.5 / fps - 1e-6
        )

    def pose(self, t: float, start_ts: float) -> list[Pose]:
        if self.holds is None:
            return []
        shoulders, hips, ankles = HOLDS[self.holds]
        wide = 0.1 if self.holds != "lies" else 0.02
        knees = ((hips[0] + ankles[0]) / 2, (hips[1] + ankles[1]) / 2)
        head = (shoulders[0] * 1.3, shoulders[1] + (0.12 if self.holds != "lies" else 0.0))
        pairs = [shoulders, shoulders, shoulders, hips, knees, ankles]
        parts = [head] * 5 + [(x + side, y) for x, y in pairs for side in (-wide, wide)]
        shown = self.part * self.tall
        points = np.array(
            [(self.foot[0] + x * shown, self.foot[1] - y * shown, 0.6) for x, y in parts],
            np.float32,
        )
        middle = (points[:, 1].min() + points[:, 1].max()) / 2
        return [
            Pose(
                self.person,
                self.person if self.seen else None,
                start_ts + t,
                _frozen(points),
                self.score,
                self.tall if self.stood else None,
                float(middle - (self.foot[1] - self.tall / 2)) if self.stood else None,
            )
        ]


def to_and_fro(*xs: float, y: float = 200.0, speed: float = 100.0) -> Walker:
    """A walker between the given x at ``speed`` px a second."""
    corners = [(0.0, xs[0], y)]
    for before, x in pairwise(xs):
        corners.append((corners[-1][0] + abs(x - before) / speed, x, y))
    return Walker(tuple(corners))


def standing(x: float, y: float, seconds: float, **more: Any) -> Walker:
    return Walker(((0.0, x, y), (seconds, x, y)), **more)


def film(
    walkers: Sequence[Walker],
    *,
    fps: float = 10.0,
    camera_id: str = "cam",
    start_ts: float = T0,
    max_path: int = MAX_PATH,
    spoilt: Sequence[Spoilt] = (),
    left: Sequence[Left] = (),
    posed: Sequence[Posed] = (),
    until: float = 0.0,
) -> list[Tracked]:
    """All steps, until every track has ended and one more, ``until`` that second at least; a
    track's id is its walker's place in the list, from 1, and a blob's likewise."""
    others = (*spoilt, *left, *posed)
    ends = [*(walker.path[-1][0] for walker in walkers), *(each.end for each in others)]
    until = max(until, max(ends) + LOST_S)
    tracks = [_Filmed(number, walker) for number, walker in enumerate(walkers, 1)]
    steps = []
    for index in range(int(until * fps) + 3):
        t = index / fps
        live = [track for filmed in tracks for track in filmed.look(t, start_ts, max_path)]
        looks = [each for each in posed if each.looks(t, fps)]
        in_sight = [track for track in live if track.last_ts == start_ts + t]
        boxes = np.array([track.box for track in in_sight], np.float32).reshape(-1, 4)
        steps.append(
            Tracked(
                camera_id=camera_id,
                index=index,
                ts=start_ts + t,
                classes=CLASSES,
                detections=Detections(
                    _frozen(boxes),
                    _frozen(np.full(len(boxes), SCORE, np.float32)),
                    _frozen(
                        np.array([CLASSES.index(s.class_name) for s in in_sight], np.int32).ravel()
                    ),
                ),
                track_id=_frozen(np.array([track.id for track in in_sight], np.int32).ravel()),
                tracks=tuple(live),
                ended=tuple(filmed.number for filmed in tracks if filmed.ends(t)),
                quality=Quality(
                    tuple(fault for each in spoilt for fault in each.fault(t, start_ts))
                ),
                observations=Observations(
                    tuple(
                        blob
                        for number, each in enumerate(left, 1)
                        for blob in each.blob(number, t, fps, start_ts)
                    ),
                    poses=tuple(pose for each in looks for pose in each.pose(t, start_ts)),
                    looked=frozenset(each.person for each in looks),
                    flames={
                        track.id: factor
                        for track in live
                        if (factor := walkers[track.id - 1].factor(t)) is not None
                    },
                ),
            )
        )
    return steps


class _Filmed:
    """What the tracker would know of one walker."""

    def __init__(self, number: int, walker: Walker) -> None:
        self.number = number
        self._walker = walker
        # rows behind those that a track shows are written later, none of its own again
        self._points = np.empty((64, 3), np.float32)
        self._sizes = np.tile(np.array(walker.box, np.float32), (64, 1))
        self._seen = 0
        self._first = self._last = 0.0
        self._over = False

    def look(self, t: float, start_ts: float, max_path: int) -> Iterator[Track]:
        walker = self._walker
        if walker.seen(t):
            if not self._seen:
                self._first = t
            self._last = t
            if self._seen == len(self._points):
                self._points = np.concatenate([self._points, np.empty_like(self._points)])
                self._sizes = np.concatenate([self._sizes, self._sizes])
            self._points[self._seen] = (*walker.foot(t), t - self._first)
            self._seen += 1
        if self._seen < CONFIRM_HITS or self._gone(t):
            return
        shown = slice(max(0, self._seen - max_path), self._seen)
        path = self._points[shown]
        (x, y), (w, h) = path[-1, :2], walker.box
        yield Track(
            id=self.number,
            class_name=walker.class_name(t),
            class_share=0.875,
            score=SCORE,
            first_ts=start_ts + self._first,
            last_ts=start_ts + self._last,
            box=_frozen(np.array([x - w / 2, y - h, x + w / 2, y], np.float32)),
            path=_frozen(path),
            sizes=_frozen(self._sizes[shown]),
        )

    def ends(self, t: float) -> bool:
        """Whether the track ends in this step."""
        ends = self._seen >= CONFIRM_HITS and self._gone(t) and not self._over
        self._over = self._over or ends
        return ends

    def _gone(self, t: float) -> bool:
        return t > self._walker.path[-1][0] and t - self._last > LOST_S


def _frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


def polygon(*points: tuple[float, float]) -> Any:
    return _frozen(np.array(points, np.float64))


YARD = Zone("yard", polygon((200, 100), (400, 100), (400, 300), (200, 300)))
GATE = Line("gate", polygon((300, 350), (300, 50)), forward="in", backward="out")
"""Drawn upwards, so what goes to the right goes forward, "in"."""
SCENE = Scene(SIZE, lines=(GATE,), zones=(YARD,))


@dataclass(frozen=True)
class Scenario:
    """Something that makes a kind fire: every ``test_<kind>.py`` has one called ``SCENARIO``.

    ``settings`` are those that differ from the defaults; each event ends before the film does,
    which goes on ``until`` that second at least.
    """

    walkers: tuple[Walker, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    scene: Scene = SCENE
    spoilt: tuple[Spoilt, ...] = ()
    left: tuple[Left, ...] = ()
    posed: tuple[Posed, ...] = ()
    until: float = 0.0

    def film(self, **filming: Any) -> list[Tracked]:
        """All its steps, as ``film`` makes them."""
        more = {
            "spoilt": self.spoilt, "left": self.left, "posed": self.posed, "until": self.until,
        }  # fmt: skip
        return film(self.walkers, **(more | filming))


def rule(
    kind: str,
    settings: Mapping[str, Any] | None = None,
    *,
    name: str = "watch",
    place: str | None = None,
    classes: tuple[str, ...] = ("person",),
) -> Rule:
    """A rule of ``kind`` on the scene's zone or line, with its defaults and ``settings``."""
    made = kinds()[kind]
    where = place or {"zone": YARD.name, "line": GATE.name, "camera": ""}[made.place]
    return made(RuleConfig(name, kind, where, classes, made.Settings(**(settings or {}))))


def play(watcher: Rule, steps: Sequence[Tracked], scene: Scene = SCENE) -> list[Event]:
    """Everything that the rule states, in order: an event when raised and once more at its end."""
    return [event for step in steps for event in watcher.update(step, scene)]


def last_words(stated: Sequence[Event]) -> list[Event]:
    """Each event as it was stated last."""
    return list({event.id: event for event in stated}.values())


def offsets(event: Event, start_ts: float = T0) -> tuple[float, float, float | None]:
    """Start, raised and end in seconds of the film, to the millisecond."""
    end = None if event.end_ts is None else round(event.end_ts - start_ts, 3)
    return round(event.start_ts - start_ts, 3), round(event.raised_ts - start_ts, 3), end
