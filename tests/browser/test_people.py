"""How people come in, in real Chromium: set-up, passwords, languages, codes, links, sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, Error, Page, expect

from api.access import Role
from api.forms.signing import WRONG
from api.i18n import texts
from tests.api.served import alert, report
from tests.browser.desk import PASSWORD, PATIENCE_MS, Desk
from tests.browser.sites import Site, serving
from tests.waiting import wait_for

INDONESIAN = "id-ID"
OUT_MS = 300_000
"""Ten times what is promised of a right that is taken away."""
LANG = "document.documentElement.lang"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with two cameras that each have an alert, and an administrator."""
    with serving(tmp_path_factory.mktemp("town")) as site:
        now = time.time()
        site.store.cameras.save(report(now, "plaza", "road"))
        for camera in ("plaza", "road"):
            site.store.record([alert(f"at-{camera}", camera=camera, start_ts=now, raised_ts=now)])
        yield site


@pytest.fixture
def desk(town: Site, browser: Browser) -> Iterator[Desk]:
    made = Desk(town, browser)
    yield made
    made.close()


@pytest.fixture
def new_desk(tmp_path: Path, browser: Browser) -> Iterator[Desk]:
    """At a site that nobody has set up."""
    with serving(tmp_path) as site:
        made = Desk(site, browser)
        yield made
        made.close()


def in_room(page: Page) -> None:
    page.wait_for_url("**/room/", timeout=PATIENCE_MS)
    page.wait_for_selector(".mk-wall")


def cameras(page: Page) -> set[str]:
    return set(page.eval_on_selector_all(".mk-tile", "all => all.map(e => e.dataset.camera)"))


def alerts(page: Page) -> set[str]:
    return set(page.eval_on_selector_all(".mk-alert", "all => all.map(e => e.dataset.alert)"))


def test_the_set_up_link_makes_the_first_administrator_once(new_desk: Desk) -> None:
    site = new_desk.site
    page = new_desk.open("/login")
    expect(page.locator(".notice")).to_contain_text("set-up link")
    link = site.link(None, "setup")
    page.goto(link)
    expect(page.locator("h1")).to_have_text("First administrator")
    page.fill("#name", "night-shift")
    page.fill("#password", PASSWORD)
    page.fill("#again", "something else again")
    page.click("main button.main")
    expect(page.locator(".problem")).to_contain_text("differ")
    expect(page.locator("#name")).to_have_value("night-shift")
    assert site.store.people.all() == []
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("main button.main")
    in_room(page)
    expect(page.locator('.mk-ways a[href="/account"]')).to_have_text("night-shift")
    expect(page.locator('.mk-ways a[href="/people"]')).to_have_count(1)
    (user,) = site.store.people.all()
    assert (user.name, user.role) == ("night-shift", Role.ADMINISTRATOR)
    other = new_desk.window()
    other.goto(link)
    expect(other.locator("h1")).to_have_text("Not let in")
    new_desk.go(other, "/room/")
    assert other.url == f"{site.address}/login?next=/room/"
    expect(other.locator(".notice")).to_have_count(0)
    new_desk.leave(page)
    new_desk.sign_in(page, "night-shift")
    in_room(page)


def test_people_sign_in_by_name_and_password_and_out(desk: Desk) -> None:
    desk.person("dock-watch")
    page = desk.window()
    for name, password in (("dock-watch", "not this one at all"), ("nobody-here", PASSWORD)):
        desk.sign_in(page, name, password)
        # the same, whichever it was
        expect(page.locator(".problem")).to_have_text(WRONG)
        expect(page.locator("#name")).to_have_value(name)
        expect(page.locator("#password")).to_have_value("")
        expect(page.locator("#password")).to_be_focused()
    # how a name is capitalised does not matter
    desk.sign_in(page, "Dock-Watch")
    in_room(page)
    desk.go(page, "/login")
    in_room(page)
    page.locator(".mk-leave button").click()
    page.wait_for_url("**/login")
    for path in ("/room/", "/account"):
        desk.go(page, path)
        assert page.url == f"{desk.site.address}/login?next={path}"
    # what was shown before is not shown again
    with suppress(Error):
        page.go_back()
    assert page.locator(".mk-wall").count() == 0


def test_signing_in_needs_only_the_keyboard(desk: Desk) -> None:
    desk.person("keys-only")
    page = desk.open("/account")
    assert page.url == f"{desk.site.address}/login?next=/account"
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type("keys-only")
    page.keyboard.press("Tab")
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    expect(page.locator("#code")).to_be_focused()
    page.keyboard.press("Tab")
    button = page.locator("main button.main")
    expect(button).to_be_focused()
    assert button.evaluate("e => parseFloat(getComputedStyle(e).outlineWidth)") >= 2
    page.keyboard.press("Enter")
    # to where one wanted to go
    page.wait_for_url("**/account")
    expect(page.locator("h1")).to_have_text("My account")
    # past what is around each page
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.url.endswith("/account#main")


def test_pages_speak_bahasa_indonesia_unless_a_browser_prefers_english(desk: Desk) -> None:
    _ = texts("id")
    assert _("Sign in") != "Sign in"
    for locale, language, title in (
        (INDONESIAN, "id", _("Sign in")),
        ("en-GB", "en", "Sign in"),
        ("fr-FR", "id", _("Sign in")),
    ):
        page = desk.open("/login", locale=locale)
        assert page.evaluate(LANG) == language, locale
        expect(page.locator("h1")).to_have_text(title)
        expect(page.locator("label[for=password]")).to_have_text(
            _("Password") if language == "id" else "Password"
        )


def test_the_language_that_somebody_chose_goes_where_they_go(desk: Desk) -> None:
    _ = texts("id")
    user = desk.person("polyglot")
    page = desk.open("/login?next=/account", locale=INDONESIAN)
    page.click('.language button[lang="en"]')
    expect(page.locator("h1")).to_have_text("Sign in")
    assert page.url == f"{desk.site.address}/login?next=%2Faccount"
    assert page.evaluate(LANG) == "en"
    page.reload()
    expect(page.locator("h1")).to_have_text("Sign in")
    # nobody was in yet, so this browser alone keeps it
    found = desk.site.store.people.get(user)
    assert found is not None
    assert found.language is None
    desk.sign_in(page, "polyglot")
    in_room(page)
    assert page.evaluate(LANG) == "en"
    expect(page.locator(".mk-leave button")).to_have_text("Leave")
    desk.go(page, "/account")
    page.select_option("#language", "id")
    page.click('form[action="/language"] .actions button')
    expect(page.locator("h1")).to_have_text(_("My account"))
    assert page.evaluate(LANG) == "id"
    other = desk.window()
    desk.sign_in(other, "polyglot")
    in_room(other)
    assert other.evaluate(LANG) == "id"
    expect(other.locator(".mk-leave button")).to_have_text(_("Leave"))
    desk.leave(other)
    # whoever comes next in this browser is spoken to as before
    expect(other.locator("h1")).to_have_text("Sign in")


def test_a_code_of_the_phone_is_needed_once_it_is_set_up(desk: Desk) -> None:
    page = desk.open("/account", user=desk.person("two-factors"))
    page.fill('form[action="/account/new-factor"] input[name=password]', PASSWORD)
    page.click('form[action="/account/new-factor"] button')
    expect(page.locator(".secret img")).to_be_visible()
    assert page.locator(".secret img").evaluate("i => i.naturalWidth") > 40
    made = pyotp.TOTP(page.locator("#secret").inner_text())
    page.fill("#code", "000000" if made.now() != "000000" else "000001")
    page.click("main button.main")
    expect(page.locator(".problem")).to_contain_text("not the code")
    page.fill("#code", made.now())
    page.click("main button.main")
    recovery = page.locator("#codes-list code").all_inner_texts()
    assert len(set(recovery)) == 10
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("#factor .tag")).to_have_text("on")
    desk.leave(page)
    desk.sign_in(page, "two-factors")
    expect(page.locator(".problem")).to_have_text(WRONG)
    # one that is early is taken, so that nobody waits here for the next
    desk.sign_in(page, "two-factors", code=made.at(int(time.time()) + 30))
    in_room(page)
    desk.leave(page)
    desk.sign_in(page, "two-factors", code=recovery[0])
    in_room(page)
    desk.leave(page)
    desk.sign_in(page, "two-factors", code=recovery[0])
    expect(page.locator(".problem")).to_have_text(WRONG)
    desk.sign_in(page, "two-factors", code=recovery[1])
    in_room(page)
    desk.go(page, "/account")
    expect(page.locator("main")).to_contain_text("Recovery codes left: 8")
    page.fill("#proof", recovery[2])
    page.click('form[action="/account/no-factor"] button')
    expect(page.locator(".done")).to_have_text("The second factor is off.")
    expect(page.locator("#factor .tag")).to_have_text("off")
    other = desk.window()
    desk.sign_in(other, "two-factors")
    in_room(other)


def test_a_key_is_shown_once_opens_the_api_and_is_revoked(desk: Desk) -> None:
    page = desk.open("/keys", user=desk.person("key-keeper", Role.ADMINISTRATOR))
    page.fill("#name", "board-1")
    page.check("input[value=integration]")
    page.check('input[value="cameras:read"]')
    page.check("input[name=every_camera]")
    page.click("main button.main")
    key = page.locator("#secret").inner_text()
    headers = {"authorization": f"Bearer {key}"}

    def ask(path: str) -> int:
        return httpx.get(f"{desk.site.address}{path}", headers=headers, timeout=60).status_code

    assert ask("/api/v1/cameras") == 200
    assert ask("/api/v1/alerts") == 403
    # the form is sent again, and its name is taken
    page.reload()
    expect(page.locator(".problem")).to_contain_text("board-1")
    assert key not in page.content()
    page.goto(f"{desk.site.address}/keys")
    assert key not in page.content()
    for step in (page.go_back, page.go_forward, page.go_back):
        # a browser may say itself that it does not have it any more
        with suppress(Error):
            step()
        assert key not in page.content()
    desk.go(page, "/keys")
    row = page.locator("tr", has=page.get_by_role("rowheader", name="board-1"))
    expect(row).to_contain_text("cameras:read")
    row.locator("summary").click()
    row.locator("button").click()
    page.get_by_text("Revoked keys").click()
    expect(row).to_have_count(1)
    assert ask("/api/v1/cameras") == 401
    assert len([one for one in desk.site.store.keys.all() if one.name == "board-1"]) == 1


def test_somebody_new_chooses_a_password_and_sees_the_cameras_of_their_group(desk: Desk) -> None:
    office = desk.open("/groups", user=desk.person("chief", Role.ADMINISTRATOR))
    office.fill("#name", "square")
    office.check('input[name=cameras][value="plaza"]')
    office.click("main button.main")
    expect(office.locator(".done")).to_have_text("Saved.")
    desk.go(office, "/people")
    office.fill("#name", "newcomer")
    office.check("input[value=operator]")
    office.get_by_label("square").check()
    expect(office.locator("input[name=link]")).to_be_checked()
    office.click("main button.main")
    link = office.locator("#secret").inner_text()
    page = desk.window()
    page.goto(link)
    expect(page.locator("#name")).to_have_value("newcomer")
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("main button.main")
    in_room(page)
    wait_for(lambda: alerts(page) == {"at-plaza"}, "the alert of their camera")
    assert cameras(page) == {"plaza"}
    other = desk.window()
    other.goto(link)
    expect(other.locator("h1")).to_have_text("Not let in")
    desk.sign_in(other, "newcomer")
    in_room(other)
    assert cameras(other) == {"plaza"}
    for path in ("/people", "/groups", "/keys", "/audit"):
        desk.go(other, path)
        expect(other.locator("h1")).to_have_text("Not let in")
    desk.go(office, "/people")
    row = office.locator("tr", has=office.get_by_role("rowheader", name="newcomer"))
    expect(row).to_contain_text("square")
    expect(row).to_contain_text("password")


def test_whoever_ends_another_session_shuts_that_browser_out(desk: Desk) -> None:
    user = desk.person("two-desks")
    here, there = desk.open("/account", user=user), desk.open("/room/", user=user)
    there.wait_for_selector(".mk-alert")
    here.reload()
    ends = here.locator('form[action="/account/end-session"] button')
    expect(ends).to_have_count(1)
    ends.click()
    expect(here.locator(".done")).to_have_text("The session is ended.")
    there.wait_for_url("**/login?next=/room/", timeout=OUT_MS)
    assert there.locator(".mk-alert").count() == 0
    here.reload()
    expect(here.locator("tbody tr")).to_have_count(1)
    # how a browser says that its connections were refused
    desk.said.clear()


def test_an_administrator_who_ends_sessions_shuts_a_browser_out(desk: Desk) -> None:
    office = desk.window(user=desk.person("chief-too", Role.ADMINISTRATOR))
    there = desk.open("/room/", user=desk.person("at-work"))
    there.wait_for_selector(".mk-alert")
    desk.go(office, "/people")
    office.get_by_role("link", name="at-work").click()
    office.get_by_role("button", name="End all sessions").click()
    there.wait_for_url("**/login?next=/room/", timeout=OUT_MS)
    assert there.locator(".mk-alert").count() == 0
    desk.said.clear()
