"""What nobody saw, or nobody can class, is no number in a report."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from api.i18n import texts
from api.traffic.reading import model_of
from api.traffic.report import build
from api.traffic.values import Recorded, Wanted
from streams.citydocument import CameraDocument
from streams.trafficfile import Traffic
from tests.api.traffic.made import (
    GATE,
    MADE_TS,
    QUARTER,
    START,
    flows,
    interval,
    passed,
    report,
    traffic,
)
from vision.traffic import VehicleClass
from vision.types import JsonValue


def junction(*turns: tuple[str, str, str]) -> Traffic:
    """One with an approach of these turns, each by turn, camera and direction."""
    named = [
        {"turn": kind, "camera": camera, "line": GATE, "direction": way}
        for kind, camera, way in turns
    ]
    arm: JsonValue = {"name": "north", "turns": [*named]}
    return traffic(junctions=[{"name": "Simpang", "approaches": [arm]}])


def test_a_direction_that_the_scene_did_not_have_was_not_watched() -> None:
    """It was called otherwise until the scene was changed."""
    renamed = MappingProxyType({GATE: ("masuk", "out")})
    counts = {(GATE, "masuk", "car"): 5}
    intervals = [interval(n, passed(4)) for n in range(3)]
    intervals.append(interval(3, counts, revision=2, lines=renamed))
    settings = junction(("left", "plaza", "masuk"), ("right", "plaza", "utara"))
    found = report(intervals, settings, hours=1)
    late, never = found.turns
    assert (late.vehicles, late.observed) == (5, 0.25)
    assert (never.vehicles, never.observed) == (None, 0.0)
    total, *each = found.summaries
    assert {one.direction: (one.observed, one.gaps) for one in each} == {
        "in": (0.75, 1), "out": (1.0, 0), "masuk": (0.25, 3),
    }  # fmt: skip
    assert (total.observed, total.gaps) == (1.0, 0)


def test_shares_of_an_approach_are_of_the_time_in_which_all_of_it_was_watched() -> None:
    """One of two cameras is out for half of the time."""
    first = [interval(n, {(GATE, "in", "car"): 10}) for n in range(2)]
    second = [replace(interval(n, {(GATE, "in", "car"): 30}), camera_id="quay") for n in range(4)]
    cameras = [
        Recorded(name, name, "nanodet_g", None, mine)
        for name, mine in (("plaza", first), ("quay", second))
    ]
    settings = junction(("left", "plaza", "in"), ("right", "quay", "in"))
    asked = Wanted(START, START + 3600, QUARTER)
    left, right = build(cameras, settings, asked, MADE_TS, texts("en")).turns
    assert (left.vehicles, left.observed, left.share) == (20, 0.5, 0.25)
    assert (right.vehicles, right.observed, right.share) == (120, 1.0, 0.75)
    # no bin in which both were watched
    cameras[1] = replace(cameras[1], intervals=second[2:])
    turns = build(cameras, settings, asked, MADE_TS, texts("en")).turns
    assert [each.share for each in turns] == [None, None]


def test_of_what_nobody_knows_no_motor_vehicles_are_told() -> None:
    """A motion camera finds what moves, and there is no peak hour of nothing."""
    moved = {(GATE, "in", "moving"): 9}
    week = [interval(n, moved, classes=("moving",)) for n in range(4)]
    settings = junction(("left", "plaza", "in"), ("right", "plaza", "out"))
    found = report(week, settings, model="motion", hours=24 * 7, seconds=3600)
    first = flows(found)[0]
    assert (first.watched, first.counts[0].count, first.vehicles) == (True, 36, None)
    assert first.headway_s is None
    total, inward, outward = found.summaries
    assert (total.vehicles, total.share, total.heavy, total.peak) == (None, None, None, None)
    assert (inward.vehicles, inward.peak) == (None, None)
    assert (outward.vehicles, outward.peak, outward.share) == (0, None, None)
    assert [(each.vehicles, each.share) for each in found.turns] == [(None, None), (0, None)]
    assert not found.week
    # where each class is known the rest is as before
    known = report([interval(n, passed(9)) for n in range(4)], hours=1)
    assert known.summaries[0].vehicles == 4 * 13


def test_averages_of_weekdays_do_not_ask_when_an_hour_begins() -> None:
    quarters = [interval(day * 96 + n, passed(10)) for day in range(8) for n in range(8)]
    found = report(quarters, hours=7 * 24, seconds=QUARTER, start=START + QUARTER)
    # of 08:00 three quarters are in it on the first day, and the first one is on the last
    assert [(each.weekday, each.second // 3600, each.vehicles) for each in found.week] == [
        (day, hour, 60) for day in range(7) for hour in (8, 9) if (day, hour) != (5, 8)
    ]


def test_a_camera_finds_the_map_of_its_model() -> None:
    """As the documentation has it: by the name of a model, or of its file."""
    settings = traffic(classes=[{"models": ["own.onnx"], "classes": {"lori": "TB"}}])
    own = CameraDocument(
        id="plaza", name="Plaza", source="synthetic", login=None, model="/models/own.onnx",
        fps=None, worker=None, scene=None, revision=1,
    )  # fmt: skip
    assert settings.class_of(model_of(own), "lori") is VehicleClass.TB
    zoo = own.model_copy(update={"model": "nanodet_g"})
    assert settings.class_of(model_of(zoo), "car") is VehicleClass.MP
    motion = own.model_copy(update={"scene": {"detector": "motion"}})
    assert settings.class_of(model_of(motion), "lori") is VehicleClass.UNMAPPED
    found = report([interval(0)], settings, model=model_of(own))
    said = {each.name: each.value for each in found.method if each.about == "plaza"}
    assert said["Model"] == "own"
