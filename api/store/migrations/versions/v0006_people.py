"""People, groups of cameras, what machine keys may, and the record of who did what."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

NAME = sa.String(120)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
EVERYTHING = (
    '["alerts:read", "alerts:state", "alerts:handle", "counts:read", "cameras:read", '
    '"cameras:try", "pictures:see", "system:read"]'
)
"""What a machine key could do until now."""


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("folded", NAME, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("every_camera", sa.Boolean, nullable=False),
        sa.Column("password", sa.Text),
        sa.Column("language", sa.String(8)),
        sa.Column("totp_secret", sa.String(64)),
        sa.Column("totp_step", sa.BigInteger, nullable=False),
        sa.Column("external", sa.Text),
        sa.Column("issuer", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("disabled_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("folded", name="uq_users_folded"),
        sa.UniqueConstraint("external", name="uq_users_external"),
        sa.UniqueConstraint("issuer", "subject", name="uq_users_issuer_subject"),
        # a page that is open names somebody by their number, and so does the record
        sqlite_autoincrement=True,
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user", ROW_ID, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("user", "hash", name="pk_recovery_codes"),
        sa.ForeignKeyConstraint(
            ["user"], ["users.id"], name="fk_recovery_codes_user", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "groups",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("folded", NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
        sa.UniqueConstraint("folded", name="uq_groups_folded"),
        sqlite_autoincrement=True,
    )
    _members("group_cameras", ("group", ROW_ID, "groups"), ("camera", NAME, None))
    _members("user_groups", ("user", ROW_ID, "users"), ("group", ROW_ID, "groups"))
    _extend_keys()
    _members("key_cameras", ("key", sa.String(16), "keys"), ("camera", NAME, None))
    _members("key_groups", ("key", sa.String(16), "keys"), ("group", ROW_ID, "groups"))
    _create_audit()


def _members(table: str, *columns: tuple[str, sa.types.TypeEngine[Any], str | None]) -> None:
    """A table of pairs, which go with what they refer to."""
    op.create_table(
        table,
        *(sa.Column(name, kind, nullable=False) for name, kind, _ in columns),
        sa.PrimaryKeyConstraint(*(name for name, _, _ in columns), name=f"pk_{table}"),
        *(
            sa.ForeignKeyConstraint(
                [name], [f"{other}.id"], name=f"fk_{table}_{name}", ondelete="CASCADE"
            )
            for name, _, other in columns
            if other is not None
        ),
        sqlite_with_rowid=False,
    )


def _extend_keys() -> None:
    with op.batch_alter_table("keys") as batch:
        batch.add_column(sa.Column("user", ROW_ID))
        batch.add_column(
            sa.Column("worker", sa.Boolean, nullable=False, server_default=sa.text("false"))
        )
        batch.add_column(sa.Column("scopes", sa.JSON))
        batch.add_column(
            sa.Column("every_camera", sa.Boolean, nullable=False, server_default=sa.text("false"))
        )
        batch.add_column(sa.Column("address", sa.String(64)))
        batch.add_column(sa.Column("agent", sa.Text))
        batch.create_foreign_key("fk_keys_user", "users", ["user"], ["id"], ondelete="CASCADE")
    # keys keep what they could do; sessions and links were of nobody, and are over
    op.execute(sa.text("DELETE FROM keys WHERE kind <> 'key'"))
    # written out: a name with ':' in it would be a parameter
    scopes = sa.bindparam("scopes", EVERYTHING, sa.Text)
    change = "UPDATE keys SET every_camera = true, scopes = CAST(:scopes AS JSON)"
    if op.get_bind().dialect.name == "sqlite":
        change = "UPDATE keys SET every_camera = true, scopes = :scopes"
    op.execute(sa.text(change).bindparams(scopes))


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.String(64)),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("address", sa.String(64)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("object_kind", sa.String(16), nullable=False),
        sa.Column("object", NAME, nullable=False),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_actor_at", "audit", ["actor", "at"])
    op.create_index("ix_audit_object_at", "audit", ["object_kind", "object", "at"])
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{what.lower()} BEFORE {what} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END"
            )
        # INSERT OR REPLACE takes a row away without asking the trigger of DELETE
        op.execute(
            "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "
            "WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) "
            "BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END"
        )
    else:
        op.execute(
            "CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'the audit is only added to'; END$$"
        )
        op.execute(
            "CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept()"
        )
