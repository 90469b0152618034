"""What routes say of evidence: its shapes, and with which status it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.access import Caller
from api.alerts import is_id, no_alert
from api.evidence.refusals import (
    DamagedError,
    DeletedError,
    NoAlertError,
    NoItemError,
    NoRoomError,
    OtherOriginalError,
    UnavailableError,
    UnfitError,
)
from api.evidence.transfer import StoppedError, TooLongError
from api.services import Services
from api.store import StoredAlert
from api.store.evidence_items import Item
from api.times import TimeOut
from streams.evidenceform import Form
from streams.messages import NO_NUL, Name
from vision.errors import EvidenceError

MAX_WHY_CHARS: Final = 500
STATUSES: Final[Mapping[type[EvidenceError], int]] = {
    NoAlertError: 404,
    NoItemError: 404,
    DamagedError: 404,
    StoppedError: 408,
    OtherOriginalError: 409,
    DeletedError: 410,
    TooLongError: 413,
    UnfitError: 422,
    UnavailableError: 503,
    NoRoomError: 507,
}
"""What each refusal is answered with; others are for later, 503."""


class MissingIn(BaseModel):
    """Why there is no such evidence (yet)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    camera: Name
    why: Annotated[
        str,
        Field(min_length=1, max_length=MAX_WHY_CHARS, pattern=NO_NUL, description="One sentence."),
    ]


BODIES: Final = (MissingIn,)
"""Those that their routes read themselves."""


class TakenOut(BaseModel):
    """What is kept now."""

    sha256: Annotated[str, Field(description="Of the original; of the copy, where one was sent.")]


class ItemOut(BaseModel):
    """The evidence of an alert in one form."""

    form: Form
    camera: str
    state: Annotated[
        Literal["stored", "missing", "deleted"],
        Field(description="'missing' where its worker could not make it (yet)."),
    ]
    why: Annotated[str | None, Field(description="Why it is missing, or what it was deleted for.")]
    from_: Annotated[TimeOut | None, Field(alias="from", description="What it covers, from here")]
    to: Annotated[TimeOut | None, Field(description="to here.")]
    bytes: Annotated[int, Field(description="Of all that is kept of it.")]
    sha256: Annotated[str | None, Field(description="Of the original, in hex.")]
    note: Annotated[str | None, Field(description="Why it covers less than it should.")]
    copy_: Annotated[
        Literal["ready", "asked", "none", "failed"],
        Field(alias="copy", description="How it is with the masked copy."),
    ]
    copy_why: Annotated[str | None, Field(description="Why there is no masked copy.")]
    hold: Annotated[bool, Field(description="Whether it is spared from every deletion.")]

    @staticmethod
    def of(item: Item, served: Services) -> ItemOut:
        return ItemOut.model_validate(values_of(item, served))


class ItemsOut(BaseModel):
    """The evidence of an alert: at most one of each form."""

    items: list[ItemOut]


class LaterOut(BaseModel):
    """What is being made."""

    detail: str


def values_of(item: Item, served: Services) -> dict[str, Any]:
    """What is told of an item, by name."""
    asked = served.masks.known(item.alert, item.form) if item.copied is None else None
    return {
        "form": item.form, "camera": item.camera, "state": item.state, "why": item.why,
        "from": item.from_ts, "to": item.to_ts, "bytes": item.bytes, "sha256": item.sha256,
        "note": item.note, "copy": item.copy if asked is None else asked.state,
        "copy_why": item.copy_why if asked is None else asked.why, "hold": item.hold,
    }  # fmt: skip


def status_of(error: EvidenceError) -> int:
    """The status that says why evidence is not taken, shown or let go."""
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 503)


def alert_of(served: Services, caller: Caller, alert_id: str) -> StoredAlert:
    """The alert, if the caller sees its camera. Raises HTTPException or StoreError."""
    get = served.store.alerts.get
    found = get(alert_id, only=caller.cameras) if is_id(alert_id) else None
    if found is None:
        raise no_alert(alert_id)
    return found
