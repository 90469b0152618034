"""The editor where somebody else saves, the server hangs, or hands are quick; in real Chromium."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.desk import Desk
from tests.browser.drawing import (
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

PHONE = {"width": 390, "height": 844}
SOON = """(real => { AbortSignal.timeout = ms => real.call(AbortSignal, ms / 20); })
    (AbortSignal.timeout)"""
"""Nobody waits that long in a test."""


def test_what_was_kept_never_replaces_what_somebody_saved_since(desk: Desk, camera: str) -> None:
    desk.refuses(f"/api/v1/cameras/{camera}/scene")
    first, second = editor(desk, camera), editor(desk, camera)
    drag(first, (150, 150), (170, 150))
    drag(second, (150, 150), (210, 150))
    save(second, 2)
    for _ in range(2):
        first.reload()
        expect(first.locator(".mk-kept:not(.mk-newer)")).to_be_visible()
    first.locator(".mk-save button").click()
    expect(first.locator(".mk-conflict")).to_contain_text("kendali drew revision 2")


def test_a_picture_grows_old_while_the_server_hangs(desk: Desk, site: Site, camera: str) -> None:
    admin = site.store.people.named("kendali")
    assert admin is not None
    page = seeing(desk, admin.id)
    page.clock.install()
    desk.go(page, f"/room/cameras/{camera}")
    page.wait_for_selector(".mk-canvas image")
    expect(page.locator(".mk-age-line")).to_have_count(0)
    page.route("**/snapshot*", lambda _: None)
    page.clock.fast_forward(20_000)
    expect(page.locator(".mk-age-line strong")).to_contain_text("s old")


def test_a_save_without_an_answer_ends(desk: Desk, camera: str) -> None:
    page = editor(desk, camera)
    page.evaluate(SOON)
    drag(page, (150, 150), (170, 150))
    page.route("**/scene", lambda _: None)
    page.locator(".mk-save button").click()
    expect(page.locator(".mk-refused")).to_contain_text("The server gives no answer")
    page.unroute_all()
    save(page, 2)


def kept(page: Page) -> dict[str, Any]:
    """What is drawn and was not saved."""
    script = "JSON.parse(Object.entries(sessionStorage).find(([key]) => key.includes('scene'))[1])"
    scene: dict[str, Any] = page.evaluate(script)["scene"]
    return scene


def test_a_view_is_of_the_preset_for_which_it_was_taken(desk: Desk, camera: str) -> None:
    page = editor(desk, camera)
    asked: list[Route] = []
    page.route("**/view", lambda route: asked.append(route))
    for n in range(3):
        page.locator(".mk-add-view").click()
        expect(page.locator(f'[data-view="{n}"]')).to_have_attribute("aria-pressed", "true")
    # the first one is removed, so that the others move up
    page.locator('[data-view="0"]').click()
    page.get_by_role("button", name="Remove this preset").click()
    for route, view in zip(asked, ("first", "second", "third"), strict=True):
        with page.expect_response("**/view"):
            route.fulfill(json={"view": view})
    page.wait_for_function("() => JSON.stringify(sessionStorage).includes('third')")
    assert [each["view"] for each in kept(page)["presets"]] == ["second", "third"]


def test_a_finger_drags_a_corner_up_and_down(desk: Desk, camera: str) -> None:
    page = editor(desk, camera, has_touch=True)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.touchscreen.tap(*on(page, 150, 150))
    expect(page.locator("[data-point]")).to_have_count(4)
    fingers = page.context.new_cdp_session(page)
    x, y = on(page, 250, 250)

    def touch(kind: str, down: float | None) -> None:
        points = [] if down is None else [{"x": x, "y": y + down}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0)
    for step in range(1, 7):
        touch("touchMove", step * 5)
    touch("touchEnd", None)
    far = 30 * 640 / (page.locator(".mk-canvas").bounding_box() or {"width": 1})["width"]
    assert near(corners(page, "zone-0"), [[50, 50], [250, 50], [250, 250 + far], [50, 250]], 5)


def test_what_stands_in_a_field_is_saved_by_keys_too(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera)
    page.locator('[data-listed="zone-0"] .mk-row').click()
    name = page.locator('[data-listed="zone-0"] input[name="shape"]')
    name.press("End")
    page.keyboard.type(" 2")
    page.keyboard.press("Control+s")
    expect(page.locator(".mk-standing")).to_have_attribute("data-revision", "2")
    assert drawn(site, camera)["zones"][0]["name"] == "yard 2"
    expect(name).to_be_focused()
