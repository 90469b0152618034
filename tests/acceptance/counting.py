"""The counting part of the acceptance run: ``evaluate counts`` on the clips of the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.acceptance.evaluating import SHARED, evaluated
from tests.acceptance.result import Result, judge
from tests.needs import REPO

MANIFEST = REPO / "samples/counts.yaml"
BASELINE = REPO / "tests/baselines/counts.json"
MODELS = {"NanoDet-g": "nanodet_g", "YOLOX-nano": str(SHARED / "models/yolox_nano.onnx")}
PROMISED = {
    "NanoDet-g": {"plaza": 2, "road": 0, "carpark": 0},
    "YOLOX-nano": {"plaza": 1, "road": 0},
}
"""How far off each number of a clip may be. The car park is counted by motion, without a model."""
RATES = ("full", "10", "5")
AGREE_WITHIN = 1


def counting(folder: Path, command: list[str]) -> Iterator[Result]:
    """Both models at three frame rates, against the truth, each other and the baseline."""
    for name, model in MODELS.items():
        if model.endswith(".onnx") and not Path(model).is_file():
            yield Result(f"counts with {name}", f"needs {model}", "not run")
            continue
        record = evaluated(
            folder,
            command,
            *("counts", str(MANIFEST), "--model", model),
            *(word for rate in RATES for word in ("--fps", rate)),
            baseline=BASELINE,
        )
        if isinstance(record, str):
            yield Result(f"counts with {name}", record, "short")
            continue
        yield from judged(name, record)


def judged(name: str, record: dict[str, Any]) -> Iterator[Result]:
    """What the JSON file of a run with the model called ``name`` says."""
    by_rate = {
        setting["fps"]: {run["clip"]: run for run in setting["runs"]}
        for setting in record["settings"]
    }
    for clip, most in PROMISED[name].items():
        runs = [runs[clip] for runs in by_rate.values() if clip in runs]
        exactly = f"within {most}" if most else "exactly"
        truth = " and ".join(str(row["truth"]) for row in runs[0]["rows"]) if runs else "counts"
        by = runs[0]["model"] if runs else name
        promised = f"{clip}, {by}, at {_rates(list(by_rate))} fps: {truth} {exactly}"
        if not runs:
            yield Result(promised, f"needs the clip of sample '{clip}'", "not run")
            continue
        rows = [row for run in runs for row in run["rows"]]
        found = [" and ".join(str(row["counted"]) for row in run["rows"]) for run in runs]
        yield judge(promised, "; ".join(found), all(abs(row["error"]) <= most for row in rows))
    yield agreement(name, by_rate["10"], by_rate["5"])
    worse = record["baseline"]["worse"]
    yield judge(
        f"counts with {name}: no error sum above the committed baseline",
        "; ".join(worse) or f"none; {len(record['baseline']['better'])} below it",
        not worse,
    )


def agreement(name: str, ten: dict[str, Any], five: dict[str, Any]) -> Result:
    """The greatest difference between the two rates at each line of each clip."""
    apart: dict[str, int] = {}
    for clip, run in ten.items():
        for row, other in zip(run["rows"], five[clip]["rows"], strict=True):
            line = f"{clip}: {row['line']}"
            apart[line] = max(apart.get(line, 0), abs(row["counted"] - other["counted"]))
    return judge(
        f"counts with {name}: 10 and 5 fps agree within {AGREE_WITHIN} per line",
        ", ".join(f"{line} {most}" for line, most in apart.items()),
        all(most <= AGREE_WITHIN for most in apart.values()),
    )


def _rates(rates: list[str]) -> str:
    return f"{', '.join(rates[:-1])} and {rates[-1]}"
