"""The editor and the list of cameras for whoever looks: on a phone, without the right to draw, with
names that are not meant well, and when a camera is taken away; in real Chromium."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import expect

from api.access import Role
from api.store import Rights
from tests.api.served import TESTER, add_user
from tests.browser.conftest import HOSTILE
from tests.browser.desk import Desk
from tests.browser.drawing import (
    CAMERAS,
    corners,
    drag,
    drawn,
    editor,
    near,
    on,
    save,
    seeing,
)
from tests.browser.sites import Site

PHONE: Final = {"width": 390, "height": 844}
RIGHT_TO_LEFT: Final = "م" * 60


def test_it_is_used_on_a_phone(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera, has_touch=True, locale="id-ID")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.lang") == "id"
    page.locator('[data-tool="zone"]').tap()
    for x, y in ((300, 60), (380, 70), (370, 200)):
        page.touchscreen.tap(*on(page, x, y))
    page.touchscreen.tap(*on(page, 302, 62))
    for tab in ("drawn", "rules", "trial", "history"):
        page.locator(f'[data-tab="{tab}"]').tap()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], tab
    save(page, 2)
    assert near(drawn(site, camera)["zones"][1]["polygon"], [[300, 60], [380, 70], [370, 200]], 5)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ANALYST])
def test_who_may_not_draw_looks(desk: Desk, site: Site, role: Role) -> None:
    page = editor(desk, CAMERAS[-1], role)
    expect(page.locator('[data-shape="zone-0"]')).to_be_visible()
    for nothing in (".mk-tools", ".mk-save", '[data-tab="trial"]'):
        expect(page.locator(nothing)).to_have_count(0)
    before = corners(page, "zone-0")
    drag(page, (150, 150), (200, 150))
    page.keyboard.press("Delete")
    page.keyboard.press("ArrowLeft")
    assert corners(page, "zone-0") == before
    expect(page.locator('[data-listed="zone-0"] input[name="shape"]')).to_be_disabled()
    seen = [url for url in desk.asked if "/snapshot" in url]
    assert bool(seen) is (role is Role.OPERATOR)


def test_names_are_text_wherever_they_stand(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera)
    for shape, name in (("zone-0", HOSTILE), ("line-0", RIGHT_TO_LEFT)):
        page.locator(f'[data-listed="{shape}"] .mk-row').click()
        field = page.locator(f'[data-listed="{shape}"] input[name="shape"]')
        field.fill(name)
        field.press("Enter")
    for way in ("forward", "backward"):
        field = page.locator(f"input[name={way}]")
        field.fill(f"{way} {HOSTILE}")
        field.press("Enter")
    page.locator(".mk-save input").fill("\u202e" + HOSTILE * 2)
    save(page, 2)
    assert drawn(site, camera)["zones"][0]["name"] == HOSTILE
    for tab in ("rules", "history", "drawn"):
        page.locator(f'[data-tab="{tab}"]').click()
        expect(page.locator(".mk-tabpanel")).to_contain_text("onerror")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    desk.go(page, "/room/cameras")
    expect(page.locator(f'tr[data-camera="{camera}"]')).to_be_visible()
    assert page.evaluate("window.hit") is None


def test_the_list_says_what_is_drawn_on_which(desk: Desk, site: Site) -> None:
    admin = site.store.people.named("kendali")
    assert admin is not None
    page = seeing(desk, admin.id)
    desk.go(page, "/room/cameras")
    expect(page.locator("tr[data-camera]")).to_have_count(len(CAMERAS))
    row = page.locator(f'tr[data-camera="{CAMERAS[-1]}"]')
    numbers = [row.locator(f'[data-drawn="{each}"]') for each in ("lines", "zones", "rules")]
    for number in numbers:
        expect(number).to_have_text("1")
    page.locator("input[type=search]").fill(f"camera {CAMERAS[-1]}")
    expect(page.locator("tr[data-camera]")).to_have_count(1)
    row.locator("a").click()
    expect(page.locator(".mk-canvas")).to_be_visible()
    answer = page.goto(f"{site.address}/room/cameras/nothing")
    assert answer is not None
    assert answer.status == 404


@pytest.mark.long
def test_a_camera_that_is_taken_away_is_shown_no_more(desk: Desk, site: Site) -> None:
    user = add_user(site.store, "petugas", Role.VIEWER, cameras=[CAMERAS[-1]])
    desk.refuses(f"/room/cameras/{CAMERAS[-1]}")
    page = seeing(desk, user)
    desk.go(page, f"/room/cameras/{CAMERAS[-1]}")
    expect(page.locator(".mk-canvas")).to_be_visible()
    site.store.people.change(user, Rights(Role.VIEWER), TESTER)
    expect(page.locator(".mk-canvas")).to_have_count(0)
