"""``matakota evaluate tracking`` from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from api.cli import evaluate as command
from streams.evaluation import peers, scores
from streams.evaluation.mot import Rows, Sequence, read_sequences, track, write_sequence
from tests.api.command import matakota
from tests.needs import REPO
from vision.errors import OutputError, SequenceError
from vision.types import Detections

pytest.importorskip("trackeval", reason="needs the dependency group 'measure'")

BASELINE = REPO / "tests/baselines/tracking.json"
LENGTH = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sequences of somebody who stands there, detected in every picture of the one, and from
    the sixth to the fifteenth in the other."""
    place = tmp_path_factory.mktemp("mot")
    box = np.array([[100, 50, 140, 150]], np.float32)
    there = Detections(box, np.full(1, 0.9, np.float32), np.zeros(1, np.int32))
    frames = list(range(1, LENGTH + 1))
    truth = Rows.of(frames, [1] * LENGTH, [box[0]] * LENGTH)
    for name, seen in {"always": range(1, LENGTH + 1), "half": range(6, 16)}.items():
        found = tuple(there if f in seen else Detections.empty() for f in frames)
        write_sequence(place / name, Sequence(name, 10.0, (640, 480), found, truth))
    return place


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return lambda *arguments: CliRunner().invoke(command.app, ["tracking", *map(str, arguments)])


def table(result: Result) -> dict[tuple[str, str], list[str]]:
    """What a row says, by its sequence and tracker."""
    rows = {}
    for line in result.stdout.splitlines()[1:]:
        words = line.replace(", ", ",").split()
        if len(words) == 8:
            rows[words[0], words[1]] = words[2:]
    return rows


def test_a_recording_is_scored_whole_and_the_live_view_beside_it(
    call: Callable[..., Result], folder: Path
) -> None:
    result = call(folder)
    assert result.exit_code == 0, result.output
    rows = table(result)
    assert rows["always", "matakota"] == ["100.0"] * 5 + ["0"]
    # live, the id comes with the third box: 18 of 20 and 8 of 20
    assert rows["always", "matakota,live"][:2] == ["90.0", "90.0"]
    assert rows["half", "matakota"][:4] == ["50.0"] * 4
    assert rows["half", "matakota,live"][:4] == ["40.0"] * 4
    assert rows["combined", "matakota"][3] == "75.0"
    assert len(rows) == 6
    assert "peer" not in result.stdout


def test_peers_are_scored_on_the_same_boxes(call: Callable[..., Result], folder: Path) -> None:
    pytest.importorskip("trackers", reason="needs the dependency group 'measure'")
    result = call(folder, "--peers", "--json", "scores.json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(Path("scores.json").read_text())
    assert set(told) == {"combined", "sequences", "live"}
    assert list(told["combined"]) == ["matakota", *peers.PEERS]
    assert set(told["sequences"]) == {"always", "half"}
    assert list(told["sequences"]["half"]) == ["matakota", *peers.PEERS]
    assert set(told["live"]["sequences"]["half"]) == {"matakota"}
    assert told["sequences"]["half"]["matakota"] == {
        "HOTA": 50, "DetA": 50, "AssA": 50, "MOTA": 50, "IDF1": pytest.approx(66.667), "IDSW": 0,
    }  # fmt: skip
    assert told["live"]["sequences"]["always"]["matakota"]["HOTA"] == 90
    rows = table(result)
    for name in peers.PEERS:
        assert told["sequences"]["always"][name]["HOTA"] > 80
        assert rows["combined", name][0] == f"{told['combined'][name]['HOTA']:.1f}"
    best = max(peers.PEERS, key=lambda name: told["combined"][name]["HOTA"])
    margin = told["combined"]["matakota"]["HOTA"] - told["combined"][best]["HOTA"]
    assert f"HOTA is {margin:.1f} above the best peer's ({best}, " in result.stdout


def test_a_peer_that_is_better_is_said_to_be(
    call: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "track", lambda _, sequence: sequence.truth)
    # ours: 30 of 40 boxes, 20 of them associated by 1 and 10 by a half, so √(0.75 · 25 / 30)
    assert "HOTA is 20.9 below the best peer's (sort, 100.0)" in call(folder, "--peers").stdout


def test_a_missing_peer_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    ran = matakota(
        "evaluate", "tracking", folder, "--peers", "--json", "scores.json",
        folder=tmp_path, first="import sys; sys.modules['trackers'] = None",
    )  # fmt: skip
    assert ran.code == 2
    (said,) = ran.said
    assert "trackers is not installed: run 'make setup', or 'pip install supervision' and " in said
    assert not (tmp_path / "scores.json").exists()


def test_wrong_places_are_refused(call: Callable[..., Result], folder: Path) -> None:
    assert isinstance(call("none").exception, SequenceError)
    assert isinstance(call(folder, "--json", "none/scores.json").exception, OutputError)
    truth = folder / "half" / "gt.txt"
    before = truth.read_text()
    refused = call(folder, "--json", truth).exception
    assert isinstance(refused, OutputError)
    assert "would overwrite a file of a sequence" in str(refused)
    assert truth.read_text() == before


@pytest.mark.long
def test_tracking_is_no_worse_than_it_was(shared: Path) -> None:
    """``tests/baselines/tracking.json`` holds what was measured; a change may only improve on it.

    The peers' figures stand there too: one that moves means that they are run in another way.
    """
    known = json.loads(BASELINE.read_text("utf-8"))
    sequences = read_sequences(shared / "mot15")
    views = [track(one) for one in sequences]
    results = {"matakota": [v.recorded for v in views], "live": [v.live for v in views]}
    results |= {name: [peers.track(name, one) for one in sequences] for name in peers.PEERS}
    got = {
        name: round(one.combined.hota, 1) for name, one in scores.score(sequences, results).items()
    }
    print(json.dumps(got, indent=1))
    for name in ("matakota", "live"):
        assert got[name] >= known[name], "improve, or say in the baseline why not"
    for name in peers.PEERS:
        assert got[name] == pytest.approx(known[name], abs=0.3), "run the peers as before"
