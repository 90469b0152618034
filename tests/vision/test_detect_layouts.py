"""Every output layout against a decoder of the test's own, in loops over plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.manifest import ModelEntry
from models.zoo import VerifiedModel
from streams.detector import build_detector
from vision.detect import ClassGroup, Detector, DetectorSpec
from vision.errors import DetectorError

CLASSES = ("person", "car", "bus")
WANTED = ("person", "car")
HEIGHT, WIDTH = 64, 96
CELLS = [(stride, x, y) for stride in (8, 16, 32) for y in range(64 // stride)
         for x in range(96 // stride)]  # fmt: skip
SPEC = DetectorSpec(
    input_size=(HEIGHT, WIDTH),
    rgb=True,
    scale=1.0,
    pad_value=0,
    centred=True,
    layout="yolov8",
    classes=CLASSES,
    min_score=0.25,
    nms_iou=0.5,
    groups=(ClassGroup(("car", "bus"), 0.45, 0.8),),
)
SPECS = {
    "yolov8": SPEC,
    "end_to_end": replace(SPEC, layout="end_to_end"),
    "yolox": replace(SPEC, layout="yolox"),
    "sigmoid": replace(SPEC, layout="detr", activation="sigmoid"),
    "softmax": replace(SPEC, layout="detr", activation="softmax"),
    "probabilities": replace(SPEC, layout="detr", activation="none"),
}
PICTURES = [
    # width, height, pixels of the picture in one of the input, left and top of it in the input
    (192, 128, 2.0, 0, 0),  # the input's own shape
    (100, 200, 3.125, 32, 0),  # upright: 32x64 in the middle
]


class Fixed:
    """A session that always answers the same."""

    def __init__(self, *outputs: Any) -> None:
        self._outputs = [np.asarray(output, np.float32) for output in outputs]

    def run(self, batch: Any) -> list[Any]:
        return self._outputs


def pictures() -> list[Any]:
    return [np.full((height, width, 3), 255, np.uint8) for width, height, *_ in PICTURES]


def made_up(name: str, pictures: int, seed: int) -> list[Any]:
    """Outputs of a model that sees very much."""
    random = np.random.default_rng(seed)
    n, c = 60, len(CLASSES)
    centres = random.uniform([0, 0], [WIDTH, HEIGHT], (pictures, n, 2))
    sizes = random.uniform(4, 40, (pictures, n, 2))
    scores = random.uniform(0, 1, (pictures, n, c)) ** 3
    unit = np.array([WIDTH, HEIGHT])
    if name == "yolov8":
        return [np.concatenate([centres, sizes, scores], axis=2).transpose(0, 2, 1)]
    if name == "end_to_end":
        ids = random.integers(0, c, (pictures, n, 1))
        return [np.concatenate([centres, centres + sizes, scores[..., :1], ids], axis=2)]
    if name == "yolox":
        shape = (pictures, len(CELLS), 1)
        xy, wh = random.normal(0.5, 1, (*shape[:2], 2)), random.normal(0.3, 0.7, (*shape[:2], 2))
        chances = random.uniform(0, 1, (*shape[:2], c))
        return [np.concatenate([xy, wh, random.uniform(0, 1, shape) ** 2, chances], axis=2)]
    boxes = np.concatenate([centres / unit, sizes / unit], axis=2)
    if name == "probabilities":
        return [boxes, scores]
    return [boxes, random.normal(-1, 2, (pictures, n, c + (name == "softmax")))]


Row = tuple[list[float], list[float]]


def middle(cx: float, cy: float, w: float, h: float) -> list[float]:
    return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]


def decoded(name: str, outputs: list[Any]) -> list[Row]:
    """The corners, in input px, and the scores of one picture's rows; a loop a layout."""
    rows: list[Row] = []
    first = outputs[0]
    if name == "yolov8":
        for column in range(len(first[0])):
            values = [line[column] for line in first]
            rows.append((middle(*values[:4]), values[4:]))
    elif name == "end_to_end":
        for x1, y1, x2, y2, score, number in first:
            rows.append(([x1, y1, x2, y2], [score if number == i else 0.0 for i in range(3)]))
    elif name == "yolox":
        for (stride, x, y), (dx, dy, w, h, object_score, *chances) in zip(
            CELLS, first, strict=True
        ):
            box = middle(
                (x + dx) * stride, (y + dy) * stride, math.exp(w) * stride, math.exp(h) * stride
            )
            rows.append((box, [object_score * chance for chance in chances]))
    else:
        for (cx, cy, w, h), values in zip(first, outputs[1], strict=True):
            if name == "sigmoid":
                values = [1 / (1 + math.exp(-value)) for value in values]
            elif name == "softmax":
                total = sum(math.exp(value) for value in values)
                values = [math.exp(value) / total for value in values[:-1]]
            rows.append((middle(cx * WIDTH, cy * HEIGHT, w * WIDTH, h * HEIGHT), values))
    return rows


def overlap(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Intersection over union, and over the smaller box."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0) * max(high, 0)
    one, two = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return common / (one + two - common), common / min(one, two)


def expected(rows: list[Row], picture: Any) -> list[tuple[str, float, list[float]]]:
    """What is reported of one picture: name, score, box; best first."""
    width, height, pixels, left, top = picture
    candidates = []
    for box, scores in rows:
        score, number = max((score, -i) for i, score in enumerate(scores))
        if score < SPEC.min_score:
            continue
        x1, x2 = (min(max((x - left) * pixels, 0), width) for x in (box[0], box[2]))
        y1, y2 = (min(max((y - top) * pixels, 0), height) for y in (box[1], box[3]))
        if x2 > x1 and y2 > y1:
            candidates.append((CLASSES[-number], score, [x1, y1, x2, y2]))
    kept: list[tuple[str, float, list[float]]] = []
    for name, score, box in sorted(candidates, key=lambda each: -each[1]):
        for other, _, larger in kept:
            iou, inside = overlap(larger, box)
            if name == other == "person" and iou > 0.5:
                break
            if "person" not in (name, other) and (iou > 0.45 or inside > 0.8):
                break
        else:
            kept.append((name, score, box))
    assert 5 <= len(kept) < len(candidates) <= 300, "data that test both decoding and suppression"
    return kept


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_batch_of_two_as_the_loops_say(name: str, seed: int) -> None:
    outputs = made_up(name, 2, seed)
    detector = Detector(SPECS[name], Fixed(*outputs), WANTED)
    assert detector.classes == CLASSES, "a bus competes with the wanted car"
    results = detector.detect(pictures())
    assert len(results) == 2
    for index, (found, picture) in enumerate(zip(results, PICTURES, strict=True)):
        own = [np.float32(output[index]).tolist() for output in outputs]
        wanted = expected(decoded(name, own), picture)
        assert [CLASSES[i] for i in found.class_id] == [row[0] for row in wanted]
        np.testing.assert_allclose(found.score, [row[1] for row in wanted], atol=1e-5)
        np.testing.assert_allclose(found.xyxy, [row[2] for row in wanted], atol=1e-2)


def plain(name: str) -> list[Any]:
    """One picture's outputs with a car of 0.9 around (40, 24), 32x16 px, in row 0 and a person
    of 0.8 around (16, 48), 16x32 px, in row 1; YOLOX puts them where their cells are."""
    objects = [((40, 24, 32, 16), 1, 0.9), ((16, 48, 16, 32), 0, 0.8)]
    if name == "yolox":
        out = np.zeros((1, len(CELLS), 8))
        for (cx, cy, w, h), number, score in objects:
            cell = CELLS.index((16, cx // 16, cy // 16))
            out[0, cell, :4] = (cx / 16 - cx // 16, cy / 16 - cy // 16,
                                math.log(w / 16), math.log(h / 16))  # fmt: skip
            out[0, cell, [4, 5 + number]] = (0.95, score / 0.95)
        return [out]
    boxes = np.array([box for box, *_ in objects], float)
    scores = np.zeros((2, 3))
    for row, (_, number, score) in enumerate(objects):
        scores[row, number] = score
    if name == "yolov8":
        return [np.concatenate([boxes, scores], axis=1).T[None]]
    if name == "end_to_end":
        corners = [middle(*box) for box, *_ in objects]
        return [np.array([[*box, score, number] for box, (_, number, score)
                          in zip(corners, objects, strict=True)])[None]]  # fmt: skip
    boxes /= [WIDTH, HEIGHT, WIDTH, HEIGHT]
    if name == "sigmoid":
        clear = np.clip(scores, 1e-6, 1)
        return [boxes[None], np.log(clear / (1 - clear))[None]]
    if name == "softmax":
        nothing = 1 - scores.sum(axis=1, keepdims=True)
        return [boxes[None], np.log(np.clip(np.hstack([scores, nothing]), 1e-6, 1))[None]]
    return [boxes[None], scores[None]]


CAR, PERSON = (1, 0.9, [24.0, 16, 56, 32]), (0, 0.8, [8.0, 32, 24, 64])


def check(found: Any, objects: Sequence[tuple[int, float, list[float]]]) -> None:
    assert found.class_id.tolist() == [number for number, *_ in objects]
    np.testing.assert_allclose(found.score, [score for _, score, _ in objects], atol=1e-4)
    boxes = np.array([box for *_, box in objects]).reshape(-1, 4)
    np.testing.assert_allclose(found.xyxy, boxes, atol=1e-3)


def entry(name: str) -> ModelEntry:
    padding = {"value": 0, "align": "top_left"}
    size = {"height": HEIGHT, "width": WIDTH, "dynamic": False}
    spec = SPECS[name]
    fields: dict[str, Any] = {
        "name": "tiny",
        "file": "tiny.onnx",
        "sha256": "0" * 64,
        "size": 1000,
        "licence": "Apache-2.0",
        "source": "made by a test",
        "input": {**size, "colour": "rgb", "scale": 1 / 255, "padding": padding},
        "layout": spec.layout,
        "classes": list(CLASSES),
        "thresholds": {"low": 0.2, "match": 0.3, "birth": 0.4},
        "nms": {"iou": 0.5},
        "count_as_one": [{"classes": ["car", "bus"], "iou": 0.5, "containment": 0.75}],
    }
    return ModelEntry.model_validate(fields | ({"scores": name} if spec.layout == "detr" else {}))


def graph(outputs: list[Any]) -> bytes:
    """A model that gives ``outputs`` times its picture's largest value."""
    nodes = [helper.make_node("ReduceMax", ["images"], ["peak"], keepdims=0)]
    weights, results = [], []
    for index, output in enumerate(outputs):
        weights.append(numpy_helper.from_array(output.astype(np.float32), f"weight{index}"))
        nodes.append(helper.make_node("Mul", [f"weight{index}", "peak"], [f"output{index}"]))
        kind = TensorProto.FLOAT
        results.append(helper.make_tensor_value_info(f"output{index}", kind, output.shape))
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, HEIGHT, WIDTH))
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", [image], results, weights),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 9
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("name", SPECS)
def test_a_real_model_of_each_layout(name: str) -> None:
    """From an ONNX file through onnxruntime to detections: a white picture shows a car and a
    person; twice as large as the input, it has them at twice the size."""
    model = VerifiedModel(entry(name), graph(plain(name)))
    detector = build_detector(model, frame_size=(192, 128), classes=WANTED)
    white = np.full((128, 192, 3), 255, np.uint8)
    assert [detector.classes[i] for i in (0, 1)] == ["person", "car"]
    for found in detector.detect([white, white]):
        doubled = [(number, score, [2 * x for x in box]) for number, score, box in (CAR, PERSON)]
        check(found, doubled)


BROKEN = [float("nan"), float("inf"), float("-inf"), 3e38, -3e38]


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("value", BROKEN)
def test_a_broken_box_goes_alone(name: str, value: float) -> None:
    """A box with one coordinate or score that is not finite is dropped, or, where the number is
    only huge, may stay in the picture; the person beside it stays."""
    clean = plain(name)
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    check(Detector(SPECS[name], Fixed(*clean), WANTED).detect([picture])[0], [CAR, PERSON])
    car = {"yolov8": np.s_[:, 0], "yolox": np.s_[CELLS.index((16, 2, 1))]}.get(name, np.s_[0])
    for which, output in enumerate(clean):
        for part in range(len(output[0][car])):
            broken = [each.copy() for each in clean]
            broken[which][0][car][part] = value
            named = name == "end_to_end" and part == 5
            if named and math.isfinite(value):
                continue  # a class that does not exist is refused, below
            (found,) = Detector(SPECS[name], Fixed(*broken), WANTED).detect([picture])
            assert np.isfinite(found.xyxy).all()
            assert ((found.score >= 0.25) & (found.score <= 1)).all()
            # infinity makes no car certain
            others = found.select(found.class_id != 0)
            assert math.isfinite(value) or value < 0 or (others.score < 0.95).all()
            if not math.isfinite(value):
                check(found.select(found.class_id == 0), [PERSON])
            else:
                check(found.select(np.abs(found.xyxy - PERSON[2]).max(axis=1) < 1), [PERSON])


def test_no_rows_are_no_detections() -> None:
    for name, shapes in {
        "yolov8": [(1, 7, 0)],
        "end_to_end": [(1, 0, 6)],
        "sigmoid": [(1, 0, 4), (1, 0, 3)],
        "softmax": [(1, 0, 4), (1, 0, 4)],
    }.items():
        session = Fixed(*(np.zeros(shape) for shape in shapes))
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        assert len(Detector(SPECS[name], session, WANTED).detect([picture])[0]) == 0


MISFITS = [
    ("yolov8", [(1, 8, 10)], r"\[n, 7, N\]"),  # a class more than stated
    ("yolov8", [(1, 10, 7)], r"\[n, 7, N\]"),  # transposed
    ("yolov8", [(7, 10)], r"\[n, 7, N\]"),
    ("yolov8", [(1, 7, 10), (1, 7, 10)], "one output"),
    ("yolov8", [], "one output"),
    ("end_to_end", [(1, 10, 7)], r"\[n, K, 6\]"),
    ("end_to_end", [(10, 6)], r"\[n, K, 6\]"),
    ("yolox", [(1, 125, 8)], r"\[n, 126, 8\]"),  # cells of another input size
    ("yolox", [(1, 126, 9)], r"\[n, 126, 8\]"),
    ("yolox", [(126, 8)], r"\[n, 126, 8\]"),
    ("sigmoid", [(1, 10, 4)], r"boxes \[n, Q, 4\] and scores \[n, Q, 3\]"),
    ("sigmoid", [(1, 10, 3), (1, 10, 4)], "scores"),  # scores first
    ("sigmoid", [(1, 10, 4), (1, 10, 4)], "scores"),
    ("softmax", [(1, 10, 4), (1, 10, 3)], r"scores \[n, Q, 4\]"),  # no column for nothing
    ("probabilities", [(1, 10, 4), (1, 9, 3)], "scores"),  # not as many scores as boxes
    ("probabilities", [(4,), (3,)], "scores"),
]


@pytest.mark.parametrize(("name", "shapes", "said"), MISFITS)
def test_another_shape_is_refused_in_one_line(name: str, shapes: list[Any], said: str) -> None:
    session = Fixed(*(np.zeros(shape) for shape in shapes))
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(DetectorError, match=said) as caught:
        Detector(SPECS[name], session, WANTED).detect([picture])
    text = str(caught.value)
    assert "\n" not in text
    assert f"'{SPECS[name].layout}'" in text
    for shape in shapes:
        assert str(list(shape)) in text


@pytest.mark.parametrize("number", [3, 80, -1, 3e38])
def test_a_class_beyond_the_list_is_refused(number: float) -> None:
    outputs = plain("end_to_end")
    outputs[0][0, 0, 5] = number
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(DetectorError, match=f"class {number:g}".replace("+", r"\+")) as caught:
        Detector(SPECS["end_to_end"], Fixed(*outputs), WANTED).detect([picture])
    assert "lists 3 classes" in str(caught.value)
    assert "\n" not in str(caught.value)
