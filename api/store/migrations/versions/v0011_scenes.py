"""Who drew a scene, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("scenes", sa.Column("created_by", sa.String(120)))
    op.add_column("scenes", sa.Column("note", sa.Text))
