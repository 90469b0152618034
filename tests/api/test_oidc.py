"""Signing in at a service that runs: what is believed, what is not, and how often it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs

from api.oidc import PENDING_S, Pending, Person, SignIn, flow, web
from api.oidc.token import (
    NotBegunError,
    SignInDeniedError,
    SignInError,
    SignInGoneError,
    SignInOverError,
    UnknownKeyError,
)
from tests.api.oidc_provider import ALGORITHMS, SECRET, Provider, provider
from tests.api.oidc_visits import BASE, come_back, once, sign_in_at, signing_in


@pytest.fixture
def service() -> Iterator[Provider]:
    with provider(f"{BASE}/oidc/back") as running:
        yield running


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_who_signs_in_is_told(service: Provider, algorithm: str) -> None:
    service.rotate("one", algorithm)
    assert sign_in_at(service) == Person(service.issuer, "person-1", "person-1@city.example", True)


def test_a_key_needs_no_id(service: Provider) -> None:
    service.rotate(None)
    assert sign_in_at(service).subject == "person-1"


def test_the_service_is_sent_what_it_needs_and_nothing_secret(service: Provider) -> None:
    address, pending = asyncio.run(signing_in(service).start("/people"))
    given = parse_qs(urlsplit(address).query)
    assert given["scope"] == ["openid email"]
    assert (given["state"], given["nonce"]) == ([pending.state], [pending.nonce])
    assert pending.verifier not in address
    assert SECRET not in address


@pytest.mark.parametrize(
    ("claims", "told", "called", "verified"),
    [
        ({"email_verified": False}, {}, "person-1@city.example", False),
        ({"email_verified": None}, {}, "person-1@city.example", False),
        ({"email_verified": "true"}, {}, "person-1@city.example", False),
        ({"email": "x" * 300}, {}, None, True),
        ({"email": "two\nlines"}, {}, None, True),
        ({"email": ["person-1@city.example"]}, {}, None, True),
        ({"email": ""}, {}, None, True),
        # many services tell it only to whoever asks for it
        ({"email": None, "email_verified": None}, {}, "person-1@city.example", True),
        ({"email": None}, {"email_verified": False}, "person-1@city.example", False),
        ({"email": None}, {"sub": "person-2"}, None, True),
        ({"email": None}, {"email": 7}, None, True),
    ],
)
def test_a_person_is_called_what_the_service_says_for_sure(
    service: Provider, claims: dict[str, Any], told: dict[str, Any], called: str, verified: bool
) -> None:
    service.claims, service.told = claims, told
    assert sign_in_at(service) == Person(service.issuer, "person-1", called, verified)


def test_a_name_that_is_chosen_there_needs_no_check(service: Provider) -> None:
    service.claims = {"email_verified": False}
    person = sign_in_at(service, claim="preferred_username")
    assert person == Person(service.issuer, "person-1", "person", True)


@pytest.mark.parametrize("fault", ["500 /userinfo", "text /userinfo", "moved /userinfo"])
def test_somebody_is_known_without_being_called_anything(service: Provider, fault: str) -> None:
    service.fault, service.claims = fault, {"email": None}
    assert sign_in_at(service) == Person(service.issuer, "person-1", None, True)


def test_a_service_may_want_the_secret_in_the_form(service: Provider) -> None:
    service.described = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert sign_in_at(service).subject == "person-1"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("500 /token", SignInGoneError),
        ("429 /token", SignInGoneError),
        ("slow /token", SignInGoneError),
        ("slow /jwks", SignInGoneError),
        ("500 /jwks", SignInGoneError),
        ("404 /jwks", SignInError),
        ("empty /jwks", SignInError),
        ("moved /jwks", SignInError),
        ("moved /token", SignInError),
        ("404 /token", SignInError),
        ("huge /token", SignInError),
        ("text /token", SignInError),
        ("list /token", SignInError),
        ("deep /token", SignInError),
        ("empty /token", SignInError),
        ("client refused", SignInError),
        ("500 /.well-known/openid-configuration", SignInGoneError),
        ("slow /.well-known/openid-configuration", SignInGoneError),
        ("404 /.well-known/openid-configuration", SignInError),
        ("moved /.well-known/openid-configuration", SignInError),
        ("huge /.well-known/openid-configuration", SignInError),
        ("deep /.well-known/openid-configuration", SignInError),
        ("empty /.well-known/openid-configuration", SignInError),
    ],
)
def test_a_service_that_does_not_answer_well_lets_nobody_in(
    service: Provider, fault: str, error: type[SignInError], monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault.startswith("slow"):
        monkeypatch.setattr(web, "ASK_S", 0.3)
    service.fault = fault
    with capture_logs() as logs, pytest.raises(SignInError) as caught:
        sign_in_at(service)
    assert type(caught.value) is error
    assert caught.value.passing is (error is SignInGoneError)
    assert ("has no end" in str(caught.value)) is fault.startswith("huge")
    for said in (str(caught.value), str(logs)):
        assert SECRET not in said
        assert "an-access-token" not in said


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://another.example"},
        {"issuer": None},
        {"token_endpoint": "http://id.example/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/keys"},
        {"jwks_uri": ["https://id.example/keys"]},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": "http://10.0.0.1/"},
    ],
    ids=str,
)
def test_a_service_that_describes_itself_wrongly_is_not_used(
    service: Provider, described: dict[str, Any]
) -> None:
    service.described = described
    with pytest.raises(SignInError):
        asyncio.run(signing_in(service).start("/"))
    assert set(service.asked) == {"/.well-known/openid-configuration"}


def test_an_issuer_is_the_same_to_the_last_character(service: Provider) -> None:
    with pytest.raises(SignInError, match="calls itself otherwise"):
        asyncio.run(signing_in(service, issuer=f"{service.issuer}/").start("/"))


def test_nobody_is_asked_who_does_not_listen() -> None:
    with provider() as gone:
        pass
    with pytest.raises(SignInGoneError, match="cannot be reached"):
        asyncio.run(signing_in(gone).start("/"))


def _changed(**changes: str | None) -> Callable[[Mapping[str, str]], dict[str, str]]:
    def change(given: Mapping[str, str]) -> dict[str, str]:
        new = {**given, **{name: value for name, value in changes.items() if value is not None}}
        return {name: value for name, value in new.items() if name not in changes or changes[name]}

    return change


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_changed(state="another"), NotBegunError),
        (_changed(state="ä"), NotBegunError),
        (_changed(state=None), NotBegunError),
        (_changed(code="another"), SignInOverError),
        (_changed(code=None), SignInOverError),
        (_changed(code="x" * 5000), SignInOverError),
        (_changed(iss="https://another.example"), SignInError),
        (_changed(error="access_denied"), SignInDeniedError),
        (_changed(error="<b>anything</b>"), SignInDeniedError),
    ],
)
def test_what_comes_back_has_to_be_what_was_begun(
    service: Provider,
    change: Callable[[Mapping[str, str]], dict[str, str]],
    error: type[SignInError],
) -> None:
    async def run() -> None:
        sign_in = signing_in(service)
        address, pending = await sign_in.start("/")
        await sign_in.finish(pending, change(await come_back(address)))

    with pytest.raises(SignInError) as caught:
        asyncio.run(run())
    assert type(caught.value) is error
    assert "<b>" not in str(caught.value)


def test_a_service_that_names_itself_has_to_do_so_each_time(service: Provider) -> None:
    service.described = {"authorization_response_iss_parameter_supported": True}

    async def run() -> None:
        sign_in = signing_in(service)
        address, pending = await sign_in.start("/")
        given = await come_back(address)
        del given["iss"]
        await sign_in.finish(pending, given)

    with pytest.raises(SignInError, match="another sign-in service"):
        asyncio.run(run())


def test_a_code_works_once_and_only_in_the_browser_that_began(service: Provider) -> None:
    async def run() -> None:
        sign_in = signing_in(service)
        address, mine = await sign_in.start("/")
        _, other = await sign_in.start("/")
        given = await come_back(address)
        with pytest.raises(SignInOverError):
            # somebody else's browser, whose state was put into the address
            await sign_in.finish(other, {**given, "state": other.state})
        with pytest.raises(SignInOverError):
            await sign_in.finish(mine, given)

    asyncio.run(run())
    assert service.asked["/token"] == 2


def run(sign_in: SignIn, *steps: Callable[[SignIn], Awaitable[object]]) -> None:
    async def all_of_them() -> None:
        for step in steps:
            await step(sign_in)

    asyncio.run(all_of_them())


def test_what_the_service_says_of_itself_and_its_keys_are_kept(service: Provider) -> None:
    run(signing_in(service), once, once, once)
    assert service.asked["/.well-known/openid-configuration"] == 1
    assert service.asked["/jwks"] == 1


def test_new_keys_are_asked_for_once_a_minute(
    service: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def changed_at_once(sign_in: SignIn) -> None:
        service.rotate("two")
        with pytest.raises(UnknownKeyError):
            await once(sign_in)
        assert service.asked["/jwks"] == 1

    async def changed_later(sign_in: SignIn) -> None:
        monkeypatch.setattr(flow, "REFETCH_S", 0.0)
        assert (await once(sign_in)).subject == "person-1"
        assert service.asked["/jwks"] == 2

    async def signed_by_others(sign_in: SignIn) -> None:
        service.fault = "signed by another key"
        with pytest.raises(UnknownKeyError):
            await once(sign_in)
        assert service.asked["/jwks"] == 3

    run(signing_in(service), once, changed_at_once, changed_later, signed_by_others)


def test_what_failed_is_not_asked_for_at_once_again(
    service: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.fault = "500 /.well-known/openid-configuration"

    async def refused(sign_in: SignIn) -> None:
        with pytest.raises(SignInGoneError):
            await sign_in.start("/")

    async def later(sign_in: SignIn) -> None:
        service.fault = ""
        monkeypatch.setattr(web, "FAILED_S", 0.0)
        await sign_in.start("/")

    run(signing_in(service), refused, refused, refused, later)
    assert service.asked["/.well-known/openid-configuration"] == 2


def test_many_who_begin_at_once_ask_once(
    service: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "MAX_AT_ONCE", 5)

    async def many(sign_in: SignIn) -> None:
        begun = [sign_in.start("/") for _ in range(8)]
        found = await asyncio.gather(*begun, return_exceptions=True)
        refused = [each for each in found if isinstance(each, SignInGoneError)]
        assert len(refused) == 3
        assert str(refused[0]) == "too many sign in at once"

    run(signing_in(service), many, once)
    assert service.asked["/.well-known/openid-configuration"] == 1


def test_a_sign_in_is_kept_by_the_browser_for_ten_minutes() -> None:
    pending = Pending.begun("/people/ä", 1000.9)
    text = pending.text()
    assert Pending.read(text, 1000 + PENDING_S) == pending
    assert Pending.read(text, 1000 - 30) == pending
    assert Pending.read(text, 1001 + PENDING_S) is None
    assert Pending.read(text, 900) is None
    assert pending.verifier not in repr(pending)
    assert Pending.begun("/", 0) != Pending.begun("/", 0)
    for wrong in ("", text[1:], text + "!", text.replace(".", ""), text[:-1] + "_"):
        found = Pending.read(wrong, 1001)
        assert found is None or found.page != pending.page
