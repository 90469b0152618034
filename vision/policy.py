"""From what was seen to what staff are told: severity, state and version of an alert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from vision.rules.base import ended, event_id
from vision.scene import RuleConfig
from vision.types import Alert, Event

CAMERA_DOWN: Final = "camera_down"
"""A kind that is no rule: without pictures nobody watches."""


class Incidents:
    """What the rules of one view state, as incidents: opened, updated and closed once, however
    often tracks break."""

    def __init__(self, rules: Sequence[RuleConfig]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._open: dict[str, Event] = {}

    @property
    def open(self) -> tuple[Event, ...]:
        """Those that are open."""
        return tuple(self._open.values())

    def remember(self, events: Iterable[Event]) -> None:
        """Go on with what an earlier run stated and did not close."""
        self._open |= {event.id: event for event in events if event.rule in self._rules}

    def update(self, events: Sequence[Event], ts: float) -> list[Event]:
        """What there is to say at ``ts`` of what rules stated."""
        del ts
        for event in events:
            if event.end_ts is None:
                self._open[event.id] = event
            else:
                self._open.pop(event.id, None)
        return list(events)

    def cut(self, rule: str, ts: float) -> list[Event]:
        """The rule stopped watching at ``ts``: the ends of what is open of it."""
        return [ended(event, ts) for event in self._open.values() if event.rule == rule]

    def finish(self) -> list[Event]:
        """The source has ended: the ends of what was over and might have gone on."""
        return []


def alert_of(event: Event, version: int) -> Alert:
    """What staff see of ``event``. ``version`` is 1 when it is raised and one more with each
    later statement of the same event; whoever states events keeps it, until they end."""
    return Alert(
        event=event,
        severity=event.severity,
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
        severity="high",
    )
