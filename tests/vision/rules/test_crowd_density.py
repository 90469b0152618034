"""Crowd density: how many stand on a square metre, and how many in a zone that nobody measured."""

from __future__ import annotations

from dataclasses import replace
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
    polygon,
    rule,
)
from tests.vision.test_calibration import FIELD_M, seen
from vision.calibration import Calibration
from vision.rules.crowd_density import CrowdDensity, Settings, area_on_ground
from vision.scene import RuleConfig, Scene, Zone

CORNERS = np.array([[0, 0], [640, 0], [640, 360], [0, 360]], np.float64)
FLAT = replace(SCENE, calibration=Calibration(CORNERS, CORNERS / 40))
"""Seen from right above, 40 px a metre: the yard of 200x200 px has 25 m²."""
DENSE = {"enter_per_m2": 0.11, "leave_per_m2": 0.1, "enter_s": 1.0, "leave_s": 0.5}
THREE = {"enter_count": 3, "leave_count": 3, "enter_s": 1.0, "leave_s": 0.5}


def stays(since: float, until: float, x: float = 300, y: float = 200, **more: Any) -> Walker:
    return Walker(((since, x, y), (until, x, y)), **more)


SCENARIO = Scenario(
    (stays(0, 9, 250), stays(0, 9, 300), stays(2, 7, 350), stays(0, 9, 500)), DENSE, FLAT
)


@pytest.mark.parametrize(
    ("scene", "changed", "events"),
    [
        # three on 25 m² are 0.12, and no longer when one of them is gone for half a second
        pytest.param(FLAT, DENSE, [(2.2, 3.2, 7.5)], id="persons per m²"),
        pytest.param(FLAT, DENSE | {"enter_per_m2": 0.13}, [], id="not so dense"),
        pytest.param(SCENE, THREE, [(2.2, 3.2, 7.5)], id="a count without calibration"),
        pytest.param(SCENE, THREE | {"enter_count": 4}, [], id="not so many"),
        # each kind of view has its own level, and the other one says nothing
        pytest.param(FLAT, DENSE | {"enter_count": 99}, [(2.2, 3.2, 7.5)], id="count is ignored"),
        pytest.param(SCENE, THREE | {"enter_per_m2": 99}, [(2.2, 3.2, 7.5)], id="m² is ignored"),
    ],
)
def test_levels(scene: Scene, changed: dict[str, Any], events: list[Any]) -> None:
    stated = play(rule("crowd_density", changed), SCENARIO.film(), scene)
    assert [offsets(event) for event in last_words(stated)] == events


def test_what_an_event_says() -> None:
    raised, over = play(rule("crowd_density", DENSE), SCENARIO.film(), FLAT)
    assert raised.severity == "high"
    assert raised.details == {
        "why": "0.12 persons per m² in 'yard', 3 on 25 m², 0.11 or more for 1.0 s",
        "count": 3,
        "per_m2": 0.12,
        "area_m2": 25.0,
        "enter_per_m2": 0.11,
        "members_px": [240.0, 160.0, 360.0, 200.0],
    }
    assert over.details == {
        **raised.details,
        "held_s": 5.3,
        "most_count": 3,
        "most_per_m2": 0.12,
    }
    raised, over = play(rule("crowd_density", THREE), SCENARIO.film(), SCENE)
    assert raised.details["why"] == (
        "3 in 'yard', 3 or more for 1.0 s (a count: the view is not calibrated)"
    )
    assert {"per_m2", "area_m2"}.isdisjoint(over.details)
    assert over.details["most_count"] == 3


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        (FLAT, [("density", False, "0.08 per m²: 2 person on 25 m²", "0.11 per m²")]),
        (SCENE, [("count", False, "2 person, in a view without calibration", "30")]),
    ],
)
def test_what_is_used_is_explained(scene: Scene, told: list[Any]) -> None:
    watcher = rule("crowd_density", DENSE)
    for step in SCENARIO.film()[:10]:
        watcher.update(step, scene)
        (each,) = watcher.explain(step, scene)
    assert [(c.what, c.met, c.found, c.needed) for c in each.conditions[:-1]] == told


def test_a_crowd_that_hides_itself_is_not_over() -> None:
    """More than half of those who were found are found still."""
    ten = [stays(0, 20 if i < 6 else 8, 210 + 15 * i) for i in range(10)]
    settings = {"enter_per_m2": 0.39, "enter_s": 1.0, "leave_s": 1.0}
    ((_, _, end),) = map(
        offsets, last_words(play(rule("crowd_density", settings), film(ten, until=25), FLAT))
    )
    assert end == 20.5


def test_who_stands_below_the_picture_is_on_no_ground_that_is_measured() -> None:
    low = Zone("yard", polygon((200, 200), (400, 200), (400, 360), (200, 360)))
    scene = replace(FLAT, zones=(low,))
    cut = [stays(0, 9, 250 + 10 * i, y) for i, y in enumerate((359.5, 360, 362))]
    assert play(rule("crowd_density", DENSE), film(cut), scene) == []
    assert play(rule("crowd_density", THREE), film(cut), replace(scene, calibration=None))


def test_the_area_is_that_of_the_ground() -> None:
    """A field of 4x10 m as a tilted camera sees it."""
    made = Calibration(seen(FIELD_M), FIELD_M)
    field = np.array([[2.0, 5], [6, 5], [6, 15], [2, 15]])
    assert area_on_ground(seen(field), made) == pytest.approx(40, rel=1e-6)
    assert area_on_ground(seen(field)[::-1], made) == pytest.approx(40, rel=1e-6)


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ([[0, 5], [8, 5], [8, 30], [0, 30]], None),
        ([[3, 5], [4.9, 5], [4.9, 7], [3, 7]], "has 3.8 m² of ground, too little for a density"),
        ([[0, 100], [8, 100], [8, 900], [0, 900]], "is only known as .* m² give or take"),
    ],
)
def test_ground_that_says_nothing_is_refused(corners: Any, said: str | None) -> None:
    zone = Zone("yard", seen(np.array(corners, np.float64)))
    scene = Scene((1280, 720), zones=(zone,), calibration=Calibration(seen(FIELD_M), FIELD_M))
    config = RuleConfig("watch", "crowd_density", "yard", ("person",), Settings())
    if said is None:
        CrowdDensity.check(config, scene)
    else:
        with pytest.raises(ValueError, match=said):
            CrowdDensity.check(config, scene)


def test_a_zone_above_the_horizon_is_refused_where_it_is_measured() -> None:
    zone = Zone("yard", polygon((0, 0), (1280, 0), (1280, 720), (0, 720)))
    scene = Scene((1280, 720), zones=(zone,), calibration=Calibration(seen(FIELD_M), FIELD_M))
    config = RuleConfig("watch", "crowd_density", "yard", ("person",), Settings())
    with pytest.raises(ValueError, match="zone 'yard' reaches above the horizon"):
        CrowdDensity.check(config, scene)
    CrowdDensity.check(config, replace(scene, calibration=None))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"enter_per_m2": 0}, "^enter_per_m2 is 0, but must be a number from 0.01 on"),
        ({"leave_per_m2": 1.5}, "^leave_per_m2 is 1.5, but must not be over enter_per_m2, 1.0"),
        ({"leave_count": 31}, "^leave_count is 31, but must not be over enter_count, 30"),
        ({"enter_s": -1}, "^enter_s is -1, but must be a number from 0 on"),
    ],
)
def test_bad_settings_name_their_field(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changed)
