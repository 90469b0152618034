"""A server that went silent, as behind a network that drops everything: each command ends with
BusGoneError, and the same bus goes on once somebody answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from streams.bus import RedisBus
from streams.bus.connection import ANSWER_S, SLICE_S
from streams.forwarder import Forwarder
from streams.posting import Poster
from streams.spool import Spool
from streams.valkey import EmbeddedValkey
from tests.faults.proxy import Proxy
from tests.streams.apis import KEY, stub_api
from tests.streams.statements import alert
from tests.streams.test_forwarder import Consumer
from tests.waiting import wait_for
from vision.errors import BusGoneError

NOTICED_S: Final = SLICE_S + ANSWER_S
"""By then a silent server is noticed; tests wait ten times as long."""
COMMANDS: Final[dict[str, Callable[[RedisBus], object]]] = {
    "check": lambda bus: bus.check(),
    "publish": lambda bus: bus.publish("w", [("k", "x" * 1000)]),
    "publish much": lambda bus: bus.publish("w", [("k", "x" * (1 << 24))]),
    "consume": lambda bus: bus.consume("a", limit=10, wait_s=60),
    "acknowledge": lambda bus: bus.acknowledge(["1-1"]),
    "put off": lambda bus: bus.put_off(["1-1"]),
    "send receipts": lambda bus: bus.send_receipts("w", ["k"]),
    "take receipts": lambda bus: bus.take_receipts("w", wait_s=60),
    "look for receipts": lambda bus: bus.take_receipts("w", wait_s=0),
    "report": lambda bus: bus.report("w", "{}", ttl_s=10),
    "reports": lambda bus: bus.reports(),
}


@pytest.fixture
def proxy(valkey: str, valkey_server: EmbeddedValkey) -> Iterator[Proxy]:
    with Proxy(valkey_server.socket) as made:
        yield made


@pytest.fixture
def bus(proxy: Proxy) -> Iterator[RedisBus]:
    made = RedisBus(f"redis://127.0.0.1:{proxy.port}/0")
    yield made
    made.close()


class Asked:
    """A command in a thread of its own; ``error`` is what it raised."""

    def __init__(self, command: Callable[[], object]) -> None:
        self.error: BusGoneError | None = None
        self._command = command
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._command()
        except BusGoneError as error:
            self.error = error


@pytest.mark.parametrize("name", COMMANDS)
def test_a_server_that_goes_silent_is_noticed(bus: RedisBus, proxy: Proxy, name: str) -> None:
    bus.check()
    bus.publish("w", [("first", "x")])
    (entry,) = bus.consume("a", limit=10, wait_s=10)
    bus.acknowledge([entry.id])
    proxy.mode = "half-open"
    asked = Asked(lambda: COMMANDS[name](bus))
    asked.thread.join(10 * NOTICED_S)
    assert not asked.thread.is_alive(), "it waits for ever"
    assert asked.error is not None
    assert "does not answer" in str(asked.error)
    proxy.mode = "open"
    # the dead connection is not taken again
    bus.check()
    bus.publish("w", [("second", "x")])
    assert "second" in [found.key for found in bus.consume("a", limit=10, wait_s=10)]


def test_a_wait_that_began_before_the_silence_ends(bus: RedisBus, proxy: Proxy) -> None:
    bus.check()
    asked = Asked(lambda: bus.take_receipts("w", wait_s=600))
    wait_for(lambda: proxy.accepted >= 1, "it is connected")
    proxy.mode = "half-open"
    asked.thread.join(10 * NOTICED_S)
    assert asked.error is not None


def test_alerts_go_round_a_server_that_is_silent(
    bus: RedisBus, proxy: Proxy, valkey: str, tmp_path: Path
) -> None:
    taker = RedisBus(valkey)
    with Spool(tmp_path / "s.db") as spool, stub_api() as api:
        forwarder = Forwarder(spool, bus, "w", poster=Poster(api.url, KEY))
        forwarder.start()
        try:
            with Consumer(taker) as consumer:
                spool.put([alert(1)])
                wait_for(lambda: spool.waiting == 0, "it goes over the bus")
                proxy.mode = "half-open"
                spool.put([alert(2)])
                wait_for(lambda: spool.waiting == 0, "it is posted")
                assert api.stored == [("a2", 1)]
                proxy.mode = "open"
                wait_for(lambda: forwarder.problem is None, "the bus is back")
                spool.put([alert(3)])
                wait_for(lambda: spool.waiting == 0, "it goes over the bus")
        finally:
            forwarder.stop(0)
    taker.close()
    # the second one was perhaps on its way when the answers stopped
    assert consumer.stored - {"alert:a2:1"} == {"alert:a1:1", "alert:a3:1"}
    assert api.stored == [("a2", 1)]
