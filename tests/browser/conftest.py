"""Real Chromium, and a real system with three cameras for its pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, sync_playwright

from streams.simulator import Simulator
from tests.faults.cities import many_lines, plaza
from tests.faults.living import Living
from tests.needs import REPO, need

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
OPTIONS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update")
HOSTILE = "<script>window.hit=1</script>\"'><img src=x onerror=window.hit=1>"
SIZE = {"width": 1366, "height": 768}
ENGLISH = "en-GB"
"""Browsers that prefer anything else are spoken to in Bahasa Indonesia."""


@dataclass(frozen=True, slots=True)
class City:
    """A system that runs, and the simulator that plays its camera ``square``; the others, ``lane``
    and ``road``, are synthetic: who looks at pages need not wait for a model."""

    living: Living
    simulator: Simulator

    def link(self) -> str:
        """A new one-time link for an administrator."""
        return self.living.link()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = need(next(filter(None, map(shutil.which, NAMES)), None), "Chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, clip_cache: Path) -> Iterator[City]:
    folder = tmp_path_factory.mktemp("room")
    with Simulator({"square": plaza(clip_cache)}) as simulator:
        write(folder, simulator)
        with Living(folder) as living:
            yield City(living, simulator)


def write(folder: Path, simulator: Simulator) -> None:
    """``folder/city.yaml``."""
    road = REPO / "samples" / "scenes" / "synthetic.yaml"
    hostile = HOSTILE.replace("'", "''")
    busy = many_lines(folder, 3)
    (folder / "city.yaml").write_text(
        f"""\
name: Room
networks: [127.0.0.0/8]
fps: 5
cameras:
  - {{id: square, name: Campus square, source: '{simulator.url("square")}', scene: {busy}}}
  - {{id: lane, name: '{hostile}', source: synthetic, model: motion, scene: {road}}}
  - {{id: road, source: synthetic, model: motion, scene: {road}}}
""",
        encoding="utf-8",
    )


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without a session."""
    made = browser.new_context(viewport=SIZE, locale=ENGLISH)
    yield made
    made.close()


@pytest.fixture(scope="module")
def session(browser: Browser, city: City) -> StorageState:
    """What a browser keeps of a session that a one-time link opened."""
    context = browser.new_context(locale=ENGLISH)
    context.new_page().goto(city.link())
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def inside(browser: Browser, session: StorageState) -> Iterator[BrowserContext]:
    """A browser with a session."""
    made = browser.new_context(viewport=SIZE, locale=ENGLISH, storage_state=session)
    yield made
    made.close()


@pytest.fixture
def room(inside: BrowserContext, city: City) -> Page:
    """The page, open."""
    page = inside.new_page()
    page.goto(f"{city.living.address}/room/")
    page.wait_for_selector(".mk-wall")
    return page
