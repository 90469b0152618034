"""QuantisedFiles files: what becomes INT8, what stays float, and that bytes repeat."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import numpy_helper

from models import quantize as module
from models.errors import BadModel, BuildError
from models.quantize import QuantisedFiles, quantise
from models.session import load_session
from models.zoo import VerifiedModel
from tests.models.convolved import convolved

Floats = NDArray[np.float32]


def pictures(count: int = 3, height: int = 64, width: int = 96) -> list[Floats]:
    rng = np.random.default_rng(2)
    return [rng.random((1, 3, height, width), np.float32) for _ in range(count)]


@pytest.fixture(scope="module")
def made() -> QuantisedFiles:
    return quantise("tiny", convolved(), pictures())


def run(content: bytes, picture: Floats) -> Floats:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    result: Floats = session.run(None, {"images": picture})[0]
    return result


@pytest.mark.parametrize(("height", "width"), [(64, 96), (32, 32), (128, 64)])
def test_one_file_finds_the_same_at_every_size(
    made: QuantisedFiles, height: int, width: int
) -> None:
    (picture,) = pictures(1, height, width)
    expected = run(convolved(), picture)
    step = float(np.ptp(expected)) / 255
    np.testing.assert_allclose(run(made.content, picture), expected, atol=4 * step)
    np.testing.assert_allclose(run(made.reduced, picture), expected, atol=8 * step)


def test_convolutions_are_integer_and_nothing_else(made: QuantisedFiles) -> None:
    assert (made.convolutions, made.pictures) == (2, 3)
    graph = onnx.load_model_from_string(made.content).graph
    kinds = Counter(node.op_type for node in graph.node)
    # what goes in and comes out of each, and no more
    assert kinds["QuantizeLinear"] == 4
    assert kinds["Cast"] == 0, "halves are float again, then bytes"
    source = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "Conv":
            assert {source[name].op_type for name in node.input} == {"DequantizeLinear"}
    (pad,) = (node for node in graph.node if node.op_type == "Pad")
    assert source[pad.input[0]].op_type == "LeakyRelu"
    (pool,) = (node for node in graph.node if node.op_type == "MaxPool")
    assert source[pool.input[0]] is not None
    assert source[pool.input[0]].op_type == "Pad", "minus infinity has no scale"


def weights(content: bytes) -> list[NDArray[Any]]:
    graph = onnx.load_model_from_string(content).graph
    arrays = map(numpy_helper.to_array, graph.initializer)
    return [each for each in arrays if each.dtype == np.int8 and each.ndim == 4]


def test_weights_have_eight_bits_or_seven(made: QuantisedFiles) -> None:
    for content, most in ((made.content, 127), (made.reduced, 64)):
        arrays = weights(content)
        assert len(arrays) == 2
        for array in arrays:
            # each channel has a scale of its own
            assert (np.abs(array.astype(int)).max(axis=(1, 2, 3)) == most).all()


def test_the_same_pictures_give_the_same_bytes(made: QuantisedFiles) -> None:
    again = quantise("tiny", convolved(), iter(pictures()))
    assert (again.content, again.reduced) == (made.content, made.reduced)
    # a machine that sums in another order differs by so much
    nearly = [each * np.float32(1 - 1e-6) for each in pictures()]
    assert quantise("tiny", convolved(), nearly).content == made.content


@given(value=st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6))
def test_a_range_is_widened_by_little_and_never_narrowed(value: float) -> None:
    (widened,) = module._widened(np.array([value]))
    assert abs(value) <= abs(widened) <= abs(value) * (1 + 2 / module.RANGE_STEPS)
    assert math.copysign(1, widened) == math.copysign(1, value)
    assert module._widened(np.array([widened])) == [widened]


def test_it_loads_as_its_entry_says(
    made: QuantisedFiles, make_model: Callable[..., VerifiedModel]
) -> None:
    size = {"height": 64, "width": 96, "dynamic": True, "colour": "rgb", "scale": 1.0}
    model = make_model(made.content, input={**size, "padding": {"value": 0, "align": "top_left"}})
    assert load_session(model).output_shapes == ((1, 7, 16 * 24),)
    assert load_session(model, input_size=(32, 64)).output_shapes == ((1, 7, 8 * 16),)


def test_a_file_of_an_older_onnx_is_brought_up_to_date() -> None:
    (picture,) = pictures(1)
    old = convolved(opset=11)
    made = quantise("tiny", old, pictures())
    expected = run(old, picture)
    step = float(np.ptp(expected)) / 255
    np.testing.assert_allclose(run(made.content, picture), expected, atol=4 * step)


@pytest.mark.parametrize("wrote", [{"constants": True}, {"branch": True}])
def test_weights_are_found_where_an_exporter_put_them(wrote: dict[str, bool]) -> None:
    (picture,) = pictures(1)
    own = convolved(**wrote)  # type: ignore[arg-type]
    made = quantise("tiny", own, pictures())
    assert made.convolutions == 2
    expected = run(own, picture)
    step = float(np.ptp(expected)) / 255
    np.testing.assert_allclose(run(made.content, picture), expected, atol=4 * step)


def test_what_cannot_be_quantised_is_said(made: QuantisedFiles) -> None:
    with pytest.raises(BuildError, match="tiny is quantised already: give the float model"):
        quantise("tiny", made.content, pictures())
    with pytest.raises(BuildError, match="without a picture"):
        quantise("tiny", convolved(), [])
    with pytest.raises(BuildError, match="no convolution that can be quantised"):
        quantise("tiny", convolved(convolutions=False), pictures())
    with pytest.raises(BadModel, match="tiny does not load as an ONNX model"):
        quantise("tiny", b"\x08\x09 no model", pictures())
    with pytest.raises(BadModel, match="tiny fails when it runs"):
        quantise("tiny", convolved(), [np.zeros((1, 1, 64, 64), np.float32)])


def test_without_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BuildError, match=r"pip install 'matakota\[build\]'"):
        quantise("tiny", convolved(), pictures())
