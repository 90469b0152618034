"""``matakota bench`` from the outside. No test here asks how fast anything is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from api.cli import bench as command
from api.cli import bench_store, bench_tracker
from api.cli.bench_subjects import BENCHED
from api.store import Store
from api.store.trials import WEEK_S, fill, midnight_before
from models.errors import ModelError
from streams.config import DEFAULT_MODEL
from streams.evaluation import capacity, cost, peers, wholes
from streams.evaluation.stages import STAGES
from streams.files import ClipSource
from streams.video import VideoWriter
from tests.needs import REPO
from vision.errors import MatakotaError, OutputError

WANTED = (0, 1, 2, 3, 5, 7)
"""What a scene without classes looks for, by number."""
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
    monkeypatch.setattr(bench_tracker, "PROMISED_MS", {3: 0.3, 7: 0.8})

    def invoked(*arguments: str) -> Result:
        once = "--cameras" in arguments and "--store" not in arguments
        return CliRunner().invoke(app, [*arguments, *([] if once else ["--rounds", "1"])])

    return invoked


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


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the plaza."""
    path = tmp_path_factory.mktemp("clips") / "short.mp4"
    source = ClipSource(REPO / "samples/clips/plaza.mp4", camera_id="plaza")
    with source, VideoWriter(path, size=(768, 576), rate=Fraction(7)) as film:
        for frame in islice(source.frames(), 14):
            film.write(frame.image, frame.ts)
        film.commit()
    return path


def test_a_frame_is_measured_beside_its_floor(call: Callable[..., Result], clip: Path) -> None:
    named = ("--clip", str(clip), "--scene", str(REPO / "samples/scenes/plaza.yaml"))
    result = call(*named, "--input", "160x224", "--json", "costs.json")
    assert result.exit_code == 0, result.output
    told = json.loads(Path("costs.json").read_text())
    assert told["overhead_ratio"] > 1
    assert (told["clip"], told["scene"], told["model"]) == ("short.mp4", "plaza.yaml", BENCHED)
    assert (told["input"], told["gate"], told["fps"]) == ([160, 224], False, None)
    assert told["frames"] == told["inferences"] == told["floor_inferences"] == 14
    assert set(told["counts"]["square"]) == {"westbound", "eastbound"}
    assert set(told["stages_ms"]) == set(STAGES)
    assert sum(told["stages_ms"].values()) == pytest.approx(told["total_ms"], abs=0.001)
    assert set(told["floor_ms"]) == {"decode", "inference"}
    assert len(told["rounds"]) == 1
    assert set(told["crowded_ms"]) == set(told["promised_around_ms"]) == {"20", "100"}
    assert {"cpu", "cores", "flags", "system", "load"} == set(told["machine"])
    assert {"python", "onnxruntime", "opencv", "numpy", "av"} <= set(told["versions"])
    assert told["seed"] == 0
    for said in (*STAGES, "over the floor: ", "counted: square: ", "seed 0"):
        assert said in result.stdout


def test_recorded_video_is_measured_with_and_without_the_gate(
    call: Callable[..., Result], clip: Path
) -> None:
    few = ("--fps", "2", "--input", "160x224", "--model", "nanodet_g")
    result = call("--files", str(clip), str(clip), *few, "--json", "files.json")
    assert result.exit_code == 0, result.output
    rows = json.loads(Path("files.json").read_text())["files"]
    assert [row["gate"] for row in rows] == [False, True, False, True]
    for row in rows:
        assert row["real_time"] == pytest.approx(row["video_s"] / row["cpu_s"], rel=0.02)
        assert (row["frames"], row["fps"], row["size"]) == (4, 2.0, [768, 576])
        assert row["inferences"] <= row["frames"]
        assert set(row["counts"]) == {"middle"}
    assert "x real time" in result.stdout


def test_peers_that_are_not_there_are_rows(
    call: Callable[..., Result], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(kind: str, order: wholes.Order) -> wholes.Answer:
        if kind == "supervision":
            raise MatakotaError("supervision is not installed")
        assert (order.line, order.classes) == (((384.0, 0.0), (384.0, 575.0)), WANTED)
        assert (order.long_side, order.names[0]) == (224, "person")
        frames, threads = (14, 1) if order.one_thread else (13, 2)
        return wholes.Answer(1000.0, frames, (1, 2), threads)

    monkeypatch.setattr(wholes, "run", run)
    few = ("--clip", str(clip), "--input", "160x224")
    result = call("--peers", *few, "--json", "peers.json")
    assert result.exit_code == 0, result.output
    programs = json.loads(Path("peers.json").read_text())["peers"]["programs"]
    assert set(programs) == {"matakota", "matakota, INT8", *wholes.WHOLES}
    assert programs["ultralytics ObjectCounter, one thread"]["threads"] == 1
    theirs, ours = programs["ultralytics ObjectCounter"], programs["matakota"]
    assert theirs["times"] == pytest.approx(1000 / ours["ms"], rel=0.01)
    quantised = programs["matakota, INT8"]
    assert theirs["times_int8"] == pytest.approx(1000 / quantised["ms"], rel=0.01)
    assert (ours["frames"], quantised["frames"], theirs["frames"]) == (14, 14, 13)
    assert theirs["problem"] == "it saw 13 frames, ours 14"
    assert "problem" not in programs["ultralytics ObjectCounter, one thread"]
    why = {"why": "not run: supervision is not installed"}
    assert programs["supervision + roboflow trackers"] == why
    assert "not run" in result.stdout
    assert "it saw 13" in result.stdout


def test_cameras_are_searched(call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def loads(most: int, setting: capacity.Setting) -> Iterator[Callable[[int], capacity.Load]]:
        assert (most, setting.fps, setting.seconds) == (8, 5.0, 6.0)
        assert setting.scene["gate"] is False

        def load(number: int) -> capacity.Load:
            analysed = 30 * number if number <= 5 else 20 * number
            return capacity.Load(number, 6.0, 30 * number, analysed, 0.6 * number, 0.1, 0.1)

        yield load

    monkeypatch.setattr(capacity, "loads", loads)
    result = call("--cameras", "8", "--seconds", "6", "--no-gate", "--json", "cameras.json")
    assert result.exit_code == 0, result.output
    told = json.loads(Path("cameras.json").read_text())["cameras"]
    assert (told["largest"], told["asked"], told["a_core"]) == (5, 8, 10.0)
    assert (told["model"], told["input"]) == (DEFAULT_MODEL, [256, 416])
    assert sorted(each["cameras"] for each in told["tried"]) == [4, 5, 6, 8]
    assert "5 cameras hold" in result.stdout
    assert "too many" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--input", "100x200"), "--input 100x200 is no input: write height x width, multiples"),
        (("--input", "big"), "--input big is no input"),
        (("--input", "256x416", "--long-side", "640"), "both say how large the input is"),
        (("--clip", "none.mp4"), "there is no clip none.mp4"),
        (("--fps", "0"), "--fps 0 is no frame rate"),
        (("clip.mp4",), "what is clip.mp4 for? Name clips with --files"),
        (("--model", "a", "--model", "b"), "--model may be repeated with --files only"),
        (("--peers", "--fps", "5"), "--peers runs every frame"),
        (("--peers", "--gate"), "--peers runs without the gate"),
        (("--cameras", "2", "--input", "256x416"), "--input changes nothing about --cameras"),
        (("--cameras", "2", "--long-side", "640"), "--long-side changes nothing about --cam"),
        (("--cameras", "2", "--source-fps", "7"), "--source-fps changes nothing about --cam"),
        (("--cameras", "2", "--rounds", "2"), "--rounds changes nothing about --cameras"),
        (("--files", "a.mp4", "--clip", "b.mp4"), "--clip changes nothing about --files"),
        (("--seconds", "30"), "--seconds changes nothing about a frame beside its floor"),
        (("--model", "none_such"), "none_such"),
    ],
)
def test_what_cannot_be_measured_is_said(
    call: Callable[..., Result], arguments: tuple[str, ...], said: str
) -> None:
    error = call(*arguments).exception
    assert isinstance(error, MatakotaError | ModelError), error
    assert said in str(error)


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
    monkeypatch.setattr(bench_tracker.importlib.util, "find_spec", lambda _: None)
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
    monkeypatch.setattr(bench_tracker, "PROMISED_MS", {3: 0.3})
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
