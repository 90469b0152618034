"""Times as people and programs read them: ISO 8601, UTC, milliseconds, ``Z``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from streams.config import WITA

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
END_TS: Final = 253_402_300_800
"""The end of the year 9999, UTC seconds."""
_LAST: Final = datetime.max.replace(tzinfo=WITA)
_MAX_CHARS = 40


def iso(ts: float) -> str:
    """``ts``, UTC seconds from 1970 to the end of the year 9999, to the nearest millisecond."""
    milliseconds = min(round(ts * 1000), END_TS * 1000 - 1)
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def local(ts: float) -> datetime:
    """``ts`` (UTC seconds) as the city's clocks show it; they end with the year 9999, a few hours
    before that of UTC."""
    return min(EPOCH + timedelta(seconds=ts), _LAST).astimezone(WITA)


def midnight(ts: float) -> int:
    """When the city's day of ``ts`` began; both UTC seconds."""
    day = local(ts).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((day - EPOCH) / timedelta(seconds=1))


def read_iso(text: Any) -> float:
    """UTC seconds of an ISO 8601 text with its offset. Raises ValueError, one sentence."""
    moment = None
    if isinstance(text, str) and text.isascii() and "T" in text and len(text) <= _MAX_CHARS:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            "write a time as 2026-01-31T07:00:00Z, or with its offset from UTC ('+' is %2B in an "
            "address)"
        )
    ts = (moment - EPOCH) / timedelta(seconds=1)
    if not 0 <= ts < END_TS:
        raise ValueError("a time lies between the years 1970 and 9999")
    return ts


_SCHEMA: Final = {"type": "string", "format": "date-time"}
TimeIn = Annotated[float, BeforeValidator(read_iso), WithJsonSchema(_SCHEMA)]
"""A time that is sent to us; UTC seconds in here."""
MaybeTimeIn = Annotated[
    float | None,
    BeforeValidator(lambda value: None if value is None else read_iso(value)),
    WithJsonSchema({"anyOf": [_SCHEMA, {"type": "null"}]}),
]
TimeOut = Annotated[
    float,
    Field(ge=0),
    PlainSerializer(iso, return_type=str),
    WithJsonSchema(_SCHEMA | {"examples": ["2026-01-31T07:00:00.000Z"]}, mode="serialization"),
]
"""A time that we send; UTC seconds in here."""
