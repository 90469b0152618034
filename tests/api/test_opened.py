"""The alert that is opened in the operations room: what is told of it, which ones are shown, and
why an act is not done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.access import ROLES, Caller, Role
from api.alerting.settings import Advice, Matcher, Site, Telephone
from api.board import Tile, View
from api.i18n import texts
from api.lifecycle import (
    ConflictError,
    Done,
    IntoItselfError,
    IntoMergedError,
    NotResolvedError,
    ResolvedError,
)
from api.pages.filters import FILTERS, Sought, Wish
from api.pages.handling import refused
from api.pages.opened import nearby, shown_choices, shown_detail
from api.store import Actor, Store
from api.store.alerts import Page
from api.store.cases import AssigneeError, NoTargetError
from streams.messages import Hops
from tests.api.served import DAY, TESTER, add_user, alert, sqlite_url
from tests.api.test_room import camera
from vision.errors import HandlingError, StoreError

_ = texts("en")
ROOM1 = Actor("user", "room1")


def caller(*cameras: str) -> Caller:
    permissions = ROLES[Role.OPERATOR]
    return Caller("s", "room1", "session", permissions, frozenset(cameras) or None)


def shown(store: Store, name: str, *more: Any) -> Page:
    wish = Wish.model_validate({"show": name})
    return Sought.of(wish, {}, _).newest(store.alerts, *more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


def test_all_of_an_alert_is_told_in_words(store: Store) -> None:
    stated = alert("a", raised_ts=DAY + 1, detected_ts=DAY + 1.5, end_ts=DAY + 60)
    store.record([stated, alert("b")], {stated.key: Hops(DAY + 1.625, DAY + 1.5)})
    add_user(store, "room2", Role.OPERATOR)
    store.cases.assign("a", "room2", ROOM1, edit=0, only=None)
    store.cases.resolve("a", "true", "they went", ROOM1, edit=1, only=None)
    found = store.alerts.get("a", only=None)
    other = store.alerts.get("b", only=None)
    assert found is not None
    assert other is not None
    advice = Advice(
        match=Matcher(), text="Go", telephones=(Telephone(name="Post", number="+62 (411) 0-0"),)
    )
    shown = shown_detail(
        found, {"plaza": "Plaza"}, _, history=store.cases.history("a", only=None) or (),
        advice=advice, people=["room1"], others=[other],
    )  # fmt: skip
    assert shown["alert"]["said"] == "true alarm, says room1"
    facts = {fact["name"]: fact["text"] for fact in shown["facts"]}
    assert facts["Assigned to"] == "room2"
    assert facts["Seen by"] == "room1"
    assert facts["Note"] == "they went"
    assert facts["Over"] == "2026-01-31 08:01:00"
    assert "Part of" not in facts
    way = [(part["name"], part["time"], part["took"]) for part in shown["way"]]
    assert way[:4] == [
        ("seen by the camera", "08:00:01.000", ""),
        ("detected", "08:00:01.500", "+0.50 s"),
        ("kept by the worker", "08:00:01.625", "+0.12 s"),
        # clocks differ, which is told as it is
        ("handed to Redis", "08:00:01.500", "-0.12 s"),
    ]
    assert way[4][0] == "stored"
    done = [(entry["by"], entry["what"], entry["more"]) for entry in shown["history"]]
    assert done == [
        ("room1", "Alert assigned", "to room2"),
        ("room1", "Alert resolved", "true alarm, “they went”"),
    ]
    assert shown["advice"]["telephones"][0]["href"] == "tel:+6241100"
    assert shown["others"] == [{"id": "b", "name": "08:00:00 · Intrusion · Plaza · lawn"}]


def test_what_can_be_opened_by_hand_is_in_the_order_of_its_words() -> None:
    choices = shown_choices({"plaza": "Plaza"}, _)
    assert choices["cameras"] == [{"id": "plaza", "name": "Plaza"}]
    names = [kind["name"] for kind in choices["kinds"]]
    assert names == sorted(names)
    assert choices["severities"][0] == {"id": "critical", "name": "critical"}


def test_filters_find_what_is_left_to_do(store: Store) -> None:
    add_user(store, "room1", Role.OPERATOR)
    for number, name in enumerate(("done", "mine", "seen", "new", "other")):
        camera = "road" if name == "other" else "plaza"
        store.record([alert(name, camera=camera, start_ts=DAY + number)])
    store.cases.acknowledge(["seen"], TESTER, only=None)
    store.cases.assign("mine", "room1", TESTER, edit=0, only=None)
    store.cases.resolve("done", "true", "", TESTER, edit=0, only=None)
    found = {
        name: [each.id for each in shown(store, name, caller("plaza"), None, 9).alerts]
        for name in FILTERS
    }
    assert found == {
        "all": ["new", "seen", "mine", "done"],
        "open": ["new", "seen", "mine"],
        "new": ["new"],
        "mine": ["mine"],
    }


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_is_read_page_by_page_without_gaps(store: Store, name: str) -> None:
    add_user(store, "room1", Role.OPERATOR)
    store.record([alert(f"a{n:02}", start_ts=DAY + n // 2) for n in range(24)])
    for number in range(24):
        one, act = f"a{number:02}", number % 4
        if act == 1:
            store.cases.acknowledge([one], TESTER, only=None)
        elif act == 2:
            store.cases.assign(one, "room1", TESTER, edit=0, only=None)
        elif act == 3:
            store.cases.resolve(one, "false", "", TESTER, edit=0, only=None)
    found: list[str] = []
    before: tuple[float, str] | None = None
    while True:
        page = shown(store, name, caller(), before, 5)
        found += [each.id for each in page.alerts]
        if not page.more:
            break
        before = page.alerts[-1].start_ts, page.alerts[-1].id
    kept = {"all": {0, 1, 2, 3}, "open": {0, 1, 2}, "new": {0}, "mine": {2}}[name]
    assert found == [f"a{n:02}" for n in reversed(range(24)) if n % 4 in kept]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConflictError(2, 1, Done("room2", "alert.resolved")), "room2 was first (Alert resolved)"),
        (ConflictError(2, 1, None), "has changed"),
        (ResolvedError(), "open it again"),
        (NotResolvedError(), "open already"),
        (IntoItselfError(), "itself"),
        (IntoMergedError(), "part of another"),
        (NoTargetError(), "correct its id"),
        (AssigneeError(), "somebody else"),
        (HandlingError("whatever it may be"), "cannot be done"),
        (StoreError("the database is full: free some"), "the database is full"),
    ],
)
def test_why_an_act_is_not_done_is_said(error: HandlingError | StoreError, said: str) -> None:
    assert said in refused(error, _)


def test_what_is_nearby_is_shown_as_far_as_its_person_sees_it() -> None:
    cameras = [camera(id=name, position=None) for name in ("plaza", "road", "gate", "far")]
    tiles = tuple(Tile(each, ()) for each in cameras)
    sites = [Site(name="Losari", cameras=("road", "plaza", "gate", "gone"))]

    def beside(name: str, by: Caller) -> list[str]:
        view = View("", tiles, ()).of(by)
        return [each["id"] for each in nearby(name, view, sites, by, _)]

    assert beside("plaza", caller()) == ["plaza", "road", "gate"]
    assert beside("far", caller()) == ["far"]
    assert beside("plaza", caller("plaza", "gate")) == ["plaza", "gate"]
    assert beside("gone", caller()) == []
    analyst = replace(caller(), permissions=ROLES[Role.ANALYST])
    assert beside("plaza", analyst) == []
