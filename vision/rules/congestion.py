"""A lane is full of vehicles, and they are slow, for a while."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from vision.rows import VEHICLES, Lane, Pace, Seen, check_lane, covered, mean_pace, pace, single
from vision.rules.base import SAME_S, Condition, at_least
from vision.rules.level import LEAVE_SHARE, SIGHT_S, LevelRule, Reading
from vision.scene import RuleConfig, Scene
from vision.thresholds import Threshold
from vision.types import JsonValue, Track, Tracked

Degree: TypeAlias = Literal["slow", "jam"]

HIDDEN_S: Final = 3.0
"""Who was slow and is out of sight for no longer is still there: something passed in front."""


@dataclass(frozen=True, slots=True)
class Settings:
    enter_share: float = field(
        default=0.3,
        metadata={
            "help": "From this part of the zone's length on, covered by vehicles, it is full."
        },
    )
    leave_share: float | None = field(
        default=None,
        metadata={"help": "Below this part it is over; left out: four fifths of enter_share."},
    )
    enter_count: int = field(default=3, metadata={"help": "Vehicles that there must be as well."})
    slow_kmh: float = field(
        default=30.0,
        metadata={"help": "Mean speed up to which they are slow, on calibrated views."},
    )
    jam_kmh: float = field(
        default=10.0, metadata={"help": "Mean speed below which it is a jam, on calibrated views."}
    )
    slow_heights: float = field(
        default=0.5,
        metadata={"help": "The same as slow_kmh in box heights a second, on other views."},
    )
    jam_heights: float = field(
        default=0.2,
        metadata={"help": "The same as jam_kmh in box heights a second, on other views."},
    )
    enter_s: float = field(
        default=20.0, metadata={"help": "Seconds of both before the rule fires."}
    )
    leave_s: float = field(default=10.0, metadata={"help": "Seconds without before it is over."})

    def __post_init__(self) -> None:
        at_least(
            self, enter_share=0.01, leave_share=0, enter_count=1, slow_kmh=1, jam_kmh=0,
            slow_heights=0.05, jam_heights=0, enter_s=0, leave_s=0,
        )  # fmt: skip
        for low, high in (
            ("leave_share", "enter_share"),
            ("jam_kmh", "slow_kmh"),
            ("jam_heights", "slow_heights"),
        ):
            less, more = getattr(self, low), getattr(self, high)
            if less is not None and less > more:
                raise ValueError(f"{low} is {less:g}, but must not be over {high}, {more:g}")
        if self.enter_share > 1:
            raise ValueError(f"enter_share is {self.enter_share:g}, but must not be over 1")

    @property
    def below_share(self) -> float:
        """``leave_share``, or what stands for it."""
        return LEAVE_SHARE * self.enter_share if self.leave_share is None else self.leave_share


@dataclass(frozen=True, slots=True, eq=False)
class Traffic(Reading):
    """How it flows: ``share`` of the zone's length is covered by ``members``, of which the mean
    speed is ``speed``, None where it is not known of any. ``value`` is by what part they are too
    slow, 0 where the zone is not full."""

    share: float = 0.0
    speed: Pace | None = None

    @property
    def speed_text(self) -> str:
        if self.speed is None:
            return "unknown"
        heights, kmh = self.speed.heights, self.speed.kmh
        return f"{heights:.2f} heights/s" if kmh is None else f"{kmh:.0f} km/h"


class Congestion(LevelRule[Traffic]):
    kind = "congestion"
    place = "zone"
    classes = VEHICLES
    severity = "medium"
    cooldown_s = 30.0
    thresholds = (
        Threshold("enter_s", low=0, high=600, step=5),
        Threshold("enter_share", low=0.05, high=1, step=0.05),
        Threshold("enter_count", low=1, high=200, step=1),
    )
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._paces: dict[int, Pace] = {}
        self._lane: Lane | None = None

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        check_lane(config, scene)

    def read(self, tracked: Tracked, scene: Scene) -> Traffic:
        if self._lane is None:
            self._lane = Lane(self.config.place, scene)
        seen = self._there(tracked, self._lane, scene)
        share = covered(self._lane.reaches(seen), self._lane.start, self._lane.end)
        members = tuple(each.track for each in seen)
        speed = mean_pace([self._paces[track.id] for track in members if track.id in self._paces])
        degree = 0.0
        if speed is not None and share >= self.config.settings.below_share:
            degree = max(0.0, 1 - self._part(speed))
        return Traffic(degree, members, share, speed)

    def _there(self, tracked: Tracked, lane: Lane, scene: Scene) -> list[Seen]:
        """Who is there; the paces are those of the same moment."""
        for track_id in tracked.ended:
            self._paces.pop(track_id, None)
        here = lane.present(tracked, self.config.classes, HIDDEN_S)
        for track in (each.track for each in here if each.track.last_ts == tracked.ts):
            if (now := pace(track, scene.calibration)) is not None:
                self._paces[track.id] = now
        return single([each for each in here if self._stays(each.track, tracked.ts)])

    def _stays(self, track: Track, ts: float) -> bool:
        """Is it still there, though perhaps out of sight?"""
        now = self._paces.get(track.id)
        return ts - track.last_ts <= SIGHT_S + SAME_S or (now is not None and self._jam(now))

    def _part(self, speed: Pace) -> float:
        """``speed`` in parts of that up to which they are slow."""
        settings: Settings = self.config.settings
        if speed.kmh is None:
            return speed.heights / settings.slow_heights
        return speed.kmh / settings.slow_kmh

    def _jam(self, speed: Pace) -> bool:
        settings: Settings = self.config.settings
        if speed.kmh is None:
            return speed.heights < settings.jam_heights
        return speed.kmh < settings.jam_kmh

    def _degree(self, reading: Traffic) -> Degree:
        return "jam" if reading.speed is not None and self._jam(reading.speed) else "slow"

    def high(self, reading: Traffic) -> bool:
        return self._full(reading) and self._many(reading) and self._slow(reading)

    def _full(self, reading: Traffic) -> bool:
        return reading.share >= float(self.config.settings.enter_share)

    def _many(self, reading: Traffic) -> bool:
        return len(reading.members) >= int(self.config.settings.enter_count)

    def _slow(self, reading: Traffic) -> bool:
        return reading.speed is not None and self._part(reading.speed) <= 1

    def low(self, reading: Traffic) -> bool:
        settings: Settings = self.config.settings
        flows = reading.speed is not None and self._part(reading.speed) > 1 / LEAVE_SHARE
        return reading.share < settings.below_share or flows

    def why(self, reading: Traffic, for_s: float) -> str:
        return (
            f"{len(reading.members)} vehicles cover {100 * reading.share:.0f} % of "
            f"'{self.config.place}' at {reading.speed_text} on average, for {for_s:.1f} s"
        )

    def details(self, reading: Traffic) -> dict[str, JsonValue]:
        return {
            "level": self._degree(reading),
            "count": len(reading.members),
            "occupancy_share": round(reading.share, 2),
            **self._told(reading, "speed"),
        }

    def last_details(self, highest: Traffic) -> dict[str, JsonValue]:
        return {
            "worst_level": self._degree(highest),
            "worst_occupancy_share": round(highest.share, 2),
            **self._told(highest, "worst_speed"),
        }

    def _told(self, reading: Traffic, name: str) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {}
        if reading.speed is not None:
            found[f"{name}_heights"] = round(reading.speed.heights, 2)
            if reading.speed.kmh is not None:
                found[f"{name}_kmh"] = round(reading.speed.kmh, 1)
        return found

    def conditions(self, reading: Traffic) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        metric = reading.speed is not None and reading.speed.kmh is not None
        needed = (
            f"up to {settings.slow_kmh:g} km/h"
            if metric
            else f"up to {settings.slow_heights:g} heights/s"
        )
        return (
            Condition(
                "occupancy",
                self._full(reading),
                f"{100 * reading.share:.0f} %",
                f"{100 * settings.enter_share:.0f} %",
            ),
            Condition(
                "vehicles",
                self._many(reading),
                f"{len(reading.members)}",
                f"{settings.enter_count}",
            ),
            Condition(
                "mean speed",
                self._slow(reading),
                reading.speed_text,
                needed,
            ),
        )
