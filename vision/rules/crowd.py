"""Many are in a zone at the same time, for a while."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from vision.counting import PAUSE_S
from vision.rules.base import SAME_S, Condition, Explanation, Rule, at_least, ended
from vision.scene import RuleConfig, Scene
from vision.types import Event, Track, Tracked

SIGHT_S: Final = 0.5
"""Who was seen so shortly ago is still there: a box that flickers changes no count."""
OTHER_SHARE: Final = 0.2
"""Part of a time for which the count may be on the other side of the level."""
LEAVE_SHARE: Final = 0.8
"""The level at which a crowd is over, as a part of that at which it begins."""
MAX_MEMBERS: Final = 50
"""So many of a crowd's tracks are named."""


@dataclass(frozen=True, slots=True)
class Settings:
    enter_count: int = field(
        default=10, metadata={"help": "From so many on, inside at the same time, it is a crowd."}
    )
    enter_s: float = field(default=5.0, metadata={"help": "Seconds of that before the rule fires."})
    leave_count: int | None = field(
        default=None,
        metadata={"help": "Below so many the crowd is over; left out: four fifths of enter_count."},
    )
    leave_s: float = field(default=5.0, metadata={"help": "Seconds of that before it is."})

    def __post_init__(self) -> None:
        at_least(self, enter_count=1, enter_s=0, leave_count=1, leave_s=0)
        if self.leave_count is not None and self.leave_count > self.enter_count:
            raise ValueError(
                f"leave_count is {self.leave_count}, but must not be over enter_count, "
                f"{self.enter_count}"
            )

    @property
    def below_count(self) -> int:
        """``leave_count``, or what stands for it."""
        if self.leave_count is not None:
            return self.leave_count
        return max(1, math.floor(LEAVE_SHARE * self.enter_count))


@dataclass(slots=True)
class _Stretch:
    """A time in which something holds, but for a few moments: since ``since_ts``, for ``other_s``
    of it not."""

    since_ts: float | None = None
    other_s: float = 0.0
    _last_ts: float = 0.0
    _held: bool = False

    def update(self, ts: float, holds: bool) -> None:
        """Go on to ``ts``: what held before did so until now, if somebody watched."""
        if ts - self._last_ts > PAUSE_S:
            self.since_ts = None
        if self.since_ts is not None:
            self.other_s += 0.0 if self._held else ts - self._last_ts
            if self.other_s > OTHER_SHARE * max(ts - self.since_ts, SIGHT_S) + SAME_S:
                self.since_ts = None
        if self.since_ts is None and holds:
            self.since_ts, self.other_s = ts, 0.0
        self._last_ts, self._held = ts, holds

    def lasts(self, ts: float) -> float:
        """For how many seconds, 0 where it does not."""
        return 0.0 if self.since_ts is None else ts - self.since_ts


class Crowd(Rule):
    kind = "crowd"
    place = "zone"
    classes = ("person",)
    severity = "medium"
    Settings = Settings

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._many = _Stretch()
        self._few = _Stretch()
        self._event: Event | None = None
        self._most = 0
        self._held_ts = -math.inf

    @property
    def patience_s(self) -> float:
        settings: Settings = self.config.settings
        return settings.enter_s

    def _members(self, tracked: Tracked, scene: Scene) -> list[Track]:
        return [
            track
            for track in tracked.tracks
            if track.class_name in self.config.classes
            and tracked.ts - track.last_ts <= SIGHT_S + SAME_S
            and scene.inside(self.config.place, track.path[-1, :2])
        ]

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        settings: Settings = self.config.settings
        members, ts = self._members(tracked, scene), tracked.ts
        count = len(members)
        if self._event is None:
            self._many.update(ts, count >= settings.enter_count)
            if count < settings.enter_count or self._many.lasts(ts) < settings.enter_s - SAME_S:
                return []
            self._event = self._raised(tracked, members)
            self._most, self._held_ts, self._few = count, ts, _Stretch()
            return [self._event]
        self._most = max(self._most, count)
        self._few.update(ts, count < settings.below_count)
        if self._few.since_ts is None:
            self._held_ts = ts
        if self._few.since_ts is None or self._few.lasts(ts) < settings.leave_s - SAME_S:
            return []
        event = ended(self._event, self._held_ts)
        self._event, self._many = None, _Stretch()
        return [replace(event, details={**event.details, "most_count": self._most})]

    def _raised(self, tracked: Tracked, members: list[Track]) -> Event:
        settings: Settings = self.config.settings
        since_ts = tracked.ts if self._many.since_ts is None else self._many.since_ts
        x1, y1, x2, y2 = _around(members)
        return self.statement(
            tracked,
            start_ts=since_ts,
            subject=f"{x1:.1f},{y1:.1f},{x2:.1f},{y2:.1f}",
            track_ids=tuple(track.id for track in members[:MAX_MEMBERS]),
            score=float(np.mean([track.score for track in members])),
            details={
                "why": f"{len(members)} in '{self.config.place}', {settings.enter_count} or more "
                f"for {tracked.ts - since_ts:.1f} s",
                "count": len(members),
                "enter_count": settings.enter_count,
                "members_px": [round(value, 1) for value in (x1, y1, x2, y2)],
            },
        )

    def explain(self, tracked: Tracked, scene: Scene) -> list[Explanation]:
        settings: Settings = self.config.settings
        members = self._members(tracked, scene)
        many_s = self._many.lasts(tracked.ts)
        conditions = (
            Condition(
                "count",
                len(members) >= settings.enter_count,
                f"{len(members)} {' or '.join(self.config.classes)}",
                f"{settings.enter_count}",
            ),
            Condition(
                "time",
                many_s >= settings.enter_s - SAME_S and self._many.since_ts is not None,
                f"{many_s:.1f} s",
                f"{settings.enter_s:g} s",
            ),
        )
        return [
            Explanation(
                self.config.name,
                self.kind,
                self.config.place,
                None,
                conditions,
                None if self._event is None else self._event.id,
                _around(members) if members else None,
            )
        ]


def _around(members: list[Track]) -> tuple[float, float, float, float]:
    """The box around those of all, px."""
    boxes = np.array([track.box for track in members], np.float64)
    x1, y1 = boxes[:, :2].min(axis=0).tolist()
    x2, y2 = boxes[:, 2:].max(axis=0).tolist()
    return x1, y1, x2, y2
