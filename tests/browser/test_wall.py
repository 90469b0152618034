"""The wall in real Chromium: how it is arranged, what comes to the front, and what is old."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from api.access import Role
from api.store import Actor
from tests.api.served import TESTER, add_user, alert, report
from tests.browser.desk import Desk
from tests.browser.fakepictures import FakePictures
from tests.browser.sites import Site, serving
from tests.waiting import wait_for

CAMERAS = [f"k{n}" for n in range(1, 21)]
PATIENCE_MS = 60_000
WIDE = {"width": 3840, "height": 2160}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("wall")) as served:
        served.store.cameras.save(report(time.time(), *CAMERAS))
        yield served


@pytest.fixture(scope="module")
def person(site: Site) -> int:
    return add_user(site.store, "room1", Role.OPERATOR, cameras=CAMERAS)


@pytest.fixture
def desk(site: Site, browser: Browser) -> Iterator[Desk]:
    made = Desk(site, browser)
    yield made
    made.close()
    # what one test left open is in front of no other
    left = [each.id for each in site.store.alerts.find(only=None, limit=500).alerts]
    for name in left:
        found = site.store.alerts.get(name, only=None)
        if found is not None and found.status != "resolved":
            site.store.cases.resolve(name, "true", "", TESTER, edit=found.edit, only=None)


def opened(desk: Desk, user: int, query: str = "", **more: Any) -> tuple[Page, FakePictures]:
    page = desk.window(user=user, **more)
    fake = FakePictures(page)
    desk.go(page, f"/room/wall{query}")
    page.wait_for_selector(".mk-grid")
    return page, fake


def shown(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all(".mk-cell", "all => all.map(e => e.dataset.cell)")
    return found


def asked(page: Page) -> dict[str, list[str]]:
    """What the page's address says of how it is arranged."""
    return parse_qs(urlparse(page.url).query)


def raise_alert(site: Site, name: str, camera: str, **more: Any) -> None:
    now = time.time()
    values: dict[str, Any] = {"start_ts": now, "raised_ts": now}
    site.store.record([alert(name, camera=camera, **(values | more))])


def test_it_is_arranged_by_keys_and_its_address_keeps_that(desk: Desk, person: int) -> None:
    page, fake = opened(desk, person, "?n=4")
    assert shown(page) == CAMERAS[:4]
    wait_for(lambda: fake.wanted() == CAMERAS[:4], "pictures of those alone are asked for")
    for key, count in (("9", 9), ("6", 16), ("1", 1), ("4", 4)):
        page.keyboard.press(key)
        expect(page.locator(".mk-cell")).to_have_count(count)
    page.keyboard.press("ArrowRight")
    wait_for(lambda: shown(page) == CAMERAS[4:8], "the next page")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    wait_for(lambda: shown(page) == CAMERAS[16:], "the last page is before the first one")
    wait_for(lambda: asked(page) == {"n": ["4"], "page": ["5"]}, "the address says so")
    page.reload()
    page.wait_for_selector(".mk-grid")
    assert shown(page) == CAMERAS[16:]
    wait_for(lambda: fake.wanted() == CAMERAS[16:], "their pictures")
    # in the language form too, which leads back to the same
    back = page.locator(".mk-language input[name='back']")
    wait_for(lambda: back.input_value() == "/room/wall?n=4&page=5", "the way back")


def test_one_camera_is_shown_alone_by_the_keyboard(desk: Desk, person: int) -> None:
    page, _ = opened(desk, person, "?n=4")
    page.locator('[data-cell="k3"] .mk-enlarge').focus()
    page.keyboard.press("Enter")
    wait_for(lambda: shown(page) == ["k3"], "it is alone")
    assert asked(page)["alone"] == ["k3"]
    page.keyboard.press("Escape")
    wait_for(lambda: shown(page) == CAMERAS[:4], "all of them again")
    page.keyboard.press("f")
    expect(page.locator(".mk-bar")).to_be_hidden()
    expect(page.locator(".mk-tools")).to_have_count(0)
    assert "bare" in asked(page)
    page.keyboard.press("f")
    expect(page.locator(".mk-bar")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("dialog[open] dt")).to_have_count(7)
    page.keyboard.press("9")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert shown(page) == CAMERAS[:4]


def test_cameras_with_an_open_alert_come_to_the_front(desk: Desk, site: Site, person: int) -> None:
    raise_alert(site, "before", "k9", severity="medium")
    page, _ = opened(desk, person, "?n=4")
    assert shown(page) == ["k9", "k1", "k2", "k3"]
    page.evaluate("window.same = true")
    raise_alert(site, "worse", "k15", severity="critical", kind="loitering", place="bench")
    wait_for(lambda: shown(page) == ["k15", "k9", "k1", "k2"], "the worst is first")
    raise_alert(site, "same", "k15", severity="low")
    cell = page.locator('[data-cell="k15"]')
    expect(cell.locator(".mk-rest")).to_have_text("1 more")
    # by colour and by shape, what and since when
    assert "mk-critical" in (cell.get_attribute("class") or "")
    expect(cell.locator(".mk-shape")).to_have_text("■")
    expect(page.locator('[data-cell="k9"] .mk-shape')).to_have_text("◆")
    expect(cell.locator(".mk-line")).to_have_text("Loitering · bench")
    expect(cell.locator(".mk-since")).to_contain_text("since ")
    # somebody saw to it
    site.store.cases.resolve("worse", "true", "", TESTER, edit=0, only=None)
    site.store.cases.acknowledge(["same"], Actor("command", "somebody"), only=None)
    wait_for(lambda: "mk-low" in (cell.get_attribute("class") or ""), "what is left of it")
    wait_for(lambda: shown(page) == ["k9", "k15", "k1", "k2"], "its place now")
    site.store.cases.resolve("same", "true", "", TESTER, edit=1, only=None)
    wait_for(lambda: shown(page) == ["k9", "k1", "k2", "k3"], "nothing is left there")
    assert page.evaluate("window.same") is True
    page.locator('[data-cell="k9"] .mk-alarmed').click()
    page.wait_for_url("**/room/#before")


def test_an_alert_elsewhere_is_said(desk: Desk, site: Site, person: int) -> None:
    page, _ = opened(desk, person, "?n=4&camera=k1&camera=k2&camera=nowhere")
    assert shown(page) == ["k1", "k2"]
    expect(page.locator(".mk-absent")).to_contain_text("1 of the chosen cameras")
    raise_alert(site, "far", "k20", severity="high")
    strip = page.locator(".mk-elsewhere")
    expect(strip).to_contain_text("Not on this screen: Intrusion, K20", timeout=PATIENCE_MS)
    expect(strip.locator(".mk-shape")).to_have_text("▲")
    assert shown(page) == ["k1", "k2"]
    assert (strip.locator("a").get_attribute("href") or "").endswith("/room/#far")


def test_cameras_are_chosen_and_found(desk: Desk, person: int) -> None:
    page, _ = opened(desk, person)
    page.locator(".mk-choose").click()
    page.locator("dialog .mk-group button").nth(1).click()
    page.locator("dialog input[type=search]").fill("k1")
    boxes = page.locator("dialog li label")
    expect(boxes).to_have_count(11)
    boxes.filter(has_text="K12").click()
    boxes.filter(has_text="K17").click()
    page.keyboard.press("Escape")
    assert shown(page) == ["k12", "k17"]
    wait_for(lambda: asked(page).get("camera") == ["k12", "k17"], "the address names them")


def test_a_tour_goes_on_by_itself_and_an_alert_stops_it(
    desk: Desk, site: Site, person: int
) -> None:
    page, fake = opened(desk, person, "?n=4&tour=5")
    assert shown(page) == CAMERAS[:4]
    wait_for(lambda: set(CAMERAS[:8]) <= set(fake.wanted()), "the next page is asked for before")
    wait_for(lambda: shown(page) == CAMERAS[4:8], "the next page")
    raise_alert(site, "stop", "k20", severity="high")
    wait_for(lambda: shown(page) == ["k20", *CAMERAS[:3]], "the page with the alert")
    hint = page.locator(".mk-tour .mk-hint")
    expect(hint).to_contain_text("stopped by an alert")
    # until somebody wants it to go on, and while nobody does anything
    page.keyboard.press(" ")
    expect(hint).to_have_count(0)
    page.keyboard.press(" ")
    expect(hint).to_contain_text("next in")
    # so does one of the same camera that is less urgent
    raise_alert(site, "less", "k20", severity="low")
    expect(hint).to_contain_text("stopped by an alert")
    for _ in range(2):
        page.keyboard.press(" ")
    expect(hint).to_contain_text("next in")
    page.mouse.move(400, 400)
    expect(hint).to_have_text("waits for you")


def test_what_is_old_says_so_in_large_letters(desk: Desk, person: int) -> None:
    page = desk.window(user=person)
    down = {"state": "down", "code": "stalled", "age": 125.0}
    fake = FakePictures(page, ages={"k2": 75.0, "k3": None}, states={"k3": down})
    desk.go(page, "/room/wall?n=4")
    live, old, dead = (page.locator(f'.mk-tile[data-camera="{k}"]') for k in ("k1", "k2", "k3"))
    expect(old.locator(".mk-age strong")).to_contain_text("s old")
    expect(dead.locator(".mk-age strong")).to_have_text("no picture for 2 min")
    assert "mk-old" in (old.get_attribute("class") or "")
    assert "mk-old" in (dead.get_attribute("class") or "")
    large = "e => parseFloat(getComputedStyle(e).fontSize) / e.closest('.mk-cell').clientHeight"
    assert old.locator("strong").evaluate(large) > 0.1
    dim = old.locator("img").evaluate("e => getComputedStyle(e).filter")
    assert "grayscale" in dim
    fake.show("k2")
    expect(old.locator(".mk-age")).to_have_count(0)
    # none comes any more, whatever the server says or not
    fake.cut()
    expect(live.locator(".mk-age strong")).to_contain_text("s old", timeout=PATIENCE_MS)
    expect(page.locator(".mk-cut")).to_be_visible()
    fake.gone = False
    expect(page.locator(".mk-cut")).to_have_count(0, timeout=PATIENCE_MS)
    expect(live.locator(".mk-age")).to_have_count(0)


def test_it_shows_own_cameras_as_long_as_they_are(desk: Desk, site: Site) -> None:
    store = site.store
    user = add_user(store, "viewer", Role.VIEWER, cameras=["k1", "k2"])
    raise_alert(site, "own", "k2", severity="high")
    raise_alert(site, "foreign", "k3", severity="critical")
    page, _ = opened(desk, user, "?n=4&alone=k3")
    assert shown(page) == ["k2", "k1"]
    (group,) = [each for each in store.groups.all() if each.name == "of viewer"]
    store.groups.change(group.id, group.name, ["k2", "k3"], TESTER)
    # what was to be shown alone is theirs now, with its alert
    wait_for(lambda: shown(page) == ["k3"], "the new camera")
    expect(page.locator('[data-cell="k3"].mk-critical')).to_have_count(1, timeout=PATIENCE_MS)
    page.keyboard.press("Escape")
    wait_for(lambda: shown(page) == ["k3", "k2"], "theirs")
    store.groups.change(group.id, group.name, [], TESTER)
    expect(page.locator(".mk-cell")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.locator(".mk-elsewhere")).to_have_count(0)
    analyst = add_user(store, "analyst", Role.ANALYST, cameras=["k1"])
    other = desk.window(user=analyst)
    answer = other.goto(f"{site.address}/room/wall")
    assert answer is not None
    assert answer.status == 403
    assert other.locator(".mk-cell").count() == 0


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["4K", "phone"])
@pytest.mark.parametrize("layout", [1, 4, 16])
def test_it_fills_a_screen_of_any_size(
    desk: Desk, site: Site, person: int, size: dict[str, int], layout: int
) -> None:
    raise_alert(site, f"{layout}-{size['width']}", "k5", severity="critical", place="W" * 120)
    page, _ = opened(desk, person, f"?n={layout}")
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    expect(page.locator(".mk-cell")).to_have_count(layout)
    wide, high = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert wide <= size["width"]
    boxes = [each.bounding_box() for each in page.locator(".mk-cell").all()]
    for box in boxes:
        assert box is not None
        assert box["width"] >= size["width"] / 5
        assert box["x"] + box["width"] <= size["width"]
    if size is WIDE:
        assert high <= size["height"]
        covered = sum(box["width"] * box["height"] for box in boxes if box is not None)
        assert covered > 0.85 * size["width"] * size["height"]
