"""Who asks for what, with what: for the tables of the door's decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from api import auth
from api.access import RULES, SCOPES, Caller, Role, permitted
from api.auth import (
    Ask,
    Token,
    form_token,
)
from api.store import Holder, Key

NOW = 1000.0
OTHER = auth.new_token()


def holding(token: Token, role: Role = Role.ADMINISTRATOR, **more: Any) -> Holder:
    """Who has this token, with every scope, or as this role."""
    of: dict[str, Any] = {
        "id": token.id, "name": "name", "hash": token.hash, "created_at": 0.0, "revoked_at": None,
        "last_used_at": None, "kind": token.kind,
    } | more  # fmt: skip
    person = token.kind != "key"
    key = Key(**{"expires_at": NOW + 1 if person else None, **of})
    caller = Caller(
        token.id, "name", of["kind"], permitted(of["kind"], role, SCOPES), None,
        user=1 if person else None, role=role if person else None,
    )  # fmt: skip
    return Holder(key, caller)


def seeing(holder: Holder, *cameras: str) -> Holder:
    return replace(holder, caller=replace(holder.caller, cameras=frozenset(cameras)))


def kept(holder: Holder, **more: Any) -> Holder:
    return replace(holder, key=replace(holder.key, **more))


TOKEN = auth.new_token()
KEY = holding(TOKEN)
REVOKED = kept(KEY, revoked_at=1.0)
BEARER = (b"authorization", f"Bearer {TOKEN.reveal()}".encode())
HEADER = (b"x-api-key", TOKEN.reveal().encode())
SESSION_TOKEN = auth.new_token("session")
SESSION = holding(SESSION_TOKEN)
LINK_TOKEN = auth.new_token("link")
LINK = holding(LINK_TOKEN)
LINK_QUERY = f"link={LINK_TOKEN.reveal()}".encode()
COOKIE = (b"cookie", f"matakota_8080={SESSION_TOKEN.reveal()}".encode())
TLS_COOKIE = (b"cookie", b"__Host-" + COOKIE[1])
HOST = (b"host", b"10.0.0.1:8080")
ORIGIN = (b"origin", b"http://10.0.0.1:8080")
TLS_ORIGIN = (b"origin", b"https://10.0.0.1:8080")
FORGED = (b"x-api-key", Token(TOKEN.id, OTHER.secret).reveal().encode())
CSRF = (b"x-csrf-token", form_token(SESSION_TOKEN.reveal()).encode())
LINK_CSRF = (b"x-csrf-token", form_token(LINK_TOKEN.reveal()).encode())
READ = "/api/v1/alerts"
OPEN = sorted({rule.path for rule in RULES if rule.needs is None and "{" not in rule.path})


def ask(
    path: str = READ,
    *headers: tuple[bytes, bytes],
    peer: str | None = "127.0.0.1",
    kind: str = "http",
    root_path: str = "",
    **more: Any,
) -> Ask:
    return Ask(kind, path, root_path, peer, headers, **({"port": 8080} | more))


def enter(query: bytes = LINK_QUERY, *headers: tuple[bytes, bytes], **more: Any) -> Ask:
    return ask(more.pop("path", "/enter"), *headers, query=query, **more)


def post(*headers: tuple[bytes, bytes], **more: Any) -> Ask:
    """What changes something, with a session."""
    held = more.pop("held", COOKIE)
    return ask("/leave", held, *headers, **({"method": "POST"} | more))


def sign_in(*headers: tuple[bytes, bytes], **more: Any) -> Ask:
    """A form that is open to everybody."""
    return ask("/login", HOST, ORIGIN, *headers, method="POST", **more)


def socket(*headers: tuple[bytes, bytes], **more: Any) -> Ask:
    return ask("/api/v1/live", COOKIE, *headers, kind="websocket", **more)


def header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.encode(), value.encode()


def site(value: str, mode: str = "") -> list[tuple[bytes, bytes]]:
    found = [header("sec-fetch-site", value)]
    return [*found, header("sec-fetch-mode", mode)] if mode else found


def form_cookie(value: str) -> tuple[bytes, bytes]:
    return header("cookie", f"matakota_8080_form={value}")
