"""What tests of files share: a disk that is soon full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that holds 256 KiB."""
    with disks.small_disk(tmp_path / "small", "256k") as folder:
        yield folder
