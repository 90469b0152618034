"""Canaries that arrived, and beats."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.store import Store
from api.store.canaries import Canary
from tests.api.served import DAY

TIMES = {"captured": DAY, "detected": DAY + 0.5, "spooled": None}


@pytest.fixture
def now() -> list[float]:
    return [DAY]


@pytest.fixture
def timed(url: str, now: list[float]) -> Iterator[Store]:
    """A store whose clock a test sets."""
    with Store.open(url, clock=lambda: now[0]) as opened:
        yield opened


def test_the_newest_of_each_worker(timed: Store, now: list[float]) -> None:
    timed.canaries.arrived("w2", 7, TIMES)
    timed.canaries.arrived("w1", 5, TIMES)
    now[0] += 60
    timed.canaries.arrived("w1", 6, TIMES | {"spooled": DAY + 1})
    for older in (6, 4):
        now[0] += 60
        timed.canaries.arrived("w1", older, {})
    assert timed.canaries.last() == [
        Canary("w1", 6, TIMES | {"spooled": DAY + 1}, DAY + 60),
        Canary("w2", 7, TIMES, DAY),
    ]


def test_a_worker_that_is_gone_for_good(timed: Store) -> None:
    timed.canaries.arrived("w1", 5, TIMES)
    assert timed.canaries.forget("w1")
    assert not timed.canaries.forget("w1")
    assert timed.canaries.last() == []
    # one that sends again after all is expected again, whatever its number
    timed.canaries.arrived("w1", 1, TIMES)
    assert [canary.version for canary in timed.canaries.last()] == [1]


def test_beats(timed: Store, now: list[float]) -> None:
    assert timed.canaries.beats() == {}
    timed.canaries.beat("watchdog")
    now[0] += 5
    timed.canaries.beat("notifier")
    now[0] += 5
    timed.canaries.beat("notifier")
    assert timed.canaries.beats() == {"notifier": DAY + 10, "watchdog": DAY}
