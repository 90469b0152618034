"""The built-in channel, on which canaries arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from api.store import StoredAlert
from api.store.canaries import Canaries
from api.store.letters import Answer, Letter
from streams.messages import CANARY
from vision.errors import StoreError

_PREFIX: Final = f"{CANARY}:"


class CanarySender:
    """Keeps that canaries came all the way. ``clock`` gives UTC seconds."""

    def __init__(self, canaries: Canaries, clock: Callable[[], float]) -> None:
        self._canaries = canaries
        self._clock = clock

    def send(self, letter: Letter) -> Answer:
        try:
            for alert in letter.alerts:
                self._arrived(alert)
        except StoreError as error:
            return Answer(ok=False, why=str(error))
        return Answer(ok=True, why="")

    def close(self) -> None:
        """There is nothing to close."""

    def _arrived(self, alert: StoredAlert) -> None:
        times = alert.passed | {"delivered": self._clock()}
        self._canaries.arrived(alert.id.removeprefix(_PREFIX), alert.version, times)
