"""A database filled with sums of made-up counts, to see how quickly a large one answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import insert

from api.store.count_tables import count_sums
from api.store.database import Database
from api.store.intervals import SUMMED, layout_of, offset_s, row_of
from vision.bins import Interval
from vision.merging import binned

WEEK_S: Final = 7 * 86_400


def fill(
    url: str,
    cameras: Sequence[str],
    weeks: Sequence[Sequence[Interval]],
    *,
    first_ts: int,
    number: int,
    done: Callable[[int], None],
) -> int:
    """Write ``number`` weeks of each camera from ``first_ts`` on, a midnight of the city, into an
    empty database: each camera's one of ``weeks`` after the other, which are quarters of an hour
    that begin at 0. The time goes on for all cameras alike, as it does where they are stated.
    ``done`` is told how many rows there are. Returns that."""
    database = Database(url)
    try:
        with database.write() as connection:
            patterns = []
            for week in weeks:
                layout = layout_of(connection, week[0].lines, week[0].classes)
                # they begin at a midnight of the city
                sums = [each for seconds in SUMMED for each in binned(week, seconds)]
                patterns.append([row_of(each, layout) for each in sums])
        rows = 0
        for place in range(number):
            start_ts = first_ts + place * WEEK_S
            with database.write() as connection:
                for nth, camera in enumerate(cameras):
                    pattern = patterns[(nth + place) % len(patterns)]
                    moved = [
                        {**row, "camera": camera, "start_ts": start_ts + int(str(row["start_ts"]))}
                        for row in pattern
                    ]
                    connection.execute(insert(count_sums), moved)
                    rows += len(moved)
            done(rows)
        return rows
    finally:
        database.close()


def midnight_before(ts: int) -> int:
    """When the city's day of ``ts`` began."""
    offset = offset_s(SUMMED[-1])
    return (ts + offset) // SUMMED[-1] * SUMMED[-1] - offset
