"""Boxes, lines and polygons: tables with the geometry explained, and properties of any."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from vision.geometry import (
    along,
    areas,
    box_shares,
    contains,
    feet,
    intersections,
    iou,
    side_distance,
)

Box = tuple[float, float, float, float]

PAIRS = [
    ((0, 0, 10, 10), (0, 0, 10, 10), 100, 1.0),  # the same
    ((0, 0, 10, 10), (20, 0, 30, 10), 0, 0.0),  # side by side, apart
    ((0, 0, 10, 10), (10, 0, 20, 10), 0, 0.0),  # side by side, touching
    ((0, 0, 10, 10), (10, 10, 20, 20), 0, 0.0),  # touching at a corner
    ((0, 0, 10, 10), (5, 0, 15, 10), 50, 50 / 150),  # half of each
    ((0, 0, 10, 10), (5, 5, 15, 15), 25, 25 / 175),  # a quarter of each
    ((0, 0, 10, 10), (2, 2, 4, 7), 10, 0.1),  # the second inside the first
    ((0, 4, 10, 6), (4, 0, 6, 10), 4, 4 / 36),  # a cross: no corner inside the other
    ((0, 0, 10, 10), (10, 10, 0, 0), 0, 0.0),  # the second inside out: no area
    ((0, 0, 10, 10), (5, 0, 5, 10), 0, 0.0),  # the second without width
    ((5, 5, 5, 5), (5, 5, 5, 5), 0, 0.0),  # two points
    ((-10, -10, 0, 0), (-5, -5, 5, 5), 25, 25 / 175),  # left of and above the picture
]


@pytest.mark.parametrize(("first", "second", "common", "share"), PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_boxes(first: Box, second: Box, common: float, share: float, dtype: Any) -> None:
    a, b = np.array([first], dtype), np.array([second], dtype)
    assert intersections(a, b)[0, 0] == common
    assert iou(a, b)[0, 0] == pytest.approx(share)


def test_every_box_meets_every_other() -> None:
    a = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [50, 50, 60, 60]], np.float32)
    b = np.array([[0, 0, 10, 10], [50, 50, 60, 70]], np.float32)
    table = np.array([[1, 0], [1 / 3, 0], [0, 0.5]])
    np.testing.assert_allclose(iou(a, b), table, atol=1e-6)
    none = np.zeros((0, 4), np.float32)
    assert iou(a, none).shape == (3, 0)
    assert iou(none, b).shape == (0, 2)


@pytest.mark.parametrize(
    ("box", "area"),
    [((0, 0, 4, 5), 20), ((-2, -3, 2, 2), 20), ((4, 0, 0, 5), 0), ((1, 1, 1, 9), 0)],
)
def test_area(box: Box, area: float) -> None:
    assert areas(np.array([box], np.float64)).tolist() == [area]


def test_feet_are_the_middle_of_the_bottom_edge() -> None:
    boxes = np.array([[10, 20, 30, 80], [-4, 0, 0, 6]], np.float32)
    assert feet(boxes).tolist() == [[20, 80], [-2, 6]]
    assert feet(boxes[:0]).shape == (0, 2)


coordinates = st.floats(-1e4, 1e4, width=32)
corner_pairs = st.tuples(coordinates, coordinates, coordinates, coordinates)
boxes_any = st.lists(corner_pairs, min_size=1, max_size=6).map(
    lambda rows: np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in rows])
)


@given(a=boxes_any, b=boxes_any, dtype=st.sampled_from([np.float32, np.float64]))
def test_iou_is_symmetric_and_a_share(a: Any, b: Any, dtype: Any) -> None:
    table = iou(a.astype(dtype), b.astype(dtype))
    assert (table >= 0).all()
    assert (table <= 1).all()
    assert (table == iou(b.astype(dtype), a.astype(dtype)).T).all()
    large = areas(a) > 1e-6
    assert np.diag(iou(a, a))[large] == pytest.approx(1)


@given(a=boxes_any, b=boxes_any)
def test_overlaps_are_those_of_shapely(a: Any, b: Any) -> None:
    expected: Any = [
        [shapely.box(*row).intersection(shapely.box(*column)).area for column in b] for row in a
    ]
    np.testing.assert_allclose(intersections(a, b), expected, rtol=1e-6, atol=1e-6)


SIDES = [
    # someone walks, and the right hand points: to the right of the picture → down
    ([[0, 0], [10, 0]], (5, 3), 3),
    ([[0, 0], [10, 0]], (5, -3), -3),
    # to the left → up
    ([[10, 0], [0, 0]], (5, 3), -3),
    # down the picture → left; the line of the samples' plaza, walked from the top
    ([[560, 0], [560, 575]], (550, 300), 10),
    ([[560, 0], [560, 575]], (570, 300), -10),
    # up the picture → right
    ([[560, 575], [560, 0]], (570, 300), 10),
    # along the diagonal, down and right → down and left
    ([[0, 0], [10, 10]], (0, 10), 10 / math.sqrt(2)),
    ([[0, 0], [10, 10]], (10, 0), -10 / math.sqrt(2)),
    # on the line, also beyond its ends
    ([[0, 0], [10, 10]], (4, 4), 0),
    ([[0, 0], [10, 10]], (-40, -40), 0),
    # beyond the ends the infinite line counts
    ([[0, 0], [10, 0]], (500, 7), 7),
]


@pytest.mark.parametrize(("line", "point", "distance"), SIDES)
def test_the_right_hand_side_is_positive(
    line: list[list[float]], point: tuple[float, float], distance: float
) -> None:
    found = side_distance(np.array([point], np.float64), np.array(line, np.float64))
    assert found.tolist() == pytest.approx([distance])


near = st.floats(-1000, 1000)
points_any = st.tuples(near, near)


@given(first=points_any, second=points_any, point=points_any, angle=st.floats(0, 6.28))
def test_side_distance_of_any_line(first: Any, second: Any, point: Any, angle: float) -> None:
    assume(math.dist(first, second) > 1)
    line, points = np.array([first, second]), np.array([point])
    distance = side_distance(points, line)[0]
    # walked the other way, the sides change
    assert side_distance(points, line[::-1])[0] == pytest.approx(-distance, abs=1e-6)
    # as far as the foot of the perpendicular
    foot = line[0] + along(points, line)[0] * (line[1] - line[0])
    assert abs(distance) == pytest.approx(math.dist(point, foot), abs=1e-6)
    # turning the picture turns no side
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    assert side_distance(points @ turn, line @ turn)[0] == pytest.approx(distance, abs=1e-6)


@pytest.mark.parametrize(
    ("point", "share"),
    [((2, 1), 0), ((2, 9), 0), ((12, 1), 1), ((7, -5), 0.5), ((-8, 0), -1), ((17, 3), 1.5)],
)
def test_along_a_line(point: tuple[float, float], share: float) -> None:
    line = np.array([[2.0, 1], [12, 1]])
    assert along(np.array([point], np.float64), line).tolist() == pytest.approx([share])


# A yard with a bay: a U, open at the top between x = 4 and x = 8, above y = 6.
YARD = np.array([[0.0, 0], [4, 0], [4, 6], [8, 6], [8, 0], [12, 0], [12, 10], [0, 10]])


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        ((2, 1), True),  # in the left arm
        ((10, 1), True),  # in the right arm
        ((6, 3), False),  # in the bay
        ((6, 8), True),  # below the bay
        ((6, -1), False),  # above
        ((-1, 6), False),  # beside, at the height of a corner
        ((13, 6), False),
        ((2, 6), True),  # inside, at the height of a corner
        ((6, 11), False),  # below
    ],
)
def test_inside_a_yard_with_a_bay(point: tuple[float, float], inside: bool) -> None:
    points = np.array([point], np.float64)
    # whichever way round it is drawn, and wherever it begins
    for polygon in (YARD, YARD[::-1], np.roll(YARD, 3, axis=0)):
        assert contains(polygon, points).tolist() == [inside]


def test_no_point_is_inside_nothing() -> None:
    assert contains(YARD, np.zeros((0, 2))).shape == (0,)


def star(radii: list[float], turn: float) -> Any:
    """A simple polygon: one corner in each of evenly spaced directions."""
    angles = turn + np.arange(len(radii)) * 2 * math.pi / len(radii)
    return 100 + np.array(radii)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


stars = st.builds(star, st.lists(st.floats(5, 100), min_size=3, max_size=9), st.floats(0, 6.28))


@given(polygon=stars, points=st.lists(st.tuples(*[st.floats(-20, 220)] * 2), max_size=30))
def test_contains_as_shapely_does(polygon: Any, points: list[tuple[float, float]]) -> None:
    outline = shapely.Polygon(polygon)
    edge = outline.exterior
    clear = [point for point in points if edge.distance(shapely.Point(point)) > 1e-6]
    expected = [outline.contains(shapely.Point(point)) for point in clear]
    assert contains(polygon, np.array(clear).reshape(-1, 2)).tolist() == expected


SQUARE = np.array([[0.0, 0], [100, 0], [100, 100], [0, 100]])


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((10, 10, 50, 90), 1.0),  # inside
        ((200, 10, 250, 90), 0.0),  # beside
        ((80, 10, 120, 90), 0.5),  # half over the right edge
        ((80, 80, 120, 120), 0.25),  # over the lower right corner
        ((-50, -50, 150, 150), 0.25),  # all around the square
        ((10, 90, 50, 130), 0.25),  # a quarter of its height is in
        ((17, 10, 177, 90), 0.5),  # 8.3 of 16 columns, judged by their middles: 8
    ],
)
def test_shares_of_boxes(box: Box, share: float) -> None:
    assert box_shares(np.array([box], np.float32), SQUARE).tolist() == [share]


def test_no_boxes_have_no_shares() -> None:
    assert box_shares(np.zeros((0, 4), np.float32), SQUARE).shape == (0,)


@given(polygon=stars, rows=st.lists(st.tuples(*[st.floats(-20, 220)] * 4), min_size=1, max_size=4))
def test_shares_are_about_the_areas(polygon: Any, rows: list[Box]) -> None:
    outline = shapely.Polygon(polygon)
    boxes = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in rows])
    sides = boxes[:, 2:] - boxes[:, :2]
    assume((sides > 1).all())
    expected = [outline.intersection(shapely.box(*box)).area for box in boxes] / areas(boxes)
    found = box_shares(boxes, polygon)
    assert ((found >= 0) & (found <= 1)).all()
    # a straight edge passes at most 31 of the samples' 256 cells and misjudges half of each
    assert np.abs(found - expected).max() <= 0.06 * len(polygon)
    assert np.abs(found - expected).mean() <= 0.06
