"""What people do about alerts in the operations room, in real Chromium: two people at once, many
alerts at once, by hand, in both languages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from api.access import Role
from api.alerting.settings import Advice, Alerting, Matcher, Telephone
from api.store import Actor, StoredAlert, Wanted
from tests.api.served import TESTER, add_user, alert, report
from tests.browser.conftest import HOSTILE
from tests.browser.desk import PATIENCE_MS, Desk, sitting
from tests.browser.sites import Site, serving
from tests.browser.test_room_rights import EMIT
from tests.waiting import wait_for

ADVICE = "Look at the square.\n<b>Call</b> the post."


@pytest.fixture
def site(tmp_path: Path, browser: Browser) -> Iterator[Site]:
    with serving(tmp_path) as served:
        served.store.cameras.save(report(time.time(), "plaza", "road"))
        advice = Advice(
            match=Matcher(),
            text=ADVICE,
            telephones=(Telephone(name="Post", number="+62 (411) 000-000"),),
        )
        served.store.alerting.apply(Alerting(advice=(advice,)), TESTER)
        yield served


@pytest.fixture
def desk(site: Site, browser: Browser) -> Iterator[Desk]:
    with sitting(site, browser) as made:
        yield made


def state(site: Site, name: str, camera: str = "plaza", before_s: float = 0, **more: Any) -> None:
    now = time.time() - before_s
    site.store.record([alert(name, camera=camera, start_ts=now, raised_ts=now, **more)])


def operator(site: Site, name: str, *cameras: str) -> int:
    return add_user(site.store, name, Role.OPERATOR, cameras=cameras or ("plaza", "road"))


def stored(site: Site, name: str) -> StoredAlert:
    found = site.store.alerts.get(name, only=None)
    assert found is not None
    return found


def row(page: Page, name: str) -> Locator:
    return page.locator(f'.mk-alert[data-alert="{name}"]')


def look(page: Page, name: str) -> Locator:
    """Open an alert."""
    row(page, name).locator(".mk-title").click()
    panel = page.locator(f'.mk-panel[data-alert="{name}"]')
    expect(panel).to_be_visible(timeout=PATIENCE_MS)
    return panel


def begin(panel: Locator, act: str) -> Locator:
    panel.locator(f'[data-act="{act}"]').click()
    form = panel.locator(f'[data-form="{act}"]')
    expect(form).to_be_visible()
    return form


def test_whoever_comes_second_is_told_and_overwrites_nothing(desk: Desk, site: Site) -> None:
    state(site, "a")
    one = desk.open("/room/", user=operator(site, "room1"))
    two = desk.open("/room/", user=operator(site, "room2"))
    form = begin(look(two, "a"), "resolve")
    form.locator('[value="false"]').check()
    form.locator("textarea").fill("a cat, I think")
    first = begin(look(one, "a"), "resolve")
    first.locator('[value="true"]').check()
    first.locator("textarea").fill("two people, the guard went there")
    first.locator('[type="submit"]').click()
    expect(row(one, "a").locator(".mk-by")).to_have_text("true alarm, says room1")
    # the other one is told at once, with what they wrote still there, and cannot send it
    expect(form.locator(".mk-stale")).to_contain_text("true alarm, says room1")
    expect(form.locator("textarea")).to_have_value("a cat, I think")
    expect(form.locator('[type="submit"]')).to_have_count(0)
    # nor does one who sends it all the same
    two.evaluate(
        EMIT.replace(".mk-alerts", ".mk-panel"),
        ["resolve", {"id": "a", "edit": 0, "outcome": "false", "note": "a cat"}],
    )
    state(site, "later")
    expect(row(two, "later")).to_have_count(1)
    expect(form.locator(".mk-stale")).to_be_visible()
    form.locator(".mk-cancel").click()
    history = two.locator(".mk-history li")
    expect(history).to_have_count(1)
    expect(history).to_contain_text("two people, the guard went there")
    found = stored(site, "a")
    assert (found.outcome, found.resolved_by, found.edit) == ("true", "room1", 1)
    assert found.note == "two people, the guard went there"


def test_an_act_that_crosses_another_is_refused_in_words(desk: Desk, site: Site) -> None:
    state(site, "a")
    page = desk.open("/room/", user=operator(site, "room1"))
    panel = look(page, "a")
    site.store.cases.assign("a", "room1", Actor("user", "room2"), edit=0, only=None)
    expect(panel.locator(".mk-said")).to_have_text("assigned to room1")
    page.evaluate(
        EMIT.replace(".mk-alerts", ".mk-panel"),
        ["resolve", {"id": "a", "edit": 0, "outcome": "false", "note": ""}],
    )
    expect(panel.locator(".mk-refused")).to_contain_text("room2 was first (Alert assigned)")
    assert stored(site, "a").status == "assigned"


def test_many_alerts_are_acknowledged_at_once(desk: Desk, site: Site) -> None:
    for number in range(5):
        state(site, f"a{number}", before_s=number)
    state(site, "critical", severity="critical", before_s=9)
    page = desk.open("/room/", user=operator(site, "room1"))
    other = desk.open("/room/", user=operator(site, "room2"))
    expect(row(page, "critical")).to_contain_text("critical")
    expect(page.locator(".mk-waiting")).to_have_text("6 of 6 not acknowledged")
    for name in ("a1", "a3"):
        row(page, name).locator("input").check()
    page.get_by_role("button", name="Acknowledge 2").click()
    for name in ("a1", "a3"):
        expect(row(other, name).locator(".mk-by")).to_have_text("seen by room1")
    page.get_by_label("Choose all new ones").check()
    page.get_by_role("button", name="Acknowledge 4").click()
    expect(other.locator(".mk-waiting")).to_have_text("0 of 6 not acknowledged")
    entries = site.store.audit.find(Wanted(action="alert.acknowledged"), limit=99).entries
    assert len(entries) == 6
    assert {entry.actor for entry in entries} == {"room1"}


def test_an_incident_is_opened_by_hand_and_handled_by_keys(desk: Desk, site: Site) -> None:
    page = desk.open("/room/", user=operator(site, "room1", "road"))
    page.get_by_role("button", name="Report an incident").click()
    form = page.locator('[data-form="open"]')
    expect(form.locator('[name="camera"] option')).to_have_text(["Road"])
    form.locator('[name="kind"]').select_option("smoke_fire")
    form.locator('[name="severity"]').select_option("critical")
    form.locator("textarea").fill(HOSTILE)
    form.locator('[type="submit"]').click()
    one = page.locator(".mk-alert")
    expect(one).to_have_count(1)
    expect(one.locator("p")).to_have_text(HOSTILE)
    name = str(one.get_attribute("data-alert"))
    assert stored(site, name).opened_by == "room1"
    # from here on without a mouse
    title = one.locator(".mk-title")
    title.focus()
    page.keyboard.press("Enter")
    panel = page.locator(".mk-panel")
    expect(panel.locator("h2").first).to_be_focused()
    panel.locator('[data-act="mine"]').focus()
    page.keyboard.press("Enter")
    expect(one.locator(".mk-by")).to_have_text("assigned to room1")
    expect(one.locator(".mk-mine")).to_have_count(1)
    expect(panel.locator('[data-act="mine"]')).to_have_count(0)
    panel.locator('[data-act="resolve"]').focus()
    page.keyboard.press("Enter")
    panel.locator("textarea").fill("half a sentence")
    page.keyboard.press("Escape")
    expect(panel.locator("form")).to_have_count(0)
    begin(panel, "resolve")
    expect(panel.locator("textarea")).to_have_value("half a sentence")
    page.keyboard.press("Escape")
    expect(panel.locator("h2").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(title).to_be_focused()
    assert stored(site, name).status == "assigned"
    assert page.evaluate("window.hit") is None


def test_a_form_stays_while_alerts_arrive(desk: Desk, site: Site) -> None:
    for number in range(300):
        state(site, f"old{number}", before_s=1000 + number)
    state(site, "a")
    page = desk.open("/room/", user=operator(site, "room1"))
    form = begin(look(page, "a"), "resolve")
    note = form.locator("textarea")
    note.fill("typed ")
    before = note.bounding_box()
    page.evaluate("document.querySelector('.mk-panel textarea').same = true")
    for number in range(30):
        state(site, f"new{number}")
        page.keyboard.type("x")
    expect(row(page, "new29")).to_have_count(1)
    # how it goes on is shown as well
    state(site, "a", version=2, severity="critical", before_s=5)
    expect(row(page, "a").locator(".mk-alarm")).to_be_visible()
    expect(note).to_have_value("typed " + 30 * "x")
    expect(note).to_be_focused()
    assert page.evaluate("document.querySelector('.mk-panel textarea').same") is True
    assert note.bounding_box() == before


def test_what_to_do_whom_to_call_and_what_was_done_are_there(desk: Desk, site: Site) -> None:
    state(site, "a")
    state(site, "b", before_s=60)
    page = desk.open("/room/", user=operator(site, "room1"))
    viewer = desk.open(
        "/room/", user=add_user(site.store, "viewer", Role.VIEWER, cameras=["plaza"])
    )
    panel = look(page, "a")
    panel.locator(".mk-advice summary").click()
    expect(panel.locator(".mk-advice p")).to_have_text(ADVICE)
    call = panel.locator(".mk-advice a")
    expect(call).to_have_attribute("href", "tel:+62411000000")
    form = begin(panel, "merge")
    form.locator('[name="into"]').select_option("b")
    form.locator('[type="submit"]').click()
    expect(row(page, "a").locator(".mk-by")).to_have_text("part of another alert, says room1")
    form = begin(panel, "reopen")
    form.locator("textarea").fill("it was another one")
    form.locator('[type="submit"]').click()
    expect(panel.locator(".mk-history li")).to_have_count(2)
    seen = look(viewer, "a")
    expect(seen.locator(".mk-history")).to_contain_text("it was another one")
    assert viewer.locator(".mk-acts, .mk-by-hand, .mk-alert input").count() == 0
    # a hand that drives the page does no more
    for name, value in (
        ("reopen", {"id": "a", "edit": 2, "note": ""}),
        ("assign", {"id": "a", "edit": 2, "to": "viewer"}),
        ("open", {"edit": 0, "camera": "plaza", "kind": "crowd", "severity": "low", "note": ""}),
        ("acknowledge", ["b"]),
    ):
        viewer.evaluate(EMIT.replace(".mk-alerts", ".mk-panel"), [name, value])
    state(site, "later")
    expect(row(viewer, "later")).to_have_count(1)
    assert stored(site, "b").status == "new"
    assert stored(site, "a").edit == 2


def test_filters_show_what_is_left_to_do(desk: Desk, site: Site) -> None:
    for number, name in enumerate(("new", "seen", "mine", "done")):
        state(site, name, before_s=number)
    by = Actor("user", "room2")
    user = operator(site, "room1")
    site.store.cases.acknowledge(["seen"], by, only=None)
    site.store.cases.assign("mine", "room1", by, edit=0, only=None)
    site.store.cases.resolve("done", "false", "", by, edit=0, only=None)
    page = desk.open("/room/", user=user)

    def shown() -> list[str]:
        script = "all => all.map(e => e.dataset.alert)"
        return list(page.eval_on_selector_all(".mk-alert", script))

    expect(page.locator(".mk-alert")).to_have_count(4)
    for name, wanted in {
        "open": ["new", "seen", "mine"],
        "new": ["new"],
        "mine": ["mine"],
        "all": ["new", "seen", "mine", "done"],
    }.items():
        page.locator(f'[data-filter="{name}"]').click()
        wait_for(lambda wanted=wanted: shown() == wanted, f"those that are {name}")
    page.locator('[data-filter="mine"]').click()
    state(site, "later")
    wait_for(lambda: page.title().startswith("(2)"), "what is new is counted all the same")
    assert shown() == ["mine"]


def test_an_alert_of_a_camera_that_is_taken_away_is_shut(desk: Desk, site: Site) -> None:
    state(site, "a")
    page = desk.open("/room/", user=operator(site, "room1", "plaza"))
    begin(look(page, "a"), "resolve")
    (group,) = site.store.groups.all()
    site.store.groups.change(group.id, group.name, ["road"], TESTER)
    expect(page.locator(".mk-panel")).to_have_count(0, timeout=300_000)
    page.evaluate(EMIT, ["look", "a"])
    expect(page.get_by_text("There is no such alert.")).to_be_visible()


@pytest.mark.parametrize(("locale", "said"), [("en-GB", "Resolve"), ("id-ID", "Selesaikan")])
def test_it_speaks_the_language_of_its_person(
    desk: Desk, site: Site, locale: str, said: str
) -> None:
    state(site, "a")
    page = desk.open("/room/", user=operator(site, "room1"), locale=locale)
    expect(look(page, "a").locator('[data-act="resolve"]')).to_have_text(said)
