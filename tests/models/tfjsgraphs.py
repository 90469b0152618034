"""Graph models of the tests' own, as TensorFlow.js stores them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from models.tfjs import GraphModel, parse


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


class Tfjs:
    """Writes a graph model as TensorFlow.js stores it, for a published input of ``shape``."""

    def __init__(self, shape: tuple[int, ...] = (1, 3, 8, 8)) -> None:
        dims = {"dim": [{"size": str(size)} for size in shape]}
        self.nodes = [{"name": "x", "op": "Placeholder", "attr": {"shape": {"shape": dims}}}]
        self.weights: list[dict[str, Any]] = []
        self.content = b""

    def const(self, name: str, values: Any, stored: str = "int32") -> str:
        kinds = {"int32": np.int32, "float16": np.float16, "float32": np.float32}
        array = np.asarray(values, kinds[stored])
        weight: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": stored}
        if stored == "float16":
            weight |= {"dtype": "float32", "quantization": {"dtype": "float16"}}
        self.weights.append(weight)
        self.content += array.tobytes()
        self.nodes.append({"name": name, "op": "Const"})
        return name

    def node(self, name: str, op: str, *inputs: str, **attr: Any) -> str:
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attr})
        return name

    def transpose(self, name: str, source: str, *, last: bool) -> str:
        order = (0, 2, 3, 1) if last else (0, 3, 1, 2)
        return self.node(name, "Transpose", source, self.const(f"{name}/perm", order))

    def window(self, name: str, op: str, *inputs: str, stride: int, **attr: Any) -> str:
        """An operator that slides a window."""
        steps = {"list": {"i": ["1", str(stride), str(stride), "1"]}}
        layout = {"padding": text("VALID"), "data_format": text("NHWC")}
        return self.node(name, op, *inputs, **{"strides": steps, **layout, **attr})

    def model(self) -> GraphModel:
        document = {
            "modelTopology": {"node": self.nodes},
            "weightsManifest": [{"weights": self.weights}],
        }
        return parse(json.dumps(document).encode(), self.content)
