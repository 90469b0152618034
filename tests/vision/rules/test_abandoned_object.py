"""Abandoned object: what was left and by whom, who looks after it, and what is no bag."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.rules.scenarios import (
    SCENE,
    SCORE,
    T0,
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
    to_and_fro,
)
from vision.rules.abandoned_object import AbandonedObject
from vision.types import Observations, Tracked
from vision.whereabouts import MEMORY_S

# People are 40 px tall, so who is within 60 px of the bag at (300, 200) is near. The yard is
# x 200 to 400, y 100 to 300.
BRINGER = Walker(((0, 100, 200), (4, 300, 200), (5, 300, 200), (9, 500, 200)))
"""At 50 px a second; within reach of the bag until 6.4 s (70 px from its middle)."""
LAST_NEAR = 6.4
SCENARIO = Scenario(
    (BRINGER, standing(260, 280, 30), to_and_fro(0, 640, 0, y=210, speed=60)),
    left=(Left(4.5, 30.0, hidden=((14.0, 15.0),)), Left(3.0, 29.0, (250.0, 265.0, 264.0, 280.0))),
    until=31 + MEMORY_S + 1,
)


def told(
    walkers: tuple[Walker, ...] = (BRINGER,),
    left: tuple[Left, ...] = (Left(4.5, 30.0),),
    *,
    spoilt: tuple[Spoilt, ...] = (),
    fps: float = 10,
    classes: tuple[str, ...] = ("person",),
    **settings: Any,
) -> list[Any]:
    """(start, raised, end) of each event, seconds."""
    watcher = rule("abandoned_object", settings, classes=classes)
    steps = film(walkers, left=left, spoilt=spoilt, fps=fps)
    return [offsets(event) for event in last_words(play(watcher, steps))]


BAG = (290.0, 190.0, 310.0, 200.0)
COMES_BACK = Walker(
    (
        *BRINGER.path[:3],
        (8, 450, 200),
        (10, 450, 200),
        (13, 300, 200),
        (22, 300, 200),
        (25, 150, 200),
    )
)


@pytest.mark.parametrize(
    ("walkers", "left", "changed", "events"),
    [
        pytest.param((BRINGER,), Left(4.5, 30), {}, [(4.5, 12.5, 30)], id="left"),
        pytest.param((BRINGER,), Left(4.5, 12.3), {}, [], id="taken too soon"),
        pytest.param((BRINGER,), Left(4.5, 30), {"still_s": 2}, [(4.5, 10.4, 30)], id="soon still"),
        pytest.param(
            (BRINGER,), Left(4.5, 30), {"alone_s": 10}, [(4.5, 16.4, 30)], id="long alone"
        ),
        pytest.param((), Left(4.5, 30), {}, [], id="nobody brought it"),
        pytest.param((standing(100, 200, 30),), Left(4.5, 30), {}, [], id="nobody was near"),
        pytest.param((BRINGER,), Left(4.5, 30, appeared=False), {}, [], id="a gap"),
        pytest.param(
            (BRINGER,), Left(4.5, 30, (410.0, 190.0, 430.0, 200.0)), {}, [], id="outside the zone"
        ),
        pytest.param(
            (BRINGER,), Left(4.5, 30, (290.0, 165.0, 310.0, 200.0)), {}, [], id="tall as a child"
        ),
        pytest.param(
            (BRINGER,), Left(4.5, 30, (284.0, 185.0, 316.0, 200.0)), {}, [], id="as wide as a chair"
        ),
        pytest.param((BRINGER,), Left(4.5, 30, (299.0, 197.0, 302.0, 200.0)), {}, [], id="litter"),
        pytest.param((BRINGER, standing(340, 200, 31)), Left(4.5, 30), {}, [], id="a friend stays"),
        pytest.param((standing(320, 200, 31),), Left(4.5, 30), {}, [], id="the bringer stays"),
        # as one who lies down, and whom the detector does not see there
        pytest.param(
            (Walker(((0, 100, 200), (4, 300, 200), (5, 300, 200))),),
            Left(4.5, 30),
            {},
            [],
            id="nobody goes away",
        ),
        # at 60 px a second everybody is near for 2.3 s
        pytest.param(
            (BRINGER, *(to_and_fro(0, 640, 0, y=210, speed=60) for _ in range(3))),
            Left(4.5, 30),
            {},
            [(4.5, 12.5, 30)],
            id="people pass by",
        ),
        pytest.param(
            (BRINGER,),
            Left(4.5, 30, hidden=((7.0, 14.0),)),
            {},
            [(4.5, 14.1, 30)],
            id="hidden until then",
        ),
        pytest.param(
            (BRINGER,),
            Left(4.5, 30, hidden=((15.0, 25.0),)),
            {},
            [(4.5, 12.5, 30)],
            id="hidden for long",
        ),
        # he is near again from 11.6 s on, and from 12.5 s on it would have been raised
        pytest.param(
            (COMES_BACK,), Left(4.5, 35), {}, [(4.5, 27.4, 35)], id="the owner comes back in time"
        ),
        pytest.param(
            (COMES_BACK,),
            Left(4.5, 35),
            {"still_s": 5},
            [(4.5, 10.4, 11.6), (23.4, 27.4, 35)],
            id="the owner comes back",
        ),
    ],
)
def test_what_is_left(
    walkers: tuple[Walker, ...], left: Left, changed: dict[str, Any], events: list[Any]
) -> None:
    assert told(walkers, (left,), **changed) == [pytest.approx(each, abs=0.11) for each in events]


def test_what_is_told_of_it() -> None:
    watcher = rule("abandoned_object")
    raised, final = play(watcher, film((BRINGER,), left=(Left(4.5, 30),)))
    assert raised.id == final.id
    assert raised.track_ids == (1,)
    assert (raised.severity, raised.place, raised.score) == ("high", "yard", 0.75)
    assert raised.details["carrier"] == 1
    assert raised.details["box_px"] == list(BAG)
    assert raised.details["size_px"] == [20, 10]
    assert raised.details["there_s"] == pytest.approx(8)
    assert raised.details["alone_for_s"] == pytest.approx(12.5 - LAST_NEAR, abs=0.11)
    assert "left by track 1" in str(raised.details["why"])
    assert final.details["held_s"] == pytest.approx(25.5, abs=0.11)
    assert not final.lost


def test_who_has_gone_is_named_for_a_while() -> None:
    """It was hidden by others and is known only after its bringer's track ended, at 10.1 s."""

    def shown_from(ts: float) -> list[Tracked]:
        return [
            replace(step, observations=Observations()) if step.ts < T0 + ts else step
            for step in film((BRINGER,), left=(Left(4.5, 60),))
        ]

    (event, _) = play(rule("abandoned_object"), shown_from(20))
    assert (event.track_ids, offsets(event)[1]) == ((1,), 20.0)
    assert play(rule("abandoned_object"), shown_from(11 + MEMORY_S)) == []


def test_a_spoilt_picture_ends_nothing() -> None:
    spoilt = (Spoilt("covered", 15.0, 20.0),)
    steps = film((BRINGER,), left=(Left(4.5, 30),), spoilt=spoilt)
    blind = [
        step if step.quality.trusted else replace(step, observations=Observations())
        for step in steps
    ]
    stated = play(rule("abandoned_object"), blind)
    assert [offsets(event)[2] for event in stated] == [None, 30.0]


def test_who_turns_out_to_be_a_thing_neither_brought_it_nor_looks_after_it() -> None:
    """It stands nearer than who brought it, and stays."""
    near = standing(300, 201, 31)

    def carriers(things: frozenset[int]) -> list[Any]:
        steps = film((BRINGER, near), left=(Left(4.5, 30),))
        told = [
            replace(step, observations=replace(step.observations, things=things))
            if step.ts >= T0 + 2
            else step
            for step in steps
        ]
        return [event.track_ids for event in last_words(play(rule("abandoned_object"), told))]

    assert carriers(frozenset()) == []
    assert carriers(frozenset({2})) == [(1,)]


@pytest.mark.parametrize(
    ("first_seen", "raised"),
    [
        # the last one who was near was so at 6.4 s, so it may be the same
        pytest.param(8.0, 16.9, id="where somebody was"),
        pytest.param(9.5, 12.5, id="where nobody was"),
    ],
)
def test_somebody_is_first_seen_beside_it(first_seen: float, raised: float) -> None:
    """For 3.9 s and followed for a second more, and then it must be alone for 4 s."""
    passer = Walker(((first_seen, 330, 200), (first_seen + 3.9, 330, 200)))
    (found,) = told((BRINGER, passer))
    assert found == pytest.approx((4.5, raised, 30), abs=0.3)


def suitcase(*corners: tuple[float, float, float]) -> Walker:
    """One that a detector sees; films know it as a car."""
    return Walker(corners, classes=((0.0, "car"),), box=(16.0, 24.0))


def seen(walkers: tuple[Walker, ...], left: tuple[Left, ...] = ()) -> list[Tracked]:
    """The film, with its suitcases."""
    return [
        replace(
            step,
            tracks=tuple(
                replace(track, class_name="suitcase") if track.class_name == "car" else track
                for track in step.tracks
            ),
        )
        for step in film(walkers, left=left)
    ]


def test_a_bag_that_the_detector_sees_needs_no_blob() -> None:
    """It is carried along until 3.8 s, and stays."""

    def events(*walkers: Walker) -> list[Any]:
        return [offsets(e) for e in last_words(play(rule("abandoned_object"), seen(walkers)))]

    case = suitcase((0, 110, 200), (3.8, 300, 200), (30, 300, 200))
    ((start, raised, end),) = events(BRINGER, case)
    assert (start, raised, end) == pytest.approx((3.8, 11.8, 30), abs=0.25)
    # beside its owner it is no more than luggage
    assert events(standing(320, 200, 31), case) == []
    # and so is one that moves on
    assert events(BRINGER, suitcase(*to_and_fro(200, 400, 200, 400, 200).path)) == []


def test_a_bag_seen_by_both_is_one() -> None:
    """The detector knows it first, then the blob, then the detector loses it."""
    case = suitcase((0, 110, 200), (3.8, 300, 200), (20, 300, 200))
    left = Left(14.0, 40.0, (291.0, 177.0, 309.0, 201.0))
    stated = play(rule("abandoned_object"), seen((BRINGER, case), (left,)))
    assert len(stated) == 2
    assert stated[0].details["class"] == "suitcase"
    assert offsets(stated[1])[2] == 40.0


def test_a_class_raises_the_score() -> None:
    case = suitcase((0, 300, 200), (30, 300, 200))
    steps = seen((BRINGER, case), (Left(4.5, 30.0, (292.0, 176.0, 308.0, 200.0)),))
    faint = [
        replace(
            step,
            observations=Observations(
                tuple(replace(blob, score=0.2) for blob in step.observations.blobs)
            ),
        )
        for step in steps
    ]
    event = play(rule("abandoned_object"), faint)[0]
    assert (event.details["class"], event.score) == ("suitcase", SCORE)


@settings(max_examples=25)
@given(st.floats(0.5, 20), st.floats(0.5, 20), st.sampled_from([5, 10]))
def test_it_is_raised_once_both_waits_are_over(still_s: float, alone_s: float, fps: int) -> None:
    due = max(4.5 + still_s, LAST_NEAR + alone_s)
    found = told(left=(Left(4.5, 50.0),), fps=fps, still_s=still_s, alone_s=alone_s)
    assert [raised for _, raised, _ in found] == [pytest.approx(due, abs=0.4)]


def test_each_object_is_explained() -> None:
    watcher = rule("abandoned_object")
    steps = film((BRINGER,), left=(Left(4.5, 30.0), Left(10.0, 30.0, (220.0, 190.0, 240.0, 200.0))))
    assert isinstance(watcher, AbandonedObject)
    watcher.update(steps[0], SCENE)
    (nothing,) = watcher.explain(steps[0], SCENE)
    assert (nothing.fires, nothing.box) == (False, None)
    for step in steps[:121]:
        watcher.update(step, SCENE)
    first, second = watcher.explain(steps[120], SCENE)
    assert first.box == BAG
    assert [each.what for each in first.conditions if not each.met] == ["still"]
    assert [each.what for each in second.conditions if not each.met] == [
        "carrier",
        "gone",
        "size",
        "still",
        "alone",
    ]
    assert first.conditions[3].found == "7.5 s"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"still_s": -1}, "still_s is -1, but must be a number from 0 on"),
        ({"alone_s": -1}, "alone_s is -1, but must be a number from 0 on"),
        ({"near_heights": 0}, "near_heights is 0, but must be a number from 0.1 on"),
        ({"max_heights": 0}, "max_heights is 0, but must be a number from 0.05 on"),
        ({"min_heights": 1}, "min_heights is 1, not less than max_heights"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match="^" + text):
        AbandonedObject.Settings(**wrong)
