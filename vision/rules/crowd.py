"""Many are in a zone at the same time, for a while."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vision.rules.base import SAME_S, Condition, at_least
from vision.rules.level import LEAVE_SHARE, SIGHT_S, LevelRule, Reading
from vision.scene import Scene
from vision.thresholds import Threshold
from vision.types import JsonValue, Tracked


@dataclass(frozen=True, slots=True)
class Settings:
    enter_count: int = field(
        default=10, metadata={"help": "From so many on, inside at the same time, it is a crowd."}
    )
    enter_s: float = field(default=5.0, metadata={"help": "Seconds of that before the rule fires."})
    leave_count: int | None = field(
        default=None,
        metadata={"help": "Below so many the crowd is over; left out: four fifths of enter_count."},
    )
    leave_s: float = field(default=5.0, metadata={"help": "Seconds of that before it is."})

    def __post_init__(self) -> None:
        at_least(self, enter_count=1, enter_s=0, leave_count=1, leave_s=0)
        if self.leave_count is not None and self.leave_count > self.enter_count:
            raise ValueError(
                f"leave_count is {self.leave_count}, but must not be over enter_count, "
                f"{self.enter_count}"
            )

    @property
    def below_count(self) -> int:
        """``leave_count``, or what stands for it."""
        if self.leave_count is not None:
            return self.leave_count
        return max(1, math.floor(LEAVE_SHARE * self.enter_count))


class Crowd(LevelRule[Reading]):
    kind = "crowd"
    place = "zone"
    classes = ("person",)
    severity = "medium"
    thresholds = (
        Threshold("enter_count", low=1, high=500, step=1),
        Threshold("enter_s", low=0, high=120, step=1),
    )
    Settings = Settings

    def read(self, tracked: Tracked, scene: Scene) -> Reading:
        members = tuple(
            track
            for track in tracked.tracks
            if track.class_name in self.config.classes
            and tracked.ts - track.last_ts <= SIGHT_S + SAME_S
            and scene.inside(self.config.place, track.path[-1, :2])
        )
        return Reading(len(members), members)

    def high(self, reading: Reading) -> bool:
        settings: Settings = self.config.settings
        return reading.value >= settings.enter_count

    def low(self, reading: Reading) -> bool:
        settings: Settings = self.config.settings
        return reading.value < settings.below_count

    def why(self, reading: Reading, for_s: float) -> str:
        enter_count = self.config.settings.enter_count
        where = self.config.place
        return f"{reading.value} in '{where}', {enter_count} or more for {for_s:.1f} s"

    def details(self, reading: Reading) -> dict[str, JsonValue]:
        return {"count": reading.value, "enter_count": self.config.settings.enter_count}

    def last_details(self, highest: Reading) -> dict[str, JsonValue]:
        return {"most_count": highest.value}

    def conditions(self, reading: Reading) -> tuple[Condition, ...]:
        who = " or ".join(self.config.classes)
        enter_count = self.config.settings.enter_count
        return (Condition("count", self.high(reading), f"{reading.value} {who}", f"{enter_count}"),)
