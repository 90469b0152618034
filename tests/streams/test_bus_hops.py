"""When a message was spooled and published travels beside it, over Redis and in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from streams.bus import Bus, RedisBus
from streams.bus.chain import STREAM
from streams.bus.memory import MemoryBus
from streams.messages import Hops


@pytest.fixture(params=["memory", "valkey"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    memory = request.param == "memory"
    made: Bus = MemoryBus() if memory else RedisBus(request.getfixturevalue("valkey"))
    yield made
    made.close()


def test_it_travels_beside_a_message(bus: Bus) -> None:
    before = time.time()
    messages = [("k:1", "x"), ("k:2", "y")]
    bus.publish("w", messages, spooled={"k:1": 1_700_000_000.123456, "k:9": 5.0})
    first, second = bus.consume("a", limit=10, wait_s=0)
    assert first.hops.spooled_ts == 1_700_000_000.123456
    assert second.hops.spooled_ts is None
    for entry in (first, second):
        assert entry.hops.published_ts is not None
        # the server's clock is this machine's, in whole milliseconds
        assert abs(entry.hops.published_ts - before) < 60
    bus.publish("w", [])
    assert bus.consume("a", limit=10, wait_s=0) == [first, second], "again, and the same"


@pytest.mark.parametrize("spooled", [None, "", "soon", "nan", "inf", "-1", "1e300", "\xff"])
def test_an_entry_that_does_not_say_when_it_was_spooled(valkey: str, spooled: str | None) -> None:
    fields: dict[Any, Any] = {"worker": "w", "key": "k", "body": "x"}
    fields |= {} if spooled is None else {"spooled": spooled}
    with redis.Redis.from_url(valkey) as raw:
        raw.xadd(STREAM, fields, id="1700000000250-0")
    bus = RedisBus(valkey)
    (found,) = bus.consume("a", limit=10, wait_s=0)
    bus.close()
    assert found.hops == Hops(None, 1_700_000_000.25)
