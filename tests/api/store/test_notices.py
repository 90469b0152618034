"""The outbox: what is to be told is claimed by one at a time, and is kept until it is settled."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from api.store import Store
from api.store.facts import Change, Facts, NewNotice
from api.store.letters import Letter
from tests.api.logins import Clock
from tests.api.served import DAY, TESTER, alert, sqlite_url
from tests.api.store.telling import (
    LEASE_S,
    NO,
    YES,
    Tell,
    claim,
    claimed,
    ids,
    rows,
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


def test_a_letter_is_claimed_by_one_until_its_lease_is_over(store: Store, now: Clock) -> None:
    tell(store, "a")
    first = claimed(store)
    assert (ids(first), first.what, first.attempt, first.digest) == (["a"], "opened", 0, False)
    assert claim(store, by="two") is None
    assert store.notices.next_due("room1") == DAY + LEASE_S
    now.now += LEASE_S
    again = claimed(store, by="two")
    assert (again.id, again.notice) == (first.id, first.notice)


def test_what_was_claimed_before_an_end_is_released(store: Store) -> None:
    tell(store, "a")
    first = claimed(store, by="one")
    store.notices.release("two")
    assert claim(store) is None
    store.notices.release("one")
    assert claimed(store, by="two").id == first.id


def test_urgent_ones_go_first_and_then_what_is_due_longest(store: Store, now: Clock) -> None:
    for name, due_at, urgent in (("late", 2, False), ("early", 1, False), ("alarm", 3, True)):
        tell(store, name, due_at=DAY + due_at, urgent=urgent)
    tell(store, "later", due_at=DAY + 100)
    assert claim(store) is None
    assert store.notices.next_due("room1") == DAY + 1
    now.now += 5
    found = []
    while (letter := claim(store)) is not None:
        found.append(letter.alerts[0].id)
        settle(store, letter, YES)
    assert found == ["alarm", "early", "late"]
    assert store.notices.next_due("room1") == DAY + 100
    assert store.notices.next_due("room2") is None


def test_what_nobody_acknowledged_goes_after_what_is_new_and_urgent(store: Store) -> None:
    store.record([alert(each) for each in ("low", "storm", "new")])

    def decide(_changes: Sequence[Change], _facts: Facts) -> list[NewNotice]:
        return [
            NewNotice("room1", "low", "opened", "waiting", DAY - 9),
            NewNotice("room1", "storm", "escalated:1", "waiting", DAY - 5, urgent=True),
            NewNotice("room1", "new", "opened", "waiting", DAY, urgent=True),
        ]

    store.notices.route(decide, inhibiting=(), limit=10)
    assert [ids(claimed(store)) for _ in range(3)] == [["new"], ["storm"], ["low"]]


def test_other_channels_are_others(store: Store) -> None:
    tell(store, "a", channel="room2")
    assert claim(store) is None
    assert claimed(store, "room2").channel == "room2"


def test_what_arrived_is_delivered_and_not_sent_again(store: Store, now: Clock) -> None:
    tell(store, "a")
    position = store.alerts.position()
    letter = claimed(store)
    now.now += 3
    settle(store, letter, YES)
    stored = store.alerts.get("a", only=None)
    assert stored is not None
    assert stored.delivered_at == DAY + 3
    assert store.alerts.position() == position
    assert states(store) == {("a", "opened"): "delivered"}
    now.now += 1000
    assert claim(store) is None
    assert store.notices.next_due("room1") is None
    tell(store, "b", channel="room2")
    store.record([alert("a", 2, severity="critical")])
    store.notices.route(Tell(), inhibiting=(), limit=500)
    settle(store, claimed(store), YES)
    stored = store.alerts.get("a", only=None)
    assert stored is not None
    assert stored.delivered_at == DAY + 3, "the first time counts"


def test_what_failed_is_tried_again_when_it_is_due(store: Store, now: Clock) -> None:
    tell(store, "a")
    first = claimed(store)
    settle(store, first, NO, again_at=DAY + 5)
    assert claim(store) is None
    assert store.notices.next_due("room1") == DAY + 5
    now.now += 5
    second = claimed(store)
    assert (second.id, second.attempt) == (first.id, 1)
    settle(store, second, NO)
    assert states(store) == {("a", "opened"): "given_up"}
    assert claim(store) is None
    log = store.notices.deliveries(limit=10)
    assert [(each.at, each.ok, each.status, each.state) for each in log] == [
        (DAY + 5, False, 500, "given_up"), (DAY, False, 500, "given_up"),
    ]  # fmt: skip
    assert (log[0].alert, log[0].alerts, log[0].what) == ("a", 1, "opened")
    assert (log[0].why, log[0].took_s) == (NO.why, 0.5)


def test_a_late_failure_takes_nothing_back(store: Store, now: Clock) -> None:
    tell(store, "a")
    slow = claimed(store, by="one")
    now.now += LEASE_S
    fast = claimed(store, by="two")
    settle(store, fast, YES)
    settle(store, slow, NO)
    assert states(store) == {("a", "opened"): "delivered"}


def test_nothing_is_sent_while_a_channel_is_paused(store: Store, now: Clock) -> None:
    tell(store, "a", "b")
    letter = claimed(store)
    store.notices.settle(letter, NO, took_s=0, again_at=DAY + 1, paused_until=DAY + 30)
    now.now += 29
    tell(store, "alarm", urgent=True)
    assert claim(store) is None
    assert store.notices.next_due("room1") == DAY + 30
    (state,) = store.notices.channels(["room1"])
    assert (state.waiting, state.failures, state.paused_until) == (3, 1, DAY + 30)
    assert (state.failed_at, state.why, state.ok_at) == (DAY, NO.why, None)
    now.now += 1
    settle(store, claimed(store), YES)
    (state,) = store.notices.channels(["room1"])
    assert (state.waiting, state.failures, state.ok_at) == (2, 0, DAY + 30)


def test_held_ones_of_a_group_become_one_letter_that_stays_the_same(
    store: Store, now: Clock
) -> None:
    tell(store, "a", "b", state="held", group="plaza", due_at=DAY + 10)
    tell(store, "c", state="held", group="road", due_at=DAY + 11)
    tell(store, "d", state="held", group="plaza", due_at=DAY + 40)
    (state,) = store.notices.channels(["room1"])
    assert (state.waiting, state.held) == (0, 4)
    now.now += 10
    digest = claimed(store)
    assert (ids(digest), digest.digest) == (["a", "b"], True)
    settle(store, digest, NO, again_at=DAY + 20)
    now.now += 40
    seen = []
    while (letter := claim(store)) is not None:
        seen.append(letter)
        settle(store, letter, YES)
    assert sorted(map(ids, seen)) == [["a", "b"], ["c"], ["d"]]
    assert next(each for each in seen if ids(each) == ["a", "b"]).id == digest.id
    assert {row["state"] for row in rows(store)} == {"delivered", "folded"}
    found = {each.alert: each.alerts for each in store.notices.deliveries(limit=9) if each.ok}
    assert found == {"a": 2, "c": 1, "d": 1}
    stored = store.alerts.get("b", only=None)
    assert stored is not None
    assert stored.delivered_at == now.now


def test_what_does_not_fit_is_not_held_up_by_what_need_not_be_sent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.store.outbox.MAX_FOLDED", 2)
    tell(store, "a", "b", state="held", group="plaza", due_at=DAY)
    tell(store, "c", state="held", group="plaza", due_at=DAY - 1)

    def of_c(letter: Letter, _facts: Facts) -> str | None:
        return None if ids(letter) == ["c"] else "it is quiet"

    assert ids(claimed(store, "room1", of_c)) == ["c"]


def test_what_changed_twice_is_in_a_letter_once(store: Store, now: Clock) -> None:
    tell(store, "a", state="held", group="plaza", due_at=DAY)
    store.record([alert("a", 2, severity="critical")])
    store.notices.route(Tell(state="held", group="plaza"), inhibiting=(), limit=500)
    letter = claimed(store)
    assert (ids(letter), letter.digest) == (["a"], False)
    assert letter.alerts[0].severity == "critical"


def test_what_need_not_be_sent_any_more_is_suppressed(store: Store, now: Clock) -> None:
    tell(store, "a", "b", "c")
    asked = []

    def still(letter: Letter, facts: Facts) -> str | None:
        asked.append((letter.alerts[0].id, facts.now))
        return "somebody saw it" if letter.alerts[0].id in "ab" else None

    assert ids(claimed(store, still=still)) == ["c"]
    assert asked == [("a", DAY), ("b", DAY), ("c", DAY)]
    assert [(row["state"], row["why"]) for row in rows(store)] == [
        ("suppressed", "somebody saw it"), ("suppressed", "somebody saw it"), ("waiting", None),
    ]  # fmt: skip


def test_letters_of_two_databases_differ(tmp_path: Path, now: Clock) -> None:
    """Receivers remember ids: after a database was made anew nothing is taken for a repetition."""
    ids = set()
    for name in ("one", "two"):
        (folder := tmp_path / name).mkdir()
        with Store.open(sqlite_url(folder), clock=now) as store:
            tell(store, "a")
            letter = claimed(store)
            settle(store, letter, NO, again_at=now.now)
            assert claimed(store).id == letter.id
            ids.add(letter.id)
        now.now += 1
    assert len(ids) == 2


def test_what_may_hide_a_letter_is_asked_for_each_time(store: Store) -> None:
    store.record([alert("q", kind="queue"), alert("z", kind="camera_dark")])
    seen: list[list[str]] = []

    def still(_letter: Letter, facts: Facts) -> str:
        seen.append([each.id for each in facts.open])
        return "hidden"

    tell(store, "a", inhibiting=["crowd"])
    assert claim(store, still=still, inhibiting=["queue"]) is None
    assert seen == [["q"]] * 3, "of all three it is asked, by what holds now"
    tell(store, "b")
    assert claim(store, still=still, inhibiting=["queue", "camera_dark"]) is None
    tell(store, "c")
    assert claim(store, still=still) is None
    assert seen[3:] == [["q", "z"], []]


def test_of_a_digest_only_what_must_be_is_sent(store: Store, now: Clock) -> None:
    tell(store, "a", "b", "c", state="held", group="plaza", due_at=DAY)

    def still(letter: Letter, facts: Facts) -> str | None:
        return "somebody saw it" if letter.alerts[0].id == "a" else None

    letter = claimed(store, still=still)
    assert ids(letter) == ["b", "c"]
    assert claim(store) is None, "its carrier is claimed"
    settle(store, letter, NO, again_at=DAY + 5)
    now.now += 5
    again = claimed(store, still=lambda letter, _: "seen" if letter.alerts[0].id == "b" else None)
    assert (ids(again), again.id) == (["b", "c"], letter.id), "a retry says the same"
    settle(store, again, NO, again_at=now.now)
    assert claim(store, still=lambda *_: "seen") is None
    assert set(states(store).values()) == {"suppressed"}


def test_two_threads_never_have_the_same_letter(url: str, now: Clock) -> None:
    many = 30
    with Store.open(url, clock=now) as one, Store.open(url, clock=now) as two:
        tell(one, *(f"a{n}" for n in range(many)))
        tell(one, *(f"h{n}" for n in range(many)), state="held", group="g")
        found: list[str] = []

        def work(store: Store, by: str) -> None:
            while (letter := claim(store, by=by)) is not None:
                found.extend(each.id for each in letter.alerts)

        threads = [
            threading.Thread(target=work, args=(store, f"{n}"))
            for n, store in enumerate((one, two, one))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(found) == len(set(found)) == 2 * many


def test_a_test_is_recorded_and_sent(store: Store) -> None:
    number = store.notices.test("room1", TESTER)
    assert store.notices.test("room1", TESTER) != number, "each is its own"
    letter = claimed(store)
    assert (letter.notice, letter.alerts, letter.what[:5]) == (number, (), "test:")
    settle(store, letter, YES)
    (entry,) = store.notices.deliveries(channel="room1", limit=10)
    assert (entry.alert, entry.alerts, entry.what) == (None, 0, letter.what)
