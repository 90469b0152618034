"""Makes docs/images/login.png, people.jpg, groups.jpg, keys.jpg, audit.jpg and account.jpg anew:
the pages for people and keys over `matakota demo`, in Chromium, filled in as an administrator does
it.

Run by `make images`.
"""

from __future__ import annotations

from urllib.parse import urljoin

from playwright.sync_api import Browser, Page, ViewportSize

from docs.images.room import demo, keep

SIZE: ViewportSize = {"width": 1366, "height": 768}
ENGLISH, INDONESIAN = "en-GB", "id-ID"
PASSWORD = "seven wooden boats"  # noqa: S105
GROUPS = (("Old town", "plaza"), ("Ring road", "road"))
PEOPLE = (
    ("operator-1", "operator", "Old town", True),
    ("operator-2", "operator", "Ring road", True),
    ("analyst-1", "analyst", "Ring road", True),
    ("viewer-1", "viewer", "Old town", False),
)
"""Name, role, group, and whether they have chosen a password."""
KEYS = (("worker-1", None, "Old town"), ("counts-board", "counts:read", "Ring road"))
"""Name, what it may, for which group; a worker may what workers may."""


class Office:
    """An administrator's browser."""

    def __init__(self, browser: Browser, link: str) -> None:
        self._browser = browser
        self._base = link
        self.page = window(browser)
        self.page.goto(link)
        self.page.wait_for_selector(".mk-tile.mk-live")

    def open(self, path: str) -> Page:
        self.page.goto(urljoin(self._base, path))
        return self.page

    def send(self) -> None:
        self.page.click("main button.main")

    def add_group(self, name: str, part: str) -> None:
        """Of the cameras in whose id a part stands."""
        page = self.open("/groups")
        page.fill("#name", name)
        for box in page.locator(f"input[name=cameras][value*={part}]").all():
            box.check()
        self.send()

    def add_person(self, name: str, role: str, group: str, *, chooses: bool) -> None:
        page = self.open("/people")
        page.fill("#name", name)
        page.check(f"input[value={role}]")
        page.get_by_label(group).check()
        self.send()
        if chooses:
            own = window(self._browser)
            own.goto(page.locator("#secret").inner_text())
            own.fill("#password", PASSWORD)
            own.fill("#again", PASSWORD)
            own.click("main button.main")
            own.wait_for_url("**/room/")
            own.context.close()

    def add_key(self, name: str, scope: str | None, group: str) -> None:
        page = self.open("/keys")
        page.fill("#name", name)
        page.check(f"input[value={'integration' if scope else 'worker'}]")
        if scope is not None:
            page.check(f'input[value="{scope}"]')
        page.get_by_label(group).check()
        self.send()


def window(browser: Browser, locale: str = ENGLISH) -> Page:
    return browser.new_context(viewport=SIZE, locale=locale, color_scheme="light").new_page()


def main() -> None:
    with demo() as (browser, link):
        office = Office(browser, link)
        for name, part in GROUPS:
            office.add_group(name, part)
        for name, role, group, chooses in PEOPLE:
            office.add_person(name, role, group, chooses=chooses)
        for name, scope, group in KEYS:
            office.add_key(name, scope, group)
        keep(office.open("/people"), "people.jpg")
        keep(office.open("/groups"), "groups.jpg")
        keep(office.open("/keys"), "keys.jpg")
        keep(office.open("/audit"), "audit.jpg")
        own = window(browser, INDONESIAN)
        own.goto(urljoin(link, "/login"))
        keep(own, "login.png")
        own.click('.language button[lang="en"]')
        own.fill("#name", "operator-1")
        own.fill("#password", PASSWORD)
        own.click("main button.main")
        own.wait_for_url("**/room/")
        own.goto(urljoin(link, "/account"))
        keep(own, "account.jpg")


if __name__ == "__main__":
    main()
