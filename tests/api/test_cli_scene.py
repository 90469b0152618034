"""``matakota scene``: what it prints, and what it leaves to the edge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from api.cli.scene import app
from streams.scenefile import scene_schema
from tests.faults.cities import PLAZA
from vision.errors import MatakotaError, SceneError
from vision.types import Image
from vision.views import Look, Reference, View

LINES = """\
lines:
- {name: a, points: [[0, 99], [640, 99]]}
- {name: b, points: [[0, 352], [640, 352]]}
"""
ZONE = "zones:\n- {name: yard, polygon: [[0, 100], [90, 100], [90, 200]]}\n"
MOVEMENT = """\
- {name: door, polygon: [[200, 100], [290, 100], [290, 200]]}
movements:
- {name: way, entries: [yard], exits: [door]}
"""


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "scene.yaml"
    path.write_text(text, "utf-8")
    return str(path)


def test_check_prints_warnings_and_what_was_found(tmp_path: Path) -> None:
    good = write(tmp_path, "frame_size: [640, 352]\n" + LINES + ZONE)
    result = CliRunner().invoke(app, ["check", good, good])
    assert result.exit_code == 0
    first, second, third = result.output.splitlines()[:3]
    assert first.startswith(f"{good}: warning: line 'b' runs along the bottom edge")
    assert second.startswith(f"{good}: warning: zone 'yard' is watched by no rule")
    assert third == f"{good}: valid, 2 lines, 1 zone, 0 movements, 0 rules"
    assert len(result.output.splitlines()) == 6


def test_check_counts_movements_too(tmp_path: Path) -> None:
    good = write(tmp_path, "frame_size: [640, 352]\n" + LINES + ZONE + MOVEMENT)
    result = CliRunner().invoke(app, ["check", good])
    assert result.output.endswith(f"{good}: valid, 2 lines, 2 zones, 1 movement, 0 rules\n")


def test_check_takes_the_picture_of_files_that_name_none(tmp_path: Path) -> None:
    bare = write(tmp_path, LINES)
    result = CliRunner().invoke(app, ["check", "--frame-size", "1280x704", bare])
    assert result.output == f"{bare}: valid, 2 lines, 0 zones, 0 movements, 0 rules\n"
    for wrong in ("1280", "0x10", "1280x704x3", "axb"):
        result = CliRunner().invoke(app, ["check", "--frame-size", wrong, bare])
        assert result.exit_code == 2
        assert "is no picture size; write it as 640x352" in result.output


def test_check_leaves_errors_to_the_edge(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", write(tmp_path, LINES)])
    assert isinstance(result.exception, SceneError)
    with pytest.raises(SceneError, match=r"scene\.yaml:1: field 'frame_size' is missing"):
        CliRunner().invoke(app, ["check", write(tmp_path, LINES)], catch_exceptions=False)


def test_schema_is_json() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.output) == scene_schema()


def test_view_prints_what_a_scene_file_takes(tmp_path: Path) -> None:
    """The plaza is known again by what was printed at another time, and by its own scene file."""
    wanted = ["view", str(PLAZA), "--source-fps", "7", "--at"]
    texts = [CliRunner().invoke(app, [*wanted, at]).output.strip() for at in ("0", "1:00")]
    first, second = (View.of_text(text) for text in texts)
    assert first != second
    assert Reference(first).agreement(Look.of(_picture(second))).share > 0.9
    good = write(tmp_path, f"frame_size: [768, 576]\nview: {texts[0]}\n" + ZONE)
    assert CliRunner().invoke(app, ["check", good]).exit_code == 0


def _picture(view: View) -> Image:
    return np.ascontiguousarray(np.repeat(view.plane[:, :, None], 3, 2))


@pytest.mark.parametrize(
    ("at", "said"),
    [("2:00", "the clip ends at 113.5 s"), ("soon", "--at soon is no time of a clip")],
)
def test_a_view_of_no_moment(at: str, said: str) -> None:
    result = CliRunner().invoke(app, ["view", str(PLAZA), "--source-fps", "7", "--at", at])
    assert isinstance(result.exception, MatakotaError)
    assert str(result.exception).startswith(said)
