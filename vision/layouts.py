"""What the outputs of a model mean: scores of the wanted classes first, and boxes only of the rows
that are left over.

A model of 80 classes answers with some thousand rows, of which a hundred matter. Nothing here is
worked out for the others, nor for classes that nobody looks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.errors import DetectorError
from vision.types import FloatArray

Outputs: TypeAlias = Sequence[NDArray[Any]]
Rows: TypeAlias = NDArray[np.intp]


class Described(Protocol):
    """What must be known of a model: see ``DetectorSpec``."""

    @property
    def input_size(self) -> tuple[int, int]: ...

    @property
    def layout(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def activation(self) -> str: ...


class Answer(Protocol):
    """What a model said of a batch of pictures."""

    def scores(self, picture: int, columns: Rows) -> FloatArray:
        """(C, N): of the classes ``columns`` (C,) at all N rows of one picture."""
        ...

    def boxes(self, picture: int, rows: Rows) -> FloatArray:
        """(k, 4) xyxy px of the input, of some ``rows`` (k,) of one picture."""
        ...


def read(outputs: Outputs, spec: Described) -> Answer:
    """What ``outputs`` say by the layout of ``spec``. Raises DetectorError where they do not fit
    it."""
    return _LAYOUTS[spec.layout](outputs, spec)


class _Yolov8:
    """Ultralytics v8 and 11: one output [n, 4 + C, N] of cx, cy, w, h in input px, then scores."""

    def __init__(self, outputs: Outputs, spec: Described) -> None:
        self._out = _only(outputs, spec)
        if self._out.ndim != 3 or self._out.shape[1] != 4 + len(spec.classes):
            raise _misfit(spec, f"[n, {4 + len(spec.classes)}, N]", outputs)

    def scores(self, picture: int, columns: Rows) -> FloatArray:
        return np.asarray(self._out[picture, 4 + columns])

    def boxes(self, picture: int, rows: Rows) -> FloatArray:
        return _corners(self._out[picture, :4].take(rows, axis=1).T)


class _EndToEnd:
    """Ultralytics end-to-end: one output [n, K, 6] of x1, y1, x2, y2 in input px, score, class."""

    def __init__(self, outputs: Outputs, spec: Described) -> None:
        self._out = _only(outputs, spec)
        if self._out.ndim != 3 or self._out.shape[2] != 6:
            raise _misfit(spec, "[n, K, 6]", outputs)
        named = np.isfinite(self._out[..., 5])
        number = np.rint(np.where(named, self._out[..., 5], 0))
        wrong = number[(number < 0) | (number >= len(spec.classes))]
        if len(wrong):
            raise DetectorError(
                f"the model names class {wrong[0]:g}, but its manifest lists {len(spec.classes)} "
                "classes: correct the list"
            )
        self._number = np.where(named, number, -1).astype(np.intp)

    def scores(self, picture: int, columns: Rows) -> FloatArray:
        of_class = self._number[picture] == columns[:, None]
        return np.where(of_class, self._out[picture, :, 4], np.float32(0))

    def boxes(self, picture: int, rows: Rows) -> FloatArray:
        return np.asarray(self._out[picture, rows, :4])


class _Yolox:
    """YOLOX: one output [n, N, 5 + C], not yet placed on its grid of strides 8, 16, 32:
    xy = (value + cell) * stride, wh = exp(value) * stride, score = objectness * class
    (Ge et al. 2021, YOLOX, and its demo_utils.py)."""

    def __init__(self, outputs: Outputs, spec: Described) -> None:
        self._out = _only(outputs, spec)
        h, w = spec.input_size
        self._grids = [(stride, h // stride, w // stride) for stride in (8, 16, 32)]
        cells = sum(high * wide for _, high, wide in self._grids)
        if self._out.ndim != 3 or self._out.shape[1:] != (cells, 5 + len(spec.classes)):
            raise _misfit(spec, f"[n, {cells}, {5 + len(spec.classes)}]", outputs)

    def scores(self, picture: int, columns: Rows) -> FloatArray:
        out = self._out[picture].T
        return np.asarray(out[4] * out[5 + columns])

    def boxes(self, picture: int, rows: Rows) -> FloatArray:
        out = self._out[picture, rows, :4]
        cell, stride_px = self._places(rows)
        # exp() of a hostile or broken model's value must not overflow to inf
        sides = np.exp(np.minimum(out[:, 2:], 20)) * stride_px
        return _corners(np.concatenate([(out[:, :2] + cell) * stride_px, sides], axis=1))

    def _places(self, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """The cells (k, 2) of ``rows``, x first, and the stride of each (k, 1)."""
        cell, stride_px = np.empty((len(rows), 2), np.float32), np.empty((len(rows), 1), np.float32)
        first = 0
        for stride, high, wide in self._grids:
            here = (rows >= first) & (rows < first + high * wide)
            cell[here, 1], cell[here, 0] = np.divmod(rows[here] - first, wide)
            stride_px[here] = stride
            first += high * wide
        return cell, stride_px


class _Detr:
    """DETR family: boxes [n, Q, 4] of cx, cy, w, h in 0..1 of the input, and scores or logits
    [n, Q, C], or with softmax [n, Q, C + 1] whose last column means 'nothing'."""

    def __init__(self, outputs: Outputs, spec: Described) -> None:
        wide = len(spec.classes) + (spec.activation == "softmax")
        shapes = [out.shape for out in outputs]
        if len(shapes) != 2 or shapes[0][2:] != (4,) or shapes[1] != (*shapes[0][:2], wide):
            raise _misfit(spec, f"boxes [n, Q, 4] and scores [n, Q, {wide}]", outputs)
        self._boxes, self._scores = outputs
        self._activation = spec.activation
        h, w = spec.input_size
        self._size = np.array([w, h, w, h], np.float32)

    def scores(self, picture: int, columns: Rows) -> FloatArray:
        scores = self._scores[picture]
        if self._activation == "softmax":
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            return np.asarray((powers / powers.sum(axis=1, keepdims=True))[:, columns].T)
        scores = scores[:, columns].T
        if self._activation == "sigmoid":
            # infinity is no certainty
            chances = 1 / (1 + np.exp(-np.clip(scores, -60, 60)))
            scores = np.where(scores < np.inf, chances, np.nan)
        return np.asarray(scores)

    def boxes(self, picture: int, rows: Rows) -> FloatArray:
        return _corners(self._boxes[picture, rows]) * self._size


_LAYOUTS: dict[str, Callable[[Outputs, Described], Answer]] = {
    "yolov8": _Yolov8,
    "end_to_end": _EndToEnd,
    "yolox": _Yolox,
    "detr": _Detr,
}


def _corners(centred: FloatArray) -> FloatArray:
    """Boxes (k, 4) from cx, cy, w, h to x1, y1, x2, y2."""
    half = centred[:, 2:] / 2
    return np.concatenate([centred[:, :2] - half, centred[:, :2] + half], axis=1)


def _only(outputs: Outputs, spec: Described) -> NDArray[Any]:
    if len(outputs) != 1:
        raise _misfit(spec, "one output", outputs)
    return outputs[0]


def _misfit(spec: Described, expected: str, outputs: Outputs) -> DetectorError:
    got = ", ".join(str(list(out.shape)) for out in outputs)
    return DetectorError(
        f"the layout '{spec.layout}' with {len(spec.classes)} classes expects {expected}, but "
        f"the model gives {got}: correct 'layout' or 'classes' in the model's manifest"
    )
