"""Browsers at a site, each somebody's own, and what may never happen in any of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from api.access import Role
from tests.api.served import TESTER, add_user
from tests.browser.conftest import ENGLISH, SIZE
from tests.browser.sites import Site

PASSWORD = "not a real password"
CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))
PATIENCE_MS = 60_000
FAILED = "Failed to load resource"


@dataclass
class Desk:
    """A site, and what browsers at it asked for, said on their consoles and popped up."""

    site: Site
    browser: Browser
    asked: list[str] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    popped: list[str] = field(default_factory=list)
    _refused: set[str] = field(default_factory=set)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def window(self, *, locale: str = ENGLISH, user: int | None = None, **more: Any) -> Page:
        """A browser that nobody came in with, or this user; ``more`` is what Playwright takes."""
        context = self.browser.new_context(locale=locale, viewport=SIZE, **more)
        self._contexts.append(context)
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("console", self._note)
        context.on("weberror", lambda error: self.said.append((str(error.error), "")))
        context.on("dialog", lambda dialog: (self.popped.append(dialog.message), dialog.dismiss()))
        context.on("response", self._look)
        if user is not None:
            self.site.let_in(context, user)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    def open(self, path: str, **more: Any) -> Page:
        """The same, at a path."""
        page = self.window(**more)
        self.go(page, path)
        return page

    def go(self, page: Page, path: str) -> None:
        page.goto(f"{self.site.address}{path}")

    def sign_in(self, page: Page, name: str, password: str = PASSWORD, code: str = "") -> None:
        """Fill in the form, and wait for what comes of it."""
        self.go(page, "/login")
        page.fill("#name", name)
        page.fill("#password", password)
        page.fill("#code", code)
        page.click("main button.main")
        page.wait_for_load_state()

    def refuses(self, path: str) -> None:
        """What is asked for at a path may be refused, which browsers say on their consoles."""
        self._refused.add(f"{self.site.address}{path}")

    def leave(self, page: Page) -> None:
        self.go(page, "/account")
        page.click(".leave button")
        page.wait_for_url("**/login")

    def person(self, name: str, role: Role = Role.OPERATOR, *, cameras: Any = ("plaza",)) -> int:
        """A new person with a password."""
        user = add_user(self.site.store, name, role, cameras=cameras)
        kept = CHEAP.hash(PASSWORD)
        self.site.store.people.change_password(user, kept, TESTER, session="")
        return user

    def close(self) -> None:
        """End all browsers. Fails where one spoke to somebody else, or anything went wrong in it
        but that a page was refused."""
        for context in self._contexts:
            context.close()
        own = (self.site.address, self.site.address.replace("http", "ws", 1), "blob:", "data:")
        foreign = [url for url in self.asked if not url.startswith(own)]
        wrong = [
            (text, url)
            for text, url in self.said
            if not (text.startswith(FAILED) and url in self._refused)
        ]
        assert not foreign, foreign
        assert not wrong, wrong
        assert not self.popped, self.popped

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.said.append((message.text, message.location["url"]))

    def _look(self, response: Response) -> None:
        if response.status >= 400 and response.request.is_navigation_request():
            self._refused.add(response.url)


@contextmanager
def sitting(site: Site, browser: Browser) -> Iterator[Desk]:
    """A desk at which everything is waited for as long; nothing may have gone wrong at its end."""
    made = Desk(site, browser)
    expect.set_options(timeout=PATIENCE_MS)
    yield made
    expect.set_options(timeout=None)
    made.close()
