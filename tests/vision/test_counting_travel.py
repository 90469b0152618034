"""What is no passage: boxes that tremble, grow, flicker or are cut off; and what the number of
pictures, the way round and the speed must not change."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.vision.walkers import (
    ACROSS,
    PLAZA,
    Point,
    Walker,
    beside,
    line,
    play,
    seconds,
    to_and_fro,
    walk,
)
from vision.counting import Counter, LineCounter
from vision.types import Crossing

LEVEL = line([0, 300], [767, 300])
"""From left to right over the plaza; forward is down."""


def ways(found: list[Crossing]) -> str:
    return "".join(crossing.direction[0] for crossing in found)


def counted(walker: Walker, drawn: object = ACROSS) -> str:
    return ways(walk(LineCounter(drawn, PLAZA), walker, born=2))  # type: ignore[arg-type]


TRAVEL = [
    # a box of 40 px: where it turns, px beyond the line → what is counted; the way over the line is
    # 16 px or more
    ((-8, 7), ""),
    ((-8, 9), "f"),
    ((-5, 10), ""),
    ((-5, 30), "f"),
    ((-11, 6), "f"),
    ((-11, -5, 6), "f"),  # its farthest place before the line, not its last
    ((-7, 7, -7, 7, -7, 7), ""),
    ((-7, 7, -7, 7, 30), "f"),
    ((7, -7, 7, -7, 7, -30), "b"),
]


@pytest.mark.parametrize(("stations", "expected"), TRAVEL)
@pytest.mark.parametrize("scale", [0.25, 1, 4])
def test_a_minimum_of_way(stations: tuple[float, ...], expected: str, scale: float) -> None:
    points = beside(*(scale * offset for offset in stations), px=scale)
    assert counted(Walker(points, seconds(0, (len(points) - 1) / 10), side=40 * scale)) == expected


def test_the_way_is_counted_anew_on_each_side() -> None:
    """Somebody comes from afar around the end of the line, and trembles on it."""
    around = [(484, 150), (378, 150), (378, 300), (390, 300), (378, 300), (390, 300)]
    points = to_and_fro(*around, px=4)
    drawn = line([384, 200], [384, 575])
    assert counted(Walker(points, seconds(0, (len(points) - 1) / 10)), drawn) == ""
    points += to_and_fro((390, 300), (400, 300), px=4)
    assert counted(Walker(points, seconds(0, (len(points) - 1) / 10)), drawn) == "b"


@pytest.mark.parametrize("seed", range(20))
def test_a_flickering_box_is_no_passage(seed: int) -> None:
    """A false detection that comes back again and again, each time as a track of a few boxes, on
    both sides of the line and of changing size."""
    random = np.random.default_rng(seed)
    counter = Counter([ACROSS, LEVEL], PLAZA)
    for number in range(1, 21):
        n = int(random.integers(3, 8))
        points = [(384 + x, 300 + y) for x, y in random.uniform(-7, 7, (n, 2))]
        boxes = [(40 * s, 40 * s) for s in random.uniform(0.95, 1.1, n)]
        walker = Walker(points, seconds(number, number + (n - 1) / 10), number=number, boxes=boxes)
        assert walk(counter, walker, born=2) == []


def changing(
    foot: tuple[Point, Point], box: tuple[Point, Point], steps: int = 8, stays: int = 5
) -> Walker:
    """A box that changes from one foot and one size to another, and stands before and after."""
    share = [0.0] * stays + [k / steps for k in range(1, steps + 1)] + [1.0] * stays
    mixed = [
        tuple((1 - s) * np.array([*foot[0], *box[0]]) + s * np.array([*foot[1], *box[1]]))
        for s in share
    ]
    points = [(x, y) for x, y, _, _ in mixed]
    return Walker(points, seconds(0, (len(mixed) - 1) / 10), boxes=[(w, h) for *_, w, h in mixed])


GROWTH = [
    # over LEVEL: foot and box (w, h) before and after → what is counted
    # somebody stands behind a car, and the car drives off: the legs come into sight
    (((400, 280), (400, 320)), ((30, 45), (30, 85)), ""),
    (((400, 280), (400, 320)), ((30, 45), (32, 85)), ""),
    (((400, 320), (400, 280)), ((30, 85), (30, 45)), ""),
    # the same box moves down, and up
    (((400, 280), (400, 320)), ((30, 80), (30, 80)), "f"),
    (((400, 320), (400, 280)), ((30, 80), (30, 80)), "b"),
    # comes nearer and grows, the top of its box standing still: a bus under a low camera
    (((400, 270), (400, 330)), ((60, 100), (96, 160)), "f"),
    (((400, 330), (400, 270)), ((96, 160), (60, 100)), "b"),
    # walks towards the camera while its legs come into sight
    (((400, 260), (400, 340)), ((30, 45), (34, 90)), "f"),
    # its head is cut off by the picture, so the top says nothing
    (((400, 240), (400, 360)), ((90, 240), (90, 360)), "f"),
]
SIDEWAYS = [
    # over ACROSS: the left half comes into sight
    (((400, 300), (370, 300)), ((60, 90), (120, 90)), ""),
    (((370, 300), (400, 300)), ((120, 90), (60, 90)), ""),
    # walks to the left, with and without a swing of its legs
    (((400, 300), (370, 300)), ((40, 90), (40, 90)), "f"),
    (((400, 300), (370, 300)), ((30, 90), (50, 90)), "f"),
]


@pytest.mark.parametrize(
    ("drawn", "foot", "box", "expected"),
    [(LEVEL, *row) for row in GROWTH] + [(ACROSS, *row) for row in SIDEWAYS],
)
@pytest.mark.parametrize("steps", [1, 8])
def test_one_edge_alone_is_no_passage(
    drawn: object, foot: tuple[Point, Point], box: tuple[Point, Point], expected: str, steps: int
) -> None:
    assert counted(changing(foot, box, steps), drawn) == expected


@pytest.mark.parametrize(("mirrored", "expected"), [(False, "b"), (True, "f")])
def test_who_is_cut_off_by_the_edge_passes_a_line_near_it(mirrored: bool, expected: str) -> None:
    """A car of 200 px leaves the picture to the right, or to the left: one edge of its box stands
    at the picture's, the other moves on."""
    near = line([68, 0], [68, 575]) if mirrored else line([700, 0], [700, 575])
    centres = list(range(500, 860, 10))
    sides = [(max(x - 100, 0), min(x + 100, 768)) for x in centres]
    feet = [(a + b) / 2 for a, b in sides]
    walker = Walker(
        [(768 - x if mirrored else x, 300) for x in feet],
        seconds(0, (len(sides) - 1) / 10),
        boxes=[(b - a, 80) for a, b in sides],
    )
    assert counted(walker, near) == expected


def test_a_box_over_the_line_is_where_its_foot_is() -> None:
    """The box straddles the line all the time; its ground-contact point never passes it."""
    points = [(400 + 10 * (k % 2), 300.0) for k in range(40)]
    assert counted(Walker(points, seconds(0, 3.9), side=200)) == ""


def test_a_line_at_the_edge_counts_who_gets_past_it() -> None:
    low = line([0, 560], [767, 560])
    points = [(300.0, y) for y in range(500, 576, 5)]
    assert counted(Walker(points, seconds(0, (len(points) - 1) / 10)), low) == "f"


stations = st.lists(st.integers(-90, 90).map(lambda n: n + 0.25), min_size=2, max_size=8)
"""Turns of a walk, never just as far as a threshold of a box of 40 px."""


def sampled(turns: list[float], shares: list[list[float]]) -> Walker:
    """The walk from turn to turn, seen at each turn and at some places between."""
    places = [turns[0]]
    for (a, b), between in zip(pairwise(turns), shares, strict=False):
        places += [a + (b - a) * share for share in sorted(between)] + [b]
    return Walker([(384 - x, 300) for x in places], [k / 10 for k in range(len(places))])


some = st.lists(st.lists(st.floats(0.01, 0.99), max_size=6), min_size=7, max_size=7)


@given(turns=stations, shares=some, others=some)
def test_any_sampling_of_one_motion_counts_alike(
    turns: list[float], shares: list[list[float]], others: list[list[float]]
) -> None:
    assert counted(sampled(turns, shares)) == counted(sampled(turns, others))


@given(turns=stations, shares=some)
def test_the_way_back_swaps_the_directions(turns: list[float], shares: list[list[float]]) -> None:
    """Of turns that are clear of the line by a return; and forward less backward is the change of
    side."""
    turns = [turn + (21 if turn > 0 else -21) for turn in turns]
    walker = sampled(turns, shares)
    there = counted(walker)
    assert there.count("f") - there.count("b") == (np.sign(turns[-1]) - np.sign(turns[0])) / 2
    back = Walker([(x, y) for x, y, _ in walker.path[::-1].tolist()], walker.times)
    assert counted(back) == there[::-1].translate(str.maketrans("fb", "bf"))


@given(
    speed=st.floats(20, 3000),
    fps=st.sampled_from([5, 10, 25]),
    phase=st.floats(0, 1),
    way=st.sampled_from([1, -1]),
)
def test_no_speed_and_no_rate_loses_a_passage(
    speed: float, fps: int, phase: float, way: int
) -> None:
    """Up to 75 mean sides a second, over a line met anywhere between two pictures: counted once,
    also by who waits for the class, at the moment of the passage."""
    before = (3 + phase) / fps
    times = [k / fps for k in range(7)]
    assume(speed * min(before, times[-1] - before) > 10)
    walker = Walker([(384 - way * speed * (t - before), 300) for t in times], times)
    found, late = play(Counter([ACROSS], PLAZA), [walker], fps=fps)
    assert (ways(found), late) == ("f" if way > 0 else "b", [])
    assert found[0].ts == pytest.approx(1_760_000_000 + before, abs=2e-3)
