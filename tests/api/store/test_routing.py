"""What changed is decided on once, with the facts of that moment, and kept all or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from api.store import Store, routing
from api.store.facts import STORM, Change, Facts, NewNotice
from tests.api.logins import Clock
from tests.api.served import DAY, alert
from tests.api.store.telling import YES, Tell, claimed, rows, settle, tell


@pytest.fixture
def now() -> Clock:
    return Clock(DAY)


@pytest.fixture
def store(url: str, now: Clock) -> Iterator[Store]:
    with Store.open(url, clock=now) as opened:
        yield opened


def test_what_changed_is_decided_on_once_in_the_order_of_the_feed(store: Store) -> None:
    store.record([alert("b"), alert("a")])
    decide = Tell()
    routed = store.notices.route(decide, inhibiting=(), limit=1)
    assert (routed.alerts, routed.notices, routed.more) == (1, 1, True)
    routed = store.notices.route(decide, inhibiting=(), limit=5)
    assert (routed.alerts, routed.notices, routed.more) == (1, 1, False)
    routed = store.notices.route(decide, inhibiting=(), limit=5)
    assert (routed.alerts, routed.notices, routed.more) == (0, 0, False)
    assert [changes[0].alert.id for changes, _ in decide.asked] == ["b", "a"]
    assert [(row["alert"], row["what"]) for row in rows(store)] == [
        ("b", "opened"), ("a", "opened"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "whats"),
    [
        ([{}], [("opened",)]),
        ([{"state": "closed"}], [("opened", "closed")]),
        ([{}, {"state": "closed"}], [("opened",), ("closed",)]),
        ([{"severity": "low"}, {"severity": "high"}], [("opened",), ("severity:high",)]),
        # it sank and rose to where it was: nobody is told again
        (
            [{"severity": "high"}, {"severity": "low"}, {"severity": "high"}],
            [("opened",), (), ()],
        ),
        (
            [{"severity": "low"}, {"severity": "critical", "state": "closed"}],
            [("opened",), ("severity:critical", "closed")],
        ),
        (
            [{}, {"severity": "low", "state": "closed"}, {"severity": "high", "state": "closed"}],
            [("opened",), ("closed",), ()],
        ),
        ([{}, {"place": "gate"}], [("opened",), ()]),
    ],
)
def test_what_became_of_an_alert(
    store: Store, steps: list[dict[str, Any]], whats: list[tuple[str, ...]]
) -> None:
    decide = Tell()
    for version, step in enumerate(steps, 1):
        store.record([alert("a", version, **step)])
        store.notices.route(decide, inhibiting=(), limit=500)
    assert [changes[0].whats for changes, _ in decide.asked] == whats
    assert [(row["what"],) for row in rows(store)] == [(what,) for step in whats for what in step]


def test_a_decision_that_breaks_leaves_nothing_behind(store: Store) -> None:
    store.record([alert("a"), alert("b")])

    def breaks(changes: Sequence[Change], facts: Facts) -> Iterator[NewNotice]:
        yield NewNotice("room1", changes[0].alert.id, "opened", "waiting", DAY)
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        store.notices.route(breaks, inhibiting=(), limit=500)
    assert rows(store) == []
    decide = Tell()
    assert store.notices.route(decide, inhibiting=(), limit=500).notices == 2
    assert [change.whats for change in decide.asked[0][0]] == [("opened",), ("opened",)]


def test_a_failure_after_the_rows_leaves_nothing_behind(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record([alert("a")])

    def gone(*_args: Any) -> int:
        written(*_args)
        raise RuntimeError("killed before the commit")

    written = routing._write
    with monkeypatch.context() as patch:
        patch.setattr(routing, "_write", gone)
        with pytest.raises(RuntimeError):
            store.notices.route(Tell(), inhibiting=(), limit=500)
    assert rows(store) == []
    assert store.notices.route(Tell(), inhibiting=(), limit=500).notices == 1


def test_a_notice_that_is_there_stays(store: Store) -> None:
    store.record([alert("a")])

    def twice(changes: Sequence[Change], facts: Facts) -> list[NewNotice]:
        one = NewNotice("room1", "a", "opened", "waiting", DAY)
        return [one, replace(one, due_at=DAY + 9, state="suppressed", why="again")]

    assert store.notices.route(twice, inhibiting=(), limit=500).notices == 1
    assert [(row["state"], row["due_at"]) for row in rows(store)] == [("waiting", DAY)]


def test_two_routers_make_each_notice_once(url: str, now: Clock) -> None:
    many = 40
    with Store.open(url, clock=now) as one, Store.open(url, clock=now) as two:
        one.record([alert(f"a{n}") for n in range(many)])
        made: list[int] = []

        def work(store: Store) -> None:
            while (routed := store.notices.route(Tell(), inhibiting=(), limit=3)).alerts:
                made.append(routed.notices)

        threads = [threading.Thread(target=work, args=(store,)) for store in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(made) == many
        assert len(rows(one)) == many


def test_the_facts_are_those_of_the_moment(store: Store, now: Clock) -> None:
    down = [alert("down", kind="camera_down"), alert("over", kind="camera_down", state="closed")]
    store.record([*down, alert("other")])
    tell(store, inhibiting=["camera_down"], state="held", group="plaza", due_at=DAY + 30)
    facts = tell(store, "x", inhibiting=["camera_down"]).asked[0][1]
    assert facts.now == DAY
    assert [each.id for each in facts.open] == ["down"]
    assert facts.recent == {}
    assert facts.grouped == {("room1", "plaza"): DAY + 30}
    assert facts.held == {("room1", "plaza"): [DAY + 30]}
    facts = tell(store, "y", group="plaza").asked[0][1]
    assert facts.recent == {"room1": 1}, "what is held is none of its own before it is due"
    now.now += 31
    facts = tell(store, "z", state="suppressed", why="quiet").asked[0][1]
    assert facts.recent == {"room1": 3}, "and is one when it is due"
    assert facts.grouped == {("room1", "plaza"): DAY + 30}
    tell(store, "u", urgent=True, due_at=now.now)
    tell(store, "s", state="held", group=STORM, due_at=now.now)
    facts = tell(store, "v").asked[0][1]
    assert facts.recent == {"room1": 3}, "neither urgent ones nor those of a storm"
    now.now += 60
    assert tell(store, "w").asked[0][1].recent == {}


def test_a_digest_that_was_sent_is_one_message(store: Store, now: Clock) -> None:
    tell(store, "a", "b", "c", state="held", group="plaza", due_at=DAY)
    assert tell(store, "x", state="suppressed").asked[0][1].recent == {"room1": 1}
    settle(store, claimed(store), YES)
    assert tell(store, "y", state="suppressed").asked[0][1].recent == {"room1": 1}


def test_the_closing_of_what_nobody_was_told_of_says_so(store: Store) -> None:
    tell(store, "a", state="suppressed", why="silenced")
    tell(store, "b")
    store.record([alert("a", 2, state="closed"), alert("b", 2, state="closed")])
    decide = Tell()
    store.notices.route(decide, inhibiting=(), limit=500)
    assert decide.asked[0][1].untold == {("room1", "a")}
    assert decide.asked[0][1].told == {("room1", "b")}


def test_who_was_told_that_it_became_worse_is_told_of_its_end(store: Store) -> None:
    tell(store, "a", state="suppressed", why="silenced")
    store.record([alert("a", 2, severity="critical")])
    store.notices.route(Tell(), inhibiting=(), limit=500)
    store.record([alert("a", 3, state="closed")])
    decide = Tell()
    store.notices.route(decide, inhibiting=(), limit=500)
    facts = decide.asked[0][1]
    assert (facts.told, facts.untold) == ({("room1", "a")}, frozenset())
