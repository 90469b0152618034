"""A quantised detector beside the one that it was made from: in the same pictures, against labels,
and at lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from models.manifest import ModelEntry
from models.quantised import FLOAT, Agreement, Counted, QuantisedRecord, Truth, Variant
from models.zoo import VerifiedModel
from streams.detector import DEFAULT_CLASSES, Detectors, build_detector, detector_spec, input_size
from streams.evaluation import mot
from streams.evaluation.agreement import (
    NOTHING,
    SAME_IOU,
    Matches,
    against,
    agreement,
    average_precision,
)
from streams.evaluation.counts import Evaluation, Setting
from streams.evaluation.manifest import ListedClip
from streams.files import ClipSource
from vision.detect import Detector
from vision.errors import DetectorError, SequenceError
from vision.geometry import iou
from vision.types import Detections, FloatArray, Frame

MAX_LOSS: Final = 0.01
"""A point of F1: a model that loses more does not replace the one it was made from."""
MAX_APART: Final = 1
"""Counts of a row may differ by so many: where people hide each other, one is chance."""
DECIMALS = 4
Models: TypeAlias = Mapping[Variant, VerifiedModel]
Started: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A clip that models are compared on, and the labels of the people in it where there are
    some: picture ``k`` (from 0) of the clip is ``k + 1`` of the sequence."""

    clip: Path
    truth: mot.Sequence | None = None


class _Given:
    """A session that keeps what it was given, and finds nothing."""

    def __init__(self, entry: ModelEntry) -> None:
        self.batch = np.zeros((0, 3, 0, 0), np.float32)
        self._rows = 4 + len(entry.classes)

    def run(self, batch: FloatArray) -> list[FloatArray]:
        self.batch = batch
        return [np.zeros((len(batch), self._rows, 0), np.float32)]


def inputs(entry: ModelEntry, clip: Path, count: int) -> Iterator[FloatArray]:
    """What the model gets (1, 3, h, w) for ``count`` pictures of a clip, evenly spread over it.
    Raises ClipError."""
    source = ClipSource(clip, camera_id=clip.stem)
    size = input_size(entry, (source.info.width, source.info.height))
    # whatever the model's own layout is: nothing comes out here, it only must be readable
    plain = detector_spec(entry.model_copy(update={"layout": "yolov8", "scores": None}), size)
    session = _Given(entry)
    detector = Detector(plain, session, _classes(entry))
    for frame in _spread(source, count):
        detector.find(frame)
        yield session.batch


def compare(
    models: Models, checks: Sequence[Check], count: int, started: Started
) -> tuple[Agreement, tuple[Truth, ...]]:
    """How each model of ``models`` does beside ``float`` on ``count`` pictures of each clip. Raises
    ClipError, BadModel, SequenceError where labels are of another clip, and DetectorError where
    the model knows none of their classes."""
    others: list[Variant] = [name for name in models if name != FLOAT]
    entry = _entry(models[FLOAT])
    birth, match = entry.thresholds.birth, entry.thresholds.match
    hysteresis, plain = (dict.fromkeys(others, NOTHING) for _ in range(2))
    truths, pictures = [], 0
    for check in checks:
        started(check.clip.name)
        indices, found, detector = _found(models, check, count)
        pictures += len(indices)
        for name in others:
            pairs = list(zip(found[FLOAT], found[name], strict=True))
            group_of = detector.group_of
            hysteresis[name] += agreement(pairs, group_of, sure=birth, seen=match)
            plain[name] += agreement(pairs, group_of, sure=match, seen=match)
        if check.truth is not None:
            truths.append(_judged(check.clip, check.truth, indices, found, detector, entry))
    agreed = Agreement(
        clips=tuple(check.clip.name for check in checks),
        pictures=pictures,
        boxes=hysteresis[others[0]].wanted,
        f1=_f1(hysteresis),
        match_f1=_f1(plain),
    )
    return agreed, tuple(truths)


def counted(models: Models, clips: Sequence[ListedClip], started: Started) -> tuple[Counted, ...]:
    """What each model counts at the lines of a list of clips (``docs/evaluation.md``). Raises what
    ``Evaluation`` raises."""
    detectors = Detectors(lambda name: models[_variant(models, name)])
    evaluation = Evaluation(clips, [Setting(name) for name in models], detectors)
    rows = {
        setting.model: [(run.clip, row) for run in runs for row in run.rows]
        for setting, runs in evaluation.runs(started)
    }
    return tuple(
        Counted(
            clip=clip,
            line=row.line,
            direction=row.direction,
            class_name=row.class_name,
            truth=row.truth,
            counted={name: rows[name][index][1].counted for name in models},
        )
        for index, (clip, row) in enumerate(rows[FLOAT])
    )


def losses(found: QuantisedRecord) -> list[str]:
    """What speaks against using the model, in words: nothing that could be compared; more than
    ``MAX_LOSS`` of F1 against the float model's own finds, or against labels, where each labelled
    person weighs the same; and counts further from the truth than the float model's by more than
    ``MAX_APART`` from those."""
    agreed = found.agreement
    clips = ", ".join(agreed.clips)
    said = []
    if not agreed.boxes:
        said.append(
            f"nothing was found to compare on {clips}: name clips that show more with --check"
        )
    for name, f1 in agreed.f1.items():
        if _more(1 - f1):
            said.append(
                f"{name} loses {_points(1 - f1)} of F1 against {found.source} on "
                f"{agreed.pictures} pictures of {clips}"
            )
        for threshold in ("match", "birth") if found.truth else ():
            shares = [getattr(each, f"{threshold}_f1") for each in found.truth]
            weights = [each.people for each in found.truth]
            lost = [share[FLOAT] - share[name] for share in shares]
            mean = float(np.average(lost, weights=weights)) if sum(weights) else 0.0
            if _more(mean):
                said.append(
                    f"{name} loses {_points(mean)} of F1 at '{threshold}' against the labels of "
                    f"{', '.join(each.sequence for each in found.truth)}"
                )
        for row in found.counts:
            own, number = row.counted[FLOAT], row.counted[name]
            closer = abs(number - row.truth) <= abs(own - row.truth)
            if not closer and abs(number - own) > MAX_APART:
                said.append(
                    f"{name} counts {number} at {row.clip} {row.line} {row.direction} "
                    f"({row.class_name or 'all'}), where {row.truth} passed and {found.source} "
                    f"counts {own}"
                )
    return said


def _more(lost: float) -> bool:
    """Whether that is more than may be lost, by the decimals that entries have."""
    return round(lost, DECIMALS) > MAX_LOSS


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _variant(models: Models, name: str) -> Variant:
    return next(each for each in models if each == name)


def _entry(model: VerifiedModel) -> ModelEntry:
    if not isinstance(model.entry, ModelEntry):
        raise DetectorError(f"the model {model.entry.name} finds no objects: name a detector")
    return model.entry


def _classes(entry: ModelEntry) -> tuple[str, ...]:
    """What scenes look for by default, or all of a model that knows nothing of it."""
    return tuple(name for name in DEFAULT_CLASSES if name in entry.classes) or entry.classes


def _spread(source: ClipSource, count: int) -> Iterator[Frame]:
    total = source.info.frames
    wanted = {(2 * index + 1) * total // (2 * count) for index in range(count)}
    return (frame for frame in source.frames() if frame.index in wanted)


def _found(
    models: Models, check: Check, count: int
) -> tuple[list[int], dict[Variant, list[Detections]], Detector]:
    """Numbers of the pictures that were looked at, what each model found, and the float one."""
    source = ClipSource(check.clip, camera_id=check.clip.stem)
    if check.truth is not None and check.truth.length != source.info.frames:
        raise SequenceError(
            f"{check.clip} has {source.info.frames} pictures, the sequence {check.truth.name} "
            f"{check.truth.length}: name the labels of this clip"
        )
    size, classes = (source.info.width, source.info.height), _classes(_entry(models[FLOAT]))
    detectors = {
        name: build_detector(model, frame_size=size, classes=classes)
        for name, model in models.items()
    }
    indices: list[int] = []
    found: dict[Variant, list[Detections]] = {name: [] for name in models}
    for frame in _spread(source, count):
        indices.append(frame.index)
        for name, detector in detectors.items():
            found[name].append(detector.find(frame))
    return indices, found, detectors[FLOAT]


def _judged(
    clip: Path,
    truth: mot.Sequence,
    indices: Sequence[int],
    found: Mapping[Variant, list[Detections]],
    detector: Detector,
    entry: ModelEntry,
) -> Truth:
    for name in mot.CLASSES:
        if name not in detector.classes:
            raise DetectorError(
                f"the model {entry.name} does not know the class '{name}', of which the labels "
                f"of {truth.name} speak: leave --truth out"
            )
    wanted = [detector.classes.index(name) for name in mot.CLASSES]
    judged = {
        name: [
            _labelled(truth, index, each.select(np.isin(each.class_id, wanted)))
            for index, each in zip(indices, one, strict=True)
        ]
        for name, one in found.items()
    }

    def f1(least: float) -> dict[Variant, float]:
        return _f1(
            {
                name: against((boxes, each.xyxy[each.score >= least]) for boxes, each in pairs)
                for name, pairs in judged.items()
            }
        )

    return Truth(
        clip=clip.name,
        sequence=truth.name,
        pictures=len(indices),
        people=sum(len(boxes) for boxes, _ in judged[FLOAT]),
        match_f1=f1(entry.thresholds.match),
        birth_f1=f1(entry.thresholds.birth),
        ap50={name: round(average_precision(pairs), DECIMALS) for name, pairs in judged.items()},
    )


def _labelled(truth: mot.Sequence, index: int, found: Detections) -> tuple[FloatArray, Detections]:
    """The boxes of a picture's labels, and what was found but for those that show a label which
    does not count."""
    rows = truth.truth
    here = rows.frame == index + 1
    boxes = rows.xyxy[here].astype(np.float32)
    counts = rows.counted[here]
    overlap = iou(found.xyxy, boxes)
    best = overlap.argmax(axis=1) if len(boxes) else np.zeros(0, np.intp)
    stays = np.ones(len(found), np.bool_)
    if len(boxes):
        stays = counts[best] | (overlap.max(axis=1) < SAME_IOU)
    return boxes[counts], found.select(stays)


def _f1(found: Mapping[Variant, Matches]) -> dict[Variant, float]:
    return {name: round(each.f1, DECIMALS) for name, each in found.items()}
