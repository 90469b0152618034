"""A folder with a short clip, its scene and everything that must be refused; a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.bad_inputs import prepare
from tests.disks import fill_up, small_disk


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be read only: results go elsewhere."""
    folder = tmp_path_factory.mktemp("inputs")
    prepare(folder)
    return folder


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose disk has not a byte left."""
    with small_disk(tmp_path / "full", "64k") as folder:
        (folder / "old.jsonl").write_text("old")
        fill_up(folder)
        yield folder
