"""Evidence over HTTP: what workers send and fetch, and what people are shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.alerts import no_alert
from api.bodies import described, small
from api.evidence.answers import ItemOut, ItemsOut, LaterOut, MissingIn, TakenOut, alert_of
from api.evidence.ranges import wanted_piece
from api.evidence.refusals import UnfitError
from api.evidence.room import Opened, Taken
from api.evidence.transfer import Sent, sent
from api.services import Asking, Served, Services, problems
from api.sessions import actor_of
from api.store.evidence_items import Item
from streams.evidenceform import CONTENT_TYPE, Form, Head

OTHER_HEAD: Final = "the first line names another {what} than the address: send it where it belongs"
OTHER_PARTS: Final = "send {wanted} here, and no other parts"
ORIGINAL, MATERIAL = "evidence.original", "evidence.material"
"""What the record calls it when somebody is given what the camera sent."""

SUFFIXES: Final = {"image/jpeg": "jpg", "video/mp4": "mp4", "video/quicktime": "mov"}

router = APIRouter(tags=["evidence"])


_PACKED: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_TAKEN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": TakenOut, "description": "The same was there already"},
    **problems(404, 408, 409, 410, 413, 422, 507),
}


@router.get(
    "/alerts/{alert_id}/evidence", summary="List an alert's evidence", responses=problems(404, 422)
)
def list_evidence(alert_id: str, served: Served, caller: Asking) -> ItemsOut:
    """What shows what happened, and why it does not."""
    alert_of(served, caller, alert_id)
    return ItemsOut(items=[ItemOut.of(item, served) for item in served.room.items(alert_id)])


@router.post(
    "/alerts/{alert_id}/evidence/{form}",
    status_code=201,
    response_model=TakenOut,
    summary="Send evidence",
    responses=_TAKEN,
    openapi_extra=_PACKED,
)
async def take_evidence(
    alert_id: str, form: Form, request: Request, served: Served, caller: Asking
) -> Response:
    """One line of JSON that says what follows, then the bytes of original, boxes and, where there
    is one, masked copy. 409 where another original is kept already, which stays."""
    parts = {"original", "boxes"}
    return await _taken(request, served, caller, alert_id, form, parts, served.room.take)


@router.post(
    "/alerts/{alert_id}/evidence/{form}/copy",
    status_code=201,
    response_model=TakenOut,
    summary="Send a masked copy",
    responses=_TAKEN,
    openapi_extra=_PACKED,
)
async def take_copy(
    alert_id: str, form: Form, request: Request, served: Served, caller: Asking
) -> Response:
    """The same with the copy alone, of what is kept already. The first copy stays."""
    take = served.room.take_copy
    return await _taken(request, served, caller, alert_id, form, {"copy"}, take)


async def _taken(
    request: Request,
    served: Services,
    caller: Caller,
    alert_id: str,
    form: Form,
    wanted: set[str],
    take: Callable[..., Taken],
) -> Response:
    alert = await run_in_threadpool(alert_of, served, caller, alert_id)

    def fits(head: Head) -> None:
        if head.alert != alert_id or head.form != form:
            raise UnfitError(OTHER_HEAD.format(what="alert or form"))
        if head.camera != alert.camera:
            # of whose camera it is, nobody hears
            raise no_alert(alert_id)
        names = {part.name for part in head.parts}
        if names not in (wanted, {*wanted, "copy"}):
            raise UnfitError(OTHER_PARTS.format(wanted=" and ".join(sorted(wanted))))

    taken = await served.intake.take(request, fits, take)
    return JSONResponse({"sha256": taken.sha256}, 201 if taken.created else 200)


@router.post(
    "/alerts/{alert_id}/evidence/{form}/missing",
    status_code=204,
    summary="Say that there is no evidence",
    responses=problems(404, 413, 422),
    openapi_extra=described(MissingIn),
)
def miss_evidence(
    alert_id: str,
    form: Form,
    said: Annotated[MissingIn, Depends(small(MissingIn))],
    served: Served,
    caller: Asking,
) -> Response:
    """Shown with the alert until it comes."""
    if alert_of(served, caller, alert_id).camera != said.camera:
        raise no_alert(alert_id)
    served.room.missing(alert_id, said.camera, form, said.why)
    return Response(status_code=204)


_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_SHOWN: Final[dict[str, Any]] = dict.fromkeys(("image/jpeg", "video/mp4"), _BINARY)
_SENT: Final[dict[str, Any]] = dict.fromkeys(SUFFIXES, _BINARY)


@router.get(
    "/alerts/{alert_id}/evidence/{form}/material",
    response_class=Response,
    summary="Fetch what masks evidence",
    responses=problems(404, 410, 422)
    | {
        200: {"description": "Original and boxes, as they were sent", "content": {CONTENT_TYPE: {}}}
    },
)
async def read_material(
    alert_id: str, form: Form, request: Request, served: Served, caller: Asking
) -> Response:
    """For a worker that makes the masked copy. It stands in the record."""
    await run_in_threadpool(alert_of, served, caller, alert_id)
    packed = await served.reading.run(served.room.material, alert_id, form)
    await _trace(request, served, MATERIAL, alert_id, form)
    line = packed.head.encode()

    def chunks() -> Any:
        yield line
        yield from packed.chunks

    may_still = allowed(served, caller, packed.head.camera, Permission.EVIDENCE_MASK)
    return Sent(
        sent(chunks(), may_still, served.reading), media_type=CONTENT_TYPE,
        headers={**_PRIVATE, "Content-Length": str(packed.size)},
    )  # fmt: skip


@router.get(
    "/alerts/{alert_id}/evidence/{form}/copy",
    response_class=Response,
    summary="See evidence, masked",
    responses=problems(404, 410, 416, 422)
    | {
        200: {"description": "Picture or clip in which nobody is known", "content": _SHOWN},
        202: {"model": LaterOut, "description": "It is being made: ask again"},
        206: {"description": "The bytes that were asked for", "content": _SHOWN},
    },
)
async def read_copy(
    alert_id: str,
    form: Form,
    served: Served,
    caller: Asking,
    range_: Annotated[str | None, Header(alias="Range", description="One range of bytes.")] = None,
    if_range: Annotated[str | None, Header(description="Only of this version.")] = None,
) -> Response:
    """The copy in which heads and plates cannot be made out. It is made when it is first asked for,
    by a worker, which takes a while."""
    alert = await run_in_threadpool(alert_of, served, caller, alert_id)
    items = await run_in_threadpool(served.room.items, alert_id)
    item = next((each for each in items if each.form == form), None)
    if item is not None and item.state == "stored" and item.copied is None:
        return _not_yet(served, item)
    opened = await served.reading.run(served.room.read, alert_id, form, "copy")
    etag = f'"{opened.sha256}"'
    piece = wanted_piece(range_, if_range, etag, opened.size)
    headers = {**_PRIVATE, "ETag": etag, "Accept-Ranges": "bytes"}
    if piece is None:
        beyond = {"Content-Range": f"bytes */{opened.size}"}
        raise HTTPException(416, f"it has {opened.size} bytes: ask for some of them", beyond)
    headers["Content-Length"] = str(piece.length)
    if piece.partial:
        headers["Content-Range"] = piece.said
    may_still = allowed(served, caller, alert.camera, Permission.EVIDENCE_SEE)
    return Sent(
        sent(opened.chunks(piece.start, piece.length), may_still, served.reading),
        status_code=206 if piece.partial else 200,
        media_type=opened.media,
        headers=headers,
    )


def _not_yet(served: Services, item: Item) -> Response:
    wanted = served.masks.want(item)
    later = {"Retry-After": str(max(1, round(wanted.again_s)))}
    match wanted.state:
        case "asked":
            return JSONResponse({"detail": wanted.why}, 202, later)
        case "waits":
            raise HTTPException(503, wanted.why, later)
        case "failed":
            raise HTTPException(404, wanted.why, later)


@router.get(
    "/alerts/{alert_id}/evidence/{form}/original",
    response_class=Response,
    summary="See evidence as it was sent",
    responses=problems(404, 410, 422)
    | {200: {"description": "What the camera sent, not masked", "content": _SENT}},
)
async def read_original(
    alert_id: str, form: Form, request: Request, served: Served, caller: Asking
) -> Response:
    """Everybody in it can be known by it: who asks for it stands in the record, before the first
    byte is sent."""
    alert = await run_in_threadpool(alert_of, served, caller, alert_id)
    opened: Opened = await served.reading.run(served.room.read, alert_id, form, "original")
    await _trace(request, served, ORIGINAL, alert_id, form)
    plain = "".join(each if each.isalnum() else "-" for each in alert_id)
    name = f"{plain}-{form}-original.{SUFFIXES[opened.media]}"
    may_still = allowed(served, caller, alert.camera, Permission.EVIDENCE_ORIGINAL)
    return Sent(
        sent(opened.chunks(), may_still, served.reading),
        media_type=opened.media,
        headers={
            **_PRIVATE,
            "Content-Length": str(opened.size),
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


_PRIVATE: Final[Mapping[str, str]] = {
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
}


async def _trace(
    request: Request, served: Services, action: str, alert_id: str, form: Form
) -> None:
    """Keep who is given what the camera sent. Raises StoreError where that cannot be kept, so that
    nothing is given."""
    add = served.store.audit.add
    await run_in_threadpool(add, actor_of(request), action, "evidence", alert_id, {"form": form})


def allowed(
    served: Services, caller: Caller, camera: str, permission: Permission
) -> Callable[[], Awaitable[bool]]:
    """Whether who asked may still see it."""

    async def ask() -> bool:
        now = await served.keys.renewed(caller)
        return now is not None and now.may(permission) and now.sees(camera)

    return ask
