"""A day of quarter hours: nothing that nobody watched is a number, and nothing is made up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from api.traffic.asked import midnight_of
from api.traffic.day import (
    Days,
    Quarter,
    Stream,
    slots_of,
    streams_of,
    streams_through,
    with_engines,
)
from streams.trafficfile import Traffic, traffic_of
from vision.bins import Interval
from vision.measures import QUARTER_S, Peak, compared, peak_hour
from vision.paces import Pace
from vision.traffic import VehicleClass, Why

START = midnight_of(date(2026, 1, 31))
OVER = START + 86_400.0
CAR, CYCLE = VehicleClass.MP, VehicleClass.SM
TRAFFIC = traffic_of(
    {
        "roads": [{"camera": "port", "lines": ["gate"], "name": "Jalan Contoh", "type": "2/2-TT",
                   "width_m": 7}],
        "junctions": [{
            "name": "crossing",
            "approaches": [
                {"name": "north", "turns": [
                    {"turn": "left", "camera": "port", "line": "gate", "direction": "in"},
                    {"turn": "right", "camera": "pier", "line": "gate", "direction": "in"},
                ]},
            ],
        }],
    },
    "test",
)  # fmt: skip


def interval(i: int, **more: Any) -> Interval:
    """The ``i``-th quarter hour of the day, watched to its end."""
    values: dict[str, Any] = {
        "camera_id": "port", "start_ts": float(START + i * QUARTER_S), "seconds": QUARTER_S,
        "revision": 1, "version": 1, "observed_s": float(QUARTER_S), "frames": 4500,
        "lines": {"gate": ("in", "out")}, "classes": ("car", "motorcycle"), "counts": {},
    }  # fmt: skip
    return Interval(**(values | more))


def gate(traffic: Traffic = TRAFFIC, *directions: str) -> tuple[Stream, ...]:
    return streams_of("port", "gate", directions or ("in", "out"), traffic)


def quarters(
    intervals: Iterable[Interval],
    streams: tuple[Stream, ...] | None = None,
    now: float = OVER,
    *,
    every: bool = False,
) -> list[Quarter]:
    by_camera: dict[str, list[Interval]] = {}
    for each in intervals:
        by_camera.setdefault(each.camera_id, []).append(each)
    days = Days(by_camera, TRAFFIC, {"port": "nanodet_g", "pier": "nanodet_g"})
    return days.quarters(streams or gate(), START, now, every=every)


def peak_of(found: list[Quarter]) -> Peak | None:
    return peak_hour(slots_of(found, motor=with_engines(found)))


def cars(n: int, way: str = "in") -> dict[tuple[str, str, str], int]:
    return {("gate", way, "car"): n}


def test_a_gap_is_none_and_no_zero() -> None:
    found = quarters([
        interval(0),
        interval(1, observed_s=0.0, blind_s=890.0),
        interval(3, counts=cars(7), observed_s=450.0),
    ])  # fmt: skip
    assert [each.total for each in found[:5]] == [0, None, None, 7, None]
    assert [each.missing_s for each in found[:5]] == [0, 10, 900, 450, 900]
    assert [each.blind_s for each in found[:3]] == [0, 890, 0]


def test_what_is_still_to_come_is_not_missing() -> None:
    found = quarters([interval(0)], now=START + QUARTER_S + 300)
    assert [each.missing_s for each in found[:3]] == [0, 300, 0]
    assert [each.elapsed_s for each in found[:3]] == [900, 300, 0]


def test_both_scenes_of_a_quarter_hour_are_added() -> None:
    found = quarters([
        interval(0, counts=cars(2), observed_s=400.0),
        interval(0, revision=2, counts=cars(3), observed_s=350.0),
        interval(1, revision=2),
    ])  # fmt: skip
    assert (found[0].total, found[0].watched_s, found[0].revisions) == (5, 750, (1, 2))
    assert found[1].revisions == (2,)


def test_a_line_that_was_not_drawn_yet_was_not_watched() -> None:
    found = quarters([interval(0, lines={"other": ("in", "out")}), interval(1, counts=cars(1))])
    assert [each.total for each in found[:2]] == [None, 1]
    assert found[0].missing_s == QUARTER_S


def test_what_no_real_camera_saw_is_left_out_where_a_real_one_did() -> None:
    unreal = interval(0, counts=cars(50), synthetic=True)
    real = interval(1, counts=cars(2))
    assert [each.total for each in quarters([unreal, real])[:2]] == [None, 2]
    assert quarters([unreal])[0].total == 50


def test_the_factors_of_an_hour_are_those_of_its_flow() -> None:
    """Two-lane undivided road of 7 m: SM 0.4 under 1800 vehicles an hour, 0.25 from then on; both
    directions count for the flow, whichever is looked at."""
    cycles = {("gate", way, "motorcycle"): n for way, n in (("in", 200), ("out", 245))}
    quiet = [interval(i, counts=cycles) for i in range(4)]  # 1780 an hour
    full = [interval(i, counts={**cycles, **cars(10)}) for i in range(4, 8)]  # 1820 an hour
    found = quarters([*quiet, *full], gate(TRAFFIC, "in"))
    assert found[0].smp.value == pytest.approx(0.4 * 200)
    assert found[4].smp.value == pytest.approx(0.25 * 200 + 10)


def test_an_hour_that_was_hardly_watched_has_no_factors() -> None:
    found = quarters([interval(i, counts=cars(5)) for i in range(3)])
    assert (found[0].total, found[0].smp.value, found[0].smp.why) == (5, None, Why.NO_FLOW)
    assert found[3].smp.value is None


def test_the_peak_is_of_motor_vehicles_in_hours_that_were_watched() -> None:
    counts = {20: 40, 21: 60, 22: 50, 23: 50, 60: 900}
    passed = {i: interval(i, counts=cars(n)) for i, n in counts.items()}
    walkers = {("gate", "in", "person"): 500}
    passed |= {i: interval(i, counts=walkers) for i in range(40, 44)}
    peak = peak_of(quarters(passed.values()))
    assert peak is not None
    assert (peak.start_ts, peak.value, peak.factor) == (START + 20 * QUARTER_S, 200, 200 / 240)


def test_where_nobody_has_an_engine_all_are_looked_at() -> None:
    walkers = {("gate", "in", "person"): 5}
    peak = peak_of(quarters([interval(i, counts=walkers) for i in range(4)]))
    assert peak is not None
    assert peak.value == 20


def test_a_junction_of_which_one_camera_was_out_has_no_sum() -> None:
    streams = streams_through(TRAFFIC.junctions[0], TRAFFIC)
    found = quarters(
        [
            interval(0, counts=cars(3)),
            interval(0, camera_id="pier", counts=cars(4), observed_s=600.0),
            interval(1, counts=cars(3)),
        ],
        streams,
    )
    assert (found[0].total, found[0].watched_s) == (7, 600)
    assert (found[1].total, found[1].watched_s) == (None, 0)
    # what is known of a way is still there
    assert found[1].streams == {streams[0]: {CAR: 3}}


def test_speeds_are_added_as_slowness() -> None:
    fast, slow = Pace(1, 1 / 20), Pace(1, 1 / 10)
    paces = {("gate", "in", "car"): fast, ("gate", "out", "car"): slow}
    (found, *_rest) = quarters([interval(0, counts=cars(1) | cars(1, "out"), paces=paces)])
    assert found.pace is not None
    assert found.pace.kmh == pytest.approx(3.6 * 2 / (1 / 20 + 1 / 10))


def test_the_speed_is_that_of_motor_vehicles() -> None:
    paces = {("gate", "in", name): Pace(1, 1 / ms)
             for name, ms in (("car", 20), ("person", 1), ("bicycle", 4))}  # fmt: skip
    (found, *_rest) = quarters([interval(0, counts=cars(1), paces=paces)])
    assert found.pace is not None
    assert (found.pace.measured, found.pace.kmh) == (1, pytest.approx(72))


RENAMED = {"gate": ("masuk", "keluar")}
"""What the scene calls the directions of the gate from a change on."""


def test_a_direction_that_the_scene_did_not_have_was_not_watched() -> None:
    before = interval(0, counts=cars(2), occupied={"gate": 90.0})
    both = [interval(1, counts=cars(3), observed_s=400.0),
            interval(1, revision=2, lines=RENAMED, counts=cars(4, "masuk"), observed_s=350.0,
                     occupied={"gate": 35.0})]  # fmt: skip
    found = quarters([before, *both], gate(TRAFFIC, "masuk"))
    assert [each.total for each in found[:3]] == [None, 4, None]
    assert [each.watched_s for each in found[:2]] == [0, 350]
    assert [each.missing_s for each in found[:2]] == [900, 550]
    assert [each.occupied_s for each in found[:2]] == [0, 35]
    assert found[0].smp.value is None
    # one that is misspelled was never watched, and so there is no sum with it
    wrong = quarters([before], gate(TRAFFIC, "in", "inn"))
    assert (wrong[0].total, wrong[0].streams) == (None, {gate(TRAFFIC, "in")[0]: {CAR: 2}})


def test_a_line_whose_directions_were_renamed_has_no_gap() -> None:
    streams = gate(TRAFFIC, "in", "out", "masuk", "keluar")
    found = quarters([
        interval(0, counts=cars(2)),
        interval(1, counts=cars(3), observed_s=400.0),
        interval(1, revision=2, lines=RENAMED, counts=cars(4, "masuk"), observed_s=350.0),
        interval(2, revision=2, lines=RENAMED, counts=cars(5, "keluar")),
    ], streams, every=True)  # fmt: skip
    assert [each.total for each in found[:4]] == [2, 7, 5, None]
    assert [each.watched_s for each in found[:3]] == [900, 750, 900]
    assert {each.direction for each in found[0].streams} == {"in", "out"}


def test_both_days_are_measured_alike() -> None:
    """Cars on one day, and on the other nobody but walkers: none of these is set beside a car."""
    walkers = {("gate", "in", "person"): 50}
    now = quarters([interval(i, counts=cars(5) | walkers) for i in range(4)])
    before = quarters([interval(i, counts=walkers) for i in range(4)])
    motor = with_engines(now, before)
    found = compared(slots_of(now, motor=motor), slots_of(before, motor=motor), 0)
    assert found is not None
    assert (motor, found.now, found.before) == (True, 20, 0)


def test_what_has_no_class_is_not_no_motor_vehicle() -> None:
    odd = {("gate", "in", "tuktuk"): 3}
    found = quarters([interval(i, counts=cars(9) | (odd if i == 0 else {})) for i in range(4)])
    assert [each.value for each in slots_of(found, motor=True)[:2]] == [None, 9]
    assert peak_of(found) is None


def test_lines_of_a_day_are_those_of_all_its_scenes() -> None:
    other = interval(5, lines={"late": ("a", "b")}, revision=2)
    days = Days({"port": [interval(0), other]}, TRAFFIC, {})
    assert days.lines("port", START) == {"gate": ("in", "out"), "late": ("a", "b")}
    assert days.lines("nobody", START) == {}
