"""A broken track is joined across a line by every one of its conditions, and by nothing less."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.vision.walkers import (
    ACROSS,
    PLAZA,
    START,
    Point,
    Walker,
    line,
    play,
    seconds,
    step_of,
    straight,
)
from vision.counting import Counted, Counter
from vision.joining import GAP_S, JUDGED_S, Joiner, motion_of
from vision.scene import Line
from vision.types import Crossing, Late

SPEED = 60.0
"""px/s to the left, 1.5 mean sides; ACROSS, at x = 384, is passed at 3.6 s."""
WHOLE: Point = (600.0, 300.0)
GROUPS: Mapping[str, int] = MappingProxyType({"car": 2, "truck": 2, "person": 0})


def first(until: float = 3.2, **more: Any) -> Walker:
    return straight(WHOLE, (-SPEED, 0), seconds(0, until), number=1, **more)


def second(
    since: float = 3.9,
    until: float = 7.0,
    *,
    off: Point = (0, 0),
    velocity: Point = (-SPEED, 0),
    number: int = 2,
    **more: Any,
) -> Walker:
    """The rest of ``first``, or what it might be taken for; ``off`` px from where that would be."""
    begin = (WHOLE[0] - SPEED * since + off[0], WHOLE[1] + off[1])
    return straight(begin, velocity, seconds(since, until), number=number, **more)


def creeping(speed: float, since: float, until: float, number: int) -> Walker:
    """Somebody who is 16 px before the line at 0 s, at ``speed`` px/s."""
    return straight((400, 300), (speed, 0), seconds(since, until), since=0, number=number)


def counted(
    *walkers: Walker, drawn: Line = ACROSS, groups: Mapping[str, int] = GROUPS, **more: Any
) -> tuple[list[Crossing], list[Late]]:
    return play(Counter([drawn], PLAZA, groups), walkers, **more)


def test_a_track_that_breaks_off_before_the_line_and_goes_on_beyond_it_counts_once() -> None:
    counter = Counter([ACROSS], PLAZA)
    (crossing,), late = play(counter, [first(), second()])
    assert (crossing.direction, crossing.track_id, crossing.joined) == ("forward", 2, 1)
    # where it would have been seen to pass: at 3.6 s, 24 px after the first was seen last
    assert crossing.ts == pytest.approx(START + 3.6, abs=0.01)
    assert (crossing.x, crossing.y) == pytest.approx((384, 300), abs=0.1)
    assert crossing.why == (
        "track 1 ended 0.4 s and 24 px before the line, track 2 began 0.7 s later where it would "
        "have been (0 px off), at 1.00 times its size and 1.00 times its speed"
    )
    assert late == []
    assert counter.counts["line"] == {"forward": {"person": 1}, "backward": {}}
    assert counter.late["line"] == {"forward": 0, "backward": 0}


def test_the_same_the_other_way() -> None:
    there = straight((168, 300), (SPEED, 0), seconds(0, 3.2), number=1)
    rest = straight((402, 300), (SPEED, 0), seconds(3.9, 7), number=2)
    (crossing,), late = counted(there, rest)
    assert (crossing.direction, crossing.joined, late) == ("backward", 1, [])


def test_it_is_said_when_nobody_else_can_come_any_more() -> None:
    """2 s after the second began, which is in time for the minute's count."""
    counter = Counter([ACROSS], PLAZA)
    found, _ = play(counter, [first(), second()], until=3.9 + JUDGED_S - 0.1, finish=False)
    assert found == []
    (crossing,) = counter.finish().crossings
    assert crossing.joined == 1
    assert counter.finish() == Counted(), "only once"
    found, _ = counted(first(), second(), until=3.9 + JUDGED_S, finish=False)
    assert [crossing.joined for crossing in found] == [1]


REFUSED: list[tuple[str, list[Walker], dict[str, Any]]] = [
    ("the gap is too long", [first(2.2), second()], {}),
    ("both were seen at once", [first(3.9), second(3.9, off=(-30, 0))], {}),
    ("it began too far ahead", [first(), second(off=(-40, 0))], {}),
    ("it began too far behind", [first(3.4), second(4.6, off=(36, 0))], {}),
    ("it began beside it", [first(), second(off=(0, 40))], {}),
    ("it is smaller", [first(), second(side=20)], {}),
    ("it is larger", [first(), second(side=70)], {}),
    ("it is slower", [first(), second(velocity=(-25, 0))], {}),
    ("it is faster", [first(), second(velocity=(-130, 0))], {}),
    ("it goes another way", [first(), second(velocity=(-45, 40))], {}),
    ("it comes towards the line", [first(), second(velocity=(60, 0), until=4.2)], {}),
    ("it stands", [first(), second(velocity=(-5, 0))], {}),
    ("both creep", [creeping(-8, 0, 1.5, 1), creeping(-8, 2.7, 7, 2)], {}),
    ("it is of another class", [first(), second(name="car")], {}),
    ("it is of a class of another group", [first(name="car"), second(name="person")], {}),
    ("its class is in no group", [first(name="car"), second(name="truck")], {"groups": {}}),
    ("another could be the rest", [first(), second(), second(number=3, off=(0, 18))], {}),
    (
        "another, that came later, could be the rest",
        [first(3.0), second(3.5, off=(-6, 0)), second(4.4, number=3)],
        {},
    ),
    (
        "it could be the rest of another",
        [first(), straight((600, 318), (-SPEED, 0), seconds(0, 3.3), number=3), second()],
        {},
    ),
    ("it passes beside the line", [first(), second()], {"drawn": line([384, 0], [384, 250])}),
]


@pytest.mark.parametrize(
    ("walkers", "more"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_not_joined(walkers: list[Walker], more: dict[str, Any]) -> None:
    found, _ = counted(*walkers, **more)
    assert [crossing for crossing in found if crossing.joined is not None] == []


NEARLY: list[tuple[str, list[Walker]]] = [
    ("a long gap", [first(3.0), second(4.5)]),
    ("a little ahead", [first(), second(off=(-24, 0))]),
    ("a little beside", [first(), second(off=(0, 24))]),
    ("a little smaller", [first(), second(side=26)]),
    ("a little larger", [first(), second(side=64)]),
    ("somewhat slower", [first(), second(velocity=(-35, 0))]),
    ("somewhat faster", [first(), second(velocity=(-110, 0))]),
    ("a slight turn", [first(), second(velocity=(-55, 25))]),
    ("a class of its group", [first(name="car"), second(name="truck")]),
    ("another far away", [first(), second(), second(number=3, off=(0, 100))]),
    ("another of another group", [first(), second(), second(number=3, off=(0, 10), name="car")]),
    ("slow", [creeping(-14, 0, 1.0, 1), creeping(-14, 2.0, 7, 2)]),
    ("short", [first(), second(until=4.4)]),
]


@pytest.mark.parametrize("walkers", [row[1] for row in NEARLY], ids=[row[0] for row in NEARLY])
@pytest.mark.parametrize("fps", [10, 5])
def test_what_is_just_alike_enough(walkers: list[Walker], fps: float) -> None:
    found, late = counted(*walkers, fps=10)
    assert [crossing.joined for crossing in found] == [1]
    assert [each.track_id for each in late if each.track_id == 2] == []


def test_the_first_was_not_seen_since() -> None:
    """It comes back after the other began, on its own side of the line."""
    times = seconds(0, 3.2) + seconds(4.1, 4.6)
    back = Walker([(max(600 - SPEED * t, 404), 300) for t in times], times, number=1)
    found, late = counted(back, second())
    assert found == []
    assert [(each.track_id, each.direction) for each in late] == [(2, "forward")]


def test_the_first_never_crossed_the_line() -> None:
    """It has been over there before: forward at 1.8 s, back at 2.6 s."""
    places = [
        (474 - 50 * t if t <= 2.2 else 474 - 110 + 50 * (t - 2.2), 300) for t in seconds(0, 3)
    ]
    turns = [(x, y) for x, y in places] + [(404 - SPEED * k / 10, 300.0) for k in range(3)]
    walker = Walker(turns, seconds(0, 3.3), number=1)
    rest = straight((392 - 0.7 * SPEED, 300), (-SPEED, 0), seconds(4.0, 7), number=2)
    found, _ = counted(walker, rest)
    assert [(crossing.direction, crossing.joined) for crossing in found] == [
        ("forward", None),
        ("backward", None),
    ]


def test_the_second_was_never_on_the_first_side() -> None:
    """It began before the line and passes it itself: an ordinary crossing, counted once."""
    found, late = counted(first(2.9), second(3.3))
    assert [(crossing.track_id, crossing.joined) for crossing in found] == [(2, None)]
    assert late == []


def test_the_second_was_not_on_the_first_side_soon_after() -> None:
    """It began beyond the line, and was back before it could be judged."""
    way = [(600 - SPEED * t if t < 5 else 300 + 200 * (t - 5), 300) for t in seconds(3.9, 7)]
    found, late = counted(first(), Walker(way, seconds(3.9, 7), number=2))
    assert [(crossing.direction, crossing.joined) for crossing in found] == [("backward", None)]
    assert [each.direction for each in late] == ["forward"], "it is said that one may be missing"


@pytest.mark.parametrize("ends", [590, 388])
def test_the_first_was_clear_of_the_line(ends: float) -> None:
    """It was seen for a moment, on the line or just before it, and too little of its way."""
    begin = ends + SPEED * 0.2
    walker = straight((begin, 300), (-SPEED, 0), seconds(3.0, 3.2), number=1)
    rest = straight((ends - 0.7 * SPEED, 300), (-SPEED, 0), seconds(3.9, 7), number=2)
    drawn = ACROSS if ends == 388 else line([593, 0], [593, 575])
    (crossing, *more), _ = counted(walker, rest, drawn=drawn)
    assert (crossing.joined, more) == (1, [])
    short = straight((drawn.points[0, 0] + 3, 300), (-10, 0), seconds(3.0, 3.2), number=1)
    found, _ = counted(short, rest, drawn=drawn)
    assert found == []


def test_who_goes_on_beyond_the_line_where_it_was_before_is_neither_counted_nor_late() -> None:
    """The track breaks just after it was counted: the rest of it passed nothing unseen."""
    found, late = counted(first(3.8), second(4.2))
    assert [(crossing.track_id, crossing.joined) for crossing in found] == [(1, None)]
    assert late == []


def test_a_joined_track_counts_again_when_it_comes_back() -> None:
    turn = [(600 - SPEED * t if t < 5 else 300 + SPEED * (t - 5), 300.0) for t in seconds(3.9, 8)]
    found, late = counted(first(), Walker(turn, seconds(3.9, 8), number=2))
    assert [(c.direction, c.joined) for c in found] == [("forward", 1), ("backward", None)]
    assert late == []
    # a sway back onto the line is no passage
    sways = [(max(600 - SPEED * t, 318), 300.0) for t in seconds(3.9, 6)]
    sways += [(x, 300.0) for x in (345, 370, 385, 395, 398, 390, 380, 350, 340)]
    found, _ = counted(first(), Walker(sways, seconds(3.9, 6.9), number=2))
    assert [(c.direction, c.joined) for c in found] == [("forward", 1)]


def test_a_track_whose_class_is_not_looked_for_for_a_moment_is_judged_once() -> None:
    """A vote that sways lets a track out of sight of the counter: it neither counts again when it
    comes back, nor comes late again."""
    broken = first(), second(until=9.0)
    late = straight((380, 300), (-SPEED, 0), seconds(0, 8.0), number=3)
    for walkers in (broken, (late,)):
        counter = Counter([ACROSS], PLAZA, GROUPS)
        crossings: list[Crossing] = []
        lates: list[Late] = []
        for t in seconds(-5, 14):
            seen = [w for w in walkers if w.times[0] + 0.2 <= t <= w.times[-1] + 1]
            ended = tuple(w.number for w in walkers if math.isclose(t, w.times[-1] + 1.1))
            steps = [int(np.searchsorted(w.times, t + 1e-6)) - 1 for w in seen]
            tracks = [w.at(i) for w, i in zip(seen, steps, strict=True)]
            if any(math.isclose(t - walkers[-1].times[0], away) for away in (2.4, 2.7)):
                tracks = [track for track in tracks if track.id != walkers[-1].number]
            said = counter.update(step_of(START + t, *tracks, ended=ended))
            crossings += said.crossings
            lates += said.late
        assert [c.joined for c in crossings] == ([1] if len(walkers) == 2 else [])
        assert len(lates) == (len(walkers) == 1)
        assert not counter._joiner._judged


def test_the_class_is_that_of_the_part_that_knows_it_better() -> None:
    votes = ["truck", "car", "truck", "car", "car"] + ["car"] * 28
    (crossing,), _ = counted(first(name="truck"), second(votes=votes[:32]))
    assert crossing.class_name == "truck"
    (crossing,), _ = counted(first(votes=["truck", "car"] * 16 + ["truck"]), second(name="car"))
    assert crossing.class_name == "car"


def test_what_is_remembered_goes() -> None:
    joiner = Joiner({})
    for k in range(400):
        t = k / 10
        walkers = [straight((600, 300), (-60, 0), seconds(n, n + 0.5), number=n) for n in range(40)]
        seen = [w for w in walkers if w.times[2] <= t <= w.times[-1] + 1]
        tracks = [w.at(min(5, round((t - w.times[0]) * 10))) for w in seen]
        gone = tuple(w.number for w in walkers if math.isclose(t, w.times[-1] + 1.1))
        joiner.update(step_of(START + t, *tracks, ended=gone))
        kept = joiner._live | joiner._over
        assert len(kept) <= GAP_S + JUDGED_S + 2
        assert joiner._judged <= kept.keys()
    joiner.update(step_of(START + 60))
    assert (joiner._live, joiner._over, joiner._judged) == ({}, {}, set())


def test_a_motion_is_the_line_through_its_places() -> None:
    times = seconds(10, 14)
    walker = straight((100, 200), (30, -12), times)
    for at_end in (True, False):
        motion = motion_of(walker.at(len(times) - 1), at_end=at_end)
        assert motion is not None
        assert motion.velocity == pytest.approx((30, -12), abs=0.01)
        assert (motion.speed, motion.side) == pytest.approx((math.hypot(30, 12), 40), abs=0.01)
    # its end and its beginning apart
    bent = [(10 * t if t < 2 else 20.0, 5.0 * max(t - 2, 0)) for t in seconds(0, 4)]
    track = Walker(bent, seconds(0, 4)).at(40)
    begins, ends = motion_of(track, at_end=False), motion_of(track, at_end=True)
    assert begins is not None
    assert ends is not None
    assert begins.velocity == pytest.approx((10, 0), abs=0.01)
    assert ends.velocity == pytest.approx((0, 5), abs=0.01)
    # two places far apart are enough, two of one moment are not
    slow = motion_of(Walker([(0, 0), (30, 0)], [0, 3]).at(1), at_end=True)
    assert slow is not None
    assert slow.velocity == pytest.approx((10, 0))
    assert motion_of(Walker([(0, 0), (30, 0)], [0, 0]).at(1), at_end=True) is None


@settings(max_examples=60)
@given(
    angle=st.floats(-70, 70),
    speed=st.floats(0.5, 10),
    breaks=st.floats(0.15, 1.2),
    goes_on=st.floats(0.15, 1.2),
    fps=st.sampled_from([5, 10, 25]),
    way=st.sampled_from([1, -1]),
)
def test_a_walk_that_breaks_across_the_line_counts_as_the_whole_walk(
    angle: float, speed: float, breaks: float, goes_on: float, fps: int, way: int
) -> None:
    """However it is broken, in any direction and at 0.5 to 10 mean sides a second: one passage,
    never two, at its moment; none that the line was not near to."""
    velocity = speed * 40 * way
    move = (-velocity * math.cos(math.radians(angle)), velocity * math.sin(math.radians(angle)))
    passes = 4.03
    times = seconds(2.5, 7, fps)
    before = [t for t in times if t <= passes - breaks]
    after = [t for t in times if t >= passes + goes_on]
    halves = [
        straight((384, 300), move, half, since=passes, number=number)
        for number, half in enumerate((before, after), 1)
    ]
    whole, _ = counted(straight((384, 300), move, times, since=passes), fps=fps)
    assert len(whole) == 1
    found, late = counted(*halves, fps=fps)
    assert len(found) + len(late) <= 1
    gap_s = after[0] - before[-1]
    # at the very limit rounding decides
    assume(abs(gap_s - GAP_S) > 1e-6)
    if gap_s > GAP_S:
        assert found == []
        return
    (crossing,) = found
    assert (crossing.direction, crossing.joined) == (whole[0].direction, 1)
    assert crossing.ts == pytest.approx(whole[0].ts, abs=2e-3)
    assert (crossing.x, crossing.y) == pytest.approx((whole[0].x, whole[0].y), abs=0.5)
    assert late == []
