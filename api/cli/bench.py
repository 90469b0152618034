"""``matakota bench``: what parts of the program cost on this machine, beside their peers."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.table import Table

from api.cli import bench_store
from api.cli.tables import print_table
from streams.evaluation import cost, peers
from streams.output import AtomicText
from vision.errors import MatakotaError

PROMISED_MS = {20: 0.3, 100: 0.8}
"""Objects in the picture, and the most CPU milliseconds that our tracker may take for it."""
CHILD_S = 300.0
STORE_ROUNDS = 200

Costs: TypeAlias = dict[int, dict[str, float | str]]
"""For each number of objects each tracker's CPU milliseconds, or why it was not run."""


def bench(
    tracker: Annotated[
        bool,
        typer.Option("--tracker", help="The tracker, beside those of roboflow and ultralytics."),
    ] = False,
    store: Annotated[
        bool,
        typer.Option("--store", help="The database, filled with a year of made-up counts."),
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help=f"Rounds: {cost.ROUNDS} of a tracker, of which the median counts, "
            f"{STORE_ROUNDS} of a question to the store.",
            show_default=False,
        ),
    ] = None,
    cameras: Annotated[
        int, typer.Option(min=1, max=10_000, help="So many cameras are in the store.")
    ] = 468,
    weeks: Annotated[
        int, typer.Option(min=1, max=520, help="So many weeks of each are in the store.")
    ] = 52,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the store is filled, some GB that are removed afterwards; the system's "
            "folder for such files by default.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures as JSON.")
    ] = None,
) -> None:
    """Measure what parts of the program cost on this machine. It judges nothing: the exit code is
    0."""
    if not (tracker or store):
        raise MatakotaError(
            "say what to measure: 'matakota bench --tracker' or 'matakota bench --store'"
        )
    figures: dict[str, object] = {}
    with ExitStack() as stack:
        out = None
        if json_file is not None:
            out = stack.enter_context(AtomicText(json_file, option="--json"))
        if tracker:
            costs = _tracker_costs(rounds or cost.ROUNDS)
            _show(costs)
            figures["tracker"] = {str(n): _numbers(row) for n, row in costs.items()}
            figures["promised_ms"] = {str(n): limit for n, limit in PROMISED_MS.items()}
        if store:
            figures["store"] = bench_store.measure(cameras, weeks, rounds or STORE_ROUNDS, folder)
        if out is not None:
            out.write(json.dumps(figures, indent=1) + "\n")
            out.commit()


def _tracker_costs(rounds: int) -> Costs:
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
    with tempfile.TemporaryDirectory() as folder:
        # It writes settings, looks for the internet and installs what it lacks, unless told.
        quiet = {"YOLO_CONFIG_DIR": folder, "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
        try:
            ran = subprocess.run(
                [sys.executable, "-m", "streams.evaluation.agpl", str(objects), str(rounds)],
                env={**os.environ, **quiet},
                capture_output=True,
                text=True,
                timeout=CHILD_S,
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            raise MatakotaError(f"it took more than {CHILD_S:.0f} s") from error
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
            raise MatakotaError(f"it failed ({last})") from error
    return float(ran.stdout.split()[-1])


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
