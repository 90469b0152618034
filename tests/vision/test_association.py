"""What a pair is worth, which pairs are chosen, and how a camera that turns is noticed."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vision.association import (
    GATE,
    SHIFT_SURE,
    SLACK,
    Pairs,
    ahead,
    assign,
    camera_shift,
    centred,
    fit,
    iou_centred,
    leaps,
    merged,
    mutual,
    only,
    within_reach,
)
from vision.geometry import iou


def boxes(*rows: Any) -> Any:
    return np.array(rows, np.float64).reshape(-1, 4)


corner = st.floats(-500, 2000, width=32)
side = st.floats(1, 600, width=32)
some = st.lists(st.tuples(corner, corner, side, side), max_size=6)


def xyxy_of(rows: list[tuple[float, float, float, float]]) -> Any:
    table = np.array(rows, np.float64).reshape(-1, 4)
    return np.concatenate([table[:, :2], table[:, :2] + table[:, 2:]], axis=1)


@given(a=some, b=some)
def test_centred_boxes_overlap_as_boxes_by_their_corners(a: Any, b: Any) -> None:
    a, b = xyxy_of(a), xyxy_of(b)
    np.testing.assert_allclose(iou_centred(centred(a), centred(b)), iou(a, b), atol=1e-6)


@given(a=some, b=some, grown=st.floats(0, 1))
def test_grown_boxes_overlap_as_larger_ones(a: Any, b: Any, grown: float) -> None:
    a, b = xyxy_of(a), xyxy_of(b)

    def larger(box: Any) -> Any:
        by = np.tile(grown * (box[:, 2:] - box[:, :2]), 2)
        return box + by * np.array([-1, -1, 1, 1])

    wide = iou_centred(centred(a), centred(b), grown)
    np.testing.assert_allclose(wide, iou(larger(a), larger(b)), atol=1e-5)


def test_centred_is_the_middle_and_the_size() -> None:
    assert centred(np.array([[10, 20, 50, 100]], np.float32)).tolist() == [[30, 60, 40, 80]]


@pytest.mark.parametrize(
    ("height", "ratio"), [(100, 1.0), (50, 0.5), (200, 0.5), (80, 0.8)], ids=str
)
def test_heights_are_compared_smaller_by_larger(height: float, ratio: float) -> None:
    pair = fit(boxes([0, 0, 40, height]), boxes([0, 0, 40, 100]), np.full((1, 2), 100.0))
    assert pair.height.tolist() == [[pytest.approx(ratio)]]
    assert pair.overlap.tolist() == [[pytest.approx(ratio)]]


@pytest.mark.parametrize(
    ("dx", "dy", "near"),
    [
        (0, 0, True),
        # 4 standard deviations of 10 px along x, of 5 px along y
        (39, 0, True),
        (41, 0, False),
        (-41, 0, False),
        (0, 19, True),
        (0, -21, False),
        # within both, and further away than either in all
        (30, 15, False),
        (25, 10, True),
    ],
)
def test_the_gate_is_in_the_tracks_own_uncertainty(dx: float, dy: float, near: bool) -> None:
    assert GATE == 16
    spread = np.array([[100.0, 25.0], [1e6, 1e6]])
    pair = fit(boxes([dx, dy, 40, 80]), boxes([0, 0, 40, 80], [0, 0, 40, 80]), spread)
    # who is uncertain may be further away
    assert pair.near.tolist() == [[near, True]]


@pytest.mark.parametrize(
    ("dx", "dy", "speed", "worth"),
    [
        (20, 0, (100, 0), 1.0),
        (0.1, 0, (100, 0), 1.0),
        (-20, 0, (100, 0), -1.0),
        (0, 20, (100, 0), 0.0),
        (20, 20, (100, 0), np.sqrt(0.5)),
        (0, 0, (100, 0), 0.0),
        (20, 0, (0, 0), 0.0),
        # 0.3 sides a second, 30 px/s here, are enough; half of it counts by half
        (20, 0, (30, 0), 1.0),
        (20, 0, (15, 0), 0.5),
        (0, -20, (0, 15), -0.5),
    ],
)
def test_what_lies_ahead(dx: float, dy: float, speed: Any, worth: float) -> None:
    found = ahead(np.array([[dx]]), np.array([[dy]]), np.array([speed]), np.array([100.0]))
    assert found.tolist() == [[pytest.approx(worth, abs=1e-4)]]


tables = arrays(
    np.float64,
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    elements=st.floats(-0.25, 1.125, width=16),
)


@given(value=tables, floor=st.sampled_from([0.1, 0.3, 0.5]))
def test_the_best_total_of_what_is_above_the_floor(value: Any, floor: float) -> None:
    rows, columns = assign(value, floor)
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert (value[rows, columns] > floor).all()
    # no other choice of pairs above the floor is worth more in all
    worth = np.where(value > floor, value, 0)
    wide = worth if worth.shape[0] <= worth.shape[1] else worth.T
    best = max(
        sum(float(wide[i, j]) for i, j in enumerate(order))
        for order in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert value[rows, columns].sum() == pytest.approx(best)


def test_a_pair_below_the_floor_is_bought_at_no_good_pairs_expense() -> None:
    # the two crossed pairs come to 1.15, but one of them is none
    rows, columns = assign(np.array([[0.6, 0.9], [0.25, 0.4]]), 0.3)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 1)]
    rows, columns = assign(np.array([[0.6, 0.9], [0.29, 0.2]]), 0.3)
    assert (rows.tolist(), columns.tolist()) == ([0], [1])


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ([[0.9]], [(0, 0)]),
        ([[0.1]], []),
        ([[0.9, 0.1], [0.1, 0.9]], [(0, 0), (1, 1)]),
        # two tracks want one box, or two boxes one track: a rival is a rival, however weak
        ([[0.9, 0.4]], []),
        ([[0.9], [0.4]], []),
        ([[0.9, 0.4, 0.0], [0.0, 0.0, 0.5]], [(1, 2)]),
    ],
)
def test_only_pairs_without_a_rival(value: Any, pairs: Any) -> None:
    rows, columns = only(np.array(value), 0.3)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ([[0.9]], [(0, 0)]),
        ([[0.1]], []),
        # a rival that is weaker is none
        ([[0.9, 0.4]], [(0, 0)]),
        ([[0.4], [0.9]], [(1, 0)]),
        ([[0.9, 0.8], [0.85, 0.4]], [(0, 0)]),
        ([[0.5, 0.6], [0.9, 0.5]], [(0, 1), (1, 0)]),
    ],
)
def test_pairs_that_are_each_others_best(value: Any, pairs: Any) -> None:
    rows, columns = mutual(np.array(value), 0.3)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs


def test_pairs_are_found_step_by_step() -> None:
    value = np.array([[0.9, 0.8, 0.0], [0.7, 0.1, 0.6], [0.5, 0.5, 0.9]])
    asked: list[tuple[list[int], list[int]]] = []

    def table(boxes: Any, tracks: Any) -> Any:
        asked.append((boxes.tolist(), tracks.tolist()))
        return value[boxes[:, None], tracks]

    def of(*rows: int) -> Any:
        return np.isin(np.arange(3), rows)

    pairs = Pairs(3, 3)
    pairs.match(of(0, 1), of(0, 1), table, 0.85)
    pairs.match(of(0, 1, 2), of(0, 1, 2), table, 0.55)
    # what had its pair is asked for no more, and the first step's pair stands
    assert asked == [([0, 1], [0, 1]), ([1, 2], [1, 2])]
    assert pairs.row_of.tolist() == [0, -1, 2]
    assert pairs.free.tolist() == [False, True, False]
    # nothing is asked where nobody is left
    pairs.match(of(0, 2), of(1), table, 0.0)
    pairs.match(of(1), of(0, 2), table, 0.0)
    assert len(asked) == 2


# --- the camera


@given(
    shift=st.tuples(st.floats(-60, 60), st.floats(-60, 60)),
    noise=arrays(np.float64, st.tuples(st.integers(5, 12), st.just(2)), elements=st.floats(-1, 1)),
)
def test_a_common_shift_is_found(shift: Any, noise: Any) -> None:
    if np.abs(shift).max() <= SHIFT_SURE:
        return
    found = camera_shift(np.array(shift) + noise)
    assert found is not None
    np.testing.assert_allclose(found, shift, atol=1)


@pytest.mark.parametrize("others", [4, 6, 11])
def test_one_car_that_brakes_moves_no_camera(others: int) -> None:
    off = np.zeros((others + 1, 2))
    off[others // 2] = (-40, 5)
    assert camera_shift(off) is None
    # nor does it bend what the others say of a camera that turned
    off += (12, -7)
    assert camera_shift(off) == pytest.approx((12, -7))


def test_too_few_say_nothing() -> None:
    assert camera_shift(np.full((3, 2), 30.0)) is None
    assert camera_shift(np.zeros((0, 2))) is None
    assert camera_shift(np.full((4, 2), 30.0)) is not None


@pytest.mark.parametrize(("count", "most"), [(5, 0.42), (8, 0.18), (20, 0.1), (60, 0.1)])
def test_the_noise_of_a_still_camera_is_rarely_taken_for_a_shift(count: int, most: float) -> None:
    """The fewer boxes, the more often; it is then as small as the noise (2 px here)."""
    random = np.random.default_rng(11)
    found = [camera_shift(random.normal(0, 2, (count, 2))) for _ in range(1000)]
    shifts = np.array([shift for shift in found if shift is not None])
    assert len(shifts) < most * 1000
    assert np.sqrt(np.mean(np.square(shifts))) < 2


# --- objects that touch


def test_two_in_one_box_have_a_part_of_it_each() -> None:
    expected = boxes([100, 100, 80, 60], [170, 100, 80, 60], [600, 100, 80, 60])
    both = boxes([135, 100, 150, 60], [600, 100, 80, 60])
    parts = merged(both, np.array([0, 2]), expected, np.array([1]))
    assert [(box, row) for box, row, _ in parts] == [(0, 0), (0, 1)]
    np.testing.assert_allclose(parts[0][2], [100, 100, 80, 60])
    np.testing.assert_allclose(parts[1][2], [170, 100, 80, 60])


def test_a_part_stays_within_the_box_it_is_of() -> None:
    expected = boxes([90, 90, 80, 60], [180, 112, 90, 90])
    both = boxes([135, 100, 150, 80])
    for _, row, part in merged(both, np.array([0]), expected, np.array([1])):
        assert (part[:2] - part[2:] / 2 >= both[0, :2] - both[0, 2:] / 2 - 1e-9).all(), row
        assert (part[:2] + part[2:] / 2 <= both[0, :2] + both[0, 2:] / 2 + 1e-9).all(), row
        assert (part[2:] <= expected[row, 2:]).all()


@pytest.mark.parametrize(
    ("box", "waits"),
    [
        pytest.param([100, 100, 90, 60], [130, 100, 80, 60], id="the box has hardly grown"),
        pytest.param([135, 100, 150, 60], [230, 100, 80, 60], id="who waits lies mostly outside"),
        pytest.param([135, 100, 150, 60], [600, 100, 80, 60], id="who waits is elsewhere"),
        pytest.param([135, 100, 150, 60], [120, 100, 80, 60], id="the two may be one"),
    ],
)
def test_a_box_is_of_one(box: Any, waits: Any) -> None:
    expected = boxes([100, 100, 80, 60], waits)
    assert merged(boxes(box), np.array([0]), expected, np.array([1])) == []
    # nor is a box split that is nobody's, or that nobody waits for
    assert merged(boxes(box), np.array([-1]), expected, np.array([1])) == []
    assert merged(boxes(box), np.array([0]), expected, np.zeros(0, np.intp)) == []


def test_three_in_one_box() -> None:
    expected = boxes([100, 100, 80, 60], [170, 100, 80, 60], [240, 100, 80, 60])
    parts = merged(boxes([170, 100, 220, 60]), np.array([1]), expected, np.array([0, 2]))
    assert sorted(row for _, row, _ in parts) == [0, 1, 2]
    for _, row, part in parts:
        np.testing.assert_allclose(part, expected[row])


# --- leaps: the mean side is 100 px here


def at(*xs: float, y: float = 0, size: float = 100) -> Any:
    return boxes(*([x, y, size, size] for x in xs))


@pytest.mark.parametrize(
    ("x", "y", "pace", "away", "reached"),
    [
        # 10 sides a second for 0.1 s, and the slack
        (1 + SLACK - 0.01, 0, 10, 0.1, True),
        (1 + SLACK + 0.01, 0, 10, 0.1, False),
        (0, -1 - SLACK - 0.01, 10, 0.1, False),
        (1.3, 1.3, 10, 0.1, False),
        (1.2, 1.2, 10, 0.1, True),
        # further in more time, or as another class
        (2.7, 0, 10, 0.2, True),
        (2.7, 0, 20, 0.1, True),
        # and half a box may always be hidden
        (0.5, 0, 0, 0.0, True),
    ],
)
def test_who_can_have_come_there(
    x: float, y: float, pace: float, away: float, reached: bool
) -> None:
    paces = np.array([pace])
    for size in (20, 100):
        found = at(x * size, y=y * size, size=size)
        seen = at(0, size=size)
        assert within_reach(found, paces, seen, np.array([away])).tolist() == [[reached]]


def leapt(found: Any, begun: Any, begun_s: Any, same: Any = None) -> list[tuple[int, int, int]]:
    """The leaps among those within 15 sides a second of each other."""
    seconds = np.array(begun_s, np.float64)
    may = within_reach(found, np.full(len(found), 15.0), begun, seconds)
    if same is not None:
        may &= np.array(same)
    return sorted(leaps(found, begun, seconds, may, 0.6))


@pytest.mark.parametrize(
    ("found", "begun", "begun_s", "pairs"),
    [
        pytest.param(at(220), at(0), [0.1], [(0, 0, -1)], id="within reach"),
        pytest.param(at(230), at(0), [0.1], [], id="too fast"),
        pytest.param(at(230), at(0), [0.2], [(0, 0, -1)], id="in more time"),
        pytest.param(at(100, size=55), at(0), [0.1], [], id="too small"),
        pytest.param(at(100, size=180), at(0), [0.1], [], id="too large"),
        pytest.param(at(120, -120), at(0), [0.1], [], id="two boxes for one beginning"),
        pytest.param(at(0), at(120, -120), [0.1, 0.1], [], id="two beginnings for one box"),
        pytest.param(at(0, 800), at(120, 900), [0.1, 0.1], [(0, 0, -1), (1, 1, -1)], id="apart"),
        pytest.param(at(0), at(150, 300), [0.1, 0.2], [(0, 1, 0)], id="three boxes on one way"),
        pytest.param(at(0), at(150, 240), [0.1, 0.2], [(0, 0, -1)], id="too uneven for three"),
        pytest.param(at(0), at(50, 150), [0.04, 0.12], [(0, 1, 0)], id="uneven times"),
        pytest.param(at(0), at(70, 150), [0.02, 0.12], [(0, 0, -1)], id="uneven by the times"),
    ],
)
def test_who_leaps(found: Any, begun: Any, begun_s: Any, pairs: Any) -> None:
    assert leapt(found, begun, begun_s) == pairs


def test_three_boxes_tell_rivals_apart() -> None:
    """Two pass each other: from 0 to the right and from 280 to the left, by 140 px a picture. In
    the second picture both are at 140, in the third each is where the other was."""
    begun = np.concatenate([at(0, y=0), at(280, y=60), at(140, y=0), at(140, y=60)])
    found = np.concatenate([at(280, y=0), at(0, y=60)])
    # by two boxes alone, either could be either
    assert leapt(found, begun[2:], [0.1, 0.1]) == []
    assert leapt(found, begun, [0.2, 0.2, 0.1, 0.1]) == [(0, 0, 2), (1, 1, 3)]


def test_another_group_of_classes_is_no_rival_and_no_first_box() -> None:
    # a car was at 100; of the boxes at 0 and at 200, one is a person's
    assert leapt(at(0, 200), at(100), [0.1], [[True], [False]]) == [(0, 0, -1)]
    # a person where the car's first box would be: the car began with its second one
    same = [[False, True], [True, False]]
    assert leapt(at(280, -120), at(0, 140), [0.2, 0.1], same) == [(0, 1, -1), (1, 0, -1)]


@given(
    found=st.lists(st.tuples(corner, corner, side, side), max_size=5),
    begun=st.lists(st.tuples(corner, corner, side, side, st.sampled_from([0.1, 0.2])), max_size=5),
)
def test_nobody_leaps_twice(found: Any, begun: Any) -> None:
    table = np.array(begun, np.float64).reshape(-1, 5)
    pairs = leapt(boxes(*found), table[:, :4], table[:, 4])
    used = [box for box, _, _ in pairs]
    rows = [row for _, row, step in pairs] + [step for _, _, step in pairs if step >= 0]
    assert len(used) == len(set(used))
    assert len(rows) == len(set(rows))
    for _, row, step in pairs:
        if step >= 0:
            assert table[row, 4] > table[step, 4]
