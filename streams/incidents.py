"""What is open at one live camera: incidents that were seen, and its own outage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streams.health import SENTENCES, Code
from streams.messages import AlertMessage
from streams.recorder import Recorder
from vision.policy import CAMERA_DOWN, alert_of, camera_down
from vision.types import Event


class Incidents:
    """Says of each incident when it is raised and when it is over. Used by the camera's thread
    alone."""

    def __init__(self, camera_id: str, recorder: Recorder) -> None:
        self._camera_id = camera_id
        self._recorder = recorder
        self._open: dict[str, AlertMessage] = {}
        self._events: dict[str, Event] = {}
        self._outage: str | None = None

    @property
    def events(self) -> tuple[Event, ...]:
        """Those that are open, without the outage."""
        return tuple(self._events.values())

    @property
    def outage(self) -> bool:
        return self._outage is not None

    def take_over(self, opened: Iterable[AlertMessage], last_ts: float | None) -> None:
        """Go on with an outage that an earlier run stated, and close its other alerts at
        ``last_ts``, when it saw its last picture."""
        for message in opened:
            if message.kind == CAMERA_DOWN and self._outage is None:
                self._open[message.id] = message
                self._outage = message.id
            else:
                end_ts = message.raised_ts if last_ts is None else last_ts
                self._say([message.closed(end_ts, "the worker was started anew")])

    def state(self, events: Sequence[Event], revision: int, *, synthetic: bool) -> None:
        """State what was raised or ended in one picture; an event may do both in it."""
        self._say([self._stated(event, revision, synthetic) for event in events])

    def close(self, end_ts: float, why: str) -> None:
        """Nobody is followed any more: all of it is over, but for the outage."""
        followed = [m for m in self._open.values() if m.kind != CAMERA_DOWN]
        self._say([message.closed(end_ts, why) for message in followed])

    def begin_outage(
        self, code: Code, *, start_ts: float, raised_ts: float, revision: int, synthetic: bool
    ) -> None:
        """The camera has sent no picture since ``start_ts``, for the reason ``code``."""
        outage = camera_down(
            self._camera_id,
            start_ts=start_ts,
            raised_ts=max(start_ts, raised_ts),
            end_ts=None,
            code=code.value,
            why=SENTENCES[code],
        )
        self._outage = outage.id
        self.state([outage], revision, synthetic=synthetic)

    def end_outage(self, ts: float, why: str) -> None:
        """The outage is over, if there is one."""
        message = self._open.get(self._outage or "")
        self._outage = None
        if message is not None:
            self._say([message.closed(ts, why)])

    def _stated(self, event: Event, revision: int, synthetic: bool) -> AlertMessage:
        """What is said of ``event`` now."""
        known = self._open.get(event.id)
        alert = alert_of(event, 1 if known is None else known.version + 1)
        message = AlertMessage.of(alert, revision=revision, synthetic=synthetic)
        self._open[event.id] = message
        if event.kind != CAMERA_DOWN:
            self._events[event.id] = event
        return message

    def _say(self, messages: Sequence[AlertMessage]) -> None:
        for message in messages:
            if message.state == "closed":
                self._open.pop(message.id, None)
                self._events.pop(message.id, None)
        if messages:
            self._recorder.put(messages)
