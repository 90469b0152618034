"""``--gate`` and ``--no-gate``: what a command line says is instead of what a scene says."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from streams.detector import Detectors
from tests.api.bad_inputs import SCENE
from vision.detect import Finder
from vision.errors import DetectorError
from vision.scene import Scene
from vision.track import TrackerSettings


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a gate was asked for; nothing is analysed."""
    asked: list[bool] = []

    def get(
        self: Detectors, model: str, frame_size: tuple[int, int], scene: Scene
    ) -> tuple[Finder, TrackerSettings]:
        asked.append(scene.gate)
        raise DetectorError("enough")

    monkeypatch.setattr(Detectors, "get", get)
    return asked


@pytest.mark.parametrize(
    ("scene", "option", "expected"),
    [
        ("", None, True),
        ("gate: false", None, False),
        ("", "--no-gate", False),
        ("gate: false", "--gate", True),
    ],
)
@pytest.mark.parametrize("command", ["analyse", "counts", "incidents"])
def test_the_option_is_instead_of_the_scene(
    command: str,
    scene: str,
    option: str | None,
    expected: bool,
    inputs: Path,
    tmp_path: Path,
    wanted: list[bool],
) -> None:
    drawn = tmp_path / "scene.yaml"
    drawn.write_text(f"{SCENE}\n{scene}\n")
    clip, more = inputs / "clip.mp4", [] if option is None else [option]
    if command == "analyse":
        call = ["analyse", str(clip), "--scene", str(drawn)]
    else:
        listed = tmp_path / "list.yaml"
        truth = "    truth: [{line: square, direction: westbound, count: 1}]\n"
        if command == "incidents":
            truth = "    events: [{kind: intrusion, start_s: [0, 2]}]\n"
        listed.write_text(f"clips:\n  - clip: {clip}\n    scene: {drawn}\n{truth}")
        call = ["evaluate", command, str(listed)]
    result = CliRunner().invoke(app, [*call, *more])
    assert wanted == [expected], result.output
    assert result.exit_code != 0
