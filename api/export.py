"""Alerts in the shapes of other programs over HTTP, and the schema of an alert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.services import Asking, Served, Services, problems
from api.standards.alert_schema import alert_schema
from api.standards.shapes import PIECE, SHAPES, Format, Shape
from api.store import StoredAlert
from api.store.alerts import Page
from api.times import MaybeTimeIn
from streams.messages import Name
from vision.errors import ServiceError

SCHEMA_MEDIA: Final = "application/schema+json"

router = APIRouter(tags=["alerts"])


class ExportQuery(BaseModel):
    """Which alerts, and in which shape."""

    model_config = ConfigDict(extra="forbid")

    format: Annotated[
        Format,
        Field(
            description="cloudevents: CloudEvents 1.0, one a line. onvif: messages of ONVIF events "
            "in JSON, one a line; onvif-xml: the same as one document of WS-BaseNotification."
        ),
    ]
    camera: Annotated[Name | None, Field(description="Only this camera's.")] = None
    kind: Annotated[Name | None, Field(description="Only this kind.")] = None
    from_: Annotated[
        MaybeTimeIn, Field(alias="from", description="Only those that began then or later.")
    ] = None
    to: Annotated[MaybeTimeIn, Field(description="Only those that began before.")] = None


_MEDIA: Final[dict[str, Any]] = {shape.media: {} for shape in SHAPES.values()}


@router.get(
    "/alerts/schema",
    summary="Read the schema of an alert",
    response_class=Response,
    responses=problems() | {200: {"description": "The schema", "content": {SCHEMA_MEDIA: {}}}},
)
async def read_schema() -> Response:
    """The JSON Schema, draft 2020-12, of an alert as it is sent to webhooks, exported and given by
    the other routes. Its '$id' ends with its version."""
    return JSONResponse(alert_schema(), media_type=SCHEMA_MEDIA)


@router.get(
    "/alerts/export",
    summary="Export alerts",
    response_class=StreamingResponse,
    responses=problems(422) | {200: {"description": "All of them", "content": _MEDIA}},
)
async def export_alerts(
    query: Annotated[ExportQuery, Query()], served: Served, caller: Asking
) -> StreamingResponse:
    """All alerts of the caller's cameras that fit, those that began last first, as they are now. An
    ONVIF property has a message for its begin, and one for its end or its last change. Where the
    right to read them ends meanwhile, the answer breaks off."""
    shape = SHAPES[query.format]
    # what the store says of the first ones is still an answer of its own
    first = await _page(served, query, caller, None)
    return StreamingResponse(
        _told(served, query, caller, first, shape),
        media_type=shape.media,
        headers={"Content-Disposition": f'attachment; filename="matakota-{shape.suffix}"'},
    )


async def _page(
    served: Services, query: ExportQuery, caller: Caller, last: StoredAlert | None
) -> Page:
    return await run_in_threadpool(
        served.store.alerts.find,
        only=caller.cameras,
        camera=query.camera,
        kind=query.kind,
        from_ts=query.from_,
        to_ts=query.to,
        before=None if last is None else (last.start_ts, last.id),
        limit=PIECE,
    )


async def _told(
    served: Services, query: ExportQuery, caller: Caller, page: Page, shape: Shape
) -> AsyncIterator[str]:
    yield shape.head
    while page.alerts:
        yield shape.lines(page.alerts)
        if not page.more:
            break
        now = await served.keys.renewed(caller)
        if now is None or not now.may(Permission.ALERTS_READ):
            # an end that looks like one would pass for the whole
            raise ServiceError("the right to read alerts ended while they were exported")
        caller = now
        page = await _page(served, query, caller, page.alerts[-1])
    yield shape.tail
