"""What is wrong with a Redis, or with its address, in one sentence each, and never its password."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from streams.bus import RedisBus
from streams.bus.address import bus_address, what_is_wrong
from streams.bus.chain import STREAM
from tests.streams.servers import answering, free_port, until, valkey_on_port
from vision.errors import BusError, BusGoneError

CANARY = "kanarie-9f3"


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


def test_tls_is_spoken_to_a_server_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.bus.connection.ANSWER_S", 0.3)
    with valkey_on_port(tmp_path) as port:
        refused_check(f"rediss://:{CANARY}@127.0.0.1:{port}", "does not answer", "TLS")


def test_something_else_answers() -> None:
    with answering(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        refused_check(f"redis://127.0.0.1:{port}", "is no Redis")


def test_nothing_is_ever_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.bus.connection.ANSWER_S", 0.3)
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
        refused(lambda: bus.publish("w", [("1", "x")]), "widen its ACL")
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
            bus.publish("w", [("1", "x")])
        bus.close()


def test_a_replica(tmp_path: Path) -> None:
    with valkey_on_port(tmp_path, "--replicaof", "127.0.0.1", str(free_port())) as port:
        url = f"redis://127.0.0.1:{port}"
        refused_check(url, "is a replica")
        bus = RedisBus(url)
        refused(lambda: bus.publish("w", [("1", "x")]), "is a replica")
        bus.close()


def test_other_things_under_our_names(valkey: str) -> None:
    bus = RedisBus(valkey)
    with redis.Redis.from_url(valkey) as client:
        client.set(STREAM, "mine")
    words = "a database number of our own"
    refused(lambda: bus.publish("w", [("1", "x")]), words)
    refused(lambda: bus.consume("a", limit=1, wait_s=0), words)
    bus.close()


def test_one_that_is_loading(tmp_path: Path) -> None:
    save = tmp_path / "save"
    save.mkdir()
    with valkey_on_port(save) as port, redis.Redis(port=port) as client:
        for i in range(3000):
            client.set(f"key{i}", "x" * 1000)
        client.save()
    slowly = ("--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024")
    with valkey_on_port(save, *slowly) as port:
        bus = RedisBus(f"redis://127.0.0.1:{port}")
        with pytest.raises(BusGoneError, match="is still loading"):
            bus.check()
        until(lambda: answers(bus), 60, "it is loaded")
        bus.close()


def answers(bus: RedisBus) -> bool:
    try:
        bus.check()
    except BusGoneError:
        return False
    return True


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
