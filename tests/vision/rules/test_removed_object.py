"""Removed object: what has gone, who took it, and what nobody took."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.rules.scenarios import (
    SCENE,
    Left,
    Scenario,
    Spoilt,
    Walker,
    film,
    last_words,
    offsets,
    play,
    rule,
    standing,
)
from vision.rules.removed_object import LONGEST_S, RemovedObject
from vision.types import Observations
from vision.whereabouts import MEMORY_S

# People are 40 px tall, so who is within 60 px of the gap at (300, 200) is near. The yard is
# x 200 to 400, y 100 to 300.
COMES = Walker(((0, 100, 200), (4, 330, 200), (31, 330, 200)))
TAKER = Walker(((0, 100, 200), (4, 300, 200), (5, 300, 200), (9, 500, 200)))


def gap(
    start: float,
    end: float,
    box: tuple[float, float, float, float] = (290.0, 190.0, 310.0, 200.0),
    hidden: tuple[tuple[float, float], ...] = (),
) -> Left:
    return Left(start, end, box, hidden, appeared=False)


SCENARIO = Scenario(
    (TAKER, standing(250, 280, 20)),
    left=(gap(4.5, 30.0), gap(8.0, 22.0, (250.0, 265.0, 264.0, 280.0), ((12.0, 13.0),))),
    until=30 + MEMORY_S + 2,
)


def told(
    walkers: tuple[Walker, ...], left: Left, *, fps: float = 10, **changed: Any
) -> list[tuple[float, float, float | None]]:
    """(start, raised, end) of each event, seconds."""
    stated = play(rule("removed_object", changed), film(walkers, left=(left,), fps=fps))
    return [offsets(event) for event in last_words(stated)]


@pytest.mark.parametrize(
    ("walkers", "left", "changed", "events"),
    [
        pytest.param((TAKER,), gap(4.5, 30), {}, [(4.5, 12.5, 30)], id="taken"),
        pytest.param((TAKER,), gap(4.5, 30), {"gone_s": 3}, [(4.5, 7.5, 30)], id="told soon"),
        pytest.param((TAKER,), gap(4.5, 12), {}, [], id="put back"),
        pytest.param((TAKER,), gap(4.5, 30, hidden=((8, 20),)), {}, [(4.5, 20.1, 30)], id="hidden"),
        # who took it may stay there; who always sat there got up
        pytest.param((COMES,), gap(4.5, 30), {}, [(4.5, 12.5, 30)], id="comes and stays"),
        pytest.param((standing(330, 200, 31),), gap(4.5, 30), {}, [], id="gets up"),
        pytest.param((), gap(4.5, 30), {}, [], id="nobody took it"),
        pytest.param((standing(100, 200, 31),), gap(4.5, 30), {}, [], id="nobody was near"),
        pytest.param((TAKER,), gap(12, 30), {}, [], id="long after"),
        pytest.param((TAKER,), Left(4.5, 30), {}, [], id="something came"),
        pytest.param((TAKER,), gap(4.5, 30, (410, 190, 430, 200)), {}, [], id="outside"),
        pytest.param((TAKER,), gap(4.5, 30, (290, 165, 310, 200)), {}, [], id="where one stood"),
        pytest.param((TAKER,), gap(4.5, 30, (265, 185, 335, 200)), {}, [], id="where a car stood"),
        pytest.param((TAKER,), gap(4.5, 30, (299, 197, 302, 200)), {}, [], id="litter"),
    ],
)
def test_what_is_taken(
    walkers: tuple[Walker, ...], left: Left, changed: dict[str, Any], events: list[Any]
) -> None:
    assert told(walkers, left, **changed) == [pytest.approx(each, abs=0.01) for each in events]


def test_what_is_told_of_it() -> None:
    raised, final = play(rule("removed_object"), film((TAKER,), left=(gap(4.5, 30),)))
    assert raised.id == final.id
    assert (raised.severity, raised.track_ids, raised.score) == ("medium", (1,), 0.75)
    assert raised.details["taker"] == 1
    assert raised.details["box_px"] == [290, 190, 310, 200]
    assert raised.details["size_px"] == [20, 10]
    assert raised.details["gone_for_s"] == pytest.approx(8)
    assert "taken by track 1" in str(raised.details["why"])
    assert final.details["held_s"] == pytest.approx(25.5)
    assert not final.lost


def test_a_gap_that_was_hidden_at_its_end_is_lost_from_sight() -> None:
    steps = film((TAKER,), left=(gap(4.5, 30, hidden=((20, 30),)),))
    assert play(rule("removed_object"), steps)[-1].lost


def test_a_spoilt_picture_ends_nothing() -> None:
    steps = film((TAKER,), left=(gap(4.5, 30),), spoilt=(Spoilt("moved", 15, 20),))
    blind = [
        step if step.quality.trusted else replace(step, observations=Observations())
        for step in steps
    ]
    assert [offsets(e)[2] for e in play(rule("removed_object"), blind)] == [None, 30.0]


@settings(max_examples=25)
@given(st.floats(0, LONGEST_S), st.sampled_from([5, 10]))
def test_it_is_raised_once_the_wait_is_over(gone_s: float, fps: int) -> None:
    ((start, raised, _),) = told((TAKER,), gap(4.5, 70), fps=fps, gone_s=gone_s)
    assert start == 4.5
    # it is known from its first step on
    assert raised == pytest.approx(4.5 + gone_s, abs=1.01 / fps)


def test_each_gap_is_explained() -> None:
    watcher = rule("removed_object")
    assert isinstance(watcher, RemovedObject)
    steps = film((TAKER,), left=(gap(4.5, 30), gap(10, 30, (220, 190, 240, 200))))
    watcher.update(steps[0], SCENE)
    (nothing,) = watcher.explain(steps[0], SCENE)
    assert (nothing.fires, nothing.box) == (False, None)
    for step in steps[:121]:
        watcher.update(step, SCENE)
    first, second = watcher.explain(steps[120], SCENE)
    assert first.box == (290, 190, 310, 200)
    assert [each.what for each in first.conditions if not each.met] == ["gone"]
    assert [each.what for each in second.conditions if not each.met] == [
        "taker",
        "came",
        "size",
        "gone",
    ]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"gone_s": -1}, "gone_s is -1, but must be a number from 0 on"),
        ({"gone_s": 61}, "gone_s is 61, but must be at most 60"),
        ({"near_heights": 0}, "near_heights is 0, but must be a number from 0.1 on"),
        ({"min_heights": 1}, "min_heights is 1, not less than max_heights"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match="^" + text):
        RemovedObject.Settings(**wrong)
