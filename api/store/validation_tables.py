"""The tables of pieces of video that people count, beside those in ``tables``."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from api.store.tables import Name, RowId, metadata

# A masked piece of video and what the machine counted in it. Its file goes, the row stays.
validation_pieces = Table(
    "validation_pieces",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("camera", Name, nullable=False),
    Column("line", Name, nullable=False),
    Column("from_ts", Double, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("model", Text, nullable=False),
    # Of what video, as whoever prepared it called it.
    Column("source", Text, nullable=False),
    # The line's two ends in shares of the picture, and the names of its directions.
    Column("points", JSON, nullable=False),
    Column("directions", JSON, nullable=False),
    Column("classes", JSON, nullable=False),
    # [direction, class, count], the zeros left out.
    Column("machine", JSON, nullable=False),
    Column("observed_s", Double, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("prepared_at", Double, nullable=False),
    Column("keep_until", Double, nullable=False),
    Column("removed_at", Double),
    # no number is given twice: pages that are open name pieces by it
    sqlite_autoincrement=True,
)
Index(
    "ix_validation_pieces_line",
    validation_pieces.c.camera,
    validation_pieces.c.line,
    validation_pieces.c.from_ts,
)

# What somebody counted in a piece. Rows are added and never changed; of those that people made of
# it for the first time, the newest holds.
validation_counts = Table(
    "validation_counts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("piece", ForeignKey(validation_pieces.c.id, ondelete="CASCADE"), nullable=False),
    Column("counted_at", Double, nullable=False),
    Column("counted_by", Name, nullable=False),
    # [direction, class, count], the zeros left out.
    Column("counts", JSON, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_validation_counts_piece", validation_counts.c.piece)
