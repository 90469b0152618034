"""How traffic is classed and summed: every revision of it, the newest in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, insert, select

from api.store.audit import Actor, Values, plain, write_audit
from api.store.database import Database
from api.store.tables import city
from api.store.traffic_tables import traffic_settings
from streams.messages import MAX_NAME_CHARS
from streams.trafficfile import SECTIONS, Traffic, shipped_traffic, traffic_of
from vision.errors import ConfigError, StoreError
from vision.types import JsonValue


class TrafficSettings:
    """Everything raises StoreError. ``clock`` gives UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        # reading a city's roads takes longer than asking whether they are those of before
        self._known: Traffic | None = None

    def current(self) -> Traffic:
        """What is in force: as it ships where nobody stored anything."""
        with self._database.read() as connection:
            number = _newest(connection)
            known = self._known
            if known is None or known.number != number:
                known = _read(connection, number) or shipped_traffic()
        self._known = known
        return known

    def revision(self, number: int) -> Traffic | None:
        """One that was in force once; 0 is as it ships. None where there is no such."""
        if number == 0:
            return shipped_traffic()
        with self._database.read() as connection:
            return _read(connection, number)

    def apply(self, traffic: Traffic, by: Actor) -> Traffic:
        """Put it in force, recorded as done by ``by``, and return it with its number. What is in
        force already is not stored again."""
        with self._database.write() as connection:
            # two at once would get the same number
            connection.execute(select(city.c.number).with_for_update())
            number = _newest(connection)
            known = _read(connection, number) or shipped_traffic()
            if known == traffic:
                return known
            now = self._clock()
            connection.execute(
                insert(traffic_settings).values(
                    number=number + 1,
                    document=dict(traffic.document),
                    created_at=now,
                    created_by=plain(by.name, MAX_NAME_CHARS),
                )
            )
            changed = what_changes(known, traffic)
            write_audit(
                connection, by, "traffic.changed", "traffic", str(number + 1), now=now,
                before={name: _said(known.document[name]) for name in changed},
                after={name: _said(traffic.document[name]) for name in changed},
            )  # fmt: skip
        return replace(traffic, number=number + 1)


def what_changes(before: Traffic, after: Traffic) -> tuple[str, ...]:
    """The sections that differ."""
    return tuple(name for name in SECTIONS if before.document[name] != after.document[name])


def _newest(connection: Connection) -> int:
    return connection.scalar(select(func.max(traffic_settings.c.number))) or 0


def _read(connection: Connection, number: int) -> Traffic | None:
    query = select(traffic_settings.c.document).where(traffic_settings.c.number == number)
    document: Any = connection.scalar(query)
    if document is None:
        return None
    try:
        return traffic_of(document, f"traffic settings {number}", number)
    except ConfigError as error:
        raise StoreError(
            f"the traffic settings are of another version ({error.field}): run 'matakota traffic "
            "apply' with a file of this version"
        ) from None


def _said(section: JsonValue) -> JsonValue:
    """What the record says of a section, which is kept itself under its number."""
    if isinstance(section, Mapping):
        values: Values = {name: section[name] for name in ("source", "version") if name in section}
        return values
    return len(section) if isinstance(section, list) and len(repr(section)) > 200 else section
