"""Somebody fell, collapsed or lies on the ground, told by poses: detectors lose who lies."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from vision.geometry import Box, overlap
from vision.pose import MIN_HEIGHT_PX, outline
from vision.rules.base import SAME_S, Condition, Explanation, Rule, at_least, ended
from vision.scene import RuleConfig, Scene
from vision.types import Event, FloatArray, JsonValue, Pose, Track, Tracked

LOOKS = 3
"""The fewest looks that must show it: one may be wrong."""
HOLD_S = 1.0
"""What a look shows holds until the next one, but no longer than this."""
KEEP_S = 5.0
"""Who was not looked at for so long, and of whom nothing is open, is forgotten."""
MAX_KEPT = 64
"""So many looks at one person are kept."""
SAME_IOU = 0.4
"""Two whose poses overlap by so much are one person, followed twice."""
BOTTOM = 0.97
"""Of somebody whose pose ends so far down the picture, as a part of its height,"""
LEGS_SCORE = 0.2
"""the legs are seen as surely as this, or the picture cuts them off: who walks out of it at the
bottom is only a head and shoulders at last, wider than high."""
LEAST_LONG = 0.2
"""Nobody is shorter than this part of the height that it stood at, however it lies: a smaller pose
is of something else."""
SHOULDERS, HIPS, LEGS = slice(5, 7), slice(11, 13), slice(11, 17)
"""Rows of a pose's keypoints."""


@dataclass(frozen=True, slots=True)
class Settings:
    down_s: float = field(
        default=1.2, metadata={"help": "So many seconds of poses are looked at together."}
    )
    down_share: float = field(
        default=0.65, metadata={"help": "The part of them that must be down before it fires."}
    )
    pose_score: float = field(
        default=0.2, metadata={"help": "A pose of which the model is less sure is not down."}
    )
    wide_heights: float = field(
        default=1.2,
        metadata={"help": "Who is down is at least so many of the pose's own heights wide."},
    )
    tilt_deg: float = field(
        default=50.0, metadata={"help": "Either the trunk leans further than this from upright."}
    )
    low_heights: float = field(
        default=0.6,
        metadata={"help": "Or the pose is lower than this part of the standing person."},
    )
    fall_heights: float = field(
        default=0.2, metadata={"help": "And its middle is so much lower than it was."}
    )
    up_s: float = field(
        default=1.5, metadata={"help": "Seconds of poses that are not down before it is over."}
    )
    gone_s: float = field(
        default=10.0, metadata={"help": "Seconds without a pose that is down before it is over."}
    )

    def __post_init__(self) -> None:
        at_least(
            self, down_s=0.5, down_share=0.01, pose_score=0, wide_heights=0, tilt_deg=0,
            low_heights=0, fall_heights=0, up_s=0, gone_s=0,
        )  # fmt: skip
        for name in ("down_share", "pose_score"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must not be over 1")


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a pose is held: its outline ``box`` px, how many of its heights it is wide, how far its
    trunk leans, and parts of the standing person's height: its own height, and by how much its
    middle fell (None where nobody saw it stand)."""

    box: Box
    wide: float
    tilt_deg: float
    low: float | None
    fell: float | None
    upright_px: float | None

    @property
    def words(self) -> str:
        said = f"{self.wide:.1f} times as wide as high, trunk {self.tilt_deg:.0f}° from upright"
        if self.low is not None and self.fell is not None:
            said += f", {self.low:.2f} of its height, {self.fell:.2f} lower than it stood"
        return said


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a person: ``shape`` is None where no pose was found."""

    ts: float
    down: bool
    shape: _Shape | None


@dataclass(slots=True, eq=False)
class _Watch:
    """What is known of one person: its last track, the last ``looks``, when it was last
    ``down_ts``, since when it is up, for how many watched seconds it was not seen down, and what
    was raised."""

    track_id: int
    looks: deque[_Look] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    down_ts: float = -math.inf
    up_ts: float | None = None
    away_s: float = 0.0
    event: Event | None = None

    @property
    def box(self) -> Box | None:
        """Where its last pose is, px."""
        shapes = [look.shape for look in self.looks if look.shape is not None]
        return shapes[-1].box if shapes else None


class PersonDown(Rule):
    kind = "person_down"
    place = "zone"
    classes = ("person",)
    severity = "high"
    stages = ("poses",)
    # who lies is hidden and found again
    cooldown_s = 60.0
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._watches: dict[int, _Watch] = {}
        self._ts = from_ts

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        del scene
        if config.classes != ("person",):
            raise ValueError("its poses are those of people: 'classes' must be 'person' alone")

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.down_share * settings.down_s

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        if not tracked.quality.trusted or tracked.ts < self.from_ts:
            return []
        step_s = min(max(tracked.ts - self._ts, 0.0), HOLD_S)
        self._ts = tracked.ts
        poses = {pose.person: pose for pose in tracked.observations.poses}
        found: list[Event] = []
        for number in sorted(tracked.observations.looked):
            watch = self._watches.setdefault(number, _Watch(number))
            found += self._look(watch, poses.get(number), tracked, scene)
        for number, watch in [*self._watches.items()]:
            watch.away_s += step_s
            if watch.event is None:
                if not watch.looks or tracked.ts - watch.looks[-1].ts > KEEP_S:
                    del self._watches[number]
            elif watch.away_s > self.config.settings.gone_s + step_s - SAME_S:
                found.append(ended(watch.event, watch.down_ts, lost=True))
                del self._watches[number]
        return found

    def _look(
        self, watch: _Watch, pose: Pose | None, tracked: Tracked, scene: Scene
    ) -> list[Event]:
        """What one look at a person says."""
        settings: Settings = self.config.settings
        ts = tracked.ts
        shape = None if pose is None else _shape(pose)
        down = pose is not None and shape is not None and self._down(pose, shape, scene)
        watch.looks.append(_Look(ts, down, shape))
        while ts - watch.looks[0].ts > settings.down_s + LOOKS * HOLD_S:
            watch.looks.popleft()
        if pose is None or shape is None:
            return []
        watch.track_id = watch.track_id if pose.track_id is None else pose.track_id
        if down:
            watch.down_ts, watch.up_ts, watch.away_s = ts, None, 0.0
            if watch.event is None and all(each.met for each in self._conditions(watch, ts)):
                other = self._same(watch, shape.box)
                if other is None:
                    watch.event = self._raised(watch, pose, shape, tracked)
                    return [watch.event]
                other.down_ts, other.up_ts, other.away_s = ts, None, 0.0
            return []
        watch.up_ts = ts if watch.up_ts is None else watch.up_ts
        event = watch.event
        if event is None or ts - watch.up_ts < settings.up_s - SAME_S:
            return []
        watch.event = None
        return [ended(event, watch.down_ts)]

    def _down(self, pose: Pose, shape: _Shape, scene: Scene) -> bool:
        """Whether a pose in the zone is that of somebody who lies."""
        settings: Settings = self.config.settings
        if pose.score < settings.pose_score or shape.wide < settings.wide_heights:
            return False
        if shape.low is not None and shape.wide * shape.low < LEAST_LONG:
            return False
        x1, y1, x2, y2 = shape.box
        legs_score = float(pose.keypoints[LEGS, 2].mean())
        if y2 > BOTTOM * scene.frame_size[1] and legs_score < LEGS_SCORE:
            return False
        if not scene.inside(self.config.place, np.array([(x1 + x2) / 2, (y1 + y2) / 2])):
            return False
        if shape.tilt_deg > settings.tilt_deg:
            return True
        return (
            shape.low is not None
            and shape.fell is not None
            and shape.low < settings.low_heights
            and shape.fell > settings.fall_heights
        )

    def _downs(self, watch: _Watch, ts: float) -> tuple[float, int, float]:
        """Of the last ``down_s`` the seconds that were down, in how many looks, and since when."""
        looks = [*watch.looks]
        from_ts = ts - self.config.settings.down_s
        last = looks[-LOOKS:]
        if len(last) == LOOKS and all(look.down for look in last):
            # of pictures that come once a second there are not as many in that time
            from_ts = min(from_ts, last[0].ts)
        total_s, count, since_ts = 0.0, 0, ts
        for look, until_ts in zip(looks, [*(each.ts for each in looks[1:]), ts], strict=True):
            until_ts = min(until_ts, look.ts + HOLD_S)
            if look.down and (until_ts > from_ts or look.ts >= from_ts - SAME_S):
                total_s += until_ts - max(look.ts, from_ts)
                count += 1
                since_ts = min(since_ts, look.ts)
        return total_s, count, since_ts

    def _same(self, watch: _Watch, box: Box) -> _Watch | None:
        """Another watch with an open event about whoever is in ``box``."""
        for other in self._watches.values():
            if other is watch or other.event is None or other.box is None:
                continue
            if overlap(other.box, box) >= SAME_IOU:
                return other
        return None

    def _raised(self, watch: _Watch, pose: Pose, shape: _Shape, tracked: Tracked) -> Event:
        settings: Settings = self.config.settings
        down_s, _, since_ts = self._downs(watch, tracked.ts)
        x1, y1, x2, y2 = (round(side, 1) for side in shape.box)
        details: dict[str, JsonValue] = {
            "class": "person",
            "box_px": [x1, y1, x2, y2],
            "foot_px": [round((x1 + x2) / 2, 1), y2],
            "why": f"somebody lies in '{self.config.place}' for {down_s:.1f} of the last "
            f"{settings.down_s:g} s: {shape.words}",
            "down_for_s": round(down_s, 2),
            "down_s": settings.down_s,
            "wide_heights": round(shape.wide, 2),
            "tilt_deg": round(shape.tilt_deg, 1),
        }
        if shape.low is not None and shape.fell is not None and shape.upright_px is not None:
            details["upright_px"] = round(shape.upright_px, 1)
            details["low_heights"] = round(shape.low, 2)
            details["fell_heights"] = round(shape.fell, 2)
        return self.statement(
            tracked,
            start_ts=max(since_ts, self.from_ts),
            subject=f"{x1:.0f},{y2:.0f}",
            track_ids=(watch.track_id,),
            score=pose.score,
            details=details,
        )

    def explain(self, tracked: Tracked, scene: Scene) -> list[Explanation]:
        del scene
        found = []
        watches = dict(self._watches)
        for track in tracked.tracks:
            if track.class_name != "person":
                continue
            number = next((n for n, w in watches.items() if w.track_id == track.id), None)
            watch = None if number is None else watches.pop(number)
            x1, y1, x2, y2 = map(float, track.box)
            box = None if watch is None or track.last_ts >= tracked.ts else watch.box
            conditions = (
                self._unseen(tracked, track)
                if watch is None
                else self._conditions(watch, tracked.ts)
            )
            found.append(self._told(watch, track.id, conditions, box or (x1, y1, x2, y2)))
        for watch in watches.values():
            if watch.box is not None:
                conditions = self._conditions(watch, tracked.ts)
                found.append(self._told(watch, None, conditions, watch.box))
        return found

    def _told(
        self,
        watch: _Watch | None,
        track_id: int | None,
        conditions: tuple[Condition, ...],
        box: Box,
    ) -> Explanation:
        event = None if watch is None else watch.event
        config = self.config
        event_id = None if event is None else event.id
        return Explanation(
            config.name, self.kind, config.place, track_id, conditions, event_id, box
        )

    def _unseen(self, tracked: Tracked, track: Track) -> tuple[Condition, ...]:
        """Why nobody looked at the pose of ``track``."""
        small_px = tracked.observations.small.get(track.id)
        if small_px is not None:
            return (Condition("size", False, f"{small_px:.0f} px tall", f"{MIN_HEIGHT_PX:g} px"),)
        return (Condition("pose", False, "stands, or is outside the zone", "a person who lies"),)

    def _conditions(self, watch: _Watch, ts: float) -> tuple[Condition, ...]:
        """What must be so of somebody who was looked at."""
        settings: Settings = self.config.settings
        last = watch.looks[-1]
        down_s, count, _ = self._downs(watch, ts)
        needed_s = settings.down_share * settings.down_s
        return (
            Condition(
                "pose",
                last.down,
                "no pose is found" if last.shape is None else last.shape.words,
                f"in the zone, {settings.wide_heights:g} times as wide as high, trunk "
                f"{settings.tilt_deg:g}° from upright or {settings.low_heights:g} of its height",
            ),
            Condition("looks", count >= LOOKS, f"{count} show it", f"{LOOKS}"),
            Condition("time", down_s >= needed_s - SAME_S, f"{down_s:.1f} s", f"{needed_s:.1f} s"),
        )


def _shape(pose: Pose) -> _Shape:
    box = outline(pose.keypoints)
    x1, y1, x2, y2 = box
    height = max(y2 - y1, 1.0)
    x, y = _between(pose.keypoints, HIPS) - _between(pose.keypoints, SHOULDERS)
    upright_px, fell_px = pose.upright_px, pose.fell_px
    known = upright_px is not None and fell_px is not None and upright_px > 0
    return _Shape(
        box=box,
        wide=(x2 - x1) / height,
        tilt_deg=math.degrees(math.atan2(abs(float(x)), float(y))),
        low=height / upright_px if known and upright_px else None,
        fell=fell_px / upright_px if known and upright_px and fell_px is not None else None,
        upright_px=upright_px if known else None,
    )


def _between(keypoints: FloatArray, rows: slice) -> FloatArray:
    """The point (2,) px between two keypoints."""
    return np.asarray(keypoints[rows, :2].mean(axis=0), np.float32)
