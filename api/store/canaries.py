"""Canaries that came all the way, and processes that say that they live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from api.store.alerting_tables import beats, canaries
from api.store.database import Database, take_turn

CANARY_LOCK: Final = 0x6D6E


@dataclass(frozen=True, slots=True)
class Canary:
    """The last one of a worker that arrived, and when it passed each part of the chain."""

    worker: str
    version: int
    times: Mapping[str, float | None]
    arrived_at: float


class Canaries:
    """Everything raises StoreError. ``clock`` gives UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def arrived(self, worker: str, version: int, times: Mapping[str, float | None]) -> None:
        """A canary came all the way; an older one than is known changes nothing."""
        values = {"version": version, "times": dict(times), "arrived_at": self._clock()}
        mine = canaries.c.worker == worker
        with self._database.write() as connection:
            take_turn(connection, CANARY_LOCK)
            known = connection.scalar(select(canaries.c.version).where(mine))
            if known is None:
                connection.execute(insert(canaries).values(worker=worker, **values))
            elif version > known:
                connection.execute(update(canaries).where(mine).values(values))

    def last(self) -> list[Canary]:
        """The last one of each worker, by its name."""
        with self._database.read() as connection:
            rows: Any = connection.execute(select(canaries).order_by(canaries.c.worker)).mappings()
            return [Canary(**row) for row in rows]

    def forget(self, worker: str) -> bool:
        """Expect none of a worker any more; whether there was one."""
        with self._database.write() as connection:
            gone = connection.execute(delete(canaries).where(canaries.c.worker == worker))
        return gone.rowcount > 0

    def beat(self, name: str) -> None:
        """``name`` lives."""
        mine, now = beats.c.name == name, self._clock()
        with self._database.write() as connection:
            if not connection.execute(update(beats).where(mine).values(at=now)).rowcount:
                take_turn(connection, CANARY_LOCK)
                connection.execute(delete(beats).where(mine))
                connection.execute(insert(beats).values(name=name, at=now))

    def beats(self) -> dict[str, float]:
        """When each process last said that it lives."""
        with self._database.read() as connection:
            rows = connection.execute(select(beats.c.name, beats.c.at).order_by(beats.c.name))
            return {row.name: row.at for row in rows}

    def ages(self) -> dict[str, float]:
        """For how many seconds each process has not said that it lives."""
        now = self._clock()
        return {name: max(0.0, now - at) for name, at in self.beats().items()}
