"""``matakota bench`` from the outside. No test here asks how fast anything is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from api.cli import bench as command
from api.cli import bench_store
from api.store import Store
from api.store.trials import WEEK_S, fill, midnight_before
from streams.evaluation import cost, peers
from tests.needs import REPO
from vision.errors import MatakotaError, OutputError

BOXES = """
class Boxes:
    def __init__(self, data, shape):
        assert data.shape[1] == 6 and shape == (1080, 1920)
        self.data = data
"""
TRACKER = """
class BYTETracker:
    def __init__(self, args):
        assert args.track_buffer == 30
    def update(self, boxes):
        return boxes.data.sum()
"""
HELP = """
import os
assert os.environ["YOLO_OFFLINE"] == "true" and os.environ["YOLO_AUTOINSTALL"] == "false"
class IterableSimpleNamespace:
    def __init__(self, **values):
        self.__dict__.update(values)
class YAML:
    load = staticmethod(lambda path: {"track_buffer": 30} if path == "bytetrack.yaml" else {})
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command, on few pictures."""
    app = typer.Typer()
    app.command()(command.bench)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(cost, "WARM_UP", 2)
    monkeypatch.setattr(cost, "PICTURES", 4)
    monkeypatch.setattr(command, "PROMISED_MS", {3: 0.3, 7: 0.8})
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--rounds", "1"])


@pytest.fixture
def ultralytics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of that name which can be imported as the child does."""
    package = tmp_path / "site" / "ultralytics"
    files = {
        "__init__": "", "engine/__init__": "", "engine/results": BOXES, "trackers/__init__": "",
        "trackers/byte_tracker": TRACKER, "utils/__init__": HELP,
        "utils/checks": "def check_yaml(name):\n    return name\n",
    }  # fmt: skip
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}:{REPO}")
    return package


def test_it_says_what_it_can_measure(call: Callable[..., Result]) -> None:
    said = call().exception
    assert isinstance(said, MatakotaError)
    assert "matakota bench --tracker" in str(said)
    assert "matakota bench --store" in str(said)


def test_trackers_are_measured_side_by_side(call: Callable[..., Result], ultralytics: Path) -> None:
    pytest.importorskip("trackers", reason="needs the dependency group 'measure'")
    result = call("--tracker", "--json", "costs.json")
    assert result.exit_code == 0, result.output
    told = json.loads(Path("costs.json").read_text())
    assert told["promised_ms"] == {"3": 0.3, "7": 0.8}
    assert set(told["tracker"]) == {"3", "7"}
    for row in told["tracker"].values():
        assert set(row) == {"matakota", "roboflow ByteTrack", "ultralytics BYTETracker"}
        assert all(value > 0 for value in row.values()), row
    assert result.stdout.count("x ours") == 4
    assert "promised: at most 0.8" in result.stdout
    assert "ultralytics" not in sys.modules


def test_a_peer_that_is_not_there_is_a_row_that_says_so(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> float:
        raise MatakotaError("roboflow's trackers is not installed")

    monkeypatch.setattr(peers, "cost", gone)
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda _: None)
    result = call("--tracker", "--json", "costs.json")
    assert result.exit_code == 0, result.output
    told = json.loads(Path("costs.json").read_text())["tracker"]["3"]
    assert told["matakota"] > 0
    assert told["roboflow ByteTrack"] == "not run: roboflow's trackers is not installed"
    assert told["ultralytics BYTETracker"] == (
        "not run: not installed (pip install ultralytics-opencv-headless lap)"
    )
    assert "not run: not installed" in " ".join(result.stdout.split())


def test_a_peer_that_breaks_is_a_row_that_says_why(
    call: Callable[..., Result], ultralytics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "cost", lambda *_: 1.0)
    monkeypatch.setattr(command, "PROMISED_MS", {3: 0.3})
    (ultralytics / "trackers/byte_tracker.py").write_text("import a_module_that_is_not_there\n")
    result = call("--tracker", "--json", "costs.json")
    assert result.exit_code == 0, result.output
    told = json.loads(Path("costs.json").read_text())["tracker"]["3"]
    assert told["ultralytics BYTETracker"] == (
        "not run: it failed (ModuleNotFoundError: No module named 'a_module_that_is_not_there')"
    )


def test_a_store_is_filled_and_asked(
    call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cameras over two weeks: so many rows as there are quarters of an hour, hours and days,
    and none of them is left behind."""
    monkeypatch.setattr(bench_store, "PATTERNS", 1)
    monkeypatch.setattr(bench_store, "OUTAGES", 0.0)
    few = ("--cameras", "2", "--weeks", "2", "--folder", str(tmp_path))
    result = call("--store", *few, "--json", "store.json")
    assert result.exit_code == 0, result.output
    told = json.loads(Path("store.json").read_text())["store"]
    assert told["rows"] == 2 * 14 * (96 + 24 + 1)
    assert told["promised_p95_ms"] == 300
    assert len(told["answers_ms"]) == 6
    # a junction's page reads twice what its day alone does
    (page,) = (
        took for question, took in told["answers_ms"].items() if "page of traffic" in question
    )
    assert page["p50"] > told["answers_ms"]["a day of one camera, by 15 minutes"]["p50"]
    for question, took_ms in told["answers_ms"].items():
        assert 0 < took_ms["p50"] <= took_ms["p95"], question
        assert question.split()[-1] in result.stdout
    assert sorted(each.name for each in tmp_path.iterdir()) == ["store.json"]


def test_weeks_follow_each_other_from_midnight_on(tmp_path: Path) -> None:
    week = bench_store._week(np.random.default_rng(1))
    url, first_ts = f"sqlite:///{tmp_path / 'm.db'}", midnight_before(1_767_225_600)
    rows = fill(url, ["a", "b"], [week], first_ts=first_ts, number=2, done=lambda _: None)
    with Store.open(url) as store:
        span = {"from_ts": first_ts, "to_ts": first_ts + 2 * WEEK_S}
        found = {n: store.counts.intervals("a", **span, seconds=n) for n in (900, 3600, 86_400)}
        assert rows == 2 * sum(map(len, found.values()))
        days = found[86_400]
        assert [each.start_ts for each in days] == [first_ts + 86_400 * n for n in range(14)]
        passed = [sum(sum(each.counts.values()) for each in some) for some in found.values()]
        assert passed[0] == passed[1] == passed[2] > 0
        assert store.counts.stated()["b"] == (first_ts, first_ts + 2 * WEEK_S)


def test_a_place_that_cannot_be_written_is_said_before_the_work(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "ours", lambda *_: pytest.fail("was measured"))
    assert isinstance(call("--tracker", "--json", "none/costs.json").exception, OutputError)
