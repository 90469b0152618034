"""What the watchdog makes of what it sees: whether the chain is broken, and when to say so. Pure:
no store, no clock, nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Periods:
    """Seconds: the watchdog looks every ``look``. The chain is broken where no canary of a worker
    arrived for ``canary`` (three of them), the store gave no answer for ``store``, or the notifier
    said for ``beat`` that it lives. What a look comes ``jump`` too late says nothing. An alarm that
    is not accepted is tried again after about ``retry``, one that was is repeated each ``again``
    while it lasts."""

    look: float = 5.0
    canary: float = 180.0
    store: float = 60.0
    beat: float = 60.0
    jump: float = 60.0
    retry: float = 5.0
    again: float = 1800.0


PERIODS: Final = Periods()
NOTIFIER: Final = "notifier"
WATCHDOG: Final = "watchdog"
STORE: Final = "store"
WORKERS: Final = "workers"
"""Any of them at all."""
WORKER: Final = "worker"
"""One of them: the part is this with its name."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store says: the last canary of each worker by its time and the beats, both as tokens
    that differ from one to the next, and whether there are ``cameras``. Where it gives no answer
    ``trouble`` says why."""

    canaries: Mapping[str, float] = field(default_factory=dict)
    beats: Mapping[str, float] = field(default_factory=dict)
    cameras: bool = False
    trouble: str | None = None


_SENTENCES: Final[Mapping[str, str]] = {
    STORE: "the database gave no answer for {age:.0f} s ({trouble}): check that it runs and that "
    "its disk is not full",
    NOTIFIER: "the notifier was not heard for {age:.0f} s, so nobody is told of alerts: check that "
    "'matakota notify' runs, and see its log",
    WORKERS: "there are cameras, but nothing of any worker arrived for {age:.0f} s: check that "
    "'matakota worker' runs and reaches Redis",
    WORKER: "nothing of worker {worker} arrived for {age:.0f} s: check that it runs, then Redis, "
    "the API and the notifier; if it is gone for good, run 'matakota watch --forget {worker}'",
}


class Judge:
    """Which parts of the chain are broken. Whatever the clocks of others say, what counts is how
    long nothing new was seen here while the store answered; ``now_s`` is monotonic, ``now`` UTC."""

    def __init__(self, periods: Periods) -> None:
        self._periods = periods
        self._since: dict[str, tuple[float | None, float]] = {}
        self._broken: dict[str, str] = {}
        self._looked: tuple[float, float] | None = None

    def broken(self, seen: Seen, now_s: float, now: float) -> Mapping[str, str]:
        """By part, one sentence about what is wrong with it."""
        self._pass(now_s, now)
        if seen.trouble is None:
            self._broken = self._look(seen, now_s)
        elif (age_s := self._age(STORE, None, now_s)) >= self._periods.store:
            # of the others nothing is known, so they are as they were
            self._broken[STORE] = _SENTENCES[STORE].format(age=age_s, trouble=seen.trouble)
        return dict(self._broken)

    def _look(self, seen: Seen, now_s: float) -> dict[str, str]:
        awaited: dict[str, float | None] = {NOTIFIER: seen.beats.get(NOTIFIER)}
        awaited |= {f"{WORKER} {name}": token for name, token in seen.canaries.items()}
        if seen.cameras and not seen.canaries:
            awaited[WORKERS] = None
        self._since = {part: since for part, since in self._since.items() if part in awaited}
        broken: dict[str, str] = {}
        for part, token in awaited.items():
            age_s = self._age(part, token, now_s)
            if age_s >= (self._periods.beat if part == NOTIFIER else self._periods.canary):
                kind, _, worker = part.partition(" ")
                broken[part] = _SENTENCES[kind].format(age=age_s, worker=worker)
        return broken

    def _age(self, part: str, token: float | None, now_s: float) -> float:
        """For how long ``token`` is the last one of ``part``."""
        if part not in self._since or self._since[part][0] != token:
            self._since[part] = token, now_s
        return now_s - self._since[part][1]

    def _pass(self, now_s: float, now: float) -> None:
        before_s, before = self._looked or (now_s, now)
        self._looked = now_s, now
        gap_s = now_s - before_s
        # some clocks stand still while a machine sleeps, some go on, and some are set
        slept = max(gap_s, abs(now - before - gap_s)) > self._periods.jump
        if slept:
            # what was broken before is so until it is seen to work
            self._since = {
                part: since for part, since in self._since.items() if part in self._broken
            }
        elif STORE in self._since:
            # what cannot be read cannot be late
            self._since = {
                part: (token, since_s if part == STORE else since_s + gap_s)
                for part, (token, since_s) in self._since.items()
            }


class Missing:
    """Whether something that says again and again that it lives did not for ``after`` seconds; a
    look that comes ``jump`` too late begins anew."""

    def __init__(self, after: float, jump: float) -> None:
        self._after = after
        self._jump = jump
        self._token: float | None = None
        self._since_s = self._looked_s = 0.0
        self.came = False
        """Whether it did since the first look."""

    def missing(self, token: float, now_s: float) -> bool:
        """``token`` differs from one time to the next; ``now_s`` is monotonic."""
        late = now_s - self._looked_s > self._jump
        if token != self._token or late:
            self.came = self.came or (self._token is not None and token != self._token)
            self._token, self._since_s = token, now_s
        self._looked_s = now_s
        return now_s - self._since_s >= self._after


Said: TypeAlias = Literal["alarm", "clear"]


@dataclass(frozen=True, slots=True)
class Saying:
    """What is to be said now: ``number`` names it however often it is tried, ``whys`` are what is
    broken, or was where it is a ``clear``."""

    kind: Said
    number: int
    whys: tuple[str, ...]


class Alarm:
    """When to say what: at once where something breaks, until it is accepted, then again every
    while, and once that all is well. ``alarmed`` says that somebody knows of something already."""

    def __init__(self, periods: Periods, *, alarmed: bool = False) -> None:
        self._periods = periods
        self._number = 0
        self._saying: Saying | None = None
        self._alarmed = alarmed
        self._told: frozenset[str] = frozenset()
        self._asked: frozenset[str] = frozenset()
        self._whys: tuple[str, ...] = ()
        self._due_s = 0.0

    def due(self, broken: Mapping[str, str], now_s: float) -> Saying | None:
        """What is to be tried now, if anything."""
        if broken:
            self._asked, self._whys = frozenset(broken), tuple(broken.values())
            # what breaks now is said now, also while something else is broken already
            news = not self._asked <= self._told
            self._told &= self._asked
            waiting = self._saying is not None and self._saying.kind == "alarm"
            if not waiting and (news or now_s >= self._due_s):
                self._begin("alarm", now_s)
            elif not waiting:
                self._saying = None
        elif not self._alarmed:
            # it is over before anybody was told
            self._saying = None
        elif self._saying is None or self._saying.kind == "alarm":
            self._begin("clear", now_s)
        if self._saying is None or now_s < self._due_s:
            return None
        self._saying = Saying(self._saying.kind, self._saying.number, self._whys)
        return self._saying

    def tried(self, saying: Saying, *, accepted: bool, now_s: float, jitter: float) -> None:
        """What came of it; ``jitter`` in [0, 1] spreads the next try."""
        if not accepted:
            self._due_s = now_s + self._periods.retry * (0.5 + jitter)
            return
        self._saying = None
        self._alarmed = saying.kind == "alarm"
        self._told = self._asked if self._alarmed else frozenset()
        self._due_s = now_s + self._periods.again

    def _begin(self, kind: Said, now_s: float) -> None:
        self._number += 1
        self._saying = Saying(kind, self._number, self._whys)
        self._due_s = now_s
