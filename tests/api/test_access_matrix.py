"""Who is let in where: every way in there is, for everybody who may ask, by a reviewed table; what
comes through streams, sockets and pages; and what a request does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.access import RULES, SCOPES, Permission, Role
from api.store import Wanted
from tests.api import matrix_contents, matrix_endings, matrix_handling
from tests.api.evidence.packing import JPEG
from tests.api.matrix import (
    UNMASKED,
    UNSAID,
    Running,
    Table,
    judge,
    read_table,
    running,
)
from tests.api.matrix_contents import Check
from tests.api.matrix_rows import Row, rows
from tests.api.matrix_world import TABLE_CALLERS

CHECKS = (*matrix_contents.CHECKS, *matrix_handling.CHECKS, *matrix_endings.CHECKS)
UPDATE = "run python -m tests.api.matrix --write, and fill in the cells"


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def table() -> Table:
    return read_table()


def test_each_way_in_has_its_row(served: Running, table: Table) -> None:
    wanted = rows(served.routes, served.described)
    missing = [row for row in wanted if row not in table]
    assert not missing, f"{UPDATE}: {missing}"
    gone = [row for row in table if row not in set(wanted)]
    assert not gone, f"{UPDATE}: {gone}"


def test_each_cell_is_filled_in(table: Table) -> None:
    unsaid = [(*row, caller) for row in table for caller in TABLE_CALLERS
              if not table[row][caller].isdigit()]  # fmt: skip
    assert not unsaid
    assert UNSAID not in {cell for cells in table.values() for cell in cells.values()}


def test_whoever_can_come_in_is_a_column() -> None:
    assert {str(role) for role in Role} <= set(TABLE_CALLERS)
    assert {f"key_{scope.replace(':', '_')}" for scope in SCOPES} <= set(TABLE_CALLERS)
    assert {rule.needs for rule in RULES} - {None} <= set(Permission)


def test_a_way_without_a_row_is_found(served: Running) -> None:
    found = rows(served.routes, served.described)
    new = Row("http", "GET", "/invented", "-")
    assert Row("http", "GET", "/api/v1/alerts/{alert_id}", "foreign") in found
    assert Row("websocket", "GET", "/api/v1/live", "-") in found
    assert Row("http", "POST", "/people/{user}/remove", "-") in found
    assert new not in found
    assert new in rows([*served.routes, new[:3]], served.described)


def test_everybody_is_answered_as_the_table_says(served: Running, table: Table) -> None:
    wrong = list(judge(served, table))
    assert not wrong, "\n".join(wrong)


def test_who_is_shown_what_is_not_masked(served: Running, table: Table) -> None:
    """By the whole table nobody is, but by these two ways, which leave a trace."""
    shown = {
        (row.path.rpartition("/")[2], row.object, caller)
        for row in table
        if row.path.endswith(UNMASKED)
        for caller in TABLE_CALLERS
        if JPEG in served.ask(row, caller).body
    }
    every = {
        (what, camera, caller)
        for what in ("original",)
        for camera in ("own", "foreign")
        for caller in ("administrator", "no_token")
    }
    assert shown == every | {("material", "own", "worker")}
    entries = served.world.store.audit.find(Wanted(object_kind="evidence"), limit=1000).entries
    assert len([each for each in entries if each.action.endswith("original")]) >= 4


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_comes_and_what_is_done(served: Running, check: Check) -> None:
    wrong = list(check(served))
    assert not wrong, "\n".join(wrong)


def test_nothing_failed_in_the_server(served: Running) -> None:
    assert not served.faults, served.faults[-3000:]
