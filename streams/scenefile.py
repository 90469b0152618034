"""Reads what an administrator drew on one camera from a YAML file (``docs/scenes.md``).

Sections are checked in the order in which they need each other: picture, classes, what is drawn,
what refers to it. The first problem is raised, as one sentence with file, line and field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray

from streams.calibrationfile import read_calibration
from streams.finderfile import read_detector, read_region, shown_point
from streams.messages import MAX_NAME_CHARS
from streams.rulefile import fail_rule, no_place, read_classes, read_rule
from streams.sceneschema import (
    LINE_FIELDS,
    MAX_FRAME_PX,
    MAX_VIEW_CHARS,
    MIN_FRAME_PX,
    MOVEMENT_FIELDS,
    PRESET_FIELDS,
    SCENE_FIELDS,
    ZONE_FIELDS,
    scene_schema,
)
from streams.yamlfile import Item, item_of, quoted, read_yaml
from vision.errors import SceneError
from vision.movements import ARROW, UNKNOWN
from vision.rules import registry
from vision.rules.base import Rule
from vision.scene import Line, Movement, Preset, RuleConfig, Scene, Zone
from vision.types import JsonValue
from vision.views import View

__all__ = ["load_scene", "read_scene", "scene_of", "scene_schema"]

MAX_ENTRIES = 500
"""Lines, zones or rules of one scene: far more than anyone draws, few enough for every frame."""
MAX_PAIRS = 400
"""Origins times destinations of all movements: each pair is counted in every minute."""
MAX_ARM_CHARS = (MAX_NAME_CHARS - len(ARROW)) // 2
"""A way from one zone to another is counted under the names of both."""
MIN_AREA_PX2 = 1.0
"""A polygon whose convex hull covers less than one pixel is a line or a point."""

_Named = TypeVar("_Named", Line, Zone, Movement, RuleConfig)


def load_scene(
    path: Path,
    *,
    default_frame_size: tuple[int, int] | None = None,
    kinds: Mapping[str, type[Rule]] | None = None,
) -> Scene:
    """The scene in a YAML file, checked, as ``read_scene`` reads it."""
    top = read_yaml(path, SceneError)
    return read_scene(top, default_frame_size=default_frame_size, kinds=kinds)


def scene_of(document: JsonValue, label: str) -> Scene:
    """The scene in a document, such as the store keeps; ``label`` names it in messages."""
    return read_scene(item_of(document, label, SceneError))


def read_scene(
    top: Item,
    *,
    default_frame_size: tuple[int, int] | None = None,
    kinds: Mapping[str, type[Rule]] | None = None,
) -> Scene:
    """The scene in a value of a file, checked.

    ``default_frame_size`` (w, h) px is the picture of a scene that names none, such as the clip's
    own; ``kinds`` are the incident kinds, those of ``vision.rules`` unless given. Raises what
    ``top`` raises: one line with file, line, field and the next step.
    """
    fields = top.mapping()
    top.refuse_unknown(fields, SCENE_FIELDS)
    size = _frame_size(top, fields, default_frame_size)
    stretch = fields["stretch"].flag() if "stretch" in fields else False
    detector, detail = read_detector(fields)
    gate = fields["gate"].flag() if "gate" in fields else True
    classes = read_classes(fields["classes"]) if "classes" in fields else ()
    known = registry.kinds() if kinds is None else kinds
    frame = Scene(size, classes, stretch=stretch, detector=detector, detail=detail, gate=gate)
    own = _drawn(fields, frame, known)
    region = read_region(fields, size, own.lines + own.zones)
    view = _view(fields["view"]) if "view" in fields else None
    presets = tuple(_presets(_items(fields, "presets"), frame, known))
    if presets and region is not None:
        fields["region"].fail("a camera with presets is analysed as a whole; remove this field")
    scene = replace(own, region=region, view=view, presets=presets)
    _refuse_shared_names(scene, _items(fields, "presets"))
    return scene


def _drawn(fields: Mapping[str, Item], frame: Scene, kinds: Mapping[str, type[Rule]]) -> Scene:
    """``frame`` with what is drawn on one view."""
    size = frame.frame_size
    lines = _unique("line", (_line(item, size) for item in _items(fields, "lines")))
    zones = _unique("zone", (_zone(item, size) for item in _items(fields, "zones")))
    movements = _movements(_items(fields, "movements"), lines, zones)
    ground = read_calibration(fields["calibration"], size) if "calibration" in fields else None
    drawn = replace(frame, lines=lines, zones=zones, movements=movements, calibration=ground)
    items = _items(fields, "rules")
    rules = _unique("rule", (read_rule(item, drawn, kinds) for item in items))
    scene = replace(drawn, rules=rules)
    for item, rule in zip(items, rules, strict=True):
        own = kinds.get(rule.name)
        if own is not None and own.place == "camera" and rule.kind != rule.name:
            item.fail(
                f"{quoted(rule.name)} is what a camera's own rule is called; give this one another "
                "'name'"
            )
        try:
            kinds[rule.kind].check(rule, scene)
        except ValueError as problem:
            fail_rule(item, rule.name, problem)
    return scene


def _presets(items: list[Item], frame: Scene, kinds: Mapping[str, type[Rule]]) -> Iterator[Preset]:
    names: set[str] = set()
    for item in items:
        fields = item.mapping()
        item.refuse_unknown(fields, PRESET_FIELDS)
        name = _name(item, fields)
        if name in names:
            item.fail(f"a preset named {quoted(name)} is there already; give one another 'name'")
        names.add(name)
        view = _view(item.required(fields, "view", "what 'matakota scene view' prints"))
        scene = _drawn(fields, frame, kinds)
        for entry, rule in zip(_items(fields, "rules"), scene.rules, strict=True):
            if kinds[rule.kind].place == "camera":
                entry.fail(
                    f"kind '{rule.kind}' watches the camera as a whole, whatever it looks at; move "
                    "this rule out of the preset"
                )
        yield Preset(name, view, scene)


def _view(item: Item) -> str:
    """The text of a view."""
    text = item.text(max_chars=MAX_VIEW_CHARS)
    try:
        View.of_text(text)
    except ValueError as problem:
        item.fail(f"{problem}; write what 'matakota scene view' prints")
    return text


def _refuse_shared_names(scene: Scene, items: list[Item]) -> None:
    """Counts, incidents and what people see go by name, over all views of a camera."""
    taken: dict[tuple[str, str], str] = {}
    for name, view in scene.views.items():
        groups: dict[str, Sequence[Line | Zone | Movement | RuleConfig]] = {
            "zone": view.zones,
            "line or movement": view.counted,
            "rule": view.rules,
        }
        for what, drawn in groups.items():
            for each in drawn:
                where = taken.setdefault((what, each.name), name)
                if where != name:
                    item = items[[preset.name for preset in scene.presets].index(name)]
                    other = f"preset {quoted(where)}" if where else "the camera's own view"
                    item.fail(
                        f"a {what} named {quoted(each.name)} is in {other} too; give this one "
                        "another 'name'"
                    )


def _items(fields: Mapping[str, Item], section: str) -> list[Item]:
    items = fields[section].items() if section in fields else []
    if len(items) > MAX_ENTRIES:
        items[MAX_ENTRIES].fail(f"a scene has at most {MAX_ENTRIES} {section}; remove the others")
    return items


def _unique(what: str, named: Iterable[tuple[Item, _Named]]) -> tuple[_Named, ...]:
    """The values, in file order; fails for a name that was there before."""
    lines: dict[str, int] = {}
    found: list[_Named] = []
    for item, value in named:
        if value.name in lines:
            where = f"in line {lines[value.name]}" if item.in_file else "there"
            item.fail(
                f"a {what} named {quoted(value.name)} is {where} already; give this one another "
                "'name'"
            )
        lines[value.name] = item.line
        found.append(value)
    return tuple(found)


def _frame_size(
    top: Item, fields: Mapping[str, Item], default: tuple[int, int] | None
) -> tuple[int, int]:
    if "frame_size" not in fields and default is not None:
        return default
    item = top.required(fields, "frame_size", "[width, height]")
    values = item.items()
    if len(values) != 2:
        item.fail(f"found {len(values)} values; write [width, height] in pixels")
    w, h = (value.integer() for value in values)
    if not all(MIN_FRAME_PX <= value <= MAX_FRAME_PX for value in (w, h)):
        item.fail(
            f"{w}x{h} is no picture's size; width and height run from {MIN_FRAME_PX} to "
            f"{MAX_FRAME_PX} pixels"
        )
    return w, h


def _name(item: Item, fields: Mapping[str, Item]) -> str:
    return item.required(fields, "name", "gate").text()


def _line(item: Item, size: tuple[int, int]) -> tuple[Item, Line]:
    fields = item.mapping()
    item.refuse_unknown(fields, LINE_FIELDS)
    name = _name(item, fields)
    drawn = item.required(fields, "points", "[[x, y], [x, y]]")
    points = _points(drawn, size)
    if len(points) != 2:
        drawn.fail(f"a line has two points, found {len(points)}; draw one line for each stretch")
    if (points[0] == points[1]).all():
        drawn.fail(f"both points are {shown_point(points[0])}; move one of them")
    forward, backward = (
        fields[direction].text() if direction in fields else direction
        for direction in ("forward", "backward")
    )
    if forward == backward:
        fields.get("backward", fields.get("forward", item)).fail(
            f"both directions are called {quoted(forward)}; give them different names"
        )
    return item, Line(name, points, forward, backward)


def _zone(item: Item, size: tuple[int, int]) -> tuple[Item, Zone]:
    fields = item.mapping()
    item.refuse_unknown(fields, ZONE_FIELDS)
    name = _name(item, fields)
    drawn = item.required(fields, "polygon", "[[x, y], [x, y], [x, y]]")
    points = _points(drawn, size)
    if len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]  # other tools close a polygon by repeating its first point
    if len(points) < 3:
        drawn.fail(f"a polygon has three points or more, found {len(points)}; add its corners")
    for i, (before, point) in enumerate(pairwise(points), start=1):
        if (before == point).all():
            drawn.fail(f"points {i} and {i + 1} are both {shown_point(point)}; remove one of them")
    if shapely.MultiPoint(points).convex_hull.area < MIN_AREA_PX2:
        drawn.fail("the polygon has no area, its points lie on one line; move one of them aside")
    if not (polygon := shapely.Polygon(points)).is_valid:
        drawn.fail(
            f"the outline touches or crosses itself{_crossing(polygon)}; give its corners in the "
            "order of a walk around the zone"
        )
    return item, Zone(name, points)


def _movements(
    items: list[Item], lines: tuple[Line, ...], zones: tuple[Zone, ...]
) -> tuple[Movement, ...]:
    names = [zone.name for zone in zones]
    found = _unique("movement", (_movement(item, names) for item in items))
    pairs = 0
    for item, movement in zip(items, found, strict=True):
        if any(line.name == movement.name for line in lines):
            item.fail(
                f"a line is called {quoted(movement.name)} too, and both are counted under their "
                "name; give one of them another 'name'"
            )
        pairs += (len(movement.entries) + 1) * (len(movement.exits) + 1)
        if pairs > MAX_PAIRS:
            item.fail(
                f"the movements make {pairs} pairs of an origin and a destination with this one, "
                f"and a scene has at most {MAX_PAIRS}; use fewer entries and exits"
            )
    return found


def _movement(item: Item, zones: list[str]) -> tuple[Item, Movement]:
    fields = item.mapping()
    item.refuse_unknown(fields, MOVEMENT_FIELDS)
    name = _name(item, fields)
    example = f"[{', '.join(zones[:2]) or 'zone'}]"
    entries, exits = (
        _arms(item.required(fields, side, example), zones) for side in ("entries", "exits")
    )
    if len({*entries, *exits}) < 2:
        item.fail(
            f"zone {quoted(entries[0])} alone is no movement, which leads from one zone to "
            "another; name a second zone"
        )
    return item, Movement(name, entries, exits)


def _arms(item: Item, zones: list[str]) -> tuple[str, ...]:
    """The zones of one side of a movement."""
    found: dict[str, None] = {}
    for entry in item.items():
        name = entry.text()
        if name not in zones:
            no_place(entry, "zone", name, zones)
        if name in found:
            entry.fail(f"zone {quoted(name)} is listed twice; remove one of them")
        if name == UNKNOWN or ARROW.strip() in name:
            entry.fail(
                f"a zone of a movement is not called {quoted(name)}, since '{UNKNOWN}' and "
                f"'{ARROW.strip()}' mean something in counts; give it another 'name'"
            )
        if len(name) > MAX_ARM_CHARS:
            entry.fail(
                f"the name of a zone of a movement has at most {MAX_ARM_CHARS} characters, not "
                f"{len(name)}; shorten it"
            )
        found[name] = None
    if not found:
        item.fail("the list is empty; name a zone")
    return tuple(found)


def _crossing(polygon: shapely.Polygon) -> str:
    """Where a polygon crosses itself, from shapely's ``Self-intersection[x y]``."""
    place = re.search(r"\[(\S+) (\S+)\]", shapely.is_valid_reason(polygon))
    return f" at ({float(place[1]):.4g}, {float(place[2]):.4g})" if place else ""


def _points(item: Item, size: tuple[int, int]) -> NDArray[np.float64]:
    """Points (k, 2) px; fails for one outside of the picture."""
    w, h = size
    found: list[tuple[float, float]] = []
    for entry in item.items():
        pair = entry.items()
        if len(pair) != 2:
            entry.fail(f"a point is two numbers, found {len(pair)}; write [x, y]")
        x, y = (value.number() for value in pair)
        if not (0 <= x <= w and 0 <= y <= h):
            item.fail(
                f"{shown_point((x, y))} lies outside the picture of {w}x{h}; coordinates run from "
                f"0 to {w} and 0 to {h}",
                line=entry.line,
            )
        found.append((x, y))
    return np.array(found, np.float64).reshape(-1, 2)
