"""Vehicles along a lane: how fast each goes, and from where to where each reaches.

On a calibrated view lengths are metres of ground, else px of the picture. The axis of a lane is the
longer side of the smallest rectangle around its zone, so a zone is one straight lane or approach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from vision.calibration import Calibration
from vision.geometry import contains, feet
from vision.groundspeed import KMH
from vision.rules.base import SAME_S
from vision.scene import RuleConfig, Scene
from vision.suppression import staying
from vision.types import BoolArray, Track, Tracked

Floats: TypeAlias = NDArray[np.float64]

VEHICLES: Final = ("car", "truck", "bus", "motorcycle")
"""The detector's classes that make traffic."""
WINDOW_S: Final = 1.0
"""A speed is the slope of so much of a path: with 5 px of noise on each edge a shorter one takes
noise for movement, a longer one sees a stop later."""
LEAST_S: Final = 0.4
"""A path that is shorter says nothing of its speed."""
SIZES_M: Final = {
    "car": (4.5, 1.8),
    "truck": (8.0, 2.5),
    "bus": (12.0, 2.5),
    "motorcycle": (2.2, 0.8),
    "bicycle": (1.8, 0.6),
}
"""Usual length and width, for what a box does not show: a car as in the synthetic scenes, others
by the usual makes (a city bus has 12 m)."""
SIDEWAYS: Final = 0.5
"""From this sine of the angle between line of sight and lane on the box shows how long it is."""
LONGEST: Final = 1.5
"""A box makes a vehicle longer or shorter than usual by this factor at most."""
TWIN_WIDTHS: Final = 0.6
TWIN_HEIGHTS: Final = 0.2
"""Feet closer than these parts of their boxes, across and down, are of one vehicle: on the road
sample second boxes of the same car are 0.45 and 0.1 apart, cars of the queue 1.1 and 0.6."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a vehicle is: in heights of its box a second, and in km/h (None where the view is
    not calibrated)."""

    heights: float
    kmh: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A track and its steady ``box`` (4,) xyxy px: the mean of those of the last ``WINDOW_S`` in
    which it was seen, which sways less than the latest."""

    track: Track
    box: Floats


class Lane:
    """The zone ``place`` of ``scene``, asked along its axis: in metres where the view is
    calibrated and ``metric`` wanted, else in px."""

    def __init__(self, place: str, scene: Scene, *, metric: bool = True) -> None:
        self._place, self._scene = place, scene
        self._ground = scene.calibration if metric else None
        polygon = scene.zone(place).polygon
        self._polygon = polygon if self._ground is None else self._ground.to_ground(polygon)
        corners = shapely.get_coordinates(shapely.oriented_envelope(shapely.Polygon(self._polygon)))
        sides = np.diff(corners, axis=0)
        lengths = np.hypot(*sides.T)
        self.axis: Floats = sides[lengths.argmax()] / lengths.max()
        along = self._polygon @ self.axis
        self.start, self.end = float(along.min()), float(along.max())

    def reaches(self, seen: Sequence[Seen]) -> Floats:
        """From where to where on the axis each of ``seen`` reaches, (n, 2), px or m."""
        boxes = _boxes(seen)
        if self._ground is None:
            middle, length = (boxes[:, :2] + boxes[:, 2:]) / 2, self._px_along(boxes)
        else:
            middle, length = self._footprints(seen, boxes, self._ground)
        along = middle @ self.axis
        return np.stack([along - length / 2, along + length / 2], axis=1)

    def present(self, tracked: Tracked, classes: Sequence[str], within_s: float) -> list[Seen]:
        """Who of ``classes`` is in the zone and was seen in the last ``within_s``: on the ground
        by the middle of what it stands on, else by its foot."""
        seen = [
            Seen(track, _steady(track))
            for track in tracked.tracks
            if track.class_name in classes and tracked.ts - track.last_ts <= within_s + SAME_S
        ]
        boxes = _boxes(seen)
        if self._ground is None:
            inside = [self._scene.inside(self._place, foot) for foot in feet(boxes)]
        else:
            inside = contains(
                self._polygon, self._footprints(seen, boxes, self._ground)[0]
            ).tolist()
        return [each for each, is_in in zip(seen, inside, strict=True) if is_in]

    def _footprints(
        self, seen: Sequence[Seen], boxes: Floats, ground: Calibration
    ) -> tuple[Floats, Floats]:
        return _footprints(boxes, [each.track.class_name for each in seen], self.axis, ground)

    def _px_along(self, boxes: Floats) -> Floats:
        return np.asarray((boxes[:, 2:] - boxes[:, :2]) @ np.abs(self.axis))


def _footprints(
    boxes: Floats, names: Sequence[str], axis: Floats, ground: Calibration
) -> tuple[Floats, Floats]:
    """What vehicles along ``axis`` stand on, by their ``boxes`` (n, 4) px: the middles (n, 2) and
    the lengths (n,), m. A box ends below at the nearest corner of what stands there, and is as
    wide as that is, seen aslant: both follow from length and width."""
    at = feet(boxes)
    scale = ground.m_per_px(at)
    away = -scale[:, :, 1] / np.hypot(scale[:, 0, 1], scale[:, 1, 1])[:, None]
    along = np.abs(away @ axis)
    aside = np.sqrt(np.clip(1 - along**2, 0, None))
    usual, wide = np.array([SIZES_M.get(name, SIZES_M["car"]) for name in names]).reshape(-1, 2).T
    across = (boxes[:, 2] - boxes[:, 0]) * np.hypot(scale[:, 0, 0], scale[:, 1, 0])
    seen = (across - wide * along) / np.maximum(aside, SIDEWAYS)
    seen = np.clip(seen, usual / LONGEST, usual * LONGEST)
    length = np.where(aside >= SIDEWAYS, seen, usual)
    deep = (length * along + wide * aside) / 2
    return ground.to_ground(at) + away * deep[:, None], length


def check_lane(config: RuleConfig, scene: Scene, *metric: str) -> None:
    """Raise ValueError where the settings named ``metric`` are given on a view that is not
    calibrated, or the rule's zone reaches above the horizon of one that is."""
    if scene.calibration is None:
        for name in metric:
            if getattr(config.settings, name) is not None:
                raise ValueError(
                    f"{name} is in metres, but the scene has no calibration: add one, or leave "
                    f"{name} out"
                )
    elif not scene.calibration.on_ground(scene.zone(config.place).polygon).all():
        raise ValueError(
            f"zone '{config.place}' reaches above the horizon of the calibration, where there is "
            "no ground; lower its upper corners"
        )


def single(seen: Sequence[Seen]) -> list[Seen]:
    """``seen`` without second tracks of the same vehicle: a younger one whose foot is nearer to an
    older one's than two vehicles ever stand. In order of id."""
    ordered = sorted(seen, key=lambda each: (each.track.first_ts, each.track.id))
    stays = staying(np.triu(_twins(_boxes(ordered)), 1)).tolist()
    kept = [each for each, stay in zip(ordered, stays, strict=True) if stay]
    return sorted(kept, key=lambda each: each.track.id)


def _twins(boxes: Floats) -> BoolArray:
    """Which of ``boxes`` (n, 4) are of one vehicle, (n, n): each row's with each column's."""
    x1, y1, x2, y2 = boxes.T
    x = (x1 + x2) / 2
    w = ((x2 - x1) + x2[:, None] - x1[:, None]) / 2
    h = ((y2 - y1) + y2[:, None] - y1[:, None]) / 2
    near = np.abs(x - x[:, None]) < TWIN_WIDTHS * w
    return np.asarray(near & (np.abs(y2 - y2[:, None]) < TWIN_HEIGHTS * h))


def _boxes(seen: Sequence[Seen]) -> Floats:
    return np.array([each.box for each in seen], np.float64).reshape(-1, 4)


def _steady(track: Track) -> Floats:
    recent = _recent(track)
    n = len(track.path) - recent
    x, y = (np.add.reduce(track.path[recent:, :2], axis=0, dtype=np.float64) / n).tolist()
    w, h = (np.add.reduce(track.sizes[recent:], axis=0, dtype=np.float64) / n).tolist()
    return np.array([x - w / 2, y - h, x + w / 2, y])


def _recent(track: Track) -> int:
    """Where the last ``WINDOW_S`` of its path begin."""
    seconds = track.path[:, 2]
    return int(seconds.searchsorted(float(seconds[-1]) - WINDOW_S - SAME_S))


def pace(track: Track, calibration: Calibration | None) -> Pace | None:
    """How fast ``track`` was in the last ``WINDOW_S`` in which it was seen: the least-squares
    slope of its feet over capture time. None where it is too new to know."""
    first = _recent(track)
    seconds = track.path[first:, 2].astype(np.float64)
    if len(seconds) < 3 or seconds[-1] - seconds[0] < LEAST_S - SAME_S:
        return None
    feet = track.path[first:, :2].astype(np.float64)
    # the median; numpy's own takes ten times as long
    tall, middle = np.sort(track.sizes[first:, 1]), len(seconds) // 2
    height = float(tall[middle] if len(tall) % 2 else (tall[middle - 1] + tall[middle]) / 2)
    heights = _slope(feet, seconds) / max(height, 1.0)
    if calibration is None:
        return Pace(heights, None)
    ground = calibration.to_ground(feet)
    # above the horizon there is no ground, and no speed
    return Pace(heights, KMH * _slope(ground, seconds) if np.isfinite(ground).all() else None)


def mean_pace(paces: Sequence[Pace]) -> Pace | None:
    """The mean speed of those that are there at one moment (the space mean); None of none."""
    if not paces:
        return None
    kmh = [each.kmh for each in paces if each.kmh is not None]
    return Pace(
        float(np.mean([each.heights for each in paces])), float(np.mean(kmh)) if kmh else None
    )


def _slope(points: Floats, seconds: Floats) -> float:
    """Units a second by which ``points`` (k, 2) at ``seconds`` (k,) move."""
    away = seconds - np.add.reduce(seconds) / len(seconds)
    x, y = away @ points / (away @ away)
    return float(np.hypot(x, y))


def rows(reaches: Floats, gap_count: float) -> list[NDArray[np.intp]]:
    """Vehicles that reach as in ``reaches`` (n, 2) in rows: the indices of each. A row ends where
    the gap to the next is over ``gap_count`` mean lengths of the two."""
    order = np.argsort(reaches[:, 0], kind="stable")
    found: list[list[int]] = []
    end = last = 0.0
    for i in order.tolist():
        start, stop = reaches[i].tolist()
        allowed = gap_count * (last + stop - start) / 2
        if not found or start - end > allowed:
            found.append([])
            end = stop
        found[-1].append(i)
        if stop >= end:
            end, last = stop, stop - start
    return [np.array(row, np.intp) for row in found]


def covered(reaches: Floats, start: float, end: float) -> float:
    """The part (0..1) of the way from ``start`` to ``end`` that ``reaches`` (n, 2) cover."""
    total, at = 0.0, start
    for low, high in sorted(np.clip(reaches, start, end).tolist()):
        total += max(high - max(low, at), 0.0)
        at = max(at, high)
    return total / (end - start) if end > start else 0.0
