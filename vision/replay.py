"""The rules of a scene over tracks that are known again, as they watched live.

Rules that look at anything but tracks cannot be replayed: ``missing`` says which, and why.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vision.counting import Counter
from vision.doubt import Held
from vision.rules.base import Explanation
from vision.rules.registry import camera_rules, kinds, place_rules
from vision.scene import RuleConfig, Scene
from vision.types import Crossing, Event, Tracked
from vision.watch import Rules

PICTURE: Final = "looks at the picture itself, which is not kept"
STAGES: Final = {
    "blobs": "looks at what lies in the picture, which is not kept",
    "poses": "looks at how people hold themselves, which is not kept",
    "flames": "looks at how fire moves, which is not kept",
}
BOXES: Final = "looks at boxes as they were detected, which are not kept"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A rule that is not replayed, or not all of it, and ``why``."""

    rule: str
    kind: str
    why: str


def missing(scene: Scene) -> tuple[LeftOut, ...]:
    """The enabled rules of ``scene`` that cannot be replayed."""
    found = []
    for view in scene.views.values():
        for config in place_rules(view):
            why = why_not(config)
            if why is not None and config.enabled:
                found.append(LeftOut(config.name, config.kind, why))
    own = [config for config in camera_rules(scene) if config.enabled]
    return (*found, *(LeftOut(config.name, config.kind, PICTURE) for config in own))


def replayed(scene: Scene) -> tuple[RuleConfig, ...]:
    """The enabled rules of one view that can be replayed."""
    return tuple(
        config for config in place_rules(scene) if config.enabled and why_not(config) is None
    )


def patience_s(scene: Scene) -> float:
    """For how long the most patient rule that is replayed must watch before it fires, seconds."""
    rules = [config for view in scene.views.values() for config in replayed(view)]
    return max((kinds()[config.kind](config).patience_s for config in rules), default=0.0)


def why_not(config: RuleConfig) -> str | None:
    """Why the rule cannot be replayed; None where it can."""
    kind = kinds()[config.kind]
    if kind.place == "camera":
        return PICTURE
    if kind.stages:
        return STAGES[kind.stages[0]]
    return BOXES if kind.raw_boxes else None


class Replay:
    """What the rules of ``scene`` say of steps that follow each other, and, where it is
    ``counting``, who passes its lines. ``unknown`` is how many showed a view that the scene does
    not have, by its name."""

    def __init__(self, scene: Scene, *, counting: bool = False) -> None:
        self._views = {name: _View(drawn, counting=counting) for name, drawn in scene.views.items()}
        self._looking: _View | None = None
        self.unknown: dict[str, int] = {}

    def update(self, tracked: Tracked) -> tuple[Event, ...]:
        """Take one step: events raised, updated or ended in it."""
        quality = tracked.quality
        view = self._views.get(quality.view) if quality.trusted else None
        if quality.trusted and view is None:
            self.unknown[quality.view] = self.unknown.get(quality.view, 0) + 1
        before = self._looking
        if before is not None and view is not before:
            # the next picture is the first one of another view
            self._looking = None
            return before.leave(tracked)
        self._looking = view
        return () if view is None else view.look(tracked)

    def broken(self) -> tuple[Event, ...]:
        """The next step belongs to another run: nobody is known in it, and incidents that are open
        may go on in it."""
        self._looking = None
        return tuple(event for view in self._views.values() for event in view.broken())

    def finish(self) -> tuple[Event, ...]:
        """There are no more steps: the ends of incidents that were over."""
        return tuple(event for view in self._views.values() for event in view.finish())

    @property
    def judged_ts(self) -> float | None:
        """When the last step was that counts for what is seen now, None where there is none."""
        return None if self._looking is None else self._looking.judged_ts

    def explain(self, only: Collection[str]) -> list[Explanation]:
        """Why the rules of these names that watch what is seen now fire or do not, at
        ``judged_ts``."""
        view = self._looking
        return [] if view is None else view.explain(only)

    def crossed(self) -> list[Crossing]:
        """Crossings that were decided since this was asked last."""
        found = [crossing for view in self._views.values() for crossing in view.crossed]
        for view in self._views.values():
            view.crossed = []
        return found


class _View:
    def __init__(self, scene: Scene, *, counting: bool) -> None:
        self._scene = scene
        self._lines = scene.lines if counting else ()
        self._counter = Counter(self._lines, scene.frame_size)
        self.crossed: list[Crossing] = []
        self._last: Tracked | None = None
        self._configs = replayed(scene)
        self._held = Held()
        self.rules = Rules(self._configs)
        self._ts = 0.0

    @property
    def judged_ts(self) -> float | None:
        return None if self._last is None else self._last.ts

    def look(self, tracked: Tracked) -> tuple[Event, ...]:
        return tuple(event for each in self._held.take(tracked) for event in self._judged(each))

    def leave(self, tracked: Tracked) -> tuple[Event, ...]:
        last = self._held.last(tracked)
        self._ts, self._last = last.ts, None
        self.crossed += self._counter.update(last).crossings
        return self.rules.state(self.rules.leave(last, self._scene), last.ts)

    def explain(self, only: Collection[str]) -> list[Explanation]:
        last = self._last
        return [] if last is None else self.rules.explain(last, self._scene, only)

    def finish(self) -> tuple[Event, ...]:
        self.crossed += self._counter.finish().crossings
        return self.rules.finish()

    def _judged(self, tracked: Tracked) -> Sequence[Event]:
        self._ts, self._last = tracked.ts, tracked
        self.crossed += self._counter.update(tracked).crossings
        return self.rules.state(self.rules.update(tracked, self._scene), tracked.ts)

    def broken(self) -> list[Event]:
        over = self.finish()
        # numbers of tracks begin anew
        self._counter, self._last = Counter(self._lines, self._scene.frame_size), None
        # what was lost from sight may be seen again
        lost = [event for event in over if event.lost]
        known = [*lost, *(replace(event, end_ts=self._ts) for event in self.rules.open)]
        self._held, self.rules = Held(), Rules(self._configs)
        self.rules.remember(
            replace(event, end_ts=max(event.start_ts, event.end_ts or 0.0)) for event in known
        )
        return [event for event in over if not event.lost]
