"""Heavy vehicle: how sure of its class, how long inside, and at which hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.vision.rules.scenarios import (
    SCENE,
    T0,
    YARD,
    Scenario,
    Walker,
    film,
    last_words,
    offsets,
    play,
    rule,
    standing,
)
from vision.rules.heavy_vehicle import Settings
from vision.scene import RuleConfig
from vision.schedule import Schedule, Span
from vision.types import Tracked
from vision.watch import Rules

# x = 95 + 50 t: inside the yard from 2.1 to 6.1 s
SLOW = Walker(((0, 95, 200), (8, 495, 200)), box=(60, 40))
SCENARIO = Scenario((SLOW, standing(300, 200, 9, box=(60, 40), hidden=((3, 5),))))


def fired(steps: list[Tracked], **settings: Any) -> list[Any]:
    """(start, raised, end) of each event, seconds."""
    return [offsets(event) for event in last_words(play(rule("heavy_vehicle", settings), steps))]


def voted(share: float, since: float = 0.0) -> list[Tracked]:
    """``SLOW`` with this share of the votes from that second on, 0.5 before."""
    return [
        replace(
            step,
            tracks=tuple(
                replace(track, class_share=share if step.ts - T0 >= since else 0.5)
                for track in step.tracks
            ),
        )
        for step in film([SLOW])
    ]


@pytest.mark.parametrize(
    ("settings", "events"),
    [
        ({}, [(2.1, 4.1, 6.1)]),
        ({"min_s": 0}, [(2.1, 2.1, 6.1)]),
        ({"min_s": 3.9}, [(2.1, 6.0, 6.1)]),
        ({"min_s": 4.1}, []),
    ],
)
def test_how_long_inside(settings: dict[str, Any], events: list[Any]) -> None:
    found = fired(film([SLOW]), **settings)
    assert len(found) == len(events)
    for event, expected in zip(found, events, strict=True):
        assert event == pytest.approx(expected, abs=0.11)


@pytest.mark.parametrize(
    ("share", "settings", "found"),
    [
        (0.59, {}, 0),
        (0.6, {}, 1),
        (0.59, {"min_class_share": 0.5}, 1),
        (0.95, {"min_class_share": 1.0}, 0),
    ],
)
def test_how_sure_of_its_class(share: float, settings: dict[str, Any], found: int) -> None:
    assert len(fired(voted(share), **settings)) == found


def test_one_whose_class_is_known_late_is_told_of_late_with_its_true_start() -> None:
    ((start, raised, _),) = fired(voted(0.9, since=5.0))
    assert (start, raised) == pytest.approx((2.1, 5.0), abs=0.11)


def test_one_that_is_open_stays_so_whatever_the_vote_becomes() -> None:
    lorry = Walker(SLOW.path, classes=((0, "person"), (4.5, "car")), box=SLOW.box)
    ((_, _, end),) = fired(film([lorry]))
    assert end == pytest.approx(6.1, abs=0.11)


def test_of_other_classes_it_says_nothing() -> None:
    car = Walker(SLOW.path, classes=((0, "car"),), box=SLOW.box)
    assert fired(film([car])) == []
    # the first boxes took it for one that is watched
    assert fired(film([Walker(SLOW.path, classes=((0, "person"), (3, "car")), box=SLOW.box)])) == []


def test_hours_are_those_of_its_schedule() -> None:
    # T0 is 00:00 UTC; lorries may drive from 00:00:04 on
    zone = ZoneInfo("UTC")
    hours = Schedule((Span(frozenset(range(7)), time(23, 0), time(0, 0, 4)),), zone)
    config = RuleConfig(
        "port", "heavy_vehicle", YARD.name, ("person",), Settings(min_s=1.0), schedule=hours
    )
    rules = Rules((config,))
    told = [event for step in film([SLOW]) for event in rules.update(step, SCENE)]
    (event,) = last_words(told)
    assert offsets(event) == pytest.approx((2.1, 3.1, 4.0), abs=0.11)
    late = film([Walker(tuple((t + 4.5, x, y) for t, x, y in SLOW.path), box=SLOW.box)])
    rules = Rules((config,))
    assert [event for step in late for event in rules.update(step, SCENE)] == []


def test_explain_says_what_is_missing() -> None:
    watcher = rule("heavy_vehicle")
    unmet: list[tuple[str, ...]] = []
    for step in voted(0.9, since=5.0):
        watcher.update(step, SCENE)
        unmet += [
            tuple(c.what for c in each.conditions if not c.met)
            for each in watcher.explain(step, SCENE)
        ]
    assert unmet[0] == ("votes", "zone", "time")
    assert ("votes", "time") in unmet
    assert ("votes",) in unmet
    assert () in unmet


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_s": -1.0}, "min_s is -1.0"),
        ({"release_s": float("inf")}, "release_s is inf"),
        ({"min_class_share": 1.1}, "min_class_share is 1.1, but must be from 0 to 1"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**settings)
