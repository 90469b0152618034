"""A lorry is where, or when, lorries may not be."""

from __future__ import annotations

from dataclasses import dataclass, field

from vision.rules.base import SAME_S, Condition, TrackRule, Watch, at_least
from vision.scene import Scene
from vision.thresholds import Threshold
from vision.types import Event, FloatArray, Track, Tracked


@dataclass(frozen=True, slots=True)
class Settings:
    min_s: float = field(default=2.0, metadata={"help": "Seconds inside before the rule fires."})
    release_s: float = field(
        default=2.0, metadata={"help": "Seconds seen outside before it is over."}
    )
    min_class_share: float = field(
        default=0.6,
        metadata={"help": "Part of the votes along its track that its class must have by then."},
    )

    def __post_init__(self) -> None:
        at_least(self, min_s=0, release_s=0, min_class_share=0)
        if self.min_class_share > 1:
            raise ValueError(f"min_class_share is {self.min_class_share}, but must be from 0 to 1")


class HeavyVehicle(TrackRule[Watch]):
    kind = "heavy_vehicle"
    place = "zone"
    classes = ("truck",)
    severity = "medium"
    thresholds = (
        Threshold("min_s", low=0, high=60, step=0.5),
        Threshold("min_class_share", low=0, high=1, step=0.05),
    )
    Settings = Settings

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.min_s

    def watch(self) -> Watch:
        return Watch()

    def holds(self, track: Track, point: FloatArray, watch: Watch, scene: Scene) -> bool:
        del track, watch
        return scene.inside(self.config.place, point[:2])

    def raised(self, track: Track, watch: Watch, tracked: Tracked) -> Event | None:
        settings: Settings = self.config.settings
        since_ts = tracked.ts if watch.since_ts is None else watch.since_ts
        inside_s = tracked.ts - since_ts
        sure = track.class_share >= settings.min_class_share
        # one that is open stays so, whatever the vote becomes
        if inside_s < settings.min_s - SAME_S or not sure:
            return None
        return self.event(
            tracked,
            track,
            start_ts=since_ts,
            details={
                "why": f"{track.class_name}, with {track.class_share:.0%} of the votes, in "
                f"'{self.config.place}' for {inside_s:.1f} s",
                "inside_s": round(inside_s, 2),
                "min_s": settings.min_s,
                "min_class_share": settings.min_class_share,
            },
        )

    def conditions(self, track: Track, watch: Watch, _tracked: Tracked) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        lasts_s = watch.lasts(track)
        inside, inside_s = lasts_s is not None, lasts_s or 0.0
        return (
            Condition(
                "votes",
                track.class_share >= settings.min_class_share,
                f"{track.class_share:.0%} for {track.class_name}",
                f"{settings.min_class_share:.0%}",
            ),
            Condition(
                "zone",
                inside,
                "inside" if inside else "outside",
                f"inside '{self.config.place}'",
            ),
            Condition(
                "time",
                inside_s >= settings.min_s - SAME_S,
                f"{inside_s:.1f} s",
                f"{settings.min_s:g} s",
            ),
        )
