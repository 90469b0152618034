"""A threshold that would have left out a rule's false alarms: asked of the worker that keeps what
passed the camera, over HTTP, and said in sentences."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.cameras import NO_ANSWER, NOT_READABLE, no_camera, worker_of
from api.i18n import N_, Texts, texts
from api.learning import DAY_S, MAX_DAYS, Span, wilson
from api.services import Asking, Problem, Served, Services, problems
from api.store.precision import Closings
from api.times import TimeOut
from streams.commands import Suggest, Suggested, TriedValue
from streams.messages import MessageError, Name

DAYS: Final = 7
"""So far back is looked where nobody says how far: tracks are kept for a day or some."""
TIMEOUT_S: Final = 50.0
MAX_TIMEOUT_S: Final = 300.0
FEW: Final = 10
"""Fewer alerts than this are little to go by."""
REFUSED: Final[Mapping[str, str]] = {
    "camera": N_("The worker has no scene of this camera, so nothing can be tried."),
    "rule": N_("The camera's scene has no rule of this name any more."),
    "more": N_(
        "This rule looks at more than tracks, which alone are kept, so it cannot be tried again: "
        "change it in the scene, and look at its precision after some days."
    ),
    "no thresholds": N_(
        "This rule has no number that could be stricter: change its zone, its classes or its "
        "schedule."
    ),
    "kept": N_("The worker of this camera keeps no tracks: start it with --keep-tracks-h."),
    "scene": N_("The camera's scene does not fit what was kept of it."),
}
NONE: Final[Mapping[str, str]] = {
    "nothing": N_(
        "No threshold helps: none of the values that were tried leaves out a false alarm. See what "
        "the false ones have in common: another zone or another schedule may help."
    ),
    "costs": N_(
        "No threshold helps: each value that leaves out a false alarm loses a true one as well."
    ),
    "unknown": N_("There is no false alarm on which a threshold could be tried."),
    "time": N_(
        "There was no time to try it on every true alarm, so nothing is suggested: ask for fewer "
        "days, or give it more time."
    ),
}

router = APIRouter(tags=["alerts"])


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, the alerts that it is about, and what came of it."""

    camera: str
    rule: str
    span: Span
    closings: Closings
    found: Suggested


NOBODY_CLOSED: Final = Suggested(ok=True, why_none="unknown")
"""There is nothing to ask a worker about."""


def wanted(camera: str, rule: str, closings: Closings, timeout_s: float) -> Suggest | None:
    """What a worker is asked; None where nobody closed a false alarm, which needs no worker."""
    if not any(not closing.true_alarm for closing in closings.rows):
        return None
    return Suggest(camera=camera, rule=rule, closings=tuple(closings.rows), timeout_s=timeout_s)


async def ask(
    served: Services, caller: Caller, camera: str, rule: str, days: int, timeout_s: float
) -> Asked:
    """Ask the worker that has the camera. Raises HTTPException, BusError, StoreError or
    TooManyTriesError."""
    if not caller.sees(camera) or not await run_in_threadpool(served.store.cameras.known, camera):
        raise no_camera(camera)
    now = time.time()
    span = Span(max(0.0, now - days * DAY_S), now)
    closings = await run_in_threadpool(served.store.precision.closings, span, camera, rule)
    command = wanted(camera, rule, closings, timeout_s)
    found: Suggested | None = NOBODY_CLOSED
    if command is not None:
        try:
            found = await served.replays.suggest(worker_of(served, camera), command)
        except MessageError:
            raise HTTPException(504, NOT_READABLE) from None
    if found is None:
        raise HTTPException(504, NO_ANSWER)
    return Asked(camera, rule, span, closings, found)


# --- in words


def sentences(asked: Asked, _: Texts) -> list[str]:
    """What came of it, for people."""
    found = asked.found
    if not found.ok:
        return [_(REFUSED[found.refused or "scene"])]
    said = _best(found.best, found, _) if found.best else [_(NONE[found.why_none or "nothing"])]
    n = found.true_alarms + found.false_alarms
    if found.best is not None and n < FEW:
        said.append(
            _.plural(
                "That is little to go by: only one alert could be tried.",
                "That is little to go by: only %(n)d alerts could be tried.",
                n,
            )
            % {"n": n}
        )
    return said + _not_tried(asked, _)


def _best(best: TriedValue, found: Suggested, _: Texts) -> list[str]:
    said = [
        _(
            "Set %(setting)s to %(value)s instead of %(now)s: %(gone)d of %(false)d false alarms "
            "would not have been told, and %(kept)d of %(true)d true alarms still would have."
        )
        % {
            "setting": best.setting,
            "value": f"{best.value:g}",
            "now": f"{found.now.get(best.setting, 0.0):g}",
            "gone": best.false_gone,
            "false": found.false_alarms,
            "kept": best.true_kept,
            "true": found.true_alarms,
        }
    ]
    if best.later_s >= 0.1:
        said.append(
            _("The true alarm that waits longest would have come %(later)s s later.")
            % {"later": f"{best.later_s:.1f}"}
        )
    gone = wilson(best.false_gone, found.false_alarms - best.false_gone)
    kept = wilson(best.true_kept, found.true_alarms - best.true_kept)
    if gone is not None:
        said.append(
            _("Of more such false alarms it leaves out %(low)s to %(high)s, with 95 per cent "
              "certainty.")
            % {"low": f"{gone.low:.0%}", "high": f"{gone.high:.0%}"}
        )  # fmt: skip
    if kept is None:
        said.append(
            _("No true alarm is known that it could lose: see what else this rule is there for.")
        )
    else:
        said.append(
            _("Of more such true alarms it keeps %(low)s to %(high)s, with 95 per cent certainty.")
            % {"low": f"{kept.low:.0%}", "high": f"{kept.high:.0%}"}
        )
    return said


def _not_tried(asked: Asked, _: Texts) -> list[str]:
    said = []
    why = Counter(each.why for each in asked.found.not_tried)
    if n := why["gone"]:
        said.append(_("Tracks are not kept any more of: %(n)d alerts.") % {"n": n})
    if n := why["cut"]:
        said.append(_("Tracks end before it was over, of: %(n)d alerts.") % {"n": n})
    if n := why["quiet"]:
        said.append(_("The rule as it is drawn now does not tell of: %(n)d alerts.") % {"n": n})
    if n := why["time"]:
        said.append(_("There was no time to try it on: %(n)d alerts.") % {"n": n})
    if n := asked.closings.left_out:
        said.append(_("Older, and not looked at: %(n)d alerts.") % {"n": n})
    return said


# --- over HTTP


class SuggestionQuery(BaseModel):
    """Of which rule."""

    model_config = ConfigDict(extra="forbid")

    camera: Annotated[Name, Field(description="The camera.")]
    rule: Annotated[Name, Field(description="The rule, as its alerts name it.")]
    days: Annotated[
        int, Field(ge=1, le=MAX_DAYS, description="Alerts that were raised in the last so many.")
    ] = DAYS
    timeout_seconds: Annotated[
        float, Field(ge=1, le=MAX_TIMEOUT_S, description="For so long the worker may try.")
    ] = TIMEOUT_S


class ValueOut(BaseModel):
    """What a value of a setting would have done."""

    setting: str
    value: float
    true_kept: Annotated[int, Field(description="True alarms that would still have been told.")]
    false_gone: Annotated[int, Field(description="False alarms that would not have been told.")]
    later_s: Annotated[
        float, Field(description="The true alarm that waits longest comes so much later.")
    ]


class NotTriedOut(BaseModel):
    """An alert on which nothing could be tried."""

    alert: str
    outcome: Literal["true", "false"]
    why: Annotated[
        Literal["gone", "cut", "quiet", "time"],
        Field(
            description="Its tracks are 'gone', or 'cut' off before it was over; the rule as it is "
            "drawn now is 'quiet'; there was no 'time'."
        ),
    ]


class SuggestionOut(BaseModel):
    """What was tried, and the best of it."""

    camera: str
    rule: str
    kind: Annotated[str, Field(description="Of the rule; empty where no worker was asked.")]
    from_: Annotated[TimeOut, Field(serialization_alias="from")]
    to: TimeOut
    said: Annotated[list[str], Field(description="All of it in sentences.")]
    refused: Annotated[
        str | None, Field(description="Why nothing was tried, in a word; null where it was.")
    ]
    best: Annotated[
        ValueOut | None,
        Field(description="Leaves out the most false alarms and loses no true one."),
    ]
    why_none: Annotated[str | None, Field(description="Why there is no best, in a word.")]
    now: Annotated[dict[str, float], Field(description="The rule's thresholds as they are.")]
    true_alarms: Annotated[int, Field(description="On so many true alarms it was tried.")]
    false_alarms: Annotated[int, Field(description="On so many false alarms it was tried.")]
    tried: Annotated[list[ValueOut], Field(description="Stricter values, the nearest first.")]
    not_tried: list[NotTriedOut]
    left_out: Annotated[int, Field(description="So many older closed alerts there are.")]

    @staticmethod
    def of(asked: Asked) -> SuggestionOut:
        found = asked.found
        return SuggestionOut(
            camera=asked.camera,
            rule=asked.rule,
            kind=found.kind,
            from_=asked.span.from_ts,
            to=asked.span.to_ts,
            said=sentences(asked, texts("en")),
            refused=found.refused,
            best=None if found.best is None else ValueOut(**found.best.model_dump()),
            why_none=found.why_none,
            now=found.now,
            true_alarms=found.true_alarms,
            false_alarms=found.false_alarms,
            tried=[ValueOut(**each.model_dump()) for each in found.tried],
            not_tried=[
                NotTriedOut(
                    alert=each.alert, outcome="true" if each.true_alarm else "false", why=each.why
                )
                for each in found.not_tried
            ],
            left_out=asked.closings.left_out,
        )


@router.get(
    "/suggestion",
    summary="Ask for a threshold that leaves out false alarms",
    responses=problems(404, 422)
    | {
        503: {"model": Problem, "description": "No worker can try it now"},
        504: {"model": Problem, "description": "The worker did not answer in time"},
    },
)
async def read_suggestion(
    query: Annotated[SuggestionQuery, Query()], served: Served, caller: Asking
) -> SuggestionOut:
    """Have the camera's worker try the rule at stricter thresholds on the tracks that it keeps of
    the alerts that people closed as true or as false alarms, at most the newest 50. Changes
    nothing."""
    return SuggestionOut.of(
        await ask(served, caller, query.camera, query.rule, query.days, query.timeout_seconds)
    )
