"""Who was where: the nearest around a moment, who stays, who came and who went away."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.vision.rules.scenarios import CLASSES, SIZE, T0, Walker, film, standing
from vision.types import Track
from vision.whereabouts import MEMORY_S, Passer, Whereabouts, could_carry, heights_away, stay

BOX = np.array([290, 190, 310, 200], np.float32)
PASSES = Walker(((0, 100, 200), (10, 500, 200)))
"""At 40 px a second, 40 px tall: over the box at 5 s, within 60 px of it from 3.25 s to 6.75 s."""


def seen(*walkers: Walker, until: float, more: float = 0.0) -> Whereabouts:
    """What is known at ``until``; the film goes on ``more`` seconds after the last walker."""
    people = Whereabouts()
    for step in film(walkers, until=until + more):
        if step.ts <= T0 + until:
            people.update(step, CLASSES)
    return people


def track(walker: Walker, t: float) -> Track:
    (found,) = [step for step in film((walker,)) if step.ts == T0 + t]
    return found.tracks[0]


@pytest.mark.parametrize(
    ("foot", "away"),
    [
        ((300, 200), 0),
        ((310, 200), 0),
        ((350, 200), 1),
        ((250, 200), 1),
        ((300, 220), 1),
        ((300, 180), 1),
        ((334, 212), 0.6 * math.sqrt(2)),
    ],
)
def test_distances_are_in_heights_and_twice_as_far_in_depth(
    foot: tuple[float, float], away: float
) -> None:
    feet, heights = np.array([foot], np.float32), np.array([40], np.float32)
    assert heights_away(BOX, feet, heights)[0] == pytest.approx(away, abs=1e-5)


def test_the_nearest_of_then_and_not_of_now() -> None:
    people = seen(standing(250, 200, 20), PASSES, until=12)
    assert people.nearest(BOX, T0 + 5) == Passer(2, 0.0, 40.0)
    assert people.nearest(BOX, T0 + 1) == Passer(1, 1.0, 40.0)
    assert people.nearest(BOX, T0 + 100) is None
    assert Whereabouts().nearest(BOX, T0) is None


def test_who_has_gone_is_remembered_for_a_while() -> None:
    gone_s = 11.1
    for after, known in ((MEMORY_S - 1, True), (MEMORY_S + 1, False)):
        people = seen(PASSES, until=gone_s + after)
        assert (people.nearest(BOX, T0 + 5) is not None) is known


def test_only_the_classes_that_are_asked_for() -> None:
    people = Whereabouts()
    for step in film((PASSES,)):
        people.update(step, ("car",))
    assert people.nearest(BOX, T0 + 5) is None


def test_a_stay_is_the_last_time_that_somebody_was_near() -> None:
    since, until = stay(track(PASSES, 9.0), BOX, 1.5)
    assert (since - T0, until - T0) == pytest.approx((3.3, 6.7), abs=0.11)
    assert stay(track(PASSES, 3.0), BOX, 1.5) == (-math.inf, -math.inf)
    there = track(standing(320, 200, 9), 5.0)
    assert stay(there, BOX, 1.5) == (-math.inf, pytest.approx(T0 + 5, abs=0.01))


@pytest.mark.parametrize(
    ("walker", "carrier", "until"),
    [
        pytest.param(PASSES, None, None, id="passes"),
        pytest.param(PASSES, 1, 6.7, id="its carrier"),
        pytest.param(standing(320, 200, 9), None, 9.0, id="was always there"),
        pytest.param(
            Walker(((0, 100, 200), (4, 300, 200), (9, 300, 200), (12, 500, 200))),
            None,
            10.0,
            id="stays for 4 s",
        ),
    ],
)
def test_who_looked_after_it(walker: Walker, carrier: int | None, until: float | None) -> None:
    ts = seen(walker, until=12).looked_after(BOX, 1.5, 4.0, carrier)
    assert ts == (-math.inf if until is None else pytest.approx(T0 + until, abs=0.15))


@pytest.mark.parametrize(
    ("corners", "came", "left"),
    [
        pytest.param(((0, 100, 200), (10, 500, 200)), True, True, id="passes"),
        pytest.param(((0, 100, 200), (5, 300, 200), (9, 300, 200)), True, False, id="stays"),
        pytest.param(((0, 300, 200), (6, 300, 200), (10, 500, 200)), False, True, id="gets up"),
        pytest.param(((0, 300, 200), (10, 300, 200)), False, False, id="always there"),
        pytest.param(((0, 100, 100), (10, 100, 100)), False, False, id="far away"),
    ],
)
def test_who_comes_and_who_goes(
    corners: tuple[tuple[float, float, float], ...], came: bool, left: bool
) -> None:
    people = seen(Walker(corners), until=12)
    assert people.has_come(BOX, 1.5, T0 + 5, SIZE) is came
    assert people.has_left(BOX, 1.5, T0 + 5, SIZE) is left


def test_the_edge_of_the_picture_is_a_way_out() -> None:
    """Somebody who is never seen away from it comes into the picture beside it."""
    box = np.array([600, 190, 620, 200], np.float32)
    there = standing(630, 200, 10)
    people = seen(there, until=12)
    assert people.has_come(box, 1.5, T0 + 5, SIZE)
    assert people.has_left(box, 1.5, T0 + 5, SIZE)


@pytest.mark.parametrize(
    ("size", "fits"), [((20, 10), True), ((3, 3), False), ((31, 10), False), ((10, 31), False)]
)
def test_what_somebody_could_carry(size: tuple[int, int], fits: bool) -> None:
    box = np.array([0, 0, *size], np.float32)
    assert could_carry(Passer(1, 0.0, 40.0), box, 0.1, 0.75) is fits
