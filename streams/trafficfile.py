"""How traffic is classed and summed, in a YAML file (``docs/traffic.md``): class maps, equivalents
of cars, roads, junctions, holidays. What a file leaves out is as it ships, ``pkji2023.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib import resources
from pathlib import Path, PurePath
from typing import Final, Literal, cast

from models.quantised import SUFFIX
from streams.config import MAX_LATITUDE, MAX_LONGITUDE, MODEL_FILE, Position
from streams.roadfile import (
    MAX_NAMES,
    MAX_SAID_CHARS,
    between,
    few,
    names_of,
    read_class,
    read_equivalents,
    read_junctions,
    read_roads,
)
from streams.schedulefile import read_holidays
from streams.yamlfile import Item, item_of, quoted, read_yaml
from vision.bins import Interval
from vision.errors import ConfigError
from vision.junctions import Junction
from vision.schedule import public_holidays
from vision.sun import Light, light
from vision.traffic import ClassMap, Equivalents, Road, VehicleClass
from vision.types import JsonValue

SHIPPED: Final = "pkji2023.yaml"
SECTIONS: Final = ("classes", "equivalents", "roads", "junctions", "holidays", "position")
LANGUAGES: Final = ("en", "id")
MAX_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Traffic:
    """All of it. ``document`` is what ``traffic_of`` makes the same from, in JSON values;
    ``number`` is its revision in the store, 0 as it ships. Two are equal where their documents
    are."""

    document: Mapping[str, JsonValue]
    class_maps: tuple[ClassMap, ...] = field(compare=False)
    equivalents: Equivalents = field(compare=False)
    roads: Mapping[tuple[str, str], Road] = field(compare=False)
    """By camera and line or movement; "" are all of a camera that are not there themselves."""
    junctions: tuple[Junction, ...] = field(compare=False)
    days: frozenset[date] = field(compare=False)
    countries: tuple[str, ...] = field(compare=False)
    position: Position = field(compare=False)
    number: int = field(default=0, compare=False)

    @property
    def source(self) -> str:
        """Where the equivalents are from."""
        return self.equivalents.source

    @property
    def version(self) -> str:
        """That of the equivalents."""
        return self.equivalents.version

    def class_map(self, model: str) -> ClassMap | None:
        """The map of a model: of the name that a camera has, of its file, of that without its
        ending, or of the model that it was quantised from, the first of these that any map
        names."""
        file = PurePath(model).name
        stem = file.removesuffix(MODEL_FILE)
        whole = stem.removesuffix(SUFFIX)
        names = (model, file, stem, stem + MODEL_FILE, whole, whole + MODEL_FILE)
        for name in dict.fromkeys(names):
            for each in self.class_maps:
                if name in each.models:
                    return each
        return None

    def class_of(self, model: str, detector_class: str) -> VehicleClass:
        found = self.class_map(model)
        return VehicleClass.UNMAPPED if found is None else found.of(detector_class)

    def unknown(self, model: str, language: Literal["en", "id"] = "en") -> tuple[str, ...]:
        """What a model does not tell apart, a sentence each; empty where it has no map."""
        found = self.class_map(model)
        return () if found is None else found.cannot_tell.get(language, ())

    def passed(
        self, interval: Interval, model: str, line: str
    ) -> dict[str, dict[VehicleClass, int]]:
        """What an interval counted on a line or movement, by direction and class."""
        found: dict[str, dict[VehicleClass, int]] = {
            way: {} for way in interval.lines.get(line, ())
        }
        for (where, way, name), count in interval.counts.items():
            if where == line:
                counts, kind = found.setdefault(way, {}), self.class_of(model, name)
                counts[kind] = counts.get(kind, 0) + count
        return found

    def road(self, camera: str, line: str) -> Road | None:
        """What road a line or movement counts."""
        return self.roads.get((camera, line)) or self.roads.get((camera, ""))

    def holidays(self, year: int) -> frozenset[date]:
        """Those of a year, as far as they are known or can be reckoned ahead."""
        found = {day for day in self.days if day.year == year}
        return frozenset(found.union(*(public_holidays(each, year) for each in self.countries)))

    def light(self, ts: float, position: Position | None = None) -> Light:
        """How light it is at ``ts`` (UTC seconds), where a camera stands or else in the city."""
        return light(ts, *(position or self.position))


@lru_cache(maxsize=1)
def shipped_traffic() -> Traffic:
    """As it ships."""
    with resources.as_file(resources.files("streams").joinpath(SHIPPED)) as path:
        return read_traffic(read_yaml(path, ConfigError))


def load_traffic(path: Path) -> Traffic:
    """From a YAML file. Raises ConfigError: one line with file, line, field and the next step."""
    top = read_yaml(path, ConfigError, max_bytes=MAX_BYTES)
    return read_traffic(top, shipped_traffic().document)


def traffic_of(document: Mapping[str, JsonValue], label: str, number: int = 0) -> Traffic:
    """From a document, such as the store keeps, whose name in messages is ``label``. Raises
    ConfigError."""
    top = item_of(dict(document), label, ConfigError)
    return read_traffic(top, shipped_traffic().document, number)


def read_traffic(
    top: Item, shipped: Mapping[str, JsonValue] | None = None, number: int = 0
) -> Traffic:
    """From a value; what it lacks is as in ``shipped``: whole sections, and maps of models that it
    does not name."""
    own = top.mapping()
    top.refuse_unknown(own, SECTIONS)
    fields = dict(own)
    for name, value in (shipped or {}).items():
        fields.setdefault(name, item_of({name: value}, SHIPPED, ConfigError).mapping()[name])
    missing = [name for name in SECTIONS if name not in fields]
    if missing:
        top.fail(f"'{missing[0]}' is missing; add it")
    maps = _class_maps(fields["classes"])
    others = _others(shipped["classes"], maps) if shipped and "classes" in own else []
    equivalents, types = read_equivalents(fields["equivalents"])
    days, countries = read_holidays(fields["holidays"])
    document = {name: fields[name].plain() for name in SECTIONS}
    document["classes"] = [*(it.plain() for it in fields["classes"].items()), *others]
    return Traffic(
        document=document,
        class_maps=(*maps, *_class_maps(item_of(others, SHIPPED, ConfigError))),
        equivalents=equivalents,
        roads=read_roads(fields["roads"], equivalents, types),
        junctions=read_junctions(fields["junctions"], equivalents, types),
        days=frozenset(days),
        countries=countries,
        position=_position(fields["position"]),
        number=number,
    )


def _others(shipped: JsonValue, maps: Sequence[ClassMap]) -> list[JsonValue]:
    """What ships for models that are in none of ``maps``."""
    named = {model for each in maps for model in each.models}
    # a quantised model goes by the map of its float one
    named |= {model.removesuffix(MODEL_FILE) + SUFFIX for model in named}
    found: list[JsonValue] = []
    for entry in cast("list[dict[str, JsonValue]]", shipped):
        left: list[JsonValue] = [it for it in cast("list[str]", entry["models"]) if it not in named]
        if left:
            found.append(entry | {"models": left})
    return found


def _class_maps(item: Item) -> tuple[ClassMap, ...]:
    found: list[ClassMap] = []
    for entry in few(item, MAX_NAMES):
        made = _class_map(entry)
        for model in made.models:
            if any(model in other.models for other in found):
                entry.fail(f"model {quoted(model)} has a map already; remove one of them")
        found.append(made)
    return tuple(found)


def _class_map(item: Item) -> ClassMap:
    fields = item.mapping()
    item.refuse_unknown(fields, ("models", "classes", "cannot_tell"))
    models = names_of(item.required(fields, "models", "[nanodet_g]"), "model")
    classes = item.required(fields, "classes", "{car: MP}").mapping()
    if len(classes) > MAX_NAMES:
        fields["classes"].fail(f"a map has at most {MAX_NAMES} classes; remove the others")
    said: dict[str, tuple[str, ...]] = {}
    if "cannot_tell" in fields:
        by = fields["cannot_tell"].mapping()
        fields["cannot_tell"].refuse_unknown(by, LANGUAGES)
        for language, texts in by.items():
            said[language] = tuple(
                it.text(max_chars=MAX_SAID_CHARS) for it in few(texts, MAX_NAMES)
            )
    return ClassMap(models, {name: read_class(it) for name, it in classes.items()}, said)


def _position(item: Item) -> Position:
    values = item.items()
    if len(values) != 2:
        item.fail(f"found {len(values)} values; write [latitude, longitude] in degrees")
    return (
        between(values[0], -MAX_LATITUDE, MAX_LATITUDE),
        between(values[1], -MAX_LONGITUDE, MAX_LONGITUDE),
    )
