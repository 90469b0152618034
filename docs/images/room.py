"""Makes docs/images/room.jpg, phone.jpg and wall.jpg anew: the page of alerts, on a telephone as
well, and the wall over `matakota demo`, in Chromium.

Run by `make images`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

FOLDER = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
LINK = re.compile(r"http://\S+/enter\?link=\S+")
SIZE: ViewportSize = {"width": 1600, "height": 640}
PHONE: ViewportSize = {"width": 390, "height": 780}
SHOWN_AFTER_S = 75
"""By then every line was passed, and several alerts have arrived."""


@contextmanager
def demo(folder: Path | None = None) -> Iterator[tuple[Browser, str]]:
    """A browser, and the link by which one comes into a demo that runs, with all that it keeps in a
    folder within ``folder``."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("Chromium is missing: install it, such as 'apt-get install chromium'")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "api", "demo", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ if folder is None else {**os.environ, "TMPDIR": str(folder)},
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


def keep(page: Page, name: str, *, whole: bool = False) -> None:
    target = FOLDER / name
    if target.suffix == ".png":
        page.screenshot(path=target, type="png", full_page=whole)
    else:
        page.screenshot(path=target, type="jpeg", quality=87, full_page=whole)
    print(f"{target}: {target.stat().st_size // 1024} KB")


def main() -> None:
    with demo() as (browser, link):
        page = browser.new_page(viewport=SIZE, locale="en-GB")
        page.goto(link)
        page.wait_for_selector(".mk-tile.mk-live")
        time.sleep(SHOWN_AFTER_S)
        keep(page, "room.jpg")
        page.set_viewport_size(PHONE)
        keep(page, "phone.jpg")
        page.set_viewport_size(SIZE)
        page.goto(urljoin(link, "/room/wall?n=4&tour=15"))
        page.wait_for_selector(".mk-alarming")
        page.wait_for_function(
            "[...document.querySelectorAll('.mk-cell img')].every(each => each.naturalWidth)"
        )
        keep(page, "wall.jpg")


if __name__ == "__main__":
    main()
