"""``matakota evaluate incidents`` as people call it: a table, a file, and an exit code."""

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
    fps: full
    events:
      - {{kind: intrusion, zone: crossroads, start_s: [0, 2], count: {count}}}
  - clip: {folder}/clip.mp4
    name: alone
    watch: camera
"""
"""In the first three seconds of the plaza three people are on the crossroads."""
NAME = "clip, nanodet_g, full fps"


def table(output: str, first: str) -> list[str]:
    """The lines that begin so, with single blanks."""
    return [" ".join(line.split()) for line in output.splitlines() if line.startswith(first)]


@pytest.fixture
def write(tmp_path: Path, inputs: Path) -> Callable[..., Path]:
    def manifest(count: int = 3, more: str = "") -> Path:
        path = tmp_path / "incidents.yaml"
        path.write_text(MANIFEST.format(folder=inputs, count=count) + more)
        return path

    return manifest


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("MATAKOTA_SAMPLES", raising=False)
    return lambda *arguments: CliRunner().invoke(app, ["incidents", *map(str, arguments)])


def test_the_command(write: Callable[..., Path], tmp_path: Path) -> None:
    """Exit code 0 where the truth is met, with the table and the file."""
    result = tmp_path / "result.json"
    ran = matakota("evaluate", "incidents", write(), "--json", result, folder=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.said == []
    shown = ran.out.decode()
    found = table(shown, "clip ")
    assert len(found) == 3
    assert all(line.startswith("clip nanodet_g full intrusion crossroads 0-2") for line in found)
    assert all(line.endswith("detected") for line in found)
    assert table(shown, "alone") == ["alone camera only 5 - nothing - - - - as expected"]
    assert table(shown, "total")[0].startswith("total 3 3 0 0 0 100.0 % 100.0 %")
    assert "1 of them camera only, without a detector" in shown
    record: dict[str, Any] = json.loads(result.read_text())
    assert record.keys() == {"skipped", "settings"}
    clip, alone = record["settings"][0]["runs"]
    assert [one["verdict"] for one in clip["findings"]] == ["detected", "detected", "detected"]
    assert (alone["watch"], alone["findings"]) == ("camera only", [])
    assert record["settings"][0]["total"]["detection_rate"] == 1.0


def test_a_truth_that_is_not_met(
    call: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    missed = call(write(count=4), "--json", result)
    assert missed.exit_code == 1
    assert "- - - - MISSED" in table(missed.stdout, "clip ")[-1]
    assert json.loads(result.read_text())["settings"][0]["total"]["missed"] == 1
    false = call(write(count=2), "--fps", "full", "--fps", "5")
    assert false.exit_code == 1
    assert len([line for line in table(false.stdout, "clip ") if "FALSE" in line]) >= 1
    assert table(false.stdout, "frame rate") == ["frame rate full", "frame rate 5"]


def test_some_films_only(call: Callable[..., Result], write: Callable[..., Path]) -> None:
    ran = call(write(count=4), "--only", "al*")
    assert ran.exit_code == 0
    assert table(ran.stdout, "clip ") == []
    assert len(table(ran.stdout, "alone ")) == 1


def test_the_baseline(
    call: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    """An error that rose is exit code 1, one that fell tells how to renew the file."""
    baseline, result = tmp_path / "baseline.json", tmp_path / "result.json"

    def known(detected: int, false: int) -> None:
        of_kind = {"detected": Passages(truth=3, counted=detected)}
        stated = {"stated": Passages(truth=0, counted=false)}
        baseline.write_text(
            written({NAME: {"intrusion": of_kind, "false alerts": stated}, "another": {}})
        )

    known(3, 0)
    same = call(write(), "--baseline", baseline, "--json", result)
    assert same.exit_code == 0, same.stdout
    assert json.loads(result.read_text())["baseline"] == {
        "worse": [], "better": [], "new": ["alone, camera only, 5 fps"], "not_run": ["another"],
    }  # fmt: skip
    some = call(write(), "--only", "clip", "--baseline", baseline)
    assert (some.exit_code, "but not run" in some.stdout) == (0, False)
    known(2, 1)
    better = call(write(), "--baseline", baseline)
    assert better.exit_code == 0
    assert "kind 'intrusion' is off by 0, and by 1 in the baseline; renew it" in better.stdout
    assert "kind 'false alerts' is off by 0, and by 1 in the baseline; renew" in better.stdout
    assert call(write(), "--baseline", baseline, "--renew").exit_code == 0
    assert json.loads(baseline.read_text())[NAME]["intrusion"]["detected"]["counted"] == 3
    worse = call(write(count=2), "--baseline", baseline)
    assert worse.exit_code == 1
    assert f"worse: {NAME}: kind 'false alerts' is off by 1, and by 0" in worse.stdout


def test_a_missing_clip(call: Callable[..., Result], write: Callable[..., Path]) -> None:
    more = "  - {local: gone.mp4, watch: camera}\n"
    ran = call(write(more=more))
    assert isinstance(ran.exception, ExpectationError)
    assert "there is no gone.mp4 in the folder of MATAKOTA_SAMPLES" in str(ran.exception)
    ran = call(write(more=more), "--skip-missing", "--only", "alone")
    assert ran.exit_code == 0
    assert "left out, not on this machine: gone" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--renew",), OutputError, "--renew needs to know the file: name it with --baseline"),
        (("--fps", "0"), MatakotaError, "--fps 0 is no frame rate"),
        (("--only", "night*"), ExpectationError, "--only 'night.' names no film: choose among cl"),
        (("--json", "incidents.yaml"), OutputError, "--json .* would overwrite a file that"),
        (("--json", "{inputs}/scene.yaml"), OutputError, "scene.yaml would overwrite a"),
        (("--baseline", "{inputs}/clip.mp4", "--renew"), OutputError, "clip.mp4 would overwrite"),
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
    assert {path.name for path in tmp_path.iterdir()} == {"incidents.yaml"}
