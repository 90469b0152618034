"""What is sent next, and what became of it: the statements under ``Notices``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from api.alerting.settings import CANARY_CHANNEL
from api.store import outbox_statements as statements
from api.store.alerting_tables import channel_states, deliveries, notices
from api.store.alerts import StoredAlert, lock_feed
from api.store.facts import Facts
from api.store.letters import Answer, Letter

MAX_FOLDED: Final = 10_000
"""So many held notices become one letter at most: what a storm brings within a minute."""
MAX_LOGGED: Final = 5000
"""So many tries of one channel are in the log."""
SETTLED_S: Final = 90 * 86_400.0
"""So long what is settled is kept."""
CANARIES_S: Final = 86_400.0
"""The same for canaries, of which there is one a minute from each worker."""
DROPPED_AT_ONCE: Final = 200
PIECE: Final = 500
GONE: Final = "the alert is no longer stored"
_OPEN: Final = ("waiting", "held")
_SETTLED: Final = ("folded", "delivered", "given_up", "suppressed")

_Id = TypeVar("_Id", int, str)


class Needed(Protocol):
    """What knows whether what is due is still to be sent. ``inhibiting`` are the kinds of alerts
    that are among the facts while they are open; ``still`` says why a letter need not be sent any
    more, None where it must."""

    @property
    def inhibiting(self) -> Collection[str]: ...

    def still(self, letter: Letter, facts: Facts) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Part:
    """One notice of a letter."""

    id: int
    alert: str | None
    what: str


def letter_id(notice: int, created_at: float) -> str:
    """What a letter is called for ever, by the notice that carries it and when that was decided on
    (UTC seconds): numbers begin anew with each database, and receivers remember ids."""
    return f"ntc_{int(created_at * 1000):012x}_{notice}"


def next_notice(connection: Connection, channel: str, now: float) -> int | None:
    """What is to be claimed next on a channel, the urgent first; None while it is paused."""
    asked = statements.times(now) | {"this_channel": channel}
    found = connection.scalar(statements.NEXT, asked)
    return None if found is None else int(found)


def take(
    connection: Connection, notice: int, needed: Needed, facts: Facts, *, by: str, lease_s: float
) -> Letter | None:
    """Claim a notice that was found, with what is folded into it. None where somebody else was
    faster, or nothing of it need be sent any more."""
    now = facts.now
    # of two that found the same one, one changes it
    mine = {"this_notice": notice, "by": by, "until": now + lease_s}
    won = connection.execute(statements.CLAIM, statements.times(now) | mine)
    row: Any = won.mappings().first()
    if row is None:
        return None
    parts = _parts(connection, row, now)
    stored = _alerts(connection, [part.alert for part in parts if part.alert is not None])
    whys = {part: _why(row, part, stored, needed, facts) for part in parts}
    keep = [part for part in parts if whys[part] is None]
    if row["carrier"] is not None and keep:
        # it was folded before: what it holds does not change any more
        keep = parts
    for part in parts:
        if part not in keep:
            _suppress(connection, part.id, whys[part] or "", now)
    if row["state"] == "held":
        # it may be none of those that fit
        connection.execute(
            update(notices)
            .where(notices.c.id == notice)
            .values(claimed_by=None, claimed_until=None)
        )
    if not keep:
        return None
    if row["state"] == "held":
        _fold(connection, keep, {"claimed_by": by, "claimed_until": now + lease_s})
        row = connection.execute(select(notices).where(notices.c.id == keep[0].id)).mappings().one()
    shown = dict.fromkeys(part.alert for part in keep)
    return _letter(row, tuple(stored[name] for name in shown if name in stored))


def settle(
    connection: Connection,
    letter: Letter,
    answer: Answer,
    *,
    took_s: float,
    again_at: float | None,
    now: float,
) -> None:
    """Keep what came of a try in the log, and in the notice unless that is settled already."""
    tried = {
        "notice": letter.notice,
        "channel": letter.channel,
        "at": now,
        "took_s": took_s,
        "ok": answer.ok,
        "status": answer.status,
        "why": answer.why,
    }
    connection.execute(statements.LOG, tried)
    if answer.ok:
        became: dict[str, Any] = {"state": "delivered", "why": None, "settled_at": now}
    elif again_at is not None:
        became = {"due_at": again_at}
    else:
        became = {"state": "given_up", "why": answer.why, "settled_at": now}
    this = {"this_notice": letter.notice, "attempts": letter.attempt + 1}
    free = {"claimed_by": None, "claimed_until": None}
    settled = statements.SETTLE_DELIVERED if answer.ok else statements.SETTLE
    connection.execute(settled, this | free | became)
    fresh = [alert.id for alert in letter.alerts if alert.delivered_at is None]
    if answer.ok and fresh:
        # as whoever changes alerts does, so that no two wait for each other
        lock_feed(connection)
        for some in _pieces(fresh):
            connection.execute(statements.DELIVERED, {"these": some, "delivered_at": now})


def keep_channel(
    connection: Connection, channel: str, answer: Answer, *, paused_until: float, now: float
) -> None:
    """How the channel is after a try. As ``take_channel`` it keeps others waiting."""
    values: dict[str, Any] = {"paused_until": paused_until}
    if answer.ok:
        values |= {"failures": 0, "ok_at": now}
    else:
        values |= {
            "failures": channel_states.c.failures + 1,
            "failed_at": now,
            "why": answer.why,
        }
    kept = statements.WORKS if answer.ok else statements.FAILS
    values["this_channel"] = channel
    if connection.execute(kept, values).rowcount != 1:
        _make_channel(connection, channel)
        connection.execute(kept, values)


def take_channel(connection: Connection, channel: str) -> None:
    """One at a time for each channel, until the transaction ends: what is folded is so once."""
    this = {"this_channel": channel}
    if connection.execute(statements.TAKE_CHANNEL, this).first() is None:
        _make_channel(connection, channel)
        connection.execute(statements.TAKE_CHANNEL, this)


def _make_channel(connection: Connection, channel: str) -> None:
    write = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    fresh = {"channel": channel, "paused_until": 0.0, "failures": 0}
    connection.execute(write(channel_states).values(fresh).on_conflict_do_nothing())


def next_due(connection: Connection, channel: str, now: float) -> float | None:
    """When something is due at the earliest, or its claim is over."""
    asked = statements.times(now) | {"this_channel": channel}
    times: list[float] = []
    if connection.execute(statements.EARLY, asked).first() is not None:
        times.append(now)
    for state in _OPEN:
        found = connection.execute(statements.SOON, {"this_channel": channel, "this_state": state})
        times += [max(due, until or due) for due, until in found]
    if not times:
        return None
    return max(min(times), float(connection.scalar(statements.PAUSED, asked) or 0.0))


def late_since(connection: Connection, channel: str, now: float) -> float | None:
    """Since when what is to be sent on a channel does not arrive: since the first try that failed
    after the last one that did not, or since something was due that was not tried yet."""
    mine = deliveries.c.channel == channel
    arrived = select(func.max(deliveries.c.id)).where(mine, deliveries.c.ok)
    last = connection.scalar(arrived) or 0
    failed = select(deliveries.c.at).where(mine, deliveries.c.id > last)
    waiting = select(notices.c.due_at).where(
        notices.c.channel == channel,
        notices.c.state.in_(_OPEN),
        notices.c.due_at <= now,
        notices.c.attempts == 0,
    )
    times = [
        connection.scalar(failed.order_by(deliveries.c.id).limit(1)),
        connection.scalar(waiting.order_by(notices.c.due_at).limit(1)),
    ]
    return min((ts for ts in times if ts is not None), default=None)


def arrived_after(connection: Connection, channel: str, ts: float) -> bool:
    """Whether a message arrived since ``ts`` (UTC seconds)."""
    this = channel_states.c.channel == channel, channel_states.c.ok_at > ts
    return connection.execute(select(channel_states.c.channel).where(*this)).first() is not None


def _parts(connection: Connection, row: Any, now: float) -> list[Part]:
    """What becomes one letter with the notice of ``row``, the first first."""
    if row["carrier"] is None and row["state"] != "held":
        return [Part(row["id"], row["alert"], row["what"])]
    columns = notices.c.id, notices.c.alert, notices.c.what
    query = select(*columns).order_by(notices.c.id).limit(MAX_FOLDED)
    if row["carrier"] is not None:
        query = query.where(notices.c.carrier == row["carrier"])
    else:
        query = query.where(
            notices.c.channel == row["channel"],
            notices.c.group == row["group"],
            notices.c.state == "held",
            statements.DUE,
        )
    return [Part(*found) for found in connection.execute(query, statements.times(now))]


def _alerts(connection: Connection, ids: Sequence[str]) -> dict[str, StoredAlert]:
    found: dict[str, StoredAlert] = {}
    for some in _pieces(sorted(set(ids))):
        rows: Any = connection.execute(statements.ALERTS, {"these": some}).mappings()
        found |= {row["id"]: StoredAlert(**row) for row in rows}
    return found


def _why(
    row: Any, part: Part, stored: dict[str, StoredAlert], needed: Needed, facts: Facts
) -> str | None:
    """Why one part need not be sent."""
    if part.alert is None:
        return None
    found = stored.get(part.alert)
    if found is None:
        return GONE
    return needed.still(replace(_letter(row, (found,)), what=part.what), facts)


def _letter(row: Any, shown: tuple[StoredAlert, ...]) -> Letter:
    return Letter(
        id=letter_id(row["id"], row["created_at"]),
        notice=row["id"],
        channel=row["channel"],
        what=row["what"],
        alerts=shown,
        urgent=row["urgent"],
        attempt=row["attempts"],
        created_at=row["created_at"],
    )


def _fold(connection: Connection, keep: Sequence[Part], mine: dict[str, Any]) -> None:
    """The first one carries the others, from now on and whatever comes of the tries."""
    first, *others = (part.id for part in keep)
    carried = update(notices).where(notices.c.id == first)
    connection.execute(carried.values(state="waiting", carrier=first, **mine))
    for some in _pieces(others):
        folded = update(notices).where(notices.c.id.in_(some))
        connection.execute(folded.values(state="folded", carrier=first))


def _suppress(connection: Connection, notice: int, why: str, now: float) -> None:
    connection.execute(
        update(notices)
        .where(notices.c.id == notice)
        .values(state="suppressed", why=why, settled_at=now, claimed_by=None, claimed_until=None)
    )


def drop(connection: Connection, channel: str, now: float) -> bool:
    """Remove a little of what is too old to be kept; whether there may be more of it."""
    log = select(deliveries.c.id).where(deliveries.c.channel == channel)
    last = connection.scalar(log.order_by(deliveries.c.id.desc()).offset(MAX_LOGGED).limit(1))
    if last is not None:
        old = deliveries.c.channel == channel, deliveries.c.id <= last
        connection.execute(delete(deliveries).where(*old))
    carrier = notices.alias("carrier")
    carried = select(carrier.c.id).where(
        carrier.c.id == notices.c.carrier, carrier.c.state.in_(_OPEN)
    )
    old = notices.c.due_at < now - SETTLED_S, notices.c.state.in_(_SETTLED)
    more = _delete(connection, *old, ~carried.exists())
    if channel == CANARY_CHANNEL:
        mine = notices.c.channel == channel, notices.c.state.in_(_SETTLED)
        more |= _delete(connection, *mine, notices.c.due_at < now - CANARIES_S)
    return more


def _delete(connection: Connection, *which: ColumnElement[bool]) -> bool:
    """Delete some notices, those that were due first; whether there may be more."""
    some = select(notices.c.id).where(*which).order_by(notices.c.due_at).limit(DROPPED_AT_ONCE)
    deleted = connection.execute(delete(notices).where(notices.c.id.in_(some))).rowcount
    return deleted >= DROPPED_AT_ONCE


def _pieces(ids: Sequence[_Id]) -> Iterator[Sequence[_Id]]:
    """Databases bound the number of values of one statement."""
    for first in range(0, len(ids), PIECE):
        yield ids[first : first + PIECE]
