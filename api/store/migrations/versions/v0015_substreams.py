"""Whether a camera's smaller stream is looked at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("configured_cameras", sa.Column("substream", sa.Text))
