"""Counts as workers stated them, interval by interval, and their sums over longer ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select, update

from api.store.alerts import Only
from api.store.count_tables import (
    count_intervals,
    count_sums,
    counts,
    late_counts,
    watched_lines,
)
from api.store.database import Database, UnstorableError
from api.store.intervals import (
    HOUR_S,
    SUMMED,
    add_up,
    drawn,
    layout_of,
    offset_s,
    stated,
    summed,
)
from streams.messages import CountsMessage
from vision.bins import Interval
from vision.errors import StoreError
from vision.merging import binned

MAX_ROWS = 50_000


class TooManyRowsError(StoreError):
    """What is asked for is too much to be built at once."""


class Passage(NamedTuple):
    """What is counted: a class that passes a line, or a movement, in one of its directions."""

    line: str
    direction: str
    class_name: str


@dataclass(frozen=True, slots=True)
class CountRow:
    """``count`` objects in the interval that begins at ``start_ts`` (UTC seconds), of which
    ``observed_s`` seconds were watched; None where nothing was. ``revision`` is the scene's, None
    where nothing was stored."""

    passage: Passage
    start_ts: int
    count: int | None
    observed_s: float
    revision: int | None
    synthetic: bool
    late: int = 0
    """How many, of any class, may have passed there before they were seen."""


class Tally(NamedTuple):
    """What passed one camera in the interval that began at ``start_ts`` (UTC seconds)."""

    camera: str
    start_ts: int
    revision: int
    passage: Passage
    passed: int


def record_counts(connection: Connection, messages: Iterable[CountsMessage]) -> None:
    """Replace, as a whole, each interval of which a newer version comes, and bring the sums up to
    date that it is in. The caller keeps other writers out."""
    changed = set()
    for message in messages:
        if not message.start_ts.is_integer():
            raise UnstorableError(
                f"an interval begins at a whole second, not at {message.start_ts}: correct the "
                "worker that sends it"
            )
        identity = {
            "camera": message.camera,
            "start_ts": int(message.start_ts),
            "seconds": message.seconds,
            "revision": message.revision,
        }
        observed_s = min(message.observed_s, float(message.seconds))
        values = {
            "version": message.version,
            "observed_s": observed_s,
            "frames": message.frames,
            "synthetic": message.synthetic,
            "blind_s": min(message.blind_s, float(message.seconds)),
            "occupied": {line: stood_s for line, stood_s in message.occupied.items() if stood_s}
            or None,
        }
        known = connection.execute(
            select(count_intervals.c.id, count_intervals.c.version).filter_by(**identity)
        ).first()
        if known is not None and known.version >= message.version:
            continue
        values["layout"] = layout_of(connection, message.lines, message.classes)
        changed.add((message.camera, int(message.start_ts)))
        if known is None:
            interval = _insert(connection, count_intervals, identity | values)
        else:
            interval = known.id
            connection.execute(
                update(count_intervals).where(count_intervals.c.id == interval).values(values)
            )
            for table in (counts, late_counts, watched_lines):
                connection.execute(delete(table).where(table.c.interval == interval))
        paces = {each.key: each for each in message.paces}
        passed = [
            {
                "interval": interval,
                **each.model_dump(),
                "measured": 0 if (pace := paces.get(each.key)) is None else pace.measured,
                "s_per_m": 0.0 if pace is None else pace.s_per_m,
            }
            for each in message.counts
            if each.count
        ]
        if passed:
            connection.execute(insert(counts), passed)
        late = [{"interval": interval, **each.model_dump()} for each in message.late if each.count]
        if late:
            connection.execute(insert(late_counts), late)
        partly = [
            {"interval": interval, "line": line, "observed_s": min(seen_s, observed_s)}
            for line, seen_s in message.observed.items()
            if seen_s < observed_s
        ]
        if partly:
            connection.execute(insert(watched_lines), partly)
    add_up(connection, changed)


def _insert(connection: Connection, table: Table, values: Mapping[str, object]) -> int:
    """The number that the database gave to the new row."""
    key: Any = connection.execute(insert(table).values(values)).inserted_primary_key
    return int(key[0])


class Counts:
    """Sums counts. Everything raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def passages(self, camera: str) -> set[Passage]:
        """What is counted at a camera by its latest interval; empty where there is none."""
        with self._database.read() as connection:
            return _latest(connection, camera)[0]

    def totals(self, *, from_ts: int, to_ts: int) -> dict[str, dict[Passage, int]]:
        """By camera, what passed in the intervals that began in [from_ts, to_ts)."""
        columns = (count_intervals.c.camera, counts.c.line, counts.c.direction, counts.c.class_name)
        query = select(*columns, func.sum(counts.c.count)).join_from(count_intervals, counts)
        query = query.where(_began(from_ts, to_ts)).group_by(*columns)
        found: defaultdict[str, dict[Passage, int]] = defaultdict(dict)
        with self._database.read() as connection:
            for camera, *names, count in connection.execute(query):
                found[camera][Passage(*names)] = int(count)
        return dict(found)

    def tallies(self, *, from_ts: int, to_ts: int) -> list[Tally]:
        """The counts that are not 0 of each interval that began in [from_ts, to_ts)."""
        query = select(
            count_intervals.c.camera, count_intervals.c.start_ts, count_intervals.c.revision,
            counts.c.line, counts.c.direction, counts.c.class_name, counts.c.count,
        ).join_from(count_intervals, counts)  # fmt: skip
        with self._database.read() as connection:
            return [
                Tally(camera, start_ts, revision, Passage(*names), count)
                for camera, start_ts, revision, *names, count in connection.execute(
                    query.where(_began(from_ts, to_ts))
                )
            ]

    def intervals(self, camera: str, *, from_ts: int, to_ts: int, seconds: int) -> list[Interval]:
        """What a camera counted in the intervals of ``seconds`` that began in [from_ts, to_ts), by
        time and revision: days begin at the city's midnight, all others at whole multiples of
        ``seconds``. One of which nothing is known is
        not among them."""
        offset = offset_s(seconds)
        first, end = (-(-(ts + offset) // seconds) * seconds - offset for ts in (from_ts, to_ts))
        of = max((each for each in SUMMED if _made_of(seconds, each)), default=0)
        with self._database.read() as connection:
            if of:
                where = (count_sums.c.camera == camera) & (count_sums.c.seconds == of)
                where &= (count_sums.c.start_ts >= first) & (count_sums.c.start_ts < end)
                found = summed(connection, where)
            else:
                # longer ones cannot be told apart into these
                where = (count_intervals.c.camera == camera) & _began(first, end)
                found = stated(connection, where & (seconds % count_intervals.c.seconds == 0))
        return found if of == seconds else binned(found, seconds, offset)

    def stated(self, only: Only = None) -> dict[str, tuple[int, int]]:
        """By camera, when the first hour began and the last was over in which it stated
        anything."""
        sums = count_sums.alias()
        hours = sums.c.seconds == HOUR_S
        # one step in the index for each camera, and not one for each row
        names = select(func.min(sums.c.camera).label("camera")).where(hours).cte(recursive=True)
        names = names.union_all(
            select(
                select(func.min(sums.c.camera))
                .where(hours, sums.c.camera > names.c.camera)
                .correlate(names)
                .scalar_subquery()
            ).where(names.c.camera.is_not(None))
        )
        of_camera = hours & (sums.c.camera == names.c.camera)
        first, last = (
            select(end(sums.c.start_ts)).where(of_camera).correlate(names).scalar_subquery()
            for end in (func.min, func.max)
        )
        query = select(names.c.camera, first, last).where(names.c.camera.is_not(None))
        with self._database.read() as connection:
            return {
                camera: (first_ts, last_ts + HOUR_S)
                for camera, first_ts, last_ts in connection.execute(query)
                if only is None or camera in only
            }

    def sums(
        self, camera: str, *, line: str | None, from_ts: int, to_ts: int, seconds: int
    ) -> Iterator[CountRow]:
        """Counts of a camera, summed over intervals of ``seconds``, by time.

        ``from_ts`` and ``to_ts`` are multiples of ``seconds``. Every interval has a row for each
        passage of its time, or of the camera's latest where nothing is stored. Raises
        TooManyRowsError, before it builds any, where that is more than ``MAX_ROWS``.
        """
        found = self.intervals(camera, from_ts=from_ts, to_ts=to_ts, seconds=seconds)
        groups: defaultdict[int, list[Interval]] = defaultdict(list)
        for each in found:
            groups[int(each.start_ts)].append(each)
        gaps = (to_ts - from_ts) // seconds - len(groups)
        with self._database.read() as connection:
            latest, unreal = _latest(connection, camera)
            # the latest one spares real cameras the search
            unreal = unreal and gaps > 0 and not _any_real(connection, camera)
        unseen = sorted(passage for passage in latest if line in {None, passage.line})
        _bound(sum(_size(each, line) for each in found) + gaps * len(unseen))
        for start in range(from_ts, to_ts, seconds):
            for each in groups[start]:
                yield from _rows(each, line)
            if not groups[start]:
                for passage in unseen:
                    yield CountRow(passage, start, None, 0.0, None, synthetic=unreal)


def _made_of(seconds: int, of: int) -> bool:
    """Can intervals of ``seconds`` be made of sums over ``of`` seconds?"""
    return seconds % of == 0 and offset_s(seconds) % of == offset_s(of) % of


def _size(interval: Interval, line: str | None) -> int:
    drawn = interval.lines if line is None else {line: interval.lines.get(line, ())}
    return sum(map(len, drawn.values())) * len(interval.classes)


def _rows(interval: Interval, line: str | None) -> Iterator[CountRow]:
    """One for each passage, in order; None for a count that nobody watched."""
    for each in sorted(
        interval.bins(), key=lambda each: (each.line, each.direction, each.class_name)
    ):
        if line is not None and each.line != line:
            continue
        yield CountRow(
            Passage(each.line, each.direction, each.class_name),
            int(each.start_ts),
            each.count if each.observed_s or each.count else None,
            each.observed_s,
            each.revision,
            interval.synthetic,
            interval.late.get((each.line, each.direction), 0),
        )


def _began(from_ts: int, to_ts: int) -> ColumnElement[bool]:
    return (count_intervals.c.start_ts >= from_ts) & (count_intervals.c.start_ts < to_ts)


def _bound(rows: int) -> None:
    if rows > MAX_ROWS:
        raise TooManyRowsError(
            f"these would be {rows} counts, and at most {MAX_ROWS} are given at once: ask for a "
            "shorter time, a longer 'interval' or one 'line'"
        )


def _latest(connection: Connection, camera: str) -> tuple[set[Passage], bool]:
    """What is counted at a camera by its latest interval, and whether that is synthetic."""
    query = select(count_intervals.c.layout, count_intervals.c.synthetic)
    query = query.where(count_intervals.c.camera == camera)
    order = count_intervals.c.start_ts.desc(), count_intervals.c.revision.desc()
    found = connection.execute(query.order_by(*order).limit(1)).first()
    if found is None:
        return set(), False
    lines, classes = drawn(connection, {found.layout})[found.layout]
    passages = {
        Passage(line, direction, name)
        for line, directions in lines.items()
        for direction in directions
        for name in classes
    }
    return passages, bool(found.synthetic)


def _any_real(connection: Connection, camera: str) -> bool:
    """Whether anything that is known of a camera is not synthetic."""
    query = select(count_intervals.c.id).where(
        count_intervals.c.camera == camera, count_intervals.c.synthetic.is_(False)
    )
    return connection.execute(query.limit(1)).first() is not None
