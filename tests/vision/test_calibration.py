"""Where points of the picture are on the ground."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vision.calibration import Calibration

Floats = NDArray[np.float64]

FIELD_M = np.array([[0.0, 0.0], [8.0, 0.0], [8.0, 40.0], [0.0, 40.0], [4.0, 15.0]])


def seen(ground: Floats, *, tilt_deg: float = 20, height_m: float = 7, f: float = 900) -> Floats:
    """``ground`` (n, 2) m, x across and y ahead, by a camera ``height_m`` above it that looks down
    by ``tilt_deg``: px (n, 2) of a picture of 1280x720."""
    tilt = math.radians(tilt_deg)
    x, y = ground[:, 0] - 4, ground[:, 1] + 12
    ahead = y * math.cos(tilt) + height_m * math.sin(tilt)
    below = height_m * math.cos(tilt) - y * math.sin(tilt)
    return np.column_stack([640 + f * x / ahead, 360 + f * below / ahead])


@given(
    st.floats(8, 60),
    st.floats(4, 20),
    st.lists(st.tuples(st.floats(-5, 15), st.floats(0, 60)), min_size=1, max_size=6),
)
def test_the_ground_is_found_again(
    tilt_deg: float, height_m: float, places: list[tuple[float, float]]
) -> None:
    made = Calibration(seen(FIELD_M, tilt_deg=tilt_deg, height_m=height_m), FIELD_M)
    ground = np.array(places)
    px = seen(ground, tilt_deg=tilt_deg, height_m=height_m)
    assert made.on_ground(px).all()
    assert made.to_ground(px) == pytest.approx(ground, abs=1e-4)
    assert made.residual_m == pytest.approx(0, abs=1e-5)


@given(st.floats(-5, 15), st.floats(0, 60))
def test_how_far_a_pixel_reaches(x: float, y: float) -> None:
    made = Calibration(seen(FIELD_M), FIELD_M)
    (px,) = seen(np.array([[x, y]]))
    step = 1e-3
    for axis, move in enumerate(np.eye(2) * step):
        ends = made.to_ground(np.array([px + move, px - move]))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert made.m_per_px(px[None])[0, :, axis] == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_the_sky_is_no_ground() -> None:
    made = Calibration(seen(FIELD_M), FIELD_M)
    horizon = 360 - 900 * math.tan(math.radians(20))
    points = np.array([[640.0, horizon - 5], [640.0, horizon + 5]])
    assert made.on_ground(points).tolist() == [False, True]
    assert np.isnan(made.to_ground(points)[0]).all()
    assert made.to_ground(points)[1, 1] > 100


@given(st.integers(0, 4), st.floats(3, 20))
def test_a_point_that_is_off_leaves_a_residual(which: int, off_px: float) -> None:
    px = seen(FIELD_M)
    px[which, 1] += off_px
    try:
        made = Calibration(px, FIELD_M)
    except ValueError:
        assume(False)
    assert made.residual_m > 0.005


@pytest.mark.parametrize(
    ("px", "m", "said"),
    [
        ([[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 0], [1, 1]], "too few"),
        ([[0, 0], [1, 0], [2, 0], [3, 0]], [[0, 0], [1, 0], [1, 1], [0, 1]], "one line"),
        ([[0, 0], [9, 0], [9, 9], [0, 9]], [[0, 0], [1, 0], [2, 0], [0, 1]], "one line"),
        ([[5, 5]] * 4, [[0, 0], [1, 0], [1, 1], [0, 1]], "one line"),
        ([[0, 0], [9, 0], [9, 9], [0, math.nan]], [[0, 0], [1, 0], [1, 1], [0, 1]], "not a number"),
        ([[0, 0], [9, 9], [9, 0], [0, 9]], [[0, 0], [1, 0], [1, 1], [0, 1]], "order"),
        ([[0, 0, 0]] * 4, [[0, 0, 0]] * 4, "x and y"),
    ],
)
def test_points_that_say_nothing_are_refused(
    px: list[list[float]], m: list[list[float]], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Calibration(np.array(px), np.array(m))
