"""Somebody stays around one spot of a zone for longer than people do there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vision.rules.base import SAME_S, Condition, TrackRule, Watch, at_least
from vision.scene import Scene
from vision.types import Event, FloatArray, Track, Tracked

SAMPLES = 300
"""Points of a stay that are kept: enough to place its mean, and bounded however long it lasts."""
STRAY_SHARE = 0.1
"""Part of a stay's points that may lie beyond the radius: a box that flickers is no departure."""


@dataclass(frozen=True, slots=True)
class Settings:
    dwell_s: float = field(
        default=60.0, metadata={"help": "Seconds of stay before the rule fires."}
    )
    radius_px: float | None = field(
        default=None,
        metadata={
            "help": "How far, in px of the scene's picture, the foot may be from the stay's mean; "
            "left out: radius_heights decides."
        },
    )
    radius_heights: float = field(
        default=0.5,
        metadata={"help": "The same in heights of the object's box, where radius_px is left out."},
    )
    release_s: float = field(
        default=2.0, metadata={"help": "Seconds seen elsewhere before the stay is over."}
    )

    def __post_init__(self) -> None:
        at_least(self, dwell_s=0, radius_px=1, radius_heights=0.05, release_s=0)


@dataclass(slots=True, eq=False)
class _Stay(Watch):
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    start_s: float = 0.0
    radius: float = 0.0


class Loitering(TrackRule[_Stay]):
    kind = "loitering"
    place = "zone"
    classes = ("person",)
    severity = "medium"
    Settings = Settings

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.dwell_s

    def watch(self) -> _Stay:
        return _Stay()

    def holds(self, track: Track, point: FloatArray, watch: _Stay, scene: Scene) -> bool:
        settings: Settings = self.config.settings
        if not scene.inside(self.config.place, point[:2]):
            return False
        height = float(track.box[3] - track.box[1])
        watch.radius = (
            settings.radius_px
            if settings.radius_px is not None
            else settings.radius_heights * height
        )
        if watch.since_ts is None:
            watch.points = watch.points[:0]
        if watch.event is None:
            self._extend(point, watch)
        mean = watch.points[:, :2].mean(axis=0)
        return bool(np.hypot(*(point[:2] - mean)) <= watch.radius)

    def _extend(self, point: np.ndarray, watch: _Stay) -> None:
        """The stay becomes the longest recent part of the path that keeps to one spot."""
        settings: Settings = self.config.settings
        spacing = settings.dwell_s / SAMPLES
        kept = watch.points
        if len(kept) < 2 or kept[-1, 2] - kept[-2, 2] >= spacing - SAME_S:
            kept = np.concatenate([kept, point[None].astype(np.float64)])
        else:
            # closer than the spacing to the one before: the newest point takes its place
            kept = np.concatenate([kept[:-1], point[None].astype(np.float64)])
        while len(kept) > 1:
            far = np.hypot(*(kept[:, :2] - kept[:, :2].mean(axis=0)).T) > watch.radius
            if far.mean() <= STRAY_SHARE:
                break
            kept = kept[1:]
        watch.points, watch.start_s = kept, float(kept[0, 2])

    def raised(self, track: Track, watch: _Stay, tracked: Tracked) -> Event | None:
        settings: Settings = self.config.settings
        start_ts = track.first_ts + watch.start_s
        stayed_s = tracked.ts - start_ts
        if stayed_s < settings.dwell_s - SAME_S:
            return None
        mean = watch.points[:, :2].mean(axis=0)
        return self.event(
            tracked,
            track,
            start_ts=start_ts,
            details={
                "why": f"{track.class_name} stayed within {watch.radius:.0f} px in "
                f"'{self.config.place}' for {stayed_s:.1f} s",
                "stayed_s": round(stayed_s, 2),
                "dwell_s": settings.dwell_s,
                "radius_px": round(watch.radius, 1),
                "around_px": [round(float(mean[0]), 1), round(float(mean[1]), 1)],
            },
        )

    def conditions(self, track: Track, watch: _Stay, tracked: Tracked) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        inside = watch.since_ts is not None and watch.away_ts is None
        stayed_s = tracked.ts - track.first_ts - watch.start_s if inside else 0.0
        return (
            Condition(
                "spot",
                inside,
                "keeps to one spot" if inside else "outside, or moves on",
                f"within {watch.radius:.0f} px of one spot in '{self.config.place}'",
            ),
            Condition(
                "dwell",
                stayed_s >= settings.dwell_s - SAME_S,
                f"{stayed_s:.1f} s",
                f"{settings.dwell_s:g} s",
            ),
        )
