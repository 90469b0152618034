"""Fire or smoke in a zone, for detectors that know it: what they find must move like it."""

from __future__ import annotations

from dataclasses import dataclass, field

from vision.flames import FIRE, SMOKE
from vision.rules.base import SAME_S, Condition, at_least
from vision.rules.level import SIGHT_S, LevelRule, Reading
from vision.scene import RuleConfig, Scene
from vision.types import JsonValue, Track, Tracked


@dataclass(frozen=True, slots=True)
class Settings:
    min_score: float = field(
        default=0.3,
        metadata={"help": "The track's score times its factor must reach this."},
    )
    enter_s: float = field(default=2.0, metadata={"help": "Seconds of that before the rule fires."})
    leave_s: float = field(default=10.0, metadata={"help": "Seconds without it before it is over."})

    def __post_init__(self) -> None:
        at_least(self, min_score=0, enter_s=0, leave_s=0)
        if self.min_score > 1:
            raise ValueError(f"min_score is {self.min_score}, but must not be over 1")


@dataclass(frozen=True, slots=True, eq=False)
class _Reading(Reading):
    """``value`` is the ``best`` track's score times its factor; ``members`` are those that reach
    what is needed."""

    best: Track | None = None
    factor: float | None = None
    """The best one's, None where it was not looked at for long enough."""

    @property
    def words(self) -> str:
        if self.best is None:
            return "nothing"
        if self.factor is None:
            return f"{self.best.class_name} {self.best.score:.2f}, not looked at long enough"
        moves = f"moves like it {self.factor:.2f}"
        return f"{self.best.class_name} {self.best.score:.2f}, {moves}: {self.value:.2f}"


class SmokeFire(LevelRule[_Reading]):
    kind = "smoke_fire"
    place = "zone"
    classes = (FIRE, SMOKE)
    severity = "high"
    stages = ("flames",)
    cooldown_s = 60.0
    Settings = Settings

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        if not config.classes or not set(config.classes) <= {FIRE, SMOKE} or not scene.classes:
            raise ValueError(
                f"it looks for '{FIRE}' and '{SMOKE}' alone, and no model that comes with the "
                "program finds them: name a model of your own that does, and write 'classes: "
                f"[{FIRE}, {SMOKE}]' in the scene, or what it knows of them (docs/models.md)"
            )

    def read(self, tracked: Tracked, scene: Scene) -> _Reading:
        flames = tracked.observations.flames
        inside = [
            track
            for track in tracked.tracks
            if track.class_name in self.config.classes
            and tracked.ts - track.last_ts <= SIGHT_S + SAME_S
            and self._inside(track, scene)
        ]
        rated = [(track.score * flames.get(track.id, 0.0), track) for track in inside]
        # the oldest of equals, so that every replay names the same one
        rated.sort(key=lambda each: (-each[0], -each[1].score, each[1].id))
        if not rated:
            return _Reading(0.0)
        value, best = rated[0]
        needed = self.config.settings.min_score
        members = [track for score, track in rated if score > 0 and score >= needed]
        members.sort(key=lambda track: track.id)
        return _Reading(value, tuple(members), best, flames.get(best.id))

    def _inside(self, track: Track, scene: Scene) -> bool:
        """Flames stand on roofs and in windows, and smoke on nothing: the middle counts as well."""
        place = self.config.place
        middle = (track.box[:2] + track.box[2:]) / 2
        return scene.inside(place, track.path[-1, :2]) or scene.inside(place, middle)

    def high(self, reading: _Reading) -> bool:
        return bool(reading.members)

    def low(self, reading: _Reading) -> bool:
        return not reading.members

    def why(self, reading: _Reading, for_s: float) -> str:
        return f"{reading.words} in '{self.config.place}' for {for_s:.1f} s"

    def details(self, reading: _Reading) -> dict[str, JsonValue]:
        return {
            "seen": sorted({track.class_name for track in reading.members}),
            "factor": round(reading.factor or 0.0, 3),
            "checked_score": round(reading.value, 3),
            "min_score": self.config.settings.min_score,
        }

    def last_details(self, highest: _Reading) -> dict[str, JsonValue]:
        return {"most_score": round(highest.value, 3)}

    def conditions(self, reading: _Reading) -> tuple[Condition, ...]:
        kinds = " or ".join(self.config.classes)
        return (
            Condition(
                "seen", reading.best is not None, "nothing" if reading.best is None else
                reading.best.class_name, kinds,
            ),
            Condition(
                "score", self.high(reading), reading.words, f"{self.config.settings.min_score:g}"
            ),
        )  # fmt: skip
