"""Writes ONNX graphs whose bytes depend on nothing but what was asked for, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.errors import BuildError

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 9
PRODUCER = "matakota"


class GraphBuilder:
    """Collects nodes and initialisers; ``model`` returns the finished ONNX file.

    Names are counted per operator, so that the same calls give the same bytes. Raises BuildError
    when the package ``onnx`` is missing.
    """

    def __init__(self) -> None:
        # imported here: only a rebuild needs the package onnx, running a model does not
        try:
            from onnx import TensorProto, checker, helper, numpy_helper
        except ImportError as error:
            raise BuildError(
                "building a model needs the package onnx: pip install 'matakota[build]'"
            ) from error
        self._helper, self._numpy_helper, self._checker = helper, numpy_helper, checker
        self._float = TensorProto.FLOAT
        self._casts: list[onnx.NodeProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._counts: dict[str, int] = {}

    def constant(self, array: NDArray[Any]) -> str:
        """The name of an initialiser that holds the array as it is."""
        return self._initializer("constant", array)

    def weight(self, array: NDArray[np.float16]) -> str:
        """The name of a float32 tensor whose values are stored as float16: half the file, and
        onnxruntime folds the cast away when it loads."""
        if array.dtype != np.float16:
            raise BuildError(f"a weight is stored as float16, not {array.dtype}")
        stored = self._initializer("weight", array)
        cast = self._node("Cast", [stored], 1, {"to": self._float})
        self._casts.append(cast)
        return str(cast.output[0])

    def add(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Append a node with one output and return that output's name."""
        return str(self.add_node(op, inputs, **attributes).output[0])

    def split(self, tensor: str, sizes: Sequence[int], axis: int) -> list[str]:
        """The names of the parts of ``sizes`` along ``axis``."""
        inputs = [tensor, self.constant(np.array(sizes, np.int64))]
        node = self._node("Split", inputs, len(sizes), {"axis": axis})
        self._nodes.append(node)
        return list(node.output)

    def cast(self, tensor: str, kind: type[np.generic]) -> str:
        """The name of the tensor in another type."""
        return self.add("Cast", [tensor], to=self._type(kind))

    def top(self, tensor: str, count: int) -> list[str]:
        """The names of the ``count`` largest values along the last axis, the largest first, and of
        their indices (int64)."""
        inputs = [tensor, self.constant(np.array([count], np.int64))]
        node = self._node("TopK", inputs, 2, {"axis": -1})
        self._nodes.append(node)
        return list(node.output)

    def add_node(self, op: str, inputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
        """Append a node with one output and return it, so that a bias can still be attached."""
        node = self._node(op, inputs, 1, attributes)
        self._nodes.append(node)
        return node

    def model(
        self,
        name: str,
        *,
        image: tuple[str, Sequence[int | str]],
        output: tuple[str, str, Sequence[int | str]],
        kind: type[np.generic] = np.float32,
    ) -> bytes:
        """The serialised, checked model.

        ``image`` is the input's name and shape, ``kind`` its type; ``output`` the tensor, its
        public name and its shape. A string in a shape is a dimension that is chosen when the model
        is loaded.
        """
        tensor, public, shape = output
        nodes = [*self._casts, *self._nodes, self._helper.make_node("Identity", [tensor], [public])]
        graph = self._helper.make_graph(
            nodes,
            name,
            [self._helper.make_tensor_value_info(image[0], self._type(kind), image[1])],
            [self._helper.make_tensor_value_info(public, self._float, shape)],
            self._initializers,
        )
        opset = self._helper.make_opsetid("", OPSET)
        model = self._helper.make_model(graph, opset_imports=[opset], producer_name=PRODUCER)
        model.ir_version = IR_VERSION
        self._checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _type(self, kind: type[np.generic]) -> int:
        """ONNX's number for a type of numpy's."""
        return int(self._helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

    def _node(
        self, op: str, inputs: Sequence[str], outputs: int, attributes: dict[str, Any]
    ) -> onnx.NodeProto:
        name = self._name(op.lower())
        names = [name] if outputs == 1 else [f"{name}_{index}" for index in range(outputs)]
        return self._helper.make_node(op, list(inputs), names, name=name, **attributes)

    def _initializer(self, kind: str, array: NDArray[Any]) -> str:
        name = self._name(kind)
        # little-endian and contiguous whatever the machine, so that the bytes are the same
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        self._initializers.append(self._numpy_helper.from_array(plain, name))
        return name

    def _name(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}_{self._counts[kind]}"
