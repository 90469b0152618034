"""Counts out of tracks that are known: who passed the lines and went the ways of a scene, by the
minute. What a recording is counted by, and counted by again where a line is moved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from vision.bins import MAX_GAP_S, Binner, Interval
from vision.counting import Counted
from vision.doubt import Held
from vision.movements import MovementCounter
from vision.passing import Passing
from vision.region import Box
from vision.scene import Scene
from vision.types import Tracked, Trip


class Recount:
    """The counts of one camera by ``scene``, out of steps that follow each other.

    ``classes`` are what was looked for; ``groups`` numbers those that may continue each other, as
    for ``Passing``; ``seen`` is the part of the scene's picture that was looked at, None for all.
    What was decided from ``since_ts`` up to ``until_ts`` counts, in the minute in which it
    happened: two that know the same steps and share their time so count everybody once. What is
    decided only because there are no more steps counts where ``until_ts`` is infinite.
    """

    def __init__(
        self,
        camera_id: str,
        scene: Scene,
        classes: Sequence[str],
        *,
        groups: Mapping[str, int] = MappingProxyType({}),
        seen: Box | None = None,
        revision: int = 0,
        since_ts: float = -math.inf,
        until_ts: float = math.inf,
    ) -> None:
        self._since_ts, self._until_ts = since_ts, until_ts
        views = scene.views
        self._views = {name: _View(drawn, groups, seen) for name, drawn in views.items()}
        self._binner = Binner(
            camera_id,
            [line for view in views.values() for line in view.lines],
            classes,
            revision,
            movements=[movement for view in views.values() for movement in view.movements],
            views={each.name: name for name, view in views.items() for each in view.counted},
        )
        self._looking: _View | None = None
        self._doubtful: list[float] = []
        self._last_ts: float | None = None
        self._stated: dict[float, Interval] = {}

    def update(self, tracked: Tracked) -> None:
        """Take one step."""
        quality, ts = tracked.quality, tracked.ts
        view = self._views.get(quality.view) if quality.trusted else None
        before, self._last_ts = self._looking, ts
        if before is not None and view is not before:
            # the next picture is the first one of another view
            self._looking = None
            counted, trips = before.leave(tracked)
        else:
            self._looking = view
            counted, trips = (Counted(), ()) if view is None else view.look(tracked)
        if not self._since_ts <= ts < self._until_ts:
            counted, trips = Counted(stood=counted.stood), ()
        passed = counted.crossings, trips, counted.late, counted.stood
        if quality.trusted and quality.doubt_ts is not None:
            # whether this was watched is known later
            self._doubtful.append(ts)
            self._binner.count(ts, *passed)
            self._state(self._binner.due(ts))
            return
        seen, self._doubtful = self._doubtful, []
        watched = None if view is None else quality.view
        self._state(self._binner.update(ts, *passed, view=watched, seen=seen))

    def finish(self, end_ts: float | None = None, next_ts: float = math.inf) -> list[Interval]:
        """There are no more steps, and the last one counts as watched up to ``end_ts`` where that
        is given: all intervals that anybody watched, by time, of version 1. Pictures go on at
        ``next_ts``, for others to count: who is under way at the end of these and goes on in those
        is a trip there."""
        goes_on = self._goes_on(end_ts, next_ts)
        views = self._views.values() if math.isinf(self._until_ts) else ()
        for view in views:
            counted, trips = view.finish()
            if self._last_ts is not None:
                trips = tuple(each for each in trips if not goes_on or each.destination is not None)
                passed = counted.crossings, trips, counted.late, counted.stood
                self._binner.count(self._last_ts, *passed)
        if end_ts is None or self._doubtful:
            self._state(self._binner.unstated())
        else:
            self._state(self._binner.flush(end_ts))
        return [replace(self._stated[start], version=1) for start in sorted(self._stated)]

    def _goes_on(self, end_ts: float | None, next_ts: float) -> bool:
        if end_ts is None or self._last_ts is None:
            return False
        return max(end_ts - self._last_ts, next_ts - end_ts) <= MAX_GAP_S

    def _state(self, intervals: Sequence[Interval]) -> None:
        self._stated |= {each.start_ts: each for each in intervals}


class _View:
    def __init__(self, scene: Scene, groups: Mapping[str, int], seen: Box | None) -> None:
        self._passing = Passing(scene, groups, seen)
        self._movements = tuple(MovementCounter(each, scene) for each in scene.movements)
        self._held = Held()

    def look(self, tracked: Tracked) -> tuple[Counted, tuple[Trip, ...]]:
        return self._counted(self._held.take(tracked))

    def leave(self, tracked: Tracked) -> tuple[Counted, tuple[Trip, ...]]:
        return self._counted([self._held.last(tracked)])

    def finish(self) -> tuple[Counted, tuple[Trip, ...]]:
        self._held.forget()
        trips = tuple(trip for each in self._movements for trip in each.finish())
        return self._passing.finish(), trips

    def _counted(self, steps: Sequence[Tracked]) -> tuple[Counted, tuple[Trip, ...]]:
        found = [self._passing.update(each) for each in steps]
        trips = tuple(
            trip for each in steps for movement in self._movements for trip in movement.update(each)
        )
        return (
            Counted(
                tuple(crossing for each in found for crossing in each.crossings),
                tuple(late for each in found for late in each.late),
                tuple(stood for each in found for stood in each.stood),
            ),
            trips,
        )
