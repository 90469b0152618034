"""What marks may be off by, and what that makes of a measurement."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.vision.test_calibration import FIELD_M, seen
from vision.calibration import Calibration
from vision.marks import MARK_M, MARK_PX, Marks

ENDS_M = np.array([[4.0, 10.0], [4.0, 30.0]])


def length(ground: Calibration) -> float:
    start, end = ground.to_ground(seen(ENDS_M))
    return math.dist(start, end)


def test_errors_of_marks_are_carried_on_as_chance_has_them() -> None:
    """Against 400 calibrations whose marks were pointed at and measured so."""
    rng = np.random.default_rng(0)
    marks = FIELD_M[:4]
    lengths = [
        length(
            Calibration(
                seen(marks) + rng.normal(0, MARK_PX, (4, 2)), marks + rng.normal(0, MARK_M, (4, 2))
            )
        )
        for _ in range(400)
    ]
    told = Marks(Calibration(seen(marks), marks)).spread(length)
    assert told == pytest.approx(float(np.std(lengths)), rel=0.15)


def test_marks_that_contradict_each_other_are_worth_less() -> None:
    px = seen(FIELD_M)
    good = Marks(Calibration(px, FIELD_M)).spread(length)
    px[4, 1] += 12
    assert Marks(Calibration(px, FIELD_M)).spread(length) > 3 * good


def test_what_is_far_from_the_marks_is_less_sure() -> None:
    marks = Marks(Calibration(seen(FIELD_M), FIELD_M))

    def depth(y: float) -> float:
        ends = seen(np.array([[4.0, y], [4.0, y + 5]]))
        return marks.spread(lambda ground: math.dist(*ground.to_ground(ends)))

    assert depth(10) < depth(30) < depth(60)


def test_what_is_no_number_is_not_known_at_all() -> None:
    marks = Marks(Calibration(seen(FIELD_M), FIELD_M))
    assert marks.spread(lambda _: math.nan) == math.inf


def test_marks_too_close_together_are_refused() -> None:
    tiny = np.array([[0.0, 0.0], [0.05, 0.0], [0.05, 0.05], [0.0, 0.05]])
    with pytest.raises(ValueError, match="so close together"):
        Marks(Calibration(seen(tiny), tiny))
