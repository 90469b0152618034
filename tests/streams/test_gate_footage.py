"""The motion gate on footage that stands still for four fifths of the time: real people and cars,
grain, an encoder's key frames. What is counted stays as it is."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from models.zoo import resolve
from streams.analysis import Record, analyse
from streams.detector import Detectors
from streams.files import ClipSource
from streams.samples import folder
from streams.scenefile import load_scene
from tests.streams.pauses import film, with_pauses
from vision.gate import GatedFinder
from vision.pipeline import Pipeline

FPS = Fraction(5)


@pytest.mark.long
def test_the_model_is_asked_for_a_part_and_says_the_same(tmp_path: Path) -> None:
    clip = film(
        folder() / "clips/plaza.mp4",
        tmp_path / "pauses.mp4",
        with_pauses(8, 16, pause_s=32),
        noise=4.0,
    )
    drawn = load_scene(folder() / "scenes/plaza.yaml")
    detectors = Detectors(lambda name: resolve(name, cache=None))
    said: list[list[Record]] = []
    for gate in (True, False):
        scene = replace(drawn, gate=gate)
        finder, settings = detectors.get("nanodet_g", drawn.frame_size, scene)
        records: list[Record] = []
        source = ClipSource(clip, camera_id="plaza", fps=FPS)
        analyse(source, Pipeline(scene, finder, settings), start_ts=0.0, write=records.append)
        said.append(records)
        assert isinstance(finder, GatedFinder) is gate
        if isinstance(finder, GatedFinder):
            print(f"asked for {finder.asked} of {finder.looks} pictures")
            assert finder.asked < 0.5 * finder.looks
    assert [each for each in said[0] if each["type"] == "crossing"] == [
        each for each in said[1] if each["type"] == "crossing"
    ]
    assert said[0][-1]["counts"] == said[1][-1]["counts"]
