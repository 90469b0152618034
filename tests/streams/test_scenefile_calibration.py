"""Where the ground of a view is: its marks, as a scene file has them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from streams.scenefile import load_scene, scene_of, scene_schema
from streams.sceneschema import MAX_MARKS
from tests.needs import REPO
from tests.streams.scenes import HEAD, load, problem
from tests.streams.test_presets import HARBOUR, HOME
from vision.errors import SceneError
from vision.scene_check import check_scene

Table: TypeAlias = list[tuple[str, str]]

MARKS = [
    "{px: [100, 300], m: [0, 0]}",
    "{px: [500, 300], m: [8, 0]}",
    "{px: [400, 100], m: [8, 30]}",
    "{px: [200, 100], m: [0, 30]}",
]
FIFTH = "{px: [300, 166.6667], m: [4, 15]}"
"""Where the diagonals of the four meet, in the picture and on the road."""


MARKS_BLOCK = "\n".join(f"  - {mark}" for mark in MARKS)


def marks(*lines: str) -> str:
    return HEAD + "calibration:\n" + "".join(f"  - {line}\n" for line in lines)


def changed(which: int, text: str) -> str:
    return marks(*(text if i == which else mark for i, mark in enumerate(MARKS)))


def test_the_ground_is_read(tmp_path: Path) -> None:
    ground = load(tmp_path, marks(*MARKS, FIFTH)).calibration
    assert ground is not None
    assert ground.residual_m == pytest.approx(0, abs=1e-4)
    start, end = ground.to_ground(np.array([[100.0, 300], [300, 166.6667]]))
    assert math.dist(start, end) == pytest.approx(math.hypot(4, 15), abs=1e-3)
    assert load(tmp_path, HEAD).calibration is None


def test_coordinates_of_a_map_are_as_good_as_any(tmp_path: Path) -> None:
    """Metres east and north of an origin thousands of kilometres away."""
    on_map = [mark.replace("m: [0", "m: [768000").replace("m: [8", "m: [768008") for mark in MARKS]
    on_map = [
        mark.replace(", 0]}", ", 9431000]}").replace(", 30]}", ", 9431030]}") for mark in on_map
    ]
    here = load(tmp_path, marks(*MARKS)).calibration
    there = load(tmp_path, marks(*on_map)).calibration
    assert here is not None
    assert there is not None
    points = np.array([[100.0, 300], [300, 200], [310, 120]])
    lengths = [np.diff(each.to_ground(points), axis=0) for each in (here, there)]
    assert lengths[0] == pytest.approx(lengths[1], abs=1e-3)


BAD: Table = [
    (HEAD + "calibration: yes\n", "2: calibration: expected a list, found yes"),
    (
        marks(*MARKS[:3]),
        "3: calibration: found 3 points, but the ground needs 4; measure marks on the road that",
    ),
    (HEAD + "calibration: []\n", "2: calibration: found 0 points, but the ground needs 4"),
    (
        marks(*MARKS * 13),
        f"53: calibration[50]: 52 points are too many; keep {MAX_MARKS} at most",
    ),
    (changed(1, "[500, 300]"), "4: calibration[1]: expected a mapping of fields, found a list"),
    (
        changed(1, "{px: [500, 300]}"),
        "4: calibration[1]: field 'm' is missing; add 'm: [x, y]'",
    ),
    (changed(1, "{m: [0, 0]}"), "4: calibration[1]: field 'px' is missing; add 'px: [x, y]'"),
    (
        changed(1, "{px: [500, 300], n: [8, 0]}"),
        "4: calibration[1]: unknown field 'n'; known are px, m",
    ),
    (
        changed(1, "{px: [500, 300, 1], m: [8, 0]}"),
        "4: calibration[1].px: a point is two numbers, found 3; write px: [x, y]",
    ),
    (
        changed(1, "{px: [500, 300], m: [8]}"),
        "4: calibration[1].m: a point is two numbers, found 1; write m: [x, y]",
    ),
    (changed(1, "{px: [a, 300], m: [8, 0]}"), "4: calibration[1].px[0]: a is not a finite number"),
    (
        changed(1, "{px: [641, 300], m: [8, 0]}"),
        "4: calibration[1].px: (641, 300) lies outside the picture of 640x352; coordinates run",
    ),
    (
        changed(1, "{px: [500, 300], m: [8, 2e7]}"),
        "4: calibration[1].m: (8, 20000000) is further than 10000000 m from the origin; choose",
    ),
    (
        changed(1, "{px: [200, 100], m: [8, 0]}"),
        "3: calibration: the points lie on one line, or too many of them do; choose four that are",
    ),
    (
        changed(1, "{px: [500, 300], m: [0, 30]}"),
        "3: calibration: the points lie on one line, or too many of them do; choose four that are",
    ),
    (
        marks(*MARKS[:2], "{px: [400, 100], m: [0, 30]}", "{px: [200, 100], m: [8, 30]}"),
        "3: calibration: no flat ground looks like this; check the order of the points",
    ),
    (
        marks(*MARKS, "{px: [300, 220], m: [4, 15]}"),
        "3: calibration: the points contradict each other by ",
    ),
]


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_a_mistake_is_named_with_line_and_field(tmp_path: Path, text: str, expected: str) -> None:
    assert problem(tmp_path, text).startswith(f"scene.yaml:{expected}")


def test_points_that_contradict_each_other_say_where_and_what_to_do(tmp_path: Path) -> None:
    """Of five nobody knows which one is wrong: without any of them the others fit."""
    wrong = "{px: [460, 280], m: [2, 20]}"
    said = problem(tmp_path, marks(*MARKS, wrong))
    assert " m (root mean square); measure them again, and look whether px and m of each" in said
    said = problem(tmp_path, marks(*MARKS, wrong, FIFTH))
    assert (
        " m (root mean square), without calibration[4] by 0.00 m; measure them again, and" in said
    )


PRESETS = f"""\
frame_size: [640, 360]
view: {HOME}
calibration:
{MARKS_BLOCK}
presets:
  - name: harbour
    view: {HARBOUR}
    calibration:
      - {MARKS[0].replace("[100, 300]", "[100, 340]")}
      - {MARKS[1]}
      - {MARKS[2]}
      - {MARKS[3]}
  - name: bridge
    view: {HARBOUR}
"""


def test_each_view_has_ground_of_its_own(tmp_path: Path) -> None:
    scene = load(tmp_path, PRESETS)
    harbour, bridge = (preset.scene for preset in scene.presets)
    assert scene.calibration is not None
    assert harbour.calibration is not None
    assert scene.calibration.px[0].tolist() == [100, 300]
    assert harbour.calibration.px[0].tolist() == [100, 340]
    assert bridge.calibration is None


def test_a_preset_is_named_in_its_mistake(tmp_path: Path) -> None:
    said = problem(tmp_path, PRESETS.replace("[100, 340]", "[700, 340]"))
    assert said.startswith("scene.yaml:12: presets[0].calibration[0].px: (700, 340) lies outside")


def test_the_schema_has_it() -> None:
    schema: Any = scene_schema()
    preset = schema["properties"]["presets"]["items"]
    for view in (schema, preset):
        field = view["properties"]["calibration"]
        assert (field["minItems"], field["maxItems"]) == (4, MAX_MARKS)
        assert field["items"]["required"] == ["px", "m"]
        assert field["items"]["additionalProperties"] is False


RULES = """\
zones:
  - {name: road, polygon: ROAD}
rules:
  - {kind: speeding, zone: road}
  - {kind: crowd_density, zone: road}
"""
AT_MARKS = "[[150, 290], [450, 290], [380, 120], [220, 120]]"


def real(tmp_path: Path, text: str) -> list[str]:
    """The warnings of a scene with the real kinds."""
    path = tmp_path / "scene.yaml"
    path.write_text(text, "utf-8")
    return check_scene(load_scene(path))


def test_rules_in_metres_need_the_ground(tmp_path: Path) -> None:
    drawn = RULES.replace("ROAD", AT_MARKS)
    assert real(tmp_path, marks(*MARKS) + drawn) == []
    with pytest.raises(SceneError) as caught:
        real(tmp_path, HEAD + drawn)
    assert str(caught.value).endswith(
        "scene.yaml:5: rules[0]: rule 'speeding@road': speeds are measured in a calibrated view "
        "only; add 'calibration' to this view, with four marks on the road whose places in metres "
        "are known"
    )


@pytest.mark.parametrize("kind", ["speeding", "queue", "congestion"])
def test_a_zone_far_from_the_marks_has_a_warning(tmp_path: Path, kind: str) -> None:
    near = [
        "{px: [150, 290], m: [0, 0]}",
        "{px: [250, 290], m: [3, 0]}",
        "{px: [240, 240], m: [3, 6]}",
        "{px: [160, 240], m: [0, 6]}",
    ]
    beside = "[[400, 340], [600, 340], [580, 260], [420, 260]]"
    drawn = RULES.replace("ROAD", beside).replace("  - {kind: crowd_density, zone: road}\n", "")
    drawn = drawn.replace("kind: speeding", f"kind: {kind}")
    (warning,) = real(tmp_path, marks(*near) + drawn)
    assert warning.startswith("zone 'road' lies outside of the field between the marks")


def test_the_documented_example_is_valid_and_without_a_warning(tmp_path: Path) -> None:
    text = (REPO / "docs" / "scenes.md").read_text("utf-8").split("\n## Calibration\n")[1]
    text = text.split("```yaml\n")[1].split("```")[0]
    assert real(tmp_path, text) == []
    scene = load_scene(tmp_path / "scene.yaml")
    assert scene.calibration is not None
    assert scene.calibration.residual_m < 0.1


def test_what_the_store_keeps_reads_the_same() -> None:
    entries = [{"px": [100, 300], "m": [0, 0]}, {"px": [500, 300], "m": [8, 0]}]
    entries += [{"px": [400, 100], "m": [8, 30]}, {"px": [200.5, 100], "m": [0, 30]}]
    document: Any = {"frame_size": [640, 352], "calibration": entries}
    ground = scene_of(document, "scene").calibration
    assert ground is not None
    assert ground.px[3].tolist() == [200.5, 100]
