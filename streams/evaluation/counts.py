"""How well clips are counted: what the pipeline counts on them against a stated truth.

A manifest lists clips with their scenes and how many pass each line (``docs/evaluation.md``). An
error is the number counted less the true one. The weighted absolute percentage error of rows is
the sum of their absolute errors over the sum of their true numbers, so that misses and false
counts do not make up for each other; where nothing truly passed it is not defined, and the sum of
the absolute errors says how many were counted for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from streams.analysis import Record, Summary, analyse
from streams.config import MOTION
from streams.detector import Detectors
from streams.evaluation.clips import ONNX, Rate, rate_name
from streams.evaluation.manifest import ListedClip
from streams.expectations import CountExpectation
from streams.files import ClipSource
from vision.errors import DetectorError, SceneError
from vision.pipeline import Pipeline
from vision.scene import Scene
from vision.types import JsonValue

Key = TypeVar("Key")
Value = TypeVar("Value")

ALL_CLASSES = "all classes"
LISTED = "as listed"
DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Setting:
    """What every clip is analysed with; None: what the manifest says for it."""

    model: str | None = None
    rate: Rate | None = None

    def __str__(self) -> str:
        model = LISTED if self.model is None else model_name(self.model)
        rate = LISTED if self.rate is None else rate_name(self.rate)
        return f"model {model}, frame rate {rate}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line, direction and class (None: all together) of one clip. ``late``: how many in this
    direction, of any class, were first seen just past the line and are not counted."""

    line: str
    direction: str
    class_name: str | None
    truth: int
    tolerance: int
    counted: int
    late: int

    @property
    def error(self) -> int:
        """How many were counted too many; below 0, too few."""
        return self.counted - self.truth

    @property
    def within(self) -> bool:
        """Is it right but for the tolerance?"""
        return abs(self.error) <= self.tolerance

    @property
    def what(self) -> str:
        """The class, or that it is all of them."""
        return self.class_name or ALL_CLASSES


@dataclass(frozen=True, slots=True)
class Run:
    """One clip, analysed once. ``rate`` is as it was asked for; ``cpu_s`` the processor's seconds
    of the whole process, without loading the model."""

    clip: str
    model: str
    rate: str
    frames: int
    analysed: int
    cpu_s: float
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """What tells it from other runs, such as ``plaza, nanodet_g, 5 fps``."""
        return f"{self.clip}, {self.model}, {self.rate} fps"

    @property
    def cpu_s_per_1000_frames(self) -> float:
        """Of the analysed frames, decoding included."""
        return 1000 * self.cpu_s / max(1, self.analysed)


@dataclass(frozen=True, slots=True)
class Score:
    """Sums over some rows."""

    truth: int
    counted: int
    absolute_error: int

    @property
    def wape(self) -> float | None:
        """Weighted absolute percentage error as a share; None where nothing truly passed."""
        return self.absolute_error / self.truth if self.truth else None

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Score:
        """The sums over ``rows``."""
        known = list(rows)
        return cls(
            sum(row.truth for row in known),
            sum(row.counted for row in known),
            sum(abs(row.error) for row in known),
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all runs of one setting. ``zero_truth`` is about the rows whose truth is 0;
    ``swapped`` of ``both_ways`` true passages were given the other direction (``swapped_at``)."""

    total: Score
    by_line: dict[str, Score]
    by_direction: dict[str, Score]
    by_class: dict[str, Score]
    zero_truth: Score
    swapped: int
    both_ways: int

    @property
    def direction_error(self) -> float | None:
        """``swapped`` as a share of ``both_ways``; None where no line has a truth both ways."""
        return self.swapped / self.both_ways if self.both_ways else None

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Scores:
        """The scores of ``runs``, one of each clip."""
        named = [(f"{run.clip}: {row.line}", row) for run in runs for row in run.rows]
        rows = [row for _, row in named]
        lines = _grouped(named)
        two_way = [rows for rows in lines.values() if len({row.direction for row in rows}) == 2]
        return cls(
            total=Score.of(rows),
            by_line={line: Score.of(rows) for line, rows in lines.items()},
            by_direction=_scored(_by_direction(rows)),
            by_class=_scored((row.what, row) for row in rows),
            zero_truth=Score.of(row for row in rows if row.truth == 0),
            swapped=sum(swapped_at(rows) for rows in two_way),
            both_ways=sum(Score.of(rows).truth for rows in two_way),
        )


def swapped_at(rows: Sequence[Row]) -> int:
    """How many errors at one line its two directions explain: with the errors a and b of the
    directions, (|a| + |b| - |a + b|) / 2. One passage counted the wrong way is one missed there
    and one too many here."""
    errors = [sum(row.error for row in rows) for rows in _grouped(_by_direction(rows)).values()]
    return (sum(map(abs, errors)) - abs(sum(errors))) // 2


@dataclass(frozen=True, slots=True)
class Agreement:
    """One line of one clip at several frame rates: ``within`` is the greatest difference between
    what two of them counted in one direction and class."""

    clip: str
    model: str
    line: str
    rates: tuple[str, ...]
    within: int

    @classmethod
    def of(cls, runs: Iterable[Run]) -> list[Agreement]:
        """Of each clip, model and line that was analysed at more than one rate."""
        found = []
        for (clip, model), same in _grouped(((run.clip, run.model), run) for run in runs).items():
            by_rate = {run.rate: run for run in same}
            counted: dict[str, dict[tuple[str, str], list[int]]] = {}
            for run in by_rate.values():
                for row in run.rows:
                    here = counted.setdefault(row.line, {})
                    here.setdefault((row.direction, row.what), []).append(row.counted)
            if len(by_rate) > 1:
                found += [
                    cls(clip, model, line, tuple(by_rate), max(map(_spread, numbers.values())))
                    for line, numbers in counted.items()
                ]
        return found


class Evaluation:
    """Analyses the clips of a manifest with the pipeline of ``matakota analyse``; the same clip,
    model and picked frames once only.

    Building it loads every model and makes every pipeline, so that a wrong one is known before
    the work. Raises SceneError, DetectorError or what the model's loading raises.
    """

    def __init__(
        self, clips: Sequence[ListedClip], settings: Sequence[Setting], detectors: Detectors
    ) -> None:
        self._clips = clips
        self._settings = settings
        self._detectors = detectors
        self._done: dict[tuple[str, str, Fraction | None], Run] = {}
        for setting in settings:
            for clip in clips:
                self._pipeline(clip, _model(setting, clip))

    def runs(self, started: Callable[[str], None]) -> Iterator[tuple[Setting, list[Run]]]:
        """The runs of each setting, one of each clip in the manifest's order. ``started`` gets
        the name of what is analysed next. Raises ClipError where a clip breaks off."""
        for setting in self._settings:
            yield setting, [self._run(setting, clip, started) for clip in self._clips]

    def _run(self, setting: Setting, clip: ListedClip, started: Callable[[str], None]) -> Run:
        model = _model(setting, clip)
        rate = setting.rate or clip.rate
        fps = None if rate == "full" or rate >= clip.info.rate else rate
        key = clip.name, model, fps
        if key not in self._done:
            started(f"{clip.name}, {_finder_name(model, clip.scene)}, {rate_name(rate)} fps")
            self._done[key] = self._analysed(clip, model, fps)
        return replace(self._done[key], rate=rate_name(rate))

    def _analysed(self, clip: ListedClip, model: str, fps: Fraction | None) -> Run:
        source = ClipSource(clip.path, camera_id=clip.name, source_fps=clip.source_fps, fps=fps)
        pipeline = self._pipeline(clip, model)
        began = time.process_time()
        summary = analyse(source, pipeline, start_ts=0.0, write=_nowhere)
        return Run(
            clip=clip.name,
            model=_finder_name(model, clip.scene),
            rate="",
            frames=summary.frames,
            analysed=summary.analysed,
            cpu_s=time.process_time() - began,
            rows=tuple(row_of(expected, summary) for expected in clip.truth),
        )

    def _pipeline(self, clip: ListedClip, model: str) -> Pipeline:
        size = clip.info.width, clip.info.height
        try:
            return self._detectors.pipeline(model, size, clip.scene)
        except (SceneError, DetectorError) as error:
            raise type(error)(f"clip '{clip.name}': {error}") from None


def row_of(expected: CountExpectation, summary: Summary) -> Row:
    """What a clip came to, beside what was expected of one line, direction and class."""
    return Row(
        line=expected.line,
        direction=expected.direction,
        class_name=expected.class_name,
        truth=expected.count,
        tolerance=expected.tolerance,
        counted=expected.counted(summary),
        late=summary.late[expected.line][expected.direction],
    )


def model_name(model: str) -> str:
    """A model as tables and files name it, wherever its file lies."""
    return Path(model).stem if model.endswith(ONNX) else model


def report(results: Sequence[tuple[Setting, list[Run]]], skipped: Sequence[str]) -> Record:
    """Everything that is known, as the JSON file has it (``docs/evaluation.md``)."""
    return {
        "skipped": list(skipped),
        "settings": [
            {
                "model": None if setting.model is None else model_name(setting.model),
                "fps": None if setting.rate is None else rate_name(setting.rate),
                "runs": [_run_record(run) for run in runs],
                **_scores_record(Scores.of(runs)),
            }
            for setting, runs in results
        ],
        "agreement": [
            {"clip": found.clip, "model": found.model, "line": found.line,
             "fps": list(found.rates), "within": found.within}
            for found in Agreement.of(run for _, runs in results for run in runs)
        ],
    }  # fmt: skip


def _run_record(run: Run) -> Record:
    return {
        "clip": run.clip,
        "model": run.model,
        "fps": run.rate,
        "frames": run.frames,
        "analysed": run.analysed,
        "cpu_s_per_1000_frames": round(run.cpu_s_per_1000_frames, 2),
        "rows": [
            {
                "line": row.line,
                "direction": row.direction,
                "class": row.class_name,
                "truth": row.truth,
                "tolerance": row.tolerance,
                "counted": row.counted,
                "error": row.error,
                "late": row.late,
                "within": row.within,
            }
            for row in run.rows
        ],
    }


def _scores_record(scores: Scores) -> Record:
    def record(score: Score) -> JsonValue:
        return {
            "truth": score.truth,
            "counted": score.counted,
            "absolute_error": score.absolute_error,
            "wape": _rounded(score.wape),
        }

    return {
        "total": record(scores.total),
        "lines": {name: record(score) for name, score in scores.by_line.items()},
        "directions": {name: record(score) for name, score in scores.by_direction.items()},
        "classes": {name: record(score) for name, score in scores.by_class.items()},
        "zero_truth": record(scores.zero_truth),
        "direction_error": {
            "swapped": scores.swapped,
            "truth": scores.both_ways,
            "share": _rounded(scores.direction_error),
        },
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, DECIMALS)


def _model(setting: Setting, clip: ListedClip) -> str:
    """The model for a clip; what looks for motion is no matter of models."""
    if MOTION in (clip.scene.detector, clip.model):
        return MOTION
    return setting.model or clip.model


def _finder_name(model: str, scene: Scene) -> str:
    fused = " and motion" if scene.detector == "fused" else ""
    return model_name(model) + fused


def _by_direction(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    return ((row.direction, row) for row in rows)


def _grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    found: dict[Key, list[Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _scored(pairs: Iterable[tuple[str, Row]]) -> dict[str, Score]:
    return {name: Score.of(rows) for name, rows in _grouped(pairs).items()}


def _spread(numbers: Sequence[int]) -> int:
    return max(numbers) - min(numbers)


def _nowhere(record: Record) -> None:
    """The records of the crossings themselves are not asked for."""
