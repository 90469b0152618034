"""Somebody or something is in a zone where it must not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from vision.geometry import box_shares
from vision.rules.base import SAME_S, Condition, TrackRule, Watch, at_least
from vision.scene import Scene
from vision.thresholds import Threshold
from vision.types import Event, FloatArray, Track, Tracked

SAME_SHARE: Final = 1e-6
"""Shares that differ by less are the same: a box's sides are float32."""


@dataclass(frozen=True, slots=True)
class Settings:
    min_dwell_s: float = field(
        default=0.5,
        metadata={
            "help": "Seconds inside before the rule fires; brushing the edge is no intrusion."
        },
    )
    release_s: float = field(
        default=1.0, metadata={"help": "Seconds seen outside before the intrusion is over."}
    )
    membership: Literal["ground", "box"] = field(
        default="ground",
        metadata={
            "help": "Inside by the ground-contact point, or by the part of the box in the zone."
        },
    )
    box_overlap_share: float = field(
        default=0.3,
        metadata={
            "help": "With membership 'box': the part of the box (0..1) that counts as inside."
        },
    )

    def __post_init__(self) -> None:
        at_least(self, min_dwell_s=0, release_s=0, box_overlap_share=0)
        if not 0 < self.box_overlap_share <= 1:
            raise ValueError(
                f"box_overlap_share is {self.box_overlap_share}, but must be over 0 and up to 1"
            )


class Intrusion(TrackRule[Watch]):
    kind = "intrusion"
    place = "zone"
    classes = ("person",)
    severity = "high"
    thresholds = (
        Threshold("min_dwell_s", low=0, high=60, step=0.5),
        Threshold("box_overlap_share", low=0.05, high=1, step=0.05),
    )
    Settings = Settings

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.min_dwell_s

    def watch(self) -> Watch:
        return Watch()

    def holds(self, track: Track, point: FloatArray, _watch: Watch, scene: Scene) -> bool:
        settings: Settings = self.config.settings
        if settings.membership == "ground":
            return scene.inside(self.config.place, point[:2])
        x, y = point[:2]
        w, h = track.sizes[track.path[:, 2].searchsorted(point[2])]
        box = np.array([[x - w / 2, y - h, x + w / 2, y]])
        share = box_shares(box, scene.zone(self.config.place).polygon)[0]
        return bool(share >= settings.box_overlap_share - SAME_SHARE)

    def raised(self, track: Track, watch: Watch, tracked: Tracked) -> Event | None:
        settings: Settings = self.config.settings
        since_ts = tracked.ts if watch.since_ts is None else watch.since_ts
        inside_s = tracked.ts - since_ts
        if inside_s < settings.min_dwell_s - SAME_S:
            return None
        return self.event(
            tracked,
            track,
            start_ts=since_ts,
            details={
                "why": f"{track.class_name} inside '{self.config.place}' for {inside_s:.1f} s",
                "inside_s": round(inside_s, 2),
                "min_dwell_s": settings.min_dwell_s,
                "membership": settings.membership,
            },
        )

    def conditions(self, track: Track, watch: Watch, _tracked: Tracked) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        lasts_s = watch.lasts(track)
        inside, inside_s = lasts_s is not None, lasts_s or 0.0
        place = f"'{self.config.place}'"
        return (
            Condition("zone", inside, "inside" if inside else "outside", f"inside {place}"),
            Condition(
                "dwell",
                inside_s >= settings.min_dwell_s - SAME_S,
                f"{inside_s:.1f} s",
                f"{settings.min_dwell_s:g} s",
            ),
        )
