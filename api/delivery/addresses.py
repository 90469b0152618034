"""Where messages may go: to public addresses, and to those private networks that are listed.

What is connected to is the address that was looked at, never the name once more, which might lead
elsewhere by then.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeAlias

import httpx

from streams.address import plain_ip
from vision.errors import ConfigError

Ip: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str, int], Iterable[str]]
"""The addresses of a name, in the order in which to try them. Raises OSError."""
MAX_ADDRESS_CHARS: Final = 2000
MAX_PORT: Final = 1 << 16
_PORTS: Final = {"http": 80, "https": 443}
_WRAPPING: Final[tuple[tuple[IPv6Network, int], ...]] = (
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""Networks whose addresses lead to the IPv4 address that they hold, and so many bits below it."""


class RefusedAddressError(ConfigError):
    """An address to which nothing is sent."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect to (``ips``, in this order), and under which name."""

    url: httpx.URL
    ips: tuple[Ip, ...]


def parse_url(text: str) -> httpx.URL:
    """The address of a webhook. Raises RefusedAddressError, which does not repeat it: its path may
    be what opens it."""
    try:
        url = httpx.URL(text) if len(text) <= MAX_ADDRESS_CHARS and text.isprintable() else None
    except httpx.InvalidURL:
        url = None
    if (
        url is None
        or url.scheme not in _PORTS
        or not url.host
        or url.userinfo
        or url.fragment
        or not 0 < (url.port or 1) < MAX_PORT
    ):
        raise RefusedAddressError(
            "the address of a webhook is https://HOST/PATH, without a login and without '#': "
            "correct it"
        )
    return url


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of the settings."""
    return tuple(ip_network(text) for text in texts)


def look_up(host: str, port: int) -> list[str]:
    """What the system knows of a name. May wait for the DNS. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("no name of a host") from None
    return [str(entry[4][0]) for entry in found]


def target_of(url: httpx.URL, networks: Sequence[Network], resolve: Resolve = look_up) -> Target:
    """Where ``url`` leads now. Raises RefusedAddressError where that is not allowed, and OSError
    where nobody knows its name."""
    ips = allowed_ips(url.host, url.port or _PORTS[url.scheme], networks, resolve)
    if url.scheme != "https" and not all(within(ip, networks) for ip in ips):
        raise RefusedAddressError(
            f"messages go to {url.host} by https alone: write https://, or list its network under "
            "'networks'"
        )
    return Target(url, ips)


def allowed_ips(
    host: str, port: int, networks: Sequence[Network], resolve: Resolve = look_up
) -> tuple[Ip, ...]:
    """The addresses of ``host``, each once. A name that leads to one that is not allowed is not
    used at all. Raises as ``target_of``."""
    ips = tuple(dict.fromkeys(plain_ip(text) for text in resolve(host, port)))
    for ip in ips:
        if not within(ip, networks) and not is_public(ip):
            raise RefusedAddressError(
                f"{host} leads to {ip}, which is not public: list its network under 'networks' if "
                "messages are to go there"
            )
    if not ips:
        raise OSError(f"{host} has no address")
    return ips


def is_public(ip: Ip) -> bool:
    """Whether an address is one of the whole Internet's."""
    if isinstance(ip, IPv6Address):
        for network, below in _WRAPPING:
            if ip in network:
                return is_public(IPv4Address((int(ip) >> below) & 0xFFFFFFFF))
        if ip.is_site_local or ip.teredo is not None:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def within(ip: Ip, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of these networks."""
    return any(ip in network for network in networks)
