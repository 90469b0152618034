"""What a conversion to one input size knows so far: values by their TensorFlow names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.errors import BuildError
from models.onnxgraph import GraphBuilder
from models.tfjs import TO_CHANNELS_FIRST, TO_CHANNELS_LAST, Array, GraphModel, Node


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor as TensorFlow sees it. A constant is its ``array``; of what is computed (``name``
    in ONNX) the array tells only shape and type. ``channels_first``: the ONNX tensor's order."""

    array: Array
    name: str | None = None
    channels_first: bool = False


class Workspace:
    """Values by the names of their TensorFlow tensors, and the builder that computes them."""

    def __init__(self, model: GraphModel, builder: GraphBuilder) -> None:
        self.model, self.builder = model, builder
        self.values: dict[str, Value] = {}
        self._turned: dict[tuple[str, tuple[int, ...]], str] = {}
        self._stored: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def inputs(self, node: Node) -> list[Value]:
        """The values of the node's inputs."""
        return [self.values[name] for name in node.inputs]

    def constant(self, node: Node, index: int) -> Array:
        """The node's input ``index``. Raises BuildError where it depends on the picture."""
        value = self.values[node.inputs[index]]
        if value.name is not None:
            raise BuildError(f"{node.inputs[index]} is computed where a constant is expected")
        return value.array

    def weight(self, node: Node, index: int) -> Array:
        """The node's input ``index`` as it is stored, in halves as the builder wants it."""
        name = node.inputs[index]
        if name not in self.model.constants:
            raise BuildError(f"{name} is no stored weight")
        return self.model.constants[name]

    def plain(self, value: Value) -> str:
        """The value's ONNX tensor in TensorFlow's order."""
        if value.name is None:
            return self.store(value.array)
        return self._ordered(value.name, TO_CHANNELS_LAST) if value.channels_first else value.name

    def store(self, array: Array) -> str:
        """The ONNX tensor of a constant; equal ones are stored once."""
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._stored:
            self._stored[key] = self.builder.constant(np.array(array))
        return self._stored[key]

    def ints(self, *numbers: int) -> str:
        """The ONNX tensor of shapes and axes."""
        return self.store(np.array(numbers, np.int64))

    def picture(self, node: Node) -> tuple[str, tuple[int, ...]]:
        """The node's first input: its ONNX tensor, channels-first, and its shape (n, h, w, c).
        Raises BuildError where that is no computed picture."""
        value = self.values[node.inputs[0]]
        if value.name is None or value.array.ndim != len(TO_CHANNELS_FIRST):
            raise BuildError(f"node {node.name} ({node.op}) takes no picture")
        first = value.channels_first
        return value.name if first else self._ordered(value.name, TO_CHANNELS_FIRST), (
            value.array.shape
        )

    def result(
        self, node: Node, compute: Callable[..., Array], emit: Callable[..., str], inputs: int = 1
    ) -> Value:
        """What an operator makes of its first ``inputs`` inputs: ``compute`` of their arrays, and
        where the picture decides, what ``emit`` makes of their ONNX tensors."""
        values = self.inputs(node)[:inputs]
        # stand-ins may divide by zero
        with np.errstate(all="ignore"):
            array = np.asarray(compute(*(value.array for value in values)))
        if all(value.name is None for value in values):
            return Value(array)
        return Value(array, emit(*map(self.plain, values)))

    def _ordered(self, name: str, order: tuple[int, ...]) -> str:
        key = name, order
        if key not in self._turned:
            self._turned[key] = self.builder.add("Transpose", [name], perm=list(order))
        return self._turned[key]
