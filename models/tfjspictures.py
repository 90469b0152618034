"""Operators that look at pictures through a window, or resize them, for one input size.

Pictures are (n, h, w, c) to TensorFlow and stay (n, c, h, w) in ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import BuildError
from models.tfjs import Node
from models.tfjsworkspace import Value, Workspace

RELU6_MAX = 6


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides over a picture, (height, width) px each: how many ``cells`` it makes,
    its ``size`` and ``strides``, and the border ``pads`` (top, left, bottom, right)."""

    cells: tuple[int, int]
    size: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]

    @property
    def attributes(self) -> dict[str, list[int]]:
        """As ONNX names them."""
        return {
            "kernel_shape": list(self.size),
            "strides": list(self.strides),
            "pads": list(self.pads),
        }


def convolution(work: Workspace, node: Node) -> Value:
    """A convolution, of all channels or of each apart, with the bias and the limit that TensorFlow
    fused to it. Raises BuildError for attributes that are not known."""
    name, shape = work.picture(node)
    kernel = work.weight(node, 1)
    apart = "Depthwise" in node.op
    if any(step != 1 for step in node.ints("dilations")) or (apart and kernel.shape[3] != 1):
        raise BuildError(f"node {node.name} ({node.op}) has attributes that are not supported")
    window = _window(node, shape, kernel.shape[:2])
    # to (filters, channels of each, height, width)
    turned = kernel.transpose(2, 3, 0, 1) if apart else kernel.transpose(3, 2, 0, 1)
    inputs, steps = [name, work.builder.weight(turned)], node.texts("fused_ops")
    if steps[:1] == ["BiasAdd"]:
        inputs.append(work.builder.weight(work.weight(node, 2)))
        steps = steps[1:]
    group = kernel.shape[2] if apart else 1
    output = work.builder.add("Conv", inputs, group=group, **window.attributes)
    match steps:
        case []:
            pass
        case ["Relu"]:
            output = work.builder.add("Relu", [output])
        case ["Relu6"]:
            limits = [work.store(np.array(x, np.float32)) for x in (0, RELU6_MAX)]
            output = work.builder.add("Clip", [output, *limits])
        case _:
            raise BuildError(f"node {node.name} fuses {', '.join(steps)}: not supported")
    array = np.zeros((shape[0], *window.cells, turned.shape[0]), np.float32)
    return Value(array, output, channels_first=True)


def max_pool(work: Workspace, node: Node) -> Value:
    """The largest value in a window. Raises as ``convolution`` does."""
    name, shape = work.picture(node)
    window = _window(node, shape, node.ints("ksize")[1:3])
    # ONNX pads a maximum with minus infinity, as TensorFlow does
    pooled = work.builder.add("MaxPool", [name], **window.attributes)
    array = np.zeros((shape[0], *window.cells, shape[3]), np.float32)
    return Value(array, pooled, channels_first=True)


def resize(work: Workspace, node: Node) -> Value:
    """A picture of another size, by half-pixel centres. Raises BuildError for another rule."""
    name, shape = work.picture(node)
    if node.flag("align_corners") or not node.flag("half_pixel_centers"):
        raise BuildError(f"node {node.name} resizes by another rule than half-pixel centres")
    size = work.constant(node, 1).tolist()
    scales = np.array([1, 1, size[0] / shape[1], size[1] / shape[2]], np.float32)
    resized = work.builder.add(
        "Resize",
        [name, "", work.store(scales)],
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )
    array = np.zeros((shape[0], *size, shape[3]), np.float32)
    return Value(array, resized, channels_first=True)


def _window(node: Node, shape: Sequence[int], size: Sequence[int]) -> Window:
    strides, padding = node.ints("strides"), node.text("padding")
    if node.text("data_format") != "NHWC" or padding not in {"SAME", "VALID"}:
        raise BuildError(f"node {node.name} ({node.op}) has attributes that are not supported")
    before, after, cells = [], [], []
    for length, side, stride in zip(shape[1:3], size, strides[1:3], strict=True):
        # SAME: as many cells as strides begin in the picture; the odd px of border goes last
        count = -(-length // stride) if padding == "SAME" else (length - side) // stride + 1
        border = max((count - 1) * stride + side - length, 0)
        before.append(border // 2)
        after.append(border - border // 2)
        cells.append(count)
    return Window((cells[0], cells[1]), tuple(size), tuple(strides[1:3]), (*before, *after))
