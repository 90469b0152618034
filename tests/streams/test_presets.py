"""Scenes of a camera that turns: its own view, and presets with what is drawn on each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.scenefile import load_scene
from vision.scene import Scene
from vision.scene_check import check_scene
from vision.types import Image
from vision.views import View


def drawn(seed: int) -> Image:
    """A picture with structure, another one for each seed."""
    blocks = np.random.default_rng(seed).integers(30, 220, (9, 16, 1), np.uint8)
    return np.ascontiguousarray(np.repeat(blocks.repeat(40, 0).repeat(40, 1), 3, 2))


HARBOUR, HOME = (View.of([drawn(seed)]).text for seed in (1, 2))

SCENE = f"""\
frame_size: [640, 360]
view: {HOME}
lines:
  - name: gate
    points: [[300, 50], [300, 300]]
rules:
  - kind: line_crossing
    line: gate
presets:
  - name: harbour
    view: {HARBOUR}
    lines:
      - name: pier
        points: [[100, 50], [100, 300]]
        forward: out
        backward: back
    zones:
      - name: quay
        polygon: [[200, 100], [400, 100], [400, 300]]
    rules:
      - kind: intrusion
        zone: quay
"""


def load(folder: Path, text: str) -> Scene:
    path = folder / "scene.yaml"
    path.write_text(text)
    return load_scene(path)


def test_each_view_has_what_is_drawn_on_it(tmp_path: Path) -> None:
    scene = load(tmp_path, SCENE)
    assert scene.view == HOME
    (harbour,) = scene.presets
    assert (harbour.name, harbour.view) == ("harbour", HARBOUR)
    assert list(scene.views) == ["", "harbour"]
    assert [line.name for line in scene.lines] == ["gate"]
    assert [each.name for each in harbour.scene.counted] == ["pier"]
    assert harbour.scene.frame_size == scene.frame_size
    assert [rule.name for rule in harbour.scene.rules] == ["intrusion@quay"]


def test_warnings_name_the_preset(tmp_path: Path) -> None:
    scene = load(tmp_path, SCENE.replace("zone: quay", "zone: quay\n        classes: [car]"))
    assert check_scene(scene) == []
    (warning,) = check_scene(
        load(
            tmp_path,
            SCENE.replace("[[100, 50]", "[[1, 50]").replace(
                "[100, 300]]\n        forward", "[1, 300]]\n        forward"
            ),
        )
    )
    assert warning.startswith("preset 'harbour': line 'pier'")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: harbour\n", "name: harbour\n    classes: [car]\n", "unknown field 'classes'"),
        (f"    view: {HARBOUR}\n", "", "field 'view' is missing; add 'view: what 'matakota scene"),
        (HARBOUR, "nonsense", "write what 'matakota scene view' prints"),
        (HOME, "''", "view: '' is empty"),
        ("name: pier", "name: gate", "a line or movement named 'gate' is in the camera's own view"),
        ("zone: quay", "zone: quay\n        name: line_crossing@gate", "a rule named"),
        (
            "kind: intrusion\n        zone: quay",
            "kind: camera_dark",
            "watches the camera as a whole, whatever it looks at; move this rule out",
        ),
        (
            "presets:\n",
            "region: auto\npresets:\n",
            "region: a camera with presets is analysed as a whole",
        ),
        (
            "zone: quay",
            "zone: quay\n        name: camera_moved",
            "'camera_moved' is what a camera's own rule is called; give this one another 'name'",
        ),
        ("zone: quay", "zone: yard", "there is no zone 'yard' (zones are quay)"),
    ],
)
def test_mistakes(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in SCENE
    with pytest.raises(Exception, match=r"scene\.yaml:\d+: ") as caught:
        load(tmp_path, SCENE.replace(old, new, 1) if old != HARBOUR else SCENE.replace(old, new))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
