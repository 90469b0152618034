"""What a report says of bins, gaps, units and sums."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from api.store import TooManyRowsError
from api.store.validations import Validation
from api.traffic import report as reporting
from streams.trafficfile import Traffic
from tests.api.traffic.made import (
    CHANGED,
    GATE,
    MOVED,
    OUTAGE,
    PARTLY,
    QUARTER,
    START,
    WAYS,
    flows,
    interval,
    morning,
    passed,
    report,
    traffic,
    two_lanes,
)
from vision.movements import direction
from vision.paces import Pace
from vision.traffic import VehicleClass, Why
from vision.validation import EVERY, Accuracy


def test_a_gap_is_a_gap_and_never_a_zero() -> None:
    found = flows(report(morning()))
    assert [flow.start_ts for flow in found] == [START + QUARTER * n for n in range(24)]
    missing = [n for n, flow in enumerate(found) if flow.vehicles is None]
    assert missing == [*OUTAGE, MOVED]
    for n in missing:
        gap = found[n]
        assert {count.count for count in gap.counts} == {None}
        assert [count.class_name for count in gap.counts] == [
            "car",
            "motorcycle",
            "truck",
            "person",
        ]
        assert (gap.smp, gap.why, gap.headway_s, gap.observed_s) == (None, None, None, 0.0)
    assert found[0].counts[3].count == 0, "nobody walked where somebody looked"
    # of an outage nothing is known, of a moved view that it was one
    assert (found[OUTAGE[0]].revision, found[OUTAGE[0]].view_valid) == (None, None)
    moved, partly = found[MOVED], found[PARTLY]
    assert (moved.revision, moved.view_valid, moved.blind_s) == (1, False, 900.0)
    assert (partly.vehicles, partly.view_valid, partly.observed) == (
        24,
        False,
        pytest.approx(1 / 3),
    )
    assert found[0].view_valid is True


def test_a_line_that_a_scene_did_not_have_is_a_gap_then() -> None:
    found = flows(report(morning()), "stop")
    assert [flow.vehicles for flow in found] == [None] * CHANGED + [7] * (24 - CHANGED)
    assert {flow.revision for flow in flows(report(morning()))} == {None, 1, 2}


def test_a_bin_in_which_the_scene_changed_has_a_row_for_each() -> None:
    half = QUARTER / 2
    found = report(
        [
            interval(0, passed(5), observed_s=half),
            interval(0, passed(6), observed_s=half, revision=2),
        ],
        hours=1,
    )
    first = [flow for flow in flows(found) if flow.start_ts == START]
    assert [(flow.revision, flow.vehicles, flow.observed_s) for flow in first] == [
        (1, 5, half), (2, 6, half),
    ]  # fmt: skip
    whole = next(each for each in found.summaries if each.direction == "in")
    assert (whole.vehicles, whole.observed_s, whole.gaps) == (11, 900.0, 3)


def test_nothing_is_scaled_up() -> None:
    alone = report([interval(0, passed(9), observed_s=300.0)], hours=1)
    assert flows(alone)[0].vehicles == 9
    assert flows(alone)[0].headway_s == pytest.approx(300 / 9)


def test_units_by_the_flow_of_the_clock_hour() -> None:
    """Both directions: 4 x (300 + 150 motorcycles) is 1800 an hour, from which the factor of a
    motorcycle is 0.25; a quarter with one less in the whole hour has 0.4."""
    busy = [interval(n, passed(0, 300)) for n in range(4)]
    first = flows(report(busy, two_lanes(), hours=1))[0]
    assert (first.vehicles, first.smp, first.why) == (300, pytest.approx(75.0), None)
    busy[3] = interval(3, passed(0, 299))
    first = flows(report(busy, two_lanes(), hours=1))[0]
    assert first.smp == pytest.approx(120.0)
    assert [count.smp for count in first.counts] == [0.0, pytest.approx(120.0), 0.0, None]
    # a quarter that is asked for alone is still of that hour
    alone = flows(report(busy, two_lanes(), hours=0.25, start=START + QUARTER))
    assert [flow.smp for flow in alone] == [pytest.approx(120.0)]


@pytest.mark.parametrize(
    ("settings", "more", "why"),
    [
        (traffic(), {}, Why.NO_ROAD),
        (two_lanes(road_type="4/2-TT"), {}, Why.NO_ROW),
        (two_lanes(), {"observed_s": 800.0}, Why.NO_FLOW),
        (two_lanes(), {"classes": ("hovercraft",)}, Why.UNMAPPED),
    ],
)
def test_units_stay_empty_with_a_reason(settings: Traffic, more: dict[str, Any], why: Why) -> None:
    name = more.get("classes", ("car",))[0]
    found = report([interval(n, {(GATE, "in", name): 5}, **more) for n in range(4)], settings)
    first = flows(found)[0]
    assert (first.smp, first.why, first.counts[0].count) == (None, why, 5)
    assert {count.smp for count in first.counts} == {None}
    total = found.summaries[0]
    assert (total.smp, total.smp_of, total.why) == (None, 0, why)


def test_a_model_of_which_nobody_knows_has_no_classes() -> None:
    first = flows(report([interval(0, passed(5))], model=None))[0]
    assert {count.vehicle for count in first.counts} == {VehicleClass.UNMAPPED}
    assert [count.count for count in first.counts] == [5, 0, 0, 0]


def test_a_day_begins_at_midnight_of_the_city_and_sums_the_units_of_its_hours() -> None:
    midnight = START - 8 * 3600
    found = report(morning(), two_lanes(), seconds=86_400, hours=24, start=midnight)
    quarters = report(morning(), two_lanes())
    days = flows(found)
    assert [(flow.start_ts, flow.seconds, flow.revision) for flow in days] == [
        (midnight, 86_400, 1), (midnight, 86_400, 2),
    ]  # fmt: skip
    assert sum(flow.vehicles or 0 for flow in days) == sum(
        flow.vehicles or 0 for flow in flows(quarters)
    )
    assert days[0].why is Why.NO_FLOW, "some of its hours were hardly watched"
    later = [flow for flow in flows(quarters) if flow.revision == 2 and flow.why is None]
    hours = {flow.start_ts // 3600 for flow in later}
    assert hours == {(START + 3600 * n) // 3600 for n in (3, 4, 5)}
    assert days[1].smp == pytest.approx(sum(flow.smp or 0 for flow in later))
    assert days[0].light is None


def test_sums_over_the_time() -> None:
    found = report(morning(), two_lanes())
    total, inward, outward = (each for each in found.summaries if each.line == GATE)
    assert (total.direction, inward.direction, outward.direction) == ("", *WAYS)
    assert total.vehicles == (inward.vehicles or 0) + (outward.vehicles or 0)
    assert total.classes["car"] == sum((20 + n) + (20 + n) // 2 for n in range(4)) + 9 + 4 + (
        45 * 4 + 60 * 10
    )
    assert total.vehicles is not None
    assert (inward.share or 0) + (outward.share or 0) == pytest.approx(1)
    assert total.heavy == pytest.approx(total.kinds[VehicleClass.KS] / total.vehicles)
    assert (total.bins, total.gaps, total.seconds) == (24, 5, 6 * 3600)
    assert total.observed_s == 18 * 900 + 300
    known = [flow for flow in found.flows if flow.line == GATE and flow.smp is not None]
    assert total.smp == pytest.approx(sum(flow.smp or 0 for flow in known))
    assert total.smp_of == sum(flow.vehicles or 0 for flow in known) < total.vehicles
    assert total.why is Why.NO_FLOW


def test_the_peak_is_among_hours_that_were_watched() -> None:
    found = report(morning())
    peak = found.summaries[0].peak
    assert peak is not None
    # 30 + 60 + 4 in and 15 + 30 + 2 out, four times: from 10:30; later ones have 135 a quarter
    assert (peak.start_ts, peak.value, peak.watched) == (START + QUARTER * 10, 4 * 141, 1.0)
    assert peak.factor == 1.0
    assert (peak.hours, peak.of) == (1 + 11, 21)


def test_the_peak_hour_in_units() -> None:
    # of half past the hour, and each clock hour has its flow
    busy = [interval(n, passed(40 if 6 <= n < 10 else 20, 60, 4)) for n in range(24)]
    found = report(busy, two_lanes())
    whole = found.summaries[0].peak
    assert whole is not None
    hour = range(int(whole.start_ts), int(whole.start_ts) + 3600)
    for summary in found.summaries[:3]:
        mine = [it for it in found.flows if it.line == GATE and it.start_ts in hour]
        mine = [it for it in mine if summary.direction in {"", it.direction}]
        assert summary.peak is not None
        assert summary.peak.start_ts == whole.start_ts
        assert summary.peak_smp == pytest.approx(sum(it.smp or 0 for it in mine))
        assert 0 < summary.peak_smp < summary.peak.value
    assert found.summaries[0].peak_smp == pytest.approx(
        sum(each.peak_smp or 0 for each in found.summaries[1:3])
    )
    # no road is known, or the flow of one of its clock hours is not
    assert {each.peak_smp for each in report(busy).summaries} == {None}
    assert {each.peak_smp for each in report(morning(), two_lanes()).summaries} == {None}


def test_speeds_only_where_they_were_measured() -> None:
    measured = MappingProxyType(
        {(GATE, "in", "car"): Pace(4, 0.4), (GATE, "in", "person"): Pace(9, 9.0)}
    )
    found = report([interval(0, passed(5), paces=measured), interval(1, passed(5))], hours=1)
    first, second, *_ = flows(found)
    # 4 cars in 0.4 s/m are 36 km/h; who walks is no vehicle
    assert (first.kmh, first.measured) == (pytest.approx(36.0), 4)
    assert first.counts[3].kmh == pytest.approx(3.6)
    assert (second.kmh, second.measured) == (None, 0)
    assert found.summaries[1].kmh == pytest.approx(36.0)
    assert found.summaries[2].kmh is None
    said = [each.value for each in report([interval(0)]).method if each.name == "Speed"]
    assert said[0] == "none: nothing was measured on calibrated ground"


def test_how_long_something_stood_on_the_line() -> None:
    stood = MappingProxyType({GATE: 90.0})
    found = report([interval(0, occupied=stood, observed_s=450.0), interval(1)], hours=1)
    # nothing on it all the time is 0, and nobody there to see is not
    assert [flow.occupied for flow in flows(found)[:3]] == [pytest.approx(0.2), 0.0, None]
    other = MappingProxyType({GATE: WAYS, "stop": WAYS})
    beside = report([interval(0, occupied=stood, lines=other)], hours=0.25)
    assert [flow.occupied for flow in flows(beside, "stop")] == [0.0]
    # a camera that does not tell it, and a movement, which is no line
    assert flows(report([interval(0)], hours=0.25))[0].occupied is None
    ways = MappingProxyType({GATE: WAYS, "arms": (direction(None, None),)})
    arms = report([interval(0, occupied=stood, lines=ways)], hours=0.25)
    assert flows(arms, "arms", direction(None, None))[0].occupied is None


def test_light_and_holidays() -> None:
    night = replace(interval(0), start_ts=float(START + 12 * 3600))
    found = flows(report([interval(0), night], hours=13))
    assert (found[0].light, found[48].light, found[1].light) == ("day", "night", None)
    assert not found[0].holiday
    settings = traffic(holidays=["2026-01-31"])
    assert flows(report([interval(0)], settings))[0].holiday
    said = {each.name: each.value for each in report([interval(0)], settings).method}
    assert said["Holidays in this time"] == "2026-01-31"


def test_what_is_synthetic_stays_apart() -> None:
    unreal = replace(interval(0, passed(50)), synthetic=True)
    both = report([interval(1, passed(5)), unreal], hours=1)
    assert [flow.synthetic for flow in flows(both)] == [True, False, False, False]
    assert both.summaries[0].vehicles == 5 + 2
    alone = report([unreal], hours=1)
    assert alone.summaries[0].vehicles == 75
    assert all(flow.synthetic for flow in alone.flows), "its gaps too"


def test_a_time_of_which_nothing_is_stored_is_all_gaps() -> None:
    found = report([], hours=1, drawn=[(GATE, way, "car") for way in WAYS])
    assert len(found.flows) == 8
    assert {flow.vehicles for flow in found.flows} == {None}
    assert (found.summaries[0].gaps, found.summaries[0].synthetic) == (4, False)


def test_turns_at_a_junction() -> None:
    turn = {"camera": "plaza", "line": GATE}
    arms = [
        {"name": "north", "type": "APILL-P", "turns": [
            {"turn": "left", "direction": "in", **turn},
            {"turn": "straight", "direction": "out", **turn},
        ]},
        {"name": "south", "turns": [
            {"turn": "left", "camera": "elsewhere", "line": GATE, "direction": "in"},
            {"turn": "right", "camera": "plaza", "line": "stop", "direction": "in"},
        ]},
    ]  # fmt: skip
    settings = traffic(junctions=[{"name": "Simpang", "approaches": arms}])
    found = report([*morning()], settings)
    left, straight, right = found.turns
    assert [(each.approach, each.turn) for each in found.turns] == [
        ("north", "left"), ("north", "straight"), ("south", "right"),
    ]  # fmt: skip
    assert left.vehicles == sum(flow.vehicles or 0 for flow in flows(found))
    assert (left.share or 0) + (straight.share or 0) == pytest.approx(1)
    # of an arm with a turn that nobody counts here, no share is known
    assert right.share is None
    kinds = left.kinds
    by_hand = 0.15 * kinds[VehicleClass.SM] + kinds[VehicleClass.MP] + 1.3 * kinds[VehicleClass.KS]
    assert (left.smp, left.smp_of) == (pytest.approx(by_hand), left.vehicles)
    assert right.why is Why.NO_ROAD
    assert not report(morning(), settings, line=GATE).turns


def test_averages_of_weekdays_without_holidays() -> None:
    """Two Saturdays and a holiday between them."""
    quarters = [
        interval(day * 96 + n, passed(10 * (day + 1))) for day in (0, 1, 7) for n in range(4)
    ]
    settings = traffic(holidays=["2026-02-01"])
    found = report(quarters, settings, hours=8 * 24, seconds=3600)
    assert [(each.weekday, each.second, each.days) for each in found.week] == [(5, 8 * 3600, 2)]
    assert found.week[0].vehicles == pytest.approx((4 * 15 + 4 * 120) / 2)
    assert not report(quarters, settings, hours=24 * 6, seconds=3600).week


def test_a_report_is_bounded_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    # 24 bins of 2 directions and 4 classes at one line, and at the other
    monkeypatch.setattr(reporting, "MAX_ROWS", 24 * 8 * 2 - 1)
    with pytest.raises(TooManyRowsError, match="these would be 384 counts, and at most 383"):
        report(morning())
    assert report(morning(), line=GATE).flows


def test_the_method_says_what_must_be_known() -> None:
    cars = Accuracy("car", pieces=9, machine=96, true=100, low=0.93, high=0.99)
    every = Accuracy(EVERY, pieces=9, machine=101, true=100)
    checked = {
        "gate": Validation(
            "plaza", "gate", "nanodet_g", pieces=9, seconds=2700, from_ts=0, to_ts=1,
            counted_at=START, counted_by=("petugas",), accuracies=(cars, every), left_out=0,
        )
    }  # fmt: skip
    found = report(morning(), two_lanes(), validated=checked)
    said: dict[tuple[str, str], list[str]] = {}
    for each in found.method:
        said.setdefault((each.about, each.name), []).append(each.value)
    assert said["Factors (emp)", "Source"][0].startswith("PKJI 2023")
    assert said["Factors (emp)", "Row that was used"] == [
        "2/2-TT, over 6 m wide, under 1800 vehicles/h: SM 0.4, MP 1, KS 1.3"
    ]
    assert said["plaza", "Model"] == ["nanodet_g"]
    assert "car = MP" in said["plaza", "Classes"][0]
    assert any("Three-wheelers" in value for value in said["plaza", "Cannot be told apart"])
    assert said["plaza · gate", "Observed"] == [
        "76.4 % of the time (16500 of 21600 s); 5 of 24 bins not at all"
    ]
    pieces, *accuracies = said["plaza · gate", "Validation"]
    assert pieces.startswith("9 pieces, 45 minutes together, were counted by people")
    assert accuracies == [
        (
            "all together: 101 by the machine, 100 by people; error +1.0 %, too few pieces for an "
            "interval; factor, not applied: 0.990"
        ),
        (
            "car: 96 by the machine, 100 by people; error -4.0 %, with 95 % certainty -7.0 % to "
            "-1.0 %; factor, not applied: 1.042"
        ),
    ]
    assert "petugas" not in "".join(each.value for each in found.method)
    assert said["plaza · stop", "Validation"] == ["none: nobody compared it with counts by people"]
    assert said["plaza · gate", "Revision of the scene"] == ["1, 2"]
    indonesian = {each.value for each in report(morning(), language="id").method}
    assert any(value.startswith("Kendaraan roda tiga") for value in indonesian)
