"""The operations room's page in real Chromium for each role, and when rights change under it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.access import Role
from api.store import Rights, Wanted
from tests.api.served import TESTER, add_user, alert, counted, report
from tests.browser.conftest import ENGLISH
from tests.browser.sites import Site, serving
from tests.waiting import wait_for

PATIENCE_MS = 60_000
SHRUNK_MS = 300_000
"""Ten times what is promised of a right that is taken away."""
EMIT = """([name, value]) => {
  const id = Number(document.querySelector(".mk-alerts").id.slice(1));
  getElement(id).$emit(name, value);
}"""
"""As somebody does who drives the page by hand."""


@dataclass
class Rooms(Site):
    """A site with three cameras that each have an alert, and the browsers that look at them."""

    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    counted_ts: float = 0.0

    def tab(self, user: int, *, locale: str = ENGLISH) -> Page:
        """An empty tab in a browser of a user's own, who came in."""
        context = self.browser.new_context(locale=locale)
        self.contexts.append(context)
        self.let_in(context, user)
        return context.new_page()

    def open(self, user: int, *, locale: str = ENGLISH) -> Page:
        """The page in such a tab."""
        page = self.tab(user, locale=locale)
        page.goto(f"{self.address}/room/")
        page.wait_for_selector(".mk-wall")
        return page

    def user(self, name: str, role: Role, *cameras: str) -> int:
        return add_user(self.store, name, role, cameras=cameras)

    def regroup(self, name: str, *cameras: str) -> None:
        (group,) = [each for each in self.store.groups.all() if each.name == f"of {name}"]
        self.store.groups.change(group.id, group.name, cameras, TESTER)

    def hear(self) -> None:
        self.store.cameras.save(report(time.time(), "plaza", "road", "gate"))


@pytest.fixture
def site(tmp_path: Path, browser: Browser) -> Iterator[Rooms]:
    with serving(tmp_path) as served:
        made = Rooms(served.port, served.store, browser)
        made.hear()
        made.counted_ts = float(int(time.time()) // 60 * 60)
        for camera in ("plaza", "road", "gate"):
            state(made, f"at-{camera}", camera)
            counts = {("gate", "in", "car"): 7}
            more = counted(0, counts, camera=camera)
            made.store.record([more.model_copy(update={"start_ts": made.counted_ts})])
        yield made
        for context in made.contexts:
            context.close()


def cameras(page: Page) -> set[str]:
    return set(page.eval_on_selector_all(".mk-tile", "all => all.map(e => e.dataset.camera)"))


def alerts(page: Page) -> set[str]:
    return set(page.eval_on_selector_all(".mk-alert", "all => all.map(e => e.dataset.alert)"))


def state(site: Site, name: str, camera: str) -> None:
    now = time.time()
    site.store.record([alert(name, camera=camera, start_ts=now, raised_ts=now)])


def test_a_viewer_sees_own_cameras_and_acknowledges_nothing(site: Rooms) -> None:
    page = site.open(site.user("viewer", Role.VIEWER, "plaza", "road"))
    assert cameras(page) == {"plaza", "road"}
    wait_for(lambda: alerts(page) == {"at-plaza", "at-road"}, "their alerts")
    assert page.locator(".mk-alert button").count() == 0
    expect(page.locator(".mk-health")).to_contain_text("of 2 cameras", timeout=PATIENCE_MS)
    expect(page.locator('.mk-ways a[href="/account"]')).to_have_text("viewer")
    assert page.locator('.mk-ways a[href="/people"]').count() == 0
    # nor does one who presses a button that is not there
    page.evaluate(EMIT, ["acknowledge", "at-plaza"])
    state(site, "later", "plaza")
    wait_for(lambda: "later" in alerts(page), "what came after")
    found = site.store.alerts.get("at-plaza", only=None)
    assert found is not None
    assert found.acknowledged_by is None


def test_an_operator_acknowledges_own_alerts_alone(site: Rooms) -> None:
    user = site.user("operator", Role.OPERATOR, "plaza")
    page = site.open(user)
    page.evaluate(EMIT, ["acknowledge", "at-road"])
    expect(page.get_by_text("There is no such alert.")).to_be_visible(timeout=PATIENCE_MS)
    page.locator('.mk-alert[data-alert="at-plaza"] button').click()
    by = page.locator('.mk-alert[data-alert="at-plaza"] .mk-by')
    expect(by).to_have_text("seen by operator", timeout=PATIENCE_MS)
    foreign = site.store.alerts.get("at-road", only=None)
    assert foreign is not None
    assert foreign.acknowledged_by is None
    (entry,) = site.store.audit.find(Wanted(action="alert.acknowledged"), limit=9).entries
    assert (entry.object, entry.actor, entry.actor_id) == ("at-plaza", "operator", str(user))
    # older ones than any place that is named are of own cameras too
    page.evaluate(EMIT, ["older", [time.time() + 99, "z"]])
    state(site, "later", "plaza")
    wait_for(lambda: "later" in alerts(page), "what came after")
    assert alerts(page) == {"at-plaza", "later"}


def test_an_analyst_sees_counts_alone(site: Rooms) -> None:
    page = site.tab(site.user("analyst", Role.ANALYST, "plaza"))
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"{site.address}/room/")
    number = page.locator('.mk-tile[data-camera="plaza"] .mk-number').first
    expect(number).to_have_text("7", timeout=PATIENCE_MS)
    assert cameras(page) == {"plaza"}
    for nothing in (".mk-alerts", ".mk-picture", "img", ".mk-cut"):
        assert page.locator(nothing).count() == 0, nothing
    # they go on by themselves
    at = site.counted_ts - 60
    more = counted(0, {("gate", "in", "car"): 5}, camera="plaza")
    site.store.record([more.model_copy(update={"start_ts": at})])
    expect(number).to_have_text("12", timeout=PATIENCE_MS)
    assert [url for url in sockets if "/api/" in url] == []


def test_what_is_wrong_is_told_to_administrators(site: Rooms) -> None:
    page = site.open(add_user(site.store, "root"))
    other = site.open(site.user("viewer", Role.VIEWER, "plaza"))
    expect(page.locator('.mk-ways a[href="/people"]')).to_have_count(1)
    # the one that is heard at first says nothing more
    wrong = page.locator(".mk-problem").first
    expect(wrong).to_contain_text("no worker is heard", timeout=PATIENCE_MS)
    expect(other.locator(".mk-problem")).to_have_text(
        ["Something in the system is not well: tell an administrator."], timeout=PATIENCE_MS
    )
    # at the foot, where it moves nothing that somebody works on
    foot, main = (page.locator(each).bounding_box() for each in (".mk-wrong", ".mk-room main"))
    assert foot is not None
    assert main is not None
    assert main["y"] < foot["y"]
    assert foot["y"] + foot["height"] == page.evaluate("innerHeight")


def test_a_group_that_changes_changes_the_open_page(site: Rooms) -> None:
    page = site.open(site.user("operator", Role.OPERATOR, "plaza", "road"))
    wait_for(lambda: alerts(page) == {"at-plaza", "at-road"}, "the alerts of two cameras")
    site.regroup("operator", "plaza", "gate")
    notice = page.get_by_text("Your cameras were changed")
    expect(notice).to_be_visible(timeout=SHRUNK_MS)
    expect(page.locator('.mk-tile[data-camera="gate"]')).to_have_count(1, timeout=PATIENCE_MS)
    assert cameras(page) == {"plaza", "gate"}
    wait_for(lambda: alerts(page) == {"at-plaza", "at-gate"}, "the alerts of those of now")
    state(site, "road-later", "road")
    state(site, "gate-later", "gate")
    wait_for(lambda: "gate-later" in alerts(page), "what comes of the new camera")
    assert alerts(page) == {"at-plaza", "at-gate", "gate-later"}
    site.regroup("operator")
    expect(page.locator(".mk-tile")).to_have_count(0, timeout=SHRUNK_MS)
    expect(page.locator(".mk-alert")).to_have_count(0, timeout=PATIENCE_MS)


def test_a_role_that_changes_changes_the_open_page(site: Rooms) -> None:
    user = site.user("somebody", Role.VIEWER, "plaza")
    page = site.open(user)
    wait_for(lambda: alerts(page) == {"at-plaza"}, "the alert")
    groups = frozenset(each.id for each in site.store.groups.all())
    site.store.people.change(user, Rights(Role.ANALYST, groups=groups), TESTER)
    expect(page.locator(".mk-alerts")).to_have_count(0, timeout=SHRUNK_MS)
    expect(page.locator(".mk-tile")).to_have_count(1, timeout=PATIENCE_MS)
    assert page.locator(".mk-picture").count() == 0
    site.store.people.change(user, Rights(Role.OPERATOR, groups=groups), TESTER)
    expect(page.locator(".mk-alert button")).to_have_count(1, timeout=SHRUNK_MS)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ANALYST])
def test_a_session_that_ends_leaves_nothing_on_the_page(site: Rooms, role: Role) -> None:
    user = site.user("somebody", role, "plaza")
    page = site.open(user)
    site.store.people.change(user, Rights(role, disabled=True), TESTER)
    expect(page.locator(".mk-tile")).to_have_count(0, timeout=SHRUNK_MS)
    expect(page.locator(".mk-alert")).to_have_count(0)
    wait_for(lambda: "/login" in page.url, "the way in again")


def test_leaving_and_the_language_are_plain_forms_with_their_token(site: Rooms) -> None:
    page = site.open(site.user("somebody", Role.VIEWER, "plaza"), locale="id-ID")
    assert page.evaluate("document.documentElement.lang") == "id"
    page.locator('.mk-language button[lang="en"]').click()
    page.wait_for_selector(".mk-wall")
    assert page.url == f"{site.address}/room/"
    assert page.evaluate("document.documentElement.lang") == "en"
    page.locator(".mk-leave button").click()
    page.wait_for_url("**/login*", timeout=PATIENCE_MS)
    answer: Any = page.goto(f"{site.address}/room/")
    assert "/login" in answer.url
