"""Gathering: several run apart, or together, at the same time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.vision.rules.scenarios import Scenario, Walker, film, last_words, offsets, play, rule
from vision.rules.gathering import Settings
from vision.scene import RuleConfig, Scene, Zone
from vision.track import Tracker, TrackerSettings
from vision.types import Detections, Tracked

FOUR = {"leave_s": 1.0}
MIDDLE = (300.0, 200.0)


def star(
    n: int, speed: float = 100, *, apart: bool = True, at: float = 3.0, **more: Any
) -> tuple[Walker, ...]:
    """``n`` who stand around the middle of the yard and run from it, or to it, ``at`` that second
    for 2 s, by ``speed`` px a second; they are 40 px tall."""
    found = []
    for i in range(n):
        ray = np.array([math.cos(0.3 + i * math.tau / n), math.sin(0.3 + i * math.tau / n)])
        near, far = np.array(MIDDLE) + 12 * ray, np.array(MIDDLE) + (12 + 2 * speed) * ray
        first, last = (near, far) if apart else (far, near)
        corners = ((0.0, *first), (at, *first), (at + 2, *last), (at + 4, *last))
        found.append(Walker(corners, **more))
    return tuple(found)


SCENARIO = Scenario(star(5), FOUR, until=12)


def fired(*walkers: Walker, classes: tuple[str, ...] = ("person",), **changed: Any) -> list[Any]:
    stated = play(rule("gathering", FOUR | changed, classes=classes), film(walkers, until=12))
    return [
        (event.details["way"], round(offsets(event)[1], 1), event.details["count"])
        for event in last_words(stated)
    ]


@pytest.mark.parametrize(
    ("walkers", "changed", "events"),
    [
        pytest.param(star(5), {}, [("apart", 4.0, 5)], id="apart"),
        pytest.param(star(5, apart=False), {}, [("together", 4.6, 5)], id="together"),
        pytest.param(star(3), {}, [], id="too few"),
        pytest.param(star(3), {"enter_count": 3}, [("apart", 4.0, 3)], id="few are enough"),
        # 0.8 heights a second
        pytest.param(star(8, 32), {}, [], id="they walk apart"),
        pytest.param(star(8, 32, apart=False), {}, [], id="they walk together"),
        pytest.param(star(5), {"run_heights": 2.6}, [], id="not so fast"),
        pytest.param(star(5), {"enter_s": 4.0}, [], id="not for so long"),
        pytest.param(
            tuple(
                Walker(((0, 210, 120 + 20 * i), (2, 210, 120 + 20 * i), (5, 510, 120 + 20 * i)))
                for i in range(8)
            ),
            {},
            [],
            id="they run side by side",
        ),
        pytest.param(
            tuple(
                Walker(tuple((t, x + 260, y) for t, x, y in walker.path)) for walker in star(5, 40)
            ),
            {},
            [],
            id="outside",
        ),
    ],
)
def test_who_runs_where(
    walkers: tuple[Walker, ...], changed: dict[str, Any], events: list[Any]
) -> None:
    assert fired(*walkers, **changed) == events


def test_classes() -> None:
    riders = star(5, classes=((0, "bicycle"),))
    assert fired(*riders) == []
    assert len(fired(*riders, classes=("bicycle",))) == 1


def test_what_an_event_says() -> None:
    raised, over = play(rule("gathering", FOUR), SCENARIO.film())
    assert (raised.severity, raised.track_ids) == ("medium", (1, 2, 3, 4, 5))
    why = "5 run apart in 'yard', at 2.5 heights a second, for 0.5 s"
    assert (raised.details["why"], raised.details["pace_heights"]) == (why, 2.5)
    assert offsets(over)[2] is not None
    assert over.details["most_count"] == 5


def test_it_says_what_is_missing() -> None:
    watcher = rule("gathering", FOUR)
    told = {}
    for step in SCENARIO.film():
        watcher.update(step, SCENARIO.scene)
        (each,) = watcher.explain(step, SCENARIO.scene)
        told[step.index] = [(c.what, c.met, c.found, c.needed) for c in each.conditions]
    assert told[20][0] == ("runners", False, "0 at 1.2 heights a second or more", "4")
    assert told[38][0] == ("runners", True, "5 at 1.2 heights a second or more", "4")
    assert told[38][1] == ("way", True, "1.00 of it apart", "0.5")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"enter_count": 2}, "^enter_count is 2, but must be a number from 3 on"),
        ({"run_heights": 0}, "^run_heights is 0, but must be a number from 0.1 on"),
        ({"apart_share": 1.5}, "^apart_share is 1.5, but must not be over 1"),
        ({"enter_s": -1}, "^enter_s is -1"),
        ({"leave_s": float("inf")}, "^leave_s is inf"),
    ],
)
def test_bad_settings_name_their_field(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changed)


def ten(kind: str, pace: float, fps: int, seed: int) -> list[Tracked]:
    """Ten people of 100 px, as a tracker sees them: boxes off by 3 % of their height, one in ten
    missing. From 6 s on they move by ``pace`` heights a second; up and down the picture by half."""
    rng = np.random.default_rng(seed)
    tracker = Tracker(TrackerSettings(low=0.15, match=0.3, birth=0.4), ("person",), np.zeros(1, np.int32))  # fmt: skip # noqa: E501
    home = np.array([640.0, 400.0]) + rng.uniform((-90, -45), (90, 45), (10, 2))
    angles = rng.uniform(0, math.tau) + np.arange(10) * math.tau / 10
    if kind == "side by side":
        angles = np.full(10, 0.3)
    way = np.stack([np.cos(angles), 0.5 * np.sin(angles)], axis=1) * pace * 100
    steps = []
    for index in range(14 * fps):
        ts = index / fps
        feet = home + way * (max(0.0, 8 - ts) if kind == "together" else max(0.0, ts - 6))
        inside = (feet > (0, 60)).all(axis=1) & (feet < (1280, 720)).all(axis=1)
        feet = feet[inside & (rng.random(10) > 0.1)]
        boxes = np.hstack((feet - (20, 100), feet + np.array([20, 0])))
        boxes += rng.normal(0, 3, boxes.shape) * (0.4, 1, 0.4, 1)
        found = Detections(
            boxes.astype(np.float32),
            rng.uniform(0.45, 0.8, len(boxes)).astype(np.float32),
            np.zeros(len(boxes), np.int32),
        )
        ids, tracks, ended = tracker.update(found, ts)
        steps.append(Tracked("c", index, ts, ("person",), found, ids, tracks, ended))
    return steps


@pytest.mark.parametrize("fps", [5, 10])
@pytest.mark.parametrize(
    ("kind", "pace", "ways"),
    [
        ("apart", 0.8, set()),
        ("together", 0.8, set()),
        ("side by side", 1.8, set()),
        ("apart", 1.8, {"apart"}),
        ("together", 1.8, {"together"}),
        ("apart", 2.5, {"apart"}),
        ("together", 2.5, {"together"}),
    ],
)
def test_ten_as_a_tracker_sees_them(kind: str, pace: float, ways: set[str], fps: int) -> None:
    square = Zone("square", np.array([(340.0, 240.0), (940.0, 240.0), (940.0, 560.0), (340.0, 560.0)]))  # fmt: skip # noqa: E501
    scene = Scene((1280, 720), ("person",), zones=(square,))
    config = RuleConfig("r", "gathering", "square", ("person",), Settings())
    made = type(rule("gathering"))
    for seed in range(3):
        stated = play(made(config), ten(kind, pace, fps, seed), scene)
        assert {event.details["way"] for event in stated} == ways
