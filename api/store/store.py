"""The store: one database, everything in it, and the one way in for messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy import select

from api.store.alerting import AlertingSettings
from api.store.alerts import NO_HOPS, Alerts, lock_feed, record_alerts, set_feed
from api.store.audit import Audit
from api.store.cameras import Cameras
from api.store.canaries import Canaries
from api.store.cases import Cases
from api.store.configuration import Configuration
from api.store.counts import Counts, record_counts
from api.store.database import Database
from api.store.evidence import Evidence
from api.store.groups import Groups
from api.store.handovers import Handovers
from api.store.hops import ChainTimes
from api.store.keys import Keys
from api.store.notices import Notices
from api.store.people import People
from api.store.precision import Precision
from api.store.rejected import Rejected
from api.store.scenes import Scenes
from api.store.system import Wrongs
from api.store.tables import feed
from api.store.traffic import TrafficSettings
from api.store.validations import Validations
from streams.messages import AlertMessage, CountsMessage, Hops


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch changed: ids of alerts that were new, and whether the feed moved."""

    created: frozenset[str]
    alerts_changed: bool


class Store:
    """Opened by ``Store.open``; for any thread. Everything raises StoreError, one sentence."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self.alerts = Alerts(database, clock)
        self.cases = Cases(database, clock)
        self.alerting = AlertingSettings(database, clock)
        self.notices = Notices(database, clock)
        self.canaries = Canaries(database, clock)
        self.chain = ChainTimes(database, clock)
        self.precision = Precision(database)
        self.handovers = Handovers(database)
        self.evidence = Evidence(database, clock)
        self.rejected = Rejected(database, clock)
        self.wrongs = Wrongs(database, clock)
        self.counts = Counts(database)
        self.traffic = TrafficSettings(database, clock)
        self.validations = Validations(database, clock)
        self.cameras = Cameras(database, clock)
        self.configuration = Configuration(database, clock)
        self.scenes = Scenes(database, clock)
        self.keys = Keys(database, clock)
        self.people = People(database, clock)
        self.groups = Groups(database, clock)
        self.audit = Audit(database, clock)

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], float] = time.time) -> Self:
        """Connect to ``sqlite:///FILE`` or ``postgresql://…`` and bring its tables up to date, one
        process at a time. ``clock`` gives UTC seconds."""
        return cls(Database(url), clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self._database.label})"

    def close(self) -> None:
        self._database.close()

    def check(self) -> None:
        """Raise StoreError unless the store answers."""
        with self._database.read() as connection:
            connection.execute(select(feed.c.position)).scalar_one()

    def record(
        self,
        messages: Sequence[AlertMessage | CountsMessage],
        hops: Mapping[str, Hops] = NO_HOPS,
    ) -> Recorded:
        """Store all ``messages`` durably in one transaction, or none; ``hops`` are by their keys. A
        version that is not newer than what is known changes nothing, so that repeating them is
        harmless.

        Raises UnstorableError where one of them holds what no database takes."""
        stated = [message for message in messages if isinstance(message, AlertMessage)]
        counted = [message for message in messages if isinstance(message, CountsMessage)]
        if not messages:
            return Recorded(frozenset(), alerts_changed=False)
        with self._database.write() as connection:
            # The lock also keeps two writers from both finding an alert or an interval unknown.
            before = lock_feed(connection)
            after, created = record_alerts(
                connection, stated, position=before, now=self._clock(), hops=hops
            )
            record_counts(connection, counted)
            if after != before:
                set_feed(connection, after)
        return Recorded(created, alerts_changed=after != before)

    def reject(self, entry: str, reason: str, body: str) -> None:
        """Put a message aside that cannot be stored, as ``Rejected.add``."""
        self.rejected.add(entry, reason, body)
