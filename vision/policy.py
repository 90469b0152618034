"""From what was seen to what staff are told: one incident is one alert, opened, updated and closed
once, however often tracks break."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import Final

from vision.geometry import Box, overlap
from vision.rules.base import SAME_S, ended, event_id
from vision.rules.registry import kinds
from vision.scene import RuleConfig
from vision.types import Alert, Event, JsonValue, Severity, Track

STEP_S: Final = 2.0
"""A longer time between two pictures counts as so much: nobody watched the rest."""
TRACKS: Final = 20
"""So many numbers of tracks an incident names, the latest."""
MAX_OPEN: Final = 100
"""So many incidents of a rule are open at the most; with one more the oldest is closed."""
MAX_DROPPED: Final = 1000
"""Events of closed incidents whose ends are still awaited; a rule may be gone before it says."""
NEAR_HEIGHTS: Final = 0.5
"""Feet so many box heights apart are at the same place: boxes of one object vary by less."""
NEAR_IOU: Final = 0.3
SAME_IOU: Final = 0.5
"""Boxes that overlap so far are one object, even where both are in the picture."""
BOTH_S: Final = 0.25
"""Objects that were in sight together for so long are two."""
SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "high", "critical")
WHO: Final = ("class", "class_share", "foot_px", "box_px")
"""Details that follow the object when it is seen again."""

CAMERA_DOWN: Final = "camera_down"
STREAM_CORRUPT: Final = "stream_corrupt"
CLOCK_SKEW: Final = "clock_skew"
STREAM_KINDS: Final[Mapping[str, Severity]] = MappingProxyType(
    {CAMERA_DOWN: "high", STREAM_CORRUPT: "medium", CLOCK_SKEW: "low"}
)
"""Kinds that are no rules, since nobody sees them in a picture: the stream itself."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a rule says of its incidents."""

    config: RuleConfig
    cooldown_s: float
    patience_s: float
    remembered_s: float


@dataclass(slots=True, eq=False)
class _Incident:
    """One that is open. ``event`` is it as it was stated last; ``holding`` are the rules' own
    events that go on now, each with the numbers of its object's tracks. Without any it is over
    since ``end_ts``, and waits for ``wait_s`` more seconds whether it goes on."""

    event: Event
    holding: dict[str, tuple[Event, tuple[int, ...]]] = field(default_factory=dict)
    tracks: dict[int, None] = field(default_factory=dict)
    box: Box | None = None
    seen_ts: float = -math.inf
    end_ts: float = -math.inf
    lost: bool = False
    wait_s: float = 0.0

    @property
    def over(self) -> bool:
        return not self.holding and self.wait_s <= SAME_S

    def closed(self, why: str | None = None) -> Event:
        """Its last statement."""
        event = ended(self.event, self.end_ts, lost=self.lost)
        return event if why is None else replace(event, details={**event.details, "closed": why})


class Incidents:
    """What the rules of one view state, as incidents.

    An event of a rule belongs to the incident of that rule that is at the same place: of the
    same track, or with a box near to where that one was seen last and not in sight together with
    it, or where neither has a box. One that is over is held for the rule's cooldown of watched
    time: what begins meanwhile is the same incident, with the same id. One whose object was lost
    from sight is held for the rule's patience as well, the time that it needs to fire again. A
    cooldown of 0 holds nothing.
    """

    def __init__(self, rules: Sequence[RuleConfig]) -> None:
        self._terms = {config.name: _terms(config) for config in rules}
        self._open: dict[str, _Incident] = {}
        # events of rules that go on, each with its incident's id
        self._known: dict[str, str] = {}
        # the same of incidents that were closed before: they say nothing more
        self._dropped: dict[str, None] = {}
        self._ts: float | None = None

    @property
    def open(self) -> tuple[Event, ...]:
        """Those that are open, as they were stated last."""
        return tuple(incident.event for incident in self._open.values())

    def known_as(self, event_id: str | None) -> str | None:
        """The id of the incident to which the event of a rule belongs; None stays None."""
        return event_id if event_id is None else self._known.get(event_id, event_id)

    def remember(self, events: Iterable[Event]) -> None:
        """Go on with what an earlier run stated and did not close; ``end_ts`` of each is when it
        was last known to hold, None where nobody knows. What no rule watches is left out."""
        for event in events:
            terms = self._terms.get(event.rule)
            if terms is None or event.id in self._open:
                continue
            if (terms.config.kind, terms.config.place) != (event.kind, event.place):
                continue
            self._open[event.id] = _Incident(
                replace(event, end_ts=None, lost=False),
                box=_box_of(event),
                end_ts=event.raised_ts if event.end_ts is None else event.end_ts,
                lost=True,
                wait_s=terms.cooldown_s + terms.patience_s + terms.remembered_s,
            )

    def update(
        self, events: Sequence[Event], ts: float, tracks: Sequence[Track] | None = None
    ) -> list[Event]:
        """What there is to say at ``ts`` of what rules stated. ``tracks`` are those of the
        picture; without them each event is about all tracks that it names."""
        passed_s = 0.0 if self._ts is None else min(max(ts - self._ts, 0.0), STEP_S)
        self._ts = ts
        by_id = None if tracks is None else {track.id: track for track in tracks}
        for incident in self._open.values():
            if not incident.holding:
                incident.wait_s -= passed_s
            elif by_id:
                _follow(incident, by_id)
        said = [each for event in events for each in self._take(event, by_id)]
        for incident in [each for each in self._open.values() if each.over]:
            said.append(self._close(incident))
        return said

    def cut(self, rule: str, ts: float) -> list[Event]:
        """The rule stopped watching at ``ts``: the ends of what is open of it."""
        return [
            self._close(incident, ts)
            for incident in [*self._open.values()]
            if incident.event.rule == rule
        ]

    def finish(self) -> list[Event]:
        """The source has ended: the ends of what was over and might have gone on. What goes on
        stays open."""
        over = [incident for incident in self._open.values() if not incident.holding]
        return [self._close(incident) for incident in over]

    # --- one event of a rule

    def _take(self, event: Event, by_id: Mapping[int, Track] | None) -> list[Event]:
        if event.id in self._dropped:
            if event.end_ts is not None:
                del self._dropped[event.id]
            return []
        said: list[Event] = []
        own = _own(event, by_id)
        incident = self._open.get(self._known.get(event.id, event.id))
        if incident is None:
            incident = self._match(event, own)
        if incident is None:
            incident = _Incident(replace(event, end_ts=None, lost=False))
            said += self._made_room(event.rule)
            self._open[event.id] = incident
            before = None
        else:
            before = incident.event
            incident.event = _joined(before, event, incident.holding.get(event.id, (None,))[0])
        self._holds(incident, event, own, by_id)
        if event.end_ts is not None:
            self._ends(incident, event, event.end_ts)
        if incident.over:
            return [*said, self._close(incident)]
        return said if incident.event == before else [*said, incident.event]

    def _holds(
        self,
        incident: _Incident,
        event: Event,
        own: tuple[int, ...],
        by_id: Mapping[int, Track] | None,
    ) -> None:
        """The rule's ``event`` goes on, as one of the incident's."""
        known = incident.holding.get(event.id)
        if known is not None:
            own = known[1] or own
        self._known[event.id] = incident.event.id
        incident.holding[event.id] = event, own
        for number in own:
            incident.tracks[number] = incident.tracks.pop(number, None)
        for number in [*islice(incident.tracks, max(0, len(incident.tracks) - TRACKS))]:
            del incident.tracks[number]
        if known is None or not own:
            incident.box = _box_of(event) or incident.box
        if by_id:
            _follow(incident, by_id)

    def _ends(self, incident: _Incident, event: Event, end_ts: float) -> None:
        """The rule's ``event`` is over, and the incident with its last one."""
        del self._known[event.id], incident.holding[event.id]
        if end_ts >= incident.end_ts:
            incident.end_ts, incident.lost = end_ts, event.lost
        if not incident.holding:
            terms = self._terms[event.rule]
            more_s = terms.patience_s if incident.lost else 0.0
            incident.wait_s = terms.cooldown_s + more_s if terms.cooldown_s > 0 else 0.0

    def _match(self, event: Event, own: tuple[int, ...]) -> _Incident | None:
        """The incident that ``event`` is about: the nearest one, and of two the older."""
        nearest, best = None, math.inf
        for incident in self._open.values():
            if incident.event.rule == event.rule and incident.event.place == event.place:
                apart = _apart(incident, event, own)
                if apart < best:
                    nearest, best = incident, apart
        return nearest

    def _made_room(self, rule: str) -> list[Event]:
        """The end of the rule's oldest incident, where there are too many."""
        of_rule = [incident for incident in self._open.values() if incident.event.rule == rule]
        if len(of_rule) < MAX_OPEN:
            return []
        oldest = next((each for each in of_rule if not each.holding), of_rule[0])
        return [self._close(oldest, self._ts, "too many incidents of this rule are open")]

    def _close(self, incident: _Incident, ts: float | None = None, why: str | None = None) -> Event:
        """Forget it. ``ts`` is its end where it still holds."""
        del self._open[incident.event.id]
        if incident.holding and ts is not None:
            incident.end_ts, incident.lost = ts, False
        for known in incident.holding:
            del self._known[known]
            self._dropped[known] = None
        for known in [*islice(self._dropped, max(0, len(self._dropped) - MAX_DROPPED))]:
            del self._dropped[known]
        return incident.closed(why)


def _terms(config: RuleConfig) -> _Terms:
    kind = kinds()[config.kind]
    cooldown_s = kind.cooldown_s if config.cooldown_s is None else config.cooldown_s
    return _Terms(config, cooldown_s, kind(config).patience_s, kind.remembered_s)


def _own(event: Event, by_id: Mapping[int, Track] | None) -> tuple[int, ...]:
    """The tracks of the thing itself: who left a bag is named as well, but walks away."""
    box = _box_of(event)
    if by_id is None or box is None:
        return event.track_ids
    return tuple(
        number
        for number in event.track_ids
        if number in by_id and overlap(_box(by_id[number]), box) >= SAME_IOU
    )


def _follow(incident: _Incident, by_id: Mapping[int, Track]) -> None:
    """Where its object is, and when it was seen; what is about a whole place, as a queue is, stays
    so whoever belongs to it."""
    if incident.box is None:
        return
    for _, own in incident.holding.values():
        for number in own:
            track = by_id.get(number)
            if track is not None and track.last_ts >= incident.seen_ts:
                incident.seen_ts, incident.box = track.last_ts, _box(track)


def _apart(incident: _Incident, event: Event, own: tuple[int, ...]) -> float:
    """How far ``event`` is from ``incident``, in box heights; infinite where it is another."""
    if not incident.tracks.keys().isdisjoint(own):
        return -1.0
    box = _box_of(event)
    if box is None or incident.box is None:
        return 0.0 if box is incident.box else math.inf
    shared = overlap(incident.box, box)
    (x, y), (other_x, other_y) = _foot(incident.box), _foot(box)
    height = max((incident.box[3] - incident.box[1] + box[3] - box[1]) / 2, 1.0)
    apart = math.hypot(x - other_x, y - other_y) / height
    if apart > NEAR_HEIGHTS and shared < NEAR_IOU:
        return math.inf
    together = incident.seen_ts >= min(event.raised_ts, event.start_ts + BOTH_S) - SAME_S
    return math.inf if together and shared < SAME_IOU else apart


def _joined(before: Event, event: Event, known: Event | None) -> Event:
    """The incident ``before`` with what ``event`` adds, which was ``known`` when it was stated
    last; None where its object was seen again, under another track or after a while."""
    details: dict[str, JsonValue] = {**before.details}
    if known is None:
        details |= {key: event.details[key] for key in WHO if key in event.details}
        times = details.get("seen_again", 0)
        details["seen_again"] = (times if isinstance(times, int) else 0) + 1
    else:
        old = {**known.details, "held_s": event.details.get("held_s")}
        details |= {key: value for key, value in event.details.items() if old.get(key) != value}
    others = [number for number in before.track_ids if number not in event.track_ids]
    return replace(
        before,
        track_ids=(*others, *event.track_ids)[-TRACKS:],
        score=max(before.score, event.score),
        severity=max(before.severity, event.severity, key=SEVERITIES.index),
        details=details,
    )


def _box_of(event: Event) -> Box | None:
    """``box_px`` of its details, if it is one: [x1, y1, x2, y2]."""
    found = event.details.get("box_px")
    if not isinstance(found, list | tuple) or len(found) != 4:
        return None
    numbers = [float(value) for value in found if isinstance(value, int | float)]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        return None
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _box(track: Track) -> Box:
    x1, y1, x2, y2 = map(float, track.box)
    return x1, y1, x2, y2


def _foot(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, box[3]


def alert_of(event: Event, version: int) -> Alert:
    """What staff see of ``event``. ``version`` is 1 when it is raised and one more with each
    later statement of the same event; whoever states events keeps it, until they end."""
    return Alert(
        event=event,
        severity=event.severity,
        state="open" if event.end_ts is None else "closed",
        version=version,
    )


def of_stream(
    kind: str, camera_id: str, *, start_ts: float, raised_ts: float, code: str, why: str
) -> Event:
    """Something is wrong with a camera's stream since ``start_ts``. ``code`` and the sentence
    ``why`` are what was wrong when it was raised; they do not change its id, so an outage stays
    one incident whatever its cause turns out to be. A later one since the same ``start_ts`` (a
    clock was set back) has another ``raised_ts``, and so another id. Raises ValueError for times
    in the wrong order, KeyError for a kind that is not one of ``STREAM_KINDS``."""
    return Event(
        id=event_id(camera_id, kind, "", start_ts, f"{raised_ts:.3f}"),
        kind=kind,
        rule=kind,
        camera_id=camera_id,
        place="",
        start_ts=start_ts,
        raised_ts=raised_ts,
        end_ts=None,
        track_ids=(),
        score=1.0,
        details={"why": why, "code": code},
        severity=STREAM_KINDS[kind],
    )
