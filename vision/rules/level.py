"""What rules share that watch how much there is of something in a place: an event opens after it
was much for a while, and ends after it was little for a while."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

import numpy as np

from vision.counting import PAUSE_S
from vision.rules.base import SAME_S, Condition, Explanation, Rule, ended
from vision.scene import RuleConfig, Scene
from vision.types import Event, JsonValue, Track, Tracked

SIGHT_S: Final = 0.5
"""Who was seen so shortly ago is still there: a box that flickers changes no count."""
OTHER_SHARE: Final = 0.2
"""Part of a time for which the level may be on the other side."""
LEAVE_SHARE: Final = 0.8
"""Where a rule's settings say nothing else, it is over below this part of what it began at."""
MAX_MEMBERS: Final = 50
"""So many of the tracks are named."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How much there is at one moment: ``value``, in the unit of the rule's thresholds, of
    ``members``. Kinds add what they tell."""

    value: float
    members: tuple[Track, ...] = ()

    @property
    def around(self) -> Box | None:
        """The box around all members, px; None where there are none."""
        if not self.members:
            return None
        boxes = np.array([track.box for track in self.members], np.float64)
        x1, y1 = boxes[:, :2].min(axis=0).tolist()
        x2, y2 = boxes[:, 2:].max(axis=0).tolist()
        return x1, y1, x2, y2


R = TypeVar("R", bound=Reading)


@dataclass(slots=True)
class Stretch:
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


@dataclass(slots=True, eq=False)
class _Open(Generic[R]):
    """What was raised, the highest reading since, and when it last was not low."""

    event: Event
    highest: R
    held_ts: float
    low: Stretch = field(default_factory=Stretch)


class LevelRule(Rule, Generic[R]):
    """A rule about how much there is of something in its place. ``Settings`` has ``enter_s`` and
    ``leave_s``, the seconds for which it must be much before the rule fires, and little before it
    is over."""

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._high = Stretch()
        self._open: _Open[R] | None = None
        self._now: R | None = None

    @property
    def patience_s(self) -> float:
        return float(self.config.settings.enter_s)

    @abstractmethod
    def read(self, tracked: Tracked, scene: Scene) -> R:
        """How much there is in this step; may keep what the next one needs."""

    @abstractmethod
    def high(self, reading: R) -> bool:
        """Is it so much that the rule may fire?"""

    @abstractmethod
    def low(self, reading: R) -> bool:
        """Is it so little that it may be over?"""

    @abstractmethod
    def why(self, reading: R, for_s: float) -> str:
        """Why it fires, a clause in words; it is much for ``for_s`` seconds."""

    @abstractmethod
    def details(self, reading: R) -> dict[str, JsonValue]:
        """What else there is to say when it fires."""

    @abstractmethod
    def last_details(self, highest: R) -> dict[str, JsonValue]:
        """What to add when it is over; ``highest`` was the most."""

    @abstractmethod
    def conditions(self, reading: R) -> tuple[Condition, ...]:
        """What must be so before it fires, and how it is now; the time is not among them."""

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        now, ts = self.read(tracked, scene), tracked.ts
        self._now = now
        opened = self._open
        if opened is None:
            self._high.update(ts, self.high(now))
            since_ts = self._high.since_ts
            enter_s = self.config.settings.enter_s
            if since_ts is None or not self.high(now) or ts - since_ts < enter_s - SAME_S:
                return []
            event = self._raised(tracked, now, since_ts)
            self._open = _Open(event, now, ts)
            return [event]
        if now.value > opened.highest.value:
            opened.highest = now
        opened.low.update(ts, self.low(now))
        if opened.low.since_ts is None:
            opened.held_ts = ts
        leave_s = self.config.settings.leave_s
        if opened.low.since_ts is None or opened.low.lasts(ts) < leave_s - SAME_S:
            return []
        last = ended(opened.event, opened.held_ts)
        self._open, self._high = None, Stretch()
        return [replace(last, details={**last.details, **self.last_details(opened.highest)})]

    def _raised(self, tracked: Tracked, now: R, since_ts: float) -> Event:
        around = now.around
        details = {"why": self.why(now, tracked.ts - since_ts), **self.details(now)}
        if around is not None:
            details["members_px"] = [round(value, 1) for value in around]
        scores = [track.score for track in now.members]
        return self.statement(
            tracked,
            start_ts=since_ts,
            subject="" if around is None else ",".join(f"{value:.1f}" for value in around),
            track_ids=tuple(track.id for track in now.members[:MAX_MEMBERS]),
            score=float(np.mean(scores)) if scores else 1.0,
            details=details,
        )

    def explain(self, tracked: Tracked, scene: Scene) -> list[Explanation]:
        del scene
        config, now = self.config, self._now
        if now is None:
            return []
        high_s, enter_s = self._high.lasts(tracked.ts), config.settings.enter_s
        long = self._high.since_ts is not None and high_s >= enter_s - SAME_S
        conditions = (
            *self.conditions(now),
            Condition("time", long, f"{high_s:.1f} s", f"{enter_s:g} s"),
        )
        event_id = None if self._open is None else self._open.event.id
        return [
            Explanation(
                config.name, self.kind, config.place, None, conditions, event_id, now.around
            )
        ]
