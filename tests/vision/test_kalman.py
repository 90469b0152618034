"""The box filter: it finds constant velocity at any frame rate, follows who stops or comes near,
and its numbers stay sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.association import centred, iou_centred
from vision.kalman import BoxFilter

SIZE = (40.0, 80.0)
START = np.array([100.0, 200.0])
ROW = np.array([0])
Truth = Callable[[float], Any]


def box(centre: Any, size: Any = SIZE) -> Any:
    """One centred box (1, 4)."""
    return np.array([[*centre, *size]], np.float64)


def followed(velocity: Any, fps: int, seconds: float) -> BoxFilter:
    """A filter that saw a box leave (100, 200) at a constant velocity, px/s."""
    boxes = BoxFilter()
    boxes.add(box(START))
    for step in range(1, round(seconds * fps) + 1):
        boxes.predict(1 / fps)
        boxes.update(ROW, box(START + np.array(velocity) * step / fps))
    return boxes


def least_overlap(truth: Truth, fps: int, start: float, end: float) -> float:
    """The least IoU of a box with where the filter expected it, from 0 s on; it was watched from
    ``start`` on."""
    boxes = BoxFilter()
    boxes.add(box(*truth(start)))
    least = 1.0
    for step in range(round(start * fps) + 1, round(end * fps) + 1):
        boxes.predict(1 / fps)
        seen = box(*truth(step / fps))
        if step >= 0:
            least = min(least, float(iou_centred(boxes.place, seen)[0, 0]))
        boxes.update(ROW, seen)
    return least


VELOCITIES = [(0, 0), (60, 0), (-150, 40), (10, -90), (400, 200)]


@pytest.mark.parametrize("velocity", VELOCITIES)
@pytest.mark.parametrize("fps", [5, 10, 30])
def test_constant_velocity_is_found(velocity: tuple[float, float], fps: int) -> None:
    boxes = followed(velocity, fps, seconds=3)
    truth = box(START + 3 * np.array(velocity))
    np.testing.assert_allclose(boxes.place, truth, atol=0.5)
    np.testing.assert_allclose(boxes.speed[0], velocity, atol=0.02 * np.abs(velocity).max() + 0.1)
    # and it goes on by itself for a second out of sight
    boxes.predict(1.0)
    ahead = box(START + 4 * np.array(velocity))
    np.testing.assert_allclose(boxes.place, ahead, atol=0.03 * np.abs(velocity).max() + 0.5)


@pytest.mark.parametrize("velocity", VELOCITIES)
def test_few_and_many_frames_lead_to_the_same_place(velocity: tuple[float, float]) -> None:
    few, many = followed(velocity, 5, seconds=3), followed(velocity, 30, seconds=3)
    np.testing.assert_allclose(few.place, many.place, atol=0.5)
    # half a second on, the speed has to agree as well
    few.predict(0.5)
    many.predict(0.5)
    np.testing.assert_allclose(few.place, many.place, atol=3)


def test_boxes_are_its_places_by_their_corners() -> None:
    boxes = BoxFilter()
    xyxy = np.array([[10, 20, 50, 100], [0, 0, 7, 9]], np.float32)
    boxes.add(centred(xyxy))
    np.testing.assert_allclose(boxes.boxes(), xyxy)
    assert boxes.boxes().dtype == np.float32


@pytest.mark.parametrize(
    ("fps", "noise", "left"),
    [(5, 3, 0.75), (10, 3, 0.65), (30, 3, 0.5), (30, 8, 0.8)],
)
def test_noise_is_smoothed(fps: int, noise: float, left: float) -> None:
    """Of noise of ``noise`` px about an even way at most the part ``left`` stays; 8 px are more
    than the filter thinks of a box of this size."""
    random = np.random.default_rng(5)
    off, raw = [], []
    for _ in range(20):
        velocity = random.uniform(-100, 100, 2)
        boxes = BoxFilter()
        boxes.add(box(START))
        for step in range(1, 4 * fps):
            boxes.predict(1 / fps)
            truth = START + velocity * step / fps
            error = random.normal(0, noise, 2)
            boxes.update(ROW, box(truth + error))
            if step > 2 * fps:
                off.append(boxes.place[0, :2] - truth)
                raw.append(error)
    assert np.sqrt(np.mean(np.square(off))) < left * np.sqrt(np.mean(np.square(raw)))


PX_PER_M = 120 / 4.5
"""A car's box of 120 px is 4.5 m long."""


@pytest.mark.parametrize("fps", [5, 10, 25])
@pytest.mark.parametrize("speed_m_s", [8.3, 13.9, 20.0])
def test_a_car_that_brakes_is_followed(fps: int, speed_m_s: float) -> None:
    """From 30, 50 or 72 km/h to a stop, by 3 m/s²."""

    def truth(t: float) -> Any:
        braked = min(max(t, 0), speed_m_s / 3)
        metres = speed_m_s * (min(t, 0) + braked) - 1.5 * braked**2
        return (metres * PX_PER_M, 300), (120, 80)

    assert least_overlap(truth, fps, -2, 9) > 0.65


@pytest.mark.parametrize(("fps", "speed"), [(5, 150), (10, 250), (25, 300)])
def test_a_dead_stop_is_followed(fps: int, speed: float) -> None:
    """From one picture to the next, as of someone who walks into a wall."""
    assert least_overlap(lambda t: ((speed * min(t, 0), 300), (120, 80)), fps, -2, 3) > 0.5


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_a_box_that_doubles_within_a_second_is_followed(fps: int) -> None:
    """Both its sides: someone walks up to a low camera."""

    def truth(t: float) -> Any:
        grown = 2 ** min(max(t, 0), 1)
        return (300, 300), (60 * grown, 120 * grown)

    assert least_overlap(truth, fps, -2, 3) > 0.5


def test_a_surprise_is_soon_forgotten() -> None:
    """Who turned about is expected where it goes, half a second later."""
    boxes = followed((120, 0), 10, seconds=2)
    for step in range(1, 6):
        boxes.predict(0.1)
        boxes.update(ROW, box([340 - 12 * step, 200]))
    assert boxes.speed[0, 0] < -60


def test_one_long_step_is_many_short_ones() -> None:
    once, often = followed((60, 10), 10, seconds=2), followed((60, 10), 10, seconds=2)
    once.predict(0.6)
    for _ in range(6):
        often.predict(0.1)
    np.testing.assert_allclose(once.place, often.place, atol=1e-3)
    # equally sure of it too: the same measurement moves both to the same place
    np.testing.assert_allclose(once.spread(), often.spread(), rtol=1e-6)
    for boxes in (once, often):
        boxes.update(ROW, box([300, 260]))
    np.testing.assert_allclose(once.place, often.place, atol=0.01)
    # at the same speed
    np.testing.assert_allclose(once.speed, often.speed, atol=0.1)
    for boxes in (once, often):
        boxes.predict(1.0)
    np.testing.assert_allclose(once.place, often.place, atol=0.5)


def test_who_is_out_of_sight_is_less_and_less_certain() -> None:
    boxes = followed((60, 10), 10, seconds=2)
    spreads = []
    for _ in range(5):
        spreads.append(boxes.spread()[0].copy())
        boxes.predict(0.2)
    assert (np.diff(spreads, axis=0) > 0).all()


def test_no_time_changes_nothing() -> None:
    boxes = followed((120, -30), 10, seconds=1)
    before = boxes.place.copy(), boxes.speed.copy(), boxes.spread()
    boxes.predict(0.0)
    for value, was in zip((boxes.place, boxes.speed, boxes.spread()), before, strict=True):
        np.testing.assert_array_equal(value, was)


def test_an_empty_filter_does_nothing() -> None:
    boxes = BoxFilter()
    boxes.predict(1.0)
    boxes.update(np.zeros(0, np.intp), np.zeros((0, 4)))
    boxes.add(np.zeros((0, 4)))
    boxes.shift(np.array([3.0, 4.0]))
    assert boxes.boxes().shape == (0, 4)
    assert boxes.spread().shape == (0, 2)
    assert boxes.sane().shape == (0,)


def test_rows_are_added_updated_and_kept_apart() -> None:
    boxes = BoxFilter()
    first, second, third = (box([x, 200]) for x in (100, 300, 500))
    boxes.add(np.concatenate([first, second]))
    boxes.add(third)
    np.testing.assert_allclose(boxes.place, np.concatenate([first, second, third]))
    boxes.predict(0.1)
    # rows out of order: the third goes right, the first goes left, the second is not seen
    boxes.update(np.array([2, 0]), np.concatenate([box([520, 200]), box([80, 200])]))
    centres = boxes.place[:, 0].copy()
    assert 80 <= centres[0] < 95
    assert centres[1] == 300
    assert 505 < centres[2] <= 520
    boxes.keep(np.array([False, True, True]))
    np.testing.assert_allclose(boxes.place[:, 0], centres[1:])
    # the speed went along with its row
    boxes.predict(0.1)
    assert boxes.place[0, 0] == 300
    assert boxes.place[1, 0] > centres[2] + 5
    boxes.keep(np.array([False, False]))
    assert boxes.boxes().shape == (0, 4)


def test_a_frozen_row_stays_where_it_is() -> None:
    boxes = BoxFilter()
    boxes.add(np.concatenate([box([100, 200]), box([100, 400])]))
    for step in range(1, 6):
        boxes.predict(0.1)
        x = 100 + 10 * step
        boxes.update(np.array([0, 1]), np.concatenate([box([x, 200]), box([x, 400])]))
    before = boxes.place.copy()
    boxes.freeze(np.array([True, False]))
    boxes.predict(5.0)
    np.testing.assert_allclose(boxes.place[0], before[0], atol=1e-3)
    assert boxes.place[1, 0] > before[1, 0] + 100


def test_a_shift_moves_all_and_changes_no_speed() -> None:
    boxes = followed((60, 0), 10, seconds=2)
    boxes.add(box([400, 300]))
    before, speed, spread = boxes.place.copy(), boxes.speed.copy(), boxes.spread()
    boxes.shift(np.array([12.0, -5.0]))
    np.testing.assert_allclose(boxes.place - before, [[12, -5, 0, 0]] * 2)
    np.testing.assert_array_equal(boxes.speed, speed)
    np.testing.assert_allclose(boxes.spread(), spread)


def test_a_speed_may_be_nothing_but_noise() -> None:
    """Of who stands, and of who was seen but once; not of who walked for two seconds."""
    boxes = followed((60, 0), 10, seconds=2)
    boxes.add(box([400, 300]))
    assert boxes.doubtful().tolist() == [False, True]
    assert followed((0, 0), 10, seconds=2).doubtful().tolist() == [True]
    # who is long out of sight may have stopped
    boxes.predict(30)
    assert boxes.doubtful().tolist() == [True, True]


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
            before = boxes.place.copy()
            measured = box(centre, size)
            boxes.update(ROW, measured)
            # a correction lies between what was expected and what was seen
            low, high = np.minimum(before, measured), np.maximum(before, measured)
            assert (boxes.place >= low - 1e-6).all()
            assert (boxes.place <= high + 1e-6).all()
        # nothing else shows them: a spread is but one of the three
        pp, pv, vv = boxes._state[2:]
        assert (pp > 0).all()
        assert (vv > 0).all()
        assert (pv**2 <= pp * vv * (1 + 1e-9)).all()
        assert (boxes.spread() > 0).all()
        assert np.isfinite(boxes.boxes()).all()


@given(steps=measurements)
def test_rows_do_not_touch_each_other(steps: list[Any]) -> None:
    """A box is followed alike alone and among others."""
    alone, among = BoxFilter(), BoxFilter()
    alone.add(box([100, 200]))
    among.add(np.concatenate([box([900, 100], (10, 300)), box([100, 200])]))
    for seconds, seen, centre, size in steps:
        alone.predict(seconds)
        among.predict(seconds)
        if seen:
            alone.update(ROW, box(centre, size))
            among.update(np.array([1]), box(centre, size))
    np.testing.assert_array_equal(among.place[1], alone.place[0])
    np.testing.assert_array_equal(among.speed[1], alone.speed[0])
    np.testing.assert_array_equal(among.spread()[1], alone.spread()[0])
