"""The manifest and sidecars: what is accepted, and the one line that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from models.coco import COCO17, COCO80
from models.errors import ManifestError
from models.manifest import ModelEntry, PoseEntry, load_manifest, parse_manifest

Fields = Callable[..., dict[str, Any]]


def parse(entry: dict[str, Any]) -> Any:
    entry = {key: value for key, value in entry.items() if key != "name"}
    return parse_manifest(yaml.safe_dump({"models": {"tiny": entry}}), "some.yaml")["tiny"]


def test_the_shipped_manifest_has_the_embedded_default_first() -> None:
    manifest = load_manifest()
    assert list(manifest) == ["nanodet_g", "nanodet_g_int8", "yolox_nano", "movenet_multipose"]
    default = manifest["nanodet_g"]
    assert isinstance(default, ModelEntry)
    assert default.task == "detect"
    assert default.file == "nanodet_g.onnx"
    assert default.input.dynamic
    assert default.classes == COCO80
    assert manifest["yolox_nano"].address is not None


def test_the_shipped_quantised_model_is_used_like_the_float_one() -> None:
    own, quantised = (load_manifest()[name] for name in ("nanodet_g", "nanodet_g_int8"))
    assert isinstance(own, ModelEntry)
    assert isinstance(quantised, ModelEntry)
    for field in ("input", "layout", "classes", "thresholds", "nms", "count_as_one", "licence"):
        assert getattr(quantised, field) == getattr(own, field)
    assert quantised.reduced is not None
    assert quantised.quantised is not None
    assert quantised.quantised.source == "nanodet_g"


def test_the_shipped_pose_model_knows_the_points_of_coco() -> None:
    poses = load_manifest()["movenet_multipose"]
    assert isinstance(poses, PoseEntry)
    assert (poses.input.height, poses.input.width) == (256, 256)
    assert poses.keypoints == COCO17
    assert len(set(COCO17)) == 17
    assert [COCO17.index(name) for name in ("nose", "left_hip", "right_ankle")] == [0, 11, 16]


def test_coco_has_its_80_names_in_order() -> None:
    assert len(set(COCO80)) == 80
    assert [COCO80.index(name) for name in ("person", "car", "bus", "truck", "toothbrush")] == [
        0, 2, 5, 7, 79,
    ]  # fmt: skip


def test_a_valid_entry_is_frozen(entry_fields: Fields) -> None:
    entry = parse(entry_fields())
    assert entry.name == "tiny"
    assert entry.classes == ("car", "bus", "person")
    with pytest.raises(ValueError, match="frozen"):
        entry.layout = "yolox"


SECOND = {"file": "tiny.reduced.onnx", "sha256": "1" * 64, "size": 900}
MEASURED = {
    "from": "float",
    "sha256": "2" * 64,
    "convolutions": 3,
    "calibrated_on": {"clips": ["a.mp4"], "pictures": 40},
    "agreement": {
        "clips": ["a.mp4"], "pictures": 160, "boxes": 900,
        "f1": {"int8": 0.999, "reduced": 0.998}, "match_f1": {"int8": 0.97, "reduced": 0.96},
    },
}  # fmt: skip

WRONG = [
    ({"layout": "yolov9"}, "layout is 'yolov9', .* yolov8, end_to_end, yolox, detr"),
    ({"layout": ["x"]}, "layout is a list, which is unknown"),
    ({"colour": "rgb"}, "colour is no known field"),
    ({"licence": None}, "licence is missing"),
    ({"sha256": "ABC"}, "sha256 is wrong"),
    ({"size": 0}, "size is wrong"),
    ({"size": 3 * 2**30}, "size is wrong"),
    ({"classes": "coco81"}, "only shorthand is coco80"),
    ({"classes": []}, "classes is wrong"),
    ({"classes": ["car", "bus", "car"]}, "classes names a class twice"),
    ({"classes": ["car", "person"]}, "count_as_one names 'bus', which is not in classes"),
    ({"thresholds": {"low": 0.5, "match": 0.3, "birth": 0.4}}, "must ascend"),
    ({"thresholds": {"low": 0.1, "match": 0.3, "birth": 40}}, r"thresholds\.birth is wrong"),
    ({"nms": {"iou": -1}}, r"nms\.iou is wrong"),
    ({"file": None}, "either file or address"),
    ({"address": "https://example.org/x.onnx"}, "either file or address"),
    ({"file": "../x.onnx"}, "file is wrong"),
    ({"file": None, "address": "http://example.org/x.onnx"}, "starts with https://"),
    ({"file": None, "address": "https://me:secret@example.org/x"}, "holds no login"),
    ({"layout": "detr"}, "scores .* goes with layout detr"),
    ({"rename": {"cra": "becak"}}, "rename names 'cra', which is not in classes: .* mean 'car'"),
    ({"rename": {"moped": "becak"}}, "rename names 'moped', which is not in classes; see docs"),
    ({"rename": {"person": "bus"}}, "rename leaves two classes that are called 'bus'"),
    ({"rename": {"car": "auto"}}, "count_as_one names 'car', which is not in classes"),
    ({"rename": {"person": ""}}, "rename.person is wrong"),
    ({"rename": ["person"]}, "rename is wrong"),
    ({"scores": "sigmoid"}, "scores .* goes with layout detr"),
    ({"layout": "detr", "scores": "max"}, "scores is 'max', .* sigmoid, softmax, probabilities"),
    ({"task": "poses"}, "task is 'poses', which is unknown: the known ones are detect, pose"),
    ({"task": ["pose"]}, "task is a list, which is unknown"),
    ({"layout": "movenet_multipose"}, "layout movenet_multipose goes with 'task: pose'"),
    ({"keypoints": "coco17"}, "keypoints is no known field"),
    ({"reduced": SECOND}, "reduced and quantised go together"),
    ({"quantised": MEASURED}, "reduced and quantised go together"),
    ({"reduced": {**SECOND, "file": "tiny.onnx"}, "quantised": MEASURED}, "names the same file"),
    ({"reduced": {**SECOND, "size": 2**31 + 1}, "quantised": MEASURED}, r"reduced\.size is wrong"),
    (
        {"reduced": SECOND, "quantised": MEASURED, "file": None, "address": "https://x.example/y"},
        "reduced lies beside file: it does not go with address",
    ),
    ({"reduced": {**SECOND, "file": "../x"}, "quantised": MEASURED}, r"reduced\.file is wrong"),
    ({"reduced": {"file": "x"}, "quantised": MEASURED}, r"reduced\.sha256 is missing"),
    ({"reduced": SECOND, "quantised": {**MEASURED, "from": None}}, r"quantised\.from is wrong"),
    ({"reduced": SECOND, "quantised": {**MEASURED, "by": "me"}}, r"quantised\.by is no known"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_is_said_in_one_line(
    entry_fields: Fields, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ManifestError, match=said) as caught:
        parse(entry_fields(**change))
    assert str(caught.value).startswith("some.yaml: models.tiny")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("rename", "classes"),
    [
        ({"person": "orang"}, ("car", "bus", "orang")),
        ({"car": "bus", "bus": "car"}, ("bus", "car", "person")),
        ({"person": "person"}, ("car", "bus", "person")),
        ({}, ("car", "bus", "person")),
    ],
)
def test_classes_have_the_names_that_scenes_use(
    entry_fields: Fields, rename: dict[str, str], classes: tuple[str, ...]
) -> None:
    entry = parse(entry_fields(rename=rename))
    assert entry.classes == classes
    assert entry.rename == rename


def test_coco_can_be_renamed_too(entry_fields: Fields) -> None:
    entry = parse(entry_fields(classes="coco80", count_as_one=None, rename={"person": "orang"}))
    assert entry.classes == ("orang", *COCO80[1:])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": "coco80"}, "classes is for a model that finds objects, not for task pose"),
        ({"nms": {"iou": 0.5}}, "nms is for a model that finds objects"),
        ({"thresholds": {}}, "thresholds is for a model that finds objects"),
        ({"layout": "yolov8"}, "layout is 'yolov8', which is unknown: .* movenet_multipose"),
        ({"keypoints": None}, "keypoints is missing"),
        ({"keypoints": "coco18"}, "the only shorthand is coco17"),
        ({"keypoints": ["nose"]}, "layout movenet_multipose has the keypoints coco17"),
        ({"input": None}, "input is missing"),
        ({"input": {"height": 256, "width": 256, "colour": "bgr"}}, r"input\.colour is 'bgr'"),
        ({"points": 17}, "points is no known field"),
        ({"sha256": "ABC"}, "sha256 is wrong"),
        ({"file": None}, "either file or address"),
    ],
)
def test_what_is_wrong_with_a_pose_model_is_said_in_one_line(
    pose_entry_fields: Fields, change: dict[str, Any], said: str
) -> None:
    assert isinstance(parse(pose_entry_fields()), PoseEntry)
    with pytest.raises(ManifestError, match=said) as caught:
        parse(pose_entry_fields(**change))
    assert str(caught.value).startswith("some.yaml: models.tiny")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "hsv"}, r"input\.colour is 'hsv', .* rgb, bgr"),
        ({"scale": 0}, r"input\.scale is wrong"),
        ({"scale": float("inf")}, r"input\.scale is wrong"),
        ({"dynamic": True, "height": 60}, "multiples of 32"),
        ({"padding": {"value": 114, "align": "left"}}, r"input\.padding\.align is 'left'"),
        ({"padding": {"value": 300, "align": "centre"}}, r"input\.padding\.value is wrong"),
        ({"depth": 3}, r"input\.depth is no known field"),
    ],
)
def test_a_wrong_input_names_the_field(
    entry_fields: Fields, change: dict[str, Any], said: str
) -> None:
    entry = entry_fields()
    with pytest.raises(ManifestError, match=said):
        parse({**entry, "input": {**entry["input"], **change}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models: [", "not valid YAML"),
        ("models: 2024-99-99", "not valid YAML"),
        ("just words", "no mapping of fields"),
        ("models: []", "one mapping named 'models'"),
        ("models: {}\nother: 1", "one mapping named 'models'"),
        ("models: {tiny: 3}", "models.tiny holds no mapping"),
        ("models: {}\nmodels: {}", "line 2 states 'models' a second time"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said) as caught:
        parse_manifest(text, "some.yaml")
    assert "\n" not in str(caught.value)
