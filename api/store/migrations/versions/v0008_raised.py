"""Alerts are looked for by when they were raised, to count what people closed them as."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index("ix_alerts_raised", "alerts", ["raised_ts"])
