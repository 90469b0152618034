"""The first tables: alerts and their feed, counts, cameras, keys, rejected messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NAME = sa.String(120)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", NAME, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("camera", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("rule", NAME, nullable=False),
        sa.Column("place", NAME, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("start_ts", sa.Double, nullable=False),
        sa.Column("raised_ts", sa.Double, nullable=False),
        sa.Column("end_ts", sa.Double),
        sa.Column("track_ids", sa.JSON, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sa.Column("stored_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("acknowledged_at", sa.Double),
        sa.Column("acknowledged_by", NAME),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.UniqueConstraint("position", name="uq_alerts_position"),
    )
    op.create_index("ix_alerts_start", "alerts", ["start_ts", "id"])
    op.create_index("ix_alerts_camera_start", "alerts", ["camera", "start_ts", "id"])
    op.create_index("ix_alerts_state_start", "alerts", ["state", "start_ts", "id"])
    feed = op.create_table(
        "feed",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feed"),
    )
    op.bulk_insert(feed, [{"id": 1, "position": 0}])
    op.create_table(
        "layouts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("lines", sa.JSON, nullable=False),
        sa.Column("classes", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_layouts"),
        sa.UniqueConstraint("digest", name="uq_layouts_digest"),
    )
    op.create_table(
        "count_intervals",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("camera", NAME, nullable=False),
        sa.Column("start_ts", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("observed_s", sa.Double, nullable=False),
        sa.Column("frames", sa.BigInteger, nullable=False),
        sa.Column("layout", ROW_ID, nullable=False),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_count_intervals"),
        sa.ForeignKeyConstraint(["layout"], ["layouts.id"], name="fk_count_intervals_layout"),
        sa.UniqueConstraint(
            "camera",
            "start_ts",
            "seconds",
            "revision",
            name="uq_count_intervals_camera_start_ts_seconds_revision",
        ),
    )
    op.create_table(
        "counts",
        sa.Column("interval", ROW_ID, nullable=False),
        sa.Column("line", NAME, nullable=False),
        sa.Column("direction", NAME, nullable=False),
        sa.Column("class_name", NAME, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("interval", "line", "direction", "class_name", name="pk_counts"),
        sa.ForeignKeyConstraint(
            ["interval"], ["count_intervals.id"], name="fk_counts_interval", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cameras",
        sa.Column("id", NAME, nullable=False),
        sa.Column("worker", NAME, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("report_ts", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cameras"),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("revoked_at", sa.Double),
        sa.Column("last_used_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )
    op.create_table(
        "rejected",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("rejected_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rejected"),
    )
