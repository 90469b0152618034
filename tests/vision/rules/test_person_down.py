"""Person down: which poses are those of somebody who lies, for how long, and when it is over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.vision.rules.scenarios import (
    SCENE,
    T0,
    Posed,
    Scenario,
    film,
    last_words,
    offsets,
    play,
    rule,
    standing,
)
from vision.pose import MIN_HEIGHT_PX
from vision.rules.person_down import LOOKS, Settings
from vision.types import Fault, Observations, Pose, Quality, Tracked

STANDS_3_S = standing(300, 200, 3, box=(30.0, 80.0))

SCENARIO = Scenario(
    (STANDS_3_S, standing(250, 150, 8, box=(30.0, 80.0))),
    posed=(
        Posed(2.0, 2.8, "stands"),
        Posed(3.0, 9.0, seen=False),
        # somebody picks something up
        Posed(1.0, 5.0, "bends", person=2, foot=(250.0, 150.0)),
    ),
    until=25,
)


def fired(*posed: Posed, fps: float = 10.0, until: float = 30.0, **changed: Any) -> list[Any]:
    """(start, raised, end) of each event, seconds."""
    stated = play(
        rule("person_down", changed), film((STANDS_3_S,), posed=posed, fps=fps, until=until)
    )
    return [offsets(event) for event in last_words(stated)]


@pytest.mark.parametrize(
    ("posed", "changed", "events"),
    [
        pytest.param([Posed(3, 9)], {}, [(3.0, 3.8, 9.0)], id="lies"),
        pytest.param([Posed(3, 9, "lies along")], {}, [(3.0, 3.8, 9.0)], id="lies along the view"),
        pytest.param([Posed(3, 9, "lies along", stood=False)], {}, [], id="never seen to stand"),
        pytest.param([Posed(3, 9, stood=False)], {}, [(3.0, 3.8, 9.0)], id="lay from the start"),
        pytest.param([Posed(3, 9, "stands")], {}, [], id="stands"),
        pytest.param([Posed(3, 9, "bends")], {}, [], id="bends"),
        pytest.param([Posed(3, 9, score=0.19)], {}, [], id="hardly a pose"),
        pytest.param([Posed(3, 9, part=0.3)], {}, [(3.0, 3.8, 9.0)], id="far back in the room"),
        pytest.param([Posed(3, 9, part=0.1)], {}, [], id="too small for whom it is taken"),
        pytest.param([Posed(3, 3.6)], {}, [], id="too short"),
        pytest.param([Posed(3, 3.8)], {}, [(3.0, 3.8, 3.8)], id="just long enough"),
        pytest.param([Posed(3, 9)], {"down_share": 1.0}, [(3.0, 4.2, 9.0)], id="all of it"),
        pytest.param([Posed(3, 9, foot=(500, 200))], {}, [], id="outside"),
        pytest.param(
            [Posed(3, 5), Posed(5.2, 7, "stands"), Posed(7.2, 9)],
            {},
            [(3.0, 3.8, 5.0), (7.2, 8.0, 9.0)],
            id="gets up, and falls again",
        ),
        pytest.param(
            [Posed(3, 5), Posed(5.2, 6, "stands"), Posed(6.2, 9)],
            {},
            [(3.0, 3.8, 9.0)],
            id="hardly up",
        ),
        pytest.param(
            [Posed(3, 5), Posed(5.2, 12, None), Posed(12.2, 15)],
            {},
            [(3.0, 3.8, 15.0)],
            id="hidden for a while",
        ),
        pytest.param(
            [Posed(3, 5), Posed(16, 18)], {}, [(3.0, 3.8, 5.0), (16.0, 16.8, 18.0)], id="gone"
        ),
        pytest.param(
            [Posed(3, 9), Posed(5, 9, person=2, foot=(304, 200))],
            {},
            [(3.0, 3.8, 9.0)],
            id="one person followed twice",
        ),
        pytest.param(
            [Posed(3, 9), Posed(5, 9, person=2, foot=(300, 280))],
            {},
            [(3.0, 3.8, 9.0), (5.0, 5.8, 9.0)],
            id="two people",
        ),
    ],
)  # fmt: skip
def test_when_it_fires_and_when_it_is_over(
    posed: Sequence[Posed], changed: dict[str, Any], events: list[Any]
) -> None:
    assert fired(*posed, **changed) == events
    assert fired(*posed, fps=5.0, **changed) == events


def test_pictures_that_come_once_a_second_are_enough() -> None:
    (event,) = fired(Posed(3, 9), fps=1.0)
    assert event == (3.0, 5.0, 9.0)


def test_it_says_how_somebody_lies() -> None:
    steps = film((STANDS_3_S,), posed=[Posed(3, 9, "lies along", seen=False)], until=25)
    event = last_words(play(rule("person_down"), steps))[0]
    assert event.severity == "high"
    assert event.lost, "it did not get up"
    assert event.track_ids == (1,)
    assert event.details == {
        "class": "person",
        "box_px": [276.0, 170.4, 320.0, 200.0],
        "foot_px": [298.0, 200.0],
        "why": "somebody lies in 'yard' for 0.8 of the last 1.2 s: 1.5 times as wide as high, "
        "trunk 9° from upright, 0.37 of its height, 0.31 lower than it stood",
        "down_for_s": 0.8,
        "down_s": 1.2,
        "wide_heights": 1.49,
        "tilt_deg": 8.5,
        "upright_px": 80.0,
        "low_heights": 0.37,
        "fell_heights": 0.31,
        "held_s": 6.0,
    }


def test_the_picture_cuts_off_who_walks_out_of_it() -> None:
    """At last only head and shoulders are left, wider than high, and the rest is guessed."""

    def raised(legs: float) -> int:
        steps = film((STANDS_3_S,), posed=[Posed(3, 9, "lies along", foot=(300, 295))], until=25)
        low = replace(SCENE, frame_size=(640, 300))
        posed = [replace(step, observations=_with_legs(step.observations, legs)) for step in steps]
        return len(last_words(play(rule("person_down"), posed, low)))

    assert raised(0.6) == 1
    assert raised(0.1) == 0


def _with_legs(seen: Observations, score: float) -> Observations:
    poses = []
    for pose in seen.poses:
        keypoints = pose.keypoints.copy()
        keypoints[11:, 2] = score
        poses.append(replace(pose, keypoints=keypoints))
    return replace(seen, poses=tuple(poses))


def test_what_nobody_watches_does_not_count() -> None:
    """A picture that is not trusted ends nothing, however long it lasts."""
    steps = film((STANDS_3_S,), posed=[Posed(3, 5), Posed(25, 27)], until=60)
    dark = Quality((Fault("dark", T0 + 6, 1.0, {}),))
    unwatched = [replace(step, quality=dark) if 6 <= step.ts - T0 < 24 else step for step in steps]
    stated = play(rule("person_down"), unwatched)
    assert [offsets(event) for event in last_words(stated)] == [(3.0, 3.8, 27.0)]


def found(step: Tracked, track_id: int | None, *steps: Tracked) -> dict[str, tuple[bool, str]]:
    watcher = rule("person_down")
    for each in (*steps, step):
        watcher.update(each, SCENE)
    (told,) = [each for each in watcher.explain(step, SCENE) if each.track_id == track_id]
    return {each.what: (each.met, each.found) for each in told.conditions}


def test_it_says_why_nobody_was_looked_at() -> None:
    step = film((STANDS_3_S,))[20]
    assert found(step, 1) == {"pose": (False, "stands, or is outside the zone")}
    small = replace(step, observations=Observations(small={1: 36.4}))
    assert found(small, 1) == {"size": (False, "36 px tall")}
    assert MIN_HEIGHT_PX == 60


def test_it_says_what_is_missing() -> None:
    steps = film((STANDS_3_S,), posed=[Posed(1.0, 3.0), Posed(3.2, 4.0, None)])
    said = found(steps[14], 1, *steps[:14])
    assert said["pose"][0]
    assert said["pose"][1].endswith("trunk 90° from upright, 0.05 of its height, 0.42 lower than "
                                    "it stood")  # fmt: skip
    assert said["looks"] == (True, f"{LOOKS} show it")
    assert said["time"] == (False, "0.4 s")
    assert found(steps[34], 1, *steps[:34])["pose"] == (False, "no pose is found")


def test_settings_that_make_no_sense_are_refused() -> None:
    for name in ("down_s", "tilt_deg", "gone_s"):
        with pytest.raises(ValueError, match=f"{name} is -1"):
            Settings(**{name: -1})
    with pytest.raises(ValueError, match=r"down_share is 1\.5, but must not be over 1"):
        Settings(down_share=1.5)
    watcher = rule("person_down", classes=("person", "car"))
    with pytest.raises(ValueError, match="'classes' must be 'person' alone"):
        type(watcher).check(watcher.config, SCENE)


def test_a_pose_without_a_size_is_not_lower_than_anything() -> None:
    points = np.zeros((17, 3), np.float32)
    with pytest.raises(ValueError, match="both upright_px and fell_px, or neither"):
        Pose(1, 1, T0, points, 0.5, upright_px=80.0)
    with pytest.raises(ValueError, match=r"keypoints \(17, 3\)"):
        Pose(1, 1, T0, points[:5], 0.5)
    steps = film((STANDS_3_S,), posed=[Posed(3, 5)], until=25)
    flat = [
        replace(step, observations=replace(step.observations, poses=tuple(
            replace(pose, keypoints=points) for pose in step.observations.poses)))
        for step in steps
    ]  # fmt: skip
    assert play(rule("person_down"), flat) == []
    assert math.isfinite(flat[0].ts)
