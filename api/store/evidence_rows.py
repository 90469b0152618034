"""The rows of evidence: one read and written at a time, under the transaction of somebody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from api.evidence.refusals import (
    DeletedError,
    NoAlertError,
    NoItemError,
    OtherOriginalError,
    UnfitError,
)
from api.store.evidence_items import Item, Kept
from api.store.evidence_tables import evidence, evidence_holds, evidence_spans, evidence_uploads
from api.store.tables import alerts
from streams.evidenceform import Form, Head, PartName
from streams.messages import SYSTEM_CAMERA

PARTS: Final[tuple[PartName, ...]] = ("original", "boxes", "copy")
PIECE: Final = 500
Key: TypeAlias = tuple[str, Form]


def check_same(known: Item, sha256: str) -> None:
    """Raises DeletedError, OtherOriginalError unless this item has that original."""
    if known.state == "deleted":
        raise DeletedError(f"the {known.form} of alert {known.alert!a} was deleted: do not send it")
    if known.sha256 != sha256:
        raise OtherOriginalError(
            f"another {known.form} of alert {known.alert!a} is stored already, and stays"
        )


def kind_of(connection: Connection, alert: str, camera: str | None) -> str:
    """The kind of a stored alert of that camera (of any, for None)."""
    row = connection.execute(
        select(alerts.c.kind, alerts.c.camera).where(alerts.c.id == alert)
    ).first()
    if row is None or row.camera == SYSTEM_CAMERA:
        raise NoAlertError(f"there is no alert {alert!a} of a camera (yet): try again later")
    if camera is not None and row.camera != camera:
        raise UnfitError(f"alert {alert!a} is not of the camera {camera!a}: name its own")
    return str(row.kind)


def stored_one(connection: Connection, alert: str, form: Form) -> Item:
    """Raises NoItemError, DeletedError."""
    known = one(connection, alert, form)
    if known is None or known.state == "missing":
        raise NoItemError(f"there is no {form} of alert {alert!a}")
    if known.state == "deleted":
        raise DeletedError(f"the {form} of alert {alert!a} was deleted: {known.why}")
    return known


def put(
    connection: Connection, alert: str, form: Form, known: Item | None, values: Mapping[str, Any]
) -> None:
    """Add the row of an item, or change the one that is ``known``."""
    if known is None:
        connection.execute(insert(evidence).values(alert=alert, form=form, **values))
        return
    which = and_(evidence.c.alert == alert, evidence.c.form == form)
    connection.execute(update(evidence).where(which).values(**values))


def stored_values(head: Head, kind: str, place: str, now: float) -> dict[str, Any]:
    """What a row says of an item whose files lie there now."""
    parts = {part.name: part for part in head.parts}
    copied = "copy" in parts
    values: dict[str, Any] = {
        "camera": head.camera, "kind": kind, "state": "stored", "why": None,
        "from_ts": head.from_ts, "to_ts": head.to_ts, "revision": head.revision,
        "media": head.media, "note": head.note, "place": place,
        "copy_place": place if copied else None,
        "copy_why": None if copied else head.copy_why,
        "copy_failed_at": None if copied or head.copy_why is None else now,
        "stored_at": now, "changed_at": now, "removed": False,
    }  # fmt: skip
    for name in PARTS:
        part = parts.get(name)
        values[f"{name}_bytes"] = None if part is None else part.size
        values[f"{name}_sha256"] = None if part is None else part.sha256
    return values


def deleted_span(
    connection: Connection, alert: str, camera: str, from_ts: float, to_ts: float
) -> str | None:
    """Why what shows ``from_ts`` to ``to_ts`` was deleted of that camera before it came; None where
    it was not, or the alert is held."""
    spans = evidence_spans.c
    # a snapshot shows one moment, which is its beginning and its end
    into = or_(spans.from_ts <= from_ts, spans.from_ts < to_ts)
    query = select(spans.why).where(spans.camera == camera, spans.to_ts > from_ts, into)
    found = connection.execute(query.order_by(spans.to_ts).limit(1)).first()
    return None if found is None or is_held(connection, alert) else str(found.why)


def end_upload(connection: Connection, place: str) -> None:
    connection.execute(delete(evidence_uploads).where(evidence_uploads.c.place == place))


def is_held(connection: Connection, alert: str) -> bool:
    query = select(evidence_holds.c.alert).where(evidence_holds.c.alert == alert)
    return connection.execute(query).first() is not None


def not_held() -> ColumnElement[bool]:
    """Of items that are not held."""
    return evidence.c.alert.not_in(select(evidence_holds.c.alert))


def used_bytes(connection: Connection) -> int:
    """Of all files that are there, or are being written."""
    sizes = [func.coalesce(evidence.c[f"{name}_bytes"], 0) for name in PARTS]
    with_files = evidence.c.removed.is_(False)
    kept = connection.scalar(select(func.sum(sizes[0] + sizes[1] + sizes[2])).where(with_files))
    begun = connection.scalar(select(func.sum(evidence_uploads.c.bytes)))
    return int(kept or 0) + int(begun or 0)


def one(connection: Connection, alert: str, form: Form) -> Item | None:
    which = and_(evidence.c.alert == alert, evidence.c.form == form)
    row: Any = connection.execute(_whole().where(which)).mappings().first()
    return None if row is None else item_of(row)


def rows(
    connection: Connection, which: ColumnElement[bool] | None = None, limit: int | None = None
) -> Iterator[Any]:
    """Rows for ``item_of``, the oldest first; all of them may be many."""
    query = _whole() if which is None else _whole().where(which)
    order = evidence.c.from_ts, evidence.c.alert, evidence.c.form
    ordered = query.order_by(*order).limit(limit).execution_options(yield_per=PIECE)
    return iter(connection.execute(ordered).mappings())


def _whole() -> Select[Any]:
    held = evidence_holds.c.alert.is_not(None).label("hold")
    joined = evidence.outerjoin(evidence_holds, evidence_holds.c.alert == evidence.c.alert)
    return select(evidence, held).select_from(joined)


def item_of(row: Mapping[str, Any]) -> Item:
    """The item of one of ``rows``."""
    values = dict(row)
    for name, field in zip(PARTS, ("original", "boxes", "copied"), strict=True):
        size, sha256 = values.pop(f"{name}_bytes"), values.pop(f"{name}_sha256")
        values[field] = None if size is None or sha256 is None else Kept(size, sha256)
    return Item(**(values | {"hold": bool(values["hold"])}))
