"""Sessions of people, and the links that open them, beside the machine keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "keys", sa.Column("kind", sa.String(16), nullable=False, server_default=sa.text("'key'"))
    )
    op.add_column("keys", sa.Column("expires_at", sa.Double))
