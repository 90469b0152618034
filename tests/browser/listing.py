"""The page of alerts, and what a browser hears and shows of them, for tests of the list."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Locator, Page

from api.access import Role
from api.store import StoredAlert
from tests.api.served import TESTER, add_user, alert
from tests.browser.conftest import SIZE
from tests.browser.desk import Desk
from tests.browser.sites import Site

RINGS = """
  window.rings = [];
  window.AudioContext = class {
    state = window.silent ? "suspended" : "running";
    currentTime = 0;
    destination = {};
    async resume() {
      await new Promise((done) => setTimeout(done));
      this.state = "running";
      this.onstatechange?.();
    }
    async close() {}
    createOscillator() {
      const tone = { frequency: {}, connect: (to) => to, stop() {} };
      tone.start = () => window.rings.push(tone.frequency.value);
      return tone;
    }
    createGain() {
      return { gain: { setValueAtTime() {}, linearRampToValueAtTime() {} }, connect: (to) => to };
    }
  };
"""
"""Sound as a browser makes it, heard by nobody: the pitch of each tone."""
NOTICES = """
  window.notices = [];
  window.Notification = class {
    static permission = "default";
    static async requestPermission() { return (this.permission = "granted"); }
    constructor(title, more) { Object.assign(this, more, { title }); window.notices.push(this); }
    close() { this.closed = true; }
  };
  Object.defineProperty(document, "hidden", { get: () => window.away === true });
  document.hasFocus = () => window.elsewhere !== true;
"""


def person(site: Site, *cameras: str, role: Role = Role.OPERATOR) -> int:
    name = f"room{len(site.store.people.all())}"
    return add_user(site.store, name, role, cameras=cameras or ("plaza", "road", "gate", "port"))


def state(site: Site, name: str, camera: str = "plaza", before_s: float = 0, **more: Any) -> None:
    now = time.time() - before_s
    site.store.record([alert(name, camera=camera, start_ts=now, raised_ts=now, **more)])


def forget(site: Site) -> None:
    """Resolve what one test left: it calls nobody in the next one."""
    for found in site.store.alerts.find(only=None, limit=500).alerts:
        if found.status != "resolved":
            site.store.cases.resolve(found.id, "true", "", TESTER, edit=found.edit, only=None)


def room(desk: Desk, user: int, *scripts: str, at: str = "", size: Any = SIZE, **more: Any) -> Page:
    """The page, open in a window of this size, where these scripts run before its own."""
    page = desk.window(user=user, **more)
    page.set_viewport_size(size)
    for script in scripts:
        page.add_init_script(script)
    desk.go(page, f"/room/{at}")
    page.wait_for_selector(".mk-alerts")
    return page


def row(page: Page, name: str) -> Locator:
    return page.locator(f'.mk-alert[data-alert="{name}"]')


def shown(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        ".mk-alert:not([data-status=resolved])", "all => all.map(e => e.dataset.alert)"
    )
    return found


def stored(site: Site, name: str) -> StoredAlert:
    found = site.store.alerts.get(name, only=None)
    assert found is not None
    return found
