"""Classes, and passenger-car units by the row of a road and its hour's flow."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.traffic import (
    HEAVY,
    MOTORISED,
    ClassMap,
    EmpRow,
    Equivalents,
    HourFlow,
    Road,
    Smp,
    VehicleClass,
    Why,
    motorised,
    smp,
    summed,
)

SM, MP, KS, BB, TB, KTB = (VehicleClass(name) for name in ("SM", "MP", "KS", "BB", "TB", "KTB"))
NARROW = EmpRow(("U",), {SM: 0.5, MP: 1.0, KS: 1.3}, "road", below_flow=1800, up_to_m=6)
WIDE = EmpRow(("U",), {SM: 0.4, MP: 1.0, KS: 1.3}, "road", below_flow=1800, over_m=6)
FULL = EmpRow(("U",), {SM: 0.25, MP: 1.0, KS: 1.2}, "road", from_flow=1800, over_m=6)
LANE = EmpRow(("D", "1"), {SM: 0.4, MP: 1.0, KS: 1.3}, "lane", below_flow=1050)
LANES = EmpRow(("D", "1"), {SM: 0.25, MP: 1.0, KS: 1.2}, "lane", from_flow=1050)
ALWAYS = EmpRow(("P",), {SM: 0.15, MP: 1.0, KS: 1.3})
NO_BUS = EmpRow(("N",), {SM: 0.4, MP: 1.0})
TABLE = Equivalents(
    "made up", "1", (NARROW, WIDE, FULL, LANE, LANES, ALWAYS, NO_BUS), {BB: KS, TB: KS}
)
QUIET = HourFlow(both=900, own=500)


@pytest.mark.parametrize(
    ("road", "both", "own", "row"),
    [
        (Road("a", "U", 6.0), 1799.9, 0, NARROW),
        (Road("a", "U", 6.01), 1799.9, 1799.9, WIDE),
        (Road("a", "U", 6.01), 1800, 0, FULL),
        (Road("a", "U", 7, lanes=1), 1800, 100, FULL),
        # no row is taken from another width, flow or type
        (Road("a", "U", 6.0), 1800, 0, None),
        (Road("a", "U"), 100, 100, None),
        (Road("a", "4/2-TT", 14, lanes=2), 100, 100, None),
        # a lane's flow is of its own direction
        (Road("a", "D", lanes=2), 9000, 2099, LANE),
        (Road("a", "D", lanes=2), 2100, 2100, LANES),
        (Road("a", "1", lanes=1), 2100, 2100, LANES),
        (Road("a", "D"), 100, 100, None),
        (Road("a", "P"), 9000, 9000, ALWAYS),
    ],
)
def test_the_row_is_that_of_the_road_and_of_the_flow(
    road: Road, both: float, own: float, row: EmpRow | None
) -> None:
    found = smp(road, TABLE, {MP: 3}, HourFlow(both, own))
    assert found == (Smp(None, Why.NO_ROW) if row is None else Smp(3.0, row=row))


def test_large_buses_and_trucks_count_as_the_class_into_which_they_are_folded() -> None:
    counts = {SM: 100, MP: 20, KS: 1, BB: 2, TB: 3, KTB: 50, VehicleClass.PEDESTRIAN: 70}
    # 100 x 0.4 + 20 x 1 + (1 + 2 + 3) x 1.3; who is not motorised is outside
    assert smp(Road("a", "U", 7), TABLE, counts, QUIET) == Smp(67.8, row=WIDE)
    assert motorised(counts) == 126


def test_a_row_with_a_factor_of_its_own_folds_nothing() -> None:
    own = EmpRow(("P",), {SM: 0.15, MP: 1.0, KS: 1.3, BB: 2.5})
    table = Equivalents("made up", "1", (own,), {BB: KS, TB: KS})
    assert smp(Road("a", "P"), table, {BB: 2, TB: 1}, None).value == pytest.approx(2 * 2.5 + 1.3)


@pytest.mark.parametrize(
    ("road", "counts", "flow", "why", "row"),
    [
        (None, {MP: 1}, QUIET, Why.NO_ROAD, None),
        (Road("a", "6/2-T", 20, lanes=3), {MP: 1}, QUIET, Why.NO_ROW, None),
        (Road("a", "U", 7), {MP: 1}, None, Why.NO_FLOW, None),
        (Road("a", "U", 7), {}, None, Why.NO_FLOW, None),
        (Road("a", "U", 7), {MP: 1, VehicleClass.UNMAPPED: 1}, QUIET, Why.UNMAPPED, None),
        (Road("a", "N"), {MP: 1, TB: 1}, QUIET, Why.NO_FACTOR, NO_BUS),
    ],
)
def test_without_a_sum_it_says_why(
    road: Road | None,
    counts: dict[VehicleClass, int],
    flow: HourFlow | None,
    why: Why,
    row: EmpRow | None,
) -> None:
    assert smp(road, TABLE, counts, flow) == Smp(None, why, row)
    assert why.words


def test_a_row_without_flow_needs_no_hour() -> None:
    assert smp(Road("a", "P"), TABLE, {SM: 10}, None) == Smp(1.5, row=ALWAYS)


def test_nobody_passed_a_road_that_was_watched() -> None:
    assert smp(Road("a", "U", 7), TABLE, {}, HourFlow(0, 0)) == Smp(0.0, row=WIDE)


def test_the_flow_of_an_hour_is_a_rate_over_what_was_watched() -> None:
    passed = {"in": {MP: 450, KTB: 99}, "out": {SM: 270, TB: 180}}
    assert HourFlow.of(passed, "in", 3600) == HourFlow(both=900, own=450)
    # 900 in 54 of 60 minutes
    assert HourFlow.of(passed, "out", 3240) == HourFlow(both=1000, own=500)
    assert HourFlow.of(passed, "in", 3239) is None
    assert HourFlow.of(passed, "elsewhere", 3600) == HourFlow(both=900, own=0)
    assert HourFlow.of({}, "in", 3600) == HourFlow(0, 0)
    assert HourFlow.of({}, "in", 0) is None


def test_hours_add_up_where_each_has_a_sum() -> None:
    one, other = Smp(1.5, row=WIDE), Smp(2.0, row=FULL)
    assert summed([one, one]) == Smp(3.0, row=WIDE)
    assert summed([one, other]) == Smp(3.5)
    assert summed([one, Smp(None, Why.NO_FLOW), other]) == Smp(None, Why.NO_FLOW)
    assert summed([]) == Smp(0.0)


COUNTS = st.dictionaries(st.sampled_from(MOTORISED), st.integers(0, 5000))


@settings(max_examples=50)
@given(COUNTS, COUNTS)
def test_parts_of_an_hour_add_up_to_it(
    one: dict[VehicleClass, int], other: dict[VehicleClass, int]
) -> None:
    both = {name: one.get(name, 0) + other.get(name, 0) for name in MOTORISED}
    road = Road("a", "U", 7)
    parts = summed(smp(road, TABLE, counts, QUIET) for counts in (one, other))
    assert smp(road, TABLE, both, QUIET).value == pytest.approx(parts.value)


def test_what_no_map_names_is_of_no_class() -> None:
    found = ClassMap(("a",), {"car": MP, "cow": VehicleClass.OTHER})
    assert [found.of(name) for name in ("car", "cow", "tram")] == [
        MP, VehicleClass.OTHER, VehicleClass.UNMAPPED,
    ]  # fmt: skip


def test_rows_in_words() -> None:
    assert NARROW.words == "U, up to 6 m wide, under 1800 vehicles/h: SM 0.5, MP 1, KS 1.3"
    assert LANES.words == "D, 1, from 1050 vehicles/h and lane: SM 0.25, MP 1, KS 1.2"
    assert ALWAYS.words == "P: SM 0.15, MP 1, KS 1.3"
    between = EmpRow(("U",), {MP: 1.0}, "road", 100, 200, 6, 9)
    assert between.words == "U, over 6 and up to 9 m wide, from 100 and under 200 vehicles/h: MP 1"
    assert EmpRow(("U",), {MP: 1.0}, "road", 0, inf).words == "U, any vehicles/h: MP 1"


def test_heavy_vehicles_are_motorised() -> None:
    assert set(HEAVY) < set(MOTORISED)
