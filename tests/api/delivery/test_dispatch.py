"""A channel's letters are sent, again at the promised times, and keep no other channel waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from api.delivery.dispatch import DROP_EVERY, ChannelRunner, Dispatcher
from api.delivery.schedule import JITTER, STANDARD_S, URGENT_S
from api.delivery.sender import STOPPED
from api.store import Store
from api.store.facts import NewNotice
from api.store.letters import Answer, Letter
from api.store.outbox import SETTLED_S
from tests.api.delivery.receiver import drip, hang, receiving, sender
from tests.api.logins import Clock
from tests.api.served import DAY, TESTER, alert, sqlite_url
from tests.api.store.telling import Judged, rows
from tests.waiting import wait_for
from vision.errors import StoreGoneError

SHORT_S = 0.2


@pytest.fixture
def now() -> Clock:
    return Clock(DAY)


@pytest.fixture
def store(tmp_path: Path, now: Clock) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path), clock=now) as opened:
        yield opened


class Fake:
    """A sender that answers as it is told, the last answer again and again."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers) or [Answer(True, "", 200)]
        self.sent: list[Letter] = []
        self.closed = False

    def send(self, letter: Letter) -> Answer:
        self.sent.append(letter)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


NO = Answer(False, "it answers 500", 500)
YES = Answer(True, "", 200)


def tell(store: Store, *ids: str, channel: str = "room1", **more: Any) -> None:
    store.record([alert(each) for each in ids])
    values = {"state": "waiting", "due_at": DAY} | more
    store.notices.route(
        lambda changes, _: [
            NewNotice(channel, each.alert.id, "opened", **values) for each in changes
        ],
        inhibiting=(),
        limit=500,
    )


def runner(store: Store, sending: Any, now: Clock, **more: Any) -> ChannelRunner:
    values = {"by": "tests", "per_minute": 6000, "clock": now, "monotonic": now, "rng": Random(5)}
    channel = more.pop("channel", "room1")
    return ChannelRunner(channel, store.notices, sending, Judged, **(values | more))


def tries(store: Store, now: Clock, running: ChannelRunner) -> list[float]:
    """Let time pass until nothing is due any more; when each try was, as the log says it."""
    channel = running.channel
    while (due := store.notices.next_due(channel)) is not None:
        now.now = max(now.now, due)
        running.step()
    return sorted(entry.at for entry in store.notices.deliveries(channel=channel, limit=999))


@pytest.mark.parametrize("given", [500, 301, 404, (429, {"Retry-After": "1"})])
@pytest.mark.parametrize(("urgent", "promised"), [(False, STANDARD_S), (True, URGENT_S)])
def test_the_promised_schedule_is_kept(
    store: Store, now: Clock, given: Any, urgent: bool, promised: tuple[float, ...]
) -> None:
    tell(store, "a", urgent=urgent)
    with receiving(given) as receiver:
        times = tries(store, now, runner(store, sender(receiver.url, clock=now), now))
        names = {got.headers["webhook-id"] for got in receiver.got}
    assert times[0] == DAY
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert len(waits) == len(promised) - 1
    for wait, least in zip(waits, promised[1:], strict=True):
        assert least <= wait <= least * (1 + JITTER) + 0.001
    assert len(names) == 1, "receivers can tell that it is the same message"
    (entry,) = {entry.state for entry in store.notices.deliveries(limit=99)}
    assert entry == "given_up"


@pytest.mark.parametrize("given", [hang, drip])
def test_a_server_that_hangs_is_tried_again(store: Store, now: Clock, given: Any) -> None:
    tell(store, "a")
    with receiving(given, given, 200) as receiver:
        running = runner(store, sender(receiver.url, timeout_s=SHORT_S), now)
        times = tries(store, now, running)
        assert len(receiver.got) == 3
    assert 5 <= times[1] - times[0] <= 5.5
    assert [entry.ok for entry in store.notices.deliveries(limit=9)] == [True, False, False]


def test_what_a_server_asks_for_is_waited_for_by_the_whole_channel(
    store: Store, now: Clock
) -> None:
    tell(store, "a", "b")
    with receiving((429, {"Retry-After": "600"}), 200) as receiver:
        running = runner(store, sender(receiver.url), now)
        running.step()
        for _ in range(100):
            now.now += 5
            running.step()
        assert len(receiver.got) == 1
        assert len(tries(store, now, running)) == 3
    log = store.notices.deliveries(limit=9)
    assert min(entry.at for entry in log if entry.ok) >= DAY + 600


def test_who_wants_no_more_gets_no_more_of_it(store: Store, now: Clock) -> None:
    tell(store, "a")
    with receiving(410) as receiver:
        assert len(tries(store, now, runner(store, sender(receiver.url), now))) == 1


def test_a_channel_rests_after_failures_and_is_there_for_what_is_urgent(
    store: Store, now: Clock
) -> None:
    tell(store, *(f"a{n}" for n in range(30)))
    sending = Fake(NO)
    running = runner(store, sending, now)
    for _ in range(1200):
        running.step()
        now.now += 0.1
    assert 8 <= len(sending.sent) <= 30, "not all of them at once against a server that fails"
    before = len(sending.sent)
    tell(store, "alarm", urgent=True)
    for _ in range(610):
        running.step()
        now.now += 0.1
    assert sending.sent[before].alerts[0].id == "alarm", "as soon as the rest is over"
    urgent = [each for each in sending.sent[before:] if each.urgent]
    assert len(urgent) >= 4, "and fast again"


def test_a_channel_gets_no_more_than_it_takes(store: Store, now: Clock) -> None:
    tell(store, *(f"a{n}" for n in range(20)), urgent=True)
    sending = Fake()
    running = runner(store, sending, now, per_minute=6)
    counted = []
    for _ in range(1800):
        running.step()
        counted.append(len(sending.sent))
        now.now += 0.1
    assert counted[5] == 6, "what it takes goes at once"
    for first in range(0, 1200, 7):
        assert counted[first + 599] - counted[first] <= 6
    assert counted[-1] == 18


def test_a_fault_in_one_letter_keeps_no_other_waiting(store: Store, now: Clock) -> None:
    tell(store, "a", "b")
    sending = Fake(ValueError("a fault of ours"), YES)
    running = runner(store, sending, now)
    running.step()
    now.now += 2
    running.step()
    assert [each.ok for each in store.notices.deliveries(limit=9)] == [True, False]
    now.now += 5
    running.step()
    assert {each.state for each in store.notices.deliveries(limit=9)} == {"delivered"}


def test_what_was_sent_is_kept_once_the_store_is_back(
    store: Store, now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(store, "a")
    sending = Fake()
    running = runner(store, sending, now)

    def gone(*_args: Any, **_more: Any) -> None:
        raise StoreGoneError("the database gives no answer")

    with monkeypatch.context() as patch:
        patch.setattr(store.notices, "settle", gone)
        for _ in range(3):
            with pytest.raises(StoreGoneError):
                running.step()
    now.now += 500
    running.step()
    running.step()
    assert len(sending.sent) == 1, "not sent again, though its lease is over"
    assert [each.state for each in store.notices.deliveries(limit=9)] == ["delivered"]


def test_what_is_too_old_is_removed_now_and_then(
    store: Store, now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.store.outbox.MAX_LOGGED", 3)
    many = 2 * DROP_EVERY
    tell(store, *(f"a{n}" for n in range(many)))
    running = runner(store, Fake(), now)
    kept = []
    for _ in range(many):
        running.step()
        kept.append(len(store.notices.deliveries(limit=many)))
    assert max(kept) < 3 + DROP_EVERY, "none is forgotten for long"
    running = runner(store, Fake(), now)
    tell(store, "b")
    running.step()
    assert len(store.notices.deliveries(limit=many)) == 3, "one that just began removes too"


def test_as_much_as_there_is_of_it(
    store: Store, now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.store.outbox.DROPPED_AT_ONCE", 2)
    tell(store, *(f"a{n}" for n in range(8)))
    running = runner(store, Fake(), now)
    for _ in range(8):
        running.step()
    now.now += SETTLED_S + 1
    running = runner(store, Fake(), now)
    tell(store, *(f"b{n}" for n in range(5)), due_at=now.now)
    for _ in range(5):
        running.step()
    assert {row["alert"] for row in rows(store)} == {f"b{n}" for n in range(5)}


def test_what_was_ended_from_here_is_tried_at_once(store: Store, now: Clock) -> None:
    tell(store, "a")
    running = runner(store, Fake(STOPPED), now)
    running.step()
    assert store.notices.next_due("room1") == DAY
    after = runner(store, Fake(), now)
    after.step()
    assert store.notices.deliveries(limit=1)[0].ok


def test_a_test_message_is_tried_once(store: Store, now: Clock) -> None:
    store.notices.test("room1", TESTER)
    assert len(tries(store, now, runner(store, Fake(NO), now))) == 1


def test_a_slow_channel_keeps_no_other_waiting(tmp_path: Path) -> None:
    with (
        Store.open(sqlite_url(tmp_path)) as store,
        receiving(hang) as slow,
        receiving() as quick,
    ):
        tell(store, "a", "b", channel="slow")
        store.record([alert("c"), alert("d")])
        store.notices.route(
            lambda changes, _: [
                NewNotice(channel, each.alert.id, "opened", "waiting", DAY)
                for each in changes
                for channel in ("slow", "quick")
            ],
            inhibiting=(),
            limit=500,
        )
        dispatchers = [
            Dispatcher(
                ChannelRunner(
                    name, store.notices, sender(receiver.url, timeout_s=100), Judged,
                    by="tests", per_minute=6000,
                )
            )
            for name, receiver in (("slow", slow), ("quick", quick))
        ]  # fmt: skip
        for dispatcher in dispatchers:
            dispatcher.start()
        try:
            wait_for(lambda: len(quick.got) == 2, "the quick channel has its messages", 20)
            wait_for(lambda: slow.got, "the slow one is being tried")
            assert all(dispatcher.running for dispatcher in dispatchers)
        finally:
            for dispatcher in dispatchers:
                dispatcher.stop()
        assert not any(dispatcher.running for dispatcher in dispatchers)
        assert len(slow.got) == 1
        assert all(each.channel == "quick" for each in store.notices.deliveries(limit=9) if each.ok)
        due = store.notices.next_due("slow")
        assert due is not None, "what was on its way is not forgotten"


def test_a_thread_waits_for_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(sqlite_url(tmp_path)) as store:
        tell(store, "a")
        asked = threading.Event()

        def gone(*_args: Any, **_more: Any) -> None:
            asked.set()
            raise StoreGoneError("the database gives no answer")

        sending = Fake()
        dispatcher = Dispatcher(
            ChannelRunner("room1", store.notices, sending, Judged, by="tests", per_minute=60)
        )
        with monkeypatch.context() as patch:
            patch.setattr(store.notices, "claim", gone)
            dispatcher.start()
            assert asked.wait(20)
            assert dispatcher.running
        try:
            wait_for(lambda: sending.sent, "it goes on once the store is back")
        finally:
            dispatcher.stop()
        assert sending.closed
        assert not dispatcher.running
