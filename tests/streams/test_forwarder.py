"""From the spool over the bus and back: what was spooled arrives, whatever is killed between."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from streams.bus import Bus, RedisBus
from streams.bus.chain import STREAM, UNKNOWN
from streams.bus.memory import MemoryBus
from streams.forwarder import Forwarder
from streams.spool import Spool
from streams.valkey import EmbeddedValkey
from tests.needs import in_ci
from tests.streams.servers import until
from tests.streams.statements import alert
from vision.errors import BusError, SpoolError

PROMISE_S = 2.0
"""What is put is stored within this; tests wait ten times as long."""


class Consumer:
    """A store in memory: takes, remembers, sends receipts, acknowledges. ``clumsy`` ones forget
    some of the last two."""

    def __init__(self, bus: Bus, seed: int | None = None) -> None:
        self.bus = bus
        self.stored: set[str] = set()
        self.deliveries = 0
        self._random = None if seed is None else random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Consumer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._step()
            except BusError:
                self._stop.wait(0.02)

    def _step(self) -> None:
        entries = self.bus.consume("toy", limit=50, wait_s=0.2)
        self.deliveries += len(entries)
        self.stored.update(entry.key for entry in entries)
        if self._random is not None and self._random.random() < 0.1:
            return
        if self._random is None or self._random.random() > 0.1:
            self.bus.send_receipts("w", [entry.key for entry in entries])
        self.bus.acknowledge([entry.id for entry in entries])


@contextmanager
def forwarding(spool: Spool, bus: Bus, *, resend_s: float = 0.3) -> Iterator[Forwarder]:
    forwarder = Forwarder(spool, bus, "w", resend_s=resend_s)
    forwarder.start()
    try:
        yield forwarder
    finally:
        forwarder.stop(0)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db") as made:
        yield made


class Faulty(MemoryBus):
    """Fails on demand, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: str | None = None
        self.mute = False
        self.checks = 0
        self.published: list[str] = []
        self.attempts: list[float] = []

    def check(self) -> None:
        self.checks += 1
        self._perhaps()

    def publish(
        self,
        worker: str,
        messages: Sequence[tuple[str, str]],
        *,
        spooled: Mapping[str, float] = UNKNOWN,
    ) -> None:
        self._perhaps()
        self.published += [key for key, _ in messages]
        super().publish(worker, messages, spooled=spooled)

    def take_receipts(self, worker: str, *, wait_s: float) -> list[str]:
        self._perhaps()
        return [] if self.mute else super().take_receipts(worker, wait_s=wait_s)

    def _perhaps(self) -> None:
        self.attempts.append(time.monotonic())
        if self.fails is not None:
            raise BusError(self.fails)


def test_everything_goes_there_in_order_and_is_forgotten(spool: Spool) -> None:
    bus = Faulty()
    spool.put([alert(i) for i in range(300)])
    with Consumer(bus) as consumer, forwarding(spool, bus, resend_s=60) as forwarder:
        until(lambda: spool.waiting == 0, 10 * PROMISE_S, "all is confirmed")
        spool.put([alert("late")])
        until(lambda: spool.waiting == 0, 10 * PROMISE_S, "the late one too")
        assert forwarder.problem is None
    assert bus.published == [f"alert:a{i}:1" for i in range(300)] + ["alert:alate:1"]
    assert consumer.stored == set(bus.published)


def test_an_outage_is_said_once_and_the_bus_is_checked_again(spool: Spool) -> None:
    bus = Faulty()
    bus.fails = "redis://x:1 does not answer"
    with capture_logs() as logs, Consumer(bus), forwarding(spool, bus) as forwarder:
        spool.put([alert(1)])
        until(lambda: len(bus.attempts) >= 4, 60, "it is tried again")
        assert forwarder.problem == "redis://x:1 does not answer"
        # each pause is at least half of twice the one before
        assert bus.attempts[3] - bus.attempts[0] >= 0.1 + 0.2 + 0.4
        assert bus.checks == len(bus.attempts)
        bus.fails = "redis://x:1 evicts"
        until(lambda: forwarder.problem == "redis://x:1 evicts", 60, "the news")
        bus.fails = None
        until(lambda: spool.waiting == 0, 100, "it is sent")
        assert forwarder.problem is None
        bus.fails = "gone again"
        until(lambda: forwarder.problem, 20, "a second outage")
    said = [(entry["log_level"], entry["event"]) for entry in logs]
    assert said == [
        ("warning", "messages wait in the spool"),
        ("info", "messages are sent again"),
        ("warning", "messages wait in the spool"),
    ]
    assert logs[0]["why"] == "redis://x:1 does not answer"


def test_what_is_unconfirmed_goes_again_but_not_without_end(spool: Spool) -> None:
    bus = Faulty()
    bus.mute = True
    spool.put([alert(i) for i in range(100)])
    with forwarding(spool, bus, resend_s=0.1):
        until(lambda: len(bus.published) > 130, 60, "some go again")
        # only a few of them, and ever less often
        assert bus.published[100:116] == [f"alert:a{i}:1" for i in range(16)]
        count = len(bus.published)
        assert count < 200
        bus.mute = False
        with Consumer(bus) as consumer:
            until(lambda: spool.waiting == 0, 100, "all is confirmed")
    assert consumer.stored == set(bus.published)
    assert len(consumer.stored) == 100


def test_a_spool_that_cannot_forget_keeps_the_receipts(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = Faulty()
    confirm = spool.confirm
    full = threading.Event()
    full.set()

    def failing(keys: Sequence[str]) -> None:
        if full.is_set():
            raise SpoolError("the disk is full: free some space")
        confirm(keys)

    monkeypatch.setattr(spool, "confirm", failing)
    spool.put([alert(1)])
    with Consumer(bus), forwarding(spool, bus, resend_s=60) as forwarder:
        until(lambda: forwarder.problem, 10 * PROMISE_S, "it says so")
        assert forwarder.problem == "the disk is full: free some space"
        full.clear()
        until(lambda: spool.waiting == 0, 100, "it is forgotten")
    assert bus.published == ["alert:a1:1"]


def test_stopping_drains_or_gives_up(spool: Spool) -> None:
    bus = Faulty()
    forwarder = Forwarder(spool, bus, "w")
    with Consumer(bus):
        forwarder.start()
        spool.put([alert(i) for i in range(1000)])
        forwarder.stop(60)
    assert spool.waiting == 0
    bus.fails = "gone"
    forwarder = Forwarder(spool, bus, "w")
    forwarder.start()
    spool.put([alert("left")])
    assert forwarder.alive
    before = len(bus.attempts)
    started_s = time.monotonic()
    forwarder.stop(0.5)
    assert 0.4 < time.monotonic() - started_s < 5
    assert len(bus.attempts) - before < 20
    assert spool.waiting == 1
    Forwarder(spool, bus, "w").stop(0)


def test_a_bus_that_hangs_does_not_hold_up_the_end(spool: Spool) -> None:
    bus = Faulty()
    asked, release, ended = (threading.Event() for _ in range(3))

    def hang(*_: object, **_more: object) -> None:
        asked.set()
        release.wait(120)

    bus.publish = hang  # type: ignore[method-assign]
    forwarder = Forwarder(spool, bus, "w")
    forwarder.start()
    spool.put([alert("left")])
    assert asked.wait(20)

    def stop() -> None:
        forwarder.stop(0.3)
        ended.set()

    stopping = threading.Thread(target=stop)
    stopping.start()
    try:
        assert ended.wait(13)
        assert spool.waiting == 1
        # nobody waits for it any more
        spool.close()
    finally:
        release.set()
        stopping.join(20)
        forwarder._thread.join(20)
    assert not forwarder._thread.is_alive()
    assert forwarder.problem is None or "closed" in forwarder.problem


def test_a_thread_that_broke_down_is_a_problem(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(spool, "unsent", lambda _: 1 / 0)
    with forwarding(spool, Faulty()) as forwarder:
        until(lambda: not forwarder.alive, 20, "it ended")
        assert "broke down" in str(forwarder.problem)


def test_a_worker_that_is_started_anew_sends_what_is_left(tmp_path: Path) -> None:
    bus = Faulty()
    with Spool(tmp_path / "s.db") as spool:
        spool.put([alert(i) for i in range(10)])
        with forwarding(spool, bus):
            until(lambda: len(bus.published) >= 10, 10 * PROMISE_S, "it is sent")
    with (
        Spool(tmp_path / "s.db") as spool,
        Consumer(bus) as consumer,
        forwarding(spool, bus, resend_s=60),
    ):
        until(lambda: spool.waiting == 0, 10 * PROMISE_S, "all is confirmed")
    assert len(consumer.stored) == 10


# --- over a real Valkey


def test_flushall_loses_nothing(valkey: str, spool: Spool) -> None:
    """Everything is deleted after it was sent and before anybody took it."""
    sender, taker = RedisBus(valkey), RedisBus(valkey)
    spool.put([alert(i) for i in range(200)])
    with redis.Redis.from_url(valkey) as client, forwarding(spool, sender, resend_s=0.5):
        until(lambda: client.xlen(STREAM) >= 200, 10 * PROMISE_S, "all is sent")
        client.flushall()
        with Consumer(taker) as consumer:
            until(lambda: spool.waiting == 0, 60, "all is sent again")
            assert len(consumer.stored) == 200
    sender.close()
    taker.close()


def chaos(tmp_path: Path, *, alerts: int, faults: int, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = EmbeddedValkey(tmp_path / "valkey")
    server.start()
    sender, taker = RedisBus(server.url), RedisBus(server.url, claim_idle_s=1)
    put: set[str] = set()
    done = threading.Event()
    with Spool(tmp_path / "s.db") as spool:

        def make() -> None:
            for i in range(alerts):
                message = alert(i)
                spool.put([message])
                put.add(message.key)
                time.sleep(0.005)
            done.set()

        maker = threading.Thread(target=make, daemon=True)
        with server, Consumer(taker, seed) as consumer, forwarding(spool, sender) as forwarder:
            maker.start()
            for _ in range(faults):
                time.sleep(chance.uniform(0, 0.3))
                if chance.random() < 0.5:
                    with redis.Redis.from_url(server.url) as client:
                        client.flushall()
                    continue
                assert server.pid is not None
                os.kill(server.pid, signal.SIGKILL)
                until(lambda: server.poll() is not None, 10, "Valkey is gone")
                time.sleep(chance.uniform(0, 0.3))
                server.start()
            assert done.wait(120)
            until(lambda: spool.waiting == 0, 100, "all is confirmed")
            until(lambda: forwarder.problem is None, 60, "no problem is left")
        assert consumer.stored == put
        assert len(put) == alerts
        maker.join(10)
    sender.close()
    taker.close()


def test_kills_and_flushes_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    chaos(tmp_path, alerts=300, faults=6, seed=7 if in_ci() else random.randrange(1 << 30))


@pytest.mark.long
def test_many_kills_and_flushes_lose_nothing(tmp_path: Path) -> None:
    chaos(tmp_path, alerts=3000, faults=60, seed=8 if in_ci() else random.randrange(1 << 30))
