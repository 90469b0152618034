"""Traffic counts over HTTP, as files for planners."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from api.cameras import no_camera
from api.forms.page import language_of
from api.i18n import Language, texts
from api.services import Asking, Served, problems
from api.times import MaybeTimeIn
from api.traffic.calendar import offset_of
from api.traffic.formats import (
    FORMATS,
    INTERVALS,
    Format,
    Length,
    NotInstalledError,
    file_name,
)
from api.traffic.reading import recorded
from api.traffic.report import build
from api.traffic.values import BASE_S, Wanted
from streams.messages import Name
from vision.measures import DAY_S

MINUTE_S: Final = 60
MAX_CAMERAS: Final = 20
MAX_INTERVALS: Final = 100_000
"""That are read for one report, of all its cameras."""

router = APIRouter(tags=["counts"])


class CountsExportQuery(BaseModel):
    """Which counts, and in which format."""

    model_config = ConfigDict(extra="forbid")

    format: Annotated[
        Format,
        Field(
            description="csv, parquet and json have a row for each interval, line, direction and "
            "class; xlsx has a sheet for each line."
        ),
    ]
    camera: Annotated[
        list[Name],
        Field(min_length=1, max_length=MAX_CAMERAS, description="Id of a camera; may be repeated."),
    ]
    line: Annotated[
        Name | None, Field(description="Only this line or movement of their scenes.")
    ] = None
    from_: Annotated[
        MaybeTimeIn,
        Field(alias="from", description="Begin with the interval of this time; a day before 'to'."),
    ] = None
    to: Annotated[
        MaybeTimeIn,
        Field(
            description="End with the interval before this time; now at the latest, and by default."
        ),
    ] = None
    interval: Annotated[
        Length, Field(description="Length of the intervals; days begin at midnight WITA.")
    ] = "15m"
    language: Annotated[
        Language | None, Field(description="Of what is said; otherwise that of whoever asks.")
    ] = None
    _now: float = PrivateAttr()
    _wanted: Wanted = PrivateAttr()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        # kept, since the time of now goes on
        self._now = time.time()
        self._wanted = wanted(
            self.from_, self.to, self._now, self.interval, self.line, len(set(self.camera))
        )
        return self

    @property
    def now(self) -> float:
        """When it was asked for."""
        return self._now

    @property
    def wanted(self) -> Wanted:
        return self._wanted


def wanted(
    from_: float | None,
    to: float | None,
    now: float,
    interval: Length,
    line: str | None,
    cameras: int,
) -> Wanted:
    """The whole intervals that lie in a time, or reach into it, and that have begun by ``now``.
    Raises ValueError."""
    seconds = INTERVALS[interval]
    ahead = offset_of(seconds)
    # what has not begun was not missed
    to_ts = now if to is None else min(to, now)
    from_ts = max(0.0, to_ts - DAY_S) if from_ is None else from_
    if from_ts >= to_ts:
        raise ValueError("'from' must be before 'to', which is now at the latest")
    # days that begin before 1970 are left out
    first = max(math.floor((from_ts + ahead) / seconds), math.ceil(ahead / seconds))
    last = max(math.ceil((to_ts + ahead) / seconds), first + 1)
    # below the base, minutes are read
    read = cameras * (last - first) * (seconds // (BASE_S if seconds >= BASE_S else MINUTE_S))
    if read > MAX_INTERVALS:
        raise ValueError(
            f"at most {MAX_INTERVALS} intervals are read at once: ask for a shorter time, fewer "
            "cameras or a longer 'interval'"
        )
    return Wanted(first * seconds - ahead, last * seconds - ahead, seconds, line)


_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file",
        "content": {shape.media.split(";")[0]: {} for shape in FORMATS.values()},
    }
}


@router.get(
    "/counts/export",
    summary="Export counts",
    response_class=StreamingResponse,
    responses=problems(404, 422) | _ANSWER,
)
def export_counts(
    query: Annotated[CountsExportQuery, Query()], request: Request, served: Served, caller: Asking
) -> StreamingResponse:
    """Counts with all that must be known to use them: how much of each interval was watched, under
    which revision of the scene, in what light; passenger-car units, peak hour and speed where they
    can be had; and the method, the factors with their source, and what the model cannot tell
    apart. A gap is a gap: nothing stands where nothing was watched. At most 200,000 rows."""
    store = served.store
    cameras = tuple(dict.fromkeys(query.camera))
    for camera in cameras:
        there = store.counts.passages(camera) or store.cameras.known(camera)
        if not caller.sees(camera) or not there:
            raise no_camera(camera)
    _ = texts(query.language or language_of(request))
    asked = query.wanted
    with served.exports.turn():
        found = recorded(
            store, cameras, from_ts=asked.from_ts, to_ts=asked.to_ts, seconds=asked.seconds
        )
        report = build(found, store.traffic.current(), asked, query.now, _)
        if asked.line is not None and not report.flows:
            raise HTTPException(
                404,
                f"none of these cameras has a line {asked.line!a}, nor a movement of that name: "
                "leave it out",
            )
        shape = FORMATS[query.format]
        # what cannot be made is still an answer of its own
        pieces: Iterator[bytes] = shape.pieces(report)
        if shape.binary:
            try:
                pieces = iter([*pieces])
            except NotInstalledError as error:
                raise HTTPException(422, str(error)) from None
    return StreamingResponse(
        pieces,
        media_type=shape.media,
        headers={
            "Content-Disposition": f'attachment; filename="{file_name(report, query.format)}"'
        },
    )
