"""The section on incidents of ``docs/evaluation.md`` says what the code does."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest

from streams.evaluation.baseline import compare
from streams.evaluation.changes import STRENGTHS, ChangeKind
from streams.evaluation.films import CHANGE_FIELDS, EXPECTED_FIELDS, FILM_FIELDS, load_films
from streams.evaluation.findings import FilmRun, Finding, baseline_of, report
from streams.evaluation.pasting import PASTE_FIELDS
from streams.samples import Places
from tests.needs import REPO
from tests.streams.evaluation.test_incidents import stated, true
from vision.types import JsonValue

DOCS = (REPO / "docs/evaluation.md").read_text("utf-8")
SECTION = DOCS.split("\n## Incidents\n")[1].split("\n## ")[0]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert found is not None
    return found[1]


def table(heading: str) -> set[str]:
    """What stands in code in the first column of the table below a heading."""
    below = SECTION.split(f"# {heading}\n")[1].split("\n#")[0]
    cells = [line.split("|")[1] for line in below.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def shape(value: JsonValue) -> object:
    """What a value is made of, the names of kinds left out."""
    if isinstance(value, dict):
        if value and all(
            isinstance(entry, dict) and "expected" in entry for entry in value.values()
        ):
            return [shape(next(iter(value.values())))]
        return {key: shape(entry) for key, entry in value.items()}
    return [shape(entry) for entry in value[:1]] if isinstance(value, list) else None


def test_every_field_is_there() -> None:
    assert table("The list") == set(FILM_FIELDS)
    assert table("What is laid there") == set(PASTE_FIELDS)
    inherited = {"rule", "zone", "line", "end_s"}
    assert table("Expected events") == set(EXPECTED_FIELDS) - inherited
    assert "{" + ", ".join(CHANGE_FIELDS) + "}" in SECTION


def test_every_change_and_its_strength_is_there() -> None:
    for kind in get_args(ChangeKind):
        assert f"`{kind}`" in SECTION
        assert f"({STRENGTHS[kind]:g}" in SECTION or kind == "freeze"


def test_the_list_is_read(tmp_path: Path) -> None:
    for name in ("clips", "scenes"):
        (tmp_path / name).symlink_to(REPO / "samples" / name)
    (tmp_path / "incidents.yaml").write_text(block("yaml"), "utf-8")
    places = Places(None, tmp_path)
    found = load_films(tmp_path / "incidents.yaml", places, default_model="m", skip_missing=True)
    assert [film.name for film in found.films] == ["plaza watched", "a bag is left"]
    assert found.skipped == ("road",)
    watched, left = found.films
    assert [one.optional for one in watched.expected] == [False, False, True]
    assert watched.rate == Fraction(5)
    assert left.laid[0].bag == (22, 28)


def test_the_file_looks_as_shown() -> None:
    shown = json.loads(block("json"))
    event = stated(20.2, 21.6, 40.2, kind="camera_moved", rule="camera_moved", place="")
    finding = Finding("detected", "camera_moved", true(19, 23), event, 1.6, True)
    runs = [FilmRun("plaza, pan", "camera only", "5", 300, 60.0, 20.2, (finding,))]
    made = report([(None, runs)], ["road"])
    made["baseline"] = compare(baseline_of(runs), baseline_of(runs), part="kind").record()
    assert shape(shown) == shape(made)
    (setting,) = json.loads(json.dumps(made))["settings"]
    assert (
        setting["total"]
        == shown["settings"][0]["total"]
        == shown["settings"][0]["kinds"]["camera_moved"]
    )


@pytest.mark.parametrize("option", re.findall(r"^\| `(--[a-z-]+)`", SECTION, re.MULTILINE))
def test_every_option_shown_is_one(option: str) -> None:
    source = (REPO / "api/cli/evaluate_incidents.py").read_text("utf-8")
    assert f'"{option}"' in source or re.search(
        rf"    {option[2:].replace('-', '_')}: (?:Annotated|[A-Z]\w+Option\b)", source
    )
