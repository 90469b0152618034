"""What people do about alerts, over HTTP: assign, resolve, re-open, merge and open them by hand.

Each act names the ``edit`` of the alert at which its caller looked; whoever comes second gets 409,
hears who was first, and has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.alert_bodies import ALERT_ID, AlertOut, Place
from api.alerting.advise import advice_for
from api.alerts import found_or_404, is_id, no_alert
from api.bodies import described, small
from api.cameras import no_camera
from api.lifecycle import MAX_NOTE_CHARS, ConflictError, ImpossibleError, Outcome
from api.services import Asking, Served, problems
from api.sessions import actor_of
from api.store import Entry, StoredAlert
from api.store.cases import MAX_BULK, ByHand, NoTargetError
from api.times import MaybeTimeIn, TimeOut
from streams.messages import NO_NUL, Name
from vision.errors import HandlingError
from vision.types import Severity

router = APIRouter(tags=["alerts"])
_Id = Annotated[str, Field(pattern=ALERT_ID)]
_Note = Annotated[
    str, Field(max_length=MAX_NOTE_CHARS, pattern=NO_NUL, description="Why, for the others.")
]
_Edit = Annotated[
    int, Field(ge=0, lt=1 << 31, description="That of the alert as the caller saw it.")
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AcknowledgeIn(_In):
    """Alerts to take note of at once."""

    ids: Annotated[list[_Id], Field(min_length=1, max_length=MAX_BULK)]


class AssignIn(_In):
    """Who is to see to an alert."""

    to: Annotated[Name, Field(description="Name of a user who may handle alerts of its camera.")]
    edit: _Edit


class ResolveIn(_In):
    """What an alert turned out to be."""

    outcome: Annotated[Outcome, Field(description="A true or a false alarm.")]
    note: _Note = ""
    edit: _Edit


class ReopenIn(_In):
    """Why something is left to do."""

    note: _Note = ""
    edit: _Edit


class MergeIn(_In):
    """What an alert turned out to be a part of."""

    into: Annotated[_Id, Field(description="Id of the other alert.")]
    edit: _Edit


class OpenIn(_In):
    """What a person saw."""

    camera: Annotated[Name, Field(description="Id of the camera that shows it.")]
    kind: Annotated[Name, Field(description="What happened, such as intrusion.")]
    severity: Severity = "medium"
    start: Annotated[MaybeTimeIn, Field(description="When it began; now by default.")] = None
    place: Annotated[Place, Field(description="Name of the zone or line.")] = ""
    note: _Note = ""


BODIES: Final = (AcknowledgeIn, AssignIn, ResolveIn, ReopenIn, MergeIn, OpenIn)
"""Those that their routes read themselves."""


class AcknowledgedOut(BaseModel):
    """What became of each of them, by id."""

    acknowledged: list[str]
    already: Annotated[list[str], Field(description="Somebody had taken note of these before.")]
    unknown: Annotated[list[str], Field(description="There is none, or not for the caller.")]


class DoneOut(BaseModel):
    """One thing that was done about an alert."""

    at: TimeOut
    by: Annotated[str, Field(description="Name of the person or key.")]
    by_kind: Annotated[str, Field(description="Who that is: a user, a key, or a command.")]
    action: Annotated[str, Field(description="What was done, such as alert.assigned.")]
    before: Annotated[
        dict[str, JsonValue] | None, Field(description="What changed of it, as it was.")
    ]
    after: Annotated[
        dict[str, JsonValue] | None, Field(description="What changed of it, as it is since.")
    ]

    @staticmethod
    def of(entry: Entry) -> DoneOut:
        return DoneOut(
            at=entry.at,
            by=entry.actor,
            by_kind=entry.actor_kind,
            action=entry.action,
            before=entry.before,
            after=entry.after,
        )


class HistoryOut(BaseModel):
    """What was done about an alert, oldest first."""

    done: list[DoneOut]


class TelephoneOut(BaseModel):
    """Whom to call."""

    name: str
    number: str


class AdviceOut(BaseModel):
    """What to do about an alert, as the city wrote it; empty where it wrote nothing."""

    text: str
    telephones: list[TelephoneOut]


@router.post(
    "/alerts/acknowledge",
    summary="Take note of many alerts",
    responses=problems(413, 422),
    openapi_extra=described(AcknowledgeIn),
)
def acknowledge_alerts(
    asked: Annotated[AcknowledgeIn, Depends(small(AcknowledgeIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> AcknowledgedOut:
    """Take note of up to 500 alerts at once, all or none. Whoever was first with one stays."""
    cases = served.store.cases
    done = cases.acknowledge(asked.ids, actor_of(request), only=caller.cameras)
    if done.acknowledged:
        served.bell.ring()
    return AcknowledgedOut(
        acknowledged=done.acknowledged, already=done.already, unknown=done.unknown
    )


@router.post(
    "/alerts/by-hand",
    status_code=201,
    summary="Open an alert by hand",
    responses=problems(404, 413, 422),
    openapi_extra=described(OpenIn),
)
def open_alert(
    asked: Annotated[OpenIn, Depends(small(OpenIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> AlertOut:
    """Open an alert of what a person saw on one of the caller's cameras. It lasts until somebody
    resolves it."""
    seen = ByHand(
        kind=asked.kind,
        camera=asked.camera,
        severity=asked.severity,
        start_ts=asked.start,
        note=asked.note,
        place=asked.place,
    )
    with _refused():
        opened = served.store.cases.open(seen, actor_of(request), only=caller.cameras)
    if opened is None:
        raise no_camera(asked.camera)
    served.bell.ring()
    return AlertOut.of(opened)


@router.post(
    "/alerts/{alert_id}/assign",
    summary="Assign an alert",
    responses=problems(404, 409, 413, 422),
    openapi_extra=described(AssignIn),
)
def assign_alert(
    alert_id: str,
    asked: Annotated[AssignIn, Depends(small(AssignIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> AlertOut:
    """Name who is to see to it: a user who is not disabled, may handle alerts and sees its camera.
    Nobody else took note of it before? Then the caller does with this."""
    _check_id(alert_id)
    with _refused():
        found = served.store.cases.assign(
            alert_id, asked.to, actor_of(request), edit=asked.edit, only=caller.cameras
        )
    return _changed(served, found, alert_id)


@router.post(
    "/alerts/{alert_id}/resolve",
    summary="Resolve an alert",
    responses=problems(404, 409, 413, 422),
    openapi_extra=described(ResolveIn),
)
def resolve_alert(
    alert_id: str,
    asked: Annotated[ResolveIn, Depends(small(ResolveIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> AlertOut:
    """It was a true or a false alarm, and nothing is left to do. Whether it still lasts is for its
    rule to say; one that was opened by hand is over with this."""
    _check_id(alert_id)
    with _refused():
        found = served.store.cases.resolve(
            alert_id, asked.outcome, asked.note, actor_of(request),
            edit=asked.edit, only=caller.cameras,
        )  # fmt: skip
    return _changed(served, found, alert_id)


@router.post(
    "/alerts/{alert_id}/reopen",
    summary="Re-open an alert",
    responses=problems(404, 409, 413, 422),
    openapi_extra=described(ReopenIn),
)
def reopen_alert(
    alert_id: str,
    asked: Annotated[ReopenIn, Depends(small(ReopenIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> AlertOut:
    """Something is left to do after all: it goes back to whom it was assigned, if anybody, and is
    on its own again where it was merged."""
    _check_id(alert_id)
    with _refused():
        found = served.store.cases.reopen(
            alert_id, asked.note, actor_of(request), edit=asked.edit, only=caller.cameras
        )
    return _changed(served, found, alert_id)


@router.post(
    "/alerts/{alert_id}/merge",
    summary="Merge an alert into another one",
    responses=problems(404, 409, 413, 422),
    openapi_extra=described(MergeIn),
)
def merge_alert(
    alert_id: str,
    asked: Annotated[MergeIn, Depends(small(MergeIn))],
    request: Request,
    served: Served,
    caller: Asking,
) -> AlertOut:
    """It is a part of another alert, of the caller's cameras too, which is handled in its place.
    What was merged into it goes there with it."""
    _check_id(alert_id)
    with _refused():
        found = served.store.cases.merge(
            alert_id, asked.into, actor_of(request), edit=asked.edit, only=caller.cameras
        )
    return _changed(served, found, alert_id)


@router.get(
    "/alerts/{alert_id}/history",
    summary="Read what was done about an alert",
    responses=problems(404, 422),
)
def read_history(alert_id: str, served: Served, caller: Asking) -> HistoryOut:
    """Who did what about it, from the record, oldest first: the last thousand acts."""
    _check_id(alert_id)
    entries = served.store.cases.history(alert_id, only=caller.cameras)
    if entries is None:
        raise no_alert(alert_id)
    return HistoryOut(done=[DoneOut.of(entry) for entry in entries])


@router.get(
    "/alerts/{alert_id}/advice",
    summary="Read what to do about an alert",
    responses=problems(404, 422),
)
def read_advice(alert_id: str, served: Served, caller: Asking) -> AdviceOut:
    """What the city wrote down for alerts like this one, and whom to call."""
    _check_id(alert_id)
    alert = served.store.alerts.get(alert_id, only=caller.cameras)
    if alert is None:
        raise no_alert(alert_id)
    advice = advice_for(served.store.alerting.current().settings, alert)
    if advice is None:
        return AdviceOut(text="", telephones=[])
    return AdviceOut(
        text=advice.text,
        telephones=[TelephoneOut(name=each.name, number=each.number) for each in advice.telephones],
    )


def _check_id(alert_id: str) -> None:
    """No alert has another one."""
    if not is_id(alert_id):
        raise no_alert(alert_id)


def _changed(served: Served, found: StoredAlert | None, alert_id: str) -> AlertOut:
    """The alert as it is now, of which event streams hear at once."""
    out = found_or_404(found, alert_id)
    served.bell.ring()
    return out


@contextmanager
def _refused() -> Iterator[None]:
    """Say in HTTP's words why the store did not do it."""
    try:
        yield
    except (ConflictError, ImpossibleError) as error:
        raise HTTPException(409, str(error)) from None
    except NoTargetError as error:
        raise HTTPException(404, str(error)) from None
    except HandlingError as error:
        raise HTTPException(422, str(error)) from None
