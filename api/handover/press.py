"""Where reports become files, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from api.handover.values import Report
from vision.errors import ServiceError

WAIT_S: Final = 0.5
"""No longer: whoever waits holds one of the threads that answer everybody."""


class PressBusyError(ServiceError):
    """Others have reports made."""

    def __init__(self) -> None:
        super().__init__("other reports are being made just now: ask again in a moment")


class Press:
    """Makes one report at a time: each takes a core for a while, and libraries for their files are
    not made for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def make(self, report: Callable[[], Report]) -> bytes:
        """The PDF of what ``report`` gives, which is asked for when it is its turn. Raises
        PressBusyError where it did not come to that."""
        with self.turn():
            # takes long to load, and only whoever prints needs it
            from api.handover.sheet import draw

            return draw(report())

    @contextmanager
    def turn(self) -> Iterator[None]:
        """For the block, no other is made. Raises PressBusyError where it did not come to that."""
        if not self._lock.acquire(timeout=WAIT_S):
            raise PressBusyError
        try:
            yield
        finally:
            self._lock.release()
