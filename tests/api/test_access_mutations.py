"""The access matrix fails where a guard is missing: the code without one of its guards, one after
the other, the table of paths with another row, and roles with other permissions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from api import access
from api.access import ROLES, RULES, Permission, Role, Rule, find_rule
from tests.api import matrix_contents, matrix_endings
from tests.api.matrix import Running, Table, judge, read_table, running
from tests.api.matrix_rows import Row, example
from tests.api.mutants import Mutant, mutants, without

QUICK = (
    "api/alerts.py: list_alerts: served.store.alerts.find(only=…)",
    "api/auth.py: decide: holder.caller.may(rule.needs)",
    "api/store/holders.py: Holder.is_live: self.key.is_live(now)",
)
"""One each of what somebody sees, of what they may, and of who they are."""
_FAR = "all ask from this machine here; from others: tests/api/test_auth.py"
_LONG = "asked again after each 1,000 rows only: tests/api/test_audit_routes.py"
_GONE = "asked only while the store gives no answer: tests/api/test_known_keys.py"
_TWICE = "another one stands before or behind it, and either is enough: see PAIRS"
PAIRS = (
    (
        "api/feed.py: Feed.events: reader.sees(alert.camera)",
        "api/feed.py: Feed._changes: run_in_threadpool(only=…)",
    ),
    (
        "api/feed.py: Feed.events: reader.sees(alert.camera)",
        "api/store/alerts.py: Alerts.changes: _among(only)",
    ),
    (
        "api/cameras.py: cameras_of: caller.may(Permission.SYSTEM_READ)",
        "api/pages/words.py: _camera_says: caller.may(Permission.SYSTEM_READ)",
    ),
    (
        "api/door.py: Door._stays: now.may(rule.needs)",
        "api/wall.py: viewer_of: who.may(Permission.PICTURES_SEE)",
    ),
    (
        "api/feed.py: _reader: reader.may(Permission.ALERTS_READ)",
        "api/pages/room.py: _Room._follow_alerts: now.may(_P.ALERTS_READ)",
    ),
    (
        "api/feed.py: Feed._changes: run_in_threadpool(only=…)",
        "api/pages/room.py: _Room._own: now.sees(alert.camera)",
    ),
)
"""Of which the matrix misses both."""
BESIDE = {
    "api/feed.py: Feed.events: reader.sees(alert.camera)": _TWICE,
    "api/feed.py: Feed._changes: run_in_threadpool(only=…)": _TWICE,
    "api/pages/room.py: _Room._follow_alerts: now.may(_P.ALERTS_READ)": _TWICE,
    "api/pages/room.py: _Room._own: now.sees(alert.camera)": _TWICE,
    "api/pages/words.py: _camera_says: caller.may(Permission.SYSTEM_READ)": _TWICE,
    "api/store/alerts.py: Alerts.changes: _among(only)": _TWICE,
    "api/wall.py: viewer_of: who.may(Permission.PICTURES_SEE)": _TWICE,
    "api/door.py: Door._stays: now.may(rule.needs)": _TWICE,
    "api/known.py: KnownKeys.renewed: last.is_live(self.now())": _GONE,
    "api/audit.py: _table: now.may(Permission.AUDIT_READ)": _LONG,
    "api/audit.py: _table: served.keys.renewed(asking)": _LONG,
    "api/auth.py: _way: _is_loopback(ask.peer)": _FAR,
    "api/auth.py: _way: if ask.proxied": _FAR,
    "api/auth.py: _way: if not everywhere": _FAR,
    "api/auth.py: is_here: _is_loopback(ask.peer)": _FAR,
    "api/auth.py: is_here: if ask.proxied or not _is_loopback(ask.peer) or _is_relayed(ask)": _FAR,
}
"""Guards that the matrix cannot miss, and why."""
GUARDS = [mutant for mutant in mutants() if mutant.name not in BESIDE]
LATE = ("api/feed.py", "api/known.py", "api/pages/", "api/pictures.py", "api/wall.py")
"""What is decided there is decided while something is open."""
CHECKS = (*matrix_contents.CHECKS, *matrix_endings.CHECKS)


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def table() -> Table:
    return read_table()


def complaints(served: Running, table: Table, path: str) -> Iterator[str]:
    """What the matrix finds, first where it most likely does for a guard of this file."""
    late = path.startswith(LATE)
    if not late:
        yield from judge(served, table)
    for check in reversed(CHECKS) if late else CHECKS:
        yield from check(served)
    if late:
        yield from judge(served, table)
    if served.faults:
        yield served.faults


def first_complaint(table: Table, folder: Path, *guards: Mutant) -> str | None:
    with running(tree=without(folder, *guards)) as served:
        return next(complaints(served, table, guards[0].path), None)


@pytest.mark.parametrize("name", QUICK)
def test_a_guard_is_missed(name: str, table: Table, tmp_path: Path) -> None:
    (mutant,) = [each for each in GUARDS if each.name == name]
    assert first_complaint(table, tmp_path, mutant) is not None


@pytest.mark.long
@pytest.mark.parametrize("mutant", GUARDS, ids=lambda mutant: mutant.name)
def test_each_guard_is_missed(mutant: Mutant, table: Table, tmp_path: Path) -> None:
    assert first_complaint(table, tmp_path, mutant) is not None


@pytest.mark.long
@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_two_guards_of_one_thing_are_missed(
    names: Sequence[str], table: Table, tmp_path: Path
) -> None:
    both = [mutant for mutant in mutants() if mutant.name in names]
    assert len(both) == len(names)
    assert first_complaint(table, tmp_path, *both) is not None


def test_guards_are_found() -> None:
    found = {mutant.name for mutant in mutants()}
    assert len(found) > 60
    assert len(found) == len(list(mutants()))
    assert set(BESIDE) <= found
    twice = {name for name, why in BESIDE.items() if why == _TWICE}
    assert twice <= {name for pair in PAIRS for name in pair}


# --- the tables of api/access.py


def of(rule: Rule, row: Row) -> bool:
    """Whether a row of the matrix is decided on by a rule."""
    return find_rule(row.kind, row.method, example(row.path)).rule == rule


def weaker() -> list[tuple[int, str | None]]:
    """Each row of the table of paths, with each need that lets in others."""
    return [
        (number, need)
        for number, rule in enumerate(RULES)
        for need in (None, Permission.KNOWN, Permission.PERSON, "gone")
        if rule.needs != need and not (need == "gone" and is_covered(rule))
    ]


def is_covered(rule: Rule) -> bool:
    """Whether another row says the same of its path."""
    others = access.Table(each for each in RULES if each != rule)
    other = others.find(rule.kind, rule.method, example(rule.path)).rule
    return other is not None and other.needs == rule.needs


def missed(served: Running, table: Table, number: int, need: str | None) -> str | None:
    served.change(rules=[(number, need)])
    try:
        return next(judge(served, table, lambda row: of(RULES[number], row)), None)
    finally:
        served.change()


def label(case: tuple[int, str | None]) -> str:
    rule = RULES[case[0]]
    return f"{rule.kind} {rule.method} {rule.path} for {case[1] or 'everybody'}"


@pytest.mark.parametrize("case", weaker(), ids=label)
def test_each_row_is_missed(served: Running, table: Table, case: tuple[int, str | None]) -> None:
    assert missed(served, table, *case) is not None


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", Role)
def test_each_permission_of_a_role_is_missed(
    served: Running, table: Table, role: Role, permission: Permission
) -> None:
    """Whatever is added to a role, or taken from it, is another answer somewhere."""
    other = ROLES[role] ^ {permission}
    served.change(roles={role: [*other]})
    try:
        found = judge(
            served,
            table,
            lambda row: any(of(rule, row) for rule in RULES if rule.needs == permission),
            [role],
        )
        assert next(found, None) is not None
    finally:
        served.change()
