"""From the store to the workers: the configuration, on the bus as long as the API runs.

The store is asked for its number every second. What the bus has is replaced where it is not that,
be it that somebody emptied it; workers keep what they took, so a bus without one harms nobody.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from api.store import Store
from api.trouble import Trouble
from streams.bus import Control
from streams.citydocument import encode_city
from streams.commands import Follow
from streams.messages import encode
from vision.errors import BusError, StoreError

EVERY_S: Final = 1.0
FOLLOW_TTL_S: Final = 10.0
"""Workers look by themselves far more often than this."""
VERSION_CHARS: Final = 16
JOIN_S: Final = 2.0

log = structlog.get_logger()


class Publisher:
    """A thread that publishes the store's configuration, between ``start`` and ``stop``.

    ``workers`` gives the names of those that are heard now: a change is said to them at once.
    ``on_death`` is called where the thread ends without being asked to.
    """

    def __init__(
        self,
        store: Store,
        control: Control,
        workers: Callable[[], Iterable[str]],
        *,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._control = control
        self._workers = workers
        self._on_death = on_death
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._number = 0
        self._version = ""
        self._body = ""
        self._trouble = Trouble(
            "the configuration is not published",
            "the configuration is published again",
            self._stopping,
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread within a second or so."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def problem(self) -> BusError | StoreError | None:
        """What keeps the configuration from being published now."""
        return self._trouble.error

    def _run(self) -> None:
        try:
            self._loop()
        finally:
            if not self._stopping.is_set():
                self._on_death()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except (BusError, StoreError) as error:
                self._trouble.wait(error)
            else:
                self._trouble.end()
                self._stopping.wait(EVERY_S)

    def _step(self) -> None:
        if self._store.configuration.number() != self._number:
            self._read()
        if not self._number or self._control.configured() == self._version:
            return
        self._control.configure(self._version, self._body)
        log.info("configuration published", number=self._number, version=self._version)
        for worker in self._workers():
            self._control.send(worker, encode(Follow()), ttl_s=FOLLOW_TTL_S)

    def _read(self) -> None:
        document = self._store.configuration.current()
        # none where another database took the place of this one: workers keep what they have
        self._number = 0 if document is None else document.number
        self._body = "" if document is None else encode_city(document)
        self._version = hashlib.sha256(self._body.encode()).hexdigest()[:VERSION_CHARS]
