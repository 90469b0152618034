"""Passenger-car units of what one line or movement counts, by the flow of each clock hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from vision.bins import Interval
from vision.merging import binned
from vision.traffic import (
    HOUR_S,
    EmpRow,
    Equivalents,
    HourFlow,
    Passed,
    Road,
    Smp,
    VehicleClass,
    smp,
)


class Units:
    """By these ``equivalents``; ``passed`` tells what an interval of ``whole`` counted in a
    direction."""

    def __init__(
        self,
        line: str,
        whole: Iterable[Interval],
        passed: Callable[[Interval, str], Passed],
        equivalents: Equivalents,
    ) -> None:
        self._equivalents = equivalents
        self._used: dict[int, EmpRow] = {}
        self._hours: dict[tuple[int, bool], tuple[dict[str, Counter[VehicleClass]], float]] = {}
        for each in binned(whole, HOUR_S):
            # a scene that was changed within it has the same road
            where = int(each.start_ts), each.synthetic
            counts, seen_s = self._hours.get(where, ({}, 0.0))
            for way in each.lines[line]:
                counts.setdefault(way, Counter()).update(passed(each, way))
            self._hours[where] = counts, seen_s + each.observed_of(line)

    @property
    def used(self) -> Sequence[EmpRow]:
        """The rows of factors by which anything was summed."""
        return list(self._used.values())

    def of(self, each: Interval, direction: str, road: Road | None, passed: Passed) -> Smp:
        """Of what ``passed`` in an interval, at most an hour, by the flow of its hour."""
        counts, seen_s = self._hours[int(each.start_ts) // HOUR_S * HOUR_S, each.synthetic]
        flow = HourFlow.of(counts, direction, seen_s)
        found = smp(road, self._equivalents, passed, flow)
        if found.row is not None:
            self._used[id(found.row)] = found.row
        return found
