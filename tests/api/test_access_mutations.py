"""The access matrix fails where a guard is missing: the code without one of its guards, one after
the other, the table of paths with another row, and roles with other permissions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api import access
from api.access import ROLES, RULES, Permission, Role, Rule, find_rule
from tests.api.matrix import Running, Table, judge, read_table, running
from tests.api.matrix_rows import Row, example
from tests.api.mutant_trials import Trials, hinted, named, read_hints
from tests.api.mutants import Mutant, mutants

QUICK = (
    "api/alerts.py: list_alerts: served.store.alerts.find(only=…)",
    "api/auth.py: decide: holder.caller.may(rule.needs)",
    "api/store/holders.py: Holder.is_live: self.key.is_live(now)",
)
"""One each of what somebody sees, of what they may, and of who they are."""
_FAR = "all ask from this machine here; from others: tests/api/test_auth.py"
_LONG = "asked again after each 1,000 rows only: tests/api/test_audit_routes.py"
_SENT = "asked again every 5 s of what is sent only: tests/api/evidence/test_routes.py"
_ALL = "whoever may is an administrator, who sees every camera"
_PIECES = "asked again after each 200 alerts only: tests/api/test_export.py"
_NEVER = "what somebody has just done leaves it no part of what they do not see"
_GONE = "asked only while the store gives no answer: tests/api/test_known_keys.py"
_READS = "every role that sees pictures reads alerts"
_BOTH = "every role that reads alerts sees pictures too"
_TWICE = "another one stands before or behind it, and either is enough: see PAIRS"
PAIRS = (
    (
        "api/cameras.py: cameras_of: caller.sees(camera.id)",
        "api/forms/city_map.py: shown_map: served.store.handovers.waiting(only=…)",
    ),
    (
        "api/cameras.py: cameras_of: caller.sees(camera.id)",
        "api/store/handovers.py: Handovers.waiting: among(only)",
    ),
    (
        "api/feed.py: Feed.events: reader.sees(alert.camera)",
        "api/feed.py: Feed._changes: run_in_threadpool(only=…)",
    ),
    (
        "api/feed.py: Feed.events: reader.sees(alert.camera)",
        "api/store/alerts.py: Alerts.changes: among(only)",
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
    (
        "api/pages/filters.py: Sought._find: alerts.find(only=…)",
        "api/pages/room.py: _Room._own: now.sees(alert.camera)",
    ),
    (
        "api/store/alerting.py: AlertingSettings.silences: each.match.within(only)",
        "api/store/alerting.py: AlertingSettings.silences: each.match.within(only) (2)",
    ),
    (
        "api/forms/validation.py: _listed: served.store.validations.get(only=…)",
        "api/forms/validation.py: count: served.store.validations.save(only=…)",
    ),
)
"""Of which the matrix misses both."""
BESIDE = {
    "api/feed.py: Feed.events: reader.sees(alert.camera)": _TWICE,
    "api/feed.py: Feed._changes: run_in_threadpool(only=…)": _TWICE,
    "api/pages/wallpage.py: _Wall._read: caller.may(_P.ALERTS_READ)": _READS,
    "api/forms/city_map.py: shown_map: served.store.handovers.waiting(only=…)": _TWICE,
    "api/forms/validation.py: count: served.store.validations.save(only=…)": _TWICE,
    "api/pages/filters.py: Sought._find: alerts.find(only=…)": _TWICE,
    "api/pages/opened.py: Panel.__init__: opened.may(Permission.PICTURES_SEE)": _BOTH,
    "api/pages/opened.py: nearby: caller.may(Permission.PICTURES_SEE)": _BOTH,
    "api/pages/room.py: _Room._follow_alerts: now.may(_P.ALERTS_READ)": _TWICE,
    "api/pages/room.py: _Room._own: now.sees(alert.camera)": _TWICE,
    "api/pages/words.py: _camera_says: caller.may(Permission.SYSTEM_READ)": _TWICE,
    "api/store/alerting.py: AlertingSettings.silences: each.match.within(only)": _TWICE,
    "api/store/alerts.py: Alerts.changes: among(only)": _TWICE,
    "api/store/handovers.py: Handovers.waiting: among(only)": _TWICE,
    "api/wall.py: viewer_of: who.may(Permission.PICTURES_SEE)": _TWICE,
    "api/door.py: Door._stays: now.may(rule.needs)": _TWICE,
    "api/known.py: KnownKeys.renewed: last.is_live(self.now())": _GONE,
    "api/export.py: _told: now.may(Permission.ALERTS_READ)": _PIECES,
    "api/export.py: _told: served.keys.renewed(caller)": _PIECES,
    "api/store/cases.py: _Turn.answer: read_one(self.connection, alert_id, self._only)": _NEVER,
    "api/evidence/managing.py: delete_evidence: caller.sees(asked.camera)": _ALL,
    "api/evidence/managing.py: find_evidence: caller.sees(item.camera)": _ALL,
    "api/evidence/routes.py: allowed.ask: now.may(permission)": _SENT,
    "api/evidence/routes.py: allowed.ask: now.sees(camera)": _SENT,
    "api/evidence/routes.py: allowed.ask: served.keys.renewed(caller)": _SENT,
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


def both() -> list[list[Mutant]]:
    """The guards of each of ``PAIRS``."""
    known = {mutant.name: mutant for mutant in mutants()}
    return [[known[name] for name in names] for names in PAIRS]


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def table() -> Table:
    return read_table()


def wanted_of(item: pytest.Item) -> list[Mutant] | None:
    """The guards that a test tries."""
    given = getattr(item, "callspec", None)
    found: list[Mutant] | None = None if given is None else given.params.get("guards")
    return found


@pytest.fixture(scope="module")
def trials(request: pytest.FixtureRequest, table: Table) -> Iterator[Trials]:
    """All that the tests of this module will ask for, begun at once."""
    mine = [item for item in request.session.items if item.path == request.path]
    wanted = {named(guards): guards for item in mine if (guards := wanted_of(item))}
    begun = Trials(table, list(wanted.values()))
    yield begun
    begun.end()


@pytest.mark.parametrize("guards", [[each] for each in GUARDS if each.name in QUICK], ids=named)
def test_a_guard_is_missed(guards: list[Mutant], trials: Trials) -> None:
    assert trials.found(guards) is not None


@pytest.mark.long
@pytest.mark.parametrize("guards", [[each] for each in GUARDS], ids=named)
def test_each_guard_is_missed(guards: list[Mutant], trials: Trials) -> None:
    assert trials.found(guards) is not None


@pytest.mark.long
@pytest.mark.parametrize("guards", both(), ids=named)
def test_two_guards_of_one_thing_are_missed(guards: list[Mutant], trials: Trials) -> None:
    assert trials.found(guards) is not None


def test_the_quick_ones_are_there() -> None:
    assert set(QUICK) <= {mutant.name for mutant in GUARDS}


def test_what_finds_a_guard_finds_nothing_in_the_whole_code(served: Running, table: Table) -> None:
    """What is tried first must not find what is no fault, for being asked first."""
    for by in sorted(set(read_hints().values())):
        assert list(hinted(served, table, by)) == []


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
