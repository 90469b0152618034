"""The bus: one contract for Redis and memory, and what becomes of a Redis under it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from streams.bus import Bus, Entry, RedisBus
from streams.bus.chain import FORGET_S, GROUP, RECEIPTS, STREAM
from streams.bus.memory import MemoryBus
from streams.valkey import EmbeddedValkey
from tests.streams.servers import until
from vision.errors import BusError, BusGoneError

IDLE_S = 0.3
"""After so long without a word, a consumer of these tests is gone."""


@pytest.fixture(params=["memory", "valkey"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    made: Bus
    if request.param == "memory":
        made = MemoryBus(claim_idle_s=IDLE_S)
    else:
        made = RedisBus(request.getfixturevalue("valkey"), claim_idle_s=IDLE_S)
    yield made
    made.close()


@pytest.fixture
def redis_bus(valkey: str) -> Iterator[RedisBus]:
    made = RedisBus(valkey, claim_idle_s=IDLE_S)
    yield made
    made.close()


@pytest.fixture
def raw(valkey: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey) as client:
        yield client


def keys(entries: list[Entry]) -> list[str]:
    return [entry.key for entry in entries]


def send(bus: Bus, *names: str) -> None:
    bus.publish("w", [(name, f"body of {name}") for name in names])


# --- the contract


def test_messages_arrive_whole_and_in_order(bus: Bus) -> None:
    bus.check()
    text = 'Jl. Sultan → ü \x01 {"a": 1}\n'
    bus.publish("wörker", [("k:1", text), ("k:2", "")])
    bus.publish("w2", [("k:3", "x")])
    found = bus.consume("a", limit=10, wait_s=0)
    assert [(e.worker, e.key, e.body) for e in found] == [
        ("wörker", "k:1", text),
        ("wörker", "k:2", ""),
        ("w2", "k:3", "x"),
    ]
    assert len({entry.id for entry in found}) == 3


def test_what_is_not_acknowledged_comes_again_first(bus: Bus) -> None:
    send(bus, "1", "2")
    first = bus.consume("a", limit=10, wait_s=0)
    send(bus, "3")
    assert bus.consume("a", limit=10, wait_s=0) == first
    bus.acknowledge([first[0].id])
    assert bus.consume("a", limit=10, wait_s=0) == first[1:]
    bus.acknowledge([first[1].id])
    third = bus.consume("a", limit=10, wait_s=0)
    assert keys(third) == ["3"]
    bus.acknowledge([third[0].id, third[0].id, "1-1"])
    assert bus.consume("a", limit=10, wait_s=0) == []


def test_the_limit_holds(bus: Bus) -> None:
    send(bus, *"abcde")
    assert keys(bus.consume("a", limit=2, wait_s=0)) == ["a", "b"]
    assert keys(bus.consume("b", limit=2, wait_s=0)) == ["c", "d"]
    assert keys(bus.consume("a", limit=1, wait_s=0)) == ["a"]


def test_another_consumer_takes_over_what_one_that_is_gone_left(bus: Bus) -> None:
    send(bus, "1", "2")
    assert keys(bus.consume("gone", limit=10, wait_s=0)) == ["1", "2"]
    assert keys(bus.consume("here", limit=10, wait_s=0)) == []
    assert keys(bus.consume("here", limit=10, wait_s=10 * IDLE_S)) == ["1", "2"]
    bus.acknowledge([entry.id for entry in bus.consume("here", limit=10, wait_s=0)])
    assert bus.consume("gone", limit=10, wait_s=0) == []


def test_what_is_put_off_comes_later_and_holds_up_nobody(bus: Bus) -> None:
    send(bus, "1", "2", "3")
    found = bus.consume("a", limit=10, wait_s=0)
    bus.put_off([entry.id for entry in found[:2]])
    bus.put_off([])
    assert bus.consume("a", limit=10, wait_s=0) == found[2:]
    bus.acknowledge([found[2].id])
    assert bus.consume("a", limit=10, wait_s=0) == [], "not at once"
    send(bus, "4")
    assert keys(bus.consume("a", limit=10, wait_s=0)) == ["4"]
    bus.acknowledge([e.id for e in bus.consume("a", limit=10, wait_s=0)])
    assert bus.consume("b", limit=10, wait_s=10 * IDLE_S) == found[:2]
    bus.acknowledge([entry.id for entry in found[:2]])
    assert bus.consume("a", limit=10, wait_s=2 * IDLE_S) == []


def test_new_ones_come_in_turns_with_what_is_put_off(bus: Bus) -> None:
    send(bus, *"abcdef")
    bus.put_off([entry.id for entry in bus.consume("x", limit=10, wait_s=0)])
    time.sleep(1.5 * IDLE_S)
    send(bus, "new", "newer")
    got: list[str] = []
    for _ in range(3):
        found = bus.consume("x", limit=1, wait_s=0)
        got += keys(found)
        bus.put_off([entry.id for entry in found])
    assert "new" in got
    assert len(set(got) & set("abcdef")) >= 1


def test_a_waiting_consumer_gets_what_comes(bus: Bus) -> None:
    found: list[Entry] = []
    thread = threading.Thread(
        target=lambda: found.extend(bus.consume("a", limit=10, wait_s=30)), daemon=True
    )
    thread.start()
    time.sleep(0.1)
    send(bus, "1")
    thread.join(10)
    assert keys(found) == ["1"]


def test_waiting_for_nothing_ends(bus: Bus) -> None:
    started_s = time.monotonic()
    assert bus.consume("a", limit=1, wait_s=0.4) == []
    assert bus.take_receipts("w", wait_s=0.4) == []
    assert time.monotonic() - started_s > 0.75


def test_receipts_reach_their_worker_once(bus: Bus) -> None:
    bus.send_receipts("w", ["a", "b"])
    bus.send_receipts("other", ["z"])
    bus.send_receipts("w", [])
    bus.send_receipts("w", ["ü:c"])
    assert bus.take_receipts("w", wait_s=1) == ["a", "b", "ü:c"]
    assert bus.take_receipts("w", wait_s=0) == []
    assert bus.take_receipts("other", wait_s=0) == ["z"]


def test_a_waiting_worker_gets_its_receipts(bus: Bus) -> None:
    found: list[str] = []
    thread = threading.Thread(
        target=lambda: found.extend(bus.take_receipts("w", wait_s=30)), daemon=True
    )
    thread.start()
    time.sleep(0.1)
    bus.send_receipts("w", ["a"])
    thread.join(10)
    assert found == ["a"]


def test_reports_are_replaced_and_expire(bus: Bus) -> None:
    assert bus.reports() == []
    bus.report("w1", "old", ttl_s=60)
    bus.report("w1", "new", ttl_s=60)
    bus.report("w2", "short", ttl_s=0.2)
    assert bus.reports() == ["new", "short"]
    until(lambda: bus.reports() == ["new"], 2, "the second report expires")
    bus.report("w2", "again", ttl_s=60)
    assert bus.reports() == ["new", "again"]


def test_nothing_to_do_is_no_mistake(bus: Bus) -> None:
    bus.publish("w", [])
    bus.acknowledge([])
    bus.send_receipts("w", [])
    assert bus.consume("a", limit=5, wait_s=0) == []


@pytest.mark.parametrize(
    "wait",
    [
        lambda bus: bus.consume("a", limit=1, wait_s=60),
        lambda bus: bus.take_receipts("w", wait_s=60),
    ],
    ids=["consume", "take_receipts"],
)
def test_close_ends_a_call_that_waits(bus: Bus, wait: Callable[[Bus], object]) -> None:
    errors: list[Exception] = []

    def call() -> None:
        try:
            wait(bus)
        except BusError as error:
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    time.sleep(0.2)
    bus.close()
    thread.join(10)
    assert len(errors) == 1
    assert "closed" in str(errors[0])
    for use in (bus.check, bus.reports, lambda: send(bus, "1"), lambda: wait(bus)):
        with pytest.raises(BusError, match="closed"):
            use()
    bus.close()


def test_many_threads_lose_and_double_nothing(bus: Bus) -> None:
    taken: list[str] = []
    lock = threading.Lock()

    def publish(name: str) -> None:
        for i in range(20):
            send(bus, f"{name}{i}a", f"{name}{i}b")

    def consume(name: str) -> None:
        while len(taken) < 4 * 40:
            found = bus.consume(name, limit=7, wait_s=0.05)
            bus.acknowledge([entry.id for entry in found])
            with lock:
                taken.extend(keys(found))

    threads = [threading.Thread(target=publish, args=(n,), daemon=True) for n in "wxyz"]
    threads += [threading.Thread(target=consume, args=(n,), daemon=True) for n in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == len(set(taken)) == 160


# --- what is on the Redis


def test_what_is_handled_leaves_no_trace(redis_bus: RedisBus, raw: redis.Redis) -> None:
    send(redis_bus, "1", "2")
    redis_bus.acknowledge([e.id for e in redis_bus.consume("a", limit=5, wait_s=0)])
    redis_bus.send_receipts("w", ["1", "2"])
    redis_bus.take_receipts("w", wait_s=0)
    assert raw.xlen(STREAM) == 0
    assert raw.xpending(STREAM, GROUP)["pending"] == 0
    assert raw.xlen(f"{RECEIPTS}w") == 0
    redis_bus.send_receipts("w", ["1"])
    assert 0 < raw.ttl(f"{RECEIPTS}w") <= 86_400


def test_everything_deleted_at_any_moment_is_no_end(redis_bus: RedisBus, raw: redis.Redis) -> None:
    send(redis_bus, "1")
    found = redis_bus.consume("a", limit=5, wait_s=0)
    raw.flushall()
    redis_bus.acknowledge([entry.id for entry in found])
    send(redis_bus, "2")
    assert keys(redis_bus.consume("a", limit=5, wait_s=1)) == ["2"]
    waiting: list[Entry] = []
    thread = threading.Thread(
        target=lambda: waiting.extend(redis_bus.consume("b", limit=5, wait_s=30)), daemon=True
    )
    thread.start()
    time.sleep(0.1)
    raw.flushall()
    time.sleep(0.1)
    send(redis_bus, "3")
    thread.join(10)
    assert keys(waiting) == ["3"]


def test_entries_that_were_deleted_under_a_consumer_are_forgotten(
    redis_bus: RedisBus, raw: redis.Redis
) -> None:
    send(redis_bus, "1", "2")
    found = redis_bus.consume("a", limit=5, wait_s=0)
    raw.xdel(STREAM, found[0].id)
    assert redis_bus.consume("a", limit=5, wait_s=0) == found[1:]
    raw.xdel(STREAM, found[1].id)
    send(redis_bus, "3")
    assert keys(redis_bus.consume("a", limit=5, wait_s=1)) == ["3"]
    assert raw.xpending(STREAM, GROUP)["pending"] == 1


def test_putting_off_what_was_deleted_is_no_mistake(redis_bus: RedisBus, raw: redis.Redis) -> None:
    send(redis_bus, "1")
    found = redis_bus.consume("a", limit=5, wait_s=0)
    raw.flushall()
    redis_bus.put_off([entry.id for entry in found])
    send(redis_bus, "2")
    assert keys(redis_bus.consume("a", limit=5, wait_s=1)) == ["2"]


def test_consumers_that_are_gone_for_good_are_forgotten(
    redis_bus: RedisBus, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(redis_bus, "1")
    redis_bus.consume("holds one", limit=5, wait_s=0)
    for number in range(5):
        redis_bus.consume(f"gone {number}", limit=5, wait_s=0)

    def known() -> set[str]:
        return {c["name"].decode() for c in raw.xinfo_consumers(STREAM, GROUP)}

    assert len(known()) == 6
    assert FORGET_S >= 3600
    monkeypatch.setattr("streams.bus.chain.FORGET_S", 0.1)
    time.sleep(0.15)
    redis_bus.consume("here", limit=5, wait_s=0)
    assert len(known()) == 7, "seldom is enough"
    monkeypatch.setattr("streams.bus.chain.TIDY_EVERY_S", 0.0)
    redis_bus._tidy_due_s = 0.0
    redis_bus.consume("here", limit=5, wait_s=0)
    assert known() == {"holds one", "here"}
    assert raw.xpending(STREAM, GROUP)["pending"] == 1


def test_what_others_put_there_is_delivered_with_holes(
    redis_bus: RedisBus, raw: redis.Redis
) -> None:
    raw.xadd(STREAM, {"text": "hello"})
    raw.xadd(STREAM, {"worker": b"\xff\xfe", "key": "k", "body": b"\x00\xff"})
    found = redis_bus.consume("a", limit=5, wait_s=0)
    assert [(e.worker, e.key, e.body) for e in found] == [
        ("", "", ""),
        ("��", "k", "\x00�"),
    ]
    redis_bus.acknowledge([entry.id for entry in found])
    assert raw.xlen(STREAM) == 0


def test_it_works_again_after_the_server_was_killed(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        bus = RedisBus(server.url)
        bus.publish("w", [("1", "x")])
        # what was given is on the disk within a second
        time.sleep(1.5)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: server.poll() is not None, 10, "it is gone")
        for use in (bus.check, bus.reports, lambda: bus.consume("a", limit=1, wait_s=5)):
            with pytest.raises(BusGoneError, match="does not answer"):
                use()
        server.start()
        bus.check()
        assert keys(bus.consume("a", limit=1, wait_s=5)) == ["1"]
        bus.close()


def test_a_server_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.bus.connection.ANSWER_S", 0.3)
    with EmbeddedValkey(tmp_path) as server:
        assert server.pid is not None
        bus = RedisBus(server.url)
        bus.check()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            started_s = time.monotonic()
            with pytest.raises(BusGoneError):
                bus.consume("a", limit=1, wait_s=600)
            with pytest.raises(BusGoneError):
                bus.publish("w", [("1", "x")])
            assert time.monotonic() - started_s < 30
        finally:
            os.kill(server.pid, signal.SIGCONT)
        bus.check()
        bus.close()
