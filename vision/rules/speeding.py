"""Something drives faster over the ground than is allowed, beyond doubt."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vision.groundspeed import Floats, GroundSpeed, Speed
from vision.region import region_of
from vision.rules.base import SAME_S, Condition, TrackRule, Watch, at_least
from vision.scene import RuleConfig, Scene
from vision.types import Event, FloatArray, Track, Tracked

MAX_FIXES: Final = 128
"""Foot points of a window that are kept at most."""
MAX_WINDOW_S: Final = 5.0
"""So many seconds of 25 pictures are kept, and nobody drives evenly for longer."""
FULL_SHARE: Final = 0.5
"""Part of the window from which on a speed is told: what is fast is soon gone."""
EDGE_SHARE: Final = 0.01
"""A box that ends so near to the picture's edge, as a share of the picture's height, is cut off
there: its foot is estimated."""
APART_SIDES: Final = 0.5
"""A box of which the foot is so far from where the track has it, in mean sides of the box, is not
one of this vehicle alone."""
HIDDEN_SHARE: Final = 0.1
"""A box of which a nearer one covers a larger part may be hidden where it stands."""
NEARER_HEIGHTS: Final = 0.05
"""What stands so far below in the picture, in heights of the box, is nearer."""
GROWTH_SHARE: Final = 0.3
"""By so much the height in metres may change within a window (natural logarithm): more means that
something hides a part of it that it does not see, and then the foot goes its own way."""


@dataclass(frozen=True, slots=True)
class Settings:
    limit_kmh: float = field(default=50.0, metadata={"help": "The speed that is allowed."})
    window_s: float = field(
        default=1.0, metadata={"help": "Seconds of its way from which a speed is measured."}
    )
    hold_s: float = field(
        default=0.3,
        metadata={"help": "Seconds for which it must be too fast beyond doubt before it is told."},
    )
    min_m: float = field(
        default=8.0, metadata={"help": "Metres that it must have come in the zone."}
    )
    max_step_m: float = field(
        default=0.3,
        metadata={"help": "Where one px is more metres of ground, nothing is measured."},
    )
    release_s: float = field(
        default=1.0, metadata={"help": "Seconds seen outside, or slow again, before it is over."}
    )

    def __post_init__(self) -> None:
        at_least(self, limit_kmh=1, window_s=0.5, hold_s=0, min_m=0, max_step_m=0.001, release_s=0)
        if self.window_s > MAX_WINDOW_S:
            raise ValueError(
                f"window_s is {self.window_s:g}, but must not be over {MAX_WINDOW_S:g}"
            )


@dataclass(frozen=True, slots=True)
class _Fix:
    """The foot ``x``, ``y`` px of a whole box at ``s`` seconds of its track, and the logarithm of
    its height in metres."""

    s: float
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known at one point of a track: is it in the zone, is its box whole, how coarse is
    the ground there, how far has it come, how did its height change, and how fast is it."""

    inside: bool = False
    whole: bool = False
    step_m: float = math.inf
    came_m: float = 0.0
    growth: float = 0.0
    speed: Speed | None = None


@dataclass(slots=True, eq=False)
class _Passage(Watch):
    """``fixes`` of the window, ``start`` the first of them in the zone; ``facts`` of the latest
    point, and ``sure_ts`` since when they say that it is too fast."""

    fixes: deque[_Fix] = field(default_factory=lambda: deque(maxlen=MAX_FIXES))
    start: _Fix | None = None
    facts: _Facts = field(default_factory=_Facts)
    sure_ts: float | None = None


class Speeding(TrackRule[_Passage]):
    kind = "speeding"
    place = "zone"
    classes = ("car", "motorcycle", "bus", "truck")
    severity = "medium"
    raw_boxes = True
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._ground: GroundSpeed | None = None
        self._boxes: dict[int, FloatArray] = {}
        self._vehicles = np.zeros((0, 4), np.float32)
        self._whole = (0.0, 0.0, math.inf, math.inf)

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        if scene.calibration is None:
            raise ValueError(
                "speeds are measured in a calibrated view only; add 'calibration' to this view, "
                "with four marks on the road whose places in metres are known"
            )
        ground = GroundSpeed(scene.calibration)
        step_m = min(ground.step_m(corner) for corner in scene.zone(config.place).polygon)
        if step_m > config.settings.max_step_m:
            raise ValueError(
                f"max_step_m is {config.settings.max_step_m:g}, but in all of zone "
                f"'{config.place}' a px is {step_m:.2g} m of ground or more; draw the zone nearer "
                "to the camera"
            )

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.window_s + settings.hold_s

    def watch(self) -> _Passage:
        return _Passage()

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        if self._ground is None and scene.calibration is not None:
            self._ground = GroundSpeed(scene.calibration)
            self._whole = _whole(scene)
        # the boxes themselves: a filtered path follows a change of speed late, and its errors
        # go together for a second, so that nobody can tell from it how good it is
        boxes = tracked.detections.xyxy
        self._boxes = dict(zip(tracked.track_id.tolist(), boxes, strict=True))
        wanted = [name in self.config.classes for name in tracked.classes]
        self._vehicles = boxes[np.array(wanted, np.bool_)[tracked.detections.class_id]]
        found = super().update(tracked, scene)
        self._boxes, self._vehicles = {}, self._vehicles[:0]
        return found

    def holds(self, track: Track, point: FloatArray, watch: _Passage, scene: Scene) -> bool:
        settings: Settings = self.config.settings
        watch.facts = facts = self._look(track, point, watch, scene)
        sure = all(condition.met for condition in self._needs(facts))
        if not sure:
            watch.sure_ts = None
        elif watch.sure_ts is None:
            watch.sure_ts = track.first_ts + float(point[2])
        if watch.event is None:
            return sure
        # until it is slow again, not until there is a doubt
        return facts.inside and (facts.speed is None or facts.speed.kmh > settings.limit_kmh)

    def _look(self, track: Track, point: FloatArray, watch: _Passage, scene: Scene) -> _Facts:
        ground, settings = self._ground, self.config.settings
        if ground is None or not scene.inside(self.config.place, point[:2]):
            watch.start = None
            watch.fixes.clear()
            return _Facts()
        # boxes of the past are not kept, and a track's first ones are of its past
        box = self._boxes.get(track.id) if point[2] == track.path[-1, 2] else None
        if box is None or not self._is_whole(box, point):
            return _Facts(inside=True)
        x1, y1, x2, y2 = map(float, box)
        foot = np.array([(x1 + x2) / 2, y2])
        step_m = ground.step_m(foot)
        if step_m > settings.max_step_m:
            return _Facts(inside=True, whole=True, step_m=step_m)
        across_m = float(np.hypot(*ground.calibration.m_per_px(foot[None])[0, :, 0]))
        height_m = across_m * max(y2 - y1, 1.0)
        fix = _Fix(float(point[2]), float(foot[0]), y2, math.log(height_m))
        fixes = watch.fixes
        fixes.append(fix)
        while fix.s - fixes[0].s > settings.window_s + SAME_S:
            fixes.popleft()
        watch.start = start = watch.start or fix
        here, there = ground.calibration.to_ground(np.array([[start.x, start.y], [fix.x, fix.y]]))
        times = np.array([each.s for each in fixes])
        long = times[-1] - times[0] >= FULL_SHARE * settings.window_s - SAME_S
        px = np.array([[each.x, each.y] for each in fixes])
        speed = ground.speed(times, px) if long else None
        return _Facts(
            inside=True,
            whole=True,
            step_m=step_m,
            came_m=float(np.hypot(*(there - here))),
            growth=_growth(times, np.array([each.height for each in fixes])),
            speed=speed,
        )

    def _is_whole(self, box: FloatArray, point: FloatArray) -> bool:
        """Whether a box (4,) is neither cut off nor hidden, and is that of the track whose path
        has ``point``."""
        x1, y1, x2, y2 = map(float, box)
        left, _, right, bottom = self._whole
        a1, b1, a2, b2 = self._vehicles.T
        across = np.minimum(a2, x2) - np.maximum(a1, x1)
        down = np.minimum(b2, y2) - np.maximum(b1, y1)
        covered = np.maximum(across, 0) * np.maximum(down, 0) / max((x2 - x1) * (y2 - y1), 1.0)
        if (covered[b2 > y2 + NEARER_HEIGHTS * (y2 - y1)] > HIDDEN_SHARE).any():
            return False
        apart = math.hypot((x1 + x2) / 2 - float(point[0]), y2 - float(point[1]))
        side = math.sqrt(max((x2 - x1) * (y2 - y1), 1.0))
        return left < x1 and x2 < right and y2 < bottom and apart < APART_SIDES * side

    def raised(self, track: Track, watch: _Passage, tracked: Tracked) -> Event | None:
        settings: Settings = self.config.settings
        facts, speed, sure_ts = watch.facts, watch.facts.speed, watch.sure_ts
        if speed is None or sure_ts is None or tracked.ts - sure_ts < settings.hold_s - SAME_S:
            return None
        return self.event(
            tracked,
            track,
            start_ts=sure_ts,
            details={
                "why": f"{track.class_name} in '{self.config.place}' at {_told(speed)}, over "
                f"{settings.limit_kmh:g} km/h beyond doubt for {tracked.ts - sure_ts:.1f} s",
                "speed_kmh": round(speed.kmh, 1),
                "uncertainty_kmh": round(speed.sd_kmh, 1),
                "limit_kmh": settings.limit_kmh,
                "came_m": round(facts.came_m, 1),
                "step_m": round(facts.step_m, 3),
            },
        )

    def _needs(self, facts: _Facts) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        speed = facts.speed
        sure = speed is not None and speed.at_least_kmh > settings.limit_kmh
        inside, place = facts.inside, f"inside '{self.config.place}'"
        coarse = f"a px is {facts.step_m:.2g} m" if math.isfinite(facts.step_m) else "not known"
        return (
            Condition("zone", inside, "inside" if inside else "outside", place),
            Condition(
                "box",
                facts.whole,
                "whole" if facts.whole else "cut off, hidden, or not its own",
                "whole, away from the edge and nearer ones",
            ),
            Condition(
                "ground",
                facts.step_m <= settings.max_step_m,
                coarse,
                f"a px is {settings.max_step_m:g} m or less",
            ),
            Condition(
                "way",
                facts.came_m >= settings.min_m,
                f"{facts.came_m:.1f} m",
                f"{settings.min_m:g} m",
            ),
            Condition(
                "height",
                abs(facts.growth) <= GROWTH_SHARE,
                f"changed by {math.expm1(facts.growth):+.0%}",
                f"changes by {math.expm1(GROWTH_SHARE):.0%} at most",
            ),
            Condition(
                "speed",
                sure,
                "not measured" if speed is None else _told(speed),
                f"over {settings.limit_kmh:g} km/h by twice its uncertainty",
            ),
        )

    def conditions(self, track: Track, watch: _Passage, _tracked: Tracked) -> tuple[Condition, ...]:
        settings: Settings = self.config.settings
        for_s = 0.0 if watch.sure_ts is None else track.last_ts - watch.sure_ts
        long = watch.sure_ts is not None and for_s >= settings.hold_s - SAME_S
        return (
            *self._needs(watch.facts),
            Condition("time", long, f"{for_s:.1f} s", f"{settings.hold_s:g} s"),
        )


def _told(speed: Speed) -> str:
    return f"{speed.kmh:.0f} km/h (uncertainty {speed.sd_kmh:.1f})"


def _whole(scene: Scene) -> tuple[float, float, float, float]:
    """Left, top, right, bottom px between which a box is whole: of the picture, or of the part
    of it that is analysed."""
    w, h = scene.frame_size
    x, y, width, height = region_of(scene, scene.frame_size) or (0, 0, w, h)
    margin = EDGE_SHARE * h
    return x + margin, y + margin, x + width - margin, y + height - margin


def _growth(times: Floats, heights: Floats) -> float:
    """By how much a straight line through the logarithms ``heights`` (n,) at ``times`` (n,) rises
    from the first to the last."""
    since = times - times.mean()
    spread = float((since**2).sum())
    if spread <= 0:
        return 0.0
    return float((since * heights).sum() / spread * (times[-1] - times[0]))
