"""Live pictures over HTTP: one, many one after the other, or those of a whole page; and one picture
from an address that is not configured yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.concurrency import run_in_threadpool
from starlette.types import Send

from api.access import Caller
from api.auth import NO_CAMERA
from api.cameras import (
    FRESH_S,
    NO_ANSWER,
    NOT_READABLE,
    CameraOut,
    all_cameras,
    cameras_of,
    worker_of,
)
from api.feed import Renew
from api.live import TOO_MANY, CrowdedError, Shown, Viewer
from api.services import Asking, Problem, Served, Services, problems
from api.times import iso
from api.wall import STALLED_S, STEP_S, WallPage, viewer_of
from streams.address import MAX_CHARS, parse_address
from streams.commands import Try
from streams.drawing import Still, Taken
from streams.health import Code
from streams.messages import MessageError, Name
from vision.errors import CameraError

SNAPSHOT_S: Final = 5.0
BOUNDARY: Final = "picture"
NO_PICTURE: Final = "no picture came within {wait:g} s: {why}"
NO_REASON: Final = "the camera is {state}, so ask again; see the worker's log if that does not help"
NO_WORKER: Final = (
    "no worker is heard that could try it: start 'matakota worker', or check that it reaches Redis"
)
NOT_HEARD: Final = "that worker is not heard: GET /api/v1/workers lists those that are"

router = APIRouter(tags=["pictures"])


class TryIn(BaseModel):
    """An address to get a picture from."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_CHARS,
            description="As in a city's file, without a login.",
            examples=["rtsp://10.0.0.7/stream1"],
        ),
    ]
    login: Annotated[
        str | None,
        Field(min_length=1, max_length=80, description="Its name in the worker's credentials."),
    ] = None
    worker: Annotated[Name | None, Field(description="Which worker tries; none for any.")] = None
    timeout_seconds: Annotated[float, Field(ge=1, le=30)] = 10.0

    @field_validator("source")
    @classmethod
    def _is_address(cls, source: str) -> str:
        try:
            parse_address(source)
        except CameraError as error:
            raise ValueError(str(error)) from None
        return source


class TriedOut(BaseModel):
    """What came of it."""

    ok: Annotated[bool, Field(description="Whether a picture came.")]
    code: Annotated[Code | None, Field(description="Why none came, to look up.")]
    message: Annotated[str, Field(description="What came, or why not and what to do.")]
    width: Annotated[int | None, Field(description="Of the picture, px.")]
    height: Annotated[int | None, Field(description="Of the picture, px.")]
    worker: Annotated[str, Field(description="Which worker tried.")]


# Before whatever else takes a camera's id there.
@router.post(
    "/cameras/try",
    summary="Try an address",
    responses=problems(422)
    | {
        503: {"model": Problem, "description": "No worker can try it now"},
        504: {"model": Problem, "description": "The worker did not answer in time"},
    },
)
async def try_address(asked: TryIn, served: Served) -> TriedOut:
    """Have a worker get one picture from an address, which must lie in its city's networks. What
    is wrong with the address is an answer too."""
    worker = _trying(served, asked.worker)
    wanted = Try(source=asked.source, login=asked.login, timeout_s=asked.timeout_seconds)
    try:
        tried = await served.tries.ask(worker, wanted)
    except MessageError:
        raise HTTPException(504, NOT_READABLE) from None
    if tried is None:
        raise HTTPException(504, NO_ANSWER)
    return TriedOut(
        ok=tried.ok,
        code=tried.code,
        message=tried.message,
        width=tried.width,
        height=tried.height,
        worker=worker,
    )


def _trying(served: Services, name: str | None) -> str:
    """Who tries: the worker of that name, or the one that has least to do."""
    now_s = time.monotonic()
    fresh = [heard.report for heard in served.ingest.workers if now_s - heard.at_s <= FRESH_S]
    able = [report for report in fresh if name in {None, report.worker}]
    if not able:
        raise HTTPException(503, NO_WORKER if name is None else NOT_HEARD)
    return min(able, key=lambda report: (len(report.cameras), report.worker)).worker


_JPEG: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The picture",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            "X-Captured": {
                "description": "When it was taken.",
                "schema": {"type": "string", "format": "date-time"},
            }
        },
    },
    503: {"model": Problem, "description": "No picture comes now; it says why"},
    504: {"model": Problem, "description": "The worker did not answer in time"},
}


@router.get(
    "/cameras/{camera}/snapshot",
    summary="Get a picture",
    response_class=Response,
    responses=problems(404, 422) | _JPEG,
)
async def read_snapshot(
    camera: Name,
    served: Served,
    caller: Asking,
    plain: Annotated[
        bool, Query(description="The picture as it is, up to 1920 px wide, to draw on.")
    ] = False,
) -> Response:
    """What the camera sees now, with everything that is drawn on it, or without."""
    await _known(served, camera, caller)
    if plain:
        taken = await take(served, Still(camera=camera, timeout_s=SNAPSHOT_S))
        return _jpeg(taken.jpeg, taken.ts or 0.0)
    with served.hub.watch(camera) as viewer:
        shown = await _one(served, viewer)
    if shown is None:
        known = await _known(served, camera, caller)
        why = known.message or NO_REASON.format(state=known.state)
        raise HTTPException(503, NO_PICTURE.format(wait=SNAPSHOT_S, why=why))
    return _jpeg(shown.picture.jpeg, shown.picture.ts)


def _jpeg(jpeg: bytes, ts: float) -> Response:
    headers = {"Cache-Control": "no-store", "X-Captured": iso(ts)}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


async def take(served: Services, wanted: Still) -> Taken:
    """What the camera's worker takes. Raises HTTPException where nothing comes of it."""
    try:
        taken = await served.stills.ask(worker_of(served, wanted.camera), wanted)
    except MessageError:
        raise HTTPException(504, NOT_READABLE) from None
    if taken is None:
        raise HTTPException(504, NO_ANSWER)
    if not taken.ok:
        raise HTTPException(503, taken.message)
    return taken


async def _one(served: Services, viewer: Viewer) -> Shown | None:
    until_s = time.monotonic() + SNAPSHOT_S
    while not served.bell.closed and (left_s := until_s - time.monotonic()) > 0:
        if (shown := await viewer.next(min(left_s, STEP_S))) is not None:
            return shown
    return None


_MOTION: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "JPEG pictures without end, each with the time when it was taken",
        "content": {"multipart/x-mixed-replace": {"schema": {"type": "string"}}},
    },
    503: {"model": Problem, "description": "As many live pictures are viewed as can be"},
}


class Motion(StreamingResponse):
    """Pictures one after the other, for as long as somebody takes them."""

    media_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"

    def __init__(self, parts: AsyncGenerator[bytes], headers: Mapping[str, str]) -> None:
        super().__init__(parts, headers=headers)
        self._parts = parts

    async def stream_response(self, send: Send) -> None:
        async def bounded(message: Any) -> None:
            async with asyncio.timeout(STALLED_S):
                await send(message)

        # whoever is gone views nothing from this moment on
        async with aclosing(self._parts):
            with suppress(TimeoutError):
                await super().stream_response(bounded)


@router.get(
    "/cameras/{camera}/live",
    summary="Follow a camera",
    response_class=StreamingResponse,
    responses=problems(404, 422) | _MOTION,
)
async def follow_camera(camera: Name, served: Served, caller: Asking) -> Motion:
    """The camera's pictures as they come, as MJPEG: an <img> shows them. Whoever is slow gets
    fewer. A camera that is down sends none, and goes on when it is back. It ends when the right to
    see it does."""
    await _known(served, camera, caller)
    if served.hub.room < 1:
        raise CrowdedError(TOO_MANY)
    return Motion(
        _parts(served, camera, lambda: served.keys.renewed(caller)),
        {"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _parts(served: Services, camera: str, renew: Renew) -> AsyncGenerator[bytes]:
    # a browser shows a part when it sees the next boundary: so each is sent with its end
    yield f"--{BOUNDARY}\r\n".encode()
    with suppress(CrowdedError), served.hub.watch(camera) as viewer:
        while True:
            shown = await viewer.next(STEP_S)
            who = await viewer_of(renew)
            if served.bell.closed or who is None or not who.sees(camera):
                return
            if shown is not None:
                picture = shown.picture
                head = (
                    f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\n"
                    f"X-Captured: {iso(picture.ts)}\r\n\r\n"
                )
                yield head.encode() + picture.jpeg + f"\r\n--{BOUNDARY}\r\n".encode()


async def _known(served: Services, camera: str, caller: Caller) -> CameraOut:
    cameras = cameras_of(caller, await run_in_threadpool(all_cameras, served))
    found = next((each for each in cameras if each.id == camera), None)
    if found is None:
        raise HTTPException(404, NO_CAMERA.detail)
    return found


@router.websocket("/live")
async def follow_cameras(socket: WebSocket, served: Served, caller: Asking) -> None:
    """Live pictures of many cameras for one page.

    The page sends ``{"cameras": [ids]}``, up to 64, whenever they change. It gets binary messages,
    one a picture: the length of a head (4 bytes, big-endian), the head ``{"camera", "age",
    "width", "height"}`` (seconds, px), the JPEG; and once a second, and after a change, a text
    ``{"cameras": {id: {"state", "code", "age", "unheard", "message"}}}``, whose age is that of the
    last picture that was analysed, seen or not, and unheard since when its worker has not been
    heard. Whoever is slow gets fewer pictures. A camera that is not the caller's, or not any more,
    is as one that no worker has.
    """
    await socket.accept()
    with served.hub.watch() as viewer:
        page = WallPage(socket, served, viewer, lambda: served.keys.renewed(caller))
        tasks = [asyncio.create_task(page.listen()), asyncio.create_task(page.speak())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    code, reason = next(iter(done)).result()
    if code is not None:
        with suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
            async with asyncio.timeout(STEP_S):
                await socket.close(code, reason)
