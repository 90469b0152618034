"""Signing in at a service for tests, without the pages."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from api.oidc import Person, SignIn
from api.oidc.settings import OidcSettings
from tests.api.oidc_provider import CLIENT, SECRET, Provider

BASE = "https://matakota.example"


def signing_in(service: Provider, **more: Any) -> SignIn:
    values: dict[str, Any] = {
        "issuer": service.issuer, "client_id": CLIENT, "client_secret": SECRET, "base_url": BASE,
        "name": "City account",
    }  # fmt: skip
    return SignIn(OidcSettings(**(values | more)))


async def come_back(address: str) -> dict[str, str]:
    """Be at the service, and bring back what it says."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as browser:
        answer = await browser.get(address)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == f"{BASE}/oidc/back"
    return {name: values[0] for name, values in parse_qs(back.query).items()}


async def once(sign_in: SignIn) -> Person:
    address, pending = await sign_in.start("/")
    return await sign_in.finish(pending, await come_back(address))


def sign_in_at(service: Provider, **more: Any) -> Person:
    return asyncio.run(once(signing_in(service, **more)))
