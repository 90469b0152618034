"""Who did what, when: rows that are added in the transaction of what they tell of, and never
changed, which the database itself refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias

from sqlalchemy import Connection, Select, func, insert, select

from api.store.database import RECORD_LOCK, Database, take_turn
from api.store.tables import audit
from streams.messages import MAX_NAME_CHARS
from vision.types import JsonValue

MAX_ADDRESS_CHARS: Final = 64
PIECE: Final = 1000
"""So many rows are read at once where all are wanted."""
ActorKind: TypeAlias = Literal["user", "key", "link", "command", "nobody"]
Values: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a person, a machine key, whoever has a link, the command line, or
    somebody who is not known, from an ``address``."""

    kind: ActorKind
    name: str
    id: str | None = None
    address: str | None = None

    @classmethod
    def command(cls) -> Self:
        """Whoever runs commands on the server."""
        return cls("command", "command line")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done ``at`` a time (UTC seconds) to an object; ``before`` and ``after``
    are what changed of it, as far as something did."""

    id: int
    at: float
    actor_kind: str
    actor_id: str | None
    actor: str
    address: str | None
    action: str
    object_kind: str
    object: str
    before: Values | None
    after: Values | None


class Page(NamedTuple):
    """Some entries, newest first, and whether there are ``more`` after them."""

    entries: list[Entry]
    more: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: of an actor, an action or all that begin with it and a dot, an object, and
    those in [from_ts, to_ts)."""

    actor: str | None = None
    action: str | None = None
    object_kind: str | None = None
    object: str | None = None
    from_ts: float | None = None
    to_ts: float | None = None


def write_audit(
    connection: Connection,
    by: Actor,
    action: str,
    object_kind: str,
    name: str,
    *,
    now: float,
    before: Values | None = None,
    after: Values | None = None,
) -> None:
    """Add a row. Of ``before`` and ``after``, only what differs is kept where there are both; where
    nothing does, nothing was done."""
    if before is not None and after is not None:
        same = {key for key in before.keys() & after.keys() if before[key] == after[key]}
        before = {key: value for key, value in before.items() if key not in same}
        after = {key: value for key, value in after.items() if key not in same}
        if not before and not after:
            return
    # numbers follow the order of commits, so that whoever reads on from one misses none
    take_turn(connection, RECORD_LOCK)
    connection.execute(
        insert(audit).values(
            at=now,
            actor_kind=by.kind,
            actor_id=by.id,
            actor=plain(by.name, MAX_NAME_CHARS),
            address=None if by.address is None else plain(by.address, MAX_ADDRESS_CHARS),
            action=action,
            object_kind=object_kind,
            object=plain(name, MAX_NAME_CHARS),
            before=before,
            after=after,
        )
    )


def plain(text: str, most: int) -> str:
    """What somebody elsewhere may have written, without what cannot be seen or no database takes;
    at most so many characters."""
    return "".join(char for char in text[:most] if char.isprintable())


class Audit:
    """Reads the rows, and adds one where nothing else is written. Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(
        self, by: Actor, action: str, object_kind: str, name: str, after: Values | None = None
    ) -> None:
        with self._database.write() as connection:
            write_audit(connection, by, action, object_kind, name, now=self._clock(), after=after)

    def find(self, wanted: Wanted, *, before: int | None = None, limit: int) -> Page:
        """Entries, newest first, older than the one whose id is ``before``."""
        query = _matching(wanted).order_by(audit.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(audit.c.id < before)
        with self._database.read() as connection:
            rows: Any = connection.execute(query).mappings().all()
        entries = [Entry(**row) for row in rows]
        return Page(entries[:limit], more=len(entries) > limit)

    def each(self, wanted: Wanted) -> Iterator[Entry]:
        """All of them, oldest first, read in pieces: a reader may take long."""
        last = 0
        while True:
            query = _matching(wanted).where(audit.c.id > last).order_by(audit.c.id).limit(PIECE)
            with self._database.read() as connection:
                rows: Any = connection.execute(query).mappings().all()
            for row in rows:
                yield Entry(**row)
            if len(rows) < PIECE:
                return
            last = rows[-1]["id"]


def _matching(wanted: Wanted) -> Select[Any]:
    query = select(audit)
    for column, value in (
        (audit.c.actor, wanted.actor),
        (audit.c.object_kind, wanted.object_kind),
        (audit.c.object, wanted.object),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.action is not None:
        # not LIKE, which in SQLite takes upper and lower case for the same
        beginning = func.substr(audit.c.action, 1, len(wanted.action) + 1)
        query = query.where((audit.c.action == wanted.action) | (beginning == f"{wanted.action}."))
    if wanted.from_ts is not None:
        query = query.where(audit.c.at >= wanted.from_ts)
    if wanted.to_ts is not None:
        query = query.where(audit.c.at < wanted.to_ts)
    return query
