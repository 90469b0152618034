"""The outbox: what channels are to be told, from the decision to the last try.

The feed is what is decided on: the cursor into it, the notices and what they were decided as of are
written in one transaction, so that no kill loses a notice or makes one twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ScalarSelect, and_, case, func, insert, or_, select, update

from api.store import outbox, routing
from api.store.alerting_tables import channel_states, deliveries, notices
from api.store.audit import Actor, write_audit
from api.store.database import Database
from api.store.facts import Facts, NoticeState
from api.store.letters import Answer, Letter
from api.store.outbox import Needed
from api.store.outbox_statements import ESCALATED
from api.store.routing import Decide, Routed

__all__ = ["ChannelState", "Decide", "Delivery", "Needed", "Notices", "Routed"]

MAX_SUPPRESSED: Final = 50
"""So many notices that need not be sent any more are passed over by one claim."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try, as the log shows it; ``alert`` is None for a test, ``alerts`` how many it was
    about, ``state`` what became of its notice."""

    id: int
    notice: int
    channel: str
    alert: str | None
    alerts: int
    what: str
    state: NoticeState
    at: float
    took_s: float
    ok: bool
    status: int | None
    why: str


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How a channel is: ``waiting`` and ``held`` notices, until when nothing is tried, failures in
    a row, when a message last arrived or failed, and why."""

    channel: str
    waiting: int
    held: int
    paused_until: float
    failures: int
    ok_at: float | None
    failed_at: float | None
    why: str | None


class Notices:
    """Everything raises StoreError. ``clock`` gives UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def route(self, decide: Decide, *, inhibiting: Collection[str], limit: int) -> Routed:
        """Decide on up to ``limit`` alerts that changed since the last time, in the order of the
        feed, and keep what ``decide`` says of them; ``inhibiting`` are the kinds of alerts that are
        among the facts while they are open. A notice that is there already stays as it is."""
        with self._database.read() as connection:
            # SQLite has one writer: do not be it for nothing
            if not routing.is_behind(connection):
                return Routed(0, 0, more=False)
        with self._database.write() as connection:
            return routing.route(
                connection, decide, inhibiting=inhibiting, limit=limit, now=self._clock()
            )

    def claim(self, channel: str, needed: Needed, *, by: str, lease_s: float) -> Letter | None:
        """What is to be sent next on ``channel``, urgent ones first, for ``by`` alone until the
        lease is over; None where nothing is due or the channel is paused. Held ones of the same
        group that are due become one letter. What is not ``needed`` any more is suppressed; of the
        facts it is given the time, the silences and the open alerts that may inhibit others."""
        for _ in range(MAX_SUPPRESSED):
            now = self._clock()
            with self._database.read() as connection:
                found = outbox.next_notice(connection, channel, now)
                if found is None:
                    return None
                silences = routing.read_silences(connection, now)
                known = tuple(routing.read_open(connection, needed.inhibiting))
            with self._database.write() as connection:
                outbox.take_channel(connection, channel)
                facts = Facts(now, silences=silences, open=known)
                letter = outbox.take(connection, found, needed, facts, by=by, lease_s=lease_s)
            if letter is not None:
                return letter
        return None

    def settle(
        self,
        letter: Letter,
        answer: Answer,
        *,
        took_s: float,
        again_at: float | None,
        paused_until: float,
        drop: bool = True,
    ) -> bool:
        """Keep what came of a try: delivered, to be tried again at ``again_at``, or given up where
        that is None. Nothing is tried on the channel before ``paused_until``. Where it is to
        ``drop`` what is too old, the answer is whether there may be more of that."""
        now = self._clock()
        with self._database.write() as connection:
            outbox.keep_channel(
                connection, letter.channel, answer, paused_until=paused_until, now=now
            )
            outbox.settle(connection, letter, answer, took_s=took_s, again_at=again_at, now=now)
            return drop and outbox.drop(connection, letter.channel, now)

    def release(self, by: str) -> None:
        """What ``by`` claimed before it was ended may be claimed at once."""
        with self._database.write() as connection:
            connection.execute(
                update(notices)
                .where(notices.c.claimed_by == by, notices.c.state == "waiting")
                .values(claimed_by=None, claimed_until=None)
            )

    def next_due(self, channel: str) -> float | None:
        """When something is to be sent on ``channel`` at the earliest; None for nothing."""
        with self._database.read() as connection:
            return outbox.next_due(connection, channel, self._clock())

    def late(
        self, names: Collection[str], after_s: float, known: Mapping[str, float]
    ) -> dict[str, float]:
        """Of channels those by which nothing has arrived for ``after_s`` that was to be sent, and
        since when (UTC seconds). Those that are ``known`` to be late, since then or earlier, are so
        until something arrives or nothing is left to be sent."""
        now = self._clock()
        late: dict[str, float] = {}
        with self._database.read() as connection:
            for name in names:
                since = outbox.late_since(connection, name, now)
                if since is None:
                    continue
                if name in known and not outbox.arrived_after(connection, name, known[name]):
                    late[name] = min(known[name], since)
                elif since <= now - after_s:
                    late[name] = since
        return late

    def test(self, channel: str, by: Actor) -> int:
        """Queue a test message, recorded as done by ``by``; returns its number."""
        now = self._clock()
        what = f"test:{secrets.token_hex(4)}"
        row = {
            "channel": channel, "what": what, "state": "waiting", "urgent": True,
            "created_at": now, "due_at": now, "attempts": 0,
        }  # fmt: skip
        with self._database.write() as connection:
            made = connection.execute(insert(notices).values(row).returning(notices.c.id))
            number = int(made.scalar_one())
            write_audit(connection, by, "channel.tested", "channel", channel, now=now)
        return number

    def deliveries(
        self, *, channel: str | None = None, before: int | None = None, limit: int
    ) -> list[Delivery]:
        """The delivery log, newest first; ``before`` is the id of the last one that the caller
        has."""
        query = (
            select(
                deliveries,
                notices.c.alert,
                notices.c.what,
                notices.c.state,
                _alerts_of(),
            )
            .join(notices, notices.c.id == deliveries.c.notice)
            .order_by(deliveries.c.id.desc())
            .limit(limit)
        )
        if channel is not None:
            query = query.where(deliveries.c.channel == channel)
        if before is not None:
            query = query.where(deliveries.c.id < before)
        with self._database.read() as connection:
            rows: Any = connection.execute(query).mappings()
            return [Delivery(**row) for row in rows]

    def channels(self, names: Sequence[str]) -> list[ChannelState]:
        """How channels are. What is to be sent later, if still nobody acknowledged, is no message
        yet."""
        due = or_(notices.c.due_at <= self._clock(), notices.c.attempts > 0)
        held = and_(notices.c.state == "held", or_(due, notices.c.what.not_like(ESCALATED)))
        counted = (
            select(
                notices.c.channel,
                func.sum(case((notices.c.state == "held", 0), (due, 1), else_=0)),
                func.sum(case((held, 1), else_=0)),
            )
            .where(notices.c.channel.in_(names), notices.c.state.in_(("waiting", "held")))
            .group_by(notices.c.channel)
        )
        with self._database.read() as connection:
            numbers = {name: (waiting, held) for name, waiting, held in connection.execute(counted)}
            known = select(channel_states).where(channel_states.c.channel.in_(names))
            rows: Any = connection.execute(known).mappings()
            states = {row["channel"]: dict(row) for row in rows}
        return [_state(name, *numbers.get(name, (0, 0)), states.get(name, {})) for name in names]


def _alerts_of() -> ScalarSelect[int]:
    """How many alerts a notice is about, those that it carries included."""
    parts = notices.alias("parts")
    carried = (
        select(func.count(parts.c.alert.distinct()))
        .where(or_(parts.c.id == notices.c.id, parts.c.carrier == notices.c.id))
        .correlate(notices)
        .scalar_subquery()
    )
    return carried.label("alerts")  # type: ignore[return-value]


def _state(name: str, waiting: int, held: int, values: dict[str, Any]) -> ChannelState:
    return ChannelState(
        channel=name,
        waiting=waiting,
        held=held,
        paused_until=values.get("paused_until", 0.0),
        failures=values.get("failures", 0),
        ok_at=values.get("ok_at"),
        failed_at=values.get("failed_at"),
        why=values.get("why"),
    )
