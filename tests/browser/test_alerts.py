"""The list of alerts in real Chromium: by keys, searched, heard, on the desktop, on a telephone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from api.access import Role
from api.alerting.settings import Alerting
from api.alerting.settings import Site as Place
from tests.api.served import TESTER, report
from tests.browser.desk import Desk, sitting
from tests.browser.fakepictures import FakePictures
from tests.browser.listing import NOTICES, RINGS, forget, person, room, row, shown, state, stored
from tests.browser.sites import Site, serving
from tests.waiting import wait_for

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 3840, "height": 2160}
SIREN, HIGH = 980, 880


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("alerts")) as served:
        served.store.cameras.save(report(time.time(), "plaza", "road", "gate", "port"))
        place = Place(name="Losari", cameras=("plaza", "gate"))
        served.store.alerting.apply(Alerting(sites=(place,)), TESTER)
        yield served


@pytest.fixture
def desk(site: Site, browser: Browser) -> Iterator[Desk]:
    with sitting(site, browser) as made:
        yield made
    forget(site)


def test_alerts_are_handled_by_keys_alone(desk: Desk, site: Site) -> None:
    for number in range(3):
        state(site, f"k{number}", before_s=number)
    page = room(desk, person(site))
    expect(row(page, "k2")).to_be_visible()
    page.keyboard.press("j")
    expect(row(page, "k0").locator(".mk-title")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(row(page, "k1").locator(".mk-by")).to_contain_text("seen by")
    expect(row(page, "k1").locator(".mk-title")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    panel = page.locator(".mk-panel")
    expect(panel).to_have_attribute("data-alert", "k0")
    # where one is opened, the next one is opened
    page.keyboard.press("j")
    expect(panel).to_have_attribute("data-alert", "k1")
    expect(panel.locator("h2").first).to_be_focused()
    # what closes it is in a form first, and Escape sends nothing
    page.keyboard.press("t")
    form = panel.locator('[data-form="resolve"]')
    expect(form.locator('[value="true"]')).to_be_checked()
    expect(form.locator('[type="submit"]')).to_be_focused()
    page.keyboard.press("f")
    expect(form.locator('[value="false"]')).to_be_checked()
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)
    assert stored(site, "k1").status == "acknowledged"
    page.keyboard.press("f")
    expect(form.locator('[type="submit"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(row(page, "k1").locator(".mk-by")).to_contain_text("false alarm")
    assert stored(site, "k1").outcome == "false"
    # and it can be taken back
    page.keyboard.press("u")
    expect(panel.locator('[data-form="reopen"] [type="submit"]')).to_be_focused()
    page.keyboard.press("Enter")
    wait_for(lambda: stored(site, "k1").status != "resolved", "the alert is open again")
    expect(panel.locator("form")).to_have_count(0)
    # from the list, too
    page.keyboard.press("Escape")
    expect(row(page, "k1").locator(".mk-title")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("t")
    expect(form.locator('[value="true"]')).to_be_checked()
    page.keyboard.press("Enter")
    expect(row(page, "k2").locator(".mk-by")).to_contain_text("true alarm")


def test_who_goes_down_a_list_by_keys_stays_where_they_are(desk: Desk, site: Site) -> None:
    for number in range(5):
        state(site, f"g{number}", before_s=number)
    page = room(desk, person(site))
    page.locator('[data-filter="new"]').click()
    expect(row(page, "g4")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("j")
    # what is acknowledged is among them no more
    page.keyboard.press("a")
    expect(row(page, "g2")).to_have_count(0)
    page.keyboard.press("j")
    expect(row(page, "g3").locator(".mk-title")).to_be_focused()
    page.keyboard.press("k")
    expect(row(page, "g1").locator(".mk-title")).to_be_focused()


def test_keys_are_letters_where_somebody_writes_and_are_explained(desk: Desk, site: Site) -> None:
    state(site, "w")
    page = room(desk, person(site))
    page.keyboard.press("/")
    search = page.locator('[name="search"]')
    expect(search).to_be_focused()
    page.keyboard.type("atfjk?m")
    expect(search).to_have_value("atfjk?m")
    assert page.locator("dialog[open], .mk-panel").count() == 0
    page.keyboard.press("Escape")
    expect(search).to_have_value("")
    page.keyboard.press("Escape")
    expect(row(page, "w").locator(".mk-title")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.press("Enter")
    expect(page.locator(".mk-panel")).to_be_visible()
    page.keyboard.press("?")
    help_ = page.locator(".mk-help")
    expect(help_).to_contain_text("close it as a true alarm")
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    expect(help_).not_to_be_visible()
    expect(page.locator(".mk-panel")).to_be_visible()
    assert stored(site, "w").status == "new"


def test_whoever_only_looks_has_no_keys_that_act(desk: Desk, site: Site) -> None:
    state(site, "v")
    page = room(desk, person(site, "plaza", role=Role.VIEWER))
    expect(row(page, "v")).to_be_visible()
    for key in "jatnx":
        page.keyboard.press(key)
    page.keyboard.press("?")
    expect(page.locator(".mk-help")).to_contain_text("open it")
    assert "acknowledge" not in page.locator(".mk-help").inner_text()
    assert page.locator(".mk-panel").count() == 0
    assert stored(site, "v").status == "new"


def test_what_is_searched_for_is_found_and_the_rest_is_not_forgotten(
    desk: Desk, site: Site
) -> None:
    for number in range(70):
        state(site, f"s{number}", before_s=100 + number, severity="low")
    state(site, "old", "road", before_s=9000, kind="crowd", place="50% of_it")
    page = room(desk, person(site))
    search = page.locator('[name="search"]')
    search.fill("50%")
    wait_for(lambda: shown(page) == ["old"], "what was not in the list before")
    # live ones that fit come, others are counted
    hidden = page.locator(".mk-hidden")
    expect(hidden).to_be_visible()
    (number,) = re.findall(r"\d+", hidden.inner_text())
    state(site, "fits", "gate", place="50% of it")
    state(site, "other", "gate")
    wait_for(lambda: shown(page) == ["fits", "old"], "the one that fits")
    expect(hidden).to_contain_text(f": {int(number) + 1}.")
    search.fill("")
    page.locator('[data-severity="high"]').click()
    wait_for(lambda: shown(page) == ["other", "fits", "old"], "those of high severity")
    page.locator(".mk-more").click()
    page.locator('[name="narrow-camera"]').select_option(label="Gate")
    wait_for(lambda: shown(page) == ["other", "fits"], "those of the gate")
    page.locator('[name="narrow-from"]').fill("2026-01-31T08:00")
    page.locator('[name="narrow-to"]').fill("2026-01-31T09:00")
    wait_for(lambda: shown(page) == [], "nothing of that day")
    expect(page.locator(".mk-more")).to_contain_text("(3)")
    # a page that is loaded anew goes on with it
    page.reload()
    expect(page.locator(".mk-more")).to_contain_text("(3)")
    wait_for(lambda: shown(page) == [], "nothing of that day")
    hidden.locator("button").click()
    wait_for(lambda: shown(page)[:3] == ["other", "fits", "s0"], "all of them")
    expect(hidden).to_have_count(0)


def test_an_address_opens_its_alert(desk: Desk, site: Site) -> None:
    state(site, "odd:1", before_s=1)
    state(site, "two")
    page = room(desk, person(site), at="#odd%3A1")
    panel = page.locator(".mk-panel")
    expect(panel).to_have_attribute("data-alert", "odd:1")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    wait_for(lambda: page.evaluate("location.hash") == "", "the address names none")
    row(page, "two").locator(".mk-title").click()
    expect(panel).to_have_attribute("data-alert", "two")
    wait_for(lambda: page.evaluate("location.hash") == "#two", "the address names it")
    # the way back closes it, as on a telephone
    page.go_back()
    expect(panel).to_have_count(0)
    page.evaluate("location.hash = 'two'")
    expect(panel).to_have_attribute("data-alert", "two")
    page.evaluate("location.hash = 'none'")
    expect(page.get_by_text("There is no such alert.")).to_be_visible()


def test_alerts_are_heard_and_critical_ones_until_they_are_acknowledged(
    desk: Desk, site: Site
) -> None:
    page = room(desk, person(site), RINGS)
    sound = page.locator(".mk-sound")
    expect(sound).to_have_attribute("data-sound", "on")
    assert page.evaluate("rings") == []
    state(site, "h")
    wait_for(lambda: HIGH in page.evaluate("rings"), "a tone for a high one")
    assert SIREN not in page.evaluate("rings")
    state(site, "c", severity="critical")
    wait_for(lambda: page.evaluate("rings").count(SIREN) > 3, "the siren, again and again")
    row(page, "c").locator(".mk-when button").click()
    expect(row(page, "c").locator(".mk-by")).to_contain_text("seen by")
    before = page.evaluate("rings.length")
    state(site, "c2", severity="critical")
    wait_for(lambda: page.evaluate("rings.length") > before, "the siren for another one")
    page.keyboard.press("m")
    expect(sound).to_have_attribute("data-sound", "muted")
    expect(sound).to_contain_text("Muted")
    before = page.evaluate("rings.length")
    state(site, "c3", severity="critical")
    expect(row(page, "c3")).to_be_visible()
    assert page.evaluate("rings.length") == before
    # this browser remembers it
    page.reload()
    expect(sound).to_have_attribute("data-sound", "muted")
    assert page.evaluate("rings") == []


def test_a_browser_that_is_silent_until_a_click_says_so(desk: Desk, site: Site) -> None:
    state(site, "b", severity="critical")
    page = room(desk, person(site), "window.silent = true;", RINGS)
    sound = page.locator(".mk-sound")
    expect(sound).to_have_attribute("data-sound", "blocked")
    expect(sound).to_contain_text("No sound yet")
    assert page.evaluate("rings") == []
    before = row(page, "b").bounding_box()
    sound.click()
    expect(sound).to_have_attribute("data-sound", "on")
    # a first click anywhere begins the sound, and is to meet what it was meant for
    assert row(page, "b").bounding_box() == before
    wait_for(lambda: SIREN in page.evaluate("rings"), "the siren of what was there")


def test_the_desktop_is_told_while_nobody_looks(desk: Desk, site: Site) -> None:
    page = room(desk, person(site, "plaza"), NOTICES)
    button = page.locator(".mk-desktop")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    state(site, "looked")
    expect(row(page, "looked")).to_be_visible()
    page.evaluate("window.away = true")
    # of others nobody hears here
    state(site, "foreign", "road")
    state(site, "told", place="<b>lawn</b>")
    wait_for(lambda: page.evaluate("notices.length") == 1, "a notice")
    said = page.evaluate("[notices[0].title, notices[0].body]")
    assert said[0] == "high severity: Intrusion"
    assert "<b>lawn</b>" in said[1]
    for number in range(6):
        state(site, f"many{number}")
    expect(row(page, "many5")).to_be_visible()
    # many at once are told together
    wait_for(lambda: page.evaluate("notices.at(-1).title").endswith("more alerts"), "the others")
    page.evaluate("notices[0].onclick()")
    expect(page.locator(".mk-panel")).to_have_attribute("data-alert", "told")
    site.store.cases.acknowledge(["told"], TESTER, only=None)
    expect(row(page, "told").locator(".mk-by")).to_be_visible()
    button.click()
    before = page.evaluate("notices.length")
    state(site, "untold")
    expect(row(page, "untold")).to_be_visible()
    assert page.evaluate("notices.length") == before


def test_an_opened_alert_shows_its_camera_and_those_beside_it(desk: Desk, site: Site) -> None:
    state(site, "near", "gate")
    page = desk.window(user=person(site))
    fake = FakePictures(page)
    desk.go(page, "/room/#near")
    near = page.locator(".mk-near .mk-tile")
    expect(near).to_have_count(2)
    cameras = near.evaluate_all("all => all.map(e => e.dataset.camera)")
    assert cameras == ["gate", "plaza"]
    expect(near.first.locator("img")).to_be_visible()
    wait_for(lambda: {"gate", "plaza"} <= {*fake.wanted()}, "their pictures are asked for")


def test_colours_change_at_once_everywhere_and_keep_what_is_written(desk: Desk, site: Site) -> None:
    state(site, "coloured")
    page = room(desk, person(site), at="#coloured", color_scheme="light")
    page.locator('[data-act="resolve"]').click()
    page.locator(".mk-panel textarea").fill("half a sentence")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    with page.expect_response("**/theme"):
        page.locator('.mk-theme [value="light"]').click()
    expect(page.locator('.mk-theme [value="light"]')).to_have_attribute("aria-pressed", "true")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    expect(page.locator(".mk-panel textarea")).to_have_value("half a sentence")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light
    desk.go(page, "/silences")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light
    page.locator('.theme [value="system"]').click()
    page.wait_for_load_state()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_a_telephone_shows_alerts_first_and_one_alert_alone(desk: Desk, site: Site) -> None:
    state(site, "p", place="W" * 120)
    page = room(desk, person(site), size=PHONE)

    def wide() -> bool:
        return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    expect(row(page, "p")).to_be_visible()
    first, tile = row(page, "p").bounding_box(), page.locator(".mk-tile").first.bounding_box()
    assert first is not None
    assert tile is not None
    assert first["y"] < PHONE["height"] < tile["y"] or first["y"] < tile["y"]
    assert not wide()
    leave = page.locator(".mk-leave button")
    expect(leave).not_to_be_visible()
    page.get_by_role("button", name="Menu").click()
    expect(leave).to_be_visible()
    page.keyboard.press("Escape")
    expect(leave).not_to_be_visible()
    row(page, "p").locator(".mk-title").click()
    panel = page.locator(".mk-panel")
    expect(panel).to_be_visible()
    box = panel.bounding_box()
    assert box is not None
    assert (box["x"], box["y"], box["width"]) == (0, 0, PHONE["width"])
    assert not wide()


def test_a_wall_is_read_from_further_away(desk: Desk, site: Site) -> None:
    state(site, "far")
    page = room(desk, person(site), size=WIDE)
    size = (
        row(page, "far")
        .locator(".mk-title")
        .evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    )
    assert size >= 20
