"""Counts exported over a real socket and by the command: they agree with what is stored."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import polars as pl
import pytest

from api.cli import run
from api.handover import press
from api.store import Store
from api.traffic import report as reporting
from api.traffic import routes
from api.traffic.formats import Length
from streams.config import load_city
from streams.trafficfile import traffic_of
from tests.api.served import DAY, TESTER, Api, add_key, api, counted, sqlite_url

EXPORT = "/api/v1/counts/export"
SPAN = {"from": "2026-01-31T00:00:00Z", "to": "2026-01-31T04:00:00Z"}
MADE = "2026-02-01T00:00:00Z"
CITY = """
name: Contoh
cameras:
  - {id: plaza, name: Plaza, source: synthetic}
  - {id: quiet, name: Quiet, source: synthetic}
"""


def minutes() -> Iterator[Any]:
    """Four hours: the second is missing, in the third the view was moved for 15 minutes, and from
    11:07 the scene has another line."""
    for n in range(240):
        more: dict[str, Any] = {}
        if 60 <= n < 120:
            continue
        if 120 <= n < 135:
            yield counted(60 * n, observed_s=0.0, frames=0)
            continue
        if n >= 187:
            more = {"revision": 2, "lines": {"gate": ("in", "out"), "stop": ("in", "out")}}
        counts = {("gate", "in", "car"): n % 4, ("gate", "out", "bus"): n % 3}
        if n >= 187:
            counts["stop", "in", "car"] = 1
        yield counted(60 * n, counts, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counts")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Api]:
    city = folder / "city.yaml"
    city.write_text(CITY, encoding="utf-8")
    road = {"camera": "plaza", "name": "Jalan Contoh", "type": "2/2-TT", "width_m": 7}
    with Store.open(sqlite_url(folder)) as store, api(store) as running:
        store.configuration.apply(load_city(city), TESTER)
        store.traffic.apply(traffic_of({"roads": [road]}, "tests"), TESTER)
        store.record(list(minutes()))
        yield running


def asked(served: Api, shape: str = "csv", **more: Any) -> httpx.Response:
    return served.client.get(EXPORT, params={"camera": "plaza", "format": shape} | SPAN | more)


def table(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    lines = response.text.splitlines(keepends=True)
    return list(csv.DictReader(line for line in lines if not line.startswith("#,")))


def total(rows: list[dict[str, Any]]) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        found[row["line"], row["direction"], row["class"]] += int(row["count"] or 0)
    return found


@pytest.mark.parametrize("interval", ["1m", "5m", "15m", "1h"])
def test_exports_agree_with_the_counts_of_the_api(served: Api, interval: str) -> None:
    query = {"camera": "plaza", "interval": interval} | SPAN
    counts = served.client.get("/api/v1/counts", params=query).json()["counts"]
    exported = table(asked(served, interval=interval))
    seen = {
        (row["start"], row["line"], row["direction"], row["class"], str(row["revision"])): (
            str(row["count"]), row["observed_seconds"],
        )
        for row in counts
        if row["revision"] is not None and row["count"] is not None
    }  # fmt: skip
    assert seen == {
        (row["start"], row["line"], row["direction"], row["class"], row["revision"]): (
            row["count"], float(row["observed_seconds"]),
        )
        for row in exported
        if row["count"]
    }  # fmt: skip
    # where the API has a gap at the gate, so has the export
    gaps = {row["start"] for row in counts if row["line"] == "gate" and row["count"] is None}
    assert gaps == {row["start"] for row in exported if row["line"] == "gate" and not row["count"]}
    assert len(gaps) == {"1m": 75, "5m": 15, "15m": 5, "1h": 1}[interval]


def test_every_format_has_the_same_sums(served: Api) -> None:
    wanted = total(table(asked(served)))
    assert wanted["gate", "in", "car"] == sum(n % 4 for n in range(240) if not 60 <= n < 135)
    assert wanted["stop", "in", "car"] == 240 - 187
    assert total(json.loads(asked(served, "json").content)["bins"]) == wanted
    parquet = asked(served, "parquet")
    assert parquet.headers["content-type"] == "application/vnd.apache.parquet"
    assert total(pl.read_parquet(io.BytesIO(parquet.content)).to_dicts()) == wanted
    excel = asked(served, "xlsx", language="en")
    disposition = excel.headers["content-disposition"]
    assert disposition == 'attachment; filename="matakota-counts-2026-01-31.xlsx"'
    book = openpyxl.load_workbook(io.BytesIO(excel.content))
    sheet = book["plaza gate"]
    cars = [row[2] or 0 for row in sheet.iter_rows(min_row=3, values_only=True)]
    assert sheet["C2"].value == "car (MP)"
    assert sum(cars) == wanted["gate", "in", "car"] + wanted["gate", "out", "car"]


def test_units_are_by_the_roads_that_are_stored(served: Api) -> None:
    rows = table(asked(served, interval="1h", line="gate"))
    first = [row for row in rows if row["start"].startswith("2026-01-31T00:")]
    inward = sum(n % 4 for n in range(60))
    outward = sum(n % 3 for n in range(60))
    assert {row["direction"]: float(row["flow_smp"]) for row in first} == {
        "in": inward, "out": outward * 1.3,
    }  # fmt: skip


def test_a_day_is_that_of_the_city(served: Api) -> None:
    rows = table(asked(served, interval="1d", line="gate"))
    assert {row["start_wita"] for row in rows} == {"2026-01-31T00:00:00+08:00"}
    assert {row["seconds"] for row in rows} == {"86400"}


def test_what_is_said_is_in_a_language(served: Api) -> None:
    indonesian = asked(served, language="id").text
    assert "#,Laporan ini,Program,Matakota" in indonesian
    assert "#,This report,Program,Matakota" in asked(served, language="en").text
    assert "Jalan Contoh, 2/2-TT" in indonesian


def test_a_camera_of_which_nothing_came_then_is_all_gaps(served: Api) -> None:
    before = {"from": "2026-01-30T00:00:00Z", "to": "2026-01-30T01:00:00Z"}
    rows = table(asked(served, **before))
    assert {row["count"] for row in rows} == {""}
    assert {row["line"] for row in rows} == {"gate", "stop"}
    assert table(asked(served, camera="quiet")) == []


def test_several_cameras_come_together(served: Api) -> None:
    response = asked(served, camera=["plaza", "quiet", "plaza"])
    assert total(table(response)) == total(table(asked(served)))
    assert "#,quiet,Model,nanodet_g" in asked(served, camera=["plaza", "quiet"], language="en").text


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"camera": "nowhere"}, 404, "there is no camera 'nowhere'"),
        ({"camera": ["plaza", "nowhere"]}, 404, "there is no camera 'nowhere'"),
        ({"line": "sate"}, 404, "none of these cameras has a line 'sate'"),
        ({"shape": "pdf"}, 422, "format: "),
        ({"interval": "2h"}, 422, "interval: "),
        ({"from": SPAN["to"], "to": SPAN["from"]}, 422, "'from' must be before 'to'"),
        ({"from": "2000-01-01T00:00:00Z"}, 422, "at most 100000 intervals are read at once"),
        ({"camera": [f"c{n}" for n in range(21)]}, 422, "camera: "),
    ],
)
def test_what_is_refused(served: Api, more: dict[str, Any], status: int, said: str) -> None:
    response = asked(served, **more)
    assert (response.status_code, said in response.json()["detail"]) == (status, True)


def test_too_much_is_refused_before_it_is_built(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "MAX_ROWS", 100)
    response = asked(served)
    assert response.status_code == 422
    assert "at most 100 are given at once" in response.json()["detail"]


def test_one_is_made_at_a_time(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = press.Press().turn
    monkeypatch.setattr(press, "WAIT_S", 0.01)
    monkeypatch.setattr(press.Press, "turn", turn)
    with turn():
        response = asked(served)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert asked(served).status_code == 200


def test_parquet_is_refused_where_it_cannot_be_made(
    served: Api, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "api.traffic.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "polars", None)
    response = asked(served, "parquet")
    assert response.status_code == 422
    assert "install 'matakota[parquet]'" in response.json()["detail"]
    told = ["counts", "export", "--camera", "plaza", "--format", "parquet", "--data", str(folder)]
    assert run([*told, "--out", str(folder / "never")]) == 2
    assert "install 'matakota[parquet]'" in capsys.readouterr().err
    assert not (folder / "never").exists()


def test_others_cameras_do_not_exist(served: Api) -> None:
    key = add_key(served.store, "quiet alone", cameras=["quiet"])
    headers = {"authorization": f"Bearer {key}"}
    query = {"format": "csv"} | SPAN

    def status(*cameras: str) -> int:
        params = query | {"camera": list(cameras)}
        return served.client.get(EXPORT, params=params, headers=headers).status_code

    assert (status("quiet"), status("plaza"), status("quiet", "plaza")) == (200, 404, 404)


def test_the_edges_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = routes.wanted(0.0, 60.0, DAY, "1d", None, 1)
    assert (first.from_ts, first.to_ts) == (86_400 - 8 * 3600, 2 * 86_400 - 8 * 3600)
    last = routes.wanted(253_402_300_000.0, None, 253_402_300_799.0, "15m", None, 1)
    assert last.to_ts == 253_402_300_800
    day = routes.wanted(None, None, DAY + 1, "15m", None, 1)
    assert (day.from_ts, day.to_ts) == (int(DAY) - 86_400, int(DAY) + 900)


def test_what_has_not_begun_is_not_asked_for() -> None:
    today = routes.wanted(DAY, DAY + 86_400, DAY + 901, "15m", None, 1)
    assert (today.from_ts, today.to_ts) == (int(DAY), int(DAY) + 1800)
    with pytest.raises(ValueError, match="now at the latest"):
        routes.wanted(DAY + 900, DAY + 86_400, DAY + 900, "15m", None, 1)


@pytest.mark.parametrize(
    ("interval", "hours"), [("1m", 1666), ("5m", 1666), ("15m", 25_000), ("1h", 25_000)]
)
def test_the_bound_is_on_what_is_read(interval: Length, hours: int) -> None:
    """100,000 minutes for what is made of them, 100,000 quarter hours otherwise."""
    end = 10_000 * 86_400.0
    assert routes.wanted(end - 3600 * hours, end, end, interval, None, 1)
    with pytest.raises(ValueError, match="at most 100000 intervals"):
        routes.wanted(end - 3600 * (hours + 1), end, end, interval, None, 1)


def test_the_command_gives_what_the_api_gives(
    served: Api, folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    told = ["--data", str(folder), "--camera", "plaza", "--from", SPAN["from"], "--to", SPAN["to"]]

    def export(*more: str) -> bytes:
        assert run(["counts", "export", *told, *more]) == 0
        return capfdbinary.readouterr().out

    wanted = table(asked(served))
    text = export().decode()
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("#,")]
    assert list(csv.DictReader(lines)) == wanted
    for shape in ("csv", "xlsx", "parquet", "json"):
        file = folder / f"out.{shape}"
        assert export("--format", shape, "--made", MADE, "--out", str(file)) == b""
        once = file.read_bytes()
        assert export("--format", shape, "--made", MADE) == once
    rows = pl.read_parquet(folder / "out.parquet").to_dicts()
    assert total(rows) == total(wanted)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--camera", "nowhere"], "nothing is counted there"),
        (["--camera", "plaza", "--from", "yesterday"], "--from: write a time as"),
        (["--camera", "plaza", "--from", SPAN["to"], "--to", SPAN["from"]], "must be before 'to'"),
        ([], "--camera"),
    ],
)
def test_what_the_command_refuses(
    served: Api, folder: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["counts", "export", "--data", str(folder), *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
