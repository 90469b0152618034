"""Whatever is killed: an alert that the log of a real worker calls spooled is in the store, once;
more of this, with a source in its place, is in ``test_chain``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.scenarios import Kills, killing


def check(done: Kills, alerts: int) -> None:
    print(done)
    assert (done.lost, done.twice, done.old) == (0, 0, 0)
    assert done.stored >= done.spooled >= alerts


@pytest.mark.long
def test_kills_of_each_part_and_a_flush_lose_none(tmp_path: Path, clip_cache: Path) -> None:
    check(killing(tmp_path, clip_cache, kills=4, alerts=400), 400)
