"""The bus: one contract for Redis and memory, and what a Redis does wrong in one sentence each."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from streams.bus import GROUP, RECEIPTS, STREAM, Bus, Entry, RedisBus
from streams.busaddress import bus_address, what_is_wrong
from streams.memorybus import MemoryBus
from streams.valkey import EmbeddedValkey
from tests.streams.servers import answering, free_port, until, valkey_on_port
from vision.errors import BusError, BusGoneError

CANARY = "kanarie-9f3"
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
    monkeypatch.setattr("streams.bus.ANSWER_S", 0.3)
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


# --- what is refused, in one sentence


def refused(call: Callable[[], object], *words: str) -> None:
    with pytest.raises(BusError) as caught:
        call()
    said = str(caught.value)
    whole = "".join(traceback.format_exception(caught.value))
    for word in words:
        assert word in said
    assert CANARY not in whole
    assert "\n" not in said
    assert len(said) < 260


def refused_check(url: str, *words: str) -> None:
    bus = RedisBus(url)
    try:
        assert CANARY not in repr(bus)
        refused(bus.check, *words)
    finally:
        bus.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", ["neither redis://"]),
        ("localhost:6379", ["neither redis://"]),
        (f"http://me:{CANARY}@localhost:6379", ["neither redis://"]),
        (f"redis://me:{CANARY}@localhost:99999/0", ["cannot be read", "'%40'"]),
        (f"redis://me:{CANARY}#@localhost:6379/0", ["cannot be read", "'%23'"]),
        (f"redis://me:{CANARY}/@localhost:6379/0", ["cannot be read", "'%2F'"]),
        ("redis://", ["needs a host"]),
        ("redis://host:0", ["needs a host"]),
        ("redis://host/zero", ["database number"]),
        ("redis://host#1", ["database number"]),
        ("unix://", ["no path to its socket"]),
        (f"redis://host?pasword={CANARY}", ["an option that redis:// does not know"]),
        ("redis://host?socket_timeout=9999", ["an option that redis:// does not know"]),
        ("redis://host?ssl_cert_reqs=none", ["an option that redis:// does not know"]),
        ("redis://host?db=x", ["cannot be read"]),
        ("redis://host?db", ["cannot be read"]),
        (f"redis://{'x' * 70}.example", ["cannot be read"]),
    ],
)
def test_an_address_that_cannot_be_right(url: str, words: list[str]) -> None:
    refused(lambda: RedisBus(url), *words)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host", "redis://host:6379"),
        (f"redis://me:{CANARY}@host:7000/3", "redis://host:7000/3"),
        (f"rediss://:{CANARY}@[::1]?ssl_cert_reqs=none", "rediss://[::1]:6379"),
        (f"unix:///run/v.sock?password={CANARY}", "unix:///run/v.sock"),
    ],
)
def test_an_address_is_shown_without_its_login(url: str, shown: str) -> None:
    assert bus_address(url) == shown
    bus = RedisBus(url)
    assert repr(bus) == f"RedisBus({shown})"
    bus.close()


def test_nobody_listens(tmp_path: Path) -> None:
    refused_check(f"redis://:{CANARY}@127.0.0.1:{free_port()}/0", "does not answer")
    refused_check(f"unix://{tmp_path}/none.sock?password={CANARY}", "does not answer")


def test_a_wrong_login(tmp_path: Path) -> None:
    with valkey_on_port(tmp_path, "--requirepass", "right") as port:
        refused_check(f"redis://:{CANARY}@127.0.0.1:{port}", f"127.0.0.1:{port} refuses the login")
        refused_check(f"redis://me:{CANARY}@127.0.0.1:{port}", "refuses the login")
        refused_check(f"redis://127.0.0.1:{port}", "refuses the login")
        bus = RedisBus(f"redis://:right@127.0.0.1:{port}/0")
        bus.check()
        bus.close()


def test_a_database_number_that_does_not_exist(tmp_path: Path, valkey: str) -> None:
    refused_check(f"{valkey}?db=99", "no database of that number")


def test_tls_is_spoken_to_a_server_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.bus.ANSWER_S", 0.3)
    with valkey_on_port(tmp_path) as port:
        refused_check(f"rediss://:{CANARY}@127.0.0.1:{port}", "does not answer", "TLS")


def test_something_else_answers() -> None:
    with answering(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        refused_check(f"redis://127.0.0.1:{port}", "is no Redis")


def test_nothing_is_ever_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.bus.ANSWER_S", 0.3)
    with answering(lambda _: b"") as port:
        refused_check(f"redis://127.0.0.1:{port}", "does not answer")


def test_an_answer_that_repeats_the_login_is_not_repeated() -> None:
    said = f"-ERR unknown command 'AUTH', with args beginning with: '{CANARY}'\r\n".encode()
    with answering(lambda _: said) as port:
        refused_check(f"redis://:{CANARY}@127.0.0.1:{port}", "refuses the login")
    said = f"-ERR what is '{CANARY}'\r\n".encode()
    with answering(lambda _: said) as port:
        refused_check(f"redis://127.0.0.1:{port}", "refuses a command")


@pytest.mark.parametrize(
    ("version", "role", "words"),
    [
        ("5.0.14", "master", "version 5.0.14, which is too old: install Redis 6.2"),
        ("6.0.20", "master", "too old"),
        ("nonsense", "master", "too old"),
        ("6.2.0", "slave", "is a replica"),
    ],
)
def test_a_server_that_does_not_do(version: str, role: str, words: str) -> None:
    text = f"redis_version:{version}\r\nrole:{role}\r\nmaxmemory_policy:noeviction\r\n"

    def answer(data: bytes) -> bytes:
        if b"PING" in data:
            return b"+PONG\r\n"
        if b"INFO" in data and b"SETINFO" not in data:
            return f"${len(text)}\r\n{text}\r\n".encode()
        return b"-ERR unknown\r\n" * max(1, data.count(b"*"))

    with answering(answer) as port:
        refused_check(f"redis://127.0.0.1:{port}", words)


def test_one_that_evicts(tmp_path: Path) -> None:
    with valkey_on_port(tmp_path, "--maxmemory-policy", "allkeys-lru") as port:
        words = ("allkeys-lru", "'maxmemory-policy'", "noeviction")
        refused_check(f"redis://127.0.0.1:{port}", *words)
        with redis.Redis(port=port) as client:
            # as hosted ones do it
            client.execute_command("ACL", "SETUSER", "default", "-config")
        refused_check(f"redis://127.0.0.1:{port}", *words)
    with valkey_on_port(tmp_path) as port:
        with redis.Redis(port=port) as client:
            client.execute_command("ACL", "SETUSER", "default", "-config")
        bus = RedisBus(f"redis://127.0.0.1:{port}")
        bus.check()
        bus.close()


def test_a_user_without_rights(tmp_path: Path) -> None:
    with valkey_on_port(tmp_path) as port, redis.Redis(port=port) as client:
        client.execute_command("ACL", "SETUSER", "default", "-@stream")
        bus = RedisBus(f"redis://127.0.0.1:{port}")
        refused(lambda: send(bus, "1"), "widen its ACL")
        bus.close()


def test_no_memory_left_takes_all_or_nothing(tmp_path: Path) -> None:
    with valkey_on_port(tmp_path, "--maxmemory", "4mb") as port:
        bus = RedisBus(f"redis://127.0.0.1:{port}")
        with redis.Redis(port=port) as client:
            big = [(f"{i}", "x" * 100_000) for i in range(20)]
            for _ in range(10):
                try:
                    bus.publish("w", big)
                except BusError:
                    break
            assert client.xlen(STREAM) % 20 == 0
            refused(lambda: bus.publish("w", big), "has no memory left", "'maxmemory'")
            assert client.xlen(STREAM) % 20 == 0
            # what is there can be taken, and then there is room again
            while found := bus.consume("a", limit=100, wait_s=0):
                bus.acknowledge([entry.id for entry in found])
            send(bus, "1")
        bus.close()


def test_a_replica(tmp_path: Path) -> None:
    with valkey_on_port(tmp_path, "--replicaof", "127.0.0.1", str(free_port())) as port:
        url = f"redis://127.0.0.1:{port}"
        refused_check(url, "is a replica")
        bus = RedisBus(url)
        refused(lambda: send(bus, "1"), "is a replica")
        bus.close()


def test_other_things_under_our_names(redis_bus: RedisBus, raw: redis.Redis) -> None:
    raw.set(STREAM, "mine")
    refused(lambda: send(redis_bus, "1"), "a database number of our own")
    refused(lambda: redis_bus.consume("a", limit=1, wait_s=0), "a database number of our own")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Error -2 connecting to x:6379. Name or service not known.", "cannot be found"),
        ("Redis is loading the dataset in memory", "is still loading"),
        ("MISCONF Redis is configured to save RDB snapshots", "cannot write its data"),
        ("max number of clients reached", "too many clients"),
        ("", "does not answer"),
    ],
)
def test_what_errors_mean(said: str, words: str) -> None:
    assert words in what_is_wrong(said, answered=False)
