"""Counts by interval: who passed which line, or went which way between zones, in which minute,
and for how long anybody watched.

No clock but the ``ts`` of frames. An interval without frames is never stated: a gap is a gap, and
never a zero. One of which every frame showed nothing that can be trusted says that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

from vision.movements import direction, directions
from vision.occupancy import Stood
from vision.paces import KMH, Pace
from vision.scene import Line, Movement
from vision.types import CountBin, Crossing, JsonValue, Late, Trip

SECONDS: Final = 60
MAX_GAP_S = 2.0
"""Time between two analysed frames is watched up to this: tracks are followed through a gap of
about a second, so whoever crosses within it is seen before and after."""
GRACE_S = 5.0
"""A crossing is decided when its object is clear of the line, mostly moments after its ``ts``."""
KEEP_S = 600.0
"""An interval can be amended for so long after its end."""

DECIMALS: Final = 3
"""Seconds are stated to the millisecond."""

Key: TypeAlias = tuple[str, str, str]
"""Line, direction, class; of a trip its movement, which way, class."""
Place: TypeAlias = tuple[str, str]
"""Line, direction."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What one camera saw pass in the ``seconds`` from ``start_ts`` on.

    Camera, start, seconds and ``revision`` of the scene are its identity; a higher ``version``
    replaces a lower one. ``observed_s`` seconds of it were watched, in ``frames`` frames;
    ``observed`` says for how many those lines and movements were that are not in every view.
    ``counts`` holds every count that is not 0, ``lines`` the directions of each line and
    movement. ``late`` says how many may have passed beside them, before they were seen. For
    ``blind_s`` seconds beside ``observed_s`` pictures came that showed no view that can be
    trusted. ``paces`` are of calibrated views alone. ``occupied`` says for how many of the seconds
    for which a line was watched something stood on it. No real camera saw what is ``synthetic``.
    """

    camera_id: str
    start_ts: float
    seconds: int
    revision: int
    version: int
    observed_s: float
    frames: int
    lines: Mapping[str, tuple[str, ...]]
    classes: tuple[str, ...]
    counts: Mapping[Key, int]
    late: Mapping[Place, int] = field(default_factory=lambda: MappingProxyType({}))
    observed: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    blind_s: float = 0.0
    paces: Mapping[Key, Pace] = field(default_factory=lambda: MappingProxyType({}))
    occupied: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    synthetic: bool = False

    def observed_of(self, line: str) -> float:
        """For how many seconds a line or movement was watched."""
        return self.observed.get(line, self.observed_s)

    def bins(self) -> list[CountBin]:
        """One bin for each line, direction and class, the zeros included."""
        drawn = [(line, direction) for line, by in self.lines.items() for direction in by]
        keys = [(*where, name) for where, name in product(drawn, self.classes)]
        # what an earlier model found in this interval counts too
        keys += [key for key in self.counts if key not in set(keys)]
        return [
            CountBin(
                camera_id=self.camera_id,
                line=line,
                direction=direction,
                class_name=name,
                start_ts=self.start_ts,
                seconds=self.seconds,
                revision=self.revision,
                count=self.counts.get((line, direction, name), 0),
                observed_s=self.observed_of(line),
            )
            for line, direction, name in keys
        ]


@dataclass(slots=True)
class _Open:
    """An interval that can still change. ``version`` is the one stated last, 0 for none;
    ``seen`` are the seconds for which each view was watched, ``stood`` those for which something
    was on each line."""

    seen: dict[str, float] = field(default_factory=dict)
    blind_s: float = 0.0
    frames: int = 0
    version: int = 0
    changed: bool = True
    counts: dict[Key, int] = field(default_factory=dict)
    late: dict[Place, int] = field(default_factory=dict)
    paces: dict[Key, Pace] = field(default_factory=dict)
    stood: dict[str, float] = field(default_factory=dict)


class Binner:
    """The intervals of one camera's scene ``revision``. ``views`` says which line or movement
    belongs to which view, "" for the camera's own, which those that it leaves out belong to.
    Raises ValueError for ``seconds`` below 1.

    Every list it returns has to be stated, together with the ``state`` after it: a worker that
    is started anew goes on from there, and counts nothing twice and loses nothing.
    """

    def __init__(
        self,
        camera_id: str,
        lines: Sequence[Line],
        classes: Sequence[str],
        revision: int,
        seconds: int = SECONDS,
        movements: Sequence[Movement] = (),
        views: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        if seconds < 1:
            raise ValueError(f"an interval has 1 second or more, not {seconds}")
        self._camera_id = camera_id
        self._lines: dict[str, tuple[str, ...]] = {
            line.name: (line.forward, line.backward) for line in lines
        }
        self._lines |= {movement.name: directions(movement) for movement in movements}
        self._classes = tuple(classes)
        self._revision = revision
        self._seconds = seconds
        self._views = dict(views)
        self._view = ""
        self._blind = False
        self._last_ts: float | None = None
        self._intervals: dict[int, _Open] = {}

    def update(
        self,
        ts: float,
        crossings: Iterable[Crossing],
        trips: Iterable[Trip] = (),
        late: Iterable[Late] = (),
        stood: Iterable[Stood] = (),
        *,
        view: str | None = "",
        seen: Sequence[float] = (),
    ) -> list[Interval]:
        """Take an analysed frame and what it decided; returns the intervals that became final,
        or were final and are amended. The frame shows ``view``; None for one in which nothing
        could be trusted. ``seen`` are the times of frames before it that were in doubt: they were
        watched if this one shows the view from before them."""
        in_doubt = view if view == self._view else None
        for each_ts, shown in (*((each_ts, in_doubt) for each_ts in seen), (ts, view)):
            self._watch(each_ts, shown)
            if shown is not None:
                self._at(each_ts).frames += 1
                self._at(each_ts).changed = True
        self.count(ts, crossings, trips, late, stood)
        return self.due(ts)

    def count(
        self,
        ts: float,
        crossings: Iterable[Crossing],
        trips: Iterable[Trip] = (),
        late: Iterable[Late] = (),
        stood: Iterable[Stood] = (),
    ) -> None:
        """Take what was decided by ``ts`` without another frame."""
        keys = []
        for crossing in crossings:
            key = crossing.line, crossing.direction, crossing.class_name
            keys.append((crossing.ts, key))
            if crossing.kmh is not None:
                paces = self._of(crossing.ts, ts).paces
                pace = Pace(1, KMH / crossing.kmh)
                paces[key] = paces[key] + pace if key in paces else pace
        for trip in trips:
            way = direction(trip.origin, trip.destination)
            keys.append((trip.ts, (trip.movement, way, trip.class_name)))
        for at_ts, key in keys:
            counts = self._of(at_ts, ts).counts
            counts[key] = counts.get(key, 0) + 1
        for each in late:
            place = (each.line, each.direction)
            lates = self._of(each.ts, ts).late
            lates[place] = lates.get(place, 0) + 1
        for on in stood:
            for interval, seconds in self._parts(on.start_ts, on.end_ts):
                interval.stood[on.line] = interval.stood.get(on.line, 0.0) + seconds
                interval.changed = True

    def due(self, ts: float) -> list[Interval]:
        """The same without a frame, for a camera that sends none: what is final by ``ts``."""
        return self._state_until(ts - GRACE_S, forget_before=ts - KEEP_S - self._seconds)

    def flush(self, ts: float) -> list[Interval]:
        """The source ended at ``ts``, up to which its last frame counts as watched: everything
        that was not stated yet. A later frame of the same interval amends it."""
        self._watch(ts, None if self._blind else self._view)
        return self.unstated()

    def latest(self, n: int) -> list[Interval]:
        """The last ``n`` intervals (from 1) that began, the oldest first, as they are now: their
        ``version`` is the one stated last, 0 for none."""
        return [
            self._interval(start, interval)
            for start, interval in sorted(self._intervals.items())[-max(n, 1) :]
        ]

    def state(self) -> dict[str, JsonValue]:
        """All that is not forgotten, in JSON values, for ``restore``."""
        return {
            "revision": self._revision,
            "seconds": self._seconds,
            "lines": {line: list(by) for line, by in self._lines.items()},
            "views": dict(self._views),
            "classes": list(self._classes),
            "intervals": [
                {
                    "start": start,
                    "seen": dict(interval.seen),
                    "frames": interval.frames,
                    "version": interval.version,
                    "changed": interval.changed,
                    "counts": [[*key, n] for key, n in interval.counts.items()],
                    "late": [[*place, n] for place, n in interval.late.items()],
                    "blind": interval.blind_s,
                    "paces": [
                        [*key, pace.measured, pace.s_per_m] for key, pace in interval.paces.items()
                    ],
                    "stood": dict(interval.stood),
                }
                for start, interval in self._intervals.items()
            ],
        }

    @classmethod
    def revived(cls, camera_id: str, state: JsonValue) -> Binner:
        """The counts that another run left, as it gave them by ``state``, under their own
        revision. Raises ValueError for what no ``state`` gave."""
        try:
            kept = cast("dict[str, Any]", state)
            lines = {str(line): tuple(map(str, by)) for line, by in kept["lines"].items()}
            classes = tuple(map(str, kept["classes"]))
            # earlier versions knew one view
            views = {str(line): str(view) for line, view in kept.get("views", {}).items()}
            found = cls(
                camera_id, (), classes, int(kept["revision"]), int(kept["seconds"]), views=views
            )
            found._lines = lines
            found._intervals = {int(each["start"]): _open(each) for each in kept["intervals"]}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is no state of counts: {error!r}") from error
        return found

    def restore(self, state: JsonValue) -> list[Interval]:
        """Go on from what ``state`` gave in an earlier run; the time between the two was not
        watched. Where that run had another revision, returns what it had not stated yet.
        Raises ValueError for what no ``state`` gave."""
        earlier = Binner.revived(self._camera_id, state)
        if (earlier._revision, earlier._seconds) != (self._revision, self._seconds):
            return earlier.unstated()
        self._intervals = earlier._intervals
        return []

    def unstated(self) -> list[Interval]:
        """Everything that was not stated yet, where nobody watches any more."""
        return self._state_until(math.inf, forget_before=-math.inf)

    def _of(self, at_ts: float, ts: float) -> _Open:
        """The interval in which something counts that happened ``at_ts`` and was decided at
        ``ts``."""
        # who stood on a line for so long that its interval is forgotten passes it now
        interval = self._at(ts if at_ts < ts - KEEP_S else min(at_ts, ts))
        interval.changed = True
        return interval

    def _at(self, ts: float) -> _Open:
        return self._intervals.setdefault(self._start(ts), _Open())

    def _start(self, ts: float) -> int:
        return math.floor(ts / self._seconds) * self._seconds

    def _watch(self, ts: float, view: str | None) -> None:
        """Credit the time since the last frame to the intervals that it lies in: as watched where
        both show the same view, as blind where one of them shows nothing to be trusted."""
        last_ts, self._last_ts = self._last_ts, ts
        blind = self._blind or view is None
        same = view == self._view
        self._blind = view is None
        if view is not None:
            self._view = view
        if last_ts is None or not (blind or same) or not 0 < ts - last_ts <= MAX_GAP_S:
            return
        for interval, seconds in self._parts(last_ts, ts):
            if blind:
                interval.blind_s += seconds
            else:
                interval.seen[self._view] = interval.seen.get(self._view, 0.0) + seconds
            interval.changed = True

    def _parts(self, start_ts: float, end_ts: float) -> Iterator[tuple[_Open, float]]:
        """The intervals that a time lies in, and how many seconds of it."""
        while start_ts < end_ts:
            until_ts = min(end_ts, self._start(start_ts) + self._seconds)
            yield self._at(start_ts), until_ts - start_ts
            start_ts = until_ts

    def _state_until(self, end_ts: float, *, forget_before: float) -> list[Interval]:
        """State what changed in the intervals that ended by ``end_ts``, and forget those that
        started before ``forget_before``."""
        found = []
        for start, interval in sorted(self._intervals.items()):
            if start + self._seconds > end_ts:
                continue
            if interval.changed:
                interval.changed = False
                interval.version += 1
                found.append(self._interval(start, interval))
            if start < forget_before:
                del self._intervals[start]
        return found

    def _seconds_of(self, *seen_s: float) -> float:
        # a clock that was set back may let a time be watched twice
        return min(round(math.fsum(seen_s), DECIMALS), float(self._seconds))

    def _interval(self, start: int, interval: _Open) -> Interval:
        several = set(self._views.values()) - {""}
        observed_s = self._seconds_of(*interval.seen.values())
        observed = {
            line: self._seconds_of(interval.seen.get(self._views.get(line, ""), 0.0))
            for line in (self._lines if several else ())
        }
        return Interval(
            camera_id=self._camera_id,
            start_ts=float(start),
            seconds=self._seconds,
            revision=self._revision,
            version=interval.version,
            observed_s=observed_s,
            frames=interval.frames,
            lines=MappingProxyType(dict(self._lines)),
            classes=self._classes,
            counts=MappingProxyType(dict(interval.counts)),
            late=MappingProxyType(dict(interval.late)),
            observed=MappingProxyType(observed),
            blind_s=self._seconds_of(interval.blind_s),
            paces=MappingProxyType(dict(interval.paces)),
            occupied=MappingProxyType(
                {
                    line: min(self._seconds_of(stood_s), observed.get(line, observed_s))
                    for line, stood_s in interval.stood.items()
                }
            ),
        )


def _open(kept: Mapping[str, Any]) -> _Open:
    # earlier versions knew one view
    seen = kept["seen"] if "seen" in kept else {"": kept["observed_s"]}
    return _Open(
        seen={str(view): float(seen_s) for view, seen_s in seen.items()},
        frames=int(kept["frames"]),
        version=int(kept["version"]),
        changed=bool(kept["changed"]),
        counts={(str(a), str(b), str(c)): int(n) for a, b, c, n in kept["counts"]},
        # earlier versions kept none
        late={(str(a), str(b)): int(n) for a, b, n in kept.get("late", ())},
        blind_s=float(kept.get("blind", 0.0)),
        paces={
            (str(a), str(b), str(c)): Pace(int(n), float(s_per_m))
            for a, b, c, n, s_per_m in kept.get("paces", ())
        },
        stood={str(line): float(stood_s) for line, stood_s in kept.get("stood", {}).items()},
    )
