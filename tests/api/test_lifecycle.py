"""What may follow what, and several operators over a real store against a simple model: nobody
overwrites what another one did, and what rules say and what people do leave each other alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from api import lifecycle
from api.access import Role
from api.lifecycle import (
    Case,
    ConflictError,
    Done,
    ImpossibleError,
    IntoItselfError,
    IntoMergedError,
    NotResolvedError,
    Outcome,
    ResolvedError,
)
from api.store import Actor, Rights, Store, StoredAlert, Wanted
from api.store.cases import ByHand
from tests.api.served import DAY, TESTER, alert, report, sqlite_url

NEW = Case()
NOTED = Case("acknowledged", 1, None, 5.0, "room1")
GIVEN = Case("assigned", 2, "jaga", 5.0, "room1")
TRUE = Case("resolved", 3, "jaga", 5.0, "room1", 7.0, "jaga", "true", "a drill")
PART = Case("resolved", 1, None, 7.0, "jaga", 7.0, "jaga", merged_into="b")
Act = Callable[[Case], Case]


def acknowledge(case: Case) -> Case:
    return lifecycle.acknowledge(case, "kendali", 9.0)


def assign(case: Case) -> Case:
    return lifecycle.assign(case, "jaga", "kendali", 9.0)


def resolve(case: Case) -> Case:
    return lifecycle.resolve(case, "false", "", "kendali", 9.0)


def reopen(case: Case) -> Case:
    return lifecycle.reopen(case, "look again")


def merge(case: Case) -> Case:
    return lifecycle.merge(case, "a", "b", TRUE, "kendali", 9.0)


FOLLOWS: list[tuple[Case, Act, Case | type[ImpossibleError]]] = [
    (NEW, acknowledge, Case("acknowledged", 1, None, 9.0, "kendali")),
    (NOTED, acknowledge, NOTED),
    (GIVEN, acknowledge, GIVEN),
    (TRUE, acknowledge, TRUE),
    (NEW, assign, Case("assigned", 1, "jaga", 9.0, "kendali")),
    (NOTED, assign, Case("assigned", 2, "jaga", 5.0, "room1")),
    (GIVEN, assign, GIVEN),
    (TRUE, assign, ResolvedError),
    (NEW, resolve, Case("resolved", 1, None, 9.0, "kendali", 9.0, "kendali", "false")),
    (GIVEN, resolve, Case("resolved", 3, "jaga", 5.0, "room1", 9.0, "kendali", "false")),
    (TRUE, resolve, ResolvedError),
    (PART, resolve, ResolvedError),
    (NEW, reopen, NotResolvedError),
    (GIVEN, reopen, NotResolvedError),
    (TRUE, reopen, Case("assigned", 4, "jaga", 5.0, "room1", note="look again")),
    (PART, reopen, Case("acknowledged", 2, None, 7.0, "jaga", note="look again")),
    (NEW, merge, Case("resolved", 1, None, 9.0, "kendali", 9.0, "kendali", merged_into="b")),
    (GIVEN, merge, Case(
        "resolved", 3, "jaga", 5.0, "room1", 9.0, "kendali", merged_into="b",
    )),
    (TRUE, merge, ResolvedError),
    (PART, merge, ResolvedError),
]  # fmt: skip


@pytest.mark.parametrize(("case", "act", "then"), FOLLOWS)
def test_what_follows_what(case: Case, act: Act, then: Case | type[ImpossibleError]) -> None:
    if isinstance(then, Case):
        assert act(case) == then
        assert act(case).edit - case.edit == (act(case) != case), "a no-op is no edit"
    else:
        with pytest.raises(then):
            act(case)


def test_what_nothing_is_merged_into() -> None:
    with pytest.raises(IntoItselfError):
        lifecycle.merge(NEW, "a", "a", NEW, "kendali", 9.0)
    with pytest.raises(IntoMergedError):
        lifecycle.merge(NEW, "a", "c", PART, "kendali", 9.0)
    moved = lifecycle.repoint(PART, "c")
    assert (moved.merged_into, moved.edit, moved.status) == ("c", 2, "resolved")


def test_a_conflict_says_who_was_first_and_what_to_do() -> None:
    lifecycle.expect(GIVEN, 2, Done("room1", "alert.assigned"))
    for edit, last, said in (
        (1, Done("room1", "alert.assigned"), "room1 assigned it, and the alert is at edit 2"),
        (3, Done("jaga", "alert.reopened"), "jaga re-opened it, and the alert is at edit 2"),
        (0, None, "the alert is at edit 2, not 0: read it again"),
    ):
        with pytest.raises(ConflictError) as refused:
            lifecycle.expect(GIVEN, edit, last)
        assert said in str(refused.value)
        assert (refused.value.edit, refused.value.given) == (2, edit)


# --- several operators at once

OPERATORS = ("room1", "jaga")
KNOWN = ("a", "b", "c")
WHO = st.sampled_from(OPERATORS)
ID = st.integers(0, 3)


@dataclass
class Model:
    """One alert as it has to be."""

    version: int = 1
    state: Literal["open", "closed"] = "open"
    by_hand: bool = False
    status: str = "new"
    edit: int = 0
    assigned_to: str | None = None
    acknowledged_by: str | None = None
    resolved_by: str | None = None
    outcome: str | None = None
    note: str | None = None
    merged_into: str | None = None

    def done(self, by: str, **changes: Any) -> None:
        self.edit += 1
        self.acknowledged_by = self.acknowledged_by or by
        for name, value in changes.items():
            setattr(self, name, value)

    def lasts(self, state: Literal["open", "closed"]) -> None:
        if self.by_hand and self.state != state:
            self.state = state
            self.version += 1


class Operators(RuleBasedStateMachine):
    """Each operator acts on an alert as they saw it last, which may be long ago."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Model] = {}
        self.seen: dict[tuple[str, str], int] = {}
        self.log: list[tuple[str, str, str]] = []
        self.folder = TemporaryDirectory()
        ticks = count(int(DAY))
        self.store = Store.open(sqlite_url(Path(self.folder.name)), clock=lambda: next(ticks))

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        for name in OPERATORS:
            self.store.people.add(name, Rights(Role.OPERATOR, every_camera=True), TESTER)
        self.store.cameras.save(report(DAY, "plaza"))
        self.store.record([alert(name) for name in KNOWN])
        self.model = {name: Model() for name in KNOWN}
        self.open("room1")

    def name(self, number: int) -> str:
        return list(self.model)[number % len(self.model)]

    def act(
        self,
        who: str,
        name: str,
        action: str,
        possible: bool,
        ask: Callable[[Actor, int], StoredAlert | None],
        **changes: Any,
    ) -> bool:
        """Do it as somebody who saw the alert before; whether it has to change something."""
        now, edit = self.model[name], self.seen.get((who, name), 0)
        position = self.store.alerts.position()
        if edit != now.edit or not possible:
            refusal: type[Exception] = ConflictError if edit != now.edit else ImpossibleError
            with pytest.raises(refusal) as refused:
                ask(Actor("user", who), edit)
            if isinstance(refused.value, ConflictError):
                mine = [(by, done) for of, by, done in self.log if of == name]
                assert refused.value.last == mine[-1]
            assert self.store.alerts.position() == position
            return False
        answer = ask(Actor("user", who), edit)
        assert answer is not None
        assert answer == self.store.alerts.get(name, only=None)
        assert answer.edit in {edit, edit + 1}
        if answer.edit == edit:
            assert changes.items() <= vars(now).items(), "it was so already"
            assert self.store.alerts.position() == position
        else:
            now.done(who, **changes)
            self.log.append((name, who, action))
        self.seen[who, name] = answer.edit
        return answer.edit > edit

    @rule(number=ID, closes=st.booleans(), ahead=st.integers(-1, 2))
    def a_rule_says(self, number: int, closes: bool, ahead: int) -> None:
        name = KNOWN[number % len(KNOWN)]
        now = self.model[name]
        version = now.version + ahead
        if version < 1:
            return
        ending = {"state": "closed", "end_ts": DAY + 9} if closes else {}
        self.store.record([alert(name, version, **ending)])
        if ahead > 0:
            now.version, now.state = version, "closed" if closes else "open"

    @rule(who=WHO, number=ID)
    def look(self, who: str, number: int) -> None:
        name = self.name(number)
        found = self.store.alerts.get(name, only=None)
        assert found is not None
        assert found.edit >= self.seen.get((who, name), 0), "edits only rise"
        self.seen[who, name] = found.edit

    @rule(who=WHO, numbers=st.lists(ID, max_size=4))
    def acknowledge(self, who: str, numbers: list[int]) -> None:
        names = list(dict.fromkeys(map(self.name, numbers)))
        new = [name for name in names if self.model[name].status == "new"]
        done = self.store.cases.acknowledge([*names, "none"], Actor("user", who), only=None)
        assert done == (new, [name for name in names if name not in new], ["none"])
        for name in new:
            self.model[name].done(who, status="acknowledged")
            self.log.append((name, who, "alert.acknowledged"))

    @rule(who=WHO, number=ID, to=WHO)
    def assign(self, who: str, number: int, to: str) -> None:
        name = self.name(number)
        assign = self.store.cases.assign
        self.act(
            who, name, "alert.assigned", self.model[name].status != "resolved",
            lambda by, edit: assign(name, to.upper(), by, edit=edit, only=None),
            status="assigned", assigned_to=to,
        )  # fmt: skip

    @rule(who=WHO, number=ID, outcome=st.sampled_from(["true", "false"]), note=st.text(max_size=3))
    def resolve(self, who: str, number: int, outcome: Outcome, note: str) -> None:
        name = self.name(number)
        resolve = self.store.cases.resolve
        if self.act(
            who, name, "alert.resolved", self.model[name].status != "resolved",
            lambda by, edit: resolve(name, outcome, note, by, edit=edit, only=None),
            status="resolved", resolved_by=who, outcome=outcome, note=note or None,
        ):  # fmt: skip
            self.model[name].lasts("closed")

    @rule(who=WHO, number=ID)
    def reopen(self, who: str, number: int) -> None:
        name = self.name(number)
        now, reopen = self.model[name], self.store.cases.reopen
        if self.act(
            who, name, "alert.reopened", now.status == "resolved",
            lambda by, edit: reopen(name, "again", by, edit=edit, only=None),
            status="assigned" if now.assigned_to else "acknowledged",
            resolved_by=None, outcome=None, note="again", merged_into=None,
        ):  # fmt: skip
            now.lasts("open")

    @rule(who=WHO, number=ID, other=ID, looks=st.booleans())
    def merge(self, who: str, number: int, other: int, looks: bool) -> None:
        name, into = self.name(number), self.name(other)
        if looks:
            self.seen[who, name] = self.model[name].edit
        parts = [each for each in self.model.values() if each.merged_into == name]
        names = [each for each, model in self.model.items() if model.merged_into == name]
        free = self.model[into].merged_into is None
        merge = self.store.cases.merge
        if self.act(
            who, name, "alert.merged",
            self.model[name].status != "resolved" and name != into and free,
            lambda by, edit: merge(name, into, by, edit=edit, only=None),
            status="resolved", resolved_by=who, outcome=None, note=None, merged_into=into,
        ):  # fmt: skip
            self.model[name].lasts("closed")
            for part in parts:
                part.done(who, merged_into=into)
            self.log += [(each, who, "alert.merged") for each in names]

    @precondition(lambda self: len(self.model) < 5)
    @rule(who=WHO)
    def open_another(self, who: str) -> None:
        self.open(who)

    def open(self, who: str) -> None:
        seen = ByHand("intrusion", "plaza", "high", note="smoke")
        opened = self.store.cases.open(seen, Actor("user", who), only=None)
        assert opened is not None
        assert opened.id not in self.model
        assert opened.opened_by == who
        self.model[opened.id] = Model(by_hand=True)
        self.log.append((opened.id, who, "alert.opened"))

    @invariant()
    def everything_is_as_it_has_to_be(self) -> None:
        found = {a.id: a for a in self.store.alerts.find(only=None, limit=100).alerts}
        for name, model in self.model.items():
            wanted = {key: value for key, value in vars(model).items() if key != "by_hand"}
            assert {key: getattr(found[name], key) for key in wanted} == wanted, name
            assert (found[name].acknowledged_at is None) == (model.status == "new")
            assert (found[name].end_ts is None) == (model.state == "open")
        parts = {name for name, model in self.model.items() if model.merged_into}
        assert not parts & {model.merged_into for model in self.model.values()}, "no chains"

    @invariant()
    def the_record_has_each_act_once(self) -> None:
        entries = self.store.audit.each(Wanted(action="alert"))
        rows = [(entry.object, entry.actor, entry.action) for entry in entries]
        assert sorted(rows) == sorted(self.log)


Operators.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestOperators = Operators.TestCase
