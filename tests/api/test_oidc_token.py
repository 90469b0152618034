"""Identity tokens of a service that runs: which are believed, and which are not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from api.oidc.token import SignInError
from tests.api.oidc_provider import CLIENT, Provider, provider
from tests.api.oidc_visits import BASE, sign_in_at


def at(claims: dict[str, Any]) -> dict[str, Any]:
    """Claims whose times are said from now on."""
    now = int(time.time())
    return {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }


@pytest.fixture
def service() -> Iterator[Provider]:
    with provider(f"{BASE}/oidc/back") as running:
        yield running


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"aud": "another", "azp": CLIENT},
        {"aud": ["another"], "azp": CLIENT},
        {"aud": None},
        {"aud": {CLIENT: 1}},
        {"azp": "another"},
        {"iss": "https://another.example"},
        {"iss": None},
        {"iss": ["x"]},
        {"exp": timedelta(seconds=-120)},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"iat": timedelta(hours=1)},
        {"iat": None},
        {"nbf": timedelta(hours=1)},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_sign_in_is_not_believed(
    service: Provider, claims: dict[str, Any]
) -> None:
    service.claims = at(claims)
    with pytest.raises(SignInError, match=r"not to be believed|by too long a text"):
        sign_in_at(service)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "another"], "azp": CLIENT},
        {"exp": timedelta(seconds=-30)},
        {"iat": timedelta(seconds=30)},
    ],
    ids=str,
)
def test_a_token_may_be_for_others_too_and_clocks_may_differ(
    service: Provider, claims: dict[str, Any]
) -> None:
    service.claims = at(claims)
    assert sign_in_at(service).subject == "person-1"


@pytest.mark.parametrize(
    "fault",
    [
        "not signed",
        "without its signature",
        "signed with the secret",
        "signed with the public key",
        "signed by another key",
        "key in the header",
        "signed otherwise",
        "critical header",
        "odd algorithm",
        "odd key id",
        "changed",
        "no token at all",
        "no identity token",
    ],
)
def test_a_token_that_is_not_signed_by_the_service_is_not_believed(
    service: Provider, fault: str
) -> None:
    service.fault = fault
    with pytest.raises(SignInError, match=r"identity token|signed"):
        sign_in_at(service)
