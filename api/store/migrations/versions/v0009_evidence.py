"""Evidence of alerts: what is kept, what must not go, and the chain of what happened to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

NAME = sa.String(120)
HASH = sa.String(64)
PLACE = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "evidence",
        sa.Column("alert", NAME, nullable=False),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("camera", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("from_ts", sa.Double),
        sa.Column("to_ts", sa.Double),
        sa.Column("revision", sa.Integer),
        sa.Column("media", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("place", PLACE),
        sa.Column("original_bytes", sa.BigInteger),
        sa.Column("original_sha256", HASH),
        sa.Column("boxes_bytes", sa.BigInteger),
        sa.Column("boxes_sha256", HASH),
        sa.Column("copy_place", PLACE),
        sa.Column("copy_bytes", sa.BigInteger),
        sa.Column("copy_sha256", HASH),
        sa.Column("copy_why", sa.Text),
        sa.Column("copy_failed_at", sa.Double),
        sa.Column("stored_at", sa.Double),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("alert", "form", name="pk_evidence"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_evidence_camera_from", "evidence", ["camera", "from_ts"])
    op.create_index("ix_evidence_state_from", "evidence", ["state", "from_ts"])
    with_files = sa.column("removed", sa.Boolean).is_(False)
    op.create_index(
        "ix_evidence_room",
        "evidence",
        ["original_bytes", "boxes_bytes", "copy_bytes"],
        sqlite_where=with_files,
        postgresql_where=with_files,
    )
    op.create_table(
        "evidence_spans",
        sa.Column("camera", NAME, nullable=False),
        sa.Column("from_ts", sa.Double, nullable=False),
        sa.Column("to_ts", sa.Double, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("camera", "from_ts", "to_ts", name="pk_evidence_spans"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evidence_holds",
        sa.Column("alert", NAME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("held_at", sa.Double, nullable=False),
        sa.Column("held_by", NAME, nullable=False),
        sa.PrimaryKeyConstraint("alert", name="pk_evidence_holds"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evidence_uploads",
        sa.Column("place", PLACE, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("begun_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_evidence_uploads"),
        sqlite_with_rowid=False,
    )
    _create_chain()


def _create_chain() -> None:
    op.create_table(
        "evidence_chain",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("prev", HASH, nullable=False),
        sa.Column("hash", HASH, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_evidence_chain"),
    )
    said = "the chain of evidence is only added to"
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER evidence_chain_no_{what.lower()} BEFORE {what} ON evidence_chain "
                f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
            )
        # INSERT OR REPLACE takes a row away without asking the trigger of DELETE
        op.execute(
            "CREATE TRIGGER evidence_chain_no_replace BEFORE INSERT ON evidence_chain "
            "WHEN EXISTS (SELECT 1 FROM evidence_chain WHERE seq = NEW.seq) "
            "BEGIN SELECT RAISE(ABORT, 'the chain of evidence is only added to'); END"
        )
    else:
        op.execute(
            "CREATE FUNCTION evidence_chain_is_kept() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN RAISE EXCEPTION '{said}'; END$$"
        )
        op.execute(
            "CREATE TRIGGER evidence_chain_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE "
            "ON evidence_chain FOR EACH STATEMENT EXECUTE FUNCTION evidence_chain_is_kept()"
        )
