"""The tables of traffic beside the counts, which are in ``tables``."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, Integer, Table

from api.store.tables import Name, metadata

# Every document of how traffic is classed and summed: reports name the one that they are by.
traffic_settings = Table(
    "traffic_settings",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("document", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", Name, nullable=False),
)
