"""Makes docs/images/traffic.jpg anew: the page of traffic over a made-up day, in Chromium. It says
that no real camera saw it.

Run by `make images`.
"""

from __future__ import annotations

import shutil
import sys
import time
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import ViewportSize, sync_playwright

from docs.images.room import BROWSERS, keep
from tests.browser.sites import serving
from tests.browser.traffic_city import PORT, fill

SIZE: ViewportSize = {"width": 1366, "height": 1010}
DAY = date(2026, 3, 12)
ALONE = ".mk-wrong { display: none; }"
"""Behind this page there is no worker and no Redis, which it would say."""


def main() -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("Chromium is missing: install it, such as 'apt-get install chromium'")
    with (
        TemporaryDirectory() as folder,
        serving(Path(folder)) as site,
        sync_playwright() as playwright,
    ):
        fill(site.store, DAY, time.time(), synthetic=True)
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        context = started.new_context(viewport=SIZE, locale="en-GB")
        page = site.enter(context)
        page.goto(f"{site.address}/room/traffic?camera={PORT}&day={DAY}&against=week")
        page.wait_for_selector("[data-chart=speed] canvas")
        page.add_style_tag(content=ALONE)
        page.wait_for_timeout(500)
        keep(page, "traffic.jpg")
        started.close()


if __name__ == "__main__":
    main()
