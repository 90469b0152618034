"""Whole sample clips against the truth: what the product counts and raises, with both models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.command import matakota, read_records
from tests.needs import REPO

PLAZA = ("samples/clips/plaza.mp4", "--scene", "samples/scenes/plaza.yaml")
EXPECT_PLAZA = ("--expect", "samples/expected/plaza.yaml")


def analysed(folder: Path, *arguments: str | Path, **variables: str) -> list[dict[str, Any]]:
    """The records of an analysis that met its expectations, if it was given any."""
    out = folder / "out.jsonl"
    ran = matakota("analyse", *arguments, "--out", out, folder=REPO, variables=variables)
    assert (ran.code, ran.out) == (0, b""), ran.err
    return read_records(out.read_bytes())


def passages(records: list[dict[str, Any]], line: str) -> dict[str, int]:
    counts = records[-1]["counts"][line]
    return {direction: sum(classes.values()) for direction, classes in counts.items()}


@pytest.fixture(scope="module")
def plaza(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the result of the whole plaza clip, every frame, default model."""
    folder = tmp_path_factory.mktemp("plaza")
    analysed(folder, *PLAZA, *EXPECT_PLAZA, "--source-fps", "7")
    return folder


def test_plaza_is_counted(plaza: Path) -> None:
    records = read_records((plaza / "out.jsonl").read_bytes())
    assert (records[-1]["frames"], records[-1]["analysed"]) == (795, 795)
    counted = passages(records, "square")
    assert counted["westbound"] == pytest.approx(19, abs=3)
    assert counted["eastbound"] == pytest.approx(15, abs=3)


def test_plaza_has_two_loiterers(plaza: Path) -> None:
    records = read_records((plaza / "out.jsonl").read_bytes())
    stays = [record for record in records if record.get("kind") == "loitering"]
    assert len(stays) == 2
    assert len({tuple(stay["track_ids"]) for stay in stays}) == 2
    for stay in stays:
        assert stay["raised_offset_s"] - stay["start_offset_s"] == pytest.approx(12.5, abs=0.5)


@pytest.mark.long
def test_plaza_gives_the_same_bytes_again(tmp_path: Path) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    for folder in (once, again):
        folder.mkdir()
        analysed(folder, *PLAZA, "--source-fps", "7", "--fps", "2")
    assert (once / "out.jsonl").read_bytes() == (again / "out.jsonl").read_bytes()


def sample(name: str, part: str, mirror: str) -> str:
    """What ``matakota samples path`` prints, as a script would ask for it."""
    ran = matakota(
        "samples", "path", name, "--part", part, folder=REPO,
        variables={"MATAKOTA_SAMPLES": mirror},
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return ran.out.decode().removesuffix("\n")


@pytest.mark.parametrize(("model", "tolerance"), [("nanodet_g", 1), ("yolox_nano.onnx", 0)])
def test_road_is_counted(model: str, tolerance: int, shared: Path, tmp_path: Path) -> None:
    parts = {part: sample("road", part, str(shared / "clips")) for part in ("clip", "scene")}
    expect = sample("road", "expect", str(shared / "clips"))
    weights = shared / "models" / model if model.endswith(".onnx") else model
    records = analysed(
        tmp_path, parts["clip"], "--scene", parts["scene"], "--expect", expect,
        "--model", weights, "--fps", "12",
    )  # fmt: skip
    assert records[-1]["analysed"] == pytest.approx(records[-1]["frames"] / 2, abs=1)
    counted = passages(records, "gate")
    assert counted["toward"] == pytest.approx(8, abs=tolerance)
    assert counted["away"] == 0


def test_six_people_stay_at_the_table(shared: Path, tmp_path: Path) -> None:
    mirror = str(shared / "clips")
    clip, scene, expect = (sample("table", part, mirror) for part in ("clip", "scene", "expect"))
    records = analysed(tmp_path, clip, "--scene", scene, "--expect", expect, "--fps", "5")
    assert [record["type"] for record in records] == ["event"] * 6 + ["summary"]
