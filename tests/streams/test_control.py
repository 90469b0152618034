"""The control path: one contract for Redis and memory, and what becomes of a Redis under it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from streams.bus import Control, RedisControl
from streams.bus.control import ANSWER, COMMAND, CONFIGURATION, MAX_QUEUED, PICTURES, QUEUE
from streams.bus.control import Pictures as Followed
from streams.bus.memory_control import MemoryControl
from streams.valkey import EmbeddedValkey
from tests.streams.servers import until
from vision.errors import BusError, BusGoneError

GUARD_S = 20
HOSTILE = b"\x00\xff\r\n*3\r\n$-1\r\n\xe2\x28" * 100


@pytest.fixture(params=["memory", "valkey"])
def control(request: pytest.FixtureRequest) -> Iterator[Control]:
    made: Control
    if request.param == "memory":
        made = MemoryControl()
    else:
        made = RedisControl(request.getfixturevalue("valkey"))
    yield made
    made.close()


@pytest.fixture
def redis_control(valkey: str) -> Iterator[RedisControl]:
    made = RedisControl(valkey)
    yield made
    made.close()


@pytest.fixture
def raw(valkey: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey) as client:
        yield client


def taken(control: Control, worker: str = "w", wait_s: float = 0) -> list[str]:
    return [command.body for command in control.take(worker, wait_s=wait_s)]


def shown(control: Control, camera: str, picture: bytes, followers: int) -> None:
    """Show it as soon as so many follow."""
    until(lambda: control.show(camera, b"probe") == followers, GUARD_S, f"{followers} follow")
    assert control.show(camera, picture) == followers


def read_on(pictures: Followed) -> None:
    for _ in range(1000):
        pictures.next(wait_s=0.1)


def got(pictures: Followed, wanted: bytes) -> str:
    """Read until the wanted picture; its camera."""
    until_s = time.monotonic() + GUARD_S
    while time.monotonic() < until_s:
        found = pictures.next(wait_s=0.1)
        if found is not None and found[1] == wanted:
            return found[0]
    raise AssertionError("the picture did not come")


# --- the configuration


def test_the_configuration_is_there_for_whoever_has_another(control: Control) -> None:
    assert control.configured() == ""
    assert control.configuration("") is None
    assert control.configuration("v1") is None
    text = '{"city": "Palu → ü", "n": "\x01"}\n'
    control.configure("v1", text)
    assert control.configured() == "v1"
    assert control.configuration("") == ("v1", text)
    assert control.configuration("v0") == ("v1", text)
    assert control.configuration("v1") is None
    control.configure("v2", "other")
    assert control.configuration("v1") == ("v2", "other")
    assert control.configured() == "v2"


def test_the_configuration_stays_whole_while_it_changes(control: Control) -> None:
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            control.configure(f"v{number}", f"body of v{number}")

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    try:
        for _ in range(300):
            found = control.configuration("")
            assert found is None or found[1] == f"body of {found[0]}"
    finally:
        stop.set()
        thread.join(GUARD_S)


# --- commands


def test_commands_come_once_and_in_order(control: Control) -> None:
    bodies = [f"{n} ü \x01\n" for n in range(50)]
    ids = [control.send("wörker", body, ttl_s=30) for body in bodies]
    control.send("other", "for the other", ttl_s=30)
    found = control.take("wörker", wait_s=0)
    assert [command.body for command in found] == bodies
    assert [command.id for command in found] == ids
    assert len(set(ids)) == 50
    assert taken(control, "wörker") == []
    assert taken(control, "other", wait_s=1) == ["for the other"]


def test_a_command_that_expired_is_never_seen(control: Control) -> None:
    control.send("w", "short", ttl_s=0.1)
    control.send("w", "long", ttl_s=30)
    control.send("w", "short too", ttl_s=0.1)
    time.sleep(0.2)
    assert taken(control) == ["long"], "and a short one does not take the long one with it"
    control.send("w", "short", ttl_s=0.1)
    time.sleep(0.2)
    assert taken(control, wait_s=0.1) == []


def test_expired_commands_do_not_end_the_wait(control: Control) -> None:
    for _ in range(5):
        control.send("w", "old", ttl_s=0.05)
    time.sleep(0.1)
    later = threading.Timer(0.5, lambda: control.send("w", "new", ttl_s=30))
    later.start()
    assert taken(control, wait_s=GUARD_S) == ["new"]
    later.join()


def test_waiting_for_nothing_ends(control: Control) -> None:
    started_s = time.monotonic()
    assert taken(control, wait_s=0.4) == []
    assert control.answered("none", wait_s=0.4) is None
    assert time.monotonic() - started_s > 0.75
    assert control.answered("none", wait_s=0) is None


def test_nobody_takes_a_command_twice(control: Control) -> None:
    found: list[str] = []
    lock = threading.Lock()

    def take() -> None:
        while len(found) < 200:
            bodies = taken(control, wait_s=0.05)
            with lock:
                found.extend(bodies)

    threads = [threading.Thread(target=take, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(200):
        control.send("w", str(n), ttl_s=30)
    for thread in threads:
        thread.join(GUARD_S)
    assert sorted(found, key=int) == [str(n) for n in range(200)]


def test_of_too_many_commands_the_newest_stay(control: Control) -> None:
    for n in range(MAX_QUEUED + 5):
        control.send("w", str(n), ttl_s=60)
    found = taken(control)
    assert (len(found), found[0], found[-1]) == (MAX_QUEUED, "5", str(MAX_QUEUED + 4))


# --- answers


def test_an_answer_reaches_who_asked_once(control: Control) -> None:
    first, second = (control.send("w", "?", ttl_s=30) for _ in range(2))
    control.answer(second, "two")
    control.answer(first, "öne")
    control.answer("nobody's", "ignored")
    assert control.answered(first, wait_s=1) == "öne"
    assert control.answered(second, wait_s=1) == "two"
    assert control.answered(first, wait_s=0) is None


def test_an_answer_is_waited_for(control: Control) -> None:
    later = threading.Timer(0.4, lambda: control.answer("c", "late"))
    later.start()
    assert control.answered("c", wait_s=GUARD_S) == "late"
    later.join()


def test_an_answer_that_nobody_takes_expires(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.bus.control.ANSWER_TTL_S", 0.1)
    monkeypatch.setattr("streams.bus.memory_control.ANSWER_TTL_S", 0.1)
    control.answer("c", "old")
    time.sleep(0.2)
    assert control.answered("c", wait_s=0) is None


# --- pictures


def test_pictures_reach_everybody_who_follows(control: Control) -> None:
    first, second = control.pictures(), control.pictures()
    assert control.show("a", b"to nobody") == 0
    first.follow(["a", "ü b"])
    second.follow(["a"])
    assert first.next(wait_s=0.05) is None
    assert second.next(wait_s=0.05) is None
    shown(control, "a", HOSTILE, 2)
    shown(control, "ü b", b"b", 1)
    assert control.show("c", b"c") == 0
    assert got(first, HOSTILE) == "a"
    assert got(first, b"b") == "ü b"
    assert got(second, HOSTILE) == "a"
    first.close()
    second.close()


def test_what_is_not_followed_any_more_comes_no_more(control: Control) -> None:
    pictures = control.pictures()
    pictures.follow(["a", "b"])
    assert pictures.next(wait_s=0.05) is None
    shown(control, "a", b"1", 1)
    assert got(pictures, b"1") == "a"
    control.show("a", b"on its way")
    pictures.follow(["b", "c"])
    shown(control, "b", b"2", 1)
    until_s = time.monotonic() + GUARD_S
    seen: list[tuple[str, bytes]] = []
    while (b"3" not in [picture for _, picture in seen]) and time.monotonic() < until_s:
        control.show("c", b"3")
        found = pictures.next(wait_s=0.05)
        seen += [found] if found else []
    assert {camera for camera, _ in seen} == {"b", "c"}
    until(lambda: control.show("a", b"4") == 0, GUARD_S, "nobody follows it")
    pictures.close()


def test_who_follows_nothing_costs_nothing(control: Control) -> None:
    pictures = control.pictures()
    pictures.follow(["a"])
    assert pictures.next(wait_s=0.05) is None
    shown(control, "a", b"1", 1)
    pictures.follow([])
    assert pictures.next(wait_s=0.05) is None
    until(lambda: control.show("a", b"2") == 0, GUARD_S, "nobody follows it")
    pictures.follow(["a"])
    assert pictures.next(wait_s=0.05) is None
    shown(control, "a", b"3", 1)
    assert got(pictures, b"3") == "a"
    pictures.close()
    until(lambda: control.show("a", b"4") == 0, GUARD_S, "nobody follows it")
    assert pictures.next(wait_s=0.01) is None
    pictures.follow(["a"])
    assert pictures.next(wait_s=0.05) is None
    shown(control, "a", b"5", 1)
    assert got(pictures, b"5") == "a"
    pictures.close()


# --- the end


@pytest.mark.parametrize(
    "wait",
    [
        lambda control: control.take("w", wait_s=60),
        lambda control: control.answered("c", wait_s=60),
        lambda control: follow_for_ever(control),
    ],
    ids=["take", "answered", "pictures"],
)
def test_close_ends_a_call_that_waits(control: Control, wait: Callable[[Control], object]) -> None:
    errors: list[Exception] = []

    def call() -> None:
        try:
            wait(control)
        except BusError as error:
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    time.sleep(0.2)
    control.close()
    thread.join(GUARD_S)
    assert len(errors) == 1
    assert "closed" in str(errors[0])
    for use in (
        control.configured,
        lambda: control.configure("v", "b"),
        lambda: control.configuration(""),
        lambda: control.send("w", "x", ttl_s=1),
        lambda: control.answer("c", "x"),
        lambda: control.show("a", b"x"),
        lambda: wait(control),
    ):
        with pytest.raises(BusError, match="closed"):
            use()
    control.close()


def follow_for_ever(control: Control) -> None:
    pictures = control.pictures()
    pictures.follow(["a"])
    while True:
        pictures.next(wait_s=60)


# --- what is on the Redis


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
