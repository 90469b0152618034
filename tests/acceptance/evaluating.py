"""Runs ``matakota evaluate`` on what is here, against the truth and the baseline."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.api.command import environment
from tests.needs import REPO

SHARED = REPO.parent / "shared"


def evaluated(
    folder: Path, command: Sequence[str], *words: str, baseline: Path
) -> dict[str, Any] | str:
    """What its JSON file says, or why there is none, in a few words."""
    result = folder / "evaluated.json"
    done = subprocess.run(
        [
            *command, "evaluate", *words, "--skip-missing",
            "--json", str(result), "--baseline", str(baseline),
        ],
        cwd=folder,
        env=environment(folder, MATAKOTA_SAMPLES=str(SHARED / "clips")),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    # exit code 1 says that something is not as it should be, which is judged by what is written
    if done.returncode not in (0, 1) or not result.is_file():
        return f"exit code {done.returncode}: {' '.join(done.stderr.splitlines()[-1:])}"
    record: dict[str, Any] = json.loads(result.read_text("utf-8"))
    result.unlink()
    return record
