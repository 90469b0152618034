"""What a rule is, how its events get their ids, and what rules about single tracks share."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from vision.scene import RuleConfig, Scene
from vision.thresholds import Threshold
from vision.types import Event, Fault, FloatArray, JsonValue, Severity, Track, Tracked

Stage: TypeAlias = Literal["blobs", "poses", "flames"]
"""What is seen beside tracks, and only where a rule asks for it."""

SAME_S = 1e-3
"""Times that differ by less are the same: a path's seconds are float32, and a dwell of 1 s at 10
frames a second must not take 11 of them for a rounding."""


def event_id(camera_id: str, rule: str, place: str, start_ts: float, subject: str) -> str:
    """The same statement about the same ``subject`` (a track, say) has the same id on replay."""
    # names are free text: a separator that they cannot hold keeps different keys different
    key = "\0".join((camera_id, rule, place, f"{start_ts:.3f}", subject))
    return hashlib.sha256(key.encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must be so before a rule fires: ``what`` names it in a word ("zone",
    "dwell"), ``found`` and ``needed`` say in words how it is and how it must be."""

    what: str
    met: bool
    found: str
    needed: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule fires or does not at this moment: about the track ``track_id``, or about the
    place as a whole (None). ``conditions`` stand in the order in which they are looked at; the
    event ``event_id`` is open where there is one. ``box`` (x1, y1, x2, y2) px shows where."""

    rule: str
    kind: str
    place: str
    track_id: int | None
    conditions: tuple[Condition, ...]
    event_id: str | None = None
    box: tuple[float, float, float, float] | None = None

    @property
    def fires(self) -> bool:
        return all(condition.met for condition in self.conditions)


class Rule(ABC):
    """One incident kind watching one place of one camera, or the camera as a whole.

    A subclass lives in ``vision/rules/<kind>.py`` and is found there by its ``kind``. ``Settings``
    is a frozen dataclass whose fields all have defaults and carry their unit in their name;
    it raises ValueError for a value that makes no sense, naming the field. ``place`` says what
    the rule is drawn on; ``classes`` are looked at when the scene's rule names none;
    ``severity`` is that of its alerts. ``stages`` are the observations that it needs;
    ``raw_boxes`` says that it looks at boxes as they were detected, and not at tracks alone.
    ``cooldown_s``: something of the same kind at the same place, so many seconds after an incident
    was over, is the same incident. ``remembered_s``: so much longer one stays open that an earlier
    run left, since it has to be found again first. ``thresholds`` make it stricter, the plainest
    first.

    Nothing before ``from_ts`` (UTC seconds), when it begins to watch, is its business.
    """

    kind: ClassVar[str]
    place: ClassVar[Literal["zone", "line", "camera"]]
    classes: ClassVar[tuple[str, ...]]
    severity: ClassVar[Severity] = "medium"
    stages: ClassVar[tuple[Stage, ...]] = ()
    raw_boxes: ClassVar[bool] = False
    cooldown_s: ClassVar[float] = 10.0
    remembered_s: ClassVar[float] = 60.0
    thresholds: ClassVar[tuple[Threshold, ...]] = ()
    Settings: ClassVar[type[Any]]

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        self.config = config
        self.from_ts = from_ts

    @classmethod
    def check(cls, config: RuleConfig, scene: Scene) -> None:
        """Raise ValueError where the settings do not fit the scene (an unknown direction, say)."""

    @property
    def patience_s(self) -> float:
        """Seconds for which its condition must hold before it raises an event."""
        return 0.0

    @abstractmethod
    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        """Events that were raised or ended in this step. Reads ``tracked`` alone: its ``ts`` is
        the only clock, and state of a track goes when its id is in ``ended``."""

    @abstractmethod
    def explain(self, tracked: Tracked, scene: Scene) -> list[Explanation]:
        """Why it fires or does not, for each track of this step, or once for the whole place.
        Called after ``update`` of the same step; changes nothing."""

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
            "box_px": [round(value, 1) for value in track.box.tolist()],
        }
        return self.statement(
            tracked,
            start_ts=start_ts,
            end_ts=end_ts,
            # numbers of tracks begin anew with each start, places do not
            subject=f"{track.id}@{x:.1f},{y:.1f}",
            track_ids=(track.id,),
            score=track.score,
            details=who | dict(details),
        )

    def statement(
        self,
        tracked: Tracked,
        *,
        start_ts: float,
        details: Mapping[str, JsonValue],
        subject: str = "",
        track_ids: tuple[int, ...] = (),
        score: float = 1.0,
        end_ts: float | None = None,
    ) -> Event:
        """An event raised in this step. ``subject`` tells two that start at the same moment
        apart, as by where they are; ``details`` holds ``why``, and ``box_px`` ([x1, y1, x2, y2])
        where something has a place of its own."""
        config = self.config
        return Event(
            id=event_id(tracked.camera_id, config.name, config.place, start_ts, subject),
            kind=self.kind,
            rule=config.name,
            camera_id=tracked.camera_id,
            place=config.place,
            start_ts=start_ts,
            raised_ts=max(tracked.ts, start_ts),
            end_ts=end_ts,
            track_ids=track_ids,
            score=round(score, 3),
            details=details,
            severity=self.severity if config.severity is None else config.severity,
        )


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Of every rule about the picture itself."""

    after_s: float = field(
        default=1.0, metadata={"help": "Seconds of the fault before the rule fires."}
    )
    release_s: float = field(
        default=0.5, metadata={"help": "Seconds without the fault before it is over."}
    )

    def __post_init__(self) -> None:
        at_least(self, after_s=0, release_s=0)


class CameraRule(Rule):
    """A rule about the picture itself: an event opens while the fault ``kind`` holds, and ends
    when it is gone for ``release_s`` of the settings."""

    place = "camera"
    classes = ()
    severity = "high"

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._event: Event | None = None
        self._held_ts = -math.inf

    @property
    def patience_s(self) -> float:
        return float(self.config.settings.after_s)

    @abstractmethod
    def why(self, fault: Fault) -> str:
        """What is wrong, one clause in words."""

    def _fault(self, tracked: Tracked) -> Fault | None:
        kind = self.kind.removeprefix("camera_")
        return next((fault for fault in tracked.quality.faults if fault.kind == kind), None)

    def update(self, tracked: Tracked, _scene: Scene) -> list[Event]:
        fault, settings = self._fault(tracked), self.config.settings
        if fault is not None:
            self._held_ts = tracked.ts
            since_ts = max(fault.since_ts, self.from_ts)
            if self._event is not None or tracked.ts - since_ts < settings.after_s - SAME_S:
                return []
            self._event = self.statement(
                tracked,
                start_ts=since_ts,
                score=fault.score,
                details={"why": self.why(fault), **fault.measured},
            )
            return [self._event]
        event = self._event
        if event is None or tracked.ts - self._held_ts < settings.release_s - SAME_S:
            return []
        self._event = None
        return [ended(event, self._held_ts)]

    def explain(self, tracked: Tracked, _scene: Scene) -> list[Explanation]:
        fault, after_s = self._fault(tracked), self.config.settings.after_s
        for_s = 0.0 if fault is None else tracked.ts - max(fault.since_ts, self.from_ts)
        conditions = (
            Condition(
                "picture",
                fault is not None,
                "nothing of it" if fault is None else self.why(fault),
                self.kind.removeprefix("camera_"),
            ),
            Condition("time", for_s >= after_s - SAME_S, f"{for_s:.1f} s", f"{after_s:g} s"),
        )
        return [
            Explanation(
                self.config.name,
                self.kind,
                self.config.place,
                None,
                conditions,
                None if self._event is None else self._event.id,
            )
        ]


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

    def lasts(self, track: Track) -> float | None:
        """For how many seconds the condition holds for ``track``, None where it does not. Of one
        that is out of sight nobody knows more than when it was seen last."""
        if self.since_ts is None or self.away_ts is not None:
            return None
        return track.last_ts - self.since_ts


W = TypeVar("W", bound=Watch)


class TrackRule(Rule, Generic[W]):
    """A rule about single tracks: an event opens while a condition holds for a track and ends
    when it has visibly not held for ``release_s`` of the settings, or when the track ends.
    A track that is out of sight is neither: its event stays as it is."""

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
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

    @abstractmethod
    def conditions(self, track: Track, watch: W, tracked: Tracked) -> tuple[Condition, ...]:
        """What must be so for an event about ``track``, and how it is now; the class is not
        among them."""

    def over(self, track_id: int, watch: W) -> None:
        """What began for the track is over, or its track ended; whether an event was raised is
        still in ``watch``."""

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        found = []
        for track in tracked.tracks:
            if track.last_ts == tracked.ts:
                found += self._follow(track, tracked, scene)
        for track_id in tracked.ended:
            watch = self._watches.pop(track_id, None)
            if watch is None:
                continue
            self.over(track_id, watch)
            if watch.event is not None:
                found.append(ended(watch.event, watch.held_ts, lost=watch.away_ts is None))
        return found

    def explain(self, tracked: Tracked, _scene: Scene) -> list[Explanation]:
        found = []
        for track in tracked.tracks:
            watch = self._watches.get(track.id) or self.watch()
            looked_for = track.class_name in self.config.classes
            wanted = " or ".join(self.config.classes)
            x1, y1, x2, y2 = map(float, track.box)
            found.append(
                Explanation(
                    self.config.name,
                    self.kind,
                    self.config.place,
                    track.id,
                    (
                        Condition("class", looked_for, track.class_name, wanted),
                        *self.conditions(track, watch, tracked),
                    ),
                    None if watch.event is None else watch.event.id,
                    (x1, y1, x2, y2),
                )
            )
        return found

    def _follow(self, track: Track, tracked: Tracked, scene: Scene) -> list[Event]:
        watch = self._watches.get(track.id)
        if watch is None:
            watch = self._watches[track.id] = self.watch()
        if track.class_name not in self.config.classes and watch.event is None:
            return []
        # nothing before this rule watched
        seen_s = max(watch.path_s, self.from_ts - track.first_ts - SAME_S)
        times = track.path[:, 2]
        # mostly the last one alone is new
        one = len(times) > 1 and times.item(-2) <= seen_s < times.item(-1)
        points = track.path[-1 if one else times.searchsorted(seen_s, side="right") :]
        watch.path_s = times.item(-1)
        found: list[Event] = []
        for point in points:
            ts = track.first_ts + float(point[2])
            if self.holds(track, point, watch, scene):
                watch.since_ts = ts if watch.since_ts is None else watch.since_ts
                watch.held_ts, watch.away_ts = ts, None
                continue
            watch.away_ts = ts if watch.away_ts is None else watch.away_ts
            if ts - watch.away_ts >= self.config.settings.release_s - SAME_S:
                if watch.since_ts is not None:
                    self.over(track.id, watch)
                if watch.event is not None:
                    found.append(ended(watch.event, watch.held_ts))
                watch.event = watch.since_ts = None
        if watch.event is None and watch.away_ts is None and watch.since_ts is not None:
            watch.event = self.raised(track, watch, tracked)
            if watch.event is not None:
                found.append(watch.event)
        return found


def ended(event: Event, held_ts: float | None, *, lost: bool = False) -> Event:
    """``event`` with its end, never before its start; ``lost`` as in Event."""
    end_ts = max(event.start_ts, event.start_ts if held_ts is None else held_ts)
    return replace(
        event,
        end_ts=end_ts,
        lost=lost,
        details={**event.details, "held_s": round(end_ts - event.start_ts, 2)},
    )


def at_least(settings: object, **floors: float) -> None:
    """Raise ValueError naming the first field of ``settings`` that is below its floor or not
    finite."""
    for name, floor in floors.items():
        value = getattr(settings, name)
        if value is not None and not floor <= value < float("inf"):
            raise ValueError(f"{name} is {value}, but must be a number from {floor:g} on")
