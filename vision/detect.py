"""From pictures to detections: letterbox, run, decode the layout, suppress duplicates.

``Finder`` is what a pipeline asks of whatever finds objects, by ``look``. ``Detector`` takes
whatever runs a model (``Session``); it knows nothing of onnxruntime. Everything is batch first.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vision.bystanders import NO_ONE, Bystanders
from vision.errors import DetectorError
from vision.geometry import areas
from vision.layouts import Answer, Outputs, read
from vision.letterbox import Letterbox, fill
from vision.masking import HIDDEN
from vision.picture import Picture, picture_of
from vision.suppression import survivors
from vision.types import Detections, FloatArray, Frame, Image, IntArray

MAX_CANDIDATES = 300
"""Boxes of one picture that enter suppression, best first: the cost grows with the square."""

Layout = Literal["yolov8", "end_to_end", "yolox", "detr"]
Activation = Literal["none", "sigmoid", "softmax"]


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


def fit_input(frame_size: tuple[int, int], long_side: int, stride: int = 32) -> tuple[int, int]:
    """The smallest input (h, w), multiples of ``stride``, that holds a picture of ``frame_size``
    (w, h) scaled to ``long_side`` px: 416 gives 256x416 for 16:9 at 58 % of the square's cost."""
    w, h = frame_size
    ratio = long_side / max(w, h)

    def rounded(side: int) -> int:
        return max(stride, -(-round(side * ratio) // stride) * stride)

    return rounded(h), rounded(w)


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
        return self.detect([frame.picture])[0]

    def look(self, frame: Frame) -> Look:
        """The same, and the bystanders, out of one run of the model."""
        [(found, besides)] = self._seen([frame.picture], [self._sought, self._besides])
        classes = self._besides.classes
        names = tuple(classes[i] for i in besides.class_id.tolist())
        return Look(found, Bystanders(classes, names, besides.xyxy))

    def detect(self, shown: Sequence[Picture | Image]) -> list[Detections]:
        """Detections of each picture, or (h, w, 3) BGR, in its own pixels, best score first."""
        pictures = [picture_of(each) for each in shown]
        return [found for (found,) in self._seen(pictures, [self._sought])]

    def _seen(
        self, pictures: Sequence[Picture], sought: Sequence[_Sought]
    ) -> list[list[Detections]]:
        """Of each picture, what there is of each of ``sought``."""
        spec = self.spec
        batch = np.empty((len(pictures), 3, *spec.input_size), np.float32)
        places = [
            fill(row, picture, spec.pad_value, spec.scale, rgb=spec.rgb, centred=spec.centred)
            for row, picture in zip(batch, pictures, strict=True)
        ]
        shapes = [picture.size[::-1] for picture in pictures]
        outputs = self._session.run(batch)
        # what a broken model makes infinite or no number is dropped, not warned about
        with np.errstate(over="ignore", invalid="ignore"):
            answer = read(outputs, spec)
            return [
                [self._finish(answer, i, each, place, shapes[i]) for each in sought]
                for i, place in enumerate(places)
            ]

    def _finish(
        self,
        answer: Answer,
        picture: int,
        sought: _Sought,
        place: Letterbox,
        shape: tuple[int, ...],
    ) -> Detections:
        """What there is of ``sought`` in one ``picture`` of a batch, best score first."""
        if not sought.classes:
            return Detections.empty()
        scores = answer.scores(picture, sought.columns)
        best = scores.max(axis=0)
        keep = np.flatnonzero(best >= self.spec.min_score)
        boxes = answer.boxes(picture, keep)
        good = np.isfinite(boxes).all(axis=1) & np.isfinite(best[keep])
        if not good.all():
            keep, boxes = keep[good], boxes[good]
        order = np.argsort(-best[keep], kind="stable")[:MAX_CANDIDATES]
        keep = keep[order]
        xyxy = boxes[order] - np.array([place.left, place.top] * 2, np.float32)
        xyxy /= np.array(place.ratio * 2, np.float32)
        h, w = shape[:2]
        np.clip(xyxy, 0, np.array([w, h, w, h], np.float32), out=xyxy)
        there = areas(xyxy) > 0
        if not there.all():
            keep, xyxy = keep[there], xyxy[there]
        class_id = scores[:, keep].argmax(axis=0).astype(np.int32)
        left = survivors(xyxy, sought.group_of[class_id], self._limits, (self.spec.nms_iou, None))
        return Detections(
            xyxy[left].astype(np.float32, copy=False),
            np.minimum(best[keep[left]], 1).astype(np.float32, copy=False),
            class_id[left],
        )
