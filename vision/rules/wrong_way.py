"""A vehicle drives against the direction of its lane."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.rules.base import SAME_S, Condition, TrackRule, Watch, at_least
from vision.scene import RuleConfig, Scene
from vision.thresholds import Threshold
from vision.types import Event, FloatArray, Track, Tracked

Floats: TypeAlias = NDArray[np.float64]

JUMP_S: Final = 0.2
"""A box goes to another car, or to the part of one that is in sight, within a picture or two."""
JUMP_SHARE: Final = 0.4
"""More of the way than this within ``JUMP_S`` is such a jump: who drives for a second has 0.2 of
it there, and up to twice as much in a view that is short."""
UNSEEN_S: Final = 1.0
"""Where it was out of sight for longer, nobody knows how it got there: tracks of what moves end
after as long."""
BACK_HEIGHTS: Final = 0.5
"""It drives the right way again once it has come back by so much."""
ASLANT: Final = 2.0
"""Up and down the picture a px is so many times as far as across it, as on ground that is seen at
30 degrees: 1 / sin 30."""
EDGE_SHARE: Final = 0.01
"""A box that ends within this part of the picture's height from an edge is cut off there, and
where its foot is nobody knows."""


@dataclass(frozen=True, slots=True)
class Settings:
    direction_deg: float = field(
        default=0.0,
        metadata={
            "help": "The direction of travel that is allowed, as it is seen in the picture: 0 is "
            "up, 90 to the right, 180 down, 270 to the left."
        },
    )
    tolerance_deg: float = field(
        default=60.0,
        metadata={
            "help": "Up to so much from the opposite direction is against it; all else crosses or "
            "turns."
        },
    )
    min_heights: float = field(
        default=2.5,
        metadata={"help": "Net way against it inside the zone, before the rule fires."},
    )
    within_s: float = field(
        default=2.0,
        metadata={
            "help": "It must be gone within so many seconds: who rolls back or parks is slower."
        },
    )
    min_s: float = field(
        default=1.0, metadata={"help": "Seconds that this must have taken at least."}
    )
    release_s: float = field(
        default=1.0,
        metadata={"help": "Seconds seen outside, or driving the right way, before it is over."},
    )

    def __post_init__(self) -> None:
        at_least(self, direction_deg=0, tolerance_deg=0, min_heights=0.5, min_s=0, release_s=0)
        at_least(self, within_s=self.min_s)
        if self.direction_deg > 360:
            raise ValueError(f"direction_deg is {self.direction_deg}, but must be from 0 to 360")
        if not 0 < self.tolerance_deg < 90:
            raise ValueError(
                f"tolerance_deg is {self.tolerance_deg}, but must be over 0 and below 90"
            )

    @property
    def against(self) -> Floats:
        """(2,): a px against the direction, x to the right and y down."""
        angle = math.radians(self.direction_deg)
        return np.array([-math.sin(angle), math.cos(angle)])


@dataclass(frozen=True, slots=True)
class _Run:
    """How something has gone lately: ``heights`` against the direction in ``seconds``, from
    ``since_s`` of its track on; ``drove_deg`` is where to and ``off_deg`` how far that is from
    straight against it; ``jump_share`` is the part of the way that it made at once."""

    heights: float = 0.0
    seconds: float = 0.0
    since_s: float = 0.0
    drove_deg: float = 0.0
    off_deg: float = 180.0
    jump_share: float = 0.0


@dataclass(slots=True, eq=False)
class _Way(Watch):
    """``gone`` (2,) px is the way that was seen inside the zone, ``last`` (x, y, seconds) where it
    was, None where it is not known. ``recent`` are seconds, ``gone`` and the box's height px, as
    long as ``within_s``; ``far_px`` is how far it came against the direction since it was told of.
    Outside since ``outside_s``."""

    last: FloatArray | None = None
    gone: Floats = field(default_factory=lambda: np.zeros(2))
    recent: deque[tuple[float, float, float, float]] = field(default_factory=deque)
    far_px: float = -math.inf
    outside_s: float | None = None


class WrongWay(TrackRule[_Way]):
    kind = "wrong_way"
    place = "zone"
    classes = ("car", "bus", "truck", "motorcycle", "bicycle")
    severity = "high"
    thresholds = (
        Threshold("min_heights", low=0.5, high=20, step=0.25),
        Threshold("tolerance_deg", low=5, high=85, step=5, stricter="down"),
    )
    Settings = Settings

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.min_s

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        settings: Settings = config.settings
        self._against: tuple[float, float] = tuple(settings.against.tolist())

    def watch(self) -> _Way:
        return _Way()

    def holds(self, track: Track, point: FloatArray, watch: _Way, scene: Scene) -> bool:
        settings: Settings = self.config.settings
        seconds = float(point[2])
        if not scene.inside(self.config.place, point[:2]):
            watch.last = None
            watch.outside_s = seconds if watch.outside_s is None else watch.outside_s
            if seconds - watch.outside_s >= settings.release_s - SAME_S:
                watch.recent.clear()
            return False
        watch.outside_s = None
        width, height = track.sizes[track.path[:, 2].searchsorted(point[2])].tolist()
        if _cut_off(point, width, scene.frame_size):
            watch.last = None
        else:
            self._go(point, height, watch)
        if watch.event is None:
            return self._came_back(watch) and all(self._met(self._run(watch)))
        # who stops on the wrong side is still there
        px = float(watch.gone @ settings.against)
        watch.far_px = max(watch.far_px, px)
        return bool(px > watch.far_px - BACK_HEIGHTS * height)

    def _go(self, point: FloatArray, height: float, watch: _Way) -> None:
        """Go on to ``point`` (3,), where the whole of a box of ``height`` px is in the picture."""
        settings: Settings = self.config.settings
        seconds = float(point[2])
        if watch.last is not None and seconds - watch.last[2] <= UNSEEN_S + SAME_S:
            watch.gone = watch.gone + (point[:2] - watch.last[:2])
        watch.last = point
        watch.recent.append((seconds, *watch.gone.tolist(), height))
        while seconds - watch.recent[0][0] > settings.within_s + SAME_S:
            watch.recent.popleft()

    def over(self, track_id: int, watch: _Way) -> None:
        del track_id
        watch.recent.clear()
        watch.far_px = -math.inf

    def _came_back(self, watch: _Way) -> bool:
        """Has it come any way against the direction? Of most the answer is no."""
        ax, ay = self._against
        px = [x * ax + y * ay for _, x, y, _ in watch.recent]
        return len(px) > 1 and px[-1] > min(px)

    def _run(self, watch: _Way) -> _Run:
        """From where it was least far against the direction, of the last ``within_s``."""
        if len(watch.recent) < 2:
            return _Run()
        against = self._against
        t, x, y, height = np.array(watch.recent).T
        px = x * against[0] + y * against[1]
        low = int(px.argmin())
        way = float(px[-1] - px[low])
        if way <= 0:
            return _Run()
        dx, dy = float(x[-1] - x[low]), float(y[-1] - y[low])
        # for each moment, where it was JUMP_S before, or a picture before
        before = np.searchsorted(t[low:], t[low + 1 :] - JUMP_S - SAME_S)
        before = np.minimum(before, np.arange(len(before)))
        jump = float((px[low + 1 :] - px[low:][before]).max())
        aslant = float(np.hypot(against[0], ASLANT * against[1]))
        return _Run(
            heights=way * aslant / float((height[low] + height[-1]) / 2),
            seconds=float(t[-1] - t[low]),
            since_s=float(t[low]),
            drove_deg=math.degrees(math.atan2(dx, -dy)) % 360,
            off_deg=math.degrees(math.atan2(abs(dx * against[1] - dy * against[0]), way)),
            jump_share=jump / way,
        )

    def raised(self, track: Track, watch: _Way, tracked: Tracked) -> Event | None:
        settings: Settings = self.config.settings
        run = self._run(watch)
        watch.far_px = float(watch.gone @ settings.against)
        return self.event(
            tracked,
            track,
            start_ts=track.first_ts + run.since_s,
            details={
                "why": f"{track.class_name} drove against the direction of '{self.config.place}' "
                f"for {run.seconds:.1f} s, {run.heights:.1f} times its height",
                "against_heights": round(run.heights, 2),
                "against_s": round(run.seconds, 2),
                "drove_deg": round(run.drove_deg, 1),
                "direction_deg": settings.direction_deg,
            },
        )

    def conditions(self, track: Track, watch: _Way, _tracked: Tracked) -> tuple[Condition, ...]:
        del track
        inside = bool(watch.recent) and watch.outside_s is None
        where = "inside" if inside else "outside"
        zone = Condition("zone", inside, where, f"inside '{self.config.place}'")
        return (zone, *self._needs(self._run(watch)))

    def _met(self, run: _Run) -> tuple[bool, ...]:
        """Whether the way, its time, its direction and its jumps are as they must be."""
        settings: Settings = self.config.settings
        return (
            run.heights >= settings.min_heights,
            run.seconds >= settings.min_s - SAME_S,
            run.off_deg <= settings.tolerance_deg,
            run.jump_share <= JUMP_SHARE,
        )

    def _needs(self, run: _Run) -> tuple[Condition, ...]:
        """What must be so of the way that something has gone."""
        settings: Settings = self.config.settings
        way, time, direction, jump = self._met(run)
        return (
            Condition(
                "way",
                way,
                f"{run.heights:.1f} heights against it in {run.seconds:.1f} s",
                f"{settings.min_heights:g} heights within {settings.within_s:g} s",
            ),
            Condition(
                "time",
                time,
                f"{run.seconds:.1f} s",
                f"{settings.min_s:g} s",
            ),
            Condition(
                "direction",
                direction,
                f"{run.off_deg:.0f}° from straight against it",
                f"{settings.tolerance_deg:g}°",
            ),
            Condition(
                "jump",
                jump,
                f"{run.jump_share:.0%} of the way at once",
                f"{JUMP_SHARE:.0%}",
            ),
        )


def _cut_off(point: FloatArray, width: float, size: tuple[int, int]) -> bool:
    """Does a box that stands at ``point`` (3,) touch the left, right or lower edge of a picture of
    ``size`` (w, h)?"""
    w, h = size
    rim = EDGE_SHARE * h
    x, y = float(point[0]), float(point[1])
    return bool(y >= h - rim or x - width / 2 <= rim or x + width / 2 >= w - rim)
