"""The tables as they are now. Every change to them is a migration beside this file."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    case,
    cast,
    not_,
    text,
)

from streams.messages import MAX_NAME_CHARS

NAMES = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)
Name = String(MAX_NAME_CHARS)
# SQLite numbers rows by itself only where the key is called INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")

# Times named ``…_ts`` are UTC seconds of capture, ``…_at`` UTC seconds of the store's own clock.
alerts = Table(
    "alerts",
    metadata,
    Column("id", Name, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("camera", Name, nullable=False),
    Column("kind", Name, nullable=False),
    Column("rule", Name, nullable=False),
    Column("place", Name, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("start_ts", Double, nullable=False),
    Column("raised_ts", Double, nullable=False),
    Column("end_ts", Double),
    Column("track_ids", JSON, nullable=False),
    Column("score", Double, nullable=False),
    Column("details", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("synthetic", Boolean, nullable=False),
    Column("stored_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("acknowledged_at", Double),
    Column("acknowledged_by", Name),
    # The place of the last change in the feed: whoever read up to a position has missed nothing.
    Column("position", BigInteger, nullable=False, unique=True),
    # What people did about it: new, acknowledged, assigned or resolved; ``edit`` rises with each.
    Column("status", String(16), nullable=False, server_default=text("'new'")),
    Column("edit", Integer, nullable=False, server_default=text("0")),
    Column("assigned_to", Name),
    Column("resolved_at", Double),
    Column("resolved_by", Name),
    # Whether it was a true or a false alarm.
    Column("outcome", String(8)),
    Column("note", Text),
    # The alert that it turned out to be a part of.
    Column("merged_into", Name),
    # Who opened it by hand.
    Column("opened_by", Name),
    # When its first statement passed each part of the chain; the rest of it is above.
    Column("detected_at", Double),
    Column("spooled_at", Double),
    Column("published_at", Double),
    Column("delivered_at", Double),
    # As of what notices were last decided on; none before the first time.
    Column("routed_severity", String(16)),
    Column("routed_closed", Boolean, nullable=False, server_default=text("false")),
)
Index("ix_alerts_start", alerts.c.start_ts, alerts.c.id)
Index("ix_alerts_camera_start", alerts.c.camera, alerts.c.start_ts, alerts.c.id)
Index("ix_alerts_state_start", alerts.c.state, alerts.c.start_ts, alerts.c.id)
Index("ix_alerts_status_start", alerts.c.status, alerts.c.start_ts, alerts.c.id)
Index("ix_alerts_stored", alerts.c.stored_at)
Index("ix_alerts_raised", alerts.c.raised_ts)
Index("ix_alerts_resolved", alerts.c.resolved_at)
Index("ix_alerts_merged_into", alerts.c.merged_into)

# Why an alert fired, none where nobody said. PostgreSQL reads no part of a JSON that has NUL
# anywhere in it, such as older versions stored.
WHY: Final = case(
    (
        not_(cast(alerts.c.details, Text).contains("\\u0000", autoescape=True)),
        alerts.c.details["why"].as_string(),
    )
)

# One row: the last position. Its lock makes positions follow the order of commits.
feed = Table(
    "feed",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
)

# The last report of each camera, as its worker sent it, and when that was heard here.
cameras = Table(
    "cameras",
    metadata,
    Column("id", Name, primary_key=True),
    Column("worker", Name, nullable=False),
    Column("report", Text, nullable=False),
    Column("report_ts", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)

# One row: what is configured beside the cameras. Its lock lets one change follow the other.
city = Table(
    "city",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Rises with each change; 0 until there is a configuration.
    Column("number", Integer, nullable=False),
    Column("name", Name, nullable=False),
    Column("networks", JSON, nullable=False),
    Column("credentials", Text),
    Column("changed_at", Double),
)

configured_cameras = Table(
    "configured_cameras",
    metadata,
    Column("id", Name, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("name", Name, nullable=False),
    Column("source", Text, nullable=False),
    Column("login", Name),
    Column("model", Text, nullable=False),
    Column("fps", Double),
    Column("worker", Name),
    # Of its scene, 0 for none.
    Column("revision", Integer, nullable=False),
    # Where it stands, in degrees; both or neither.
    Column("latitude", Double),
    Column("longitude", Double),
    # off, auto or a path; none for what is as by default.
    Column("substream", Text),
)

# Every scene that a camera ever had: events and bins name the revision that made them.
scenes = Table(
    "scenes",
    metadata,
    Column("camera", Name, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    # Both are not known of those that an older version stored.
    Column("created_by", Name),
    Column("note", Text),
)

# People. Passwords are argon2id hashes; ``totp_step`` is the last one that was used.
users = Table(
    "users",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Name, nullable=False),
    # Two that differ in case only would be taken for each other.
    Column("folded", Name, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("every_camera", Boolean, nullable=False),
    Column("password", Text),
    Column("language", String(8)),
    Column("totp_secret", String(64)),
    Column("totp_step", BigInteger, nullable=False),
    # How the person is called where they sign in elsewhere, and who that turned out to be.
    Column("external", Text, unique=True),
    Column("issuer", Text),
    Column("subject", Text),
    Column("created_at", Double, nullable=False),
    Column("disabled_at", Double),
    UniqueConstraint("issuer", "subject"),
    # no number is given twice: pages that are open and the record name people by it
    sqlite_autoincrement=True,
)

# Codes that stand in, once each, for a lost second factor.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user", ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True),
    Column("hash", String(64), primary_key=True),
    sqlite_with_rowid=False,
)

groups = Table(
    "groups",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Name, nullable=False),
    Column("folded", Name, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

# Cameras by id: one may be in a group before it is configured.
group_cameras = Table(
    "group_cameras",
    metadata,
    Column("group", ForeignKey(groups.c.id, ondelete="CASCADE"), primary_key=True),
    Column("camera", Name, primary_key=True),
    sqlite_with_rowid=False,
)

user_groups = Table(
    "user_groups",
    metadata,
    Column("user", ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True),
    Column("group", ForeignKey(groups.c.id, ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)

# What opens the door: machine keys, people's sessions, and links that open or set one thing each.
keys = Table(
    "keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", Name, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("last_used_at", Double),
    Column("kind", String(16), nullable=False, server_default=text("'key'")),
    Column("expires_at", Double),
    # Whose session, link or browser it is.
    Column("user", ForeignKey(users.c.id, ondelete="CASCADE")),
    # Of a machine key: what it may, and for which cameras.
    Column("worker", Boolean, nullable=False, server_default=text("false")),
    Column("scopes", JSON(none_as_null=True)),
    Column("every_camera", Boolean, nullable=False, server_default=text("false")),
    # Where a session was opened, and with which browser.
    Column("address", String(64)),
    Column("agent", Text),
)

key_cameras = Table(
    "key_cameras",
    metadata,
    Column("key", ForeignKey(keys.c.id, ondelete="CASCADE"), primary_key=True),
    Column("camera", Name, primary_key=True),
    sqlite_with_rowid=False,
)

key_groups = Table(
    "key_groups",
    metadata,
    Column("key", ForeignKey(keys.c.id, ondelete="CASCADE"), primary_key=True),
    Column("group", ForeignKey(groups.c.id, ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)

# Who did what. Rows are added and never changed, which triggers hold.
audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", String(64)),
    Column("actor", Name, nullable=False),
    Column("address", String(64)),
    Column("action", String(64), nullable=False),
    Column("object_kind", String(16), nullable=False),
    Column("object", Name, nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
)
Index("ix_audit_at", audit.c.at)
Index("ix_audit_actor_at", audit.c.actor, audit.c.at)
Index("ix_audit_object_at", audit.c.object_kind, audit.c.object, audit.c.at)

# Messages that fit no schema, kept for whoever looks for the cause; the oldest go.
rejected = Table(
    "rejected",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("entry", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("rejected_at", Double, nullable=False),
)
