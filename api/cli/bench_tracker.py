"""What the tracker costs on this machine, beside its peers: ``matakota bench --tracker``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TypeAlias

from rich.table import Table

from api.cli.tables import print_table
from streams.evaluation import cost, peers, wholes
from vision.errors import MatakotaError

PROMISED_MS = {20: 0.3, 100: 0.8}
"""Objects in the picture, and the most CPU milliseconds that our tracker may take for it."""
CHILD_S = 300.0

Costs: TypeAlias = dict[int, dict[str, float | str]]
"""For each number of objects each tracker's CPU milliseconds, or why it was not run."""


def measure(rounds: int | None) -> dict[str, object]:
    """Measure and show it; the figures."""
    costs = _costs(rounds or cost.ROUNDS)
    _show(costs)
    return {
        "tracker": {str(n): _numbers(row) for n, row in costs.items()},
        "promised_ms": {str(n): limit for n, limit in PROMISED_MS.items()},
    }


def _costs(rounds: int) -> Costs:
    costs: Costs = {}
    for objects in PROMISED_MS:
        costs[objects] = {
            "matakota": cost.ours(objects, rounds),
            "roboflow ByteTrack": _or_why_not(peers.cost, "bytetrack", objects, rounds),
            "ultralytics BYTETracker": _or_why_not(_ultralytics, objects, rounds),
        }
    return costs


def _or_why_not(measure: Callable[..., float], *what: object) -> float | str:
    try:
        return measure(*what)
    except MatakotaError as error:
        return f"not run: {error}"


def _ultralytics(objects: int, rounds: int) -> float:
    """CPU milliseconds a picture, measured by a child: its licence keeps it out of this process."""
    if importlib.util.find_spec("ultralytics") is None:
        raise MatakotaError("not installed (pip install ultralytics-opencv-headless lap)")
    said = wholes.child(["tracker", str(objects), str(rounds)], CHILD_S)
    return float(said.split()[-1])


def _numbers(row: dict[str, float | str]) -> dict[str, float | str]:
    return {
        name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()
    }


def _show(costs: Costs) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("objects", justify="right", no_wrap=True)
    table.add_column("tracker", no_wrap=True)
    table.add_column("CPU ms a picture", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for objects, row in costs.items():
        ours = row["matakota"]
        for name, value in row.items():
            if isinstance(value, str) or isinstance(ours, str):
                table.add_row(str(objects), name, "", str(value))
            elif name == "matakota":
                said = f"promised: at most {PROMISED_MS[objects]}"
                table.add_row(str(objects), name, f"{value:.2f}", said)
            else:
                table.add_row(str(objects), name, f"{value:.2f}", f"{value / ours:.1f} x ours")
    print_table(table)
