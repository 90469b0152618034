"""Wrong way: what has really driven against its lane, and what only looks like it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.vision.rules.scenarios import (
    Scenario,
    Walker,
    film,
    last_words,
    offsets,
    play,
    polygon,
    rule,
)
from vision.rules.wrong_way import Settings, WrongWay
from vision.scene import Scene, Zone
from vision.types import Event

CAR = {"classes": ((0.0, "car"),), "box": (60.0, 30.0)}
KINDS = ("car", "person")
"""``person`` for walkers of films that do not say what they are."""
M = 20.0
"""Px of a metre, where a car is 1.5 m high and seen from the side."""


def car(*corners: tuple[float, float, float], **more: Any) -> Walker:
    return Walker(corners, **(CAR | more))


def drive(*xs: float, speed: float = 6 * M, y: float = 200.0) -> Walker:
    """A car from x to x at ``speed`` px a second; the yard is x 200 to 400."""
    corners, t = [(0.0, xs[0], y)], 0.0
    for before, x in pairwise(xs):
        t += abs(x - before) / speed
        corners.append((t, x, y))
    return car(*corners)


# 90 is to the right, so who goes to the left is wrong; at 120 px/s inside from 2.58 s on
WRONG, RIGHT = drive(510, 90), drive(90, 510)
SCENARIO = Scenario(
    (
        Walker(((0, 390, 200), (4, 210, 200), (9, 210, 200)), box=(60, 30)),
        Walker(((1, 210, 150), (5, 390, 150), (8, 210, 150)), box=(60, 30)),
    ),
    {"direction_deg": 90.0},
)


def stated(walker: Walker, fps: float = 10.0, **settings: Any) -> list[Event]:
    watcher = rule("wrong_way", {"direction_deg": 90.0} | settings, classes=KINDS)
    return last_words(play(watcher, film([walker], fps=fps)))


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_who_drives_against_the_direction_is_told_of_once(fps: float) -> None:
    (event,) = stated(WRONG, fps)
    start, raised, end = offsets(event)
    # inside x = 400 at 0.92 s, outside x = 200 at 2.58 s
    assert start == pytest.approx(0.92, abs=0.25)
    assert raised == pytest.approx(start + 1, abs=0.25)
    assert end == pytest.approx(2.58, abs=0.25)
    assert event.details["drove_deg"] == pytest.approx(270)
    assert "car drove against the direction of 'yard'" in str(event.details["why"])
    assert stated(RIGHT, fps) == []


@pytest.mark.parametrize(
    ("direction", "path"),
    [
        (0, ((0, 300, 120), (2, 300, 290))),  # up is right, it comes down
        (90, ((0, 390, 200), (2, 210, 200))),
        (180, ((0, 300, 290), (2, 300, 120))),
        (270, ((0, 210, 200), (2, 390, 200))),
        (360, ((0, 300, 120), (2, 300, 290))),
    ],
)
def test_degrees_go_clockwise_from_straight_up(
    direction: float, path: tuple[tuple[float, float, float], ...]
) -> None:
    assert len(stated(car(*path), direction_deg=float(direction))) == 1
    opposite = float((direction + 180) % 360)
    assert stated(car(*path), direction_deg=opposite) == []


@pytest.mark.parametrize(
    "walker",
    [
        pytest.param(car((0, 300, 200), (20, 300, 200)), id="stands"),
        pytest.param(car((0, 300, 200), (3, 300, 200), (4, 280, 200), (9, 280, 200)), id="rolls"),
        # 6 m into a place at 1.4 m/s
        pytest.param(
            car((0, 390, 200), (3, 390, 200), (3 + 6 / 1.4, 390 - 6 * M, 200), (9, 270, 200)),
            id="parks backwards",
        ),
        # the box goes to the next car of a queue, 6 m further back, and drives on with that one
        pytest.param(
            car((0, 330, 200), (3, 390, 200), (3.1, 270, 200), (6, 330, 200), (6.1, 210, 200),
                (9, 270, 200)),
            id="hops from car to car",
        ),
        pytest.param(car((0, 390, 200), (5, 390, 200), (5.1, 250, 200), (9, 250, 200)), id="jumps"),
        # it crosses the lane, a little against it: 70 degrees off
        pytest.param(car((0, 350, 110), (2, 290, 290)), id="crosses"),
        pytest.param(drive(510, 90, y=50.0), id="beside the zone"),
        # out of sight for longer than a second: nobody knows how it got there
        pytest.param(car((0, 390, 200), (4, 210, 200), hidden=((0.9, 3.1),)), id="out of sight"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("fps", [5, 10])
def test_what_only_looks_like_it_is_none(walker: Walker, fps: float) -> None:
    assert stated(walker, fps) == []


def test_a_way_up_or_down_the_picture_counts_twice() -> None:
    """30 px high: 40 px down is 2.7 heights on ground that is seen aslant."""
    assert len(stated(car((0, 300, 150), (2, 300, 190)), direction_deg=0.0)) == 1
    assert stated(car((0, 390, 150), (2, 350, 150))) == []


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"min_heights": 5.0}, 1),
        ({"min_heights": 6.5}, 0),  # the yard is 200 px, 6.7 heights, but the edge is passed
        ({"min_s": 1.5}, 1),
        ({"min_s": 2.0, "within_s": 4.0}, 0),
        ({"tolerance_deg": 5.0}, 1),
        ({"direction_deg": 45.0, "tolerance_deg": 40.0}, 0),
        ({"direction_deg": 45.0, "tolerance_deg": 50.0}, 1),
    ],
)
def test_settings(settings: dict[str, Any], found: int) -> None:
    assert len(stated(WRONG, **settings)) == found


def test_it_ends_when_it_drives_the_right_way_and_not_when_it_stops() -> None:
    stops = car((0, 390, 200), (2, 230, 200), (10, 230, 200))
    (event,) = stated(stops)
    assert offsets(event)[2] == pytest.approx(10)
    turns = car((0, 390, 200), (2, 230, 200), (6, 230, 200), (8, 390, 200), (12, 390, 200))
    (event,) = stated(turns)
    assert offsets(event)[2] == pytest.approx(6.2, abs=0.2)
    again = car(
        (0, 390, 200), (2, 230, 200), (4, 390, 200), (6, 390, 200), (8, 230, 200), (9, 230, 200)
    )
    assert len(stated(again)) == 2


def test_what_the_edge_of_the_picture_cuts_off_has_no_foot_to_go_by() -> None:
    """The box of a car that leaves at the right gets narrow, and its middle stands still or goes
    anywhere; likewise at the left and at the lower edge."""
    low = Zone("yard", polygon((200, 200), (400, 200), (400, 360), (200, 360)))
    scene = Scene(SCENARIO.scene.frame_size, zones=(low,))
    for y, found in ((330, 1), (358, 0)):
        watcher = rule("wrong_way", {"direction_deg": 90.0}, classes=KINDS)
        stated = play(watcher, film([car((0, 390, y), (2, 210, y))]), scene)
        assert len(last_words(stated)) == found


def test_explain_says_what_is_missing() -> None:
    watcher = rule("wrong_way", {"direction_deg": 90.0}, classes=KINDS)
    unmet: list[tuple[str, ...]] = []
    for step in film([RIGHT, drive(510, 90)]):
        watcher.update(step, SCENARIO.scene)
        for each in watcher.explain(step, SCENARIO.scene):
            if each.track_id == 2:
                unmet.append(tuple(c.what for c in each.conditions if not c.met))
            else:
                assert not each.fires
    assert ("zone", "way", "time", "direction") in unmet
    assert ("time",) in unmet
    assert () in unmet


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"direction_deg": 361.0}, "direction_deg is 361.0, but must be from 0 to 360"),
        ({"direction_deg": -1.0}, "direction_deg is -1.0"),
        ({"tolerance_deg": 90.0}, "tolerance_deg is 90.0, but must be over 0 and below 90"),
        ({"min_heights": 0.0}, "min_heights is 0.0, but must be a number from 0.5 on"),
        ({"min_s": 3.0}, "within_s is 2.0, but must be a number from 3 on"),
        ({"release_s": float("nan")}, "release_s is nan"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**settings)
    assert WrongWay.Settings().min_heights == 2.5
