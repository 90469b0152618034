"""Cameras over HTTP: how each of them is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Final, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from api.access import Caller, Permission
from api.i18n import N_
from api.services import Asking, Served, Services, problems
from api.store import ConfiguredCamera, StoredCamera
from api.times import TimeOut
from streams.health import Code, State

FRESH_S: Final = 15.0
"""Reports come every few seconds; what is older says nothing about now."""
UNKNOWN: Final = N_(
    "its worker has not been heard for %(age)d s: check that it runs and reaches Redis"
)
NOBODY: Final = N_(
    "no worker has this camera: check that one runs, and see its log for why it has not taken the "
    "configuration"
)
NOT_ITS_OWN: Final = N_(
    "no worker has this camera: start the one that is to have it, 'matakota worker --name "
    "%(worker)s'"
)

NO_WORKER: Final = (
    "no worker is heard that has the camera: start 'matakota worker', or check that it reaches "
    "Redis"
)
NO_ANSWER: Final = "the worker did not answer in time: see its log, or try again"
NOT_READABLE: Final = "the worker's answer cannot be read here: use the same version on both"

router = APIRouter(tags=["cameras"])


class CameraOut(BaseModel):
    """One camera as its worker saw it last, or as it is configured where none has reported it."""

    id: str
    name: str
    source: Literal["rtsp", "synthetic"]
    state: Annotated[
        State | Literal["unknown"], Field(description="'unknown' where its worker is not heard.")
    ]
    code: Annotated[Code | None, Field(description="Why, to look up; none while all is well.")]
    message: Annotated[str, Field(description="What it means and what to do; may be empty.")]
    since: Annotated[
        TimeOut | None,
        Field(description="Since when it is in the state last reported; none where none was."),
    ]
    last_frame: Annotated[TimeOut | None, Field(description="When its last picture was taken.")]
    width: Annotated[int | None, Field(description="Of its pictures, px.")]
    height: Annotated[int | None, Field(description="Of its pictures, px.")]
    stream: Annotated[
        Literal["main", "sub"] | None,
        Field(
            description="Which of its streams is analysed; none for a rendered camera and before "
            "the first picture."
        ),
    ] = None
    analysed: Annotated[int, Field(description="Pictures analysed since its worker started.")]
    dropped: Annotated[int, Field(description="Pictures left out under load since then.")]
    connects: Annotated[int, Field(description="Connections that brought a picture since then.")]
    detections: Annotated[int, Field(description="Objects found in its pictures since then.")]
    crossings: Annotated[int, Field(description="Lines passed by them since then.")]
    revision: Annotated[int, Field(description="Number of its scene; 0 for none.")]
    position: Annotated[
        tuple[float, float] | None,
        Field(description="Where it stands: latitude and longitude, degrees; none if not said."),
    ] = None
    worker: Annotated[
        str | None,
        Field(
            description="Which worker has it, or is to have it; none for any, and for whoever may "
            "not read how the system is."
        ),
    ]
    age_seconds: Annotated[
        float | None, Field(description="Age of the report; none where there is none.")
    ]


class CamerasOut(BaseModel):
    """The caller's cameras, by id."""

    cameras: list[CameraOut]


@router.get("/cameras", summary="Read cameras", responses=problems())
def read_cameras(served: Served, caller: Asking) -> CamerasOut:
    """How each of the caller's cameras is, and what to do where something is wrong."""
    return CamerasOut(cameras=cameras_of(caller, all_cameras(served)))


def all_cameras(served: Services) -> list[CameraOut]:
    """Every camera that is reported or configured, by id. Raises StoreError."""
    now = time.time()
    reported = {camera.report.camera: camera for camera in served.store.cameras.all()}
    configured = {camera.id: camera for camera in served.store.configuration.cameras()}
    found = [_out(camera, configured.get(name), now) for name, camera in reported.items()]
    found += [_missing(camera) for name, camera in configured.items() if name not in reported]
    return sorted(found, key=lambda camera: camera.id)


def cameras_of(caller: Caller, cameras: Iterable[CameraOut]) -> list[CameraOut]:
    """Those that the caller sees; the names of workers, which tell of hosts, are for whoever may
    read how the system is."""
    seen = [camera for camera in cameras if caller.sees(camera.id)]
    return seen if caller.may(Permission.SYSTEM_READ) else [_nameless(camera) for camera in seen]


def worker_of(served: Services, camera: str) -> str:
    """Who has the camera. Raises HTTPException where nobody is heard that has it."""
    now_s = time.monotonic()
    for heard in served.ingest.workers:
        if now_s - heard.at_s <= FRESH_S and any(
            each.camera == camera for each in heard.report.cameras
        ):
            return heard.report.worker
    raise HTTPException(503, NO_WORKER)


def size_of(served: Services, camera: str) -> tuple[int, int] | None:
    """The size of the pictures that the camera's worker gets now, px; None where that is not
    known."""
    now_s = time.monotonic()
    for heard in served.ingest.workers:
        for each in heard.report.cameras if now_s - heard.at_s <= FRESH_S else ():
            if each.camera == camera and each.state is State.LIVE and each.width and each.height:
                return each.width, each.height
    return None


def no_camera(camera: str) -> HTTPException:
    """Of one that is not the caller's, nobody hears whether there is one."""
    return HTTPException(
        404, f"there is no camera {camera!a}: GET /api/v1/cameras lists those that are"
    )


def _nameless(camera: CameraOut) -> CameraOut:
    plain: dict[str, str | None] = {"worker": None}
    if camera.age_seconds is None:
        plain["message"] = NOBODY
    return camera.model_copy(update=plain)


def _out(camera: StoredCamera, configured: ConfiguredCamera | None, now: float) -> CameraOut:
    report = camera.report
    age_s = max(0.0, now - camera.seen_at)
    heard = age_s <= FRESH_S
    return CameraOut(
        id=report.camera,
        name=report.name,
        source=report.source,
        state=report.state if heard else "unknown",
        code=report.code if heard else None,
        message=report.message if heard else UNKNOWN % {"age": age_s},
        since=report.since_ts,
        last_frame=report.last_frame_ts,
        width=report.width,
        height=report.height,
        stream=report.stream,
        analysed=report.analysed,
        dropped=report.dropped,
        connects=report.connects,
        detections=report.detections,
        crossings=report.crossings,
        revision=report.revision,
        position=None if configured is None else configured.position,
        worker=camera.worker,
        age_seconds=round(age_s, 1),
    )


def _missing(camera: ConfiguredCamera) -> CameraOut:
    message = NOBODY if camera.worker is None else NOT_ITS_OWN % {"worker": camera.worker}
    return CameraOut(
        id=camera.id,
        name=camera.name,
        source="synthetic" if camera.synthetic else "rtsp",
        state="unknown",
        code=None,
        message=message,
        since=None,
        last_frame=None,
        width=None,
        height=None,
        analysed=0,
        dropped=0,
        connects=0,
        detections=0,
        crossings=0,
        revision=camera.revision,
        position=camera.position,
        worker=camera.worker,
        age_seconds=None,
    )
