"""One camera, one ``step`` a frame: quality, detect, track, count, rules. Live and recorded alike.

Where the picture cannot be trusted, or shows no view that is known, rules and counts are
suspended: nobody is followed, and the time counts as not watched. All resumes by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vision.counting import Counted
from vision.detect import Finder
from vision.errors import DetectorError
from vision.movements import MovementCounter
from vision.quality import ViewMonitor
from vision.rules.base import Explanation
from vision.rules.registry import camera_rules
from vision.scene import Scene
from vision.track import TrackerSettings
from vision.types import Event, Frame, Tracked, Trip
from vision.watch import Decided, Rules, Watch, unseen


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What one frame brought: the state of all tracks, what was counted and events raised,
    updated or ended in it. ``watched`` says whether the frame was looked at with trust."""

    tracked: Tracked
    watched: bool
    counted: Counted = field(default_factory=Counted)
    trips: tuple[Trip, ...] = ()
    events: tuple[Event, ...] = ()


class Pipeline:
    """Everything that is known of one camera. Its state dies with it.

    Building it raises DetectorError for a rule about a class that the detector does not look for:
    it could never fire.
    """

    def __init__(self, scene: Scene, detector: Finder, tracker: TrackerSettings) -> None:
        self.scene = scene
        self._detector = detector
        for config in scene.rules:
            for name in config.classes:
                if name not in detector.wanted:
                    raise DetectorError(
                        f"rule '{config.name}' looks for '{name}', but the detector only finds "
                        f"{', '.join(detector.wanted)}: name it in the scene's 'classes', or "
                        "correct the rule's"
                    )
        self._monitor = ViewMonitor()
        self._camera = Rules(camera_rules(scene))
        self._watch = Watch(scene, detector, tracker)
        self._looking = False
        self._last: Tracked | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The classes that tracks, counts and rules are about."""
        return self._watch.wanted

    @property
    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Counts so far: line → direction → class → n, every line and direction present."""
        return self._watch.counts

    @property
    def late(self) -> dict[str, dict[str, int]]:
        """Who came late so far: line → direction → n, every line and direction present."""
        return self._watch.late

    @property
    def movements(self) -> tuple[MovementCounter, ...]:
        """The counters of the scene's movements: matrices so far, and what they must agree with."""
        return self._watch.movements

    @property
    def open(self) -> tuple[Event, ...]:
        """The incidents that are open now."""
        return (*self._camera.open, *self._watch.rules.open)

    def remember(self, events: Iterable[Event]) -> None:
        """Go on with incidents that an earlier run stated and did not close."""
        known = list(events)
        self._camera.remember(known)
        self._watch.rules.remember(known)

    def step(self, frame: Frame) -> Step:
        """Take one frame. Raises SceneError when its shape is not the scene's, ValueError when
        its time is before the last one's."""
        quality = self._monitor.update(frame)
        if quality.trusted:
            self._looking = True
            tracked, decided = self._watch.look(frame, quality)
        elif self._looking:
            self._looking = False
            tracked, decided = self._watch.leave(frame, quality)
        else:
            tracked, decided = unseen(frame, quality, self._detector.classes), Decided()
        self._last = tracked
        own = self._camera.state(self._camera.update(tracked, self.scene), frame.ts)
        return Step(
            tracked,
            quality.trusted and quality.doubt_ts is None,
            decided.counted,
            decided.trips,
            (*own, *decided.events),
        )

    def finish(self) -> Decided:
        """The source has ended: what is decided of those who are still in sight, and incidents
        that were over."""
        last = self._watch.finish()
        return Decided(last.counted, last.trips, (*self._camera.finish(), *last.events))

    def explain(self) -> list[Explanation]:
        """Why each rule fires or does not, at the last step."""
        if self._last is None:
            return []
        found = self._camera.explain(self._last, self.scene)
        return found + (
            self._watch.rules.explain(self._last, self._watch.scene) if self._looking else []
        )
