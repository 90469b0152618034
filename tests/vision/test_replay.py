"""Rules over tracks that are known again say what they said live."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.vision.rules.scenarios import SIZE, Scenario, film, rule, standing
from tests.vision.test_kept import kept
from vision.kept import Rebuilder
from vision.replay import Replay, missing, patience_s, replayed
from vision.rules.registry import kinds
from vision.scene import Preset, Scene
from vision.types import Event, Quality, Tracked
from vision.watch import Rules

KINDS = [k for k, kind in kinds().items() if kind.place != "camera"]
ALONE = [k for k in KINDS if not kinds()[k].stages and not kinds()[k].raw_boxes]


def scenario(kind: str) -> tuple[Scene, list[Tracked]]:
    """The kind's own scenario, its rule in the scene."""
    found = importlib.import_module(f"tests.vision.rules.test_{kind}").SCENARIO
    assert isinstance(found, Scenario)
    config = rule(kind, found.settings, name="watch").config
    return replace(found.scene, rules=(config,)), list(found.film())


def live(scene: Scene, steps: Sequence[Tracked]) -> dict[str, Event]:
    rules = Rules(scene.rules)
    found = {}
    for step in steps:
        for event in rules.state(rules.update(step, scene), step.ts):
            found[event.id] = event
    return found | {event.id: event for event in rules.finish()}


def again(scene: Scene, steps: Sequence[Tracked], gap: range = range(0)) -> dict[str, Event]:
    replay, rebuilder, found = Replay(scene), Rebuilder(), dict[str, Event]()
    for i, each in enumerate(kept(steps)):
        if i in gap:
            continue
        if i and not rebuilder.follows(each):
            found |= {event.id: event for event in replay.broken()}
        found |= {event.id: event for event in replay.update(rebuilder.update(each))}
    return found | {event.id: event for event in replay.finish()}


def times(events: dict[str, Event]) -> dict[str, tuple[object, ...]]:
    return {i: (e.start_ts, e.raised_ts, e.end_ts, e.track_ids) for i, e in events.items()}


@pytest.mark.parametrize("kind", ALONE)
def test_a_rule_about_tracks_alone_says_the_same(kind: str) -> None:
    scene, steps = scenario(kind)
    before = live(scene, steps)
    assert before
    assert times(again(scene, steps)) == times(before)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(ALONE)))
def test_a_rule_that_needs_more_is_named_and_says_nothing(kind: str) -> None:
    scene, steps = scenario(kind)
    assert [each.rule for each in missing(scene) if each.kind == kind] == ["watch"]
    assert replayed(scene) == ()
    assert again(scene, steps) == {}


def test_the_cameras_own_rules_are_named() -> None:
    assert {each.kind for each in missing(Scene(SIZE))} == set(kinds()) - set(KINDS)


def test_an_incident_goes_on_over_a_gap() -> None:
    scene, _ = scenario("intrusion")
    steps = film([standing(300, 200, 20)])
    whole, broken = live(scene, steps), again(scene, steps, range(100, 110))
    assert [*broken] == [*whole]


def test_the_patience_of_a_scene() -> None:
    assert patience_s(Scene(SIZE)) == 0
    assert patience_s(scenario("loitering")[0]) > 0


def test_another_view_is_not_watched_and_an_unknown_one_is_counted() -> None:
    scene, steps = scenario("intrusion")
    shown = [replace(step, quality=Quality(view="north")) for step in steps]
    replay, rebuilder = Replay(scene), Rebuilder()
    said = [e for each in kept(shown) for e in replay.update(rebuilder.update(each))]
    assert (said, replay.unknown) == ([], {"north": len(steps)})
    drawn = replace(scene, rules=(), presets=(Preset("north", "", scene),))
    assert times(again(drawn, shown)) == times(live(scene, steps))


def test_what_is_seen_in_doubt_waits() -> None:
    scene, steps = scenario("intrusion")
    half = len(steps) // 2
    doubted = [
        replace(step, quality=Quality(doubt_ts=steps[0].ts)) if i < half else step
        for i, step in enumerate(steps)
    ]
    assert times(again(scene, doubted)) == times(live(scene, steps))


def test_what_is_in_doubt_or_not_seen_any_more_is_not_explained() -> None:
    scene, steps = scenario("intrusion")
    replay, rebuilder, known = Replay(scene), Rebuilder(), list[float | None]()
    doubt_ts = steps[2].ts
    doubted = [*steps[:2], *(replace(s, quality=Quality(doubt_ts=doubt_ts)) for s in steps[2:4])]
    away = [replace(step, quality=Quality(view="north")) for step in steps[4:6]]
    # the first picture of a view is only known as such once it was seen before
    back = [replace(step, quality=Quality(doubt_ts=doubt_ts)) for step in steps[6:8]]
    for each in kept([*doubted, *away, *back]):
        replay.update(rebuilder.update(each))
        known.append(replay.judged_ts)
    assert known == [steps[0].ts, *[steps[1].ts] * 3, *[None] * 4]
    assert replay.explain({"watch"}) == []
