"""Alerts as they were last stated, and the feed: the order in which they changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    cast,
    func,
    insert,
    select,
    true,
    tuple_,
    update,
)

from api.store.audit import Actor, Values, write_audit
from api.store.database import Database
from api.store.tables import alerts, feed
from streams.messages import AlertMessage
from vision.types import JsonValue, Severity

MAX_PAGE_BYTES = 8 << 20
"""Of details and numbers of tracks, which alone have no small bound."""
_IDENTITY = {"schema_version", "type"}
Only: TypeAlias = frozenset[str] | None
"""The cameras that are among somebody's own; None for every camera."""


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """One alert: what was stated of it last (as in AlertMessage), when it came and changed here
    (UTC seconds), who acknowledged it, and the ``position`` of its last change in the feed."""

    id: str
    version: int
    camera: str
    kind: str
    rule: str
    place: str
    severity: Severity
    state: Literal["open", "closed"]
    start_ts: float
    raised_ts: float
    end_ts: float | None
    track_ids: Sequence[int]
    score: float
    details: dict[str, JsonValue]
    revision: int
    synthetic: bool
    stored_at: float
    updated_at: float
    acknowledged_at: float | None
    acknowledged_by: str | None
    position: int


class Page(NamedTuple):
    """Some alerts, and whether there are ``more`` after them."""

    alerts: list[StoredAlert]
    more: bool


class Changes(NamedTuple):
    """Some alerts in the order of their changes, and the ``position`` up to which there is none
    that is not among them, but for those of other cameras."""

    alerts: list[StoredAlert]
    position: int


class Stated(NamedTuple):
    """An alert as it is stored after it was stated, whether its id was new, and whether anything
    changed."""

    alert: StoredAlert
    created: bool
    changed: bool


def lock_feed(connection: Connection) -> int:
    """The last position; until the transaction ends nobody else gets a new one, so that positions
    appear in their order and a reader misses none."""
    return int(connection.execute(select(feed.c.position).with_for_update()).scalar_one())


def set_feed(connection: Connection, position: int) -> None:
    connection.execute(update(feed).values(position=position))


def record_alerts(
    connection: Connection, messages: Iterable[AlertMessage], *, position: int, now: float
) -> tuple[int, frozenset[str]]:
    """Store what is newer than what is known, under the feed's lock. Returns the last position
    given and the ids that were new."""
    versions: dict[str, int] = {}
    created: set[str] = set()
    for message in messages:
        if message.id not in versions:
            versions[message.id] = (
                connection.scalar(select(alerts.c.version).where(alerts.c.id == message.id)) or 0
            )
        if message.version <= versions[message.id]:
            continue
        position += 1
        values = message.model_dump(exclude=_IDENTITY) | {"updated_at": now, "position": position}
        if versions[message.id]:
            connection.execute(update(alerts).where(alerts.c.id == message.id).values(values))
        else:
            connection.execute(insert(alerts).values(values | {"stored_at": now}))
            created.add(message.id)
        versions[message.id] = message.version
    return position, frozenset(created)


class Alerts:
    """Reads alerts, states and acknowledges them, of the cameras in ``only``: others do not exist.
    Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def get(self, alert_id: str, *, only: Only) -> StoredAlert | None:
        with self._database.read() as connection:
            return _one(connection, alert_id, only)

    def state(self, message: AlertMessage, *, only: Only) -> Stated | None:
        """Store an alert where it is newer than what is known of it. None, and nothing is changed,
        where it is of another camera, or an alert of another camera has its id."""
        with self._database.write() as connection:
            before = lock_feed(connection)
            seen_by = select(alerts.c.camera).where(alerts.c.id == message.id)
            cameras = {message.camera, connection.scalar(seen_by) or message.camera}
            if only is not None and not cameras <= only:
                return None
            after, created = record_alerts(
                connection, [message], position=before, now=self._clock()
            )
            if after != before:
                set_feed(connection, after)
            stored = _one(connection, message.id, only)
        return None if stored is None else Stated(stored, bool(created), after != before)

    def find(
        self,
        *,
        only: Only,
        camera: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        severity: str | None = None,
        acknowledged: bool | None = None,
        from_ts: float | None = None,
        to_ts: float | None = None,
        before: tuple[float, str] | None = None,
        limit: int,
    ) -> Page:
        """Alerts that began in [from_ts, to_ts), newest first; ``before`` is the start and the id
        of the last one that the caller has. At most ``limit``, and fewer where they would have
        more than ``MAX_PAGE_BYTES``, but at least one."""
        order = alerts.c.start_ts.desc(), alerts.c.id.desc()
        size = func.length(cast(alerts.c.details, Text)) + func.length(
            cast(alerts.c.track_ids, Text)
        )
        query = select(alerts.c.id, size).where(_among(only)).order_by(*order).limit(limit + 1)
        equal = {"camera": camera, "kind": kind, "state": state, "severity": severity}
        for name, value in equal.items():
            if value is not None:
                query = query.where(alerts.c[name] == value)
        if acknowledged is not None:
            done = alerts.c.acknowledged_at.is_not(None)
            query = query.where(done if acknowledged else ~done)
        if from_ts is not None:
            query = query.where(alerts.c.start_ts >= from_ts)
        if to_ts is not None:
            query = query.where(alerts.c.start_ts < to_ts)
        if before is not None:
            query = query.where(tuple_(alerts.c.start_ts, alerts.c.id) < before)
        with self._database.read() as connection:
            found = connection.execute(query).all()
            ids = _within(found[:limit])
            rows = connection.execute(select(alerts).where(alerts.c.id.in_(ids)).order_by(*order))
            page = [StoredAlert(**row) for row in rows.mappings()]
        return Page(page, more=len(ids) < len(found))

    def acknowledge(self, alert_id: str, by: Actor, *, only: Only) -> StoredAlert | None:
        """The alert, acknowledged by ``by`` or whoever was first. None where it is unknown."""
        with self._database.write() as connection:
            position = lock_feed(connection)
            known = _one(connection, alert_id, only)
            if known is None or known.acknowledged_at is not None:
                return known
            now = self._clock()
            connection.execute(
                update(alerts)
                .where(alerts.c.id == alert_id)
                .values(
                    acknowledged_at=now,
                    acknowledged_by=by.name,
                    updated_at=now,
                    position=position + 1,
                )
            )
            set_feed(connection, position + 1)
            said: Values = {"camera": known.camera, "kind": known.kind}
            write_audit(
                connection, by, "alert.acknowledged", "alert", alert_id, now=now, after=said
            )
            return _one(connection, alert_id, only)

    def position(self) -> int:
        """The position of the last change of any alert."""
        with self._database.read() as connection:
            return int(connection.execute(select(feed.c.position)).scalar_one())

    def changes(self, after: int, limit: int, *, only: Only) -> Changes:
        """Alerts that changed after a position, each as it is now, in the order of the feed."""
        query = select(alerts).where(alerts.c.position > after, _among(only))
        with self._database.read() as connection:
            # of one moment with the rows: what is committed later has a later position
            last = int(connection.execute(select(feed.c.position)).scalar_one())
            rows: Any = connection.execute(query.order_by(alerts.c.position).limit(limit))
            found = [StoredAlert(**row) for row in rows.mappings()]
        if len(found) < limit:
            return Changes(found, max(after, last))
        return Changes(found, found[-1].position if found else after)


def _among(only: Only) -> ColumnElement[bool]:
    return true() if only is None else alerts.c.camera.in_(sorted(only))


def _within(found: Sequence[Any]) -> list[str]:
    """The first ids of rows (id, size) that fit into ``MAX_PAGE_BYTES``, or the first one."""
    ids: list[str] = []
    total = 0
    for alert_id, size in found:
        total += size
        if ids and total > MAX_PAGE_BYTES:
            break
        ids.append(alert_id)
    return ids


def _one(connection: Connection, alert_id: str, only: Only) -> StoredAlert | None:
    query = select(alerts).where(alerts.c.id == alert_id, _among(only))
    row: Any = connection.execute(query).mappings().first()
    return None if row is None else StoredAlert(**row)
