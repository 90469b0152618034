"""How long alerts took from one part of the chain to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import false, select

from api.store.database import Database
from api.store.tables import alerts
from streams.messages import CANARY

MAX_ALERTS: Final = 20_000
"""The latest so many of the time asked for are looked at."""
_PARTS: Final = {
    "captured": alerts.c.raised_ts,
    "detected": alerts.c.detected_at,
    "spooled": alerts.c.spooled_at,
    "published": alerts.c.published_at,
    "stored": alerts.c.stored_at,
    "delivered": alerts.c.delivered_at,
}
"""The parts of the chain in their order, and when an alert passed each."""
HOPS: Final = (
    *zip(list(_PARTS)[:-1], list(_PARTS)[1:], strict=True),
    ("captured", "delivered"),
)
"""From each part to the next, and the whole way."""


@dataclass(frozen=True, slots=True)
class HopTimes:
    """Seconds from ``start`` to ``end`` of ``count`` alerts: half and 95 of a hundred took no
    longer than ``p50_s`` and ``p95_s``; None where there are none. ``negative`` of them came before
    they went, since the clocks of two machines differ: they are among the rest as they are."""

    start: str
    end: str
    count: int
    negative: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None


class ChainTimes:
    """Reads the hop times of alerts. Raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def times(self, seconds: float, *, synthetic: bool = False) -> list[HopTimes]:
        """Of alerts that were first stored in the last ``seconds``, each hop of ``HOPS``. An alert
        is left out of a hop of which it does not have both times; so is one that a person opened,
        and what no real camera saw unless ``synthetic`` is wanted. Where nobody said when it was
        detected, nothing is measured from its capture: then another program stated that time."""
        query = (
            select(*_PARTS.values())
            .where(
                alerts.c.stored_at > self._clock() - seconds,
                alerts.c.kind != CANARY,
                alerts.c.opened_by.is_(None),
            )
            .order_by(alerts.c.stored_at.desc())
            .limit(MAX_ALERTS)
        )
        if not synthetic:
            query = query.where(alerts.c.synthetic == false())
        with self._database.read() as connection:
            rows = [dict(zip(_PARTS, row, strict=True)) for row in connection.execute(query)]
        for row in rows:
            if row["detected"] is None:
                row["captured"] = None
        return [
            _times(
                start,
                end,
                [
                    row[end] - row[start]
                    for row in rows
                    if row[start] is not None and row[end] is not None
                ],
            )
            for start, end in HOPS
        ]


def _times(start: str, end: str, took_s: list[float]) -> HopTimes:
    took_s.sort()
    return HopTimes(
        start=start,
        end=end,
        count=len(took_s),
        negative=sum(each < 0 for each in took_s),
        p50_s=_rank(took_s, 0.5),
        p95_s=_rank(took_s, 0.95),
        max_s=took_s[-1] if took_s else None,
    )


def _rank(took_s: Sequence[float], share: float) -> float | None:
    """The smallest that ``share`` of them do not exceed (nearest rank)."""
    return took_s[max(0, math.ceil(share * len(took_s)) - 1)] if took_s else None
