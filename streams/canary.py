"""The canary: a statement that tells of nothing, made every minute by a worker's own loop.

It goes the way that alerts go, but never around Redis, so that whoever waits for it at the end
knows that the whole way is open.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from streams.messages import CANARY, SYSTEM_CAMERA, AlertMessage
from streams.recorder import Recorder

PERIOD_S: Final = 60.0


class Canary:
    """States ``worker``'s canary each ``period_s``; ``step`` is called more often than that, by the
    loop that is to be seen alive. ``clock`` gives UTC seconds."""

    def __init__(
        self,
        recorder: Recorder,
        worker: str,
        *,
        period_s: float = PERIOD_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recorder = recorder
        self._worker = worker
        self._period_s = period_s
        self._clock = clock
        self._due_s = 0.0
        self._version = 0

    def step(self) -> None:
        """State it where it is due. While the spool takes nothing it is left out: nobody is to
        believe that the way is open, nor cameras to pause for it."""
        now_s = time.monotonic()
        if now_s < self._due_s or self._recorder.problem is not None:
            return
        self._due_s = now_s + self._period_s
        self._recorder.put([self._stated(self._clock())])

    def _stated(self, now: float) -> AlertMessage:
        # one more where the clock was set back: an older version would be no news to the store
        self._version = max(self._version + 1, int(now // 60))
        return AlertMessage(
            id=f"{CANARY}:{self._worker}",
            version=self._version,
            camera=SYSTEM_CAMERA,
            kind=CANARY,
            rule=CANARY,
            place="",
            severity="low",
            state="open",
            start_ts=now,
            raised_ts=now,
            score=1.0,
            details={},
            revision=0,
            synthetic=True,
            detected_ts=now,
        )
