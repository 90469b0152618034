"""What one shift hands over to the next, as a page: the same as the PDF, before it is printed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from api.forms.audit import NO_SPAN
from api.forms.page import show, texts_of
from api.forms.precision import LONG_SPAN
from api.forms.sent import WrongError, time_of
from api.handover.report import report
from api.handover.shifts import (
    BEGINS,
    MAX_DAYS,
    MAX_SHIFTS,
    HalfSpanError,
    LongSpanError,
    NoShiftsError,
    Shifts,
    hours,
    shifts,
    span,
)
from api.i18n import N_
from api.learning import NoSpanError, Span
from api.services import Asking, Served
from api.times import iso, local

FILTERS: Final = ("from", "to", "shifts")
HALF_SPAN: Final = N_("Write both times, or none for the shift whose end is nearest.")
NO_SHIFTS: Final = N_(
    "“%(hours)s” names no hours at which shifts begin: write up to %(most)d different full hours "
    "from 0 to 23, apart by commas, such as 7, 15, 23."
)
MAX_SAID_CHARS: Final = 80

router = APIRouter(include_in_schema=False)


@router.get("/handover")
def handover(request: Request, served: Served, caller: Asking) -> Response:
    _, now = texts_of(request), time.time()
    asked = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    problem, made, pdf, near = "", None, "", dict[str, str]()
    try:
        around = _shifts(asked["shifts"], now)
        wanted = _span(asked, around.this)
    except WrongError as error:
        problem = error.said(_)
    else:
        made = report(served, caller, wanted, now, _)
        pdf = "/api/v1/handover.pdf?" + urlencode(
            {"from": iso(wanted.from_ts), "to": iso(wanted.to_ts), "language": _.language}
        )
        kept = {"shifts": asked["shifts"]} if asked["shifts"] else {}
        near = {
            name: "/handover?" + urlencode(_written(each) | kept)
            for name, each in around._asdict().items()
        }
        asked |= _written(wanted)
    values = {
        "asked": asked,
        "report": made,
        "pdf": pdf,
        "near": near,
        "begins": ", ".join(map(str, BEGINS)),
    }
    return show(request, "handover.html", values, status=422 if problem else 200, problem=problem)


def _shifts(text: str, now: float) -> Shifts:
    """Raises WrongError."""
    try:
        return shifts(now, hours(text))
    except NoShiftsError:
        raise WrongError(NO_SHIFTS, hours=text[:MAX_SAID_CHARS], most=MAX_SHIFTS) from None


def _span(asked: Mapping[str, str], usual: Span) -> Span:
    """Raises WrongError."""
    try:
        return span(time_of(asked["from"]), time_of(asked["to"]), usual)
    except HalfSpanError:
        raise WrongError(HALF_SPAN) from None
    except NoSpanError:
        raise WrongError(NO_SPAN) from None
    except LongSpanError:
        raise WrongError(LONG_SPAN, days=MAX_DAYS) from None


def _written(of: Span) -> dict[str, str]:
    """A time as the fields hold it."""
    return {
        name: f"{local(ts):%Y-%m-%dT%H:%M}" for name, ts in (("from", of.from_ts), ("to", of.to_ts))
    }
