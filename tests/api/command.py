"""The command line as people call it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

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
    out: list[bytes] = []
    err: list[bytes] = []
    with _read(out) as out_end, _read(err) as err_end:
        code = run(words, folder, own, first, (out_end if stdout is None else stdout, err_end))
    return Ran(code, out[0], err[0].decode("utf-8"))


@contextmanager
def _read(found: list[bytes]) -> Iterator[int]:
    """The end of a pipe, to which no limit of a file applies; what was written to it is ``found``
    at the end."""
    source, end = os.pipe()

    def read() -> None:
        with open(source, "rb") as file:
            found.append(file.read())

    thread = Thread(target=read)
    thread.start()
    try:
        yield end
    finally:
        os.close(end)
        thread.join()


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
