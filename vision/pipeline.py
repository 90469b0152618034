"""One camera, one ``step`` a frame: detect, track, count, rules. Live and recorded alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.counting import Counted, Counter
from vision.detect import Finder
from vision.errors import DetectorError
from vision.movements import MovementCounter
from vision.region import RegionFinder
from vision.rules.registry import kinds
from vision.scene import Scene
from vision.track import Tracker, TrackerSettings
from vision.types import Detections, Event, Frame, Tracked, Trip


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What one frame brought: the state of all tracks, what was counted and events raised or
    ended in it."""

    tracked: Tracked
    counted: Counted
    trips: tuple[Trip, ...]
    events: tuple[Event, ...]


class Pipeline:
    """Everything that is known of one camera. Its state dies with it.

    Building it raises DetectorError for a rule about a class that the detector does not look for:
    it could never fire.
    """

    def __init__(self, scene: Scene, detector: Finder, tracker: TrackerSettings) -> None:
        self.scene = scene
        self._detector = detector
        self._tracker = Tracker(tracker, detector.classes, detector.group_of)
        groups = dict(zip(detector.classes, detector.group_of.tolist(), strict=True))
        # what is really looked at: an automatic region that gains nothing is not
        seen = detector.box_in(scene.frame_size) if isinstance(detector, RegionFinder) else None
        self._counter = Counter(scene.lines, scene.frame_size, groups, seen)
        self._movements = [MovementCounter(movement, scene) for movement in scene.movements]
        for config in scene.rules:
            for name in config.classes:
                if name not in detector.wanted:
                    raise DetectorError(
                        f"rule '{config.name}' looks for '{name}', but the detector only finds "
                        f"{', '.join(detector.wanted)}: name it in the scene's 'classes', or "
                        "correct the rule's"
                    )
        self._rules = [kinds()[config.kind](config) for config in scene.rules]
        self._wanted = scene.classes or detector.wanted

    @property
    def wanted(self) -> tuple[str, ...]:
        """The classes that tracks, counts and rules are about."""
        return self._wanted

    @property
    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Counts so far: line → direction → class → n, every line and direction present."""
        return self._counter.counts

    @property
    def late(self) -> dict[str, dict[str, int]]:
        """Who came late so far: line → direction → n, every line and direction present."""
        return self._counter.late

    @property
    def movements(self) -> tuple[MovementCounter, ...]:
        """The counters of the scene's movements: matrices so far, and what they must agree with."""
        return tuple(self._movements)

    def step(self, frame: Frame) -> Step:
        """Take one frame. Raises SceneError when its shape is not the scene's, ValueError when
        its time is before the last one's."""
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
            tracks=tuple(track for track in tracks if track.class_name in self._wanted),
            ended=ended,
        )
        return Step(
            tracked=tracked,
            counted=self._counter.update(tracked),
            trips=tuple(trip for each in self._movements for trip in each.update(tracked)),
            events=tuple(
                event for rule in self._rules for event in rule.update(tracked, self.scene)
            ),
        )

    def finish(self) -> tuple[Counted, tuple[Trip, ...]]:
        """The source has ended: what is counted of those who are still in sight."""
        trips = tuple(trip for each in self._movements for trip in each.finish())
        return self._counter.finish(), trips
