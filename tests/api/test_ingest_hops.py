"""When an alert passed the parts of the chain is stored with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.store import Store
from streams.messages import encode
from tests.api.served import DAY, alert, sqlite_url, wait_until
from tests.api.test_ingest import GUARD_S, Flaky, publish, running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


def test_the_way_of_an_alert_is_stored(store: Store) -> None:
    bus = Flaky()
    before = time.time()
    told, silent = alert("a", detected_ts=DAY + 1.0), alert("b")
    bus.publish("w", [(told.key, encode(told))], spooled={told.key: DAY + 2.5})
    # a copy that was sent again later is not the first
    bus.publish("w", [(told.key, encode(told))], spooled={told.key: DAY + 9.0})
    publish(bus, silent)
    with running(bus, store):
        wait_until(lambda: not bus.unhandled, GUARD_S)
    found = store.alerts.get("a", only=None)
    assert found is not None
    assert (found.detected_at, found.spooled_at) == (DAY + 1.0, DAY + 2.5)
    assert found.published_at is not None
    assert before <= found.published_at <= found.stored_at
    other = store.alerts.get("b", only=None)
    assert other is not None
    assert (other.detected_at, other.spooled_at) == (None, None)
    assert other.published_at is not None
