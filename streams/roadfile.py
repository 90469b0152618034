"""Reads passenger-car equivalents, roads and junctions of a traffic document."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, cast

from streams.messages import MAX_NAME_CHARS
from streams.rulesettings import read_setting
from streams.yamlfile import Item, did_you_mean, listed, quoted
from vision.junctions import TURNS, Approach, Junction, Turn, TurnKind
from vision.traffic import EmpRow, Equivalents, Per, Road, VehicleClass

MAX_ENTRIES: Final = 20_000
"""Roads, or junctions: far more than a city has."""
MAX_NAMES: Final = 500
"""Names in one list, such as classes of a detector."""
MAX_SAID_CHARS: Final = 500
MAX_FACTOR: Final = 100.0
MAX_WIDTH_M: Final = 200.0
MAX_LANES: Final = 12
_ROW_FIELDS: Final = (
    "roads", "over_m", "up_to_m", "per", "from_flow", "below_flow", "factors",
)  # fmt: skip
_BOUNDS: Final = (
    ("from_flow", 0.0), ("below_flow", math.inf), ("over_m", 0.0), ("up_to_m", math.inf),
)  # fmt: skip
_ROAD_FIELDS: Final = ("camera", "lines", "name", "type", "width_m", "lanes")


def read_class(item: Item) -> VehicleClass:
    return VehicleClass(choice_of(item, item.text(), tuple(VehicleClass), "class"))


def read_equivalents(item: Item) -> tuple[Equivalents, frozenset[str]]:
    """The table, and every type of road that it knows."""
    fields = item.mapping()
    item.refuse_unknown(fields, ("source", "version", "folds", "rows", "without_row"))
    source = item.required(fields, "source", '"PKJI 2023, …"').text(max_chars=MAX_SAID_CHARS)
    version = item.required(fields, "version", '"1"').text()
    folds = {}
    if "folds" in fields:
        folds = {name: read_class(it) for name, it in _by_class(fields["folds"])}
    rows = tuple(_rows(few(item.required(fields, "rows", "[]"), MAX_NAMES)))
    without = names_of(fields["without_row"], "type") if "without_row" in fields else ()
    types = frozenset(name for row in rows for name in row.roads)
    for name in without:
        if name in types:
            fields["without_row"].fail(f"{quoted(name)} has a row; remove it here")
    return Equivalents(source, version, rows, folds), types.union(without)


def _rows(items: Sequence[Item]) -> Iterator[EmpRow]:
    """The rows of a table; no two of them are of the same road."""
    before: list[EmpRow] = []
    for item in items:
        row = _row(item)
        for other in before:
            shared = [name for name in row.roads if name in other.roads]
            if not shared:
                continue
            if row.per != other.per:
                item.fail(
                    f"another row of {quoted(shared[0])} is per {other.per or 'any flow'}; say the "
                    "same in 'per'"
                )
            if _overlap(row, other):
                item.fail(
                    f"another row fits the same roads of type {quoted(shared[0])}; part them by "
                    "width or flow"
                )
        before.append(row)
        yield row


def _overlap(one: EmpRow, other: EmpRow) -> bool:
    wide = max(one.over_m, other.over_m) < min(one.up_to_m, other.up_to_m)
    return wide and max(one.from_flow, other.from_flow) < min(one.below_flow, other.below_flow)


def _row(item: Item) -> EmpRow:
    fields = item.mapping()
    item.refuse_unknown(fields, _ROW_FIELDS)
    roads = names_of(item.required(fields, "roads", "[2/2-TT]"), "type")
    factors = {
        name: between(it, 0.0, MAX_FACTOR)
        for name, it in _by_class(item.required(fields, "factors", "{SM: 0.4, MP: 1, KS: 1.3}"))
    }
    per = cast("Per", read_setting(Per, fields["per"])) if "per" in fields else None
    flows = [name for name in ("from_flow", "below_flow") if name in fields]
    if flows and per is None:
        fields[flows[0]].fail("a flow is of a road or of a lane; add 'per: road' or 'per: lane'")
    row = EmpRow(
        roads,
        factors,
        per,
        *(
            between(fields[name], 0.0, math.inf) if name in fields else default
            for name, default in _BOUNDS
        ),
    )  # fmt: skip
    if not (row.from_flow < row.below_flow and row.over_m < row.up_to_m):
        item.fail("no road fits between its bounds; correct them")
    return row


def read_roads(
    item: Item, equivalents: Equivalents, types: frozenset[str]
) -> dict[tuple[str, str], Road]:
    found: dict[tuple[str, str], Road] = {}
    for entry in few(item, MAX_ENTRIES):
        fields = entry.mapping()
        entry.refuse_unknown(fields, _ROAD_FIELDS)
        camera = entry.required(fields, "camera", "gate-3").text()
        lines = names_of(fields["lines"], "line") if "lines" in fields else ("",)
        name = entry.required(fields, "name", '"Jalan Contoh"').text()
        road = _road(entry, fields, name, equivalents, types)
        if len(lines) > 1 and "road" in _asked(equivalents, road):
            fields["lines"].fail(
                f"rows of {quoted(road.type)} go by the flow of both directions, which one line "
                "must count; give each line that does an entry of its own"
            )
        for line in lines:
            if (camera, line) in found:
                what = f"line {quoted(line)} of camera" if line else "camera"
                entry.fail(f"{what} {quoted(camera)} has a road already; remove one of them")
            found[camera, line] = road
    return found


def _road(
    item: Item,
    fields: Mapping[str, Item],
    name: str,
    equivalents: Equivalents,
    types: Collection[str],
) -> Road:
    kind = item.required(fields, "type", "2/2-TT")
    road_type = choice_of(kind, kind.text(), tuple(types), "type of road")
    width = between(fields["width_m"], 1.0, MAX_WIDTH_M) if "width_m" in fields else None
    lanes = fields["lanes"].integer() if "lanes" in fields else None
    if lanes is not None and not 1 <= lanes <= MAX_LANES:
        fields["lanes"].fail(f"a direction has 1 to {MAX_LANES} lanes, not {lanes}; correct it")
    rows = equivalents.of_type(road_type)
    if width is None and any(row.asks_for_width for row in rows):
        item.fail(f"rows of {quoted(road_type)} ask for the width; add 'width_m: 7', say")
    if lanes is None and any(row.per == "lane" for row in rows):
        item.fail(
            f"rows of {quoted(road_type)} ask for the lanes of one direction; add 'lanes: 2', say"
        )
    return Road(name, road_type, width, lanes)


def read_junctions(
    item: Item, equivalents: Equivalents, types: frozenset[str]
) -> tuple[Junction, ...]:
    found: dict[str, Junction] = {}
    for entry in few(item, MAX_ENTRIES):
        fields = entry.mapping()
        entry.refuse_unknown(fields, ("name", "approaches"))
        name = entry.required(fields, "name", '"Simpang Contoh"').text()
        if name in found:
            entry.fail(f"a junction is called {quoted(name)} already; give this one another name")
        parts = few(entry.required(fields, "approaches", "[]"), MAX_NAMES)
        approaches = tuple(_approach(part, equivalents, types) for part in parts)
        _refuse_twice(entry, approaches)
        found[name] = Junction(name, approaches)
    return tuple(found.values())


def _approach(item: Item, equivalents: Equivalents, types: frozenset[str]) -> Approach:
    fields = item.mapping()
    item.refuse_unknown(fields, ("name", "turns", "type", "width_m", "lanes"))
    name = item.required(fields, "name", "north").text()
    road = _road(item, fields, name, equivalents, types) if "type" in fields else None
    if road is not None and _asked(equivalents, road):
        fields["type"].fail(
            f"rows of {quoted(road.type)} go by the flow of a road, which no turn counts alone; "
            "take a type whose rows ask for none, such as APILL-P, or leave it out"
        )
    entries = few(item.required(fields, "turns", "[]"), MAX_NAMES)
    return Approach(name, tuple(map(_turn, entries)), road)


def _asked(equivalents: Equivalents, road: Road) -> set[Per]:
    """Of what the rows of a road ask the flow."""
    return {row.per for row in equivalents.of_type(road.type) if row.per is not None}


def _turn(item: Item) -> Turn:
    fields = item.mapping()
    item.refuse_unknown(fields, ("turn", "camera", "line", "direction"))
    kind = item.required(fields, "turn", "left")
    camera, line, direction = (
        item.required(fields, name, example).text(MAX_NAME_CHARS)
        for name, example in (("camera", "gate-3"), ("line", "stop"), ("direction", "forward"))
    )
    turn = cast("TurnKind", choice_of(kind, kind.text(), TURNS, "turn"))
    return Turn(turn, camera, line, direction)


def _refuse_twice(item: Item, approaches: Sequence[Approach]) -> None:
    """Who is counted twice would pass the junction twice."""
    counted: set[tuple[str, str, str]] = set()
    names: set[str] = set()
    for approach in approaches:
        if approach.name in names:
            item.fail(f"two approaches are called {quoted(approach.name)}; give one another name")
        names.add(approach.name)
        for turn in approach.turns:
            place = (turn.camera, turn.line, turn.direction)
            if place in counted:
                item.fail(
                    f"line {quoted(turn.line)} of camera {quoted(turn.camera)} is named twice for "
                    f"direction {quoted(turn.direction)}; remove one of them"
                )
            counted.add(place)


def _by_class(item: Item) -> Iterator[tuple[VehicleClass, Item]]:
    for name, value in item.mapping().items():
        yield VehicleClass(choice_of(value, name, tuple(VehicleClass), "class")), value


def choice_of(item: Item, value: str, known: Collection[str], what: str) -> str:
    if value not in known:
        hint = did_you_mean(value, known) or f"; known are {listed(sorted(known))}"
        item.fail(f"unknown {what} {quoted(value)}{hint}")
    return value


def between(item: Item, low: float, high: float) -> float:
    value = item.number()
    if not low <= value <= high:
        span = f"{low:g} or more" if high == math.inf else f"from {low:g} to {high:g}"
        item.fail(f"{item.shown} is out of range; write a number {span}")
    return value


def names_of(item: Item, what: str) -> tuple[str, ...]:
    """One name or more, each once."""
    found: dict[str, None] = {}
    for entry in few(item, MAX_NAMES):
        name = entry.text(MAX_NAME_CHARS)
        if name in found:
            entry.fail(f"{what} {quoted(name)} is listed twice; remove one of them")
        found[name] = None
    if not found:
        item.fail(f"the list is empty; name a {what}")
    return tuple(found)


def few(item: Item, most: int) -> list[Item]:
    found = item.items()
    if len(found) > most:
        found[most].fail(f"there are at most {most} here; remove the others")
    return found
