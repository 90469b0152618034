"""The tables of what was counted, beside those in ``tables``."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from api.store.tables import Name, RowId, metadata

# What a scene's lines, movements and classes were, once for all intervals that saw the same ones.
layouts = Table(
    "layouts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("lines", JSON, nullable=False),
    Column("classes", JSON, nullable=False),
)

count_intervals = Table(
    "count_intervals",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("camera", Name, nullable=False),
    Column("start_ts", BigInteger, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("observed_s", Double, nullable=False),
    Column("frames", BigInteger, nullable=False),
    Column("layout", ForeignKey(layouts.c.id), nullable=False),
    Column("synthetic", Boolean, nullable=False),
    Column("blind_s", Double, nullable=False, server_default=text("0")),
    # By line; none where nothing stood on one.
    Column("occupied", JSON(none_as_null=True)),
    UniqueConstraint("camera", "start_ts", "seconds", "revision"),
)

# Every count that is not 0, of an interval; together with it, its key is a bin's identity.
counts = Table(
    "counts",
    metadata,
    Column("interval", ForeignKey(count_intervals.c.id, ondelete="CASCADE"), primary_key=True),
    Column("line", Name, primary_key=True),
    Column("direction", Name, primary_key=True),
    Column("class_name", Name, primary_key=True),
    Column("count", Integer, nullable=False),
    # So many of them have a speed, and what one over these adds up to.
    Column("measured", Integer, nullable=False, server_default=text("0")),
    Column("s_per_m", Double, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)

# Who may have passed in an interval before they were seen; every number that is not 0.
late_counts = Table(
    "late_counts",
    metadata,
    Column("interval", ForeignKey(count_intervals.c.id, ondelete="CASCADE"), primary_key=True),
    Column("line", Name, primary_key=True),
    Column("direction", Name, primary_key=True),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# For how long of an interval those lines were watched that are not in every view of their camera.
watched_lines = Table(
    "watched_lines",
    metadata,
    Column("interval", ForeignKey(count_intervals.c.id, ondelete="CASCADE"), primary_key=True),
    Column("line", Name, primary_key=True),
    Column("observed_s", Double, nullable=False),
    sqlite_with_rowid=False,
)

# The same added up to quarters of an hour, hours and days, which begin at the city's midnight.
# ``sums`` is JSON, none where all of it is 0: see ``intervals``.
count_sums = Table(
    "count_sums",
    metadata,
    # first, so that the cameras are found without reading all that is known of each
    Column("seconds", Integer, primary_key=True),
    Column("camera", Name, primary_key=True),
    Column("start_ts", BigInteger, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("synthetic", Boolean, primary_key=True),
    Column("observed_s", Double, nullable=False),
    Column("blind_s", Double, nullable=False),
    Column("frames", BigInteger, nullable=False),
    Column("layout", ForeignKey(layouts.c.id), nullable=False),
    Column("sums", Text),
    # a camera's days lie side by side
    sqlite_with_rowid=False,
)
