"""How traffic is classed and summed, read from files: what ships, what a file changes, mistakes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from models.manifest import ModelEntry, load_manifest
from streams.citydocument import yaml_of
from streams.detector import DEFAULT_CLASSES
from streams.trafficfile import Traffic, load_traffic, shipped_traffic, traffic_of
from tests.needs import REPO
from vision.bins import Interval
from vision.errors import ConfigError
from vision.foreground import MOVING
from vision.junctions import Approach, Junction, Turn
from vision.traffic import HourFlow, Road, VehicleClass, Why, smp

ROADS = """
roads:
  - {camera: gate, name: Jalan Contoh, type: 2/2-TT, width_m: 7}
  - {camera: gate, lines: [south, north], name: Jalan Lain, type: 4/2-T, lanes: 2}
junctions:
  - name: Simpang Contoh
    approaches:
      - name: utara
        type: APILL-O
        turns:
          - {turn: left, camera: gate, line: arms, direction: utara → timur}
          - {turn: left, camera: gate, line: slip, direction: forward}
      - name: selatan
        turns: [{turn: u_turn, camera: quay, line: arms, direction: selatan → selatan}]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "traffic.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path: Path, text: str) -> Traffic:
    return load_traffic(write(tmp_path, text))


def test_every_model_that_finds_objects_is_classed() -> None:
    traffic = shipped_traffic()
    entries = [each for each in load_manifest().values() if isinstance(each, ModelEntry)]
    entries = [each for each in entries if set(DEFAULT_CLASSES) <= set(each.classes)]
    assert {each.name for each in entries} >= {"nanodet_g", "yolox_nano"}
    for entry in entries:
        for name in DEFAULT_CLASSES:
            assert traffic.class_of(entry.name, name) is not VehicleClass.UNMAPPED
        assert len(traffic.unknown(entry.name, "id")) == len(traffic.unknown(entry.name)) > 0
        classes = traffic.class_map(entry.name)
        assert classes is not None
        assert set(classes.classes) <= set(entry.classes)
    assert traffic.class_of("nanodet_g", "person") is VehicleClass.PEDESTRIAN
    assert traffic.class_of("nanodet_g", "bicycle") is VehicleClass.KTB
    # whatever moves has no class, and so has what another model finds
    assert traffic.class_of("motion", MOVING) is VehicleClass.UNMAPPED
    assert traffic.class_of("own.onnx", "car") is VehicleClass.UNMAPPED
    assert traffic.unknown("own.onnx") == ()


def test_what_ships_knows_no_row_for_some_roads() -> None:
    table = shipped_traffic().equivalents
    counts = {VehicleClass.MP: 1}
    for kind in ("4/2-TT", "6/2-T", "3/1"):
        found = smp(Road("a", kind, 14, 2), table, counts, HourFlow(10, 10))
        assert (found.value, found.why) == (None, Why.NO_ROW)
    assert shipped_traffic().source.startswith("PKJI 2023")


@pytest.mark.parametrize(
    ("kind", "width", "flow", "sm", "ks"),
    [
        ("2/2-TT", 6, HourFlow(1799, 0), 0.5, 1.3),
        ("2/2-TT", 7, HourFlow(1799, 0), 0.4, 1.3),
        ("2/2-TT", 6, HourFlow(1800, 0), 0.35, 1.2),
        ("2/2-TT", 7, HourFlow(1800, 0), 0.25, 1.2),
        ("4/2-T", None, HourFlow(9999, 2098), 0.4, 1.3),
        ("2/1", None, HourFlow(2100, 2100), 0.25, 1.2),
        ("APILL-P", None, None, 0.15, 1.3),
        ("APILL-O", None, None, 0.4, 1.3),
    ],
)
def test_the_rows_that_ship(
    kind: str, width: float | None, flow: HourFlow | None, sm: float, ks: float
) -> None:
    road, table = Road("a", kind, width, lanes=2), shipped_traffic().equivalents
    for name, factor in (("SM", sm), ("MP", 1), ("KS", ks), ("BB", ks), ("TB", ks)):
        assert smp(road, table, {VehicleClass(name): 100}, flow).value == pytest.approx(
            100 * factor
        )


def test_what_an_interval_counted_by_class() -> None:
    interval = Interval(
        "gate", 0.0, 900, 1, 1, 900.0, 4500, {"a": ("in", "out"), "b": ("in", "out")},
        ("car", "bus", "truck", "tram"),
        {
            ("a", "in", "car"): 5, ("a", "in", "bus"): 1, ("a", "in", "truck"): 2,
            ("a", "in", "tram"): 3, ("b", "out", "car"): 9,
        },
    )  # fmt: skip
    assert shipped_traffic().passed(interval, "nanodet_g", "a") == {
        "in": {VehicleClass.MP: 5, VehicleClass.KS: 3, VehicleClass.UNMAPPED: 3},
        "out": {},
    }
    assert shipped_traffic().passed(interval, "nanodet_g", "c") == {}


def test_the_documentation_has_the_rows_that_ship() -> None:
    text = (REPO / "docs" / "traffic.md").read_text(encoding="utf-8")
    _, _, table = text.partition(
        "| road | width | flow | SM | MP | KS |\n|---|---|---|---|---|---|\n"
    )
    said = [line.strip("|").split("|") for line in table.partition("\n\n")[0].splitlines()]
    rows = shipped_traffic().equivalents.rows
    assert len(said) == len(rows)
    for line, row in zip(said, rows, strict=True):
        roads, width, flow, *factors = (cell.strip() for cell in line)
        where = ", ".join(each for each in (roads, width and f"{width} wide", flow) if each)
        names = zip(("SM", "MP", "KS"), factors, strict=True)
        assert row.words == f"{where}: {', '.join(' '.join(each) for each in names)}"


def test_roads_and_junctions(tmp_path: Path) -> None:
    traffic = read(tmp_path, ROADS)
    assert traffic.road("gate", "east") == Road("Jalan Contoh", "2/2-TT", 7.0)
    assert traffic.road("gate", "north") == Road("Jalan Lain", "4/2-T", None, 2)
    assert traffic.road("quay", "north") is None
    assert traffic.junctions == (
        Junction(
            "Simpang Contoh",
            (
                Approach(
                    "utara",
                    (
                        Turn("left", "gate", "arms", "utara → timur"),
                        Turn("left", "gate", "slip", "forward"),
                    ),
                    Road("utara", "APILL-O"),
                ),
                Approach("selatan", (Turn("u_turn", "quay", "arms", "selatan → selatan"),)),
            ),
        ),
    )
    assert traffic.junctions[0].cameras == {"gate", "quay"}
    # the rest is as it ships
    assert traffic.equivalents == shipped_traffic().equivalents


def test_what_is_printed_is_read_to_the_same(tmp_path: Path) -> None:
    traffic = read(tmp_path, ROADS)
    assert read(tmp_path, yaml_of(traffic.document)) == traffic
    days = read(tmp_path, "holidays: ['2026-11-09']")
    assert read(tmp_path, yaml_of(days.document)).days == {date(2026, 11, 9)}
    assert traffic_of(traffic.document, "stored", 7) == traffic
    assert traffic_of(traffic.document, "stored", 7).number == 7
    assert read(tmp_path, "{}") == shipped_traffic() != traffic


def test_a_map_of_a_file_replaces_that_of_its_models_alone(tmp_path: Path) -> None:
    text = "classes: [{models: [nanodet_g, own.onnx], classes: {car: TB}}]"
    traffic = read(tmp_path, text)
    assert traffic.class_of("nanodet_g", "car") is VehicleClass.TB
    assert traffic.class_of("models/own.onnx", "car") is VehicleClass.TB
    assert traffic.class_of("nanodet_g", "bus") is VehicleClass.UNMAPPED
    assert traffic.class_of("yolox_nano", "car") is VehicleClass.MP
    assert traffic.unknown("nanodet_g") == ()
    assert traffic_of(traffic.document, "stored").class_maps == traffic.class_maps
    # what was quantised has the classes of what it was made from, unless it is named itself
    assert traffic.class_of("nanodet_g_int8", "car") is VehicleClass.TB
    assert traffic.class_of("/models/own_int8.onnx", "car") is VehicleClass.TB
    assert shipped_traffic().class_of("nanodet_g_int8", "car") is VehicleClass.MP
    named = read(tmp_path, text[:-1] + ", {models: [nanodet_g_int8], classes: {car: KS}}]")
    assert named.class_of("nanodet_g_int8", "car") is VehicleClass.KS
    # with or without its ending, but its own name first
    assert traffic.class_of("own", "car") is VehicleClass.TB
    assert traffic.class_of("/models/nanodet_g.onnx", "car") is VehicleClass.TB
    text = (
        "classes: [{models: [own], classes: {car: TB}}, {models: [own.onnx], classes: {car: KS}}]"
    )
    assert read(tmp_path, text).class_of("own.onnx", "car") is VehicleClass.KS
    assert read(tmp_path, text).class_of("own", "car") is VehicleClass.TB


def test_holidays_are_public_ones_and_dates(tmp_path: Path) -> None:
    traffic = read(tmp_path, "holidays: [ID, '2026-11-09']")
    assert {date(2026, 8, 17), date(2026, 11, 9)} <= traffic.holidays(2026)
    assert date(2026, 11, 9) not in traffic.holidays(2025)
    # joint leave before and after the end of the fast
    assert traffic.holidays(2026) - {date(2026, 11, 9)} < shipped_traffic().holidays(2026)


def test_light_is_that_of_the_camera_or_of_the_city(tmp_path: Path) -> None:
    noon_ts = 1_769_745_600.0
    """Noon at Makassar."""
    assert shipped_traffic().light(noon_ts) == "day"
    assert shipped_traffic().light(noon_ts, (-5.1, -60.6)) == "night"
    assert read(tmp_path, "position: [-5.1, -60.6]").light(noon_ts) == "night"


ROW = "equivalents: {{source: a, version: b, rows: [{}]}}"
JUNCTION = "junctions: [{{name: a, approaches: [{}]}}]"
MISTAKES = [
    ("road: []", "traffic.yaml:1: unknown field 'road', did you mean 'roads'?"),
    ("roads: {}", "roads: expected a list, found a mapping"),
    ("roads: [{camera: a}]", "roads[0]: field 'name' is missing; add"),
    (
        "roads: [{camera: a, name: b, type: 2/2TT}]",
        "unknown type of road '2/2TT', did you mean '2/2-TT'?",
    ),
    ("roads: [{camera: a, name: b, type: 2/2-TT}]", "ask for the width; add 'width_m: 7', say"),
    ("roads: [{camera: a, name: b, type: 4/2-T}]", "ask for the lanes of one direction; add"),
    ("roads: [{camera: a, name: b, type: 3/1, lanes: 0}]", "a direction has 1 to 12 lanes, not 0"),
    ("roads: [{camera: a, name: b, type: 3/1, width_m: 0.5}]", "write a number from 1 to 200"),
    (
        "roads: [{camera: a, name: b, type: 3/1}, {camera: a, name: c, type: 1/1}]",
        "roads[1]: camera 'a' has a road already; remove one of them",
    ),
    (
        "roads: [{camera: a, lines: [b, b], name: b, type: 3/1}]",
        "roads[0].lines[1]: line 'b' is listed twice; remove one of them",
    ),
    ("roads: [{camera: a, lines: [], name: b, type: 3/1}]", "the list is empty; name a line"),
    (
        "classes: [{models: [a], classes: {car: PM}}]",
        "unknown class 'PM'; known are BB, KS, KTB, MP",
    ),
    ("classes: [{models: [a], classes: {}}, {models: [a], classes: {}}]", "has a map already"),
    ("classes: [{models: [a], classes: {}, cannot_tell: {fr: []}}]", "unknown field 'fr'"),
    (ROW.format("{roads: [a], factors: {MP: -1}}"), "write a number from 0 to 100"),
    (ROW.format("{roads: [a], below_flow: 9, factors: {MP: 1}}"), "add 'per: road' or 'per: lane'"),
    (ROW.format("{roads: [a], over_m: 6, up_to_m: 6, factors: {MP: 1}}"), "no road fits between"),
    (
        ROW.format("{roads: [a], factors: {MP: 1}}, {roads: [b, a], over_m: 6, factors: {MP: 1}}"),
        "rows[1]: another row fits the same roads of type 'a'; part them by width or flow",
    ),
    (
        ROW.format(
            "{roads: [a], per: lane, factors: {MP: 1}}, {roads: [a], per: road, factors: {MP: 1}}"
        ),
        "another row of 'a' is per lane; say the same in 'per'",
    ),
    (
        "equivalents: {source: a, version: b, rows: [{roads: [c], factors: {}}], without_row: [c]}",
        "equivalents.without_row: 'c' has a row; remove it here",
    ),
    (JUNCTION.format("{name: b, turns: [{turn: around}]}"), "field 'camera' is missing; add"),
    (
        JUNCTION.format("{name: b, turns: [{turn: lift, camera: c, line: d, direction: e}]}"),
        "junctions[0].approaches[0].turns[0].turn: unknown turn 'lift', did you mean 'left'?",
    ),
    (
        JUNCTION.format(
            "{name: b, turns: [{turn: left, camera: c, line: d, direction: e}]}, "
            "{name: f, turns: [{turn: right, camera: c, line: d, direction: e}]}"
        ),
        "line 'd' of camera 'c' is named twice for direction 'e'; remove one of them",
    ),
    (JUNCTION.format("{name: b, turns: []}, {name: b, turns: []}"), "two approaches are called"),
    (
        "roads: [{camera: a, lines: [b, c], name: d, type: 2/2-TT, width_m: 7}]",
        "roads[0].lines: rows of '2/2-TT' go by the flow of both directions, which one line must",
    ),
    (
        JUNCTION.format("{name: b, turns: [], type: 4/2-T, lanes: 2}"),
        "approaches[0].type: rows of '4/2-T' go by the flow of a road, which no turn counts alone",
    ),
    ("holidays: []", "the list is empty"),
    ("holidays: [XX]", "write the dates themselves"),
    ("position: [-5.1]", "found 1 values; write [latitude, longitude] in degrees"),
    ("position: [119.4, -5.1]", "write a number from -90 to 90"),
]


@pytest.mark.parametrize(("text", "problem"), MISTAKES)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    said = str(error.value)
    assert problem in said
    assert "traffic.yaml:1" in said
    assert "\n" not in said
