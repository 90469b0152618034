"""What becomes of evidence by itself: what is too old goes, and the oldest where room runs out."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from api.evidence.room import EvidenceRoom
from vision.errors import EvidenceError, StoreError

EVERY_S: Final = 300.0
JOIN_S: Final = 5.0

log = structlog.get_logger()


class Keeper:
    """A thread that sweeps a room at the start and then every few minutes, between ``start`` and
    ``stop``. ``besides`` is called each time with what time it is (UTC seconds), ``on_death`` where
    it ends without being asked to."""

    def __init__(
        self,
        room: EvidenceRoom,
        *,
        besides: Callable[[float], None] = lambda _: None,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._room = room
        self._besides = besides
        self._on_death = on_death
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)
        self._said: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it deletes just now is finished, or at the next start."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._sweep()
                self._stopping.wait(EVERY_S * random.uniform(0.9, 1.1))
        finally:
            if not self._stopping.is_set():
                self._on_death()

    def _sweep(self) -> None:
        why = None
        try:
            # first, for it needs no bucket
            self._besides(time.time())
            swept = self._room.sweep(time.time())
        except (EvidenceError, StoreError) as error:
            # the next time comes soon enough
            why = str(error)
        else:
            if swept.old or swept.for_room:
                log.info("evidence deleted", old=swept.old, for_room=swept.for_room)
        if why != self._said and why is not None:
            log.warning("evidence is not swept", why=why)
        self._said = why
