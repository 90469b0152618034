"""Where the time of a frame goes: every part of it belongs to one stage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.evaluation.stages import STAGES, MeasuredSession, Stopwatch
from vision.detect import Outputs
from vision.errors import DetectorError
from vision.types import FloatArray


class Clock:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Model:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def run(self, batch: FloatArray) -> Outputs:
        self._clock.now += 5.0
        return [batch]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*STAGES[:-1], "quality", "observations", "loop"]), st.floats(0, 10)
        )
    )
)
def test_stages_add_up_to_what_was_spent(laps: list[tuple[str, float]]) -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    for part, seconds in laps:
        clock.now += seconds
        watch.lap(part)
    assert math.isclose(watch.total, clock.now, abs_tol=1e-9)
    assert math.isclose(sum(watch.others.values()), watch.spent["other"], abs_tol=1e-9)


def test_what_lies_around_the_model_is_told_apart() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    session = MeasuredSession(Model(clock), (1, 3, 2, 2))
    session.watch = watch
    batch = np.ones((1, 3, 2, 2), np.float32)
    for asked in (True, False):
        watch.stage("quality")
        clock.now += 1.0
        if asked:
            session.run(batch)
            clock.now += 2.0
        watch.stage("detect")
    # without a question to the model, all of it was done to see that there is none
    assert watch.spent == {
        **dict.fromkeys(STAGES, 0.0), "preprocess": 2.0, "inference": 5.0, "postprocess": 2.0,
    }  # fmt: skip
    assert session.runs == 1
    assert session.asked is batch


def test_what_nobody_measures_counts_for_nobody() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    clock.now = 7.0
    watch.go()
    watch.lap("decode")
    assert watch.total == 0
    clock.now = 9.0
    watch.lap("decode")
    watch.reset()
    assert watch.total == 0
    session = MeasuredSession(Model(clock), (1, 3, 2, 2))
    session.run(np.ones((1, 3, 2, 2), np.float32))
    assert session.runs == 0
    with pytest.raises(DetectorError, match="asked about no frame"):
        _ = session.asked
