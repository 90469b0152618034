"""onnxruntime sessions: loaded from verified bytes, at one input size, checked before first use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import BadModel
from models.manifest import SIZE_STEP, AnyEntry, ClassifyEntry, ModelEntry, PoseEntry
from models.runtime import CPU, reason, runtime, runtime_errors, session_options
from models.zoo import VerifiedModel

FLOAT = "tensor(float)"
INT32 = "tensor(int32)"
YOLOX_STRIDES = (8, 16, 32)
MOVENET_PEOPLE = 6
"""Rows of the layout ``movenet_multipose``, however many people are in the picture."""
_WELL_KNOWN_DIMENSIONS = {"batch": 0, "batch_size": 0, "height": 2, "width": 3}
"""Names that exporters give to the dimensions of a picture, and their axis."""


class OnnxSession:
    """A loaded detector. ``input_shape`` is (1, 3, h, w); ``output_shapes`` has one shape per
    output, in the order in which ``run`` returns them."""

    def __init__(
        self,
        entry: ModelEntry,
        session: Any,
        input_shape: tuple[int, int, int, int],
    ) -> None:
        """Used by ``load_session``. Runs one black picture to learn what the model returns."""
        self.entry = entry
        self.input_shape = input_shape
        self._session = session
        self._input = session.get_inputs()[0].name
        self._outputs = [output.name for output in session.get_outputs()]
        kinds = [output.type for output in session.get_outputs()]
        if set(kinds) != {FLOAT}:
            raise BadModel(f"{entry.name} returns {', '.join(kinds)}: only {FLOAT} is known here")
        outputs = self._run_one(np.zeros(input_shape, np.float32))
        shapes = [output.shape for output in outputs]
        if entry.layout == "detr" and len(shapes) == 2 and shapes[0][-1:] != (4,):
            # exporters disagree on the order; here boxes come first
            self._outputs.reverse()
            outputs.reverse()
        self.output_shapes = tuple(tuple(output.shape) for output in outputs)
        _check_outputs(entry, outputs, input_shape)

    def run(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The outputs for pictures (n, 3, h, w) float32, n >= 1; each output is (n, ...).

        Layout ``detr`` returns boxes first. Raises ValueError for another shape or type of
        ``batch``, BadModel when onnxruntime fails.
        """
        if batch.ndim != 4 or batch.shape[1:] != self.input_shape[1:] or batch.dtype != np.float32:
            raise ValueError(
                f"a batch is (n, {', '.join(map(str, self.input_shape[1:]))}) float32, "
                f"not {batch.shape} {batch.dtype}"
            )
        if len(batch) == 1:
            return self._run_one(batch)
        if len(batch) == 0:
            raise ValueError("a batch holds at least one picture")
        # on a CPU a larger batch costs as much as its pictures one by one
        rows = [self._run_one(batch[index : index + 1]) for index in range(len(batch))]
        return [np.concatenate(parts) for parts in zip(*rows, strict=True)]

    def _run_one(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return _run(self.entry, self._session, self._outputs, {self._input: picture})


class PoseSession:
    """A loaded model that finds poses. ``input_shape`` is (1, h, w, 3), ``output_shape``
    (1, 6, 56) for 6 people: 17 x (y, x, score), then ymin, xmin, ymax, xmax, score, where
    positions are shares of the picture's height and width."""

    def __init__(self, entry: PoseEntry, session: Any) -> None:
        """Used by ``load_poses``. Runs one black picture to learn what the model returns."""
        self.entry = entry
        self.input_shape = (1, entry.input.height, entry.input.width, 3)
        self.output_shape = (1, MOVENET_PEOPLE, 3 * len(entry.keypoints) + 5)
        self._session = session
        self._input = session.get_inputs()[0].name
        outputs = session.get_outputs()
        self._output = [output.name for output in outputs]
        kinds = [output.type for output in outputs]
        found = [self._run_one(np.zeros(self.input_shape[1:], np.uint8)).shape]
        if kinds != [FLOAT] or found != [self.output_shape]:
            raise BadModel(
                f"{entry.name} returns {' and '.join(map(_written, found))} {', '.join(kinds)}; "
                f"layout {entry.layout} needs {_written(self.output_shape)} {FLOAT}: correct its "
                "entry or export the model again"
            )

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What is in pictures (n, h, w, 3) uint8 RGB: (n, 6, 56). Raises ValueError for another
        shape or type of ``images``, BadModel when onnxruntime fails."""
        if images.ndim != 4 or images.shape[1:] != self.input_shape[1:] or images.dtype != np.uint8:
            raise ValueError(
                f"pictures are (n, {', '.join(map(str, self.input_shape[1:]))}) uint8, "
                f"not {images.shape} {images.dtype}"
            )
        if len(images) == 0:
            return np.zeros((0, *self.output_shape[1:]), np.float32)
        return np.concatenate([self._run_one(image) for image in images])

    def _run_one(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        picture = image[None].astype(np.int32)
        return _run(self.entry, self._session, self._output, {self._input: picture})[0]


class ClassifierSession:
    """A loaded model that tells what a picture shows. ``input_shape`` is (1, 3, h, w)."""

    def __init__(self, entry: ClassifyEntry, session: Any, input_shape: tuple[int, ...]) -> None:
        """Used by ``load_classifier``. Runs one black picture to learn what the model returns."""
        self.entry = entry
        self.input_shape = input_shape
        self._session = session
        self._input = session.get_inputs()[0].name
        outputs = session.get_outputs()
        self._output = [outputs[0].name]
        wanted = (1, len(entry.classes))
        found = self._run_one(np.zeros(input_shape, np.float32)).shape
        if len(outputs) != 1 or outputs[0].type != FLOAT or found != wanted:
            raise BadModel(
                f"{entry.name} returns {_written(found)} {outputs[0].type}; with "
                f"{len(entry.classes)} classes it must be {_written(wanted)} {FLOAT} alone: "
                "correct classes in its entry"
            )

    def run(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """The share (classes,) of each class in what ``picture`` (1, 3, h, w) shows. Raises
        BadModel when onnxruntime fails."""
        scores = self._run_one(picture)[0].astype(np.float64)
        match self.entry.scores:
            case "softmax":
                shares = np.exp(scores - scores.max())
                shares /= shares.sum()
            case "sigmoid":
                shares = 1 / (1 + np.exp(-np.clip(scores, -60, 60)))
            case "probabilities":
                shares = scores
        return np.asarray(shares, np.float32)

    def _run_one(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return _run(self.entry, self._session, self._output, {self._input: picture})[0]


def _run(
    entry: AnyEntry, session: Any, outputs: list[str], inputs: dict[str, NDArray[Any]]
) -> list[NDArray[np.float32]]:
    try:
        found: list[NDArray[np.float32]] = session.run(outputs, inputs)
    except runtime_errors() as error:
        raise BadModel(f"{entry.name} fails when it runs: {reason(error)}") from error
    return found


def load_session(
    model: VerifiedModel,
    *,
    input_size: tuple[int, int] | None = None,
    providers: Sequence[str] = (CPU,),
    threads: int = 1,
) -> OnnxSession:
    """A session for pictures of ``input_size`` (height, width) px, by default the entry's own.

    ``providers`` are onnxruntime's execution providers, the preferred one first. Raises BadModel
    when the model finds no objects, the size is not the model's, a provider is unavailable, the
    file does not load, or its input or outputs are not what the entry states.
    """
    entry = model.entry
    if not isinstance(entry, ModelEntry):
        raise BadModel(f"{entry.name} finds no objects: its task is {entry.task}")
    shape = (1, 3, *_input_size(entry, input_size))
    _check_providers(entry, providers)
    dimensions = {name: shape[axis] for name, axis in _WELL_KNOWN_DIMENSIONS.items()}
    session = _load(model, dimensions, providers, threads)
    others = _symbolic_dimensions(entry, session, shape)
    if others:
        # fixed dimensions let onnxruntime fold everything that depends on the size
        session = _load(model, {**dimensions, **others}, providers, threads)
    _check_input(entry, session, shape, FLOAT)
    return OnnxSession(entry, session, shape)


def load_poses(
    model: VerifiedModel, *, providers: Sequence[str] = (CPU,), threads: int = 1
) -> PoseSession:
    """A session of a model that finds poses. Raises BadModel when it finds objects, a provider is
    unavailable, the file does not load, or its input or output is not what the entry states."""
    entry = model.entry
    if not isinstance(entry, PoseEntry):
        raise BadModel(f"{entry.name} finds no poses: its task is {entry.task}")
    _check_providers(entry, providers)
    session = _load(model, {}, providers, threads)
    _check_input(entry, session, (1, entry.input.height, entry.input.width, 3), INT32)
    return PoseSession(entry, session)


def load_classifier(
    model: VerifiedModel, *, providers: Sequence[str] = (CPU,), threads: int = 1
) -> ClassifierSession:
    """A session of a model that tells what a picture shows. Raises BadModel as ``load_poses``."""
    entry = model.entry
    if not isinstance(entry, ClassifyEntry):
        raise BadModel(f"{entry.name} does not tell what a picture shows: its task is {entry.task}")
    _check_providers(entry, providers)
    shape = (1, 3, entry.input.height, entry.input.width)
    dimensions = {name: shape[axis] for name, axis in _WELL_KNOWN_DIMENSIONS.items()}
    session = _load(model, dimensions, providers, threads)
    _check_input(entry, session, shape, FLOAT)
    return ClassifierSession(entry, session, shape)


def _input_size(entry: ModelEntry, wanted: tuple[int, int] | None) -> tuple[int, int]:
    own = (entry.input.height, entry.input.width)
    if wanted is None or wanted == own:
        return own
    if not entry.input.dynamic:
        raise BadModel(
            f"{entry.name} takes pictures of {own[0]}x{own[1]} (height x width) only, "
            f"not {wanted[0]}x{wanted[1]}"
        )
    if any(side <= 0 or side % SIZE_STEP for side in wanted):
        raise BadModel(
            f"{entry.name} takes heights and widths that are multiples of {SIZE_STEP}, "
            f"not {wanted[0]}x{wanted[1]}"
        )
    return wanted


def _check_providers(entry: AnyEntry, providers: Sequence[str]) -> None:
    available = runtime().get_available_providers()
    for provider in providers:
        if provider not in available:
            raise BadModel(
                f"{entry.name} cannot run on {provider}: this onnxruntime offers "
                f"{', '.join(available)}"
            )


def _load(
    model: VerifiedModel, dimensions: dict[str, int], providers: Sequence[str], threads: int
) -> Any:
    options = session_options(threads)
    for name, value in dimensions.items():
        options.add_free_dimension_override_by_name(name, value)
    name = model.entry.name
    try:
        session = runtime().InferenceSession(
            model.content, options, providers=list(providers), enable_fallback=0
        )
    except runtime_errors() as error:
        raise BadModel(f"{name} does not load as an ONNX model: {reason(error)}") from error
    # onnxruntime drops a provider whose libraries are missing and goes on without it
    lost = [provider for provider in providers if provider not in session.get_providers()]
    if lost:
        raise BadModel(f"{name} cannot run on {lost[0]}: its libraries or device are missing")
    return session


def _symbolic_dimensions(entry: ModelEntry, session: Any, shape: tuple[int, ...]) -> dict[str, int]:
    """Named dimensions of the input that are still open, and what they must be."""
    inputs = session.get_inputs()
    stated = inputs[0].shape if len(inputs) == 1 else []
    found: dict[str, int] = {}
    for dimension, value in zip(stated, shape, strict=False):
        if isinstance(dimension, str) and found.setdefault(dimension, value) != value:
            raise BadModel(
                f"{entry.name} uses one name '{dimension}' for two sides of its input: "
                "choose a square input_size or export it again"
            )
    return found


def _check_input(entry: AnyEntry, session: Any, shape: tuple[int, ...], kind: str) -> None:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs)
        raise BadModel(f"{entry.name} has {len(inputs)} inputs ({names}): a model here has one")
    stated, found = inputs[0].shape, inputs[0].type
    fits = len(stated) == len(shape) and all(
        dimension == value or not isinstance(dimension, int)
        for dimension, value in zip(stated, shape, strict=True)
    )
    if not fits or found != kind:
        raise BadModel(
            f"{entry.name} takes {tuple(stated)} {found}, its entry says {shape} {kind}: "
            "correct the entry's input or export the model again"
        )


def _check_outputs(
    entry: ModelEntry, outputs: Sequence[NDArray[np.float32]], shape: tuple[int, int, int, int]
) -> None:
    """Raises BadModel when what came out for one picture does not fit the layout."""
    expected = _expected_shapes(entry, shape)
    found = [output.shape for output in outputs]
    fits = len(found) == len(expected) and all(map(_fits, found, expected))
    # two outputs speak of the same objects, so they have as many rows
    if not fits or (len(found) > 1 and len({actual[1] for actual in found}) > 1):
        actual = " and ".join(map(_written, found))
        needed = " and ".join(map(_written, expected))
        raise BadModel(
            f"{entry.name} returns {actual}; layout {entry.layout} with {len(entry.classes)} "
            f"classes needs {needed}: correct layout or classes in its entry"
        )


def _expected_shapes(
    entry: ModelEntry, shape: tuple[int, int, int, int]
) -> list[tuple[int | None, ...]]:
    """One shape per output; None is any number of rows."""
    classes = len(entry.classes)
    match entry.layout:
        case "yolov8":
            return [(1, 4 + classes, None)]
        case "end_to_end":
            return [(1, None, 6)]
        case "yolox":
            cells = sum((shape[2] // stride) * (shape[3] // stride) for stride in YOLOX_STRIDES)
            return [(1, cells, 5 + classes)]
        case "detr":
            # softmax keeps a last score for "no object"
            scores = classes + 1 if entry.scores == "softmax" else classes
            return [(1, None, 4), (1, None, scores)]


def _fits(actual: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(actual) == len(expected) and all(
        size == wanted or (wanted is None and size > 0)
        for size, wanted in zip(actual, expected, strict=True)
    )


def _written(shape: Sequence[int | None]) -> str:
    return f"({', '.join('n' if size is None else str(size) for size in shape)})"
