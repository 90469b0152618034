"""What people do about alerts, who is told of them and how that went, and canaries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

NAME = sa.String(120)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _extend_alerts()
    _create_alerting()
    _create_notices()
    _create_canaries()


def _extend_alerts() -> None:
    for column in (
        sa.Column("status", sa.String(16), nullable=False, server_default=sa.text("'new'")),
        sa.Column("edit", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("assigned_to", NAME),
        sa.Column("resolved_at", sa.Double),
        sa.Column("resolved_by", NAME),
        sa.Column("outcome", sa.String(8)),
        sa.Column("note", sa.Text),
        sa.Column("merged_into", NAME),
        sa.Column("opened_by", NAME),
        sa.Column("detected_at", sa.Double),
        sa.Column("spooled_at", sa.Double),
        sa.Column("published_at", sa.Double),
        sa.Column("delivered_at", sa.Double),
        sa.Column("routed_severity", sa.String(16)),
        sa.Column("routed_closed", sa.Boolean, nullable=False, server_default=sa.text("false")),
    ):
        op.add_column("alerts", column)
    op.execute("UPDATE alerts SET status = 'acknowledged' WHERE acknowledged_at IS NOT NULL")
    # of what is known already nobody is told now
    op.execute("UPDATE alerts SET routed_severity = severity, routed_closed = (state = 'closed')")
    op.create_index("ix_alerts_status_start", "alerts", ["status", "start_ts", "id"])
    op.create_index("ix_alerts_stored", "alerts", ["stored_at"])
    op.create_index("ix_alerts_merged_into", "alerts", ["merged_into"])


def _create_alerting() -> None:
    op.create_table(
        "alerting",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True)),
        sa.Column("changed_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_alerting"),
    )
    op.execute("INSERT INTO alerting (id, number) VALUES (1, 0)")
    op.create_table(
        "silences",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("match", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("starts_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_silences"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_silences_ends", "silences", ["ends_at"])
    op.create_table(
        "routing",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_routing"),
    )
    op.execute("INSERT INTO routing (id, position) SELECT 1, position FROM feed")


def _create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("channel", NAME, nullable=False),
        sa.Column("alert", NAME),
        sa.Column("what", sa.String(80), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("group", sa.String(300)),
        sa.Column("carrier", sa.BigInteger),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_by", NAME),
        sa.Column("claimed_until", sa.Double),
        sa.Column("settled_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("channel", "alert", "what", name="uq_notices_channel_alert_what"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notices_channel_state_due", "notices", ["channel", "state", "due_at"])
    op.create_index("ix_notices_carrier", "notices", ["carrier"])
    op.create_index("ix_notices_alert", "notices", ["alert"])
    op.create_index("ix_notices_due", "notices", ["due_at"])
    op.create_table(
        "deliveries",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("notice", sa.BigInteger, nullable=False),
        sa.Column("channel", NAME, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("took_s", sa.Double, nullable=False),
        sa.Column("ok", sa.Boolean, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_channel", "deliveries", ["channel", "id"])
    op.create_table(
        "channel_states",
        sa.Column("channel", NAME, nullable=False),
        sa.Column("paused_until", sa.Double, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("ok_at", sa.Double),
        sa.Column("failed_at", sa.Double),
        sa.Column("why", sa.Text),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_states"),
    )


def _create_canaries() -> None:
    op.create_table(
        "canaries",
        sa.Column("worker", NAME, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("times", sa.JSON, nullable=False),
        sa.Column("arrived_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("worker", name="pk_canaries"),
    )
    op.create_table(
        "beats",
        sa.Column("name", NAME, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_beats"),
    )
