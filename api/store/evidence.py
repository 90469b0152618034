"""Evidence as rows: what is kept, what is held, what goes. Each change and its entry in the chain
are one transaction; the files are for others to write before and to remove after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from api.evidence.refusals import DeletedError
from api.store.audit import Actor, Values, write_audit
from api.store.database import Database
from api.store.evidence_chain import (
    Link,
    Signer,
    Subject,
    append,
    bury,
    head_of,
    links,
    wait_turn,
)
from api.store.evidence_items import Item, Kept
from api.store.evidence_rows import (
    Key,
    check_same,
    deleted_span,
    end_upload,
    is_held,
    item_of,
    kind_of,
    not_held,
    one,
    put,
    rows,
    stored_one,
    stored_values,
    used_bytes,
)
from api.store.evidence_tables import evidence, evidence_holds, evidence_spans, evidence_uploads
from streams.evidenceform import FORMS, Form, Head

DAY_S: Final = 86400.0


class Upload(NamedTuple):
    """Files that were begun to be written under a place, ``begun_at`` UTC seconds."""

    place: str
    bytes: int
    begun_at: float


class Kinds(NamedTuple):
    """For how many days evidence is kept: of some kinds of alerts, and of all others."""

    days: float
    of_kind: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Survey:
    """All of one moment, while its transaction is open: each can be gone through once."""

    links: Iterator[Link]
    items: Callable[[], Iterator[Item]]
    holds: Callable[[], frozenset[str]]
    places: Callable[[], frozenset[str]]


class Evidence:
    """Everything raises StoreError, and what ``api.evidence.refusals`` has; ``signer`` raises
    errors of its own. ``clock`` gives UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def expect(self, head: Head) -> Item | None:
        """What is known of the item that this head brings. Raises NoAlertError, UnfitError."""
        with self._database.read() as connection:
            kind_of(connection, head.alert, head.camera)
            return one(connection, head.alert, head.form)

    def turn_away(self, head: Head) -> None:
        """Raises DeletedError where the item that this head brings is new, and what it shows was
        deleted before it came. Its row says so then; it needs no tombstone, as it never was."""
        with self._database.read() as connection:
            why = _span_of(connection, head)
        if why is None:
            return
        with self._write() as connection:
            kind = kind_of(connection, head.alert, head.camera)
            known = one(connection, head.alert, head.form)
            if known is None or known.state == "missing":
                why = _turn_away(connection, head, kind, known, self._clock())
        if why is not None:
            raise _deleted_before(head, why)

    def get(self, alert: str, form: Form) -> Item | None:
        with self._database.read() as connection:
            return one(connection, alert, form)

    def of_alert(self, alert: str) -> tuple[Item, ...]:
        """Snapshot, then clip."""
        with self._database.read() as connection:
            found = [item_of(row) for row in rows(connection, evidence.c.alert == alert)]
        return tuple(sorted(found, key=lambda item: FORMS.index(item.form)))

    def begin(self, place: str, size: int, most: int) -> bool:
        """Say that files of so many bytes are written there now; False where there would be more
        than ``most`` bytes then."""
        with self._write() as connection:
            if used_bytes(connection) + size > most:
                return False
            values = {"place": place, "bytes": size, "begun_at": self._clock()}
            connection.execute(insert(evidence_uploads).values(values))
        return True

    def give_up(self, place: str) -> None:
        """Say that nothing lies there any more of what was begun."""
        with self._write() as connection:
            end_upload(connection, place)

    def uploads(self, before: float) -> list[Upload]:
        """Those that were begun before, UTC seconds, and not ended."""
        query = select(evidence_uploads).where(evidence_uploads.c.begun_at < before)
        with self._database.read() as connection:
            return [Upload(*row) for row in connection.execute(query)]

    def keep(self, head: Head, place: str, signer: Signer) -> bool:
        """The files of ``head`` lie there now: from here on the item is stored. False, and nothing
        is changed, where the same original is stored already. Raises NoAlertError, UnfitError,
        OtherOriginalError, DeletedError."""
        parts = {part.name: Kept(part.size, part.sha256) for part in head.parts}
        with self._write() as connection:
            kind = kind_of(connection, head.alert, head.camera)
            known = one(connection, head.alert, head.form)
            if known is not None and known.state != "missing":
                check_same(known, parts["original"].sha256)
                return False
            why = _turn_away(connection, head, kind, known, self._clock())
            if why is None:
                now = self._clock()
                values = stored_values(head, kind, place, now)
                put(connection, head.alert, head.form, known, values)
                end_upload(connection, place)
                stored = stored_one(connection, head.alert, head.form)
                append(connection, "stored", stored.told(), signer, now)
        if why is not None:
            raise _deleted_before(head, why)
        return True

    def keep_copy(self, alert: str, form: Form, copied: Kept, place: str) -> Item:
        """The masked copy lies there now. The item as it is then: with another copy, where it had
        one already. Raises NoItemError, DeletedError."""
        with self._write() as connection:
            known = stored_one(connection, alert, form)
            if known.copied is None:
                values = {
                    "copy_place": place, "copy_bytes": copied.size, "copy_sha256": copied.sha256,
                    "copy_why": None, "copy_failed_at": None, "changed_at": self._clock(),
                }  # fmt: skip
                put(connection, alert, form, known, values)
                end_upload(connection, place)
            return stored_one(connection, alert, form)

    def forget_copy(self, item: Item) -> None:
        """The copy of that item is not there any more, so that another one can be made."""
        with self._write() as connection:
            known = one(connection, item.alert, item.form)
            if known is not None and known.copy_place == item.copy_place:
                values = {"copy_place": None, "copy_bytes": None, "copy_sha256": None}
                values_at = values | {"changed_at": self._clock()}
                put(connection, item.alert, item.form, known, values_at)

    def copy_failed(self, alert: str, form: Form, why: str) -> None:
        with self._write() as connection:
            known = one(connection, alert, form)
            if known is not None and known.state == "stored" and known.copied is None:
                now = self._clock()
                values = {"copy_why": why, "copy_failed_at": now, "changed_at": now}
                put(connection, alert, form, known, values)

    def miss(self, alert: str, camera: str, form: Form, why: str) -> None:
        """Raises NoAlertError, UnfitError."""
        with self._write() as connection:
            kind = kind_of(connection, alert, camera)
            known = one(connection, alert, form)
            if known is None or known.state == "missing":
                values = {"camera": camera, "kind": kind, "state": "missing", "why": why}
                more = {"changed_at": self._clock(), "removed": True}
                put(connection, alert, form, known, values | more)

    def find(
        self, camera: str | None, from_ts: float | None, to_ts: float | None, limit: int
    ) -> tuple[Item, ...]:
        """Stored items that show a moment of [from_ts, to_ts), the oldest first."""
        wanted = [evidence.c.state == "stored"]
        if camera is not None:
            wanted.append(evidence.c.camera == camera)
        if to_ts is not None:
            wanted.append(evidence.c.from_ts < to_ts)
        if from_ts is not None:
            # a snapshot shows one moment, which is its beginning and its end
            wanted.append(or_(evidence.c.from_ts >= from_ts, evidence.c.to_ts > from_ts))
        return self._oldest(and_(*wanted), limit)

    def older(self, now: float, kinds: Kinds, limit: int) -> tuple[Item, ...]:
        """Stored items that are kept for too long at ``now`` and not held, the oldest first."""
        others = evidence.c.kind.not_in(sorted(kinds.of_kind))
        ages = [and_(others, evidence.c.to_ts < now - kinds.days * DAY_S)]
        for kind, days in kinds.of_kind.items():
            ages.append(and_(evidence.c.kind == kind, evidence.c.to_ts < now - days * DAY_S))
        return self._oldest(and_(evidence.c.state == "stored", not_held(), or_(*ages)), limit)

    def oldest(self, before: float | None, limit: int) -> tuple[Item, ...]:
        """Stored items that are not held and begin before (UTC seconds), the oldest first."""
        begins = [] if before is None else [evidence.c.from_ts < before]
        return self._oldest(and_(evidence.c.state == "stored", not_held(), *begins), limit)

    def oldest_copies(self, limit: int) -> tuple[Item, ...]:
        """Stored items that have a masked copy and are not held, the oldest first."""
        copied = evidence.c.copy_place.is_not(None)
        return self._oldest(and_(evidence.c.state == "stored", copied, not_held()), limit)

    def used(self) -> int:
        """Bytes of all files that are there, or are being written."""
        with self._database.read() as connection:
            return used_bytes(connection)

    def delete(
        self, keys: Iterable[Key], why: str, by: Actor, signer: Signer, *, recorded: bool
    ) -> list[Item]:
        """Let these go as far as they are stored and not held, each with a tombstone, and with a
        line in the record where a person did it. Those that went: their files may be removed."""
        gone = list[Item]()
        with self._write() as connection:
            for alert, form in keys:
                known = one(connection, alert, form)
                if known is None or known.state != "stored" or known.hold:
                    continue
                now = self._clock()
                bury(connection, known.buried(), why, by.name, signer, now)
                values = {"state": "deleted", "why": why, "changed_at": now}
                put(connection, alert, form, known, values)
                if recorded:
                    said: Values = {"form": form, "camera": known.camera, "reason": why}
                    write_audit(
                        connection, by, "evidence.deleted", "evidence", alert, now=now, after=said
                    )
                gone.append(known)
        return gone

    def delete_span(self, camera: str, from_ts: float, to_ts: float, why: str) -> None:
        """Say that what shows a moment of [from_ts, to_ts) so far is deleted: what comes later of
        it is not kept, unless its alert is held."""
        with self._write() as connection:
            to_ts = min(to_ts, self._clock())
            if to_ts <= from_ts:
                return
            values = {"camera": camera, "from_ts": from_ts, "to_ts": to_ts}
            same = [evidence_spans.c[name] == value for name, value in values.items()]
            connection.execute(delete(evidence_spans).where(*same))
            connection.execute(insert(evidence_spans).values(why=why, **values))

    def unremoved(self, limit: int, *, before: float | None = None) -> tuple[Item, ...]:
        """Deleted items whose files may still be there, of those deleted before (UTC seconds)."""
        since = [] if before is None else [evidence.c.changed_at < before]
        going = and_(evidence.c.state == "deleted", evidence.c.removed.is_(False), *since)
        return self._oldest(going, limit)

    def set_removed(self, keys: Iterable[Key]) -> None:
        """The files of these deleted items are gone."""
        with self._write() as connection:
            for alert, form in keys:
                connection.execute(
                    update(evidence)
                    .where(evidence.c.alert == alert, evidence.c.form == form)
                    .where(evidence.c.state == "deleted")
                    .values(removed=True)
                )

    def hold(self, alert: str, reason: str, by: Actor, signer: Signer) -> bool:
        """False where it is held already. Raises NoAlertError."""
        with self._write() as connection:
            kind_of(connection, alert, None)
            if is_held(connection, alert):
                return False
            now = self._clock()
            values = {"alert": alert, "reason": reason, "held_at": now, "held_by": by.name}
            connection.execute(insert(evidence_holds).values(values))
            _tell(connection, "held", alert, reason, by, signer, now)
        return True

    def release(self, alert: str, reason: str, by: Actor, signer: Signer) -> bool:
        """False where it is not held."""
        with self._write() as connection:
            if not is_held(connection, alert):
                return False
            now = self._clock()
            connection.execute(delete(evidence_holds).where(evidence_holds.c.alert == alert))
            _tell(connection, "released", alert, reason, by, signer, now)
        return True

    def head(self) -> Link | None:
        """The last entry of the chain."""
        with self._database.read() as connection:
            return head_of(connection)

    def links(self, after: int, limit: int) -> list[Link]:
        """Entries of the chain that follow the one with this number."""
        with self._database.read() as connection:
            return list(links(connection, after, limit))

    @contextmanager
    def survey(self) -> Iterator[Survey]:
        with self._database.read() as connection:
            yield Survey(
                links(connection),
                lambda: (item_of(row) for row in rows(connection)),
                lambda: frozenset(connection.scalars(select(evidence_holds.c.alert))),
                lambda: frozenset(connection.scalars(select(evidence_uploads.c.place))),
            )

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._database.write() as connection:
            wait_turn(connection)
            yield connection

    def _oldest(self, which: ColumnElement[bool], limit: int) -> tuple[Item, ...]:
        with self._database.read() as connection:
            return tuple(item_of(row) for row in rows(connection, which, limit))


def _span_of(connection: Connection, head: Head) -> str | None:
    return deleted_span(connection, head.alert, head.camera, head.from_ts, head.to_ts)


def _turn_away(
    connection: Connection, head: Head, kind: str, known: Item | None, now: float
) -> str | None:
    """Why a new item was deleted before it came, which its row then says; None where it was not."""
    why = _span_of(connection, head)
    if why is not None:
        values = {
            "camera": head.camera, "kind": kind, "state": "deleted", "why": why,
            "from_ts": head.from_ts, "to_ts": head.to_ts, "changed_at": now, "removed": True,
        }  # fmt: skip
        put(connection, head.alert, head.form, known, values)
    return why


def _deleted_before(head: Head, why: str) -> DeletedError:
    return DeletedError(
        f"what the {head.form} of alert {head.alert!a} shows was deleted before it came ({why}): "
        "do not send it"
    )


def _tell(
    connection: Connection,
    action: Literal["held", "released"],
    alert: str,
    reason: str,
    by: Actor,
    signer: Signer,
    now: float,
) -> None:
    """In the chain and in the record."""
    told: Subject = {"alert": alert, "why": reason, "by": by.name}
    append(connection, action, told, signer, now)
    said: Values = {"reason": reason}
    write_audit(connection, by, f"evidence.{action}", "evidence", alert, now=now, after=said)
