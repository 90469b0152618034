"""The record over HTTP: who did what when, read in pages and exported whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.services import Asking, Served, Services, problems
from api.spreadsheet import lines, plain
from api.store import Entry, Wanted
from api.times import MaybeTimeIn, TimeOut, iso
from streams.messages import Name
from vision.errors import ServiceError
from vision.types import JsonValue as Value

MAX_LIMIT: Final = 1000
MAX_ACTION_CHARS: Final = 64
PIECE: Final = 500
"""So many rows are sent between two looks at whether the right to them still holds."""
COLUMNS: Final = (
    "id", "at", "actor_kind", "actor_id", "actor", "address", "action", "object_kind", "object",
    "before", "after",
)  # fmt: skip

router = APIRouter(tags=["audit"])


class AuditFilter(BaseModel):
    """Which entries of the record."""

    model_config = ConfigDict(extra="forbid")

    actor: Annotated[Name | None, Field(description="Only what this person or key did.")] = None
    action: Annotated[
        Name | None,
        Field(
            max_length=MAX_ACTION_CHARS,
            description="Only this action, or all that begin with it and a dot, such as user.",
        ),
    ] = None
    object_kind: Annotated[
        Name | None, Field(description="Only what was done to such things, such as user.")
    ] = None
    object: Annotated[Name | None, Field(description="Only what was done to this one.")] = None
    from_: Annotated[
        MaybeTimeIn, Field(alias="from", description="Only what was done then or later.")
    ] = None
    to: Annotated[MaybeTimeIn, Field(description="Only what was done before.")] = None

    def wanted(self) -> Wanted:
        """The same for the store."""
        return Wanted(
            actor=self.actor,
            action=self.action,
            object_kind=self.object_kind,
            object=self.object,
            from_ts=self.from_,
            to_ts=self.to,
        )


class AuditQuery(AuditFilter):
    """Which entries of the record, in pages."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="At most so many.")] = 100
    cursor: Annotated[
        str | None,
        Field(pattern=r"^[0-9]{1,18}$", description="The 'next' of the answer before."),
    ] = None

    def before(self) -> int | None:
        """The entry that the cursor names."""
        return None if self.cursor is None else int(self.cursor)


class AuditOut(BaseModel):
    """One thing that was done."""

    model_config = ConfigDict(from_attributes=True)

    id: Annotated[int, Field(description="Rises with every entry.")]
    at: TimeOut
    actor_kind: Annotated[
        str,
        Field(description="Who did it: a user, a key, whoever had a link, a command, or nobody."),
    ]
    actor_id: Annotated[str | None, Field(description="Of the key, or the number of the user.")]
    actor: Annotated[str, Field(description="Name of the person or key, as it was then.")]
    address: Annotated[str | None, Field(description="From where they asked.")]
    action: Annotated[str, Field(description="What was done, such as user.changed.")]
    object_kind: Annotated[str, Field(description="To what kind of thing, such as user.")]
    object: Annotated[str, Field(description="To which: its name, id or number.")]
    before: Annotated[
        dict[str, JsonValue] | None, Field(description="What changed of it, as it was.")
    ]
    after: Annotated[
        dict[str, JsonValue] | None, Field(description="What changed of it, as it is since.")
    ]


class AuditPage(BaseModel):
    """Some entries, newest first."""

    entries: list[AuditOut]
    next: Annotated[
        str | None, Field(description="Send it as 'cursor' for the older ones; none at the end.")
    ]


@router.get("/audit", summary="Read the record", responses=problems(422))
def read_audit(query: Annotated[AuditQuery, Query()], served: Served) -> AuditPage:
    """Who did what when, newest first. Entries are added and never changed. The record is of the
    whole system: whoever may read it reads all of it, whatever their cameras are."""
    page = served.store.audit.find(query.wanted(), before=query.before(), limit=query.limit)
    return AuditPage(
        entries=[AuditOut.model_validate(entry) for entry in page.entries],
        next=str(page.entries[-1].id) if page.more else None,
    )


@router.get(
    "/audit.csv",
    summary="Export the record",
    response_class=StreamingResponse,
    responses=problems(422)
    | {200: {"description": "One line an entry", "content": {"text/csv": {}}}},
)
async def export_audit(
    query: Annotated[AuditFilter, Query()], served: Served, asking: Asking
) -> StreamingResponse:
    """The entries as a table, oldest first, UTF-8. A cell that a spreadsheet would run as a formula
    begins with an apostrophe. Where the right to the record ends meanwhile, the answer breaks
    off."""
    rows = served.store.audit.each(query.wanted())
    # what the store says of the first ones is still an answer of its own
    first = await _next(rows)
    return StreamingResponse(
        _table(served, asking, first, rows),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="matakota-record.csv"'},
    )


async def _next(rows: Iterator[Entry]) -> list[Entry]:
    return await run_in_threadpool(lambda: list(islice(rows, PIECE)))


async def _table(
    served: Services, asking: Caller, piece: list[Entry], rows: Iterator[Entry]
) -> AsyncIterator[str]:
    yield lines([COLUMNS])
    while piece:
        yield lines(map(cells, piece))
        if len(piece) < PIECE:
            return
        now = await served.keys.renewed(asking)
        if now is None or not now.may(Permission.AUDIT_READ):
            # an end that looks like one would pass for the whole
            raise ServiceError("the right to the record ended while it was exported")
        piece = await _next(rows)


def cells(entry: Entry) -> list[str]:
    """An entry as a row of a table, for any spreadsheet."""
    said = (
        str(entry.id), iso(entry.at), entry.actor_kind, entry.actor_id or "", entry.actor,
        entry.address or "", entry.action, entry.object_kind, entry.object,
        _json(entry.before), _json(entry.after),
    )  # fmt: skip
    return [plain(cell) for cell in said]


def _json(values: dict[str, Value] | None) -> str:
    return "" if values is None else json.dumps(values, ensure_ascii=False)
