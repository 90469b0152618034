"""Several who are in a zone run apart, or run together, at the same time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vision.rules.base import SAME_S, Condition, at_least
from vision.rules.level import SIGHT_S, LevelRule, Reading
from vision.scene import Scene
from vision.thresholds import Threshold
from vision.types import FloatArray, JsonValue, Track, Tracked

SPAN_S: Final = 1.0
"""A pace is that of the last second: over less, a box that flickers runs."""
LEAST_S: Final = 0.6
"""Of a track that was seen for less nobody knows how fast it is."""
SIZES: Final = 10
"""Its height is the median of so many boxes: of one cut off, the pace would be too high."""


@dataclass(frozen=True, slots=True)
class Settings:
    enter_count: int = field(
        default=4, metadata={"help": "From so many on, who run at the same time."}
    )
    run_heights: float = field(
        default=1.2, metadata={"help": "Who moves on by so many of its heights a second runs."}
    )
    apart_share: float = field(
        default=0.5,
        metadata={"help": "The part of their way that takes them apart, or together."},
    )
    enter_s: float = field(default=0.5, metadata={"help": "Seconds of that before the rule fires."})
    leave_s: float = field(default=5.0, metadata={"help": "Seconds without it before it is over."})

    def __post_init__(self) -> None:
        at_least(self, enter_count=3, run_heights=0.1, apart_share=0.1, enter_s=0, leave_s=0)
        if self.apart_share > 1:
            raise ValueError(f"apart_share is {self.apart_share}, but must not be over 1")


@dataclass(frozen=True, slots=True, eq=False)
class _Reading(Reading):
    """``value`` and ``members`` are who run; ``apart`` is the part of their way that takes them
    apart, below 0 together; ``pace`` their median one, heights a second."""

    apart: float = 0.0
    pace: float = 0.0

    @property
    def way(self) -> str:
        return "apart" if self.apart > 0 else "together"


class Gathering(LevelRule[_Reading]):
    kind = "gathering"
    place = "zone"
    classes = ("person",)
    severity = "medium"
    thresholds = (
        Threshold("enter_count", low=3, high=100, step=1),
        Threshold("run_heights", low=0.1, high=5, step=0.1),
        Threshold("enter_s", low=0, high=20, step=0.25),
    )
    Settings = Settings

    def read(self, tracked: Tracked, scene: Scene) -> _Reading:
        runners, before, now, paces = [], [], [], []
        for track in tracked.tracks:
            if track.class_name not in self.config.classes:
                continue
            if tracked.ts - track.last_ts > SIGHT_S + SAME_S:
                continue
            moved = _moved(track)
            if moved is None or moved[2] < self.config.settings.run_heights:
                continue
            place = self.config.place
            # who ran out of it was in it
            if scene.inside(place, moved[0]) or scene.inside(place, moved[1]):
                runners.append(track)
                before.append(moved[0])
                now.append(moved[1])
                paces.append(moved[2])
        if not runners:
            return _Reading(0)
        apart = _apart(np.array(before, np.float32), np.array(now, np.float32))
        return _Reading(len(runners), tuple(runners), apart, float(np.median(paces)))

    def high(self, reading: _Reading) -> bool:
        settings: Settings = self.config.settings
        return reading.value >= settings.enter_count and abs(reading.apart) >= settings.apart_share

    def low(self, reading: _Reading) -> bool:
        return not self.high(reading)

    def why(self, reading: _Reading, for_s: float) -> str:
        return (
            f"{reading.value} run {reading.way} in '{self.config.place}', at {reading.pace:.1f} "
            f"heights a second, for {for_s:.1f} s"
        )

    def details(self, reading: _Reading) -> dict[str, JsonValue]:
        return {
            "way": reading.way,
            "count": reading.value,
            "enter_count": self.config.settings.enter_count,
            "pace_heights": round(reading.pace, 2),
        }

    def last_details(self, highest: _Reading) -> dict[str, JsonValue]:
        return {"most_count": highest.value}

    def conditions(self, reading: _Reading) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        return (
            Condition(
                "runners",
                reading.value >= settings.enter_count,
                f"{reading.value} at {settings.run_heights:g} heights a second or more",
                f"{settings.enter_count}",
            ),
            Condition(
                "way",
                abs(reading.apart) >= settings.apart_share,
                f"{abs(reading.apart):.2f} of it {reading.way}",
                f"{settings.apart_share:g}",
            ),
        )


def _moved(track: Track) -> tuple[FloatArray, FloatArray, float] | None:
    """Where (2,) px it was ``SPAN_S`` before it was seen last, where it is, and how many of its
    heights a second it moved; None where nobody knows."""
    path = track.path
    first = int(np.searchsorted(path[:, 2], path[-1, 2] - SPAN_S - SAME_S))
    seconds = float(path[-1, 2] - path[first, 2])
    if seconds < LEAST_S - SAME_S:
        return None
    way_px = float(np.hypot(*(path[-1, :2] - path[first, :2])))
    height_px = float(np.median(track.sizes[-SIZES:, 1]))
    return path[first, :2], path[-1, :2], way_px / max(1.0, height_px) / seconds


def _apart(before: FloatArray, now: FloatArray) -> float:
    """The part of the way from ``before`` to ``now`` (n, 2) px by which they are further from
    their middle: 1 for a star that opens, -1 for one that closes, 0 for who run side by side."""
    way_px = float(np.hypot(*(now - before).T).mean())
    spread = [float(np.hypot(*(each - each.mean(axis=0)).T).mean()) for each in (before, now)]
    return (spread[1] - spread[0]) / max(1e-6, way_px)
