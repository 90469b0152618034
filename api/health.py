"""Whether this process lives, and whether all that it depends on works. Open without a key."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.auth import INSIDER
from api.cameras import FRESH_S
from api.i18n import N_
from api.services import Served, Services
from api.watching import NOTIFIER, PERIODS, WATCHDOG
from vision.errors import BusError, StoreError

OK: Final = "ok"
NO_INGEST: Final = N_("the ingest has ended: look at the log and start 'matakota serve' again")
NO_WORKER: Final = N_("no worker is heard: start 'matakota worker', or check that it reaches Redis")
SILENT: Final = (
    "{worker} has not been heard for {age:.0f} s: check that it runs and reaches Redis; if it is "
    "out of service, let another worker have its cameras, which are otherwise kept for seven days"
)
UNHEARD: Final[Mapping[str, str]] = {
    NOTIFIER: "the notifier has not been heard for {age:.0f} s, so nobody is told of alerts: check "
    "that 'matakota notify' runs, and see its log",
    WATCHDOG: "the watchdog has not been heard for {age:.0f} s, so nobody would be told that "
    "alerts do not arrive: check that 'matakota watch' runs, and see its log",
}
NOT_SAID: Final = (
    "{what} not well: ask with a machine key that may read the system, or on the server itself, to "
    "read why"
)
WHAT: Final = {
    "store": "the database is",
    "bus": "Redis is",
    "ingest": "the ingest is",
    "workers": "the workers are",
    "delivery": "what tells people of alerts is",
    "evidence": "what proves evidence is",
}

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """This process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Each dependency: ``ok``, or one sentence about what is wrong with it."""

    ready: bool
    store: Annotated[str, Field(description="The database.")]
    bus: Annotated[str, Field(description="Redis.")]
    ingest: Annotated[str, Field(description="What moves messages from Redis to the database.")]
    workers: Annotated[str, Field(description="What analyses the cameras.")]
    delivery: Annotated[
        str, Field(description="What tells people of alerts, and what watches over that.")
    ]
    evidence: Annotated[
        str, Field(description="The heads of the chain of evidence, outside the database.")
    ]


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> Alive:
    return Alive()


@router.get(
    "/readyz",
    summary="Whether everything works",
    responses={503: {"model": Ready, "description": "Something does not work; it says what"}},
)
def readyz(served: Served, request: Request, response: Response) -> Ready:
    """200 where the store, Redis, the ingest and the workers are all well, otherwise 503. Why
    something is not is said to this machine, and to whoever may read how the system is."""
    said = readiness(served)
    ready = all(value == OK for value in said.values())
    if not ready:
        response.status_code = 503
    if not request.scope[INSIDER]:
        # reasons name hosts, folders and workers
        said = {
            part: OK if value == OK else NOT_SAID.format(what=WHAT[part])
            for part, value in said.items()
        }
    return Ready(ready=ready, **said)


def readiness(served: Services) -> dict[str, str]:
    """By part of ``WHAT``: ``OK``, or one sentence about what is wrong with it."""
    return {
        "store": _store(served),
        "bus": _problem(served, BusError),
        "ingest": _ingest(served),
        "workers": _workers(served),
        "delivery": _delivery(served),
        "evidence": served.room.problem or OK,
    }


def _store(served: Services) -> str:
    try:
        served.store.check()
    except StoreError as error:
        return str(error)
    return OK


def _problem(served: Services, kind: type[BusError | StoreError]) -> str:
    problem = served.ingest.problem
    return str(problem) if isinstance(problem, kind) else OK


def _ingest(served: Services) -> str:
    if not served.ingest.running:
        return NO_INGEST
    problem = _problem(served, StoreError)
    return problem if problem != OK else served.ingest.newer or OK


def _workers(served: Services) -> str:
    now_s = time.monotonic()
    fresh = [heard.report for heard in served.ingest.workers if now_s - heard.at_s <= FRESH_S]
    if not fresh:
        return NO_WORKER
    wrong = [f"{report.worker}: {report.problem}" for report in fresh if report.problem]
    heard = {report.worker for report in fresh}
    # where the store is gone, that is said beside this
    with suppress(StoreError):
        wrong += [
            SILENT.format(worker=worker, age=age_s)
            for worker, age_s in served.store.cameras.workers().items()
            if age_s > FRESH_S and worker not in heard
        ]
    return "; ".join(wrong) or OK


def _delivery(served: Services) -> str:
    """Of those that were ever there: neither has to be."""
    wrong: list[str] = []
    # where the store is gone, that is said beside this
    with suppress(StoreError):
        wrong += [
            UNHEARD[name].format(age=age_s)
            for name, age_s in served.store.canaries.ages().items()
            if name in UNHEARD and age_s > PERIODS.beat
        ]
    return "; ".join(wrong) or OK
