"""From what was seen to what staff are told: severity, state and version of an alert."""

from __future__ import annotations

from typing import Final

from vision.rules.base import event_id
from vision.rules.registry import kinds
from vision.types import Alert, Event, Severity

CAMERA_DOWN: Final = "camera_down"
"""The one kind that is no rule: nobody watches there."""


def severity_of(kind: str) -> Severity:
    """How grave an incident of that kind is. Raises KeyError for a kind that does not exist."""
    return "high" if kind == CAMERA_DOWN else kinds()[kind].severity


def alert_of(event: Event, version: int) -> Alert:
    """What staff see of ``event``. ``version`` is 1 when it is raised and one more with each
    later statement of the same event; whoever states events keeps it, until they end."""
    return Alert(
        event=event,
        severity=severity_of(event.kind),
        state="open" if event.end_ts is None else "closed",
        version=version,
    )


def camera_down(
    camera_id: str,
    *,
    start_ts: float,
    raised_ts: float,
    end_ts: float | None,
    code: str,
    why: str,
) -> Event:
    """A camera without pictures since ``start_ts``, the time of its last one. ``code`` and the
    sentence ``why`` are what was wrong when it was raised; they do not change its id, so an
    outage stays one incident whatever its cause turns out to be. A later outage since the same
    ``start_ts`` (a clock was set back) has another ``raised_ts``, and so another id. Raises
    ValueError for times in the wrong order."""
    return Event(
        id=event_id(camera_id, CAMERA_DOWN, "", start_ts, f"{raised_ts:.3f}"),
        kind=CAMERA_DOWN,
        rule=CAMERA_DOWN,
        camera_id=camera_id,
        place="",
        start_ts=start_ts,
        raised_ts=raised_ts,
        end_ts=end_ts,
        track_ids=(),
        score=1.0,
        details={"why": why, "code": code},
    )
