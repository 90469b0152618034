"""Whichever part of the chain stands still, somebody is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.alarms import PARTS, alarms


@pytest.mark.long
def test_each_part_that_stands_still_is_told(tmp_path: Path) -> None:
    took_s = alarms(tmp_path)
    print(took_s)
    assert set(took_s) == set(PARTS)
