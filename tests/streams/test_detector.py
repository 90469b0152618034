"""From a manifest entry to the core's detector and tracker."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.coco import COCO80
from models.zoo import VerifiedModel, known, resolve
from streams.detector import (
    DEFAULT_CLASSES,
    build_detector,
    detector_spec,
    tracker_settings,
)
from streams.synthetic import Scene as Road
from tests.streams.madeup import CLASSES, entry, made_up_input, note_loads
from vision.detect import ClassGroup, DetectorSpec
from vision.errors import DetectorError
from vision.track import TrackerSettings
from vision.types import Frame


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``load_session`` was called with; no model is read."""
    return note_loads(monkeypatch)


def test_the_embedded_model() -> None:
    nanodet = known("nanodet_g")
    spec = detector_spec(nanodet, (256, 416))
    assert dataclasses.replace(spec, groups=()) == DetectorSpec(
        input_size=(256, 416),
        rgb=True,
        scale=1 / 255,
        pad_value=0,
        centred=False,
        layout="yolov8",
        classes=COCO80,
        min_score=nanodet.thresholds.low,
        nms_iou=0.5,
        groups=(),
        activation="none",
    )
    assert ClassGroup(("car", "truck", "bus"), 0.5, 0.75) in spec.groups
    assert len(spec.groups) == len(nanodet.count_as_one)


@pytest.mark.parametrize(
    ("layout", "scores", "activation"),
    [
        ("yolov8", None, "none"),
        ("end_to_end", None, "none"),
        ("yolox", None, "none"),
        ("detr", "probabilities", "none"),
        ("detr", "sigmoid", "sigmoid"),
        ("detr", "softmax", "softmax"),
    ],
)
def test_every_layout(layout: str, scores: str | None, activation: str) -> None:
    assert detector_spec(entry(layout=layout, scores=scores), (320, 416)) == DetectorSpec(
        input_size=(320, 416),
        rgb=False,
        scale=1.0,
        pad_value=114,
        centred=True,
        layout=layout,  # type: ignore[arg-type]
        classes=CLASSES,
        min_score=0.11,
        nms_iou=0.44,
        groups=(ClassGroup(("car", "bus"), 0.55, 0.66),),
        activation=activation,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"colour": "rgb"}, "rgb", True),
        ({"colour": "bgr"}, "rgb", False),
        ({"scale": 0.25}, "scale", 0.25),
        ({"padding": {"value": 0, "align": "centre"}}, "pad_value", 0),
        ({"padding": {"value": 0, "align": "centre"}}, "centred", True),
        ({"padding": {"value": 0, "align": "top_left"}}, "centred", False),
    ],
)
def test_every_word_about_the_input(changes: dict[str, Any], field: str, value: object) -> None:
    spec = detector_spec(entry(input=made_up_input(**changes)), (320, 416))
    assert getattr(spec, field) == value


def test_the_tracker_gets_the_models_thresholds_and_its_own_defaults() -> None:
    assert tracker_settings(entry()) == TrackerSettings(low=0.11, match=0.22, birth=0.33)


@pytest.mark.parametrize(
    ("frame_size", "own", "chosen"),
    [
        # (w, h) of the picture; (height, width) of the entry and of the choice
        ((1920, 1080), (416, 416), (256, 416)),
        ((768, 576), (416, 416), (320, 416)),
        ((1080, 1920), (416, 416), (416, 256)),
        ((100, 100), (416, 416), (416, 416)),
        # the long side of the entry is what counts
        ((1920, 1080), (384, 640), (384, 640)),
        ((1080, 1920), (384, 640), (640, 384)),
    ],
)
def test_a_dynamic_model_gets_the_rectangle_that_fits(
    frame_size: tuple[int, int],
    own: tuple[int, int],
    chosen: tuple[int, int],
    loaded: list[dict[str, Any]],
) -> None:
    sides = {"height": own[0], "width": own[1], "dynamic": True}
    model = VerifiedModel(entry(input=made_up_input(**sides)), b"")
    made = build_detector(model, frame_size=frame_size, classes=("person",))
    assert made.spec.input_size == chosen
    assert [call["input_size"] for call in loaded] == [chosen]


def test_a_fixed_model_keeps_its_size(loaded: list[dict[str, Any]]) -> None:
    made = build_detector(VerifiedModel(entry(), b""), frame_size=(1080, 1920), classes=())
    assert made.spec.input_size == (320, 416)
    assert loaded[0]["input_size"] == (320, 416)


def test_providers_and_threads_are_handed_on(loaded: list[dict[str, Any]]) -> None:
    model = VerifiedModel(entry(), b"")
    build_detector(model, frame_size=(640, 360), classes=())
    build_detector(model, frame_size=(640, 360), classes=(), providers=("A", "B"), threads=3)
    assert [(call["model"], call["providers"], call["threads"]) for call in loaded] == [
        (model, ("CPUExecutionProvider",), 1),
        (model, ("A", "B"), 3),
    ]


@pytest.mark.parametrize(
    ("asked", "wanted", "rivals"),
    [
        (("becak",), ("becak",), set()),
        (("car",), ("car",), {"bus"}),
        # without a choice: the usual ones, as far as the model knows them
        ((), ("person", "car", "bus"), set()),
    ],
)
def test_the_classes_that_are_looked_for(
    asked: tuple[str, ...], wanted: tuple[str, ...], rivals: set[str], loaded: list[Any]
) -> None:
    made = build_detector(VerifiedModel(entry(), b""), frame_size=(640, 360), classes=asked)
    assert made.wanted == wanted
    assert set(made.classes) == set(wanted) | rivals


def test_the_embedded_model_knows_all_the_usual_classes(loaded: list[Any]) -> None:
    model = VerifiedModel(known("nanodet_g"), b"")
    made = build_detector(model, frame_size=(640, 360), classes=())
    assert made.wanted == DEFAULT_CLASSES


@pytest.mark.parametrize(
    ("classes", "hint"),
    [
        (("becaq",), "did you mean 'becak'?"),
        (
            ("person", "dog"),
            (
                "it knows person, car, bus, becak: choose one of these, or name another model, "
                "whose own names 'rename' in its entry may change (docs/models.md)"
            ),
        ),
    ],
)
def test_an_unknown_class_is_refused_before_the_model_is_loaded(
    classes: tuple[str, ...], hint: str, loaded: list[Any]
) -> None:
    with pytest.raises(DetectorError) as caught:
        build_detector(VerifiedModel(entry(), b""), frame_size=(640, 360), classes=classes)
    assert str(caught.value) == f"the model does not know the class '{classes[-1]}': {hint}"
    assert loaded == []


def test_a_model_with_none_of_the_usual_classes_asks_for_a_choice(loaded: list[Any]) -> None:
    model = VerifiedModel(entry(classes=("smoke", "fire"), count_as_one=()), b"")
    with pytest.raises(DetectorError, match=r"write the scene's 'classes', out of smoke, fire$"):
        build_detector(model, frame_size=(640, 360), classes=())
    assert loaded == []
    assert build_detector(model, frame_size=(640, 360), classes=("fire",)).wanted == ("fire",)


def test_the_embedded_model_runs_on_a_picture(tmp_path: Path) -> None:
    model = resolve("nanodet_g", cache=tmp_path)
    made = build_detector(model, frame_size=(640, 360), classes=("person",))
    assert made.spec.input_size == (256, 416)
    found = made.detect([np.full((360, 640, 3), 128, np.uint8)] * 2)
    assert [len(each) for each in found] == [0, 0]


def test_a_picture_is_found_as_in_a_batch(tmp_path: Path) -> None:
    made = build_detector(
        resolve("nanodet_g", cache=tmp_path), frame_size=(640, 360), classes=("person", "car")
    )
    image = Road((640, 360), 0).render(12.0)
    (expected,) = made.detect([image])
    found = made.find(Frame("c", 0, 0.0, image))
    assert len(found) > 0
    for one, other in ((found.xyxy, expected.xyxy), (found.score, expected.score)):
        assert np.array_equal(one, other)
