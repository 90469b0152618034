"""What a worker reports of its cameras, every second or so: nothing of it is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streams.health import Code, State
from streams.messages import Count, MessageError, Name, Ts, counts_of, misfit
from vision.bins import Interval


class Running(BaseModel):
    """What was counted in an interval that the store may not have yet: every count that is not
    0. Camera, start and revision name the interval, as in CountsMessage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_ts: Ts
    seconds: Annotated[int, Field(ge=1, le=3600)]
    revision: int
    counts: tuple[Count, ...]

    @staticmethod
    def of(interval: Interval) -> Running:
        """``interval`` as it is now."""
        return Running(
            start_ts=interval.start_ts,
            seconds=interval.seconds,
            revision=interval.revision,
            counts=counts_of(interval),
        )


class CameraReport(BaseModel):
    """One camera as its worker sees it now. Nothing here is a secret: no address, no login.

    ``analysed`` to ``connects``, ``detections`` (boxes of what is followed) and ``crossings`` are
    numbers since the worker has the camera; ``revision`` is that of the scene in force;
    ``running`` are its latest intervals, the oldest first; ``stream`` is which of its streams is
    analysed, None for a rendered camera and before the first picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    camera: Name
    name: Name
    source: Literal["rtsp", "synthetic"]
    state: State
    code: Code | None
    message: str
    since_ts: Ts
    last_frame_ts: Ts | None
    width: int | None
    height: int | None
    analysed: int
    dropped: int
    connects: int
    revision: int
    detections: int = 0
    crossings: int = 0
    running: tuple[Running, ...] = ()
    stream: Literal["main", "sub"] | None = None


class HealthReport(BaseModel):
    """All cameras of one worker at ``ts``, and what is wrong with the worker itself (one
    sentence, None while all is well). ``waiting`` messages are spooled and not confirmed;
    ``configuration`` is the number of the one it follows, 0 for none; ``pictures`` were made for
    viewers since it started."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    worker: Name
    ts: Ts
    problem: str | None
    waiting: int
    configuration: int = 0
    pictures: int = 0
    cameras: tuple[CameraReport, ...]


def decode_report(body: str | bytes) -> HealthReport:
    """The report in ``body``. Raises MessageError for anything that does not fit."""
    try:
        return HealthReport.model_validate_json(body)
    except ValidationError as error:
        raise MessageError(misfit(error)) from None
