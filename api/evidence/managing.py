"""Evidence over HTTP, for whoever answers for it: found, deleted, held and released."""

from __future__ import annotations

from typing import Annotated, Final, Self

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.bodies import described, small
from api.cameras import no_camera
from api.evidence.answers import ItemOut, alert_of, values_of
from api.services import Asking, Served, problems
from api.sessions import actor_of
from api.times import MaybeTimeIn, TimeIn
from streams.messages import NO_NUL, Name

MAX_REASON_CHARS: Final = 500
MAX_FOUND: Final = 1000

router = APIRouter(tags=["evidence"])
_Reason = Annotated[
    str,
    Field(
        min_length=1, max_length=MAX_REASON_CHARS, pattern=NO_NUL,
        description="Why, for whoever asks later.",
    ),
]  # fmt: skip


class FoundQuery(BaseModel):
    """Which evidence."""

    model_config = ConfigDict(extra="forbid")

    camera: Annotated[Name | None, Field(description="Only this camera's.")] = None
    from_: Annotated[
        MaybeTimeIn, Field(alias="from", description="Only what shows that moment or a later one.")
    ] = None
    to: Annotated[MaybeTimeIn, Field(description="Only what shows a moment before.")] = None


class FoundOut(ItemOut):
    """One item, and of which alert it is."""

    alert: str


class FoundPage(BaseModel):
    """Up to 1000 items, the oldest first."""

    items: list[FoundOut]
    more: Annotated[bool, Field(description="Whether there are others: ask for less time.")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class DeleteIn(_In):
    """What is deleted, all that shows a moment of that time, and why."""

    camera: Name
    from_: Annotated[TimeIn, Field(alias="from")]
    to: TimeIn
    reason: _Reason

    @model_validator(mode="after")
    def _is_span(self) -> Self:
        if self.to <= self.from_:
            raise ValueError("'to' comes after 'from'")
        return self


class HoldIn(_In):
    """Why evidence is spared from every deletion, or no more."""

    reason: _Reason


BODIES: Final = (DeleteIn, HoldIn)
"""Those that their routes read themselves."""


class DeletedOut(BaseModel):
    """What became of it."""

    deleted: Annotated[int, Field(description="So many items are gone.")]
    spared: Annotated[int, Field(description="So many are not, since they are held.")]


@router.get("/evidence", summary="Find evidence", responses=problems(422))
def find_evidence(
    query: Annotated[FoundQuery, Query()], served: Served, caller: Asking
) -> FoundPage:
    """What is kept of a camera and a time, as for a person who asks what shows them."""
    found = served.room.find(query.camera, query.from_, query.to, limit=MAX_FOUND + 1)
    items = [
        FoundOut.model_validate({"alert": item.alert, **values_of(item, served)})
        for item in found[:MAX_FOUND]
        if caller.sees(item.camera)
    ]
    return FoundPage(items=items, more=len(found) > MAX_FOUND)


@router.post(
    "/evidence/delete",
    summary="Delete evidence",
    responses=problems(404, 413, 422),
    openapi_extra=described(DeleteIn),
)
def delete_evidence(
    asked: Annotated[DeleteIn, Depends(small(DeleteIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> DeletedOut:
    """Delete what is kept of a camera and a time; of each item a signed line stays that says that
    it was there, and why it is gone. Its alert stays, and what is held."""
    if not caller.sees(asked.camera):
        raise no_camera(asked.camera)
    done = served.room.delete(asked.camera, asked.from_, asked.to, asked.reason, actor_of(request))
    return DeletedOut(deleted=done.deleted, spared=done.spared)


@router.post(
    "/alerts/{alert_id}/hold",
    status_code=204,
    summary="Hold evidence",
    responses=problems(404, 413, 422),
    openapi_extra=described(HoldIn),
)
def hold_evidence(
    alert_id: str,
    asked: Annotated[HoldIn, Depends(small(HoldIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> Response:
    """Spare an alert's evidence, also what is still to come, from every deletion."""
    alert_of(served, caller, alert_id)
    served.room.hold(alert_id, asked.reason, actor_of(request))
    return Response(status_code=204)


@router.post(
    "/alerts/{alert_id}/release",
    status_code=204,
    summary="Release evidence",
    responses=problems(404, 413, 422),
    openapi_extra=described(HoldIn),
)
def release_evidence(
    alert_id: str,
    asked: Annotated[HoldIn, Depends(small(HoldIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> Response:
    """End that."""
    alert_of(served, caller, alert_id)
    served.room.release(alert_id, asked.reason, actor_of(request))
    return Response(status_code=204)
