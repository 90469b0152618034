"""Vehicles stand or creep one behind the other in a lane: how many, and how far back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from vision.rows import VEHICLES, Lane, Pace, Seen, check_lane, pace, rows, single
from vision.rules.base import Condition, at_least
from vision.rules.level import LEAVE_SHARE, LevelRule, Reading
from vision.scene import RuleConfig, Scene
from vision.thresholds import Threshold
from vision.types import JsonValue, Tracked

OFF: Final = 2.0
"""Who stood goes on only above so many times the speed below which one stands: PTV Vissim's queue
counters begin at 5 and end at 10 km/h."""
HIDDEN_S: Final = 3.0
"""Who stood and is out of sight for no longer still stands: something passed in front."""
SWAY_HEIGHTS: Final = 0.1
"""Box heights a second that a box which stands sways by: so slow a one stands, whatever far px
come to in metres."""


@dataclass(frozen=True, slots=True)
class Settings:
    enter_count: int = field(
        default=3, metadata={"help": "From so many standing vehicles on, it is a queue."}
    )
    enter_s: float = field(default=5.0, metadata={"help": "Seconds of that before the rule fires."})
    leave_count: int | None = field(
        default=None,
        metadata={"help": "Below so many the queue is over; left out: half of enter_count."},
    )
    leave_s: float = field(default=5.0, metadata={"help": "Seconds of that before it is."})
    enter_m: float | None = field(
        default=None,
        metadata={"help": "It must also be so long, on calibrated views; left out: any length."},
    )
    leave_m: float | None = field(
        default=None,
        metadata={"help": "Or over when shorter than this; left out: four fifths of enter_m."},
    )
    still_kmh: float = field(
        default=5.0, metadata={"help": "Who is slower stands or creeps, on calibrated views."}
    )
    still_heights: float = field(
        default=0.25,
        metadata={"help": "Who moves by fewer of its box heights in a second does, on others."},
    )
    gap_count: float = field(
        default=2.5,
        metadata={"help": "The queue ends at a gap in which more vehicles than this would fit."},
    )

    def __post_init__(self) -> None:
        at_least(
            self, enter_count=1, enter_s=0, leave_count=1, leave_s=0, enter_m=0, leave_m=0,
            still_kmh=0.5, still_heights=0.02, gap_count=0.1,
        )  # fmt: skip
        if self.leave_count is not None and self.leave_count > self.enter_count:
            raise ValueError(
                f"leave_count is {self.leave_count}, but must not be over enter_count, "
                f"{self.enter_count}"
            )
        if self.leave_m is not None and (self.enter_m is None or self.leave_m > self.enter_m):
            raise ValueError(
                f"leave_m is {self.leave_m:g}, but must not be over enter_m, {self.enter_m}"
            )

    @property
    def below_count(self) -> int:
        """``leave_count``, or what stands for it."""
        return math.ceil(self.enter_count / 2) if self.leave_count is None else self.leave_count

    @property
    def below_m(self) -> float:
        """``leave_m``, or what stands for it; 0 where length does not matter."""
        if self.enter_m is None:
            return 0.0
        return LEAVE_SHARE * self.enter_m if self.leave_m is None else self.leave_m


@dataclass(frozen=True, slots=True, eq=False)
class Row(Reading):
    """The row with the most vehicles: ``value`` and ``members`` are those that stand in it, from
    the first one's front to the last one's rear ``length_px``, and ``length_m`` where that is
    known. The one that stands longest does so for ``stood_s``."""

    length_px: float = 0.0
    length_m: float | None = None
    stood_s: float = 0.0

    @property
    def length(self) -> float:
        """In the view's best unit."""
        return self.length_px if self.length_m is None else self.length_m


class Queue(LevelRule[Row]):
    kind = "queue"
    place = "zone"
    classes = VEHICLES
    severity = "low"
    # those who wait at the next red light are another queue; those who creep up are not
    cooldown_s = 5.0
    thresholds = (
        Threshold("enter_count", low=1, high=200, step=1),
        Threshold("enter_s", low=0, high=300, step=5),
        Threshold("enter_m", low=0, high=500, step=5),
    )
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._standing: dict[int, float] = {}
        self._lanes: tuple[Lane, Lane] | None = None
        self._longest = Row(0)

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        check_lane(config, scene, "enter_m", "leave_m")

    @property
    def now(self) -> Row | None:
        """The row at the last step."""
        return self._now

    def read(self, tracked: Tracked, scene: Scene) -> Row:
        row = self._row(tracked, scene)
        if self._open is None or row.length > self._longest.length:
            self._longest = row
        return row

    def _row(self, tracked: Tracked, scene: Scene) -> Row:
        place = self.config.place
        if self._lanes is None:
            self._lanes = Lane(place, scene), Lane(place, scene, metric=False)
        lane, picture = self._lanes
        here = lane.present(tracked, self.config.classes, HIDDEN_S)
        self._follow(here, tracked, scene)
        seen = single([each for each in here if each.track.id in self._standing])
        if not seen:
            return Row(0)
        reaches = lane.reaches(seen)
        best = max(
            rows(reaches, self.config.settings.gap_count),
            key=lambda row: (len(row), reaches[row, 1].max() - reaches[row, 0].min()),
        )
        in_row = [seen[i] for i in sorted(best.tolist())]
        members = tuple(each.track for each in in_row)
        px = picture.reaches(in_row)
        since_ts = min(self._standing[track.id] for track in members)
        return Row(
            len(members),
            members,
            length_px=float(px[:, 1].max() - px[:, 0].min()),
            length_m=None
            if scene.calibration is None
            else float(reaches[best, 1].max() - reaches[best, 0].min()),
            stood_s=tracked.ts - max(since_ts, self.from_ts),
        )

    def _follow(self, here: list[Seen], tracked: Tracked, scene: Scene) -> None:
        """Who stands, and since when; who is out of sight does what it did."""
        for track_id in tracked.ended:
            self._standing.pop(track_id, None)
        for track in (each.track for each in here if each.track.last_ts == tracked.ts):
            now = pace(track, scene.calibration)
            if now is None:
                continue
            if self._still(now, OFF if track.id in self._standing else 1.0):
                self._standing.setdefault(track.id, tracked.ts)
            else:
                self._standing.pop(track.id, None)

    def _still(self, now: Pace, times: float) -> bool:
        settings: Settings = self.config.settings
        if now.kmh is None:
            return now.heights <= times * settings.still_heights
        return now.kmh <= times * settings.still_kmh or now.heights <= SWAY_HEIGHTS

    def high(self, reading: Row) -> bool:
        settings: Settings = self.config.settings
        return reading.value >= settings.enter_count and self._long(reading)

    def _long(self, reading: Row) -> bool:
        enter_m = self.config.settings.enter_m
        return enter_m is None or (reading.length_m or 0.0) >= enter_m

    def low(self, reading: Row) -> bool:
        settings: Settings = self.config.settings
        short = (reading.length_m or 0.0) < settings.below_m
        return reading.value < settings.below_count or short

    def why(self, reading: Row, for_s: float) -> str:
        settings: Settings = self.config.settings
        length = (
            f"{reading.length_px:.0f} px"
            if reading.length_m is None
            else f"{reading.length_m:.0f} m"
        )
        return (
            f"{reading.value} stand in a row of {length} in '{self.config.place}', "
            f"{settings.enter_count} or more for {for_s:.1f} s"
        )

    def details(self, reading: Row) -> dict[str, JsonValue]:
        self._longest = reading
        metres: dict[str, JsonValue] = (
            {} if reading.length_m is None else {"length_m": round(reading.length_m, 1)}
        )
        return {
            "count": int(reading.value),
            "enter_count": self.config.settings.enter_count,
            "length_px": round(reading.length_px, 1),
            **metres,
            "stood_s": round(reading.stood_s, 1),
        }

    def last_details(self, highest: Row) -> dict[str, JsonValue]:
        longest = self._longest
        metres: dict[str, JsonValue] = (
            {} if longest.length_m is None else {"most_length_m": round(longest.length_m, 1)}
        )
        return {
            "most_count": int(highest.value),
            "most_length_px": round(longest.length_px, 1),
            **metres,
        }

    def conditions(self, reading: Row) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        enough = reading.value >= settings.enter_count
        found = [
            Condition(
                "standing in a row", enough, f"{reading.value} vehicles", f"{settings.enter_count}"
            )
        ]
        if settings.enter_m is not None:
            found.append(
                Condition(
                    "length",
                    self._long(reading),
                    f"{reading.length_m or 0.0:.1f} m",
                    f"{settings.enter_m:g} m",
                )
            )
        return tuple(found)
