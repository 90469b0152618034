"""What people do about an alert, as values: new, acknowledged, assigned, resolved, and what may
follow what. No clock and no store; times are UTC seconds that the caller gives.

What rules say of an alert (whether it still lasts) is none of this: neither changes the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, TypeAlias

from vision.errors import HandlingError

Status: TypeAlias = Literal["new", "acknowledged", "assigned", "resolved"]
Outcome: TypeAlias = Literal["true", "false"]
"""Whether something was a true or a false alarm."""
Act: TypeAlias = Literal[
    "alert.acknowledged", "alert.assigned", "alert.resolved", "alert.reopened", "alert.merged"
]
"""As the record calls them."""
MAX_NOTE_CHARS: Final = 2000
_DONE: Final[Mapping[str, str]] = {
    "alert.acknowledged": "acknowledged it",
    "alert.assigned": "assigned it",
    "alert.resolved": "resolved it",
    "alert.reopened": "re-opened it",
    "alert.merged": "merged it into another one",
}


class Done(NamedTuple):
    """Who did what last, in the record's words."""

    by: str
    action: str


class ConflictError(HandlingError):
    """Somebody was first: the alert is not as it was when the caller looked. ``last`` is who did
    what since, None where nobody did anything."""

    def __init__(self, edit: int, given: int, last: Done | None) -> None:
        self.edit = edit
        self.given = given
        self.last = last
        first = "" if last is None else f"{last.by} {_DONE.get(last.action, 'changed it')}, and "
        super().__init__(
            f"{first}the alert is at edit {edit}, not {given}: read it again, then decide"
        )


class ImpossibleError(HandlingError):
    """What is asked for cannot follow on how the alert is."""


class ResolvedError(ImpossibleError):
    """It is resolved: nothing but re-opening changes it."""

    def __init__(self) -> None:
        super().__init__("this alert is resolved: re-open it first")


class NotResolvedError(ImpossibleError):
    """Only what is resolved can be re-opened."""

    def __init__(self) -> None:
        super().__init__("this alert is not resolved, so it cannot be re-opened: read it again")


class IntoItselfError(ImpossibleError):
    """An alert is no part of itself."""

    def __init__(self) -> None:
        super().__init__("an alert cannot be merged into itself: name the other one")


class IntoMergedError(ImpossibleError):
    """The target is itself a part of another alert."""

    def __init__(self) -> None:
        super().__init__(
            "that alert is itself merged into another one: name that one, or re-open it first"
        )


@dataclass(frozen=True, slots=True)
class Case:
    """What people did about one alert. ``edit`` rises by one with each act; ``note`` is that of
    the last resolving or re-opening; ``merged_into`` the alert that it turned out to be a part
    of."""

    status: Status = "new"
    edit: int = 0
    assigned_to: str | None = None
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    resolved_at: float | None = None
    resolved_by: str | None = None
    outcome: Outcome | None = None
    note: str | None = None
    merged_into: str | None = None


def expect(case: Case, edit: int, last: Done | None) -> None:
    """Raise ConflictError unless the case is still at ``edit``, which the caller saw; ``last`` is
    who did what last."""
    if case.edit != edit:
        raise ConflictError(case.edit, edit, last)


def acknowledge(case: Case, by: str, at: float) -> Case:
    """Somebody took note of it; the first one stays."""
    if case.status != "new":
        return case
    return replace(_noted(case, by, at), status="acknowledged", edit=case.edit + 1)


def assign(case: Case, to: str, by: str, at: float) -> Case:
    """Give it to somebody, which takes note of it too. Raises ResolvedError."""
    _check_unresolved(case)
    if case.status == "assigned" and case.assigned_to == to:
        return case
    return replace(_noted(case, by, at), status="assigned", assigned_to=to, edit=case.edit + 1)


def resolve(case: Case, outcome: Outcome, note: str | None, by: str, at: float) -> Case:
    """It was a true or a false alarm, and nothing is left to do. Raises ResolvedError."""
    _check_unresolved(case)
    return replace(_resolved(case, by, at), outcome=outcome, note=note or None)


def reopen(case: Case, note: str | None) -> Case:
    """Something is left to do: back to whom it was assigned, if anybody, and on its own where it
    was merged. Raises NotResolvedError."""
    if case.status != "resolved":
        raise NotResolvedError
    return replace(
        case,
        status="acknowledged" if case.assigned_to is None else "assigned",
        edit=case.edit + 1,
        resolved_at=None,
        resolved_by=None,
        outcome=None,
        note=note or None,
        merged_into=None,
    )


def merge(case: Case, alert: str, into: str, target: Case, by: str, at: float) -> Case:
    """``alert`` turned out to be a part of the alert ``into``, which is handled in its place.
    Raises ResolvedError, IntoItselfError or IntoMergedError."""
    _check_unresolved(case)
    if alert == into:
        raise IntoItselfError
    if target.merged_into is not None:
        raise IntoMergedError
    return replace(_resolved(case, by, at), outcome=None, note=None, merged_into=into)


def repoint(case: Case, into: str) -> Case:
    """What it was merged into was itself merged ``into`` another one."""
    return replace(case, merged_into=into, edit=case.edit + 1)


def _check_unresolved(case: Case) -> None:
    if case.status == "resolved":
        raise ResolvedError


def _noted(case: Case, by: str, at: float) -> Case:
    """Whoever does anything about an alert took note of it."""
    if case.acknowledged_at is not None:
        return case
    return replace(case, acknowledged_at=at, acknowledged_by=by)


def _resolved(case: Case, by: str, at: float) -> Case:
    return replace(
        _noted(case, by, at),
        status="resolved",
        edit=case.edit + 1,
        resolved_at=at,
        resolved_by=by,
    )
