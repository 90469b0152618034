"""What the dispatcher asks of each kind of channel."""

from __future__ import annotations

from typing import Final, Protocol

from api.store.letters import Answer, Letter

STOPPED: Final = Answer(False, "the program ended meanwhile")
"""What a try says that was ended from this side: it is made again as soon as anybody can."""


class Sender(Protocol):
    """One kind of channel. Never raises for what the other side does. ``close`` ends a try that
    runs, and every later one."""

    def send(self, letter: Letter) -> Answer: ...

    def close(self) -> None: ...
