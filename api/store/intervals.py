"""Intervals of counts as rows: those that workers stated, and their sums over quarters of an hour,
hours and days, which are written with them and never differ from them."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select

from api.store.count_tables import (
    count_intervals,
    count_sums,
    counts,
    late_counts,
    layouts,
    watched_lines,
)
from streams.config import WITA
from streams.messages import QUARTER_S
from vision.bins import Interval, Key, Place
from vision.merging import binned
from vision.paces import Pace

HOUR_S: Final = 3600
DAY_S: Final = 86_400
SUMMED: Final = (QUARTER_S, HOUR_S, DAY_S)
"""Each is made of the one before, the first of what was stated."""
PACE_DECIMALS: Final = 6
MAX_CAMERAS: Final = 500
"""So many are named in one statement."""

Drawn = tuple[dict[str, tuple[str, ...]], tuple[str, ...]]
"""The directions of each line, and the classes."""


def offset_s(seconds: int) -> int:
    """By so much intervals of this length begin earlier than UTC's: days are the city's."""
    zone = WITA.utcoffset(None).total_seconds()
    return int(zone) if seconds % DAY_S == 0 else 0


def start_of(ts: float, seconds: int) -> int:
    """When the interval of ``ts`` begins."""
    offset = offset_s(seconds)
    return int((ts + offset) // seconds) * seconds - offset


def layout_of(
    connection: Connection, lines: Mapping[str, Sequence[str]], classes: Sequence[str]
) -> int:
    """The number of the row that says what was looked for."""
    said = json.dumps([sorted(lines.items()), sorted(classes)])
    digest = hashlib.sha256(said.encode()).hexdigest()
    known = connection.scalar(select(layouts.c.id).where(layouts.c.digest == digest))
    if known is not None:
        return int(known)
    values = {"digest": digest, "lines": dict(lines), "classes": list(classes)}
    key: Any = connection.execute(insert(layouts).values(values)).inserted_primary_key
    return int(key[0])


def drawn(connection: Connection, ids: Collection[int]) -> dict[int, Drawn]:
    """What was looked for, by the number of its row."""
    rows = connection.execute(select(layouts).where(layouts.c.id.in_(sorted(ids))))
    return {
        row.id: ({line: tuple(by) for line, by in row.lines.items()}, tuple(row.classes))
        for row in rows
    }


def stated(connection: Connection, which: ColumnElement[bool]) -> list[Interval]:
    """Intervals as they were stated, by camera and time; ``which`` is about their own row."""
    order = (
        count_intervals.c.camera,
        count_intervals.c.start_ts,
        count_intervals.c.seconds,
        count_intervals.c.revision,
    )
    rows = connection.execute(select(count_intervals).where(which).order_by(*order)).all()
    looked_for = drawn(connection, {row.layout for row in rows})
    passed: defaultdict[int, dict[Key, int]] = defaultdict(dict)
    paces: defaultdict[int, dict[Key, Pace]] = defaultdict(dict)
    late: defaultdict[int, dict[Place, int]] = defaultdict(dict)
    observed: defaultdict[int, dict[str, float]] = defaultdict(dict)
    query = select(counts).join_from(counts, count_intervals).where(which)
    for interval, *names, count, measured, s_per_m in connection.execute(query):
        key = names[0], names[1], names[2]
        passed[interval][key] = count
        if measured:
            paces[interval][key] = Pace(measured, s_per_m)
    query = select(late_counts).join_from(late_counts, count_intervals).where(which)
    for interval, line, direction, count in connection.execute(query):
        late[interval][line, direction] = count
    query = select(watched_lines).join_from(watched_lines, count_intervals).where(which)
    for interval, line, seen_s in connection.execute(query):
        observed[interval][line] = seen_s
    return [
        Interval(
            camera_id=row.camera,
            start_ts=float(row.start_ts),
            seconds=row.seconds,
            revision=row.revision,
            version=row.version,
            observed_s=row.observed_s,
            frames=row.frames,
            lines=looked_for[row.layout][0],
            classes=looked_for[row.layout][1],
            counts=passed.get(row.id, {}),
            late=late.get(row.id, {}),
            observed=observed.get(row.id, {}),
            blind_s=row.blind_s,
            paces=paces.get(row.id, {}),
            occupied=row.occupied or {},
            synthetic=row.synthetic,
        )
        for row in rows
    ]


def summed(connection: Connection, which: ColumnElement[bool]) -> list[Interval]:
    """Sums of intervals, by length, camera and time; ``which`` is about their own row."""
    order = (
        count_sums.c.seconds,
        count_sums.c.camera,
        count_sums.c.start_ts,
        count_sums.c.revision,
        count_sums.c.synthetic,
    )
    rows = connection.execute(select(count_sums).where(which).order_by(*order)).all()
    looked_for = drawn(connection, {row.layout for row in rows})
    return [_unpacked(row, looked_for[row.layout]) for row in rows]


def add_up(connection: Connection, changed: Iterable[tuple[str, int]]) -> None:
    """Bring the sums up to date in which intervals of these cameras and starts are."""
    changed = set(changed)
    known: dict[tuple[Any, ...], int] = {}
    for place, seconds in enumerate(SUMMED):
        cameras_at: defaultdict[int, set[str]] = defaultdict(set)
        for camera, ts in changed:
            cameras_at[start_of(ts, seconds)].add(camera)
        for start, cameras in sorted(cameras_at.items()):
            names = sorted(cameras)
            for first in range(0, len(names), MAX_CAMERAS):
                some = names[first : first + MAX_CAMERAS]
                _replace(connection, some, start, seconds, SUMMED[place - 1] if place else 0, known)


def _replace(
    connection: Connection,
    cameras: Sequence[str],
    start: int,
    seconds: int,
    of: int,
    known: dict[tuple[Any, ...], int],
) -> None:
    """Make the sums of these cameras from ``start`` on anew, of those over ``of`` seconds, 0 for
    what was stated. ``known`` are the numbers of what was looked for."""
    table = count_sums if of else count_intervals
    began = (table.c.start_ts >= start) & (table.c.start_ts < start + seconds)
    where = table.c.camera.in_(cameras) & began
    if of:
        parts = summed(connection, where & (table.c.seconds == of))
    else:
        parts = stated(connection, where & (QUARTER_S % table.c.seconds == 0))
    by_camera: defaultdict[str, list[Interval]] = defaultdict(list)
    for each in parts:
        by_camera[each.camera_id].append(each)
    made = [
        each for some in by_camera.values() for each in binned(some, seconds, offset_s(seconds))
    ]
    connection.execute(
        delete(count_sums).where(
            count_sums.c.camera.in_(cameras)
            & (count_sums.c.seconds == seconds)
            & (count_sums.c.start_ts == start)
        )
    )
    rows = []
    for each in made:
        looked_for = tuple(each.lines.items()), each.classes
        if looked_for not in known:
            known[looked_for] = layout_of(connection, each.lines, each.classes)
        rows.append(row_of(each, known[looked_for]))
    if rows:
        connection.execute(insert(count_sums), rows)


def row_of(interval: Interval, layout: int) -> dict[str, object]:
    """The row of a sum. Its ``sums`` are, each only where there are any: ``passed`` by line,
    direction and class, [count, of which have a speed, s/m together] where some have one;
    ``late`` by line and direction; ``observed`` and ``occupied`` by line, in seconds."""
    passed: dict[str, dict[str, dict[str, object]]] = {}
    for key, count in interval.counts.items():
        line, direction, name = key
        pace = interval.paces.get(key)
        told: object = count
        if pace is not None:
            told = [count, pace.measured, round(pace.s_per_m, PACE_DECIMALS)]
        passed.setdefault(line, {}).setdefault(direction, {})[name] = told
    late: dict[str, dict[str, int]] = {}
    for (line, direction), count in interval.late.items():
        late.setdefault(line, {})[direction] = count
    sums = {
        "passed": passed,
        "late": late,
        "observed": dict(interval.observed),
        "occupied": dict(interval.occupied),
    }
    told_of = {name: value for name, value in sums.items() if value}
    return {
        "camera": interval.camera_id,
        "seconds": interval.seconds,
        "start_ts": int(interval.start_ts),
        "revision": interval.revision,
        "synthetic": interval.synthetic,
        "observed_s": interval.observed_s,
        "blind_s": interval.blind_s,
        "frames": interval.frames,
        "layout": layout,
        "sums": json.dumps(told_of, separators=(",", ":"), ensure_ascii=False) if told_of else None,
    }


def _unpacked(row: Row[Any], looked_for: Drawn) -> Interval:
    sums = json.loads(row.sums) if row.sums else {}
    passed: dict[Key, int] = {}
    paces: dict[Key, Pace] = {}
    for line, by in sums.get("passed", {}).items():
        for direction, classes in by.items():
            for name, told in classes.items():
                if isinstance(told, list):
                    passed[line, direction, name] = told[0]
                    paces[line, direction, name] = Pace(told[1], told[2])
                else:
                    passed[line, direction, name] = told
    return Interval(
        camera_id=row.camera,
        start_ts=float(row.start_ts),
        seconds=row.seconds,
        revision=row.revision,
        version=0,
        observed_s=row.observed_s,
        frames=row.frames,
        lines=looked_for[0],
        classes=looked_for[1],
        counts=passed,
        late={
            (line, direction): count
            for line, by in sums.get("late", {}).items()
            for direction, count in by.items()
        },
        observed=sums.get("observed", {}),
        blind_s=row.blind_s,
        paces=paces,
        occupied=sums.get("occupied", {}),
        synthetic=row.synthetic,
    )
