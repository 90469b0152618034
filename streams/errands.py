"""What commands ask for that takes a while: each done in a thread of its own, so many at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from streams.bus import Control
from streams.commandform import Body
from streams.messages import encode
from vision.errors import BusError

UNHEARD: Final = "what was asked for is done, and nobody hears it"

log = structlog.get_logger()


class Errands:
    """Does what is asked for under a ``name``, at most ``most`` at the same moment, and answers
    whoever asked. Begun by one thread alone."""

    def __init__(self, control: Control, name: str, most: int) -> None:
        self._control = control
        self._name = name
        self._room = threading.Semaphore(most)
        self._threads: list[threading.Thread] = []

    @property
    def threads(self) -> list[threading.Thread]:
        """Those that are under way, to be joined."""
        return [thread for thread in self._threads if thread.is_alive()]

    def begin(self, command: str, work: Callable[[], Body], busy: Body) -> None:
        """Answer the ``command`` with what comes of ``work``, or at once with ``busy``. Raises
        BusError where that cannot be said."""
        if not self._room.acquire(blocking=False):
            self._control.answer(command, encode(busy))
            return
        thread = threading.Thread(
            target=self._run, args=(command, work), name=self._name, daemon=True
        )
        self._threads = [*self.threads, thread]
        thread.start()

    def _run(self, command: str, work: Callable[[], Body]) -> None:
        try:
            said = encode(work())
        finally:
            # whoever hears the answer may ask for more at once
            self._room.release()
        try:
            self._control.answer(command, said)
        except BusError as error:
            log.warning(UNHEARD, errand=self._name, why=str(error))
