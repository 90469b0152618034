"""Everything that is known of one view of a camera: who is in it, what is counted, what its rules
watch. A camera has one view, or one for each of its presets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vision.counting import Counted, Counter
from vision.detect import Finder
from vision.movements import MovementCounter
from vision.policy import Incidents
from vision.region import RegionFinder
from vision.rules.base import Explanation, Rule
from vision.rules.registry import kinds, place_rules
from vision.scene import RuleConfig, Scene
from vision.track import Tracker, TrackerSettings
from vision.types import Detections, Event, Frame, Observations, Quality, Tracked, Trip


@dataclass(frozen=True, slots=True)
class Decided:
    """What was counted, trips that were over, and events raised, updated or ended."""

    counted: Counted = field(default_factory=Counted)
    trips: tuple[Trip, ...] = ()
    events: tuple[Event, ...] = ()


class Rules:
    """The rules of one view, each while its schedule holds, and what is open of them."""

    def __init__(self, configs: Sequence[RuleConfig]) -> None:
        self._configs = tuple(config for config in configs if config.enabled)
        self._running: dict[str, Rule] = {}
        self._incidents = Incidents(self._configs)

    @property
    def open(self) -> tuple[Event, ...]:
        """The incidents that are open."""
        return self._incidents.open

    def remember(self, events: Iterable[Event]) -> None:
        """Go on with what an earlier run stated and did not close."""
        self._incidents.remember(events)

    def update(self, tracked: Tracked, scene: Scene) -> list[Event]:
        """What the rules say of this step, before it is one incident or another."""
        found = []
        for config in self._configs:
            rule = self._running.get(config.name)
            if config.schedule is not None and not config.schedule.active(tracked.ts):
                if rule is not None:
                    del self._running[config.name]
                    found += self._incidents.cut(config.name, tracked.ts)
                continue
            if rule is None:
                since_ts = tracked.ts if config.schedule is not None else -np.inf
                rule = self._running[config.name] = kinds()[config.kind](config, since_ts)
            found += rule.update(tracked, scene)
        return found

    def state(self, events: Sequence[Event], ts: float) -> tuple[Event, ...]:
        """What staff are told of it at ``ts``."""
        return tuple(self._incidents.update(events, ts))

    def finish(self) -> tuple[Event, ...]:
        """The source has ended: incidents that were over and waited for whether they go on."""
        return tuple(self._incidents.finish())

    def explain(self, tracked: Tracked, scene: Scene) -> list[Explanation]:
        """Why each rule fires or does not, at this step."""
        return [each for rule in self._running.values() for each in rule.explain(tracked, scene)]


class Watch:
    """One view: ``scene`` is what is drawn on it."""

    def __init__(self, scene: Scene, detector: Finder, tracker: TrackerSettings) -> None:
        self.scene = scene
        self.wanted = scene.classes or detector.wanted
        self._detector = detector
        self._tracker = Tracker(tracker, detector.classes, detector.group_of)
        groups = dict(zip(detector.classes, detector.group_of.tolist(), strict=True))
        # what is really looked at: an automatic region that gains nothing is not
        seen = detector.box_in(scene.frame_size) if isinstance(detector, RegionFinder) else None
        self._counter = Counter(scene.lines, scene.frame_size, groups, seen)
        self.movements = tuple(MovementCounter(movement, scene) for movement in scene.movements)
        self.rules = Rules(place_rules(scene))
        self._held: list[tuple[Counted, list[Event]]] = []
        self.counts: dict[str, dict[str, dict[str, int]]] = {
            line.name: {line.forward: {}, line.backward: {}} for line in scene.lines
        }
        """Counts so far: line → direction → class → n, every line and direction present."""
        self.late: dict[str, dict[str, int]] = {
            line.name: {line.forward: 0, line.backward: 0} for line in scene.lines
        }
        """Who came late so far: line → direction → n, every line and direction present."""

    def look(self, frame: Frame, quality: Quality) -> tuple[Tracked, Decided]:
        """Take a picture of this view. What is seen while its ``quality`` is in doubt is stated
        once the doubt is gone, and never where it was right."""
        scale = np.array(self.scene.scale_from(frame.size) * 2, np.float32)
        found = self._detector.find(frame)
        found = Detections(found.xyxy * scale, found.score, found.class_id)
        track_id, tracks, ended = self._tracker.update(found, frame.ts)
        tracked = Tracked(
            camera_id=frame.camera_id,
            index=frame.index,
            ts=frame.ts,
            classes=self._detector.classes,
            detections=found,
            track_id=track_id,
            # rivals of the wanted classes were only needed to tell them apart
            tracks=tuple(track for track in tracks if track.class_name in self.wanted),
            ended=ended,
            quality=quality,
            observations=Observations(),
        )
        counted = self._counter.update(tracked)
        trips = tuple(trip for each in self.movements for trip in each.update(tracked))
        self._held.append((counted, self.rules.update(tracked, self.scene)))
        if quality.doubt_ts is not None:
            return tracked, Decided(trips=trips)
        return tracked, self._released(frame.ts, trips)

    def leave(self, frame: Frame, quality: Quality) -> tuple[Tracked, Decided]:
        """This view is not seen any more: nobody is followed, and what was seen since the doubt
        began is forgotten."""
        until_ts = frame.ts if quality.doubt_ts is None else quality.doubt_ts
        tracked = unseen(frame, quality, self._detector.classes, self._tracker.forget())
        counted = self._counter.update(tracked)
        trips = tuple(trip for each in self.movements for trip in each.update(tracked))
        self._held = [
            (_before(counted, until_ts), [event for event in events if event.start_ts < until_ts])
            for counted, events in [*self._held, (counted, self.rules.update(tracked, self.scene))]
        ]
        return tracked, self._released(frame.ts, trips)

    def finish(self) -> Decided:
        """The source has ended: what is decided of those who are still in sight."""
        trips = tuple(trip for each in self.movements for trip in each.finish())
        self._held.append((self._counter.finish(), []))
        decided = self._released(None, trips)
        return Decided(decided.counted, trips, (*decided.events, *self.rules.finish()))

    def _released(self, ts: float | None, trips: tuple[Trip, ...]) -> Decided:
        """Everything that was held back."""
        held, self._held = self._held, []
        crossings = tuple(crossing for counted, _ in held for crossing in counted.crossings)
        lates = tuple(late for counted, _ in held for late in counted.late)
        for crossing in crossings:
            of_class = self.counts[crossing.line][crossing.direction]
            of_class[crossing.class_name] = of_class.get(crossing.class_name, 0) + 1
        for late in lates:
            self.late[late.line][late.direction] += 1
        raised = [event for _, events in held for event in events]
        stated = () if ts is None else self.rules.state(raised, ts)
        return Decided(Counted(crossings, lates), trips, stated)


def unseen(
    frame: Frame, quality: Quality, classes: tuple[str, ...], ended: tuple[int, ...] = ()
) -> Tracked:
    """What is known of a picture in which nobody is looked for."""
    return Tracked(
        camera_id=frame.camera_id,
        index=frame.index,
        ts=frame.ts,
        classes=classes,
        detections=Detections.empty(),
        track_id=np.zeros(0, np.int32),
        tracks=(),
        ended=ended,
        quality=quality,
    )


def _before(counted: Counted, ts: float) -> Counted:
    return Counted(
        tuple(crossing for crossing in counted.crossings if crossing.ts < ts),
        tuple(late for late in counted.late if late.ts < ts),
    )
