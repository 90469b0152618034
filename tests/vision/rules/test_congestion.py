"""Congestion: how full a lane is and how slow, since when and until when."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.vision.rules.scenarios import Scenario, Walker, film, last_words, offsets, play, rule
from tests.vision.rules.test_queue import CAR, CARS, PEOPLE, SCENE, SEEN
from vision.rules.congestion import Congestion, Settings
from vision.scene import RuleConfig, Scene

Y = 200.0


def stream(
    kmh: float, apart_px: float, since: float = 0.0, until: float = 60.0, **more: Any
) -> list[Walker]:
    """Cars ``apart_px`` from front to front at ``kmh`` (10 px are a metre) on a lane of 60 m, as
    if they had always come, from one second to another."""
    pace = kmh / 3.6 * 10
    every = apart_px / pace
    cars = []
    t = since - 640 / pace
    while t < until:
        start, end = max(t, since), min(t + 640 / pace, until)
        if end - start > 0.5:
            cars.append(
                Walker(
                    ((start, pace * (start - t), Y), (end, pace * (end - t), Y)),
                    **{"box": CAR, "classes": CARS} | more,
                )
            )
        t += every
    return cars


def parked(*xs: float, until: float = 60.0) -> list[Walker]:
    return [Walker(((0, x, Y), (until, x, Y)), box=CAR, classes=CARS) for x in xs]


SCENARIO = Scenario(
    tuple(replace(each, classes=PEOPLE) for each in stream(12, 100, 0, 24)),
    {"enter_s": 10.0, "leave_s": 5.0},
    scene=SCENE,
    until=32.0,
)


def fired(walkers: list[Walker], scene: Scene = SCENE, *, fps: float = 5, **changed: Any) -> Any:
    watcher = rule("congestion", changed, classes=("car",))
    stated = play(watcher, film(walkers, fps=fps, until=48.0), scene)
    return last_words(stated)


@pytest.mark.parametrize(
    ("walkers", "level"),
    [
        pytest.param([Walker(((0, 300, 90), (9, 300, 90)))], None, id="empty"),
        pytest.param(parked(300), None, id="one parked car"),
        pytest.param(parked(300, 400), None, id="two"),
        # 2 s apart at 50 km/h: 28 m
        pytest.param(stream(50, 280, until=40), None, id="free traffic"),
        # 0.9 s apart, which covers a third
        pytest.param(stream(50, 130, until=40), None, id="dense and fast"),
        # slow, but with 25 m between
        pytest.param(stream(15, 300, until=40), None, id="a few slow ones"),
        pytest.param(stream(20, 110, until=40), "slow", id="slow"),
        pytest.param(stream(5, 70, until=40), "jam", id="jam"),
        pytest.param(parked(100, 170, 240, 310, 380, 450, until=40), "jam", id="all stand"),
    ],
)
def test_full_and_slow(walkers: list[Walker], level: str | None) -> None:
    events = fired(walkers)
    assert [event.details["level"] for event in events] == ([] if level is None else [level])


@pytest.mark.parametrize("fps", [5, 10])
def test_times(fps: float) -> None:
    (event,) = fired(stream(12, 100, 0, 35), fps=fps)
    start, raised, end = offsets(event)
    assert start == pytest.approx(0.5, abs=0.3)
    assert raised == pytest.approx(start + 20, abs=0.25)
    assert end == pytest.approx(35.5, abs=0.6)


def test_it_ends_when_traffic_flows() -> None:
    slow, fast = stream(12, 100, 0, 30), stream(60, 130, 30, 45)
    (event,) = fired([*slow, *fast])
    # those that were slow are still seen for half a second
    assert offsets(event)[2] == pytest.approx(30.7, abs=0.8)


def test_a_short_halt_is_none() -> None:
    assert fired(stream(12, 100, 5, 20)) == []
    assert len(fired(stream(12, 100, 5, 20), enter_s=10.0)) == 1


def test_without_calibration_speeds_are_in_heights() -> None:
    """A car of 18 px: 12 km/h are 1.85 heights a second here."""
    slow = stream(12, 100, 0, 35)
    assert fired(slow, SEEN) == []
    (event,) = fired(slow, SEEN, slow_heights=2.0, jam_heights=1.0)
    assert event.details["level"] == "slow"
    assert event.details["speed_heights"] == pytest.approx(1.85, abs=0.05)
    assert "speed_kmh" not in event.details


def test_what_an_event_says() -> None:
    event = fired(stream(12, 100, 0, 35))[0]
    assert (event.kind, event.place, event.severity) == ("congestion", "yard", "medium")
    why = event.details["why"]
    assert isinstance(why, str)
    assert re.fullmatch(r"6 vehicles cover 4\d % of 'yard' at 12 km/h on average, for 20.0 s", why)
    told = {name: event.details[name] for name in ("level", "count")}
    assert told == {"level": "slow", "count": 6}
    assert event.details["occupancy_share"] == pytest.approx(0.45, abs=0.03)
    assert event.details["speed_kmh"] == pytest.approx(12, abs=0.1)
    assert event.details["worst_level"] == "slow"
    assert event.details["worst_speed_kmh"] == pytest.approx(12, abs=0.2)


def test_the_place_is_explained_as_a_whole() -> None:
    watcher = rule("congestion", classes=("car",))
    told = {}
    for step in film(stream(12, 100, 0, 35), fps=5):
        watcher.update(step, SCENE)
        (each,) = watcher.explain(step, SCENE)
        told[step.index] = [(c.what, c.met, c.found, c.needed) for c in each.conditions]
    assert told[0] == [
        ("occupancy", False, "0 %", "30 %"),
        ("vehicles", False, "0", "3"),
        ("mean speed", False, "unknown", "up to 0.5 heights/s"),
        ("time", False, "0.0 s", "20 s"),
    ]
    assert told[50][:3] == [
        ("occupancy", True, told[50][0][2], "30 %"),
        ("vehicles", True, told[50][1][2], "3"),
        ("mean speed", True, "12 km/h", "up to 30 km/h"),
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"enter_share": 0}, "^enter_share is 0"),
        ({"enter_share": 1.5}, "^enter_share is 1.5, but must not be over 1"),
        ({"leave_share": 0.5}, "^leave_share is 0.5, but must not be over enter_share, 0.3"),
        ({"jam_kmh": 40}, "^jam_kmh is 40, but must not be over slow_kmh, 30"),
        ({"jam_heights": 4}, "^jam_heights is 4, but must not be over slow_heights, 0.5"),
        ({"enter_s": -1}, "^enter_s is -1"),
    ],
)
def test_bad_settings_name_their_field(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changed)


def test_a_lane_above_the_horizon_is_refused() -> None:
    Congestion.check(RuleConfig("watch", "congestion", "yard", (), Settings()), SCENE)
    Congestion.check(RuleConfig("watch", "congestion", "yard", (), Settings()), SEEN)
