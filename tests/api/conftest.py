"""A folder with a short clip, its scene and everything that must be refused; a full disk."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.api.bad_inputs import prepare


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be read only: results go elsewhere."""
    folder = tmp_path_factory.mktemp("inputs")
    prepare(folder)
    return folder


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose disk has not a byte left."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        (folder / "old.jsonl").write_text("old")
        with (folder / "filler").open("wb", buffering=0) as filler:
            _fill(filler)
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _fill(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
