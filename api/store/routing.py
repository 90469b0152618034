"""From the feed to the outbox: who is told of what changed, decided once for each change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, String, and_, bindparam, case, cast, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from api.alerting.settings import Matcher
from api.store.alerting_tables import notices, routing, silences
from api.store.alerts import StoredAlert, lock_feed
from api.store.facts import RECENT_S, STORM, Change, Facts, NewNotice, Silence
from api.store.outbox_statements import SET_BACK_S
from api.store.tables import alerts, feed
from vision.types import SEVERITY_RANK, Severity

GROUPED_S: Final = 2 * 86_400.0
"""Twice as long as a group may be: so far back it is looked for what a group was told."""
_OWN: Final = ("waiting", "delivered", "given_up")
_TOLD: Final = ("held", *_OWN)
# asked with each message, and built once
_SILENCES: Final = (
    select(silences)
    .where(silences.c.starts_at <= bindparam("now"), silences.c.ends_at > bindparam("now"))
    .order_by(silences.c.id)
)
_INHIBITING: Final = (
    select(alerts)
    .where(alerts.c.state == "open", alerts.c.kind.in_(bindparam("kinds", expanding=True)))
    .order_by(alerts.c.start_ts, alerts.c.id)
)

Decide: TypeAlias = Callable[[Sequence[Change], Facts], Iterable[NewNotice]]


@dataclass(frozen=True, slots=True)
class Routed:
    """How many alerts were decided on, how many notices came of them, and whether there may be
    more at once."""

    alerts: int
    notices: int
    more: bool


def is_behind(connection: Connection) -> bool:
    """Whether anything changed that was not decided on."""
    newest = connection.execute(select(feed.c.position)).scalar_one()
    return bool(newest > connection.execute(select(routing.c.position)).scalar_one())


def route(
    connection: Connection,
    decide: Decide,
    *,
    inhibiting: Collection[str],
    limit: int,
    now: float,
) -> Routed:
    """Decide on up to ``limit`` alerts; its row's lock keeps every other router waiting."""
    turn = select(routing.c.position).with_for_update()
    position = int(connection.execute(turn).scalar_one())
    changed = select(alerts).where(alerts.c.position > position)
    rows: Any = connection.execute(changed.order_by(alerts.c.position).limit(limit))
    found = [StoredAlert(**row) for row in rows.mappings()]
    if not found:
        return Routed(0, 0, more=False)
    changes = [Change(alert, whats_of(alert)) for alert in found]
    closed = [each.alert.id for each in changes if "closed" in each.whats]
    facts = read_facts(connection, inhibiting=inhibiting, closed=closed, now=now)
    new = list(decide(changes, facts))
    _decided(connection, [change for change in changes if change.whats])
    written = _write(connection, new, now)
    connection.execute(update(routing).values(position=found[-1].position))
    return Routed(len(found), written, more=len(found) == limit)


def whats_of(alert: StoredAlert) -> tuple[str, ...]:
    """What became of an alert since it was last decided on."""
    whats: list[str] = []
    if alert.routed_severity is None:
        whats.append("opened")
    elif SEVERITY_RANK[alert.severity] > SEVERITY_RANK[alert.routed_severity]:
        whats.append(f"severity:{alert.severity}")
    if alert.state == "closed" and not alert.routed_closed:
        whats.append("closed")
    return tuple(whats)


def read_facts(
    connection: Connection, *, inhibiting: Collection[str], closed: Collection[str], now: float
) -> Facts:
    """Everything that the decision depends on, as this transaction sees it; ``closed`` are the ids
    of the alerts that closed."""
    held: dict[tuple[str, str], list[float]] = {}
    for channel, group, due_at in connection.execute(_held(now)):
        held.setdefault((channel, group), []).append(due_at)
    grouped = {key: times[-1] for key, times in held.items()}
    for channel, group, last in connection.execute(_groups(now)):
        key = channel, group
        # what is tried again is due later than it was at first, which is not kept
        grouped[key] = max(grouped.get(key, 0.0), min(last, now))
    told, untold = _told_of(connection, closed)
    return Facts(
        now=now,
        silences=read_silences(connection, now),
        open=tuple(read_open(connection, inhibiting)),
        recent={row.channel: row.number for row in connection.execute(_recent(now))},
        grouped=grouped,
        held=held,
        told=frozenset(told),
        untold=frozenset(untold - told),
    )


def _told_of(
    connection: Connection, ids: Collection[str]
) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The (channel, alert) of which something was or will be told, and those whose opening was
    suppressed, of these alerts. Who is told only where nobody acknowledges is none of them."""
    suppressed = notices.c.state == "suppressed"
    query = select(notices.c.channel, notices.c.alert, suppressed.label("suppressed")).where(
        notices.c.alert.in_(ids),
        or_(notices.c.what == "opened", and_(notices.c.what.like("severity:%"), ~suppressed)),
    )
    told, untold = set[tuple[str, str]](), set[tuple[str, str]]()
    for channel, alert, is_suppressed in connection.execute(query):
        (untold if is_suppressed else told).add((channel, alert))
    return told, untold


def read_silences(connection: Connection, now: float) -> tuple[Silence, ...]:
    """Those that hold now."""
    rows: Any = connection.execute(_SILENCES, {"now": now}).mappings()
    return tuple(Silence(**{**row, "match": Matcher.model_validate(row["match"])}) for row in rows)


def _recent(now: float) -> Any:
    """Of each channel: how many messages became due within the last minute."""
    # what is held and was not sent yet is one message for each group
    message = case((notices.c.state == "held", notices.c.group), else_=cast(notices.c.id, String))
    return (
        select(notices.c.channel, func.count(message.distinct()).label("number"))
        .where(
            notices.c.due_at > now - RECENT_S,
            notices.c.due_at <= now,
            notices.c.urgent.is_(False),
            notices.c.state.in_(_TOLD),
            or_(notices.c.group.is_(None), notices.c.group != STORM),
        )
        .group_by(notices.c.channel)
    )


def _held(now: float) -> Any:
    """Of each channel and group: when held messages are due, each time once."""
    columns = notices.c.channel, notices.c.group, notices.c.due_at
    return (
        select(*columns)
        .where(
            notices.c.due_at > now - GROUPED_S,
            notices.c.state == "held",
            # what is held from before the clock was set back is sent now
            notices.c.created_at <= now + SET_BACK_S,
        )
        .distinct()
        .order_by(*columns)
    )


def _groups(now: float) -> Any:
    """Of each channel and group: when the last message was due that is not held."""
    key = notices.c.channel, notices.c.group
    return (
        select(*key, func.max(notices.c.due_at))
        .where(
            notices.c.due_at > now - GROUPED_S,
            notices.c.group.is_not(None),
            notices.c.state.in_(_OWN),
        )
        .group_by(*key)
    )


def read_open(connection: Connection, inhibiting: Collection[str]) -> Iterator[StoredAlert]:
    """The open alerts that may inhibit others."""
    if not inhibiting:
        return
    rows: Any = connection.execute(_INHIBITING, {"kinds": sorted(inhibiting)}).mappings()
    for row in rows:
        yield StoredAlert(**row)


def _decided(connection: Connection, changes: Sequence[Change]) -> None:
    """Keep as of what was decided."""
    # whoever changes alerts has the feed's lock first: two that take them in another order would
    # wait for each other
    lock_feed(connection)
    severities = {change.alert.id: _worst(change.alert) for change in changes}
    closed = [change.alert.id for change in changes if change.alert.state == "closed"]
    for severity in set(severities.values()):
        ids = [alert_id for alert_id, worst in severities.items() if worst == severity]
        chosen = alerts.c.id.in_(ids)
        connection.execute(update(alerts).where(chosen).values(routed_severity=severity))
    connection.execute(update(alerts).where(alerts.c.id.in_(closed)).values(routed_closed=True))


def _worst(alert: StoredAlert) -> Severity:
    """One that sank and rises again has risen once."""
    before = alert.routed_severity
    if before is None or SEVERITY_RANK[alert.severity] > SEVERITY_RANK[before]:
        return alert.severity
    return before


def _write(connection: Connection, new: Sequence[NewNotice], now: float) -> int:
    """Add rows, but for those that are there; how many were added."""
    if not new:
        return 0
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    rows = [
        {
            "channel": notice.channel,
            "alert": notice.alert,
            "what": notice.what,
            "state": notice.state,
            "why": notice.why,
            "urgent": notice.urgent,
            "group": notice.group,
            "created_at": now,
            "due_at": notice.due_at,
            "attempts": 0,
            "settled_at": now if notice.state == "suppressed" else None,
        }
        for notice in new
    ]
    statement = insert(notices).on_conflict_do_nothing().returning(notices.c.id)
    return len(connection.execute(statement, rows).all())
