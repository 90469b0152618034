"""Dead letters: messages that could not be stored, kept for whoever looks for the cause. While
there are any, an alert about the program itself is open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select

from api.store.alerts import lock_feed, record_alerts, set_feed
from api.store.audit import Actor, write_audit
from api.store.counts import record_counts
from api.store.database import Database, UnstorableError
from api.store.system import Wrong, end_wrong, state_wrong
from api.store.tables import rejected
from streams.messages import MAX_BODY_BYTES, AlertMessage, CountsMessage

MAX_REJECTED: Final = 1000
MAX_REJECTED_CHARS: Final = 10_000
"""Of what is no message for any version, since it is too long for one, so much is kept."""
MAX_REASON_CHARS: Final = 500
KIND: Final = "dead_letter"
NAME: Final = "dead-letters"
NEXT_STEP: Final = (
    "see them with 'matakota rejected list'; once the cause is gone, store them with 'matakota "
    "rejected replay --all', or forget them with 'matakota rejected drop'"
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message as it came in ``entry`` of the bus, and why it could not be stored."""

    id: int
    entry: str
    reason: str
    body: str
    rejected_at: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """The ids of those that are stored now, and why the others still cannot be, by id."""

    stored: tuple[int, ...]
    failed: Mapping[int, str]


class Rejected:
    """Everything raises StoreError. ``clock`` gives UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, entry: str, reason: str, body: str) -> None:
        """Keep a message, once for each ``entry``, and open or renew the alert; only the last
        ``MAX_REJECTED`` stay."""
        # what fits into a message is kept whole, so that it can be stored later
        whole = len(body) <= MAX_BODY_BYTES
        values = {
            "entry": _plain(entry, MAX_REJECTED_CHARS),
            "reason": _plain(reason, MAX_REJECTED_CHARS),
            "body": _plain(body, MAX_BODY_BYTES if whole else MAX_REJECTED_CHARS),
        }
        same = select(rejected.c.id).where(rejected.c.entry == values["entry"])
        with self._database.write() as connection:
            # one writer at a time, so that the alert tells of as many as there are
            lock_feed(connection)
            if connection.execute(same).first() is not None:
                return
            now = self._clock()
            connection.execute(insert(rejected).values(**values, rejected_at=now))
            newest = connection.execute(select(func.max(rejected.c.id))).scalar_one()
            connection.execute(delete(rejected).where(rejected.c.id <= newest - MAX_REJECTED))
            _tell(connection, now)

    def count(self) -> int:
        with self._database.read() as connection:
            return _count(connection)

    def all(self) -> list[DeadLetter]:
        """All of them, the oldest first."""
        with self._database.read() as connection:
            rows: Any = connection.execute(select(rejected).order_by(rejected.c.id)).mappings()
            return [DeadLetter(**row) for row in rows]

    def store(self, read: Mapping[int, AlertMessage | CountsMessage], by: Actor) -> Replayed:
        """Store what was read of these letters, each with the end of its letter in one
        transaction; one that is gone meanwhile is left out."""
        stored, failed = list[int](), dict[int, str]()
        for letter, message in read.items():
            try:
                if self._store(letter, message, by):
                    stored.append(letter)
            except UnstorableError as error:
                failed[letter] = str(error)
        return Replayed(tuple(stored), failed)

    def drop(self, letters: Collection[int], by: Actor) -> tuple[int, ...]:
        """Forget these letters; the ids of those that there were."""
        which = rejected.c.id.in_([*letters])
        with self._database.write() as connection:
            lock_feed(connection)
            found = connection.execute(select(rejected.c.id).where(which).order_by(rejected.c.id))
            gone = tuple(found.scalars())
            now = self._clock()
            for letter in gone:
                _end(connection, letter, by, "rejected.dropped", now)
            if gone:
                _tell(connection, now)
        return gone

    def _store(self, letter: int, message: AlertMessage | CountsMessage, by: Actor) -> bool:
        with self._database.write() as connection:
            position = lock_feed(connection)
            if _one(connection, letter) is None:
                return False
            now = self._clock()
            if isinstance(message, AlertMessage):
                after, _ = record_alerts(connection, [message], position=position, now=now)
                if after != position:
                    set_feed(connection, after)
            else:
                record_counts(connection, [message])
            _end(connection, letter, by, "rejected.replayed", now)
            _tell(connection, now)
        return True


def _end(connection: Connection, letter: int, by: Actor, action: str, now: float) -> None:
    found = _one(connection, letter)
    connection.execute(delete(rejected).where(rejected.c.id == letter))
    reason = None if found is None else found.reason[:MAX_REASON_CHARS]
    write_audit(connection, by, action, "message", str(letter), now=now, before={"reason": reason})


def _tell(connection: Connection, now: float) -> None:
    """Make the alert say how many there are."""
    newest = connection.execute(
        select(rejected.c.reason).order_by(rejected.c.id.desc()).limit(1)
    ).scalar()
    if newest is None:
        end_wrong(connection, KIND, NAME, "no message is put aside any more", now)
        return
    number = _count(connection)
    last = newest[:MAX_REASON_CHARS]
    what = "1 message was" if number == 1 else f"{number} messages were"
    why = f"{what} put aside and not stored: see 'matakota rejected list'; the last one: {last}"
    details = {"why": why, "count": number, "last": last, "next_step": NEXT_STEP}
    state_wrong(connection, Wrong(KIND, NAME, "high", details), now)


def _count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(rejected)).scalar_one())


def _one(connection: Connection, letter: int) -> DeadLetter | None:
    row: Any = connection.execute(select(rejected).where(rejected.c.id == letter)).mappings()
    found = row.first()
    return None if found is None else DeadLetter(**found)


def _plain(text: str, most: int) -> str:
    """Text that every database takes."""
    cut = text[:most].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cut.encode("utf-8", "replace").decode("utf-8")
