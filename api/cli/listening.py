"""Where a server of ours listens, and how others reach it."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import typer

from api.links import base_address, new_link
from api.proxies import Proxies
from api.store import Store
from vision.errors import ConfigError, ServiceError

BACKLOG: Final = 2048
STALLED_MS: Final = 30_000
"""A client that takes nothing for so long is cut off, with all that waits for it."""

TlsCertOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="The certificate for HTTPS with those that it leans on, PEM; needs --tls-key.",
        metavar="FILE",
    ),
]
TlsKeyOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="The certificate's key, PEM, without a password.", metavar="FILE"),
]
ProxyOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy",
        help="The address or network of a proxy that is believed about who asks; may be repeated.",
        metavar="ADDRESS",
    ),
]


@dataclass(frozen=True, slots=True)
class Way:
    """How others reach a server: where it listens, with which certificate and key (both or
    neither), and behind which proxies."""

    host: str
    port: int
    cert: Path | None = None
    key: Path | None = None
    trusted: tuple[str, ...] = ()

    @property
    def tls(self) -> bool:
        return self.cert is not None

    @property
    def guarded(self) -> bool:
        """Whether others may come over HTTPS."""
        return self.tls or bool(self.trusted)

    @property
    def base(self) -> str:
        """Its address for a browser on this machine."""
        return base_address(self.host, self.port, tls=self.tls)

    @property
    def options(self) -> list[str]:
        """The same for a child's command."""
        named: list[str] = ["--host", self.host, "--port", str(self.port)]
        if self.cert is not None and self.key is not None:
            # it may run elsewhere
            named += ["--tls-cert", str(self.cert.absolute())]
            named += ["--tls-key", str(self.key.absolute())]
        for proxy in self.trusted:
            named += ["--trusted-proxy", proxy]
        return named

    @property
    def proxies(self) -> Proxies:
        """Raises ConfigError for what is no address."""
        return Proxies.named(self.trusted)

    def context(self) -> ssl.SSLContext | None:
        """What speaks TLS, where that was asked for. Raises ConfigError where the files cannot be
        used."""
        if self.cert is None and self.key is None:
            return None
        if self.cert is None or self.key is None:
            given, missing = ("cert", "key") if self.key is None else ("key", "cert")
            raise ConfigError(f"--tls-{given} needs --tls-{missing}: name both files, or neither")
        for option, file in (("--tls-cert", self.cert), ("--tls-key", self.key)):
            try:
                file.read_bytes()
            except OSError as error:
                why = (error.strerror or "it cannot be read").lower()
                raise ConfigError(f"{option} {file}: {why}: name a file that can be read") from None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # a key with a password would have it asked for at the terminal
            context.load_cert_chain(self.cert, self.key, password=lambda: "")
        except (ssl.SSLError, ValueError):
            raise ConfigError(
                f"--tls-cert {self.cert} and --tls-key {self.key} are no certificate and its key: "
                "both are PEM, belong together, and the key has no password"
            ) from None
        return context

    def listen(self) -> socket.socket:
        """A socket that listens there. Raises ServiceError where the address is taken or not ours,
        ConfigError where others would reach it without being guarded."""
        return listen(self.host, self.port, guarded=self.guarded)


def checked_way(
    host: str, port: int, cert: Path | None, key: Path | None, trusted: list[str] | None
) -> Way:
    """How others are to reach a server. Raises ConfigError for what cannot be."""
    way = Way(host, port, cert, key, tuple(trusted or ()))
    way.context()
    Proxies.named(way.trusted)
    with suppress(OSError, UnicodeError):
        # a host that is none is said where it is listened at
        _check_guarded(host, _found(host, port)[4], guarded=way.guarded)
    return way


def greeting(store: Store, base: str) -> str:
    """What a person opens first: the page, or, while nobody is an administrator, the link by which
    somebody becomes one. Raises StoreError."""
    if store.people.has_administrator():
        return f"open {base}/"
    return f"set up: {new_link(store, base, None, kind='setup')}"


def listen(host: str, port: int, *, guarded: bool = False) -> socket.socket:
    """A socket that listens. ``guarded`` says that other machines come over HTTPS. Raises
    ServiceError where the address is taken or not ours, ConfigError where other machines would
    come without."""
    try:
        family, kind, protocol, _, where = _found(host, port)
        _check_guarded(host, where, guarded=guarded)
        # The protocol is named, since asyncio sends small answers at once only where it is: each
        # would take 40 ms more.
        listener = socket.socket(family, kind, protocol)
        with ExitStack() as undo:
            undo.callback(listener.close)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # whoever connects inherits it; macOS has no such thing
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MS)
            listener.bind(where)
            listener.listen(BACKLOG)
            undo.pop_all()
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None) or 0
        # a host that cannot be found has no number of the system
        why = os.strerror(number).lower() if number > 0 else "there is no such host"
        raise ServiceError(
            f"cannot listen at {host} port {port} ({why}): choose another --host or --port, or end "
            "what listens there"
        ) from None
    return listener


def _found(host: str, port: int) -> tuple[int, int, int, str, tuple[Any, ...]]:
    flags = socket.AI_PASSIVE
    return socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP, flags=flags)[0]


def _check_guarded(host: str, where: tuple[Any, ...], *, guarded: bool) -> None:
    if guarded or ip_address(str(where[0]).partition("%")[0]).is_loopback:
        return
    raise ConfigError(
        f"--host {host} lets other machines ask, which needs HTTPS: add --tls-cert and --tls-key, "
        "or name the proxy that speaks it with --trusted-proxy"
    )
