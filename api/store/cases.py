"""What people do about alerts: acknowledge, assign, resolve, re-open, merge and open them by hand.

Each act is one transaction under the feed's lock, with its row in the record. Whoever looked at an
alert says at which ``edit`` that was, so that nobody overwrites what another one did meanwhile.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select, update

from api import lifecycle
from api.access import ROLES, Permission, Role
from api.lifecycle import Act, Case, Done, Outcome
from api.store.alerts import (
    Only,
    StoredAlert,
    lock_feed,
    read_one,
    record_alerts,
    set_feed,
    write_act,
)
from api.store.audit import Actor, Entry, Values, write_audit
from api.store.database import Database
from api.store.names import checked_name, folded
from api.store.refusals import BadNameError
from api.store.tables import alerts, audit, cameras, configured_cameras, group_cameras, users
from api.store.users import User, read_users
from streams.messages import CANARY, AlertMessage
from vision.errors import HandlingError
from vision.types import Severity

MAX_BULK: Final = 500
"""So many are acknowledged at once."""
MAX_HISTORY: Final = 1000
BY_HAND: Final = "by hand"
"""The rule of what a person opened."""
AHEAD_S: Final = 60.0
"""So much a person's clock may be ahead of ours."""


class AssigneeError(HandlingError):
    """The alert cannot be given to whom was named; for what reason is not told to everybody."""

    def __init__(self) -> None:
        super().__init__(
            "this alert cannot be assigned to them: name a user who is not disabled, may handle "
            "alerts and sees its camera"
        )


class NoTargetError(HandlingError):
    """There is no alert to merge into, or none that the caller sees."""

    def __init__(self) -> None:
        super().__init__("there is no alert to merge this one into: correct the id in 'into'")


class OpeningError(HandlingError):
    """An alert cannot be opened by hand so."""


class Acknowledged(NamedTuple):
    """Ids: of what is ``acknowledged`` now, of what was ``already``, and of what is ``unknown``."""

    acknowledged: list[str]
    already: list[str]
    unknown: list[str]


@dataclass(frozen=True, slots=True)
class ByHand:
    """What a person saw: ``start_ts`` (UTC seconds) is now by default."""

    kind: str
    camera: str
    severity: Severity
    start_ts: float | None = None
    note: str = ""
    place: str = ""


class _Turn:
    """One transaction of acts: gives positions, and reads what is handled."""

    def __init__(self, connection: Connection, by: Actor, now: float, only: Only) -> None:
        self.connection = connection
        self.by = by
        self.now = now
        self.position = self.before = lock_feed(connection)
        self._only = only

    def known(self, alert_id: str, edit: int) -> StoredAlert | None:
        """The alert, if there is one that the caller sees. Raises ConflictError unless it is still
        at ``edit``."""
        known = self.read(alert_id)
        if known is not None:
            lifecycle.expect(known.case, edit, _last(self.connection, alert_id))
        return known

    def read(self, alert_id: str) -> StoredAlert | None:
        """As ``known``, whatever was done about it. All of it, for what is written back."""
        seen = read_one(self.connection, alert_id, self._only)
        return None if seen is None else read_one(self.connection, alert_id, None)

    def write(
        self, known: StoredAlert, after: Case, act: Act, more: Mapping[str, Any] | None = None
    ) -> bool:
        """Keep what was done; whether anything was."""
        if after.edit == known.edit:
            return False
        self.position += 1
        write_act(
            self.connection, known, after, self.by, act,
            position=self.position, now=self.now, more=more or {},
        )  # fmt: skip
        return True

    def answer(self, alert_id: str) -> StoredAlert | None:
        """The alert as the caller sees it now."""
        return read_one(self.connection, alert_id, self._only)


class Cases:
    """Handles alerts of the cameras in ``only``: others do not exist, which is None. Everything
    raises StoreError, and HandlingError where it cannot be done; ``clock`` gives UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def acknowledge(self, ids: Sequence[str], by: Actor, *, only: Only) -> Acknowledged:
        """Take note of up to ``MAX_BULK`` alerts at once. Whoever was first stays."""
        if len(ids) > MAX_BULK:
            raise HandlingError(f"at most {MAX_BULK} alerts are acknowledged at once: send fewer")
        done = Acknowledged([], [], [])
        with self._turn(by, only) as turn:
            for alert_id in dict.fromkeys(ids):
                known = turn.read(alert_id)
                if known is None:
                    done.unknown.append(alert_id)
                    continue
                after = lifecycle.acknowledge(known.case, by.name, turn.now)
                changed = turn.write(known, after, "alert.acknowledged")
                (done.acknowledged if changed else done.already).append(alert_id)
        return done

    def assign(
        self, alert_id: str, to: str, by: Actor, *, edit: int, only: Only
    ) -> StoredAlert | None:
        """Give it to the user of this name. Raises ConflictError, ResolvedError or
        AssigneeError."""
        with self._turn(by, only) as turn:
            known = turn.known(alert_id, edit)
            if known is None:
                return None
            user = _named(turn.connection, to)
            if user is None or not _may_have(turn.connection, user, known.camera):
                raise AssigneeError
            after = lifecycle.assign(known.case, user.name, by.name, turn.now)
            turn.write(known, after, "alert.assigned")
            return turn.answer(alert_id)

    def resolve(
        self, alert_id: str, outcome: Outcome, note: str, by: Actor, *, edit: int, only: Only
    ) -> StoredAlert | None:
        """It was a true or a false alarm. One that was opened by hand is over with this. Raises
        ConflictError or ResolvedError."""
        with self._turn(by, only) as turn:
            known = turn.known(alert_id, edit)
            if known is None:
                return None
            after = lifecycle.resolve(known.case, outcome, note, by.name, turn.now)
            turn.write(known, after, "alert.resolved", _closed(known, turn.now))
            return turn.answer(alert_id)

    def reopen(
        self, alert_id: str, note: str, by: Actor, *, edit: int, only: Only
    ) -> StoredAlert | None:
        """Something is left to do; one that was opened by hand lasts on. Raises ConflictError or
        NotResolvedError."""
        with self._turn(by, only) as turn:
            known = turn.known(alert_id, edit)
            if known is None:
                return None
            after = lifecycle.reopen(known.case, note)
            turn.write(known, after, "alert.reopened", _opened_again(known))
            return turn.answer(alert_id)

    def merge(
        self, alert_id: str, into: str, by: Actor, *, edit: int, only: Only
    ) -> StoredAlert | None:
        """It is a part of another one, and so is whatever was merged into it. Raises ConflictError,
        NoTargetError, ResolvedError, IntoItselfError or IntoMergedError."""
        with self._turn(by, only) as turn:
            known = turn.known(alert_id, edit)
            if known is None:
                return None
            target = turn.read(into)
            if target is None:
                raise NoTargetError
            after = lifecycle.merge(known.case, alert_id, into, target.case, by.name, turn.now)
            turn.write(known, after, "alert.merged", _closed(known, turn.now))
            # whoever sees only one of these cameras must not leave a chain behind
            for part in _parts(turn.connection, alert_id):
                turn.write(part, lifecycle.repoint(part.case, into), "alert.merged")
            return turn.answer(alert_id)

    def open(self, seen: ByHand, by: Actor, *, only: Only) -> StoredAlert | None:
        """An alert of what a person saw. None where no camera that the caller sees is called so;
        raises OpeningError."""
        if seen.kind == CANARY:
            raise OpeningError(f"an alert of kind {CANARY} tells of nothing: name another kind")
        with self._turn(by, only) as turn:
            if not _is_camera(turn.connection, seen.camera, only):
                return None
            start_ts = turn.now if seen.start_ts is None else seen.start_ts
            if start_ts > turn.now + AHEAD_S:
                raise OpeningError("an alert cannot begin later than now: correct its 'start'")
            message = AlertMessage(
                id=f"hand-{secrets.token_hex(8)}",
                version=1,
                camera=seen.camera,
                kind=seen.kind,
                rule=BY_HAND,
                place=seen.place,
                severity=seen.severity,
                state="open",
                start_ts=start_ts,
                raised_ts=max(start_ts, turn.now),
                score=1.0,
                details={"why": seen.note} if seen.note else {},
                revision=0,
            )
            turn.position, _ = record_alerts(
                turn.connection, [message], position=turn.position, now=turn.now
            )
            mine = alerts.c.id == message.id
            turn.connection.execute(update(alerts).where(mine).values(opened_by=by.name))
            said: Values = {
                "camera": seen.camera,
                "kind": seen.kind,
                "severity": seen.severity,
                "note": seen.note or None,
            }
            write_audit(
                turn.connection, by, "alert.opened", "alert", message.id, now=turn.now, after=said
            )
            return turn.answer(message.id)

    def history(self, alert_id: str, *, only: Only) -> list[Entry] | None:
        """What was done about it, oldest first; the last ``MAX_HISTORY``."""
        query = _done(alert_id).order_by(audit.c.id.desc()).limit(MAX_HISTORY)
        with self._database.read() as connection:
            if read_one(connection, alert_id, only) is None:
                return None
            rows: Any = connection.execute(query).mappings().all()
            entries = [Entry(**row) for row in reversed(rows)]
            if only is None:
                return entries
            told = {
                target
                for target in {*map(_target, _values(entries))} - {None}
                if target is not None and read_one(connection, target, only) is not None
            }
        return [
            replace(entry, before=_told(entry.before, told), after=_told(entry.after, told))
            for entry in entries
        ]

    @contextmanager
    def _turn(self, by: Actor, only: Only) -> Iterator[_Turn]:
        with self._database.write() as connection:
            turn = _Turn(connection, by, self._clock(), only)
            yield turn
            if turn.position != turn.before:
                set_feed(connection, turn.position)


def _done(alert_id: str) -> Any:
    return select(audit).where(audit.c.object_kind == "alert", audit.c.object == alert_id)


def _last(connection: Connection, alert_id: str) -> Done | None:
    """Who did what last."""
    query = _done(alert_id).order_by(audit.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else Done(row["actor"], row["action"])


def _parts(connection: Connection, alert_id: str) -> list[StoredAlert]:
    """Whatever was merged into it, of whichever camera."""
    query = select(alerts).where(alerts.c.merged_into == alert_id).order_by(alerts.c.position)
    rows: Any = connection.execute(query).mappings()
    return [StoredAlert(**row) for row in rows]


def _closed(known: StoredAlert, now: float) -> dict[str, Any]:
    """No rule says of what a person opened that it is over."""
    if known.opened_by is None or known.state == "closed":
        return {}
    end_ts = max(now, known.start_ts)
    return {"state": "closed", "end_ts": end_ts, "version": known.version + 1}


def _opened_again(known: StoredAlert) -> dict[str, Any]:
    if known.opened_by is None or known.state == "open":
        return {}
    return {"state": "open", "end_ts": None, "version": known.version + 1}


def _named(connection: Connection, name: str) -> User | None:
    try:
        wanted = folded(checked_name(name))
    except BadNameError:
        return None
    found = read_users(connection, select(users).where(users.c.folded == wanted))
    return found[0] if found else None


def _may_have(connection: Connection, user: User, camera: str) -> bool:
    """Whether the user can do anything about an alert of this camera."""
    if user.disabled_at is not None or Permission.ALERTS_HANDLE not in ROLES[user.role]:
        return False
    if user.every_camera or user.role is Role.ADMINISTRATOR:
        return True
    query = select(group_cameras.c.camera).where(
        group_cameras.c.group.in_(user.groups), group_cameras.c.camera == camera
    )
    return connection.execute(query).first() is not None


def _is_camera(connection: Connection, camera: str, only: Only) -> bool:
    """Whether there is a camera of this id that is among these."""
    if only is not None and camera not in only:
        return False
    return any(
        connection.execute(select(table.c.id).where(table.c.id == camera)).first() is not None
        for table in (cameras, configured_cameras)
    )


def _values(entries: Sequence[Entry]) -> Iterator[Values | None]:
    for entry in entries:
        yield entry.before
        yield entry.after


def _target(said: Values | None) -> str | None:
    target = None if said is None else said.get("merged_into")
    return target if isinstance(target, str) else None


def _told(said: Values | None, told: set[str]) -> Values | None:
    """Without the alerts that whoever reads it does not see."""
    target = _target(said)
    if said is None or target is None or target in told:
        return said
    return said | {"merged_into": None}
