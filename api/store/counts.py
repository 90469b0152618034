"""Counts as workers stated them, interval by interval, and their sums over longer ones."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select, update

from api.store.database import Database, UnstorableError
from api.store.tables import count_intervals, counts, late_counts, layouts, watched_lines
from streams.messages import CountsMessage
from vision.bins import DECIMALS
from vision.errors import StoreError

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


class _Group(NamedTuple):
    """What is never mixed in one row."""

    bucket: int
    revision: int
    synthetic: bool


class Tally(NamedTuple):
    """What passed one camera in the interval that began at ``start_ts`` (UTC seconds)."""

    camera: str
    start_ts: int
    revision: int
    passage: Passage
    passed: int


def record_counts(connection: Connection, messages: Iterable[CountsMessage]) -> None:
    """Replace, as a whole, each interval of which a newer version comes."""
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
        values = {
            "version": message.version,
            "observed_s": min(message.observed_s, float(message.seconds)),
            "frames": message.frames,
            "synthetic": message.synthetic,
        }
        known = connection.execute(
            select(count_intervals.c.id, count_intervals.c.version).filter_by(**identity)
        ).first()
        if known is not None and known.version >= message.version:
            continue
        values["layout"] = _layout(connection, message.lines, message.classes)
        if known is None:
            interval = _insert(connection, count_intervals, identity | values)
        else:
            interval = known.id
            connection.execute(
                update(count_intervals).where(count_intervals.c.id == interval).values(values)
            )
            for table in (counts, late_counts, watched_lines):
                connection.execute(delete(table).where(table.c.interval == interval))
        for table, stated in ((counts, message.counts), (late_counts, message.late)):
            rows = [{"interval": interval, **each.model_dump()} for each in stated if each.count]
            if rows:
                connection.execute(insert(table), rows)
        partly = [
            {"interval": interval, "line": line, "observed_s": min(seen_s, values["observed_s"])}
            for line, seen_s in message.observed.items()
            if seen_s < values["observed_s"]
        ]
        if partly:
            connection.execute(insert(watched_lines), partly)


def _layout(
    connection: Connection, lines: Mapping[str, Sequence[str]], classes: Sequence[str]
) -> int:
    said = json.dumps([sorted(lines.items()), sorted(classes)])
    digest = hashlib.sha256(said.encode()).hexdigest()
    known = connection.scalar(select(layouts.c.id).where(layouts.c.digest == digest))
    if known is not None:
        return int(known)
    values = {"digest": digest, "lines": dict(lines), "classes": list(classes)}
    return _insert(connection, layouts, values)


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

    def sums(
        self, camera: str, *, line: str | None, from_ts: int, to_ts: int, seconds: int
    ) -> Iterator[CountRow]:
        """Counts of a camera, summed over intervals of ``seconds``, by time.

        ``from_ts`` and ``to_ts`` are multiples of ``seconds``. Every interval has a row for each
        passage of its time, or of the camera's latest where nothing is stored. Raises
        TooManyRowsError, before it builds any, where that is more than ``MAX_ROWS``.
        """
        kept = (
            (count_intervals.c.camera == camera)
            & (count_intervals.c.start_ts >= from_ts)
            & (count_intervals.c.start_ts < to_ts)
            # longer ones cannot be told apart into these
            & (seconds % count_intervals.c.seconds == 0)
        )
        bucket = count_intervals.c.start_ts - count_intervals.c.start_ts % seconds
        group = (bucket.label("bucket"), count_intervals.c.revision, count_intervals.c.synthetic)
        watched = select(
            *group,
            count_intervals.c.layout,
            func.sum(count_intervals.c.observed_s).label("observed_s"),
        )
        watched = watched.where(kept).group_by(*group, count_intervals.c.layout)
        passed = select(
            *group,
            counts.c.line,
            counts.c.direction,
            counts.c.class_name,
            func.sum(counts.c.count).label("count"),
        ).join_from(count_intervals, counts)
        passed = passed.where(kept).group_by(
            *group, counts.c.line, counts.c.direction, counts.c.class_name
        )
        lately = select(
            *group,
            late_counts.c.line,
            late_counts.c.direction,
            func.sum(late_counts.c.count).label("count"),
        ).join_from(count_intervals, late_counts)
        lately = lately.where(kept).group_by(*group, late_counts.c.line, late_counts.c.direction)
        missed = select(
            *group,
            watched_lines.c.line,
            func.sum(count_intervals.c.observed_s - watched_lines.c.observed_s).label("missed_s"),
        ).join_from(count_intervals, watched_lines)
        missed = missed.where(kept).group_by(*group, watched_lines.c.line)
        if line is not None:
            passed = passed.where(counts.c.line == line)
        observed: dict[_Group, float] = defaultdict(float)
        counted: dict[_Group, dict[Passage, int]] = defaultdict(dict)
        late: dict[tuple[_Group, str, str], int] = {}
        unwatched: dict[tuple[_Group, str], float] = {}
        with self._database.read() as connection:
            found = connection.execute(watched).all()
            wanted = _passages(connection, {row.layout for row in found})
            latest, unreal = _latest(connection, camera)
            if line is not None:
                wanted = {key: _along(passages, line) for key, passages in wanted.items()}
                latest = _along(latest, line)
            gaps = (to_ts - from_ts) // seconds - len({row.bucket for row in found})
            _bound(sum(len(wanted[row.layout]) for row in found) + gaps * len(latest))
            # the latest one spares real cameras the search
            unreal = unreal and gaps > 0 and not _any_real(connection, camera)
            for start, revision, synthetic, layout, seen_s in found:
                where = _Group(start, revision, synthetic)
                observed[where] += seen_s
                counted[where] |= dict.fromkeys(wanted[layout], 0)
            for start, revision, synthetic, *names, count in connection.execute(passed):
                where = _Group(start, revision, synthetic)
                counted[where][Passage(*names)] = int(count)
            for start, revision, synthetic, *names, count in connection.execute(lately):
                late[_Group(start, revision, synthetic), names[0], names[1]] = int(count)
            for start, revision, synthetic, name, missed_s in connection.execute(missed):
                unwatched[_Group(start, revision, synthetic), name] = missed_s
        groups: dict[int, list[_Group]] = defaultdict(list)
        for where in sorted(observed):
            groups[where.bucket].append(where)
        for start in range(from_ts, to_ts, seconds):
            for where in groups[start]:
                for passage, count in sorted(counted[where].items()):
                    missed_s = unwatched.get((where, passage.line), 0.0)
                    seen_s = max(observed[where] - missed_s, 0.0)
                    unseen = round(seen_s, DECIMALS) == 0 and not count
                    yield CountRow(
                        passage,
                        start,
                        None if unseen else count,
                        seen_s,
                        where.revision,
                        where.synthetic,
                        late.get((where, passage.line, passage.direction), 0),
                    )
            if not groups[start]:
                for passage in sorted(latest):
                    yield CountRow(passage, start, None, 0.0, None, synthetic=unreal)


def _began(from_ts: int, to_ts: int) -> ColumnElement[bool]:
    return (count_intervals.c.start_ts >= from_ts) & (count_intervals.c.start_ts < to_ts)


def _along(passages: set[Passage], line: str) -> set[Passage]:
    return {passage for passage in passages if passage.line == line}


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
    return _passages(connection, {found.layout})[found.layout], bool(found.synthetic)


def _any_real(connection: Connection, camera: str) -> bool:
    """Whether anything that is known of a camera is not synthetic."""
    query = select(count_intervals.c.id).where(
        count_intervals.c.camera == camera, count_intervals.c.synthetic.is_(False)
    )
    return connection.execute(query.limit(1)).first() is not None


def _passages(connection: Connection, ids: set[int]) -> dict[int, set[Passage]]:
    query = select(layouts).where(layouts.c.id.in_(ids))
    return {
        row.id: {
            Passage(line, direction, name)
            for line, directions in row.lines.items()
            for direction in directions
            for name in row.classes
        }
        for row in connection.execute(query)
    }
