"""How fast those were that passed, what stood on a line, how long pictures showed nothing; and all
that was counted, added up to quarters of an hour, hours and days."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from typing import Any, cast

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

NAME = sa.String(120)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
LENGTHS = {900: 0, 3600: 0, 86_400: 8 * 3600}
"""Seconds, and by how many of them they begin before those of UTC."""

intervals = sa.table(
    "count_intervals",
    *map(sa.column, ("id", "camera", "start_ts", "seconds", "revision", "synthetic")),
    *map(sa.column, ("observed_s", "frames", "layout")),
)
counts = sa.table(
    "counts", *map(sa.column, ("interval", "line", "direction", "class_name", "count"))
)
late_counts = sa.table("late_counts", *map(sa.column, ("interval", "line", "direction", "count")))
watched = sa.table("watched_lines", *map(sa.column, ("interval", "line", "observed_s")))
layouts = sa.table(
    "layouts",
    sa.column("id"),
    sa.column("digest"),
    sa.column("lines", sa.JSON),
    sa.column("classes", sa.JSON),
)


def upgrade() -> None:
    for table, name, kind in (
        ("count_intervals", "blind_s", sa.Double),
        ("counts", "measured", sa.Integer),
        ("counts", "s_per_m", sa.Double),
    ):
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=sa.text("0")))
    op.add_column("count_intervals", sa.Column("occupied", sa.JSON))
    sums = op.create_table(
        "count_sums",
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.Column("camera", NAME, nullable=False),
        sa.Column("start_ts", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sa.Column("observed_s", sa.Double, nullable=False),
        sa.Column("blind_s", sa.Double, nullable=False),
        sa.Column("frames", sa.BigInteger, nullable=False),
        sa.Column("layout", ROW_ID, nullable=False),
        sa.Column("sums", sa.Text),
        sa.PrimaryKeyConstraint(
            "seconds", "camera", "start_ts", "revision", "synthetic", name="pk_count_sums"
        ),
        sa.ForeignKeyConstraint(["layout"], ["layouts.id"], name="fk_count_sums_layout"),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    cameras = connection.execute(sa.select(intervals.c.camera).distinct()).scalars().all()
    for camera in cameras:
        for seconds, offset in LENGTHS.items():
            rows = _sums(connection, camera, seconds, offset)
            if rows:
                connection.execute(sums.insert(), rows)


def _sums(
    connection: sa.Connection, camera: str, seconds: int, offset: int
) -> list[dict[str, Any]]:
    """What a camera counted, by intervals of ``seconds``."""
    # what does not fill a quarter of an hour evenly is in no sum
    kept = (intervals.c.camera == camera) & (900 % intervals.c.seconds == 0)
    # written out: PostgreSQL takes two parameters of one value for two values
    begin: sa.ColumnElement[int] = sa.literal_column(
        f"start_ts - (start_ts + {offset}) % {seconds}"
    )
    by = (begin.label("begin"), intervals.c.revision, intervals.c.synthetic)

    def grouped(*columns: Any, of: Any = None) -> Any:
        source = intervals if of is None else intervals.join(of, of.c.interval == intervals.c.id)
        query = sa.select(*by, *columns).select_from(source).where(kept)
        plain = [each for each in columns if not isinstance(each, sa.Label)]
        return connection.execute(query.group_by(*by, *plain).order_by(*by, *plain))

    seen: defaultdict[Any, dict[int, tuple[float, int]]] = defaultdict(dict)
    total = sa.func.sum(intervals.c.observed_s).label("observed_s")
    frames = sa.func.sum(intervals.c.frames).label("frames")
    for *group, layout, observed_s, pictures in grouped(intervals.c.layout, total, frames):
        seen[tuple(group)][layout] = observed_s, int(pictures)
    missed: defaultdict[Any, dict[tuple[int, str], float]] = defaultdict(dict)
    less = sa.func.sum(intervals.c.observed_s - watched.c.observed_s).label("missed_s")
    for *group, layout, line, missed_s in grouped(
        intervals.c.layout, watched.c.line, less, of=watched
    ):
        missed[tuple(group)][layout, line] = missed_s
    passed: defaultdict[Any, Any] = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    n = sa.func.sum(counts.c.count).label("n")
    names = counts.c.line, counts.c.direction, counts.c.class_name
    for *group, line, direction, name, count in grouped(*names, n, of=counts):
        passed[tuple(group)][line][direction][name] = int(count)
    late: defaultdict[Any, Any] = defaultdict(lambda: defaultdict(dict))
    n = sa.func.sum(late_counts.c.count).label("n")
    for *group, line, direction, count in grouped(
        late_counts.c.line, late_counts.c.direction, n, of=late_counts
    ):
        late[tuple(group)][line][direction] = int(count)

    rows = []
    for group, of_layout in seen.items():
        layout, observed = _looked_for(connection, of_layout, missed[group])
        told = {"passed": passed.get(group), "late": late.get(group), "observed": observed}
        told = {name: value for name, value in told.items() if value}
        start, number, synthetic = group
        rows.append(
            {
                "camera": camera,
                "seconds": seconds,
                "start_ts": start,
                "revision": number,
                "synthetic": synthetic,
                "observed_s": round(sum(seen_s for seen_s, _ in of_layout.values()), 3),
                "blind_s": 0.0,
                "frames": sum(pictures for _, pictures in of_layout.values()),
                "layout": layout,
                "sums": json.dumps(told, separators=(",", ":"), ensure_ascii=False)
                if told
                else None,
            }
        )
    return rows


def _looked_for(
    connection: sa.Connection,
    of_layout: dict[int, tuple[float, int]],
    missed: dict[tuple[int, str], float],
) -> tuple[int, dict[str, float]]:
    """The number of all that was looked for in these, and for how long each line was watched,
    where that is less than the camera was."""
    found = connection.execute(sa.select(layouts).where(layouts.c.id.in_(list(of_layout)))).all()
    lines: dict[str, dict[str, None]] = {}
    classes: dict[str, None] = {}
    seen: defaultdict[str, float] = defaultdict(float)
    for row in found:
        for line, by in row.lines.items():
            lines[line] = lines.get(line, {}) | dict.fromkeys(by)
            seen[line] += of_layout[row.id][0] - missed.get((row.id, line), 0.0)
        classes |= dict.fromkeys(row.classes)
    whole = round(sum(seen_s for seen_s, _ in of_layout.values()), 3)
    observed = {line: round(seen_s, 3) for line, seen_s in seen.items()}
    if all(seen_s == whole for seen_s in observed.values()):
        observed = {}
    if len(found) == 1:
        return found[0].id, observed
    drawn = {line: list(by) for line, by in lines.items()}
    said = json.dumps([sorted(drawn.items()), sorted(classes)])
    digest = hashlib.sha256(said.encode()).hexdigest()
    known = connection.scalar(sa.select(layouts.c.id).where(layouts.c.digest == digest))
    if known is None:
        values = {"digest": digest, "lines": drawn, "classes": list(classes)}
        connection.execute(layouts.insert().values(values))
        known = connection.scalar(sa.select(layouts.c.id).where(layouts.c.digest == digest))
    return cast("int", known), observed
