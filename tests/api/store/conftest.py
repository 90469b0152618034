"""Every test of the store runs on SQLite, and on PostgreSQL where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from api.store import Store
from tests.api.served import POSTGRES_VARIABLE, postgres_url, sqlite_url


@pytest.fixture(params=["sqlite", "postgres"])
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without any tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'matakota.db'}"
    server = postgres_url()
    if server is None:
        pytest.skip(f"needs a PostgreSQL in {POSTGRES_VARIABLE}")
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return server


@pytest.fixture
def url(blank: str, tmp_path: Path) -> str:
    """The address of a database that holds nothing."""
    return sqlite_url(tmp_path) if blank.startswith("sqlite") else blank


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened
