"""The delivery log, channels that are late, and what is kept for how long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import select, update

from api.alerting.settings import CANARY_CHANNEL
from api.store import Store
from api.store.alerting_tables import deliveries, notices
from api.store.facts import Change, Facts, NewNotice
from api.store.letters import Letter
from api.store.outbox import MAX_LOGGED, SETTLED_S
from tests.api.logins import Clock
from tests.api.served import DAY, alert
from tests.api.store.telling import (
    NO,
    YES,
    claim,
    claimed,
    ids,
    settle,
    states,
    tell,
)


@pytest.fixture
def now() -> Clock:
    return Clock(DAY)


@pytest.fixture
def store(url: str, now: Clock) -> Iterator[Store]:
    with Store.open(url, clock=now) as opened:
        yield opened


def test_the_log_is_read_in_pages(store: Store) -> None:
    tell(store, "a", "b", "c")
    tell(store, "x", channel="room2")
    for channel in ("room1", "room1", "room2", "room1"):
        settle(store, claimed(store, channel), YES)
    log = store.notices.deliveries(limit=9)
    assert [each.alert for each in log] == ["c", "x", "b", "a"]
    first = store.notices.deliveries(channel="room1", limit=2)
    assert [each.alert for each in first] == ["c", "b"]
    rest = store.notices.deliveries(channel="room1", before=first[-1].id, limit=2)
    assert [each.alert for each in rest] == ["a"]


def test_a_channel_by_which_nothing_arrives_is_late(store: Store, now: Clock) -> None:
    def late(**known: float) -> dict[str, float]:
        return store.notices.late(["room1", "room2"], 60.0, known)

    tell(store, "a", "b")
    tell(store, "x", channel="room2", due_at=DAY + 50)
    tell(store, "later", channel="room2", due_at=DAY + 600)
    now.now += 59
    assert late() == {}
    now.now += 1
    assert late() == {"room1": DAY}, "nobody even tried"
    settle(store, claimed(store), YES)
    settle(store, claimed(store), NO, again_at=DAY + 500)
    settle(store, claimed(store, "room2"), YES)
    assert late() == {}
    assert late(room1=DAY) == {}, "something arrived since"
    assert late(room1=DAY + 60, room2=DAY + 60) == {"room1": DAY + 60}, "nothing is left to send"
    now.now += 60
    assert late() == {"room1": DAY + 60}, "what failed is due later"
    now.now = DAY + 500
    settle(store, claimed(store), NO)
    assert late() == {"room1": DAY + 60}, "and given up"
    assert late(room1=DAY + 400) == {"room1": DAY + 60}, "whoever heard of it later says since when"
    tell(store, "c")
    settle(store, claimed(store), YES)
    assert late() == {}


def test_a_clock_that_is_set_back_keeps_nobody_waiting(store: Store, now: Clock) -> None:
    now.now = DAY + 3600
    tell(store, "a", "b", due_at=DAY + 3600)
    store.notices.settle(claimed(store), NO, took_s=0, again_at=DAY + 3605, paused_until=DAY + 3660)
    tell(store, "h", "i", state="held", group="plaza", due_at=DAY + 3700)
    tell(store, "boss", due_at=DAY + 4500, channel="room2")
    with store._database.write() as connection:
        connection.execute(
            update(notices).where(notices.c.alert == "boss").values(what="escalated:1")
        )
    now.now = DAY
    assert store.notices.next_due("room1") == DAY
    assert tell(store, "x", state="suppressed").asked[0][1].held == {}, "the next ones wait for it"
    sent = [claimed(store), claimed(store)]
    assert sorted(map(ids, sent)) == [["b"], ["h", "i"]]
    settle(store, sent[0], NO, again_at=DAY + 5)
    settle(store, sent[1], YES)
    assert claim(store) is None, "what failed is not tried at once, again and again"
    assert store.notices.next_due("room1") == DAY + 5
    assert claim(store, "room2") is None, "nobody was to be told yet"


def test_the_log_and_what_is_settled_have_an_end(
    store: Store, now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_LOGGED == 5000
    monkeypatch.setattr("api.store.outbox.MAX_LOGGED", 3)
    tell(store, *(f"a{n}" for n in range(6)))
    tell(store, "x", channel="room2")
    settle(store, claimed(store, "room2"), YES)
    tell(store, "open", due_at=DAY + 1)
    for _ in range(6):
        settle(store, claimed(store), YES)
    with store._database.read() as connection:
        assert len(connection.execute(select(deliveries)).all()) == 4, "three, and the other one's"
    now.now += SETTLED_S + 1
    settle(store, claimed(store), NO, again_at=now.now)
    assert states(store) == {("open", "opened"): "waiting"}


def test_what_an_open_letter_carries_stays(store: Store, now: Clock) -> None:
    tell(store, "a", "b", state="held", group="plaza", due_at=DAY)
    settle(store, claimed(store), NO, again_at=DAY + SETTLED_S + 1)
    tell(store, "x", channel="room2")
    tell(store, "bird", channel=CANARY_CHANNEL)
    now.now += SETTLED_S + 1
    settle(store, claimed(store, "room2"), YES)
    assert states(store)["b", "opened"] == "folded"
    assert ids(claimed(store)) == ["a", "b"]
    settle(store, claimed(store, CANARY_CHANNEL), YES)
    assert ("bird", "opened") not in states(store), "canaries stay for a day"


def test_what_nobody_acknowledged_yet_is_no_message_before_it_is_due(
    store: Store, now: Clock
) -> None:
    """Several that nobody acknowledged are one, without those that somebody saw to meanwhile."""
    store.record([alert(each) for each in ("a", "b", "c")])

    def decide(changes: Sequence[Change], _facts: Facts) -> list[NewNotice]:
        group = "escalated:1:5"
        return [
            NewNotice("room1", each.alert.id, "escalated:1", "held", DAY + 300, group=group)
            for each in changes
        ]

    store.notices.route(decide, inhibiting=(), limit=10)
    (state,) = store.notices.channels(["room1"])
    assert (state.waiting, state.held) == (0, 0)
    now.now += 300
    (state,) = store.notices.channels(["room1"])
    assert (state.waiting, state.held) == (0, 3)

    def still(letter: Letter, _facts: Facts) -> str | None:
        return "somebody saw to it" if letter.alerts[0].id == "b" else None

    letter = claimed(store, still=still)
    assert (letter.what, ids(letter)) == ("escalated:1", ["a", "c"])
    assert claim(store, still=still) is None
