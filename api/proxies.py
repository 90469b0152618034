"""Who asks, behind which proxy: what of a connection's scope the door decides on."""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from dataclasses import replace
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Final, Self, TypeAlias

from api.auth import Ask
from vision.errors import ConfigError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
_WITH_PORT: Final = re.compile(r"([0-9.]+):[0-9]+|\[([^]]+)\](?::[0-9]+)?", re.ASCII)


class Proxies:
    """The proxies that are believed: they say for whom they ask, and whether that way is
    encrypted. Of anybody else no such header is read."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    @classmethod
    def named(cls, names: Iterable[str]) -> Self:
        """Addresses or networks as people write them. Raises ConfigError."""
        networks = []
        for name in names:
            try:
                network = ip_network(name)
            except ValueError:
                raise ConfigError(
                    f"--trusted-proxy {name!a} is no address: write one such as 10.0.0.7, or a "
                    "network such as 10.0.0.0/29"
                ) from None
            if not network.prefixlen:
                raise ConfigError(
                    f"--trusted-proxy {name} is everybody, who could then say to be anybody: name "
                    "the proxy's own address"
                )
            networks.append(network)
        return cls(networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def asked(self, scope: MutableMapping[str, Any]) -> Ask:
        """What the decision is taken on, of an HTTP or WebSocket scope."""
        client, server = scope.get("client"), scope.get("server")
        ask = Ask(
            kind=scope["type"],
            path=scope["path"],
            root_path=scope.get("root_path", ""),
            peer=client[0] if client else None,
            headers=[(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]],
            method=scope.get("method", "GET"),
            query=bytes(scope.get("query_string", b"")),
            port=(server[1] or 0) if server else 0,
            tls=scope.get("scheme") in {"https", "wss"},
        )
        if not self._is_trusted(_address(ask.peer or "")):
            return ask
        hops = [
            _address(hop.strip())
            for line in ask.values(b"x-forwarded-for")
            for hop in line.split(",")
        ]
        if not hops:
            return ask
        # what stands before the first one that is not ours may be made up
        peer = next((hop for hop in reversed(hops) if not self._is_trusted(hop)), hops[0])
        tls = [each.strip().lower() for each in ask.values(b"x-forwarded-proto")] == ["https"]
        return replace(ask, peer=None if peer is None else str(peer), tls=tls, proxied=True)

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> Address | None:
    """The address that is written there, maybe with a port; None where it is none."""
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


NO_PROXIES: Final = Proxies()
