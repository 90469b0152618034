"""Something passed a line in a direction that is forbidden there."""

from __future__ import annotations

from dataclasses import dataclass, field

from vision.counting import LineCounter
from vision.rules.base import Rule
from vision.scene import RuleConfig, Scene
from vision.types import Event, Tracked


@dataclass(frozen=True, slots=True)
class Settings:
    direction: str | None = field(
        default=None,
        metadata={"help": "The forbidden direction, by the line's own name of it; left out: both."},
    )


class LineCrossing(Rule):
    kind = "line_crossing"
    place = "line"
    classes = ("person",)
    severity = "medium"
    Settings = Settings

    def __init__(self, config: RuleConfig) -> None:
        super().__init__(config)
        self._counter: LineCounter | None = None

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        line = scene.line(config.place)
        direction = config.settings.direction
        if direction not in (None, line.forward, line.backward):
            raise ValueError(
                f"direction is '{direction}', but the directions of line '{line.name}' are "
                f"'{line.forward}' and '{line.backward}'"
            )

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        if self._counter is None:
            self._counter = LineCounter(scene.line(self.config.place), scene.frame_size)
        settings: Settings = self.config.settings
        tracks = {track.id: track for track in tracked.tracks}
        return [
            self.event(
                tracked,
                tracks[crossing.track_id],
                start_ts=crossing.ts,
                end_ts=crossing.ts,
                details={
                    "why": f"{crossing.class_name} crossed '{crossing.line}' {crossing.direction}",
                    "direction": crossing.direction,
                    "forbidden": settings.direction if settings.direction is not None else "both",
                    "crossed_px": [round(crossing.x, 1), round(crossing.y, 1)],
                },
            )
            for crossing in self._counter.update(tracked)
            if crossing.class_name in self.config.classes
            and settings.direction in (None, crossing.direction)
        ]
