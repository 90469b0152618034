"""One object, one box: suppression within groups of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.detect import ClassGroup, Detector, DetectorSpec
from vision.types import Detections

CLASSES = ("person", "car", "bus", "truck", "bicycle")
VEHICLES = ClassGroup(("car", "bus", "truck"), iou=0.5, containment=0.75)
SIZE = 320
Box = tuple[str, float, tuple[float, float, float, float]]


class Fixed:
    def __init__(self, out: Any) -> None:
        self._out = out

    def run(self, batch: Any) -> list[Any]:
        return [self._out]


def suppressed(boxes: list[Box], groups: tuple[ClassGroup, ...] = (VEHICLES,)) -> Detections:
    """What a detector keeps of boxes that it reads as they are: the input is the picture."""
    spec = DetectorSpec(
        input_size=(SIZE, SIZE),
        rgb=True,
        scale=1.0,
        pad_value=0,
        centred=False,
        layout="end_to_end",
        classes=CLASSES,
        min_score=0.1,
        nms_iou=0.5,
        groups=groups,
    )
    rows = [[*box, score, CLASSES.index(name)] for name, score, box in boxes]
    out = np.array(rows, np.float32).reshape(1, -1, 6)
    (found,) = Detector(spec, Fixed(out), CLASSES).detect([np.zeros((SIZE, SIZE, 3), np.uint8)])
    return found


def kept(boxes: list[Box], groups: tuple[ClassGroup, ...] = (VEHICLES,)) -> list[str]:
    return [CLASSES[i] for i in suppressed(boxes, groups).class_id]


# 100x100 px; shifted by s px, two of them share (100 - s) / (100 + s)
HERE = (100.0, 100.0, 200.0, 200.0)
IOU_60 = (125.0, 100.0, 225.0, 200.0)  # 75 / 125
IOU_40 = (143.0, 100.0, 243.0, 200.0)  # 57 / 143
# 60x100 px, four fifths of it within HERE: IoU 48/112 is under the limit, containment over it
LEANING_IN = (152.0, 100.0, 212.0, 200.0)
# 60x100 px, two thirds of it within HERE
LEANING_OUT = (160.0, 100.0, 220.0, 200.0)
INSIDE = (110.0, 150.0, 140.0, 190.0)

CASES = [
    # one object seen as two classes of a group: the better one
    ("a lorry is no car", [("truck", 0.8, HERE), ("car", 0.7, HERE)], ["truck"]),
    ("the better one wins", [("truck", 0.6, HERE), ("car", 0.7, HERE)], ["car"]),
    ("all three", [("car", 0.5, HERE), ("bus", 0.9, IOU_60), ("truck", 0.4, HERE)], ["bus"]),
    ("its cabin is no car", [("truck", 0.8, HERE), ("car", 0.7, INSIDE)], ["truck"]),
    ("whichever is the better", [("truck", 0.6, HERE), ("car", 0.7, INSIDE)], ["car"]),
    ("most of it inside", [("bus", 0.8, HERE), ("car", 0.7, LEANING_IN)], ["bus"]),
    # two vehicles
    ("behind each other", [("car", 0.8, HERE), ("truck", 0.7, IOU_40)], ["car", "truck"]),
    ("two thirds inside", [("bus", 0.8, HERE), ("car", 0.7, LEANING_OUT)], ["bus", "car"]),
    # one class
    ("one person twice", [("person", 0.8, HERE), ("person", 0.7, IOU_60)], ["person"]),
    ("two people", [("person", 0.8, HERE), ("person", 0.7, IOU_40)], ["person", "person"]),
    ("a child before an adult", [("person", 0.8, HERE), ("person", 0.7, INSIDE)], ["person"] * 2),
    # classes of no common group stay, whatever they share
    ("a person at a car", [("person", 0.8, HERE), ("car", 0.7, HERE)], ["person", "car"]),
    ("a driver", [("truck", 0.8, HERE), ("person", 0.7, INSIDE)], ["truck", "person"]),
    ("a rider", [("person", 0.8, HERE), ("bicycle", 0.7, IOU_60)], ["person", "bicycle"]),
    # what was suppressed suppresses nothing: the third is far enough from the first
    (
        "a chain",
        [("person", 0.9, HERE), ("person", 0.8, IOU_60), ("person", 0.7, (145, 100, 245, 200))],
        ["person", "person"],
    ),
    ("none", [], []),
]


@pytest.mark.parametrize(("boxes", "left"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_what_stays(boxes: list[Box], left: list[str]) -> None:
    assert kept(boxes) == left
    # the order in which the model states them does not matter
    assert kept(boxes[::-1]) == left


def test_without_groups_each_class_is_alone() -> None:
    boxes: list[Box] = [("truck", 0.8, HERE), ("car", 0.7, HERE), ("car", 0.6, IOU_60)]
    assert kept(boxes, groups=()) == ["truck", "car"]


def test_without_containment_a_box_may_lie_in_another() -> None:
    group = ClassGroup(("car", "bus", "truck"), iou=0.5)
    boxes: list[Box] = [("truck", 0.8, HERE), ("car", 0.7, INSIDE), ("bus", 0.6, IOU_60)]
    assert kept(boxes, groups=(group,)) == ["truck", "car"]


def test_each_group_has_its_own_limits() -> None:
    two_wheels = ClassGroup(("person", "bicycle"), iou=0.3)
    boxes: list[Box] = [
        ("person", 0.9, HERE),
        ("bicycle", 0.8, IOU_40),
        ("car", 0.7, HERE),
        ("bus", 0.6, IOU_40),
    ]
    assert kept(boxes, groups=(VEHICLES, two_wheels)) == ["person", "car", "bus"]


def share(a: Any, b: Any) -> tuple[float, float]:
    """Intersection over union, and over the smaller box, in plain numbers."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0) * max(high, 0)
    one, two = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return common / (one + two - common), common / min(one, two)


def group(name: str) -> str:
    return "vehicle" if name in VEHICLES.classes else name


def excess(one: Box, two: Box) -> float:
    """How far two boxes of one group are above the limit of one object; negative: below."""
    if group(one[0]) != group(two[0]):
        return -1.0
    iou, inside = share(one[2], two[2])
    return max(iou - 0.5, inside - 0.75 if group(one[0]) == "vehicle" else -1.0)


side = st.integers(1, 120)
place = st.integers(0, 200)
some_boxes = st.lists(
    st.builds(
        lambda name, score, x, y, w, h: (name, score / 1000, (x, y, x + w, y + h)),
        st.sampled_from(CLASSES),
        st.integers(50, 1000),
        place,
        place,
        side,
        side,
    ),
    max_size=25,
)


@given(boxes=some_boxes)
def test_suppression_of_any_boxes(boxes: list[Box]) -> None:
    found = suppressed(boxes)
    rows: list[Box] = [
        (CLASSES[number], float(score), tuple(box))
        for number, score, box in zip(
            found.class_id, found.score.tolist(), found.xyxy.tolist(), strict=True
        )
    ]
    # a selection of what came in, each at most as often as it came
    came = [(name, float(np.float32(score)), box) for name, score, box in boxes]
    for name, score, box in rows:
        match: Any = (name, score, tuple(int(x) for x in box))
        assert match in came
        came.remove(match)
    assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)
    assert all(score >= np.float32(0.1) for _, score, _ in rows)
    for i, one in enumerate(rows):
        assert all(excess(one, two) <= 1e-4 for two in rows[i + 1 :])
    # what went, went for a better one, or had too low a score
    for name, score, box in came:
        rivals = [excess((name, score, box), row) for row in rows if row[1] >= score]
        assert score < np.float32(0.1) or max(rivals, default=-1.0) > -1e-4
