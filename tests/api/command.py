"""The command line as people call it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.needs import REPO

CALL = "from api.cli import main; main()"
GUARD_S = 600
"""A command that hangs is ended then; nothing is measured by it."""
LOG_LINE = re.compile(r"\d\d:\d\d:\d\d \[")
DROPPED = (
    "CI", "MATAKOTA_MODELS", "MATAKOTA_SAMPLES", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME",
)  # fmt: skip
"""Variables of this machine that change what a command does."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output read as JSON lines."""
        return read_records(self.out)

    @property
    def said(self) -> list[str]:
        """The lines of standard error that are no log lines."""
        return [line for line in self.err.splitlines() if not LOG_LINE.match(line)]


def read_records(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode("utf-8").splitlines()]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """This process's variables without the user's own folders; ``more`` on top."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    return {
        **kept, "PYTHONPATH": str(REPO), "XDG_CACHE_HOME": str(folder / ".cache"),
        "COLUMNS": "120", **more,
    }  # fmt: skip


def matakota(
    *arguments: str | Path,
    folder: Path,
    variables: Mapping[str, str] | None = None,
    first: str = "",
    stdout: int = subprocess.PIPE,
) -> Ran:
    """Run the command in ``folder``, its warnings being errors. ``first`` is Python code that runs
    in its process before it."""
    done = subprocess.run(
        [*python(first), *map(str, arguments)],
        cwd=folder,
        env=environment(folder, **(variables or {})),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        timeout=GUARD_S,
    )
    return Ran(done.returncode, done.stdout or b"", done.stderr.decode("utf-8"))


def python(first: str = "") -> Sequence[str]:
    """The beginning of a command's argument list."""
    return [sys.executable, "-W", "error", "-c", f"{first}\n{CALL}"]
