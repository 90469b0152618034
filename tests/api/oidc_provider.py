"""A sign-in service for tests: a real server on loopback, which lets everybody in at once as one
person, and can do wrong whatever such a service can do wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

CLIENT = "matakota-tests"
SECRET = "no real secret: %+&="
SLOW_S = 30.0
"""What is slow takes this, unless the one who asks gives up."""
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


def new_key(algorithm: str, kid: str | None) -> Key:
    more: Any = {"use": "sig", "alg": algorithm} | ({} if kid is None else {"kid": kid})
    if algorithm == "ES256":
        return ECKey.generate_key("P-256", more)
    return (
        OKPKey.generate_key("Ed25519", more)
        if algorithm == "EdDSA"
        else RSAKey.generate_key(2048, more)
    )


@cache
def _first_key() -> Key:
    """The one of every service: making it takes long."""
    return new_key("RS256", "one")


class Provider:
    """``fault`` names what goes wrong now; ``claims`` are put into identity tokens (None takes one
    out), and ``told`` into the user information, instead of what is right."""

    def __init__(self, address: str, redirect: str) -> None:
        self.issuer = address
        self.redirect = redirect
        self.fault = ""
        self.claims: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        self.described: dict[str, Any] = {}
        self.asked: Counter[str] = Counter()
        self.algorithm = "RS256"
        self.kid: str | None = "one"
        self.key = _first_key()
        self.ended = threading.Event()
        self._codes: dict[str, dict[str, str]] = {}

    def rotate(self, kid: str | None = "two", algorithm: str = "RS256") -> None:
        """Sign by another key from now on."""
        self.algorithm, self.kid, self.key = algorithm, kid, new_key(algorithm, kid)

    # --- what it answers: status, headers, body

    def description(self) -> dict[str, Any]:
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=tests",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        } | self.described
        return {name: value for name, value in found.items() if value is not None}

    def authorize(self, given: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """At once, as for somebody who is signed in there already."""
        wanted = {
            "response_type": "code", "client_id": CLIENT, "redirect_uri": self.redirect,
            "code_challenge_method": "S256", "tenant": "tests",
        }  # fmt: skip
        wrong = [name for name, value in wanted.items() if given.get(name) != value]
        if wrong or "openid" not in given.get("scope", "").split() or not given.get("nonce"):
            return 400, {}, f"wrong: {wrong}".encode()
        code = secrets.token_urlsafe(24) + "/+ä=&"
        self._codes[code] = dict(given)
        back = {"code": code, "state": given["state"], "iss": self.issuer}
        return 302, {"location": f"{given['redirect_uri']}?{urlencode(back)}"}, b""

    def token(self, headers: Mapping[str, str], body: str) -> tuple[int, dict[str, str], bytes]:
        given = {name: values[0] for name, values in parse_qs(body).items()}
        if "client_secret_basic" in self.description()["token_endpoint_auth_methods_supported"]:
            pair = base64.b64decode(headers.get("authorization", "").removeprefix("Basic "))
            client, _, secret = pair.decode().partition(":")
            client, secret = unquote_plus(client), unquote_plus(secret)
        else:
            client, secret = given.get("client_id", ""), given.get("client_secret", "")
        if (client, secret) != (CLIENT, SECRET) or self.fault == "client refused":
            return 401, {}, json.dumps({"error": "invalid_client"}).encode()
        begun = self._codes.pop(given.get("code", ""), None)
        verifier = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = _base64(verifier)
        if (
            begun is None
            or given.get("grant_type") != "authorization_code"
            or given.get("redirect_uri") != begun["redirect_uri"]
            or challenge != begun["code_challenge"]
        ):
            return 400, {}, json.dumps({"error": "invalid_grant"}).encode()
        answer: dict[str, Any] = {
            "access_token": "an-access-token", "token_type": "Bearer", "expires_in": 60,
            "id_token": self.id_token(begun["nonce"]),
        }  # fmt: skip
        if self.fault == "no identity token":
            del answer["id_token"]
        return 200, {}, json.dumps(answer).encode()

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "person-1", "aud": CLIENT, "exp": now + 60, "iat": now,
            "nonce": nonce, "email": "person-1@city.example", "email_verified": True,
            "preferred_username": "person",
        } | self.claims  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        header: dict[str, Any] = {"alg": self.algorithm, "kid": self.kid, "x-more": "ignored"}
        if self.kid is None:
            del header["kid"]
        key: Key | bytes = self.key
        match self.fault:
            case "not signed":
                header["alg"] = "none"
            case "signed with the secret":
                header["alg"], key = "HS256", SECRET.encode()
            case "signed with the public key":
                header["alg"] = "HS256"
                key = self.key.as_pem(private=False)
            case "signed by another key":
                key = new_key(self.algorithm, self.kid)
            case "key in the header":
                key = other = new_key(self.algorithm, self.kid)
                header["jwk"] = other.as_dict(private=False)
            case "signed otherwise":
                header["alg"] = "RS512"
            case "critical header":
                header |= {"crit": ["x-more"]}
            case "odd algorithm":
                header["alg"], key = ["RS256"], b"any"
            case "odd key id":
                header["kid"] = {"one": 1}
        text = _signed(header, claims, key)
        if self.fault == "without its signature":
            return text.rpartition(".")[0] + "."
        if self.fault == "changed":
            head, _, signature = text.split(".")
            body = _base64(json.dumps(claims | {"email": "person-2@city.example"}).encode())
            return f"{head}.{body}.{signature}"
        return "no.token" if self.fault == "no token at all" else text

    def userinfo(self, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        if headers.get("authorization") != "Bearer an-access-token":
            return 401, {}, b""
        told = {"sub": "person-1", "email": "person-1@city.example", "email_verified": True}
        return 200, {}, json.dumps(told | self.told).encode()

    def answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: str
    ) -> tuple[int, dict[str, str], bytes]:
        """What is answered, rightly or as ``fault`` has it: "500 /token" and the like."""
        self.asked[path] += 1
        how, _, where = self.fault.partition(" ")
        if where == path:
            wrong = _WRONG.get(how)
            if wrong is not None:
                return wrong
            if how == "slow":
                self.ended.wait(SLOW_S)
            if how == "moved":
                return 302, {"location": f"{self.issuer}/elsewhere{path}"}, b""
        if path.startswith("/elsewhere"):
            path = path.removeprefix("/elsewhere")
        given = {name: values[0] for name, values in parse_qs(query).items()}
        match method, path:
            case "GET", "/.well-known/openid-configuration":
                return 200, {}, json.dumps(self.description()).encode()
            case "GET", "/jwks":
                public = self.key.as_dict(private=False)
                short = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "one"}
                odd = [{"kty": "unknown"}, 7, short]
                return 200, {}, json.dumps({"keys": [*odd, public]}).encode()
            case "GET", "/authorize":
                return self.authorize(given)
            case "POST", "/token":
                return self.token(headers, body)
            case "GET", "/userinfo":
                return self.userinfo(headers)
        return 404, {}, b""


_WRONG: dict[str, tuple[int, dict[str, str], bytes]] = {
    "500": (500, {}, b"broken"),
    "404": (404, {}, b"{}"),
    "429": (429, {}, b"{}"),
    "huge": (200, {}, b" " * (1 << 20) + b"{}"),
    "text": (200, {}, b"<html>"),
    "list": (200, {}, b"[]"),
    "deep": (200, {}, b"[" * 100_000),
    "empty": (200, {}, b"{}"),
}


def _signed(header: dict[str, Any], claims: dict[str, Any], key: Key | bytes) -> str:
    """A token, signed in whatever way: no library would do half of them."""
    head, body = (_base64(json.dumps(each).encode()) for each in (header, claims))
    what = f"{head}.{body}".encode()
    if isinstance(key, bytes):
        signature = hmac.digest(key, what, "sha256")
    else:
        signature = JWSRegistry.algorithms[header["alg"]].sign(what, key)
    return f"{head}.{body}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("content-length", 0))).decode())

    def _answer(self, body: str) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, more, content = self.provider.answer(
            self.command, parts.path, parts.query, headers, body
        )
        try:
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            # whoever asked has heard enough
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def provider(redirect: str = "") -> Iterator[Provider]:
    """A sign-in service that runs, and sends people back to ``redirect``."""

    class Handler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made = Provider(f"http://127.0.0.1:{server.server_address[1]}", redirect)
        Handler.provider = made
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            made.ended.set()
            server.shutdown()
            thread.join(20)
