"""What whoever draws on a camera asks of its worker, over HTTP: what a scene would have told of
what the camera saw, why it was silent, and how the camera's view looks."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool

from api.bodies import SCENE_BYTES, described, small
from api.cameras import NO_ANSWER, NOT_READABLE, no_camera, worker_of
from api.conditions import in_words, phrase, why
from api.configuration import refuse_mistakes
from api.forms.page import language_of
from api.i18n import N_, Language, Texts, texts
from api.pictures import take
from api.services import Problem, Served, Services, problems
from api.times import TimeOut, local
from streams.commands import MAX_SPAN_S, Replay, Replayed
from streams.drawing import Silent, Still
from streams.messages import MessageError, Name
from vision.types import Severity

MINUTE_S: Final = 60.0
MAX_MINUTES: Final = MAX_SPAN_S / MINUTE_S
MAX_TIMEOUT_S: Final = 300.0
VIEW_S: Final = 10.0
NO_TRACKS: Final = N_("this worker keeps no tracks")
"""As the worker says it."""
EMPTY: Final = N_(
    "Nothing is kept of this time: see whether the camera runs, and since when its worker keeps "
    "tracks (--keep-tracks-h)."
)

router = APIRouter(tags=["cameras"])


class ReplayIn(BaseModel):
    """What is to be tried on what the camera saw last."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scene: Annotated[
        dict[str, JsonValue] | None, Field(description="What is drawn; else what is in force.")
    ] = None
    minutes: Annotated[
        float, Field(ge=0.1, le=MAX_MINUTES, description="So far back it is looked.")
    ] = 10.0
    timeout_seconds: Annotated[
        float, Field(ge=1, le=MAX_TIMEOUT_S, description="For so long the worker may take.")
    ] = 30.0
    lang: Annotated[Language | None, Field(description="Else the caller's own.")] = None


BODIES: Final = (ReplayIn,)
"""Those that their routes read themselves."""


class WouldBeOut(BaseModel):
    """An incident that would have been told."""

    rule: str
    kind: str
    place: str
    severity: Severity
    start: TimeOut
    raised: TimeOut
    end: Annotated[TimeOut | None, Field(description="None where it went on.")]
    score: float
    track_ids: list[int]


class ConditionOut(BaseModel):
    """One thing that a rule needs."""

    what: str
    met: bool
    found: Annotated[str, Field(description="How it was.")]
    needed: Annotated[str, Field(description="How it must be.")]


class SilentOut(BaseModel):
    """A rule that would have told of nothing, and when it was nearest to it."""

    rule: str
    kind: str
    place: str
    said: Annotated[str, Field(description="Why, one sentence.")]
    conditions: list[ConditionOut]
    at: Annotated[TimeOut | None, Field(description="None where nobody was followed.")]
    track_id: Annotated[int | None, Field(description="None where it is about the place.")]

    @staticmethod
    def of(silent: Silent, _: Texts) -> SilentOut:
        said = [in_words(each, _) for each in silent.conditions]
        return SilentOut(
            rule=silent.rule,
            kind=silent.kind,
            place=silent.place,
            said=why(silent, _),
            conditions=[ConditionOut(**each.model_dump()) for each in said],
            at=silent.at_ts,
            track_id=silent.track_id,
        )


class LeftOutOut(BaseModel):
    """A rule that could not be tried, or not all of it; no names where it is about all rules."""

    rule: str
    kind: str
    why: str


class PassedOut(BaseModel):
    """How many of a class passed a line in a direction."""

    line: str
    direction: str
    class_: Annotated[str, Field(serialization_alias="class")]
    count: int


class ReplayOut(BaseModel):
    """What came of it."""

    ok: Annotated[bool, Field(description="Whether it was tried.")]
    said: Annotated[list[str], Field(description="All of it in sentences.")]
    from_: Annotated[TimeOut, Field(serialization_alias="from")]
    to: TimeOut
    reached: Annotated[
        TimeOut | None, Field(description="Where the time to try it ended; none where all was.")
    ]
    pictures: Annotated[int, Field(description="So many were kept of this time, and looked at.")]
    events: list[WouldBeOut]
    more: Annotated[int, Field(description="So many more incidents there would have been.")]
    why_not: Annotated[list[SilentOut], Field(description="Rules that would have told of none.")]
    left_out: list[LeftOutOut]
    counts: Annotated[list[PassedOut], Field(description="Who passed which line; none not at all.")]


_TRYING: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": Problem, "description": "No worker can do it now; it says why"},
    504: {"model": Problem, "description": "The worker did not answer in time"},
}


@router.post(
    "/cameras/{camera}/replay",
    summary="Try a scene",
    responses=problems(404, 413, 422) | _TRYING,
    openapi_extra=described(ReplayIn),
)
async def replay_scene(
    camera: Name,
    wish: Annotated[ReplayIn, Depends(small(ReplayIn, SCENE_BYTES))],
    request: Request,
    served: Served,
) -> ReplayOut:
    """What the rules of a scene would have told of the tracks that the camera's worker kept of the
    last minutes, and why the others were silent. Changes nothing."""
    await _known(served, camera)
    if wish.scene is not None:
        await run_in_threadpool(refuse_mistakes, wish.scene)
    now = time.time()
    wanted = Replay(
        camera=camera,
        from_ts=max(0.0, now - wish.minutes * MINUTE_S),
        to_ts=now,
        scene=wish.scene,
        timeout_s=wish.timeout_seconds,
        explain=True,
    )
    try:
        found = await served.replays.replay(worker_of(served, camera), wanted)
    except MessageError:
        raise HTTPException(504, NOT_READABLE) from None
    if found is None:
        raise HTTPException(504, NO_ANSWER)
    return _out(wanted, found, texts(wish.lang or language_of(request)))


class ViewOut(BaseModel):
    """How a camera's view looks."""

    view: Annotated[str, Field(description="For 'view' in a scene, or in one of its presets.")]


@router.post(
    "/cameras/{camera}/view",
    summary="Tell how a view looks",
    responses=problems(404, 422) | _TRYING,
)
async def read_view(camera: Name, served: Served) -> ViewOut:
    """How the camera's view looks now, from two seconds of its pictures: what 'matakota scene view'
    prints. Changes nothing."""
    await _known(served, camera)
    taken = await take(served, Still(camera=camera, view=True, timeout_s=VIEW_S))
    return ViewOut(view=taken.view)


async def _known(served: Services, camera: str) -> None:
    if not await run_in_threadpool(served.store.cameras.known, camera):
        raise no_camera(camera)


def _out(wanted: Replay, found: Replayed, _: Texts) -> ReplayOut:
    return ReplayOut(
        ok=found.ok,
        said=_sentences(found, _),
        from_=wanted.from_ts,
        to=wanted.to_ts,
        reached=found.reached_ts,
        pictures=found.pictures,
        events=[
            WouldBeOut(
                rule=each.rule,
                kind=each.kind,
                place=each.place,
                severity=each.severity,
                start=each.start_ts,
                raised=each.raised_ts,
                end=each.end_ts,
                score=each.score,
                track_ids=list(each.track_ids),
            )
            for each in found.events
        ],
        more=found.more,
        why_not=[SilentOut.of(each, _) for each in found.silent],
        left_out=[
            LeftOutOut(rule=each.rule, kind=each.kind, why=phrase(each.why, _))
            for each in found.left_out
        ],
        counts=[
            PassedOut(
                line=each.line, direction=each.direction, class_=each.class_name, count=each.count
            )
            for each in found.passed
        ],
    )


def _sentences(found: Replayed, _: Texts) -> list[str]:
    """What came of it, for people."""
    if not found.ok:
        return [_(found.message)]
    if not found.pictures or found.first_ts is None or found.last_ts is None:
        return [_(EMPTY)]
    n = len(found.events) + found.more
    said = [
        _("Looked at: %(n)d pictures from %(first)s to %(last)s WITA.")
        % {
            "n": found.pictures,
            "first": f"{local(found.first_ts):%H:%M:%S}",
            "last": f"{local(found.last_ts):%H:%M:%S}",
        },
        _.plural("%(n)d incident would have been told.", "%(n)d incidents would have been told.", n)
        % {"n": n},
    ]
    if found.reached_ts is not None:
        said.append(_("There was no time to look at all of it: give it more, or fewer minutes."))
    if found.damaged:
        said.append(_("Pieces of what is kept that cannot be read: %(n)d.") % {"n": found.damaged})
    return said
