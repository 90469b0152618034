"""What rules share that are about vehicles that stand where they should not: an event opens when
one has stood in a zone for long, unless it waits in a queue, and ends when it has gone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vision.rows import VEHICLES
from vision.rules.base import SAME_S, Condition, Explanation, Rule, at_least, ended
from vision.scene import RuleConfig, Scene
from vision.standing import TOUCHING, Place, Standing, heights_apart, overlap
from vision.types import Event, Tracked

SEEN_SHARE: Final = 0.5
"""Part of the time, in which nobody hid it, for which it must have been seen there."""


@dataclass(frozen=True, slots=True)
class StoppingSettings:
    """A kind that has other defaults states those fields again."""

    still_s: float = field(
        default=10.0, metadata={"help": "Seconds that it must stand before the rule fires."}
    )
    queue_exempt: bool = field(
        default=True,
        metadata={
            "help": "Whether it is none while its neighbours stand as well, as in a queue at a "
            "signal."
        },
    )
    near_heights: float = field(
        default=6.0,
        metadata={
            "help": "What stands in the zone no further from it, in heights of their boxes, is a "
            "neighbour."
        },
    )
    alone_s: float = field(
        default=5.0,
        metadata={"help": "Seconds that it must stand on once its neighbours have driven on."},
    )
    queue_max_s: float = field(
        default=300.0,
        metadata={"help": "What has stood for longer waits in no queue, and is no neighbour."},
    )

    def __post_init__(self) -> None:
        at_least(self, still_s=0, near_heights=0, alone_s=0, queue_max_s=0)


@dataclass(slots=True, eq=False)
class _Case:
    """What is known of a place in the zone: ``near`` are its neighbours now, and it had some at
    ``company_ts``. ``event`` is what was raised; what was raised before held until ``held_ts``."""

    place: Place
    near: int = 0
    company_ts: float = -math.inf
    event: Event | None = None
    held_ts: float = -math.inf


class StoppingRule(Rule):
    """A rule about what stands in its zone. Its ``Settings`` are ``StoppingSettings``, perhaps
    with other defaults. Places are known by where something stands, so that an event goes on
    whatever becomes of its tracks."""

    place = "zone"
    classes = VEHICLES

    def __init__(self, config: RuleConfig, from_ts: float = -math.inf) -> None:
        super().__init__(config, from_ts)
        self._standing = Standing(from_ts)
        self._cases: dict[int, _Case] = {}

    @property
    def patience_s(self) -> float:
        return float(self.config.settings.still_s)

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        self._standing.update(tracked, self.config.classes)
        found, cases = [], self._cases
        self._cases = {}
        for place in self._standing.places:
            if scene.inside(self.config.place, place.foot):
                self._cases[place.number] = cases.get(place.number) or _Case(place)
        for number, case in cases.items():
            known = number in self._cases and self._standing.stands(case.place)
            if case.event is not None and not known:
                case.held_ts = case.place.seen_ts
                found.append(ended(case.event, case.held_ts, lost=not case.place.moved))
                case.event = None
        for case in self._cases.values():
            if case.event is None:
                case.near = sum(map(self._queues_with(case.place), self._cases.values()))
                case.company_ts = tracked.ts if case.near else case.company_ts
                case.event = self._raised(case, tracked)
                found += [] if case.event is None else [case.event]
        return found

    def _queues_with(self, place: Place) -> Callable[[_Case], bool]:
        """Whether another one is a neighbour of ``place`` that stands as well."""
        settings: StoppingSettings = self.config.settings

        def queues(case: _Case) -> bool:
            other = case.place
            stands = not other.moved and other.stood_s <= settings.queue_max_s + SAME_S
            return (
                stands and TOUCHING <= heights_apart(place.box, other.box) <= settings.near_heights
            )

        return queues

    def _raised(self, case: _Case, tracked: Tracked) -> Event | None:
        """The event, if it is time to raise one about what is seen to stand there now."""
        settings: StoppingSettings = self.config.settings
        place = case.place
        if not all(each.met for each in self._needs(case, tracked.ts)):
            return None
        tracks = [
            track
            for track in tracked.tracks
            if track.last_ts == tracked.ts
            and self._standing.still(track.id)
            and track.id in place.tracks
            and track.class_name in self.config.classes
        ]
        if not tracks:
            return None
        track = max(tracks, key=lambda each: overlap(each.box.astype(np.float64), place.box)[0])
        return self.event(
            tracked,
            track,
            # what was told of already goes on from there
            start_ts=max(place.since_ts, case.held_ts),
            details={
                "why": f"{track.class_name} stands in '{self.config.place}' for "
                f"{place.stood_s:.1f} s, {self._company(case)}",
                "stood_s": round(place.stood_s, 2),
                "still_s": settings.still_s,
                "neighbours": case.near,
            },
        )

    def _company(self, case: _Case) -> str:
        """Who stands beside it, in words."""
        if self._too_long(case.place):
            return "longer than a queue does"
        return f"{case.near} other{'s' * (case.near > 1)} beside it" if case.near else "alone"

    def _too_long(self, place: Place) -> bool:
        settings: StoppingSettings = self.config.settings
        return settings.queue_exempt and place.stood_s > settings.queue_max_s + SAME_S

    def _needs(self, case: _Case | None, ts: float) -> tuple[Condition, ...]:
        settings: StoppingSettings = self.config.settings
        place = None if case is None else case.place
        stood_s = 0.0 if place is None else place.stood_s
        share = 0.0 if place is None else min(place.seen_share, 1.0)
        needs = (
            Condition(
                "still",
                stood_s >= settings.still_s - SAME_S and place is not None,
                f"{stood_s:.1f} s",
                f"{settings.still_s:g} s",
            ),
            Condition(
                "seen",
                share >= SEEN_SHARE,
                f"{share:.0%} of the time",
                f"{SEEN_SHARE:.0%} of it, but for what others hide",
            ),
        )
        if not settings.queue_exempt:
            return needs
        alone_s = math.inf if case is None else ts - case.company_ts
        free = alone_s >= settings.alone_s - SAME_S and not (case and case.near)
        free = free or (place is not None and self._too_long(place))
        found = "alone" if math.isinf(alone_s) else f"alone for {alone_s:.1f} s"
        found = f"{case.near} beside it" if case and case.near else found
        needed = f"alone for {settings.alone_s:g} s, or for over {settings.queue_max_s:g} s there"
        return (*needs, Condition("queue", free, found, needed))

    def explain(self, tracked: Tracked, scene: Scene) -> list[Explanation]:
        del scene
        config, found = self.config, []
        wanted = " or ".join(config.classes)
        for track in tracked.tracks:
            place = self._standing.place_of(track.id)
            case = None if place is None else self._cases.get(place.number)
            stands = "moves" if place is None else "stands outside" if case is None else "stands"
            x1, y1, x2, y2 = map(float, track.box)
            conditions = (
                Condition("class", track.class_name in config.classes, track.class_name, wanted),
                Condition("place", case is not None, stands, f"stands in '{config.place}'"),
                *self._needs(case, tracked.ts),
            )
            event = None if case is None else case.event
            found.append(
                Explanation(
                    config.name,
                    self.kind,
                    config.place,
                    track.id,
                    conditions,
                    None if event is None else event.id,
                    (x1, y1, x2, y2),
                )
            )
        return found
