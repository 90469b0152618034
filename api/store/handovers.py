"""What a shift hands over to the next: which alerts are left to do, what was closed, which cameras
were away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from api.learning import Span
from api.lifecycle import Outcome, Status
from api.store.alerts import Only, among
from api.store.database import Database
from api.store.tables import WHY, alerts
from streams.messages import CANARY, SYSTEM_CAMERA
from vision.policy import CAMERA_DOWN
from vision.types import SEVERITY_RANK, Severity

MAX_ROWS: Final = 200
"""So many alerts of each list; nobody takes over more of them from paper."""
MAX_CAMERAS: Final = 500
MAX_TEXT_CHARS: Final = 600
"""Of a text that a rule or a person wrote."""
LOOKED_BACK_S: Final = 31 * 86_400.0
"""What began so long before a shift and ended in it is not looked for."""
NOT_DONE: Final[Sequence[Status]] = ("new", "acknowledged", "assigned")


@dataclass(frozen=True, slots=True)
class Handed:
    """What is handed over of an alert; ``why`` and ``note`` are cut at ``MAX_TEXT_CHARS``."""

    id: str
    camera: str
    kind: str
    rule: str
    place: str
    severity: Severity
    state: Literal["open", "closed"]
    start_ts: float
    end_ts: float | None
    synthetic: bool
    status: Status
    acknowledged_by: str | None
    assigned_to: str | None
    resolved_at: float | None
    resolved_by: str | None
    outcome: Outcome | None
    opened_by: str | None
    why: str
    note: str


class Handeds(NamedTuple):
    """Some alerts, and how many more there are."""

    rows: list[Handed]
    left_out: int


class Outage(NamedTuple):
    """How often a camera was down in a time and for how many seconds of it."""

    camera: str
    times: int
    seconds: float


class Waiting(NamedTuple):
    """How many alerts of a camera are left to do, how severe the worst of them is, and the id of
    the newest of those."""

    n: int
    severity: Severity
    worst: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many alerts of a severity came in a time, were closed in it as ``true`` or ``false``
    alarms or as a ``part`` of others, and are left to do now, whenever they came."""

    came: int = 0
    true: int = 0
    false: int = 0
    part: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class HandedOver:
    """``left`` are the alerts that are not resolved now, the worst first, of those the newest;
    ``closed`` those that were in the time, the last first; ``own`` those that the program stated of
    itself and that lasted in it; ``outages`` the cameras that were down in it, the longest
    first."""

    numbers: Mapping[Severity, Numbers]
    left: Handeds
    closed: Handeds
    own: Handeds
    outages: list[Outage]


class Handovers:
    """Reads what is handed over. Raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, span: Span, *, now: float, only: Only) -> HandedOver:
        """Of the cameras in ``only``, all of one moment."""
        mine = [among(only), alerts.c.kind != CANARY]
        of = alerts.c
        resolved = [*mine, of.resolved_at >= span.from_ts, of.resolved_at < span.to_ts]
        left = [*mine, of.status.in_(NOT_DONE)]
        lasted = [*mine, *_lasted(span)]
        with self._database.read() as connection:
            return HandedOver(
                numbers=_numbers(connection, span, mine, resolved, left),
                left=_alerts(connection, left, _RANK.desc(), of.start_ts.desc(), of.id),
                closed=_alerts(connection, resolved, of.resolved_at.desc(), of.id),
                own=_alerts(
                    connection, [*lasted, of.camera == SYSTEM_CAMERA], of.start_ts.desc(), of.id
                ),
                outages=_outages(connection, span, now, [*lasted, of.kind == CAMERA_DOWN]),
            )

    def waiting(self, *, only: Only) -> dict[str, Waiting]:
        """What is left to do, by camera; of cameras that have nothing to do there is none."""
        of = alerts.c
        order = _RANK.desc(), of.start_ts.desc(), of.id
        found = (
            select(
                of.camera,
                of.severity,
                of.id,
                func.count().over(partition_by=of.camera).label("n"),
                func.row_number().over(partition_by=of.camera, order_by=order).label("place"),
            )
            .where(among(only), of.kind != CANARY, of.status.in_(NOT_DONE))
            .subquery()
        )
        with self._database.read() as connection:
            rows = connection.execute(select(found).where(found.c.place == 1)).all()
        return {row.camera: Waiting(row.n, row.severity, row.id) for row in rows}


_RANK: Final = case(SEVERITY_RANK, value=alerts.c.severity, else_=-1)
_SHOWN: Final = tuple(
    alerts.c[name] for name in Handed.__dataclass_fields__ if name not in {"why", "note"}
)


def _lasted(span: Span) -> list[ColumnElement[bool]]:
    """What began before the end of a time and was not over before its begin."""
    of = alerts.c
    return [
        of.start_ts < span.to_ts,
        or_(of.state == "open", of.start_ts >= span.from_ts - LOOKED_BACK_S),
        or_(of.end_ts.is_(None), of.end_ts >= span.from_ts),
    ]


def _alerts(
    connection: Connection, wanted: Sequence[ColumnElement[bool]], *order: ColumnElement[Any]
) -> Handeds:
    # of an alert's details, which may be large, only the reason
    why = func.substr(WHY, 1, MAX_TEXT_CHARS)
    note = func.substr(alerts.c.note, 1, MAX_TEXT_CHARS)
    query = (
        select(*_SHOWN, why.label("why"), note.label("note"))
        .where(*wanted)
        .order_by(*order)
        .limit(MAX_ROWS)
    )
    rows = [
        Handed(**{**row, "why": _text(row["why"]), "note": _text(row["note"])})
        for row in connection.execute(query).mappings()
    ]
    if len(rows) < MAX_ROWS:
        return Handeds(rows, 0)
    total = connection.scalar(select(func.count()).select_from(alerts).where(*wanted)) or 0
    return Handeds(rows, total - len(rows))


def _text(value: object) -> str:
    """Whatever was written there, in one line."""
    return "" if value is None else " ".join(str(value).split())


def _numbers(
    connection: Connection,
    span: Span,
    mine: Sequence[ColumnElement[bool]],
    resolved: Sequence[ColumnElement[bool]],
    left: Sequence[ColumnElement[bool]],
) -> dict[Severity, Numbers]:
    of = alerts.c
    came = [*mine, of.raised_ts >= span.from_ts, of.raised_ts < span.to_ts]
    n = func.count()
    outcomes = [n.filter(of.outcome == "true"), n.filter(of.outcome == "false")]
    arrived = _counted(connection, came, n)
    closed = _counted(connection, resolved, *outcomes, n.filter(of.outcome.is_(None)))
    waiting = _counted(connection, left, n)
    return {
        severity: Numbers(
            *arrived.get(severity, (0,)),
            *closed.get(severity, (0, 0, 0)),
            *waiting.get(severity, (0,)),
        )
        for severity in sorted(SEVERITY_RANK, key=SEVERITY_RANK.__getitem__, reverse=True)
    }


def _counted(
    connection: Connection,
    wanted: Sequence[ColumnElement[bool]],
    *counts: ColumnElement[int],
) -> dict[str, tuple[int, ...]]:
    """The counts of each severity."""
    query = select(alerts.c.severity, *counts).where(*wanted).group_by(alerts.c.severity)
    return {severity: tuple(found) for severity, *found in connection.execute(query)}


def _outages(
    connection: Connection, span: Span, now: float, wanted: Sequence[ColumnElement[bool]]
) -> list[Outage]:
    of = alerts.c
    last = min(span.to_ts, now)
    end = func.coalesce(of.end_ts, last)
    seconds = func.sum(
        case((end > last, last), else_=end)
        - case((of.start_ts < span.from_ts, span.from_ts), else_=of.start_ts)
    ).label("seconds")
    query = (
        select(
            of.camera,
            func.count().label("times"),
            seconds,
        )
        .where(*wanted)
        .group_by(of.camera)
        .order_by(seconds.desc(), of.camera)
        .limit(MAX_CAMERAS)
    )
    return [
        Outage(row.camera, row.times, max(0.0, row.seconds)) for row in connection.execute(query)
    ]
