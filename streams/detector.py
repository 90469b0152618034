"""Where a model of the zoo and the core's detector meet: the two packages know nothing of each
other. ``motion`` is no model: it looks for what moves."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from models.manifest import ModelEntry
from models.session import load_session
from models.zoo import VerifiedModel
from vision.detect import Activation, ClassGroup, Detector, DetectorSpec, Finder, fit_input
from vision.errors import DetectorError
from vision.foreground import MotionDetector, motion_tracker
from vision.track import TrackerSettings

DEFAULT_CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
"""What a scene without ``classes`` looks at, as far as the model knows them."""

MOTION: Final = "motion"
"""The name that stands where a model's is expected, for ``MotionDetector``."""

_ACTIVATIONS: dict[str | None, Activation] = {
    None: "none",
    "probabilities": "none",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
}

MAX_DETECTORS = 16
"""Detectors kept for other cameras: their sizes and classes are few, a hostile camera's are not."""

log = structlog.get_logger()


class Detectors:
    """Detectors shared by cameras: one for each model, input rectangle and set of classes. One
    that looks for motion remembers its camera, so it is never shared.

    ``resolve`` finds a verified model by its name. Used by many threads.
    """

    def __init__(self, resolve: Callable[[str], VerifiedModel]) -> None:
        self._resolve = resolve
        self._lock = threading.Lock()
        self._models: dict[str, VerifiedModel] = {}
        self._found: OrderedDict[tuple[str, tuple[int, int], tuple[str, ...]], Detector] = (
            OrderedDict()
        )

    def get(
        self, model: str, frame_size: tuple[int, int], classes: Sequence[str]
    ) -> tuple[Finder, TrackerSettings]:
        """The detector for pictures of ``frame_size`` (w, h), and its model's tracker settings:
        ask once for each camera. Raises what ``resolve`` and ``build_detector`` raise."""
        if model == MOTION:
            return MotionDetector(classes), motion_tracker()
        with self._lock:
            if model not in self._models:
                self._models[model] = self._resolve(model)
            verified = self._models[model]
            key = (model, input_size(verified.entry, frame_size), tuple(classes))
            if key not in self._found:
                self._found[key] = build_detector(verified, frame_size=frame_size, classes=classes)
                if len(self._found) > MAX_DETECTORS:
                    self._found.popitem(last=False)
            self._found.move_to_end(key)
            return self._found[key], tracker_settings(verified.entry)


def build_detector(
    model: VerifiedModel,
    *,
    frame_size: tuple[int, int],
    classes: Sequence[str],
    providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int = 1,
) -> Detector:
    """A detector for pictures of ``frame_size`` (w, h) that finds ``classes`` (empty: those of
    ``DEFAULT_CLASSES`` that the model knows).

    A model of any input size gets the rectangle that fits the picture. Raises BadModel where the
    file does not load as stated, DetectorError for a class that the model does not know or where
    no class is left to look for.
    """
    entry = model.entry
    size = input_size(entry, frame_size)
    wanted = tuple(classes) or tuple(name for name in DEFAULT_CLASSES if name in entry.classes)
    spec = detector_spec(entry, size)
    spec.require(wanted)
    if not wanted:
        raise DetectorError(
            f"the model {entry.name} knows none of {', '.join(DEFAULT_CLASSES)}: write the scene's "
            f"'classes', out of {', '.join(entry.classes)}"
        )
    session = load_session(model, input_size=size, providers=providers, threads=threads)
    log.debug("model loaded", model=entry.name, input=f"{size[1]}x{size[0]}", classes=wanted)
    return Detector(spec, session, wanted)


def input_size(entry: ModelEntry, frame_size: tuple[int, int]) -> tuple[int, int]:
    """The model's input (h, w) px for pictures of ``frame_size`` (w, h)."""
    size = (entry.input.height, entry.input.width)
    return fit_input(frame_size, max(size)) if entry.input.dynamic else size


def detector_spec(entry: ModelEntry, size: tuple[int, int]) -> DetectorSpec:
    """What the core needs to know of a manifest entry, at an input of ``size`` (h, w) px."""
    return DetectorSpec(
        input_size=size,
        rgb=entry.input.colour == "rgb",
        scale=entry.input.scale,
        pad_value=entry.input.padding.value,
        centred=entry.input.padding.align == "centre",
        layout=entry.layout,
        classes=entry.classes,
        min_score=entry.thresholds.low,
        nms_iou=entry.nms.iou,
        groups=tuple(
            ClassGroup(group.classes, group.iou, group.containment) for group in entry.count_as_one
        ),
        activation=_ACTIVATIONS[entry.scores],
    )


def tracker_settings(entry: ModelEntry) -> TrackerSettings:
    """The tracker's score thresholds, which belong to the model."""
    scores = entry.thresholds
    return TrackerSettings(low=scores.low, match=scores.match, birth=scores.birth)
