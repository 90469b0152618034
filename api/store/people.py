"""People: who they are, what they may, and how they prove it. Passwords come here as hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from api.access import Role
from api.store.audit import Actor, Values, write_audit
from api.store.database import Database
from api.store.holders import Key, NewSession
from api.store.keys import begin_session, end_of_user, is_open, take_link
from api.store.names import checked_name, folded
from api.store.refusals import (
    BadNameError,
    GoneError,
    LastAdministratorError,
    NameTakenError,
)
from api.store.tables import groups, recovery_codes, user_groups, users
from api.store.users import Rights, User, must_read, read_user, read_users, rights_of, said_of

MAX_EXTERNAL_CHARS: Final = 200


class People:
    """Reads and changes users. Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[User]:
        """Every user, by name."""
        with self._database.read() as connection:
            return read_users(connection, select(users).order_by(users.c.folded))

    def get(self, user: int) -> User | None:
        with self._database.read() as connection:
            return read_user(connection, user)

    def named(self, name: str) -> User | None:
        """The user of this name, however it is capitalised."""
        try:
            wanted = folded(checked_name(name))
        except BadNameError:
            return None
        with self._database.read() as connection:
            found = read_users(connection, select(users).where(users.c.folded == wanted))
        return found[0] if found else None

    def known_as(self, issuer: str, subject: str) -> User | None:
        """Who is bound to this person of a sign-in service."""
        query = select(users).where(users.c.issuer == issuer, users.c.subject == subject)
        with self._database.read() as connection:
            found = read_users(connection, query)
        return found[0] if found else None

    def bind(self, external: str, issuer: str, subject: str, by: Actor) -> User | None:
        """Bind the user who is called ``external`` at a sign-in service to this person of it, for
        ever. None where no user waits for that."""
        waiting = users.c.subject.is_(None) & (users.c.external == external)
        with self._database.write_alone() as connection:
            found = read_users(connection, select(users).where(waiting))
            if not found:
                return None
            (user,) = found
            change = update(users).where(users.c.id == user.id)
            connection.execute(change.values(issuer=issuer, subject=subject))
            said: Values = {"issuer": issuer, "subject": subject}
            write_audit(
                connection, by, "user.bound", "user", user.name, now=self._clock(), after=said
            )
            return must_read(connection, user.id)

    def has_administrator(self) -> bool:
        """Whether anybody is an administrator who is not disabled."""
        with self._database.read() as connection:
            return _administrators(connection).any

    def add(self, name: str, rights: Rights, by: Actor) -> User:
        """Add a user, who has no password yet. Raises BadNameError or NameTakenError, also for the
        name at the sign-in service, and GoneError for a group that is none."""
        with self._database.write_alone() as connection:
            return _add(connection, name, rights, None, by, self._clock())

    def change(self, user: int, rights: Rights, by: Actor) -> User:
        """Give a user these rights; whoever is disabled is out at once. Raises what ``add`` does,
        and LastAdministratorError where nobody would be left to administer."""
        with self._database.write_alone() as connection:
            return _change(connection, user, rights, by, self._clock())

    def set_disabled(self, user: int, by: Actor, *, disabled: bool) -> User:
        """Keep a user out, or let them in again, with their other rights as they are. Raises as
        ``change`` does."""
        with self._database.write_alone() as connection:
            rights = replace(rights_of(must_read(connection, user)), disabled=disabled)
            return _change(connection, user, rights, by, self._clock())

    def remove(self, user: int, by: Actor) -> None:
        """Forget a user; what they did stays under their name."""
        with self._database.write_alone() as connection:
            before = must_read(connection, user)
            said = said_of(connection, before)
            could = _administrators(connection)
            connection.execute(delete(users).where(users.c.id == user))
            _check_left(connection, could)
            write_audit(
                connection, by, "user.removed", "user", before.name,
                now=self._clock(), before=said,
            )  # fmt: skip

    def set_language(self, user: int, language: str) -> None:
        with self._database.write() as connection:
            change = update(users).where(users.c.id == user)
            connection.execute(change.values(language=language))

    def set_up(
        self, link_id: str, link_hash: str, name: str, password: str, session: NewSession
    ) -> Key | None:
        """Make the first administrator by a set-up link, and begin their session: both or neither.
        None where the link is over, or there is an administrator already."""
        with self._database.write_alone() as connection:
            now = self._clock()
            if take_link(connection, link_id, link_hash, "setup", now) is None:
                return None
            if _administrators(connection).any:
                return None
            by = Actor("link", name, None, session.address)
            rights = Rights(Role.ADMINISTRATOR, every_camera=True)
            user = _add(connection, name, rights, password, by, now)
            return begin_session(connection, user.id, user.name, session, "setup", by, now)

    def choose_password(
        self, link_id: str, link_hash: str, password: str, session: NewSession
    ) -> Key | None:
        """Set the password of whose link it is, end whatever else was open, and begin a session.
        None where the link is over or its user disabled."""
        with self._database.write_alone() as connection:
            now = self._clock()
            link = take_link(connection, link_id, link_hash, "password", now)
            user = None if link is None or link.user is None else read_user(connection, link.user)
            if user is None or user.disabled_at is not None:
                return None
            by = Actor("link", user.name, str(user.id), session.address)
            _set_password(connection, user, password, by, now, but=None)
            return begin_session(connection, user.id, user.name, session, "link", by, now)

    def change_password(
        self, user: int, password: str, by: Actor, *, session: str, before: str | None = None
    ) -> bool:
        """Set a user's password; every other session than ``session`` ends. With ``before``, the
        hash of the one that they proved to know, nothing is changed and False is given where they
        have another one by now, or that session has ended."""
        with self._database.write_alone() as connection:
            known, now = must_read(connection, user), self._clock()
            if before is not None and not (
                known.password == before and is_open(connection, session, user, now)
            ):
                return False
            _set_password(connection, known, password, by, now, but=session)
            return True

    def refresh_password(self, user: int, old: str, new: str) -> None:
        """Keep a stronger hash of the same password, unless it was changed meanwhile."""
        with self._database.write() as connection:
            same = (users.c.id == user) & (users.c.password == old)
            connection.execute(update(users).where(same).values(password=new))

    def end_sessions(self, user: int, by: Actor, *, but: str | None = None) -> None:
        """End a user's sessions, ``but`` for one, and forget the browsers that came in."""
        with self._database.write_alone() as connection:
            now = self._clock()
            name = must_read(connection, user).name
            end_of_user(connection, user, ("session", "device"), now, but=but)
            write_audit(connection, by, "sessions.ended", "user", name, now=now)

    # --- the second factor

    def set_totp(
        self, user: int, secret: str, codes: Iterable[str], by: Actor, *, step: int = 0
    ) -> None:
        """Ask this user for codes of ``secret`` from now on, later than that of ``step``, with
        which they showed that they have it; ``codes`` are hashes of codes that stand in for it
        once each."""
        with self._database.write_alone() as connection:
            name = must_read(connection, user).name
            change = update(users).where(users.c.id == user)
            connection.execute(change.values(totp_secret=secret, totp_step=step))
            connection.execute(delete(recovery_codes).where(recovery_codes.c.user == user))
            rows = [{"user": user, "hash": code} for code in sorted(set(codes))]
            if rows:
                connection.execute(insert(recovery_codes), rows)
            write_audit(connection, by, "totp.set", "user", name, now=self._clock())

    def clear_totp(self, user: int, by: Actor) -> None:
        """Ask this user for no code any more, if they were asked for one."""
        with self._database.write_alone() as connection:
            before = must_read(connection, user)
            if before.totp_secret is None:
                return
            change = update(users).where(users.c.id == user)
            connection.execute(change.values(totp_secret=None, totp_step=0))
            connection.execute(delete(recovery_codes).where(recovery_codes.c.user == user))
            write_audit(connection, by, "totp.cleared", "user", before.name, now=self._clock())

    def use_step(self, user: int, step: int) -> bool:
        """Whether a code of this step is used for the first time, and later than any before."""
        with self._database.write() as connection:
            fresh = update(users).where(users.c.id == user, users.c.totp_step < step)
            return bool(connection.execute(fresh.values(totp_step=step)).rowcount)

    def use_recovery(self, user: int, code: str) -> bool:
        """Whether there was such a code (by its hash), which is used up with this."""
        mine = (recovery_codes.c.user == user) & (recovery_codes.c.hash == code)
        with self._database.write() as connection:
            return bool(connection.execute(delete(recovery_codes).where(mine)).rowcount)

    def recovery_left(self, user: int) -> int:
        """How many such codes the user has."""
        query = select(func.count()).where(recovery_codes.c.user == user)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())


def _add(
    connection: Connection, name: str, rights: Rights, password: str | None, by: Actor, now: float
) -> User:
    name = checked_name(name)
    taken = connection.execute(select(users.c.id).where(users.c.folded == folded(name))).first()
    if taken is not None:
        raise NameTakenError("user", name)
    values = {
        "name": name, "folded": folded(name), "role": rights.role, "totp_step": 0,
        "every_camera": rights.every_camera, "password": password,
        "external": _checked_external(connection, rights.external),
        "created_at": now, "disabled_at": now if rights.disabled else None,
    }  # fmt: skip
    user = connection.execute(insert(users).values(values).returning(users.c.id)).scalar_one()
    _join(connection, user, rights.groups)
    made = must_read(connection, user)
    write_audit(
        connection, by, "user.added", "user", name, now=now, after=said_of(connection, made)
    )
    return made


def _change(connection: Connection, user: int, rights: Rights, by: Actor, now: float) -> User:
    before = must_read(connection, user)
    said = said_of(connection, before)
    could = _administrators(connection)
    disabled_at = (before.disabled_at or now) if rights.disabled else None
    values: dict[str, Any] = {
        "role": rights.role,
        "every_camera": rights.every_camera,
        "external": _checked_external(connection, rights.external, but=user),
        "disabled_at": disabled_at,
    }
    other = values["external"] != before.external
    if other:
        values |= {"issuer": None, "subject": None}
    connection.execute(update(users).where(users.c.id == user).values(values))
    _join(connection, user, rights.groups)
    _check_left(connection, could)
    # whoever is somebody else there may have come in as the one before
    if rights.disabled or (other and before.subject is not None):
        end_of_user(connection, user, ("session", "link", "password", "device"), now)
    after = must_read(connection, user)
    write_audit(
        connection, by, "user.changed", "user", after.name,
        now=now, before=said, after=said_of(connection, after),
    )  # fmt: skip
    return after


def _set_password(
    connection: Connection, user: User, password: str, by: Actor, now: float, *, but: str | None
) -> None:
    connection.execute(update(users).where(users.c.id == user.id).values(password=password))
    end_of_user(connection, user.id, ("session", "link", "password", "device"), now, but=but)
    write_audit(connection, by, "password.set", "user", user.name, now=now)


def _checked_external(
    connection: Connection, external: str | None, but: int | None = None
) -> str | None:
    if not external:
        return None
    if len(external) > MAX_EXTERNAL_CHARS or not external.isprintable():
        raise BadNameError(
            f"the name at the sign-in service has up to {MAX_EXTERNAL_CHARS} characters that can "
            "be seen: correct it"
        )
    query = select(users.c.id).where(users.c.external == external)
    if but is not None:
        query = query.where(users.c.id != but)
    if connection.execute(query).first() is not None:
        raise NameTakenError("sign-in", external)
    return external


def _join(connection: Connection, user: int, numbers: Iterable[int]) -> None:
    wanted = set(numbers)
    there = set(connection.execute(select(groups.c.id).where(groups.c.id.in_(wanted))).scalars())
    if there != wanted:
        raise GoneError("group")
    connection.execute(delete(user_groups).where(user_groups.c.user == user))
    if wanted:
        rows = [{"user": user, "group": group} for group in sorted(wanted)]
        connection.execute(insert(user_groups), rows)


class _Administrators(NamedTuple):
    """Whether there are ``any`` who are not disabled, and any of them who can sign in by what
    they have: nobody has to make them a link."""

    any: bool
    ready: bool


def _administrators(connection: Connection) -> _Administrators:
    found = connection.execute(
        select(users.c.password, users.c.external).where(
            users.c.role == Role.ADMINISTRATOR, users.c.disabled_at.is_(None)
        )
    ).all()
    return _Administrators(bool(found), any(row.password or row.external for row in found))


def _check_left(connection: Connection, before: _Administrators) -> None:
    """Raise LastAdministratorError where a change took the last one of those that were."""
    after = _administrators(connection)
    if (before.any and not after.any) or (before.ready and not after.ready):
        raise LastAdministratorError
