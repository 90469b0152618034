"""Detectors with INT8 convolutions: about half the work, and a quarter of the file.

Quantise and dequantise nodes (QDQ) around convolutions and nothing else: activations U8, weights S8
with a scale of each channel's own, ranges by the least and the greatest value on pictures that the
caller gives. What lies between convolutions stays float: there it costs more to convert than to
compute, and a border of minus infinity before a maximum has no scale.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import BadModel, BuildError
from models.onnxgraph import PRODUCER
from models.runtime import CPU, reason, runtime, runtime_errors, session_options

if TYPE_CHECKING:
    import onnx

Ranges: TypeAlias = dict[str, tuple[float, float]]
"""The least and the greatest value of each tensor."""

RANGE_STEPS = 256
"""A range is widened to a multiple of 1/256 of the next power of two, so that machines that sum
in another order make the same file."""
PER_CHANNEL_OPSET = 13
_QUANTISED = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger"})


@dataclass(frozen=True, slots=True)
class QuantisedFiles:
    """Two ONNX files of one model: ``content`` for CPUs that add up products of bytes without
    overflow, ``reduced`` with weights of 7 bits for all others; ``convolutions`` became INT8, and
    ``pictures`` gave their ranges."""

    content: bytes
    reduced: bytes
    convolutions: int
    pictures: int


def quantise(name: str, content: bytes, pictures: Iterable[NDArray[np.float32]]) -> QuantisedFiles:
    """The INT8 files of a model's ONNX file ``content``. The same ``pictures`` (1, 3, h, w), as the
    model gets them, give the same bytes.

    Raises BuildError where the package onnx is missing, no picture is given or nothing can be
    quantised, BadModel where the file is no model or does not run.
    """
    _require_onnx(name)
    model = _prepared(name, content)
    convolutions = _convolutions(model)
    ranges, count = _ranges(name, model, convolutions, pictures) if convolutions else ({}, 0)
    chosen = [
        node.name
        for node in convolutions
        if all(np.isfinite(ranges[each]).all() and any(ranges[each]) for each in _ends(node))
    ]
    if not chosen:
        raise BuildError(f"{name} has no convolution that can be quantised: use it as it is")
    full, reduced = (_with_integers(model, ranges, chosen, each) for each in (False, True))
    return QuantisedFiles(full, reduced, len(chosen), count)


def _require_onnx(name: str) -> None:
    runtime()
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise BuildError(
            f"quantising {name} needs the package onnx: pip install 'matakota[build]'"
        ) from error


def _prepared(name: str, content: bytes) -> onnx.ModelProto:
    """The model with plain float32 weights, names for all nodes and the types of all tensors."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise BadModel(f"{name} does not load as an ONNX model: {error}") from error
    if any(node.op_type in _QUANTISED for node in model.graph.node):
        raise BuildError(f"{name} is quantised already: give the float model that it was made from")
    model = _of_opset(model)
    _store_constants(model.graph)
    _unfold_halves(model)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    with tempfile.TemporaryDirectory(prefix="matakota-quantise-") as folder:
        path = Path(folder) / "prepared.onnx"
        quant_pre_process(model, path, skip_optimization=True, skip_symbolic_shape=True)
        return onnx.load(path)


def _of_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in the first version of ONNX in which each channel may have a scale, or its own."""
    from onnx import version_converter

    versions = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
    if all(version >= PER_CHANNEL_OPSET for version in versions):
        return model
    return version_converter.convert_version(model, PER_CHANNEL_OPSET)


def _store_constants(graph: onnx.GraphProto) -> None:
    """Tensors that nodes hold, as some exporters write weights, among those that are stored."""
    for node in list(graph.node):
        value = next((each.t for each in node.attribute if each.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            stored = graph.initializer.add()
            stored.CopyFrom(value)
            stored.name = node.output[0]
            graph.node.remove(node)


def _unfold_halves(model: onnx.ModelProto) -> None:
    """Weights that are stored as float16 and cast when the model loads, as float32."""
    from onnx import TensorProto, numpy_helper

    stored = {each.name: each for each in model.graph.initializer}
    casts = [
        node
        for node in model.graph.node
        if node.op_type == "Cast"
        and node.input[0] in stored
        and any(each.name == "to" and each.i == TensorProto.FLOAT for each in node.attribute)
    ]
    for node in casts:
        array = numpy_helper.to_array(stored[node.input[0]]).astype("<f4")
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        model.graph.node.remove(node)
    used = _used(model.graph)
    for each in list(model.graph.initializer):
        if each.name not in used:
            model.graph.initializer.remove(each)


def _used(graph: onnx.GraphProto) -> set[str]:
    """What the nodes of a graph take, and what it returns."""
    return {each.name for each in graph.output}.union(*map(_taken, graph.node))


def _taken(node: onnx.NodeProto) -> set[str]:
    """What a node takes, and what the bodies of a condition or a loop do."""
    bodies = [each.g for each in node.attribute if each.HasField("g")]
    bodies += [body for each in node.attribute for body in each.graphs]
    return set(node.input).union(*map(_used, bodies))


def _put_in_order(graph: onnx.GraphProto) -> None:
    """Each node behind what it takes: onnxruntime's own sorting does not look into bodies."""
    waiting = list(graph.node)
    missing = {name for node in waiting for name in node.output}
    ordered: list[onnx.NodeProto] = []
    while waiting:
        before, waiting = waiting, []
        for node in before:
            if missing & _taken(node):
                waiting.append(node)
                continue
            ordered.append(node)
            missing.difference_update(node.output)
        if len(waiting) == len(before):
            return
    del graph.node[:]
    graph.node.extend(ordered)


def _convolutions(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Those whose weights are stored, and are no result of the picture."""
    stored = {each.name for each in model.graph.initializer}
    return [
        node
        for node in model.graph.node
        if node.op_type == "Conv" and all(name in stored for name in node.input[1:] if name)
    ]


def _ends(node: onnx.NodeProto) -> tuple[str, str]:
    return node.input[0], node.output[0]


def _ranges(
    name: str,
    model: onnx.ModelProto,
    convolutions: Sequence[onnx.NodeProto],
    pictures: Iterable[NDArray[np.float32]],
) -> tuple[Ranges, int]:
    """The ranges of what goes into and comes out of convolutions, and of how many pictures."""
    tensors = list(dict.fromkeys(each for node in convolutions for each in _ends(node)))
    least, greatest = np.full(len(tensors), np.inf), np.full(len(tensors), -np.inf)
    count = 0
    try:
        session = runtime().InferenceSession(
            _measuring(model, tensors), session_options(threads=1), providers=[CPU]
        )
        image = session.get_inputs()[0].name
        for picture in pictures:
            low, high = session.run(["least", "greatest"], {image: picture})
            np.minimum(least, low, out=least)
            np.maximum(greatest, high, out=greatest)
            count += 1
    except runtime_errors() as error:
        raise BadModel(f"{name} fails when it runs: {reason(error)}") from error
    if not count:
        raise BuildError(f"{name} cannot be quantised without a picture: name a clip that has some")
    pairs = zip(_widened(least), _widened(greatest), strict=True)
    return dict(zip(tensors, pairs, strict=True)), count


def _measuring(model: onnx.ModelProto, tensors: list[str]) -> bytes:
    """The model with two more outputs (n,): the least and the greatest value of each tensor."""
    import onnx
    from onnx import TensorProto, helper

    measuring = onnx.ModelProto()
    measuring.CopyFrom(model)
    graph = measuring.graph
    for output, op in (("least", "ReduceMin"), ("greatest", "ReduceMax")):
        names = [f"{output}_{index}" for index in range(len(tensors))]
        for tensor, scalar in zip(tensors, names, strict=True):
            graph.node.append(helper.make_node(op, [tensor], [f"{scalar}_all"], keepdims=0))
            graph.node.append(
                helper.make_node("Reshape", [f"{scalar}_all", "matakota_one"], [scalar])
            )
        graph.node.append(helper.make_node("Concat", names, [output], axis=0))
        graph.output.append(
            helper.make_tensor_value_info(output, TensorProto.FLOAT, [len(tensors)])
        )
    graph.initializer.append(helper.make_tensor("matakota_one", TensorProto.INT64, [1], [1]))
    return bytes(measuring.SerializeToString())


def _widened(values: NDArray[np.float64]) -> list[float]:
    mantissa, exponent = np.frexp(values)
    steps = np.copysign(np.ceil(np.abs(mantissa) * RANGE_STEPS), values)
    return [float(each) for each in np.ldexp(steps / RANGE_STEPS, exponent)]


def _with_integers(
    model: onnx.ModelProto,
    ranges: Mapping[str, tuple[float, float]],
    chosen: list[str],
    reduced: bool,
) -> bytes:
    """The quantised file; ``reduced``: with weights of 7 bits."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    own = onnx.ModelProto()
    own.CopyFrom(model)
    found = {
        name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    quantiser = QDQQuantizer(
        own,
        per_channel=True,
        reduce_range=reduced,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, found),
        nodes_to_quantize=chosen,
        nodes_to_exclude=[],
        op_types_to_quantize=["Conv"],
        extra_options={},
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    result = quantiser.model.model
    _put_in_order(result.graph)
    result.producer_name, result.producer_version = PRODUCER, ""
    del result.metadata_props[:]
    del result.graph.value_info[:]
    onnx.checker.check_model(result)
    return bytes(result.SerializeToString(deterministic=True))
