"""The editor of what is drawn on a camera, in real Chromium over the real API, without a worker."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from api.store import Wanted
from streams.scenefile import scene_of
from tests.browser.desk import Desk
from tests.browser.drawing import (
    SCENE,
    add_rule,
    click,
    corners,
    drag,
    draw_zone,
    drawn,
    editor,
    near,
    save,
)
from tests.browser.sites import Site
from vision.geometry import side_distance


def test_a_zone_that_is_drawn_by_mouse_is_saved_with_its_rule(
    desk: Desk, site: Site, camera: str
) -> None:
    page = editor(desk, camera)
    wanted = [[300, 60], [380, 70], [370, 200], [300, 190]]
    draw_zone(page, *((x, y) for x, y in wanted))
    name = page.locator('[data-listed="zone-1"] input[name="shape"]')
    name.fill("Halaman")
    name.press("Enter")
    add_rule(page, "loitering", "Halaman")
    dwell = page.locator('[data-setting="dwell_s"] input')
    dwell.fill("30")
    dwell.press("Enter")
    page.locator(".mk-save input").fill("the yard")
    save(page, 2)
    found = drawn(site, camera)
    assert near(found["zones"][1]["polygon"], wanted)
    assert found["zones"][1]["name"] == "Halaman"
    assert found["rules"][1] == {"kind": "loitering", "zone": "Halaman", "dwell_s": 30}
    scene_of(found, "scene")
    expect(page.locator(".mk-save button")).to_be_disabled()
    (entry,) = site.store.audit.find(Wanted(object=camera), limit=9).entries
    assert entry.actor == "kendali"


def test_a_line_points_where_it_counts_forward(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera)
    page.locator('[data-tool="line"]').click()
    drag(page, (100, 320), (300, 280))
    save(page, 2)
    line = drawn(site, camera)["lines"][1]
    assert near(line["points"], [[100, 320], [300, 280]])
    arrow = page.locator('[data-shape="line-1"] .mk-arrow')
    for direction in (line["points"], line["points"][::-1]):
        ends = np.array(direction, np.float64)
        for name, sign in (("polygon", 1), (".mk-back", -1)):
            shown = arrow.locator(name).evaluate(
                "e => { const b = e.getBBox(); return [b.x + b.width / 2, b.y + b.height / 2]; }"
            )
            assert side_distance(np.array([shown]), ends)[0] * sign > 3
        page.locator(".mk-turn").click()
    # it was turned twice
    expect(page.locator(".mk-save button")).to_be_disabled()


def test_steps_are_undone_and_done_again(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera)
    square = SCENE["zones"][0]["polygon"]
    drag(page, (150, 150), (190, 170))
    moved = [[x + 40, y + 20] for x, y in square]
    assert near(corners(page, "zone-0"), moved)
    drag(page, (290, 70), (320, 90))
    pulled = [moved[0], [320, 90], *moved[2:]]
    assert near(corners(page, "zone-0"), pulled)
    page.keyboard.press("Delete")
    assert near(corners(page, "zone-0"), [pulled[0], *pulled[2:]])
    for wanted in (pulled, moved, square):
        page.keyboard.press("Control+z")
        assert near(corners(page, "zone-0"), wanted)
    expect(page.locator(".mk-undo")).to_be_disabled()
    expect(page.locator(".mk-standing")).not_to_have_class(re.compile("mk-dirty"))
    page.keyboard.press("Control+Shift+z")
    assert near(corners(page, "zone-0"), moved)
    page.locator(".mk-redo").click()
    assert near(corners(page, "zone-0"), pulled)
    # a corner more is pulled out of an edge
    middle = [(a + b) / 2 for a, b in zip(pulled[2], pulled[3], strict=True)]
    drag(page, (middle[0], middle[1]), (middle[0], middle[1] + 30))
    assert near(corners(page, "zone-0"), [*pulled[:3], [middle[0], middle[1] + 30], pulled[3]])
    # what is removed takes its rule along, and both come back
    page.locator('[data-listed="zone-0"] .mk-remove').click()
    expect(page.locator(".mk-told")).to_contain_text("Intrusion")
    page.locator(".mk-undo").click()
    page.locator('[data-tab="rules"]').click()
    expect(page.locator("[data-rule]")).to_have_count(1)
    assert drawn(site, camera) == SCENE


def test_the_keyboard_alone_draws_and_saves(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera)
    keys = page.keyboard

    def press(key: str, times: int) -> None:
        for _ in range(times):
            keys.press(key)

    keys.press("z")
    expect(page.locator(".mk-canvas")).to_be_focused()
    # the cross begins in the middle of the picture
    keys.press("Space")
    press("Shift+ArrowRight", 3)
    keys.press("Space")
    press("Shift+ArrowDown", 4)
    keys.press("Space")
    keys.press("Control+ArrowLeft")
    keys.press("Space")
    keys.press("Backspace")
    keys.press("Enter")
    expect(page.locator('[data-shape="zone-1"]')).to_be_focused()
    keys.press("Enter")
    expect(page.locator('[data-point="0"]')).to_be_focused()
    press("ArrowLeft", 2)
    keys.press("Escape")
    expect(page.locator('[data-shape="zone-1"]')).to_be_focused()
    press("ArrowUp", 1)
    keys.press("Control+s")
    expect(page.locator(".mk-standing")).to_have_attribute("data-revision", "2")
    wanted = [[318, 179], [350, 179], [350, 219]]
    assert drawn(site, camera)["zones"][1]["polygon"] == wanted
    # every shape is reached, and says what it is
    page.locator(".mk-canvas [data-shape]").first.focus()
    said = set()
    for _ in range(12):
        said.add(page.evaluate("document.activeElement.getAttribute('aria-label')"))
        keys.press("Tab")
    assert {"Zone yard, 4 corners", "Line gate, forward in, backward out"} <= said
    page.locator('[data-shape="zone-1"]').focus()
    keys.press("Control+z")
    keys.press("Control+z")
    assert corners(page, "zone-1")[0] == [320, 180]


def test_who_was_first_is_said_and_nothing_is_lost(desk: Desk, site: Site, camera: str) -> None:
    desk.refuses(f"/api/v1/cameras/{camera}/scene")
    first, second = editor(desk, camera), editor(desk, camera)
    for page, far in ((first, 20), (second, 60)):
        drag(page, (150, 150), (150 + far, 150))
    save(first, 2)
    second.locator(".mk-save button").click()
    asked = second.locator(".mk-conflict")
    expect(asked).to_contain_text("kendali drew revision 2")
    asked.locator(".mk-theirs").click()
    expect(asked).to_have_count(0)
    assert near(corners(second, "zone-0"), [[70, 50], [270, 50], [270, 250], [70, 250]])
    second.locator(".mk-undo").click()
    assert near(corners(second, "zone-0"), [[110, 50], [310, 50], [310, 250], [110, 250]])
    save(second, 3)
    # and who goes on with their own replaces it knowingly
    drag(first, (150, 150), (150, 160))
    first.locator(".mk-save button").click()
    first.locator(".mk-conflict .mk-mine").click()
    expect(first.locator(".mk-conflict")).to_have_count(0)
    save(first, 4)


def test_a_revision_is_taken_back(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera)
    drag(page, (150, 150), (200, 160))
    page.locator(".mk-save input").fill("moved")
    save(page, 2)
    page.locator('[data-tab="history"]').click()
    listed = page.locator(".mk-revisions li")
    expect(listed).to_have_count(2)
    expect(listed.first).to_contain_text("kendali")
    expect(listed.first).to_contain_text("moved")
    page.locator('.mk-revisions li[data-revision="1"] button').click()
    expect(page.locator(".mk-save input")).to_have_value("revision 1 again")
    save(page, 3)
    assert drawn(site, camera) == SCENE
    # that too is a step that can be undone
    page.locator(".mk-undo").click()
    expect(page.locator(".mk-standing")).to_have_class(re.compile("mk-dirty"))


def test_a_mistake_is_said_where_it_is(desk: Desk, camera: str) -> None:
    page = editor(desk, camera)
    drag(page, (150, 150), (160, 150))
    drag(page, (60, 50), (300, 200))
    fault = page.locator(".mk-fault")
    expect(fault).to_contain_text("crosses itself")
    expect(page.locator('[data-shape="zone-0"]')).to_have_class(re.compile("mk-wrong"))
    expect(page.locator('[data-listed="zone-0"] .mk-refused')).to_be_visible()
    expect(page.locator(".mk-save button")).to_be_disabled()
    # what somebody writes meanwhile stays
    name = page.locator('[data-listed="zone-0"] input[name="shape"]')
    name.press("End")
    page.keyboard.type("2")
    page.locator(".mk-undo").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Control+z")
    expect(fault).to_have_count(0)
    expect(page.locator(".mk-save button")).to_be_enabled()
    page.locator('[data-tab="rules"]').click()
    page.locator('[data-rule="0"] .mk-row').click()
    dwell = page.locator('[data-setting="min_dwell_s"] input')
    dwell.fill("-1")
    dwell.press("Enter")
    expect(page.locator('[data-rule="0"] .mk-refused')).to_contain_text("min_dwell_s")
    expect(page.locator('[data-tab="rules"] .mk-flag')).to_be_visible()


def test_what_was_not_saved_is_there_again(desk: Desk, camera: str) -> None:
    page = editor(desk, camera)
    drag(page, (150, 150), (200, 150))
    there = corners(page, "zone-0")
    page.reload()
    expect(page.locator(".mk-kept")).to_be_visible()
    assert corners(page, "zone-0") == there
    page.locator(".mk-kept button").click()
    assert corners(page, "zone-0") == SCENE["zones"][0]["polygon"]
    page.reload()
    expect(page.locator(".mk-canvas")).to_be_visible()
    expect(page.locator(".mk-kept")).to_have_count(0)


@pytest.mark.long
def test_how_closely_to_look_is_chosen(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera)
    page.locator(".mk-finding summary").click()
    detail = page.locator("select[name=detail]")
    expect(detail).to_have_value("usual")
    detail.select_option("fine")
    page.locator("select[name=detector]").select_option("motion")
    expect(page.locator(".mk-finding .mk-refused")).to_contain_text("pictures of one size")
    page.locator("select[name=detector]").select_option("fused")
    save(page, 2)
    assert drawn(site, camera) == {**SCENE, "detail": "fine", "detector": "fused"}
    detail.select_option("usual")
    save(page, 3)
    assert drawn(site, camera) == {**SCENE, "detector": "fused"}


@pytest.mark.long
def test_rules_watch_when_and_what_they_are_told(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera)
    add_rule(page, "line_crossing", "gate")
    rule: Locator = page.locator('[data-rule="1"]')
    rule.locator('[data-setting="direction"] select').select_option("out")
    rule.locator("select[name=severity]").select_option("critical")
    rule.locator('.mk-classes-field input[value="car"]').check()
    rule.locator('.mk-hours input[value="timed"]').check()
    rule.locator('[data-day="fri"]').click()
    hour = rule.locator("input[name=from]")
    hour.fill("2230")
    hour.press("Enter")
    page.locator('[data-rule="0"] .mk-row').click()
    page.locator('[data-rule="0"] input[name=enabled]').uncheck()
    # a name by which a line goes already is refused, and another one is followed
    page.locator('[data-tab="drawn"]').click()
    page.locator('[data-listed="line-0"] .mk-row').click()
    way = page.locator('[data-listed="line-0"] input[name=backward]')
    way.fill("keluar")
    way.press("Enter")
    save(page, 2)
    assert drawn(site, camera)["rules"] == [
        {"kind": "intrusion", "zone": "yard", "enabled": False},
        {
            "kind": "line_crossing", "line": "gate", "direction": "keluar", "severity": "critical",
            "classes": ["car"], "schedule": {"days": "mon-thu", "from": "22:30", "to": "06:00"},
        },
    ]  # fmt: skip


@pytest.mark.long
def test_marks_and_a_region(desk: Desk, site: Site, camera: str) -> None:
    page = editor(desk, camera)
    for n, (x, y) in enumerate([(100, 300), (500, 300), (400, 100), (200, 100)]):
        page.keyboard.press("m")
        click(page, x, y)
        for axis, metres in zip("xy", [(0, 0), (8, 0), (8, 30), (0, 30)][n], strict=True):
            field = page.locator(f'[data-listed="mark-{n}"] input[name=m{axis}]')
            field.fill(str(metres))
            field.press("Enter")
        page.locator(f'[data-listed="mark-{n}"] .mk-row').focus()
    page.keyboard.press("g")
    drag(page, (20, 20), (620, 340))
    save(page, 2)
    found = drawn(site, camera)
    assert [mark["m"] for mark in found["calibration"]] == [[0, 0], [8, 0], [8, 30], [0, 30]]
    assert near(
        [mark["px"] for mark in found["calibration"]],
        [[100, 300], [500, 300], [400, 100], [200, 100]],
    )
    assert near([found["region"]], [[20, 20, 600, 320]])
