"""The wire schema: what goes from a worker through Redis to the store, as JSON, versioned.

A message states what holds now. It has an identity (``key`` without its version) and a
``version`` that rises with every change, so that repeating one changes nothing and an old one
never replaces a new one. Times named ``…_ts`` are UTC seconds of capture.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from vision.bins import Interval, Key
from vision.errors import MatakotaError
from vision.paces import Pace
from vision.types import Alert, Event, Severity

SCHEMA: Final = 2
"""Since 2, an alert may be critical, and says when it was detected."""
COUNTS_SCHEMA: Final = 4
"""Since 2, a line has any number of directions, and who came late is told; since 3, a line may be
watched for less than the camera is, where it is only in one of its views; since 4, it tells how
fast those were that passed, for how long something stood on a line, and for how long pictures came
that could not be trusted."""
MAX_NAME_CHARS = 120
"""A scene's own names have up to 80; a rule without one is called ``kind@place``."""
MAX_BODY_BYTES = 1 << 18
SYSTEM_CAMERA: Final = "matakota"
"""What an alert is about that is about no camera: the program itself. No camera may be called so;
it is seen by those who see every camera."""
CANARY: Final = "canary"
"""The kind of an alert that a worker states every minute to show that the whole way is open. It
tells of nothing, so nobody is shown it."""

# PostgreSQL keeps no NUL in a text.
NO_NUL = r"^[^\x00]*$"
END_TS: Final = 253_402_300_800
"""The end of the year 9999, UTC seconds."""
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS, pattern=NO_NUL)]
Ts: TypeAlias = Annotated[float, Field(ge=0, lt=END_TS, allow_inf_nan=False)]
"""UTC seconds from 1970 on."""
QUARTER_S: Final = 900
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=QUARTER_S)]
"""A part of an interval."""


def _storable(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    json.dumps(value, allow_nan=False)
    left: list[JsonValue] = [value]
    while left:
        match left.pop():
            case str() as text if "\0" in text:
                raise ValueError("a text with NUL in it cannot be stored")
            case dict() as some:
                left += [*some, *some.values()]
            case list() as some:
                left += some
    return value


def _part_of_a_quarter(seconds: int) -> int:
    if QUARTER_S % seconds:
        raise ValueError("an interval fills a quarter of an hour a whole number of times")
    return seconds


Details: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_storable)]
"""Why something fired, in JSON values: NaN and infinity are none, and no text has NUL in it."""


class MessageError(MatakotaError):
    """A message does not fit the schema; it says where."""


class NewerMessageError(MessageError):
    """A message is of a later schema: a newer version of this program can read it."""


@dataclass(frozen=True, slots=True)
class Hops:
    """When a message passed the parts of the chain that are not in it: on the worker's disk, and on
    the bus (UTC seconds, each by its own clock); None where nobody said."""

    spooled_ts: float | None = None
    published_ts: float | None = None


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AlertMessage(Message):
    """One incident as it is now. ``synthetic`` marks what no real camera saw; ``detected_ts`` is
    when it was stated so, by the worker's own clock."""

    schema_version: Literal[1, 2] = SCHEMA
    type: Literal["alert"] = "alert"
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,80}$")]
    version: Annotated[int, Field(ge=1, lt=1 << 31)]
    camera: Name
    kind: Name
    rule: Name
    place: Annotated[str, Field(max_length=MAX_NAME_CHARS, pattern=NO_NUL)]
    severity: Severity
    state: Literal["open", "closed"]
    start_ts: Ts
    raised_ts: Ts
    end_ts: Ts | None = None
    track_ids: tuple[int, ...] = ()
    score: Annotated[float, Field(ge=0, le=1)]
    details: Annotated[Details, Field(default_factory=dict)]
    revision: Annotated[int, Field(ge=0, lt=1 << 31)]
    synthetic: bool = False
    detected_ts: Ts | None = None

    @property
    def key(self) -> str:
        """Names this message: receipts carry it, the spool forgets by it."""
        return f"alert:{self.id}:{self.version}"

    def detected(self, ts: float) -> AlertMessage:
        """The same, stated at ``ts`` by this version of the program."""
        return self.model_copy(update={"schema_version": SCHEMA, "detected_ts": ts})

    def closed(self, end_ts: float, why: str) -> AlertMessage:
        """The next statement: it is over since ``end_ts``, for the reason ``why``."""
        return self.model_copy(
            update={
                "state": "closed",
                "version": self.version + 1,
                "end_ts": max(end_ts, self.start_ts),
                "details": {**self.details, "closed": why},
            }
        )

    @property
    def event(self) -> Event:
        """What it says of the incident, as rules say it."""
        return Event(
            id=self.id,
            kind=self.kind,
            rule=self.rule,
            camera_id=self.camera,
            place=self.place,
            start_ts=self.start_ts,
            raised_ts=max(self.start_ts, self.raised_ts),
            end_ts=self.end_ts,
            track_ids=self.track_ids,
            score=self.score,
            details=self.details,
            severity=self.severity,
        )

    @staticmethod
    def of(alert: Alert, *, revision: int, synthetic: bool) -> AlertMessage:
        """The message that states ``alert``, seen with scene revision ``revision``."""
        event = alert.event
        return AlertMessage(
            id=alert.id,
            version=alert.version,
            camera=event.camera_id,
            kind=event.kind,
            rule=event.rule,
            place=event.place,
            severity=alert.severity,
            state=alert.state,
            start_ts=event.start_ts,
            raised_ts=event.raised_ts,
            end_ts=event.end_ts,
            track_ids=event.track_ids,
            score=event.score,
            details=dict(event.details),
            revision=revision,
            synthetic=synthetic,
        )


class _Passed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    line: Name
    direction: Name
    class_name: Annotated[Name, Field(alias="class")]

    @property
    def key(self) -> Key:
        return self.line, self.direction, self.class_name


class Count(_Passed):
    """``count`` objects of a class passed ``line`` in ``direction``."""

    count: Annotated[int, Field(ge=0, lt=1 << 31)]


class PaceOf(_Passed):
    """``measured`` of those of a class that passed ``line`` in ``direction`` have a speed; their
    slownesses are ``s_per_m`` together."""

    measured: Annotated[int, Field(ge=1, lt=1 << 31)]
    s_per_m: Annotated[float, Field(ge=0.001, lt=1e9)]


class LateCount(BaseModel):
    """``count`` objects may have passed ``line`` in ``direction`` before they were seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: Name
    direction: Name
    count: Annotated[int, Field(ge=0, lt=1 << 31)]


class CountsMessage(Message):
    """What one camera saw pass in one interval: every count that is not 0.

    ``lines`` names the directions of each line and of each movement, which is counted like a line
    with one for each pair of an origin and a destination, and ``classes`` all that was looked for,
    so that a count that is missing is 0 where ``observed_s`` is not. ``observed`` says so for those
    lines that are not in every view of the camera. ``late`` is beside the counts. ``blind_s``,
    ``paces`` and ``occupied`` are those of an ``Interval``. An interval fills a quarter of an hour
    a whole number of times.
    """

    schema_version: Literal[1, 2, 3, 4] = COUNTS_SCHEMA
    type: Literal["counts"] = "counts"
    camera: Name
    start_ts: Ts
    seconds: Annotated[int, Field(ge=1, le=QUARTER_S), AfterValidator(_part_of_a_quarter)]
    revision: Annotated[int, Field(ge=0, lt=1 << 31)]
    version: Annotated[int, Field(ge=1, lt=1 << 31)]
    observed_s: Seconds
    frames: Annotated[int, Field(ge=0)]
    lines: dict[Name, tuple[Name, ...]]
    classes: tuple[Name, ...]
    counts: tuple[Count, ...]
    late: tuple[LateCount, ...] = ()
    observed: dict[Name, Seconds] = Field(default_factory=dict)
    synthetic: bool = False
    blind_s: Seconds = 0.0
    paces: tuple[PaceOf, ...] = ()
    occupied: dict[Name, Seconds] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _paced(self) -> Self:
        passed = {each.key: each.count for each in self.counts}
        if any(each.measured > passed.get(each.key, 0) for each in self.paces):
            raise ValueError("more have a speed than were counted")
        return self

    @property
    def key(self) -> str:
        """As that of an alert."""
        return f"counts:{self.camera}:{self.start_ts:.0f}:{self.revision}:{self.version}"

    @staticmethod
    def of(interval: Interval, *, synthetic: bool) -> CountsMessage:
        """The message that states ``interval``."""
        return CountsMessage(
            camera=interval.camera_id,
            start_ts=interval.start_ts,
            seconds=interval.seconds,
            revision=interval.revision,
            version=interval.version,
            observed_s=interval.observed_s,
            frames=interval.frames,
            lines=dict(interval.lines),
            classes=interval.classes,
            counts=counts_of(interval),
            late=tuple(
                LateCount(line=line, direction=direction, count=count)
                for (line, direction), count in sorted(interval.late.items())
            ),
            observed=dict(interval.observed),
            synthetic=synthetic,
            blind_s=interval.blind_s,
            paces=tuple(
                PaceOf(
                    line=line,
                    direction=direction,
                    class_name=name,
                    measured=pace.measured,
                    s_per_m=pace.s_per_m,
                )
                for (line, direction, name), pace in sorted(interval.paces.items())
            ),
            occupied=dict(interval.occupied),
        )

    @property
    def interval(self) -> Interval:
        """The interval that it states."""
        return Interval(
            camera_id=self.camera,
            start_ts=self.start_ts,
            seconds=self.seconds,
            revision=self.revision,
            version=self.version,
            observed_s=self.observed_s,
            frames=self.frames,
            lines=self.lines,
            classes=self.classes,
            counts={each.key: each.count for each in self.counts},
            late={(each.line, each.direction): each.count for each in self.late},
            observed=self.observed,
            blind_s=self.blind_s,
            paces={each.key: Pace(each.measured, each.s_per_m) for each in self.paces},
            occupied=self.occupied,
            synthetic=self.synthetic,
        )


def counts_of(interval: Interval) -> tuple[Count, ...]:
    """Every count of an interval that is not 0."""
    return tuple(
        Count(line=line, direction=direction, class_name=name, count=count)
        for (line, direction, name), count in sorted(interval.counts.items())
    )


AnyMessage: TypeAlias = Annotated[AlertMessage | CountsMessage, Field(discriminator="type")]
_ADAPTER: TypeAdapter[AlertMessage | CountsMessage] = TypeAdapter(AnyMessage)


def encode(message: BaseModel) -> str:
    """The message as one line of JSON."""
    return message.model_dump_json(by_alias=True)


def decode(body: str | bytes) -> AlertMessage | CountsMessage:
    """The message in ``body``. Raises NewerMessageError where its schema is a later one, and
    MessageError for anything else that does not fit."""
    if len(body) > MAX_BODY_BYTES:
        raise MessageError(f"a message has at most {MAX_BODY_BYTES} bytes, not {len(body)}")
    try:
        return _ADAPTER.validate_json(body)
    except ValidationError as error:
        version, known = _versions(body)
        if version > known:
            raise NewerMessageError(
                f"the message has schema {version}, and this version reads up to {known}: install "
                "the newer version here"
            ) from None
        raise MessageError(misfit(error, known)) from None


class _Versioned(BaseModel):
    type: object = None
    schema_version: Annotated[int, Field(strict=True)] = 0


def _versions(body: str | bytes) -> tuple[int, int]:
    """The schema that a message says to have, 0 where it says none, and the last one of its type
    that is known."""
    try:
        said = _Versioned.model_validate_json(body)
    except ValidationError:
        return 0, SCHEMA
    return said.schema_version, COUNTS_SCHEMA if said.type == "counts" else SCHEMA


def misfit(error: ValidationError, schema: int = SCHEMA) -> str:
    """Where and why something does not fit, one sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "message"
    return f"the message does not fit schema {schema}: {where}: {first['msg']}"
