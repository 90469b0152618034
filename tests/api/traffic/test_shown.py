"""What the traffic page is given of a day: ways, reasons, rights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from api.i18n import texts
from api.pages.trafficday import NO_JUNCTION, City, shown
from api.pages.trafficfacts import Other, facts, validated
from api.pages.trafficshown import (
    shown_day,
    shown_quarters,
    turning_of,
    turning_through,
    worthless,
)
from api.store import Store
from api.store.validations import Validation
from api.times import iso, local
from api.traffic.asked import YESTERDAY, Asked
from api.traffic.day import (
    Days,
    Quarter,
    Stream,
    slots_of,
    streams_of,
    streams_through,
    with_engines,
)
from api.traffic.reading import recorded
from api.traffic.report import build
from api.traffic.values import Wanted
from streams.messages import CountsMessage
from streams.trafficfile import shipped_traffic
from tests.api.served import sqlite_url
from tests.api.traffic.test_day import OVER, START, TRAFFIC, interval
from tests.browser.traffic_city import ARMS, PORT, SQUARE, fill
from vision.bins import Interval
from vision.measures import DAY_S, QUARTER_S, peak_hour
from vision.movements import direction
from vision.types import JsonValue
from vision.validation import EVERY, Accuracy

DAY = date(2026, 1, 31)
WAYS = tuple(direction(a, b) for a in ("north", "east", None) for b in ("south", "east", None))
ZONES: dict[str, JsonValue] = {
    "zones": [
        {"name": name, "polygon": [[x, y], [x + 2, y], [x + 2, y + 2], [x, y + 2]]}
        for name, x, y in (("north", 50, 0), ("east", 100, 50), ("south", 50, 100))
    ]
}


def turned(*intervals: Interval, scene: dict[str, JsonValue] | None = None) -> dict[str, Any]:
    streams = streams_of("port", "crossing", WAYS, shipped_traffic())
    days = Days({"port": intervals}, shipped_traffic(), {"port": "nanodet_g"})
    quarters = days.quarters(streams, START, OVER, every=True)
    return turning_of(quarters, streams, scene, texts("en"))


def ways(*counted: tuple[str | None, str | None, int]) -> Interval:
    counts = {("crossing", direction(a, b), "car"): n for a, b, n in counted}
    return interval(0, lines={"crossing": WAYS}, counts=counts)


def test_what_is_unknown_is_shown_only_where_somebody_went_there() -> None:
    found = turned(ways(("north", "south", 4), ("east", "south", 1)), scene=ZONES)
    assert found["origins"] == ["north", "east"]
    assert found["destinations"] == ["south", "east"]
    assert found["cells"] == [[4, 0], [1, 0]]
    found = turned(ways(("north", None, 2)))
    assert found["destinations"] == ["south", "east", "unknown"]


def test_a_way_that_nobody_watched_is_none() -> None:
    found = turned(interval(0, lines={"crossing": WAYS}, observed_s=0.0, blind_s=900.0))
    assert found["cells"] == [[None, None], [None, None]]
    assert found["sums"] == {"rows": [None, None], "columns": [None, None], "all": None}
    assert found["notes"] == ["There was no quarter hour in which all of it was watched."]


def test_ways_are_motor_vehicles_or_else_everybody() -> None:
    way = direction("north", "south")
    walkers = {("crossing", way, "person"): 5}
    cars = {("crossing", way, "car"): 2}
    found = turned(interval(0, lines={"crossing": WAYS}, counts=walkers | cars))
    assert (found["cells"], found["partly"]) == ([[2, 0], [0, 0]], [[False] * 2] * 2)
    assert found["sums"] == {"rows": [2, 0], "columns": [2, 0], "all": 2}
    assert found["notes"][0].startswith("Motor vehicles, in the 1 quarter hours")
    found = turned(interval(0, lines={"crossing": WAYS}, counts=walkers))
    assert found["cells"] == [[5, 0], [0, 0]]
    assert found["notes"][0].startswith("All who passed")


def test_a_way_on_which_something_without_a_class_went_has_no_number() -> None:
    odd = {("crossing", direction("north", "south"), "tuktuk"): 5}
    cars = {("crossing", direction("east", "south"), "car"): 2}
    found = turned(interval(0, lines={"crossing": WAYS}, counts=odd | cars))
    assert found["cells"] == [[None, 0], [2, 0]]
    assert found["sums"] == {"rows": [None, 2], "columns": [None, 0], "all": None}
    assert found["notes"][-1] == "something passed of which nobody said what class it is"


def test_a_way_that_the_scene_had_for_a_while_says_so() -> None:
    fewer = tuple(way for way in WAYS if not way.startswith("east"))
    late = {("crossing", direction("east", "south"), "car"): 4}
    found = turned(
        interval(0, lines={"crossing": fewer}),
        interval(1, revision=2, lines={"crossing": WAYS}, counts=late),
    )
    assert found["cells"] == [[0, 0], [4, 0]]
    assert found["partly"] == [[False, False], [True, True]]
    assert found["notes"][-1].startswith("* In a part of them only")


def test_turns_at_a_junction_are_of_the_time_in_which_all_was_watched() -> None:
    """Of two cameras one was out for the second quarter hour; nobody is added or lost by that."""
    junction = TRAFFIC.junctions[0]
    counts = {("gate", "in", "car"): 6}
    days = Days(
        {
            "port": [interval(i, counts=counts, occupied={"gate": 90.0}) for i in range(2)],
            "pier": [interval(0, camera_id="pier", counts=counts)],
        },
        TRAFFIC,
        {"port": "nanodet_g", "pier": "nanodet_g"},
    )
    streams = streams_through(junction, TRAFFIC)
    quarters = days.quarters(streams, START, OVER)
    found = turning_through(quarters, junction, texts("en"))
    assert (found["destinations"], found["cells"]) == (["left", "right"], [[6, 6]])
    assert found["sums"] == {"rows": [12], "columns": [6, 6], "all": 12}
    told = told_of(quarters, streams)
    assert told["total"]["value"] == found["sums"]["all"]
    # what stood on the line of one camera is no part of the time of both
    assert "occupancy" not in told


def told_of(quarters: Sequence[Quarter], streams: Sequence[Stream]) -> dict[str, dict[str, Any]]:
    """What stands above the charts, by name."""
    peak = peak_hour(slots_of(quarters, motor=with_engines(quarters)))
    return {each["id"]: each for each in facts(quarters, streams, peak, None, texts("en"))}


def at_gate(*intervals: Interval, model: str = "nanodet_g") -> dict[str, dict[str, Any]]:
    streams = streams_of("port", "gate", ("in", "out"), TRAFFIC)
    days = Days({"port": intervals}, TRAFFIC, {"port": model})
    return told_of(days.quarters(streams, START, OVER, every=True), streams)


def test_a_peak_of_nothing_is_none() -> None:
    quiet = [interval(i) for i in range(4)]
    told = at_gate(*quiet)
    assert (told["peak"]["value"], told["peak"]["note"]) == (
        "–", "nobody passed in any hour that was watched well enough",
    )  # fmt: skip
    streams = streams_of("port", "gate", ("in", "out"), TRAFFIC)
    quarters = Days({"port": quiet}, TRAFFIC, {}).quarters(streams, START, OVER)
    peak = peak_hour(slots_of(quarters, motor=False))
    assert peak is not None
    assert shown_quarters(quarters, TRAFFIC, None, peak)["peak"] is None


def test_of_what_has_no_class_no_share_and_no_headway_is_told() -> None:
    passed = {("gate", "in", name): 4 for name in ("car", "tuktuk")}
    told = at_gate(*(interval(i, counts=passed) for i in range(4)))
    why = "something passed of which nobody said what class it is"
    for name, value in (("heavy", None), ("headway", None), ("peak", "–")):
        assert (told[name]["value"], told[name]["note"]) == (value, why)
    assert told["split"]["value"] == "–"


def test_the_split_is_of_motor_vehicles_or_else_of_everybody() -> None:
    walkers = {("gate", "in", "person"): 6, ("gate", "out", "person"): 2}
    cars = {("gate", "in", "car"): 1, ("gate", "out", "car"): 3}
    assert at_gate(interval(0, counts=walkers | cars))["split"]["value"] == "25 : 75"
    assert at_gate(interval(0, counts=walkers))["split"]["value"] == "75 : 25"


def test_days_of_walkers_and_of_cars_are_compared_by_cars() -> None:
    streams = streams_of("port", "gate", ("in", "out"), TRAFFIC)
    now, before = (
        Days({"port": [interval(0, counts={("gate", "in", name): 5})]}, TRAFFIC,
             {"port": "nanodet_g"}).quarters(streams, START, OVER)
        for name in ("person", "car")
    )  # fmt: skip
    told = {it["id"]: it for it in facts(now, streams, None, Other("", before), texts("en"))}
    assert told["compared"]["value"] == "−100 %"


def test_a_line_has_the_share_for_which_something_stood_on_it() -> None:
    told = at_gate(interval(0, observed_s=450.0, occupied={"gate": 45.0}))
    assert told["occupancy"]["value"] == pytest.approx(0.1)


def test_arms_lie_as_in_the_picture_or_evenly() -> None:
    angles = turned(ways(("north", "south", 1)), scene=ZONES)["angles"]
    assert math.sin(angles["east"]) > 0.9
    assert math.cos(angles["north"]) > 0.7 > -0.7 > math.cos(angles["south"])
    # zones that are gone by now
    even = turned(ways(("north", "south", 1)))["angles"]
    assert even == pytest.approx({"north": 0, "east": 2 * math.pi / 3, "south": 4 * math.pi / 3})


def test_why_there_is_no_sum_is_said_in_words() -> None:
    streams = streams_of("port", "gate", ("in", "out"), shipped_traffic())
    days = Days({"port": [interval(0, counts={("gate", "in", "car"): 1})]}, shipped_traffic(), {})
    found = days.quarters(streams, START, OVER)
    assert worthless(found, texts("en")).startswith("nobody said what road this is")
    assert worthless(found, texts("id")).startswith("belum ditetapkan")


def test_days_are_written_as_people_write_them() -> None:
    assert shown_day(DAY, texts("id")) == "Sabtu, 31 Januari 2026"
    assert shown_day(date(2026, 5, 1), texts("en")) == "Friday, 1 May 2026"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = Store.open(sqlite_url(Path(tmp_path_factory.mktemp("store"))))
    fill(found, DAY, OVER)
    return found


def test_a_junction_is_for_whoever_sees_all_of_its_cameras(store: Store) -> None:
    asked = Asked(DAY, junction="Simpang Contoh")
    document, traffic = store.configuration.current(), store.traffic.current()
    found = shown(store, City(document, traffic, {SQUARE: "S"}), asked, texts("en"), OVER)
    assert found["turning"]["origins"] == [*ARMS]
    found = shown(store, City(document, traffic, {PORT: "P"}), asked, texts("en"), OVER)
    assert (found["problem"], found["bins"]) == (NO_JUNCTION, None)


def test_without_a_day_it_is_the_last_one_that_is_stored(store: Store) -> None:
    city = City(store.configuration.current(), store.traffic.current(), {PORT: "P"})
    asked = Asked(date(2026, 6, 1), dated=False)
    found = shown(store, city, asked, texts("en"), OVER + 1e8)
    assert (found["asked"]["camera"], found["asked"]["day"]) == (PORT, str(DAY))
    assert (found["day"], found["holiday"]) == ("Saturday, 31 January 2026", "")
    found = shown(store, city, Asked(date(2026, 1, 1)), texts("en"), OVER)
    assert found["holiday"] == "public holiday"


def test_how_right_a_line_is_counted_is_said_and_never_applied(store: Store) -> None:
    city = City(store.configuration.current(), store.traffic.current(), {PORT: "P"})
    found = shown(store, city, Asked(DAY, camera=PORT), texts("en"), OVER)
    assert found["facts"][-1]["value"] == "–"
    every = Accuracy(EVERY, pieces=9, machine=95, true=100, low=0.91, high=0.99)
    known = Validation(
        PORT, "gerbang", "own.onnx", pieces=9, seconds=2700, from_ts=0, to_ts=OVER,
        counted_at=OVER + 2,
        counted_by=("petugas",), accuracies=(every,), left_out=0,
    )  # fmt: skip
    fact = validated(known, texts("en"))
    said = f"95 %: −9 % to −1 %, model own.onnx, from 9 pieces up to {local(OVER):%Y-%m-%d};"
    assert (fact["value"], fact["note"][: len(said)]) == ("−5 %", said)


def test_a_movement_that_was_out_all_day_is_a_gap(store: Store) -> None:
    city = City(store.configuration.current(), store.traffic.current(), {SQUARE: "S"})
    # it counted on the day after
    found = shown(store, city, Asked(date(2026, 1, 30), camera=SQUARE), texts("en"), OVER)
    assert (found["problem"], found["lines"]) == ("", ["simpang"])
    assert found["bins"]["missing"] == [1.0] * (DAY_S // QUARTER_S)
    assert found["turning"]["origins"] == [*ARMS]


def test_a_renamed_direction_is_compared_with_what_it_was_called_before(tmp_path: Path) -> None:
    found = Store.open(sqlite_url(tmp_path))
    fill(found, DAY, OVER)
    later = [
        interval(i, start_ts=float(START + DAY_S + i * QUARTER_S), camera_id=PORT, revision=3,
                 lines={"gerbang": ("in", "out")}, counts={("gerbang", "in", "car"): 9})
        for i in range(4)
    ]  # fmt: skip
    found.record([CountsMessage.of(each, synthetic=False) for each in later])
    city = City(found.configuration.current(), found.traffic.current(), {PORT: "P"})
    asked = Asked(date(2026, 2, 1), camera=PORT, line="gerbang", against=YESTERDAY)
    page = shown(found, city, asked, texts("en"), OVER + DAY_S)
    other = shown(found, city, replace(asked, day=DAY, against=""), texts("en"), OVER)
    assert page["other"]["totals"] == other["bins"]["totals"]
    assert sum(filter(None, page["other"]["totals"])) > 0


@pytest.mark.parametrize(
    ("past_s", "until_s"),
    [(0, 900), (10, 900), (900, 900), (901, 1800), (DAY_S + 5, DAY_S)],
)
def test_a_file_of_today_ends_with_the_quarter_hour_that_began(
    store: Store, past_s: int, until_s: int
) -> None:
    city = City(store.configuration.current(), store.traffic.current(), {PORT: "P"})
    found = shown(store, city, Asked(DAY, camera=PORT), texts("en"), START + past_s)
    (query,) = {urlparse(each["href"]).query.split("&", 1)[1] for each in found["exports"]}
    assert parse_qs(query)["to"] == [iso(START + until_s)]


def test_the_page_and_the_files_say_the_same(store: Store) -> None:
    """Of a day with an outage, a view that was moved and another scene."""
    asked, traffic = Asked(DAY, camera=PORT), store.traffic.current()
    found = shown(store, City(store.configuration.current(), traffic, {PORT: "P"}), asked,
                  texts("en"), OVER)  # fmt: skip
    wanted = Wanted(asked.start_ts, asked.start_ts + DAY_S, QUARTER_S, found["asked"]["line"])
    span = {"from_ts": wanted.from_ts, "to_ts": wanted.to_ts, "seconds": QUARTER_S}
    report = build(recorded(store, [PORT], **span), traffic, wanted, 0.0, texts("en"))
    bins, compared = found["bins"], 0
    for number in range(DAY_S // QUARTER_S):
        start = asked.start_ts + number * QUARTER_S
        flows = [each for each in report.flows if each.start_ts == start]
        counts = [each.count for flow in flows for each in flow.counts]
        whole = None not in counts
        assert bins["totals"][number] == (sum(filter(None, counts)) if whole else None)
        if whole and all(flow.smp is not None for flow in flows):
            compared += 1
            units = sum(flow.smp or 0 for flow in flows)
            assert bins["smp"][number] == pytest.approx(units, abs=0.01)
        measured = sum(flow.measured for flow in flows)
        if measured:
            slow = sum(flow.measured / flow.kmh for flow in flows if flow.kmh)
            assert bins["kmh"][number] == pytest.approx(measured / slow, abs=0.1)
    assert compared > DAY_S // QUARTER_S // 2
    assert None in bins["totals"]
    (summary,) = (each for each in report.summaries if not each.direction)
    assert sum(filter(None, bins["totals"])) == sum(summary.classes.values())
    assert summary.peak is not None
    hour = round(3600 / QUARTER_S)
    first = round((summary.peak.start_ts - asked.start_ts) / QUARTER_S)
    assert bins["peak"][:2] == [first, first + hour]
    told = {each["id"]: each["value"] for each in found["facts"]}
    worth = bins["smp"][first : first + hour]
    assert summary.peak_smp == (None if None in worth else pytest.approx(sum(worth), abs=0.05))
    assert told["speed"] == pytest.approx(summary.kmh)
    assert told["heavy"] == pytest.approx(summary.heavy)
    shares = [each.share or 0 for each in report.summaries if each.direction]
    assert told["split"] == " : ".join(str(round(100 * share)) for share in shares)
