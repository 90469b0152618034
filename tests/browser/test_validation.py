"""A piece of video counted by hand in real Chromium: with keys alone, and with a finger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from api.access import Role
from api.pieces import FOLDER, path_of
from tests.api.pieces import piece
from tests.api.served import TESTER, add_user
from tests.browser.conftest import HOSTILE
from tests.browser.desk import Desk, sitting
from tests.browser.sites import Site, serving
from tests.streams.test_maskingprocess import film

SHORT_S = 3
PHONE: ViewportSize = {"width": 390, "height": 844}
CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
HOSTILE_LINE = HOSTILE[:60]


@dataclass(frozen=True, slots=True)
class Office:
    """A site with an analyst, and a piece that waits on each of two lines."""

    site: Site
    analyst: int
    plain: int
    hostile: int


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    place = tmp_path_factory.mktemp("validation")
    (place / FOLDER).mkdir()
    made = film(place / "piece.mp4", count=25 * SHORT_S).read_bytes()
    path_of(place / FOLDER, sha256(made).hexdigest()).write_bytes(made)
    with serving(place) as site:
        words = {
            "classes": CLASSES, "sha256": sha256(made).hexdigest(), "size": len(made),
            "width": 320, "height": 240, "machine": {("in", "car"): 4711},
        }  # fmt: skip
        add = site.store.validations.add
        plain = add(piece(**words), TESTER)
        ways = (HOSTILE_LINE, f"{HOSTILE_LINE} back")
        hostile = add(
            piece(**{**words, "line": HOSTILE_LINE, "directions": ways, "machine": {}}), TESTER
        )
        analyst = add_user(site.store, "analis", Role.ANALYST, cameras=["plaza"])
        yield Office(site, analyst, plain, hostile)


@pytest.fixture
def desk(office: Office, browser: Browser) -> Iterator[Desk]:
    with sitting(office.site, browser) as made:
        yield made


def counted(page: Page) -> dict[str, int]:
    """The fields that hold more than nothing."""
    fields = page.locator(".count input").evaluate_all("all => all.map(x => [x.name, x.value])")
    return {name: int(value) for name, value in fields if value != "0"}


def ready(page: Page) -> None:
    page.wait_for_function("document.getElementById('film').readyState >= 2")


def test_a_piece_is_counted_by_keys_alone(office: Office, desk: Desk) -> None:
    page = desk.open("/validation", user=office.analyst)
    page.get_by_role("link", name="Count", exact=True).last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/validation/{office.plain}")
    ready(page)
    assert "4711" not in page.content()
    # car and motorcycle forward, a car the other way by Shift, then all that way
    for key in ("3", "3", "4", "Shift+Digit3"):
        page.keyboard.press(key)
    assert counted(page) == {"n-0-2": 2, "n-0-3": 1, "n-1-2": 1}
    expect(page.locator("#told")).to_have_text("car, out: 1")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".way.chosen text")).to_have_text("out")
    for key in ("Numpad6", "0", "Shift+Digit1", "9"):
        page.keyboard.press(key)
    assert counted(page) == {"n-0-0": 1, "n-0-2": 2, "n-0-3": 1, "n-1-2": 1, "n-1-5": 1, "n-1-6": 1}
    # two are taken back, and no more than were counted here
    for _ in range(2):
        page.keyboard.press("Backspace")
    assert counted(page) == {"n-0-2": 2, "n-0-3": 1, "n-1-2": 1, "n-1-5": 1}
    # faster, and slower than that again; then it is played to its end
    rate = "document.getElementById('film').playbackRate"
    page.keyboard.press("+")
    assert page.evaluate(rate) == 1.5
    page.keyboard.press("-")
    assert page.evaluate(rate) == 1.0
    for _ in range(9):
        page.keyboard.press("+")
    assert page.evaluate(rate) == 3.0
    expect(page.locator("#unseen")).to_contain_text("Not seen yet: 0:0")
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Pause")
    expect(page.locator("#told")).to_contain_text("This was the end")
    expect(page.locator("#unseen")).to_have_text("")
    expect(page.locator("#play")).to_have_text("Play")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.getElementById('film').currentTime < 1")
    # what is written in a field is no key of the page
    page.locator('[name="n-1-4"]').focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("12")
    assert counted(page)["n-1-4"] == 12
    assert counted(page)["n-0-2"] == 2
    page.locator('[name="confirm"]').focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/validation/\d+\?saved=1"))
    expect(page.get_by_role("status")).to_contain_text("Your count is kept")
    assert "4711" in page.content()
    (kept,) = office.site.store.validations.counts(office.plain)
    assert kept.counts == {
        ("in", "car"): 2, ("in", "motorcycle"): 1, ("out", "car"): 1, ("out", "truck"): 1,
        ("out", "bus"): 12,
    }  # fmt: skip
    assert kept.counted_by == "analis"


def test_keys_count_on_once_speed_and_place_were_set(office: Office, desk: Desk) -> None:
    page = desk.open(f"/validation/{office.plain}?again=1", user=office.analyst)
    ready(page)
    # a number chooses no speed in the list that has the focus
    page.locator("#speed").focus()
    page.keyboard.press("3")
    page.keyboard.press("Shift+Digit4")
    assert counted(page) == {"n-0-2": 1, "n-1-3": 1}
    expect(page.locator("#speed")).to_have_value("1.0")
    # its arrows are its own
    page.keyboard.press("ArrowDown")
    expect(page.locator("#speed")).to_have_value("1.5")
    expect(page.locator(".way.chosen text")).to_have_text("in")
    # a slider that was pulled gives them back
    page.locator("#at").click()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".way.chosen text")).to_have_text("out")
    page.locator("#at").focus()
    page.keyboard.press("3")
    page.keyboard.press("Backspace")
    page.keyboard.press("0")
    assert counted(page) == {"n-0-2": 1, "n-1-3": 1, "n-1-6": 1}


def test_a_phone_counts_by_finger_and_names_do_no_harm(office: Office, desk: Desk) -> None:
    page = desk.window(user=office.analyst, has_touch=True)
    page.set_viewport_size(PHONE)
    desk.go(page, f"/validation/{office.hostile}")
    ready(page)
    more = page.locator('tr[data-key="4"] .more')
    more.first.tap()
    more.first.tap()
    more.last.tap()
    page.locator("#undo").tap()
    assert counted(page) == {"n-0-3": 2}
    # nothing sticks out, and the piece stays in view while its buttons are used
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.locator('tr[data-key="6"]').scroll_into_view_if_needed()
    box = page.locator("#film").bounding_box()
    assert box is not None
    assert box["y"] >= 0
    assert page.evaluate("window.hit") is None
    page.locator('[name="confirm"]').check()
    page.get_by_role("button", name="Keep this count").tap()
    page.wait_for_url(re.compile(r"\?saved=1"))
    assert page.evaluate("window.hit") is None
    (kept,) = office.site.store.validations.counts(office.hostile)
    assert kept.counts == {(HOSTILE_LINE, "motorcycle"): 2}


def test_without_scripts_numbers_are_written(office: Office, desk: Desk) -> None:
    page = desk.window(user=office.analyst, java_script_enabled=False, locale="id-ID")
    desk.go(page, f"/validation/{office.plain}?again=1")
    before = len(office.site.store.validations.counts(office.plain))
    expect(page.locator("#film")).to_have_attribute("controls", "")
    expect(page.locator(".more").first).to_be_hidden()
    page.fill('[name="n-0-2"]', "31")
    page.check('[name="confirm"]')
    page.get_by_role("button", name="Simpan hitungan ini").click()
    page.wait_for_url(re.compile(r"\?saved=1"))
    after = office.site.store.validations.counts(office.plain)
    assert len(after) == before + 1
    assert after[0].counts == {("in", "car"): 31}
