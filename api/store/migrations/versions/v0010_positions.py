"""Where cameras stand; and when alerts were resolved is looked for, to hand a shift over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("configured_cameras", sa.Column("latitude", sa.Double))
    op.add_column("configured_cameras", sa.Column("longitude", sa.Double))
    op.create_index("ix_alerts_resolved", "alerts", ["resolved_at"])
