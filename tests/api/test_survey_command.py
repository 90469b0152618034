"""``matakota survey`` and ``matakota recount`` as people call them."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from api.cli.recount import recount
from api.cli.survey import survey
from streams.survey import read
from tests.api.command import GUARD_S, environment, matakota, python
from tests.needs import REPO
from tests.streams.surveyed import MOVED, SCENE, contents, film
from tests.waiting import wait_for
from vision.errors import SurveyError

PLAZA = REPO / "samples" / "clips" / "plaza.mp4"
SQUARE = REPO / "samples" / "scenes" / "plaza.yaml"
NAME = "gate_20260131_070050.mp4"
NOON = "2026-01-31T12:00+08:00"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film, its scene, and a survey of it."""
    made = tmp_path_factory.mktemp("survey")
    (made / "out").mkdir(mode=0o755)
    film(made / NAME, 14, [(2, "east"), (7, "west")])
    (made / "scene.yaml").write_text(SCENE)
    (made / "moved.yaml").write_text(MOVED)
    ran = matakota(*command("out"), folder=made)
    assert ran.code == 0, ran.err
    assert "done" in ran.err
    return made


def command(out: str, *more: str, start: str = "names+08:00") -> list[str]:
    return [
        "survey", NAME, "--scene", "scene.yaml", "--model", "motion",
        "--start", start, "--out", out, *more,
    ]  # fmt: skip


def recounted(survey: str, scene: str, out: str) -> list[str]:
    return ["recount", survey, "--scene", scene, "--out", out]


def test_a_survey_says_what_passed_and_when(folder: Path) -> None:
    found = read(folder / "out")
    assert (found.camera, found.model, found.files[0].name) == (
        "out", "motion", NAME,
    )  # fmt: skip
    # ten seconds before and four after the minute of 07:01, UTC+8
    assert [each.start_ts for each in found.intervals] == [1_769_814_000.0, 1_769_814_060.0]
    assert [sum(each.counts.values()) for each in found.intervals] == [1, 1]
    assert found.scene.lines[0].name == "road"
    assert (folder / "out").stat().st_mode & 0o077 == 0


def test_calling_it_again_changes_nothing(folder: Path) -> None:
    before = contents(folder / "out")
    # the same moment, said otherwise
    ran = matakota(*command("out", start="2026-01-31T07:00:50+08:00"), folder=folder)
    assert ran.code == 0, ran.err
    assert contents(folder / "out") == before


def test_a_line_is_moved(folder: Path, tmp_path: Path) -> None:
    for name in ("scene", "moved"):
        ran = matakota(*recounted("out", f"{name}.yaml", str(tmp_path / name)), folder=folder)
        assert ran.code == 0, ran.err
    there = (folder / "out" / "counts.jsonl").read_bytes()
    assert (tmp_path / "scene" / "counts.jsonl").read_bytes() == there
    with pytest.raises(SurveyError, match="moved counts another survey and has no tracks: name"):
        recount(tmp_path / "moved", folder / "scene.yaml", tmp_path / "again")
    moved = read(tmp_path / "moved")
    assert (moved.camera, moved.scene.lines[0].points[0, 0]) == ("out", 220)
    assert sum(sum(each.counts.values()) for each in moved.intervals) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (command("out", "--chunk", "5"), "the survey in out was begun with another --chunk: name"),
        (command("out", "--camera", "other"), "the survey in out is of another camera"),
        (command("out", "--fps", "2"), "the survey in out was begun with another --fps"),
        (command("out", start=NOON), "the survey in out is of other files, or of other times"),
        ([*command("new"), "--start", NOON], "--start was given 2 times for 1 files: give it once"),
        (command("new", start="yesterday"), "--start yesterday is no time: write ISO 8601"),
        (command("new", start="1969-01-01T00:00Z"), NAME + " would be of before 1970"),
        (command("new", start="9999-12-31T23:59:50Z"), NAME + " would be of before 1970 or after"),
        (command("new", "--camera", ""), "a camera's name has 1 to 120 characters that can be"),
        (recounted("out", "scene.yaml", "out"), "out is the survey itself: name another --out"),
        (recounted("new", "scene.yaml", "other"), "there is no survey in new: name a folder that"),
        (recounted("out", "cars.yaml", "other"), "cars.yaml: nobody looked for 'car' in this sur"),
        (recounted("out", "tall.yaml", "other"), "tall.yaml: the scene is drawn on a picture of"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: list[str], words: str, folder: Path) -> None:
    before = contents(folder / "out")
    (folder / "cars.yaml").write_text(SCENE + "classes: [car]\n")
    (folder / "tall.yaml").write_text("frame_size: [180, 320]\n")
    ran = matakota(*arguments, folder=folder)
    assert ran.code == 2
    assert ran.said[-1].startswith(f"matakota: {words}")
    assert contents(folder / "out") == before
    assert not (folder / "other").exists()


def test_its_counts_are_exported_as_a_camera_s_are(folder: Path) -> None:
    asked = ["counts", "export", "--survey", "out", "--interval", "1m", "--data", "data"]
    ran = matakota(*asked, folder=folder)
    assert ran.code == 0, ran.err
    table = [line for line in ran.out.decode("utf-8-sig").splitlines() if line[:1] != "#"]
    passed = sum(sum(each.counts.values()) for each in read(folder / "out").intervals)
    assert sum(int(row["count"] or 0) for row in csv.DictReader(table)) == passed > 0
    both = matakota(*asked, "--camera", "gate", folder=folder)
    assert both.code == 2
    assert "name cameras with --camera, or one survey with --survey" in both.err


@pytest.mark.parametrize("called", [survey, recount])
def test_each_option_is_documented(called: Callable[..., None]) -> None:
    words = (REPO / "docs" / "surveys.md").read_text()
    app = typer.Typer()
    app.command()(called)
    options = [each for param in typer.main.get_command(app).params for each in param.opts]
    missing = [each for each in options if each.startswith("--") and f"`{each}`" not in words]
    assert missing in ([], ["--install-completion", "--show-completion"])


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_a_survey_that_is_killed_goes_on_and_comes_to_the_same(tmp_path: Path) -> None:
    """Killed with all its processes after its first part."""
    options = [
        "survey", str(PLAZA), "--scene", str(SQUARE), "--fps", "2.5", "--chunk", "1",
        "--start", "2026-01-31T07:00:00+08:00", "--camera", "square",
    ]  # fmt: skip
    own = environment(tmp_path)
    with subprocess.Popen(
        [*python(), *options, "--out", "killed"], cwd=tmp_path, env=own
    ) as killed:
        wait_for(lambda: [*tmp_path.glob("killed/chunks/*.json")], "a first part", GUARD_S)
        assert killed.poll() is None
        children = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    assert len(children) == 1
    wait_for(lambda: not Path(f"/proc/{children[0]}").exists(), "its child dies with it")
    assert not (tmp_path / "killed" / "counts.jsonl").exists()
    for out in ("killed", "whole"):
        ran = matakota(*options, "--out", out, folder=tmp_path)
        assert ran.code == 0, ran.err
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    lines = (tmp_path / "whole" / "counts.jsonl").read_text().splitlines()
    counts = [each["count"] for line in lines for each in json.loads(line)["counts"]]
    # 19 and 15 at every picture, a few less at 2.5 a second
    assert 29 <= sum(counts) <= 35
