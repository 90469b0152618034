"""What is on the bus comes into the store once, whatever breaks in between."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import ingest as ingesting
from api.bell import Bell
from api.ingest import Ingest
from api.store import Store
from streams.bus import Bus, Entry, RedisBus
from streams.bus.memory import MemoryBus
from streams.messages import SYSTEM_CAMERA, encode
from tests.api.served import DAY, alert, counted, report, sqlite_url, wait_until
from vision.errors import BusError, BusGoneError, StoreError

GUARD_S = 20.0


class Flaky(MemoryBus):
    """A bus whose calls fail as its owner says."""

    def __init__(self) -> None:
        super().__init__(claim_idle_s=0.05)
        self.failing: set[str] = set()
        self.checks = 0

    def _maybe(self, name: str) -> None:
        if name in self.failing:
            raise BusGoneError(f"the bus fails to {name}")

    def check(self) -> None:
        self.checks += 1
        self._maybe("check")
        super().check()

    def consume(self, consumer: str, *, limit: int, wait_s: float) -> list[Entry]:
        self._maybe("consume")
        return super().consume(consumer, limit=limit, wait_s=min(wait_s, 0.05))

    def acknowledge(self, ids: Sequence[str]) -> None:
        self._maybe("acknowledge")
        super().acknowledge(ids)

    def send_receipts(self, worker: str, keys: Sequence[str]) -> None:
        self._maybe("send receipts")
        super().send_receipts(worker, keys)

    def reports(self) -> list[str]:
        self._maybe("report")
        return super().reports()

    @property
    def unhandled(self) -> int:
        return len(self._new) + len(self._given)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.trouble.FIRST_DELAY_S", 0.01)
    monkeypatch.setattr("api.trouble.MAX_DELAY_S", 0.05)
    monkeypatch.setattr(ingesting, "REPORTS_EVERY_S", 0.05)


@contextmanager
def running(bus: Bus, store: Store, bell: Bell | None = None) -> Iterator[Ingest]:
    ingest = Ingest(bus, store, bell or Bell(), consumer="test")
    ingest.start()
    try:
        yield ingest
    finally:
        ingest.stop()
        assert not ingest.running


def publish(bus: Bus, *messages: object, worker: str = "w") -> list[str]:
    keys = [message.key for message in messages]  # type: ignore[attr-defined]
    bus.publish(worker, [(m.key, encode(m)) for m in messages])  # type: ignore[attr-defined,arg-type]
    return keys


def ids(store: Store) -> set[str]:
    """Those of cameras, and not of the program itself."""
    found = store.alerts.find(only=None, limit=1000).alerts
    return {alert.id for alert in found if alert.camera != SYSTEM_CAMERA}


def test_stored_then_confirmed_then_forgotten(store: Store) -> None:
    bus = Flaky()
    keys = publish(bus, alert("a"), counted(0, {("gate", "in", "car"): 2}))
    with running(bus, store):
        wait_until(lambda: not bus.unhandled, GUARD_S)
        assert bus.take_receipts("w", wait_s=GUARD_S) == keys
    assert ids(store) == {"a"}
    assert store.counts.passages("plaza")


def test_receipts_go_to_whom_they_concern(store: Store) -> None:
    bus = Flaky()
    publish(bus, alert("a"), worker="one")
    publish(bus, alert("b"), worker="two")
    bus.publish("", [("alert:c:1", encode(alert("c")))])
    with running(bus, store):
        wait_until(lambda: not bus.unhandled, GUARD_S)
    assert bus.take_receipts("one", wait_s=0) == ["alert:a:1"]
    assert bus.take_receipts("two", wait_s=0) == ["alert:b:1"]
    assert ids(store) == {"a", "b", "c"}


@pytest.mark.parametrize("broken", ["consume", "acknowledge", "send receipts", "report", "check"])
def test_a_bus_that_fails(store: Store, quick: None, broken: str) -> None:
    bus = Flaky()
    with running(bus, store) as ingest:
        wait_until(lambda: ingest.running, GUARD_S)
        bus.failing = {broken, "consume"} if broken == "check" else {broken}
        publish(bus, alert("a"))
        wait_until(lambda: isinstance(ingest.problem, BusError), GUARD_S)
        assert broken in str(ingest.problem) or broken == "check"
        bus.failing = set()
        wait_until(lambda: not bus.unhandled and ingest.problem is None, GUARD_S)
    assert bus.checks, "a bus that was gone is looked at before it is trusted again"
    assert ids(store) == {"a"}
    assert store.alerts.position() == 1, "delivered again, it changed nothing"
    assert "alert:a:1" in bus.take_receipts("w", wait_s=0)


def test_a_store_that_fails_confirms_nothing(
    store: Store, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = Flaky()

    def full(*_: object) -> None:
        raise StoreError("no space is left")

    with monkeypatch.context() as patch:
        patch.setattr(store, "record", full)
        with running(bus, store) as ingest:
            publish(bus, alert("a"))
            wait_until(lambda: isinstance(ingest.problem, StoreError), GUARD_S)
            assert bus.take_receipts("w", wait_s=0.2) == []
            assert bus.unhandled == 1
            patch.undo()
            wait_until(lambda: not bus.unhandled, GUARD_S)
    assert ids(store) == {"a"}


def test_an_outage_is_logged_once(
    store: Store, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = Flaky()
    bus.failing = {"consume"}
    with running(bus, store) as ingest:
        wait_until(lambda: bus.checks > 5, GUARD_S)
        bus.failing = set()
        wait_until(lambda: ingest.problem is None, GUARD_S)
    said = capsys.readouterr().out
    assert said.count("messages wait") == 1
    assert said.count("messages are stored again") == 1


POISON = [
    "", "{", "null", "[]", '{"type":"alert"}', '{"type":"other"}', "\0", "x" * 300_000,
    encode(alert("p")).replace('"plaza"', '"pla\\u0000za"'),
    encode(alert("p")).replace("1.5", "NaN"),
    encode(alert("p")).replace("1.5", "1e999"),
    encode(alert("p")).replace("[1.5,", "[" * 5000 + "1.5,"),
    encode(alert("p")).replace('"schema_version":2', '"schema_version":"3"'),
    # these fit the schema, and no database
    encode(counted(frames=1 << 70)),
    encode(counted(start_s=0.5)),
]  # fmt: skip


def test_poison_is_kept_apart_and_holds_up_nobody(store: Store) -> None:
    bus = Flaky()
    bus.publish("w", [(f"poison:{n}", body) for n, body in enumerate(POISON)])
    publish(bus, alert("good"))
    bus.publish("w", [("", "no key")])
    with running(bus, store):
        wait_until(lambda: not bus.unhandled, GUARD_S)
    assert ids(store) == {"good"}
    with store._database.read() as connection:
        rows = connection.exec_driver_sql("SELECT reason, body FROM rejected").all()
    assert len(rows) == len(POISON) + 1
    assert all(reason and len(body) <= 10_000 for reason, body in rows)
    receipts = bus.take_receipts("w", wait_s=0)
    assert sorted(receipts) == sorted(
        [f"poison:{n}" for n in range(len(POISON))] + ["alert:good:1"]
    )


NEWER = encode(alert("n")).replace('"schema_version":2', '"schema_version":3')


def test_what_only_a_newer_version_reads_waits_for_it(
    store: Store, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = Flaky()
    bus.publish("new", [("alert:n:1", NEWER)])
    publish(bus, alert("old"))
    with running(bus, store) as ingest:
        assert bus.take_receipts("w", wait_s=GUARD_S) == ["alert:old:1"]
        wait_until(lambda: ingest.newer, GUARD_S)
        said = ingest.newer
        assert said is not None
        assert said.startswith("messages from new are of a newer version")
        assert "install that version" in said
        # its worker sends it again as long as there is no receipt
        for _ in range(20):
            bus.publish("new", [("alert:n:1", NEWER)])
        publish(bus, alert("later"))
        wait_until(lambda: bus.unhandled == 1, GUARD_S)
        assert bus.take_receipts("w", wait_s=GUARD_S) == ["alert:later:1"]
        time.sleep(0.3)
        assert bus.unhandled == 1, "it stays, however often it came by"
        assert bus.take_receipts("new", wait_s=0) == []
        assert ingest.problem is None
    assert ids(store) == {"old", "later"}
    with store._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM rejected").scalar() == 0
    assert capsys.readouterr().out.count("messages wait for a newer version") == 1


def test_the_newer_version_finds_what_waited(
    store: Store, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = Flaky()
    bus.publish("new", [("alert:n:1", NEWER), ("", NEWER)])
    with running(bus, store) as ingest:
        wait_until(lambda: ingest.newer, GUARD_S)
        monkeypatch.setattr(ingesting, "HELD_S", 0.5)
        assert bus.unhandled == 2
        monkeypatch.setattr(ingesting, "decode", lambda _body: alert("n"))
        wait_until(lambda: not bus.unhandled, GUARD_S)
        assert bus.take_receipts("new", wait_s=GUARD_S) == ["alert:n:1"]
        wait_until(lambda: ingest.newer is None, GUARD_S)
    assert ids(store) == {"n"}


def test_many_that_wait_do_not_spin(store: Store, quick: None) -> None:
    class Counting(Flaky):
        delivered = 0

        def consume(self, consumer: str, *, limit: int, wait_s: float) -> list[Entry]:
            found = super().consume(consumer, limit=limit, wait_s=wait_s)
            self.delivered += len(found)
            return found

    bus = Counting()
    bus._claim_idle_s = 60.0
    bus.publish("new", [(f"k{n}", NEWER) for n in range(1200)])
    publish(bus, alert("old"))
    with running(bus, store):
        assert bus.take_receipts("w", wait_s=GUARD_S) == ["alert:old:1"]
        time.sleep(0.3)
        assert bus.delivered == 1201, "each once, until it is left alone for long"


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "MAX_HELD", 10)
    held = ingesting._Held()
    assert all(held.hold(Entry(f"{n}-0", "w", f"k{n}", "")) for n in range(100))
    assert len(held._seen) <= 11
    assert held.hold(Entry("99-0", "w", "k99", ""))
    assert not held.hold(Entry("200-0", "w", "k99", ""))
    assert held.workers() == ["w"]


def test_one_unstorable_among_many(store: Store) -> None:
    bus = Flaky()
    good = [alert(f"a{n}") for n in range(40)]
    publish(bus, *good[:17], counted(frames=1 << 70), *good[17:])
    with running(bus, store):
        wait_until(lambda: not bus.unhandled, GUARD_S)
    assert ids(store) == {f"a{n}" for n in range(40)}


@settings(max_examples=25)
@given(
    statements=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), min_size=1),
    seed=st.integers(0, 10_000),
)
def test_replays_and_reorderings(
    statements: list[tuple[str, int]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dice = random.Random(seed)
    sent = [alert(i, v, place=f"v{v}") for i, v in statements]
    sent += dice.choices(sent, k=len(sent))
    dice.shuffle(sent)
    bus = Flaky()
    with Store.open(sqlite_url(tmp_path_factory.mktemp("replays"))) as store:
        with running(bus, store):
            for message in sent:
                publish(bus, message)
            wait_until(lambda: not bus.unhandled, GUARD_S)
        found = {a.id: (a.version, a.place) for a in store.alerts.find(only=None, limit=100).alerts}
    newest = {i: max(v for j, v in statements if j == i) for i, _ in statements}
    assert found == {i: (v, f"v{v}") for i, v in newest.items()}


def test_reports_reach_cameras_and_readiness(store: Store, quick: None) -> None:
    bus = Flaky()
    bus.report("w", encode(report(DAY, "a", "b")), ttl_s=60)
    bus.report("bad", "{}", ttl_s=60)
    with running(bus, store) as ingest:
        wait_until(lambda: ingest.workers, GUARD_S)
        assert [c.report.camera for c in store.cameras.all()] == ["a", "b"]
        first = ingest.workers[0]
        time.sleep(0.2)
        assert ingest.workers == (first,), "the same report is not news"
        bus.report("w", encode(report(DAY + 2, "b", problem="the spool is full")), ttl_s=0.1)
        wait_until(lambda: ingest.workers and ingest.workers[0].report.problem, GUARD_S)
        assert [c.report.camera for c in store.cameras.all()] == ["b"]
        wait_until(lambda: not ingest.workers, GUARD_S)
    assert [c.report.camera for c in store.cameras.all()] == ["b"], "the last word stays"


def test_the_bell_rings_after_alerts_only(store: Store) -> None:
    rung: list[int] = []
    bell = Bell()
    bell.ring = lambda: rung.append(store.alerts.position())  # type: ignore[method-assign]
    bus = Flaky()
    with running(bus, store, bell):
        publish(bus, counted())
        wait_until(lambda: not bus.unhandled, GUARD_S)
        assert rung == []
        publish(bus, alert())
        wait_until(lambda: not bus.unhandled, GUARD_S)
    assert rung == [1], "when it is committed"


def test_a_thread_that_breaks_down_says_so(store: Store) -> None:
    class Broken(Flaky):
        def reports(self) -> list[str]:
            raise KeyError("a fault of ours")

    died = threading.Event()
    hook, threading.excepthook = threading.excepthook, lambda _: None
    try:
        ingest = Ingest(Broken(), store, Bell(), consumer="test", on_death=died.set)
        ingest.start()
        assert died.wait(GUARD_S)
        wait_until(lambda: not ingest.running, GUARD_S)
    finally:
        threading.excepthook = hook
    ingest.stop()


def test_stopping_one_that_never_started(store: Store) -> None:
    Ingest(MemoryBus(), store, Bell(), consumer="test").stop()


def test_over_a_real_valkey(store: Store, valkey: str) -> None:
    bus, other = RedisBus(valkey), RedisBus(valkey)
    keys = publish(other, *(alert(f"a{n}") for n in range(700)), counted())
    with running(bus, store) as ingest:
        wait_until(lambda: len(ids(store)) == 700, GUARD_S)
        receipts: list[str] = []

        def confirmed() -> int:
            receipts.extend(other.take_receipts("w", wait_s=0.1))
            return len(receipts)

        wait_until(lambda: confirmed() == len(keys), GUARD_S)
        assert sorted(receipts) == sorted(keys)
        assert ingest.problem is None
        bus.close()
        wait_until(lambda: ingest.problem is not None, GUARD_S)
    other.close()
