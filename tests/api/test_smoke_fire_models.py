"""Fire and smoke need a model that knows them: what is said without one, and with its names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.command import matakota
from tests.needs import REPO

CLIP = REPO / "samples" / "clips" / "plaza.mp4"
WEIGHTS = REPO / "models" / "weights" / "nanodet_g.onnx"
WHOLE = [[0, 100], [767, 100], [767, 575], [0, 575]]


def scene(folder: Path, **fields: Any) -> Path:
    rule = {"kind": "smoke_fire", "zone": "whole", **fields.pop("rule", {})}
    drawn = {
        "frame_size": [768, 576], "zones": [{"name": "whole", "polygon": WHOLE}], "rules": [rule],
    }  # fmt: skip
    (folder / "burns.yaml").write_text(yaml.safe_dump({**drawn, **fields}))
    return folder / "burns.yaml"


ADVICE = (
    "rule 'smoke_fire@whole': it looks for 'fire' and 'smoke' alone, and no model that comes with "
    "the program finds them: name a model of your own that does, and write 'classes: [fire, "
    "smoke]' in the scene, or what it knows of them (docs/models.md)"
)


@pytest.mark.parametrize(
    "fields",
    [{}, {"classes": ["person"]}, {"rule": {"classes": ["person"]}}],
    ids=["no classes", "people alone", "a rule about people"],
)
def test_a_scene_without_these_classes_is_refused_with_what_to_do(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    ran = matakota("analyse", CLIP, "--scene", scene(tmp_path, **fields), folder=tmp_path)
    assert (ran.code, ran.out) == (2, b"")
    (sentence,) = ran.said
    assert sentence.endswith(ADVICE)


def test_a_model_that_does_not_know_them_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = scene(tmp_path, classes=["fire", "smoke"])
    ran = matakota("analyse", CLIP, "--scene", path, folder=tmp_path)
    assert (ran.code, ran.out) == (2, b"")
    (sentence,) = ran.said
    assert "burns.yaml: the model does not know the class 'fire': it knows person, " in sentence
    assert sentence.endswith(
        "choose one of these, or name another model, whose own names 'rename' in its entry may "
        "change (docs/models.md)"
    )


def test_a_model_with_names_of_its_own_is_taken(tmp_path: Path) -> None:
    """What it takes for fire are people here: the rule runs, and none of them moves like it."""
    manifest = yaml.safe_load((REPO / "models" / "manifest.yaml").read_text("utf-8"))
    entry = {k: v for k, v in manifest["models"]["nanodet_g"].items() if k != "file"}
    content = WEIGHTS.read_bytes()
    stated = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    renamed = {"rename": {"person": "fire", "umbrella": "smoke"}}
    (tmp_path / "burns.onnx").write_bytes(content)
    (tmp_path / "burns.onnx.yaml").write_text(yaml.safe_dump({**entry, **stated, **renamed}))
    path = scene(tmp_path, classes=["fire", "smoke"])
    ran = matakota(
        "analyse", CLIP, "--scene", path, "--model", "burns.onnx", "--fps", "1", folder=tmp_path
    )
    assert ran.code == 0, ran.err
    assert not [record for record in ran.records if record["type"] == "event"]
