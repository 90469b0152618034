"""What people closed alerts as, by camera, kind and rule."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import false, func, select

from api.learning import Judged, Span, worst_first
from api.store.alerts import Only, among
from api.store.database import Database
from api.store.tables import alerts
from streams.messages import CANARY, SYSTEM_CAMERA

MAX_ROWS: Final = 10_000
"""So many rules of cameras at most; of more, those with the fewest alerts are left out."""


class Judgements(NamedTuple):
    """The worst first, and how many rules of cameras were ``left_out``."""

    rows: list[Judged]
    left_out: int


class Precision:
    """Reads what alerts were closed as. Raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self, span: Span, *, only: Only, camera: str | None = None, kind: str | None = None
    ) -> Judgements:
        """Alerts that were raised in the ``span``, of the cameras in ``only``, counted by camera,
        kind and rule. Not counted are those that tell of no work of a rule: what no real camera
        saw, canaries, what the program says of itself, what a person opened, and what is part of
        another alert."""
        group = alerts.c.camera, alerts.c.kind, alerts.c.rule
        count = func.count()
        query = (
            select(
                *group,
                count.label("alerts"),
                func.count().filter(alerts.c.outcome == "true").label("true_alarms"),
                func.count().filter(alerts.c.outcome == "false").label("false_alarms"),
                func.count().over().label("groups"),
            )
            .where(
                alerts.c.raised_ts >= span.from_ts,
                alerts.c.raised_ts < span.to_ts,
                among(only),
                alerts.c.kind != CANARY,
                alerts.c.camera != SYSTEM_CAMERA,
                alerts.c.synthetic == false(),
                alerts.c.opened_by.is_(None),
                # as a plain IS NULL, SQLite would go by the index of this column: by all alerts
                func.coalesce(alerts.c.merged_into, "") == "",
            )
            .group_by(*group)
            .order_by(count.desc(), *group)
            .limit(MAX_ROWS)
        )
        if camera is not None:
            query = query.where(alerts.c.camera == camera)
        if kind is not None:
            query = query.where(alerts.c.kind == kind)
        with self._database.read() as connection:
            found = connection.execute(query).all()
        groups = found[0].groups if found else 0
        rows = [Judged(*row[:-1]) for row in found]
        return Judgements(worst_first(rows), groups - len(rows))
