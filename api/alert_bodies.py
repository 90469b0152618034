"""Alerts as programs state and read them: the bodies of the alerts' routes."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.lifecycle import Outcome, Status
from api.store import StoredAlert
from api.times import MaybeTimeIn, TimeIn, TimeOut
from streams.messages import MAX_NAME_CHARS, NO_NUL, AlertMessage, Details, Hops, Name
from vision.types import Severity

ALERT_ID: Final = r"^[A-Za-z0-9._:-]{1,80}$"
MAX_TRACKS: Final = 10_000
Place = Annotated[str, Field(max_length=MAX_NAME_CHARS, pattern=NO_NUL)]
_POSITIVE = Annotated[int, Field(ge=1, lt=1 << 31)]
_TRACK = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]


class AlertIn(BaseModel):
    """One incident as it is now. Sending it again changes nothing; a higher ``version`` replaces
    what is known of its ``id``."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "gate-7-2026-01-31-001",
                    "camera": "gate-7",
                    "kind": "intrusion",
                    "start": "2026-01-31T07:00:00Z",
                }
            ]
        },
    )

    id: Annotated[str, Field(pattern=ALERT_ID, description="Names the incident for ever.")]
    camera: Annotated[Name, Field(description="Id of the camera that saw it.")]
    kind: Annotated[Name, Field(description="What happened, such as intrusion.")]
    start: Annotated[TimeIn, Field(description="When it began.")]
    raised: Annotated[
        MaybeTimeIn, Field(description="When it was noticed; its start by default.")
    ] = None
    end: Annotated[MaybeTimeIn, Field(description="When it was over; none while it lasts.")] = None
    state: Annotated[
        Literal["open", "closed"] | None, Field(description="Closed where it has an end.")
    ] = None
    rule: Annotated[Name | None, Field(description="What noticed it; the kind by default.")] = None
    place: Annotated[Place, Field(description="Name of the zone or line.")] = ""
    severity: Severity = "medium"
    track_ids: Annotated[
        list[_TRACK],
        Field(
            default_factory=list,
            max_length=MAX_TRACKS,
            description="The camera's numbers of who took part.",
        ),
    ]
    score: Annotated[float, Field(ge=0, le=1, description="How sure it is.")] = 1.0
    details: Annotated[Details, Field(default_factory=dict, description="Why, in any JSON values.")]
    version: Annotated[_POSITIVE, Field(description="Rises with every change.")] = 1
    revision: Annotated[
        int, Field(ge=0, lt=1 << 31, description="Number of the scene it was seen with.")
    ] = 0
    synthetic: Annotated[bool, Field(description="No real camera saw it.")] = False
    detected: Annotated[
        MaybeTimeIn, Field(description="When it was first stated, by the sender's clock.")
    ] = None
    spooled: Annotated[
        MaybeTimeIn, Field(description="When the sender had it on its disk, by the same clock.")
    ] = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.raised is not None and self.raised < self.start:
            raise ValueError("'raised' must not be before 'start'")
        if self.end is not None and self.end < self.start:
            raise ValueError("'end' must not be before 'start'")
        if self.state is not None and (self.state == "closed") != (self.end is not None):
            raise ValueError("a closed alert must have an 'end', and an open one must not")
        return self

    def message(self) -> AlertMessage:
        return AlertMessage(
            id=self.id,
            version=self.version,
            camera=self.camera,
            kind=self.kind,
            rule=self.rule or self.kind,
            place=self.place,
            severity=self.severity,
            state="open" if self.end is None else "closed",
            start_ts=self.start,
            raised_ts=self.start if self.raised is None else self.raised,
            end_ts=self.end,
            track_ids=tuple(self.track_ids),
            score=self.score,
            details=self.details,
            revision=self.revision,
            synthetic=self.synthetic,
            detected_ts=self.detected,
        )

    @property
    def hops(self) -> Hops:
        """When it passed what lies before us."""
        return Hops(spooled_ts=self.spooled)


class AlertOut(BaseModel):
    """One incident as it is now."""

    id: str
    version: Annotated[int, Field(description="Rises with every change of the incident.")]
    camera: str
    kind: str
    rule: str
    place: Annotated[str, Field(description="Name of the zone or line; may be empty.")]
    severity: Severity
    state: Annotated[Literal["open", "closed"], Field(description="Whether it still lasts.")]
    start: Annotated[TimeOut, Field(description="When it began.")]
    raised: Annotated[TimeOut, Field(description="When it was noticed.")]
    end: Annotated[TimeOut | None, Field(description="When it was over.")]
    track_ids: Annotated[list[int], Field(description="The camera's numbers of who took part.")]
    score: float
    details: dict[str, Any]
    revision: Annotated[int, Field(description="Number of the scene it was seen with.")]
    synthetic: Annotated[bool, Field(description="No real camera saw it.")]
    stored: Annotated[TimeOut, Field(description="When it came here first.")]
    updated: Annotated[TimeOut, Field(description="When it changed here last.")]
    acknowledged: Annotated[TimeOut | None, Field(description="When somebody took note of it.")]
    acknowledged_by: Annotated[
        str | None, Field(description="Name of that person, or of that program's key.")
    ]
    position: Annotated[int, Field(description="Place of its last change in the event stream.")]
    status: Annotated[Status, Field(description="How far people are with it.")]
    edit: Annotated[
        int, Field(description="Rises with each thing that people do about it; send it with yours.")
    ]
    assigned_to: Annotated[str | None, Field(description="Name of who is to see to it.")]
    resolved: Annotated[TimeOut | None, Field(description="When somebody was done with it.")]
    resolved_by: Annotated[str | None, Field(description="Name of that person or key.")]
    outcome: Annotated[Outcome | None, Field(description="Whether it was a true or a false alarm.")]
    note: Annotated[
        str | None, Field(description="What was said when it was resolved or re-opened last.")
    ]
    merged_into: Annotated[
        str | None,
        Field(
            description="Id of the alert that it turned out to be a part of; none too where that "
            "is of a camera that is not the caller's."
        ),
    ]
    opened_by: Annotated[str | None, Field(description="Name of who opened it by hand.")]
    detected: Annotated[
        TimeOut | None, Field(description="When it was first stated, by its worker's clock.")
    ]
    spooled: Annotated[TimeOut | None, Field(description="When its worker had that on its disk.")]
    published: Annotated[TimeOut | None, Field(description="When Redis had that.")]
    delivered: Annotated[
        TimeOut | None, Field(description="When a channel took the first message about it.")
    ]

    @staticmethod
    def of(alert: StoredAlert) -> AlertOut:
        return AlertOut(
            id=alert.id,
            version=alert.version,
            camera=alert.camera,
            kind=alert.kind,
            rule=alert.rule,
            place=alert.place,
            severity=alert.severity,
            state=alert.state,
            start=alert.start_ts,
            raised=alert.raised_ts,
            end=alert.end_ts,
            track_ids=list(alert.track_ids),
            score=alert.score,
            details=alert.details,
            revision=alert.revision,
            synthetic=alert.synthetic,
            stored=alert.stored_at,
            updated=alert.updated_at,
            acknowledged=alert.acknowledged_at,
            acknowledged_by=alert.acknowledged_by,
            position=alert.position,
            status=alert.status,
            edit=alert.edit,
            assigned_to=alert.assigned_to,
            resolved=alert.resolved_at,
            resolved_by=alert.resolved_by,
            outcome=alert.outcome,
            note=alert.note,
            merged_into=alert.merged_into,
            opened_by=alert.opened_by,
            detected=alert.detected_at,
            spooled=alert.spooled_at,
            published=alert.published_at,
            delivered=alert.delivered_at,
        )
