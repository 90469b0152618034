"""Somebody or something is in a zone where it must not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vision.geometry import box_shares
from vision.rules.base import SAME_S, Condition, TrackRule, Watch, at_least
from vision.scene import Scene
from vision.types import Event, FloatArray, Track, Tracked


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
        # boxes of the past are not kept: the present box speaks for the present point alone
        now = point[2] == track.path[-1, 2]
        return bool(
            now
            and box_shares(track.box[None], scene.zone(self.config.place).polygon)[0]
            >= settings.box_overlap_share
        )

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

    def conditions(self, _track: Track, watch: Watch, tracked: Tracked) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        inside = watch.since_ts is not None and watch.away_ts is None
        inside_s = tracked.ts - watch.since_ts if inside and watch.since_ts is not None else 0.0
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
