"""Each stage of a step is told to whoever measures it, and nothing changes for that."""

from __future__ import annotations

import numpy as np

from tests.vision.painted import CLASSES, SETTINGS, detector, paint, ride
from tests.vision.test_pipeline import SCENE, TRAFFIC, crossings, pipeline, run
from vision.laps import Stage
from vision.pipeline import Pipeline
from vision.types import Frame

TRUSTED = ["quality", "detect", "track", "other", "rules", "rules"]


def test_stages_are_told_in_order() -> None:
    heard: list[Stage] = []
    camera = Pipeline(SCENE, detector(CLASSES), SETTINGS, laps=heard.append)
    frames = ride(TRAFFIC)
    for frame in frames:
        camera.step(frame)
    assert heard == TRUSTED * len(frames)


def test_nothing_else_changes() -> None:
    quiet, told = pipeline(), Pipeline(SCENE, detector(CLASSES), SETTINGS, laps=lambda _: None)
    assert crossings(run(quiet, ride(TRAFFIC))) == crossings(run(told, ride(TRAFFIC)))
    assert quiet.counts == told.counts


def test_what_is_not_looked_at_has_no_stages() -> None:
    """A camera that went dark is watched itself, and nobody is looked for."""
    heard: list[Stage] = []
    camera = Pipeline(SCENE, detector(CLASSES), SETTINGS, laps=heard.append)
    for nth in range(60):
        picture = paint({"person": (100, 100)}) if nth < 30 else np.zeros((192, 320, 3), np.uint8)
        heard.clear()
        camera.step(Frame("cam", nth, nth / 10, picture))
    assert heard == ["quality", "rules"]
