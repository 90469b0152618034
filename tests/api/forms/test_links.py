"""Links, browsers that came in before, leaving, and languages: over a real connection."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from api.access import Role
from api.forms.page import FILES, file
from api.links import new_link
from api.store import Rights
from api.throttle import BROWSER
from tests.api.forms.pages import Browser, record, went_to
from tests.api.forms.signing import Signing, cookie, sign, submit, who
from tests.api.logins import PASSWORD
from tests.api.served import TESTER, Api

OTHER_PASSWORD = "not-real-either-9"


def link(city: Api, kind: str, user: int | None = None, **more: float) -> str:
    """The path and query of a new link."""
    address = urlsplit(new_link(city.store, "http://x", user, kind=kind, by=TESTER, **more))
    return f"{address.path}?{address.query}"


# --- links


def test_the_first_administrator_is_made_by_a_link(signing: Signing, fresh: Browser) -> None:
    city, path = signing.city, link(signing.city, "setup")
    assert "set-up link" in fresh.open("/login").text
    page = fresh.open(path)
    assert page.status == 200
    assert page.answer.headers["cache-control"] == "no-store"
    assert page.answer.headers["referrer-policy"] == "strict-origin"
    form = page.forms[-1]
    assert form.action == path
    for changes, said in (
        ({"name": "Ibu Wali", "password": "short", "again": "short"}, "too short"),
        ({"name": "Ibu Wali", "password": PASSWORD, "again": "another one here"}, "differ"),
        ({"name": "", "password": PASSWORD, "again": PASSWORD}, "name"),
        ({"name": "a\u202eb", "password": PASSWORD, "again": PASSWORD}, "name"),
    ):
        refused = submit(fresh, form, **changes)
        assert refused.status == 422
        assert said in refused.problem
        assert PASSWORD not in refused.answer.text
        assert cookie(fresh) is None
    assert city.store.people.all() == []
    made = submit(fresh, form, name="Ibu Wali", password=PASSWORD, again=PASSWORD)
    assert went_to(made) == "/"
    (user,) = city.store.people.all()
    assert (user.name, user.role, user.every_camera) == ("Ibu Wali", Role.ADMINISTRATOR, True)
    assert fresh.open("/people").status == 200
    assert cookie(fresh, "device") is not None
    assert submit(fresh, form, name="Second", password=PASSWORD, again=PASSWORD).status == 401
    assert fresh.open(path).status == 401
    with signing.browser() as other:
        assert sign(other, "ibu wali").status == 303
        assert "set-up link" not in other.open("/account").text


def test_whoever_has_a_link_keeps_nobody_waiting(
    signing: Signing, fresh: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is refused uses no link up, and each try makes a hash."""
    form = fresh.open(link(signing.city, "setup")).forms[-1]
    made: list[str] = []
    hashing = signing.hasher.hash

    def counted(text: str) -> str:
        made.append(text)
        return hashing(text)

    monkeypatch.setattr(signing.hasher, "hash", counted)
    refused = {"name": "a\u202eb", "password": PASSWORD, "again": PASSWORD}
    for _ in range(BROWSER.burst):
        assert "name" in submit(fresh, form, **refused).problem
    page = submit(fresh, form, **refused)
    assert (page.status, "wait" in page.problem) == (422, True)
    assert made == [PASSWORD] * BROWSER.burst
    # another link is another's
    other = fresh.open(link(signing.city, "setup")).forms[-1]
    assert went_to(submit(fresh, other, **(refused | {"name": "Ibu Wali"}))) == "/"


def test_a_second_link_makes_no_second_administrator(signing: Signing, fresh: Browser) -> None:
    city, path = signing.city, link(signing.city, "setup")
    form = fresh.open(path).forms[-1]
    signing.add("room1", Role.ADMINISTRATOR)
    page = fresh.open(path)
    assert page.status == 409
    assert "already" in page.text
    assert submit(fresh, form, name="x", password=PASSWORD, again=PASSWORD).status == 401
    assert [user.name for user in city.store.people.all()] == ["room1"]


def test_of_many_one_becomes_the_first_administrator(signing: Signing) -> None:
    path = link(signing.city, "setup")
    with signing.browser() as one:
        form = one.open(path).forms[-1]

        def ask(n: int) -> int:
            sent = {"name": f"n{n}", "password": PASSWORD, "again": PASSWORD}
            return submit(one, form, **sent).status

        many = BROWSER.burst
        with ThreadPoolExecutor(many) as pool:
            assert sorted(pool.map(ask, range(many))) == [303] + [401] * (many - 1)
    assert len(signing.city.store.people.all()) == 1


def test_a_name_that_is_taken_uses_no_link_up(signing: Signing, fresh: Browser) -> None:
    signing.add("room1", Role.VIEWER)
    form = fresh.open(link(signing.city, "setup")).forms[-1]
    refused = submit(fresh, form, name="ROOM1", password=PASSWORD, again=PASSWORD)
    assert refused.status == 422
    assert "already" in refused.problem
    assert submit(fresh, form, name="petugas", password=PASSWORD, again=PASSWORD).status == 303


def test_a_password_is_chosen_by_a_link(signing: Signing, fresh: Browser) -> None:
    user = signing.add("room1")
    city, path = signing.city, link(signing.city, "password", user)
    with signing.browser() as other:
        assert sign(other, "room1").status == 303
        device = cookie(other, "device")
        page = fresh.open(path)
        assert "room1" in page.answer.text
        assert fresh.open(path).status == 200, "looking uses nothing up"
        assert submit(fresh, page.forms[-1], password="room1", again="room1").status == 422
        sent = {"password": OTHER_PASSWORD, "again": OTHER_PASSWORD, "name": "petugas"}
        assert went_to(submit(fresh, page.forms[-1], **sent)) == "/"
        assert who(fresh)
        assert who(other) is None, "whatever was open has ended"
        key = city.store.keys.get((device or "").split("_")[1])
        assert key is not None
        assert key.revoked_at is not None
    assert submit(fresh, page.forms[-1], **sent).status == 401
    with signing.browser() as other:
        assert sign(other, "room1").status == 403
        assert sign(other, "room1", OTHER_PASSWORD).status == 303
    newest = record(city, "password")[0]
    assert (newest.action, newest.actor_kind, newest.object) == ("password.set", "link", "room1")


def test_a_link_form_needs_its_own_token_and_our_origin(signing: Signing, fresh: Browser) -> None:
    path, other = (link(signing.city, "password", signing.add(n)) for n in ("room1", "petugas"))
    form, others = fresh.open(path).forms[-1], fresh.open(other).forms[-1]
    sent = {"password": OTHER_PASSWORD, "again": OTHER_PASSWORD}
    assert submit(fresh, form, **sent, token=others.values("token")[0]).status == 403
    fresh.client.headers["origin"] = "null"
    assert submit(fresh, form, **sent).status == 403
    del fresh.client.headers["origin"]
    assert submit(fresh, form, **sent).status == 403


def test_somebody_who_is_disabled_uses_no_link(signing: Signing, fresh: Browser) -> None:
    user = signing.add("room1")
    path = link(signing.city, "password", user)
    form = fresh.open(path).forms[-1]
    signing.city.store.people.change(user, Rights(Role.VIEWER, disabled=True), TESTER)
    sent = {"password": OTHER_PASSWORD, "again": OTHER_PASSWORD}
    assert submit(fresh, form, **sent).status == 401
    assert cookie(fresh) is None


def test_the_language_of_a_link_is_changed_without_using_it(
    signing: Signing, fresh: Browser
) -> None:
    path = link(signing.city, "setup")
    page = fresh.open(path)
    (chooser,) = (form for form in page.forms if form.values("back"))
    assert path not in chooser.values("back")
    assert went_to(submit(fresh, chooser, language="id")) == path
    assert 'lang="id"' in fresh.open(path).answer.text


# --- browsers that came in before


def test_several_people_may_share_a_browser(signing: Signing, fresh: Browser) -> None:
    names = ["a one", "b two", "c three", "d four", "e five"]
    users = {signing.add(name): name for name in names}
    for name in names:
        assert sign(fresh, name).status == 303
        token = fresh.open("/account").form("/leave").values("token")
        fresh.client.post("/leave", data={"token": token})
    kept = [
        signing.city.store.keys.get(part.split("_")[1])
        for part in cookie(fresh, "device").split(".")
    ]  # type: ignore[union-attr]
    assert [users[key.user] for key in kept if key and key.user] == names[:0:-1]


# --- leaving, and language


def test_leaving_leads_to_where_one_signs_in(signing: Signing, fresh: Browser) -> None:
    signing.add("room1")
    sign(fresh, "room1")
    device = cookie(fresh, "device")
    page = fresh.open("/account")
    assert went_to(fresh.send(page, "/leave")) == "/login"
    assert cookie(fresh) is None
    assert cookie(fresh, "device") == device, "the browser stays known"
    assert who(fresh) is None


def test_the_language_stays_with_the_browser_and_with_the_person(
    signing: Signing, fresh: Browser
) -> None:
    user = signing.add("room1")
    page = fresh.open("/login")
    assert 'lang="en"' in page.answer.text
    assert went_to(fresh.send(page, "/language", language="id")) == "/login"
    assert 'lang="id"' in fresh.open("/login").answer.text
    assert went_to(fresh.send(page, "/language", language="xx", back="//evil.example")) == "/"
    assert 'lang="id"' in fresh.open("/login").answer.text
    sign(fresh, "room1")
    page = fresh.open("/account")
    assert 'lang="id"' in page.answer.text
    chooser = next(form for form in page.forms if form.action == "/language")
    went_to(submit(fresh, chooser, language="en"))
    found = signing.city.store.people.get(user)
    assert found is not None
    assert found.language == "en"
    assert 'lang="en"' in fresh.open("/account").answer.text
    with signing.browser() as other:
        other.client.headers["accept-language"] = "id"
        assert 'lang="id"' in other.open("/login").answer.text
        sign(other, "room1")
        assert 'lang="en"' in other.open("/account").answer.text


@pytest.mark.parametrize("name", FILES)
def test_what_pages_load_is_open_and_kept(fresh: Browser, name: str) -> None:
    at = file(name)
    assert re.fullmatch(rf"/door/{re.escape(name)}\?v=[0-9a-f]+", at)
    if name in {"forms.css", "icon.svg"}:
        assert f'"{at}"' in fresh.open("/login").answer.text
    answer = fresh.client.get(at)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FILES[name]
    assert answer.headers["cache-control"].startswith("public, max-age=")
    assert int(answer.headers["content-length"]) == len(answer.content) > 0
    assert fresh.client.head(at).content == b""


@pytest.mark.parametrize("name", ["base.html", "..", "%2e%2e%2fpage.py", "forms.css%00", "none"])
def test_nothing_else_is_loaded(fresh: Browser, name: str) -> None:
    assert fresh.client.get(f"/door/{name}").status_code in {303, 401, 404}
