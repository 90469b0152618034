"""A rule at stricter thresholds on kept tracks: what they leave out, and what they never lose."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import streams.keeper
import streams.replaying
import streams.suggesting as module
from streams.commands import Closing, Replay, Suggest, Suggested, TriedValue
from streams.keeper import Keeper
from streams.replaying import replay
from streams.suggesting import suggest
from tests.streams.keeping import YARD, keep, kept, stays, told
from tests.streams.test_replaying import analysed, document
from tests.streams.workers import camera
from tests.vision.rules.scenarios import T0, Walker, standing
from vision.types import JsonValue


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    monkeypatch.setattr(streams.keeper, "FREE_BYTES", 0)
    monkeypatch.setattr(streams.replaying, "REST_AFTER_S", 9.0)
    monkeypatch.setattr(module, "LEAD_S", 5.0)
    with kept(tmp_path) as made:
        yield made


def asked(
    keeper: Keeper,
    closings: list[Closing],
    rule: str = "in",
    *,
    timeout_s: float = 600,
    scene: dict[str, JsonValue] | None = YARD,
    name: str = "cam",
) -> Suggested:
    wanted = Suggest(camera=name, rule=rule, closings=tuple(closings), timeout_s=timeout_s)
    return suggest(wanted, camera(name, scene=scene), keeper, threading.Event())


def of(found: Suggested, setting: str) -> dict[float, TriedValue]:
    return {each.value: each for each in found.tried if each.setting == setting}


def test_the_value_that_leaves_out_the_false_and_keeps_the_true(keeper: Keeper) -> None:
    keep(keeper, stays([1.2, 9, 1.8, 12, 2.4]))
    closings = told(keeper, "in", {1, 3})
    found = asked(keeper, closings)
    assert (found.ok, found.kind, found.true_alarms, found.false_alarms) == (
        True, "intrusion", 2, 3,
    )  # fmt: skip
    assert found.now == {"min_dwell_s": 0.5, "box_overlap_share": 0.3}
    gone = {value: each.false_gone for value, each in of(found, "min_dwell_s").items()}
    assert gone == {
        1.0: 0,
        1.5: 1,
        2.0: 2,
        2.5: 3,
        3.5: 3,
        4.5: 3,
        6.5: 3,
        8.5: 3,
        12.5: 3,
        16.5: 3,
    }
    kept = {value: each.true_kept for value, each in of(found, "min_dwell_s").items()}
    assert (kept[8.5], kept[12.5]) == (2, 0)
    assert found.best == of(found, "min_dwell_s")[2.5]
    assert found.best.later_s == pytest.approx(2, abs=0.01)
    assert (found.why_none, found.not_tried) == (None, ())


def test_of_a_crowd_too_of_which_no_track_is_the_same(keeper: Keeper) -> None:
    pairs = [
        Walker(((start, x, 200.0), (start + 9, x, 200.0)))
        for start, people in ((0, 2), (30, 4), (60, 3))
        for x in range(260, 260 + 20 * people, 20)
    ]
    keep(keeper, pairs, until=85)
    found = asked(keeper, told(keeper, "many", {1}), "many")
    assert (found.true_alarms, found.false_alarms) == (1, 2)
    assert found.best is not None
    assert (found.best.setting, found.best.value, found.best.false_gone) == ("enter_count", 4.0, 2)


def test_who_is_told_of_at_the_same_time_is_another(keeper: Keeper) -> None:
    keep(keeper, [standing(270, 200, 1.5), standing(330, 200, 9)])
    closings = told(keeper, "in", {1})
    assert closings[0].start_ts == closings[1].start_ts
    found = asked(keeper, closings)
    assert found.best is not None
    assert (found.best.true_kept, found.best.false_gone) == (1, 1)


@pytest.mark.parametrize(("true", "why"), [({0}, "costs"), ({0, 1}, "unknown"), (set(), None)])
def test_where_none_helps_it_says_why(keeper: Keeper, true: set[int], why: str | None) -> None:
    keep(keeper, stays([1.2, 9]))
    found = asked(keeper, told(keeper, "in", true))
    assert found.why_none == why
    assert (found.best is None) is (why is not None)


def test_what_lasts_longer_than_any_value_is_left_out_by_none(keeper: Keeper) -> None:
    keep(keeper, stays([40]))
    assert asked(keeper, told(keeper, "in", set())).why_none == "nothing"


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(4, 50), st.booleans()), min_size=1, max_size=4))
def test_no_true_alarm_is_ever_lost(keeper: Keeper, drawn: list[tuple[int, bool]]) -> None:
    name = f"cam{hash(tuple(drawn))}"
    keep(keeper, stays([fifths / 5 for fifths, _ in drawn]), name=name)
    true = {k for k, (_, each) in enumerate(drawn) if each}
    closings = told(keeper, "in", true, name)
    found = asked(keeper, closings, name=name)
    if found.best is None:
        assert found.why_none is not None
        return
    assert found.best.true_kept == found.true_alarms == len(true)
    # and so it is, with the scene that was suggested
    rule = {"kind": "intrusion", "zone": "yard", "name": "in", found.best.setting: found.best.value}
    scene: dict[str, JsonValue] = YARD | {"rules": [rule]}  # type: ignore[list-item]
    wanted = Replay(camera=name, from_ts=T0, to_ts=T0 + 3600, scene=scene)
    left = [
        set(event.track_ids) for event in replay(wanted, None, keeper, threading.Event()).events
    ]
    assert all(set(each.track_ids) in left for each in closings if each.true_alarm)
    gone = [each for each in closings if set(each.track_ids) not in left]
    assert len(gone) == found.best.false_gone


# --- what cannot be tried


@pytest.mark.parametrize(
    ("rule", "refused", "said"),
    [
        ("down", "more", "looks at how people hold themselves"),
        ("over", "no thresholds", "change its zone, its classes or its schedule"),
        ("else", "rule", "has no rule 'else': those there are: in, many"),
    ],
)
def test_a_rule_that_cannot_be_tried_says_so(
    keeper: Keeper, rule: str, refused: str, said: str
) -> None:
    found = asked(keeper, [], rule)
    assert (found.ok, found.refused) == (False, refused)
    assert said in found.message


def test_a_camera_that_is_not_there_or_has_no_scene(keeper: Keeper) -> None:
    assert asked(keeper, [], scene=None).refused == "camera"
    wanted = Suggest(camera="cam", rule="in", closings=())
    assert suggest(wanted, None, keeper, threading.Event()).refused == "camera"
    assert asked(keeper, [], scene={"frame_size": [640]}).refused == "scene"


def test_a_rule_that_was_switched_off_is_tried_as_if_it_was_on(keeper: Keeper) -> None:
    keep(keeper, stays([9]))
    first, *_ = told(keeper, "in", set())
    alert = first.model_copy(update={"raised_ts": first.start_ts + 3, "alert": "x"})
    found = asked(keeper, [alert], "off")
    assert (found.false_alarms, found.not_tried) == (1, ())


def why(found: Suggested) -> list[str]:
    assert found.true_alarms + found.false_alarms == 0
    return [each.why for each in found.not_tried]


def test_an_alert_on_which_nothing_can_be_tried_says_why(keeper: Keeper) -> None:
    keep(keeper, stays([9]))
    (alert,) = told(keeper, "in", {0})
    late = {name: getattr(alert, name) + 3600 for name in ("start_ts", "raised_ts", "end_ts")}
    assert why(asked(keeper, [alert.model_copy(update=late)])) == ["gone"]
    other = {"alert": "x", "track_ids": (77,)}
    assert why(asked(keeper, [alert.model_copy(update=other)])) == ["quiet"]
    # it goes on, and who knows for how long
    assert why(asked(keeper, [alert.model_copy(update={"end_ts": None})])) == ["cut"]
    assert why(asked(keeper, [alert.model_copy(update={"end_ts": T0 + 99})])) == ["cut"]


def test_without_time_nothing_is_suggested(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(keeper, stays([1.2, 9, 1.2]))
    closings = told(keeper, "in", {1})
    monkeypatch.setattr(streams.replaying, "REST_AFTER_S", 0.0)
    wanted = Suggest(camera="cam", rule="in", closings=tuple(closings))
    stop = threading.Event()
    stop.set()
    found = suggest(wanted, camera("cam", scene=YARD), keeper, stop)
    assert (found.why_none, found.best) == ("time", None)
    assert [each.why for each in found.not_tried] == ["time"] * 3


def test_true_alarms_are_looked_at_first(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(keeper, stays([1.2, 9, 1.2, 1.2]))
    closings = told(keeper, "in", {1})
    looked: list[float] = []

    class Looking(module.Reading):
        def __init__(self, folder: Path, name: str, from_ts: float, to_ts: float) -> None:
            super().__init__(folder, name, from_ts, to_ts)
            looked.append(round(from_ts - T0))

    monkeypatch.setattr(module, "Reading", Looking)
    asked(keeper, closings)
    assert looked == [25, 85, 55, -5]


@pytest.mark.long
def test_the_plaza_is_tried_as_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.keeper, "FREE_BYTES", 0)
    live = analysed(tmp_path, 200)
    scene = document("plaza_watch.yaml")
    for rule in ("loitering@plaza", "crowd@crossroads", "intrusion@lawn"):
        events = [event for event in live.events.values() if event.rule == rule]
        closings = [
            Closing(
                alert=event.id,
                true_alarm=event is events[0],
                start_ts=event.start_ts,
                raised_ts=event.raised_ts,
                end_ts=event.end_ts,
                track_ids=event.track_ids,
            )
            for event in events
        ]
        found = asked(live.keeper, closings, rule, scene=scene)
        # one that goes on at the end of the clip is not known to be over
        assert {each.why for each in found.not_tried} <= {"cut"}
        assert len(found.not_tried) < len(closings) == 2
        assert all(each.true_kept <= found.true_alarms for each in found.tried)
        assert found.best is None or found.best.true_kept == found.true_alarms
    live.keeper.stop()
