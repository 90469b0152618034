"""What a thread does about a dependency that fails: says it once, waits, asks again."""

from __future__ import annotations

import random
import threading
from typing import Final

import structlog

from vision.errors import BusError, StoreError

FIRST_DELAY_S: Final = 0.2
MAX_DELAY_S: Final = 5.0

log = structlog.get_logger()


class Trouble:
    """``what`` is said where something begins to fail or fails otherwise, ``over`` when it works
    again. Waits grow, with jitter, and end with ``stopping``."""

    def __init__(self, what: str, over: str, stopping: threading.Event) -> None:
        self._what = what
        self._over = over
        self._stopping = stopping
        self._delay_s = FIRST_DELAY_S
        self.error: BusError | StoreError | None = None
        """What is wrong now."""

    def wait(self, error: BusError | StoreError) -> None:
        """It failed: until it is worth another try."""
        # while stopping, the bus may have been closed under us
        if self._stopping.is_set():
            return
        if str(error) != str(self.error):
            log.warning(self._what, why=str(error))
        self.error = error
        self._stopping.wait(random.uniform(self._delay_s / 2, self._delay_s))
        self._delay_s = min(2 * self._delay_s, MAX_DELAY_S)

    def end(self) -> None:
        """It worked."""
        if self.error is not None:
            log.info(self._over)
        self.error = None
        self._delay_s = FIRST_DELAY_S
