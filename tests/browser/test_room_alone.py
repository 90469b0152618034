"""The operations room's page in real Chromium over a store alone, without cameras: lists, slowness,
and the end of a session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from api.store import Actor
from streams.config import SYNTHETIC, CameraConfig, City
from tests.api.served import TESTER, alert
from tests.browser.sites import Site, serving
from tests.waiting import wait_for

PATIENCE_MS = 60_000
SLOW_S = 4.0
LATE_S = 33.0
"""Later than any limit of our own once was, earlier than NiceGUI forgets a page."""
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(serving(tmp_path, *arguments))


def shown(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        ".mk-alert", "all => all.map(e => e.dataset.alert)"
    )
    return found


def test_older_alerts_come_without_a_gap(
    context: BrowserContext, start: Callable[..., Site]
) -> None:
    """An old alert that changes is shown, and those between it and the list still come."""
    site, now = start(), time.time()
    ids = [f"a{i:03}" for i in range(200)]
    site.store.record([alert(name, start_ts=now - 60 * i) for i, name in enumerate(ids)])
    # what nobody took note of would all be there
    for some in (ids[:100], ids[100:]):
        site.store.cases.acknowledge(some, Actor("command", "somebody"), only=None)
    page = site.enter(context)
    wait_for(lambda: len(shown(page)) == 60, "the newest alerts")
    site.store.record([alert("a150", 2, start_ts=now - 60 * 150, severity="low")])
    wait_for(lambda: "a150" in shown(page), "the alert that changed")
    for number in (120, 180, 200):
        page.locator(".mk-older").click()
        wait_for(lambda n=number: set(ids[:n]) <= set(shown(page)), f"the newest {number}")
    assert shown(page) == ids
    expect(page.locator(".mk-older")).to_have_count(0)


def test_each_day_of_alerts_is_named(context: BrowserContext, start: Callable[..., Site]) -> None:
    site = start()
    # 2026-01-31T07:00 and 2026-01-30T23:00 WITA
    site.store.record([
        alert("today", start_ts=1_769_814_000.0),
        alert("yesterday", start_ts=1_769_785_200.0),
        alert("too", start_ts=1_769_785_100.0),
    ])  # fmt: skip
    page = site.enter(context)
    expect(page.locator(".mk-day")).to_have_text(["2026-01-31", "2026-01-30"])
    expect(page.locator("ol > li").nth(2)).to_have_text("2026-01-30")


@pytest.mark.long
def test_a_session_that_is_over_is_said_and_shows_nothing_more(
    context: BrowserContext, start: Callable[..., Site]
) -> None:
    site = start()
    site.store.record([alert("secret")])
    page = site.enter(context)
    expect(page.locator(".mk-alert")).to_have_count(1)
    (session,) = [key for key in site.store.keys.all() if key.kind == "session"]
    site.store.keys.end(session.id, TESTER)
    page.wait_for_url("**/login?next=/room/", timeout=PATIENCE_MS)
    expect(page.locator("h1")).to_have_text("Sign in", timeout=PATIENCE_MS)
    assert page.locator(".mk-alert").count() == 0


def test_a_slow_store_gives_a_slow_page(
    context: BrowserContext, start: Callable[..., Site]
) -> None:
    """Not an error that stays."""
    site = start(str(SLOW_S))
    site.enter(context)


@pytest.mark.long
def test_a_slow_browser_gets_what_comes_later(
    context: BrowserContext, start: Callable[..., Site]
) -> None:
    site = start()
    site.enter(context).close()
    page = context.new_page()

    def hold(route: Route) -> None:
        time.sleep(LATE_S)
        route.continue_()

    page.route("**/nicegui.js", hold)
    page.goto(f"{site.address}/room/", timeout=10 * PATIENCE_MS)
    page.wait_for_selector(".mk-wall", timeout=PATIENCE_MS)
    site.store.record([alert("later", start_ts=time.time())])
    expect(page.locator('.mk-alert[data-alert="later"]')).to_have_count(1, timeout=PATIENCE_MS)


def test_long_names_hide_no_number_and_fit_a_phone(
    context: BrowserContext, start: Callable[..., Site]
) -> None:
    site, long = start(), "W" * 60
    line = {"name": long, "points": [[1, 1], [9, 9]], "forward": long, "backward": "م" * 60}
    camera = CameraConfig(
        id="c", name="A" * 120, source=SYNTHETIC, login=None, model="motion", fps=5.0, worker=None,
        scene={"frame_size": [640, 360], "lines": [line]},
    )  # fmt: skip
    networks = (ip_network("127.0.0.0/8"),)
    site.store.configuration.apply(City("N" * 120, networks, None, (camera,)), TESTER)
    page = site.enter(context)
    for size in (None, PHONE):
        if size is not None:
            page.set_viewport_size({"width": size["width"], "height": size["height"]})
        width = page.evaluate("innerWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        tile = page.locator(".mk-tile").bounding_box()
        last = ".mk-leave button" if size is None else ".mk-menu-button button"
        bar = [page.locator(name).bounding_box() for name in (".mk-clock", last)]
        numbers = [each.bounding_box() for each in page.locator(".mk-number").all()]
        assert tile is not None
        assert len(numbers) == 2
        for box, right in [
            *((box, tile["x"] + tile["width"]) for box in numbers),
            *((box, width) for box in bar),
        ]:
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= right
