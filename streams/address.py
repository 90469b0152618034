"""Where a camera is: an RTSP address without its login, and the networks it may lie in."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

from streams.health import SENTENCES, Code
from vision.errors import CameraError

SCHEMES = {"rtsp": 554, "rtsps": 322}
MAX_CHARS = 2000
DEFAULT_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""The private networks (RFC 1918, RFC 4193). Loopback is not among them."""


@dataclass(frozen=True, slots=True)
class RtspAddress:
    """``path`` begins with ``/`` and includes the query. There is no login in it."""

    secure: bool
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rtsps' if self.secure else 'rtsp'}://{host}:{self.port}{self.path}"


class UnusableAddressError(CameraError):
    """An address that is not connected to; ``code`` says why."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_address(text: str) -> RtspAddress:
    """The address in ``text``. Raises CameraError, which never repeats a login, for another
    scheme, a login, control characters, a missing host or a wrong port."""
    if len(text) > MAX_CHARS or not text.isascii() or not text.isprintable() or " " in text:
        raise CameraError(
            f"the address is longer than {MAX_CHARS} characters, or holds blanks or characters "
            "beyond ASCII; percent-encode them"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
        host = parts.hostname
    except ValueError:
        raise CameraError(
            "the address cannot be read; write rtsp://HOST:PORT/PATH with a port up to 65535"
        ) from None
    if parts.scheme not in SCHEMES:
        raise CameraError("the address is neither rtsp:// nor rtsps://; write rtsp://HOST/PATH")
    if "@" in parts.netloc:
        raise CameraError(
            "the address holds a login; move it to the credentials file and name it with 'login'"
        )
    if not host or port == 0 or parts.fragment:
        raise CameraError("the address needs a host, a port from 1 and no '#'; correct it")
    path = parts.path or "/"
    return RtspAddress(
        secure=parts.scheme == "rtsps",
        host=host,
        port=SCHEMES[parts.scheme] if port is None else port,
        path=f"{path}?{parts.query}" if parts.query else path,
    )


def parse_path(text: str) -> str:
    """The path, with its query, of another stream at an address that is known. Raises CameraError,
    which never repeats it: some cameras have their login in the query."""
    if len(text) > MAX_CHARS or not text.isascii() or not text.isprintable() or " " in text:
        raise CameraError(
            f"the path is longer than {MAX_CHARS} characters, or holds blanks or characters beyond "
            "ASCII; percent-encode them"
        )
    if not text.startswith("/") or text.startswith("//") or "#" in text:
        raise CameraError("the path begins with one '/' and has no '#'; correct it")
    return text


def resolve_address(
    address: RtspAddress, networks: Sequence[IPv4Network | IPv6Network]
) -> tuple[IPv4Address | IPv6Address, ...]:
    """The addresses to connect to, in the order of the DNS and each once, looked up once and
    pinned by the caller.

    A name all of whose addresses lie in ``networks`` is allowed; one that lies outside refuses
    the whole name. Raises UnusableAddressError. May wait for the DNS.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UnusableAddressError(Code.UNRESOLVED, SENTENCES[Code.UNRESOLVED]) from None
    candidates = tuple(dict.fromkeys(plain_ip(str(entry[4][0])) for entry in found))
    outside = [ip for ip in candidates if not any(ip in network for network in networks)]
    if outside or not candidates:
        shown = f" ({outside[0]})" if outside else ""
        raise UnusableAddressError(
            Code.ADDRESS_REFUSED, f"{SENTENCES[Code.ADDRESS_REFUSED]}{shown}"
        )
    return candidates


def plain_ip(text: str) -> IPv4Address | IPv6Address:
    """The address in ``text``. An IPv4 one that is written as IPv6 (``::ffff:10.0.0.1``) is judged
    as what it is."""
    ip = ip_address(text.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip
