"""Alerts as they were last stated, and the feed: the order in which they changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    cast,
    func,
    insert,
    select,
    true,
    tuple_,
    update,
)

from api.lifecycle import Act, Case, Outcome, Status
from api.store.audit import Actor, Values, write_audit
from api.store.database import Database
from api.store.search import Word, having
from api.store.tables import alerts, feed
from streams.messages import CANARY, AlertMessage, Hops
from vision.types import JsonValue, Severity

MAX_PAGE_BYTES = 8 << 20
"""Of details and numbers of tracks, which alone have no small bound."""
_LOCK_FEED: Final = select(feed.c.position).with_for_update()
_NOT_KEPT = {"schema_version", "type", "detected_ts"}
NO_HOPS: Final[Mapping[str, Hops]] = MappingProxyType({})
Only: TypeAlias = frozenset[str] | None
"""The cameras that are among somebody's own; None for every camera."""


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """One alert: what was stated of it last (as in AlertMessage), when it came and changed here
    (UTC seconds), the ``position`` of its last change in the feed, and what people did about it,
    of which ``edit`` is the number. ``detected_at`` to ``delivered_at`` are when its first
    statement passed the parts of the chain, each by its own clock, None where that is not known.
    By default nobody did anything about it."""

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
    position: int
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    status: Status = "new"
    edit: int = 0
    assigned_to: str | None = None
    resolved_at: float | None = None
    resolved_by: str | None = None
    outcome: Outcome | None = None
    note: str | None = None
    merged_into: str | None = None
    opened_by: str | None = None
    detected_at: float | None = None
    spooled_at: float | None = None
    published_at: float | None = None
    delivered_at: float | None = None
    routed_severity: Severity | None = None
    routed_closed: bool = False

    @property
    def passed(self) -> dict[str, float | None]:
        """When its first statement passed each part of the chain (UTC seconds), in their order."""
        return {
            "captured": self.raised_ts,
            "detected": self.detected_at,
            "spooled": self.spooled_at,
            "published": self.published_at,
            "stored": self.stored_at,
            "delivered": self.delivered_at,
        }

    @property
    def case(self) -> Case:
        """What people did about it."""
        return Case(**{each.name: getattr(self, each.name) for each in fields(Case)})


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
    return int(connection.execute(_LOCK_FEED).scalar_one())


def set_feed(connection: Connection, position: int) -> None:
    connection.execute(update(feed).values(position=position))


def record_alerts(
    connection: Connection,
    messages: Iterable[AlertMessage],
    *,
    position: int,
    now: float,
    hops: Mapping[str, Hops] = NO_HOPS,
) -> tuple[int, frozenset[str]]:
    """Store what is newer than what is known, under the feed's lock; ``hops`` are by the messages'
    keys. Returns the last position given and the ids that were new."""
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
        values = message.model_dump(exclude=_NOT_KEPT) | {"updated_at": now, "position": position}
        passed = hops.get(message.key, Hops())
        first = {
            "stored_at": now,
            "detected_at": message.detected_ts,
            "spooled_at": passed.spooled_ts,
            "published_at": passed.published_ts,
        }
        if versions[message.id]:
            # each version of a canary goes the whole way anew
            values |= first if message.kind == CANARY else {}
            connection.execute(update(alerts).where(alerts.c.id == message.id).values(values))
        else:
            connection.execute(insert(alerts).values(values | first))
            created.add(message.id)
        versions[message.id] = message.version
    return position, frozenset(created)


def write_act(
    connection: Connection,
    known: StoredAlert,
    after: Case,
    by: Actor,
    act: Act,
    *,
    position: int,
    now: float,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Keep what somebody did about an alert, and ``more`` columns of it, and record it; under the
    feed's lock, of which ``position`` is the next one."""
    values = asdict(after) | dict(more) | {"updated_at": now, "position": position}
    connection.execute(update(alerts).where(alerts.c.id == known.id).values(values))
    said = _said_of(after) | {"camera": known.camera, "kind": known.kind}
    write_audit(
        connection, by, act, "alert", known.id, now=now, before=_said_of(known.case), after=said
    )


def _said_of(case: Case) -> Values:
    """What the record keeps of what people did about an alert."""
    return {
        "status": case.status,
        "assigned_to": case.assigned_to,
        "outcome": case.outcome,
        "note": case.note,
        "merged_into": case.merged_into,
    }


class Alerts:
    """Reads and states alerts of the cameras in ``only``: others do not exist. Everything raises
    StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def get(self, alert_id: str, *, only: Only) -> StoredAlert | None:
        with self._database.read() as connection:
            return read_one(connection, alert_id, only)

    def state(
        self, message: AlertMessage, *, only: Only, hops: Mapping[str, Hops] = NO_HOPS
    ) -> Stated | None:
        """Store an alert where it is newer than what is known of it; ``hops`` are by its key. None,
        and nothing is changed, where it is of another camera, or an alert of another camera, or one
        that a person opened, has its id."""
        with self._database.write() as connection:
            before = lock_feed(connection)
            before_it = read_one(connection, message.id, None)
            if before_it is not None and before_it.opened_by is not None:
                return None
            cameras = {message.camera, message.camera if before_it is None else before_it.camera}
            if only is not None and not cameras <= only:
                return None
            after, created = record_alerts(
                connection, [message], position=before, now=self._clock(), hops=hops
            )
            if after != before:
                set_feed(connection, after)
            stored = read_one(connection, message.id, only)
        return None if stored is None else Stated(stored, bool(created), after != before)

    def find(
        self,
        *,
        only: Only,
        camera: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        severity: str | None = None,
        severities: Collection[Severity] | None = None,
        acknowledged: bool | None = None,
        status: Status | None = None,
        assigned_to: str | None = None,
        merged: bool | None = None,
        from_ts: float | None = None,
        to_ts: float | None = None,
        words: Iterable[Word] = (),
        among_ids: Collection[str] | None = None,
        before: tuple[float, str] | None = None,
        limit: int,
    ) -> Page:
        """Alerts that began in [from_ts, to_ts), newest first; ``before`` is the start and the id
        of the last one that the caller has; of ``among_ids``, where they are given. At most
        ``limit``, and fewer where they would have more than ``MAX_PAGE_BYTES``, but at least one.
        Canaries are found by their kind alone."""
        order = alerts.c.start_ts.desc(), alerts.c.id.desc()
        size = func.length(cast(alerts.c.details, Text)) + func.length(
            cast(alerts.c.track_ids, Text)
        )
        query = select(alerts.c.id, size).where(among(only), having(words))
        query = query.order_by(*order).limit(limit + 1)
        equal = {
            "camera": camera,
            "kind": kind,
            "state": state,
            "severity": severity,
            "status": status,
            "assigned_to": assigned_to,
        }
        for name, value in equal.items():
            if value is not None:
                query = query.where(alerts.c[name] == value)
        for column, some in ((alerts.c.severity, severities), (alerts.c.id, among_ids)):
            if some is not None:
                query = query.where(column.in_(sorted(some)))
        if kind is None:
            query = query.where(alerts.c.kind != CANARY)
        for column, wanted in (
            (alerts.c.acknowledged_at, acknowledged),
            (alerts.c.merged_into, merged),
        ):
            if wanted is not None:
                query = query.where(column.is_not(None) if wanted else column.is_(None))
        if from_ts is not None:
            query = query.where(alerts.c.start_ts >= from_ts)
        if to_ts is not None:
            query = query.where(alerts.c.start_ts < to_ts)
        if before is not None:
            query = query.where(tuple_(alerts.c.start_ts, alerts.c.id) < before)
        with self._database.read() as connection:
            found = connection.execute(query).all()
            ids = _within(found[:limit])
            rows = connection.execute(_whole(only).where(alerts.c.id.in_(ids)).order_by(*order))
            page = [StoredAlert(**row) for row in rows.mappings()]
        return Page(page, more=len(ids) < len(found))

    def position(self) -> int:
        """The position of the last change of any alert."""
        with self._database.read() as connection:
            return int(connection.execute(select(feed.c.position)).scalar_one())

    def changes(self, after: int, limit: int, *, only: Only) -> Changes:
        """Alerts that changed after a position, each as it is now, in the order of the feed, but
        for canaries."""
        query = _whole(only).where(alerts.c.position > after, alerts.c.kind != CANARY, among(only))
        with self._database.read() as connection:
            # of one moment with the rows: what is committed later has a later position
            last = int(connection.execute(select(feed.c.position)).scalar_one())
            rows: Any = connection.execute(query.order_by(alerts.c.position).limit(limit))
            found = [StoredAlert(**row) for row in rows.mappings()]
        if len(found) < limit:
            return Changes(found, max(after, last))
        return Changes(found, found[-1].position if found else after)


def among(only: Only) -> ColumnElement[bool]:
    """The alerts of these cameras."""
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


def read_one(connection: Connection, alert_id: str, only: Only) -> StoredAlert | None:
    """The alert, if there is one and its camera is among these."""
    query = _whole(only).where(alerts.c.id == alert_id, among(only))
    row: Any = connection.execute(query).mappings().first()
    return None if row is None else StoredAlert(**row)


def _whole(only: Only) -> Select[Any]:
    """Alerts with all their columns; which one an alert was merged into is told where that one is
    of these cameras too."""
    if only is None:
        return select(alerts)
    target = alerts.alias("target")
    told = select(target.c.id).where(
        target.c.id == alerts.c.merged_into, target.c.camera.in_(sorted(only))
    )
    others = [column for column in alerts.c if column.name != "merged_into"]
    return select(*others, told.scalar_subquery().label("merged_into"))
