"""One day at one place, quarter hour by quarter hour: what passed, what that is worth, how fast it
was, and how much of it anybody watched. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from streams.trafficfile import Traffic
from vision.bins import DECIMALS, Interval
from vision.junctions import Junction
from vision.measures import DAY_S, QUARTER_S, Slot
from vision.paces import Pace
from vision.traffic import (
    HOUR_S,
    MOTORISED,
    HourFlow,
    Passed,
    Road,
    Smp,
    VehicleClass,
    Why,
    motorised,
    smp,
    summed,
)

IN_AN_HOUR: Final = HOUR_S // QUARTER_S


class Stream(NamedTuple):
    """Those that one camera counts on a line or movement in one direction."""

    camera: str
    line: str
    direction: str
    road: Road | None = None


@dataclass(frozen=True, slots=True)
class Quarter:
    """A quarter hour of some streams together. ``counts`` is None, and so is all that follows from
    it, where one of them was not watched at all: a sum without it would be no sum. ``watched_s``
    and ``blind_s`` are of the one that was watched least; ``elapsed_s`` is how much of it is over.
    """

    start_ts: int
    elapsed_s: float
    counts: Mapping[VehicleClass, int] | None
    watched_s: float
    blind_s: float
    late: int
    pace: Pace | None
    occupied_s: float
    smp: Smp
    revisions: tuple[int, ...]
    streams: Mapping[Stream, Passed] = field(default_factory=lambda: MappingProxyType({}))
    """What passed in each stream that was watched."""

    @property
    def total(self) -> int | None:
        return None if self.counts is None else sum(self.counts.values())

    @property
    def missing_s(self) -> float:
        """How much of what is over nobody saw, though no picture said why."""
        return max(0.0, round(self.elapsed_s - self.watched_s - self.blind_s, DECIMALS))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a line or movement counted in a quarter hour, by direction and class, and together."""

    watched_s: float
    drawn: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """For how many seconds it was watched while the scene had each direction."""
    passed: defaultdict[str, Counter[VehicleClass]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    paces: defaultdict[str, list[Pace]] = field(default_factory=lambda: defaultdict(list))
    all: Counter[VehicleClass] = field(default_factory=Counter)


class Days:
    """Intervals of some cameras, none of them longer than a quarter hour, with what their
    ``models`` (by camera) call a class. Where a camera is a real one, what it saw while it was not
    is left out."""

    def __init__(
        self,
        intervals: Mapping[str, Sequence[Interval]],
        traffic: Traffic,
        models: Mapping[str, str],
    ) -> None:
        self._traffic = traffic
        self._models = models
        self.synthetic = False
        self._known: dict[tuple[str, str, int], _Seen] = {}
        self._classes: dict[tuple[str, str], VehicleClass] = {}
        self._by_start: dict[str, dict[int, list[Interval]]] = {}
        for camera, found in intervals.items():
            unreal = bool(found) and all(each.synthetic for each in found)
            self.synthetic |= unreal
            starts = self._by_start[camera] = defaultdict(list)
            for each in found:
                if each.synthetic == unreal:
                    starts[_quarter(each.start_ts)].append(each)

    def lines(self, camera: str, start_ts: int) -> dict[str, tuple[str, ...]]:
        """What was counted at a camera on a day, with its directions."""
        found: dict[str, tuple[str, ...]] = {}
        for start in range(start_ts, start_ts + DAY_S, QUARTER_S):
            for each in self._at(camera, start):
                for line, by in each.lines.items():
                    found[line] = tuple(dict.fromkeys((*found.get(line, ()), *by)))
        return found

    def quarters(
        self, streams: Sequence[Stream], start_ts: int, now: float, *, every: bool = False
    ) -> list[Quarter]:
        """The day that begins at ``start_ts``, as far as it is over at ``now``. ``every`` says that
        these are all directions of one line: one that its scene did not have for a while is then
        no gap, since all who passed were counted in the others."""
        found = []
        for hour in range(start_ts, start_ts + DAY_S, HOUR_S):
            flows = {stream: self._flow(stream, hour) for stream in streams}
            for start in range(hour, hour + HOUR_S, QUARTER_S):
                elapsed_s = min(max(now - start, 0.0), float(QUARTER_S))
                parts = [self._part(it, start, elapsed_s, flows[it], every) for it in streams]
                found.append(_together(parts, start, elapsed_s))
        return found

    def _at(self, camera: str, start: int) -> Sequence[Interval]:
        return self._by_start.get(camera, {}).get(start, ())

    def _seen(self, camera: str, line: str, start: int) -> _Seen:
        """A movement has hundreds of directions, so what it counted is looked through once."""
        where = camera, line, start
        if where not in self._known:
            self._known[where] = self._look(camera, line, start)
        return self._known[where]

    def _look(self, camera: str, line: str, start: int) -> _Seen:
        found = _Seen(_watched(self._at(camera, start), line))
        for each in self._at(camera, start):
            for direction in each.lines.get(line, ()):
                found.drawn[direction] += each.observed_of(line)
            for (name, direction, class_name), count in each.counts.items():
                if name == line:
                    found.passed[direction][self._class_of(camera, class_name)] += count
            for (name, direction, class_name), pace in each.paces.items():
                if name == line and self._class_of(camera, class_name) in MOTORISED:
                    found.paces[direction].append(pace)
        for counts in found.passed.values():
            found.all.update(counts)
        return found

    def _class_of(self, camera: str, class_name: str) -> VehicleClass:
        asked = self._models.get(camera, ""), class_name
        if asked not in self._classes:
            self._classes[asked] = self._traffic.class_of(*asked)
        return self._classes[asked]

    def _flow(self, stream: Stream, hour: int) -> HourFlow | None:
        """None where no factor asks for it too."""
        if stream.road is None:
            return None
        own, everybody = Counter[VehicleClass](), Counter[VehicleClass]()
        watched_s = 0.0
        for start in range(hour, hour + HOUR_S, QUARTER_S):
            seen = self._seen(stream.camera, stream.line, start)
            watched_s += seen.watched_s
            everybody.update(seen.all)
            own.update(seen.passed.get(stream.direction, {}))
        # no direction is called nothing: it stands for all others
        return HourFlow.of(
            {stream.direction: own, "": everybody - own}, stream.direction, watched_s
        )

    def _part(
        self, stream: Stream, start: int, elapsed_s: float, flow: HourFlow | None, every: bool
    ) -> Quarter:
        line, direction = stream.line, stream.direction
        intervals = self._at(stream.camera, start)
        seen = self._seen(stream.camera, line, start)
        passed: Passed = seen.passed.get(direction, {})
        drawn_s = round(seen.drawn.get(direction, 0.0), DECIMALS)
        watched_s = seen.watched_s if every else drawn_s
        known = watched_s > 0 or bool(passed)
        worth = Smp(None, Why.NO_FLOW)
        if known:
            worth = smp(stream.road, self._traffic.equivalents, passed, flow)
        stood = (it for it in intervals if every or direction in it.lines.get(line, ()))
        return Quarter(
            start_ts=start,
            elapsed_s=max(elapsed_s, watched_s),
            counts=dict(passed) if known else None,
            watched_s=watched_s,
            blind_s=math.fsum(each.blind_s for each in intervals),
            late=sum(each.late.get((line, direction), 0) for each in intervals),
            pace=_added(seen.paces.get(direction, ())),
            occupied_s=math.fsum(each.occupied.get(line, 0.0) for each in stood),
            smp=worth,
            revisions=tuple(dict.fromkeys(each.revision for each in intervals)),
            streams={stream: dict(passed)} if drawn_s > 0 or passed else {},
        )


def streams_of(
    camera: str, line: str, directions: Iterable[str], traffic: Traffic
) -> tuple[Stream, ...]:
    """A line or movement in these directions."""
    road = traffic.road(camera, line)
    return tuple(Stream(camera, line, direction, road) for direction in directions)


def streams_through(junction: Junction, traffic: Traffic) -> tuple[Stream, ...]:
    """All who turn at a junction, each of them once."""
    found: dict[Stream, None] = {}
    for approach in junction.approaches:
        for turn in approach.turns:
            road = approach.road or traffic.road(turn.camera, turn.line)
            found[Stream(turn.camera, turn.line, turn.direction, road)] = None
    return tuple(found)


def _quarter(ts: float) -> int:
    return math.floor(ts / QUARTER_S) * QUARTER_S


def _watched(intervals: Iterable[Interval], line: str) -> float:
    return round(math.fsum(it.observed_of(line) for it in intervals if line in it.lines), DECIMALS)


def _added(paces: Iterable[Pace]) -> Pace | None:
    found: Pace | None = None
    for pace in paces:
        found = pace if found is None else found + pace
    return found


def _together(parts: Sequence[Quarter], start: int, elapsed_s: float) -> Quarter:
    whole = all(part.counts is not None for part in parts)
    counts = Counter[VehicleClass]()
    for part in parts:
        counts.update(part.counts or {})
    least = min(parts, key=lambda part: (part.watched_s, part.blind_s))
    return Quarter(
        start_ts=start,
        elapsed_s=max(elapsed_s, least.watched_s),
        counts=dict(counts) if whole else None,
        watched_s=least.watched_s,
        blind_s=least.blind_s,
        late=sum(part.late for part in parts),
        pace=_added(part.pace for part in parts if part.pace is not None),
        occupied_s=max(part.occupied_s for part in parts),
        smp=summed(part.smp for part in parts) if whole else Smp(None, Why.NO_FLOW),
        revisions=tuple(dict.fromkeys(number for part in parts for number in part.revisions)),
        streams={each: passed for part in parts for each, passed in part.streams.items()},
    )


def with_engines(*days: Iterable[Quarter]) -> bool:
    """Whether any motor vehicle passed. Then those alone are measured, and otherwise everybody: one
    answer for all that is set beside each other."""
    return any(each.counts and motorised(each.counts) for day in days for each in day)


def measured(passed: Passed, *, motor: bool) -> int | None:
    """How many of these are measured, those with a ``motor`` or everybody; None where something
    passed of which nobody knows whether it has one."""
    if not motor:
        return sum(passed.values())
    return None if passed.get(VehicleClass.UNMAPPED) else motorised(passed)


def slots_of(quarters: Sequence[Quarter], *, motor: bool) -> list[Slot]:
    """What is ``measured`` in each quarter hour, for measures."""
    return [
        Slot(
            start_ts=each.start_ts,
            seconds=QUARTER_S,
            value=None if each.counts is None else measured(each.counts, motor=motor),
            observed_s=each.watched_s,
        )
        for each in quarters
    ]
