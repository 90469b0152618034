"""Who was first seen just past a line is reported, once, and never counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.walkers import (
    ACROSS,
    PLAZA,
    SIDE,
    START,
    Point,
    Walker,
    line,
    play,
    seconds,
    step_of,
    straight,
)
from vision.counting import LATE_S, PAUSE_S, Counted, Counter
from vision.joining import JUDGED_S
from vision.scene import Line
from vision.types import Crossing, Late

BORN = 3.0


def newcomer(
    begin: Point = (360, 300),
    velocity: Point = (-60, 0),
    until: float = 8.0,
    number: int = 1,
    **more: Any,
) -> Walker:
    """Somebody who is seen from 3 s on: 24 px past ACROSS, on the way forward."""
    return straight(begin, velocity, seconds(BORN, until), number=number, **more)


def said(*walkers: Walker, drawn: Line = ACROSS, **more: Any) -> tuple[list[Crossing], list[Late]]:
    counter = Counter([drawn], PLAZA)
    found, late = play(counter, walkers, **more)
    of_line = counter.late[drawn.name]
    assert of_line == {
        way: sum(each.direction == way for each in late) for way in (drawn.forward, drawn.backward)
    }
    assert sum(n for by in counter.counts[drawn.name].values() for n in by.values()) == len(found)
    return found, late


def test_who_begins_just_past_a_line_is_late() -> None:
    found, (late,) = said(newcomer(name="car", number=7))
    assert found == []
    assert late == Late("cam", "line", "forward", "car", 7, START + BORN, 360.0, 300.0)


@pytest.mark.parametrize(("begin", "way", "direction"), [(360, -60, "in"), (408, 60, "out")])
def test_late_has_the_direction_of_the_passage(begin: float, way: float, direction: str) -> None:
    drawn = line([384, 0], [384, 575], name="Pasar", forward="in", backward="out")
    _, (late,) = said(newcomer((begin, 300), (way, 0)), drawn=drawn)
    assert (late.line, late.direction) == ("Pasar", direction)


def test_it_is_said_once_and_when_the_beginning_can_be_judged() -> None:
    assert said(newcomer(), until=BORN + JUDGED_S - 0.1, finish=False) == ([], [])
    _, late = said(newcomer(), until=BORN + JUDGED_S, finish=False)
    assert len(late) == 1
    # a source that ends says what it knows
    counter = Counter([ACROSS], PLAZA)
    play(counter, [newcomer()], until=BORN + 1, finish=False)
    assert len(counter.finish().late) == 1
    assert counter.finish() == Counted()


CASES = [
    # first place, px/s → late or not. The line is at x = 384, a box has 40 px
    ("just past it", (360, 300), (-60, 0), 1),
    ("nearly a second past it", (328, 300), (-60, 0), 1),
    ("more than a second past it", (320, 300), (-60, 0), 0),
    ("fast", (150, 300), (-250, 0), 1),
    ("slow, and near", (380, 300), (-15, 0), 1),
    ("slow, and not so near", (365, 300), (-15, 0), 0),
    ("on the line", (384, 300), (-60, 0), 1),
    ("not yet clear before it", (386, 300), (-60, 0), 1),
    ("standing", (370, 300), (0, 0), 0),
    ("trembling away", (376, 300), (-4, 0), 0),
    ("along the line", (370, 300), (0, 60), 0),
    ("aslant", (360, 300), (-60, -60), 1),
    ("came round the end of the line", (360, 590), (-60, -20), 0),
    ("came in over the lower edge", (370, 560), (-20, -60), 0),
    ("came in over the upper edge", (370, 20), (-20, 60), 0),
]


@pytest.mark.parametrize(
    ("begin", "velocity", "count"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
@pytest.mark.parametrize("fps", [10, 5])
@pytest.mark.parametrize("mirrored", [False, True])
def test_who_is_late(begin: Point, velocity: Point, count: int, fps: int, mirrored: bool) -> None:
    if mirrored:
        begin, velocity = (768 - begin[0], begin[1]), (-velocity[0], velocity[1])
    walker = straight(begin, velocity, seconds(BORN, 8, fps))
    found, late = said(walker, fps=fps)
    assert (len(found), len(late)) == (0, count)


def test_a_line_that_ends_in_the_picture() -> None:
    drawn = line([384, 200], [384, 575])
    assert len(said(newcomer((360, 230)), drawn=drawn)[1]) == 1
    assert said(newcomer((360, 190)), drawn=drawn) == ([], [])


def test_who_comes_towards_the_line_is_counted() -> None:
    found, late = said(newcomer((420, 300)))
    assert ([crossing.direction for crossing in found], late) == (["forward"], [])


def test_who_was_late_and_comes_back_is_counted_normally() -> None:
    turn = [
        (360 - 60 * (t - BORN) if t < 6 else 180 + 60 * (t - 6), 300) for t in seconds(BORN, 12)
    ]
    found, late = said(Walker(turn, seconds(BORN, 12)))
    assert [crossing.direction for crossing in found] == ["backward"]
    assert [each.direction for each in late] == ["forward"]


@pytest.mark.parametrize(("turns", "count"), [(1.2, 1), (0.5, 0)])
def test_who_is_back_before_its_beginning_was_judged(turns: float, count: int) -> None:
    """It passes the line in sight after 1.9 s or less, and went away from it for a second, or had
    no direction."""
    back = 360 - 60 * turns
    way = [
        (360 - 60 * t if t < turns else back + 200 * (t - turns), 300)
        for t in (t - BORN for t in seconds(BORN, 6))
    ]
    found, late = said(Walker(way, seconds(BORN, 6)))
    assert [crossing.direction for crossing in found] == ["backward"]
    assert [each.direction for each in late] == ["forward"] * count


@pytest.mark.parametrize(("until", "count"), [(3.2, 0), (3.6, 1)])
def test_a_flicker_past_the_line_is_not_late(until: float, count: int) -> None:
    """It ends before it has gone the minimum of way, 16 px."""
    assert len(said(newcomer(until=until))[1]) == count


def test_what_happened_before_the_camera_was_watched_is_not_late() -> None:
    """It would have passed the line 0.4 s before it was seen."""
    assert said(newcomer(), begin=2.7) == ([], [])
    assert len(said(newcomer(), begin=2.5)[1]) == 1
    assert said(newcomer(), begin=BORN) == ([], [])


@pytest.mark.parametrize(("pause", "count"), [(PAUSE_S - 0.1, 1), (PAUSE_S + 0.3, 0)])
def test_a_pause_of_the_camera_is_not_watched(pause: float, count: int) -> None:
    counter, walker = Counter([ACROSS], PLAZA), newcomer()
    for t in seconds(0, BORN - 0.1 - pause):
        counter.update(step_of(START + t))
    late: tuple[Late, ...] = ()
    for step, t in enumerate(walker.times):
        seen = [walker.at(step)] if step >= 2 else []
        late += counter.update(step_of(START + t - 0.1, *[])).late if step == 0 else ()
        late += counter.update(step_of(START + t, *seen)).late
    assert len(late) == count


def test_a_class_that_nobody_wants_is_not_late() -> None:
    """A live track that is not stated is of a class that is not looked for."""
    counter, walker = Counter([ACROSS], PLAZA), newcomer()
    for t in seconds(0, BORN + 1):
        step = round((t - BORN) * 10)
        counter.update(step_of(START + t, *([walker.at(step)] if 2 <= step < 6 else [])))
    for t in seconds(BORN + 1.1, 10):
        assert counter.update(step_of(START + t)) == Counted()
    assert counter.finish() == Counted()


def test_each_line_says_it_for_itself() -> None:
    counter = Counter([ACROSS, line([372, 0], [372, 575], name="next")], PLAZA)
    found, late = play(counter, [newcomer()])
    assert (found, [(each.line, each.ts) for each in late]) == (
        [],
        [("line", START + BORN), ("next", START + BORN)],
    )
    assert counter.late == {
        "line": {"forward": 1, "backward": 0},
        "next": {"forward": 1, "backward": 0},
    }


@settings(max_examples=60)
@given(
    speed=st.floats(0.5, 12).map(lambda sides: sides * SIDE),
    past_s=st.floats(0.02, 1.5),
    fps=st.sampled_from([5, 10, 25]),
    way=st.sampled_from([1, -1]),
)
def test_counted_or_late_but_never_both(speed: float, past_s: float, fps: int, way: int) -> None:
    """A walk that is first seen some time after it passed the line, or before it did."""
    times = seconds(BORN, 6, fps)
    late_one = straight((384 - way * speed * past_s, 300), (-way * speed, 0), times)
    found, late = said(late_one, fps=fps)
    assert found == []
    inside = abs(past_s - LATE_S) > 0.01
    assert not inside or len(late) == (past_s <= LATE_S)
    early = straight((384 + way * speed * past_s, 300), (-way * speed, 0), times)
    found, late = said(early, fps=fps)
    assert len(found) + len(late) == 1
    assert (len(found) == 1) == (speed * past_s >= 0.1 * SIDE)
