"""Silences over HTTP: for how long nobody is told of some alerts, and why."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.access import Caller
from api.alerting.settings import Alerting, Matcher, Site
from api.bodies import described, small
from api.cameras import no_camera
from api.services import Asking, Served, problems
from api.sessions import actor_of
from api.store.alerting import MAX_REASON_CHARS, BadSilenceError
from api.store.facts import Silence
from api.times import MaybeTimeIn, TimeIn, TimeOut
from streams.messages import MAX_NAME_CHARS, NO_NUL, Name
from vision.types import Severity

MAX_NAMED: Final = 500
MAX_NUMBER: Final = (1 << 63) - 1
MANY_CAMERAS: Final = (
    "match: name cameras of yours, or sites that have no others; a silence of all cameras is for "
    "those who see them all"
)
_Place = Annotated[str, Field(max_length=MAX_NAME_CHARS, pattern=NO_NUL)]
_Some: Final[Any] = Field(default_factory=list, max_length=MAX_NAMED)

router = APIRouter(tags=["silences"])


class MatchIn(BaseModel):
    """Which alerts: those that fit every field that names something."""

    model_config = ConfigDict(extra="forbid", strict=True)

    severities: Annotated[list[Severity], _Some]
    kinds: Annotated[list[Name], _Some]
    cameras: Annotated[list[Name], _Some]
    sites: Annotated[list[Name], _Some, Field(description="Names of sites of the settings.")]
    rules: Annotated[list[Name], _Some]
    places: Annotated[list[_Place], _Some, Field(description="Names of zones and lines.")]


class SilenceIn(BaseModel):
    """For how long nobody is told, and why."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "match": {"cameras": ["gate-7"]},
                    "reason": "The gate is being painted",
                    "end": "2026-01-31T10:00:00Z",
                }
            ]
        },
    )

    match: MatchIn
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON_CHARS)]
    start: Annotated[MaybeTimeIn, Field(description="When it begins; now by default.")] = None
    end: Annotated[TimeIn, Field(description="When it ends, at most 30 days after its start.")]


BODIES: Final = (SilenceIn,)
"""Those that their routes read themselves."""


class MatchOut(BaseModel):
    """Which alerts: those that fit every field that names something."""

    severities: list[Severity]
    kinds: list[str]
    cameras: list[str]
    sites: list[str]
    rules: list[str]
    places: list[str]


class SilenceOut(BaseModel):
    """One silence."""

    id: int
    match: MatchOut
    reason: str
    start: TimeOut
    end: TimeOut
    created: TimeOut
    created_by: Annotated[str, Field(description="Name of that person, or of that key.")]

    @staticmethod
    def of(silence: Silence) -> SilenceOut:
        return SilenceOut(
            id=silence.id,
            match=MatchOut.model_validate(silence.match.model_dump()),
            reason=silence.reason,
            start=silence.starts_at,
            end=silence.ends_at,
            created=silence.created_at,
            created_by=silence.created_by,
        )


class SilencePage(BaseModel):
    """Some silences."""

    silences: list[SilenceOut]


class SilenceQuery(BaseModel):
    """Which silences."""

    model_config = ConfigDict(extra="forbid")

    ended: Annotated[bool, Field(description="Also the last 100 that are over.")] = False


@router.get("/silences", summary="List silences", responses=problems(422))
def list_silences(
    query: Annotated[SilenceQuery, Query()], served: Served, caller: Asking
) -> SilencePage:
    """Those that hold or will, those that end first coming first; whoever sees some cameras is
    shown those that name some of them and no others."""
    found = served.store.alerting.silences(only=caller.cameras, ended=query.ended)
    return SilencePage(silences=[SilenceOut.of(each) for each in found])


@router.post(
    "/silences",
    status_code=201,
    summary="Silence alerts",
    responses=problems(404, 413, 422),
    openapi_extra=described(SilenceIn),
)
def add_silence(
    wish: Annotated[SilenceIn, Depends(small(SilenceIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> SilenceOut:
    """Tell nobody of some alerts for a while; they are stored and shown as ever. Whoever sees some
    cameras silences alerts of those only."""
    settings = served.store.alerting.current().settings
    match = silenced(Matcher.model_validate(wish.match.model_dump()), settings, caller)
    start = 0.0 if wish.start is None else wish.start
    try:
        made = served.store.alerting.silence(
            match, wish.reason, starts_at=start, ends_at=wish.end, by=actor_of(request)
        )
    except BadSilenceError as error:
        raise HTTPException(422, str(error)) from None
    return SilenceOut.of(made)


@router.post("/silences/{silence}/end", summary="End a silence", responses=problems(404, 422))
def end_silence(silence: str, request: Request, served: Served, caller: Asking) -> SilenceOut:
    """End it now. One that is over, or is not about the caller's cameras alone, is not found."""
    ended = None
    if silence.isascii() and silence.isdecimal() and len(silence) < 20:
        number = int(silence)
        if number <= MAX_NUMBER:
            end = served.store.alerting.end_silence
            ended = end(number, actor_of(request), only=caller.cameras)
    if ended is None:
        raise HTTPException(
            404, f"there is no silence {silence[:20]!a}: GET /api/v1/silences lists those that hold"
        )
    return SilenceOut.of(ended)


def _has_own(site: Site, caller: Caller) -> bool:
    return any(caller.sees(camera) for camera in site.cameras)


def silenced(match: Matcher, settings: Alerting, caller: Caller) -> Matcher:
    """Which alerts a caller silences, sites of theirs by their cameras where they see some only.
    Raises HTTPException."""
    # of a site with none of the caller's cameras, nobody hears whether there is one
    sites = {site.name: site.cameras for site in settings.sites if _has_own(site, caller)}
    for name in match.sites:
        if name not in sites:
            raise HTTPException(422, f"match.sites: there is no site {name[:80]!a}")
    if caller.cameras is None:
        return match
    for camera in match.cameras:
        if not caller.sees(camera):
            raise no_camera(camera)
    if match.sites:
        of_sites = {camera for name in match.sites for camera in sites[name]}
        chosen = of_sites.intersection(match.cameras) if match.cameras else of_sites
        match = match.model_copy(update={"cameras": tuple(sorted(chosen)), "sites": ()})
    if not match.within(caller.cameras):
        raise HTTPException(422, MANY_CAMERAS)
    return match
