"""Signing in at a service that people have an account with already (OpenID Connect): the
authorization code flow, with PKCE. authlib knows the protocol, joserfc its signatures.

What is begun is kept by the browser that begins it, in a cookie that only the server reads
(``Pending``), so that any process may finish it, also after a restart. Nothing in it is a secret
from that browser. ``state`` is compared with what comes back: another site cannot have somebody
finish a sign-in that this browser has not begun. Whoever can put cookies into a browser could put
a whole session there, which is no less; a signature over the cookie would stop nobody, since
everybody gets a signed one by beginning. Where the way is encrypted, only this very host can set
it. ``verifier`` binds the code to this browser, and ``nonce`` the identity token: a code or a token
of somebody else's sign-in is worth nothing here. It ends with its first use and after
``PENDING_S``; a code works once, which the service sees to.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote_plus, urlsplit

import structlog
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from api.oidc.settings import OidcSettings, is_loopback, is_safe
from api.oidc.token import (
    NotBegunError,
    SignInDeniedError,
    SignInError,
    SignInGoneError,
    SignInOverError,
    UnknownKeyError,
    read_id_token,
    read_json,
)
from api.oidc.web import Kept, Web, check_gone
from api.throttle import ADDRESS, Limit

PENDING_S: Final = 600.0
"""A sign-in that was begun can be finished within this."""
BACK: Final = "/oidc/back"
MAX_AT_ONCE: Final = 16
"""So many sign-ins ask the service at once, in each process."""
KEPT_S: Final = 3600.0
"""What the service says of itself, and its keys, are asked for anew after this."""
REFETCH_S: Final = 60.0
"""Its keys are not asked for more often than this, whatever tokens come."""
MAX_CODE_CHARS: Final = 4096
MAX_CALLED_CHARS: Final = 200
_AHEAD_S: Final = 60.0
"""Another process, which began it, may have another clock by this."""
_PENDING: Final = re.compile(r"([\w-]{43})\.([\w-]{43})\.([\w-]{43})\.(\d{1,12})\.([\w-]{0,700})")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that was begun ``at`` a time (UTC seconds), from a page to which it leads back."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    at: int
    page: str

    @classmethod
    def begun(cls, page: str, now: float) -> Self:
        """One that nobody can guess."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, int(now), page)

    @classmethod
    def read(cls, text: str, now: float) -> Self | None:
        """What a browser kept; None where it is none, or too old."""
        match = _PENDING.fullmatch(text)
        if match is None or not -_AHEAD_S <= now - int(match[4]) <= PENDING_S:
            return None
        try:
            page = base64.urlsafe_b64decode(match[5] + "==").decode()
        except ValueError:
            return None
        return cls(match[1], match[2], match[3], int(match[4]), page)

    def text(self) -> str:
        """What the browser keeps of it."""
        page = base64.urlsafe_b64encode(self.page.encode()).decode().rstrip("=")
        return f"{self.state}.{self.nonce}.{self.verifier}.{self.at}.{page}"


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in: ``subject`` never changes, ``called`` is what an administrator knows them by,
    None where the service does not tell; ``verified`` whether that is sure to be theirs."""

    issuer: str
    subject: str
    called: str | None
    verified: bool


@dataclass(frozen=True, slots=True)
class _Service:
    """What the service says of itself: where it is asked for what."""

    authorize: str
    token: str
    keys: str
    userinfo: str | None
    client_auth: str
    names_itself: bool
    """Whether it says who it is when it sends somebody back (RFC 9207)."""


class SignIn:
    """The way in by one service; used by one event loop. Everything raises SignInError."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._web = Web()
        self._service = Kept(self._read_service)
        self._keys = Kept(self._read_keys)
        self._asking = 0
        self.tries = Limit(ADDRESS, os.urandom(32))
        """How often nothing came of it, by place: everybody may come back with anything."""
        self._plain = is_loopback(urlsplit(settings.issuer).hostname or "")

    @classmethod
    def configured(cls, environ: Mapping[str, str]) -> Self | None:
        """The one that the environment names, if it does. Raises ConfigError."""
        settings = OidcSettings.read(environ)
        return None if settings is None else cls(settings)

    @property
    def name(self) -> str:
        """What people call the service."""
        return self._settings.name

    @property
    def claim(self) -> str:
        """What the service has to tell of people."""
        return self._settings.claim

    def now(self) -> float:
        """The time by which sign-ins end, UTC seconds."""
        return self._clock()

    async def start(self, page: str) -> tuple[str, Pending]:
        """Where the browser is to go, and what it has to keep; ``page`` is where it wants to."""
        with self._one_more():
            service = await self._service.get(KEPT_S)
        pending = Pending.begun(page, self._clock())
        address = prepare_grant_uri(
            service.authorize,
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=self._settings.base_url + BACK,
            scope=f"openid {'email' if self._settings.claim == 'email' else 'profile'}",
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        return str(address), pending

    async def finish(self, pending: Pending, given: Mapping[str, str]) -> Person:
        """Who it is that comes back with what is ``given`` in the address."""
        if not secrets.compare_digest(pending.state.encode(), given.get("state", "").encode()):
            raise NotBegunError("somebody came back with the state of another sign-in")
        with self._one_more():
            service = await self._service.get(KEPT_S)
            said = given.get("iss", None if service.names_itself else self._settings.issuer)
            if said != self._settings.issuer:
                raise SignInError("somebody was sent back by another sign-in service than ours")
            if "error" in given:
                raise SignInDeniedError(f"the sign-in service let nobody in: {_code(given)}")
            if not 0 < len(given.get("code", "")) <= MAX_CODE_CHARS:
                raise SignInOverError("somebody came back without a code")
            tokens = await self._redeem(service, given["code"], pending.verifier)
            claims = await self._claims(tokens, pending.nonce)
            return await self._person(service, tokens, claims)

    async def _redeem(self, service: _Service, code: str, verifier: str) -> dict[str, Any]:
        """The tokens that a code stands for."""
        body = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=self._settings.base_url + BACK,
            code_verifier=verifier,
        )
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        who = self._settings.client_id, self._settings.client_secret
        if service.client_auth == "client_secret_basic":
            # as the protocol has it, which matters for other characters than letters and digits
            who = quote_plus(who[0]), quote_plus(who[1])
        client = ClientAuth(*who, service.client_auth)
        _, headers, body = client.prepare("POST", service.token, headers, body)
        status, answer = await self._web.ask("POST", service.token, headers, body.encode())
        if status == 200:
            return read_json(answer, "token answer")
        check_gone(status)
        why = _code(read_json(answer, f"token answer ({status})"))
        if why == "invalid_grant":
            raise SignInOverError("the sign-in service takes this code no more")
        raise SignInError(
            f"the sign-in service refused this server ({status}, {why}): are the client id, its "
            "secret and the redirect address right?"
        )

    async def _claims(self, tokens: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        text = tokens.get("id_token")
        if not isinstance(text, str):
            raise SignInError("the sign-in service sent no identity token: is 'openid' allowed?")

        def read(keys: list[Any]) -> dict[str, Any]:
            return read_id_token(
                text,
                keys,
                issuer=self._settings.issuer,
                client_id=self._settings.client_id,
                nonce=nonce,
                now=self._clock(),
            )

        try:
            return read(await self._keys.get(KEPT_S))
        except UnknownKeyError:
            # it may have new ones
            return read(await self._keys.get(REFETCH_S))

    async def _person(
        self, service: _Service, tokens: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> Person:
        subject, claim = claims["sub"], self._settings.claim
        if claim not in claims and service.userinfo is not None:
            # many services tell it only to whoever asks for it
            try:
                claims = await self._userinfo(service.userinfo, tokens, subject)
            except SignInError as error:
                # whoever was here before comes in without
                log.warning("a sign-in service does not tell who somebody is", why=str(error))
        called = claims.get(claim)
        if not (isinstance(called, str) and called.isprintable()):
            called = None
        return Person(
            issuer=self._settings.issuer,
            subject=subject,
            called=called if called and len(called) <= MAX_CALLED_CHARS else None,
            verified=claim != "email" or claims.get("email_verified") is True,
        )

    async def _userinfo(
        self, address: str, tokens: Mapping[str, Any], subject: str
    ) -> dict[str, Any]:
        access = tokens.get("access_token")
        if not isinstance(access, str) or not re.fullmatch(r"[\x21-\x7e]+", access):
            raise SignInError("the sign-in service sent no access token")
        headers = {"Accept": "application/json", "Authorization": f"Bearer {access}"}
        found = read_json(await self._web.read(address, headers), "user information")
        if found.get("sub") != subject:
            raise SignInError("the sign-in service told about somebody else")
        return found

    async def _read_service(self) -> _Service:
        issuer = self._settings.issuer
        address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        found = read_json(await self._web.read(address), "description")
        if found.get("issuer") != issuer:
            raise SignInError(
                "the sign-in service calls itself otherwise: set MATAKOTA_OIDC_ISSUER to exactly "
                f"what its {address} says"
            )
        named = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
        places: dict[str, str] = {}
        for name in named:
            place = found.get(name)
            if isinstance(place, str) and is_safe(place, plain=self._plain):
                places[name] = place
            elif place is not None or name != "userinfo_endpoint":
                raise SignInError(f"the sign-in service's {name} is no https:// address")
        supported = found.get("token_endpoint_auth_methods_supported")
        post = isinstance(supported, list) and "client_secret_basic" not in supported
        return _Service(
            authorize=places["authorization_endpoint"],
            token=places["token_endpoint"],
            keys=places["jwks_uri"],
            userinfo=places.get("userinfo_endpoint"),
            client_auth="client_secret_post" if post else "client_secret_basic",
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        )

    async def _read_keys(self) -> list[Any]:
        service = await self._service.get(KEPT_S)
        found = read_json(await self._web.read(service.keys), "key set").get("keys")
        if not isinstance(found, list):
            raise SignInError("the sign-in service's key set has no keys")
        return found

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        if self._asking >= MAX_AT_ONCE:
            raise SignInGoneError("too many sign in at once")
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1


def _code(given: Mapping[str, Any]) -> str:
    """The code of an error, which is the protocol's; anything else could be anybody's text."""
    found = given.get("error")
    known = isinstance(found, str) and re.fullmatch(r"[a-z_]{1,40}", found) is not None
    return str(found) if known else "no reason given"
