"""One line or movement of a camera in a report: its bins, the gaps between them, and its sums.

A bin that nobody watched is there, and has no count. Nothing is added for what was not watched.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from api.traffic.calendar import AHEAD_S, WEEK_S, Days, offset_of
from api.traffic.units import Units
from api.traffic.values import (
    BASE_S,
    ClassCount,
    Flow,
    Recorded,
    Summary,
    TurnCount,
    Wanted,
    WeekHour,
)
from streams.trafficfile import Traffic
from vision.bins import DECIMALS, Interval, Key
from vision.junctions import Approach, Turn
from vision.measures import (
    Peak,
    Slot,
    heavy_share,
    mean_headway_s,
    occupancy,
    peak_hour,
    week_of,
)
from vision.merging import binned
from vision.movements import direction as way_of
from vision.paces import Pace
from vision.sun import Light
from vision.traffic import (
    HOUR_S,
    MOTORISED,
    WATCHED,
    EmpRow,
    Passed,
    VehicleClass,
    motorised,
    summed,
)


def vehicles_of(kinds: Passed) -> int | None:
    """How many with an engine passed: None where something did of which nobody said what it is."""
    return None if kinds.get(VehicleClass.UNMAPPED) else motorised(kinds)


class Line:
    """What one camera counts at the line or movement ``name``."""

    def __init__(
        self, recorded: Recorded, name: str, traffic: Traffic, wanted: Wanted, days: Days
    ) -> None:
        self.camera, self.name = recorded.camera, name
        self.road = traffic.road(recorded.camera, name)
        self._days = days
        self._recorded, self._traffic, self._wanted = recorded, traffic, wanted
        mine = (each for each in recorded.intervals if name in each.lines)
        whole = sorted(mine, key=lambda each: (each.start_ts, each.revision))
        self.intervals = [it for it in whole if wanted.from_ts <= it.start_ts < wanted.to_ts]
        self.synthetic = bool(self.intervals) and all(it.synthetic for it in self.intervals)
        drawn = () if self.intervals else (key for key in recorded.drawn if key[0] == name)
        ways = [way for each in self.intervals for way in each.lines[name]]
        names = [it for each in self.intervals for it in self._classes(each)]
        for _, way, class_name in drawn:
            ways.append(way)
            names.append(class_name)
        self.directions = tuple(dict.fromkeys(ways))
        self._class_names = tuple(dict.fromkeys(names))
        more = (it for each in whole for it in self._classes(each))
        self._kinds = {it: self._kind(it) for it in dict.fromkeys((*names, *more))}
        self._bins: defaultdict[int, list[Interval]] = defaultdict(list)
        for each in binned(self.intervals, wanted.seconds, offset_of(wanted.seconds)):
            self._bins[int(each.start_ts)].append(each)
        # a camera that tells what stood on its lines leaves out those on which nothing did
        between = way_of(None, None) in ways
        self._stands = not between and any(it.occupied for it in recorded.intervals)
        self._units = Units(name, whole, self._passed, traffic.equivalents)
        self._parts: defaultdict[tuple[int, int, bool], list[Interval]] = defaultdict(list)
        for each in binned(self.intervals, min(wanted.seconds, HOUR_S)):
            self._parts[self._identity(each)].append(each)

    @property
    def rows(self) -> int:
        """How many classes all its flows have together, at most."""
        bins = len(self._starts) + sum(len(each) - 1 for each in self._bins.values())
        return bins * len(self.directions) * len(self._class_names)

    @property
    def used(self) -> Sequence[EmpRow]:
        """The rows of factors by which anything was summed."""
        return self._units.used

    @property
    def classes(self) -> Mapping[str, VehicleClass]:
        """What the classes of the detector are."""
        return {name: self._kinds[name] for name in self._class_names}

    @property
    def revisions(self) -> Sequence[int]:
        """Those of the scene that it was counted under."""
        return sorted({each.revision for each in self.intervals})

    def flows(self) -> Iterator[Flow]:
        """Every bin of every direction, by time."""
        for start in self._starts:
            for each in self._bins.get(start, ()):
                for direction in each.lines[self.name]:
                    yield self._flow(each, direction)
            if start not in self._bins:
                for direction in self.directions:
                    yield self._gap(start, direction)

    def summaries(self, flows: Sequence[Flow]) -> Iterator[Summary]:
        """Of all directions together, then of each; ``flows`` are its own."""
        real = [flow for flow in flows if flow.synthetic == self.synthetic]
        whole = self._summary("", self.directions, real, None)
        yield whole
        for direction in self.directions:
            mine = [flow for flow in real if flow.direction == direction]
            yield self._summary(direction, (direction,), mine, whole.vehicles)

    def week(self) -> Iterator[WeekHour]:
        """What passes in each hour of each weekday; for this, at least a week is needed."""
        slots = self._slots(HOUR_S, self.directions) if self._seconds >= WEEK_S else []
        if any(slot.value is None and slot.observed_s for slot in slots):
            # the hours in which it is known what passed would be the quiet ones
            return
        found = week_of(slots, self._days.holidays, AHEAD_S)
        for (weekday, second), average in found.averages.items():
            yield WeekHour(self.camera, self.name, weekday, second, *average)

    def turn(self, junction: str, approach: Approach, turn: Turn) -> TurnCount:
        """Who turned so, of those that this line counts; while a scene did not have the direction,
        nobody watched it."""
        kinds = Counter[VehicleClass]()
        total, smp_of, why = None, 0, None
        for part in self._parts_of(turn.direction):
            passed = self._passed(part, turn.direction)
            kinds.update(passed)
            found = self._units.of(part, turn.direction, approach.road or self.road, passed)
            if found.value is not None:
                total, smp_of = (total or 0.0) + found.value, smp_of + motorised(passed)
            elif any(passed.values()):
                why = why or found.why
        observed_s = self._observed_s((turn.direction,))
        watched = observed_s > 0 or any(kinds.values())
        return TurnCount(
            junction=junction,
            approach=approach.name,
            turn=turn.turn,
            camera=self.camera,
            line=self.name,
            direction=turn.direction,
            vehicles=vehicles_of(kinds) if watched else None,
            kinds=dict(kinds),
            share=None,
            smp=None if why and not smp_of else total,
            smp_of=smp_of,
            why=why,
            observed=observed_s / self._seconds,
        )

    def turned(self, direction: str) -> dict[int, int]:
        """How many vehicles went this way in each bin, or each hour of a longer one, that was
        watched well enough to set it beside others."""
        passed, seen_s = Counter[int](), defaultdict[int, float](float)
        seconds = min(self._wanted.seconds, HOUR_S)
        for each in self._parts_of(direction):
            start = int(each.start_ts)
            passed[start] += motorised(self._passed(each, direction))
            seen_s[start] += each.observed_of(self.name)
        return {start: n for start, n in passed.items() if seen_s[start] >= WATCHED * seconds}

    @property
    def _starts(self) -> range:
        return range(self._wanted.from_ts, self._wanted.to_ts, self._wanted.seconds)

    @property
    def _seconds(self) -> int:
        return self._wanted.to_ts - self._wanted.from_ts

    def _kind(self, class_name: str) -> VehicleClass:
        model = self._recorded.model
        if model is None:
            return VehicleClass.UNMAPPED
        return self._traffic.class_of(model, class_name)

    def _classes(self, each: Interval) -> Iterable[str]:
        # what an earlier model found in this interval counts too
        more = {key[2] for key in each.counts if key[0] == self.name} - {*each.classes}
        return (*each.classes, *sorted(more))

    def _passed(self, each: Interval, direction: str) -> dict[VehicleClass, int]:
        found = Counter[VehicleClass]()
        for (line, way, name), count in each.counts.items():
            if line == self.name and way == direction:
                found[self._kinds[name]] += count
        return dict(found)

    def _identity(self, each: Interval) -> tuple[int, int, bool]:
        """Of the bin that an interval belongs to."""
        seconds, ahead = self._wanted.seconds, offset_of(self._wanted.seconds)
        start = int(each.start_ts + ahead) // seconds * seconds - ahead
        return start, each.revision, each.synthetic

    def _real(self, intervals: Iterable[Interval]) -> Iterator[Interval]:
        """Without the synthetic ones, unless there are no others."""
        return (each for each in intervals if each.synthetic == self.synthetic)

    def _having(self, ways: Sequence[str]) -> Iterator[Interval]:
        """The real intervals whose scene had one of these directions."""
        return (
            it for it in self._real(self.intervals) if not {*ways}.isdisjoint(it.lines[self.name])
        )

    def _parts_of(self, direction: str) -> Iterator[Interval]:
        parts = self._real(it for parts in self._parts.values() for it in parts)
        return (it for it in parts if direction in it.lines[self.name])

    def _flow(self, each: Interval, direction: str) -> Flow:
        seen_s = min(each.observed_of(self.name), float(each.seconds))
        unseen = round(seen_s, DECIMALS) == 0
        parts = self._parts[self._identity(each)]
        total = summed(
            self._units.of(it, direction, self.road, self._passed(it, direction)) for it in parts
        )
        found = []
        for name in self._classes(each):
            key = self.name, direction, name
            count, pace = each.counts.get(key, 0), each.paces.get(key)
            found.append(
                ClassCount(
                    class_name=name,
                    vehicle=self._kinds[name],
                    count=None if unseen and not count else count,
                    smp=None if total.value is None else self._class_smp(parts, key),
                    kmh=None if pace is None else pace.kmh,
                    measured=0 if pace is None else pace.measured,
                )
            )
        watched = not unseen or any(it.count is not None for it in found)
        if not watched:
            found = [ClassCount(it.class_name, it.vehicle, None) for it in found]
        vehicles = vehicles_of(self._passed(each, direction))
        pace = self._pace([each], (direction,))
        stood_s = each.occupied.get(self.name, 0.0 if self._stands else None)
        return Flow(
            camera=self.camera,
            line=self.name,
            direction=direction,
            start_ts=int(each.start_ts),
            seconds=each.seconds,
            counts=tuple(found),
            revision=each.revision,
            synthetic=each.synthetic,
            observed_s=seen_s,
            blind_s=each.blind_s,
            frames=each.frames,
            view_valid=False if each.blind_s else (None if unseen else True),
            light=self._light(each),
            holiday=self._days.holiday(each.start_ts),
            late=each.late.get((self.name, direction), 0),
            watched=watched,
            vehicles=vehicles if watched else None,
            smp=total.value if watched else None,
            why=total.why if watched else None,
            kmh=None if pace is None else pace.kmh,
            measured=0 if pace is None else pace.measured,
            headway_s=None if unseen or not vehicles else mean_headway_s(vehicles, seen_s),
            occupied=None if stood_s is None else occupancy(stood_s, seen_s),
        )

    def _gap(self, start: int, direction: str) -> Flow:
        return Flow(
            camera=self.camera,
            line=self.name,
            direction=direction,
            start_ts=start,
            seconds=self._wanted.seconds,
            counts=tuple(ClassCount(name, kind, None) for name, kind in self.classes.items()),
            synthetic=self.synthetic,
            holiday=self._days.holiday(start),
        )

    def _class_smp(self, parts: Iterable[Interval], key: Key) -> float | None:
        """None of what is outside the sum."""
        kind = self._kinds[key[2]]
        if kind not in MOTORISED:
            return None
        return summed(
            self._units.of(it, key[1], self.road, {kind: it.counts.get(key, 0)}) for it in parts
        ).value

    def _light(self, each: Interval) -> Light | None:
        if each.seconds > HOUR_S:
            return None
        return self._traffic.light(each.start_ts + each.seconds / 2, self._recorded.position)

    def _pace(self, intervals: Iterable[Interval], ways: Sequence[str]) -> Pace | None:
        """Of all vehicles with an engine."""
        found: Pace | None = None
        for each in intervals:
            for (line, way, name), pace in each.paces.items():
                if line == self.name and way in ways and self._kinds[name] in MOTORISED:
                    found = pace if found is None else found + pace
        return found

    def _observed_s(self, ways: Sequence[str]) -> float:
        seen_s = sum(it.observed_of(self.name) for it in self._having(ways))
        return min(seen_s, float(self._seconds))

    def _slots(self, seconds: int, ways: Sequence[str]) -> list[Slot]:
        """The vehicles of these directions together, in slots of ``seconds``, those included of
        which nothing is stated. A scene that was changed within one has the same road."""
        counted = defaultdict[int, Counter[VehicleClass]](Counter)
        observed = defaultdict[int, float](float)
        for each in self._having(ways):
            start = int(each.start_ts) // seconds * seconds
            for way in ways:
                counted[start].update(self._passed(each, way))
            observed[start] += each.observed_of(self.name)
        first = self._wanted.from_ts // seconds * seconds
        return [
            Slot(
                start,
                seconds,
                vehicles_of(counted[start]) if start in counted else None,
                observed[start],
            )
            for start in range(first, self._wanted.to_ts, seconds)
        ]

    def _peak(self, ways: Sequence[str]) -> Peak | None:
        """None where no vehicle passed in any hour."""
        found = peak_hour(self._slots(min(self._wanted.seconds, BASE_S), ways))
        return found if found is not None and found.value else None

    def _peak_smp(self, peak: Peak | None, ways: Sequence[str]) -> float | None:
        """Of all that passed in the peak hour, each bin by the flow of its clock hour."""
        if peak is None:
            return None
        hour = (it for it in self._having(ways) if 0 <= it.start_ts - peak.start_ts < HOUR_S)
        return summed(
            self._units.of(it, way, self.road, self._passed(it, way)) for it in hour for way in ways
        ).value

    def _summary(
        self, direction: str, ways: Sequence[str], flows: Iterable[Flow], all_ways: int | None
    ) -> Summary:
        classes, kinds = Counter[str](), Counter[VehicleClass]()
        smp_of, total, why = 0, None, None
        for flow in flows:
            for each in flow.counts:
                classes[each.class_name] += each.count or 0
                kinds[each.vehicle] += each.count or 0
            if flow.smp is not None:
                total = (total or 0.0) + flow.smp
                smp_of += flow.vehicles or 0
            elif any(each.count for each in flow.counts):
                why = why or flow.why
        real = list(self._having(ways))
        watched = {self._identity(it)[0] for it in real if it.observed_of(self.name) > 0}
        vehicles, pace = vehicles_of(kinds), self._pace(real, ways)
        peak = self._peak(ways)
        return Summary(
            camera=self.camera,
            line=self.name,
            direction=direction,
            classes=dict(classes),
            kinds=dict(kinds),
            vehicles=vehicles,
            smp=None if why and not smp_of else total,
            smp_of=smp_of,
            why=why,
            seconds=self._seconds,
            observed_s=self._observed_s(ways),
            bins=len(self._starts),
            gaps=len(self._starts) - len(watched),
            share=vehicles / all_ways if vehicles is not None and all_ways else None,
            heavy=None if vehicles is None else heavy_share(kinds),
            kmh=None if pace is None else pace.kmh,
            measured=0 if pace is None else pace.measured,
            peak=peak,
            peak_smp=self._peak_smp(peak, ways),
            synthetic=self.synthetic,
        )
