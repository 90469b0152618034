"""Pieces of video that people count, to see how right the machine counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

NAME = sa.String(120)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "validation_pieces",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("camera", NAME, nullable=False),
        sa.Column("line", NAME, nullable=False),
        sa.Column("from_ts", sa.Double, nullable=False),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("points", sa.JSON, nullable=False),
        sa.Column("directions", sa.JSON, nullable=False),
        sa.Column("classes", sa.JSON, nullable=False),
        sa.Column("machine", sa.JSON, nullable=False),
        sa.Column("observed_s", sa.Double, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("prepared_at", sa.Double, nullable=False),
        sa.Column("keep_until", sa.Double, nullable=False),
        sa.Column("removed_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_validation_pieces"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_validation_pieces_line", "validation_pieces", ["camera", "line", "from_ts"])
    op.create_table(
        "validation_counts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("piece", ROW_ID, nullable=False),
        sa.Column("counted_at", sa.Double, nullable=False),
        sa.Column("counted_by", NAME, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_validation_counts"),
        sa.ForeignKeyConstraint(
            ["piece"],
            ["validation_pieces.id"],
            name="fk_validation_counts_piece",
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_validation_counts_piece", "validation_counts", ["piece"])
