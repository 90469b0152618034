"""What opens the door: machine keys, people's sessions, and the links that open a session once.
Only the hash of a secret is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, delete, insert, select, update

from api.store.database import Database
from api.store.tables import keys
from vision.errors import StoreError

Kind: TypeAlias = Literal["key", "session", "link"]
KEPT_S: Final = 7 * 86_400.0
"""A session or link that is over is shown for so long, and then removed."""


@dataclass(frozen=True, slots=True)
class Key:
    """A machine key, a session or a link; times are UTC seconds. ``hash`` is the sha256 of its
    secret, in hex; a key never expires."""

    id: str
    name: str
    hash: str = field(repr=False)
    created_at: float
    revoked_at: float | None
    last_used_at: float | None
    kind: Kind = "key"
    expires_at: float | None = None

    def is_live(self, now: float) -> bool:
        """Whether it opens anything at ``now``, UTC seconds."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Keys:
    """Reads and writes keys, sessions and links. Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def now(self) -> float:
        """The time by which they expire, UTC seconds."""
        return self._clock()

    def add(self, key_id: str, name: str, secret_hash: str) -> None:
        """Add a machine key. Raises StoreError where one that is not revoked has this name."""
        with self._database.write() as connection:
            if _named(connection, name) is not None:
                raise StoreError(
                    f"there is a key {name} already: choose another name, or revoke that one"
                )
            _insert(connection, Key(key_id, name, secret_hash, self._clock(), None, None))

    def add_link(self, link_id: str, name: str, secret_hash: str, *, lasts_s: float) -> None:
        """Add a link that opens one session of this name within ``lasts_s``."""
        now = self._clock()
        link = Key(link_id, name, secret_hash, now, None, None, "link", now + lasts_s)
        with self._database.write() as connection:
            _forget_old(connection, now)
            _insert(connection, link)

    def redeem(
        self, link_id: str, link_hash: str, session_id: str, session_hash: str, *, lasts_s: float
    ) -> Key | None:
        """End a link and begin the session that it opens, which lasts ``lasts_s``: both or
        neither, and for one caller only. None where the link opens nothing, or not any more."""
        now = self._clock()
        # the condition is checked again by a writer that waited for another one's row
        ending = (
            update(keys)
            .where(keys.c.id == link_id, keys.c.hash == link_hash, keys.c.kind == "link")
            .where(keys.c.revoked_at.is_(None), keys.c.expires_at > now)
            .values(revoked_at=now, last_used_at=now)
            .returning(keys.c.name)
        )
        with self._database.write() as connection:
            name = connection.execute(ending).scalar()
            if name is None:
                return None
            session = Key(session_id, name, session_hash, now, None, now, "session", now + lasts_s)
            _forget_old(connection, now)
            _insert(connection, session)
        return session

    def get(self, key_id: str) -> Key | None:
        with self._database.read() as connection:
            row: Any = (
                connection.execute(select(keys).where(keys.c.id == key_id)).mappings().first()
            )
        return None if row is None else Key(**row)

    def all(self) -> list[Key]:
        """All of them, those that are over too, oldest first."""
        query: Any = select(keys).order_by(keys.c.created_at, keys.c.id)
        with self._database.read() as connection:
            return [Key(**row) for row in connection.execute(query).mappings()]

    def revoke(self, id_or_name: str) -> Key:
        """End what has this id, or else the machine key of this name. Raises StoreError where
        nothing live has it, or where it may be meant to be the id of one that is over."""
        with self._database.write() as connection:
            now = self._clock()
            named = _named(connection, id_or_name)
            query: Any = select(keys).where(keys.c.id == id_or_name)
            row = connection.execute(query).mappings().first()
            key = named if row is None else Key(**row)
            if key is not None and not key.is_live(now):
                if named is not None:
                    raise StoreError(
                        f"{id_or_name} is the id of a key that is revoked already, and the name of "
                        f"another: revoke that one by its id, {named.id}"
                    )
                key = None
            if key is None:
                raise StoreError(
                    f"no key {id_or_name} is in use: 'matakota keys list' shows those that are"
                )
            _end(connection, key.id, now)
        return key

    def end(self, key_id: str) -> None:
        """End what has this id; nothing happens where it is over already."""
        with self._database.write() as connection:
            _end(connection, key_id, self._clock())

    def used(self, key_id: str) -> None:
        """Keep that a key was used now."""
        with self._database.write() as connection:
            statement = update(keys).where(keys.c.id == key_id)
            connection.execute(statement.values(last_used_at=self._clock()))


def _insert(connection: Connection, key: Key) -> None:
    connection.execute(insert(keys).values(asdict(key)))


def _end(connection: Connection, key_id: str, now: float) -> None:
    live = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
    connection.execute(live.values(revoked_at=now))


def _forget_old(connection: Connection, now: float) -> None:
    """Machine keys stay for ever: they are few, and alerts name them."""
    connection.execute(delete(keys).where(keys.c.expires_at < now - KEPT_S))


def _named(connection: Connection, name: str) -> Key | None:
    query = select(keys).where(
        keys.c.name == name, keys.c.kind == "key", keys.c.revoked_at.is_(None)
    )
    row: Any = connection.execute(query).mappings().first()
    return None if row is None else Key(**row)
