"""Why rules were silent on kept tracks, and who passed which line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import streams.keeper
from streams.commands import Replay, Replayed
from streams.drawing import Silent
from streams.keeper import Keeper
from streams.messages import encode
from streams.replaying import _part, replay
from tests.streams.keeping import YARD, keep, kept, stays
from tests.vision.rules.scenarios import T0, Walker
from vision.rules.base import Condition
from vision.types import JsonValue

EAST = Walker(((0.0, 200.0, 200.0), (5.0, 400.0, 200.0)))
"""Somebody who walks through the yard and over the gate, to the right."""


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    monkeypatch.setattr(streams.keeper, "FREE_BYTES", 0)
    with kept(tmp_path) as made:
        yield made


def scene(*rules: dict[str, JsonValue], **more: Any) -> dict[str, JsonValue]:
    return YARD | {"rules": list(rules)} | more


def asked(
    keeper: Keeper, drawn: dict[str, JsonValue], from_s: float = 0.0, *, explain: bool = True
) -> Replayed:
    wanted = Replay(
        camera="cam", from_ts=T0 + from_s, to_ts=T0 + 600, scene=drawn, timeout_s=600,
        explain=explain,
    )  # fmt: skip
    found = replay(wanted, None, keeper, threading.Event())
    assert found.ok, found.message
    assert Replayed.of(encode(found)) == found
    return found


def silent(found: Replayed) -> dict[str, Silent]:
    return {each.rule: each for each in found.silent}


def lacking(found: Silent) -> list[tuple[str, str, str]]:
    return [(each.what, each.found, each.needed) for each in found.conditions if not each.met]


def test_a_rule_that_waits_too_long_says_how_near_it_was(keeper: Keeper) -> None:
    # the second of three stays is the longest, and the last one is no nearer
    keep(keeper, stays([2, 6, 1]))
    drawn = scene(
        {"kind": "intrusion", "zone": "yard", "name": "in", "min_dwell_s": 30},
        {"kind": "intrusion", "zone": "yard", "name": "soon"},
    )
    found = asked(keeper, drawn)
    assert {event.rule for event in found.events} == {"soon"}
    (near,) = found.silent
    assert (near.rule, near.kind, near.place, near.told) == ("in", "intrusion", "yard", False)
    ((what, how_long, needed),) = lacking(near)
    assert (what, needed) == ("dwell", "30 s")
    assert 5 < float(how_long.removesuffix(" s")) <= 6
    assert near.at_ts is not None
    assert 30 + 5 <= near.at_ts - T0 <= 30 + 8
    assert near.track_id is not None


def test_a_zone_beside_the_way_says_that_nobody_was_in_it(keeper: Keeper) -> None:
    keep(keeper, stays([4]))
    far: JsonValue = [{"name": "yard", "polygon": [[10, 10], [90, 10], [90, 90], [10, 90]]}]
    drawn = scene({"kind": "intrusion", "zone": "yard", "name": "in"}, zones=far)
    (near,) = asked(keeper, drawn).silent
    assert lacking(near)[0] == ("zone", "outside", "inside 'yard'")


def test_a_rule_that_is_off_duty_says_so(keeper: Keeper) -> None:
    keep(keeper, stays([4]))
    # this is on a Saturday
    schedule: JsonValue = {"days": ["sun"], "from": "00:00", "to": "00:01"}
    rule: dict[str, JsonValue] = {"kind": "intrusion", "zone": "yard", "name": "in"}
    (near,) = asked(keeper, scene(rule | {"schedule": schedule})).silent
    assert [what for what, _, _ in lacking(near)] == ["schedule"]


def test_what_was_told_before_that_time_is_no_miss(keeper: Keeper) -> None:
    keep(keeper, stays([9]))
    rule: dict[str, JsonValue] = {"kind": "intrusion", "zone": "yard", "name": "in"}
    (near,) = asked(keeper, scene(rule), from_s=4).silent
    assert (near.told, lacking(near)) == (True, [])
    assert near.at_ts is not None
    assert near.at_ts >= T0 + 4


def test_where_nobody_was_there_is_no_nearest(keeper: Keeper) -> None:
    keep(keeper, stays([4]))
    rule: dict[str, JsonValue] = {"kind": "intrusion", "zone": "yard", "name": "in"}
    (near,) = asked(keeper, scene(rule), from_s=500).silent
    assert (near.at_ts, near.conditions) == (None, ())


def test_a_line_counts_in_the_direction_of_its_arrow(keeper: Keeper) -> None:
    keep(keeper, [EAST])
    # drawn upwards, forward is to the right; drawn downwards, to the left
    ends: list[JsonValue] = [[300, 350], [300, 50]]
    for points, direction in ((ends, "in"), (ends[::-1], "out")):
        line: JsonValue = {"name": "gate", "points": points, "forward": "in", "backward": "out"}
        found = asked(keeper, scene(lines=[line]))
        (passed,) = found.passed
        assert (passed.line, passed.direction, passed.class_name, passed.count) == (
            "gate", direction, "person", 1,
        )  # fmt: skip
    assert not asked(keeper, scene(), from_s=4).passed, "it was before that time"


def test_nothing_of_it_where_nobody_asked(keeper: Keeper) -> None:
    keep(keeper, [EAST])
    rule: dict[str, JsonValue] = {
        "kind": "intrusion", "zone": "yard", "name": "in", "min_dwell_s": 99,
    }  # fmt: skip
    found = asked(keeper, scene(rule), explain=False)
    assert (found.silent, found.passed, found.events) == ((), (), ())


def test_each_run_counts_its_own(keeper: Keeper) -> None:
    """After a gap the numbers of tracks begin anew: who has them is somebody else."""
    keep(keeper, [EAST])
    keep(keeper, [Walker(((60.0, 200.0, 200.0), (65.0, 400.0, 200.0)))])
    assert [each.count for each in asked(keeper, scene()).passed] == [2]


def test_nobody_counts_whom_the_scene_does_not_look_for(keeper: Keeper) -> None:
    keep(keeper, [EAST])
    found = asked(keeper, scene(classes=["car"]))
    assert found.passed == ()
    assert [(each.rule, each.why) for each in found.left_out if not each.rule] == [
        ("", "looks for car, which was not looked for")
    ]


@pytest.mark.parametrize(
    ("nearer", "further", "needed"),
    [
        ("11.0 km/h", "60.0 km/h", "up to 10 km/h"),
        ("6.0 s", "2.0 s", "30 s"),
        ("3 person", "2 person", "5"),
        ("0.5 s", "70 s of it", "50% of it"),
    ],
)
def test_what_is_nearest(nearer: str, further: str, needed: str) -> None:
    near, far = (_part(Condition("x", False, found, needed)) for found in (nearer, further))
    assert 1 > near > far or near == far == 0
