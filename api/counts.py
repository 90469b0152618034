"""Traffic counts over HTTP."""

from __future__ import annotations

import math
import time
from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.cameras import no_camera
from api.services import Asking, Served, problems
from api.store import CountRow
from api.times import END_TS, MaybeTimeIn, TimeOut
from streams.messages import Name

SECONDS: Final = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}
MAX_INTERVALS: Final = 3000
DAY_S: Final = 86_400

router = APIRouter(tags=["counts"])


class CountsQuery(BaseModel):
    """Which counts."""

    model_config = ConfigDict(extra="forbid")

    camera: Annotated[Name, Field(description="Id of the camera.")]
    line: Annotated[Name | None, Field(description="Only this line or movement of its scene.")] = (
        None
    )
    from_: Annotated[
        MaybeTimeIn,
        Field(alias="from", description="Begin with the interval of this time; a day before 'to'."),
    ] = None
    to: Annotated[
        MaybeTimeIn, Field(description="End with the interval before this time; now by default.")
    ] = None
    interval: Annotated[
        Literal["1m", "5m", "15m", "1h"], Field(description="Length of the intervals.")
    ] = "15m"

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.from_ is not None and self.to is not None and self.from_ >= self.to:
            raise ValueError("'from' must be before 'to'")
        if self.from_ is not None:
            self.span()
        return self

    def span(self) -> tuple[int, int]:
        """Begin of the first interval and end of the last, UTC seconds."""
        seconds = SECONDS[self.interval]
        to_ts = time.time() if self.to is None else self.to
        from_ts = max(0.0, to_ts - DAY_S) if self.from_ is None else self.from_
        first, last = (
            math.floor(from_ts / seconds),
            min(math.ceil(to_ts / seconds), END_TS // seconds),
        )
        if last <= first:
            raise ValueError("'from' must be before 'to', which is now by default")
        if last - first > MAX_INTERVALS:
            raise ValueError(
                f"at most {MAX_INTERVALS} intervals are given at once: ask for a shorter time or a "
                "longer 'interval'"
            )
        return first * seconds, last * seconds


class CountOut(BaseModel):
    """Objects of one class that passed one line, or made one way of a movement, in one
    interval."""

    camera: str
    line: str
    direction: str
    class_: Annotated[str, Field(serialization_alias="class")]
    start: Annotated[TimeOut, Field(description="When the interval begins.")]
    seconds: Annotated[int, Field(description="Length of the interval.")]
    count: Annotated[
        int | None, Field(description="None where nothing was watched, which is not zero.")
    ]
    observed_seconds: Annotated[
        float, Field(description="Seconds of the interval that were watched.")
    ]
    revision: Annotated[
        int | None, Field(description="Number of the scene; none where nothing is stored.")
    ]
    synthetic: Annotated[bool, Field(description="No real camera saw it.")]
    late: Annotated[
        int,
        Field(
            description="Beside the count: how many may have passed so before they were seen, all "
            "classes together."
        ),
    ]


class CountsOut(BaseModel):
    """Counts by time. An interval in which the scene changed has rows for each revision."""

    counts: list[CountOut]


@router.get("/counts", summary="Read counts", responses=problems(404, 422))
def read_counts(
    query: Annotated[CountsQuery, Query()], served: Served, caller: Asking
) -> CountsOut:
    """Counts summed over whole intervals. A gap is a gap: 'count' is null where nothing was
    watched, and 0 only where somebody looked and nothing passed. At most 50,000 rows come at
    once: one for each interval, line, direction and class."""
    store = served.store
    if not caller.sees(query.camera):
        raise no_camera(query.camera)
    passages = store.counts.passages(query.camera)
    if not passages and not store.cameras.known(query.camera):
        raise no_camera(query.camera)
    seconds = SECONDS[query.interval]
    from_ts, to_ts = query.span()
    rows = store.counts.sums(
        query.camera, line=query.line, from_ts=from_ts, to_ts=to_ts, seconds=seconds
    )
    found = [_out(query.camera, seconds, row) for row in rows]
    if query.line is not None and not found:
        raise HTTPException(
            404,
            f"camera {query.camera!a} has no line {query.line!a}, nor a movement of that name: "
            "leave it out",
        )
    return CountsOut(counts=found)


def _out(camera: str, seconds: int, row: CountRow) -> CountOut:
    return CountOut(
        camera=camera,
        line=row.passage.line,
        direction=row.passage.direction,
        class_=row.passage.class_name,
        start=row.start_ts,
        seconds=seconds,
        count=row.count,
        observed_seconds=round(min(row.observed_s, seconds), 3),
        revision=row.revision,
        synthetic=row.synthetic,
        late=row.late,
    )
