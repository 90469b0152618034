"""How often each rule was right, by what people closed its alerts as, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Final, Self

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from api.access import Caller
from api.learning import DAYS, MAX_DAYS, Judged, Span, span
from api.services import Asking, Served, Services, problems
from api.spreadsheet import lines, plain
from api.store.precision import MAX_ROWS, Judgements
from api.times import MaybeTimeIn, TimeOut
from streams.messages import Name

COLUMNS: Final = (
    "camera", "kind", "rule", "alerts", "true_alarms", "false_alarms", "unjudged", "precision",
    "low", "high",
)  # fmt: skip
DIGITS: Final = 4
"""Of a precision, after the point."""

router = APIRouter(tags=["alerts"])


class PrecisionQuery(BaseModel):
    """Of which alerts."""

    model_config = ConfigDict(extra="forbid")

    camera: Annotated[Name | None, Field(description="Only this camera's.")] = None
    kind: Annotated[Name | None, Field(description="Only this kind.")] = None
    from_: Annotated[
        MaybeTimeIn,
        Field(
            alias="from",
            description=f"Only those that were raised then or later; {DAYS} days before 'to' by "
            "default.",
        ),
    ] = None
    to: Annotated[
        MaybeTimeIn,
        Field(
            description="Only those that were raised before, now by default; at most "
            f"{MAX_DAYS} days after 'from'."
        ),
    ] = None
    _span: Span = PrivateAttr()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        # kept, since the time of now goes on
        self._span = span(self.from_, self.to, time.time())
        return self

    @property
    def span(self) -> Span:
        """The time that is looked at."""
        return self._span


class PrecisionRow(BaseModel):
    """One rule at one camera."""

    camera: str
    kind: str
    rule: str
    alerts: Annotated[int, Field(description="How many there were; all that follow are of these.")]
    true_alarms: Annotated[int, Field(description="Closed as a true alarm.")]
    false_alarms: Annotated[int, Field(description="Closed as a false alarm.")]
    unjudged: Annotated[int, Field(description="Of which nobody has said yet what they were.")]
    precision: Annotated[
        float | None,
        Field(description="true_alarms / (true_alarms + false_alarms); none of nothing."),
    ]
    low: Annotated[
        float | None, Field(description="Lower end of the precision's 95 % Wilson interval.")
    ]
    high: Annotated[float | None, Field(description="Its upper end.")]

    @staticmethod
    def of(row: Judged) -> PrecisionRow:
        interval = row.interval
        return PrecisionRow(
            camera=row.camera,
            kind=row.kind,
            rule=row.rule,
            alerts=row.alerts,
            true_alarms=row.true_alarms,
            false_alarms=row.false_alarms,
            unjudged=row.unjudged,
            precision=_rounded(row.precision),
            low=None if interval is None else _rounded(interval.low),
            high=None if interval is None else _rounded(interval.high),
        )


class PrecisionOut(BaseModel):
    """What was looked at, and each rule of each camera, the worst first."""

    from_: Annotated[TimeOut, Field(serialization_alias="from")]
    to: TimeOut
    rows: list[PrecisionRow]
    left_out: Annotated[
        int,
        Field(description=f"So many more rules of cameras than {MAX_ROWS} there were."),
    ]

    @staticmethod
    def of(looked: Span, found: Judgements) -> PrecisionOut:
        return PrecisionOut(
            from_=looked.from_ts,
            to=looked.to_ts,
            rows=[PrecisionRow.of(row) for row in found.rows],
            left_out=found.left_out,
        )


@router.get("/precision", summary="Read how often rules were right", responses=problems(422))
def read_precision(
    query: Annotated[PrecisionQuery, Query()], served: Served, caller: Asking
) -> PrecisionOut:
    """Of the alerts of the caller's cameras, by camera, kind and rule: how many people closed as
    true and as false alarms, and the precision that follows, with its 95 % Wilson score interval.
    First comes what is bad for certain: the lowest 'high', then the most alerts. Not counted are
    alerts that no real camera saw, those about the program itself, those that a person opened, and
    those that were merged into another one. At most 10,000 rows come: those with most alerts."""
    return PrecisionOut.of(query.span, _found(query, served, caller))


@router.get(
    "/precision.csv",
    summary="Export how often rules were right",
    response_class=Response,
    responses=problems(422)
    | {200: {"description": "One line a rule of a camera", "content": {"text/csv": {}}}},
)
def export_precision(
    query: Annotated[PrecisionQuery, Query()], served: Served, caller: Asking
) -> Response:
    """The same as a table, UTF-8. A cell that a spreadsheet would run as a formula begins with an
    apostrophe."""
    rows = map(PrecisionRow.of, _found(query, served, caller).rows)
    return Response(
        table(rows),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="matakota-precision.csv"'},
    )


def _found(query: PrecisionQuery, served: Services, caller: Caller) -> Judgements:
    return served.store.precision.find(
        query.span, only=caller.cameras, camera=query.camera, kind=query.kind
    )


def table(rows: Iterable[PrecisionRow]) -> str:
    """The rows as a CSV with its head; what is not known is empty."""
    cells = ([_cell(getattr(row, name)) for name in COLUMNS] for row in rows)
    return lines([COLUMNS, *cells])


def _cell(value: str | float | None) -> str:
    return "" if value is None else plain(str(value))


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, DIGITS)
