"""What every route may use, and how it says that something is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from api.access import Caller
from api.auth import CALLER
from api.bell import Bell
from api.evidence.masks import Masks
from api.evidence.room import EvidenceRoom
from api.evidence.transfer import Intake, Reading
from api.feed import Feed
from api.handover.press import Press
from api.ingest import Heard
from api.known import KnownKeys
from api.live import Hub
from api.login import Login
from api.oidc import SignIn
from api.store import Store
from api.tries import Checks, Replays, Stills, Tries
from vision.errors import BusError, StoreError


class Ingesting(Protocol):
    """What the routes ask of the ingest."""

    @property
    def running(self) -> bool: ...

    @property
    def problem(self) -> BusError | StoreError | None: ...

    @property
    def newer(self) -> str | None: ...

    @property
    def workers(self) -> tuple[Heard, ...]: ...


@dataclass(frozen=True, slots=True)
class Services:
    """Built once where the program starts."""

    store: Store
    bell: Bell
    feed: Feed
    keys: KnownKeys
    ingest: Ingesting
    hub: Hub
    tries: Tries
    replays: Replays
    stills: Stills
    checks: Checks
    login: Login
    room: EvidenceRoom
    masks: Masks
    intake: Intake
    reading: Reading
    press: Press
    exports: Press
    """Where reports of counts are made."""
    oidc: SignIn | None = None
    """The second way in, where there is one."""
    pieces: Path | None = None
    """The folder of masked pieces of video, where there is one."""


def _services(connection: HTTPConnection) -> Services:
    found: Services = connection.app.state.services
    return found


Served = Annotated[Services, Depends(_services)]


def _caller(connection: HTTPConnection) -> Caller:
    found: Caller = connection.scope[CALLER]
    return found


Asking = Annotated[Caller, Depends(_caller)]
"""Who asks, and what they may: routes show and change only what is theirs."""


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: Annotated[
        str, Field(description="One sentence: what is wrong and what to do about it.")
    ]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for its description."""
    return {status: _PROBLEMS[status] for status in (401, 403, *statuses, 503)}


_SAID: Final[Mapping[int, str]] = {
    401: "Neither a machine key nor a session, or an unknown one",
    403: "This is not among what the caller may, or another site's page asked",
    404: "There is no such thing",
    408: "What was sent did not come in time: send it again",
    409: "Somebody was first, or this cannot follow on how it is: look again, then decide",
    410: "It was deleted, and does not come back",
    413: "The body is too large",
    416: "It does not have these bytes",
    422: "Something in the request is wrong",
    503: "The store gives no answer now",
    507: "There is no room for it now: send it again later",
}
_PROBLEMS: Final = {
    status: {"model": Problem, "description": said} for status, said in _SAID.items()
}
_PLAINLY: Final[Mapping[str, str]] = {
    "extra_forbidden": "this is unknown here: leave it out or correct its name",
    "missing": "this is missing: add it",
}


def said(errors: Sequence[Any]) -> str:
    """The first of pydantic's errors as one sentence; nothing of what was sent is repeated."""
    first = errors[0]
    where = [str(part) for part in first["loc"] if part not in {"query", "path", "header", "body"}]
    what = _PLAINLY.get(first["type"]) or str(first["msg"]).removeprefix("Value error, ")
    return f"{'.'.join(where)}: {what}" if where else what
