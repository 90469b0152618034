"""Alerts over HTTP: sent in, listed, read and acknowledged."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool

from api.alert_bodies import ALERT_ID, AlertIn, AlertOut
from api.bodies import MAX_BODY_BYTES, bounded, described
from api.cameras import no_camera
from api.lifecycle import Status
from api.services import Asking, Served, problems, said
from api.sessions import actor_of
from api.store import StoredAlert
from api.times import MaybeTimeIn
from streams.messages import CANARY, SYSTEM_CAMERA, Name
from vision.types import Severity

MAX_LIMIT: Final = 1000
MAX_POSITION: Final = (1 << 63) - 1
OWN: Final = (
    f"kind: alerts of kind {CANARY} show that Redis is open, which this is not: name another kind"
)
TAKEN: Final = "id: this one cannot be used for an alert of this camera: choose another one"
__all__ = ["AlertIn", "AlertOut", "router"]

router = APIRouter(tags=["alerts"])


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
    status: Annotated[Status | None, Field(description="Only of this status.")] = None
    assigned_to: Annotated[
        Name | None, Field(description="Only what this person is to see to.")
    ] = None
    merged: Annotated[
        bool | None, Field(description="Only what is a part of another one, or is not.")
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
        if re.fullmatch(ALERT_ID, alert_id) is None:
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
    openapi_extra=described(AlertIn),
)
async def state_alert(
    request: Request, response: Response, served: Served, caller: Asking
) -> AlertOut:
    """Store an alert, or a newer version of one. The answer is what is stored afterwards: 201
    where its id was new, otherwise 200. Sending the same again is harmless. Whoever has some
    cameras states alerts of those, under ids that no alert of another camera has; nobody states one
    under the id of what a person opened."""
    body = await bounded(
        request,
        MAX_BODY_BYTES,
        f"an alert has at most {MAX_BODY_BYTES} bytes: shorten its 'details'",
    )
    try:
        asked = AlertIn.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, said(error.errors(include_url=False))) from None
    message = asked.message()
    # of itself the program speaks alone: whoever else did could end or hide what it says
    if message.camera == SYSTEM_CAMERA or not caller.sees(message.camera):
        raise no_camera(message.camera)
    if message.kind == CANARY:
        raise HTTPException(422, OWN)
    stated = await run_in_threadpool(
        served.store.alerts.state, message, only=caller.cameras, hops={message.key: asked.hops}
    )
    if stated is None:
        raise HTTPException(422, TAKEN)
    if stated.changed:
        served.bell.ring()
    if not stated.created:
        response.status_code = 200
    return AlertOut.of(stated.alert)


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
        status=query.status,
        assigned_to=query.assigned_to,
        merged=query.merged,
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
    return found_or_404(get(alert_id, only=caller.cameras) if is_id(alert_id) else None, alert_id)


@router.post(
    "/alerts/{alert_id}/acknowledge", summary="Take note of an alert", responses=problems(404, 422)
)
def acknowledge_alert(alert_id: str, request: Request, served: Served, caller: Asking) -> AlertOut:
    """Keep who took note of it, by the name of the person or of the key, and when. The first one
    stays."""
    alert = None
    if is_id(alert_id):
        only = caller.cameras
        served.store.cases.acknowledge([alert_id], actor_of(request), only=only)
        alert = served.store.alerts.get(alert_id, only=only)
    found = found_or_404(alert, alert_id)
    served.bell.ring()
    return found


def is_id(text: str) -> bool:
    return re.fullmatch(ALERT_ID, text) is not None


def found_or_404(alert: StoredAlert | None, alert_id: str) -> AlertOut:
    if alert is None:
        raise no_alert(alert_id)
    return AlertOut.of(alert)


def no_alert(alert_id: str) -> HTTPException:
    """Of one that is of a camera that is not the caller's, nobody hears whether there is one."""
    return HTTPException(
        404, f"there is no alert {alert_id[:80]!a}: GET /api/v1/alerts lists those that are"
    )
