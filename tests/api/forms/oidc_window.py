"""A browser's window that signs in at a service for tests, and what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx

from api.access import Role
from api.oidc import SignIn
from api.oidc.settings import OidcSettings
from api.store import Rights
from tests.api.forms.pages import Page
from tests.api.oidc_provider import CLIENT, SECRET, Provider
from tests.api.served import TESTER, Api

EMAIL = "person-1@city.example"


def settings(service: Provider, base: str, **more: Any) -> OidcSettings:
    service.redirect = f"{base}/oidc/back"
    values: dict[str, Any] = {
        "issuer": service.issuer, "client_id": CLIENT, "client_secret": SECRET, "base_url": base,
        "name": "City account",
    }  # fmt: skip
    return OidcSettings(**(values | more))


def use(city: Api, service: Provider, **more: Any) -> None:
    """Name the service to an application that runs, whose own address is known only then."""
    state: Any = city.door.inner
    base = str(city.client.base_url).rstrip("/")
    sign_in = SignIn(settings(service, base, **more))
    state.state.services = replace(state.state.services, oidc=sign_in)


@dataclass
class Window:
    """A browser's window: it keeps cookies and goes where it is sent."""

    client: httpx.Client
    port: int

    def get(self, address: str) -> httpx.Response:
        return self.client.get(address)

    def cookie(self, what: str = "") -> str | None:
        return self.client.cookies.get(f"matakota_{self.port}{what}")

    def begin(self, to: str = "/") -> str:
        """Go to the service; where it sends the browser back to."""
        answer = self.get(f"/oidc/start?next={quote(to, safe='')}")
        assert answer.status_code == 303, answer.text
        there = self.get(answer.headers["location"])
        assert there.status_code == 302, there.text
        return str(there.headers["location"])

    def sign_in(self, to: str = "/") -> httpx.Response:
        return self.get(self.begin(to))

    def name(self) -> str | None:
        """As whom the browser is in."""
        answer = self.client.get("/api/v1/me", headers={"sec-fetch-mode": "cors"})
        return answer.json().get("name") if answer.status_code == 200 else None


@contextmanager
def opened(city: Api, service: Provider) -> Iterator[Window]:
    """A window of a browser without cookies, at an application that names the service."""
    use(city, service)
    headers = {
        "accept": "text/html", "accept-language": "en", "sec-fetch-mode": "navigate",
        "sec-fetch-site": "none", "user-agent": "a browser",
    }  # fmt: skip
    with httpx.Client(
        base_url=city.client.base_url, headers=headers, timeout=30, trust_env=False
    ) as client:
        yield Window(client, city.client.base_url.port or 0)


def add(city: Api, external: str | None = EMAIL, *, disabled: bool = False) -> int:
    rights = Rights(Role.OPERATOR, external=external, disabled=disabled)
    return city.store.people.add("Person", rights, TESTER).id


def refused(answer: httpx.Response, status: int, words: str) -> None:
    page = Page(answer)
    assert (page.status, words in page.problem) == (status, True), page.text
    assert "/login" in page.links
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "script-src" not in answer.headers["content-security-policy"]
