"""Who crossed which line, when and in which direction: hand-made tracks over drawn lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.vision.walkers import (
    ACROSS,
    PLAZA,
    START,
    STREET,
    Point,
    Walker,
    beside,
    line,
    step_of,
    to_and_fro,
    walk,
)
from vision.counting import Counted, Counter, LineCounter
from vision.scene import Line
from vision.types import Crossing


def crossings(
    drawn: Line, points: Sequence[Point], size: tuple[int, int] = PLAZA, **more: Any
) -> list[Crossing]:
    times = [k / 10 for k in range(len(points))]
    return walk(LineCounter(drawn, size), Walker(points, times, **more), born=2)


DIRECTIONS = [
    # a line drawn from the top down: the walker's right hand points left
    (PLAZA, [[560, 0], [560, 575]], [(620, 300), (500, 300)], "forward"),
    (PLAZA, [[560, 0], [560, 575]], [(500, 300), (620, 300)], "backward"),
    # the same line drawn from the bottom up
    (PLAZA, [[560, 575], [560, 0]], [(620, 300), (500, 300)], "backward"),
    (PLAZA, [[560, 575], [560, 0]], [(500, 300), (620, 300)], "forward"),
    # a line drawn from left to right: the right hand points down
    (STREET, [[200, 260], [639, 260]], [(400, 200), (400, 320)], "forward"),
    (STREET, [[200, 260], [639, 260]], [(400, 320), (400, 200)], "backward"),
    # the same line drawn from right to left
    (STREET, [[639, 260], [200, 260]], [(400, 200), (400, 320)], "backward"),
    # down and right along a diagonal: the right hand points down and left
    (STREET, [[100, 50], [300, 250]], [(250, 150), (150, 200)], "forward"),
    (STREET, [[100, 50], [300, 250]], [(150, 200), (250, 150)], "backward"),
]


@pytest.mark.parametrize(("size", "points", "way", "direction"), DIRECTIONS)
def test_forward_is_towards_the_right_hand(
    size: tuple[int, int], points: list[list[float]], way: list[Point], direction: str
) -> None:
    (crossing,) = crossings(line(*points), to_and_fro(*way), size)
    assert crossing.direction == direction
    named = line(*points, name="Pasar", forward="to the market", backward="to the harbour")
    (crossing,) = crossings(named, to_and_fro(*way), size, name="car", number=12)
    said = {"forward": "to the market", "backward": "to the harbour"}[direction]
    assert (crossing.line, crossing.direction) == ("Pasar", said)
    assert (crossing.camera_id, crossing.class_name, crossing.track_id) == ("cam", "car", 12)


@pytest.mark.parametrize("fps", [5, 10, 15, 25, 30])
@pytest.mark.parametrize("way", [1, -1])
def test_no_speed_passes_unseen(fps: int, way: int) -> None:
    """From 1 to 120 px a frame, with boxes from small to larger than the step, over a line that
    is met at every part of a step: one crossing, at the time of the crossing."""
    for speed in range(1, 121):
        begin = 130 + speed * 0.37 % 10
        steps = math.ceil(2 * begin / speed) + 3
        # born no later than its third box, well before the line or at 120 px a frame beyond it
        points = [(384 + way * (begin - speed * k), 300 + 0.1 * k) for k in range(steps)]
        times = [k / fps for k in range(steps)]
        counter = LineCounter(ACROSS, PLAZA)
        (crossing,) = walk(counter, Walker(points, times, side=20 + speed % 70), born=2)
        assert crossing.direction == ("forward" if way > 0 else "backward")
        moment = begin / speed / fps
        assert crossing.ts == pytest.approx(START + moment, abs=1e-3)
        assert crossing.x == pytest.approx(384, abs=0.01)
        assert crossing.y == pytest.approx(300 + 0.1 * moment * fps, abs=0.01)


def test_the_moment_is_the_last_change_of_side() -> None:
    """Before it is clear of the line a foot wavers: over it, back, and over for good."""
    points = [(384 - x, 300.0) for x in (-100, -50, 1, -1, 1, 50, 100)]
    (crossing,) = crossings(ACROSS, points)
    assert crossing.ts == pytest.approx(START + 0.35, abs=1e-3)


def test_the_time_of_a_slanting_crossing() -> None:
    """Over the diagonal y = x at an angle: a step from (200, 100) to (150, 250) meets it after a
    half of the way, at (175, 175)."""
    drawn = line([0, 0], [570, 570])
    points = [(300, -200), (250, -50), (200, 100), (150, 250), (100, 400)]
    (crossing,) = crossings(drawn, points)
    assert (crossing.x, crossing.y) == pytest.approx((175, 175), abs=1e-3)
    assert crossing.ts == pytest.approx(START + 0.25, abs=1e-3)
    assert crossing.direction == "forward"


STILL = [
    # a queue on the line: px of noise, whether it stands on, before or behind the line, at most
    (0.5, 0, 0),
    (2, 0, 0),
    (2, 2, 0),
    (2, -2, 0),
    (6, 0, 0),
    (6, 3, 0),
    (10, 0, 1),
]


@pytest.mark.parametrize(("noise", "offset", "at_most"), STILL)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_queue_on_the_line_is_no_traffic(
    noise: float, offset: float, at_most: int, seed: int
) -> None:
    """A car with a box of 100 px sways on the line for four minutes (OpenDataCam #204: one car
    counted 15 times)."""
    random = np.random.default_rng(seed)
    sway = np.clip(random.normal(0, noise, (2400, 2)), -2.9 * noise, 2.9 * noise)
    points = [(384 - offset + x, 300 + y) for x, y in sway]
    assert len(crossings(ACROSS, points, side=100)) <= at_most


def test_a_queue_is_counted_once_when_it_drives_on() -> None:
    """A car comes, stands swaying on the line, and drives on: one passage."""
    random = np.random.default_rng(4)
    sway = [(384 + x, 300.0) for x in random.normal(0, 8, 600)]
    points = to_and_fro((600, 300), (390, 300)) + sway + to_and_fro((380, 300), (200, 300))
    assert [c.direction for c in crossings(ACROSS, points, side=100)] == ["forward"]


@pytest.mark.parametrize("stands", [2.0, -2.0])
@pytest.mark.parametrize("bound", [64, 1024])
def test_a_wait_on_the_line_longer_than_the_path(stands: float, bound: int) -> None:
    """At a red light a car stands on the line until its path, which is bounded, has forgotten how
    it came; then it drives on, and in another case turns back."""
    wait = [(384 - stands, 300.0)] * (2 * bound)
    come, on, back = beside(-200, -10), beside(10, 200), beside(-10, -200)
    (crossing,) = crossings(ACROSS, come + wait + on, side=100, bound=bound)
    assert crossing.direction == "forward"
    # it crossed between the last place before the line and the first behind it
    came, left = len(come) / 10, (len(come) + len(wait) + 3) / 10
    assert came - 1 <= crossing.ts - START <= left
    assert crossings(ACROSS, come + wait + back, side=100, bound=bound) == []


RETURNS = [
    # where a walker of a 40 px box turns, px beyond the line → what is counted; more than 20 px
    # behind the line is a return
    ((-100, 100), "f"),
    ((-100, 100, -100), "fb"),
    ((-100, 100, -100, 100), "fbf"),
    ((100, -100, 100, -100, 100), "bfbf"),
    ((-100, 30, -30, 30, -30), "fbfb"),
    ((-100, 100, -22, 100), "fbf"),
    ((-100, 100, -15, 100), "f"),  # swayed back
    ((-100, 15, -15, 15, -15, 100), "f"),
    ((-100, 15, -15, 15, -100), "fb"),  # over after all, and back for good
    ((-100, -3, -100), ""),  # almost
    ((-100, 1, -100), ""),  # only just over: the box is not clear of the line
    ((-100, 10, -100), "fb"),  # a quarter of a box beyond it is over
]


@pytest.mark.parametrize(("stations", "counted"), RETURNS)
@pytest.mark.parametrize("px", [1, 3, 200])
def test_returns(stations: tuple[float, ...], counted: str, px: float) -> None:
    found = crossings(ACROSS, beside(*stations, px=px))
    assert "".join(crossing.direction[0] for crossing in found) == counted
    assert [crossing.ts for crossing in found] == sorted(crossing.ts for crossing in found)


ENDS = [
    # the street's line from (200, 260) to the right edge: where a walker passes its height
    (150, 0),  # left of its first point, which lies in the picture: beside the line
    (195, 0),
    (205, 1),
    (420, 1),
    (630, 1),
    (645, 1),  # right of its second point, which lies at the edge: cut off by the picture
]


@pytest.mark.parametrize(("x", "count"), ENDS)
@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("turned", [False, True])
def test_the_ends_of_a_line(x: float, count: int, way: int, turned: bool) -> None:
    points = [[200.0, 260.0], [639.0, 260.0]]
    path = to_and_fro((x, 200), (x, 320))[::way]
    found = crossings(line(*points[:: -1 if turned else 1]), path, STREET)
    assert len(found) == count


def test_who_walked_around_the_end_is_on_the_other_side() -> None:
    """Beside the line to the other side, then over it back: one backward crossing."""
    path = to_and_fro((150, 200), (150, 320), (400, 320), (400, 200))
    (crossing,) = crossings(line([200, 260], [639, 260]), path, STREET)
    assert crossing.direction == "backward"
    assert crossing.x == pytest.approx(400)


@pytest.mark.parametrize(
    ("stations", "counted"),
    [((0, 100), ""), ((0, -100), ""), ((0, 100, -100), "b"), ((1, -1, 1, 100), ""), ((0, 1), "")],
)
def test_a_track_that_begins_on_the_line(stations: tuple[float, ...], counted: str) -> None:
    found = crossings(ACROSS, beside(*stations, px=1))
    assert "".join(crossing.direction[0] for crossing in found) == counted


def test_a_track_out_of_sight_does_nothing() -> None:
    """Its points stay as they are, and it is looked at again when it is seen again."""
    counter = LineCounter(ACROSS, PLAZA)
    walker = Walker(beside(-100, 100, px=50), [0, 0.1, 0.2, 3.3, 3.4])
    for step in range(3):
        assert counter.update(step_of(START + step / 10, walker.at(step))) == []
    for k in range(30):
        assert counter.update(step_of(START + 0.3 + k / 10, walker.at(2))) == []
    # even with points beyond the line, an unseen track is not followed
    assert counter.update(step_of(START + 3.5, walker.at(4))) == []
    (crossing,) = counter.update(step_of(START + 3.4, walker.at(4)))
    assert crossing.ts == pytest.approx(START + 0.2, abs=1e-3)


def test_a_time_that_comes_twice() -> None:
    """A clock that is held back stamps two frames alike, also those around the line."""
    counter = LineCounter(ACROSS, PLAZA)
    points = [(384 - x, 300.0) for x in (-90, -60, -30, 30, 60, 60, 30, -30, -60, -60)]
    times = [0, 0.1, 0.2, 0.2, 0.2, 0.3, 0.4, 0.4, 0.4, 0.5]
    found = walk(counter, Walker(points, times))
    assert [crossing.direction for crossing in found] == ["forward", "backward"]
    assert [crossing.ts - START for crossing in found] == pytest.approx([0.2, 0.4], abs=1e-3)


def test_a_crossing_at_a_time_that_comes_twice_is_decided_then() -> None:
    walker = Walker([(384 - x, 300.0) for x in (-90, -50, -10, 30)], [0, 0.1, 0.2, 0.2])
    (crossing,) = walk(LineCounter(ACROSS, PLAZA), walker)
    assert crossing.ts == pytest.approx(START + 0.2, abs=1e-3)


def test_state_goes_with_its_track() -> None:
    counter = Counter([ACROSS, line([0, 300], [767, 300], name="other")], PLAZA)
    for number in range(1, 51):
        walker = Walker(beside(-100, 100), [k / 10 for k in range(21)], number=number)
        assert len(walk(counter, walker)) == 1
    lines = counter._lines
    assert [len(each._passages.row_of) for each in lines] == [50, 50]
    counter.update(step_of(START + 60, ended=tuple(range(1, 50))))
    assert [list(each._passages.row_of) for each in lines] == [[50], [50]]
    # an id that no line knows may end as well
    counter.update(step_of(START + 61, ended=(50, 99)))
    assert [each._passages.row_of for each in lines] == [{}, {}]


def test_the_counter_counts_every_line_and_direction() -> None:
    lines = [
        line([300, 0], [300, 575], name="left"),
        line([500, 0], [500, 575], name="right", forward="west", backward="east"),
        line([0, 100], [767, 100], name="far"),
    ]
    counter = Counter(lines, PLAZA)
    none: dict[str, dict[str, int]] = {"forward": {}, "backward": {}}
    assert counter.counts == {"left": none, "right": {"west": {}, "east": {}}, "far": none}
    points, times = to_and_fro((700, 300), (100, 300)), [k / 10 for k in range(61)]
    for number, name, way in ((1, "car", 1), (2, "car", 1), (3, "person", 1), (4, "car", -1)):
        walk(counter, Walker(points[::way], times, number=number, name=name))
    counted = {"car": 2, "person": 1}
    assert counter.counts == {
        "left": {"forward": counted, "backward": {"car": 1}},
        "right": {"west": counted, "east": {"car": 1}},
        "far": none,
    }


def test_the_crossings_of_a_step_come_in_order_of_time() -> None:
    """One long step takes three tracks over two lines, each at its own speed."""
    counter = Counter([line([300, 0], [300, 575], name="a"), line([500, 0], [500, 575])], PLAZA)
    ends = {1: 250, 2: 100, 3: 280}
    walkers = [Walker([(600, 300), (x, 300)], [0, 1], number=n) for n, x in ends.items()]
    assert counter.update(step_of(START, *(each.at(0) for each in walkers))) == Counted()
    assert counter.update(step_of(START + 1, *(each.at(1) for each in walkers))) == Counted()
    found = counter.finish().crossings
    # 600 → 500 and 300: at 100/350 and 300/350, 100/500 and 300/500, 100/320 and 300/320
    expected = [(2, "line"), (1, "line"), (3, "line"), (2, "a"), (1, "a"), (3, "a")]
    assert [(each.track_id, each.line) for each in found] == expected
    assert [each.ts for each in found] == sorted(each.ts for each in found)
    # on one line, too
    single = LineCounter(ACROSS, PLAZA)
    both = [Walker(beside(-50, 50, px=200), [0, 1], number=n) for n in (1, 2)]
    assert single.update(step_of(START, *(each.at(0) for each in both))) == []
    assert len(single.update(step_of(START + 1, *(each.at(1) for each in both)))) == 2


@given(
    offsets=st.lists(st.floats(-90, 90), min_size=1, max_size=60),
    ends=st.tuples(st.sampled_from([-1, 1]), st.sampled_from([-1, 1])),
    drift=st.floats(-3, 3),
    bound=st.sampled_from([1, 2, 5, 1024]),
    side=st.sampled_from([2.0, 40.0, 150.0]),
)
def test_what_goes_in_comes_out_or_is_inside(
    offsets: list[float], ends: tuple[int, int], drift: float, bound: int, side: float
) -> None:
    """Whatever happens between, forward less backward is the change of side of a walk that is
    clear of the line at both ends; and after a crossing comes one of the other direction."""
    first, last = 100 * ends[0], 100 * ends[1]
    walked = [first, *offsets, last]
    points = [(384 - offset, 300 + drift * k) for k, offset in enumerate(walked)]
    walker = Walker(points, [k / 10 for k in range(len(points))], side=side, bound=bound)
    found = walk(LineCounter(ACROSS, PLAZA), walker)
    ways = [1 if crossing.direction == "forward" else -1 for crossing in found]
    assert sum(ways) == (ends[1] - ends[0]) / 2
    assert all(a == -b for a, b in pairwise(ways))
    moments = [crossing.ts for crossing in found]
    assert moments == sorted(moments)
    assume(found)
    assert moments[0] >= START
    assert moments[-1] <= START + walker.times[-1]
    assert all(crossing.x == pytest.approx(384, abs=0.01) for crossing in found)
