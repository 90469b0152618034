"""People stand so close in a zone, for a while, that it may become dangerous."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from vision.calibration import Calibration
from vision.marks import Marks
from vision.rules.base import SAME_S, Condition, at_least
from vision.rules.level import SIGHT_S, LevelRule, Reading
from vision.scene import RuleConfig, Scene
from vision.thresholds import Threshold
from vision.types import FloatArray, JsonValue, Tracked

MIN_AREA_M2: Final = 4.0
"""On less ground one person more or less is a density that looks like danger."""
LEAVE_SHARE: Final = 0.5
"""Where the settings say nothing else, it is over below this part of what it began at: a crowd that
gets denser hides itself, and fewer of it are found."""
EDGE_SHARE: Final = 0.01
"""Boxes of people whose feet are below the picture end so near to its lower edge, as a share of
the picture's height."""
MAX_AREA_SHARE: Final = 0.2
"""An area whose standard deviation is a larger part of it says little about a density."""


@dataclass(frozen=True, slots=True)
class Settings:
    enter_per_m2: float = field(
        default=1.0,
        metadata={
            "help": "In a calibrated view: from so many persons found on a square metre on, it "
            "is dense."
        },
    )
    leave_per_m2: float | None = field(
        default=None,
        metadata={"help": "Below so many it is over; left out: half of enter_per_m2."},
    )
    enter_count: int = field(
        default=30,
        metadata={"help": "In a view without calibration: from so many in the zone on."},
    )
    leave_count: int | None = field(
        default=None,
        metadata={"help": "Below so many it is over; left out: half of enter_count."},
    )
    enter_s: float = field(
        default=10.0, metadata={"help": "Seconds of that before the rule fires."}
    )
    leave_s: float = field(default=10.0, metadata={"help": "Seconds of that before it is over."})

    def __post_init__(self) -> None:
        at_least(
            self,
            enter_per_m2=0.01,
            leave_per_m2=0.01,
            enter_count=1,
            leave_count=1,
            enter_s=0,
            leave_s=0,
        )
        for leave, enter in (("leave_per_m2", "enter_per_m2"), ("leave_count", "enter_count")):
            low, high = getattr(self, leave), getattr(self, enter)
            if low is not None and low > high:
                raise ValueError(f"{leave} is {low}, but must not be over {enter}, {high}")

    @property
    def below_per_m2(self) -> float:
        """``leave_per_m2``, or what stands for it."""
        return LEAVE_SHARE * self.enter_per_m2 if self.leave_per_m2 is None else self.leave_per_m2

    @property
    def below_count(self) -> int:
        """``leave_count``, or what stands for it."""
        if self.leave_count is not None:
            return self.leave_count
        return max(1, math.floor(LEAVE_SHARE * self.enter_count))


@dataclass(frozen=True, slots=True, eq=False)
class Density(Reading):
    """``count`` persons on ``area_m2``, None where nobody knows how large the zone is; ``value``
    is the one by the other, or the count."""

    count: int = 0
    area_m2: float | None = None


class CrowdDensity(LevelRule[Density]):
    kind = "crowd_density"
    place = "zone"
    classes = ("person",)
    severity = "high"
    thresholds = (
        Threshold("enter_per_m2", low=0.1, high=10, step=0.1),
        Threshold("enter_count", low=1, high=1000, step=1),
        Threshold("enter_s", low=0, high=120, step=1),
    )
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._area_m2: float | None = None

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        ground, place = scene.calibration, config.place
        if ground is None:
            return
        polygon = scene.zone(place).polygon
        if not ground.on_ground(polygon).all():
            raise ValueError(
                f"zone '{place}' reaches above the horizon, where there is no ground; lower its "
                "upper corners"
            )
        area_m2 = area_on_ground(polygon, ground)
        if area_m2 < MIN_AREA_M2:
            raise ValueError(
                f"zone '{place}' has {area_m2:.2g} m² of ground, too little for a density; draw "
                f"one of {MIN_AREA_M2:g} m² or more"
            )
        spread = Marks(ground).spread(lambda other: area_on_ground(polygon, other))
        if spread > MAX_AREA_SHARE * area_m2:
            raise ValueError(
                f"the ground of zone '{place}' is only known as {area_m2:.2g} m² give or take "
                f"{spread:.2g}; add marks of the calibration around the zone, or draw it nearer "
                "to them"
            )

    def read(self, tracked: Tracked, scene: Scene) -> Density:
        ground, place = scene.calibration, self.config.place
        if ground is not None and self._area_m2 is None:
            self._area_m2 = area_on_ground(scene.zone(place).polygon, ground)
        members = tuple(
            track
            for track in tracked.tracks
            if track.class_name in self.config.classes
            and tracked.ts - track.last_ts <= SIGHT_S + SAME_S
            and scene.inside(place, track.path[-1, :2])
            # who stands further down than the picture reaches is on no ground that is measured
            and (ground is None or _within(track.path[-1, :2], scene.frame_size))
        )
        n, area_m2 = len(members), None if ground is None else self._area_m2
        return Density(n if area_m2 is None else n / area_m2, members, n, area_m2)

    def high(self, reading: Density) -> bool:
        settings: Settings = self.config.settings
        enter = settings.enter_count if reading.area_m2 is None else settings.enter_per_m2
        return reading.value >= enter

    def low(self, reading: Density) -> bool:
        settings: Settings = self.config.settings
        below = settings.below_count if reading.area_m2 is None else settings.below_per_m2
        return reading.value < below

    def why(self, reading: Density, for_s: float) -> str:
        settings: Settings = self.config.settings
        where = self.config.place
        if reading.area_m2 is None:
            return (
                f"{reading.count} in '{where}', {settings.enter_count} or more for {for_s:.1f} s "
                "(a count: the view is not calibrated)"
            )
        return (
            f"{reading.value:.2f} persons per m² in '{where}', {reading.count} on "
            f"{reading.area_m2:.0f} m², {settings.enter_per_m2:g} or more for {for_s:.1f} s"
        )

    def details(self, reading: Density) -> dict[str, JsonValue]:
        settings: Settings = self.config.settings
        if reading.area_m2 is None:
            return {"count": reading.count, "enter_count": settings.enter_count}
        return {
            "count": reading.count,
            "per_m2": round(reading.value, 3),
            "area_m2": round(reading.area_m2, 1),
            "enter_per_m2": settings.enter_per_m2,
        }

    def last_details(self, highest: Density) -> dict[str, JsonValue]:
        most: dict[str, JsonValue] = {"most_count": highest.count}
        if highest.area_m2 is not None:
            most["most_per_m2"] = round(highest.value, 3)
        return most

    def conditions(self, reading: Density) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        who, met = " or ".join(self.config.classes), self.high(reading)
        if reading.area_m2 is None:
            found = f"{reading.count} {who}, in a view without calibration"
            return (Condition("count", met, found, f"{settings.enter_count}"),)
        found = f"{reading.value:.2f} per m²: {reading.count} {who} on {reading.area_m2:.0f} m²"
        return (Condition("density", met, found, f"{settings.enter_per_m2:g} per m²"),)


def area_on_ground(polygon: NDArray[np.floating], ground: Calibration) -> float:
    """The area m² of a ``polygon`` (k, 2) px that is all on the ground; not a number otherwise.
    Straight edges stay straight there, so that its corners say it all."""
    corners = ground.to_ground(np.asarray(polygon, np.float64))
    return float(shapely.Polygon(corners).area) if np.isfinite(corners).all() else math.nan


def _within(point: FloatArray, frame_size: tuple[int, int]) -> bool:
    """Is a foot ``point`` (2,) px in the picture of ``frame_size`` (w, h), and not cut off?"""
    (x, y), (w, h) = point.tolist(), frame_size
    return bool(0 <= x <= w and 0 <= y < h * (1 - EDGE_SHARE))
