"""Queues: how many vehicles stand in a row, how long it is, since when and until when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.vision.rules.scenarios import (
    SIZE,
    Scenario,
    Walker,
    film,
    last_words,
    offsets,
    play,
    polygon,
    rule,
)
from vision.calibration import Calibration
from vision.rules.queue import Queue, Settings
from vision.scene import RuleConfig, Scene, Zone

LANE = Zone("yard", polygon((20, 160), (620, 160), (620, 220), (20, 220)))
CORNERS = np.array([[0.0, 0], [640, 0], [640, 360], [0, 360]])
SEEN = Scene(SIZE, zones=(LANE,))
SCENE = replace(SEEN, calibration=Calibration(CORNERS, CORNERS / 10))
"""From above: 10 px are a metre, so a car is 45 px long."""
CAR = (45.0, 18.0)
CARS = ((0.0, "car"),)
STOP = 580.0


def waits(place: int, comes: float, goes: float, until: float = 0.0, **more: Any) -> Walker:
    """A car that comes in from the left at 100 px/s, stands as number ``place`` of a row in which
    cars are 65 px apart, from ``comes`` s on, and drives out to the right from ``goes`` on."""
    x = STOP - 65 * place
    came = (max(comes - (x - 0) / 100, 0.0), 0.0)
    start = (came[0], x - 100 * (comes - came[0]), 200.0)
    if start[0] == comes:
        start = (comes - 0.001, x, 200.0)
    return Walker(
        (start, (comes, x, 200.0), (goes, x, 200.0), (goes + (640 - x) / 100, 640.0, 200.0)),
        **{"box": CAR, "classes": CARS} | more,
    )


def row(count: int, comes: float = 6.0, goes: float = 30.0, gap_s: float = 2.0) -> list[Walker]:
    return [waits(i, comes + gap_s * i, goes + gap_s * i) for i in range(count)]


PEOPLE = ((0.0, "person"),)
SCENARIO = Scenario(
    tuple(replace(each, classes=PEOPLE) for each in row(4)), {"enter_s": 4.0}, scene=SCENE
)
"""The contract watches people, so these are vehicles that are called so."""


def queue(changed: dict[str, Any] | None = None) -> Any:
    return rule("queue", changed, classes=("car",))


def fired(walkers: Any, scene: Scene = SCENE, *, fps: float = 10, **changed: Any) -> list[Any]:
    stated = play(queue(changed), film(walkers, fps=fps), scene)
    return [offsets(event) for event in last_words(stated)]


@pytest.mark.parametrize(
    ("scene", "fps"),
    [(SEEN, 5), (SEEN, 10), (SCENE, 5), (SCENE, 10), (SCENE, 25)],
    ids=["px-5", "px-10", "metres-5", "metres-10", "metres-25"],
)
def test_a_red_light_makes_one_queue(scene: Scene, fps: float) -> None:
    """Three stand from 10 s on, and two go from 32 s on."""
    ((start, raised, end),) = fired(row(4), scene, fps=fps)
    assert start == pytest.approx(10.5, abs=0.7)
    assert raised == pytest.approx(start + 5, abs=0.25)
    # those who stood are followed until they are twice as fast as one that stands
    assert end == pytest.approx(34.5, abs=0.8)


def test_too_few_are_none() -> None:
    assert fired(row(2)) == []
    assert len(fired(row(2), enter_count=2)) == 1


def test_who_drives_is_in_no_queue() -> None:
    moving = [Walker(((t, 0, 200), (t + 12, 640, 200)), box=CAR, classes=CARS) for t in range(9)]
    assert fired(moving) == []
    # 5 km/h are 13.9 px/s here
    creeping = [
        Walker(((0, 60 + 65 * i, 200), (20, 260 + 65 * i, 200)), box=CAR, classes=CARS)
        for i in range(4)
    ]
    assert len(fired(creeping)) == 1
    assert fired(creeping, still_kmh=3) == []


def test_stop_and_go_is_one_queue() -> None:
    """All creep up by a length at 40 px/s, three times; twice the speed limit and more."""

    def goes(i: int) -> Walker:
        corners = [(0.0, 60.0 + 65 * i, 200.0)]
        for k in range(1, 4):
            x = corners[-1][1]
            corners += [(12.0 * k + i, x, 200.0), (12.0 * k + i + 1.6, x + 65, 200.0)]
        corners.append((52.0, corners[-1][1], 200.0))
        return Walker(tuple(corners), box=CAR, classes=CARS)

    assert len(fired([goes(i) for i in range(5)])) == 1


def test_the_row_ends_at_a_gap() -> None:
    # 20 px between neighbours; without one 85, without two 150 px: 1.9 and 3.3 lengths
    one_missing = [waits(i, 2, 30) for i in (0, 1, 3, 4)]
    two_missing = [waits(i, 2, 30) for i in (0, 1, 4, 5)]
    assert len(fired(one_missing, enter_count=4)) == 1
    assert fired(two_missing, enter_count=4) == []
    assert fired(one_missing, enter_count=4, gap_count=1.5) == []
    assert len(fired(two_missing, enter_count=4, gap_count=3.5)) == 1


def test_length_in_metres() -> None:
    # 4 cars reach over 3 * 65 + 45 px, 24 m
    assert len(fired(row(4), enter_m=23.0)) == 1
    assert fired(row(4), enter_m=25.0) == []
    with pytest.raises(ValueError, match=r"^enter_m is in metres, but the scene has no"):
        Queue.check(config(enter_m=20.0), SEEN)
    Queue.check(config(enter_m=20.0), SCENE)
    Queue.check(config(), SEEN)


def config(**changed: Any) -> RuleConfig:
    return RuleConfig("watch", "queue", "yard", ("car",), Settings(**changed))


def test_a_zone_above_the_horizon_has_no_length() -> None:
    m = np.array([[0.0, 0], [8, 0], [8, 40], [0, 40]])
    px = np.array([[100.0, 350], [540, 350], [400, 170], [240, 170]])
    scene = replace(SEEN, calibration=Calibration(px, m))
    above = Zone("yard", polygon((200, 20), (400, 20), (400, 300), (200, 300)))
    with pytest.raises(ValueError, match=r"^zone 'yard' reaches above .* lower its upper"):
        Queue.check(config(), replace(scene, zones=(above,)))


def test_who_is_hidden_still_stands() -> None:
    hidden = [replace(each, hidden=((20, 22.8),)) for each in row(3)]
    assert len(fired(hidden, leave_s=1.0)) == 1
    longer = [replace(each, hidden=((16, 24),)) for each in row(3)]
    assert fired(longer, leave_s=1.0)[0][2] == pytest.approx(19, abs=0.3)


def test_second_boxes_of_a_vehicle_are_none() -> None:
    twins = [replace(each, path=tuple((t, x + 12, y - 1) for t, x, y in each.path))
             for each in row(2)]  # fmt: skip
    assert fired([*row(2), *twins]) == []


def test_what_an_event_says() -> None:
    raised, over = play(queue(), film(row(4)), SCENE)
    assert (raised.kind, raised.place, raised.severity) == ("queue", "yard", "low")
    assert raised.track_ids == (1, 2, 3, 4)
    told = dict(raised.details)
    stood_s = told.pop("stood_s")
    assert isinstance(stood_s, float)
    assert 8.5 < stood_s < 11
    assert told == {
        "why": "4 stand in a row of 24 m in 'yard', 3 or more for 5.0 s",
        "count": 4,
        "enter_count": 3,
        "length_px": 240.0,
        "length_m": 24.0,
        "members_px": [362.5, 182.0, 602.5, 200.0],
    }
    assert over.details["most_count"] == 4
    assert over.details["most_length_m"] == pytest.approx(24, abs=1)
    assert over.details["most_length_px"] == pytest.approx(240, abs=10)
    (raised, _) = play(queue(), film(row(4)), SEEN)
    assert "length_m" not in raised.details
    assert raised.details["why"] == "4 stand in a row of 240 px in 'yard', 3 or more for 5.0 s"


def test_the_place_is_explained_as_a_whole() -> None:
    watcher = queue({"enter_m": 20.0})
    told = {}
    for step in film(row(4)):
        watcher.update(step, SCENE)
        (each,) = watcher.explain(step, SCENE)
        told[step.index] = [(c.what, c.met, c.found, c.needed) for c in each.conditions]
    assert told[115] == [
        ("standing in a row", True, "3 vehicles", "3"),
        ("length", False, "17.5 m", "20 m"),
        ("time", False, "0.0 s", "5 s"),
    ]
    assert told[0][0] == ("standing in a row", False, "0 vehicles", "3")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"enter_count": 0}, "^enter_count is 0, but must be a number from 1 on"),
        ({"leave_s": float("nan")}, "^leave_s is nan"),
        ({"leave_count": 4}, "^leave_count is 4, but must not be over enter_count, 3"),
        ({"leave_m": 4}, "^leave_m is 4, but must not be over enter_m, None"),
        ({"leave_m": 4, "enter_m": 3}, "^leave_m is 4, but must not be over enter_m, 3"),
        ({"gap_count": 0}, "^gap_count is 0"),
        ({"still_kmh": 0}, "^still_kmh is 0"),
    ],
)
def test_bad_settings_name_their_field(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changed)


@pytest.mark.parametrize(("enter", "leave", "below"), [(3, None, 2), (1, None, 1), (5, 1, 1)])
def test_the_level_at_which_it_is_over(enter: int, leave: int | None, below: int) -> None:
    assert Settings(enter_count=enter, leave_count=leave).below_count == below
