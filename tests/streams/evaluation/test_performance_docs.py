"""``docs/performance.md`` shows what was measured, and explains every figure of the JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from docs.measured import KEPT, PAGE, TABLES, written
from streams.evaluation.stages import STAGES

TEXT = PAGE.read_text("utf-8")
NAMED = {
    "counts", "stages_ms", "other_ms", "floor_ms", "crowded_ms", "promised_around_ms", "versions",
    "promised_ms", "promised_times", "tracker",
}  # fmt: skip
KEPT_BESIDE = {"command", "date"}
SAID = json.loads(KEPT.read_text("utf-8"))


def test_its_tables_are_what_was_measured() -> None:
    assert written(TEXT, SAID) == TEXT, "run 'python -m docs.measured --write'"


def test_every_table_has_its_place() -> None:
    with pytest.raises(ValueError, match="no markers of 'overheads'"):
        written(TEXT.replace("<!-- overheads -->", ""), SAID)
    assert set(re.findall(r"<!-- /(\w+) -->", TEXT)) == set(TABLES)


def test_every_stage_and_every_field_is_explained() -> None:
    section = TEXT.split("\n## The JSON\n")[1].partition("\n## ")[0]
    for name in STAGES:
        assert f"| `{name}` |" in TEXT
    for part, said in SAID.items():
        for name in fields(said):
            assert f"`{name}`" in section, f"{name} of {part}"


def fields(said: object) -> Iterator[str]:
    """Every name of a field in ``said``, however deep; what is counted or measured by a name of its
    own, such as a line's or a package's, has no fields."""
    if isinstance(said, list):
        for each in said:
            yield from fields(each)
    elif isinstance(said, dict):
        for name, value in said.items():
            if name in NAMED:
                yield name
            elif name == "programs":
                yield name
                yield from fields(list(value.values()))
            elif name not in KEPT_BESIDE:
                yield name
                yield from fields(value)


def test_fields_of_every_part_are_found() -> None:
    found = set(fields({"peers": {"programs": {"who": {"ms": 1}}}, "tried": [{"due": 2}]}))
    assert found == {"peers", "programs", "ms", "tried", "due"}
