"""The configuration: the city, its cameras, and every revision of their scenes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NAME = sa.String(120)


def upgrade() -> None:
    city = op.create_table(
        "city",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("networks", sa.JSON, nullable=False),
        sa.Column("credentials", sa.Text),
        sa.Column("changed_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_city"),
    )
    op.bulk_insert(city, [{"id": 1, "number": 0, "name": "", "networks": []}])
    op.create_table(
        "configured_cameras",
        sa.Column("id", NAME, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("login", NAME),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("fps", sa.Double),
        sa.Column("worker", NAME),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_configured_cameras"),
    )
    op.create_table(
        "scenes",
        sa.Column("camera", NAME, nullable=False),
        sa.Column("revision", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("camera", "revision", name="pk_scenes"),
    )
