"""What makes the tables of this version out of those that there are, if any."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from streams.settings import DATABASE_VARIABLE
from vision.errors import StoreError


def migrate(connection: Connection, migrations: Path, label: str) -> None:
    """Make each change of the folder ``migrations`` that the database called ``label`` lacks, in a
    transaction that the caller has begun. Raises StoreError where its tables are newer."""
    script = ScriptDirectory(str(migrations))
    known = {change.revision for change in script.walk_revisions()}
    context = MigrationContext.configure(connection)
    now = context.get_current_revision()
    if now is not None and now not in known:
        raise StoreError(
            f"the database {label} was written by a newer version (its tables are {now}): "
            f"install that version, or name another with {DATABASE_VARIABLE}"
        )
    for change in reversed(list(script.iterate_revisions("head", now or "base"))):
        with Operations.context(context):
            change.module.upgrade()
        context.stamp(script, change.revision)
