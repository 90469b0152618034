"""A detector of two convolutions, as small as one can be quantised."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

CLASSES = 3


def convolved(
    seed: int = 1,
    *,
    convolutions: bool = True,
    opset: int = 17,
    constants: bool = False,
    branch: bool = False,
) -> bytes:
    """Layout ``yolov8`` of 3 classes, any input: a convolution whose weights are stored in halves,
    a border of minus infinity before a maximum, a convolution. Without ``convolutions`` the means
    of blocks stand in their place. With ``constants`` nodes hold the weights; with ``branch`` a
    body alone uses one."""
    rng = np.random.default_rng(seed)
    rows = 4 + CLASSES
    last_kernel = (rng.normal(size=(rows, 8, 1, 1)) / 3).astype(np.float32)
    # nothing is found: what a test makes of noise would be luck
    last_kernel[4:] *= 0.01
    arrays: dict[str, Any] = {
        "half": (rng.normal(size=(8, 3, 3, 3)) / 5).astype(np.float16),
        "bias": rng.normal(size=8).astype(np.float32),
        "last": last_kernel,
        "border": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "minus": np.array(-np.inf, np.float32),
        "shape": np.array([1, rows, -1], np.int64),
        "many": np.array([1, 3, 1, 1], np.int64),
    }
    pads = {"pads": [1, 1, 1, 1], "strides": [2, 2]}
    first = [
        helper.make_node("Cast", ["half"], ["kernel"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["images", "kernel", "bias"], ["a"], kernel_shape=[3, 3], **pads),
    ]
    last = [helper.make_node("Conv", ["d", "last"], ["e"], kernel_shape=[1, 1])]
    if not convolutions:
        first = [helper.make_node("AveragePool", ["images"], ["a"], kernel_shape=[3, 3], **pads)]
        last = [
            helper.make_node("Tile", ["d", "many"], ["t"]),
            helper.make_node("Slice", ["t", "from", "to", "axis"], ["e"]),
        ]
        arrays |= {
            "from": np.array([0], np.int64),
            "to": np.array([rows], np.int64),
            "axis": np.array([1], np.int64),
        }
    nodes = [
        *first,
        helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.1),
        helper.make_node("Pad", ["b", "border", "minus"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[3, 3], strides=[2, 2]),
        *last,
        helper.make_node("Reshape", ["e", "shape"], ["f" if branch else "output0"]),
    ]
    if branch:
        nodes.append(_branch(rows))
        arrays |= {"yes": np.array(True), "more": np.array(0.5, np.float32)}
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, "height", "width"])
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, rows, "anchors"])
    used = {name for node in nodes for name in node.input} | {"more"}
    stored = [
        numpy_helper.from_array(array, name) for name, array in arrays.items() if name in used
    ]
    if constants:
        nodes = [
            *(helper.make_node("Constant", [], [each.name], value=each) for each in stored),
            *nodes,
        ]
        stored = []
    model = helper.make_model(
        helper.make_graph(nodes, "convolved", [image], [output], stored),
        opset_imports=[helper.make_opsetid("", opset)],
    )
    model.ir_version = 9
    return bytes(model.SerializeToString())


def _branch(rows: int) -> Any:
    """``f`` and what is stored as ``more``, in the bodies of a condition."""
    result = helper.make_tensor_value_info("g", TensorProto.FLOAT, [1, rows, None])
    bodies = [
        helper.make_graph([helper.make_node(op, ["f", "more"], ["g"])], op, [], [result])
        for op in ("Add", "Sub")
    ]
    return helper.make_node(
        "If", ["yes"], ["output0"], then_branch=bodies[0], else_branch=bodies[1]
    )
