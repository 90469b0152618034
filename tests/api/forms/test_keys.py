"""Machine keys are shown once, do what was ticked, and end when they are revoked."""

from __future__ import annotations

import httpx
import pytest

from api.access import SCOPES
from tests.api.forms.pages import Browser, record, went_to
from tests.api.served import TESTER, Api, add_key, report


def ask(city: Api, key: str, path: str) -> httpx.Response:
    """A program that has a key."""
    headers = {"authorization": f"Bearer {key}"}
    return httpx.get(f"{city.client.base_url}{path}", headers=headers)


def test_a_key_is_shown_once_and_may_what_was_ticked(city: Api, office: Browser) -> None:
    city.store.cameras.save(report(1.0, "plaza", "road", "pier"))
    group = city.store.groups.add("Pantai", ["pier"], TESTER)
    page = office.open("/keys")
    assert page.form("/keys").boxes["scopes"] == [*SCOPES]
    shown = office.send(
        page, "/keys", name="control-room", kind="integration", scopes=["cameras:read"],
        cameras=["plaza"], groups=[str(group.id)],
    )  # fmt: skip
    assert shown.status == 200
    assert shown.answer.headers["cache-control"] == "no-store"
    key = shown.ids["secret"]
    seen = [each["id"] for each in ask(city, key, "/api/v1/cameras").json()["cameras"]]
    assert seen == ["pier", "plaza"]
    assert ask(city, key, "/api/v1/alerts").status_code == 403
    listed = office.open("/keys")
    assert "control-room cameras:read Pantai , plaza" in listed.text
    assert key.split("_")[2] not in listed.answer.text
    (made,) = [entry for entry in record(city, "key.created") if entry.actor == "Boss"]
    assert made.after == {
        "worker": False, "scopes": ["cameras:read"], "every_camera": False,
        "cameras": ["plaza"], "groups": ["Pantai"],
    }  # fmt: skip
    assert key.split("_")[2] not in str(made)


def test_sending_the_form_again_makes_no_second_key(city: Api, office: Browser) -> None:
    page = office.open("/keys")
    sent = {"name": "worker-1", "kind": "worker", "others": "plaza"}
    assert office.send(page, "/keys", **sent).status == 200
    before = city.store.keys.all()
    again = office.send(page, "/keys", **sent)
    assert again.status == 422
    assert "worker-1" in again.problem
    assert "secret" not in again.ids
    assert again.form("/keys").values("others") == ["plaza"]
    assert [key.id for key in city.store.keys.all()] == [key.id for key in before]


def test_a_workers_key_needs_no_scopes_and_takes_none(city: Api, office: Browser) -> None:
    sent = {"name": "worker-1", "kind": "worker", "scopes": ["counts:read"], "every_camera": "1"}
    assert office.send(office.open("/keys"), "/keys", **sent).status == 200
    (key,) = (key for key in city.store.keys.all() if key.name == "worker-1")
    assert (key.worker, key.every_camera) == (True, True)
    assert key.scopes == ["alerts:state", "evidence:mask"]


def test_a_revoked_key_opens_nothing_at_once(city: Api, office: Browser) -> None:
    key = add_key(city.store, "control-room", scopes=["counts:read"])
    assert ask(city, key, "/openapi.json").status_code == 200
    page = office.open("/keys")
    action = f"/keys/{key.split('_')[1]}/revoke"
    assert went_to(office.send(page, action)) == "/keys"
    assert ask(city, key, "/openapi.json").status_code == 401
    after = office.open("/keys")
    assert action not in {form.action for form in after.forms}
    assert "Revoked keys (1)" in after.text
    (ended,) = record(city, "key.ended")
    assert (ended.actor, ended.object) == ("Boss", "control-room")


def test_only_machine_keys_are_revoked_here(city: Api, boss: int, office: Browser) -> None:
    page = office.open("/keys")
    page.forms[-1].action = f"/keys/{office.id}/revoke"
    assert office.send(page, page.forms[-1].action).status == 404
    page.forms[-1].action = "/keys/00000000/revoke"
    assert office.send(page, page.forms[-1].action).status == 404
    assert office.open("/keys").status == 200


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"name": ""}, "missing"),
        ({"name": "tests"}, "already"),
        ({"name": "two words"}, "two words"),
        ({"name": "<script>"}, "<script>"),
        ({"kind": "king"}, "worker or an integration"),
        ({"kind": None}, "worker or an integration"),
        ({"scopes": None}, "tick at least one"),
        ({"scopes": ["people:manage"]}, "tick at least one"),
        ({"others": ""}, "no camera"),
        ({"others": "a/b"}, "a/b"),
        ({"groups": ["77"]}, "no such group"),
    ],
)
def test_what_cannot_be_taken_is_said_beside_the_form(
    city: Api, office: Browser, sent: dict[str, str | list[str] | None], said: str
) -> None:
    values: dict[str, str | list[str] | None] = {
        "name": "control-room", "kind": "integration", "scopes": ["counts:read"],
        "others": "plaza",
    }  # fmt: skip
    before = len(city.store.keys.all())
    page = office.send(office.open("/keys"), "/keys", **(values | sent))
    assert page.status == 422
    assert said in page.problem
    form = page.form("/keys")
    if "scopes" not in sent:
        assert form.values("scopes") == ["counts:read"]
    if "name" not in sent:
        assert form.values("name") == ["control-room"]
    assert len(city.store.keys.all()) == before
