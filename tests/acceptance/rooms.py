"""The acceptance run's figures of the operations room's page, in real Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.acceptance.result import Result, judge
from tests.browser.conftest import NAMES, OPTIONS
from tests.browser.crowd import crowd, delays, write_road
from tests.faults.living import Living

EVENTS, SHOWN_S = 50, 1.5
PAGES, DRAWN, A_MINUTE, SECONDS = 30, 2, 500, 60
"""Chromium that draws a page which changes all the time takes half a core."""
APPEARS = (
    f"from an event to the page that shows its alert, {EVENTS} of them: p95 within {SHOWN_S} s"
)
CROWD = (
    f"{PAGES} browsers on the page and {A_MINUTE} alerts a minute: the server keeps less than one "
    "core busy, no page misses an alert"
)


def rooms(folder: Path) -> list[Result]:
    """Both figures, over one system with a rendered camera."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        return [Result(promised, "needs Chromium", "not run") for promised in (APPEARS, CROWD)]
    write_road(folder)
    with sync_playwright() as playwright, Living(folder) as living:
        browser = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        found = delays(living, browser, EVENTS)
        done = crowd(living, browser, pages=PAGES, drawn=DRAWN, a_minute=A_MINUTE, seconds=SECONDS)
        browser.close()
    p95_s = found[int(0.95 * len(found))]
    return [
        judge(
            APPEARS,
            f"median {found[len(found) // 2]:.2f} s, p95 {p95_s:.2f} s ({len(found)} alerts)",
            p95_s <= SHOWN_S,
        ),
        judge(
            CROWD,
            f"{done.cores:.2f} cores, {done.missed} of {done.pages * done.stated} missed; "
            f"{done.drawn} in Chromium, the others clients that fetch the same and draw nothing",
            done.cores < 1 and done.missed == 0,
        ),
    ]
