"""Small ONNX graphs and entries of the tests' own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from models.manifest import ModelEntry, PoseEntry
from models.zoo import VerifiedModel

MakeModel = Callable[..., VerifiedModel]


def fields(**changes: Any) -> dict[str, Any]:
    """The fields of a valid entry with three classes, changed; a change to None takes it away."""
    base: dict[str, Any] = {
        "name": "tiny",
        "file": "tiny.onnx",
        "sha256": "0" * 64,
        "size": 1000,
        "licence": "Apache-2.0",
        "source": "made by a test",
        "input": {
            "height": 64,
            "width": 96,
            "dynamic": False,
            "colour": "rgb",
            "scale": 1.0,
            "padding": {"value": 0, "align": "top_left"},
        },
        "layout": "yolov8",
        "classes": ["car", "bus", "person"],
        "thresholds": {"low": 0.1, "match": 0.2, "birth": 0.3},
        "nms": {"iou": 0.5},
        "count_as_one": [{"classes": ["car", "bus"], "iou": 0.5, "containment": 0.75}],
    }
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def pose_fields(**changes: Any) -> dict[str, Any]:
    """The fields of a valid entry of a model that finds poses, changed as in ``fields``."""
    base = {
        **{
            name: fields()[name] for name in ("name", "file", "sha256", "size", "licence", "source")
        },
        "task": "pose",
        "input": {"height": 64, "width": 64, "colour": "rgb"},
        "layout": "movenet_multipose",
        "keypoints": "coco17",
    }
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def graph(
    outputs: Sequence[Sequence[int]] = ((1, 7, 10),),
    image: Sequence[int | str] = (1, 3, 64, 96),
    kind: int = TensorProto.FLOAT,
    image_kind: int | None = None,
) -> bytes:
    """A model whose outputs of the given shapes are filled with its picture's largest value."""
    nodes = [
        helper.make_node("Cast", ["images"], ["cast"], to=kind),
        helper.make_node("ReduceMax", ["cast"], ["peak"], keepdims=0),
    ]
    shapes, results = [], []
    for index, shape in enumerate(outputs):
        name = f"output{index}"
        shapes.append(numpy_helper.from_array(np.array(shape, np.int64), f"shape{index}"))
        nodes.append(helper.make_node("Expand", ["peak", f"shape{index}"], [name]))
        results.append(helper.make_tensor_value_info(name, kind, shape))
    inputs = [helper.make_tensor_value_info("images", image_kind or kind, image)]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", inputs, results, shapes),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 9
    return bytes(model.SerializeToString())


@pytest.fixture
def entry_fields() -> Callable[..., dict[str, Any]]:
    return fields


@pytest.fixture
def pose_entry_fields() -> Callable[..., dict[str, Any]]:
    return pose_fields


@pytest.fixture
def make_graph() -> Callable[..., bytes]:
    return graph


@pytest.fixture
def make_model() -> MakeModel:
    """A VerifiedModel from a graph's bytes and changes to the entry."""

    def make(content: bytes, **changes: Any) -> VerifiedModel:
        return VerifiedModel(ModelEntry.model_validate(fields(**changes)), content)

    return make


@pytest.fixture
def make_pose_model() -> MakeModel:
    """A VerifiedModel that finds poses: of output shapes, its input's type and changes to the
    entry."""

    def make(
        outputs: Sequence[Sequence[int]] = ((1, 6, 56),),
        image: Sequence[int | str] = (1, 64, 64, 3),
        image_kind: int = TensorProto.INT32,
        kind: int = TensorProto.FLOAT,
        **changes: Any,
    ) -> VerifiedModel:
        content = graph(outputs, image, kind, image_kind)
        return VerifiedModel(PoseEntry.model_validate(pose_fields(**changes)), content)

    return make


@pytest.fixture
def save_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model file and its sidecar; the sidecar's fields may be changed."""

    def save(content: bytes, **changes: Any) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        stated = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        sidecar = fields(**{"name": None, "file": None, **stated, **changes})
        path.with_name("model.onnx.yaml").write_text(yaml.safe_dump(sidecar))
        return path

    return save


@pytest.fixture
def external_graph() -> bytes:
    """A model that wants a weight from a file called ``elsewhere.bin``."""
    weight = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[1, 7, 10])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.append(onnx.StringStringEntryProto(key="location", value="elsewhere.bin"))
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["peak"], keepdims=0),
        helper.make_node("Add", ["weight", "peak"], ["output0"]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "external",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 96])],
            [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 7, 10])],
            [weight],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 9
    return bytes(model.SerializeToString())
