"""A model and motion together: what each alone misses, and that nothing is seen twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.painted import CLASSES, GROUPS, SETTINGS, detector, paint
from vision.background import LEARN_S
from vision.errors import DetectorError
from vision.foreground import MotionDetector
from vision.fused import ANY_GROUP, FusedFinder
from vision.geometry import iou
from vision.pipeline import Pipeline
from vision.scene import Line, Scene
from vision.types import Detections, Frame, IntArray

MIDDLE = Line("middle", np.array([[160.0, 0.0], [160.0, 191.0]]), forward="left", backward="right")
UNKNOWN = (200, 200, 200)
"""A colour that the painted model does not know."""
START_S = LEARN_S + 1.0
SPEED = 70.0


class Given:
    """A model, or motion, that finds what it is given."""

    classes = CLASSES
    wanted = CLASSES
    group_of: IntArray = np.array([1, 0, 0], np.int32)

    def __init__(self, rows: Sequence[tuple[float, float, float, float, float, int]]) -> None:
        table = np.array(rows, np.float32).reshape(-1, 6)
        self._found = Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))

    def find(self, frame: Frame) -> Detections:
        return self._found


class GivenMotion(MotionDetector):
    def __init__(self, boxes: Sequence[tuple[float, float, float, float]]) -> None:
        super().__init__()
        self._given = Given([(*box, 0.9, 0) for box in boxes])

    def find(self, frame: Frame) -> Detections:
        return self._given.find(frame)


FRAME = Frame("c", 0, 0.0, np.zeros((192, 320, 3), np.uint8))
A = (40.0, 40.0, 80.0, 80.0)


@pytest.mark.parametrize(
    ("model", "blobs", "left"),
    [
        ([], [A], [0]),
        ([(*A, 0.5, 1)], [A], []),
        # a blob with its shadow, and one that shows only a part of the object
        ([(*A, 0.5, 1)], [(35, 35, 110, 85)], []),
        ([(*A, 0.5, 1)], [(45, 45, 60, 60)], []),
        # of any class
        ([(*A, 0.5, 0)], [A], []),
        # two people of one blob
        ([(40, 40, 50, 80, 0.5, 0), (70, 40, 80, 80, 0.5, 0)], [A], []),
        # beside it
        ([(*A, 0.5, 1)], [(70, 40, 120, 80)], [0]),
        ([(*A, 0.5, 1)], [(200, 40, 240, 80), A], [0]),
        # too faint to say anything, and faint but just there
        ([(*A, 0.2, 1)], [A], [0]),
        ([(*A, 0.35, 1)], [A], []),
        ([(*A, 0.35, 1)], [(45, 45, 60, 60)], [0]),
    ],
)
def test_what_the_model_explains_is_seen_once(
    model: list[tuple[float, float, float, float, float, int]],
    blobs: list[tuple[float, float, float, float]],
    left: list[int],
) -> None:
    fused = FusedFinder(Given(model), GivenMotion(blobs))
    found = fused.find(FRAME)
    assert len(found) == len(model) + len(left)
    assert found.class_id[: len(model)].tolist() == [row[5] for row in model]
    assert found.score[: len(model)].tolist() == pytest.approx([row[4] for row in model])
    assert (found.class_id[len(model) :] == len(CLASSES)).all()
    assert found.xyxy[len(model) :].tolist() == [list(blobs[i]) for i in left]


sides = st.floats(1, 150)
boxes = st.tuples(sides, sides, sides, sides).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


@settings(max_examples=60)
@given(
    model=st.lists(st.tuples(boxes, st.floats(0, 1)), max_size=4),
    blobs=st.lists(boxes, max_size=4),
)
def test_the_model_keeps_all_and_nothing_is_there_twice(
    model: list[tuple[tuple[float, float, float, float], float]],
    blobs: list[tuple[float, float, float, float]],
) -> None:
    rows = [(*box, score, 1) for box, score in model]
    found = FusedFinder(Given(rows), GivenMotion(blobs)).find(FRAME)
    own, besides = found.select(np.arange(len(rows))), found.select(found.class_id == len(CLASSES))
    assert len(own) + len(besides) == len(found)
    assert np.array_equal(own.xyxy, Given(rows).find(FRAME).xyxy)
    given_boxes = np.array(blobs, np.float32).reshape(-1, 4).tolist()
    assert all(box in given_boxes for box in besides.xyxy.tolist())
    if len(own) and len(besides):
        overlap = iou(own.select(own.score >= 0.4).xyxy, besides.xyxy)
        assert not (overlap >= 0.5).any()


def test_names_and_groups() -> None:
    fused = FusedFinder(detector(["car"]), MotionDetector())
    assert fused.classes == ("car", "truck", "moving")
    assert fused.wanted == ("car", "moving")
    assert fused.group_of.tolist() == [0, 0, ANY_GROUP]
    assert GROUPS[0].classes == ("car", "truck")
    with pytest.raises(DetectorError, match="a class 'moving' of its own"):
        FusedFinder(fused, MotionDetector())


def drive(
    hidden: tuple[float, float], *, colour: str | None = "car", fps: float = 10
) -> Iterator[Frame]:
    """A block that goes from left to right once the view is known; from ``hidden`` on and up to
    then, as x in px, it has a colour that the model does not know."""
    for index in range(round((START_S + 5) * fps)):
        t = index / fps
        x = (t - START_S) * SPEED
        blocks = {colour: (x, 100.0)} if colour and x > 0 else {}
        image = paint(blocks)
        if x > 0 and (colour is None or hidden[0] <= x < hidden[1]):
            left, right = max(0, round(x - 12)), max(0, round(x + 12))
            image[68:100, left:right] = UNKNOWN
        yield Frame("c", index, t, image)


def tracked(finder: FusedFinder, frames: Iterator[Frame]) -> tuple[dict[int, str], dict[str, int]]:
    """The class of each track in the end, and how many went to the right, by class."""
    pipeline = Pipeline(Scene((320, 192), lines=(MIDDLE,)), finder, SETTINGS)
    names: dict[int, str] = {}
    for frame in frames:
        for track in pipeline.step(frame).tracked.tracks:
            names[track.id] = track.class_name
    counts = pipeline.counts["middle"]
    assert not counts["left"]
    return names, counts["right"]


def test_what_no_model_knows_is_counted_as_moving() -> None:
    fused = FusedFinder(detector(), MotionDetector())
    names, counts = tracked(fused, drive((0, 0), colour=None))
    assert list(names.values()) == ["moving"]
    assert counts == {"moving": 1}


def test_what_the_model_knows_is_counted_once_and_by_its_name() -> None:
    names, counts = tracked(FusedFinder(detector(), MotionDetector()), drive((0, 0)))
    assert list(names.values()) == ["car"]
    assert counts == {"car": 1}


@pytest.mark.parametrize("fps", [5, 10])
@pytest.mark.parametrize("name", ["car", "person"])
@pytest.mark.parametrize("hidden", [(100.0, 220.0), (0.0, 100.0), (60.0, 400.0)])
def test_an_object_that_the_model_loses_stays_what_it_was(
    hidden: tuple[float, float], name: str, fps: float
) -> None:
    names, counts = tracked(
        FusedFinder(detector(), MotionDetector()), drive(hidden, colour=name, fps=fps)
    )
    assert list(names.values()) == [name]
    assert counts == {name: 1}
