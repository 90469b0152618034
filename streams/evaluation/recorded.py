"""How quickly recorded video is analysed: seconds of video for a second of one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from models.zoo import VerifiedModel
from streams.evaluation.overhead import Bench, Counts, Subject


@dataclass(frozen=True, slots=True)
class Recorded:
    """One pass over a clip of ``video_s`` seconds, which took ``cpu_s`` of CPU time, the look at
    the whole file before it and its decoding included, loading the model not."""

    video_s: float
    cpu_s: float
    input_size: tuple[int, int]
    analysed: int
    inferences: int
    objects: int
    counts: Counts

    @property
    def times(self) -> float:
        """So many times faster than real time, on one core."""
        return self.video_s / self.cpu_s


def recorded(subject: Subject, resolve: Callable[[str], VerifiedModel]) -> Recorded:
    """Analyse the clip of ``subject`` once. Raises what ``Bench`` raises."""
    bench = Bench(subject, resolve)
    session = bench.session
    began_s = time.process_time()
    measured = bench.measured()
    for _ in measured.steps():
        pass
    cpu_s = time.process_time() - began_s
    return Recorded(
        video_s=bench.source.info.duration_s,
        cpu_s=cpu_s,
        input_size=bench.input_size,
        analysed=len(measured.analysed),
        inferences=session.runs,
        objects=measured.objects,
        counts=measured.pipeline.counts,
    )
