"""Cameras over HTTP: how each of them is."""

from __future__ import annotations

import time
from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.services import Served, problems
from api.store import StoredCamera
from api.times import TimeOut
from streams.health import Code, State

FRESH_S: Final = 15.0
"""Reports come every few seconds; what is older says nothing about now."""
UNKNOWN: Final = (
    "its worker has not been heard for {age:.0f} s: check that it runs and reaches Redis"
)

router = APIRouter(tags=["cameras"])


class CameraOut(BaseModel):
    """One camera as its worker saw it last."""

    id: str
    name: str
    source: Literal["rtsp", "synthetic"]
    state: Annotated[
        State | Literal["unknown"], Field(description="'unknown' where its worker is not heard.")
    ]
    code: Annotated[Code | None, Field(description="Why, to look up; none while all is well.")]
    message: Annotated[str, Field(description="What it means and what to do; may be empty.")]
    since: Annotated[TimeOut, Field(description="Since when it is in the state last reported.")]
    last_frame: Annotated[TimeOut | None, Field(description="When its last picture was taken.")]
    width: Annotated[int | None, Field(description="Of its pictures, px.")]
    height: Annotated[int | None, Field(description="Of its pictures, px.")]
    analysed: Annotated[int, Field(description="Pictures analysed since its worker started.")]
    dropped: Annotated[int, Field(description="Pictures left out under load since then.")]
    connects: Annotated[int, Field(description="Connections that brought a picture since then.")]
    revision: Annotated[int, Field(description="Number of its scene.")]
    worker: Annotated[str, Field(description="Which worker has it.")]
    age_seconds: Annotated[float, Field(description="Age of the report.")]


class CamerasOut(BaseModel):
    """All cameras, by id."""

    cameras: list[CameraOut]


@router.get("/cameras", summary="Read cameras", responses=problems())
def read_cameras(served: Served) -> CamerasOut:
    """How every camera is, and what to do where something is wrong."""
    now = time.time()
    return CamerasOut(cameras=[_out(camera, now) for camera in served.store.cameras.all()])


def _out(camera: StoredCamera, now: float) -> CameraOut:
    report = camera.report
    age_s = max(0.0, now - camera.seen_at)
    heard = age_s <= FRESH_S
    return CameraOut(
        id=report.camera,
        name=report.name,
        source=report.source,
        state=report.state if heard else "unknown",
        code=report.code if heard else None,
        message=report.message if heard else UNKNOWN.format(age=age_s),
        since=report.since_ts,
        last_frame=report.last_frame_ts,
        width=report.width,
        height=report.height,
        analysed=report.analysed,
        dropped=report.dropped,
        connects=report.connects,
        revision=report.revision,
        worker=camera.worker,
        age_seconds=round(age_s, 1),
    )
