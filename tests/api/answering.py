"""A worker that answers the same to whatever it is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from streams.bus import Control
from tests.waiting import PATIENCE_S


@contextmanager
def answering(control: Control, said: str, worker: str = "w") -> Iterator[list[str]]:
    """Answers so; what it was asked."""
    stop, asked = threading.Event(), list[str]()

    def work() -> None:
        while not stop.is_set():
            for command in control.take(worker, wait_s=0.05):
                asked.append(command.body)
                control.answer(command.id, said)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join(PATIENCE_S)
