"""Converts a TensorFlow.js graph model to ONNX nodes that work at any input size.

Only the operators of the NanoDet graph are known; any other is an error, never a guess. That
graph was itself converted from a channels-first network, so every convolution sits between two
transposes. They are not copied: each tensor stays channels-first in ONNX and only remembers that
TensorFlow sees it channels-last.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.errors import BuildError
from models.onnxgraph import GraphBuilder

if TYPE_CHECKING:
    import onnx

TO_CHANNELS_LAST = (0, 2, 3, 1)
TO_CHANNELS_FIRST = (0, 3, 1, 2)
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One TensorFlow node; ``attr`` is its JSON attribute map."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attr: Mapping[str, Any]

    def ints(self, key: str) -> list[int]:
        """A list attribute of integers; empty when absent."""
        return [int(value) for value in self.attr.get(key, {}).get("list", {}).get("i", [])]

    def text(self, key: str) -> str:
        """A string attribute, which JSON carries in base64."""
        return base64.b64decode(self.attr.get(key, {}).get("s", "")).decode("ascii")

    def texts(self, key: str) -> list[str]:
        """A list attribute of strings; empty when absent."""
        stated = self.attr.get(key, {}).get("list", {}).get("s", [])
        return [base64.b64decode(value).decode("ascii") for value in stated]

    def number(self, key: str) -> int:
        """An integer attribute; 0 when absent."""
        return int(self.attr.get(key, {}).get("i", 0))

    def flag(self, key: str) -> bool:
        return bool(self.attr.get(key, {}).get("b", False))


@dataclass(frozen=True, slots=True)
class GraphModel:
    """A parsed graph model: its nodes by name, and its constants by node name. Constants that the
    package stores as float16 stay float16."""

    nodes: Mapping[str, Node]
    constants: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A converted tensor: ``name`` in ONNX, always channels-first.

    ``stride`` is input pixels per cell. ``channels_last`` says how TensorFlow sees it. ``pad`` is
    a border (top, left, bottom, right) and its value that the next operator must add itself.
    """

    name: str
    stride: int
    channels_last: bool = False
    pad: tuple[tuple[int, int, int, int], float] | None = None


def parse(topology: bytes, weights: bytes) -> GraphModel:
    """Read ``model.json`` and the joined weight file. Raises BuildError for another format."""
    try:
        document = json.loads(topology)
        nodes = {raw["name"]: _node(raw) for raw in document["modelTopology"]["node"]}
        entries = [entry for group in document["weightsManifest"] for entry in group["weights"]]
        return GraphModel(nodes, _constants(entries, weights))
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(f"this is no TensorFlow.js graph model: {error!r}") from error


def _node(raw: Mapping[str, Any]) -> Node:
    # a node's first output goes by its bare name
    inputs = tuple(name.removesuffix(":0") for name in raw.get("input", []))
    return Node(raw["name"], raw["op"], inputs, raw.get("attr", {}))


def _constants(entries: Sequence[Mapping[str, Any]], weights: bytes) -> dict[str, Array]:
    stored_types = {"float16": "<f2", "float32": "<f4", "int32": "<i4"}
    found: dict[str, Array] = {}
    offset = 0
    for entry in entries:
        quantization = entry.get("quantization") or {}
        if "scale" in quantization:
            raise BuildError(f"weight {entry['name']} is quantised, which is not supported")
        stored = np.dtype(stored_types[quantization.get("dtype", entry["dtype"])])
        count = prod(entry["shape"])
        found[entry["name"]] = np.frombuffer(weights, stored, count, offset).reshape(entry["shape"])
        offset += count * stored.itemsize
    if offset != len(weights):
        raise BuildError(f"the weight file has {len(weights)} bytes, its manifest names {offset}")
    return found


class Converter:
    """Turns the ancestors of requested tensors into nodes of a GraphBuilder.

    ``image`` is the ONNX tensor [1, 3, h, w] that stands for the graph's only placeholder, whose
    published size tells the scale of every resize.
    """

    def __init__(self, model: GraphModel, builder: GraphBuilder, image: str) -> None:
        self._model, self._builder, self._image = model, builder, image
        self._constants: dict[str, Array] = dict(model.constants)
        self._tensors: dict[str, Tensor] = {}
        self._convolutions: dict[str, onnx.NodeProto] = {}
        self._uses = Counter(name for node in model.nodes.values() for name in node.inputs)
        self._published_height = 0
        self._known: dict[str, Callable[[Node], Tensor | None]] = {
            "Placeholder": self._placeholder,
            "Identity": lambda node: self._tensor(node.inputs[0]),
            "Transpose": self._transpose,
            "Pad": self._pad,
            "PadV2": self._pad,
            "Conv2D": self._convolution,
            "Add": self._sum,
            "AddV2": self._sum,
            "LeakyRelu": self._leaky_relu,
            "Sigmoid": self._sigmoid,
            "MaxPool": self._max_pool,
            "ConcatV2": self._concat,
            "ResizeBilinear": self._resize,
            "SparseToDense": self._sparse_to_dense,
            "Reshape": self._reshape,
            "SplitV": self._split,
        }

    def convert(self, name: str) -> Tensor:
        """The ONNX tensor of a TensorFlow tensor, with everything that it needs.

        Raises BuildError for an operator, an attribute or a layout that is not known.
        """
        # an own stack: the graph is deeper than Python's recursion limit allows
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in self._tensors or current in self._constants:
                waiting.pop()
                continue
            node = self._node(current)
            missing = [
                source
                for source in node.inputs
                if source not in self._tensors and source not in self._constants
            ]
            if missing:
                waiting.extend(reversed(missing))
                continue
            converted = self._handler(node)(node)
            if converted is not None:
                self._tensors[node.name] = converted
        return self._tensor(name)

    def _handler(self, node: Node) -> Callable[[Node], Tensor | None]:
        if node.op not in self._known:
            raise BuildError(f"operator {node.op} of node {node.name} is not supported")
        return self._known[node.op]

    def _node(self, tensor: str) -> Node:
        name = tensor.partition(":")[0]
        if name not in self._model.nodes:
            raise BuildError(f"the graph has no node {name}")
        return self._model.nodes[name]

    def _tensor(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise BuildError(f"{name} is a constant where a computed tensor is expected")
        return self._tensors[name]

    def _constant(self, name: str) -> Array:
        if name not in self._constants:
            raise BuildError(f"{name} is computed where a constant is expected")
        return self._constants[name]

    def _first(self, node: Node, *, channels_last: bool = False, may_pad: bool = False) -> Tensor:
        """The node's first input, in the layout that the operator needs."""
        tensor = self._tensor(node.inputs[0])
        if tensor.channels_last != channels_last or (tensor.pad and not may_pad):
            raise BuildError(f"node {node.name} ({node.op}) sits where it is not expected")
        return tensor

    def _window(self, node: Node, pad_value: float) -> tuple[Tensor, list[int], int]:
        """Input, pads and stride of an operator that slides a window."""
        tensor = self._first(node, channels_last=True, may_pad=True)
        strides = node.ints("strides")
        pads, value = tensor.pad or ((0, 0, 0, 0), pad_value)
        plain = node.text("padding") == "VALID" and node.text("data_format") == "NHWC"
        if not plain or strides[1] != strides[2] or value != pad_value:
            raise BuildError(f"node {node.name} ({node.op}) has attributes that are not supported")
        return tensor, list(pads), strides[1]

    def _placeholder(self, node: Node) -> Tensor:
        dims = [int(dim["size"]) for dim in node.attr["shape"]["shape"]["dim"]]
        self._published_height = dims[2]
        return Tensor(self._image, stride=1)

    def _transpose(self, node: Node) -> Tensor:
        tensor = self._tensor(node.inputs[0])
        order = tuple(int(axis) for axis in self._constant(node.inputs[1]))
        expected = TO_CHANNELS_FIRST if tensor.channels_last else TO_CHANNELS_LAST
        if order != expected:
            raise BuildError(f"node {node.name} transposes by {order}, which is not supported")
        return replace(tensor, channels_last=not tensor.channels_last)

    def _pad(self, node: Node) -> Tensor:
        tensor = self._first(node)
        widths = self._constant(node.inputs[1]).tolist()
        if any(widths[0]) or any(widths[1]):
            raise BuildError(f"node {node.name} pads the batch or the channels")
        (top, bottom), (left, right) = widths[2:]
        value = float(self._constant(node.inputs[2])) if node.op == "PadV2" else 0.0
        return replace(tensor, pad=((top, left, bottom, right), value))

    def _convolution(self, node: Node) -> Tensor:
        tensor, pads, stride = self._window(node, 0.0)
        if any(dilation != 1 for dilation in node.ints("dilations")):
            raise BuildError(f"node {node.name} is dilated, which is not supported")
        kernel = self._constant(node.inputs[1]).transpose(3, 2, 0, 1)
        convolution = self._builder.add_node(
            "Conv",
            [tensor.name, self._builder.weight(kernel)],
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            pads=pads,
        )
        self._convolutions[node.name] = convolution
        return Tensor(convolution.output[0], tensor.stride * stride, channels_last=True)

    def _sum(self, node: Node) -> Tensor | None:
        left, right = node.inputs
        if left in self._constants and right in self._constants:
            self._constants[node.name] = self._constants[left] + self._constants[right]
            return None
        tensor = self._tensor(left)
        if right in self._constants:
            bias = self._constants[right]
            convolution = self._convolutions.get(left)
            if convolution is None or self._uses[left] != 1 or bias.ndim != 1:
                raise BuildError(f"node {node.name} adds a constant to no convolution")
            convolution.input.append(self._builder.weight(bias))
            return tensor
        other = self._tensor(right)
        if replace(tensor, name="") != replace(other, name="") or tensor.pad:
            raise BuildError(f"node {node.name} adds tensors of different layouts")
        return replace(tensor, name=self._builder.add("Add", [tensor.name, other.name]))

    def _leaky_relu(self, node: Node) -> Tensor:
        tensor = self._first(node)
        alpha = float(node.attr["alpha"]["f"])
        return replace(tensor, name=self._builder.add("LeakyRelu", [tensor.name], alpha=alpha))

    def _sigmoid(self, node: Node) -> Tensor:
        tensor = self._first(node)
        return replace(tensor, name=self._builder.add("Sigmoid", [tensor.name]))

    def _max_pool(self, node: Node) -> Tensor:
        # ONNX pads a maximum with minus infinity, as the graph's own PadV2 does
        tensor, pads, stride = self._window(node, -np.inf)
        name = self._builder.add(
            "MaxPool",
            [tensor.name],
            kernel_shape=node.ints("ksize")[1:3],
            strides=[stride, stride],
            pads=pads,
        )
        return Tensor(name, tensor.stride * stride, channels_last=True)

    def _concat(self, node: Node) -> Tensor:
        *parts, axis = node.inputs
        tensors = [self._tensor(part) for part in parts]
        shared = {replace(tensor, name="") for tensor in tensors}
        if len(shared) != 1 or tensors[0].channels_last or tensors[0].pad:
            raise BuildError(f"node {node.name} joins tensors of different layouts")
        names = [tensor.name for tensor in tensors]
        joined = self._builder.add("Concat", names, axis=int(self._constant(axis)))
        return replace(tensors[0], name=joined)

    def _resize(self, node: Node) -> Tensor:
        tensor = self._first(node, channels_last=True)
        if node.flag("align_corners") or not node.flag("half_pixel_centers"):
            raise BuildError(f"node {node.name} resizes by another rule than half-pixel centres")
        # the size is published for one input; the ratio of strides holds for all
        height = int(self._constant(node.inputs[1])[0])
        stride = self._published_height // height
        scale = tensor.stride / stride
        scales = self._builder.constant(np.array([1, 1, scale, scale], np.float32))
        name = self._builder.add(
            "Resize",
            [tensor.name, "", scales],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        return Tensor(name, stride, channels_last=True)

    def _sparse_to_dense(self, node: Node) -> None:
        where, shape, values, default = (self._constant(name) for name in node.inputs)
        dense = np.full(shape.tolist(), default, values.dtype)
        dense[tuple(where.reshape(-1, dense.ndim).T)] = values
        self._constants[node.name] = dense

    def _reshape(self, node: Node) -> Tensor:
        tensor = self._first(node)
        shape = self._builder.constant(self._constant(node.inputs[1]).astype(np.int64))
        return replace(tensor, name=self._builder.add("Reshape", [tensor.name, shape]))

    def _split(self, node: Node) -> Tensor:
        tensor = self._first(node)
        sizes, axis = self._constant(node.inputs[1]).tolist(), int(self._constant(node.inputs[2]))
        first, *others = self._builder.split(tensor.name, sizes, axis)
        for index, name in enumerate(others, start=1):
            self._tensors[f"{node.name}:{index}"] = replace(tensor, name=name)
        return replace(tensor, name=first)
