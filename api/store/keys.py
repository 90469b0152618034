"""Machine keys: who may call. Only the hash of a key's secret is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select, update

from api.store.database import Database
from api.store.tables import keys
from vision.errors import StoreError


@dataclass(frozen=True, slots=True)
class Key:
    """One machine key; times are UTC seconds. ``hash`` is the sha256 of its secret, in hex."""

    id: str
    name: str
    hash: str = field(repr=False)
    created_at: float
    revoked_at: float | None
    last_used_at: float | None


class Keys:
    """Reads and writes keys. Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, key_id: str, name: str, secret_hash: str) -> None:
        """Add a key. Raises StoreError where a key that is not revoked has this name."""
        with self._database.write() as connection:
            if _live(connection, name) is not None:
                raise StoreError(
                    f"there is a key {name} already: choose another name, or revoke that one"
                )
            values = {"id": key_id, "name": name, "hash": secret_hash, "created_at": self._clock()}
            connection.execute(insert(keys).values(values))

    def get(self, key_id: str) -> Key | None:
        with self._database.read() as connection:
            row: Any = (
                connection.execute(select(keys).where(keys.c.id == key_id)).mappings().first()
            )
        return None if row is None else Key(**row)

    def all(self) -> list[Key]:
        """Every key, revoked ones too, oldest first."""
        query: Any = select(keys).order_by(keys.c.created_at, keys.c.id)
        with self._database.read() as connection:
            return [Key(**row) for row in connection.execute(query).mappings()]

    def revoke(self, id_or_name: str) -> Key:
        """End the key that has this id, or else the one of this name. Raises StoreError where no
        key that is not revoked has it, or where it may be meant to be the id of one that is."""
        with self._database.write() as connection:
            named = _live(connection, id_or_name)
            query: Any = select(keys).where(keys.c.id == id_or_name)
            row = connection.execute(query).mappings().first()
            key = named if row is None else Key(**row)
            if key is not None and key.revoked_at is not None:
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
            now = self._clock()
            connection.execute(update(keys).where(keys.c.id == key.id).values(revoked_at=now))
        return key

    def used(self, key_id: str) -> None:
        """Keep that a key was used now."""
        with self._database.write() as connection:
            statement = update(keys).where(keys.c.id == key_id)
            connection.execute(statement.values(last_used_at=self._clock()))


def _live(connection: Connection, name: str) -> Key | None:
    query = select(keys).where(keys.c.name == name, keys.c.revoked_at.is_(None))
    row: Any = connection.execute(query).mappings().first()
    return None if row is None else Key(**row)
