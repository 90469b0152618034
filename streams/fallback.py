"""While the bus takes nothing, alerts are posted to the API; counts can wait."""

from __future__ import annotations

import math
import random
import time
from typing import Final

import structlog

from streams.messages import AlertMessage, MessageError, decode
from streams.posting import Poster
from streams.spool import Spool, Spooled
from vision.errors import PostingError, PostRefusedError, SpoolError

AFTER_S: Final = 5.0
"""A bus that takes nothing for so long is out."""
BATCH: Final = 32
POST_FOR_S: Final = 1.0
"""Then whoever wants to stop, or to look at the bus again, can."""
FIRST_DELAY_S: Final = 1.0
MAX_DELAY_S: Final = 10.0

log = structlog.get_logger()


class Fallback:
    """Posts what ``worker`` spooled of alerts with ``poster``, where there is one, from ``after_s``
    after the bus failed until it works: in order, one by one, each until the API has stored it. An
    API that takes none is tried again, with back-off and jitter. Used by one thread."""

    def __init__(
        self, spool: Spool, poster: Poster | None, worker: str, *, after_s: float = AFTER_S
    ) -> None:
        self._spool = spool
        self._poster = poster
        self._worker = worker
        self._after_s = after_s
        self._failing_s: float | None = None
        self._due_s = 0.0
        self._delay_s = FIRST_DELAY_S
        # places of those that the API does not take, which are the bus's again
        self._refused: set[int] = set()
        self._posted = 0
        self._why: str | None = None

    def bus_failed(self, began_s: float) -> None:
        """What was tried from ``began_s`` (monotonic) on was in vain."""
        if self._failing_s is None:
            self._failing_s = began_s

    def bus_works(self) -> None:
        """The bus takes messages."""
        if self._failing_s is None:
            return
        if self._posted:
            log.info("alerts go over Redis again", worker=self._worker, posted=self._posted)
        self._failing_s = None
        self._posted = 0
        self._refused.clear()
        self._all_is_well()

    def step(self) -> float:
        """Post what has to be posted, for about a second at most; for how long (s) nothing else has
        to be, unless an alert is put."""
        if self._poster is None or self._failing_s is None:
            return math.inf
        now_s = time.monotonic()
        due_s = max(self._failing_s + self._after_s, self._due_s)
        if now_s < due_s:
            return due_s - now_s
        try:
            done = self._post_all(self._poster, now_s + POST_FOR_S)
        except (PostingError, SpoolError) as error:
            if self._why != str(error):
                log.error("alerts cannot be posted", worker=self._worker, why=str(error))
            self._why = str(error)
            wait_s = random.uniform(self._delay_s / 2, self._delay_s)
            self._delay_s = min(2 * self._delay_s, MAX_DELAY_S)
            self._due_s = time.monotonic() + wait_s
            return wait_s
        return math.inf if done else 0.0

    def close(self) -> None:
        """Nothing is posted any more."""
        if self._poster is not None:
            self._poster.close()

    def _post_all(self, poster: Poster, until_s: float) -> bool:
        """Whether all were posted that the API takes before ``until_s`` (monotonic)."""
        place = 0
        while found := self._spool.unconfirmed_alerts(BATCH, after=place):
            for spooled in found:
                place = spooled.seq
                if place in self._refused:
                    continue
                if time.monotonic() >= until_s:
                    return False
                self._post(poster, spooled)
        return True

    def _post(self, poster: Poster, spooled: Spooled) -> None:
        try:
            message = decode(spooled.body)
            if not isinstance(message, AlertMessage):
                raise MessageError("it is no alert")
            poster.post(message, spooled.spooled_ts)
        except (PostRefusedError, MessageError) as error:
            log.error("alert not posted, it waits for Redis", key=spooled.key, why=str(error))
            self._refused.add(spooled.seq)
        else:
            self._spool.confirm([spooled.key], over_bus=False)
            if not self._posted:
                log.warning("alerts are posted to the API", worker=self._worker)
            self._posted += 1
        self._all_is_well()

    def _all_is_well(self) -> None:
        self._why = None
        self._due_s = 0.0
        self._delay_s = FIRST_DELAY_S
