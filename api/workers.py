"""Workers over HTTP: what each of them said of itself last."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.services import Served, problems

router = APIRouter(tags=["workers"])


class WorkerOut(BaseModel):
    """One worker that is heard."""

    name: str
    problem: Annotated[str | None, Field(description="What is wrong with it, one sentence.")]
    waiting: Annotated[int, Field(description="Messages that it has and the store does not.")]
    configuration: Annotated[
        int, Field(description="Number of the configuration that it follows; 0 for none.")
    ]
    cameras: Annotated[int, Field(description="How many cameras it has.")]
    pictures: Annotated[int, Field(description="Pictures made for viewers since it started.")]
    age_seconds: Annotated[float, Field(description="Since when nothing newer was heard.")]


class WorkersOut(BaseModel):
    """All workers whose reports have not expired, by name."""

    configuration: Annotated[
        int, Field(description="Number of the configuration in the store; 0 for none.")
    ]
    workers: list[WorkerOut]


@router.get("/workers", summary="Read workers", responses=problems())
def read_workers(served: Served) -> WorkersOut:
    """What each worker does, and whether it has taken the configuration that is in the store."""
    now_s = time.monotonic()
    return WorkersOut(
        configuration=served.store.configuration.number(),
        workers=[
            WorkerOut(
                name=heard.report.worker,
                problem=heard.report.problem,
                waiting=heard.report.waiting,
                configuration=heard.report.configuration,
                cameras=len(heard.report.cameras),
                pictures=heard.report.pictures,
                age_seconds=round(max(0.0, now_s - heard.at_s), 1),
            )
            for heard in sorted(served.ingest.workers, key=lambda heard: heard.report.worker)
        ],
    )
