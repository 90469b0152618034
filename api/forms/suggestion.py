"""A threshold that would have left out a rule's false alarms, as a page: what the camera's worker
found, and how sure it is. Nothing is changed."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from api.forms.groups import cameras_there
from api.forms.page import show, texts_of
from api.i18n import N_
from api.kinds import kind_name
from api.services import Asking, Served
from api.store import MAX_NAME_CHARS
from api.suggestion import DAYS, TIMEOUT_S, ask, sentences
from api.tries import TooManyTriesError

LENGTHS: Final = (1, 7, 31)
"""So many days can be looked at."""
BUSY: Final = N_("The worker tries another threshold now: ask again in a minute.")
NO_WORKER: Final = N_("No worker is heard that has this camera: ask again when it is.")
NO_ANSWER: Final = N_("The worker did not answer in time: ask again, or for fewer days.")

router = APIRouter(include_in_schema=False)


@router.get("/precision/suggestion")
async def suggestion(request: Request, served: Served, caller: Asking) -> Response:
    _ = texts_of(request)
    # no name holds it, and not every database can be asked for it
    camera, rule = (
        request.query_params.get(name, "").replace("\0", "")[:MAX_NAME_CHARS]
        for name in ("camera", "rule")
    )
    given = request.query_params.get("days", "")
    days = int(given) if given in map(str, LENGTHS) else DAYS
    problem, status, asked = "", 200, None
    try:
        asked = await ask(served, caller, camera, rule, days, TIMEOUT_S)
    except TooManyTriesError:
        problem, status = _(BUSY), 503
    except HTTPException as error:
        if error.status_code not in {503, 504}:
            raise
        status = error.status_code
        problem = _(NO_WORKER if status == 503 else NO_ANSWER)
    there = await run_in_threadpool(cameras_there, served)
    values = {
        "camera": camera,
        "name": next((each.name for each in there if each.id == camera), camera),
        "rule": rule,
        "kind": "" if asked is None else kind_name(asked.found.kind, _),
        "said": [] if asked is None else sentences(asked, _),
        "found": None if asked is None else asked.found,
        "days": days,
        "lengths": LENGTHS,
    }
    return show(request, "suggestion.html", values, status=status, problem=problem)
