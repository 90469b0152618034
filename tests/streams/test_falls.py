"""Who falls is reported while it happens, and nobody who only walks, sits or bends; on real clips,
with the detector and the poses that come along."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from models.zoo import resolve
from streams.detector import Detectors
from streams.files import ClipSource
from streams.scenefile import load_scene
from tests.needs import REPO
from vision.rules.registry import kinds
from vision.scene import RuleConfig, Scene, Zone
from vision.types import Event

FALLS = {
    "Subject_1_ADL_10": None,
    "Subject_1_Fall_15": 1.8,
    "Subject_2_ADL_23": None,
    "Subject_2_Fall_13": 2.5,
    "Subject_3_ADL_19": None,
    "Subject_3_Fall_16": 1.8,
    "Subject_3_Fall_20": 2.3,
    "Subject_4_Fall_03": 1.7,
}
"""When somebody begins to fall, by the labels that came with the clips, seconds; None: nobody."""
RAISED_S = 3.0
"""No fall takes longer than this from its first movement to its alert."""


def told(
    path: Path, scene: Scene, fps: int, source_fps: int | None = None
) -> tuple[float, list[Event]]:
    """When a clip begins, and what is stated of it while it lasts: not at its end."""
    detectors = Detectors(lambda name: resolve(name, cache=None))
    source = None if source_fps is None else Fraction(source_fps)
    with ClipSource(path, camera_id=path.stem, source_fps=source, fps=Fraction(fps)) as clip:
        pipeline = detectors.pipeline("nanodet_g", (clip.info.width, clip.info.height), scene)
        steps = [(frame.ts, pipeline.step(frame).events) for frame in clip.frames()]
    return steps[0][0], [event for _, events in steps for event in events]


@pytest.mark.long
@pytest.mark.parametrize("fps", [10, 5])
@pytest.mark.parametrize("name", FALLS)
def test_falls_are_found_and_nothing_else(name: str, fps: int, shared: Path) -> None:
    scene = load_scene(REPO / "samples" / "scenes" / "falls_down.yaml")
    first_ts, stated = told(shared / "clips" / "falls" / f"{name}.mp4", scene, fps)
    falls_s = FALLS[name]
    if falls_s is None:
        assert stated == []
        return
    (event,) = stated
    assert event.kind == "person_down"
    assert event.end_ts is None, "nobody gets up"
    assert falls_s <= event.start_ts - first_ts
    assert event.raised_ts - first_ts <= falls_s + RAISED_S


QUIET = {
    "plaza_vtest.avi": ((768, 576), 7),
    "table_dwell.mp4": ((768, 432), None),
    "TUD-Stadtmitte.mp4": ((640, 480), None),
    "TUD-Campus.mp4": ((640, 480), None),
}


@pytest.mark.long
@pytest.mark.parametrize("name", QUIET)
def test_who_walks_stands_or_sits_is_not_down(name: str, shared: Path) -> None:
    (w, h), source_fps = QUIET[name]
    corners = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float64)
    kind = kinds()["person_down"]
    rule = RuleConfig("down", kind.kind, "all", ("person",), kind.Settings())
    scene = Scene((w, h), ("person",), zones=(Zone("all", corners),), rules=(rule,))
    _, stated = told(shared / "clips" / name, scene, 5, source_fps)
    assert stated == []
