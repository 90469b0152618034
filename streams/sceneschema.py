"""The JSON Schema (2020-12) of scene files, for editors; ``scenefile`` is the stricter judge.

A schema knows neither the picture's size nor the names drawn in a file, so points beyond the
picture's right and bottom edges and unknown places are found only when the file is loaded.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import get_args

from streams.rulesettings import settings_schema
from streams.schedulefile import schedule_schema
from streams.yamlfile import MAX_PLAIN_CHARS, MAX_TEXT_CHARS
from vision.calibration import MIN_POINTS
from vision.rules import registry
from vision.rules.base import Rule
from vision.scene import Detail, DetectorKind
from vision.types import JsonValue, Severity

MIN_FRAME_PX = 16
MAX_FRAME_PX = 16384
MIN_REGION_PX = 16

SCENE_FIELDS = (
    "frame_size",
    "stretch",
    "detector",
    "detail",
    "gate",
    "region",
    "classes",
    "lines",
    "zones",
    "movements",
    "rules",
    "calibration",
    "view",
    "presets",
)
PRESET_FIELDS = ("name", "view", "lines", "zones", "movements", "rules", "calibration")
MAX_VIEW_CHARS = MAX_PLAIN_CHARS
LINE_FIELDS = ("name", "points", "forward", "backward")
ZONE_FIELDS = ("name", "polygon")
MOVEMENT_FIELDS = ("name", "entries", "exits")
MARK_FIELDS = ("px", "m")
MAX_MARKS = 50
MAX_GROUND_M = 1e7
"""The largest coordinate of a map in metres (northings of UTM) is of this size."""

Schema = dict[str, JsonValue]


def scene_schema(kinds: Mapping[str, type[Rule]] | None = None) -> Schema:
    """JSON Schema of a scene file; ``kinds`` are those of ``vision.rules`` unless given. Each
    kind is one branch of ``rules``, with the settings of its ``Settings`` dataclass."""
    known = registry.kinds() if kinds is None else kinds
    branches: list[JsonValue] = [_rule(kind) for kind in known.values()]
    drawn: dict[str, JsonValue] = {
        "lines": _list(_LINE, "Counting lines; each counts in both directions."),
        "zones": _list(_ZONE, "Polygons that rules watch, and between which movements lead."),
        "movements": _list(_MOVEMENT, "Counts of who came from which zone and went into which."),
        "rules": _list({"oneOf": branches}, "What raises an alert."),
        "calibration": _CALIBRATION,
    }
    preset = _object(
        "name",
        "view",
        name=_ref("text", "Unique among the presets."),
        view={**_VIEW, "description": "How this preset looks: 'matakota scene view' prints it."},
        **drawn,
    )
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Matakota scene",
        "description": "What an administrator drew on one camera: lines, zones and rules.",
        **_object(
            frame_size=_FRAME_SIZE,
            stretch=_STRETCH,
            detector=_DETECTOR,
            detail=_DETAIL,
            gate=_GATE,
            region=_REGION,
            classes=_ref("classes", "The detector's classes that the scene uses; all if left out."),
            **drawn,
            view={
                **_VIEW,
                "description": (
                    "How the camera's own view looks: 'matakota scene view' prints it. Learnt from "
                    "its first pictures if left out."
                ),
            },
            presets=_list(preset, "Other views of a camera that turns, each with its own scene."),
        ),
        "$defs": {
            "text": _TEXT,
            "point": _POINT,
            "classes": _CLASSES,
            "places": _CLASSES,
            "schedule": schedule_schema(),
        },
    }
    return copy.deepcopy(schema)


def _rule(kind: type[Rule]) -> Schema:
    """The branch of one kind: its constant name, its place, its classes, its settings."""
    text = kind.__doc__ or getattr(inspect.getmodule(kind), "__doc__", None) or "An incident kind."
    about = " ".join(text.split("\n\n")[0].split())
    classes = _ref("classes", "What the rule looks at; its kind's classes if left out.")
    if kind.classes:
        classes["default"] = list(kind.classes)
    fields: dict[str, JsonValue] = {
        "kind": {"const": kind.kind, "description": about},
        "name": _ref("text", f"Unique among the rules; {_usual_name(kind)} if left out."),
    }
    if kind.place != "camera":
        fields |= {
            kind.place: _ref("text", f"Name of the {kind.place} that the rule watches."),
            "classes": classes,
        }
    fields |= settings_schema(kind) | {
        "severity": {
            "enum": list(get_args(Severity)),
            "description": "How bad it is; its alerts carry it.",
            "default": kind.severity,
        },
        "cooldown_s": {
            "type": "number",
            "minimum": 0,
            "description": "Seconds after an incident was over in which the same is that incident.",
            "default": kind.cooldown_s,
        },
        "schedule": {"$ref": "#/$defs/schedule"},
        "enabled": {"type": "boolean", "description": "Whether it watches.", "default": True},
    }
    places = () if kind.place == "camera" else (kind.place,)
    return {"title": kind.kind, **_object("kind", *places, **fields)}


def _usual_name(kind: type[Rule]) -> str:
    return kind.kind if kind.place == "camera" else f"{kind.kind}@<{kind.place}>"


def _object(*required: str, **properties: JsonValue) -> Schema:
    needs: Schema = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needs, "additionalProperties": False}


def _list(items: Schema, description: str) -> Schema:
    return {"type": "array", "description": description, "items": items}


def _ref(name: str, description: str) -> Schema:
    return {"$ref": f"#/$defs/{name}", "description": description}


def _direction(name: str, description: str) -> Schema:
    return {**_ref("text", description), "default": name}


_TEXT: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT_CHARS,
    "pattern": r"^\S(.*\S)?$",
}
_POINT: Schema = {
    "type": "array",
    "description": "[x, y] in pixels of the picture, from its top left corner right and down.",
    "items": {"type": "number", "minimum": 0},
    "minItems": 2,
    "maxItems": 2,
}
_CLASSES: Schema = {
    "type": "array",
    "items": {"$ref": "#/$defs/text"},
    "minItems": 1,
    "uniqueItems": True,
}
_FRAME_SIZE: JsonValue = {
    "type": "array",
    "description": (
        "[width, height] in pixels of the picture in which the coordinates are drawn; streams of "
        "the same shape are scaled to it. May be left out only where a clip gives its own size."
    ),
    "items": {"type": "integer", "minimum": MIN_FRAME_PX, "maximum": MAX_FRAME_PX},
    "minItems": 2,
    "maxItems": 2,
}
_STRETCH: JsonValue = {
    "type": "boolean",
    "description": "Streams of another shape show the same view (an anamorphic sub-stream).",
    "default": False,
}
_DETECTOR: JsonValue = {
    "enum": list(get_args(DetectorKind)),
    "description": "What finds objects: the camera's model, whatever moves, or both together.",
    "default": "model",
}
_DETAIL: JsonValue = {
    "enum": list(get_args(Detail)),
    "description": (
        "How small the objects are that the model has to find: fine looks at the picture 1.5 times "
        "as large for about 2.2 times the computing, finest twice as large for nearly 4 times."
    ),
    "default": "usual",
}
_GATE: JsonValue = {
    "type": "boolean",
    "description": "The model is asked only where the picture shows something new.",
    "default": True,
}
_REGION: JsonValue = {
    "description": (
        "The part of the picture that is analysed, enlarged where it is small: [x, y, width, "
        "height] in pixels, or auto for what the lines and zones need. All of it if left out."
    ),
    "oneOf": [
        {"const": "auto"},
        {
            "type": "array",
            "prefixItems": [
                {"type": "number", "minimum": 0},
                {"type": "number", "minimum": 0},
                {"type": "number", "minimum": MIN_REGION_PX},
                {"type": "number", "minimum": MIN_REGION_PX},
            ],
            "items": False,
            "minItems": 4,
        },
    ],
}
_VIEW: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_VIEW_CHARS}
_POINT_REF: JsonValue = {"$ref": "#/$defs/point"}
_LINE = _object(
    "name",
    "points",
    name=_ref("text", "Unique among the lines."),
    points={
        "type": "array",
        "description": (
            "The two ends, [[x, y], [x, y]] in pixels. Walk from the first to the second: forward "
            "goes from your left to your right."
        ),
        "items": _POINT_REF,
        "minItems": 2,
        "maxItems": 2,
    },
    forward=_direction("forward", "Your name of the direction from left to right."),
    backward=_direction("backward", "Your name of the direction from right to left."),
)
_ZONE = _object(
    "name",
    "polygon",
    name=_ref("text", "Unique among the zones."),
    polygon={
        "type": "array",
        "description": "The corners in order, [x, y] in pixels; the polygon closes itself.",
        "items": _POINT_REF,
        "minItems": 3,
    },
)
_MOVEMENT = _object(
    "name",
    "entries",
    "exits",
    name=_ref("text", "Unique among the movements and lines, which are counted by name."),
    entries=_ref("places", "Names of the zones from which its ways lead."),
    exits=_ref("places", "Names of the zones into which they lead; a zone may be both."),
)
_CALIBRATION: Schema = {
    **_list(
        _object(
            "px",
            "m",
            px={**_POINT, "description": "Where the mark is in the picture, [x, y] in pixels."},
            m={
                "type": "array",
                "description": "Where it is on the ground, [x, y] in metres from any origin.",
                "items": {"type": "number", "minimum": -MAX_GROUND_M, "maximum": MAX_GROUND_M},
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        "Marks on flat ground whose places were measured: rules in metres need them.",
    ),
    "minItems": MIN_POINTS,
    "maxItems": MAX_MARKS,
}
