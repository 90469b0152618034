"""What the store has is on the bus, whatever happens to either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import structlog

from api import publisher as publishing
from api.publisher import Publisher
from api.store import Store
from streams.bus import RedisControl
from streams.bus.memory_control import MemoryControl
from streams.citydocument import decode_city
from streams.commands import Follow, decode_command
from streams.config import CameraConfig, City
from tests.api.served import TESTER, sqlite_url, wait_until
from vision.errors import BusError, BusGoneError, StoreError, StoreGoneError

GUARD_S = 20.0


class Flaky(MemoryControl):
    """A control path whose calls fail as its owner says."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = False
        self.asked = 0
        self.written: list[str] = []

    def configured(self) -> str:
        self.asked += 1
        if self.failing:
            raise BusGoneError("Redis is not there: start it")
        return super().configured()

    def configure(self, version: str, body: str) -> None:
        super().configure(version, body)
        self.written.append(version)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "EVERY_S", 0.02)
    monkeypatch.setattr("api.trouble.FIRST_DELAY_S", 0.01)
    monkeypatch.setattr("api.trouble.MAX_DELAY_S", 0.05)


@contextmanager
def running(store: Store, control: RedisControl | Flaky, *workers: str) -> Iterator[Publisher]:
    died: list[bool] = []
    publisher = Publisher(store, control, lambda: workers, on_death=lambda: died.append(True))
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop()
    assert not publisher.running
    assert not died


def city(name: str) -> City:
    camera = CameraConfig("a", "a", "synthetic", None, "motion", 5.0, None, None)
    return City(name, (), None, (camera,))


def published(control: RedisControl | Flaky) -> tuple[int, str]:
    """Number and name of what the bus has; 0 for nothing."""
    found = control.configuration("")
    if found is None:
        return 0, ""
    document = decode_city(found[1])
    return document.number, document.name


def test_the_newest_is_on_the_bus_and_put_back(store: Store, valkey: str) -> None:
    control = RedisControl(valkey)
    try:
        with running(store, control), redis.Redis.from_url(valkey) as other:
            store.configuration.apply(city("one"), TESTER)
            wait_until(lambda: published(control) == (1, "one"), GUARD_S)
            version = control.configured()
            store.configuration.apply(city("two"), TESTER)
            wait_until(lambda: published(control) == (2, "two"), GUARD_S)
            assert control.configured() != version
            assert control.configuration(control.configured()) is None
            other.flushall()
            wait_until(lambda: published(control) == (2, "two"), GUARD_S)
            control.configure("another", "{}")
            wait_until(lambda: control.configured() != "another", GUARD_S)
            assert published(control) == (2, "two")
    finally:
        control.close()


def test_a_publisher_that_starts_again_changes_nothing(store: Store) -> None:
    control = Flaky()
    store.configuration.apply(city("one"), TESTER)
    with running(store, control):
        wait_until(lambda: control.written, GUARD_S)
    # an API of the same version gives the same body the same version
    with running(store, control):
        for _ in range(2):
            store.configuration.apply(city("one"), TESTER)
            asked = control.asked
            wait_until(lambda n=asked: control.asked > n + 2, GUARD_S)
    assert len(control.written) == 1


def test_without_a_configuration_nothing_is_published(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = Flaky()
    control.configure("of-another-store", "{}")
    looked: list[int] = []
    number = store.configuration.number
    monkeypatch.setattr(store.configuration, "number", lambda: looked.append(0) or number())
    with running(store, control):
        wait_until(lambda: len(looked) > 2, GUARD_S)
        assert control.written == ["of-another-store"]
        store.configuration.apply(city("one"), TESTER)
        wait_until(lambda: len(control.written) > 1, GUARD_S)
    assert published(control) == (1, "one")


def test_a_change_is_said_to_each_worker(store: Store) -> None:
    control = Flaky()
    with running(store, control, "north", "south"):
        for number, name in enumerate(["one", "two"], start=1):
            store.configuration.apply(city(name), TESTER)
            for worker in ("north", "south"):
                (command,) = control.take(worker, wait_s=GUARD_S)
                assert decode_command(command.body) == Follow()
                # who follows at once finds what it is about
                assert published(control)[0] == number
    for worker in ("north", "south"):
        assert control.take(worker, wait_s=0) == []


def test_what_is_wrong_is_said_once_and_is_over(store: Store) -> None:
    control = Flaky()
    control.failing = True
    store.configuration.apply(city("one"), TESTER)
    with structlog.testing.capture_logs() as logs, running(store, control) as publisher:
        wait_until(lambda: isinstance(publisher.problem, BusError), GUARD_S)
        control.failing = False
        wait_until(lambda: published(control) == (1, "one"), GUARD_S)
        wait_until(lambda: publisher.problem is None, GUARD_S)
    said = [entry["event"] for entry in logs]
    assert said == [
        "the configuration is not published", "configuration published",
        "the configuration is published again",
    ]  # fmt: skip
    assert logs[0]["why"] == "Redis is not there: start it"


def test_the_store_is_gone_for_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    control = Flaky()
    store.configuration.apply(city("one"), TESTER)
    gone = [True]
    number = store.configuration.number

    def failing() -> int:
        if gone[0]:
            raise StoreGoneError("the database gives no answer: check it")
        return number()

    monkeypatch.setattr(store.configuration, "number", failing)
    with running(store, control) as publisher:
        wait_until(lambda: isinstance(publisher.problem, StoreError), GUARD_S)
        assert control.written == []
        gone[0] = False
        wait_until(lambda: published(control) == (1, "one"), GUARD_S)


def test_a_bus_that_is_closed_ends_it_in_peace(store: Store, valkey: str) -> None:
    control = RedisControl(valkey)
    store.configuration.apply(city("one"), TESTER)
    with running(store, control) as publisher:
        wait_until(lambda: control.configured(), GUARD_S)
        control.close()
        wait_until(lambda: publisher.problem is not None, GUARD_S)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_its_death_is_noticed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[bool] = []
    publisher = Publisher(store, Flaky(), list, on_death=lambda: died.append(True))
    monkeypatch.setattr(store.configuration, "number", lambda: 1 // 0)
    publisher.start()
    wait_until(lambda: died, GUARD_S)
    publisher.stop()


def test_one_that_never_ran_can_be_stopped(store: Store) -> None:
    Publisher(store, Flaky(), list).stop()
