"""Converts a TensorFlow.js graph model to ONNX nodes for the one input size that it is given.

Every shape is known then, so all that depends on shapes and constants alone is computed here, by
numpy, and only what depends on the picture becomes a node. Only the operators of the MoveNet
graph are known; any other is an error, never a guess.

TensorFlow sees pictures channels-last, ONNX wants them channels-first: a tensor that a convolution
made stays channels-first until an operator asks for its axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from types import MappingProxyType
from typing import Any

import numpy as np

from models.errors import BuildError
from models.onnxgraph import GraphBuilder
from models.tfjs import Array, GraphModel, Node
from models.tfjspictures import convolution, max_pool, resize
from models.tfjsworkspace import Value, Workspace

TYPES: Mapping[str, type[np.generic]] = MappingProxyType(
    {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_BOOL": np.bool_}
)
SLICE_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
_ELEMENTWISE: Mapping[str, tuple[str, Callable[..., Array]]] = MappingProxyType(
    {
        "Abs": ("Abs", np.abs),
        "Add": ("Add", np.add),
        "AddV2": ("Add", np.add),
        "AddN": ("Sum", lambda *terms: reduce(np.add, terms)),
        "Equal": ("Equal", np.equal),
        "Exp": ("Exp", np.exp),
        "Greater": ("Greater", np.greater),
        "GreaterEqual": ("GreaterOrEqual", np.greater_equal),
        "Less": ("Less", np.less),
        "LogicalAnd": ("And", np.logical_and),
        "Maximum": ("Max", np.maximum),
        "Minimum": ("Min", np.minimum),
        "Mul": ("Mul", np.multiply),
        "RealDiv": ("Div", np.divide),
        "Reciprocal": ("Reciprocal", np.reciprocal),
        "Select": ("Where", np.where),
        "Sigmoid": ("Sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        "Sub": ("Sub", np.subtract),
    }
)
"""TensorFlow's operator to ONNX's, and numpy's for constants."""


class FixedConverter:
    """Turns the ancestors of a requested tensor into nodes of a GraphBuilder. ``image`` is the ONNX
    tensor that stands for the graph's only placeholder, of ``shape`` and ``kind``."""

    def __init__(
        self,
        model: GraphModel,
        builder: GraphBuilder,
        image: str,
        shape: tuple[int, ...],
        kind: type[np.generic],
    ) -> None:
        self._model, self._builder = model, builder
        self._image = Value(np.zeros(shape, kind), image)
        self._work = Workspace(model, builder)
        self._values = self._work.values
        self._known: dict[str, Callable[[Node], Value]] = {
            "ArgMax": self._arg_max,
            "Cast": self._cast,
            "ConcatV2": self._concat,
            "Conv2D": partial(convolution, self._work),
            "DepthwiseConv2dNative": partial(convolution, self._work),
            "ExpandDims": self._expand_dims,
            "Fill": self._fill,
            "FloorDiv": self._floor_div,
            "FusedDepthwiseConv2dNative": partial(convolution, self._work),
            "GatherNd": self._gather,
            "Identity": lambda node: self._values[node.inputs[0]],
            "Max": self._reduction,
            "MaxPool": partial(max_pool, self._work),
            "Pack": self._pack,
            "Placeholder": self._placeholder,
            "Range": self._range,
            "Reshape": self._reshape,
            "ResizeBilinear": partial(resize, self._work),
            "Shape": self._shape,
            "Size": self._size,
            "Split": self._split,
            "SquaredDifference": self._squared_difference,
            "Squeeze": self._squeeze,
            "StridedSlice": self._slice,
            "Sum": self._reduction,
            "Tile": self._tile,
            "TopKV2": self._top,
            "Unpack": self._unpack,
            "_FusedConv2D": partial(convolution, self._work),
            **dict.fromkeys(_ELEMENTWISE, self._elementwise),
        }

    def convert(self, name: str) -> str:
        """The ONNX tensor, ordered as TensorFlow's, of a TensorFlow tensor, with everything that
        it needs. Raises BuildError for an operator, an attribute or a use that is not known."""
        # an own stack: the graph is deeper than Python's recursion limit allows
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in self._values:
                waiting.pop()
                continue
            node = self._node(current)
            missing = [source for source in node.inputs if source not in self._values]
            if missing:
                waiting.extend(reversed(missing))
                continue
            self._values[node.name] = self._value(node)
        return self._work.plain(self._values[name])

    def _value(self, node: Node) -> Value:
        stored = self._model.constants.get(node.name)
        if stored is not None:
            # half precision is how weights are stored, not how TensorFlow computes
            return Value(stored.astype(np.float32) if stored.dtype == np.float16 else stored)
        if node.op not in self._known:
            raise BuildError(f"operator {node.op} of node {node.name} is not supported")
        return self._known[node.op](node)

    def _node(self, tensor: str) -> Node:
        name = tensor.partition(":")[0]
        if name not in self._model.nodes:
            raise BuildError(f"the graph has no node {name}")
        return self._model.nodes[name]

    def _elementwise(self, node: Node) -> Value:
        op, compute = _ELEMENTWISE[node.op]
        values = self._work.inputs(node)
        # one number is the same in any order
        turned = all(value.channels_first or value.array.ndim == 0 for value in values)
        if turned and any(value.channels_first for value in values):
            array = compute(*(value.array for value in values))
            names = [value.name or self._work.plain(value) for value in values]
            return Value(array, self._builder.add(op, names), channels_first=True)
        return self._work.result(node, compute, lambda *xs: self._builder.add(op, xs), len(values))

    def _squared_difference(self, node: Node) -> Value:
        def emit(left: str, right: str) -> str:
            difference = self._builder.add("Sub", [left, right])
            return self._builder.add("Mul", [difference, difference])

        return self._work.result(node, lambda a, b: (a - b) ** 2, emit, 2)

    def _floor_div(self, node: Node) -> Value:
        if any(value.array.dtype != np.int32 for value in self._work.inputs(node)):
            raise BuildError(f"node {node.name} divides no integers, which is not supported")
        # ONNX cuts off towards zero, which is the floor of the indices that this is used for
        return self._work.result(
            node, np.floor_divide, lambda *xs: self._builder.add("Div", xs), len(node.inputs)
        )

    def _cast(self, node: Node) -> Value:
        stated = node.attr["DstT"]["type"]
        if stated not in TYPES:
            raise BuildError(f"node {node.name} casts to {stated}, which is not supported")
        kind = TYPES[stated]
        value = self._values[node.inputs[0]]
        array = value.array.astype(kind)
        if value.name is None:
            return Value(array)
        return Value(array, self._builder.cast(value.name, kind), value.channels_first)

    def _placeholder(self, node: Node) -> Value:
        del node
        return self._image

    def _shape(self, node: Node) -> Value:
        return Value(np.array(self._values[node.inputs[0]].array.shape, np.int32))

    def _size(self, node: Node) -> Value:
        return Value(np.array(self._values[node.inputs[0]].array.size, np.int32))

    def _range(self, node: Node) -> Value:
        start, limit, step = (self._work.constant(node, index) for index in range(3))
        return Value(np.arange(start.item(), limit.item(), step.item(), dtype=start.dtype))

    def _fill(self, node: Node) -> Value:
        shape, number = (self._work.constant(node, index) for index in range(2))
        return Value(np.full(shape.tolist(), number, number.dtype))

    def _reshape(self, node: Node) -> Value:
        shape = self._work.constant(node, 1).tolist()
        final = self._values[node.inputs[0]].array.reshape(shape).shape
        return self._reshaped(node, final)

    def _squeeze(self, node: Node) -> Value:
        array = self._values[node.inputs[0]].array
        return self._reshaped(node, array.squeeze(tuple(node.ints("squeeze_dims"))).shape)

    def _expand_dims(self, node: Node) -> Value:
        array = self._values[node.inputs[0]].array
        return self._reshaped(node, np.expand_dims(array, int(self._work.constant(node, 1))).shape)

    def _reshaped(self, node: Node, shape: Sequence[int]) -> Value:
        """Squeezing and expanding are reshaping: here every shape is known."""
        return self._work.result(
            node,
            lambda x: x.reshape(shape),
            lambda x: self._builder.add("Reshape", [x, self._work.ints(*shape)]),
        )

    def _slice(self, node: Node) -> Value:
        begin, end, step = (self._work.constant(node, index).tolist() for index in (1, 2, 3))
        index: list[Any] = []
        for axis in range(len(begin)):
            at = {mask: bool(node.number(f"{mask}_mask") >> axis & 1) for mask in SLICE_MASKS}
            if at["ellipsis"]:
                raise BuildError(f"node {node.name} slices with an ellipsis: not supported")
            if at["new_axis"]:
                index.append(np.newaxis)
            elif at["shrink_axis"]:
                index.append(begin[axis])
            else:
                first = None if at["begin"] else begin[axis]
                index.append(slice(first, None if at["end"] else end[axis], step[axis]))
        value = self._values[node.inputs[0]]
        array = value.array[tuple(index)]
        if value.name is None:
            return Value(array)
        if array.size != value.array.size or step != [1] * len(step):
            raise BuildError(f"node {node.name} cuts what is computed, which is not supported")
        return self._reshaped(node, array.shape)

    def _tile(self, node: Node) -> Value:
        times = self._work.constant(node, 1).tolist()
        return self._work.result(
            node,
            lambda x: np.tile(x, times),
            lambda x: self._builder.add("Tile", [x, self._work.ints(*times)]),
        )

    def _pack(self, node: Node) -> Value:
        axis = node.number("axis")

        def emit(*parts: str) -> str:
            rows = [self._builder.add("Unsqueeze", [part, self._work.ints(axis)]) for part in parts]
            return self._builder.add("Concat", rows, axis=axis)

        return self._work.result(node, lambda *xs: np.stack(xs, axis), emit, len(node.inputs))

    def _concat(self, node: Node) -> Value:
        axis = int(self._work.constant(node, len(node.inputs) - 1))
        return self._work.result(
            node,
            lambda *xs: np.concatenate(xs, axis),
            lambda *xs: self._builder.add("Concat", xs, axis=axis),
            len(node.inputs) - 1,
        )

    def _split(self, node: Node) -> Value:
        count = node.number("num_split")
        return self._parts(
            node, node.inputs[1], count, int(self._work.constant(node, 0)), keep=True
        )

    def _unpack(self, node: Node) -> Value:
        return self._parts(node, node.inputs[0], node.number("num"), node.number("axis"))

    def _parts(
        self, node: Node, source: str, count: int, axis: int, *, keep: bool = False
    ) -> Value:
        """``count`` equal parts along ``axis``, which stays with ``keep`` alone."""
        value = self._values[source]
        arrays: list[Array] = np.split(value.array, count, axis)
        found = [Value(array) for array in arrays]
        if value.name is not None:
            sizes = [array.shape[axis] for array in arrays]
            names = self._builder.split(self._work.plain(value), sizes, axis)
            found = [Value(*pair) for pair in zip(arrays, names, strict=True)]
        for index, part in enumerate(found):
            if not keep:
                array = part.array.squeeze(axis)
                name = part.name and self._builder.add(
                    "Squeeze", [part.name, self._work.ints(axis)]
                )
                part = Value(array, name)
            self._values[f"{node.name}:{index}"] = part
        return self._values[f"{node.name}:0"]

    def _gather(self, node: Node) -> Value:
        return self._work.result(
            node,
            lambda data, where: data[tuple(np.moveaxis(where, -1, 0))],
            lambda data, where: self._builder.add(
                "GatherND", [data, self._builder.cast(where, np.int64)]
            ),
            2,
        )

    def _reduction(self, node: Node) -> Value:
        axes = tuple(int(axis) for axis in self._work.constant(node, 1).reshape(-1))
        keep = node.flag("keep_dims")
        if node.op == "Sum":
            return self._work.result(
                node,
                lambda x: x.sum(axes, x.dtype, keepdims=keep),
                lambda x: self._builder.add(
                    "ReduceSum", [x, self._work.ints(*axes)], keepdims=int(keep)
                ),
            )
        return self._work.result(
            node,
            lambda x: x.max(axes, keepdims=keep),
            lambda x: self._builder.add("ReduceMax", [x], axes=list(axes), keepdims=int(keep)),
        )

    def _arg_max(self, node: Node) -> Value:
        axis = int(self._work.constant(node, 1))

        def emit(x: str) -> str:
            found = self._builder.add("ArgMax", [x], axis=axis, keepdims=0)
            return self._builder.cast(found, np.int32)

        return self._work.result(node, lambda x: x.argmax(axis).astype(np.int32), emit)

    def _top(self, node: Node) -> Value:
        value, count = self._values[node.inputs[0]], int(self._work.constant(node, 1))
        if value.name is None or not node.flag("sorted"):
            raise BuildError(f"node {node.name} (TopKV2) has a use that is not supported")
        best, where = self._builder.top(self._work.plain(value), count)
        array = value.array[..., :count]
        index = Value(array.astype(np.int32), self._builder.cast(where, np.int32))
        self._values[f"{node.name}:1"] = index
        return Value(array, best)
