"""Decisions, claims and answers for the tests of the outbox."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from api.store import Store
from api.store.alerting_tables import notices
from api.store.facts import Change, Facts, NewNotice
from api.store.letters import Answer, Letter
from tests.api.served import DAY, alert

LEASE_S = 60.0
YES = Answer(True, "", 200)
NO = Answer(False, "the server answers 500", 500)


class Tell:
    """A decision: every change is told to the channel, or held there in a group."""

    def __init__(self, channel: str = "room1", **more: Any) -> None:
        self.channel, self.more = channel, {"state": "waiting", "due_at": DAY} | more
        self.asked: list[tuple[Sequence[Change], Facts]] = []

    def __call__(self, changes: Sequence[Change], facts: Facts) -> Iterable[NewNotice]:
        self.asked.append((changes, facts))
        for change in changes:
            for what in change.whats:
                yield NewNotice(self.channel, change.alert.id, what, **self.more)


def tell(store: Store, *ids: str, inhibiting: Iterable[str] = (), **more: Any) -> Tell:
    """Alerts that are new, and notices of them."""
    store.record([alert(each) for each in ids])
    decide = Tell(**more)
    store.notices.route(decide, inhibiting=tuple(inhibiting), limit=500)
    return decide


@dataclass(frozen=True)
class Judged:
    """What need not be sent any more for the reason that ``why`` gives; by default all must."""

    why: Callable[[Letter, Facts], str | None] = lambda *_: None
    inhibiting: Collection[str] = ()

    def still(self, letter: Letter, facts: Facts) -> str | None:
        return self.why(letter, facts)


def claim(
    store: Store,
    channel: str = "room1",
    still: Callable[[Letter, Facts], str | None] = lambda *_: None,
    by: str = "one",
    inhibiting: Collection[str] = (),
) -> Letter | None:
    return store.notices.claim(channel, Judged(still, inhibiting), by=by, lease_s=LEASE_S)


def claimed(store: Store, *args: Any, **more: Any) -> Letter:
    found = claim(store, *args, **more)
    assert found is not None
    return found


def settle(store: Store, letter: Letter, answer: Answer, again_at: float | None = None) -> None:
    store.notices.settle(letter, answer, took_s=0.5, again_at=again_at, paused_until=0.0)


def rows(store: Store) -> list[Any]:
    with store._database.read() as connection:
        return list(connection.execute(select(notices).order_by(notices.c.id)).mappings())


def states(store: Store) -> dict[tuple[str, str], str]:
    return {(row["alert"], row["what"]): row["state"] for row in rows(store)}


def ids(letter: Letter) -> list[str]:
    return sorted(each.id for each in letter.alerts)
