"""Evidence in every database: rows, chain and verification."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from api.evidence.room import Deleted
from api.store.evidence_tables import evidence
from tests.api.evidence.kept import BY, World, fill, make_room, open_world, packed
from tests.api.served import DAY, alert
from vision.errors import StoreError


@pytest.fixture
def world(tmp_path: Path, url: str) -> Iterator[World]:
    yield from open_world(tmp_path, url)


def test_kept_deleted_held_and_verified(world: World) -> None:
    fill(world)
    assert world.room.verify().findings == ()
    assert world.store.evidence.used() == sum(path.stat().st_size for path in world.files)
    assert world.room.delete("plaza", 0, DAY + 300, "whose face it is", BY) == Deleted(6, 2)
    assert world.room.sweep(DAY + 31 * 86400).old == 10
    assert [item.alert for item in world.room.find(None, None, None)] == ["a1", "a1"]
    report = world.room.verify()
    assert (report.findings, report.items, report.entries) == ((), 2, 1 + 20 + 1 + 18)


def test_one_after_the_other(world: World) -> None:
    world.store.record([alert(f"a{number}") for number in range(8)])
    rooms = [make_room(world.folder, world.store) for _ in range(4)]

    def send(number: int) -> bool:
        head, body = packed(f"a{number % 8}", "clip", [b"original", b"boxes"])
        return rooms[number % 4].take(head, [body]).created

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(send, range(16))) == 8
    assert world.room.verify().entries == 9
    assert world.room.verify().findings == ()


@pytest.mark.parametrize(
    "statement", ["UPDATE evidence_chain SET at = 0", "DELETE FROM evidence_chain"]
)
def test_the_chain_is_only_added_to(world: World, statement: str) -> None:
    world.add("a")
    with pytest.raises(StoreError, match="only added to"), world.store._database.write() as to:
        to.exec_driver_sql(statement)
    assert world.room.verify().findings == ()


def test_what_takes_room_is_summed_up_by_its_index(world: World) -> None:
    fill(world)
    world.store.record([alert("m")])
    world.room.missing("m", "plaza", "clip", "no packets")
    query = select(func.sum(evidence.c.original_bytes + evidence.c.boxes_bytes)).where(
        evidence.c.removed.is_(False)
    )
    with world.store._database.write() as connection:
        postgresql = connection.dialect.name == "postgresql"
        if postgresql:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN" if postgresql else "EXPLAIN QUERY PLAN"
        said = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = str(connection.exec_driver_sql(f"{explain} {said}").all())
        rows = connection.scalar(
            select(func.count()).select_from(evidence).where(evidence.c.removed.is_(False))
        )
    assert "ix_evidence_room" in plan
    # neither what is missing nor what is gone
    assert rows == 18
