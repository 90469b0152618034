"""The pipeline beside its floor, in turns of a second within one run, so that whatever else the
machine does meanwhile meets both alike."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from models.session import OnnxSession
from models.zoo import VerifiedModel
from streams.detector import Detectors
from streams.evaluation.floor import floor
from streams.evaluation.stages import Measured, MeasuredSession, Stopwatch
from streams.files import ClipSource
from vision.detect import Session
from vision.errors import DetectorError
from vision.pipeline import Pipeline
from vision.scene import Scene

ROUNDS: Final = 3
TURN: Final = 20
"""Frames that one of the two analyses before it is the other's turn."""
Counts = dict[str, dict[str, dict[str, int]]]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a clip, its scene, the model's name, which frames, which input (h, w)."""

    clip: Path
    scene: Scene
    model: str
    fps: Fraction | None = None
    source_fps: Fraction | None = None
    input_size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One pass of the pipeline and one of the floor, CPU seconds: ``spent`` by stage, ``others``
    by what ``other`` consists of, ``floor`` by its two stages."""

    spent: dict[str, float]
    others: dict[str, float]
    floor: dict[str, float]
    analysed: int
    inferences: int
    floor_inferences: int
    objects: int
    counts: Counts

    @property
    def total(self) -> float:
        """CPU seconds of the pipeline."""
        return sum(self.spent.values())

    @property
    def ratio(self) -> float:
        """The pipeline over its floor."""
        return self.total / sum(self.floor.values())


@dataclass(frozen=True, slots=True)
class Overhead:
    """What all rounds say: the ratio is their median; times are milliseconds an analysed frame,
    means over all rounds, so that stages add up to what a frame costs."""

    rounds: tuple[Round, ...]
    input_size: tuple[int, int]

    @property
    def ratio(self) -> float:
        """The pipeline over its floor, the median of the rounds."""
        return statistics.median(each.ratio for each in self.rounds)

    @property
    def stages_ms(self) -> dict[str, float]:
        """By stage; what they add up to is what a frame costs."""
        return self._mean(lambda each: each.spent)

    @property
    def others_ms(self) -> dict[str, float]:
        """What the stage ``other`` consists of."""
        return self._mean(lambda each: each.others)

    @property
    def floor_ms(self) -> dict[str, float]:
        """The floor, by stage."""
        return self._mean(lambda each: each.floor)

    @property
    def around_ms(self) -> float:
        """Everything but decode and inference."""
        stages = self.stages_ms
        return sum(stages.values()) - stages["decode"] - stages["inference"]

    @property
    def objects(self) -> float:
        """Detections a frame that a track follows."""
        last = self.rounds[-1]
        return last.objects / max(1, last.analysed)

    def _mean(self, of: Callable[[Round], dict[str, float]]) -> dict[str, float]:
        analysed = sum(each.analysed for each in self.rounds)
        names = of(self.rounds[0])
        return {
            name: 1000 * sum(of(each)[name] for each in self.rounds) / analysed for name in names
        }


class Bench:
    """A subject with its model loaded once, for the pipeline and the floor. Raises what
    ``ClipSource`` and ``Detectors.pipeline`` raise."""

    def __init__(self, subject: Subject, resolve: Callable[[str], VerifiedModel]) -> None:
        self.subject = subject
        self._sessions: list[MeasuredSession] = []
        self._detectors = Detectors(resolve, wrap=self._wrapped, input_size=subject.input_size)
        self.source = self._opened()
        self.pipeline()

    @property
    def session(self) -> MeasuredSession:
        """The session of the model. Raises DetectorError where there is none."""
        if not self._sessions:
            raise DetectorError(
                "without a model there is no floor to measure against: name one with --model, and "
                "a scene whose 'detector' is not motion"
            )
        return self._sessions[0]

    @property
    def input_size(self) -> tuple[int, int]:
        """The model's input (h, w) px; DetectorError where there is no model."""
        height, width = self.session.input_shape[2:]
        return height, width

    def pipeline(self, watch: Stopwatch | None = None) -> Pipeline:
        """A fresh one."""
        info = self.source.info
        size = (info.width, info.height)
        laps = None if watch is None else watch.stage
        return self._detectors.pipeline(self.subject.model, size, self.subject.scene, laps=laps)

    def measured(self) -> Measured:
        """A fresh pipeline over the clip, and its stopwatch."""
        watch = Stopwatch()
        self.session.watch = watch
        return Measured(self._opened(), self.pipeline(watch), watch)

    def overhead(self, rounds: int, done: Callable[[int], None] = lambda _: None) -> Overhead:
        """The pipeline beside its floor; ``done`` hears of each round."""
        # neither pays for what the first frames of a process cost
        warm = self.measured()
        _advance(warm.steps(), TURN)
        found = []
        for number in range(rounds):
            found.append(self._round())
            done(number + 1)
        return Overhead(tuple(found), self.input_size)

    def _round(self) -> Round:
        session, measured, below = self.session, self.measured(), Stopwatch()
        runs = session.runs
        ours = measured.steps()
        # it may only see the frames that the pipeline has seen: the same ones, and no more
        theirs = floor(
            self.subject.clip, session.session, session.asked, measured.analysed, below.lap
        )
        floored = 0
        while taken := _advance(ours, TURN):
            below.go()
            floored += _advance(theirs, taken)
        below.go()
        floored += _advance(theirs, None)
        return Round(
            spent=measured.watch.spent,
            others=measured.watch.others,
            floor={stage: below.spent[stage] for stage in ("decode", "inference")},
            analysed=len(measured.analysed),
            inferences=session.runs - runs,
            floor_inferences=floored,
            objects=measured.objects,
            counts=measured.pipeline.counts,
        )

    def _opened(self) -> ClipSource:
        subject = self.subject
        return ClipSource(
            subject.clip,
            camera_id=subject.clip.stem,
            source_fps=subject.source_fps,
            fps=subject.fps,
        )

    def _wrapped(self, session: Session) -> Session:
        shape = session.input_shape if isinstance(session, OnnxSession) else ()
        self._sessions.append(MeasuredSession(session, shape))
        return self._sessions[-1]


def _advance(steps: Iterator[None], most: int | None) -> int:
    """Take up to ``most`` steps, all for None; how many there were."""
    return sum(1 for _ in itertools.islice(steps, most))
