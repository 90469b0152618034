"""The control path: one contract for Redis and memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from streams.bus import Control, RedisControl
from streams.bus.control import MAX_QUEUED
from streams.bus.memory_control import MemoryControl
from tests.streams.controlled import GUARD_S, got, shown, taken
from tests.streams.servers import until
from vision.errors import BusError

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
