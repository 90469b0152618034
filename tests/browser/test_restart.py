"""The server is killed and comes again while pages are open and alerts arrive: the pages recover
by themselves, show all of them, and are as they were arranged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Error, Page, expect

from api.access import Role
from api.store import Store
from tests.api.served import add_user, alert, report, sqlite_url
from tests.browser.sites import Site, serving
from tests.waiting import wait_for

PATIENCE_MS = 60_000
ROUNDS = 3
CAMERAS = [f"k{n}" for n in range(1, 9)]
EVERY_S = 0.25
MOST = 55
"""Fewer than a page shows at first, so that all of them have to be in the list."""


class Writer:
    """Somebody who stores alerts all the time, whether a server runs or not, as workers' messages
    that waited are stored when one comes again."""

    def __init__(self, store: Store) -> None:
        self.names: list[str] = []
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while len(self.names) < MOST and not self._stop.wait(EVERY_S):
            now, number = time.time(), len(self.names)
            camera, name = CAMERAS[number % 4], f"a{number:03}"
            stated = alert(name, camera=camera, start_ts=now, raised_ts=now, severity="low")
            self._store.record([stated])
            self.names.append(name)


@contextmanager
def opened(context: BrowserContext, site: Site) -> Iterator[tuple[Page, Page]]:
    """The page of alerts, and the wall."""
    user = add_user(site.store, "room1", Role.OPERATOR, cameras=CAMERAS)
    site.let_in(context, user)
    pages = context.new_page(), context.new_page()
    for page, path in zip(pages, ("/room/", "/room/wall?n=4&camera=k6&camera=k7"), strict=True):
        page.goto(f"{site.address}{path}")
        page.wait_for_selector(".mk-tile")
    yield pages


def has(page: Page, names: list[str]) -> bool:
    """Whether a page shows these alerts; not while it is being loaded anew."""
    try:
        script = "all => all.map(each => each.dataset.alert)"
        return set(names) <= set(page.eval_on_selector_all(".mk-alert", script))
    except Error:
        return False


@pytest.mark.long
def test_pages_recover_from_a_killed_server_and_miss_nothing(
    tmp_path: Path, context: BrowserContext
) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        site = first.enter_context(serving(tmp_path))
        store = stack.enter_context(Store.open(sqlite_url(tmp_path)))
        store.cameras.save(report(time.time(), *CAMERAS))
        listed, wall = stack.enter_context(opened(context, site))
        writer = stack.enter_context(Writer(store))
        wait_for(lambda: has(listed, writer.names[:2]), "alerts before")
        running = first
        for number in range(ROUNDS):
            running.close()
            for page in (listed, wall):
                expect(page.locator(".mk-cut").first).to_be_visible(timeout=PATIENCE_MS)
            now, name = time.time(), f"down{number}"
            store.record([alert(name, camera="k7", start_ts=now, raised_ts=now)])
            running = stack.enter_context(ExitStack())
            running.enter_context(serving(tmp_path, "0", str(site.port)))
            # nobody touches anything
            wait_for(partial(has, listed, [name]), "what came meanwhile")
            cell = wall.locator('[data-cell="k7"]')
            expect(cell.locator(f'a[href="/room/#{name}"]')).to_be_visible(timeout=PATIENCE_MS)
            for page in (listed, wall):
                expect(page.locator(".mk-cut")).to_have_count(0, timeout=PATIENCE_MS)
            # how the wall is arranged, and what is in front of it
            cells = "all => all.map(each => each.dataset.cell)"
            assert wall.eval_on_selector_all(".mk-cell", cells) == ["k7", "k6"]
            expect(wall.locator(".mk-elsewhere")).to_be_visible()
        wait_for(lambda: len(writer.names) >= MOST, "every alert is stored")
        wait_for(lambda: has(listed, writer.names), "every alert is shown")
