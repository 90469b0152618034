"""What is drawn in the editor over the whole real system: the camera's worker watches by it,
counts as its arrow says, and raises an alert of what is in a zone that a mouse drew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from streams.simulator import Simulator
from tests.browser.conftest import ENGLISH, SIZE
from tests.browser.drawing import add_rule, drag, draw_zone, save
from tests.faults.cities import PLAZA_SCENE, plaza, write_city
from tests.faults.living import Living
from tests.needs import REPO
from tests.waiting import wait_for

PATIENCE_MS = 100_000
LIVE_MS = 50_000
"""Ten times what is promised of a scene that is saved."""
ROAD = REPO / "samples" / "scenes" / "synthetic.yaml"


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    expect.set_options(timeout=PATIENCE_MS)
    yield
    expect.set_options(timeout=None)


@pytest.fixture
def start(browser: Browser) -> Iterator[Callable[[Living, str], Page]]:
    """The editor of a camera of a system that runs."""
    contexts = []

    def enter(living: Living, camera: str) -> Page:
        context = browser.new_context(viewport=SIZE, locale=ENGLISH)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(living.link())
        page.goto(f"{living.address}/room/cameras/{camera}")
        # on its picture, as it is now
        page.wait_for_selector(".mk-canvas image")
        return page

    yield enter
    for context in contexts:
        context.close()


def tried(page: Page, minutes: int) -> dict[tuple[str, str], int]:
    """What passed which line in which direction, as the editor's trial says."""
    page.locator('[data-tab="trial"]').click()
    page.locator("input[name=minutes]").fill(str(minutes))
    page.locator(".mk-trial button[type=submit]").click()
    expect(page.locator(".mk-found")).to_be_visible()
    script = """all => all.map(e => [e.dataset.line, e.dataset.direction,
        Number(e.querySelector(".mk-number").textContent)])"""
    rows: list[Any] = page.eval_on_selector_all(".mk-counted tbody tr", script)
    return {(line, direction): count for line, direction, count in rows}


def alerts(living: Living, place: str) -> list[dict[str, Any]]:
    return [each for each in living.alerts() if each["place"] == place]


def test_what_is_drawn_is_live_and_counts_as_its_arrow_says(
    tmp_path: Path, start: Callable[[Living, str], Page]
) -> None:
    (tmp_path / "city.yaml").write_text(
        "name: test\nnetworks: [127.0.0.0/8]\nfps: 5\ncameras:\n"
        f"  - {{id: road, source: synthetic, model: motion, scene: {ROAD}}}\n",
        encoding="utf-8",
    )
    with Living(tmp_path) as living:
        page = start(living, "road")
        # along the line that is there, the other way round
        page.locator('[data-tool="line"]').click()
        drag(page, (520, 232), (120, 232))
        arrow = page.locator('[data-shape="line-1"] [data-forward]').get_attribute("data-forward")
        assert float((arrow or "").split()[1]) < -0.9
        name = page.locator('[data-listed="line-1"] input[name="shape"]')
        name.fill("drawn")
        name.press("Enter")
        draw_zone(page, (130, 160), (510, 160), (560, 340), (80, 340))
        add_rule(page, "intrusion", "zone 1")
        page.locator('[data-rule="0"] .mk-classes-field input[value="moving"]').check()
        save(page, 2)
        standing = page.locator(".mk-standing")
        expect(standing).to_have_text("Revision 2 is in force", timeout=LIVE_MS)
        assert living.cameras()["road"]["revision"] == 2
        wait_for(lambda: alerts(living, "zone 1"), "an intrusion into the zone")
        (kind,) = {each["kind"] for each in alerts(living, "zone 1")}
        assert kind == "intrusion"

        def passed() -> dict[tuple[str, str], int]:
            return tried(page, 5)

        found = wait_for(lambda: (now := passed())["road", "away"] and now, "who passed the line")
        # its forward leads up the picture, as that of the other line leads down
        assert found["drawn", "forward"] == found["road", "away"]
        assert found["drawn", "backward"] == found["road", "towards"]


@pytest.mark.long
def test_a_zone_that_is_drawn_by_mouse_raises_an_intrusion_on_the_plaza(
    tmp_path: Path, clip_cache: Path, start: Callable[[Living, str], Page]
) -> None:
    with Simulator({"square": plaza(clip_cache)}) as simulator:
        write_city(tmp_path, {"square": simulator.url("square")}, scene=PLAZA_SCENE, fps="5")
        with Living(tmp_path) as living:
            page = start(living, "square")
            draw_zone(page, (300, 200), (600, 200), (640, 420), (260, 420))
            add_rule(page, "intrusion", "zone 1")
            save(page, 2)
            standing = page.locator(".mk-standing")
            expect(standing).to_have_text("Revision 2 is in force", timeout=LIVE_MS)
            found = wait_for(lambda: alerts(living, "zone 1"), "an intrusion into the zone")
            assert {each["kind"] for each in found} == {"intrusion"}
            # and the page of alerts has it
            page.goto(f"{living.address}/room/")
            shown = page.locator(".mk-alert", has_text="zone 1").first
            expect(shown).to_contain_text("Intrusion")
