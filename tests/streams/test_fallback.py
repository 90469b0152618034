"""While Redis takes nothing, alerts reach the API by themselves: once, in order, and no counts."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from streams import fallback
from streams.bus import Bus, RedisBus
from streams.bus.chain import STREAM
from streams.canary import Canary
from streams.forwarder import Forwarder
from streams.messages import decode
from streams.posting import Poster
from streams.recorder import Recorder
from streams.spool import Spool
from streams.valkey import EmbeddedValkey
from tests.needs import in_ci
from tests.streams.apis import KEY, StubApi, stub_api
from tests.streams.statements import alert, counts
from tests.streams.test_forwarder import Consumer, Faulty
from tests.waiting import wait_for
from vision.errors import SpoolError


@pytest.fixture
def api() -> Iterator[StubApi]:
    with stub_api() as found:
        yield found


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db") as made:
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that fails is soon tried again."""
    monkeypatch.setattr(fallback, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(fallback, "MAX_DELAY_S", 0.1)


@contextmanager
def forwarding(
    spool: Spool, bus: Bus, api: StubApi | None, *, after_s: float = 0.1, answer_s: float = 5.0
) -> Iterator[Forwarder]:
    poster = None if api is None else Poster(api.url, KEY, answer_s=answer_s)
    forwarder = Forwarder(spool, bus, "w", resend_s=0.3, poster=poster, post_after_s=after_s)
    forwarder.start()
    try:
        yield forwarder
    finally:
        forwarder.stop(0)


def gone() -> Faulty:
    bus = Faulty()
    bus.fails = "redis://x:1 does not answer"
    return bus


def minute(number: int) -> Any:
    return counts(1_700_000_040.0 + 60 * number)


def test_alerts_are_posted_in_order_and_counts_wait(spool: Spool, api: StubApi) -> None:
    bus = gone()
    for number in range(40):
        spool.put([alert(number), minute(number), alert(number, version=2, state="closed")])
    before = [m.spooled_ts for m in spool.unconfirmed_alerts(1)]
    with forwarding(spool, bus, api) as forwarder:
        wait_for(lambda: spool.waiting == 40, "only the counts are left")
        assert api.stored == [(f"a{n}", version) for n in range(40) for version in (1, 2)]
        assert api.paths == ["/api/v1/alerts"] * 80
        assert api.sent[0]["spooled"] is not None
        assert len(before) == 1
        # one that comes during the outage does not wait for the bus to be tried
        spool.put([alert("late")])
        wait_for(lambda: ("alate", 1) in api.stored, "the late one too")
        assert forwarder.problem == "redis://x:1 does not answer"
        assert bus.published == []
        bus.fails = None
        with Consumer(bus):
            wait_for(lambda: spool.waiting == 0, "the counts are confirmed")
    assert bus.published == [minute(number).key for number in range(40)], "and no alert again"


def test_not_before_the_bus_is_out(spool: Spool, api: StubApi) -> None:
    bus = gone()
    spool.put([alert(1)])
    with forwarding(spool, bus, api, after_s=3600):
        wait_for(lambda: len(bus.attempts) >= 4, "it fails for a while")
        assert api.paths == []
        bus.fails = None
        with Consumer(bus):
            wait_for(lambda: spool.waiting == 0, "it goes over the bus")
    assert api.paths == []


def test_what_the_bus_had_taken_before_it_died_is_posted_too(spool: Spool, api: StubApi) -> None:
    bus = Faulty()
    spool.put([alert(1), minute(1)])
    with forwarding(spool, bus, api):
        wait_for(lambda: len(bus.published) >= 2, "both are on the bus, and nobody takes them")
        assert api.paths == []
        bus.fails = "redis://x:1 does not answer"
        wait_for(lambda: spool.waiting == 1, "the alert is stored")
        bus.fails = None
        with Consumer(bus) as consumer:
            wait_for(lambda: spool.waiting == 0, "the counts too")
            # at least once: the same id and version changes nothing
            assert consumer.stored == {alert(1).key, minute(1).key}
    assert api.stored == [("a1", 1)]


def test_one_that_is_refused_holds_up_no_other_and_waits_for_the_bus(
    spool: Spool, api: StubApi
) -> None:
    bus = gone()
    api.refused = {"a1", "a3"}
    spool.put([alert(n) for n in range(5)])
    with capture_logs() as logs, forwarding(spool, bus, api):
        wait_for(lambda: spool.waiting == 2, "the others are stored")
        spool.put([alert(9)])
        wait_for(lambda: ("a9", 1) in api.stored, "and later ones")
        assert [entry["id"] for entry in api.sent].count("a1") == 1
        bus.fails = None
        with Consumer(bus):
            wait_for(lambda: spool.waiting == 0, "the bus has them")
    assert bus.published == ["alert:a1:1", "alert:a3:1"]
    assert api.stored == [(f"a{n}", 1) for n in (0, 2, 4, 9)]
    refusals = [e["key"] for e in logs if e["event"] == "alert not posted, it waits for Redis"]
    assert refusals == ["alert:a1:1", "alert:a3:1"]


@pytest.mark.parametrize("status", [401, 403, 500, 503, 302])
def test_an_api_that_takes_none_is_tried_again(
    spool: Spool, api: StubApi, quick: None, status: int
) -> None:
    bus = gone()
    api.status = status
    spool.put([alert(1), alert(2)])
    with capture_logs() as logs, forwarding(spool, bus, api):
        wait_for(lambda: len(api.sent) >= 3, "it is tried again")
        assert spool.waiting == 2
        # the first one first, however often
        assert {entry["id"] for entry in api.sent} == {"a1"}
        api.status = 201
        wait_for(lambda: spool.waiting == 0, "both are stored")
    assert api.stored == [("a1", 1), ("a2", 1)]
    said = [entry["event"] for entry in logs if entry["event"].startswith("alerts ")]
    assert said == ["alerts cannot be posted", "alerts are posted to the API"]
    assert KEY not in str(logs)


def test_an_api_that_hangs_holds_up_neither_the_bus_nor_the_end(
    spool: Spool, api: StubApi, quick: None
) -> None:
    bus = gone()
    api.hangs.set()
    spool.put([alert(1)])
    with forwarding(spool, bus, api, answer_s=0.3) as forwarder:
        wait_for(lambda: len(api.paths) >= 2, "it is tried again")
        bus.fails = None
        with Consumer(bus):
            wait_for(lambda: spool.waiting == 0, "it goes over the bus")
        forwarder.stop(0)
        assert not forwarder._thread.is_alive()
    assert api.stored == []


def test_without_an_api_all_waits(spool: Spool) -> None:
    bus = gone()
    spool.put([alert(1)])
    with forwarding(spool, bus, None, after_s=0):
        wait_for(lambda: len(bus.attempts) >= 3, "it is tried")
        assert spool.waiting == 1
        bus.fails = None
        with Consumer(bus):
            wait_for(lambda: spool.waiting == 0, "it is sent")


def test_a_canary_is_never_posted(spool: Spool, api: StubApi) -> None:
    bus = gone()
    canary = Canary(Recorder(spool), "w", period_s=0)
    canary.step()
    spool.put([alert(1)])
    canary.step()
    with forwarding(spool, bus, api):
        wait_for(lambda: spool.waiting == 2, "the alert is stored")
        spool.put([alert(2)])
        wait_for(lambda: ("a2", 1) in api.stored, "and another one")
    assert {entry["kind"] for entry in api.sent} == {"intrusion"}


def test_a_spool_that_cannot_forget_posts_again_later(
    spool: Spool, api: StubApi, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm = spool.confirm
    full = threading.Event()
    full.set()

    def failing(keys: Any, **more: Any) -> None:
        if full.is_set():
            raise SpoolError("the disk is full: free some space")
        confirm(keys, **more)

    monkeypatch.setattr(spool, "confirm", failing)
    spool.put([alert(1)])
    with forwarding(spool, gone(), api):
        wait_for(lambda: len(api.sent) >= 2, "it is posted again")
        full.clear()
        wait_for(lambda: spool.waiting == 0, "it is forgotten")
    assert api.stored == [("a1", 1)]


def test_a_body_that_nobody_reads_stays(spool: Spool, api: StubApi) -> None:
    spool.put([alert(1), alert(2)])
    spool._file.change(
        lambda db: db.execute('UPDATE outbox SET body = \'{"type": "alert"}\' WHERE seq = 1')
    )
    with forwarding(spool, gone(), api):
        wait_for(lambda: spool.waiting == 1, "the other one is stored")
    assert api.stored == [("a2", 1)]


# --- over a real Valkey


def outages(tmp_path: Path, api: StubApi, *, alerts: int, faults: int, seed: int) -> None:
    """Valkey dies and comes back at random moments, and the API fails now and then: each alert is
    stored by one way or the other, and by the API once."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = EmbeddedValkey(tmp_path / "valkey")
    server.start()
    sender, taker = RedisBus(server.url), RedisBus(server.url, claim_idle_s=1)
    messages = [alert(n // 3, version=n % 3 + 1) for n in range(alerts)]
    minutes = [minute(n) for n in range(alerts // 10)]
    done = threading.Event()
    with Spool(tmp_path / "s.db") as spool:

        def make() -> None:
            for number, message in enumerate(messages):
                extra = [minutes[number // 10]] if number % 10 == 0 else []
                spool.put([message, *extra])
                time.sleep(0.005)
            done.set()

        maker = threading.Thread(target=make, daemon=True)
        with server, Consumer(taker) as consumer, forwarding(spool, sender, api, after_s=0.3):
            maker.start()
            for _ in range(faults):
                time.sleep(chance.uniform(0, 0.5))
                assert server.pid is not None
                os.kill(server.pid, signal.SIGKILL)
                wait_for(lambda: server.poll() is not None, "Valkey is gone")
                api.status = chance.choice([201, 201, 503])
                time.sleep(chance.uniform(0, 1.0))
                api.status = 201
                server.start()
            assert done.wait(120)
            wait_for(lambda: spool.waiting == 0, "all is confirmed")
        maker.join(10)
    sender.close()
    taker.close()
    by_bus = {key for key in consumer.stored if key.startswith("alert:")}
    by_api = {f"alert:{name}:{version}" for name, version in api.stored}
    assert by_bus | by_api == {message.key for message in messages}
    assert {m.key for m in minutes} == consumer.stored - by_bus
    assert max(Counter(api.stored).values(), default=1) == 1


def test_outages_at_random_moments_lose_nothing(tmp_path: Path, api: StubApi, quick: None) -> None:
    outages(tmp_path, api, alerts=300, faults=4, seed=7 if in_ci() else random.randrange(1 << 30))


@pytest.mark.long
def test_many_outages_lose_nothing(tmp_path: Path, api: StubApi, quick: None) -> None:
    outages(tmp_path, api, alerts=3000, faults=40, seed=8 if in_ci() else random.randrange(1 << 30))


def test_with_valkey_gone_every_alert_leaves_the_spool(tmp_path: Path, api: StubApi) -> None:
    server = EmbeddedValkey(tmp_path / "valkey")
    server.start()
    bus = RedisBus(server.url)
    with Spool(tmp_path / "s.db") as spool, server, forwarding(spool, bus, api) as forwarder:
        wait_for(lambda: forwarder.problem is None and forwarder._checked, "all is well")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        wait_for(lambda: server.poll() is not None, "Valkey is gone")
        for number in range(50):
            spool.put([alert(number), minute(number)])
        wait_for(lambda: spool.waiting == 50, "the alerts are stored")
        assert api.stored == [(f"a{n}", 1) for n in range(50)]
        server.start()
        with redis.Redis.from_url(server.url) as client:
            wait_for(lambda: client.xlen(STREAM) >= 50, "the counts are sent")
            bodies: Any = [fields[b"body"] for _, fields in client.xrange(STREAM)]
    bus.close()
    assert {decode(body).type for body in bodies} == {"counts"}
