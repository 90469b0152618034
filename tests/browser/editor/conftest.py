"""A site whose cameras are there to be drawn on, and who does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.desk import Desk, sitting
from tests.browser.drawing import CAMERAS, drawn_on
from tests.browser.sites import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with drawn_on(tmp_path_factory.mktemp("editor")) as served:
        yield served


@pytest.fixture
def desk(site: Site, browser: Browser) -> Iterator[Desk]:
    with sitting(site, browser) as made:
        yield made


@pytest.fixture(scope="module")
def unused() -> Iterator[str]:
    """Cameras, one after the other."""
    return iter(CAMERAS)


@pytest.fixture
def camera(unused: Iterator[str]) -> str:
    """A camera on which no other test drew."""
    return next(unused)
