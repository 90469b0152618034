"""Makes docs/images/cameras.jpg and editor.jpg anew: the list of cameras, and one on which a mouse
draws a zone, over `matakota demo`, in Chromium.

Run by `make images`.
"""

from __future__ import annotations

from urllib.parse import urljoin

from playwright.sync_api import ViewportSize

from docs.images.room import demo, keep

SIZE: ViewportSize = {"width": 1366, "height": 768}
CAMERA = "plaza"
ZONE = ((0.40, 0.36), (0.70, 0.38), (0.78, 0.66), (0.36, 0.62))
"""Its corners, in parts of the picture."""
CHECKED_MS = 2000


def main() -> None:
    with demo() as (browser, link):
        page = browser.new_page(viewport=SIZE, locale="id-ID")
        page.goto(link)
        page.wait_for_selector(".mk-tile.mk-live")
        page.goto(urljoin(link, "/room/cameras"))
        page.wait_for_selector(f'tr[data-camera="{CAMERA}"] .mk-dot-live')
        keep(page, "cameras.jpg")
        page.goto(urljoin(link, f"/room/cameras/{CAMERA}"))
        page.wait_for_selector(".mk-canvas image")
        box = page.locator(".mk-canvas").bounding_box()
        if box is None:
            raise SystemExit("the picture of the editor is not to be seen: see its page")
        page.keyboard.press("z")
        for x, y in (*ZONE, ZONE[0]):
            page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(CHECKED_MS)
        keep(page, "editor.jpg")


if __name__ == "__main__":
    main()
