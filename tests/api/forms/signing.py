"""Browsers that nobody has come in with, and passwords that cost little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx

from api.access import Role
from api.login import Login
from tests.api.forms.pages import Browser, Form, Page
from tests.api.logins import PASSWORD, CheapHasher
from tests.api.served import TESTER, Api, add_user


class Signing:
    """A served application whose passwords cost little, and how often they were looked at."""

    def __init__(self, city: Api) -> None:
        self.city = city
        self.hasher = CheapHasher()
        app: Any = city.door.inner
        login = Login(city.store, app.state.services.keys, hasher=self.hasher)
        app.state.services = replace(app.state.services, login=login)

    def add(self, name: str, role: Role = Role.OPERATOR, password: str = PASSWORD) -> int:
        user = add_user(self.city.store, name, role)
        kept = self.hasher.hash(password)
        self.city.store.people.change_password(user, kept, TESTER, session="")
        return user

    def looked_at(self, name: str) -> int:
        """How often the password of a user was."""
        user = self.city.store.people.named(name)
        assert user is not None
        return self.hasher.asked[user.password or ""]

    @contextmanager
    def browser(self) -> Iterator[Browser]:
        """One that nobody has come in with."""
        base = str(self.city.client.base_url).rstrip("/")
        headers = {"accept": "text/html", "accept-language": "en", "origin": base}
        with httpx.Client(base_url=base, headers=headers, timeout=60) as client:
            yield Browser(client, "")


def sign(browser: Browser, name: str, password: str = PASSWORD, **more: str) -> Page:
    page = browser.open("/login")
    assert page.status == 200, page.text
    return browser.send(page, "/login", name=name, password=password, **more)


def submit(browser: Browser, form: Form, **changes: str) -> Page:
    """Send a form that is not the only one of its action."""
    kept = {name: value for name, value in form.fields if name not in changes}
    return Page(browser.client.post(form.action, data=kept | changes))


def cookie(browser: Browser, what: str = "") -> str | None:
    port = browser.client.base_url.port
    return browser.client.cookies.get(f"matakota_{port}{what and '_' + what}")


def who(browser: Browser) -> str | None:
    """Whom the server takes the browser's person for."""
    page = browser.open("/account")
    return None if page.status == 303 else page.answer.text
