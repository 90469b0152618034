"""The record as a page: what was done, filtered, page by page, and as a table to take along."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.access import Role
from api.forms.audit import ROWS
from api.store import Actor, Rights, Store
from tests.api.forms.pages import HOSTILE, Browser, browser, went_to
from tests.api.served import DAY, TESTER, Api, add_user, api, sqlite_url

KEEPER = Actor("user", "Jaga", "7", "10.0.0.9")


class Clock:
    """A clock that a test sets; it is 08:00 in the city at ``DAY``."""

    def __init__(self) -> None:
        self.now = DAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def city(tmp_path: Path, clock: Clock) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path), clock=clock) as store, api(store) as running:
        yield running


def test_a_change_is_shown_as_what_was_and_what_is(city: Api, office: Browser) -> None:
    group = city.store.groups.add("Pantai", ["plaza", "road"], TESTER)
    user = city.store.people.add("Room1", Rights(Role.VIEWER), TESTER)
    rights = Rights(Role.OPERATOR, every_camera=True, groups=frozenset({group.id}))
    city.store.people.change(user.id, rights, KEEPER)
    city.store.groups.change(group.id, "Pantai", ["plaza", "pier"], KEEPER)
    page = office.open("/audit", actor="Jaga")
    assert page.status == 200
    assert "Camera group changed Pantai camera group cameras: road → pier" in page.text
    assert "role: Viewer → Operator every camera: no → yes camera groups: Pantai" in page.text
    assert "Jaga person, 10.0.0.9 Rights of a person changed Room1 person" in page.text
    html = page.answer.text
    assert html.index('<td title="group.changed">') < html.index('<td title="user.changed">')
    assert "2026-01-31 08:00:00" in page.text
    assert {"del", "ins"} <= set(page.tags)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"actor": "Jaga"}, {"group.added", "user.added"}),
        ({"actor": "jaga"}, set()),
        ({"action": "group"}, {"group.added"}),
        ({"action": "user.added", "actor": "Jaga"}, {"user.added"}),
        ({"action": "made.up"}, set()),
        ({"object_kind": "group"}, {"group.added"}),
        ({"object": "Room1"}, {"user.added"}),
        (
            {"from": "2026-01-31T08:10", "to": "2026-01-31T08:11", "actor": "Jaga"},
            {"group.added"},
        ),
        ({"from": "2026-01-31T08:10:01"}, {"user.added"}),
        ({"to": "2026-01-31T08:20", "actor": "Jaga"}, {"group.added"}),
        ({"object": "a\x00b"}, set()),
    ],
)
def test_filters_are_kept_and_the_table_to_take_along_is_the_same(
    city: Api, clock: Clock, office: Browser, asked: dict[str, str], found: set[str]
) -> None:
    clock.now = DAY + 600
    city.store.groups.add("Pantai", ["plaza"], KEEPER)
    clock.now = DAY + 1200
    city.store.people.add("Room1", Rights(Role.VIEWER), KEEPER)
    page = office.open("/audit", **asked)
    assert page.status == 200
    assert page.answer.text.count("<td title=") == len(found)
    for action in found:
        assert f'title="{action}"' in page.answer.text
    form = page.form("/audit")
    for name, value in asked.items():
        assert form.values(name) == [value.replace("\x00", "")]
    (link,) = (link for link in page.links if ".csv" in link)
    rows = list(csv.DictReader(io.StringIO(office.client.get(link).text)))
    assert {row["action"] for row in rows} == found


def test_older_entries_are_on_further_pages(city: Api, office: Browser) -> None:
    names = [f"group {n}" for n in range(ROWS + 3)]
    for name in names:
        city.store.groups.add(name, ["plaza"], KEEPER)
    page = office.open("/audit", actor="Jaga")
    shown, pages = [], 0
    while True:
        pages += 1
        shown += [name for name in reversed(names) if f"<bdi>{name}</bdi><br>" in page.answer.text]
        older = [link for link in page.links if "before=" in link]
        if not older:
            break
        page = office.open(older[0])
        assert "/audit" in page.links
    assert shown == list(reversed(names))
    assert pages == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"from": "yesterday"}, "yesterday"),
        ({"to": "0001-01-01T00:00"}, "0001"),
        ({"from": "<script>"}, "<script>"),
        ({"from": "2026-01-31T08:00", "to": "2026-01-31T08:00"}, "earlier"),
    ],
)
def test_times_that_are_none_are_said_beside_the_form(
    city: Api, office: Browser, asked: dict[str, str], said: str
) -> None:
    page = office.open("/audit", **asked)
    assert page.status == 422
    assert said in page.problem
    assert "Nothing of this kind" not in page.text, "nothing was looked for"
    assert "script" not in page.tags
    for name, value in asked.items():
        assert page.form("/audit").values(name) == [value]


@pytest.mark.parametrize("before", ["x", "-1", "9" * 40])
def test_a_page_that_is_none_is_the_newest(city: Api, office: Browser, before: str) -> None:
    assert "Person added" in office.open("/audit", before=before).text


def test_what_others_say_of_themselves_does_no_harm(city: Api, office: Browser) -> None:
    by = Actor("nobody", HOSTILE, None, "10.0.0.9")
    said = {"role": [HOSTILE, {"deep": [1]}], HOSTILE: "x" * 5000, "more": {"a": {"b": True}}}
    city.store.audit.add(by, "other.thing", "other", HOSTILE, said)
    city.store.audit.add(by, "other.many", "other", "o", {"list": [*range(100)]})
    city.store.audit.add(by, "other.wide", "other", "o", {f"f{n}": n for n in range(100)})
    page = office.open("/audit", actor=HOSTILE)
    assert page.status == 200
    assert "script" not in page.tags
    assert "more › a › b: yes" in page.text
    assert "x" * 161 not in page.text
    assert "11 , 88 more, in the CSV" in page.text
    assert "80 more, in the CSV" in page.text


def test_an_auditor_with_another_role_is_not_let_in(city: Api, boss: int) -> None:
    with browser(city, add_user(city.store, "Jaga", Role.ANALYST)) as theirs:
        assert theirs.open("/audit").status == 403


def test_the_language_can_be_changed_from_a_page_that_answers_a_form(
    city: Api, office: Browser
) -> None:
    group = city.store.groups.add("Pantai", ["plaza"], TESTER)
    page = office.open(f"/groups/{group.id}")
    unsure = office.send(page, f"/groups/{group.id}/remove")
    form = unsure.form("/language")
    assert form.values("back") == [f"/groups/{group.id}"]
    assert went_to(office.send(unsure, "/language", language="id")) == f"/groups/{group.id}"
    assert 'lang="id"' in office.open(f"/groups/{group.id}").answer.text
