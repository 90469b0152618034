"""Many browsers at once, and what each of them must show."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.crowd import crowd, delays, write_road
from tests.faults.living import Living


@pytest.mark.long
def test_no_page_misses_an_alert_however_many_come(browser: Browser, tmp_path: Path) -> None:
    write_road(tmp_path)
    with Living(tmp_path) as living:
        done = crowd(living, browser, pages=12, drawn=1, a_minute=500, seconds=20)
        found = delays(living, browser, 10)
    assert done.stated > 0
    assert done.missed == 0
    assert len(found) >= 10
