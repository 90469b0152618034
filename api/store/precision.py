"""What people closed alerts as, by camera, kind and rule."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, false, func, select

from api.learning import Judged, Span, worst_first
from api.store.alerts import Only, among
from api.store.database import Database
from api.store.tables import alerts
from streams.commands import MAX_CLOSINGS, MAX_TRACK_IDS, Closing
from streams.messages import CANARY, SYSTEM_CAMERA

MAX_ROWS: Final = 10_000
"""So many rules of cameras at most; of more, those with the fewest alerts are left out."""


class Judgements(NamedTuple):
    """The worst first, and how many rules of cameras were ``left_out``."""

    rows: list[Judged]
    left_out: int


class Closings(NamedTuple):
    """The newest closed alerts of a rule, and how many older ones were ``left_out``."""

    rows: list[Closing]
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
            .where(*_counted(span, only))
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

    def closings(self, span: Span, camera: str, rule: str) -> Closings:
        """Of the alerts that ``find`` counts, those of one rule of a camera that were closed as
        true or as false alarms: the newest ``MAX_CLOSINGS``, half of them of each where there are
        more."""
        of = alerts.c
        columns = of.id, of.outcome, of.start_ts, of.raised_ts, of.end_ts, of.track_ids
        found: dict[str, list[Closing]] = {}
        total = 0
        with self._database.read() as connection:
            for outcome in ("true", "false"):
                query = (
                    select(*columns, func.count().over().label("n"))
                    .where(*_counted(span, frozenset({camera})))
                    .where(of.rule == rule, of.outcome == outcome)
                    .order_by(of.raised_ts.desc(), of.id)
                    .limit(MAX_CLOSINGS)
                )
                rows = connection.execute(query).all()
                total += rows[0].n if rows else 0
                found[outcome] = [
                    Closing(
                        alert=row.id,
                        true_alarm=row.outcome == "true",
                        start_ts=row.start_ts,
                        raised_ts=row.raised_ts,
                        end_ts=row.end_ts,
                        track_ids=tuple(row.track_ids[-MAX_TRACK_IDS:]),
                    )
                    for row in rows
                ]
        half = MAX_CLOSINGS // 2
        true = found["true"][: max(half, MAX_CLOSINGS - len(found["false"]))]
        chosen = true + found["false"][: MAX_CLOSINGS - len(true)]
        return Closings(chosen, total - len(chosen))


def _counted(span: Span, only: Only) -> tuple[ColumnElement[bool], ...]:
    """Which alerts tell of the work of a rule."""
    return (
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
