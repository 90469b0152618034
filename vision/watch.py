"""Everything that is known of one view of a camera: who is in it, what is counted, what its rules
watch. A camera has one view, or one for each of its presets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from vision.bystanders import UNSEEN
from vision.counting import Counted
from vision.detect import Finder, look
from vision.doubt import Held
from vision.errors import DetectorError
from vision.flames import Flames
from vision.laps import Laps, unmeasured
from vision.leftovers import Leftovers
from vision.movements import MovementCounter
from vision.passing import Passing
from vision.policy import Incidents
from vision.pose import PoseModel, Poses
from vision.region import RegionFinder
from vision.rules.base import Condition, Explanation, Rule, Stage, ended
from vision.rules.registry import kinds, place_rules
from vision.scene import RuleConfig, Scene, Zone
from vision.schedule import Schedule, Span
from vision.track import Tracker, TrackerSettings
from vision.types import (
    Detections,
    Event,
    Frame,
    Observations,
    Quality,
    Track,
    Tracked,
    Trip,
)

DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


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
        self._disabled = tuple(config for config in configs if not config.enabled)
        self._running: dict[str, Rule] = {}
        # what each rule raised and did not end
        self._raised: dict[str, dict[str, Event]] = {}
        self._off: set[str] = set()
        self._cut: list[str] = []
        self._tracks: tuple[Track, ...] = ()
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
        self._tracks = tracked.tracks
        for config in self._configs:
            rule = self._running.get(config.name)
            if config.schedule is not None and not config.schedule.active(tracked.ts):
                if config.name not in self._off:
                    self._off.add(config.name)
                    self._cut.append(config.name)
                    found += self._stopped(config.name, tracked.ts, lost=False)
                continue
            self._off.discard(config.name)
            if rule is None:
                since_ts = tracked.ts if config.schedule is not None else -np.inf
                rule = self._running[config.name] = kinds()[config.kind](config, since_ts)
            stated = rule.update(tracked, scene)
            raised = self._raised.setdefault(config.name, {})
            for event in stated:
                raised[event.id] = event
                if event.end_ts is not None:
                    del raised[event.id]
            found += stated
        return found

    def leave(self, tracked: Tracked, scene: Scene) -> list[Event]:
        """The same, where the view is not seen any more: each rule begins anew when it is back, but
        for those about what lies there meanwhile."""
        found = self.update(tracked, scene)
        for name, rule in list(self._running.items()):
            if "blobs" not in rule.stages:
                found += self._stopped(name, tracked.ts, lost=True)
        return found

    def _stopped(self, name: str, ts: float, *, lost: bool) -> list[Event]:
        """The rule of that name does not watch any more: the ends of what it raised."""
        self._running.pop(name, None)
        return [ended(event, ts, lost=lost) for event in self._raised.pop(name, {}).values()]

    def state(self, events: Sequence[Event], ts: float) -> tuple[Event, ...]:
        """What staff are told of it at ``ts``."""
        said = self._incidents.update(events, ts, self._tracks)
        cut, self._cut = self._cut, []
        return (*said, *(event for name in cut for event in self._incidents.cut(name, ts)))

    def finish(self) -> tuple[Event, ...]:
        """The source has ended: incidents that were over and waited for whether they go on."""
        return tuple(self._incidents.finish())

    def explain(
        self, tracked: Tracked, scene: Scene, only: Collection[str] | None = None
    ) -> list[Explanation]:
        """Why each rule, or those of these names, fires or does not, at this step; one that does
        not watch says so."""
        found = []
        for config in self._configs:
            if only is not None and config.name not in only:
                continue
            rule = self._running.get(config.name)
            if rule is not None:
                known = self._incidents.known_as
                found += [
                    replace(each, event_id=known(each.event_id))
                    for each in rule.explain(tracked, scene)
                ]
            elif config.schedule is not None:
                found.append(_idle(config, _off_duty(config.schedule, tracked.ts)))
        off = Condition("enabled", False, "switched off", "'enabled: true'")
        silent = [each for each in self._disabled if only is None or each.name in only]
        return found + [_idle(config, off) for config in silent]


def _idle(config: RuleConfig, why: Condition) -> Explanation:
    return Explanation(config.name, config.kind, config.place, None, (why,))


def _off_duty(schedule: Schedule, ts: float) -> Condition:
    now = datetime.fromtimestamp(ts, schedule.zone)
    holiday = ", a holiday" if replace(schedule, on_holidays="same").active(ts) else ""
    return Condition(
        "schedule",
        False,
        f"{now:%a %Y-%m-%d %H:%M:%S} in {schedule.zone.key}{holiday}",
        " or ".join(map(_in_words, schedule.spans)),
    )


def _in_words(span: Span) -> str:
    days = sorted(span.days)
    run = len(days) > 2 and days == list(range(days[0], days[-1] + 1))
    names = [DAY_NAMES[day] for day in ((days[0], days[-1]) if run else days)]
    return f"{('-' if run else ', ').join(names)} {span.start:%H:%M} to {span.end:%H:%M}"


class Watch:
    """One view: ``scene`` is what is drawn on it. ``poses`` finds how people hold themselves;
    DetectorError is raised where it is None and a rule needs it. ``lap`` hears each stage end."""

    def __init__(
        self,
        scene: Scene,
        detector: Finder,
        tracker: TrackerSettings,
        poses: PoseModel | None = None,
        lap: Laps = unmeasured,
    ) -> None:
        self.scene = scene
        self._lap = lap
        self.wanted = scene.classes or detector.wanted
        self._detector = detector
        self._tracker = Tracker(tracker, detector.classes, detector.group_of)
        groups = dict(zip(detector.classes, detector.group_of.tolist(), strict=True))
        # what is really looked at: an automatic region that gains nothing is not
        seen = detector.box_in(scene.frame_size) if isinstance(detector, RegionFinder) else None
        self._passing = Passing(scene, groups, seen)
        self.movements = tuple(MovementCounter(movement, scene) for movement in scene.movements)
        self.rules = Rules(place_rules(scene))
        # costs a few ms twice a second, so it runs only where a rule asks for it
        zones = _zones(scene, "blobs")
        self._leftovers = Leftovers(zones, scene.frame_size) if zones else None
        zones = _zones(scene, "poses")
        self._poses = Poses(_had(poses, scene), zones, scene.frame_size) if zones else None
        burning = any(
            rule.enabled and "flames" in kinds()[rule.kind].stages for rule in place_rules(scene)
        )
        self._flames = Flames(scene.frame_size) if burning else None
        self._held = Held()

    @property
    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Counts so far: line → direction → class → n, every line and direction present."""
        return self._passing.counts

    @property
    def late(self) -> dict[str, dict[str, int]]:
        """Who came late so far: line → direction → n, every line and direction present."""
        return self._passing.late

    def look(self, frame: Frame, quality: Quality) -> tuple[Tracked, Decided]:
        """Take a picture of this view. What is seen while its ``quality`` is in doubt is stated
        once the doubt is gone, and never where it was right."""
        by = self.scene.scale_from(frame.size)
        seen = look(self._detector, frame)
        found = seen.found
        self._lap("detect")
        found = Detections(found.xyxy * np.array(by * 2, np.float32), found.score, found.class_id)
        track_id, tracks, ended = self._tracker.update(found, frame.ts)
        # rivals of the wanted classes were only needed to tell them apart
        tracks = tuple(track for track in tracks if track.class_name in self.wanted)
        self._lap("track")
        observations = self._burning(self._observed(frame, tracks, quality), frame, tracks, quality)
        self._lap("other")
        tracked = Tracked(
            camera_id=frame.camera_id,
            index=frame.index,
            ts=frame.ts,
            classes=self._detector.classes,
            detections=found,
            track_id=track_id,
            tracks=tracks,
            ended=ended,
            quality=quality,
            observations=observations,
        )
        decided = self._released(self._held.take(tracked))
        self._lap("rules")
        # counters and rules never hear of them
        return replace(tracked, bystanders=seen.bystanders.scaled(*by)), decided

    def _observed(self, frame: Frame, tracks: Sequence[Track], quality: Quality) -> Observations:
        """What the stages see that rules ask for; a picture in doubt teaches them nothing."""
        looks, seen = quality.doubt_ts is None, Observations()
        if self._leftovers is not None:
            known = self._leftovers
            seen = known.update(frame, tracks) if looks else known.observations
        if self._poses is not None and looks:
            posed = self._poses.update(frame, tracks)
            seen = replace(seen, poses=posed.poses, looked=posed.looked, small=posed.small)
        return seen

    def _burning(
        self, seen: Observations, frame: Frame, tracks: Sequence[Track], quality: Quality
    ) -> Observations:
        """``seen``, and how much what looks like fire or smoke moves like it."""
        if self._flames is None:
            return seen
        looks = quality.doubt_ts is None
        flames = self._flames.update(frame, tracks) if looks else self._flames.factors
        return replace(seen, flames=flames)

    def leave(self, frame: Frame, quality: Quality) -> tuple[Tracked, Decided]:
        """This view is not seen any more: nobody is followed, and what was seen since the doubt
        began is forgotten."""
        over = self._held.forget() + self._tracker.forget()
        if self._poses is not None:
            self._poses.reset()
        tracked = unseen(frame, quality, self._detector.classes, over)
        return tracked, self._judged(self._held.last(tracked), leaves=True)

    def finish(self) -> Decided:
        """The source has ended: what is decided of those who are still in sight. A doubt that is
        left stays one."""
        self._held.forget()
        trips = tuple(trip for each in self.movements for trip in each.finish())
        return Decided(self._passing.finish(), trips, self.rules.finish())

    def _released(self, held: Sequence[Tracked]) -> Decided:
        """What there is to say of what counts now."""
        found = [self._judged(tracked) for tracked in held]
        return Decided(
            Counted(
                tuple(crossing for each in found for crossing in each.counted.crossings),
                tuple(late for each in found for late in each.counted.late),
                tuple(stood for each in found for stood in each.counted.stood),
            ),
            tuple(trip for each in found for trip in each.trips),
            tuple(event for each in found for event in each.events),
        )

    def _judged(self, tracked: Tracked, *, leaves: bool = False) -> Decided:
        """What there is to say of one picture; the last one before the view ``leaves``."""
        counted = self._passing.update(tracked)
        trips = tuple(trip for each in self.movements for trip in each.update(tracked))
        watch = self.rules.leave if leaves else self.rules.update
        raised = watch(tracked, self.scene)
        return Decided(counted, trips, self.rules.state(raised, tracked.ts))


def _zones(scene: Scene, stage: Stage) -> list[Zone]:
    """The zones of rules that ask for ``stage``."""
    rules = [rule for rule in place_rules(scene) if rule.enabled]
    names = {rule.place: None for rule in rules if stage in kinds()[rule.kind].stages}
    return [scene.zone(name) for name in names]


def _had(poses: PoseModel | None, scene: Scene) -> PoseModel:
    """``poses``, which a rule of ``scene`` needs."""
    if poses is None:
        rules = (rule for rule in place_rules(scene) if rule.enabled)
        name = next(rule.name for rule in rules if "poses" in kinds()[rule.kind].stages)
        raise DetectorError(
            f"rule '{name}' looks at how people hold themselves, but there is no model of poses"
        )
    return poses


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
        bystanders=UNSEEN,
    )
