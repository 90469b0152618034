"""The incident part of the acceptance run: ``evaluate incidents`` on the films that come along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.acceptance.evaluating import evaluated
from tests.acceptance.result import Result, judge
from tests.needs import REPO

LIST = REPO / "samples/incidents.yaml"
BASELINE = REPO / "tests/baselines/incidents.json"
DETECTION, PRECISION, WITHIN_S, NOTICED_S = 0.95, 0.9, 5.0, 3.0
CAMERA_ONLY = "camera only"


def incidents(folder: Path, command: list[str]) -> Iterator[Result]:
    """Every film of the list that is here, against the truth and the baseline."""
    record = evaluated(folder, command, "incidents", str(LIST), baseline=BASELINE)
    if isinstance(record, str):
        yield Result("incidents", record, "short")
        return
    yield from judged_incidents(record)


def judged_incidents(record: dict[str, Any]) -> Iterator[Result]:
    """What the JSON file says: with the detector, of cameras that were touched, of all others."""
    (setting,) = record["settings"]
    total = setting["total"]
    rate, precision, worst_s = (
        total["detection_rate"] or 0.0, total["precision"] or 0.0, total["worst_delay_s"],
    )  # fmt: skip
    yield judge(
        f"incidents: {DETECTION:.0%} detected within {WITHIN_S:g} s after they are due",
        f"{total['detected']} of {total['expected']} ({rate:.1%}), late {total['late']}, "
        f"worst {worst_s} s",
        rate >= DETECTION,
    )
    yield judge(
        f"incidents: precision {PRECISION:.0%}",
        f"{precision:.1%}, {total['false']} false in {total['footage_s'] / 3600:.2f} h",
        precision >= PRECISION,
    )
    views = [run for run in setting["runs"] if ", " in run["film"]]
    found = [
        one
        for run in views
        for one in run["findings"]
        if one["expected"] and one["kind"].startswith("camera_")
    ]
    noticed = [one for one in found if one["verdict"] == "detected"]
    slowest_s = max((one["delay_s"] for one in noticed), default=0)
    yield judge(
        f"cameras that were touched: noticed within {NOTICED_S:g} s",
        f"{len(noticed)} of {len(found)}, worst {slowest_s} s",
        bool(found) and len(noticed) == len(found),
    )
    yield judge(
        f"cameras that were touched: over within {NOTICED_S:g} s of the change's end",
        f"{sum(one['ended'] is True for one in found)} of {len(found)}",
        bool(found) and all(one["ended"] for one in found),
    )
    untouched = [run for run in setting["runs"] if run not in views]
    false = [
        f"{run['film']}: {one['kind']} at {one['raised_s']} s"
        for run in untouched
        for one in run["findings"]
        if one["verdict"] == "false" and one["kind"].startswith("camera_")
    ]
    alone = sum(run["watch"] == CAMERA_ONLY for run in untouched)
    yield judge(
        "cameras that nobody touched: nothing is said of them",
        "; ".join(false) or f"nothing in {len(untouched)} films, {alone} of them {CAMERA_ONLY}",
        not false,
    )
    worse = record["baseline"]["worse"]
    yield judge(
        "incidents: nothing worse than the committed baseline",
        "; ".join(worse) or f"nothing; {len(record['baseline']['better'])} better",
        not worse,
    )
