"""The report of a shift over HTTP, as a PDF."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from api.forms.page import language_of
from api.handover.report import report
from api.handover.shifts import BEGINS, MAX_CHARS, MAX_DAYS, hours, shifts, span
from api.i18n import Language, texts
from api.learning import Span
from api.services import Asking, Served, problems
from api.times import MaybeTimeIn, local

PDF: Final = "application/pdf"
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The report, on A4", "content": {PDF: {}}}
}

router = APIRouter(tags=["alerts"])


class HandoverQuery(BaseModel):
    """Of which time."""

    model_config = ConfigDict(extra="forbid")

    from_: Annotated[
        MaybeTimeIn,
        Field(
            alias="from",
            description="When the shift began. Without 'from' and 'to' the report is of the shift "
            "whose end is nearest to now.",
        ),
    ] = None
    to: Annotated[
        MaybeTimeIn,
        Field(description=f"When it ends; at most {MAX_DAYS} days after 'from'."),
    ] = None
    shifts: Annotated[
        str,
        Field(
            max_length=MAX_CHARS,
            description="The hours (WITA) at which shifts begin, apart by commas; "
            f"{','.join(map(str, BEGINS))} by default.",
        ),
    ] = ""
    language: Annotated[
        Language | None, Field(description="Of the report; otherwise that of whoever asks.")
    ] = None
    _now: float = PrivateAttr()
    _span: Span = PrivateAttr()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        # kept, since the time of now goes on
        self._now = time.time()
        self._span = span(self.from_, self.to, shifts(self._now, hours(self.shifts)).this)
        return self

    @property
    def now(self) -> float:
        """When it was asked for."""
        return self._now

    @property
    def span(self) -> Span:
        """The time of the report."""
        return self._span


@router.get(
    "/handover.pdf",
    summary="Export the report of a shift",
    response_class=Response,
    responses=problems(422) | _ANSWER,
)
def export_handover(
    query: Annotated[HandoverQuery, Query()], request: Request, served: Served, caller: Asking
) -> Response:
    """What one shift hands over to the next, of the caller's cameras: which alerts are left to do
    and who has them, what was closed in this time as true and as false alarms, which cameras are
    or were down, which silences hold, what was wrong with the program itself, and room for
    remarks and signatures. What is left to do is as it is now, whatever the time of the report."""
    _ = texts(query.language or language_of(request))
    made = served.press.make(lambda: report(served, caller, query.span, query.now, _))
    begin = local(query.span.from_ts)
    name = f"matakota-handover-{begin:%Y-%m-%d-%H%M}.pdf"
    return Response(
        made,
        media_type=PDF,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
