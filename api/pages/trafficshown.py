"""What the traffic page shows of a day, in JSON values and in the words of whoever looks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple, TypeAlias

from api.i18n import Texts
from api.pages.trafficwords import MONTHS, TURNS, WEEKDAYS, WHY
from api.times import local
from api.traffic.day import IN_AN_HOUR, Quarter, Stream, measured, with_engines
from streams.config import Position
from streams.trafficfile import Traffic
from vision.junctions import Junction
from vision.measures import QUARTER_S, Peak
from vision.movements import ARROW, UNKNOWN, direction
from vision.traffic import VehicleClass, Why
from vision.types import JsonValue

SHARE_DECIMALS: Final = 4
NEAR_RAD: Final = math.radians(15)
"""Arms that lie nearer to each other than this, as seen from the middle, are not drawn as they
lie."""


def shown_quarters(
    quarters: Sequence[Quarter],
    traffic: Traffic,
    position: Position | None,
    peak: Peak | None,
) -> dict[str, Any]:
    """The quarter hours of a day for charts and table: lists of one value for each. A value is
    None where nothing is known, and all of them where it is still to come."""
    present = [
        name
        for name in VehicleClass
        if any(each.counts and each.counts.get(name) for each in quarters)
    ]
    begun = [each.elapsed_s > 0 for each in quarters]
    start_ts = quarters[0].start_ts
    return {
        "starts": [f"{local(each.start_ts):%H:%M}" for each in quarters],
        "ends": [f"{local(each.start_ts + QUARTER_S):%H:%M}" for each in quarters],
        "light": [traffic.light(each.start_ts + QUARTER_S / 2, position) for each in quarters],
        "classes": [
            {
                "id": str(name),
                "counts": [
                    None if each.counts is None else each.counts.get(name, 0) for each in quarters
                ],
            }
            for name in present
        ],
        "totals": [each.total for each in quarters],
        "smp": [_rounded(each.smp.value, 2) for each in quarters],
        "kmh": _speeds(quarters),
        "late": [each.late for each in quarters],
        "watched": _shares((each.watched_s for each in quarters), begun),
        "blind": _shares((each.blind_s for each in quarters), begun),
        "missing": _shares((each.missing_s for each in quarters), begun),
        "revisions": [", ".join(map(str, each.revisions)) for each in quarters],
        "scenes": _changes(quarters),
        "peak": _span(peak, start_ts) if peak is not None and peak.value else None,
    }


def shown_day(day: date, _: Texts) -> str:
    """As it is written: Sabtu, 31 Januari 2026."""
    return _("%(weekday)s, %(day)d %(month)s %(year)d") % {
        "weekday": _(WEEKDAYS).split()[day.weekday()],
        "day": day.day,
        "month": _(MONTHS).split()[day.month - 1],
        "year": day.year,
    }


def worthless(quarters: Sequence[Quarter], _: Texts) -> str:
    """Why some of what was counted has no sum in passenger-car units; nothing where all has."""
    whys = [each.smp.why for each in quarters if each.counts and each.smp.why is not None]
    if not whys:
        return ""
    most = max(dict.fromkeys(whys), key=whys.count)
    told = _(WHY[most])
    if len(whys) == sum(bool(each.counts) for each in quarters):
        return told
    return _("%(n)d quarter hours have none: %(why)s") % {"n": len(whys), "why": told}


def is_movement(directions: Iterable[str]) -> bool:
    """Whether these are ways between zones, not sides of a line."""
    return direction(None, None) in directions


class _Way(NamedTuple):
    """How many went so, None where nobody knows; ``partly`` in a part of the quarter hours."""

    n: int | None
    partly: bool


_Row: TypeAlias = Sequence[_Way | None]
"""Of a table of ways; None where there is no such way."""


def turning_of(
    quarters: Sequence[Quarter],
    streams: Sequence[Stream],
    scene: Mapping[str, JsonValue] | None,
    _: Texts,
) -> dict[str, Any]:
    """The ways of a movement, by origin and destination."""
    turned = _Turned(quarters)
    ways = {stream.direction: turned.way([stream]) for stream in streams}
    origins = [way.removesuffix(ARROW + UNKNOWN) for way in ways if way.endswith(ARROW + UNKNOWN)]
    destinations = [
        way.removeprefix(UNKNOWN + ARROW) for way in ways if way.startswith(UNKNOWN + ARROW)
    ]
    cells = [
        [ways.get(f"{origin}{ARROW}{destination}") for destination in destinations]
        for origin in origins
    ]
    arms = [name for name in dict.fromkeys((*origins, *destinations)) if name != UNKNOWN]
    return turned.table(*turned.trimmed(origins, destinations, cells), _) | {
        "junction": False,
        "angles": _angles(arms, scene or {}),
    }


def turning_through(quarters: Sequence[Quarter], junction: Junction, _: Texts) -> dict[str, Any]:
    """The turns at a junction, by approach."""
    turned = _Turned(quarters)
    by_place = {(each.camera, each.line, each.direction): each for each in turned.streams}
    kinds = [
        kind
        for kind in TURNS
        if any(turn.turn == kind for approach in junction.approaches for turn in approach.turns)
    ]
    cells: list[list[_Way | None]] = []
    for approach in junction.approaches:
        row: list[_Way | None] = []
        for kind in kinds:
            of_kind = [turn for turn in approach.turns if turn.turn == kind]
            found = [by_place.get((turn.camera, turn.line, turn.direction)) for turn in of_kind]
            row.append(turned.way(found) if of_kind else None)
        cells.append(row)
    names = [approach.name for approach in junction.approaches]
    return turned.table(names, kinds, cells, _) | {"junction": True, "angles": None}


class _Turned:
    """What went each way in the quarter hours in which all of it was watched, as in the sum of all:
    what is set beside each other was counted in the same time."""

    def __init__(self, quarters: Sequence[Quarter]) -> None:
        self._whole = [each for each in quarters if each.counts is not None]
        self._motor = with_engines(self._whole)
        self.streams = dict.fromkeys(stream for each in self._whole for stream in each.streams)

    def way(self, streams: Sequence[Stream | None]) -> _Way:
        """All these streams together; None is one that nobody watched."""
        times, passed = 0, Counter[VehicleClass]()
        for stream in streams:
            if stream is None or stream not in self.streams:
                return _Way(None, partly=False)
            found = [each.streams[stream] for each in self._whole if stream in each.streams]
            times += len(found)
            for each in found:
                passed.update(each)
        partly = times < len(self._whole) * len(streams)
        return _Way(measured(passed, motor=self._motor), partly)

    def trimmed(
        self, origins: Sequence[str], destinations: Sequence[str], cells: Sequence[_Row]
    ) -> tuple[list[str], list[str], list[_Row]]:
        """Without what was not seen to come or go where all was."""

        def is_seen(ways: Iterable[_Way | None]) -> bool:
            return bool(self._whole) and any(way is not None and way.n != 0 for way in ways)

        rows = [i for i, name in enumerate(origins) if name != UNKNOWN or is_seen(cells[i])]
        columns = [
            j
            for j, name in enumerate(destinations)
            if name != UNKNOWN or is_seen(cells[i][j] for i in rows)
        ]
        return (
            [origins[i] for i in rows],
            [destinations[j] for j in columns],
            [[cells[i][j] for j in columns] for i in rows],
        )

    def table(
        self,
        origins: Sequence[str],
        destinations: Sequence[str],
        cells: Sequence[_Row],
        _: Texts,
    ) -> dict[str, Any]:
        ways = [way for row in cells for way in row]
        columns = [[row[j] for row in cells] for j in range(len(destinations))]
        return {
            "origins": list(origins),
            "destinations": list(destinations),
            "cells": [[None if way is None else way.n for way in row] for row in cells],
            "partly": [[way is not None and way.partly for way in row] for row in cells],
            "sums": {
                "rows": [_sum(row) for row in cells],
                "columns": [_sum(column) for column in columns],
                "all": _sum(ways),
            },
            "notes": list(self._notes(ways, _)),
        }

    def _notes(self, ways: _Row, _: Texts) -> Iterator[str]:
        if not self._whole:
            yield _("There was no quarter hour in which all of it was watched.")
            return
        of = _("All who passed, in the %(n)d quarter hours in which all of it was watched.")
        if self._motor:
            of = _("Motor vehicles, in the %(n)d quarter hours in which all of it was watched.")
        yield of % {"n": len(self._whole)}
        if not any(way is not None and way.n for way in ways):
            yield _("Nobody was seen on any of its ways.")
        if any(way is not None and way.partly for way in ways):
            yield _("* In a part of them only: another scene held in the rest.")
        unmapped = (each.counts and each.counts.get(VehicleClass.UNMAPPED) for each in self._whole)
        if self._motor and any(unmapped):
            yield _(WHY[Why.UNMAPPED])


def _sum(ways: _Row) -> int | None:
    """None where one of them is not known, and where there are none."""
    found = [way.n for way in ways if way is not None]
    known = [n for n in found if n is not None]
    return sum(known) if known and len(known) == len(found) else None


def _angles(arms: Sequence[str], scene: Mapping[str, Any]) -> dict[str, float]:
    """Where the arms lie round the middle of their zones, as in the picture: radians, clockwise
    from above. Spread evenly where zones are gone by now, or lie too near to each other."""
    middles = {}
    for view in (scene, *(scene.get("presets") or ())):
        for zone in view.get("zones") or ():
            xs, ys = zip(*zone["polygon"], strict=True)
            middles[zone["name"]] = sum(xs) / len(xs), sum(ys) / len(ys)
    even = {name: 2 * math.pi * i / len(arms) for i, name in enumerate(arms)}
    if not arms or not all(name in middles for name in arms):
        return even
    x = sum(middles[name][0] for name in arms) / len(arms)
    y = sum(middles[name][1] for name in arms) / len(arms)
    found = {
        name: math.atan2(middles[name][0] - x, y - middles[name][1]) % (2 * math.pi)
        for name in arms
    }
    turns = sorted(found.values())
    apart = [b - a for a, b in zip(turns, [*turns[1:], turns[0] + 2 * math.pi], strict=True)]
    return found if min(apart) >= NEAR_RAD else even


def _span(peak: Peak, start_ts: int) -> list[int]:
    """Its first quarter hour, and the first one after it."""
    first = int(peak.start_ts - start_ts) // QUARTER_S
    return [first, first + IN_AN_HOUR]


def _speeds(quarters: Iterable[Quarter]) -> list[float | None] | None:
    found = [None if each.pace is None else round(each.pace.kmh, 1) for each in quarters]
    return found if any(each is not None for each in found) else None


def _changes(quarters: Iterable[Quarter]) -> list[dict[str, int]]:
    """Where another scene came into force."""
    found = []
    last: int | None = None
    for i, quarter in enumerate(quarters):
        for revision in sorted(quarter.revisions):
            if last is not None and revision != last:
                found.append({"at": i, "revision": revision})
            last = revision
    return found


def _shares(seconds: Iterable[float], begun: Iterable[bool]) -> list[float | None]:
    return [
        round(min(each / QUARTER_S, 1.0), SHARE_DECIMALS) if known else None
        for each, known in zip(seconds, begun, strict=True)
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
