"""Databases as an older version left them."""

from __future__ import annotations

from collections.abc import Iterable

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from api.store.database import MIGRATIONS


def make_older(url: str, revision: str, statements: Iterable[str]) -> None:
    """Bring an empty database to a revision, and do these statements in it."""
    script = ScriptDirectory(str(MIGRATIONS))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        for change in reversed(list(script.iterate_revisions(revision, "base"))):
            with Operations.context(context):
                change.module.upgrade()
            context.stamp(script, change.revision)
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
