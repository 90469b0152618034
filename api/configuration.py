"""What is drawn on a camera, over HTTP: each revision of its scene, whether a new one is right, and
the next one.

Whoever draws says on which revision; who comes second gets 409, hears who was first, and has
changed nothing.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool

from api.bodies import SCENE_BYTES, described, small
from api.cameras import NO_ANSWER, NOT_READABLE, no_camera, size_of, worker_of
from api.lifecycle import MAX_NOTE_CHARS
from api.services import Served, Services, problems
from api.sessions import actor_of
from api.store import SceneChangedError, StoredScene
from api.times import TimeOut, local
from api.tries import TooManyTriesError
from streams.drawing import Check, Checked
from streams.messages import NO_NUL, MessageError, Name
from streams.scenefile import scene_of
from vision.errors import BusError, SceneError
from vision.scene_check import check_scene

NO_SCENE = "this camera has no such scene: GET /api/v1/cameras shows which one is in force"
UNCHECKED: Final = "not tried with the camera's model: {why}"
MAX_REVISION = (1 << 31) - 1
MAX_LISTED: Final = 500
_LABEL: Final = "scene"

router = APIRouter(tags=["cameras"])
_Document = Annotated[dict[str, JsonValue], Field(description="As in a scene's file, px.")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SceneIn(_In):
    """What is to be drawn on a camera from now on."""

    base: Annotated[
        int,
        Field(ge=0, le=MAX_REVISION, description="The revision on which it was drawn; 0 on none."),
    ]
    scene: _Document
    note: Annotated[
        str | None,
        Field(max_length=MAX_NOTE_CHARS, pattern=NO_NUL, description="Why, for the others."),
    ] = None


class CheckIn(_In):
    """What may be drawn on a camera."""

    scene: _Document


BODIES: Final = (SceneIn, CheckIn)
"""Those that their routes read themselves."""


class DrawnOut(BaseModel):
    """One revision of a scene, without what is drawn."""

    revision: int
    created: Annotated[TimeOut, Field(description="When it was stored.")]
    by: Annotated[
        str | None, Field(description="Name of the person or key; none where nobody wrote it down.")
    ]
    note: Annotated[str | None, Field(description="Why.")]
    in_force: Annotated[bool, Field(description="Whether the camera is to be watched by it.")]


class HistoryOut(BaseModel):
    """Revisions of a scene, newest first."""

    scenes: list[DrawnOut]
    more: Annotated[bool, Field(description="Whether there are older ones: ask with 'before'.")]


class SceneOut(BaseModel):
    """One revision of what is drawn on a camera."""

    camera: str
    revision: int
    created: Annotated[TimeOut, Field(description="When it was stored.")]
    by: Annotated[
        str | None, Field(description="Name of the person or key; none where nobody wrote it down.")
    ]
    note: Annotated[str | None, Field(description="Why.")]
    scene: _Document

    @staticmethod
    def of(found: StoredScene) -> SceneOut:
        return SceneOut(
            camera=found.camera,
            revision=found.revision,
            created=found.created_at,
            by=found.by,
            note=found.note,
            scene=found.document,
        )


class TakenOut(SceneOut):
    """The revision that is in force now."""

    unchecked: Annotated[
        str | None, Field(description="Why the camera's worker did not try it; none where it did.")
    ] = None


class FirstOut(BaseModel):
    """Somebody was first."""

    detail: Annotated[str, Field(description="Who that was, and what to do.")]
    revision: Annotated[int, Field(description="What is in force now; 0 for no scene.")]
    created: Annotated[TimeOut | None, Field(description="Since when.")]
    by: Annotated[str | None, Field(description="Name of the person or key.")]
    note: Annotated[str | None, Field(description="Why.")]


class MistakeOut(BaseModel):
    """What is wrong with a scene."""

    text: Annotated[str, Field(description="One sentence: what is wrong and what to do about it.")]
    where: Annotated[
        list[str | int],
        Field(description="The way to it, by names and numbers.", examples=[["zones", 0]]),
    ]


class CheckedOut(BaseModel):
    """Whether a scene is right."""

    ok: Annotated[bool, Field(description="Whether it can be used.")]
    error: Annotated[MistakeOut | None, Field(description="The first thing that is wrong.")]
    warnings: Annotated[list[str], Field(description="What is right and cannot work.")]
    unchecked: Annotated[
        str | None, Field(description="Why the camera's worker did not try it; none where it did.")
    ]


class HistoryQuery(BaseModel):
    """Which revisions."""

    model_config = ConfigDict(extra="forbid")

    before: Annotated[
        int | None, Field(ge=1, le=MAX_REVISION, description="Those older than this one.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = 100


@router.get("/cameras/{camera}/scene", summary="Read a scene", responses=problems(404, 422))
def read_scene(
    served: Served,
    camera: Name,
    revision: Annotated[
        int | None,
        Query(ge=1, le=MAX_REVISION, description="That of an alert or a count; else the present."),
    ] = None,
) -> SceneOut:
    """The lines, zones and rules of a camera, as they are or as they were under a revision."""
    found = served.store.scenes.get(camera, revision)
    if found is None:
        raise HTTPException(404, NO_SCENE)
    return SceneOut.of(found)


@router.get("/cameras/{camera}/scenes", summary="List scenes", responses=problems(404, 422))
def list_scenes(
    served: Served, camera: Name, query: Annotated[HistoryQuery, Query()]
) -> HistoryOut:
    """Every revision of what was drawn on a camera, newest first: who drew it, when and why."""
    found = served.store.scenes.history(camera, before=query.before, limit=query.limit)
    if found is None:
        raise no_camera(camera)
    return HistoryOut(
        scenes=[
            DrawnOut(
                revision=each.revision,
                created=each.created_at,
                by=each.by,
                note=each.note,
                in_force=each.in_force,
            )
            for each in found.drawn
        ],
        more=found.more,
    )


_DRAWN: Final[dict[int | str, dict[str, Any]]] = {
    409: {"model": FirstOut, "description": "Somebody was first: look again, then decide"}
}


@router.put(
    "/cameras/{camera}/scene",
    summary="Draw a scene",
    response_model=TakenOut,
    responses=problems(404, 409, 413, 422) | _DRAWN,
    openapi_extra=described(SceneIn),
)
async def draw_scene(
    camera: Name,
    wish: Annotated[SceneIn, Depends(small(SceneIn, SCENE_BYTES))],
    request: Request,
    served: Served,
) -> TakenOut | Response:
    """Put a scene in force as the next revision; its worker takes it within seconds. What is in
    force already is not stored again. To undo, send what an earlier revision had."""
    await run_in_threadpool(refuse_mistakes, wish.scene, size_of(served, camera))
    checked, unchecked = await _tried(served, camera, wish.scene)
    if not checked.ok:
        raise HTTPException(422, checked.message)
    try:
        drawn = await run_in_threadpool(
            served.store.scenes.draw,
            camera, wish.scene, actor_of(request), base=wish.base, note=wish.note or None,
        )  # fmt: skip
    except SceneChangedError as error:
        return JSONResponse(_first(error).model_dump(mode="json"), 409)
    if drawn is None:
        raise no_camera(camera)
    return TakenOut(**dict(SceneOut.of(drawn)), unchecked=unchecked)


@router.post(
    "/cameras/{camera}/scene/check",
    summary="Check a scene",
    responses=problems(404, 413, 422),
    openapi_extra=described(CheckIn),
)
async def check_drawn(
    camera: Name,
    wish: Annotated[CheckIn, Depends(small(CheckIn, SCENE_BYTES))],
    served: Served,
) -> CheckedOut:
    """What 'matakota scene check' says of a scene, and the camera's worker. Changes nothing."""
    if not await run_in_threadpool(served.store.cameras.known, camera):
        raise no_camera(camera)
    size = size_of(served, camera)
    mistake, warnings = await run_in_threadpool(_checked, wish.scene, size)
    if mistake is not None:
        return CheckedOut(ok=False, error=mistake, warnings=warnings, unchecked=None)
    checked, unchecked = await _tried(served, camera, wish.scene)
    return CheckedOut(
        ok=checked.ok,
        error=None if checked.ok else MistakeOut(text=checked.message, where=[]),
        warnings=warnings,
        unchecked=unchecked,
    )


async def _tried(
    served: Services, camera: str, document: dict[str, JsonValue]
) -> tuple[Checked, str | None]:
    """What the camera's worker says of a scene, or why it says nothing: then nothing is held
    against the scene."""
    try:
        found = await served.checks.ask(
            worker_of(served, camera), Check(camera=camera, scene=document)
        )
        why = NO_ANSWER
    except HTTPException as error:
        found, why = None, str(error.detail)
    except MessageError:
        found, why = None, NOT_READABLE
    except (BusError, TooManyTriesError) as error:
        found, why = None, str(error)
    return (Checked(ok=True), UNCHECKED.format(why=why)) if found is None else (found, None)


def refuse_mistakes(document: dict[str, JsonValue], size: tuple[int, int] | None = None) -> None:
    """Raise HTTPException for a scene that cannot be used, or not on pictures of that ``size``."""
    mistake = _checked(document, size)[0]
    if mistake is not None:
        path = ".".join(map(str, ("scene", *mistake.where)))
        raise HTTPException(422, f"{path}: {mistake.text}")


def _checked(
    document: dict[str, JsonValue], size: tuple[int, int] | None
) -> tuple[MistakeOut | None, list[str]]:
    """The first mistake in a scene, or the warnings about one that has none."""
    try:
        scene = scene_of(document, _LABEL)
    except SceneError as error:
        way = re.findall(r"[^.\[\]]+", error.field)
        where = [int(part) if part.isdecimal() else part for part in way]
        return MistakeOut(text=error.problem or str(error), where=where), []
    try:
        if size is not None:
            scene.scale_from(size)
    except SceneError as error:
        return MistakeOut(text=str(error), where=["frame_size"]), []
    return None, check_scene(scene)


def _first(error: SceneChangedError) -> FirstOut:
    now = error.now
    if now is None:
        said = (
            f"the camera has no scene any more: load that, or draw on none (base {error.revision})"
        )
        return FirstOut(detail=said, revision=error.revision, created=None, by=None, note=None)
    who = "somebody" if now.by is None else now.by
    said = (
        f"{who} drew revision {now.revision} at {local(now.created_at):%Y-%m-%d %H:%M} WITA, after "
        "the one that this was drawn on: load it, then decide"
    )
    return FirstOut(
        detail=said, revision=now.revision, created=now.created_at, by=now.by, note=now.note
    )
