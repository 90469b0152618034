"""The JSON Schema of scene files follows the loader and the kinds' settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams.scenefile import scene_schema
from tests.streams.scenes import HEAD, KINDS, Dwell, DwellSettings, problem

ROOT = Path(__file__).parents[2]


def test_the_schema_has_one_branch_for_each_kind() -> None:
    schema: Any = scene_schema(KINDS)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    dwell, passing = schema["properties"]["rules"]["items"]["oneOf"]
    assert dwell["required"] == ["kind", "zone"]
    assert passing["required"] == ["kind", "line"]
    assert dwell["properties"]["kind"] == {
        "const": "dwell",
        "description": "Someone stays in a zone.",
    }
    assert dwell["properties"]["classes"]["default"] == ["person", "dog"]
    assert dwell["additionalProperties"] is False
    own = {
        key: value for key, value in dwell["properties"].items() if key in DwellSettings.__slots__
    }
    assert own == {
        "dwell_s": {"type": "number", "description": "Seconds in the zone.", "default": 30.0},
        "people": {"type": "integer", "default": 1},
        "loud": {"type": "boolean", "default": False},
        "note": {"type": "string", "default": "none"},
        "mode": {"enum": ["foot", "box"], "default": "foot"},
        "hours": {"type": "array", "items": {"type": "string"}, "default": []},
        "band_px": {
            "type": "array",
            "prefixItems": [{"type": "number"}, {"type": "number"}],
            "items": False,
            "minItems": 2,
            "default": [0.0, 1.0],
        },
        "speed_kmh": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
    }


def test_the_schema_knows_the_loader_s_fields(tmp_path: Path) -> None:
    schema: Any = scene_schema(KINDS)
    for section, message in (
        (schema, problem(tmp_path, "qq: 1")),
        (schema["properties"]["lines"]["items"], problem(tmp_path, HEAD + "lines: [{qq: 1}]")),
        (schema["properties"]["zones"]["items"], problem(tmp_path, HEAD + "zones: [{qq: 1}]")),
        (
            schema["properties"]["movements"]["items"],
            problem(tmp_path, HEAD + "movements: [{qq: 1}]"),
        ),
    ):
        assert message.endswith(f"known are {', '.join(section['properties'])}")
        assert section["additionalProperties"] is False


@pytest.mark.parametrize("hint", [dict, list[int], int | str, float | int | None, int | float])
def test_a_setting_of_a_type_without_a_form_is_refused(hint: Any) -> None:
    odd: Any = dataclass(frozen=True)(
        type("Odd", (), {"__annotations__": {"odd": hint}, "odd": None})
    )
    kind = type("Strange", (Dwell,), {"kind": "strange", "Settings": odd})
    with pytest.raises(TypeError, match="has no form in a scene file"):
        scene_schema({"strange": kind})


def test_a_setting_may_not_hide_a_field_of_every_rule() -> None:
    odd: Any = dataclass(frozen=True)(
        type("Odd", (), {"__annotations__": {"zone": str}, "zone": ""})
    )
    kind = type("Strange", (Dwell,), {"kind": "strange", "Settings": odd})
    with pytest.raises(TypeError, match="has the name of a field of every rule"):
        scene_schema({"strange": kind})


def test_the_published_schema_is_up_to_date() -> None:
    published = json.loads((ROOT / "docs/schema/scene.schema.json").read_text("utf-8"))
    assert published == scene_schema(), "run: matakota scene schema > docs/schema/scene.schema.json"
