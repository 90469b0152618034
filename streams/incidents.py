"""What is open at one live camera: incidents that were seen, and those of its own stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streams.health import SENTENCES, Code, Health, State
from streams.messages import AlertMessage
from streams.opinions import Opinions, advised, carried
from streams.recorder import Recorder
from vision.pipeline import Pipeline
from vision.policy import CAMERA_DOWN, CLOCK_SKEW, STREAM_CORRUPT, STREAM_KINDS, alert_of, of_stream
from vision.types import Event, Frame

AFTER_S = 3.0
"""A live camera that carries a code for so long has an incident."""
RELEASE_S = 30.0
"""It is over once the code is gone for so long: after a new connection it may take its time."""
UNWATCHED = "no rule watches it any more"
MAX_ASKED = 64
"""Incidents on which an opinion may still come."""


@dataclass(frozen=True, slots=True)
class Seen:
    """With which scene something was seen, and whether a real camera saw it."""

    revision: int
    synthetic: bool


@dataclass(slots=True)
class _Trouble:
    """A code that a live camera may carry. ``hidden_by`` are those that are said in its place;
    ``since_ts`` and ``gone_ts`` are since when it is there or not."""

    kind: str
    code: Code
    hidden_by: frozenset[Code]
    well: str
    since_ts: float | None = None
    gone_ts: float | None = None


_HIDES: Final = frozenset({Code.RESOLUTION_CHANGED})


class Incidents:
    """Says of each incident when it is raised and when it is over. Used by the camera's thread
    alone.

    What was seen is known to a pipeline. When that is dropped, or was another run's, its incidents
    stay open and are handed to the next one, which goes on with them. ``seen`` tells of what is
    seen now. ``opinions`` are asked about what begins, where there are any. ``clock`` (UTC seconds)
    is what each statement says it was made at.
    """

    def __init__(
        self,
        camera_id: str,
        recorder: Recorder,
        seen: Callable[[], Seen],
        opinions: Opinions | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._camera_id = camera_id
        self._clock = clock
        self._recorder = recorder
        self._seen = seen
        self._opinions = opinions
        # those that an opinion may come on, as they were stated last
        self._asked: dict[str, AlertMessage] = {}
        self._open: dict[str, AlertMessage] = {}
        # those that no pipeline spoke of since it was handed them: when they last held
        self._ends: dict[str, float] = {}
        self._why = UNWATCHED
        self._new: list[Event] = []
        # kind to id, of those of the stream
        self._own: dict[str, str] = {}
        self._troubles = (
            _Trouble(STREAM_CORRUPT, Code.CORRUPT, _HIDES, "pictures arrive whole again"),
            _Trouble(
                CLOCK_SKEW, Code.CLOCK_SKEW, _HIDES | {Code.CORRUPT}, "the clocks agree again"
            ),
        )

    @property
    def events(self) -> tuple[Event, ...]:
        """Those that were seen and are open."""
        return tuple(message.event for message in self._watched())

    @property
    def outage(self) -> bool:
        return CAMERA_DOWN in self._own

    def take_new(self) -> tuple[Event, ...]:
        """Those that were stated for the first time since this was last asked."""
        new, self._new = self._new, []
        return tuple(new)

    def take_over(self, opened: Iterable[AlertMessage], last_ts: float | None) -> None:
        """Go on with what an earlier run stated, which saw its last picture at ``last_ts``."""
        for message in opened:
            if message.kind not in STREAM_KINDS:
                self._open[message.id] = message
                self._ends[message.id] = message.raised_ts if last_ts is None else last_ts
            elif message.kind in self._own:
                self._say([message.closed(message.raised_ts, "it was stated twice")])
            else:
                self._open[message.id] = message
                self._own[message.kind] = message.id

    # --- what was seen

    def resume(self, pipeline: Pipeline) -> None:
        """Hand what is open to a new pipeline, and close what none of its rules watches."""
        known = [
            replace(self._open[i].event, end_ts=max(end_ts, self._open[i].start_ts))
            for i, end_ts in self._ends.items()
        ]
        pipeline.remember(known)
        kept = {event.id for event in pipeline.open}
        self._close([event.id for event in known if event.id not in kept], self._why)

    def state(
        self,
        events: Sequence[Event],
        frame: Frame | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """State what was raised, changed or ended in one picture, ``frame``; an event may do all
        in it. What others think of it is stated when they say so. Places are px of a picture of
        ``size`` (w, h), by default the frame's own."""
        new = {event.id: event for event in events if event.id not in self._open}
        messages = [self._stated(event) for event in events]
        self._say(messages)
        self._new += new.values()
        if self._opinions is None:
            return
        last = {message.id: message for message in messages}
        for event in new.values():
            if frame is not None and self._opinions.offer(frame, event, size):
                self._asked[event.id] = last[event.id]
        self._say(self._advised(self._opinions))

    def leave(self, last: Sequence[Event], end_ts: float, why: str) -> None:
        """The pipeline is dropped, which saw its last picture at ``end_ts`` and said ``last``.
        What was seen to end is over; all else is for the next one, and if that has no rule for
        it, it was closed for the reason ``why``."""
        self.state([event for event in last if not event.lost])
        for event in last:
            if event.lost and event.end_ts is not None:
                self._ends.setdefault(event.id, event.end_ts)
        for message in self._watched():
            self._ends.setdefault(message.id, end_ts)
        self._why = why

    def close(self, why: str) -> None:
        """Nobody will look for it any more: all is over that the last pipeline left."""
        self._close(list(self._ends), why)

    # --- the stream itself

    def begin(self, kind: str, code: Code, start_ts: float, ts: float) -> None:
        """Something of ``STREAM_KINDS`` is the case since ``start_ts``, for the reason ``code``,
        as is said at ``ts``."""
        event = of_stream(
            kind,
            self._camera_id,
            start_ts=start_ts,
            raised_ts=max(start_ts, ts),
            code=code.value,
            why=SENTENCES[code],
        )
        self._own[kind] = event.id
        self.state([event])

    def end(self, kind: str, ts: float, why: str) -> None:
        """It is over, if it was the case."""
        message = self._open.get(self._own.pop(kind, ""))
        if message is not None:
            self._say([message.closed(ts, why)])

    def end_all(self, ts: float, why: str) -> None:
        """Nobody watches the stream any more."""
        for kind in STREAM_KINDS:
            self.end(kind, ts, why)

    def watch(self, health: Health, ts: float) -> None:
        """What a live camera carries at ``ts`` beside its pictures. While it is not live nobody
        knows."""
        for trouble in self._troubles:
            if health.state is not State.LIVE or health.code in trouble.hidden_by:
                trouble.since_ts = trouble.gone_ts = None
            elif health.code is not trouble.code:
                trouble.since_ts = None
                trouble.gone_ts = ts if trouble.gone_ts is None else trouble.gone_ts
                if ts - trouble.gone_ts >= RELEASE_S:
                    self.end(trouble.kind, trouble.gone_ts, trouble.well)
            else:
                trouble.gone_ts = None
                trouble.since_ts = ts if trouble.since_ts is None else trouble.since_ts
                if trouble.kind not in self._own and ts - trouble.since_ts >= AFTER_S:
                    self.begin(trouble.kind, trouble.code, trouble.since_ts, ts)

    # --- statements

    def _watched(self) -> list[AlertMessage]:
        return [message for message in self._open.values() if message.kind not in STREAM_KINDS]

    def _stated(self, event: Event) -> AlertMessage:
        """What is said of ``event`` now."""
        known = self._open.get(event.id)
        alert = alert_of(event, 1 if known is None else known.version + 1)
        seen = self._seen()
        message = AlertMessage.of(alert, revision=seen.revision, synthetic=seen.synthetic)
        message = message if known is None else carried(known, message)
        self._open[event.id] = message
        self._ends.pop(event.id, None)
        return message

    def _advised(self, opinions: Opinions) -> list[AlertMessage]:
        """What is to be said once more, since an opinion came; what is closed stays so."""
        found = []
        for event_id, opinion in opinions.take(self._camera_id):
            message = self._asked.pop(event_id, None)
            if message is not None:
                found.append(advised(message, opinion))
                if event_id in self._open:
                    self._open[event_id] = found[-1]
        while len(self._asked) > MAX_ASKED:
            del self._asked[next(iter(self._asked))]
        return found

    def _close(self, ids: Sequence[str], why: str) -> None:
        self._say([self._open[i].closed(self._ends[i], why) for i in ids])

    def _say(self, messages: Sequence[AlertMessage]) -> None:
        now = self._clock()
        for message in messages:
            if message.id in self._asked:
                self._asked[message.id] = message
            if message.state == "closed":
                self._open.pop(message.id, None)
                self._ends.pop(message.id, None)
        if messages:
            self._recorder.put([message.detected(now) for message in messages])
