"""Rules at stricter thresholds: which values are tried, which incident is which, which is best."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.vision.rules.scenarios import SCENE, SIZE, T0, film, play, rule, standing
from vision.rules.registry import kinds
from vision.scene import Preset, Scene
from vision.thresholds import Threshold
from vision.trials import Effect, Incident, best, only, rule_of, variants
from vision.types import Event


def scene(kind: str, **settings: object) -> Scene:
    return replace(SCENE, rules=(rule(kind, settings).config, rule("intrusion", name="x").config))


def test_values_go_from_near_to_far_within_the_bounds() -> None:
    assert Threshold("a", 0, 1, 0.1).beyond(0.5) == (0.6, 0.7, 0.8, 0.9)
    assert Threshold("a", 0, 1, 0.1, stricter="down").beyond(0.5) == (0.4, 0.3, 0.2, 0.1)
    assert Threshold("a", 0, 100, 5).beyond(0) == (5, 10, 15, 20, 30, 40, 60, 80)
    assert Threshold("a", 0, 1, 0.1).beyond(1) == ()


@pytest.mark.parametrize("bounds", [(1, 1, 1), (0, 1, 0), (0, 1, 2), (2, 1, 1)])
def test_bounds_without_steps_are_none(bounds: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="a has no steps"):
        Threshold("a", *bounds)


def test_one_rule_alone_at_each_value() -> None:
    drawn = scene("crowd", enter_count=499)
    config = rule_of(drawn, "watch")
    assert config is not None
    first, *others = variants(drawn, config)
    assert first.scene.rules == (config,)
    assert {(each.setting, each.value) for each in others} >= {("enter_count", 500.0)}
    (most,) = [each for each in others if each.setting == "enter_count"]
    assert most.scene.rules[0].settings.enter_count == 500
    assert isinstance(most.scene.rules[0].settings.enter_count, int)
    assert rule_of(drawn, "nobody") is None


def test_what_the_rule_does_not_take_or_nobody_set_is_left_out() -> None:
    drawn = scene("queue", enter_count=3)
    config = rule_of(drawn, "watch")
    assert config is not None
    assert "enter_m" not in {each.setting for each in variants(drawn, config)}
    # a length is taken on calibrated views alone
    wrong = replace(config, settings=replace(config.settings, enter_m=20.0))
    assert "enter_m" not in {each.setting for each in variants(drawn, wrong)}


def test_a_rule_of_a_preset_and_one_that_is_off() -> None:
    off = replace(rule("intrusion", name="there").config, enabled=False)
    north = replace(SCENE, rules=(off, rule("crowd").config))
    drawn = Scene(SIZE, rules=(), presets=(Preset("north", "", north),))
    assert rule_of(drawn, "there") == off
    assert only(drawn, off).presets[0].scene.rules == (replace(off, enabled=True),)
    assert only(drawn, off).rules == ()


def event(**more: object) -> Event:
    (first, *_) = play(rule("intrusion"), film([standing(300, 200, 5)]), SCENE)
    values: dict[str, object] = {"id": "e", "start_ts": T0 + 10, "end_ts": T0 + 20}
    values["raised_ts"] = more.get("start_ts", T0 + 10)
    return replace(first, **(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "same"),
    [
        ({}, True),
        ({"track_ids": (7, 1)}, True),
        ({"track_ids": (7,)}, False),
        ({"track_ids": (7,), "id": "a"}, True),
        ({"track_ids": (7,), "details": {}}, True),
        ({"start_ts": T0 + 18, "end_ts": None}, True),
        ({"start_ts": T0 + 19, "end_ts": None}, False),
        ({"start_ts": T0, "end_ts": T0 + 11}, False),
        ({"start_ts": T0, "end_ts": T0 + 12}, True),
    ],
)
def test_an_incident_is_the_same_by_time_and_track(more: dict[str, object], same: bool) -> None:
    known = Incident("a", T0 + 12, T0 + 13, T0 + 18, {1, 2})
    assert known.is_told_by(event(**more)) is same


def test_one_that_goes_on_is_told_of_at_any_time() -> None:
    later = event(start_ts=T0 + 9999, end_ts=None)
    assert Incident("a", T0 + 12, T0 + 13, None, {1}).is_told_by(later)


def effect(value: float, kept: int, gone: int, setting: str = "a") -> Effect:
    return Effect(setting, value, kept, gone, 0.0)


def test_the_best_one_loses_none_and_is_the_least_strict() -> None:
    tried = [effect(1, 3, 0), effect(2, 3, 2), effect(3, 3, 2), effect(4, 2, 4)]
    assert best(tried, true_alarms=3, false_alarms=4) == tried[1]
    more = [*tried, effect(9, 3, 4, "b")]
    assert best(more, true_alarms=3, false_alarms=4) == more[-1]
    assert best(tried[-1:], true_alarms=3, false_alarms=4) == "costs"
    assert best(tried[:1], true_alarms=3, false_alarms=4) == "nothing"
    assert best(tried, true_alarms=3, false_alarms=0) == "unknown"


def test_every_kind_has_variants_of_its_own_defaults() -> None:
    for kind, made in kinds().items():
        if made.thresholds:
            config = rule(kind).config
            drawn = replace(SCENE, rules=(config,))
            found = {each.setting for each in variants(drawn, config)} - {""}
            assert found, kind
