"""The box filter: it finds constant velocity at any frame rate, and its numbers stay sound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.kalman import BoxFilter

SIZE = np.array([40.0, 80.0])
ROW = np.array([0])


def box(centre: Any, size: Any = SIZE) -> Any:
    """One box (1, 4) xyxy around a centre."""
    half = np.asarray(size) / 2
    return np.concatenate([np.asarray(centre) - half, np.asarray(centre) + half])[None]


def followed(velocity: Any, fps: int, seconds: float, noise: float = 0.0) -> BoxFilter:
    """A filter that saw a box leave (100, 200) at a constant velocity, px/s."""
    random = np.random.default_rng(5)
    boxes = BoxFilter()
    boxes.add(box([100, 200]))
    for step in range(1, round(seconds * fps) + 1):
        boxes.predict(1 / fps)
        centre = np.array([100, 200]) + np.array(velocity) * step / fps
        boxes.update(ROW, box(centre + random.normal(0, noise, 2)))
    return boxes


VELOCITIES = [(0, 0), (60, 0), (-150, 40), (10, -90), (400, 200)]


@pytest.mark.parametrize("velocity", VELOCITIES)
@pytest.mark.parametrize("fps", [5, 10, 30])
def test_constant_velocity_is_found(velocity: tuple[float, float], fps: int) -> None:
    boxes = followed(velocity, fps, seconds=3)
    truth = box(np.array([100, 200]) + 3 * np.array(velocity))
    np.testing.assert_allclose(boxes.boxes(), truth, atol=0.5)
    # and it goes on by itself for a second out of sight
    boxes.predict(1.0)
    ahead = box(np.array([100, 200]) + 4 * np.array(velocity))
    np.testing.assert_allclose(boxes.boxes(), ahead, atol=0.03 * np.abs(velocity).max() + 0.5)


@pytest.mark.parametrize("velocity", VELOCITIES)
def test_few_and_many_frames_lead_to_the_same_place(velocity: tuple[float, float]) -> None:
    few, many = followed(velocity, 5, seconds=3), followed(velocity, 30, seconds=3)
    np.testing.assert_allclose(few.boxes(), many.boxes(), atol=0.5)
    # half a second on, the speed has to agree as well
    few.predict(0.5)
    many.predict(0.5)
    np.testing.assert_allclose(few.boxes(), many.boxes(), atol=3)


@pytest.mark.parametrize("fps", [5, 30])
def test_noise_is_smoothed(fps: int) -> None:
    noise = 3.0
    off = []
    for velocity in VELOCITIES:
        boxes = followed(velocity, fps, seconds=4, noise=noise)
        centre = (boxes.boxes()[0, :2] + boxes.boxes()[0, 2:]) / 2
        off.append(centre - np.array([100, 200]) - 4 * np.array(velocity))
    assert np.sqrt(np.mean(np.square(off))) < noise * 0.9


def test_one_long_step_is_many_short_ones() -> None:
    once, often = followed((60, 10), 10, seconds=2), followed((60, 10), 10, seconds=2)
    once.predict(0.6)
    for _ in range(6):
        often.predict(0.1)
    np.testing.assert_allclose(once.boxes(), often.boxes(), atol=1e-3)
    # equally sure of it too: the same measurement moves both to the same place
    for boxes in (once, often):
        boxes.update(ROW, box([300, 260]))
    np.testing.assert_allclose(once.boxes(), often.boxes(), atol=0.01)
    # at the same speed
    for boxes in (once, often):
        boxes.predict(1.0)
    np.testing.assert_allclose(once.boxes(), often.boxes(), atol=0.5)


def test_no_time_changes_nothing() -> None:
    boxes = followed((120, -30), 10, seconds=1, noise=2)
    before = {name: value.copy() for name, value in vars(boxes).items()}
    boxes.predict(0.0)
    assert before
    for name, value in vars(boxes).items():
        np.testing.assert_array_equal(value, before[name])


def test_an_empty_filter_does_nothing() -> None:
    boxes = BoxFilter()
    boxes.predict(1.0)
    boxes.update(np.zeros(0, np.intp), np.zeros((0, 4), np.float32))
    boxes.add(np.zeros((0, 4), np.float32))
    assert boxes.boxes().shape == (0, 4)
    assert boxes.sane().shape == (0,)


def test_rows_are_added_updated_and_kept_apart() -> None:
    boxes = BoxFilter()
    first, second, third = (box([x, 200]).astype(np.float32) for x in (100, 300, 500))
    boxes.add(np.concatenate([first, second]))
    boxes.add(third)
    np.testing.assert_allclose(boxes.boxes(), np.concatenate([first, second, third]))
    boxes.predict(0.1)
    # rows out of order: the third goes right, the first goes left, the second is not seen
    boxes.update(np.array([2, 0]), np.concatenate([box([520, 200]), box([80, 200])]))
    centres = boxes.boxes()[:, [0, 2]].mean(axis=1)
    assert 80 <= centres[0] < 95
    assert centres[1] == 300
    assert 505 < centres[2] <= 520
    boxes.keep(np.array([False, True, True]))
    np.testing.assert_allclose(boxes.boxes()[:, [0, 2]].mean(axis=1), centres[1:])
    # the speed went along with its row
    boxes.predict(0.1)
    moved = boxes.boxes()[:, [0, 2]].mean(axis=1)
    assert moved[0] == 300
    assert moved[1] > centres[2] + 5
    boxes.keep(np.array([False, False]))
    assert boxes.boxes().shape == (0, 4)


def test_a_frozen_row_stays_where_it_is() -> None:
    boxes = BoxFilter()
    boxes.add(np.concatenate([box([100, 200]), box([100, 400])]))
    for step in range(1, 6):
        boxes.predict(0.1)
        x = 100 + 10 * step
        boxes.update(np.array([0, 1]), np.concatenate([box([x, 200]), box([x, 400])]))
    before = boxes.boxes()
    boxes.freeze(np.array([True, False]))
    boxes.predict(5.0)
    np.testing.assert_allclose(boxes.boxes()[0], before[0], atol=1e-3)
    assert boxes.boxes()[1, 0] > before[1, 0] + 100


def test_a_shrinking_box_never_turns_inside_out() -> None:
    boxes = BoxFilter()
    boxes.add(box([100, 200], (40, 80)))
    for step in range(1, 8):
        boxes.predict(0.1)
        boxes.update(ROW, box([100, 200], (40 - 5 * step, 80 - 10 * step)))
    for _ in range(50):
        boxes.predict(0.2)
        x1, y1, x2, y2 = boxes.boxes()[0]
        assert x2 > x1
        assert y2 > y1


def test_what_is_not_finite_is_not_sane() -> None:
    boxes = BoxFilter()
    boxes.add(np.concatenate([box([100, 200]), box([np.nan, 200]), box([300, 200])]))
    assert boxes.sane().tolist() == [True, False, True]


measurements = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.033, 0.2, 1.0]) | st.floats(0, 60),
        st.booleans(),
        st.tuples(st.floats(-2000, 4000), st.floats(-2000, 4000)),
        st.tuples(st.floats(0.5, 2000), st.floats(0.5, 2000)),
    ),
    max_size=40,
)


@given(steps=measurements)
def test_covariances_stay_covariances(steps: list[Any]) -> None:
    """Variances are positive and the correlation of place and speed is at most 1, whatever comes:
    long gaps, no time between two boxes, boxes that jump and change their size."""
    boxes = BoxFilter()
    boxes.add(box([100, 200]))
    for seconds, seen, centre, size in steps:
        boxes.predict(seconds)
        if seen:
            boxes.update(ROW, box(centre, size))
        pp, pv, vv = boxes._pp, boxes._pv, boxes._vv
        assert (pp > 0).all()
        assert (vv > 0).all()
        assert (pv**2 <= pp * vv * (1 + 1e-9)).all()
        assert np.isfinite(boxes.boxes()).all()
