"""docs/models.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from api.cli.models import app
from models import manifest, quantised
from models.errors import ModelError
from models.manifest import load_manifest
from models.zoo import resolve
from tests.needs import REPO

DOCS = (REPO / "docs" / "models.md").read_text("utf-8")
NOTICE = (REPO / "models" / "weights" / "NOTICE.md").read_text("utf-8")


def test_the_sidecar_in_the_docs_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    (tmp_path / "street.onnx.yaml").write_text(example)
    entry = manifest.read_sidecar(tmp_path / "street.onnx")
    assert entry is not None
    assert (entry.name, entry.file, len(entry.classes)) == ("street", "street.onnx", 80)


def field_names(model: type[BaseModel], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for name, info in model.model_fields.items():
        nested = info.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            names |= field_names(nested, f"{prefix}{name}.")
        else:
            names.add(f"{prefix}{name}")
    return names


def test_every_field_and_layout_is_explained() -> None:
    words = set(re.findall(r"`([a-z0-9_.]+)`", DOCS))
    assert field_names(manifest.ModelEntry) | field_names(manifest.PoseEntry) <= words
    layouts = (manifest.Layout, manifest.PoseLayout)
    for known in (*layouts, manifest.ColourOrder, manifest.Align, manifest.DetrScores):
        assert set(get_args(known)) <= words


def test_every_figure_of_a_quantised_model_is_explained() -> None:
    words = set(re.findall(r"`([a-z0-9_.]+)`", DOCS))
    assert field_names(quantised.Reduced, "reduced.") <= words
    for each in (quantised.QuantisedRecord, quantised.Pictures, quantised.Agreement,
                 quantised.Truth, quantised.Counted):  # fmt: skip
        assert {
            info.serialization_alias or name for name, info in each.model_fields.items()
        } <= words
    assert set(get_args(quantised.Variant)) <= words


def test_every_command_and_model_is_named() -> None:
    commands = {
        each.name or each.callback.__name__ for each in app.registered_commands if each.callback
    }
    assert commands == set(re.findall(r"^\| `matakota models (\w+)", DOCS, re.MULTILINE))
    assert set(load_manifest()) == set(re.findall(r"^\| `(\w+)` \| [\d.]+ MB", DOCS, re.MULTILINE))


def test_the_notice_covers_every_embedded_file() -> None:
    for entry in load_manifest().values():
        assert entry.file is None or f"## {entry.file}" in NOTICE
    assert "Copyright 2020-2021 RangiLyu" in NOTICE
    assert "Copyright Google LLC" in NOTICE
    assert "Copyright (c) 2021 Vladimir Mandic" in NOTICE


@pytest.mark.parametrize("name", ["yolox_nano", "no_such", "no_such.onnx"])
def test_messages_are_one_line_with_a_next_step(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        resolve(name, cache=tmp_path)
    assert "\n" not in str(caught.value)
    assert ": " in str(caught.value)
