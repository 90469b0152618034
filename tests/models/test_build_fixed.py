"""The conversion for one input size against plain numpy, channels last as TensorFlow has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from models.errors import BuildError
from models.onnxgraph import GraphBuilder
from models.tfjsfixed import FixedConverter
from tests.models.tfjsgraphs import Tfjs, text

Floats = NDArray[np.float32]

SHAPE = (1, 9, 10, 3)
"""An odd height, so that borders are not the same on both sides."""
FLOAT = {"DstT": {"type": "DT_FLOAT"}}
SAME = text("SAME")


def converted(tfjs: Tfjs, output: str, rank: int) -> onnx.ModelProto:
    builder = GraphBuilder()
    converter = FixedConverter(tfjs.model(), builder, "images", SHAPE, np.float32)
    tensor = converter.convert(output)
    shape: list[int | str] = [f"d{axis}" for axis in range(rank)]
    content = builder.model("test", image=("images", SHAPE), output=(tensor, "out", shape))
    return onnx.load_from_string(content)


def run(tfjs: Tfjs, output: str, picture: Floats, rank: int = 4) -> Floats:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = converted(tfjs, output, rank).SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    result: Floats = session.run(None, {"images": picture})[0]
    return result


def picture() -> Floats:
    return np.random.default_rng(7).normal(size=SHAPE).astype(np.float32)


def windows(x: Floats, size: int, stride: int, fill: float) -> Floats:
    """What a window of ``size`` sees, TensorFlow's SAME: (n, h, w, c, size, size)."""
    borders = [(0, 0)]
    for length in x.shape[1:3]:
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        borders.append((total // 2, total - total // 2))
    padded = np.pad(x, [*borders, (0, 0)], constant_values=fill)
    seen = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return seen[:, ::stride, ::stride]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("steps", [["BiasAdd", "Relu6"], ["BiasAdd", "Relu"], ["BiasAdd"], []])
def test_a_convolution_with_what_is_fused_equals_numpy(
    stride: int, size: int, steps: list[str]
) -> None:
    rng = np.random.default_rng(1)
    kernel = rng.normal(0, 3, size=(size, size, 3, 5)).astype(np.float16)
    bias = rng.normal(size=5).astype(np.float16)
    fused = {"list": {"s": [text(step)["s"] for step in steps]}}
    tfjs = Tfjs(SHAPE)
    inputs = ["x", tfjs.const("kernel", kernel, "float16"), tfjs.const("bias", bias, "float16")]
    used = inputs if steps else inputs[:2]
    tfjs.window("out", "_FusedConv2D", *used, stride=stride, padding=SAME, fused_ops=fused)
    x = picture()
    expected = np.einsum(
        "nhwcij,ijcf->nhwf", windows(x, size, stride, 0), kernel.astype(np.float32)
    )
    expected = expected + bias.astype(np.float32) if steps else expected
    expected = np.clip(expected, 0 if steps[1:] else None, 6 if "Relu6" in steps else None)
    np.testing.assert_allclose(run(tfjs, "out", x), expected, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("op", ["DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"])
def test_a_convolution_of_each_channel_apart_equals_numpy(stride: int, op: str) -> None:
    kernel = np.random.default_rng(2).normal(size=(3, 3, 3, 1)).astype(np.float16)
    tfjs = Tfjs(SHAPE)
    tfjs.const("kernel", kernel, "float16")
    tfjs.window("out", op, "x", "kernel", stride=stride, padding=SAME)
    x = picture()
    seen = windows(x, 3, stride, 0)
    expected = np.einsum("nhwcij,ijc->nhwc", seen, kernel[..., 0].astype(np.float32))
    np.testing.assert_allclose(run(tfjs, "out", x), expected, atol=1e-4)


def test_peaks_are_what_no_neighbour_exceeds() -> None:
    tfjs = Tfjs(SHAPE)
    tfjs.node("heat", "Sigmoid", "x")
    ksize = {"list": {"i": ["1", "5", "5", "1"]}}
    tfjs.window("near", "MaxPool", "heat", stride=1, padding=SAME, ksize=ksize)
    tfjs.node("lacks", "Sub", "heat", "near")
    tfjs.node("far", "Abs", "lacks")
    tfjs.node("peak", "Less", "far", tfjs.const("little", 1e-6, "float32"))
    tfjs.node("ones", "Cast", "peak", **FLOAT)
    tfjs.node("out", "Mul", "heat", "ones")
    x = picture()
    heat = 1 / (1 + np.exp(-x))
    highest = windows(heat, 5, 1, -np.inf).max(axis=(4, 5))
    np.testing.assert_allclose(run(tfjs, "out", x), heat * (heat == highest), atol=1e-5)


def strided(tfjs: Tfjs, name: str, source: str, first: Any, last: Any, **masks: int) -> str:
    numbers = [tfjs.const(f"{name}/{key}", value) for key, value in (("from", first), ("to", last))]
    step = tfjs.const(f"{name}/step", np.ones(len(first)))
    attr = {f"{mask}_mask": {"i": str(bits)} for mask, bits in masks.items()}
    return tfjs.node(name, "StridedSlice", source, *numbers, step, **attr)


def test_a_picture_doubles_by_its_own_shape_which_is_known_beforehand() -> None:
    tfjs = Tfjs(SHAPE)
    tfjs.node("shape", "Shape", "x")
    strided(tfjs, "size", "shape", [1], [3])
    tfjs.node("twice", "Mul", "size", tfjs.const("two", [2, 2]))
    half_pixel = {"half_pixel_centers": {"b": True}, "align_corners": {"b": False}}
    tfjs.node("out", "ResizeBilinear", "x", "twice", **half_pixel)
    x = picture()
    found = run(tfjs, "out", x)
    assert found.shape == (1, 18, 20, 3)
    np.testing.assert_allclose(found[:, 0, 0], x[:, 0, 0], atol=1e-5)
    # a quarter of a pixel beyond the centres of the first two
    between = 0.75 * x[:, 0, 0] + 0.25 * x[:, 0, 1]
    np.testing.assert_allclose(found[:, 0, 1], between, atol=1e-5)
    operators = [node.op_type for node in converted(tfjs, "out", 4).graph.node]
    assert operators == ["Transpose", "Resize", "Transpose", "Identity"]


def test_the_best_cells_are_found_and_looked_up() -> None:
    """As MoveNet finds its people: the cells of the highest scores, and what stands there."""
    tfjs = Tfjs(SHAPE)
    width, channels = SHAPE[2], SHAPE[3]
    tfjs.node("flat", "Reshape", "x", tfjs.const("all", [1, -1]))
    tfjs.node("top", "TopKV2", "flat", tfjs.const("k", 4), sorted={"b": True})
    tfjs.node("cell", "FloorDiv", "top:1", tfjs.const("channels", channels))
    tfjs.node("row", "FloorDiv", "cell", tfjs.const("width", width))
    tfjs.node("before", "Mul", "row", "width")
    tfjs.node("column", "Sub", "cell", "before")
    tfjs.node("image", "Squeeze", "x", squeeze_dims={"list": {"i": ["0"]}})
    for name in ("row", "column"):
        tfjs.node(f"{name}s", "Reshape", name, tfjs.const(f"{name}/line", [-1]))
    tfjs.node("where", "Pack", "rows", "columns", axis={"i": "1"}, N={"i": "2"})
    tfjs.node("there", "GatherNd", "image", "where")
    tfjs.node("parts", "Unpack", "there", axis={"i": "1"}, num={"i": str(channels)})
    tfjs.node("sum", "AddN", "parts", "parts:1", "parts:2")
    strided(tfjs, "apart", "sum", [0, 0], [0, 0], begin=1, end=1, new_axis=2)
    tfjs.node("tiled", "Tile", "apart", tfjs.const("times", [1, 2]))
    tfjs.node("best", "Max", "there", tfjs.const("last", [1]), keep_dims={"b": True})
    tfjs.node("total", "Sum", "there", "last", keep_dims={"b": False})
    tfjs.node("totals", "ExpandDims", "total", tfjs.const("at", 1))
    tfjs.node("which", "ArgMax", "there", "at")
    tfjs.node("number", "Cast", "which", **FLOAT)
    tfjs.node("numbers", "ExpandDims", "number", "at")
    tfjs.node("out", "ConcatV2", "tiled", "best", "totals", "numbers", "at")
    x = picture()
    cells = np.argsort(-x.reshape(-1), kind="stable")[:4] // channels
    there = x[0].reshape(-1, channels)[cells]
    total = there.sum(axis=1, keepdims=True)
    columns = [total, total, there.max(axis=1, keepdims=True), total]
    expected = np.hstack([*columns, there.argmax(axis=1)[:, None]])
    np.testing.assert_allclose(run(tfjs, "out", x, rank=2), expected, atol=1e-5)


def test_arithmetic_and_choice_equal_numpy() -> None:
    tfjs = Tfjs(SHAPE)
    limits = {"low": -0.5, "high": 0.5, "eps": 1e-3}
    for name, value in limits.items():
        tfjs.const(name, value, "float32")
    tfjs.node("at_most", "Minimum", "x", "high")
    tfjs.node("clipped", "Maximum", "at_most", "low")
    tfjs.node("off", "SquaredDifference", "x", "clipped")
    tfjs.node("more", "AddV2", "off", "eps")
    tfjs.node("over", "Reciprocal", "more")
    tfjs.node("grown", "Exp", "clipped")
    tfjs.node("share", "RealDiv", "grown", "more")
    tfjs.node("not_low", "GreaterEqual", "x", "low")
    tfjs.node("not_high", "Less", "x", "high")
    tfjs.node("inside", "LogicalAnd", "not_low", "not_high")
    tfjs.node("out", "Select", "inside", "over", "share")
    x = picture()
    clipped = np.clip(x, -0.5, 0.5)
    more = (x - clipped) ** 2 + np.float32(1e-3)
    expected = np.where((x >= -0.5) & (x < 0.5), 1 / more, np.exp(clipped) / more)
    np.testing.assert_allclose(run(tfjs, "out", x), expected, rtol=1e-4)


def test_a_grid_is_computed_beforehand() -> None:
    tfjs = Tfjs(SHAPE)
    tfjs.node("shape", "Shape", "x")
    strided(tfjs, "width", "shape", [2], [3], shrink_axis=1)
    tfjs.node("end", "Cast", "width", **FLOAT)
    for name, value in (("zero", 0.0), ("one", 1.0)):
        tfjs.const(name, value, "float32")
    tfjs.node("range", "Range", "zero", "end", "one")
    tfjs.node("line", "Reshape", "range", tfjs.const("row", [1, 1, -1, 1]))
    tfjs.node("count", "Size", "range")
    tfjs.node("dims", "Pack", "count", "count", axis={"i": "0"})
    tfjs.node("ones", "Fill", "dims", "one")
    tfjs.node("halves", "Split", tfjs.const("axis", 0), "ones", num_split={"i": "2"})
    tfjs.node("tall", "Sum", "halves:1", tfjs.const("rows", [0]))
    tfjs.node("column", "Reshape", "tall", "row")
    tfjs.node("grid", "Mul", "line", "column")
    tfjs.node("out", "Add", "x", "grid")
    x = picture()
    expected = x + 5 * np.arange(10, dtype=np.float32)[:, None]
    np.testing.assert_allclose(run(tfjs, "out", x), expected, atol=1e-5)
    assert [node.op_type for node in converted(tfjs, "out", 4).graph.node] == ["Add", "Identity"]


def unknown_operator(tfjs: Tfjs) -> None:
    tfjs.node("out", "Conv3D", "x")


def no_such_node(tfjs: Tfjs) -> None:
    tfjs.node("out", "Abs", "y")


def fused_with_another(tfjs: Tfjs) -> None:
    kernel = tfjs.const("kernel", np.zeros((3, 3, 3, 2)), "float16")
    fused = {"list": {"s": [text("Elu")["s"]]}}
    tfjs.window("out", "_FusedConv2D", "x", kernel, stride=1, fused_ops=fused)


def channels_first(tfjs: Tfjs) -> None:
    kernel = tfjs.const("kernel", np.zeros((3, 3, 3, 2)), "float16")
    tfjs.window("out", "Conv2D", "x", kernel, stride=1, data_format=text("NCHW"))


def dilated(tfjs: Tfjs) -> None:
    kernel = tfjs.const("kernel", np.zeros((3, 3, 3, 2)), "float16")
    steps = {"list": {"i": ["1", "2", "2", "1"]}}
    tfjs.window("out", "Conv2D", "x", kernel, stride=1, dilations=steps)


def full_weights(tfjs: Tfjs) -> None:
    kernel = tfjs.const("kernel", np.zeros((3, 3, 3, 2)), "float32")
    tfjs.window("out", "Conv2D", "x", kernel, stride=1)


def computed_weights(tfjs: Tfjs) -> None:
    tfjs.window("out", "Conv2D", "x", "x", stride=1)


def of_no_picture(tfjs: Tfjs) -> None:
    ksize = {"list": {"i": ["1", "2", "2", "1"]}}
    tfjs.node("line", "Reshape", "x", tfjs.const("shape", [-1]))
    tfjs.window("out", "MaxPool", "line", stride=1, ksize=ksize)


def aligned_corners(tfjs: Tfjs) -> None:
    corners = {"align_corners": {"b": True}}
    tfjs.node("out", "ResizeBilinear", "x", tfjs.const("size", [4, 4]), **corners)


def cut(tfjs: Tfjs) -> None:
    strided(tfjs, "out", "x", [0, 0], [1, 4])


def ellipsis(tfjs: Tfjs) -> None:
    strided(tfjs, "out", "x", [0], [0], ellipsis=1)


def floats_divided(tfjs: Tfjs) -> None:
    tfjs.node("out", "FloorDiv", "x", tfjs.const("two", 2, "float32"))


def cast_to_text(tfjs: Tfjs) -> None:
    tfjs.node("out", "Cast", "x", DstT={"type": "DT_STRING"})


def computed_shape(tfjs: Tfjs) -> None:
    tfjs.node("out", "Reshape", "x", "x")


def unsorted(tfjs: Tfjs) -> None:
    tfjs.node("out", "TopKV2", "x", tfjs.const("k", 2))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (unknown_operator, "operator Conv3D of node out is not supported"),
        (no_such_node, "the graph has no node y"),
        (fused_with_another, "node out fuses Elu: not supported"),
        (channels_first, "attributes that are not supported"),
        (dilated, "attributes that are not supported"),
        (full_weights, "stored as float16, not float32"),
        (computed_weights, "x is no stored weight"),
        (of_no_picture, "node out .* takes no picture"),
        (aligned_corners, "another rule than half-pixel"),
        (cut, "node out cuts what is computed"),
        (ellipsis, "slices with an ellipsis"),
        (floats_divided, "divides no integers"),
        (cast_to_text, "casts to DT_STRING"),
        (computed_shape, "x is computed where a constant is expected"),
        (unsorted, "has a use that is not supported"),
    ],
)
def test_what_the_converter_does_not_know_is_an_error(spoil: Any, said: str) -> None:
    tfjs = Tfjs(SHAPE)
    spoil(tfjs)
    with pytest.raises(BuildError, match=said):
        converted(tfjs, "out", 4)
