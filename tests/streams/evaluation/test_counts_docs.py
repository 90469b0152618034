"""The section on counts of ``docs/evaluation.md`` says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streams.evaluation.baseline import baseline_of, compare
from streams.evaluation.counts import Agreement, Row, Run, Scores, Setting, report
from streams.evaluation.manifest import CLIP_FIELDS, load_manifest
from streams.samples import Places
from tests.needs import REPO
from vision.types import JsonValue

DOCS = (REPO / "docs/evaluation.md").read_text("utf-8")
SECTION = DOCS.split("\n## Counts\n")[1].split("\n## ")[0]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert found is not None
    return found[1]


def table(heading: str) -> list[str]:
    """What stands in code in the first column of the table below a heading."""
    below = SECTION.split(f"### {heading}\n")[1].split("\n### ")[0]
    cells = [line.split("|")[1] for line in below.splitlines() if line.startswith("| `")]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def shape(value: JsonValue) -> object:
    """What a value is made of, names of lines and the like left out."""
    if isinstance(value, dict):
        free = all(isinstance(entry, dict) and "wape" in entry for entry in value.values())
        return (
            [shape(next(iter(value.values())))] if free else {k: shape(v) for k, v in value.items()}
        )
    return [shape(entry) for entry in value[:1]] if isinstance(value, list) else None


def test_every_field_of_a_clip_is_there() -> None:
    assert sorted(table("The manifest")) == sorted(CLIP_FIELDS)


def test_the_manifest_is_read(tmp_path: Path) -> None:
    for name in ("clips", "scenes"):
        (tmp_path / name).symlink_to(REPO / "samples" / name)
    (tmp_path / "counts.yaml").write_text(block("yaml"), "utf-8")
    places = Places(None, tmp_path)
    found = load_manifest(tmp_path / "counts.yaml", places, default_model="m", skip_missing=True)
    assert [clip.name for clip in found.clips] == ["plaza"]
    assert found.skipped == ("road",)
    assert found.clips[0].rate == 5


def test_the_file_looks_as_shown() -> None:
    shown = json.loads(block("json"))
    row = Row("square", "westbound", "person", 19, 2, 19, 0)
    runs = [Run("plaza", "nanodet_g", rate, 795, 568, 12.6, (row,)) for rate in ("10", "5")]
    made = report([(Setting(), [run]) for run in runs], ["carpark"])
    made["baseline"] = compare(baseline_of(runs), baseline_of(runs)).record()
    assert shape(shown) == shape(made)
    assert Scores.of(runs[1:]).total.wape == shown["settings"][0]["total"]["wape"]
    assert Agreement.of(runs)[0].within == shown["agreement"][0]["within"]


@pytest.mark.parametrize("option", re.findall(r"^\| `(--[a-z-]+)`", SECTION, re.MULTILINE))
def test_every_option_shown_is_one(option: str) -> None:
    source = (REPO / "api/cli/evaluate_counts.py").read_text("utf-8")
    assert f'"{option}"' in source or re.search(
        rf"    {option[2:].replace('-', '_')}: (?:Annotated|[A-Z]\w+Option\b)", source
    )
