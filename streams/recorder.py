"""Puts what a worker states into its spool, and holds it while the disk refuses it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import structlog

from streams.messages import CANARY, AlertMessage, CountsMessage
from streams.spool import Spool
from vision.errors import SpoolError

MAX_HELD = 1000
"""Statements that wait for a disk; from then on cameras pause, which loses frames, not alerts."""

log = structlog.get_logger()


class Recorder:
    """Statements in order, each durable once it is logged as spooled. Used by many threads."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._held: deque[AlertMessage | CountsMessage] = deque()
        self._bins: dict[str, str] = {}
        self._lock = threading.Lock()
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why statements are held back, one sentence, or None."""
        return self._problem

    @property
    def ready(self) -> bool:
        """Whether there is room for what another picture may bring."""
        return len(self._held) < MAX_HELD

    @property
    def held(self) -> int:
        """Statements that are in memory alone."""
        return len(self._held)

    def put(
        self,
        messages: Sequence[AlertMessage | CountsMessage],
        *,
        bins: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Spool ``messages`` after those that are held, with the running counts ``bins`` by
        camera; they are held too while that fails."""
        with self._lock:
            self._held.extend(messages)
            self._bins.update(bins)
            self._write()

    def retry(self) -> None:
        """Try again what is held."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        messages = tuple(self._held)
        if not messages and not self._bins:
            return
        try:
            self._spool.put(messages, bins=self._bins)
        except SpoolError as error:
            if self._problem is None:
                log.error("alerts and counts wait in memory", why=str(error))
            self._problem = str(error)
            return
        self._held.clear()
        self._bins.clear()
        if self._problem is not None:
            log.info("the spool takes messages again", waited=len(messages))
        self._problem = None
        for message in messages:
            if isinstance(message, AlertMessage) and message.kind != CANARY:
                log.info(
                    "alert spooled",
                    id=message.id,
                    version=message.version,
                    state=message.state,
                    camera=message.camera,
                    kind=message.kind,
                )
            else:
                log.debug("spooled", key=message.key)
