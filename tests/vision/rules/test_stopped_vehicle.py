"""Who stands on the road is told of, unless all who are there wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.vision.rules.scenarios import (
    SCENE,
    T0,
    Scenario,
    Walker,
    film,
    last_words,
    offsets,
    play,
    rule,
    standing,
)
from vision.policy import Incidents
from vision.types import Event

CAR = (60.0, 30.0)

SCENARIO = Scenario(
    walkers=(
        Walker(((0, 100, 200), (2, 300, 200), (18, 300, 200), (22, 600, 200)), box=CAR),
        Walker(((1, 640, 250), (5, 0, 250)), box=CAR),
    ),
    until=40.0,
)


def told(walkers: Sequence[Walker], fps: float = 10.0, **settings: Any) -> list[Event]:
    watcher = rule("stopped_vehicle", settings)
    return last_words(play(watcher, film(walkers, fps=fps, until=60), SCENE))


def drives_off(x: float, y: float, at_s: float, **more: Any) -> Walker:
    """It stands until ``at_s``, and is out of the picture 3 s later."""
    return Walker(((0, x, y), (at_s, x, y), (at_s + 3, x + 400, y)), box=CAR, **more)


every_rate = pytest.mark.parametrize("fps", [5.0, 10.0, 24.0])


@every_rate
def test_who_stands_alone_is_told_of_after_its_time(fps: float) -> None:
    (event,) = told(SCENARIO.walkers, fps)
    start, raised, end = offsets(event)
    assert start == pytest.approx(2, abs=0.5)
    assert raised == pytest.approx(start + 10, abs=0.3)
    assert end == pytest.approx(18, abs=0.5)
    assert not event.lost
    assert event.details["neighbours"] == 0
    assert event.details["why"] == "person stands in 'yard' for 10.0 s, alone"


def test_outside_the_zone_nobody_is_told_of() -> None:
    assert told([standing(100, 200, 40, box=CAR)]) == []


@every_rate
def test_a_queue_is_none_and_each_of_it_is_without_the_exemption(fps: float) -> None:
    queue = [drives_off(x, 200, 30) for x in (220, 290, 360)]
    assert told(queue, fps) == []
    events = told(queue, fps, queue_exempt=False)
    assert [offsets(event)[0] for event in events] == [0, 0, 0]
    assert [event.details["neighbours"] for event in events] == [2, 2, 2]


@every_rate
def test_who_stands_on_when_its_neighbours_drive_on_is_told_of(fps: float) -> None:
    left_behind = standing(290, 200, 50, box=CAR)
    queue = [drives_off(360, 200, 20), left_behind]
    (event,) = told(queue, fps)
    start, raised, _ = offsets(event)
    assert start == 0
    # the neighbour is seen to move at once; then the grace
    assert raised == pytest.approx(20 + 5, abs=1.5)
    assert event.track_ids == (2,)


def test_neighbours_are_near_and_in_the_zone() -> None:
    one = drives_off(290, 200, 30)
    assert told([one, drives_off(230, 200, 30)]) == []
    assert len(told([one, drives_off(120, 200, 30)])) == 1, "outside the zone"
    assert len(told([one, drives_off(230, 290, 30)])) == 2, "further than six heights"
    assert told([one, drives_off(230, 290, 30)], near_heights=7) == []


def test_two_parts_of_one_vehicle_are_no_queue() -> None:
    halves = [standing(290, 200, 30, box=(34, 30)), standing(310, 200, 30, box=(34, 30))]
    assert told(halves)


def test_what_stands_for_longer_than_any_signal_is_no_queue() -> None:
    pair = [drives_off(290, 200, 45), drives_off(220, 200, 45)]
    events = told(pair, queue_max_s=30)
    assert [offsets(event)[1] for event in events] == pytest.approx([30.1, 30.1], abs=0.3)
    assert str(events[0].details["why"]).endswith("s, longer than a queue does")
    # nor does what is parked excuse who stops beside it
    late = Walker(((40, 100, 200), (42, 220, 200), (58, 220, 200)), box=CAR)
    events = told([standing(290, 200, 58, box=CAR), late], queue_max_s=30, alone_s=0)
    assert offsets(events[-1])[:2] == pytest.approx((42, 52), abs=0.6)


@every_rate
def test_one_incident_though_its_track_breaks_is_hidden_and_changes_class(fps: float) -> None:
    walkers = [
        Walker(((0, 300, 200), (14, 300, 200)), box=CAR),
        # a lorry passes, and behind it the car's track is another one
        Walker(((14, 250, 220), (20, 330, 220)), box=(150, 90)),
        Walker(((20.5, 302, 201), (30, 302, 201)), box=CAR),
        Walker(((33, 299, 200), (44, 299, 200), (47, 640, 200)), box=CAR),
    ]
    watcher, steps = rule("stopped_vehicle"), film(walkers, fps=fps, until=80)
    incidents = Incidents([watcher.config])
    said = [
        event
        for step in steps
        for event in incidents.update(watcher.update(step, SCENE), step.ts, step.tracks)
    ]
    (event,) = last_words(said)
    start, raised, end = offsets(event)
    assert (start, raised) == pytest.approx((0, 10), abs=0.3)
    assert end == pytest.approx(44, abs=0.5)


def test_who_was_hidden_all_the_time_was_not_seen_to_stand() -> None:
    glimpses = standing(300, 200, 40, box=CAR, hidden=tuple((t, t + 4.5) for t in range(2, 40, 5)))
    assert told([glimpses]) == []


def test_what_stood_there_before_it_watched_stands_since_then() -> None:
    steps = film([standing(300, 200, 40, box=CAR)])
    made = type(rule("stopped_vehicle"))
    watcher = made(rule("stopped_vehicle").config, T0 + 10)
    events = [e for step in steps if step.ts >= T0 + 10 for e in watcher.update(step, SCENE)]
    assert offsets(events[0])[:2] == pytest.approx((10, 20), abs=0.2)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="near_heights is -1"):
        rule("stopped_vehicle", {"near_heights": -1})
