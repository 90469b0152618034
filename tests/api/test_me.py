"""Who asks: whatever opened the door learns what it may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.access import ROLES, Role
from api.store import Store
from tests.api.served import TESTER, Api, add_key, add_user, api, person, sqlite_url

ME = "/api/v1/me"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path)) as store, api(store) as running:
        yield running


@pytest.mark.parametrize("role", list(Role))
def test_a_person_learns_what_they_may(served: Api, role: Role) -> None:
    ana = add_user(served.store, "Ana", role, cameras=["b", "a"])
    served.store.people.set_language(ana, "id")
    with person(served, ana) as browser:
        assert browser.get(ME).json() == {
            "name": "Ana",
            "kind": "session",
            "role": role,
            "permissions": sorted(ROLES[role]),
            "cameras": None if role is Role.ADMINISTRATOR else ["a", "b"],
            "language": "id",
        }


def test_a_key_learns_what_it_may(served: Api) -> None:
    key = add_key(served.store, "desk", scopes=["counts:read"], cameras=["b", "a"])
    answer = served.client.get(ME, headers={"authorization": f"Bearer {key}"})
    assert answer.json() == {
        "name": "desk",
        "kind": "key",
        "role": None,
        "permissions": ["counts:read", "known"],
        "cameras": ["a", "b"],
        "language": None,
    }
    assert served.client.get(ME).json()["cameras"] is None


def test_it_changes_with_the_rights(served: Api) -> None:
    ana = add_user(served.store, "Ana", Role.VIEWER, cameras=["a"])
    (group,) = served.store.groups.all()
    keys = served.door.inner.state.services.keys  # type: ignore[attr-defined]
    with person(served, ana) as browser:
        assert browser.get(ME).json()["cameras"] == ["a"]
        served.store.groups.change(group.id, "north", ["b"], TESTER)
        keys.forget()
        assert browser.get(ME).json()["cameras"] == ["b"]
        served.store.people.remove(ana, TESTER)
        keys.forget()
        assert browser.get(ME).status_code == 401
