"""Every file of a report says the same, a gap is one in each of them, and none can be run."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import openpyxl
import polars as pl
import pytest

from api.store import TooManyRowsError
from api.traffic import texts as texting
from api.traffic import workbook as sheeting
from api.traffic.formats import FORMATS, Format, file_name
from api.traffic.parquet import METADATA
from api.traffic.sheets import MAX_SHEET_NAME, SheetNames
from api.traffic.values import Report
from tests.api.traffic.made import (
    GATE,
    START,
    interval,
    morning,
    passed,
    report,
    traffic,
    two_lanes,
)

Sums = dict[tuple[str, str, str], tuple[int, int]]
"""By line, direction and class: what was counted, and in how many bins nothing was."""


def made(found: Report, shape: Format) -> bytes:
    return b"".join(FORMATS[shape].pieces(found))


def records(found: Report, shape: Format) -> list[dict[str, Any]]:
    """The bins of a file as the programs of others read them."""
    data = made(found, shape)
    match shape:
        case "csv":
            lines = data.decode().splitlines(keepends=True)
            return list(csv.DictReader(line for line in lines if not line.startswith("#")))
        case "json":
            return list(json.loads(data)["bins"])
        case "parquet":
            return pl.read_parquet(io.BytesIO(data)).to_dicts()
        case _:
            return excel(data)


def excel(data: bytes) -> list[dict[str, Any]]:
    """A record for each class of the sheets of lines."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    found = []
    for sheet in book.worksheets[1:-1]:
        title, head, *rows = sheet.iter_rows(values_only=True)
        line = str(title[0]).rpartition(" · ")[2]
        for row in rows:
            cells = dict(zip(head, row, strict=True))
            for name, value in cells.items():
                if name.endswith(")") and name.split(" (")[1] in {
                    "MP)",
                    "SM)",
                    "KS)",
                    "pedestrian)",
                }:
                    found.append(
                        {"line": line, "direction": cells["Direction"], "count": value,
                         "class": name.split(" (")[0]}
                    )  # fmt: skip
    return found


def sums(rows: list[dict[str, Any]]) -> Sums:
    counted: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        key = counted[row["line"], row["direction"], row["class"]]
        if row["count"] in {None, ""}:
            key[1] += 1
        else:
            key[0] += int(row["count"])
    return {key: (n, gaps) for key, (n, gaps) in counted.items()}


@pytest.fixture(scope="module")
def found() -> Report:
    return report(morning(), two_lanes())


@pytest.fixture(scope="module")
def wanted(found: Report) -> Sums:
    rows = [
        {"line": flow.line, "direction": flow.direction, "class": each.class_name,
         "count": each.count}
        for flow in found.flows
        for each in flow.counts
    ]  # fmt: skip
    return sums(rows)


@pytest.mark.parametrize("shape", FORMATS)
def test_the_sums_and_the_gaps_agree(shape: Format, found: Report, wanted: Sums) -> None:
    assert wanted[GATE, "in", "car"] == (86 + 9 + 120 + 400, 5)
    assert wanted["stop", "in", "car"] == (70, 14)
    assert sums(records(found, shape)) == wanted


@pytest.mark.parametrize("shape", FORMATS)
def test_the_same_report_gives_the_same_bytes(shape: Format, found: Report) -> None:
    again = report(morning(), two_lanes())
    assert made(again, shape) == made(found, shape)
    later = replace(found, made_ts=found.made_ts + 3600)
    if shape == "xlsx":
        assert made(later, shape) != made(found, shape)


def test_tables_for_programs_have_the_same_rows(found: Report) -> None:
    shapes: tuple[Format, ...] = ("csv", "json", "parquet")
    by_csv, by_json, by_parquet = (records(found, shape) for shape in shapes)
    assert [*by_csv[0]] == [*by_json[0]] == [*by_parquet[0]]
    assert len(by_csv) == len(by_json) == len(by_parquet) == 24 * 2 * 4 * 2
    for left, middle, right in zip(by_csv, by_json, by_parquet, strict=True):
        told = {name: _text(value) for name, value in right.items()}
        assert left == {name: _text(value) for name, value in middle.items()}
        assert left == told
    gap = by_csv[4 * 8]
    assert (gap["count"], gap["revision"], gap["view_valid"], gap["late"]) == ("", "", "", "")
    assert (gap["observed_seconds"], gap["frames"]) == ("0.0", "0")
    first = by_csv[0]
    assert (first["start"], first["start_wita"]) == (
        "2026-01-31T00:00:00.000Z", "2026-01-31T08:00:00+08:00",
    )  # fmt: skip


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.000Z"
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_types_of_a_parquet_file(found: Report) -> None:
    frame = pl.read_parquet(io.BytesIO(made(found, "parquet")))
    assert frame["start"].dtype == pl.Datetime("ms", "UTC")
    assert (frame["count"].dtype, frame["smp"].dtype) == (pl.Int64, pl.Float64)
    assert frame["count"].null_count() == 2 * 4 * (5 + 14)


@pytest.mark.parametrize("shape", FORMATS)
def test_the_method_travels_with_every_file(shape: Format, found: Report) -> None:
    data = made(found, shape)
    match shape:
        case "csv":
            rows = csv.reader(io.StringIO(data.decode()))
            said = [tuple(row[1:]) for row in rows if row[0] == "#"]
        case "xlsx":
            sheet = openpyxl.load_workbook(io.BytesIO(data))["Method"]
            said = [row[:3] for row in sheet.iter_rows(min_row=3, values_only=True)]  # type: ignore[misc]
        case _:
            beside = json.loads(data) if shape == "json" else json.loads(
                pl.read_parquet_metadata(io.BytesIO(data))[METADATA]
            )  # fmt: skip
            said = [(each["about"], each["name"], each["value"]) for each in beside["method"]]
            assert beside["summary"][0]["vehicles"] == found.summaries[0].vehicles
            assert beside["summary"][0]["peak_hour"]["start_wita"] == "2026-01-31T10:30:00+08:00"
    assert said == [tuple(each) for each in found.method]


def test_an_excel_file_is_one_to_work_with(found: Report) -> None:
    book = openpyxl.load_workbook(io.BytesIO(made(found, "xlsx")))
    assert book.sheetnames == ["Summary", "plaza gate", "plaza stop", "Method"]
    sheet = book["plaza gate"]
    assert sheet.freeze_panes == "C3"
    assert sheet["A3"].value == datetime(2026, 1, 31, 8)
    assert sheet["A3"].is_date
    assert [sheet.cell(2, n).value for n in (3, 4)] == ["motorcycle (SM)", "car (MP)"]
    assert [sheet.cell(3, n).value for n in (3, 4)] == [60, 20]
    # the second hour is hatched where nothing is
    gap = sheet["C11"]
    assert (gap.value, gap.fill.patternType) == (None, "lightUp")
    assert sheet["C3"].fill.patternType is None
    total = [cell.value for cell in book["Summary"][3]]
    assert total[:3] == ["Plaza", GATE, "all directions"]
    assert found.summaries[0].vehicles in total
    indonesian = report(morning(), language="id")
    book = openpyxl.load_workbook(io.BytesIO(made(indonesian, "xlsx")))
    assert book.sheetnames[0] == "Ringkasan"


HOSTILE = '=HYPERLINK("http://example.org";"x")'


def hostile() -> Report:
    lines = {HOSTILE: ("+in", "@out"), "[a]:*?/\\'" * 9: ("in", "out"), "\u202egate": ("in", "out")}
    drawn = interval(0, {(HOSTILE, "+in", "-car"): 3}, lines=MappingProxyType(lines))
    found = report([replace(drawn, classes=("-car", "\tbus"))], hours=0.25)
    return replace(found, names={"plaza": "=1+1\r\n#" + "x" * 10_000})


def test_names_are_texts_and_never_formulas() -> None:
    found = hostile()
    book = openpyxl.load_workbook(io.BytesIO(made(found, "xlsx")))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"n", "s", "d"}
    assert all(cell.hyperlink is None for cell in cells)
    assert HOSTILE in {cell.value for cell in cells}
    text = made(found, "csv").decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert not [cell for row in rows for cell in row if cell[:1] in set("=+@\t\r")]
    assert f"'{HOSTILE}" in {row[2] for row in rows if len(row) > 10}
    # what is a line of the table stays one, and no note is one
    notes = [line for line in text.split("\r\n") if line.startswith("#,")]
    assert len(notes) == len(found.method)
    assert json.loads(made(found, "json"))["bins"][0]["camera_name"].startswith("=1+1\r\n")


def test_names_of_sheets_are_ones_that_excel_takes() -> None:
    names = SheetNames(("Summary",))
    wished = ("summary", "Summary", "a" * 40, "a" * 41, "'x'", "History", "🛵" * 30, "", "[]:*?/\\")
    found = [names.of(name, "") for name in wished]
    assert len({name.casefold() for name in found} | {"summary", "history"}) == len(wished) + 2
    for name in found:
        assert 1 <= len(name.encode("utf-16-le")) // 2 <= MAX_SHEET_NAME
        assert not set(name) & set("[]:*?/\\")
        assert name.strip("'") == name


def test_what_does_not_fit_into_a_workbook_is_refused(
    found: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheeting, "MAX_SHEETS", 1)
    with pytest.raises(TooManyRowsError, match="2 lines of up to 48 rows do not fit"):
        made(found, "xlsx")


def test_long_texts_come_in_pieces(found: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {shape: made(found, shape) for shape in ("csv", "json")}
    monkeypatch.setattr(texting, "PIECE", 7)
    for shape, data in whole.items():
        pieces = list(FORMATS[shape].pieces(found))  # type: ignore[index]
        assert len(pieces) > 384 // 7
        assert b"".join(pieces) == data


def test_a_report_without_bins_is_one(found: Report) -> None:
    empty = report([], hours=1)
    shapes: tuple[Format, ...] = ("csv", "json", "parquet")
    assert [records(empty, shape) for shape in shapes] == [[], [], []]
    assert openpyxl.load_workbook(io.BytesIO(made(empty, "xlsx"))).sheetnames == [
        "Summary",
        "Method",
    ]


def test_junctions_and_weekdays_have_sheets() -> None:
    turn = {"turn": "left", "camera": "plaza", "line": GATE, "direction": "in"}
    approach = {"name": "north", "type": "APILL-P", "turns": [turn]}
    settings = traffic(junctions=[{"name": "Simpang", "approaches": [approach]}])
    found = report(
        [interval(0, passed(5, 8))], settings, hours=24 * 7, seconds=86_400, start=START - 8 * 3600
    )
    assert not found.week, "of no hour enough was watched"
    hour = [interval(n, passed(5, 8)) for n in range(4)]
    found = report(hour, settings, hours=24 * 7, seconds=86_400, start=START - 8 * 3600)
    book = openpyxl.load_workbook(io.BytesIO(made(found, "xlsx")))
    assert book.sheetnames == ["Summary", "Junctions", "plaza gate", "Weekdays", "Method"]
    junction = [cell.value for cell in book["Junctions"][3]]
    assert junction[:5] == ["Simpang", "north", "left", 4 * 13, 1]
    weekday = [cell.value for cell in book["Weekdays"][3]]
    assert weekday == ["Plaza", GATE, "Saturday", "08:00", 4 * (13 + 6), 1]
    beside = json.loads(made(found, "json"))
    assert beside["turns"][0]["smp"] == pytest.approx(4 * (5 + 0.15 * 8))
    assert beside["week"] == [
        {"camera": "plaza", "line": GATE, "weekday": 5, "second": 28_800, "vehicles": 76.0,
         "days": 1}
    ]  # fmt: skip


def test_what_has_no_class_is_counted_and_no_motor_vehicle() -> None:
    """As a motion camera does: that is no gap, and no 0."""
    moved = {(GATE, "in", "moving"): 9}
    found = report([interval(0, moved, classes=("moving",))], model="motion", hours=0.25)
    row = records(found, "csv")[0]
    assert (row["count"], row["flow_vehicles"], row["late"]) == ("9", "", "0")
    assert json.loads(made(found, "json"))["summary"][0]["vehicles"] is None
    book = openpyxl.load_workbook(io.BytesIO(made(found, "xlsx")))
    assert [cell.value for cell in book["plaza gate"][3]][1:4] == ["in", 9, None]
    assert {cell.fill.patternType for cell in book["plaza gate"][3]} == {None}
    assert book["Summary"]["E3"].value is None


def test_a_file_is_called_by_its_days(found: Report) -> None:
    assert file_name(found, "csv") == "matakota-counts-2026-01-31.csv"
    week = report([], hours=7 * 24)
    assert file_name(week, "xlsx") == "matakota-counts-2026-01-31-to-2026-02-07.xlsx"


def test_columns_are_a_promise(found: Report) -> None:
    assert ",".join([*records(found, "csv")[0]]) == (
        "camera,camera_name,line,direction,class,vehicle_class,start,start_wita,seconds,revision,"
        "synthetic,count,observed_seconds,observed_share,blind_seconds,frames,holiday,light,"
        "view_valid,late,speed_kmh,speed_of,smp,smp_why_empty,flow_vehicles,flow_smp,"
        "flow_speed_kmh,flow_headway_s,line_occupied_share"
    )
