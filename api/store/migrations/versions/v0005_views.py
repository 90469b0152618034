"""For how long a line was watched that is not in every view of its camera."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NAME = sa.String(120)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "watched_lines",
        sa.Column("interval", ROW_ID, nullable=False),
        sa.Column("line", NAME, nullable=False),
        sa.Column("observed_s", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("interval", "line", name="pk_watched_lines"),
        sa.ForeignKeyConstraint(
            ["interval"],
            ["count_intervals.id"],
            name="fk_watched_lines_interval",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
