"""The configuration over HTTP: what is drawn on a camera."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field, JsonValue

from api.services import Served, problems
from api.times import TimeOut
from streams.messages import Name

NO_SCENE = "this camera has no such scene: GET /api/v1/cameras shows which one is in force"
MAX_REVISION = (1 << 31) - 1

router = APIRouter(tags=["cameras"])


class SceneOut(BaseModel):
    """One revision of what is drawn on a camera."""

    camera: str
    revision: int
    created: Annotated[TimeOut, Field(description="When it was stored.")]
    scene: Annotated[dict[str, JsonValue], Field(description="As in a scene's file, px.")]


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
    found = served.store.configuration.scene(camera, revision)
    if found is None:
        raise HTTPException(404, NO_SCENE)
    return SceneOut(
        camera=found.camera,
        revision=found.revision,
        created=found.created_at,
        scene=found.document,
    )
