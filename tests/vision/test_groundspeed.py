"""How fast something goes on the ground, and how surely."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.test_calibration import FIELD_M, seen
from vision.calibration import Calibration
from vision.groundspeed import BODY_SHARE, KMH, MIN_FIXES, GroundSpeed, Speed

GROUND = GroundSpeed(Calibration(seen(FIELD_M), FIELD_M))
TIMES = np.arange(0, 1.01, 0.1)


def way(kmh: float, way_deg: float, times: np.ndarray = TIMES) -> np.ndarray:
    """Feet (n, 2) px of something that is at (4, 15) m in the middle of ``times``."""
    turn = math.radians(way_deg)
    along = (times - times.mean())[:, None] * kmh / KMH
    return seen(np.array([4.0, 15.0]) + along * np.array([math.cos(turn), math.sin(turn)]))


def measured(times: np.ndarray, px: np.ndarray) -> Speed:
    found = GROUND.speed(times, px)
    assert found is not None
    return found


@given(st.floats(5, 90), st.floats(0, 360))
def test_an_even_motion_is_measured_exactly(kmh: float, way_deg: float) -> None:
    found = measured(TIMES, way(kmh, way_deg))
    assert found.kmh == pytest.approx(kmh, rel=1e-4)
    assert found.noise_px == pytest.approx(0, abs=0.01)
    # and never believed to be so
    assert found.sd_kmh > BODY_SHARE * kmh
    assert found.at_least_kmh == found.kmh - 2 * found.sd_kmh


@pytest.mark.parametrize("kmh", [20, 60])
@pytest.mark.parametrize("noise_px", [1.0, 3.0])
@pytest.mark.parametrize("fps", [5, 10])
def test_noise_is_told_as_it_is(kmh: float, noise_px: float, fps: int) -> None:
    """19 of 20 are within two standard deviations, and most of the doubt is no invention."""
    rng = np.random.default_rng(1)
    times = np.arange(0, 1.01, 1 / fps)
    found = [
        measured(times, way(kmh, 90, times) + rng.normal(0, noise_px, (len(times), 2)))
        for _ in range(300)
    ]
    off = np.array([each.kmh - kmh for each in found])
    told = np.array([each.sd_kmh for each in found])
    assert (np.abs(off) <= 2 * told).mean() >= 0.95
    assert np.mean([each.noise_px for each in found]) == pytest.approx(noise_px, rel=0.1)
    if noise_px == 3 and fps == 5:
        assert float(np.sqrt((off**2).mean())) > 0.5 * told.mean()


def test_what_does_not_go_straight_is_doubted() -> None:
    """A box that jumps, as to another vehicle, was not driven there."""
    for jump_px in (-40, -25, 25, 40):
        px = way(60, 90)
        px[6:, 1] += jump_px
        found = measured(TIMES, px)
        assert abs(found.kmh - 60) > 8
        assert abs(found.kmh - 60) < 2 * found.sd_kmh


def test_more_boxes_a_second_make_nothing_surer_than_five_do() -> None:
    def sd(fps: int) -> float:
        times = np.arange(0, 1.01, 1 / fps)
        return measured(times, way(60, 90, times)).sd_kmh

    assert sd(25) == pytest.approx(sd(5), rel=0.1)


def test_too_little_says_nothing() -> None:
    few = MIN_FIXES - 1
    assert GROUND.speed(TIMES[:few], way(60, 90)[:few]) is None
    assert GROUND.speed(np.zeros(5), way(60, 90)[:5]) is None
    still = measured(TIMES, np.tile(way(60, 90)[:1], (len(TIMES), 1)))
    assert still.kmh == pytest.approx(0, abs=1e-6)


def test_the_ground_is_coarser_far_away() -> None:
    steps = [GROUND.step_m(seen(np.array([[4.0, y]]))[0]) for y in (0, 20, 40, 80)]
    assert steps == sorted(steps)
    assert GROUND.step_m(np.array([640.0, 0.0])) == math.inf
