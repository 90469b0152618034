"""The manifest that ships: its truth is what people labelled, and the errors of the counts on its
clips may only become fewer than in ``tests/baselines/counts.json``.

A better figure is written by ``matakota evaluate counts samples/counts.yaml --model nanodet_g
--model YOLOX.onnx --fps full --fps 10 --fps 5 --baseline tests/baselines/counts.json --renew``.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.zoo import resolve
from streams import samples
from streams.detector import Detectors
from streams.evaluation.baseline import baseline_of, compare, read_baseline
from streams.evaluation.clips import FULL
from streams.evaluation.counts import Agreement, Evaluation, Setting
from streams.evaluation.manifest import Manifest, load_manifest
from tests.needs import REPO

BASELINE = REPO / "tests/baselines/counts.json"
MANIFEST = REPO / "samples/counts.yaml"
SEQUENCES = {
    "plaza": "PETS09-S2L1",
    "tud_campus": "TUD-Campus",
    "tud_stadtmitte": "TUD-Stadtmitte",
}
RATES = {
    "nanodet_g": (FULL, Fraction(10), Fraction(5)),
    "nanodet_g_int8": (Fraction(10),),
    "yolox_nano.onnx": (Fraction(10), Fraction(5)),
}
"""The larger model takes minutes for every picture."""


@pytest.fixture
def manifest(shared: Path) -> Manifest:
    places = samples.Places(shared / "clips", Path("/nonexistent"))
    return load_manifest(MANIFEST, places, default_model="nanodet_g")


def feet(labels: Path) -> Iterator[NDArray[np.float64]]:
    """The middle (k, 2) of the lower edge of each labelled person's box, in the frames' order."""
    rows = np.loadtxt(labels, delimiter=",", ndmin=2)
    for person in np.unique(rows[:, 1]):
        mine = rows[rows[:, 1] == person]
        mine = mine[np.argsort(mine[:, 0])]
        yield np.column_stack([mine[:, 2] + mine[:, 4] / 2, mine[:, 3] + mine[:, 5]])


def passages(x: NDArray[np.float64], at: float, clear: float) -> tuple[int, int]:
    """How often ``x`` goes up over ``at`` and down, between places ``clear`` px or more off it."""
    sides = np.sign(x[np.abs(x - at) >= max(clear, 1e-9)] - at)
    turns = np.diff(sides)
    return int((turns > 0).sum()), int((turns < 0).sum())


@pytest.mark.parametrize("clear", [0, 8])
@pytest.mark.parametrize("clip", SEQUENCES)
def test_the_truth_is_what_people_labelled(
    clip: str, clear: float, manifest: Manifest, shared: Path
) -> None:
    """All lines of these clips are upright, so passing one is a matter of x alone."""
    (entry,) = (one for one in manifest.clips if one.name == clip)
    people = list(feet(shared / "mot15" / SEQUENCES[clip] / "gt.txt"))
    stated = {(one.line, one.direction): one.count for one in entry.truth}
    labelled = {}
    for line in entry.scene.lines:
        (at, top), (same, bottom) = line.points
        assert at == same
        assert (top, bottom) == (0, entry.scene.frame_size[1] - 1)
        each = [passages(foot[:, 0], at, clear) for foot in people]
        labelled[line.name, "eastbound"] = sum(east for east, _ in each)
        labelled[line.name, "westbound"] = sum(west for _, west in each)
    assert stated == labelled


@pytest.mark.long
@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize("model", RATES)
def test_no_count_is_worse_than_before(model: str, manifest: Manifest, shared: Path) -> None:
    weights = str(shared / "models" / model) if model.endswith(".onnx") else model
    detectors = Detectors(lambda name: resolve(name, cache=Path("/nonexistent")))
    settings = [Setting(weights, rate) for rate in RATES[model]]
    evaluation = Evaluation(manifest.clips, settings, detectors)
    runs = [run for _, runs in evaluation.runs(print) for run in runs]
    for run in runs:
        for row in run.rows:
            print(f"{run.name}: {row.line} {row.direction}, {row.what}: {row.counted}/{row.truth}")
    for found in Agreement.of(runs):
        print(f"{found.clip}, {found.model}: {found.line} agrees within {found.within}")
    compared = compare(baseline_of(runs), read_baseline(BASELINE))
    print(*compared.better, sep="\n")
    assert compared.worse == ()
    assert compared.new == (), "renew the baseline"
