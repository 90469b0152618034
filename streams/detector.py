"""Where a model of the zoo and the core's detector meet: the two packages know nothing of each
other."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from models.manifest import ModelEntry
from models.session import load_session
from models.zoo import VerifiedModel
from vision.detect import Activation, ClassGroup, Detector, DetectorSpec, fit_input
from vision.track import TrackerSettings

DEFAULT_CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
"""What a scene without ``classes`` looks at, as far as the model knows them."""

_ACTIVATIONS: dict[str | None, Activation] = {
    None: "none",
    "probabilities": "none",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
}

log = logging.getLogger(__name__)


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
    file does not load as stated, DetectorError for a class that the model does not know.
    """
    entry = model.entry
    size = (entry.input.height, entry.input.width)
    if entry.input.dynamic:
        size = fit_input(frame_size, max(size))
    wanted = tuple(classes) or tuple(name for name in DEFAULT_CLASSES if name in entry.classes)
    spec = detector_spec(entry, size)
    spec.require(wanted)
    session = load_session(model, input_size=size, providers=providers, threads=threads)
    log.debug("model %s at %dx%d px finds %s", entry.name, size[1], size[0], ", ".join(wanted))
    return Detector(spec, session, wanted)


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
