"""What comes too early or too late in the list of alerts, in real Chromium: keys that are faster
than the server, its answers, and alerts that were there long before the page."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.served import TESTER, report
from tests.browser.desk import Desk, sitting
from tests.browser.listing import NOTICES, RINGS, forget, person, room, row, state, stored
from tests.browser.sites import Site, serving
from tests.waiting import wait_for

AT_ONCE = """keys => {
  for (const [key, repeat] of keys) {
    const at = document.activeElement;
    at.dispatchEvent(new KeyboardEvent("keydown", { key, repeat, bubbles: true }));
    if (key === "Enter") at.click();
  }
}"""
"""Keys that are all pressed before the server can answer to one of them."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("keys")) as served:
        served.store.cameras.save(report(time.time(), "plaza", "road", "gate", "port"))
        yield served


@pytest.fixture
def desk(site: Site, browser: Browser) -> Iterator[Desk]:
    with sitting(site, browser) as made:
        yield made
    forget(site)


def at_once(page: Page, *keys: str, repeat: bool = False) -> None:
    page.evaluate(AT_ONCE, [[key, repeat] for key in keys])


def test_quick_keys_act_on_the_alert_that_is_asked_for(desk: Desk, site: Site) -> None:
    for number in range(4):
        state(site, f"q{number}", before_s=number)
    page = room(desk, person(site), at="#q0")
    panel = page.locator(".mk-panel")
    expect(panel).to_have_attribute("data-alert", "q0")
    at_once(page, "j", "a")
    expect(row(page, "q1").locator(".mk-by")).to_contain_text("seen by")
    expect(panel).to_have_attribute("data-alert", "q1")
    # a key that is held down is none
    at_once(page, "j", "a", repeat=True)
    # a form of the one before is not sent any more
    page.keyboard.press("t")
    form = panel.locator('[data-form="resolve"]')
    expect(form.locator('[type="submit"]')).to_be_focused()
    at_once(page, "j", "f", "Enter")
    expect(panel).to_have_attribute("data-alert", "q2")
    expect(form.locator('[value="false"]')).to_be_checked()
    assert [stored(site, f"q{n}").status for n in range(4)] == ["new", "acknowledged", "new", "new"]
    # nor by a key that was held down when it came
    stopped = "e => !e.dispatchEvent(new KeyboardEvent('keydown', %s))"
    repeated = "{ key: 'Enter', repeat: true, bubbles: true, cancelable: true }"
    assert form.locator('[type="submit"]').evaluate(stopped % repeated)


def test_a_wish_that_something_else_overtook_is_forgotten(desk: Desk, site: Site) -> None:
    for number in range(3):
        state(site, f"o{number}", before_s=number)
    page = room(desk, person(site))
    panel = page.locator(".mk-panel")
    row(page, "o0").locator(".mk-title").focus()
    page.evaluate(
        f"""() => {{
          ({AT_ONCE})([["f", false]]);
          document.querySelector('[data-alert="o1"] .mk-title').click();
        }}"""
    )
    expect(panel).to_have_attribute("data-alert", "o1")
    row(page, "o0").locator(".mk-title").click()
    expect(panel).to_have_attribute("data-alert", "o0")
    expect(panel.locator("h2").first).to_be_focused()
    assert panel.locator("form").count() == 0
    # nor is one that is not there aimed at for ever
    page.evaluate("location.hash = 'none'")
    expect(page.get_by_text("There is no such alert.")).to_be_visible()
    page.keyboard.press("a")
    expect(row(page, "o0").locator(".mk-by")).to_contain_text("seen by")


def test_a_key_for_a_row_that_went_away_does_nothing(desk: Desk, site: Site) -> None:
    for number in range(4):
        state(site, f"r{number}", before_s=number)
    page = room(desk, person(site), at="#r3")
    panel = page.locator(".mk-panel")
    expect(panel).to_have_attribute("data-alert", "r3")
    page.locator('[data-filter="new"]').click()
    row(page, "r1").locator(".mk-title").focus()
    site.store.cases.acknowledge(["r1"], TESTER, only=None)
    expect(row(page, "r1")).to_have_count(0)
    for key in "atfx":
        page.keyboard.press(key)
    assert page.locator(".mk-panel form, .mk-alert :checked").count() == 0
    page.keyboard.press("k")
    expect(panel).not_to_have_attribute("data-alert", "r3")
    page.keyboard.press("a")
    wait_for(
        lambda: sum(stored(site, f"r{n}").status == "acknowledged" for n in range(3)) == 2,
        "the one that is opened is acknowledged",
    )
    assert stored(site, "r3").status == "new"


def test_what_waits_is_counted_and_heard_however_old_it_is(desk: Desk, site: Site) -> None:
    state(site, "ancient", before_s=9000, severity="critical")
    for number in range(64):
        state(site, f"w{number}", before_s=number, severity="low")
    page = room(desk, person(site), RINGS)
    wait_for(lambda: page.title().startswith("(65)"), "all of them are counted")
    assert page.locator(".mk-waiting b").inner_text() == "65"
    wait_for(lambda: 980 in page.evaluate("rings"), "the siren of the oldest one")
    page.locator('[data-filter="mine"]').click()
    expect(page.locator(".mk-hidden")).to_contain_text(": 65.")
    site.store.cases.acknowledge(["ancient"], TESTER, only=None)
    expect(page.locator(".mk-hidden")).to_contain_text(": 64.")
    # one that began long ago and is known only now is new all the same
    page.evaluate("rings.length = 0")
    # what comes right after a worse one is not heard by itself
    page.wait_for_timeout(3000)
    state(site, "late", before_s=20000)
    wait_for(lambda: 880 in page.evaluate("rings"), "a tone for a high one")


def test_what_came_while_the_browser_was_silent_is_heard_after_a_key(
    desk: Desk, site: Site
) -> None:
    page = room(desk, person(site), "window.silent = true;", RINGS, NOTICES)
    page.evaluate("Notification.requestPermission()")
    state(site, "unheard", severity="low")
    expect(row(page, "unheard")).to_be_visible()
    page.keyboard.press("m")
    expect(page.locator(".mk-sound")).to_have_attribute("data-sound", "on")
    wait_for(lambda: 520 in page.evaluate("rings"), "what came before")
    # another window may be in front of a page that is not hidden
    page.locator(".mk-desktop").click()
    expect(page.locator(".mk-desktop")).to_have_attribute("aria-pressed", "true")
    page.evaluate("window.elsewhere = true")
    state(site, "beside")
    wait_for(lambda: page.evaluate("notices.length") == 1, "a notice")


def test_a_late_answer_is_for_what_it_was_asked_for(desk: Desk, site: Site) -> None:
    state(site, "form")
    page = room(desk, person(site), at="#form")
    panel = page.locator(".mk-panel")
    panel.locator('[data-act="resolve"]').click()
    panel.locator("textarea").fill("half a sentence")
    said = page.evaluate(
        """async () => {
          const of = (name) => getElement(Number(document.querySelector(name).id.slice(1)));
          const [shown, listed] = [of(".mk-panel"), of(".mk-alerts")];
          for (const [id, act] of [["other", "resolve"], ["form", "assign"], [null, "open"]]) {
            shown.done(id, act);
            shown.refused(id, act, "no");
          }
          // which alerts fit to what was asked for before
          listed.answered = 5;
          listed.hits.form = 5;
          listed.add([{ ...listed.list[0] }], 4, []);
          // the picture of one alert is not that of the next one
          const src = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";
          shown.evidence = [{ form: "snapshot", name: "", said: [], src }];
          await shown.$nextTick();
          const before = document.querySelector(".mk-evidence img");
          shown.alert = { ...shown.alert, id: "next" };
          await shown.$nextTick();
          const same = document.querySelector(".mk-evidence img") === before;
          return [listed.hits.form, before !== null, same];
        }"""
    )
    assert said == [5, True, False]
    expect(panel.locator("textarea")).to_have_value("half a sentence")
    assert panel.locator(".mk-refused").count() == 0
