"""From pictures to detections: letterbox, run, decode the layout, suppress duplicates.

``Finder`` is what a pipeline asks of whatever finds objects, by ``look``. ``Detector`` takes
whatever runs a model (``Session``); it knows nothing of onnxruntime. Everything is batch first.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.bystanders import NO_ONE, Bystanders
from vision.errors import DetectorError
from vision.geometry import areas, intersections
from vision.masking import HIDDEN
from vision.types import Detections, FloatArray, Frame, Image, IntArray

MAX_CANDIDATES = 300
"""Boxes of one picture that enter suppression, best first: the cost grows with the square."""

Layout = Literal["yolov8", "end_to_end", "yolox", "detr"]
Activation = Literal["none", "sigmoid", "softmax"]
Outputs = Sequence[NDArray[Any]]


class Finder(Protocol):
    """Finds objects in the pictures of a camera. ``classes`` are the names behind
    ``Detections.class_id``, ``wanted`` those that were asked for, and ``group_of`` (C,) says
    which classes one object may be taken for."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def wanted(self) -> tuple[str, ...]: ...

    @property
    def group_of(self) -> IntArray: ...

    def find(self, frame: Frame) -> Detections: ...


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is in one picture, in its own px: what was looked for, and who is only to be hidden."""

    found: Detections
    bystanders: Bystanders = NO_ONE


@runtime_checkable
class Onlooker(Protocol):
    """A finder that also tells of bystanders: ``look(...).found`` is what ``find`` gives."""

    def look(self, frame: Frame) -> Look: ...


def look(finder: Finder, frame: Frame) -> Look:
    """All that ``finder`` can tell of ``frame``."""
    return finder.look(frame) if isinstance(finder, Onlooker) else Look(finder.find(frame))


class Nobody:
    """Finds nothing: a camera that is only watched itself."""

    classes: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()

    @property
    def group_of(self) -> IntArray:
        return np.zeros(0, np.int32)

    def find(self, _frame: Frame) -> Detections:
        return Detections.empty()


class Session(Protocol):
    """What runs a model: ``batch`` (n, 3, h, w) float32 in, the model's outputs out; for the DETR
    layout the boxes come first."""

    def run(self, batch: FloatArray) -> Outputs: ...


@dataclass(frozen=True, slots=True)
class ClassGroup:
    """Classes that one object may be taken for (car, bus, truck): they compete in one
    suppression by ``iou`` and, for a box inside another, by ``containment`` (0..1; None: off)."""

    classes: tuple[str, ...]
    iou: float
    containment: float | None = None


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """How a model wants its input and what its output means.

    ``input_size`` (h, w) px; ``rgb`` is its colour order (False: BGR); pixel values are
    multiplied by ``scale``; the letterbox is filled with ``pad_value`` (0..255, before scaling),
    the picture at the top left or, with ``centred``, in the middle. ``classes`` are all the
    model's classes in its own order. ``activation`` belongs to the DETR layout alone.
    """

    input_size: tuple[int, int]
    rgb: bool
    scale: float
    pad_value: int
    centred: bool
    layout: Layout
    classes: tuple[str, ...]
    min_score: float
    nms_iou: float
    groups: tuple[ClassGroup, ...] = ()
    activation: Activation = "none"

    def require(self, wanted: Sequence[str]) -> None:
        """Raise DetectorError for the first wanted class that the model does not know."""
        for name in wanted:
            if name not in self.classes:
                near = difflib.get_close_matches(name, self.classes, n=1)
                knows = (
                    f"it knows {', '.join(self.classes)}: choose one of these, or name another "
                    "model, whose own names 'rename' in its entry may change (docs/models.md)"
                )
                hint = f"did you mean '{near[0]}'?" if near else knows
                raise DetectorError(f"the model does not know the class '{name}': {hint}")


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies in the model's input: input = picture * ``ratio`` + (left, top), with
    a ratio (x, y) for each axis, as its sides are rounded to whole pixels."""

    ratio: tuple[float, float]
    left: int
    top: int


def fit_input(frame_size: tuple[int, int], long_side: int, stride: int = 32) -> tuple[int, int]:
    """The smallest input (h, w), multiples of ``stride``, that holds a picture of ``frame_size``
    (w, h) scaled to ``long_side`` px: 416 gives 256x416 for 16:9 at 58 % of the square's cost."""
    w, h = frame_size
    ratio = long_side / max(w, h)

    def rounded(side: int) -> int:
        return max(stride, -(-round(side * ratio) // stride) * stride)

    return rounded(h), rounded(w)


def letterbox(
    image: Image, size: tuple[int, int], pad_value: int, centred: bool
) -> tuple[Image, Letterbox]:
    """``image`` (h, w, 3) resized without distortion into ``size`` (h, w), and where it lies."""
    height, width = size
    ratio = min(height / image.shape[0], width / image.shape[1])
    h = min(height, max(1, round(image.shape[0] * ratio)))
    w = min(width, max(1, round(image.shape[1] * ratio)))
    top, left = ((height - h) // 2, (width - w) // 2) if centred else (0, 0)
    canvas = np.full((height, width, 3), pad_value, np.uint8)
    cv2.resize(
        image, (w, h), dst=canvas[top : top + h, left : left + w], interpolation=cv2.INTER_LINEAR
    )
    return canvas, Letterbox((w / image.shape[1], h / image.shape[0]), left, top)


@dataclass(frozen=True, slots=True, eq=False)
class _Sought:
    """Classes that are looked for together: their ``columns`` (C,) in a model's scores, their
    names, and ``group_of`` (C,)."""

    columns: NDArray[np.intp]
    classes: tuple[str, ...]
    group_of: IntArray

    @classmethod
    def of(cls, spec: DetectorSpec, names: Collection[str]) -> _Sought:
        columns = np.array([i for i, name in enumerate(spec.classes) if name in names], np.intp)
        classes = tuple(spec.classes[i] for i in columns)
        groups = [set(group.classes) for group in spec.groups]
        numbers = [
            next((g for g, known in enumerate(groups) if name in known), len(groups) + i)
            for i, name in enumerate(classes)
        ]
        return cls(columns, classes, np.array(numbers, np.int32))


class Detector:
    """Finds objects of the wanted classes in batches of pictures.

    ``classes`` are the names behind ``Detections.class_id``: the wanted ones and those that
    compete with them in a group, so that a lorry is not counted as a car where only cars are
    ``wanted``. ``look`` also tells of what evidence hides and nobody looks for. Raises
    DetectorError for a wanted class that the model does not know.
    """

    def __init__(self, spec: DetectorSpec, session: Session, wanted: Sequence[str]) -> None:
        spec.require(wanted)
        rivals = {
            name
            for group in spec.groups
            if set(group.classes) & set(wanted)
            for name in group.classes
        }
        self._sought = _Sought.of(spec, rivals | set(wanted))
        self._besides = _Sought.of(spec, HIDDEN - set(self._sought.classes))
        self.classes = self._sought.classes
        self.group_of = self._sought.group_of
        self.wanted = tuple(wanted)
        self.spec = spec
        self._session = session
        self._limits = [(group.iou, group.containment) for group in spec.groups]

    def find(self, frame: Frame) -> Detections:
        """Detections of one picture, as ``detect`` gives them."""
        return self.detect([frame.image])[0]

    def look(self, frame: Frame) -> Look:
        """The same, and the bystanders, out of one run of the model."""
        [(found, besides)] = self._seen([frame.image], [self._sought, self._besides])
        classes = self._besides.classes
        names = tuple(classes[i] for i in besides.class_id.tolist())
        return Look(found, Bystanders(classes, names, besides.xyxy))

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections of each picture, in its own pixels, best score first."""
        return [found for (found,) in self._seen(images, [self._sought])]

    def _seen(self, images: Sequence[Image], sought: Sequence[_Sought]) -> list[list[Detections]]:
        """Of each picture, what there is of each of ``sought``."""
        spec = self.spec
        fitted = [
            letterbox(image, spec.input_size, spec.pad_value, spec.centred) for image in images
        ]
        batch = np.empty((len(images), 3, *spec.input_size), np.float32)
        for row, (canvas, _) in zip(batch, fitted, strict=True):
            planes = canvas.transpose(2, 0, 1)
            np.multiply(planes[::-1] if spec.rgb else planes, np.float32(spec.scale), out=row)
        outputs = self._session.run(batch)
        # what a broken model makes infinite or no number is dropped, not warned about
        with np.errstate(over="ignore", invalid="ignore"):
            boxes, scores = _DECODERS[spec.layout](outputs, spec)
            return [
                [self._finish(boxes[i], scores[i], each, place, image.shape) for each in sought]
                for i, (image, (_, place)) in enumerate(zip(images, fitted, strict=True))
            ]

    def _finish(
        self,
        boxes: FloatArray,
        scores: FloatArray,
        sought: _Sought,
        place: Letterbox,
        shape: tuple[int, ...],
    ) -> Detections:
        if not sought.classes:
            return Detections.empty()
        scores = scores[:, sought.columns]
        best = scores.max(axis=1)
        keep = np.flatnonzero((best >= self.spec.min_score) & np.isfinite(best))
        keep = keep[np.isfinite(boxes[keep]).all(axis=1)]
        keep = keep[np.argsort(-best[keep], kind="stable")[:MAX_CANDIDATES]]
        xyxy = (boxes[keep] - np.array([place.left, place.top] * 2, np.float32)) / np.array(
            place.ratio * 2, np.float32
        )
        h, w = shape[:2]
        np.clip(xyxy, 0, np.array([w, h, w, h], np.float32), out=xyxy)
        found = Detections(
            xyxy.astype(np.float32, copy=False),
            np.minimum(best[keep], 1).astype(np.float32, copy=False),
            scores[keep].argmax(axis=1).astype(np.int32),
        )
        found = found.select(areas(found.xyxy) > 0)
        return found.select(self._survivors(found, sought.group_of[found.class_id]))

    def _survivors(self, found: Detections, group: IntArray) -> NDArray[np.intp]:
        """Greedy suppression within each ``group`` (n,), best first: indices of what stays."""
        common = intersections(found.xyxy, found.xyxy)
        area = areas(found.xyxy)
        overlap = common / (area[:, None] + area[None, :] - common)
        inside = common / np.minimum(area[:, None], area[None, :])
        alive = np.ones(len(found), np.bool_)
        kept = []
        for i in range(len(found)):
            if not alive[i]:
                continue
            kept.append(i)
            limits = (
                self._limits[group[i]]
                if group[i] < len(self._limits)
                else (self.spec.nms_iou, None)
            )
            rival = overlap[i] > limits[0]
            if limits[1] is not None:
                rival |= inside[i] > limits[1]
            alive &= ~(rival & (group == group[i]))
        return np.array(kept, np.intp)


def _yolov8(outputs: Outputs, spec: DetectorSpec) -> tuple[FloatArray, FloatArray]:
    """Ultralytics v8 and 11: one output [n, 4 + C, N] of cx, cy, w, h in input px, then scores."""
    out = _only(outputs, spec)
    if out.ndim != 3 or out.shape[1] != 4 + len(spec.classes):
        raise _misfit(spec, f"[n, {4 + len(spec.classes)}, N]", outputs)
    rows = out.transpose(0, 2, 1)
    return _corners(rows[..., :4]), rows[..., 4:]


def _end_to_end(outputs: Outputs, spec: DetectorSpec) -> tuple[FloatArray, FloatArray]:
    """Ultralytics end-to-end: one output [n, K, 6] of x1, y1, x2, y2 in input px, score, class."""
    out = _only(outputs, spec)
    if out.ndim != 3 or out.shape[2] != 6:
        raise _misfit(spec, "[n, K, 6]", outputs)
    named = np.isfinite(out[..., 5:])
    number = np.rint(np.where(named, out[..., 5:], 0))
    wrong = number[(number < 0) | (number >= len(spec.classes))]
    if len(wrong):
        raise DetectorError(
            f"the model names class {wrong[0]:g}, but its manifest lists {len(spec.classes)} "
            "classes: correct the list"
        )
    scores = np.zeros((*out.shape[:2], len(spec.classes)), np.float32)
    np.put_along_axis(scores, number.astype(np.intp), np.where(named, out[..., 4:5], 0), axis=2)
    return out[..., :4], scores


def _yolox(outputs: Outputs, spec: DetectorSpec) -> tuple[FloatArray, FloatArray]:
    """YOLOX: one output [n, N, 5 + C], not yet placed on its grid of strides 8, 16, 32:
    xy = (value + cell) * stride, wh = exp(value) * stride, score = objectness * class
    (Ge et al. 2021, YOLOX, and its demo_utils.py)."""
    out = _only(outputs, spec)
    h, w = spec.input_size
    cells, strides = [], []
    for stride in (8, 16, 32):
        ys, xs = np.mgrid[: h // stride, : w // stride]
        cells.append(np.stack([xs.ravel(), ys.ravel()], axis=1))
        strides.append(np.full((xs.size, 1), stride))
    cell, stride_px = (
        np.concatenate(cells).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )
    if out.ndim != 3 or out.shape[1:] != (len(cell), 5 + len(spec.classes)):
        raise _misfit(spec, f"[n, {len(cell)}, {5 + len(spec.classes)}]", outputs)
    # exp() of a hostile or broken model's value must not overflow to inf
    sides = np.exp(np.minimum(out[..., 2:4], 20)) * stride_px
    boxes = np.concatenate([(out[..., :2] + cell) * stride_px, sides], axis=2)
    return _corners(boxes), out[..., 4:5] * out[..., 5:]


def _detr(outputs: Outputs, spec: DetectorSpec) -> tuple[FloatArray, FloatArray]:
    """DETR family: boxes [n, Q, 4] of cx, cy, w, h in 0..1 of the input, and scores or logits
    [n, Q, C], or with softmax [n, Q, C + 1] whose last column means 'nothing'."""
    wide = len(spec.classes) + (spec.activation == "softmax")
    shapes = [out.shape for out in outputs]
    if len(shapes) != 2 or shapes[0][2:] != (4,) or shapes[1] != (*shapes[0][:2], wide):
        raise _misfit(spec, f"boxes [n, Q, 4] and scores [n, Q, {wide}]", outputs)
    boxes, scores = outputs
    if spec.activation == "sigmoid":
        # infinity is no certainty
        scores = np.where(scores < np.inf, 1 / (1 + np.exp(-np.clip(scores, -60, 60))), np.nan)
    elif spec.activation == "softmax":
        powers = np.exp(scores - scores.max(axis=2, keepdims=True))
        scores = (powers / powers.sum(axis=2, keepdims=True))[..., :-1]
    h, w = spec.input_size
    return _corners(boxes) * np.array([w, h, w, h], np.float32), scores


_DECODERS: dict[Layout, Callable[[Outputs, DetectorSpec], tuple[FloatArray, FloatArray]]] = {
    "yolov8": _yolov8,
    "end_to_end": _end_to_end,
    "yolox": _yolox,
    "detr": _detr,
}


def _corners(centred: FloatArray) -> FloatArray:
    """Boxes (..., 4) from cx, cy, w, h to x1, y1, x2, y2."""
    half = centred[..., 2:] / 2
    return np.concatenate([centred[..., :2] - half, centred[..., :2] + half], axis=-1)


def _only(outputs: Outputs, spec: DetectorSpec) -> NDArray[Any]:
    if len(outputs) != 1:
        raise _misfit(spec, "one output", outputs)
    return outputs[0]


def _misfit(spec: DetectorSpec, expected: str, outputs: Outputs) -> DetectorError:
    got = ", ".join(str(list(out.shape)) for out in outputs)
    return DetectorError(
        f"the layout '{spec.layout}' with {len(spec.classes)} classes expects {expected}, but "
        f"the model gives {got}: correct 'layout' or 'classes' in the model's manifest"
    )
