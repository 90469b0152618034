"""A camera's planes through its pipeline: what is seen is the same as in their colours, and the
picture in full size is never made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.vision.coding import coded
from tests.vision.painted import CLASSES, SETTINGS, detector, ride, road
from vision.detect import Finder
from vision.foreground import MotionDetector
from vision.fused import FusedFinder
from vision.picture import Planes
from vision.pipeline import Pipeline
from vision.region import RegionFinder
from vision.rules.abandoned_object import Settings as Abandoned
from vision.rules.intrusion import Settings as Intrusion
from vision.rules.person_down import Settings as PersonDown
from vision.scene import Line, RuleConfig, Scene, Zone
from vision.types import FloatArray, Frame, Image

SIZE = (640, 384)
GATE = Line("gate", np.array([[320.0, 383.0], [320.0, 0.0]]), forward="in", backward="out")
YARD = Zone("yard", np.array([[60.0, 40.0], [600.0, 40.0], [600.0, 380.0], [60.0, 380.0]]))
PLAIN = Scene(
    SIZE,
    lines=(GATE,),
    zones=(YARD,),
    rules=(RuleConfig("keep out", "intrusion", "yard", ("person",), Intrusion()),),
)
LOOKS = replace(
    PLAIN,
    rules=(
        *PLAIN.rules,
        RuleConfig("bags", "abandoned_object", "yard", ("person",), Abandoned()),
        RuleConfig("fallen", "person_down", "yard", ("person",), PersonDown()),
    ),
)
TRAFFIC = {"person": (40.0, 60.0, 120.0), "car": (280.0, -80.0, 180.0)}


class NoPose:
    """Sees nobody."""

    def __init__(self) -> None:
        self.shown = 0

    def run(self, images: Image) -> FloatArray:
        self.shown += len(images)
        return np.zeros((len(images), 6, 56), np.float32)


def filmed() -> list[Frame]:
    """A red block to the right and a green one to the left, on a road."""
    ground = road(SIZE) // 3
    return [
        replace(frame, picture=np.maximum(frame.image, ground))
        for frame in ride(TRAFFIC, times=2, start_ts=1000.0)
    ]


def sent(frames: Sequence[Frame], matrix: str, *, full: bool) -> list[Frame]:
    return [replace(frame, picture=coded(frame.image, matrix, full)) for frame in frames]


def only_planes(frames: Sequence[Frame]) -> bool:
    """Whether none of the pictures was made in full size."""
    return all(
        isinstance(frame.picture, Planes) and frame.picture.nbytes == SIZE[0] * SIZE[1] * 3 // 2
        for frame in frames
    )


@pytest.mark.parametrize(("matrix", "full"), [("bt601", False), ("bt709", True)])
def test_what_is_seen_in_planes_is_what_their_colours_show(matrix: str, full: bool) -> None:
    frames = filmed()
    planes = sent(frames, matrix, full=full)
    known, camera = (Pipeline(PLAIN, detector(CLASSES), SETTINGS) for _ in range(2))
    for one, other in zip(frames, planes, strict=True):
        expected, step = known.step(one), camera.step(other)
        boxes, others = expected.tracked.detections, step.tracked.detections
        np.testing.assert_allclose(others.xyxy, boxes.xyxy, atol=2.1)
        assert step.tracked.quality == expected.tracked.quality
        assert [e.kind for e in step.events] == [e.kind for e in expected.events]
    assert camera.counts == known.counts
    assert camera.counts["gate"] == {"in": {"person": 1}, "out": {"car": 1}}
    assert only_planes(planes)


@pytest.mark.parametrize("everything", [False, True])
def test_the_picture_in_full_size_is_not_made(everything: bool) -> None:
    finder: Finder = detector(CLASSES)
    poses = NoPose()
    if everything:
        finder = RegionFinder(FusedFinder(finder, MotionDetector()), (10, 10, 620, 371), SIZE)
    scene = LOOKS if everything else PLAIN
    camera = Pipeline(scene, finder, SETTINGS, poses=poses if everything else None)
    frames = sent(filmed(), "bt601", full=False)
    for frame in frames:
        camera.step(frame)
    assert only_planes(frames)
    assert (poses.shown > 0) is everything
