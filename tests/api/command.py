"""The command line as people call it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

from api import cli
from tests.needs import REPO
from tests.nursery import nursery

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
    stdout: int | None = None,
    fresh: bool = False,
) -> Ran:
    """Run the command in ``folder``, its warnings being errors. ``first`` is Python code that runs
    in its process before it. ``fresh``: for what loading its modules does or shows."""
    words, own = [*map(str, arguments)], environment(folder, **(variables or {}))
    run = _afresh if fresh else _forked
    with _Read() as out, _Read() as err:
        code = run(words, folder, own, first, (out.end if stdout is None else stdout, err.end))
    return Ran(code, out.found, err.found.decode("utf-8"))


class _Read:
    """Reads what is written to the ``end`` of a pipe, to which no limit of a file applies."""

    def __init__(self) -> None:
        self._source, self.end = os.pipe()
        self.found = b""
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.end)
        self._thread.join()

    def _run(self) -> None:
        with open(self._source, "rb") as file:
            self.found = file.read()


def _forked(
    arguments: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    first: str,
    files: tuple[int, int],
) -> int:
    """The exit code of a process that has the modules of its command already."""
    name = next((word for word in arguments if word in cli._COMMANDS), "")
    with Path(os.devnull).open() as nothing:
        process = nursery("api.cli", __name__).start(
            f"{__name__}:begin", [first, *arguments],
            folder=folder, variables=variables, files=(nothing, *files),
            needs=f"api.cli.{name}" if name else "",
        )  # fmt: skip
    try:
        return process.wait(GUARD_S)
    finally:
        process.kill()


def begin() -> None:
    """The command in such a process, after the code that is to run before it."""
    first = sys.argv.pop(1)
    warnings.simplefilter("error")
    exec(first, {})  # noqa: S102 - the test's own words
    cli.main()


def _afresh(
    arguments: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    first: str,
    files: tuple[int, int],
) -> int:
    """The exit code of one that has loaded nothing."""
    out, err = files
    return subprocess.run(
        [*python(first), *arguments], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
        stdout=out, stderr=err, check=False, timeout=GUARD_S,
    ).returncode  # fmt: skip


def python(first: str = "") -> Sequence[str]:
    """The beginning of a command's argument list."""
    return [sys.executable, "-W", "error", "-c", f"{first}\n{CALL}"]
