"""How many tries are let through, in a time that the tests make."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.throttle import (
    ACCOUNT,
    ADDRESS,
    BROWSER,
    MAX_OPEN,
    MAX_ROWS,
    ROWS,
    WINDOW_S,
    Limit,
    Pace,
    Refused,
    Tally,
    Throttle,
    Ticket,
    place_of,
)
from tests.api.logins import Clock

MINUTE_S = 60.0
KEY = b"fixed"
STEPS = st.sampled_from([0.0, 4.0, 12.0, 60.0, 3600.0]) | st.integers(0, 80).map(lambda n: n / 4)
"""Seconds that add up exactly."""


def most(pace: Pace) -> int:
    """So many in any minute."""
    return pace.burst + int(MINUTE_S / pace.every_s)


def crowded(times: list[float], limit: int) -> bool:
    """Whether more than ``limit`` of them, in order, lie within a minute."""
    return any(b - a < MINUTE_S for a, b in zip(times, times[limit:], strict=False))


@dataclass
class World:
    """A throttle with a small table, in which names collide, and what it let through."""

    slots: int = 4
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.throttle = Throttle(self.clock, slots=self.slots, key=KEY)
        self.accounts: dict[str, list[float]] = defaultdict(list)
        self.browsers: dict[str, list[float]] = defaultdict(list)
        self.failures: dict[str, list[float]] = defaultdict(list)

    def attempt(
        self, account: str = "kendali", place: str = "203.0.113.1", browser: str | None = None
    ) -> Ticket | Refused:
        got = self.throttle.take(account, place, browser)
        if isinstance(got, Ticket):
            of = self.accounts[account] if browser is None else self.browsers[browser]
            of.append(self.clock.now)
        return got

    def settle(self, ticket: Ticket, *, failed: bool = True) -> None:
        if failed and not ticket.known:
            self.failures[ticket.place].append(self.clock.now)
        self.throttle.settle(ticket, failed=failed)

    def fail(self, account: str = "kendali", place: str = "203.0.113.1", **more: str) -> bool:
        """Whether a wrong password was looked at."""
        got = self.attempt(account, place, **more)
        if isinstance(got, Ticket):
            self.settle(got)
        return isinstance(got, Ticket)


def test_what_is_promised() -> None:
    assert most(ACCOUNT) <= 10
    assert most(ADDRESS) <= 30
    assert most(BROWSER) <= 10


@given(
    st.lists(
        st.tuples(
            STEPS, st.sampled_from("abcdef"), st.sampled_from("xyz"),
            st.sampled_from([None, None, "known"]), st.booleans(), st.integers(0, 3),
        ),
        max_size=150,
    )
)  # fmt: skip
@settings(deadline=None)
def test_no_more_in_any_minute_whoever_tries_in_between(
    tries: list[tuple[float, str, str, str | None, bool, int]],
) -> None:
    world = World()
    open_: list[tuple[Ticket, bool]] = []
    for step, account, place, browser, failed, later in tries:
        world.clock.now += step
        got = world.attempt(account, place, browser)
        if isinstance(got, Ticket):
            open_.append((got, failed))
        else:
            assert got.wait_s > 0
        # some answers come much later, or never
        while len(open_) > later:
            ticket, bad = open_.pop(0)
            world.settle(ticket, failed=bad)
    assert not any(crowded(times, 10) for times in world.accounts.values())
    assert not any(crowded(times, 10) for times in world.browsers.values())
    assert not any(crowded(times, 30) for times in world.failures.values())


@given(st.lists(st.text(max_size=8), max_size=300), st.integers(0, 100))
@settings(deadline=None)
def test_no_other_names_reset_a_limit(others: list[str], later: int) -> None:
    limit = Limit(ACCOUNT, KEY, slots=2)
    for _ in range(ACCOUNT.burst):
        limit.count("kendali", 0.0)
    for other in others:
        limit.count(other, later)
    assert limit.wait_s("kendali", later) >= ACCOUNT.every_s - later


@given(st.lists(st.tuples(STEPS, st.sampled_from(["kendali", "petugas", "x", "y"])), max_size=200))
@settings(deadline=None)
def test_whoever_came_in_before_is_not_locked_out_by_others(
    tries: list[tuple[float, str]],
) -> None:
    world, alone = World(slots=2), World(slots=2)
    for step, account in tries:
        for each in (world, alone):
            each.clock.now += step
        world.fail(account, place="198.51.100.7")
        if account == "kendali":
            assert world.fail("kendali", "203.0.113.1", browser="own") == alone.fail(
                "kendali", "203.0.113.1", browser="own"
            )


def test_a_thousand_tries_in_a_minute() -> None:
    world = World(slots=1 << 10)
    reached = 0
    for n in range(1000):
        reached += world.fail("kendali", f"198.51.100.{n % 250}")
        world.clock.now += MINUTE_S / 1000
    assert 5 <= reached <= 10
    assert world.fail("petugas", "198.51.100.1"), "nobody else pays for it"
    assert world.fail("kendali", "198.51.100.1", browser="own")
    wait = world.attempt("kendali")
    assert isinstance(wait, Refused)
    world.clock.now += wait.wait_s
    assert world.fail("kendali"), "who waits as long as was said is let through"


def test_what_the_account_refuses_costs_the_address_nothing() -> None:
    world = World(slots=1 << 10)
    for _ in range(500):
        world.fail("kendali")
    assert len(world.failures["203.0.113.1"]) == ACCOUNT.burst
    others = [world.fail(f"other {n}") for n in range(30)]
    assert others == [n < ADDRESS.burst - ACCOUNT.burst for n in range(30)]
    refused = world.attempt("petugas")
    assert isinstance(refused, Refused)
    assert refused.by == "address"
    assert world.fail("petugas", "203.0.113.2"), "from elsewhere"
    assert world.fail("petugas", browser="own"), "and with a browser that came in before"


def test_what_the_address_refuses_costs_the_account_nothing() -> None:
    world = World(slots=1 << 10)
    for n in range(30):
        world.fail(f"other {n}")
    assert not any(world.fail("kendali") for _ in range(20))
    assert [world.fail("kendali", "203.0.113.2") for _ in range(6)] == [True] * 5 + [False]


def test_who_comes_in_uses_nothing_of_the_address() -> None:
    world = World(slots=1 << 10)
    for n in range(100):
        ticket = world.attempt(f"person {n}")
        assert isinstance(ticket, Ticket)
        world.settle(ticket, failed=False)


def test_tries_under_way_count_as_failures_of_their_address() -> None:
    world = World(slots=1 << 10)
    got = [world.attempt(f"person {n}") for n in range(20)]
    tickets = [each for each in got if isinstance(each, Ticket)]
    assert len(tickets) == ADDRESS.burst
    for ticket in tickets:
        world.settle(ticket, failed=False)
    assert world.fail("another")


def test_so_many_at_once_and_no_more() -> None:
    world = World(slots=1 << 10)
    got = [world.attempt(f"person {n}", f"198.51.100.{n}") for n in range(40)]
    assert sum(isinstance(each, Ticket) for each in got) == MAX_OPEN
    assert {each.by for each in got if isinstance(each, Refused)} == {"crowd"}
    assert world.fail("kendali", browser="own"), "who came in before has a line of their own"
    first = got[0]
    assert isinstance(first, Ticket)
    world.settle(first)
    assert world.fail("late", "198.51.100.99"), "and being refused for it cost nothing"


def test_wrong_codes_after_a_right_password() -> None:
    throttle = Throttle(clock := Clock(), key=KEY)
    day, tried = 86_400, 0
    for _ in range(0, day, 30):
        if throttle.may_try_code("7"):
            throttle.wrong_code("7")
            tried += 1
        clock.now += 30
    assert 100 < tried <= 149
    assert throttle.may_try_code("8")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.1", "203.0.113.1", True),
        ("203.0.113.1", "203.0.113.2", False),
        ("::ffff:203.0.113.1", "203.0.113.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        (None, "no address", True),
    ],
)
def test_what_counts_as_one_place(one: str | None, other: str, same: bool) -> None:
    assert (place_of(one) == place_of(other)) is same


def test_a_limit_takes_no_more_room_for_more_names() -> None:
    limit = Limit(ACCOUNT, KEY, slots=64)
    for n in range(10_000):
        limit.count(f"name {n}", 0.0)
    assert len(limit._until) == 64 * ROWS


@given(st.lists(st.tuples(STEPS, st.integers(0, 60), st.sampled_from("xy")), max_size=300))
@settings(deadline=None)
def test_every_try_is_put_down_once_and_few_one_by_one(
    tries: list[tuple[float, int, str]],
) -> None:
    tally = Tally(clock := Clock())
    single: list[tuple[float, int, str]] = []
    summed = 0
    for step, who, place in tries:
        clock.now += step
        if tally.note("login.failed", f"person {who}", place):
            single.append((clock.now, who, place))
        summed += tally.sums().get("login.failed", 0)
    assert tally.waits == (len(single) + summed < len(tries))
    summed += tally.sums(all_of_them=True).get("login.failed", 0)
    assert len(single) + summed == len(tries)
    assert not tally.waits
    # a minute of ours may hold parts of two of the tally's
    assert not crowded([at for at, _, _ in single], 2 * MAX_ROWS)


def test_the_first_of_a_minute_is_put_down_by_itself() -> None:
    tally = Tally(clock := Clock())
    assert tally.note("login.failed", "kendali", "x")
    assert not tally.note("login.failed", "kendali", "x")
    assert tally.note("login.failed", "kendali", "y")
    assert tally.note("login.limited", "kendali", "x")
    assert tally.sums() == {}, "its minute is not over"
    clock.now += WINDOW_S
    assert tally.sums() == {"login.failed": 1}
    assert tally.note("login.failed", "kendali", "x")
