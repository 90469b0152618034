"""Signing in at a service that runs, through the pages: who comes in, and what the others read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import structlog

from api.access import Role
from api.auth import new_token
from api.oidc import Pending, SignIn, flow, web
from api.proxies import Proxies
from api.store import Rights, Store
from api.throttle import ADDRESS
from tests.api.forms.oidc_window import EMAIL, Window, add, opened, refused, settings, use
from tests.api.forms.pages import Page, record
from tests.api.oidc_provider import Provider, provider
from tests.api.served import (
    TESTER,
    Api,
    Bell,
    FakeIngest,
    add_session,
    add_user,
    application,
    serving,
    sqlite_url,
)


@pytest.fixture
def service() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture
def window(city: Api, service: Provider) -> Iterator[Window]:
    with opened(city, service) as one:
        yield one


def test_whoever_was_added_comes_in_and_is_known_for_ever(
    city: Api, service: Provider, window: Window
) -> None:
    user = add(city)
    answer = window.sign_in("/people")
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    assert window.name() == "Person"
    assert window.cookie("_oidc") is None
    (begun,) = city.store.keys.sessions(user)
    assert (begun.address, begun.agent) == ("127.0.0.1", "a browser")
    assert [entry.object for entry in record(city, "login.oidc")] == ["Person"]
    (bound,) = record(city, "user.bound")
    assert bound.after == {"issuer": service.issuer, "subject": "person-1"}
    # with another name it is the same person
    window.client.cookies.clear()
    service.claims = {"email": "other@city.example", "email_verified": False}
    assert window.sign_in().status_code == 303
    assert window.name() == "Person"
    assert len(record(city, "user.bound")) == 1


def test_a_name_that_is_taken_over_there_opens_nothing_here(
    city: Api, service: Provider, window: Window
) -> None:
    add(city)
    assert window.sign_in().status_code == 303
    window.client.cookies.clear()
    service.claims = {"sub": "person-2"}
    refused(window.sign_in(), 403, f"Nobody here is called “{EMAIL}”")
    assert window.name() is None


@pytest.mark.parametrize(
    ("external", "claims", "words", "why"),
    [
        (
            EMAIL,
            {"email_verified": False},
            "has not checked that “person-1@city.example”",
            "unverified",
        ),
        (EMAIL, {"email_verified": None}, "has not checked that", "unverified"),
        (EMAIL, {"email": "two\nlines"}, "has to send “email”", "unnamed"),
        (EMAIL, {"email": "Person@city.example"}, "Nobody here is called “Person@city", "unknown"),
        (EMAIL, {"email": "<script>%(name)s %d"}, "“<script>%(name)s %d”", "unknown"),
        (None, {}, "ask an administrator to add you", "unknown"),
    ],
)
def test_who_is_not_known_reads_what_to_do_and_is_on_record(
    city: Api,
    service: Provider,
    window: Window,
    external: str | None,
    claims: dict[str, Any],
    words: str,
    why: str,
) -> None:
    add(city, external)
    service.claims = claims
    answer = window.sign_in()
    refused(answer, 403, words)
    assert "<script>%" not in answer.text
    assert window.name() is None
    (entry,) = record(city, "login.refused")
    assert entry.after == {"issuer": service.issuer, "subject": "person-1", "why": why}
    assert (entry.actor_kind, entry.address) == ("nobody", "127.0.0.1")
    assert not record(city, "user.bound")


def test_who_is_disabled_stays_out(city: Api, window: Window) -> None:
    add_user(city.store)
    user = add(city)
    assert window.sign_in().status_code == 303
    rights = Rights(Role.OPERATOR, external=EMAIL, disabled=True)
    city.store.people.change(user, rights, TESTER)
    window.client.cookies.clear()
    refused(window.sign_in(), 403, "is disabled")
    assert window.cookie() is None
    (entry,) = record(city, "login.refused")
    assert entry.after is not None
    assert entry.after["why"] == "disabled"


def test_a_service_may_call_people_otherwise(city: Api, service: Provider, window: Window) -> None:
    use(city, service, claim="preferred_username")
    add(city, "person")
    assert window.sign_in().status_code == 303
    assert window.name() == "Person"


def test_another_session_of_the_browser_ends(city: Api, window: Window) -> None:
    add(city)
    boss = add_user(city.store)
    old = add_session(city.store, boss)
    window.client.cookies.set(f"matakota_{window.port}", old, domain="127.0.0.1", path="/")
    assert window.name() == "administrator"
    assert window.sign_in().status_code == 303
    assert window.name() == "Person"
    assert city.store.keys.sessions(boss) == []


WAYS = (
    ("/", "/"),
    ("/people", "/people"),
    ("/people/1", "/people/1"),
    ("/groups/a ä", "/groups/a%20%C3%A4"),
    ("https://evil.example/", "/"),
    ("//evil.example/", "/"),
    ("/\\evil.example", "/"),
    ("/login", "/"),
    ("/oidc/start", "/"),
    ("/enter", "/"),
    ("/nothing", "/"),
    ("", "/"),
    ("/people/" + "x" * 600, "/"),
)
"""What is wanted after signing in, and where it leads."""


def test_it_leads_back_to_a_page_of_ours_and_nowhere_else(city: Api, window: Window) -> None:
    add(city)
    led = {to: window.sign_in(to).headers["location"] for to, _ in WAYS}
    assert led == dict(WAYS)


def test_what_the_browser_kept_leads_nowhere_else_either(city: Api, window: Window) -> None:
    add(city)
    back = window.begin()
    name = f"matakota_{window.port}_oidc"
    text = window.client.cookies[name]
    kept = Pending.read(text, float(text.split(".")[3]))
    assert kept is not None
    changed = replace(kept, page="//evil.example/").text()
    window.client.cookies.clear()
    window.client.cookies.set(name, changed, domain="127.0.0.1", path="/")
    assert window.get(back).headers["location"] == "/"


def test_only_the_browser_that_began_comes_back(city: Api, window: Window) -> None:
    add(city)
    back = window.begin()
    window.client.cookies.clear()
    refused(window.get(back), 400, "sign in again")
    window.begin()
    # the one that another began
    refused(window.get(back), 400, "sign in again")
    assert window.name() is None
    assert window.cookie("_oidc") is None


def test_it_is_over_once_somebody_came_back(city: Api, service: Provider, window: Window) -> None:
    add(city)
    back = window.begin()
    name = f"matakota_{window.port}_oidc"
    kept = window.client.cookies[name]
    assert window.get(back).status_code == 303
    refused(window.get(back), 400, "sign in again")
    assert service.asked["/token"] == 1
    # also where the cookie is put back
    window.client.cookies.set(name, kept, domain="127.0.0.1", path="/")
    refused(window.get(back), 400, "sign in again")
    assert service.asked["/token"] == 2


def test_it_is_over_after_ten_minutes(city: Api, service: Provider, window: Window) -> None:
    add(city)
    back = window.begin()
    name = f"matakota_{window.port}_oidc"
    state, nonce, verifier, at, page = window.client.cookies[name].split(".")
    old = f"{state}.{nonce}.{verifier}.{int(at) - 601}.{page}"
    window.client.cookies.clear()
    window.client.cookies.set(name, old, domain="127.0.0.1", path="/")
    refused(window.get(back), 400, "too long ago")
    assert service.asked["/token"] == 0


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ("state=1&", 400, "sign in again"),
        ("code=1&", 400, "sign in again"),
        ("error=access_denied&", 403, "did not let you in"),
        ("a=1&" * 60, 400, "sign in again"),
    ],
)
def test_what_comes_back_twice_or_wrongly_lets_nobody_in(
    city: Api, window: Window, more: str, status: int, words: str
) -> None:
    add(city)
    answer = window.get(window.begin().replace("?", f"?{more}"))
    refused(answer, status, words)
    assert window.name() is None


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("500 /.well-known/openid-configuration", 503, "gives no answer now"),
        ("moved /.well-known/openid-configuration", 502, "tell an administrator"),
        ("slow /.well-known/openid-configuration", 503, "gives no answer now"),
    ],
)
def test_a_service_that_is_not_there_is_named_before_one_leaves(
    city: Api,
    service: Provider,
    window: Window,
    fault: str,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web, "ASK_S", 1.0)
    service.fault = fault
    refused(window.get("/oidc/start"), status, words)


@pytest.mark.parametrize(
    ("fault", "claims", "status", "words"),
    [
        ("500 /token", {}, 503, "gives no answer now"),
        ("huge /token", {}, 502, "tell an administrator"),
        ("client refused", {}, 502, "tell an administrator"),
        ("not signed", {}, 502, "tell an administrator"),
        ("signed by another key", {}, 502, "tell an administrator"),
        ("", {"nonce": "another"}, 502, "tell an administrator"),
        ("", {"aud": "another"}, 502, "tell an administrator"),
        ("", {"iss": "https://another.example"}, 502, "tell an administrator"),
        ("", {"exp": 1}, 502, "tell an administrator"),
    ],
)
def test_what_is_not_believed_lets_nobody_in(
    city: Api,
    service: Provider,
    window: Window,
    fault: str,
    claims: dict[str, Any],
    status: int,
    words: str,
) -> None:
    add(city)
    service.fault, service.claims = fault, claims
    refused(window.sign_in(), status, words)
    assert window.name() is None
    assert not record(city, "login.oidc")


def test_too_many_at_once_are_asked_to_wait(
    city: Api, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "MAX_AT_ONCE", 0)
    refused(window.get("/oidc/start"), 503, "try again in a minute")


def test_an_address_that_fails_often_waits(city: Api, service: Provider, window: Window) -> None:
    service.claims = {"email": "nobody@city.example"}
    add(city)
    for _ in range(ADDRESS.burst):
        assert window.sign_in().status_code == 403
    page = Page(window.sign_in())
    assert (page.status, "too many tries" in page.problem) == (429, True)
    assert int(page.answer.headers["retry-after"]) > 0
    assert service.asked["/token"] == ADDRESS.burst
    assert len(record(city, "login.refused")) == ADDRESS.burst


def test_nobody_is_kept_waiting_by_who_has_begun_nothing(city: Api, window: Window) -> None:
    """As by a picture on another site's page, which is asked for here."""
    add(city)
    base = str(city.client.base_url).rstrip("/")
    with structlog.testing.capture_logs() as said:
        for _ in range(2 * ADDRESS.burst):
            answer = httpx.get(f"{base}/oidc/back?code=1&state=1", trust_env=False)
            assert answer.status_code == 400
            assert window.get(window.begin().replace("state=", "state=x")).status_code == 400
    assert len(said) == ADDRESS.burst, "and the log does not grow by it"
    assert window.sign_in().status_code == 303


def test_a_browser_that_came_in_waits_for_nobody_at_its_address(
    city: Api, service: Provider, window: Window
) -> None:
    add(city)
    assert window.sign_in().status_code == 303
    service.claims = {"sub": "person-2", "email": "nobody@city.example"}
    with httpx.Client(
        base_url=city.client.base_url, headers=dict(window.client.headers), trust_env=False
    ) as client:
        other = Window(client, window.port)
        while other.sign_in().status_code == 403:
            pass
        assert other.sign_in().status_code == 429
        client.cookies.set(f"matakota_{window.port}_device", new_token("device").reveal())
        assert other.sign_in().status_code == 429
    service.claims = {}
    assert window.sign_in().status_code == 303


def test_nothing_is_used_up_by_fetching_it_ahead(city: Api, window: Window) -> None:
    add(city)
    back = window.begin()
    assert window.client.head(back).status_code == 405
    assert window.client.head("/oidc/start").status_code == 405
    assert window.get(back).status_code == 303


def test_without_a_service_there_is_none(city: Api, service: Provider, window: Window) -> None:
    inner: Any = city.door.inner
    assert "/oidc/start?next=%2Fpeople" in Page(window.get("/login?next=/people")).links
    assert "Sign in with City account" in Page(window.get("/login")).text
    inner.state.services = replace(inner.state.services, oidc=None)
    assert not [link for link in Page(window.get("/login")).links if "oidc" in link]
    for path in ("/oidc/start", "/oidc/back?code=1&state=1"):
        refused(window.get(path), 404, "no sign-in service")


def test_behind_a_proxy_its_cookies_are_of_this_very_host(tmp_path: Any, service: Provider) -> None:
    sign_in = SignIn(settings(service, "https://matakota.example"))
    ahead = {
        "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https",
        "host": "matakota.example", "accept": "text/html", "accept-language": "en",
    }  # fmt: skip
    bell = Bell()
    with Store.open(sqlite_url(tmp_path)) as store:
        store.people.add("Person", Rights(Role.OPERATOR, external=EMAIL), TESTER)
        door = application(
            store, bell, FakeIngest(), oidc=sign_in, proxies=Proxies.named(["127.0.0.1"])
        )
        with serving(door) as address:
            port = urlsplit(address).port
            begun = httpx.get(f"{address}/oidc/start", headers=ahead, trust_env=False)
            kept = begun.headers["set-cookie"]
            assert kept.startswith(f"__Host-matakota_{port}_oidc=")
            for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=600"):
                assert word in kept
            assert "Domain" not in kept
            there = httpx.get(begun.headers["location"], trust_env=False).headers["location"]
            back = there.replace("https://matakota.example", address)
            assert back != there
            cookie = {"cookie": kept.split(";")[0]}
            answer = httpx.get(back, headers=ahead | cookie, trust_env=False)
            assert answer.status_code == 303
            cookies = answer.headers.get_list("set-cookie")
            assert re.search(rf"__Host-matakota_{port}=ms_\S+; .*Secure", "\n".join(cookies))
            assert any(
                each.startswith(f'__Host-matakota_{port}_oidc="";') and "Max-Age=0" in each
                for each in cookies
            )
            (user,) = store.people.all()
            (session,) = store.keys.sessions(user.id)
            assert session.address == "203.0.113.7"
    bell.close()
