"""The control path on a Redis: what stays there, and what becomes of a Redis under it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from streams.bus import RedisControl
from streams.bus.control import ANSWER, COMMAND, CONFIGURATION, PICTURES, QUEUE
from streams.valkey import EmbeddedValkey
from tests.streams.controlled import GUARD_S, got, read_on, shown, taken
from tests.streams.servers import until
from vision.errors import BusError, BusGoneError

HOSTILE = b"\x00\xff\r\n*3\r\n$-1\r\n\xe2\x28" * 100


@pytest.fixture
def redis_control(valkey: str) -> Iterator[RedisControl]:
    made = RedisControl(valkey)
    yield made
    made.close()


@pytest.fixture
def raw(valkey: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey) as client:
        yield client


def test_nothing_stays_for_long(redis_control: RedisControl, raw: redis.Redis) -> None:
    redis_control.send("w", "x", ttl_s=5)
    redis_control.send("never there", "x", ttl_s=5)
    redis_control.answer("c", "y")
    redis_control.configure("v", "b")
    redis_control.show("a", b"picture")
    keys = {key.decode() for key in raw.scan_iter()}
    assert {key for key in keys if raw.ttl(key) == -1} == {CONFIGURATION}
    assert {key.rpartition(":")[0] for key in keys} == {
        part.rstrip(":") for part in (QUEUE, COMMAND, ANSWER, "matakota:")
    }
    redis_control.take("w", wait_s=0)
    assert not raw.exists(QUEUE + "w")
    raw.flushall()
    assert redis_control.configured() == ""
    assert redis_control.take("w", wait_s=0) == []


def test_what_others_put_there_breaks_nothing(
    redis_control: RedisControl, raw: redis.Redis
) -> None:
    raw.rpush(QUEUE + "w", HOSTILE, b"", b"unknown")
    redis_control.send("w", "good", ttl_s=30)
    assert taken(redis_control) == ["good"]
    raw.set(COMMAND + "x", HOSTILE)
    raw.rpush(QUEUE + "w", b"x")
    assert len(taken(redis_control)) == 1
    raw.rpush(ANSWER + "c", HOSTILE)
    assert "�" in (redis_control.answered("c", wait_s=1) or "")
    raw.hset(CONFIGURATION, mapping={"version": HOSTILE})
    assert redis_control.configuration("v") is None
    raw.delete(CONFIGURATION)
    raw.set(CONFIGURATION, b"no hash")
    with pytest.raises(BusError):
        redis_control.configured()
    raw.set(QUEUE + "v", b"no list")
    with pytest.raises(BusError):
        redis_control.take("v", wait_s=0)


def test_pictures_are_in_no_file(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        control = RedisControl(server.url)
        pictures = control.pictures()
        pictures.follow(["a"])
        pictures.next(wait_s=0.01)
        shown(control, "a", b"PICTURE" * 1000, 1)
        assert got(pictures, b"PICTURE" * 1000) == "a"
        control.configure("v", "KEPT-IN-THE-FILE")
        pictures.close()
        control.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"KEPT-IN-THE-FILE" in kept
    assert b"PICTURE" not in kept
    assert PICTURES.encode() not in kept


def test_it_works_again_after_the_server_was_killed(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        control = RedisControl(server.url)
        pictures = control.pictures()
        pictures.follow(["a"])
        assert pictures.next(wait_s=0.05) is None
        shown(control, "a", b"1", 1)
        assert got(pictures, b"1") == "a"
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: server.poll() is not None, 10, "it is gone")
        for use in (
            control.configured,
            lambda: control.take("w", wait_s=5),
            lambda: control.answered("c", wait_s=5),
            lambda: control.send("w", "x", ttl_s=5),
            lambda: control.show("a", b"x"),
            lambda: [pictures.next(wait_s=1) for _ in range(3)],
            lambda: pictures.next(wait_s=1),
        ):
            with pytest.raises(BusGoneError, match="does not answer"):
                use()
        server.start()
        assert pictures.next(wait_s=0.05) is None
        shown(control, "a", b"2", 1)
        assert got(pictures, b"2") == "a", "it follows what it followed before"
        control.send("w", "x", ttl_s=5)
        assert taken(control) == ["x"]
        pictures.close()
        control.close()


def test_a_server_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.bus.connection.ANSWER_S", 0.3)
    monkeypatch.setattr("streams.bus.connection.HEALTH_S", 0.2)
    with EmbeddedValkey(tmp_path) as server:
        assert server.pid is not None
        control = RedisControl(server.url)
        pictures = control.pictures()
        pictures.follow(["a"])
        # nothing comes for long: it is asked for a sign of life, and gives one
        until_s = time.monotonic() + 1.5
        while time.monotonic() < until_s:
            assert pictures.next(wait_s=0.1) is None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with pytest.raises(BusGoneError):
                control.take("w", wait_s=600)
            with pytest.raises(BusGoneError):
                read_on(pictures)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert pictures.next(wait_s=0.05) is None
        shown(control, "a", b"1", 1)
        assert got(pictures, b"1") == "a"
        pictures.close()
        control.close()


def test_a_follower_that_reads_nothing_holds_up_nobody(redis_control: RedisControl) -> None:
    slow, quick = redis_control.pictures(), redis_control.pictures()
    for pictures in (slow, quick):
        pictures.follow(["a"])
        pictures.next(wait_s=0.01)
    until(lambda: redis_control.show("a", b"probe") == 2, GUARD_S, "both follow")
    picture = b"x" * 100_000
    for n in range(3000):
        followers = redis_control.show("a", picture + str(n).encode())
        assert got(quick, picture + str(n).encode()) == "a"
        if followers == 1:
            break
    assert followers == 1, "the server has cut off who reads nothing"
    with pytest.raises(BusGoneError):
        read_on(slow)
    slow.close()
    quick.close()
