"""``matakota evaluate counts`` as people call it: a table, a file, and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli.evaluate import app
from streams.evaluation.baseline import Passages, written
from tests.api.command import matakota
from vision.errors import ExpectationError, MatakotaError, OutputError

MANIFEST = """\
clips:
  - clip: {folder}/clip.mp4
    scene: {folder}/scene.yaml
    truth:
      - {{line: square, direction: westbound, class: person, {west}}}
      - {{line: square, direction: eastbound, class: person, count: 0}}
"""
"""In the first three seconds of the plaza one person passes westbound."""


def table(output: str, first: str) -> list[str]:
    """The lines that begin so, with single blanks."""
    return [" ".join(line.split()) for line in output.splitlines() if line.startswith(first)]


@pytest.fixture
def write(tmp_path: Path, inputs: Path) -> Callable[..., Path]:
    def manifest(count: int = 1, more: str = "", tolerance: int = 0) -> Path:
        path = tmp_path / "counts.yaml"
        west = f"count: {count}, tolerance: {tolerance}"
        stated = MANIFEST.format(folder=inputs, west=west)
        path.write_text(stated + more)
        return path

    return manifest


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("MATAKOTA_SAMPLES", raising=False)
    return lambda *arguments: CliRunner().invoke(app, ["counts", *map(str, arguments)])


def test_the_command(write: Callable[..., Path], tmp_path: Path) -> None:
    """Exit code 0 where the truth is met, with the table and the file."""
    result = tmp_path / "result.json"
    ran = matakota("evaluate", "counts", write(), "--json", result, folder=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.said == []
    shown = ran.out.decode()
    assert table(shown, "clip ")[1:] == [
        "clip nanodet_g full square westbound person 1 1 0 0 yes 0",
        "clip nanodet_g full square eastbound person 0 0 0 0 yes 0",
    ]
    assert table(shown, "line")[0] == "line clip: square 1 1 0 0.0 %"
    assert table(shown, "truth 0")[0] == "truth 0 rows where nothing passed 0 0 0 -"
    assert table(shown, "total")[0] == "total all rows 1 1 0 0.0 %"
    assert "direction error: 0.0 % (0 of 1 on lines" in shown
    assert "s of CPU per 1000 frames (21 of 21 analysed)" in shown
    record: dict[str, Any] = json.loads(result.read_text())
    assert record.keys() == {"skipped", "settings", "agreement"}
    (run,) = record["settings"][0]["runs"]
    assert run.pop("cpu_s_per_1000_frames") > 0
    assert run.pop("rows")[0] == {
        "line": "square", "direction": "westbound", "class": "person", "truth": 1,
        "tolerance": 0, "counted": 1, "error": 0, "late": 0, "within": True,
    }  # fmt: skip
    assert run == {
        "clip": "clip", "model": "nanodet_g", "fps": "full", "frames": 21, "analysed": 21,
    }  # fmt: skip


def test_a_truth_that_is_not_met(
    call: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    ran = call(write(count=2), "--fps", "full", "--fps", "3.5", "--json", result)
    assert ran.exit_code == 1
    assert "clip nanodet_g full square westbound person 2 1 -1 0 NO 0" in table(ran.stdout, "clip ")
    assert "clip nanodet_g square full, 3.5 0" in table(ran.stdout, "clip ")
    assert [one["within"] for one in json.loads(result.read_text())["agreement"]] == [0]


def test_what_is_asked_twice_is_shown_once(
    call: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    again = ("--fps", "7/2", "--model", "nanodet_g")
    ran = call(write(), "--fps", "3.5", "--model", "nanodet_g", *again, "--json", result)
    assert ran.exit_code == 0
    assert len(json.loads(result.read_text())["settings"]) == 1


def test_the_baseline(
    call: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    """An error that rose is exit code 1, one that fell tells how to renew the file."""
    baseline, result = tmp_path / "baseline.json", tmp_path / "result.json"
    name, manifest = "clip, nanodet_g, full fps", write(2, tolerance=1)

    def known(counted: int) -> None:
        east = Passages(truth=0, counted=0)
        west = Passages(truth=2, counted=counted)
        lines = {"square": {"westbound, person": west, "eastbound, person": east}}
        baseline.write_text(written({name: lines, "another": {}}))

    known(2)
    worse = call(manifest, "--baseline", baseline, "--json", result)
    assert worse.exit_code == 1
    said = f"{name}: line 'square' is off by 1, and by 0 in the baseline"
    assert f"worse: {said}" in worse.stdout
    assert json.loads(result.read_text())["baseline"] == {
        "worse": [said], "better": [], "new": [], "not_run": ["another"],
    }  # fmt: skip

    known(4)
    better = call(manifest, "--baseline", baseline)
    assert better.exit_code == 0, better.stdout
    assert "is off by 1, and by 2 in the baseline; renew it with --renew" in better.stdout
    assert "in it, but not run: another" in better.stdout

    assert call(manifest, "--baseline", baseline, "--renew").exit_code == 0
    renewed = baseline.read_text()
    known(1)
    assert baseline.read_text() == renewed


def test_a_missing_clip(call: Callable[..., Result], write: Callable[..., Path]) -> None:
    more = "  - {clip: gone.mp4, scene: gone.yaml, truth: []}\n"
    ran = call(write(more=more))
    assert isinstance(ran.exception, ExpectationError)
    assert "there is no clip" in str(ran.exception)
    ran = call(write(more=more), "--skip-missing")
    assert ran.exit_code == 0
    assert "left out, not on this machine: gone" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--renew",), OutputError, "--renew needs to know the file: name it with --baseline"),
        (("--fps", "0"), MatakotaError, "--fps 0 is no frame rate"),
        (("--json", "counts.yaml"), OutputError, "--json .* would overwrite a file that"),
        (("--json", "{inputs}/scene.yaml"), OutputError, "scene.yaml would overwrite a"),
        (("--baseline", "{inputs}/clip.mp4", "--renew"), OutputError, "clip.mp4 would overwrite"),
        (("--model", "a/x.onnx", "--model", "b/x.onnx"), MatakotaError, "have the same name in"),
        (("--json", "a", "--baseline", "a"), OutputError, "--json a would overwrite a file"),
        (("--baseline", "none.json"), ExpectationError, "there is no baseline none.json: check"),
        (("--json", "none/a.json"), OutputError, "its folder does not exist; .* another --json"),
    ],
)
def test_a_wrong_call(
    arguments: tuple[str, ...],
    error: type[MatakotaError],
    words: str,
    call: Callable[..., Result],
    write: Callable[..., Path],
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = call(write(), *(word.format(inputs=inputs) for word in arguments))
    assert type(ran.exception) is error
    with pytest.raises(error, match=words):
        raise ran.exception
    assert {path.name for path in tmp_path.iterdir()} == {"counts.yaml"}
