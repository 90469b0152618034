"""Where the CPU time of an analysed frame goes, stage by stage, in the pipeline as it runs live.

All CPU time of the process counts, that of decoding threads included, and none of it is left out:
what a frame costs is the sum of its stages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from streams.files import ClipSource
from vision.detect import Session
from vision.errors import DetectorError
from vision.laps import Stage
from vision.layouts import Outputs
from vision.pipeline import Pipeline
from vision.types import FloatArray

STAGES: Final = (
    "decode", "preprocess", "inference", "postprocess", "track", "rules", "other",
)  # fmt: skip


class Stopwatch:
    """CPU seconds by stage: each lap belongs to the stage that has ended. ``others`` says of what
    ``other`` consists."""

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.spent = dict.fromkeys(STAGES, 0.0)
        self.others = {"quality": 0.0, "observations": 0.0, "loop": 0.0}
        self._clock = clock
        self._at = clock()
        self._ran = False

    def reset(self) -> None:
        """Forget what was spent."""
        self.spent = dict.fromkeys(self.spent, 0.0)
        self.others = dict.fromkeys(self.others, 0.0)

    def go(self) -> None:
        """What was spent since the last lap belongs to nobody."""
        self._at = self._clock()

    def lap(self, part: str) -> None:
        """A stage, or a part of ``others``, has ended."""
        now = self._clock()
        if part in self.others:
            self.others[part] += now - self._at
            self.spent["other"] += now - self._at
        else:
            self.spent[part] += now - self._at
        self._at = now
        self._ran |= part == "inference"

    def stage(self, stage: Stage) -> None:
        """The same, as a pipeline says it."""
        match stage:
            case "detect":
                # where the model was not asked, all that was done is to see that it need not be
                self.lap("postprocess" if self._ran else "preprocess")
                self._ran = False
            case "other":
                self.lap("observations")
            case _:
                self.lap(stage)

    @property
    def total(self) -> float:
        """CPU seconds of all stages."""
        return sum(self.spent.values())


class MeasuredSession:
    """A session whose runs are told apart from what is done before and after them, while ``watch``
    is set. ``runs`` is how often it ran then, ``input_shape`` (1, 3, h, w)."""

    def __init__(self, session: Session, input_shape: tuple[int, ...]) -> None:
        self.session = session
        self.input_shape = input_shape
        self.watch: Stopwatch | None = None
        self.runs = 0
        self._batch: FloatArray | None = None

    @property
    def asked(self) -> FloatArray:
        """What it ran last. Raises DetectorError where it never did."""
        if self._batch is None:
            raise DetectorError("the model was asked about no frame: the clip has none to analyse")
        return self._batch

    def run(self, batch: FloatArray) -> Outputs:
        """What the session gives."""
        watch = self.watch
        if watch is None:
            return self.session.run(batch)
        watch.lap("preprocess")
        outputs = self.session.run(batch)
        watch.lap("inference")
        self._batch = batch
        self.runs += 1
        return outputs


class Measured:
    """A pipeline that is measured over a clip. ``analysed`` are the numbers of the frames that
    it has seen so far, ``objects`` how many detections followed by a track they showed."""

    def __init__(self, clip: ClipSource, pipeline: Pipeline, watch: Stopwatch) -> None:
        self.watch = watch
        self.analysed: set[int] = set()
        self.objects = 0
        self.pipeline = pipeline
        self._clip = clip

    def steps(self) -> Iterator[None]:
        """Analyse the clip; yields after each frame."""
        watch, step = self.watch, self.pipeline.step
        with self._clip as clip:
            watch.go()
            for frame in clip.frames():
                watch.lap("decode")
                tracked = step(frame).tracked
                watch.lap("loop")
                self.analysed.add(frame.index)
                self.objects += int(np.count_nonzero(tracked.track_id >= 0))
                yield
                watch.go()
            watch.lap("decode")
        self.pipeline.finish()
        watch.lap("rules")
