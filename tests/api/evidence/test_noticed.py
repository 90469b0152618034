"""Whoever changes a file, a row, the chain or its heads is noticed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from api.evidence.heads import Heads
from api.evidence.refusals import KeyGoneError
from api.evidence.signing import KeyFile
from api.store.evidence_chain import Subject, canonical, signed_part
from api.store.evidence_tables import evidence
from tests.api.evidence.kept import BY, World
from tests.api.served import DAY
from vision.errors import StoreError

CHANGES = 1000


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= chance.randrange(1, 256)
    path.write_bytes(content)


def test_every_one_of_1000_changes_of_files_is_noticed(filled: World) -> None:
    assert filled.room.verify().findings == ()
    chance = random.Random(20260131)
    kinds = dict.fromkeys(("byte", "delete", "swap", "cut"), 0)
    for _ in range(CHANGES):
        one, other = chance.sample(filled.files, 2)
        before = {path: path.read_bytes() for path in (one, other)}
        kind = chance.choice([*kinds])
        kinds[kind] += 1
        if kind == "byte":
            flip(one, chance)
        elif kind == "delete":
            one.unlink()
        elif kind == "swap":
            one.write_bytes(before[other])
            other.write_bytes(before[one])
        else:
            one.write_bytes(before[one][: chance.randrange(len(before[one]))])
        said = filled.bad()
        assert any(one.name in each for each in said), (kind, one.name, said)
        for path, content in before.items():
            path.write_bytes(content)
    assert min(kinds.values()) > CHANGES / 8
    assert filled.room.verify().findings == ()


def sql(world: World, *statements: str) -> None:
    """As somebody with the rights of the database's owner."""
    connection = sqlite3.connect(world.folder / "matakota.db")
    with connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'evidence%'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


INVENTED = (
    "INSERT INTO evidence (alert, form, camera, kind, state, place, changed_at, removed) "
    "VALUES ('new', 'clip', 'plaza', 'crowd', 'stored', 'x', 1, 0)"
)
WHOLE = "WHERE alert = 'a3' AND form = 'clip'"
ROWS = {
    "camera": "'gate'", "kind": "'crowd'", "from_ts": "from_ts - 60", "to_ts": "to_ts + 0.001",
    "revision": "4", "media": "'image/jpeg'", "note": "'late'", "place": "'2026-01-31/other'",
    "original_bytes": "original_bytes + 1", "original_sha256": "boxes_sha256",
    "boxes_bytes": "NULL", "boxes_sha256": "original_sha256", "stored_at": "stored_at + 1",
    "state": "'missing'", "form": "'snapshot2'",
}  # fmt: skip


@pytest.mark.parametrize("column", ROWS)
def test_a_changed_row_is_noticed(filled: World, column: str) -> None:
    sql(filled, f"UPDATE evidence SET {column} = {ROWS[column]} {WHOLE}")  # noqa: S608
    assert any("of alert a3: " in said for said in filled.bad())


def test_every_column_of_a_row_is_told_or_may_change(world: World) -> None:
    """A copy and why there is none can be made anew; ``why`` is of what is not stored."""
    free = {"copy_place", "copy_bytes", "copy_sha256", "copy_why", "copy_failed_at"}
    own = {"alert", "why", "changed_at", "removed"}
    assert {column.name for column in evidence.c} == {*ROWS} | free | own


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM evidence WHERE alert = 'a3'", "but it has no row"),
        ("UPDATE evidence SET why = 'x' WHERE state = 'deleted'", "its row was changed (why)"),
        ("UPDATE evidence SET state = 'stored' WHERE alert = 'a0'", "the chain that it is deleted"),
        ("UPDATE evidence SET state = 'deleted'", "but the chain that it is stored"),
        ("DELETE FROM evidence_holds", "the chain says that it is held"),
        (
            "INSERT INTO evidence_holds VALUES ('a5', 'x', 1, 'x')",
            "evidence of alert a5: it is held, but the chain does not say so",
        ),
        (
            INVENTED,
            "but the chain that it is missing",
        ),
        ("DELETE FROM evidence_chain WHERE seq = 7", "before entry 8 of the chain there are some"),
        ("DELETE FROM evidence_chain WHERE seq = 1", "before entry 2 of the chain there are some"),
        ("DELETE FROM evidence_chain WHERE seq > 20", "is not in the chain"),
        ("DELETE FROM evidence_chain", "is not in the chain"),
        ("UPDATE evidence_chain SET at = at + 1 WHERE seq = 9", "entry 9 of the chain does not"),
        ("UPDATE evidence_chain SET action = 'held' WHERE seq = 9", "entry 9 of the chain does"),
        (
            "UPDATE evidence_chain SET subject = replace(subject, 'plaza', 'gate') WHERE seq = 9",
            "entry 9 of the chain does not follow",
        ),
        ("UPDATE evidence_chain SET prev = hash WHERE seq = 9", "entry 9 of the chain does not"),
        ("UPDATE evidence_chain SET hash = prev WHERE seq = 9", "entry 9 of the chain does not"),
        ("UPDATE evidence_chain SET subject = '{' WHERE seq = 9", "entry 9 of the chain cannot be"),
    ],
)
def test_a_changed_database_is_noticed(filled: World, statement: str, said: str) -> None:
    sql(filled, statement)
    found = filled.bad()
    assert any(said in each for each in found), found


def forge(world: World, seq: int, change: Callable[[Subject], None], key: KeyFile) -> None:
    """Write the whole chain anew from an entry on, as one could who has the code."""
    rows = world.store.evidence
    before, later = rows.links(seq - 2, 1)[0], rows.links(seq - 1, 10_000)
    statements = []
    for link in later:
        subject = link.read()
        if link.seq == seq:
            change(subject)
        if link.action == "deleted":
            public = key.public()
            subject["signature"] = key.sign(signed_part(subject), public)
        made = replace(link, subject=canonical(subject), prev=before.hash)
        before = replace(made, hash=made.computed())
        statements.append(
            f"UPDATE evidence_chain SET subject = '{before.subject}', "  # noqa: S608
            f"prev = '{before.prev}', hash = '{before.hash}' WHERE seq = {before.seq}"
        )
    sql(world, *statements)


def test_a_chain_written_anew_does_not_fit_its_heads(filled: World, tmp_path: Path) -> None:
    forge(filled, 6, lambda subject: subject.update(camera="gate"), KeyFile(tmp_path / "key.pem"))
    assert any("head 6 of those kept outside is not in the chain" in each for each in filled.bad())
    filled.add("later", at=999)
    assert "does not go on from head" in str(filled.room.problem)
    assert any("head 6 of those kept outside is not in the chain" in each for each in filled.bad())


def test_a_forged_tombstone_is_noticed(filled: World, tmp_path: Path) -> None:
    """Also by somebody who writes the heads anew: their key is another one."""
    other = KeyFile(tmp_path / "other.pem")
    other.begin()
    buried = next(link for link in filled.store.evidence.links(0, 100) if link.action == "deleted")
    forge(filled, buried.seq, lambda subject: subject.update(why="they asked for it"), other)
    sql(filled, "UPDATE evidence SET why = 'they asked for it' WHERE alert = 'a0'")
    filled.heads.unlink()
    heads = Heads(filled.heads, filled.store.evidence)
    heads.begin()
    heads.catch_up()
    found = filled.bad()
    assert any("is not signed by the key of the chain" in each for each in found), found
    assert all("of alert a0: " in each for each in found)


def test_another_key_is_noticed_and_signs_nothing(filled: World, tmp_path: Path) -> None:
    (tmp_path / "key.pem").unlink()
    assert any("cannot be read" in each for each in filled.bad())
    KeyFile(tmp_path / "key.pem").begin()
    assert any("is not the one that the chain began with" in each for each in filled.bad())
    with pytest.raises(KeyGoneError):
        filled.room.delete("plaza", DAY, DAY + 1000, "whose face it is", BY)
    with pytest.raises(KeyGoneError):
        filled.room.sweep(DAY * 2)
    assert filled.room.items("a5")[0].state == "stored"


def cut_line(lines: list[str]) -> None:
    del lines[7]


def cut_end(lines: list[str]) -> None:
    del lines[-1]


def swap_lines(lines: list[str]) -> None:
    lines[7], lines[8] = lines[8], lines[7]


def change_hash(lines: list[str]) -> None:
    lines[7] = lines[7].replace(lines[7].split()[1], "0" * 64)


def add_line(lines: list[str]) -> None:
    lines.append(lines[-1].replace(lines[-1].split()[0], str(len(lines)), 1))


def break_line(lines: list[str]) -> None:
    lines[7] = "x" + lines[7]


@pytest.mark.parametrize(
    "change", [cut_line, cut_end, swap_lines, change_hash, add_line, break_line]
)
def test_changed_heads_are_noticed(filled: World, change: Callable[[list[str]], None]) -> None:
    lines = filled.heads.read_text().splitlines(keepends=True)
    change(lines)
    filled.heads.write_text("".join(lines))
    assert len(filled.bad()) == 1, filled.bad()


def test_heads_that_are_gone_are_not_begun_anew(filled: World) -> None:
    filled.heads.unlink()
    assert any("is not there" in each for each in filled.bad())
    assert filled.add("later", at=999).created
    assert "is not there" in str(filled.room.problem)
    filled.room.sweep(filled.clock.now)
    assert not filled.heads.exists()


def test_an_unknown_file_is_noticed(filled: World) -> None:
    (filled.folder / "evidence" / "2026-01-31" / "extra.original").write_bytes(b"x")
    (said,) = filled.bad()
    assert "extra.original is no evidence that was stored" in said


def test_what_was_deleted_does_not_come_back(world: World) -> None:
    world.add("a")
    before = {path: path.read_bytes() for path in world.files}
    world.room.delete("plaza", DAY, DAY + 1, "whose face it is", BY)
    assert (world.files, world.bad()) == ([], [])
    for path, content in before.items():
        path.write_bytes(content)
    assert all("it was deleted, but the file" in each for each in world.bad())
    assert len(world.bad()) == 2


def test_the_database_itself_refuses_to_change_the_chain(world: World) -> None:
    world.add("a")
    for statement in ("UPDATE evidence_chain SET at = 0", "DELETE FROM evidence_chain"):
        with pytest.raises(StoreError, match="only added to"), world.store._database.write() as to:
            to.exec_driver_sql(statement)
