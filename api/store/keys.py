"""What opens the door: machine keys, people's sessions, and links that work once. Only the hash of
a secret is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, union, update

from api.access import SCOPES, WORKER_SCOPES, Caller, Kind, Role, permitted
from api.store.audit import MAX_ADDRESS_CHARS, Actor, Values, plain, write_audit
from api.store.database import Database
from api.store.holders import Grant, Holder, Key, NewSession
from api.store.refusals import DisabledError, GoneError, KeyGrantError, NameTakenError
from api.store.tables import (
    group_cameras,
    groups,
    key_cameras,
    key_groups,
    keys,
    user_groups,
    users,
)
from vision.errors import StoreError

KEPT_S: Final = 7 * 86_400.0
"""A session or link that is over is shown for so long, and then removed."""
MAX_AGENT_CHARS: Final = 200
MAX_OF_USER: Final[Mapping[Kind, int]] = {"session": 100, "device": 50}
"""So many are kept of one person; the oldest go, so that no program that signs in all day fills the
database."""


class Keys:
    """Reads and writes keys, sessions and links. Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def now(self) -> float:
        """The time by which they expire, UTC seconds."""
        return self._clock()

    def add(self, key_id: str, name: str, secret_hash: str, grant: Grant, by: Actor) -> None:
        """Add a machine key. Raises NameTakenError where one that is not revoked has this name,
        KeyGrantError where it would be good for nothing, GoneError for a group that is none."""
        scopes = _checked_scopes(grant)
        with self._database.write_alone() as connection:
            if _named(connection, name) is not None:
                raise NameTakenError("key", name)
            group_names = _group_names(connection, grant.groups)
            if len(group_names) < len(set(grant.groups)):
                raise GoneError("group")
            now = self._clock()
            key = Key(
                key_id, name, secret_hash, now, None, None,
                worker=grant.worker, scopes=scopes, every_camera=grant.every_camera,
            )  # fmt: skip
            _insert(connection, key)
            pairs = [{"key": key_id, "camera": camera} for camera in sorted(set(grant.cameras))]
            if pairs:
                connection.execute(insert(key_cameras), pairs)
            joined = [{"key": key_id, "group": group} for group in sorted(set(grant.groups))]
            if joined:
                connection.execute(insert(key_groups), joined)
            said: Values = {
                "worker": grant.worker,
                "scopes": [*scopes],
                "every_camera": grant.every_camera,
                "cameras": [*sorted({*grant.cameras})],
                "groups": [*group_names],
            }
            write_audit(connection, by, "key.created", "key", name, now=now, after=said)

    def add_link(
        self,
        link_id: str,
        secret_hash: str,
        *,
        lasts_s: float,
        by: Actor,
        kind: Kind = "link",
        user: int | None = None,
    ) -> None:
        """Add a link that works once within ``lasts_s``: it opens a session of its ``user``, lets
        them choose a password, or makes the first administrator, as its ``kind`` says. Raises
        GoneError or DisabledError where there is nobody whom it would let in."""
        with self._database.write_alone() as connection:
            now = self._clock()
            name = "" if user is None else _user_name(connection, user)
            if user is not None and _is_disabled(connection, user):
                raise DisabledError(name)
            link = Key(link_id, name, secret_hash, now, None, None, kind, now + lasts_s, user)
            _forget_old(connection, now)
            if user is not None and kind == "password":
                # of two that a person was handed, the older one may be in other hands
                end_of_user(connection, user, ("password",), now)
            _insert(connection, link)
            write_audit(connection, by, f"link.{kind}", "user", name, now=now)

    def redeem(self, link_id: str, link_hash: str, session: NewSession) -> Key | None:
        """End a link and begin the session that it opens: both or neither, and for one caller
        only. None where the link opens nothing, or not any more."""
        with self._database.write_alone() as connection:
            now = self._clock()
            link = take_link(connection, link_id, link_hash, "link", now)
            if link is None or link.user is None or _is_disabled(connection, link.user):
                return None
            by = Actor("link", link.name, str(link.user), session.address)
            return begin_session(connection, link.user, link.name, session, "link", by, now)

    def begin(
        self, user: int, session: NewSession, how: str, *, password: str | None = None
    ) -> Key | None:
        """Begin a session of somebody who proved to be this user, by ``how``, as with the password
        whose hash was ``password``. None where the user is gone or disabled, or the password was
        changed meanwhile."""
        with self._database.write_alone() as connection:
            row = connection.execute(
                select(users.c.name, users.c.disabled_at, users.c.password).where(
                    users.c.id == user
                )
            ).first()
            if row is None or row.disabled_at is not None:
                return None
            if password is not None and row.password != password:
                return None
            by = Actor("user", row.name, str(user), session.address)
            return begin_session(connection, user, row.name, session, how, by, self._clock())

    def add_device(self, device_id: str, secret_hash: str, user: int, *, lasts_s: float) -> None:
        """Remember a browser with which this user came in, for ``lasts_s``."""
        with self._database.write_alone() as connection:
            now = self._clock()
            name = _user_name(connection, user)
            _forget_more(connection, user, "device")
            _insert(
                connection,
                Key(device_id, name, secret_hash, now, None, now, "device", now + lasts_s, user),
            )

    def get(self, key_id: str) -> Key | None:
        with self._database.read() as connection:
            return _one(connection, key_id)

    def holder(self, key_id: str) -> Holder | None:
        """What has this id, and what it lets its holder do, as of now."""
        with self._database.read() as connection:
            key = _one(connection, key_id)
            if key is None:
                return None
            query: Any = select(users).where(users.c.id == key.user)
            user = None if key.user is None else connection.execute(query).mappings().first()
            role = None if user is None else user["role"]
            every = key.every_camera if user is None else bool(user["every_camera"])
            caller = Caller(
                id=key.id,
                name=key.name if user is None else user["name"],
                kind=key.kind,
                permissions=permitted(key.kind, role, key.scopes or ()),
                cameras=None if every or role == Role.ADMINISTRATOR else _cameras(connection, key),
                user=key.user,
                role=Role(role) if role in set(Role) else None,
                language=None if user is None else user["language"],
            )
            disabled = user is not None and user["disabled_at"] is not None
            return Holder(key, caller, disabled)

    def all(self) -> list[Key]:
        """All of them, those that are over too, oldest first."""
        query: Any = select(keys).order_by(keys.c.created_at, keys.c.id)
        with self._database.read() as connection:
            return [Key(**row) for row in connection.execute(query).mappings()]

    def sessions(self, user: int) -> list[Key]:
        """A user's sessions that are not over, newest first."""
        query: Any = (
            select(keys)
            .where(keys.c.user == user, keys.c.kind == "session", keys.c.revoked_at.is_(None))
            .where(keys.c.expires_at > self._clock())
            .order_by(keys.c.created_at.desc())
        )
        with self._database.read() as connection:
            return [Key(**row) for row in connection.execute(query).mappings()]

    def granted(self, key_id: str) -> tuple[list[str], list[str]]:
        """The cameras that a machine key was given one by one, and the names of its groups."""
        mine = select(key_cameras.c.camera).where(key_cameras.c.key == key_id)
        with self._database.read() as connection:
            of = connection.execute(
                select(key_groups.c.group).where(key_groups.c.key == key_id)
            ).scalars()
            return sorted(connection.execute(mine).scalars()), _group_names(connection, of.all())

    def revoke(self, id_or_name: str, by: Actor) -> Key:
        """End what has this id, or else the machine key of this name. Raises GoneError where
        nothing live has it, StoreError where it may be meant to be the id of one that is over."""
        with self._database.write_alone() as connection:
            now = self._clock()
            named = _named(connection, id_or_name)
            key = _one(connection, id_or_name) or named
            if key is not None and not key.is_live(now):
                if named is not None:
                    raise StoreError(
                        f"{id_or_name} is the id of a key that is revoked already, and the name of "
                        f"another: revoke that one by its id, {named.id}"
                    )
                key = None
            if key is None:
                raise GoneError("key", id_or_name)
            _end(connection, key, by, now)
        return key

    def end(self, key_id: str, by: Actor) -> None:
        """End what has this id; nothing happens where it is over already."""
        with self._database.write_alone() as connection:
            key = _one(connection, key_id)
            if key is not None and key.revoked_at is None:
                _end(connection, key, by, self._clock())

    def used(self, key_id: str) -> None:
        """Keep that a key was used now."""
        with self._database.write() as connection:
            statement = update(keys).where(keys.c.id == key_id)
            connection.execute(statement.values(last_used_at=self._clock()))


def take_link(
    connection: Connection, link_id: str, link_hash: str, kind: Kind, now: float
) -> Key | None:
    """End a link, for whoever is first. None where it is none of this ``kind``, or over."""
    # the condition is checked again by a writer that waited for another one's row
    ending = (
        update(keys)
        .where(keys.c.id == link_id, keys.c.hash == link_hash, keys.c.kind == kind)
        .where(keys.c.revoked_at.is_(None), keys.c.expires_at > now)
        .values(revoked_at=now, last_used_at=now)
    )
    return _one(connection, link_id) if connection.execute(ending).rowcount else None


def begin_session(
    connection: Connection,
    user: int,
    name: str,
    session: NewSession,
    how: str,
    by: Actor,
    now: float,
) -> Key:
    """Add a session of a user who came in by ``how``."""
    address, agent = session.address, session.agent
    key = Key(
        session.id, name, session.hash, now, None, now, "session", now + session.lasts_s, user,
        address=None if address is None else plain(address, MAX_ADDRESS_CHARS),
        agent=None if agent is None else plain(agent, MAX_AGENT_CHARS),
    )  # fmt: skip
    _forget_old(connection, now)
    _forget_more(connection, user, "session")
    _insert(connection, key)
    write_audit(connection, by, f"login.{how}", "user", name, now=now, after={"id": session.id})
    return key


def is_open(connection: Connection, session_id: str, user: int, now: float) -> bool:
    """Whether this is a session of the user that is not over."""
    key = _one(connection, session_id)
    mine = key is not None and (key.kind, key.user) == ("session", user)
    return mine and key is not None and key.is_live(now)


def end_of_user(
    connection: Connection, user: int, kinds: Iterable[Kind], now: float, *, but: str | None = None
) -> None:
    """End what a user has of these kinds, ``but`` for one."""
    ending = update(keys).where(keys.c.user == user, keys.c.kind.in_([*kinds]))
    ending = ending.where(keys.c.revoked_at.is_(None))
    if but is not None:
        ending = ending.where(keys.c.id != but)
    connection.execute(ending.values(revoked_at=now))


def _cameras(connection: Connection, key: Key) -> frozenset[str]:
    if key.user is not None:
        mine = select(user_groups.c.group).where(user_groups.c.user == key.user)
        query: Any = select(group_cameras.c.camera).where(group_cameras.c.group.in_(mine))
    else:
        of = select(key_groups.c.group).where(key_groups.c.key == key.id)
        query = union(
            select(group_cameras.c.camera).where(group_cameras.c.group.in_(of)),
            select(key_cameras.c.camera).where(key_cameras.c.key == key.id),
        )
    return frozenset(connection.execute(query).scalars())


def _one(connection: Connection, key_id: str) -> Key | None:
    row: Any = connection.execute(select(keys).where(keys.c.id == key_id)).mappings().first()
    return None if row is None else Key(**row)


def _user_name(connection: Connection, user: int) -> str:
    name = connection.scalar(select(users.c.name).where(users.c.id == user))
    if name is None:
        raise GoneError("user")
    return str(name)


def _is_disabled(connection: Connection, user: int) -> bool:
    row = connection.execute(select(users.c.disabled_at).where(users.c.id == user)).first()
    return row is None or row.disabled_at is not None


def _checked_scopes(grant: Grant) -> list[str]:
    """What a key may that is given this. Raises KeyGrantError."""
    unknown = set(grant.scopes) - set(SCOPES)
    if unknown:
        raise KeyGrantError(f"{', '.join(sorted(unknown))} is no scope: use {', '.join(SCOPES)}")
    if grant.worker and grant.scopes:
        raise KeyGrantError("a worker's key has its scopes already: leave the others out")
    scopes = WORKER_SCOPES if grant.worker else {*grant.scopes}
    if not scopes:
        raise KeyGrantError("a key needs a scope, or has to be a worker's: say what it is for")
    return sorted(map(str, scopes))


def _group_names(connection: Connection, numbers: Iterable[int]) -> list[str]:
    query = select(groups.c.name).where(groups.c.id.in_([*numbers])).order_by(groups.c.name)
    return [*connection.execute(query).scalars()]


def _insert(connection: Connection, key: Key) -> None:
    connection.execute(insert(keys).values(asdict(key)))


def _end(connection: Connection, key: Key, by: Actor, now: float) -> None:
    connection.execute(update(keys).where(keys.c.id == key.id).values(revoked_at=now))
    kind = "key" if key.kind == "key" else "user"
    what = "link" if key.kind in {"setup", "password"} else key.kind
    write_audit(connection, by, f"{what}.ended", kind, key.name, now=now, after={"id": key.id})


def _forget_old(connection: Connection, now: float) -> None:
    """Machine keys stay for ever: they are few, and alerts name them."""
    connection.execute(delete(keys).where(keys.c.expires_at < now - KEPT_S))


def _forget_more(connection: Connection, user: int, kind: Kind) -> None:
    """Make room for one more of this kind."""
    mine = (keys.c.user == user) & (keys.c.kind == kind)
    # those that are over first
    newest = keys.c.revoked_at.is_(None).desc(), keys.c.created_at.desc(), keys.c.id
    over = select(keys.c.id).where(mine).order_by(*newest).offset(MAX_OF_USER[kind] - 1)
    connection.execute(delete(keys).where(keys.c.id.in_(over)))


def _named(connection: Connection, name: str) -> Key | None:
    query = select(keys).where(
        keys.c.name == name, keys.c.kind == "key", keys.c.revoked_at.is_(None)
    )
    row: Any = connection.execute(query).mappings().first()
    return None if row is None else Key(**row)
