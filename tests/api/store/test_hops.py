"""How long alerts took: each hop of those that have both of its times, and of no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, update

from api.store import Store
from api.store.hops import HOPS, HopTimes
from api.store.tables import alerts
from streams.messages import CANARY, AlertMessage, Hops
from tests.api.logins import Clock
from tests.api.served import DAY, alert, sqlite_url

MINUTE = 60.0


@contextmanager
def kept(folder: Path) -> Iterator[tuple[Store, Clock]]:
    now = Clock(DAY + 10)
    with Store.open(sqlite_url(folder), clock=now) as store:
        yield store, now


def record(store: Store, message: AlertMessage, spooled: float, published: float) -> None:
    store.record([message], {message.key: Hops(spooled_ts=spooled, published_ts=published)})


def deliver(folder: Path, alert_id: str, at: float) -> None:
    engine = create_engine(sqlite_url(folder))
    with engine.begin() as connection:
        connection.execute(update(alerts).where(alerts.c.id == alert_id).values(delivered_at=at))
    engine.dispose()


def hop(found: list[HopTimes], start: str, end: str) -> HopTimes:
    (only,) = (each for each in found if (each.start, each.end) == (start, end))
    return only


def test_the_hops_are_the_chain_s_and_the_whole_way() -> None:
    assert HOPS == (
        ("captured", "detected"), ("detected", "spooled"), ("spooled", "published"),
        ("published", "stored"), ("stored", "delivered"), ("captured", "delivered"),
    )  # fmt: skip


def test_nothing_took_no_time(tmp_path: Path) -> None:
    with kept(tmp_path) as (store, _now):
        for found in store.chain.times(MINUTE):
            assert (found.count, found.negative) == (0, 0)
            assert (found.p50_s, found.p95_s, found.max_s) == (None, None, None)


def test_every_hop_of_one_alert(tmp_path: Path) -> None:
    with kept(tmp_path) as (store, _now):
        seen = alert(raised_ts=DAY + 1, detected_ts=DAY + 2)
        record(store, seen, spooled=DAY + 4, published=DAY + 7)
        deliver(tmp_path, "a", DAY + 15)
        took = [(each.count, each.p50_s) for each in store.chain.times(MINUTE)]
    # captured 1, detected 2, spooled 4, published 7, stored 10, delivered 15 s after DAY
    assert took == [(1, 1.0), (1, 2.0), (1, 3.0), (1, 3.0), (1, 5.0), (1, 14.0)]


def test_ranks_are_the_nearest(tmp_path: Path) -> None:
    with kept(tmp_path) as (store, _now):
        for took_s in range(1, 21):
            seen = alert(f"a{took_s}", detected_ts=DAY + 1)
            record(store, seen, spooled=DAY + 1 + took_s, published=DAY)
        found = hop(store.chain.times(MINUTE), "detected", "spooled")
    assert (found.count, found.p50_s, found.p95_s, found.max_s) == (20, 10.0, 19.0, 20.0)


def test_clocks_that_differ_are_told_and_not_hidden(tmp_path: Path) -> None:
    with kept(tmp_path) as (store, _now):
        record(store, alert("a"), spooled=DAY + 5, published=DAY + 3)
        record(store, alert("b"), spooled=DAY + 5, published=DAY + 6)
        found = hop(store.chain.times(MINUTE), "spooled", "published")
    assert (found.count, found.negative, found.p50_s, found.max_s) == (2, 1, -2.0, 1.0)


def test_a_hop_without_both_times_is_left_out(tmp_path: Path) -> None:
    with kept(tmp_path) as (store, _now):
        stated = store.alerts.state(alert("posted", raised_ts=DAY), only=None)
        assert stated is not None
        deliver(tmp_path, "posted", DAY + 12)
        counts = {(each.start, each.end): each.count for each in store.chain.times(MINUTE)}
    assert counts.pop(("stored", "delivered")) == 1
    assert not any(counts.values()), "whoever posts it says when it was seen: that is no measure"


@pytest.mark.parametrize("synthetic", [False, True])
def test_what_no_camera_saw_is_in_it_where_it_is_wanted(tmp_path: Path, *, synthetic: bool) -> None:
    with kept(tmp_path) as (store, _now):
        record(store, alert("real"), spooled=DAY, published=DAY + 1)
        record(store, alert("made", synthetic=True), spooled=DAY, published=DAY + 2)
        canary = alert("canary:w", kind=CANARY, synthetic=True)
        record(store, canary, spooled=DAY, published=DAY + 9)
        found = hop(store.chain.times(MINUTE, synthetic=synthetic), "spooled", "published")
    assert (found.count, found.max_s) == ((2, 2.0) if synthetic else (1, 1.0))


def test_only_what_was_stored_lately(tmp_path: Path) -> None:
    with kept(tmp_path) as (store, now):
        record(store, alert("old"), spooled=DAY, published=DAY + 1)
        now.now += MINUTE - 1
        record(store, alert("new"), spooled=DAY, published=DAY + 2)
        assert hop(store.chain.times(MINUTE), "spooled", "published").count == 2
        now.now += 2
        assert hop(store.chain.times(MINUTE), "spooled", "published").max_s == 2.0
        assert hop(store.chain.times(MINUTE), "spooled", "published").count == 1
