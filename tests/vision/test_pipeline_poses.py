"""Poses in the pipeline of a camera: looked for only where a rule asks, never without a model."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.vision.painted import CLASSES, SETTINGS, detector, paint, road
from vision.errors import DetectorError
from vision.pipeline import Pipeline
from vision.pose import LOST_S, SEARCH_S
from vision.rules.intrusion import Settings as Intrusion
from vision.rules.person_down import Settings as PersonDown
from vision.scene import RuleConfig, Scene, Zone
from vision.types import FloatArray, Frame, Image

YARD = Zone("yard", np.array([[100.0, 40.0], [300.0, 40.0], [300.0, 190.0], [100.0, 190.0]]))
DOWN = RuleConfig("fallen", "person_down", "yard", ("person",), PersonDown())
KEEP_OUT = RuleConfig("keep out", "intrusion", "yard", ("person",), Intrusion())
SCENE = Scene((320, 192), classes=("person",), zones=(YARD,), rules=(DOWN, KEEP_OUT))
GONE_S = 3.0
GROUND = cv2.resize(road((320, 192)), (800, 480)) // 2


class Lying:
    """Somebody lies across the middle of whatever it is shown."""

    def __init__(self) -> None:
        self.shown = 0

    def run(self, images: Image) -> FloatArray:
        self.shown += len(images)
        out = np.zeros((len(images), 6, 56), np.float32)
        points = np.zeros((17, 3), np.float32)
        points[:, 0] = np.linspace(0.48, 0.52, 17)
        points[:, 1] = np.linspace(0.3, 0.7, 17)
        points[:, 2] = 0.6
        out[:, 0, :51], out[:, 0, 55] = points.ravel(), 0.5
        return out


def frames(seconds: float = 8.6) -> list[Frame]:
    """Somebody stands there until ``GONE_S``, and is not seen by the detector from then on."""
    found = []
    for index in range(round(seconds * 10)):
        t = index / 10
        here = {"person": (200.0, 120.0)} if t <= GONE_S else {}
        # noise, or the picture stands still
        noise = np.random.default_rng(index).integers(0, 12, GROUND.shape, np.uint8)
        found.append(Frame("cam", index, t, np.maximum(paint(here, times=2.5), GROUND + noise)))
    return found


def camera(scene: Scene = SCENE, model: Lying | None = None) -> Pipeline:
    return Pipeline(scene, detector(scene.classes or CLASSES), SETTINGS, poses=model)


def test_a_rule_that_needs_poses_needs_a_model() -> None:
    with pytest.raises(DetectorError, match="rule 'fallen' looks at how people hold themselves"):
        camera()


def test_without_such_a_rule_nobody_looks() -> None:
    for rules in ((KEEP_OUT,), (replace(DOWN, enabled=False), KEEP_OUT)):
        model = Lying()
        watching = camera(replace(SCENE, rules=rules), model)
        steps = [watching.step(frame) for frame in frames()]
        assert model.shown == 0
        assert not any(step.tracked.observations.looked for step in steps)
        camera(replace(SCENE, rules=rules))


def test_who_is_lost_and_lies_there_is_one_incident() -> None:
    model = Lying()
    watching = camera(model=model)
    told, looks = [], []
    for frame in frames():
        step = watching.step(frame)
        told += [event for event in step.events if event.kind == "person_down"]
        looks += [frame.ts for _ in step.tracked.observations.looked]
    assert model.shown == len(looks)
    assert looks[0] >= GONE_S + LOST_S
    assert looks[-1] > GONE_S + SEARCH_S, "it goes on while it is found"
    (event,) = told
    assert event.start_ts == pytest.approx(looks[0])
    assert event.raised_ts - event.start_ts == pytest.approx(0.8, abs=0.11)
    assert [each.id for each in watching.open if each.kind == "person_down"] == [event.id]
    (fallen,) = [each for each in watching.explain() if each.rule == "fallen"]
    assert fallen.fires
    assert fallen.track_id == 1, "the tracker remembers who stood still"
    assert fallen.box is not None
    x1, y1, x2, y2 = fallen.box
    assert x2 - x1 > 1.2 * (y2 - y1), "it shows where somebody lies, not where somebody stood"
