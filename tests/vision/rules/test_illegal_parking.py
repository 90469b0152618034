"""Who parks where none may is told of; who waits there in a queue is not."""

from __future__ import annotations

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
)

CAR = (60.0, 30.0)

SCENARIO = Scenario(
    walkers=(Walker(((0, 100, 200), (2, 300, 200), (68, 300, 200), (72, 600, 200)), box=CAR),),
    until=90.0,
)


@pytest.mark.parametrize("fps", [5.0, 10.0])
def test_a_minute_is_parking_and_less_is_a_stop(fps: float) -> None:
    (event,) = last_words(play(rule("illegal_parking"), SCENARIO.film(fps=fps)))
    start, raised, end = offsets(event)
    assert (start, raised, end) == pytest.approx((2, 62, 68), abs=0.5)
    assert event.severity == "low"
    stop = [standing(300, 200, 50, box=CAR)]
    assert play(rule("illegal_parking"), film(stop)) == []


def test_a_queue_is_not_parked_until_it_stands_for_longer_than_any_signal() -> None:
    pair = [standing(x, 200, 200, box=CAR) for x in (230, 300)]
    events = last_words(play(rule("illegal_parking"), film(pair, fps=5), SCENE))
    assert [offsets(event)[1] for event in events] == pytest.approx([180, 180], abs=1)
    short = [standing(x, 200, 150, box=CAR) for x in (230, 300)]
    assert play(rule("illegal_parking"), film(short, fps=5), SCENE) == []
    events = last_words(
        play(rule("illegal_parking", {"queue_exempt": False}), film(short, fps=5), SCENE)
    )
    assert [offsets(event)[1] for event in events] == pytest.approx([60, 60], abs=0.5)
