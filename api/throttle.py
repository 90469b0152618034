"""How many tries to sign in are let through. Nothing here knows of requests or of the store; the
clock is given, and memory does not grow with what is tried."""

from __future__ import annotations

import hashlib
import math
import os
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final, Literal, TypeAlias

By: TypeAlias = Literal["account", "address", "browser", "crowd"]
"""Whose limit is reached; ``crowd`` that too many wait for their answer at this moment."""


@dataclass(frozen=True, slots=True)
class Pace:
    """So many at once, and then one each ``every_s``: in any minute at most
    ``burst + 60 / every_s``."""

    burst: int
    every_s: float


ACCOUNT: Final = Pace(5, 12.0)
"""Tries to sign in as one person, from wherever: 10 in a minute."""
BROWSER: Final = Pace(5, 12.0)
"""The same for each browser with which this person came in before, whatever others do."""
ADDRESS: Final = Pace(15, 4.0)
"""Failures from one address, whoever is tried: 30 in a minute."""
CODE: Final = Pace(5, 600.0)
"""Wrong codes after a right password: 149 in a day, of a million of which three are right."""
MAX_OPEN: Final = 16
"""So many tries wait for their answer at once, and as many of browsers that came in before."""
CROWD_S: Final = 2.0
SLOTS: Final = 1 << 14
ROWS: Final = 2
WINDOW_S: Final = 60.0
MAX_ROWS: Final = 20
"""So many failed and refused tries of a minute are put down one by one."""


class Limit:
    """One pace for any number of names. They are hashed into a table of a fixed size by a key that
    nobody knows: nothing is ever forgotten too early, and two names share a place in every row only
    by a chance that nobody can better."""

    def __init__(self, pace: Pace, key: bytes, *, slots: int = SLOTS) -> None:
        self._pace = pace
        self._key = key
        self._slots = slots
        # by row and slot, when all that was counted there is worked off
        self._until = array("d", [-math.inf]) * (ROWS * slots)

    def wait_s(self, name: str, now: float, *, held: int = 0) -> float:
        """So long until ``name`` may try once more, 0 for at once. ``held`` tries of it are under
        way, and may yet be counted."""
        behind_s = max(self._least(self._places(name)) - now, 0.0)
        return max(behind_s - (self._pace.burst - 1 - held) * self._pace.every_s, 0.0)

    def count(self, name: str, now: float) -> None:
        """Count one try of ``name``."""
        places = self._places(name)
        until = max(self._least(places), now) + self._pace.every_s
        # a place that stands higher does so for another name
        for place in places:
            self._until[place] = max(self._until[place], until)

    def _least(self, places: list[int]) -> float:
        # each row has at least what was counted of a name, so the least is nearest to it
        return min(self._until[place] for place in places)

    def _places(self, name: str) -> list[int]:
        digest = hashlib.blake2b(
            name.encode("utf-8", "surrogatepass"), key=self._key, digest_size=8 * ROWS
        ).digest()
        return [
            row * self._slots + int.from_bytes(digest[8 * row : 8 * row + 8], "big") % self._slots
            for row in range(ROWS)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """A try that was let through, until it is settled."""

    place: str
    known: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A try that was not let through; the next one may be after ``wait_s``."""

    wait_s: float
    by: By


class Throttle:
    """Which tries reach the password. For one thread."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, slots: int = SLOTS, key: bytes = b""
    ) -> None:
        self._clock = clock
        key = key or os.urandom(32)
        self._accounts = Limit(ACCOUNT, key, slots=slots)
        self._browsers = Limit(BROWSER, key, slots=slots)
        self._addresses = Limit(ADDRESS, key, slots=slots)
        self._codes = Limit(CODE, key, slots=slots)
        self._open: Counter[bool] = Counter()
        self._held: Counter[str] = Counter()

    def take(self, account: str, place: str, browser: str | None = None) -> Ticket | Refused:
        """Let one try through, or not. ``browser`` is the id of one with which this very person
        came in before: it has an allowance of its own, so that nobody else's tries lock its person
        out. A try that is refused counts nowhere."""
        now = self._clock()
        known = browser is not None
        if browser is not None:
            refused = Refused(self._browsers.wait_s(browser, now), "browser")
        else:
            refused = max(
                Refused(self._accounts.wait_s(account, now), "account"),
                Refused(self._addresses.wait_s(place, now, held=self._held[place]), "address"),
                key=lambda each: each.wait_s,
            )
        if refused.wait_s > 0:
            return refused
        if self._open[known] >= MAX_OPEN:
            return Refused(CROWD_S, "crowd")
        self._open[known] += 1
        if browser is not None:
            self._browsers.count(browser, now)
        else:
            self._accounts.count(account, now)
            self._held[place] += 1
        return Ticket(place, known)

    def settle(self, ticket: Ticket, *, failed: bool) -> None:
        """How a try ended; its address answers for it if it failed, unless the browser is known."""
        self._open[ticket.known] -= 1
        if ticket.known:
            return
        self._held[ticket.place] -= 1
        if not self._held[ticket.place]:
            del self._held[ticket.place]
        if failed:
            self._addresses.count(ticket.place, self._clock())

    def may_try_code(self, whose: str) -> bool:
        """Whether a code is looked at after a right password."""
        return self._codes.wait_s(whose, self._clock()) <= 0

    def wrong_code(self, whose: str) -> None:
        """Count a wrong code after a right password."""
        self._codes.count(whose, self._clock())


class Tally:
    """Which failed and refused tries are put down one by one, and how many are not: of each
    person and address the first in a minute, ``MAX_ROWS`` at most. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since_s = -math.inf
        self._seen: set[tuple[str, str, str]] = set()
        self._rest: Counter[str] = Counter()
        self._over: Counter[str] = Counter()

    def note(self, action: str, whose: str, place: str) -> bool:
        """Whether this one is put down by itself; else it is among the sums."""
        self._turn()
        one = (action, whose, place)
        if one not in self._seen and len(self._seen) < MAX_ROWS:
            self._seen.add(one)
            return True
        self._rest[action] += 1
        return False

    @property
    def waits(self) -> bool:
        """Whether some were counted whose sum is not taken yet."""
        return bool(self._rest or self._over)

    def sums(self, *, all_of_them: bool = False) -> dict[str, int]:
        """How many of each action of minutes that are over were not put down, once; with
        ``all_of_them`` also those of this minute."""
        self._turn()
        if all_of_them:
            self._over += self._rest
            self._rest.clear()
        sums = dict(self._over)
        self._over.clear()
        return sums

    def _turn(self) -> None:
        now = self._clock()
        if now >= self._since_s + WINDOW_S:
            self._since_s = now
            self._seen.clear()
            self._over += self._rest
            self._rest.clear()


def place_of(address: str | None) -> str:
    """What of an address counts as one place: of IPv6 the /64, which one customer has whole."""
    try:
        ip = ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or IPv6Address(int(ip) >> 64 << 64))
    return str(ip)
