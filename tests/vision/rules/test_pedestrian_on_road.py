"""Pedestrian on the road: who walks there, and who rides, or cannot be seen to walk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.vision.rules.scenarios import (
    SCENE,
    Scenario,
    Walker,
    film,
    last_words,
    offsets,
    play,
    rule,
    standing,
    to_and_fro,
)
from vision.rules.pedestrian_on_road import PedestrianOnRoad, Settings

# 40 px high; x = 95 + 30 t: inside the yard, x 200 to 400, from 3.5 to 10.2 s
WALK = to_and_fro(95, 455, speed=30)
SCENARIO = Scenario((WALK, to_and_fro(95, 305, 95, y=150, speed=40)))


def vehicle(kind: str, walker: Walker, *, w: float, h: float, dy: float = 0.0) -> Walker:
    """One that goes with ``walker``, its foot ``dy`` px lower."""
    path = tuple((t, x, y + dy) for t, x, y in walker.path)
    return Walker(path, classes=((0.0, kind),), box=(w, h))


def fired(*walkers: Walker, fps: float = 10.0, **settings: Any) -> list[Any]:
    """(start, raised, end) of each event, seconds."""
    stated = play(rule("pedestrian_on_road", settings), film(walkers, fps=fps))
    return [offsets(event) for event in last_words(stated)]


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_who_walks_on_the_road_is_told_of_once(fps: float) -> None:
    ((start, raised, end),) = fired(WALK, fps=fps)
    assert start == pytest.approx(3.5, abs=0.21)
    assert raised == pytest.approx(4.5, abs=0.21)
    assert end == pytest.approx(10.1, abs=0.21)


@pytest.mark.parametrize(
    ("walker", "settings", "found"),
    [
        pytest.param(WALK, {"enter_s": 6.5}, 1, id="just long enough"),
        pytest.param(WALK, {"enter_s": 7.0}, 0, id="too short"),
        pytest.param(to_and_fro(95, 215, 95, speed=40), {}, 0, id="brushes the edge"),
        pytest.param(to_and_fro(95, 455, speed=30, y=50), {}, 0, id="beside the road"),
        pytest.param(standing(300, 200, 20), {}, 0, id="a cone"),
        pytest.param(standing(300, 200, 20), {"min_heights": 0}, 1, id="who never walked"),
        # walks in for 30 px, and stands there
        pytest.param(
            Walker(((0, 150, 200), (2, 230, 200), (9, 230, 200))), {}, 1, id="stops on the road"
        ),
        # 130 px a second are 3.25 heights
        pytest.param(to_and_fro(95, 455, speed=130), {}, 0, id="as fast as a vehicle"),
        pytest.param(to_and_fro(95, 455, speed=110), {}, 1, id="runs"),
        pytest.param(to_and_fro(95, 455, speed=130), {"rides_heights": 4}, 1, id="runs faster"),
    ],
)
def test_how_long_how_far_and_how_fast(walker: Walker, settings: Any, found: int) -> None:
    assert len(fired(walker, **settings)) == found


@pytest.mark.parametrize(
    ("kind", "w", "h", "dy"),
    [
        pytest.param("bicycle", 40, 25, 3, id="rides a bicycle"),
        pytest.param("bicycle", 14, 25, -5, id="its box ends a little above the rider's"),
        pytest.param("car", 90, 45, 10, id="sits in a car, or walks behind it"),
        pytest.param("car", 150, 80, 4, id="stands on the bed of a pickup"),
    ],
)
@pytest.mark.parametrize("fps", [5, 10])
def test_who_is_on_in_or_behind_a_vehicle_is_not_judged(
    kind: str, w: float, h: float, dy: float, fps: float
) -> None:
    assert fired(WALK, vehicle(kind, WALK, w=w, h=h, dy=dy), fps=fps) == []


def test_who_stands_in_front_of_a_vehicle_or_beside_it_walks() -> None:
    before = vehicle("car", WALK, w=90, h=60, dy=-15)
    beside = Walker(tuple((t, x + 60, y) for t, x, y in WALK.path), classes=((0, "car"),))
    assert len(fired(WALK, before)) == 1
    assert len(fired(WALK, beside)) == 1


def test_a_bicycle_that_flickers_is_still_there() -> None:
    bicycle = vehicle("bicycle", WALK, w=40, h=25, dy=2)
    lost = tuple((t, t + 0.85) for t in np.arange(1.0, 11.0, 1.0).tolist())
    assert (
        fired(WALK, Walker(bicycle.path, hidden=lost, classes=bicycle.classes, box=(40, 25))) == []
    )


def test_who_gets_out_is_told_of_a_second_later() -> None:
    """The car stands in the yard until 5 s; who was behind it goes on from 240 px."""
    car = Walker(((0, 225, 210), (20, 225, 210)), classes=((0, "car"),), box=(50, 45))
    walker = Walker(((0, 225, 200), (5, 225, 200), (9, 345, 200), (12, 345, 200)))
    ((start, raised, _),) = fired(walker, car)
    # out of the box at 250 px, 5.8 s; clear of it for a second
    assert start == pytest.approx(6.9, abs=0.2)
    assert raised == pytest.approx(7.9, abs=0.2)


def test_whom_a_car_hides_has_not_left() -> None:
    """It drives past between 6 and 8 s."""
    car = Walker(((5, 100, 215), (9, 500, 215)), classes=((0, "car"),), box=(200, 60))
    walker = Walker(((0, 170, 200), (3, 290, 200), (14, 300, 200)))
    ((start, _, end),) = fired(walker, car)
    assert (start, end) == pytest.approx((0.8, 14), abs=0.2)


def test_explain_says_what_is_missing() -> None:
    watcher = rule("pedestrian_on_road")
    bicycle = vehicle("bicycle", WALK, w=40, h=25, dy=2)
    unmet: dict[int, list[tuple[str, ...]]] = {1: [], 2: [], 3: []}
    alone = Walker(tuple((t, x, 120.0) for t, x, _ in WALK.path))
    for step in film([WALK, bicycle, alone]):
        watcher.update(step, SCENE)
        for each in watcher.explain(step, SCENE):
            assert each.track_id is not None
            unmet[each.track_id].append(tuple(c.what for c in each.conditions if not c.met))
    assert ("zone", "walked", "time") in unmet[3]
    assert ("walked", "time") in unmet[3]
    assert () in unmet[3]
    assert all("on foot" in each for each in unmet[1] if "zone" not in each)
    assert all("class" in each for each in unmet[2])


def test_vehicles_are_forgotten_with_their_picture() -> None:
    watcher = rule("pedestrian_on_road")
    assert isinstance(watcher, PedestrianOnRoad)
    play(watcher, film([WALK, vehicle("car", WALK, w=90, h=45)]))
    assert len(watcher._vehicles) == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"enter_s": -1.0}, "enter_s is -1.0"),
        ({"release_s": float("inf")}, "release_s is inf"),
        ({"min_heights": -1.0}, "min_heights is -1.0"),
        ({"rides_heights": 0.1}, "rides_heights is 0.1, but must be a number from 0.5 on"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**settings)
