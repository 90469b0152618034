"""One camera, one ``step`` a frame: quality, detect, track, count, rules. Live and recorded alike.

Where the picture cannot be trusted, or shows no view that is known, rules and counts are
suspended: nobody is followed, and the time counts as not watched. All resumes by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vision.counting import Counted
from vision.detect import Finder, Nobody
from vision.errors import DetectorError
from vision.laps import Laps, unmeasured
from vision.movements import MovementCounter
from vision.pose import PoseModel
from vision.quality import ViewMonitor
from vision.rules.base import Explanation
from vision.rules.registry import camera_rules
from vision.scene import Scene
from vision.track import TrackerSettings
from vision.types import Event, Frame, Tracked, Trip
from vision.views import View
from vision.watch import Decided, Rules, Watch, unseen


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What one frame brought: the state of all tracks, what was counted and events raised,
    updated or ended in it. ``tracked.quality`` says whether it was watched, and in which view."""

    tracked: Tracked
    counted: Counted = field(default_factory=Counted)
    trips: tuple[Trip, ...] = ()
    events: tuple[Event, ...] = ()


class Pipeline:
    """Everything that is known of one camera. Its state dies with it.

    ``view`` is how the camera's own view looked to an earlier run (its ``learnt``), None where it
    is to be learnt; a scene that states its view knows better. ``poses`` finds how people hold
    themselves, for rules that need it; ``laps`` hears each stage end. Building it raises
    DetectorError for a rule that could never fire: about a class that the detector does not look
    for, or about poses where there is no model.
    """

    def __init__(
        self,
        scene: Scene,
        detector: Finder,
        tracker: TrackerSettings,
        view: str | None = None,
        poses: PoseModel | None = None,
        laps: Laps | None = None,
    ) -> None:
        self.scene = scene
        self._detector = detector
        self._lap = laps or unmeasured
        for config in (rule for view in scene.views.values() for rule in view.rules):
            for name in config.classes:
                if name not in detector.wanted:
                    raise DetectorError(
                        f"rule '{config.name}' looks for '{name}', but the detector only finds "
                        f"{', '.join(detector.wanted)}: name it in the scene's 'classes', or "
                        "correct the rule's"
                    )
        known = {preset.name: preset.view for preset in scene.presets}
        if scene.view is not None or view is not None:
            known[""] = scene.view or view or ""
        self._monitor = ViewMonitor({name: View.of_text(text) for name, text in known.items()})
        self._camera = Rules(camera_rules(scene))
        self._watches = {
            name: Watch(drawn, detector, tracker, poses, self._lap)
            for name, drawn in scene.views.items()
        }
        self._looking: Watch | None = None
        self._last: Tracked | None = None

    @classmethod
    def of_camera(cls, size: tuple[int, int], view: str | None = None) -> Pipeline:
        """One for pictures of ``size`` (w, h) on which nothing is drawn: it watches the
        camera itself."""
        tracker = TrackerSettings(low=0.1, match=0.1, birth=0.1)
        return cls(Scene(size), Nobody(), tracker, view)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The classes that tracks, counts and rules are about."""
        return self.scene.classes or self._detector.wanted

    @property
    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Counts so far: line → direction → class → n, every line and direction present."""
        return {line: by for each in self._watches.values() for line, by in each.counts.items()}

    @property
    def late(self) -> dict[str, dict[str, int]]:
        """Who came late so far: line → direction → n, every line and direction present."""
        return {line: by for each in self._watches.values() for line, by in each.late.items()}

    @property
    def movements(self) -> tuple[MovementCounter, ...]:
        """The counters of the scene's movements: matrices so far, and what they must agree with."""
        return tuple(each for watch in self._watches.values() for each in watch.movements)

    @property
    def learnt(self) -> str | None:
        """The text of the camera's own view as it is known now, None until it is learnt."""
        view = self._monitor.learnt
        return None if view is None else view.text

    @property
    def open(self) -> tuple[Event, ...]:
        """The incidents that are open now."""
        rules = [watch.rules for watch in self._watches.values()]
        return tuple(event for each in (self._camera, *rules) for event in each.open)

    def remember(self, events: Iterable[Event]) -> None:
        """Go on with incidents that an earlier run stated and did not close."""
        known = list(events)
        self._camera.remember(known)
        for watch in self._watches.values():
            watch.rules.remember(known)

    def step(self, frame: Frame) -> Step:
        """Take one frame. Raises SceneError when its shape is not the scene's, ValueError when
        its time is before the last one's."""
        quality = self._monitor.update(frame)
        self._lap("quality")
        watch = self._watches[quality.view] if quality.trusted else None
        before = self._looking
        if before is not None and watch is not before:
            # the next picture is the first one of another view
            tracked, decided = before.leave(frame, quality)
            self._looking = None
        elif watch is not None:
            tracked, decided = watch.look(frame, quality)
            self._looking = watch
        else:
            tracked, decided = unseen(frame, quality, self._detector.classes), Decided()
        self._last = tracked
        own = self._camera.state(self._camera.update(tracked, self.scene), frame.ts)
        self._lap("rules")
        return Step(tracked, decided.counted, decided.trips, (*own, *decided.events))

    def finish(self) -> Decided:
        """The source has ended: what is decided of those who are still in sight, and incidents
        that were over."""
        last = [watch.finish() for watch in self._watches.values()]
        return Decided(
            Counted(
                tuple(crossing for each in last for crossing in each.counted.crossings),
                tuple(late for each in last for late in each.counted.late),
            ),
            tuple(trip for each in last for trip in each.trips),
            (*self._camera.finish(), *(event for each in last for event in each.events)),
        )

    def explain(self) -> list[Explanation]:
        """Why each rule fires or does not, at the last step."""
        if self._last is None:
            return []
        found = self._camera.explain(self._last, self.scene)
        watch = self._looking
        return found if watch is None else found + watch.rules.explain(self._last, watch.scene)
