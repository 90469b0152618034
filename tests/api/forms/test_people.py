"""Administrators add people, change what they may, and keep them out: over a real connection."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest

from api.access import Role
from api.auth import form_token
from api.store import Rights, User
from tests.api.forms.pages import HOSTILE, NAMES, Browser, Page, browser, record, went_to
from tests.api.served import TESTER, Api, add_session, add_user, person

PAGES = ("/people", "/people/1", "/groups", "/groups/1", "/keys", "/audit")
FORMS = (
    "/people", "/people/1", "/people/1/link", "/people/1/no-totp", "/people/1/end-sessions",
    "/people/1/remove", "/groups", "/groups/1", "/groups/1/remove", "/keys", "/keys/abc/revoke",
)  # fmt: skip


def named(city: Api, name: str) -> User:
    found = city.store.people.named(name)
    assert found is not None
    return found


def test_somebody_who_is_added_gets_a_link_that_is_shown_once(city: Api, office: Browser) -> None:
    group = city.store.groups.add("Pantai", ["plaza"], TESTER)
    page = office.send(
        office.open("/people"), "/people", name="Jaga", role="operator", groups=[str(group.id)]
    )
    assert page.status == 200
    assert page.answer.headers["cache-control"] == "no-store"
    link = page.ids["secret"]
    assert link.startswith(f"{city.client.base_url}/enter?link=ml_")
    assert link not in office.open(f"/people/{named(city, 'jaga').id}").answer.text
    jaga = named(city, "Jaga")
    assert (jaga.role, jaga.every_camera, jaga.groups) == (
        Role.OPERATOR,
        False,
        {group.id},
    )
    (added,) = record(city, "user.added")[:1]
    assert (added.actor, added.object, added.before) == ("Boss", "Jaga", None)
    assert added.after is not None
    assert (added.after["role"], added.after["groups"]) == ("operator", ["Pantai"])
    (made,) = record(city, "link.password")
    assert (made.actor, made.object) == ("Boss", "Jaga")
    # it leads to where a password is chosen
    address = urlsplit(link)
    with httpx.Client(base_url=city.client.base_url) as other:
        answer = other.get(f"{address.path}?{address.query}", headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert "Jaga" in answer.text


def test_sending_the_form_again_adds_nobody_and_makes_no_link(city: Api, office: Browser) -> None:
    page = office.open("/people")
    assert office.send(page, "/people", name="Jaga", role="viewer").status == 200
    again = office.send(page, "/people", name="JAGA", role="analyst", external="r@example.org")
    assert again.status == 422
    assert "JAGA" in again.problem
    form = again.form("/people")
    assert form.values("name") == ["JAGA"]
    assert form.values("role") == ["analyst"]
    assert form.values("external") == ["r@example.org"]
    assert len(record(city, "link.password")) == 1


def test_who_signs_in_elsewhere_needs_no_link(city: Api, office: Browser) -> None:
    page = office.open("/people")
    refused = office.send(page, "/people", name="Jaga", role="viewer", link=None)
    assert refused.status == 422
    assert "sign-in service" in refused.problem
    assert went_to(
        office.send(
            page, "/people", name="Jaga", role="viewer", external="r@example.org", link=None
        )
    ).startswith("/people/")
    assert named(city, "Jaga").external == "r@example.org"
    assert record(city, "link") == []


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"name": ""}, "missing"),
        ({"name": "  "}, "missing"),
        ({"name": "x" * 64}, "63"),
        ({"name": "a\u202eb"}, "63"),
        ({"name": "a\x00b"}, "63"),
        ({"name": "Boss"}, "already"),
        ({"role": "king"}, "role"),
        ({"role": None}, "role"),
        ({"groups": ["77"]}, "no such group"),
        ({"external": "x" * 201}, "200"),
        ({"external": "taken@example.org"}, "sign-in service"),
    ],
)
def test_what_cannot_be_taken_is_said_beside_the_form(
    city: Api, office: Browser, sent: dict[str, str | list[str] | None], said: str
) -> None:
    rights = Rights(Role.VIEWER, external="taken@example.org")
    city.store.people.add("Taken", rights, TESTER)
    before = city.store.people.all()
    values: dict[str, str | list[str] | None] = {"name": "Jaga", "role": "viewer"}
    page = office.send(office.open("/people"), "/people", **(values | sent))
    assert page.status == 422
    assert said in page.problem
    assert city.store.people.all() == before


def test_rights_change_at_once_and_are_put_down(city: Api, office: Browser) -> None:
    group = city.store.groups.add("Pantai", ["plaza"], TESTER)
    jaga = add_user(city.store, "Jaga", Role.VIEWER)
    with person(city, jaga) as theirs:
        assert theirs.get("/people").status_code == 403
        page = office.open(f"/people/{jaga}")
        form = page.form(f"/people/{jaga}")
        assert (form.values("role"), form.values("every_camera")) == (["viewer"], ["1"])
        sent = office.send(
            page, f"/people/{jaga}", role="administrator", every_camera=None,
            groups=[str(group.id)], external="r@example.org",
        )  # fmt: skip
        assert went_to(sent) == f"/people/{jaga}?saved=1"
        assert theirs.get("/people").status_code == 200
    assert "Saved" in office.open(f"/people/{jaga}", saved="1").text
    (changed,) = record(city, "user.changed")
    assert changed.before == {
        "role": "viewer", "every_camera": True, "groups": [], "external": None,
    }  # fmt: skip
    assert changed.after == {
        "role": "administrator", "every_camera": False, "groups": ["Pantai"],
        "external": "r@example.org",
    }  # fmt: skip


def test_who_is_disabled_is_out_at_once_and_gets_no_link(city: Api, office: Browser) -> None:
    jaga = add_user(city.store, "Jaga", Role.VIEWER)
    with person(city, jaga) as theirs:
        assert theirs.get("/account").status_code == 200
        office.send(office.open(f"/people/{jaga}"), f"/people/{jaga}", disabled="1")
        assert theirs.get("/account").status_code == 401
    page = office.open(f"/people/{jaga}")
    assert page.form(f"/people/{jaga}").values("disabled") == ["1"]
    refused = office.send(page, f"/people/{jaga}/link")
    assert refused.status == 422
    assert "disabled" in refused.problem
    assert "/enter?link=" not in refused.answer.text
    (changed,) = record(city, "user.changed")
    assert (changed.before, changed.after) == ({"disabled": False}, {"disabled": True})


def test_the_last_administrator_stays_one(city: Api, boss: int, office: Browser) -> None:
    page = office.open(f"/people/{boss}")
    for action, sent in (
        (f"/people/{boss}", {"role": "viewer"}),
        (f"/people/{boss}", {"disabled": "1"}),
        (f"/people/{boss}/remove", {"confirm": "1"}),
    ):
        refused = office.send(page, action, **sent)
        assert refused.status == 422
        assert "only administrator" in refused.problem
    assert office.open("/people").status == 200


def test_an_administrator_who_is_not_the_last_may_step_down(
    city: Api, boss: int, office: Browser
) -> None:
    add_user(city.store, "Second", Role.ADMINISTRATOR)
    sent = office.send(office.open(f"/people/{boss}"), f"/people/{boss}", role="viewer")
    assert went_to(sent) == "/account"
    assert office.open("/account").status == 200
    assert office.open("/people").status == 403


def test_a_new_link_ends_the_one_before(city: Api, office: Browser) -> None:
    jaga = add_user(city.store, "Jaga", Role.VIEWER)
    page = office.open(f"/people/{jaga}")
    links = [office.send(page, f"/people/{jaga}/link").ids["secret"] for _ in range(2)]
    with httpx.Client(headers={"accept": "text/html"}) as other:
        assert [other.get(link).status_code for link in links] == [401, 200]
    assert len(record(city, "link.password")) == 2


def test_a_second_factor_is_taken_away_and_sessions_are_ended(city: Api, office: Browser) -> None:
    jaga = add_user(city.store, "Jaga", Role.VIEWER)
    assert "/people/2/no-totp" not in {f.action for f in office.open(f"/people/{jaga}").forms}
    city.store.people.set_totp(jaga, "JBSWY3DPEHPK3PXP", ["0" * 64], TESTER)
    with person(city, jaga) as theirs:
        page = office.open(f"/people/{jaga}")
        assert went_to(office.send(page, f"/people/{jaga}/no-totp"))
        assert named(city, "Jaga").totp_secret is None
        assert city.store.people.recovery_left(jaga) == 0
        assert theirs.get("/account").status_code == 200
        assert went_to(office.send(page, f"/people/{jaga}/end-sessions"))
        assert theirs.get("/account").status_code == 401
    (cleared,), (ended,) = record(city, "totp.cleared"), record(city, "sessions.ended")
    assert (cleared.actor, cleared.object) == (ended.actor, ended.object) == ("Boss", "Jaga")


def test_removing_has_to_be_confirmed(city: Api, office: Browser) -> None:
    jaga = add_user(city.store, "Jaga", Role.VIEWER)
    page = office.open(f"/people/{jaga}")
    unsure = office.send(page, f"/people/{jaga}/remove")
    assert unsure.status == 422
    assert "tick" in unsure.problem
    with person(city, jaga) as theirs:
        assert went_to(office.send(page, f"/people/{jaga}/remove", confirm="1")) == "/people"
        assert theirs.get("/account").status_code == 401
    assert city.store.people.named("Jaga") is None
    (removed,) = record(city, "user.removed")
    assert removed.before is not None
    assert (removed.before["role"], removed.after) == ("viewer", None)


def test_the_table_says_how_people_come_in(city: Api, office: Browser) -> None:
    group = city.store.groups.add("Pantai", ["plaza"], TESTER)
    rights = Rights(Role.VIEWER, groups=frozenset({group.id}), external="r@example.org")
    jaga = city.store.people.add("Jaga", rights, TESTER)
    add_session(city.store, jaga.id)
    city.store.people.set_totp(jaga.id, "JBSWY3DPEHPK3PXP", [], TESTER)
    city.store.people.add("Without", Rights(Role.ANALYST, disabled=True), TESTER)
    text = office.open("/people").text
    after = text[text.index("Jaga") : text.index("Without")]
    assert "Viewer Pantai 20" in after
    assert "OpenID on" in after
    assert "Without disabled Analyst none – nothing yet off" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_only_a_name(city: Api, office: Browser, name: str) -> None:
    shown = office.send(office.open("/people"), "/people", name=name, role="viewer")
    assert shown.status == 200
    user = named(city, name)
    group = city.store.groups.add(name, ["plaza"], TESTER)
    city.store.people.change(
        user.id, Rights(Role.VIEWER, groups=frozenset({group.id}), external=name), TESTER
    )
    pages = [shown, *map(office.open, ("/people", f"/people/{user.id}", "/groups", "/keys"))]
    pages += [office.open(f"/groups/{group.id}"), office.open("/audit"), refused(office, name)]
    for page in pages:
        assert name in page.text or any(name in form.values("name") for form in page.forms)
        assert "script" not in page.tags
        # the icon of the head alone, in every page
        assert page.tags.count("img") == 1
    with browser(city, user.id) as theirs:
        own = theirs.open("/account")
    assert own.status == 200
    assert name in own.text
    assert "script" not in own.tags


def refused(office: Browser, name: str) -> Page:
    """The page that says that a name is taken."""
    page = office.send(office.open("/people"), "/people", name=name, role="viewer")
    assert page.status == 422
    assert name in page.problem
    return page


@pytest.mark.parametrize("path", ["/people/77", "/people/x", "/people/-1", f"/people/{'9' * 40}"])
def test_nobody_has_a_page_of_a_person_who_is_not_there(office: Browser, path: str) -> None:
    for page in (office.open(path), send(office, path), send(office, f"{path}/remove")):
        assert page.status == 404
        assert "Not there" in page.text


def test_an_unknown_change_is_not_there(city: Api, boss: int, office: Browser) -> None:
    assert send(office, f"/people/{boss}/crown").status == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ANALYST])
def test_the_others_may_none_of_it(city: Api, boss: int, role: Role) -> None:
    city.store.groups.add("Pantai", ["plaza"], TESTER)
    before = city.store.people.all(), city.store.groups.all(), len(city.store.keys.all())
    with browser(city, add_user(city.store, "Jaga", role)) as theirs:
        assert [theirs.open(path).status for path in PAGES] == [403] * len(PAGES)
        assert [send(theirs, path).status for path in FORMS] == [403] * len(FORMS)
        assert theirs.open("/account").status == 200
        menu = theirs.open("/account").links
        assert not {"/people", "/groups", "/keys", "/audit"} & set(menu)
    assert city.store.groups.all() == before[1]
    # their own session is the only one more
    assert len(city.store.keys.all()) == before[2] + 1
    assert [user.name for user in city.store.people.all()] == ["Boss", "Jaga"]


def test_no_form_goes_without_its_token(city: Api, boss: int, office: Browser) -> None:
    city.store.groups.add("Pantai", ["plaza"], TESTER)
    pages = [office.open(path) for path in (*PAGES, "/account")]
    posts = [form for page in pages for form in page.forms if form.method == "post"]
    assert {"/people", "/groups", "/keys", "/leave"} <= {form.action for form in posts}
    assert {tuple(form.values("token")) for form in posts} == {(form_token(office.session),)}
    for path in FORMS:
        assert office.client.post(path, data={"confirm": "1"}).status_code == 403


def test_the_link_leads_to_where_the_browser_is(city: Api, office: Browser) -> None:
    jaga = add_user(city.store, "Jaga", Role.VIEWER)
    page = office.open(f"/people/{jaga}")
    port = city.client.base_url.port
    office.client.headers["host"] = f"LOCALHOST:{port}"
    office.client.headers["origin"] = f"http://localhost:{port}"
    link = office.send(page, f"/people/{jaga}/link").ids["secret"]
    assert link.startswith(f"http://localhost:{port}/enter?link=")


def send(office: Browser, path: str) -> Page:
    """A form with nothing but its token."""
    return Page(office.client.post(path, data={"token": form_token(office.session)}))


def test_hostile_stays_a_name_in_the_titles_of_pages(city: Api, office: Browser) -> None:
    user = add_user(city.store, HOSTILE, Role.VIEWER)
    page = office.open(f"/people/{user}")
    assert "<title>&lt;script&gt;" in page.answer.text
