"""The operations room's page in real Chromium, over the whole real system."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect

from streams.commands import LEASE_S
from streams.simulator import Fault, FaultKind
from tests.browser.conftest import ENGLISH, HOSTILE, City
from tests.faults.viewers import pictures_made
from tests.waiting import wait_for

PATIENCE_MS = 100_000
CAMERAS = ("lane", "road", "square")


def tile(page: Page, camera: str) -> Any:
    return page.locator(f'.mk-tile[data-camera="{camera}"]')


def source(page: Page, camera: str) -> str:
    """Names the picture that is shown; empty for none, also while the page is loaded anew."""
    with suppress(Error):
        return str(tile(page, camera).locator("img").get_attribute("src", timeout=5000) or "")
    return ""


def passed(page: Page, camera: str) -> int:
    """All that the page says was counted at a camera."""
    numbers = tile(page, camera).locator(".mk-number").all_inner_texts()
    return sum(map(int, numbers))


def shown(page: Page) -> set[str]:
    """The alerts in the list; none while the page is being loaded anew."""
    with suppress(Error):
        script = "all => all.map(one => one.dataset.alert)"
        return set(page.eval_on_selector_all(".mk-alert", script))
    return set()


def test_pictures_move_and_counts_rise(room: Page) -> None:
    for camera in CAMERAS:
        expect(tile(room, camera)).to_have_class("mk-tile mk-live", timeout=PATIENCE_MS)
        first = wait_for(lambda c=camera: source(room, c), f"a picture of {camera}")
        wait_for(lambda c=camera, s=first: source(room, c) != s, f"a newer picture of {camera}")
        size = tile(room, camera).locator("img").evaluate("i => [i.naturalWidth, i.naturalHeight]")
        assert min(size) > 100
    for camera in CAMERAS:
        before = passed(room, camera)
        wait_for(lambda c=camera, b=before: passed(room, c) > b, f"{camera} counts")


def test_the_wall_shows_them_too(inside: BrowserContext, city: City) -> None:
    page = inside.new_page()
    page.goto(f"{city.living.address}/room/wall?n=4")
    for camera in CAMERAS:
        first = wait_for(lambda c=camera: source(page, c), f"a picture of {camera}")
        wait_for(lambda c=camera, s=first: source(page, c) != s, f"a newer picture of {camera}")
    # a scene that many pass soon has an alert, which leads to it
    front = page.locator(".mk-cell").first.locator(".mk-alarmed")
    expect(front).to_have_attribute("href", re.compile("^/room/#."), timeout=PATIENCE_MS)


def test_alerts_arrive_without_a_reload(room: Page, city: City) -> None:
    room.evaluate("window.same = true")
    before = shown(room)
    fresh = wait_for(lambda: shown(room) - before, "a new alert in the list")
    assert room.evaluate("window.same") is True
    assert fresh <= {alert["id"] for alert in city.living.alerts()}
    top = room.locator(".mk-alert").first
    expect(top.locator(".mk-what p")).not_to_be_empty()
    expect(top.locator("time")).not_to_be_empty()


def test_two_windows_see_the_same_acknowledgement(
    room: Page, inside: BrowserContext, city: City
) -> None:
    other = inside.new_page()
    other.goto(f"{city.living.address}/room/")
    button = room.locator(".mk-alert button").first
    expect(button).to_be_visible(timeout=PATIENCE_MS)
    alert = str(room.locator(".mk-alert:has(button)").first.get_attribute("data-alert"))
    room.locator(f'.mk-alert[data-alert="{alert}"] button').click()
    for page in (room, other):
        by = page.locator(f'.mk-alert[data-alert="{alert}"] .mk-by')
        expect(by).to_have_text("seen by administrator", timeout=PATIENCE_MS)
    assert city.living.get(f"/api/v1/alerts/{alert}")["acknowledged_by"] == "administrator"


def test_an_old_picture_says_so_in_large_letters(room: Page, city: City) -> None:
    expect(tile(room, "square")).to_have_class("mk-tile mk-live", timeout=PATIENCE_MS)
    wait_for(lambda: source(room, "square"), "a picture")
    city.simulator.fault("square", Fault(FaultKind.STALL))
    try:
        old = tile(room, "square").locator(".mk-age strong")
        expect(old).to_contain_text("old", timeout=PATIENCE_MS)
        size = old.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
        assert size >= 24
        # the others go on
        before = source(room, "lane")
        wait_for(lambda: source(room, "lane") != before, "the other camera's pictures go on")
    finally:
        city.simulator.fault("square", None)
    expect(tile(room, "square")).to_have_class("mk-tile mk-live", timeout=PATIENCE_MS)


def test_the_page_survives_a_restart_of_the_api_and_misses_nothing(room: Page, city: City) -> None:
    wait_for(lambda: source(room, "lane"), "a picture")
    before = shown(room)
    assert city.living.kill("API")

    def cut() -> bool:
        # it starts again so fast that the page would have nothing to say
        city.living.kill("API")
        return bool(room.locator(".mk-cut").is_visible())

    wait_for(cut, "the page says that the server is gone")
    wait_for(city.living.ready, "the API is back")
    expect(room.locator(".mk-cut")).to_have_count(0, timeout=PATIENCE_MS)
    wait_for(lambda: source(room, "lane"), "pictures again")
    wait_for(lambda: shown(room) - before, "alerts since then")

    def complete() -> bool:
        stored = city.living.get("/api/v1/alerts", limit=50)["alerts"]
        return {alert["id"] for alert in stored} <= shown(room)

    wait_for(complete, "the newest alerts of the store are all in the page")


@pytest.mark.long
def test_nothing_is_encoded_for_nobody(room: Page, city: City) -> None:
    wait_for(lambda: source(room, "lane"), "a picture")
    room.close()
    time.sleep(LEASE_S + 3)
    # those of the last moment are reported a moment later
    made = pictures_made(city.living)
    assert made > 0
    time.sleep(5)
    assert pictures_made(city.living) == made


def test_hostile_names_are_only_text(room: Page) -> None:
    dialogs: list[str] = []
    room.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    expect(tile(room, "lane").locator("h2")).to_have_text(HOSTILE, timeout=PATIENCE_MS)
    assert room.evaluate("window.hit") is None
    assert dialogs == []


def test_it_speaks_to_its_own_server_alone_and_without_errors(
    inside: BrowserContext, city: City
) -> None:
    page = inside.new_page()
    asked: list[str] = []
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            said.append(message.text)

    page.on("request", lambda request: asked.append(request.url))
    page.on("console", note)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{city.living.address}/room/")
    wait_for(lambda: source(page, "lane"), "a picture")
    foreign = [url for url in asked if not url.startswith((city.living.address, "blob:", "data:"))]
    assert foreign == []
    assert said == []


@pytest.mark.parametrize("path", ["/room/", "/docs", "/openapi.json"])
def test_without_a_session_nothing_opens(context: BrowserContext, city: City, path: str) -> None:
    page = context.new_page()
    page.goto(f"{city.living.address}{path}")
    assert page.url == f"{city.living.address}/login?next={path}"
    expect(page.locator("h1")).to_have_text("Sign in")
    # whatever is no window of a person's is refused
    assert context.request.get(f"{city.living.address}{path}").status == 401


def test_a_link_works_once(context: BrowserContext, browser: Browser, city: City) -> None:
    link = city.link()
    page = context.new_page()
    page.goto(link)
    page.wait_for_selector(".mk-wall")
    other = browser.new_context(locale=ENGLISH)
    answer = other.new_page().goto(link)
    assert answer is not None
    assert answer.status == 401
    other.close()


def test_leaving_ends_the_session(context: BrowserContext, city: City) -> None:
    room = context.new_page()
    room.goto(city.link())
    room.get_by_role("button", name="Leave").click()
    room.wait_for_url("**/login")
    room.goto(f"{city.living.address}/room/")
    assert room.url == f"{city.living.address}/login?next=/room/"
