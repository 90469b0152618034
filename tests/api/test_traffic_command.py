"""``matakota traffic``: how traffic is classed and summed, from and to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api.cli import run
from api.store import Store
from streams.config import load_city
from streams.trafficfile import load_traffic, shipped_traffic
from tests.api.served import DAY, TESTER, counted, report, sqlite_url
from tests.needs import REPO

Command = Callable[..., tuple[int, str, str]]
FILE = """
roads: [{camera: gate, lines: [in], name: Jalan Contoh, type: 2/2-TT, width_m: 7}]
junctions:
  - name: Simpang Contoh
    approaches:
      - {name: utara, turns: [{turn: left, camera: quay, line: arms, direction: "utara → timur"}]}
"""
CONTENTS = "2 class maps, 8 rows, 1 road, 1 junction"


@pytest.fixture
def traffic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.delenv("MATAKOTA_DATABASE_URL", raising=False)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(["traffic", *map(str, arguments)])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "traffic.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_checked_applied_and_shown(traffic: Command, file: Path, tmp_path: Path) -> None:
    assert traffic("check", file) == (0, f"{file}: {CONTENTS}\n", "")
    assert not (tmp_path / "matakota.db").exists()
    with Store.open(sqlite_url(tmp_path)) as store:
        store.cameras.save(report(DAY, "gate"))
    code, out, said = traffic("apply", "--dry-run", file)
    would = f"traffic settings 1: {CONTENTS}\nchanged: roads, junctions\n"
    assert (code, out) == (0, f"nothing is stored; this would be\n{would}")
    assert "camera=quay" in said
    assert "camera=gate" not in said
    assert traffic("apply", file)[:2] == (0, would)
    shown = tmp_path / "shown.yaml"
    shown.write_text(traffic("show")[1], encoding="utf-8")
    assert load_traffic(shown) == load_traffic(file)
    assert traffic("apply", shown)[:2] == (0, "traffic settings 1: nothing changed\n")


TURNS = """
junctions:
  - name: Simpang Contoh
    approaches:
      - name: utara
        turns:
          - {turn: left, camera: drawn, line: gate, direction: masuk}
          - {turn: straight, camera: drawn, line: gate, direction: masuuk}
          - {turn: right, camera: drawn, line: arms, direction: "utara → timur"}
          - {turn: u_turn, camera: drawn, line: arms, direction: "utara → barat"}
          - {turn: left, camera: counted, line: gate, direction: in}
          - {turn: right, camera: counted, line: slip, direction: in}
"""
CITY = """
name: Contoh
cameras:
  - id: drawn
    name: Drawn
    source: synthetic
    scene:
      frame_size: [640, 360]
      lines: [{name: gate, points: [[10, 10], [10, 300]], forward: masuk, backward: keluar}]
      zones:
        - {name: utara, polygon: [[50, 50], [90, 50], [90, 90]]}
        - {name: timur, polygon: [[150, 50], [190, 50], [190, 90]]}
      movements: [{name: arms, entries: [utara, timur], exits: [utara, timur]}]
"""


def test_turns_that_no_camera_counts_are_said(traffic: Command, tmp_path: Path) -> None:
    city, turns = tmp_path / "city.yaml", tmp_path / "turns.yaml"
    city.write_text(CITY, encoding="utf-8")
    turns.write_text(TURNS, encoding="utf-8")
    with Store.open(sqlite_url(tmp_path)) as store:
        store.configuration.apply(load_city(city), TESTER)
        store.record([counted(0, camera="counted", lines={"gate": ("in", "out")})])
        store.cameras.save(report(DAY, "counted"))
    code, _, said = traffic("apply", turns)
    assert code == 0
    warned = [line for line in said.splitlines() if "counts no such direction" in line]
    wrong = ("direction=masuuk", "direction='utara → barat'", "line=slip")
    assert len(warned) == len(wrong)
    assert all(each in line for each, line in zip(wrong, warned, strict=True))


def test_it_shows_what_was_in_force(traffic: Command, file: Path, tmp_path: Path) -> None:
    first = traffic("show")
    traffic("apply", file)
    assert traffic("show", "--number", "0") == first
    assert traffic("show", "--number", "1") == traffic("show") != first
    shown = tmp_path / "shown.yaml"
    shown.write_text(first[1], encoding="utf-8")
    assert load_traffic(shown) == shipped_traffic()
    assert traffic("show", "--number", "2") == (
        2, "", "matakota: there are no traffic settings 2: leave --number out\n",
    )  # fmt: skip


def test_a_mistake_is_said_and_nothing_stored(traffic: Command, file: Path, tmp_path: Path) -> None:
    file.write_text("roads: [{camera: gate, name: a, type: 2/2}]")
    for command in ("check", "apply"):
        code, out, said = traffic(command, file)
        assert (code, out) == (2, "")
        assert "traffic.yaml:1: roads[0].type: unknown type of road '2/2'" in said
    assert not (tmp_path / "matakota.db").exists()


def test_the_sample_can_be_applied(traffic: Command) -> None:
    sample = REPO / "samples" / "traffic.yaml"
    assert traffic("check", sample)[0] == 0
    made = load_traffic(sample)
    assert made.roads
    assert made.junctions
