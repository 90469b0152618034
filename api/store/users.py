"""Users as they are read, and what the record keeps of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import Connection, select

from api.access import Role
from api.store.audit import Values
from api.store.refusals import GoneError
from api.store.tables import groups, user_groups, users


@dataclass(frozen=True, slots=True)
class User:
    """A person. ``groups`` are numbers of groups of cameras; ``password`` is an argon2id hash,
    None where none was chosen; ``external`` how the person is called at the sign-in service, and
    ``issuer`` and ``subject`` who that turned out to be; times are UTC seconds."""

    id: int
    name: str
    role: Role
    every_camera: bool
    groups: frozenset[int]
    password: str | None = field(repr=False)
    language: str | None
    totp_secret: str | None = field(repr=False)
    external: str | None
    issuer: str | None
    subject: str | None
    created_at: float
    disabled_at: float | None


@dataclass(frozen=True, slots=True)
class Rights:
    """What an administrator decides about a user."""

    role: Role
    every_camera: bool = False
    groups: frozenset[int] = frozenset()
    external: str | None = None
    disabled: bool = False


def rights_of(user: User) -> Rights:
    """What was decided about a user."""
    return Rights(
        user.role, user.every_camera, user.groups, user.external, user.disabled_at is not None
    )


def read_user(connection: Connection, user: int) -> User | None:
    found = read_users(connection, select(users).where(users.c.id == user))
    return found[0] if found else None


def must_read(connection: Connection, user: int) -> User:
    found = read_user(connection, user)
    if found is None:
        raise GoneError("user")
    return found


def read_users(connection: Connection, query: Any) -> list[User]:
    rows = connection.execute(query).mappings().all()
    joined = defaultdict[int, set[int]](set)
    of = select(user_groups).where(user_groups.c.user.in_([row["id"] for row in rows]))
    for user, group in connection.execute(of):
        joined[user].add(group)
    own = {each.name for each in fields(User)} - {"groups", "role"}
    return [
        User(
            **{name: row[name] for name in own},
            role=Role(row["role"]),
            groups=frozenset(joined[row["id"]]),
        )
        for row in rows
    ]


def said_of(connection: Connection, user: User) -> Values:
    """What the record keeps of a user's rights."""
    query = select(groups.c.name).where(groups.c.id.in_(user.groups)).order_by(groups.c.name)
    return {
        "role": str(user.role),
        "every_camera": user.every_camera,
        "groups": [*connection.execute(query).scalars()],
        "external": user.external,
        "disabled": user.disabled_at is not None,
    }
