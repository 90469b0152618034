"""What is read from a scene file; mistakes are in ``test_scenefile_mistakes.py``."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.scenefile import load_scene
from tests.streams.scenes import (
    GOOD,
    HEAD,
    KINDS,
    LINE,
    RULE,
    DwellSettings,
    PassSettings,
    load,
    points,
    polygon,
    problem,
)
from vision.errors import SceneError
from vision.scene import RuleConfig
from vision.scene_check import check_scene

ROOT = Path(__file__).parents[2]


def test_a_good_scene_is_read_whole(tmp_path: Path) -> None:
    scene = load(tmp_path, GOOD)
    assert scene.frame_size == (640, 352)
    assert scene.classes == ("person", "car")
    assert not scene.stretch
    assert scene.gate
    road, path = scene.lines
    assert (road.name, road.forward, road.backward) == ("road", "north", "south")
    assert (path.name, path.forward, path.backward) == ("path", "forward", "backward")
    assert road.points.dtype == np.float64
    assert road.points.tolist() == [[0, 260], [640, 352]]
    assert path.points.tolist() == [[0.5, 100], [20.25, 300]]
    assert scene.zone("gate").polygon.tolist() == [[0, 0], [640, 0], [640, 352]]
    dwell, slow, passing = scene.rules
    assert dwell == RuleConfig("dwell@gate", "dwell", "gate", ("person",), DwellSettings())
    assert slow == RuleConfig(
        "slow",
        "dwell",
        "gate",
        ("car",),
        DwellSettings(12, 2, True, "22:00", "box", ("a", "b"), (3, 4.5), None),
    )
    assert passing.classes == ("car",)
    assert passing.settings == PassSettings("south")


def test_the_clip_gives_the_size_only_where_the_file_names_none(tmp_path: Path) -> None:
    assert load(tmp_path, "lines: []", default_frame_size=(768, 576)).frame_size == (768, 576)
    assert load(tmp_path, HEAD, default_frame_size=(768, 576)).frame_size == (640, 352)
    assert "lies outside the picture of 100x100" in problem(
        tmp_path, LINE.removeprefix(HEAD), default_frame_size=(100, 100)
    )


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert len(load(tmp_path, data).rules) == 3
    bad = LINE.replace("640, 9", "641, 9").replace("\n", "\r\n")
    assert problem(tmp_path, bad).startswith("scene.yaml:4: lines[0].points: (641, 9) lies")


def test_other_sizes_of_the_same_shape_are_scaled(tmp_path: Path) -> None:
    scene = load(tmp_path, HEAD)
    assert scene.scale_from((1280, 704)) == (0.5, 0.5)
    assert scene.scale_from((640, 350)) == pytest.approx((1, 352 / 350))
    with pytest.raises(SceneError, match="another shape"):
        scene.scale_from((640, 480))
    stretched = load(tmp_path, HEAD + "stretch: true\n")
    assert stretched.scale_from((320, 352)) == (2, 1)


@pytest.mark.parametrize(
    ("line", "gate"), [("", True), ("gate: true", True), ("gate: false", False)]
)
def test_the_gate_is_there_unless_it_is_left_out(tmp_path: Path, line: str, gate: bool) -> None:
    assert load(tmp_path, HEAD + line + "\n").gate == gate


@pytest.mark.parametrize(
    ("kind", "scene_classes", "own", "expected"),
    [
        ("dwell", "", "", ("person", "dog")),
        ("dwell", "[car, dog, person]", "", ("person", "dog")),
        ("dwell", "[car]", "", ()),
        ("dwell", "[car]", "[car]", ("car",)),
        ("dwell", "", "[cat, car]", ("cat", "car")),
    ],
)
def test_classes_of_a_rule(
    tmp_path: Path, kind: str, scene_classes: str, own: str, expected: tuple[str, ...]
) -> None:
    text = RULE + (f"    classes: {own}\n" if own else "")
    text += f"classes: {scene_classes}\n" if scene_classes else ""
    assert load(tmp_path, text).rules[0].classes == expected


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, len(GOOD)), cut=st.integers(0, 12), put=st.binary(max_size=6))
def test_a_damaged_file_loads_or_says_one_line(
    tmp_path: Path, at: int, cut: int, put: bytes
) -> None:
    data = GOOD.encode()
    path = tmp_path / "damaged.yaml"
    path.write_bytes(data[:at] + put + data[at + cut :])
    message = f"{path}: "
    try:
        load_scene(path, kinds=KINDS)
    except SceneError as error:
        message = str(error)
    assert message.isprintable()
    assert message.startswith(f"{path}:")


COORDINATE = st.floats(-50, 700, allow_nan=False) | st.integers(-50, 700)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=COORDINATE, y=COORDINATE)
def test_a_point_is_taken_exactly_where_the_picture_has_it(
    tmp_path: Path, x: float, y: float
) -> None:
    text = points(f"[[320.5, 9], [{x}, {y}]]")
    if 0 <= x <= 640 and 0 <= y <= 352 and (x, y) != (320.5, 9):
        assert load(tmp_path, text).lines[0].points[1].tolist() == [x, y]
    else:
        assert "lines[0].points: " in problem(tmp_path, text)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(start=st.integers(0, 11), turn=st.sampled_from([1, -1]))
def test_a_polygon_may_start_anywhere_and_run_either_way(
    tmp_path: Path, start: int, turn: int
) -> None:
    circle = [
        [
            round(320 + 90 * math.cos(math.tau * i / 12), 3),
            round(170 + 90 * math.sin(math.tau * i / 12), 3),
        ]
        for i in range(12)
    ]
    corners = [circle[(start + turn * i) % 12] for i in range(12)]
    assert load(tmp_path, polygon(str(corners))).zones[0].polygon.tolist() == corners
    corners[3], corners[7] = corners[7], corners[3]
    assert "crosses itself at" in problem(tmp_path, polygon(str(corners)))


def test_the_documented_example_is_valid_and_without_a_warning(tmp_path: Path) -> None:
    text = (ROOT / "docs/scenes.md").read_text("utf-8")
    path = tmp_path / "scene.yaml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0], "utf-8")
    scene = load_scene(path)
    assert (len(scene.lines), len(scene.zones), len(scene.rules)) == (1, 1, 3)
    assert check_scene(scene) == []
