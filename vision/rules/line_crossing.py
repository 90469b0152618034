"""Something passed a line in a direction that is forbidden there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vision.counting import LineCounter
from vision.rules.base import Condition, Explanation, Rule
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
    # it is a moment, and the next one is another
    cooldown_s = 0.0
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._counter: LineCounter | None = None
        self._passed: dict[int, tuple[str, float]] = {}
        """The direction in which each track crossed last, and when."""

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
        found = []
        for crossing in self._counter.update(tracked):
            if crossing.ts < self.from_ts:
                continue
            self._passed[crossing.track_id] = (crossing.direction, crossing.ts)
            if crossing.class_name not in self.config.classes or settings.direction not in (
                None,
                crossing.direction,
            ):
                continue
            found.append(
                self.event(
                    tracked,
                    tracks[crossing.track_id],
                    start_ts=crossing.ts,
                    end_ts=crossing.ts,
                    details={
                        "why": f"{crossing.class_name} crossed '{crossing.line}' "
                        f"{crossing.direction}",
                        "direction": crossing.direction,
                        "forbidden": settings.direction or "both",
                        "crossed_px": [round(crossing.x, 1), round(crossing.y, 1)],
                    },
                )
            )
        for track_id in tracked.ended:
            self._passed.pop(track_id, None)
        return found

    def explain(self, tracked: Tracked, scene: Scene) -> list[Explanation]:
        settings: Settings = self.config.settings
        line = scene.line(self.config.place)
        forbidden = settings.direction if settings.direction is not None else "either way"
        found = []
        for track in tracked.tracks:
            looked_for = track.class_name in self.config.classes
            direction, ts = self._passed.get(track.id, (None, tracked.ts))
            x1, y1, x2, y2 = map(float, track.box)
            found.append(
                Explanation(
                    self.config.name,
                    self.kind,
                    self.config.place,
                    track.id,
                    (
                        Condition(
                            "class",
                            looked_for,
                            track.class_name,
                            " or ".join(self.config.classes),
                        ),
                        Condition(
                            "crossing",
                            direction is not None,
                            "has not crossed"
                            if direction is None
                            else f"crossed {tracked.ts - ts:.1f} s ago",
                            f"crosses '{line.name}'",
                        ),
                        Condition(
                            "direction",
                            direction is not None and settings.direction in (None, direction),
                            direction or "none",
                            forbidden,
                        ),
                    ),
                    None,
                    (x1, y1, x2, y2),
                )
            )
        return found
