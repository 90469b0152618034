"""Whole programs of peers beside ours, on the same clip, line and weights, each in a process of its
own, which is asked by ``Order`` and answers with ``Answer``."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from vision.errors import MatakotaError

WARM_UP: Final = 10
"""Pictures that are not measured: the first ones load a model."""
CHILD_S: Final = 1800.0
ROOT: Final = Path(__file__).resolve().parents[2]
"""A child runs the same program as this one, wherever that lies."""
WHOLES: Final = {
    "ultralytics ObjectCounter": ("counter", False),
    "ultralytics ObjectCounter, one thread": ("counter", True),
    "supervision + roboflow trackers": ("supervision", False),
    "supervision + roboflow trackers, one thread": ("supervision", True),
}
"""What each is called, which of them it is, and whether it has one core only."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a peer is to do: ``line`` from one point (px) to another, ``classes`` by their numbers
    among ``names``, ``long_side`` of its input in px, ``rate`` of the clip in pictures a second."""

    model: str
    clip: str
    line: tuple[tuple[float, float], tuple[float, float]]
    classes: tuple[int, ...]
    names: tuple[str, ...]
    long_side: int
    rate: float
    one_thread: bool

    @staticmethod
    def of(text: str) -> Order:
        """The order that ``text`` wrote."""
        said = json.loads(text)
        start, end = said.pop("line")
        classes, names = map(tuple, (said.pop("classes"), said.pop("names")))
        return Order(line=(tuple(start), tuple(end)), classes=classes, names=names, **said)

    def text(self) -> str:
        """The order as it is given to a child."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer took: CPU milliseconds a picture, how many there were, how many passed the line
    in its two directions, and how many cores it had."""

    ms: float
    frames: int
    counts: tuple[int, int]
    threads: int


def run(kind: str, order: Order) -> Answer:
    """Let a peer do it. Raises MatakotaError where it is not installed or fails."""
    for package in ("ultralytics", "onnx", *(["supervision"] if kind == "supervision" else [])):
        if importlib.util.find_spec(package) is None:
            raise MatakotaError(f"{package} is not installed (docs/performance.md)")
    said = json.loads(child([kind, order.text()], CHILD_S))
    first, second = said["counts"]
    return Answer(said["ms"], said["frames"], (first, second), said["threads"])


def child(arguments: Sequence[str], seconds: float) -> str:
    """The last line that a child says that may use Ultralytics: its licence keeps it out of this
    process. Raises MatakotaError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        # It writes settings, looks for the internet and installs what it lacks, unless told.
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
        quiet = {"YOLO_CONFIG_DIR": folder, "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
        try:
            ran = subprocess.run(
                [sys.executable, "-P", "-m", "streams.evaluation.agpl", *arguments],
                env={**os.environ, **quiet, "PYTHONPATH": path},
                capture_output=True,
                text=True,
                timeout=seconds,
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            raise MatakotaError(f"it took more than {seconds:.0f} s") from error
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
            raise MatakotaError(f"it failed ({last})") from error
    return (ran.stdout.strip().splitlines() or [""])[-1]
