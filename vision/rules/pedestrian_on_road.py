"""Somebody is on foot on a carriageway."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vision.rules.base import SAME_S, Condition, TrackRule, Watch, at_least
from vision.scene import RuleConfig, Scene
from vision.thresholds import Threshold
from vision.types import Event, FloatArray, Track, Tracked

VEHICLES: Final = ("bicycle", "motorcycle", "car", "bus", "truck")
"""Who is on one of these, in it or behind it is not seen to walk."""
SIGHT_S: Final = 0.5
"""A vehicle that was seen so shortly ago is still there: small ones flicker."""
UNDER_SHARE: Final = 0.15
"""A rider's box may end so much below that of the vehicle, in parts of the rider's height: both
stand on the same ground, and each box is off by a little."""
CLEAR_S: Final = 1.0
"""Who was on or behind a vehicle so shortly ago still may be: detectors lose bicycles."""
SPEED_S: Final = 1.0
"""Speeds are means over so long: a box that jumps is no speed."""
LEAST_S: Final = 0.5
"""Of a path that is shorter nobody knows the speed."""


@dataclass(frozen=True, slots=True)
class Settings:
    enter_s: float = field(
        default=1.0, metadata={"help": "Seconds on foot on the road before the rule fires."}
    )
    release_s: float = field(
        default=1.5, metadata={"help": "Seconds seen off the road before it is over."}
    )
    min_heights: float = field(
        default=0.5,
        metadata={
            "help": "So far it must have walked on the road, in heights of the own box: a cone "
            "that is taken for a person stands still."
        },
    )
    rides_heights: float = field(
        default=3.0,
        metadata={
            "help": "Who gets further within a second, in heights of the own box, rides: nobody "
            "runs so fast."
        },
    )

    def __post_init__(self) -> None:
        at_least(self, enter_s=0, release_s=0, min_heights=0, rides_heights=0.5)


@dataclass(slots=True, eq=False)
class _Walk(Watch):
    """When the track was last seen on or behind a vehicle, or as fast as one, in seconds since its
    start; ``speed`` is how fast it goes, heights a second, and ``inside`` whether on the road.
    ``reach`` is how far it came from its first place there, ``start`` (2,) px, in heights."""

    vehicle_s: float = -math.inf
    fast_s: float = -math.inf
    speed: float = 0.0
    inside: bool = False
    start: FloatArray | None = None
    reach: float = 0.0


class PedestrianOnRoad(TrackRule[_Walk]):
    kind = "pedestrian_on_road"
    place = "zone"
    classes = ("person",)
    severity = "medium"
    thresholds = (
        Threshold("enter_s", low=0, high=60, step=0.5),
        Threshold("min_heights", low=0, high=10, step=0.25),
    )
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._vehicles = np.zeros((0, 4), np.float32)
        """Boxes (n, 4) px of those that are in sight."""

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.enter_s

    def watch(self) -> _Walk:
        return _Walk()

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        boxes = [
            track.box
            for track in tracked.tracks
            if track.class_name in VEHICLES and tracked.ts - track.last_ts <= SIGHT_S + SAME_S
        ]
        self._vehicles = np.array(boxes, np.float32).reshape(-1, 4)
        return super().update(tracked, scene)

    def holds(self, track: Track, point: FloatArray, watch: _Walk, scene: Scene) -> bool:
        settings: Settings = self.config.settings
        seconds = float(point[2])
        watch.inside = scene.inside(self.config.place, point[:2])
        row = int(track.path[:, 2].searchsorted(point[2]))
        # where vehicles were before is not known any more
        if row == len(track.path) - 1 and self._on_vehicle(track):
            watch.vehicle_s = seconds
        watch.speed = _speed(track, row)
        if watch.speed > settings.rides_heights:
            watch.fast_s = seconds
        if not watch.inside:
            return False
        if watch.start is None:
            watch.start = point[:2].copy()
        way = float(np.hypot(*(point[:2] - watch.start)))
        watch.reach = max(watch.reach, way / max(float(track.sizes[row, 1]), 1.0))
        # of whom a vehicle hides nobody knows that he left
        return watch.event is not None or not self._rides(watch, seconds)

    def _rides(self, watch: _Walk, seconds: float) -> bool:
        return seconds - max(watch.vehicle_s, watch.fast_s) < CLEAR_S - SAME_S

    def _on_vehicle(self, track: Track) -> bool:
        """Is the foot in a vehicle's box? Who stands in front of one has it lower down."""
        x, y = track.foot
        x1, y1, x2, y2 = self._vehicles.T
        under = UNDER_SHARE * float(track.sizes[-1, 1])
        return bool(((x1 <= x) & (x <= x2) & (y1 <= y) & (y <= y2 + under)).any())

    def over(self, track_id: int, watch: _Walk) -> None:
        del track_id
        watch.start, watch.reach = None, 0.0

    def raised(self, track: Track, watch: _Walk, tracked: Tracked) -> Event | None:
        settings: Settings = self.config.settings
        since_ts = tracked.ts if watch.since_ts is None else watch.since_ts
        on_road_s = tracked.ts - since_ts
        if on_road_s < settings.enter_s - SAME_S or watch.reach < settings.min_heights:
            return None
        return self.event(
            tracked,
            track,
            start_ts=since_ts,
            details={
                "why": f"{track.class_name} on foot on '{self.config.place}' for {on_road_s:.1f} s",
                "on_road_s": round(on_road_s, 2),
                "enter_s": settings.enter_s,
            },
        )

    def conditions(self, track: Track, watch: _Walk, _tracked: Tracked) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        seconds = track.last_ts - track.first_ts
        on_road_s = watch.lasts(track) or 0.0
        by_vehicle = seconds - watch.vehicle_s < CLEAR_S - SAME_S
        return (
            Condition(
                "zone",
                watch.inside,
                "inside" if watch.inside else "outside",
                f"inside '{self.config.place}'",
            ),
            Condition(
                "on foot",
                watch.event is not None or not self._rides(watch, seconds),
                "on, in or behind a vehicle"
                if by_vehicle
                else f"{watch.speed:.1f} heights a second",
                f"clear of vehicles for {CLEAR_S:g} s, up to {settings.rides_heights:g} heights "
                "a second",
            ),
            Condition(
                "walked",
                watch.reach >= settings.min_heights,
                f"{watch.reach:.1f} heights",
                f"{settings.min_heights:g} heights",
            ),
            Condition(
                "time",
                on_road_s >= settings.enter_s - SAME_S,
                f"{on_road_s:.1f} s",
                f"{settings.enter_s:g} s",
            ),
        )


def _speed(track: Track, row: int) -> float:
    """How fast the foot went in the last ``SPEED_S`` before that row of the path, in heights of
    the box a second; 0 where it is not known."""
    t = track.path[: row + 1, 2]
    first = int(t.searchsorted(t[-1] - SPEED_S - SAME_S))
    seconds = float(t[-1] - t[first])
    if seconds < LEAST_S:
        return 0.0
    way = float(np.hypot(*(track.path[row, :2] - track.path[first, :2])))
    height = float(track.sizes[first, 1] + track.sizes[row, 1]) / 2
    return way / max(height, 1.0) / seconds
