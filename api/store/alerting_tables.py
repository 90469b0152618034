"""The tables of who is told of what and how that went, beside those in ``tables``."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from api.store.tables import Name, RowId, metadata

# One row: who is told of what, as a document; ``number`` rises with each change, 0 for none yet.
alerting = Table(
    "alerting",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("document", JSON(none_as_null=True)),
    Column("changed_at", Double),
)

# For how long nobody is told of some alerts, and why.
silences = Table(
    "silences",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("match", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("starts_at", Double, nullable=False),
    Column("ends_at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", Name, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_silences_ends", silences.c.ends_at)

# One row: up to which position of the feed it is decided who is told. Its lock gives the turn.
routing = Table(
    "routing",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
)

# The outbox: one row for each thing that a channel is to be told, until long after it was.
notices = Table(
    "notices",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("channel", Name, nullable=False),
    # None for a test.
    Column("alert", Name),
    # opened, severity:LEVEL, closed, escalated:N or test:ID
    Column("what", String(80), nullable=False),
    # waiting, held, folded, delivered, given_up or suppressed
    Column("state", String(16), nullable=False),
    Column("why", Text),
    Column("urgent", Boolean, nullable=False),
    # Those of one channel and group that are held become one message.
    Column("group", String(300)),
    Column("carrier", BigInteger),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_by", Name),
    Column("claimed_until", Double),
    Column("settled_at", Double),
    UniqueConstraint("channel", "alert", "what"),
    sqlite_autoincrement=True,
)
Index("ix_notices_channel_state_due", notices.c.channel, notices.c.state, notices.c.due_at)
Index("ix_notices_carrier", notices.c.carrier)
Index("ix_notices_alert", notices.c.alert)
Index("ix_notices_due", notices.c.due_at)

# The delivery log: each try, whatever came of it; the oldest go.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("notice", BigInteger, nullable=False),
    Column("channel", Name, nullable=False),
    Column("at", Double, nullable=False),
    Column("took_s", Double, nullable=False),
    Column("ok", Boolean, nullable=False),
    # As HTTP says it, if it did.
    Column("status", Integer),
    Column("why", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_deliveries_channel", deliveries.c.channel, deliveries.c.id)

# How each channel is: until when nothing is tried, and how often in a row it failed.
channel_states = Table(
    "channel_states",
    metadata,
    Column("channel", Name, primary_key=True),
    Column("paused_until", Double, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("ok_at", Double),
    Column("failed_at", Double),
    Column("why", Text),
)

# The last canary of each worker that came all the way, and when it passed each part.
canaries = Table(
    "canaries",
    metadata,
    Column("worker", Name, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("times", JSON, nullable=False),
    Column("arrived_at", Double, nullable=False),
)

# Processes that say that they live: the notifier and the watchdog, which watch each other.
beats = Table(
    "beats",
    metadata,
    Column("name", Name, primary_key=True),
    Column("at", Double, nullable=False),
)
