"""Viewers cost the analysis nothing worth a picture, and nothing at all once they have left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.viewers import viewing


@pytest.mark.long
def test_many_viewers_and_a_stuck_one(tmp_path: Path) -> None:
    done = viewing(tmp_path, tmp_path / "clips", viewers=10, seconds=15, fps="3")
    assert done.share > 0.5
    # a viewer that never reads holds up no other one
    assert done.least > 10
    assert done.after == 0
