"""The tables of evidence, beside those in ``tables``; the files themselves lie elsewhere."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, String, Table, Text

from api.store.tables import Name, metadata

Hash = String(64)
Place = String(64)

# What is known of each item. Files are called after ``place`` and the part: their own names each
# time that one is stored, so that two who store at once never write the same file.
evidence = Table(
    "evidence",
    metadata,
    Column("alert", Name, primary_key=True),
    Column("form", String(16), primary_key=True),
    Column("camera", Name, nullable=False),
    Column("kind", Name, nullable=False),
    # stored, missing or deleted; why it is missing, or what it was deleted for.
    Column("state", String(16), nullable=False),
    Column("why", Text),
    Column("from_ts", Double),
    Column("to_ts", Double),
    Column("revision", Integer),
    Column("media", Text),
    Column("note", Text),
    Column("place", Place),
    Column("original_bytes", BigInteger),
    Column("original_sha256", Hash),
    Column("boxes_bytes", BigInteger),
    Column("boxes_sha256", Hash),
    Column("copy_place", Place),
    Column("copy_bytes", BigInteger),
    Column("copy_sha256", Hash),
    # Why there is no masked copy although one was tried, and when that was.
    Column("copy_why", Text),
    Column("copy_failed_at", Double),
    Column("stored_at", Double),
    Column("changed_at", Double, nullable=False),
    # Whether it has no files (any more): of one that is missing, or was deleted, its files too.
    Column("removed", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_evidence_camera_from", evidence.c.camera, evidence.c.from_ts)
Index("ix_evidence_state_from", evidence.c.state, evidence.c.from_ts)
# What takes room is summed up before each upload.
Index(
    "ix_evidence_room",
    evidence.c.original_bytes,
    evidence.c.boxes_bytes,
    evidence.c.copy_bytes,
    sqlite_where=evidence.c.removed.is_(False),
    postgresql_where=evidence.c.removed.is_(False),
)

# What was deleted of cameras by people, so that what is still on its way then is not kept: spans
# of capture time, of which none lies after its deletion.
evidence_spans = Table(
    "evidence_spans",
    metadata,
    Column("camera", Name, primary_key=True),
    Column("from_ts", Double, primary_key=True),
    Column("to_ts", Double, primary_key=True),
    Column("why", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Alerts whose evidence must not be deleted.
evidence_holds = Table(
    "evidence_holds",
    metadata,
    Column("alert", Name, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("held_at", Double, nullable=False),
    Column("held_by", Name, nullable=False),
    sqlite_with_rowid=False,
)

# Files that are being written, so that what a crash left of them is known.
evidence_uploads = Table(
    "evidence_uploads",
    metadata,
    Column("place", Place, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("begun_at", Double, nullable=False),
    sqlite_with_rowid=False,
)

# What happened to evidence, each entry with the hash of the one before. Rows are added and never
# changed, which triggers hold.
evidence_chain = Table(
    "evidence_chain",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("action", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    Column("prev", Hash, nullable=False),
    Column("hash", Hash, nullable=False),
)
