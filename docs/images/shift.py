"""Makes docs/images/alert.jpg, map.jpg, handover.jpg, silences.jpg, precision.jpg and delivery.jpg
anew: what staff do in a shift over `matakota demo`, in Chromium, by keys.

Run by `make images`.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from urllib.parse import urlencode, urljoin

from playwright.sync_api import Page, ViewportSize, expect

from api.times import WITA
from docs.images.room import SHOWN_AFTER_S, demo, keep

SIZE: ViewportSize = {"width": 1366, "height": 768}
JUDGED = "ttftaft"
"""What each alert is closed as by a key, from the newest on: true, false; or only acknowledged."""
CLIP_MS = 30_000


def handle(page: Page) -> None:
    """One alert after the other, as somebody does who has the keyboard alone."""
    for key in JUDGED:
        page.keyboard.press("j")
        page.keyboard.press(key)
        row = page.locator(".mk-opened")
        if key == "a":
            expect(row).not_to_have_attribute("data-status", "new")
        else:
            expect(page.locator(".mk-form")).to_have_count(1)
            page.keyboard.press("Enter")
            expect(row).to_have_attribute("data-status", "resolved")


def silence(page: Page) -> None:
    page.get_by_label("Side street").check()
    page.fill("#reason", "Roadworks until noon")
    page.locator("input[name=length]").first.check()
    page.click("main form button.main")
    page.wait_for_selector(".done")


def main() -> None:
    with demo() as (browser, link):
        page = browser.new_page(viewport=SIZE, locale="en-GB")
        page.goto(link)
        page.wait_for_selector(".mk-tile.mk-live")
        time.sleep(SHOWN_AFTER_S)
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector(".mk-evidence img", timeout=CLIP_MS)
        page.keyboard.press("t")
        page.wait_for_timeout(1000)
        keep(page, "alert.jpg")
        page.keyboard.press("Enter")
        handle(page)
        now = datetime.now(WITA)
        span = {"from": now - timedelta(hours=2), "to": now + timedelta(hours=1)}
        asked = urlencode({name: f"{at:%Y-%m-%dT%H:00}" for name, at in span.items()})
        keep(open_page(page, link, f"/handover?{asked}"), "handover.jpg", whole=True)
        keep(open_page(page, link, "/precision"), "precision.jpg", whole=True)
        silence(open_page(page, link, "/silences"))
        keep(page, "silences.jpg")
        keep(open_page(page, link, "/delivery"), "delivery.jpg", whole=True)
        keep(open_page(page, link, "/map"), "map.jpg", whole=True)


def open_page(page: Page, link: str, path: str) -> Page:
    page.goto(urljoin(link, path))
    return page


if __name__ == "__main__":
    main()
