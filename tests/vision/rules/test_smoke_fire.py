"""Smoke and fire: the detector's score times how much it moves like it, since when, until when."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.files import ClipSource
from tests.vision.rules.scenarios import (
    SCENE,
    Scenario,
    Walker,
    film,
    last_words,
    offsets,
    play,
    rule,
)
from vision.pipeline import Pipeline
from vision.rules.smoke_fire import Settings, SmokeFire
from vision.scene import RuleConfig, Scene, Zone
from vision.track import TrackerSettings
from vision.types import Detections, Frame

BURNS = ((3.0, 0.9),)
SOON = {"enter_s": 1.0, "leave_s": 2.0}


def burns(
    since: float, until: float, x: float = 300, y: float = 200, name: str = "fire", **more: Any
) -> Walker:
    """It is judged 3 s after it was seen first, and then moves like a fire."""
    flames = more.pop("flames", ((since + 3, 0.9),))
    path = ((since, x, y), (until, x, y))
    return Walker(path, classes=((0, name),), flames=flames, **more)


SCENARIO = Scenario(
    (
        burns(0, 12, name="person", hidden=((6, 6.4),)),
        burns(2, 9, 340, name="person"),
        burns(0, 9, 250, name="person", flames=((3, 0.1),)),
        burns(0, 9, 500, name="person"),
    ),
    SOON,
    until=16,
)
"""Of people, as all recorded scenarios are: the stage looks at none, so nobody is one outside."""


def fired(*walkers: Walker, classes: tuple[str, ...] = ("fire", "smoke"), **changed: Any) -> Any:
    """(start, raised, end) of each event, seconds."""
    watcher = rule("smoke_fire", SOON | changed, classes=classes)
    return [offsets(event) for event in last_words(play(watcher, film(walkers, until=30)))]


@pytest.mark.parametrize(
    ("walkers", "changed", "events"),
    [
        pytest.param((burns(0, 12),), {}, [(3.0, 4.0, 12.5)], id="a fire"),
        pytest.param((burns(0, 12, name="smoke"),), {}, [(3.0, 4.0, 12.5)], id="smoke"),
        pytest.param((burns(0, 12, name="car"),), {}, [], id="another class"),
        pytest.param((burns(0, 12, flames=()),), {}, [], id="not looked at yet"),
        pytest.param((burns(0, 12, flames=((3, 0.4),)),), {}, [], id="moves too little like it"),
        # 0.625 x 0.4
        pytest.param(
            (burns(0, 12, flames=((3, 0.4),)),), {"min_score": 0.25}, [(3.0, 4.0, 12.5)], id="low"
        ),
        pytest.param((burns(0, 12),), {"min_score": 0.6}, [], id="high"),
        pytest.param((burns(0, 12),), {"enter_s": 0.0}, [(3.0, 3.0, 12.5)], id="at once"),
        pytest.param((burns(0, 3.9),), {"enter_s": 2.0}, [], id="not long enough"),
        pytest.param((burns(0, 12, 500),), {}, [], id="outside"),
        # 70 px high, on a shelf under the zone: its middle is inside
        pytest.param(
            (burns(0, 12, y=320, box=(40, 70)),), {}, [(3.0, 4.0, 12.5)], id="middle inside"
        ),
        pytest.param(
            (burns(0, 12, flames=((3, 0.9), (5, 0.0), (6, 0.9))),), {}, [(3.0, 4.0, 12.5)],
            id="calm for a moment",
        ),
        pytest.param(
            (burns(0, 16, flames=((3, 0.9), (5, 0.0), (10, 0.9))),), {},
            [(3.0, 4.0, 4.9), (10.0, 11.0, 16.5)],
            id="calm for long",
        ),
        pytest.param(
            (burns(0, 8), burns(6, 14, 340)), {}, [(3.0, 4.0, 14.5)], id="followed by another track"
        ),
    ],
)  # fmt: skip
def test_scores_and_times(
    walkers: tuple[Walker, ...], changed: dict[str, Any], events: list[Any]
) -> None:
    assert fired(*walkers, **changed) == events


def test_what_an_event_says() -> None:
    walkers = (burns(0, 12), burns(0, 12, 340, name="smoke", flames=((2, 1.0), (8, 0.5))))
    watcher = rule("smoke_fire", SOON, classes=("fire", "smoke"))
    raised, over = play(watcher, film(walkers, until=20))
    assert (raised.kind, raised.severity, raised.track_ids) == ("smoke_fire", "high", (1, 2))
    assert raised.details == {
        "why": "smoke 0.62, moves like it 1.00: 0.62 in 'yard' for 1.0 s",
        "seen": ["fire", "smoke"],
        "factor": 1.0,
        "checked_score": 0.625,
        "min_score": 0.3,
        "members_px": [290.0, 160.0, 350.0, 200.0],
    }
    assert over.details == {**raised.details, "held_s": 10.5, "most_score": 0.625}


def test_it_says_what_is_missing() -> None:
    watcher = rule("smoke_fire", SOON, classes=("fire", "smoke"))
    told = {}
    for step in film((burns(1, 12, flames=((3, 0.2), (6, 0.9))),)):
        watcher.update(step, SCENE)
        (each,) = watcher.explain(step, SCENE)
        told[step.index] = [(c.what, c.met, c.found) for c in each.conditions[:2]]
    assert told[0] == [("seen", False, "nothing"), ("score", False, "nothing")]
    assert told[20] == [("seen", True, "fire"), ("score", False, "fire 0.62, not looked at long enough")]  # fmt: skip # noqa: E501
    assert told[50][1] == ("score", False, "fire 0.62, moves like it 0.20: 0.12")
    assert told[70][1] == ("score", True, "fire 0.62, moves like it 0.90: 0.56")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"min_score": -0.1}, "^min_score is -0.1, but must be a number from 0 on"),
        ({"min_score": 1.1}, "^min_score is 1.1, but must not be over 1"),
        ({"enter_s": -1}, "^enter_s is -1"),
        ({"leave_s": float("nan")}, "^leave_s is nan"),
    ],
)
def test_bad_settings_name_their_field(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changed)


def test_nothing_that_does_not_move_like_it_is_raised_even_where_nothing_is_needed() -> None:
    assert fired(burns(0, 12, flames=((3, 0.0),)), min_score=0.0) == []


@pytest.mark.parametrize(
    ("used", "looked_at", "fits"),
    [
        (("fire", "smoke"), ("fire", "smoke"), True),
        (("person", "smoke"), ("smoke",), True),
        ((), ("fire", "smoke"), False),
        (("person",), (), False),
        (("person", "fire"), ("person", "fire"), False),
    ],
)
def test_the_scene_must_name_what_a_model_knows(
    used: tuple[str, ...], looked_at: tuple[str, ...], fits: bool
) -> None:
    scene = Scene((640, 360), used, zones=SCENE.zones)
    config = RuleConfig("r", "smoke_fire", "yard", looked_at, Settings())
    if fits:
        SmokeFire.check(config, scene)
        return
    with pytest.raises(ValueError, match=r"name a model of your own that does, and write"):
        SmokeFire.check(config, scene)


class Recorded:
    """A detector that finds one box in nearly every picture, never twice alike."""

    classes = wanted = ("fire", "smoke")
    group_of = np.array([0, 1], np.int32)

    def __init__(self, box: tuple[float, float, float, float], name: str, score: float) -> None:
        self._box, self._class, self._score = np.array(box), self.classes.index(name), score
        self._rng = np.random.default_rng(5)

    def find(self, frame: Frame) -> Detections:
        del frame
        if self._rng.random() < 0.2:
            return Detections.empty()
        sides = np.tile(self._box[2:] - self._box[:2], 2)
        box = self._box + self._rng.normal(0, 0.05, 4) * sides
        return Detections(
            box[None].astype(np.float32),
            np.array([self._score], np.float32),
            np.array([self._class], np.int32),
        )


# drawn by eye; the score of what burns is that of a model that doubts
@pytest.mark.parametrize(
    ("box", "name", "score", "raised"),
    [
        pytest.param((178, 42, 214, 116), "fire", 0.5, True, id="flames"),
        pytest.param((118, 0, 238, 62), "smoke", 0.5, True, id="smoke"),
        pytest.param((150, 76, 174, 118), "fire", 0.95, False, id="the red wall"),
        pytest.param((260, 110, 330, 180), "smoke", 0.95, False, id="the lawn"),
    ],
)
def test_a_house_that_burns(
    shared: Path, box: tuple[float, float, float, float], name: str, score: float, raised: bool
) -> None:
    whole = Zone("all", np.array([(0.0, 0.0), (426.0, 0.0), (426.0, 240.0), (0.0, 240.0)]))
    config = RuleConfig("r", "smoke_fire", "all", ("fire", "smoke"), Settings())
    scene = Scene((426, 240), ("fire", "smoke"), zones=(whole,), rules=(config,))
    tracker = TrackerSettings(low=0.1, match=0.2, birth=0.4)
    camera = Pipeline(scene, Recorded(box, name, score), tracker)
    clip = ClipSource(
        shared / "clips" / "house_fire.mp4", camera_id="c", source_fps=None, fps=Fraction(5)
    )
    events, looked = [], False
    for frame in clip.frames():
        step = camera.step(frame)
        events += step.events
        looked = looked or bool(step.tracked.observations.flames)
    assert looked
    assert bool(events) == raised
    if raised:
        assert events[0].raised_ts - events[0].start_ts == pytest.approx(2.0, abs=0.3)
        assert len(last_words(events)) == 1


def test_nobody_looks_where_no_rule_asks() -> None:
    def looks(*rules: RuleConfig) -> bool:
        scene = Scene(SCENE.frame_size, ("fire", "smoke"), zones=SCENE.zones, rules=rules)
        tracker = TrackerSettings(low=0.1, match=0.2, birth=0.4)
        camera = Pipeline(scene, Recorded((220, 150, 280, 200), "fire", 0.9), tracker)
        image = np.full((360, 640, 3), 90, np.uint8)
        steps = [camera.step(Frame("c", i, i / 5, image)) for i in range(25)]
        return any(step.tracked.observations.flames for step in steps)

    asks = RuleConfig("r", "smoke_fire", "yard", ("fire", "smoke"), Settings())
    assert looks(asks)
    assert not looks()
    assert not looks(replace(asks, enabled=False))
