"""Alerts about the program itself: one open one for each thing that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Select, select

from api.store.alerts import lock_feed, record_alerts, set_feed
from api.store.database import Database
from api.store.tables import alerts
from streams.messages import SYSTEM_CAMERA, AlertMessage
from vision.types import JsonValue, Severity


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong: ``name`` tells it from others of its ``kind`` (up to 60 letters, digits, '.',
    '_', ':' and '-'), ``details`` hold ``why``, one sentence, and whatever else is known. ``place``
    is where, if anywhere."""

    kind: str
    name: str
    severity: Severity
    details: Mapping[str, JsonValue]
    place: str = ""


class Wrongs:
    """States what is wrong, and that it is over. Everything raises StoreError; ``clock`` gives UTC
    seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def state(self, wrong: Wrong) -> bool:
        """Open an alert of this name, or renew the one that is open; whether anything changed."""
        with self._database.write() as connection:
            return state_wrong(connection, wrong, self._clock())

    def end(self, kind: str, name: str, why: str) -> bool:
        """It is over, for the reason ``why``; whether there was one."""
        with self._database.write() as connection:
            return end_wrong(connection, kind, name, why, self._clock())

    def open(self, kind: str) -> frozenset[str]:
        """The names of those of a kind that are open."""
        with self._database.read() as connection:
            return frozenset(row["rule"] for row in connection.execute(_open(kind)).mappings())


def state_wrong(connection: Connection, wrong: Wrong, now: float) -> bool:
    """As ``Wrongs.state``, in the transaction of what it tells of."""
    position = lock_feed(connection)
    known = _known(connection, wrong.kind, wrong.name)
    if known is None:
        message = AlertMessage(
            id=_new_id(connection, wrong.name, now),
            version=1,
            camera=SYSTEM_CAMERA,
            kind=wrong.kind,
            rule=wrong.name,
            place=wrong.place,
            severity=wrong.severity,
            state="open",
            start_ts=now,
            raised_ts=now,
            score=1.0,
            details=dict(wrong.details),
            revision=0,
            detected_ts=now,
        )
    elif (known.severity, known.details) == (wrong.severity, dict(wrong.details)):
        return False
    else:
        message = known.model_copy(
            update={
                "version": known.version + 1,
                "severity": wrong.severity,
                "details": dict(wrong.details),
            }
        )
    _record(connection, message, position, now)
    return True


def end_wrong(connection: Connection, kind: str, name: str, why: str, now: float) -> bool:
    """As ``Wrongs.end``, in the transaction of what it tells of."""
    position = lock_feed(connection)
    known = _known(connection, kind, name)
    if known is None:
        return False
    _record(connection, known.closed(now, why), position, now)
    return True


def _record(connection: Connection, message: AlertMessage, position: int, now: float) -> None:
    after, _ = record_alerts(connection, [message], position=position, now=now)
    if after != position:
        set_feed(connection, after)


def _open(kind: str) -> Select[tuple[object, ...]]:
    return select(alerts).where(
        alerts.c.camera == SYSTEM_CAMERA, alerts.c.kind == kind, alerts.c.state == "open"
    )


def _known(connection: Connection, kind: str, name: str) -> AlertMessage | None:
    row = connection.execute(_open(kind).where(alerts.c.rule == name)).mappings().first()
    if row is None:
        return None
    fields = AlertMessage.model_fields.keys() - {"schema_version", "type", "detected_ts"}
    return AlertMessage(detected_ts=row["detected_at"], **{field: row[field] for field in fields})


def _new_id(connection: Connection, name: str, now: float) -> str:
    """One that no alert had: whoever was told of an earlier one is to be told of this one too."""
    number, found = int(now), name
    while connection.execute(select(alerts.c.id).where(alerts.c.id == found)).first() is not None:
        found = f"{name}:{number}"
        number += 1
    return found
