"""Where a model of the zoo and the core's detector meet: the two packages know nothing of each
other. ``motion`` is no model: it looks for what moves."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import structlog

from models.manifest import SIZE_STEP, ModelEntry
from models.session import load_poses, load_session
from models.zoo import VerifiedModel
from streams.config import MOTION
from vision.detect import (
    Activation,
    ClassGroup,
    Detector,
    DetectorSpec,
    Finder,
    Session,
    fit_input,
)
from vision.errors import DetectorError
from vision.foreground import MOVING, WIDTH_PX, MotionDetector, motion_tracker
from vision.fused import FusedFinder
from vision.gate import GatedFinder
from vision.laps import Laps
from vision.pipeline import Pipeline
from vision.pose import PoseModel
from vision.region import Box, RegionFinder, region_of
from vision.rules.registry import kinds
from vision.scene import Detail, Scene
from vision.track import TrackerSettings

DEFAULT_CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
"""What a scene without ``classes`` looks at, as far as the model knows them."""

POSES: Final = "movenet_multipose"
"""The model that finds how people hold themselves, where a rule needs to know it."""

_ACTIVATIONS: dict[str | None, Activation] = {
    None: "none",
    "probabilities": "none",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
}

DETAILS: Mapping[Detail, float] = MappingProxyType({"usual": 1.0, "fine": 1.5, "finest": 2.0})
"""The longer side of a model's input, in its usual ones: 416 px become 640 and 832."""
MAX_ZOOM = 2.5
"""A region is not enlarged by more, nor a picture for its ``detail``: on the plaza at 128x96,
people of 13 px are found with an AP50 of .90 at 2.4 times, .89 at 3 and .86 at 4, at up to twice
the cost."""
MIN_GAIN = 1.15
"""Where cost stays the same, an automatic region enlarges by this at least."""
MAX_DETECTORS = 16
"""Detectors kept for other cameras: their sizes and classes are few, a hostile camera's are not."""

log = structlog.get_logger()


class Detectors:
    """What finds objects for the cameras of a worker. A model is loaded once for each input
    rectangle and set of classes, and cameras share it; what remembers its camera is never shared.

    ``resolve`` finds a verified model by its name; ``providers`` run it. Used by many threads.
    Whoever measures takes each session by ``wrap`` and may choose the input's size (h, w).
    """

    def __init__(
        self,
        resolve: Callable[[str], VerifiedModel],
        providers: Sequence[str] = ("CPUExecutionProvider",),
        *,
        wrap: Callable[[Session], Session] | None = None,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        self._resolve = resolve
        self._providers = tuple(providers)
        self._wrap = wrap
        self._input_size = input_size
        self._lock = threading.Lock()
        self._models: dict[str, VerifiedModel] = {}
        self._found: OrderedDict[tuple[str, tuple[int, int], tuple[str, ...]], Detector] = (
            OrderedDict()
        )
        self._poses: PoseModel | None = None

    def pipeline(
        self,
        model: str,
        frame_size: tuple[int, int],
        scene: Scene,
        view: str | None = None,
        laps: Laps | None = None,
    ) -> Pipeline:
        """The pipeline of a camera, with all that ``scene`` asks for: see ``get``, and ``Pipeline``
        for ``view`` and ``laps``. Raises what both raise, and ModelError where poses are needed and
        cannot be had."""
        finder, settings = self.get(model, frame_size, scene)
        poses = self.poses() if needs_poses(scene) else None
        return Pipeline(scene, finder, settings, view, poses, laps)

    def poses(self) -> PoseModel:
        """What finds poses, for all cameras: it is loaded when the first one asks for it. Raises
        ModelError where it cannot be."""
        verified = self._model(POSES)
        with self._lock:
            if self._poses is None:
                self._poses = load_poses(verified, providers=self._providers, threads=1)
                log.debug("model loaded", model=verified.entry.name)
            return self._poses

    def get(
        self, model: str, frame_size: tuple[int, int], scene: Scene
    ) -> tuple[Finder, TrackerSettings]:
        """What ``scene`` asks for to find objects in pictures of ``frame_size`` (w, h) where
        ``model`` is the camera's, and the tracker's settings for it: ask once for each camera.
        Raises DetectorError for a scene that this cannot serve, and what ``resolve`` and
        ``build_detector`` raise."""
        kind = scene.detector
        if model == MOTION:
            if kind == "fused":
                raise DetectorError(
                    "'detector: fused' joins a model with motion, but the camera has none: name "
                    "one under 'model', or write 'detector: motion'"
                )
            kind = "motion"
        if kind == "motion":
            if scene.detail != "usual":
                raise DetectorError(
                    f"'detail: {scene.detail}' is about a model, and what moves is looked for in "
                    "pictures of one size: leave it out of the scene, or name a model"
                )
            finder: Finder = MotionDetector(scene.classes)
            box = region_of(scene, frame_size)
            return (RegionFinder(finder, box, frame_size) if box else finder), motion_tracker()
        verified = self._model(model)
        entry = _objects(verified)
        box, size = _looked_at(entry, frame_size, scene)
        size = self._input_size or size
        finder = self._detector(verified, model, size, _classes_of(entry, scene))
        settings = tracker_settings(entry)
        if scene.gate:
            finder = GatedFinder(finder, settings)
        if kind == "fused":
            finder = FusedFinder(
                finder, MotionDetector(), match=settings.match, birth=settings.birth
            )
        if box is not None:
            finder = RegionFinder(finder, box, frame_size, _zoom(size, box[2:]))
        return finder, settings

    def sight(self, model: str, frame_size: tuple[int, int], scene: Scene) -> object:
        """How ``get`` lets ``model`` see pictures of ``frame_size`` (w, h): where it is another
        for another size, what finds objects is asked for anew. Raises what ``get`` raises."""
        if model == MOTION or scene.detector == "motion":
            return None
        box, size = _looked_at(_objects(self._model(model)), frame_size, scene)
        return box is None, self._input_size or size

    def suffices(self, model: str, frame_size: tuple[int, int], scene: Scene) -> bool:
        """Whether pictures of ``frame_size`` (w, h) have all the pixels that ``model`` takes of
        what ``scene`` lets it see: none is made up. Raises what ``get`` raises."""
        box = region_of(scene, frame_size)
        if model == MOTION or scene.detector == "motion":
            return max(box[2:] if box else frame_size) >= WIDTH_PX
        box, size = _looked_at(_objects(self._model(model)), frame_size, scene)
        return _zoom(size, box[2:] if box else frame_size) <= 1

    def _model(self, name: str) -> VerifiedModel:
        with self._lock:
            if name not in self._models:
                self._models[name] = self._resolve(name)
            return self._models[name]

    def _detector(
        self, model: VerifiedModel, name: str, size: tuple[int, int], classes: tuple[str, ...]
    ) -> Detector:
        key = (name, size, classes)
        with self._lock:
            if key not in self._found:
                self._found[key] = _build(
                    model, size, classes, self._providers, threads=1, wrap=self._wrap
                )
                if len(self._found) > MAX_DETECTORS:
                    self._found.popitem(last=False)
            self._found.move_to_end(key)
            return self._found[key]


def needs_poses(scene: Scene) -> bool:
    """Whether a rule of ``scene``, in any of its views, looks at how people hold themselves."""
    rules = (rule for view in scene.views.values() for rule in view.rules)
    return any(rule.enabled and "poses" in kinds()[rule.kind].stages for rule in rules)


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
    file does not load as stated, DetectorError for a model that finds no objects, a class that
    it does not know, or where no class is left to look for.
    """
    return _build(model, input_size(_objects(model), frame_size), classes, providers, threads)


def _objects(model: VerifiedModel) -> ModelEntry:
    """The entry of a model that finds objects."""
    if isinstance(model.entry, ModelEntry):
        return model.entry
    if model.entry.task == "pose":
        raise DetectorError(
            f"the model {model.entry.name} finds poses and no objects: name a detector "
            "instead; where a rule needs poses, it is loaded by itself"
        )
    raise DetectorError(
        f"the model {model.entry.name} tells what a picture shows and finds no objects: name a "
        "detector instead; it may give second opinions"
    )


def _build(
    model: VerifiedModel,
    size: tuple[int, int],
    classes: Sequence[str],
    providers: Sequence[str],
    threads: int,
    wrap: Callable[[Session], Session] | None = None,
) -> Detector:
    entry = _objects(model)
    wanted = tuple(classes) or tuple(name for name in DEFAULT_CLASSES if name in entry.classes)
    spec = detector_spec(entry, size)
    spec.require(wanted)
    if not wanted:
        raise DetectorError(
            f"the model {entry.name} knows none of {', '.join(DEFAULT_CLASSES)}: write the scene's "
            f"'classes', out of {', '.join(entry.classes)}"
        )
    session: Session = load_session(model, input_size=size, providers=providers, threads=threads)
    session = session if wrap is None else wrap(session)
    log.debug("model loaded", model=entry.name, input=f"{size[1]}x{size[0]}", classes=wanted)
    return Detector(spec, session, wanted)


def input_size(
    entry: ModelEntry,
    frame_size: tuple[int, int],
    largest_zoom: float = math.inf,
    detail: Detail = "usual",
) -> tuple[int, int]:
    """The model's input (h, w) px for pictures of ``frame_size`` (w, h). Where the model takes any
    size, it has the picture's shape and the model's longer side, or more for ``detail``, but
    enlarges the picture by ``largest_zoom`` at most. Raises DetectorError for a ``detail`` that
    the model cannot give."""
    size = (entry.input.height, entry.input.width)
    if not entry.input.dynamic:
        if detail != "usual":
            raise DetectorError(
                f"the model {entry.name} takes pictures of {size[0]}x{size[1]} (height x width) "
                f"alone, so it cannot look closer: leave 'detail: {detail}' out of the scene, draw "
                "a 'region', or name a model that takes any size (docs/models.md)"
            )
        return size
    longest = max(frame_size)
    side = DETAILS[detail] * max(size)
    if detail != "usual":
        side = SIZE_STEP * math.floor(side / SIZE_STEP + 0.5)
        side = max(max(size), min(side, MAX_ZOOM * longest))
    return fit_input(frame_size, math.ceil(min(side, largest_zoom * longest)))


def _looked_at(
    entry: ModelEntry, frame_size: tuple[int, int], scene: Scene
) -> tuple[Box | None, tuple[int, int]]:
    """The part of pictures of ``frame_size`` (w, h) that is analysed, None for all, and the
    model's input (h, w) px for it."""
    whole = input_size(entry, frame_size, detail=scene.detail)
    box = region_of(scene, frame_size)
    if box is None:
        return None, whole
    size = input_size(entry, box[2:], MAX_ZOOM, scene.detail)
    # an input of a fixed size costs the same whatever it shows
    gains = entry.input.dynamic or _zoom(size, box[2:]) >= MIN_GAIN * _zoom(whole, frame_size)
    return (box, size) if gains or scene.region != "auto" else (None, whole)


def _zoom(size: tuple[int, int], picture: tuple[int, int]) -> float:
    """Input px for one px of a ``picture`` (w, h) in an input of ``size`` (h, w)."""
    return min(size[0] / picture[1], size[1] / picture[0])


def _classes_of(entry: ModelEntry, scene: Scene) -> tuple[str, ...]:
    """The classes of ``scene`` that its model is to find; empty for the usual ones."""
    if scene.detector == "fused":
        return tuple(name for name in scene.classes if name != MOVING)
    if MOVING in scene.classes and MOVING not in entry.classes:
        raise DetectorError(
            f"the model {entry.name} does not know the class '{MOVING}', which is what motion "
            "finds: write 'detector: motion' or 'detector: fused' in the scene, or leave it out"
        )
    return scene.classes


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
