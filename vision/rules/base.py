"""What a rule is, how its events get their ids, and what rules about single tracks share."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from vision.scene import RuleConfig, Scene
from vision.types import Event, FloatArray, JsonValue, Severity, Track, Tracked

SAME_S = 1e-3
"""Times that differ by less are the same: a path's seconds are float32, and a dwell of 1 s at 10
frames a second must not take 11 of them for a rounding."""


def event_id(camera_id: str, rule: str, place: str, start_ts: float, subject: str) -> str:
    """The same statement about the same ``subject`` (a track, say) has the same id on replay."""
    # names are free text: a separator that they cannot hold keeps different keys different
    key = "\0".join((camera_id, rule, place, f"{start_ts:.3f}", subject))
    return hashlib.sha256(key.encode()).hexdigest()[:20]


class Rule(ABC):
    """One incident kind watching one place of one camera.

    A subclass lives in ``vision/rules/<kind>.py`` and is found there by its ``kind``. ``Settings``
    is a frozen dataclass whose fields all have defaults and carry their unit in their name;
    it raises ValueError for a value that makes no sense, naming the field. ``place`` says what
    the rule is drawn on; ``classes`` are looked at when the scene's rule names none;
    ``severity`` is that of its alerts.
    """

    kind: ClassVar[str]
    place: ClassVar[Literal["zone", "line"]]
    classes: ClassVar[tuple[str, ...]]
    severity: ClassVar[Severity] = "medium"
    Settings: ClassVar[type[Any]]

    def __init__(self, config: RuleConfig) -> None:
        self.config = config

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        """Raise ValueError where the settings do not fit the scene (an unknown direction, say)."""

    @abstractmethod
    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        """Events that were raised or ended in this step. Reads ``tracked`` alone: its ``ts`` is
        the only clock, and state of a track goes when its id is in ``ended``."""

    def event(
        self,
        tracked: Tracked,
        track: Track,
        *,
        start_ts: float,
        details: Mapping[str, JsonValue],
        end_ts: float | None = None,
    ) -> Event:
        """An event raised in this step about ``track``, with its deterministic id and, in
        ``details``, who it is and where it stands."""
        x, y = track.foot
        who: dict[str, JsonValue] = {
            "class": track.class_name,
            "class_share": round(track.class_share, 3),
            "foot_px": [round(x, 1), round(y, 1)],
        }
        return Event(
            id=event_id(
                tracked.camera_id, self.config.name, self.config.place, start_ts, f"{track.id}"
            ),
            kind=self.kind,
            rule=self.config.name,
            camera_id=tracked.camera_id,
            place=self.config.place,
            start_ts=start_ts,
            raised_ts=max(tracked.ts, start_ts),
            end_ts=end_ts,
            track_ids=(track.id,),
            score=round(track.score, 3),
            details=who | dict(details),
        )


@dataclass(slots=True, eq=False)
class Watch:
    """What a ``TrackRule`` knows of one track; kinds add their own fields.

    ``path_s`` is how far its path was read (seconds since its start), ``since_ts`` since when the
    condition holds, ``held_ts`` when it last held, ``away_ts`` since when it does not, ``event``
    what was raised.
    """

    path_s: float = -1.0
    since_ts: float | None = None
    held_ts: float | None = None
    away_ts: float | None = None
    event: Event | None = None


W = TypeVar("W", bound=Watch)


class TrackRule(Rule, Generic[W]):
    """A rule about single tracks: an event opens while a condition holds for a track and ends
    when it has visibly not held for ``release_s`` of the settings, or when the track ends.
    A track that is out of sight is neither: its event stays as it is."""

    def __init__(self, config: RuleConfig) -> None:
        super().__init__(config)
        self._watches: dict[int, W] = {}

    @abstractmethod
    def watch(self) -> W:
        """The state of a track not met before."""

    @abstractmethod
    def holds(self, track: Track, point: FloatArray, watch: W, scene: Scene) -> bool:
        """Does the condition hold at this new ``point`` (3,) of the track's path?"""

    @abstractmethod
    def raised(self, track: Track, watch: W, tracked: Tracked) -> Event | None:
        """The event, if it is time to raise one for a track whose condition holds now."""

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        found = []
        for track in tracked.tracks:
            if track.last_ts == tracked.ts:
                found += self._follow(track, tracked, scene)
        for track_id in tracked.ended:
            watch = self._watches.pop(track_id, None)
            if watch is not None and watch.event is not None:
                found.append(_ended(watch.event, watch.held_ts))
        return found

    def _follow(self, track: Track, tracked: Tracked, scene: Scene) -> list[Event]:
        watch = self._watches.get(track.id)
        if watch is None:
            watch = self._watches[track.id] = self.watch()
        if track.class_name not in self.config.classes and watch.event is None:
            return []
        points = track.path[np.searchsorted(track.path[:, 2], watch.path_s, side="right") :]
        watch.path_s = float(track.path[-1, 2])
        found: list[Event] = []
        for point in points:
            ts = track.first_ts + float(point[2])
            if self.holds(track, point, watch, scene):
                watch.since_ts = ts if watch.since_ts is None else watch.since_ts
                watch.held_ts, watch.away_ts = ts, None
                continue
            watch.away_ts = ts if watch.away_ts is None else watch.away_ts
            if ts - watch.away_ts >= self.config.settings.release_s - SAME_S:
                if watch.event is not None:
                    found.append(_ended(watch.event, watch.held_ts))
                watch.event = watch.since_ts = None
        if watch.event is None and watch.away_ts is None and watch.since_ts is not None:
            watch.event = self.raised(track, watch, tracked)
            if watch.event is not None:
                found.append(watch.event)
        return found


def _ended(event: Event, held_ts: float | None) -> Event:
    """``event`` with its end, never before its start."""
    end_ts = max(event.start_ts, event.start_ts if held_ts is None else held_ts)
    return replace(
        event, end_ts=end_ts, details={**event.details, "held_s": round(end_ts - event.start_ts, 2)}
    )


def at_least(settings: object, **floors: float) -> None:
    """Raise ValueError naming the first field of ``settings`` that is below its floor or not
    finite."""
    for name, floor in floors.items():
        value = getattr(settings, name)
        if value is not None and not floor <= value < float("inf"):
            raise ValueError(f"{name} is {value}, but must be a number from {floor:g} on")
