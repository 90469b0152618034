"""Groups of cameras: who has one sees its cameras, from the moment on that it has them."""

from __future__ import annotations

import pytest

from api.access import Role
from api.auth import new_token
from api.store import Grant, Rights
from tests.api.forms.pages import Browser, record, went_to
from tests.api.served import TESTER, Api, person, report


def reported(city: Api, *cameras: str) -> None:
    """Have a worker report these cameras."""
    city.store.cameras.save(report(1.0, *cameras))


def test_a_group_is_added_with_cameras_that_are_there_and_others(
    city: Api, office: Browser
) -> None:
    reported(city, "plaza", "road")
    page = office.open("/groups")
    assert page.form("/groups").boxes["cameras"] == ["plaza", "road"]
    sent = office.send(page, "/groups", name="Pantai", cameras=["plaza"], others="pier-1, pier-2")
    (group,) = city.store.groups.all()
    assert went_to(sent) == f"/groups/{group.id}?saved=1"
    assert (group.name, group.cameras) == ("Pantai", {"plaza", "pier-1", "pier-2"})
    (added,) = record(city, "group.added")
    assert (added.actor, added.before) == ("Boss", None)
    assert added.after == {"name": "Pantai", "cameras": ["pier-1", "pier-2", "plaza"]}


def test_a_change_is_in_force_at_once_and_put_down(city: Api, office: Browser) -> None:
    reported(city, "plaza", "road")
    group = city.store.groups.add("Pantai", ["plaza", "pier-1"], TESTER)
    rights = Rights(Role.VIEWER, groups=frozenset({group.id}))
    jaga = city.store.people.add("Jaga", rights, TESTER).id
    page = office.open(f"/groups/{group.id}")
    form = page.form(f"/groups/{group.id}")
    assert form.boxes["cameras"] == ["pier-1", "plaza", "road"]
    assert form.values("cameras") == ["pier-1", "plaza"]
    with person(city, jaga) as theirs:
        assert theirs.get("/api/v1/cameras/road/scene").json()["detail"].startswith("there is no")
        office.send(page, f"/groups/{group.id}", name="Pelabuhan", cameras=["road"])
        seen = [each["id"] for each in theirs.get("/api/v1/cameras").json()["cameras"]]
    assert seen == ["road"]
    (changed,) = record(city, "group.changed")
    assert changed.before == {"name": "Pantai", "cameras": ["pier-1", "plaza"]}
    assert changed.after == {"name": "Pelabuhan", "cameras": ["road"]}


def test_removing_has_to_be_confirmed_and_takes_the_cameras_away(
    city: Api, office: Browser
) -> None:
    reported(city, "plaza")
    group = city.store.groups.add("Pantai", ["plaza"], TESTER)
    rights = Rights(Role.VIEWER, groups=frozenset({group.id}))
    jaga = city.store.people.add("Jaga", rights, TESTER).id
    page = office.open(f"/groups/{group.id}")
    unsure = office.send(page, f"/groups/{group.id}/remove")
    assert (unsure.status, "tick" in unsure.problem) == (422, True)
    with person(city, jaga) as theirs:
        assert len(theirs.get("/api/v1/cameras").json()["cameras"]) == 1
        assert went_to(office.send(page, f"/groups/{group.id}/remove", confirm="1")) == "/groups"
        assert theirs.get("/api/v1/cameras").json()["cameras"] == []
    (removed,) = record(city, "group.removed")
    assert (removed.before, removed.after) == ({"name": "Pantai", "cameras": ["plaza"]}, None)


def test_a_page_says_who_has_the_group(city: Api, office: Browser) -> None:
    group = city.store.groups.add("Pantai", ["plaza"], TESTER)
    city.store.groups.add("Other", ["plaza"], TESTER)
    city.store.people.add("Jaga", Rights(Role.VIEWER, groups=frozenset({group.id})), TESTER)
    grant = Grant(scopes=("counts:read",), groups=(group.id,))
    for name in ("gate", "old"):
        token = new_token()
        city.store.keys.add(token.id, name, token.hash, grant, TESTER)
    city.store.keys.revoke("old", TESTER)
    page = office.open(f"/groups/{group.id}")
    assert "People Jaga Machine keys gate Remove" in page.text
    text = office.open("/groups").text
    assert "Other plaza – – Pantai plaza Jaga gate" in text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"name": ""}, "missing"),
        ({"name": "pantai"}, "already"),
        ({"name": "x" * 64}, "63"),
        ({"others": "pier 1/2"}, "1/2"),
        ({"cameras": ["<b>"]}, "<b>"),
    ],
)
def test_what_cannot_be_taken_is_said_beside_the_form(
    city: Api, office: Browser, sent: dict[str, str | list[str]], said: str
) -> None:
    reported(city, "plaza", "road")
    other = city.store.groups.add("Pantai", ["plaza"], TESTER)
    group = city.store.groups.add("Jalan", ["road"], TESTER)
    values: dict[str, str | list[str]] = {"name": "New", "cameras": ["plaza"], "others": "pier-1"}
    for path in ("/groups", f"/groups/{group.id}"):
        page = office.send(office.open(path), path, **(values | sent))
        assert page.status == 422
        assert said in page.problem
        form = page.form(path)
        assert form.values("name") == [(values | sent)["name"]]
        assert form.values("others") == [(values | sent)["others"]]
    assert city.store.groups.all() == [group, other]


@pytest.mark.parametrize("path", ["/groups/77", "/groups/x"])
def test_a_group_that_is_not_there_has_no_page(city: Api, office: Browser, path: str) -> None:
    assert office.open(path).status == 404
    group = city.store.groups.add("Pantai", ["plaza"], TESTER)
    page = office.open(f"/groups/{group.id}")
    city.store.groups.remove(group.id, TESTER)
    # it was removed while the form was open
    assert office.send(page, f"/groups/{group.id}", name="Pelabuhan").status == 404
    assert office.send(page, f"/groups/{group.id}/remove", confirm="1").status == 404
