"""Every page that is a plain form, in real Chromium: hostile names, own server, narrow windows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from api.access import Role
from api.alerting.settings import Alerting, Channel, Matcher
from api.auth import new_token
from api.i18n import texts
from api.store import Actor, Grant
from streams.config import SYNTHETIC, CameraConfig, City
from tests.api.pieces import piece
from tests.api.served import TESTER, add_user, alert, report
from tests.browser.conftest import HOSTILE
from tests.browser.desk import PASSWORD, Desk
from tests.browser.sites import Site, serving

NAME = HOSTILE.replace("window.hit=1", "hit()")
"""Short enough for a person or a group."""
PHONE = {"width": 360, "height": 780}
NETWORKS = (ip_network("127.0.0.0/8"),)


@dataclass(frozen=True, slots=True)
class Town:
    """A site where everything that can have a hostile name has one."""

    site: Site
    person: int
    group: int
    key: str


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with serving(tmp_path_factory.mktemp("town")) as site:
        store, now = site.store, time.time()
        camera = CameraConfig(
            id="c", name=HOSTILE, source=SYNTHETIC, login=None, model="motion", fps=5.0,
            worker=None, scene={"frame_size": [640, 360]},
        )  # fmt: skip
        store.configuration.apply(City(HOSTILE, NETWORKS, None, (camera,)), TESTER)
        reported = report(now, "c").cameras[0].model_copy(update={"name": HOSTILE})
        store.cameras.save(report(now, "c").model_copy(update={"cameras": (reported,)}))
        hostile: dict[str, Any] = {"camera": "c", "place": HOSTILE, "rule": HOSTILE}
        store.record([alert("a", start_ts=now, raised_ts=now, **hostile)])
        store.cases.resolve("a", "false", "", TESTER, edit=0, only=None)
        person = add_user(store, NAME, Role.OPERATOR, cameras=["c"])
        group = store.groups.add(NAME, ["c"], TESTER)
        token = new_token()
        grant = Grant(scopes=("counts:read",), groups=(group.id,))
        store.keys.add(token.id, "board", token.hash, grant, TESTER)
        match, until = Matcher(cameras=("c",), rules=(HOSTILE,)), now + 3600
        store.alerting.silence(match, HOSTILE, starts_at=now, ends_at=until, by=TESTER)
        channel = Channel(name=HOSTILE, kind="apprise")
        store.alerting.apply(Alerting(channels=(channel,)), TESTER)
        store.audit.add(Actor("nobody", HOSTILE), "other.thing", "other", HOSTILE, {"x": HOSTILE})
        named: dict[str, Any] = {"line": HOSTILE, "directions": (HOSTILE, "out")}
        counted = store.validations.add(piece(camera="c", classes=(HOSTILE,), **named), TESTER)
        store.validations.save(counted, {(HOSTILE, HOSTILE): 1}, TESTER, only=None)
        yield Town(site, person, group.id, token.id)


@pytest.fixture
def desk(town: Town, browser: Browser) -> Iterator[Desk]:
    made = Desk(town.site, browser)
    yield made
    made.close()


def administrator(town: Town) -> int:
    """Who has a hostile name as well."""
    name = NAME.replace("script", "Script1")
    found = town.site.store.people.named(name)
    return add_user(town.site.store, name) if found is None else found.id


def pages(town: Town) -> list[str]:
    """All that somebody inside can open."""
    return [
        "/people", f"/people/{town.person}", "/groups", f"/groups/{town.group}", "/keys",
        "/audit", "/account", "/account?saved=password", "/silences", "/delivery", "/precision",
        "/handover", "/map", "/map?camera=c", "/validation", "/validation/1",
        "/validation/1?again=1",
    ]  # fmt: skip


def is_harmless(page: Page) -> None:
    assert page.evaluate("window.hit") is None
    assert page.locator("script, img[src='x'], iframe, [onerror]").count() == 0


def test_hostile_names_are_only_text_on_every_page(desk: Desk, town: Town) -> None:
    outside = desk.window()
    desk.sign_in(outside, NAME, NAME)
    expect(outside.locator("#name")).to_have_value(NAME)
    is_harmless(outside)
    for link in (town.site.link(town.person, "password"), town.site.link(None, "setup")):
        outside.goto(link)
        is_harmless(outside)
    # what a browser says to be is shown where its person is signed in
    inside = desk.window(user=administrator(town), user_agent=HOSTILE)
    for path in [*pages(town), f"/audit?actor={HOSTILE}", "/people/<b>"]:
        desk.go(inside, path)
        is_harmless(inside)
        expect(inside.locator(".leave span")).to_contain_text("onerror=hit()")
    desk.go(inside, "/audit")
    expect(inside.get_by_text(HOSTILE, exact=True).first).to_be_visible()
    for form in (f"/people/{town.person}/link", f"/people/{town.person}/remove"):
        desk.go(inside, f"/people/{town.person}")
        button = inside.locator(f'form[action="{form}"] button')
        # what cannot be undone is confirmed first, which a browser asks for itself
        button.evaluate("e => { e.form.noValidate = true }")
        button.click()
        is_harmless(inside)
        expect(inside.locator("h1")).to_contain_text("onerror=hit()")
    desk.go(inside, "/groups")
    inside.fill("#name", NAME)
    inside.click("main button.main")
    expect(inside.locator(".problem")).to_contain_text("onerror=hit()")
    is_harmless(inside)


def test_hostile_names_are_only_text_in_the_room(desk: Desk, town: Town) -> None:
    page = desk.open("/room/", user=administrator(town))
    expect(page.locator(".mk-tile h2")).to_have_text(HOSTILE)
    expect(page.locator(".mk-alert")).to_have_count(1)
    expect(page.locator(".mk-who")).to_contain_text("onerror=hit()")
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src='x'], [onerror]").count() == 0


@pytest.mark.parametrize("locale", ["en-GB", "id-ID"])
def test_no_page_says_anything_on_the_console_or_runs_a_script(
    desk: Desk, town: Town, locale: str
) -> None:
    """Whom a page asks, the desk looks at."""
    page = desk.window(locale=locale)
    inside = desk.window(locale=locale, user=administrator(town))
    link = town.site.link(town.person, "password")
    titles = set()
    for where, paths in ((page, ["/login"]), (inside, pages(town))):
        for path in paths:
            answer: Any = where.goto(f"{town.site.address}{path}")
            assert answer.status == 200, path
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'"), path
            assert "script" not in policy
            titles.add(where.title())
            assert where.evaluate("document.documentElement.lang") == locale[:2]
            # a stylesheet that does not come leaves the browser's own
            assert where.evaluate("getComputedStyle(document.body).margin") == "0px"
    page.goto(link)
    assert len(titles) >= 7
    assert (f"{texts('id')('Record')} · Matakota" in titles) is (locale == "id-ID")
    assert desk.said == []
    assert len(desk.asked) > 9


def test_no_page_is_wider_than_a_phone(desk: Desk, town: Town) -> None:
    outside, inside = desk.window(), desk.window(user=administrator(town))
    for page in (outside, inside):
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    outside.goto(town.site.link(town.person, "password"))
    shown = [(inside, path) for path in pages(town)]
    for page, path in [(outside, None), (outside, "/login"), *shown]:
        if path is not None:
            desk.go(page, path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], path


def test_links_for_passwords_ask_for_good_ones(desk: Desk, town: Town) -> None:
    user = add_user(town.site.store, "careless", Role.VIEWER, cameras=["c"])
    page = desk.window()
    page.goto(town.site.link(user, "password"))
    # a browser says itself that this is too short
    page.fill("#password", "short")
    page.fill("#again", "short")
    page.click("main button.main")
    assert page.locator("#password").evaluate("e => e.validity.tooShort")
    page.fill("#password", "careless12345678")
    page.fill("#again", "careless12345678")
    page.click("main button.main")
    expect(page.locator(".problem")).to_contain_text("guessed")
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("main button.main")
    page.wait_for_url("**/room/")
