"""Sessions: what loads, at which size, and what is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from models.errors import BadModel
from models.session import load_poses, load_session
from models.zoo import VerifiedModel, resolve

Graph = Callable[..., bytes]
Make = Callable[..., VerifiedModel]


def at_sizes(**changes: Any) -> dict[str, Any]:
    base = {"height": 64, "width": 96, "colour": "rgb", "scale": 1.0}
    return {**base, "padding": {"value": 0, "align": "top_left"}, **changes}


FITTING = [
    ("yolov8", [(1, 7, 10)], {}),
    ("end_to_end", [(1, 300, 6)], {}),
    # 64x96 has 8*12 + 4*6 + 2*3 cells at strides 8, 16, 32
    ("yolox", [(1, 126, 8)], {}),
    ("detr", [(1, 20, 4), (1, 20, 3)], {"scores": "sigmoid"}),
    ("detr", [(1, 20, 4), (1, 20, 4)], {"scores": "softmax"}),
    ("detr", [(1, 20, 4), (1, 20, 3)], {"scores": "probabilities"}),
]


@pytest.mark.parametrize(("layout", "shapes", "more"), FITTING)
def test_each_layout_loads_with_its_own_shape(
    make_graph: Graph, make_model: Make, layout: str, shapes: list[Any], more: dict[str, str]
) -> None:
    session = load_session(make_model(make_graph(shapes), layout=layout, **more))
    assert session.input_shape == (1, 3, 64, 96)
    assert session.output_shapes == tuple(shapes)


def test_detr_returns_its_boxes_first_whatever_the_file_says(
    make_graph: Graph, make_model: Make
) -> None:
    graph = make_graph([(1, 20, 3), (1, 20, 4)])
    session = load_session(make_model(graph, layout="detr", scores="sigmoid"))
    assert session.output_shapes == ((1, 20, 4), (1, 20, 3))
    outputs = session.run(np.zeros((2, 3, 64, 96), np.float32))
    assert [output.shape for output in outputs] == [(2, 20, 4), (2, 20, 3)]


MISFITS = [
    ("yolov8", [(1, 8, 10)], {}, r"returns \(1, 8, 10\).*3 classes needs \(1, 7, n\)"),
    ("yolov8", [(1, 10, 7)], {}, r"needs \(1, 7, n\)"),
    ("yolov8", [(7, 10)], {}, r"needs \(1, 7, n\)"),
    ("yolov8", [(1, 7, 10), (1, 7, 10)], {}, r"returns \(1, 7, 10\) and \(1, 7, 10\)"),
    ("end_to_end", [(1, 300, 7)], {}, r"needs \(1, n, 6\)"),
    ("yolox", [(1, 125, 8)], {}, r"needs \(1, 126, 8\)"),
    ("yolox", [(1, 126, 85)], {}, r"needs \(1, 126, 8\)"),
    ("detr", [(1, 20, 4), (1, 20, 5)], {"scores": "softmax"}, r"\(1, n, 4\) and \(1, n, 4\)"),
    ("detr", [(1, 20, 4), (1, 21, 3)], {"scores": "sigmoid"}, r"\(1, n, 4\) and \(1, n, 3\)"),
    ("detr", [(1, 20, 4)], {"scores": "sigmoid"}, r"\(1, n, 4\) and \(1, n, 3\)"),
]


@pytest.mark.parametrize(("layout", "shapes", "more", "said"), MISFITS)
def test_outputs_that_do_not_fit_are_refused(
    make_graph: Graph,
    make_model: Make,
    layout: str,
    shapes: list[Any],
    more: dict[str, str],
    said: str,
) -> None:
    with pytest.raises(BadModel, match=said) as caught:
        load_session(make_model(make_graph(shapes), layout=layout, **more))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 1, 64, 96), (2, 3, 64, 96), (3, 64, 96)])
def test_an_input_of_another_shape_is_refused(
    make_graph: Graph, make_model: Make, shape: tuple[int, ...]
) -> None:
    with pytest.raises(BadModel, match=r"its entry says \(1, 3, 64, 96\)"):
        load_session(make_model(make_graph(image=shape)))


def test_other_number_types_are_refused(make_graph: Graph, make_model: Make) -> None:
    with pytest.raises(BadModel, match=r"tensor\(float16\)"):
        load_session(make_model(make_graph(kind=TensorProto.FLOAT16)))


@pytest.mark.parametrize(
    "image",
    [
        (1, 3, "height", "width"),
        ("batch", 3, "height", "width"),
        ("N", 3, "H", "W"),
        (1, 3, "unk__1", "unk__2"),
    ],
)
def test_open_dimensions_are_fixed_whatever_their_names(
    make_graph: Graph, make_model: Make, image: tuple[int | str, ...]
) -> None:
    model = make_model(make_graph(image=image), input=at_sizes(dynamic=True))
    assert load_session(model).input_shape == (1, 3, 64, 96)
    assert load_session(model, input_size=(128, 32)).input_shape == (1, 3, 128, 32)


def test_one_name_for_two_sides_takes_squares_only(make_graph: Graph, make_model: Make) -> None:
    model = make_model(make_graph(image=(1, 3, "side", "side")), input=at_sizes(dynamic=True))
    assert load_session(model, input_size=(64, 64)).input_shape == (1, 3, 64, 64)
    with pytest.raises(BadModel, match="one name 'side' for two sides"):
        load_session(model)


def test_sizes_that_the_model_does_not_take_are_refused(
    make_graph: Graph, make_model: Make
) -> None:
    fixed = make_model(make_graph())
    assert load_session(fixed, input_size=(64, 96)).input_shape == (1, 3, 64, 96)
    with pytest.raises(BadModel, match=r"64x96 \(height x width\) only, not 64x64"):
        load_session(fixed, input_size=(64, 64))
    dynamic = make_model(make_graph(image=(1, 3, "height", "width")), input=at_sizes(dynamic=True))
    for size in ((64, 50), (0, 64), (-32, 64)):
        with pytest.raises(BadModel, match="multiples of 32"):
            load_session(dynamic, input_size=size)


@pytest.mark.parametrize("content", [b"", b"this is a text file", b"\x08\x09" * 1000])
def test_what_is_no_model_is_refused(make_model: Make, content: bytes) -> None:
    with pytest.raises(BadModel, match="tiny does not load as an ONNX model") as caught:
        load_session(make_model(content))
    assert "\n" not in str(caught.value)


def test_a_truncated_model_is_refused(make_graph: Graph, make_model: Make) -> None:
    with pytest.raises(BadModel):
        load_session(make_model(make_graph()[:-40]))


def test_weights_outside_the_verified_bytes_are_never_read(
    external_graph: bytes, make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere.bin").write_bytes(bytes(7 * 10 * 4))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadModel, match="does not load"):
        load_session(make_model(external_graph))


def test_a_provider_that_is_not_here_is_refused(make_graph: Graph, make_model: Make) -> None:
    with pytest.raises(BadModel, match=r"cannot run on NoSuchProvider: .* CPUExecutionProvider"):
        load_session(make_model(make_graph()), providers=["NoSuchProvider"])


def test_a_batch_gives_each_picture_its_own_result(make_graph: Graph, make_model: Make) -> None:
    session = load_session(make_model(make_graph()))
    batch = np.zeros((3, 3, 64, 96), np.float32)
    batch[:, 0, 0, 0] = [0.25, 0.5, 0.75]
    (output,) = session.run(batch)
    assert output.shape == (3, 7, 10)
    assert output[:, 0, 0].tolist() == [0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((3, 64, 96), np.float32),
        ((0, 3, 64, 96), np.float32),
        ((1, 3, 96, 64), np.float32),
        ((1, 3, 64, 96), np.float64),
    ],
)
def test_a_batch_of_another_form_is_a_mistake(
    make_graph: Graph, make_model: Make, shape: tuple[int, ...], kind: type
) -> None:
    session = load_session(make_model(make_graph()))
    with pytest.raises(ValueError, match="a batch"):
        session.run(np.zeros(shape, kind))


@pytest.mark.parametrize(("height", "width"), [(416, 416), (256, 416), (320, 416), (32, 64)])
def test_the_embedded_model_takes_any_multiple_of_32(
    tmp_path: Path, height: int, width: int
) -> None:
    session = load_session(resolve("nanodet_g", cache=tmp_path), input_size=(height, width))
    cells = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
    assert session.input_shape == (1, 3, height, width)
    assert session.output_shapes == ((1, 84, cells),)


def test_poses_of_each_picture(make_pose_model: Make) -> None:
    session = load_poses(make_pose_model())
    assert session.input_shape == (1, 64, 64, 3)
    assert session.output_shape == (1, 6, 56)
    images = np.zeros((3, 64, 64, 3), np.uint8)
    images[:, 5, 7, 2] = [1, 128, 255]
    found = session.run(images)
    assert found.shape == (3, 6, 56)
    assert found.dtype == np.float32
    assert found[:, 0, 0].tolist() == [1.0, 128.0, 255.0]
    assert session.run(images[:0]).shape == (0, 6, 56)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((64, 64, 3), np.uint8),
        ((1, 3, 64, 64), np.uint8),
        ((1, 64, 32, 3), np.uint8),
        ((1, 64, 64, 3), np.float32),
        ((1, 64, 64, 3), np.int32),
    ],
)
def test_pictures_of_another_form_are_a_mistake(
    make_pose_model: Make, shape: tuple[int, ...], kind: type
) -> None:
    with pytest.raises(ValueError, match=r"pictures are \(n, 64, 64, 3\) uint8"):
        load_poses(make_pose_model()).run(np.zeros(shape, kind))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outputs": [(1, 6, 57)]}, r"returns \(1, 6, 57\).*needs \(1, 6, 56\)"),
        ({"outputs": [(1, 5, 56)]}, r"needs \(1, 6, 56\)"),
        ({"outputs": [(1, 6, 56), (1, 6, 56)]}, r"needs \(1, 6, 56\)"),
        ({"kind": TensorProto.DOUBLE}, r"tensor\(double\).*needs \(1, 6, 56\) tensor\(float\)"),
        ({"image": (1, 32, 64, 3)}, r"its entry says \(1, 64, 64, 3\) tensor\(int32\)"),
        ({"image": (1, 3, 64, 64)}, r"its entry says \(1, 64, 64, 3\)"),
        ({"image_kind": TensorProto.UINT8}, r"takes .* tensor\(uint8\), its entry says"),
    ],
)
def test_what_returns_no_poses_is_refused(
    make_pose_model: Make, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadModel, match=said) as caught:
        load_poses(make_pose_model(**changes))
    assert "\n" not in str(caught.value)


def test_a_model_is_loaded_for_what_it_finds(
    make_graph: Graph, make_model: Make, make_pose_model: Make
) -> None:
    with pytest.raises(BadModel, match="tiny finds no poses: its task is detect"):
        load_poses(make_model(make_graph()))
    with pytest.raises(BadModel, match="tiny finds no objects: its task is pose"):
        load_session(make_pose_model())
    with pytest.raises(BadModel, match="cannot run on NoSuchProvider"):
        load_poses(make_pose_model(), providers=["NoSuchProvider"])


def test_the_embedded_pose_model_loads_as_stated(tmp_path: Path) -> None:
    session = load_poses(resolve("movenet_multipose", cache=tmp_path))
    assert session.input_shape == (1, 256, 256, 3)
    found = session.run(np.zeros((2, 256, 256, 3), np.uint8))
    assert found.shape == (2, 6, 56)
    assert found[..., -1].max() < 0.1, "nobody stands in the dark"
