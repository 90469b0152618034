"""``matakota evaluate oracle`` from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli import evaluate as command
from api.cli import evaluate_oracle
from streams.evaluation import mot
from tests.api.command import matakota
from vision.errors import MatakotaError, OutputError
from vision.oracle import Film, Score, replay
from vision.oracle_film import LEVELS
from vision.oracle_scenes import FAMILIES, measure, shoot

FAST = ("--family", "speeds", "--family", "beside", "--scenes", 1, "--seed", 5)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(command.app, ["oracle", *map(str, arguments)])


def test_the_table_says_what_was_measured(call: Callable[..., Result], tmp_path: Path) -> None:
    result = call(*FAST, "--level", "clean", "--level", "rough", "--json", "figures.json")
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["seeds"] == [5, 5]
    rows = {(row["level"], row["family"]): row for row in figures["rows"]}
    assert list(rows) == [
        (level, family) for level in ("clean", "rough") for family in ("speeds", "beside", "all")
    ]
    score = measure("speeds", "clean", [5])
    row = rows["clean", "speeds"]
    assert (row["objects"], row["truth"], row["counted"]) == (
        score.objects, score.truth, score.counted,
    )  # fmt: skip
    assert score.truth > 0
    assert (row["error"], row["class_right"], row["kept"]) == (0, 1, True)
    assert rows["rough", "speeds"]["kept"] is None
    assert rows["clean", "all"]["objects"] == score.objects + rows["clean", "beside"]["objects"]
    lines = [line.split() for line in result.stdout.splitlines()]
    counts = [*map(str, (score.objects, score.truth, score.counted)), "0", "0", "0.00", "100.00"]
    assert ["clean", "speeds", *counts] in [line[:9] for line in lines]


def test_a_promise_that_is_not_kept_is_exit_code_1(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Score(objects=10, truth=10, counted=9, off=1, missed=1)
    monkeypatch.setattr(evaluate_oracle, "measure", lambda *_: bad)
    result = call(*FAST, "--level", "clean")
    assert result.exit_code == 1
    assert "not kept" in result.stdout
    # what nobody can foresee, and what nothing is promised for, are no reason
    assert call("--family", "hidden-braking", "--level", "rough").exit_code == 0


def test_exported_scenes_are_sequences_with_their_truth(
    call: Callable[..., Result], tmp_path: Path
) -> None:
    result = call("--family", "speeds", "--level", "noisy", "--scenes", 2, "--export", "out")
    assert result.exit_code in {0, 1}, result.output
    sequences = mot.read_sequences(tmp_path / "out")
    assert [one.name for one in sequences] == ["speeds-noisy-0", "speeds-noisy-1"]
    shown = shoot("speeds", "noisy", 1)
    one = sequences[1]
    assert (one.frame_rate, one.size, one.length) == (shown.fps, shown.size, len(shown.shots))
    assert [len(found) for found in one.detections] == [len(shot.found) for shot in shown.shots]
    assert len(one.truth) == sum(len(shot.present) for shot in shown.shots)
    assert sum(one.truth.counted) == sum(int(shot.can_be_seen.sum()) for shot in shown.shots)
    text = (tmp_path / "out/speeds-noisy-1/oracle.json").read_text(encoding="utf-8")
    recorded = Film.from_json(json.loads(text))
    assert recorded.passages == shown.passages
    assert replay(recorded).score == replay(shown).score


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--family", "planes"), "--family planes is unknown: use " + ", ".join(FAMILIES)),
        (("--level", "fog"), "--level fog is unknown: use " + ", ".join(LEVELS)),
    ],
)
def test_an_unknown_name_is_one_sentence(
    call: Callable[..., Result], arguments: tuple[str, ...], said: str
) -> None:
    result = call(*arguments)
    assert isinstance(result.exception, MatakotaError)
    assert str(result.exception) == said


def test_a_place_that_cannot_be_written_is_said_before_the_work(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate_oracle, "measure", lambda *_: pytest.fail("measured"))
    result = call(*FAST, "--json", "nowhere/figures.json")
    assert isinstance(result.exception, OutputError)
    Path("file").write_text("", encoding="utf-8")
    result = call(*FAST, "--export", "file")
    assert isinstance(result.exception, OutputError)


def test_it_is_a_command(tmp_path: Path) -> None:
    ran = matakota("evaluate", "oracle", "--family", "planes", folder=tmp_path)
    assert ran.code == 2
    assert ran.said == [f"matakota: --family planes is unknown: use {', '.join(FAMILIES)}"]
