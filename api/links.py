"""Addresses that work once, for people who have nothing else to come in with."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from api.access import Kind
from api.auth import ENTER, new_token
from api.store import Actor, Store

LINK_S: Final = 3600.0
PASSWORD_LINK_S: Final = 86_400.0


def new_link(
    store: Store,
    base: str,
    user: int | None,
    *,
    kind: Kind = "link",
    by: Actor | None = None,
    lasts_s: float = LINK_S,
) -> str:
    """An address that works once, within ``lasts_s``: what its ``kind`` does, for this user, or
    nobody for a set-up. ``base`` is where the server is reached. Raises StoreError."""
    token = new_token(kind)
    store.keys.add_link(
        token.id, token.hash, lasts_s=lasts_s, by=by or Actor.command(), kind=kind, user=user
    )
    return f"{base}{ENTER}?link={token.reveal()}"


def base_address(host: str, port: int, *, tls: bool = False) -> str:
    """Where a server is reached that listens there; one that listens everywhere is reached on its
    own machine."""
    return f"{'https' if tls else 'http'}://{_reached(host)}:{port}"


def _reached(host: str) -> str:
    try:
        ip = ip_address(host)
    except ValueError:
        return host
    if ip.is_unspecified:
        return "[::1]" if ip.version == 6 else "127.0.0.1"
    return f"[{host}]" if ip.version == 6 else host
