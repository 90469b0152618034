"""Makes docs/images/room.jpg and wall.jpg anew: the operations room's page and the wall over
`matakota demo`, in Chromium.

Run by `make images`.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

TARGET = Path(__file__).with_name("room.jpg")
WALL = Path(__file__).with_name("wall.jpg")
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
LINK = re.compile(r"http://\S+/enter\?link=\S+")
SIZE = {"width": 1600, "height": 640}
SHOWN_AFTER_S = 75
"""By then every line was passed, and several alerts have arrived."""


@contextmanager
def demo() -> Iterator[tuple[Browser, str]]:
    """A browser, and the link by which one comes into a demo that runs."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("Chromium is missing: install it, such as 'apt-get install chromium'")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "api", "demo", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = process.stdout or ()
        link = next((found[0] for line in lines if (found := LINK.search(line))), None)
        if link is None:
            sys.exit("the demo printed no link: see its messages")
        with sync_playwright() as playwright:
            started = playwright.chromium.launch(
                executable_path=browser, args=["--no-sandbox", "--disable-background-networking"]
            )
            yield started, link
            started.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def main() -> None:
    with demo() as (browser, link):
        page = browser.new_page(viewport=SIZE, locale="en-GB")
        page.goto(link)
        page.wait_for_selector(".mk-tile.mk-live")
        time.sleep(SHOWN_AFTER_S)
        page.screenshot(path=TARGET, type="jpeg", quality=88)
        page.goto(f"{page.url.partition('/room/')[0]}/room/wall?n=4&tour=15")
        page.wait_for_selector(".mk-alarming .mk-live img:not([style*='none'])")
        page.screenshot(path=WALL, type="jpeg", quality=88)
    print(f"{TARGET} and {WALL} show the pages after {SHOWN_AFTER_S} s")


if __name__ == "__main__":
    main()
