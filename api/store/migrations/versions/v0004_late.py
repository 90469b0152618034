"""Who may have passed a line before they were seen, beside the counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAME = sa.String(120)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "late_counts",
        sa.Column("interval", ROW_ID, nullable=False),
        sa.Column("line", NAME, nullable=False),
        sa.Column("direction", NAME, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("interval", "line", "direction", name="pk_late_counts"),
        sa.ForeignKeyConstraint(
            ["interval"], ["count_intervals.id"], name="fk_late_counts_interval", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
