"""Alerts over HTTP: sent in, listed, read and acknowledged."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool

from api.cameras import no_camera
from api.services import Asking, Served, problems, said
from api.sessions import actor_of
from api.store import StoredAlert
from api.times import MaybeTimeIn, TimeIn, TimeOut
from streams.messages import MAX_NAME_CHARS, NO_NUL, AlertMessage, Details, Name
from vision.types import Severity

SCHEMAS: Final = "#/components/schemas/"
MAX_BODY_BYTES: Final = 256 * 1024
MAX_LIMIT: Final = 1000
MAX_POSITION: Final = (1 << 63) - 1
TAKEN: Final = "id: this one cannot be used for an alert of this camera: choose another one"
_ID = r"^[A-Za-z0-9._:-]{1,80}$"
_PLACE = Annotated[str, Field(max_length=MAX_NAME_CHARS, pattern=NO_NUL)]
_POSITIVE = Annotated[int, Field(ge=1, lt=1 << 31)]

router = APIRouter(tags=["alerts"])


class AlertIn(BaseModel):
    """One incident as it is now. Sending it again changes nothing; a higher ``version`` replaces
    what is known of its ``id``."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "gate-7-2026-01-31-001",
                    "camera": "gate-7",
                    "kind": "intrusion",
                    "start": "2026-01-31T07:00:00Z",
                }
            ]
        },
    )

    id: Annotated[str, Field(pattern=_ID, description="Names the incident for ever.")]
    camera: Annotated[Name, Field(description="Id of the camera that saw it.")]
    kind: Annotated[Name, Field(description="What happened, such as intrusion.")]
    start: Annotated[TimeIn, Field(description="When it began.")]
    raised: Annotated[
        MaybeTimeIn, Field(description="When it was noticed; its start by default.")
    ] = None
    end: Annotated[MaybeTimeIn, Field(description="When it was over; none while it lasts.")] = None
    state: Annotated[
        Literal["open", "closed"] | None, Field(description="Closed where it has an end.")
    ] = None
    rule: Annotated[Name | None, Field(description="What noticed it; the kind by default.")] = None
    place: Annotated[_PLACE, Field(description="Name of the zone or line.")] = ""
    severity: Severity = "medium"
    score: Annotated[float, Field(ge=0, le=1, description="How sure it is.")] = 1.0
    details: Annotated[Details, Field(default_factory=dict, description="Why, in any JSON values.")]
    version: Annotated[_POSITIVE, Field(description="Rises with every change.")] = 1
    revision: Annotated[
        int, Field(ge=0, lt=1 << 31, description="Number of the scene it was seen with.")
    ] = 0
    synthetic: Annotated[bool, Field(description="No real camera saw it.")] = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.raised is not None and self.raised < self.start:
            raise ValueError("'raised' must not be before 'start'")
        if self.end is not None and self.end < self.start:
            raise ValueError("'end' must not be before 'start'")
        if self.state is not None and (self.state == "closed") != (self.end is not None):
            raise ValueError("a closed alert must have an 'end', and an open one must not")
        return self

    def message(self) -> AlertMessage:
        return AlertMessage(
            id=self.id,
            version=self.version,
            camera=self.camera,
            kind=self.kind,
            rule=self.rule or self.kind,
            place=self.place,
            severity=self.severity,
            state="open" if self.end is None else "closed",
            start_ts=self.start,
            raised_ts=self.start if self.raised is None else self.raised,
            end_ts=self.end,
            score=self.score,
            details=self.details,
            revision=self.revision,
            synthetic=self.synthetic,
        )


class AlertOut(BaseModel):
    """One incident as it is now."""

    id: str
    version: Annotated[int, Field(description="Rises with every change of the incident.")]
    camera: str
    kind: str
    rule: str
    place: Annotated[str, Field(description="Name of the zone or line; may be empty.")]
    severity: Severity
    state: Annotated[Literal["open", "closed"], Field(description="Whether it still lasts.")]
    start: Annotated[TimeOut, Field(description="When it began.")]
    raised: Annotated[TimeOut, Field(description="When it was noticed.")]
    end: Annotated[TimeOut | None, Field(description="When it was over.")]
    track_ids: Annotated[list[int], Field(description="The camera's numbers of who took part.")]
    score: float
    details: dict[str, Any]
    revision: Annotated[int, Field(description="Number of the scene it was seen with.")]
    synthetic: Annotated[bool, Field(description="No real camera saw it.")]
    stored: Annotated[TimeOut, Field(description="When it came here first.")]
    updated: Annotated[TimeOut, Field(description="When it changed here last.")]
    acknowledged: Annotated[TimeOut | None, Field(description="When somebody took note of it.")]
    acknowledged_by: Annotated[
        str | None, Field(description="Name of that person, or of that program's key.")
    ]
    position: Annotated[int, Field(description="Place of its last change in the event stream.")]

    @staticmethod
    def of(alert: StoredAlert) -> AlertOut:
        return AlertOut(
            id=alert.id,
            version=alert.version,
            camera=alert.camera,
            kind=alert.kind,
            rule=alert.rule,
            place=alert.place,
            severity=alert.severity,
            state=alert.state,
            start=alert.start_ts,
            raised=alert.raised_ts,
            end=alert.end_ts,
            track_ids=list(alert.track_ids),
            score=alert.score,
            details=alert.details,
            revision=alert.revision,
            synthetic=alert.synthetic,
            stored=alert.stored_at,
            updated=alert.updated_at,
            acknowledged=alert.acknowledged_at,
            acknowledged_by=alert.acknowledged_by,
            position=alert.position,
        )


class AlertPage(BaseModel):
    """Some alerts, newest first."""

    alerts: list[AlertOut]
    next: Annotated[
        str | None, Field(description="Send it as 'cursor' for the older ones; none at the end.")
    ]


class AlertQuery(BaseModel):
    """Which alerts."""

    model_config = ConfigDict(extra="forbid")

    camera: Annotated[Name | None, Field(description="Only this camera's.")] = None
    kind: Annotated[Name | None, Field(description="Only this kind.")] = None
    state: Annotated[Literal["open", "closed"] | None, Field(description="Only in this state.")] = (
        None
    )
    acknowledged: Annotated[
        bool | None, Field(description="Only those that somebody took note of, or did not.")
    ] = None
    severity: Annotated[Severity | None, Field(description="Only of this severity.")] = None
    from_: Annotated[
        MaybeTimeIn, Field(alias="from", description="Only those that began then or later.")
    ] = None
    to: Annotated[MaybeTimeIn, Field(description="Only those that began before.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="At most so many.")] = 100
    cursor: Annotated[
        str | None, Field(max_length=400, description="The 'next' of the answer before.")
    ] = None

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.before()
        return self

    def before(self) -> tuple[float, str] | None:
        """The place in the list that the cursor names."""
        return None if self.cursor is None else _read_cursor(self.cursor)


def _cursor(alert: StoredAlert) -> str:
    place = json.dumps([alert.start_ts, alert.id]).encode()
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[float, str]:
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        start_ts, alert_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if isinstance(start_ts, bool) or not math.isfinite(start_ts):
            raise ValueError
        if re.fullmatch(_ID, alert_id) is None:
            raise ValueError
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise ValueError("the cursor is none of ours: send the 'next' of an answer") from None
    return float(start_ts), alert_id


@router.post(
    "/alerts",
    status_code=201,
    response_model=AlertOut,
    summary="State an alert",
    responses=problems(404, 413, 422)
    | {200: {"model": AlertOut, "description": "It is known; this is what is stored"}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": SCHEMAS + "AlertIn"}}},
        }
    },
)
async def state_alert(
    request: Request, response: Response, served: Served, caller: Asking
) -> AlertOut:
    """Store an alert, or a newer version of one. The answer is what is stored afterwards: 201
    where its id was new, otherwise 200. Sending the same again is harmless. Whoever has some
    cameras states alerts of those, under ids that no alert of another camera has."""
    body = await _bounded(request)
    try:
        message = AlertIn.model_validate_json(body).message()
    except ValidationError as error:
        raise HTTPException(422, said(error.errors(include_url=False))) from None
    if not caller.sees(message.camera):
        raise no_camera(message.camera)
    stated = await run_in_threadpool(served.store.alerts.state, message, only=caller.cameras)
    if stated is None:
        raise HTTPException(422, TAKEN)
    if stated.changed:
        served.bell.ring()
    if not stated.created:
        response.status_code = 200
    return AlertOut.of(stated.alert)


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(
                413, f"an alert has at most {MAX_BODY_BYTES} bytes: shorten its 'details'"
            )
    return bytes(body)


@router.get("/alerts", summary="List alerts", responses=problems(422))
def list_alerts(query: Annotated[AlertQuery, Query()], served: Served, caller: Asking) -> AlertPage:
    """Alerts of the caller's cameras; those that began last come first. Paging with 'cursor'
    neither repeats nor skips an alert, whatever is stored meanwhile. Fewer than 'limit' come, with
    a 'next', where their details would be more than 8 MiB."""
    found = served.store.alerts.find(
        only=caller.cameras,
        camera=query.camera,
        kind=query.kind,
        state=query.state,
        severity=query.severity,
        acknowledged=query.acknowledged,
        from_ts=query.from_,
        to_ts=query.to,
        before=query.before(),
        limit=query.limit,
    )
    return AlertPage(
        alerts=[AlertOut.of(alert) for alert in found.alerts],
        next=_cursor(found.alerts[-1]) if found.more else None,
    )


class StreamQuery(BaseModel):
    """Where in the stream to begin."""

    model_config = ConfigDict(extra="forbid")

    last_event_id: Annotated[
        int | None,
        Field(ge=0, le=MAX_POSITION, description="As the header Last-Event-ID, which wins."),
    ] = None


# Before /alerts/{id}, which would take it for an id.
@router.get(
    "/alerts/stream",
    summary="Follow alerts",
    response_class=StreamingResponse,
    responses=problems(422)
    | {200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}},
)
async def follow_alerts(
    served: Served,
    caller: Asking,
    query: Annotated[StreamQuery, Query()],
    last_event_id: Annotated[
        str | None, Header(description="Go on after this event; none begins with what comes now.")
    ] = None,
) -> StreamingResponse:
    """Server-sent events 'alert', one for each change of an alert of the caller's cameras, in the
    order in which the changes were stored; their data is the alert as it is then or later. Whoever
    goes on after the last id misses nothing. A stream follows the caller's rights: it leaves out
    cameras that are taken from them within seconds, and ends when it may be read no more."""
    after = query.last_event_id
    if last_event_id:
        if re.fullmatch(r"[0-9]{1,19}", last_event_id) is None or int(last_event_id) > MAX_POSITION:
            raise HTTPException(422, "Last-Event-ID: send the id of an event of this stream")
        after = int(last_event_id)
    last = await run_in_threadpool(served.store.alerts.position)
    # An id from beyond the end is of a store that is gone: everything here is new to its owner.
    after = last if after is None else after if after <= last else 0
    return StreamingResponse(
        served.feed.events(after, lambda: served.keys.renewed(caller)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/alerts/{alert_id}", summary="Read an alert", responses=problems(404, 422))
def read_alert(alert_id: str, served: Served, caller: Asking) -> AlertOut:
    get = served.store.alerts.get
    return _found(get(alert_id, only=caller.cameras) if _is_id(alert_id) else None, alert_id)


@router.post(
    "/alerts/{alert_id}/acknowledge", summary="Take note of an alert", responses=problems(404, 422)
)
def acknowledge_alert(alert_id: str, request: Request, served: Served, caller: Asking) -> AlertOut:
    """Keep who took note of it, by the name of the person or of the key, and when. The first one
    stays."""
    alert = None
    if _is_id(alert_id):
        acknowledge = served.store.alerts.acknowledge
        alert = acknowledge(alert_id, actor_of(request), only=caller.cameras)
    found = _found(alert, alert_id)
    served.bell.ring()
    return found


def _is_id(text: str) -> bool:
    return re.fullmatch(_ID, text) is not None


def _found(alert: StoredAlert | None, alert_id: str) -> AlertOut:
    if alert is None:
        raise HTTPException(
            404, f"there is no alert {alert_id[:80]!a}: GET /api/v1/alerts lists those that are"
        )
    return AlertOut.of(alert)
