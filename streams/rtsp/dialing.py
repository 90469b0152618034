"""The way to a camera before it speaks: its name is looked up once, the address that was found is
checked and pinned, and one connection is made to it. Nothing here waits longer than it is told."""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from streams.address import RtspAddress, UnusableAddressError, resolve_address
from streams.health import Code

RESOLVE_S = 5.0
CONNECT_S = 4.0


class AttemptError(Exception):
    """An attempt is over, and why."""

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class Lookup:
    """The camera's address, looked up aside, because the DNS cannot be interrupted."""

    def __init__(self, address: RtspAddress, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._address = address
        self._networks = networks
        self._found: IPv4Address | IPv6Address | None = None
        self._code: Code | None = None
        self._ready = threading.Event()
        self._deadline = time.monotonic() + RESOLVE_S
        try:
            ip_address(address.host)
        except ValueError:
            threading.Thread(target=self._resolve, name="lookup", daemon=True).start()
        else:
            self._resolve()

    @property
    def done(self) -> bool:
        return self._ready.is_set()

    def wait(self, deadline: float) -> IPv4Address | IPv6Address | None:
        """The address once it is there; None where it is not yet."""
        if self._ready.wait(max(0.0, deadline - time.monotonic())):
            if self._code is not None:
                raise AttemptError(self._code)
            return self._found
        if time.monotonic() > self._deadline:
            # It goes on: the next attempt takes its answer instead of asking once more.
            self._deadline = time.monotonic() + RESOLVE_S
            raise AttemptError(Code.UNRESOLVED)
        return None

    def _resolve(self) -> None:
        try:
            self._found = resolve_address(self._address, self._networks)
        except UnusableAddressError as error:
            self._code = error.code
        finally:
            self._ready.set()


class Connecting:
    """A connection that is being made to a pinned address."""

    def __init__(self, ip: IPv4Address | IPv6Address, port: int) -> None:
        family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._deadline = time.monotonic() + CONNECT_S
        if self._socket.connect_ex((str(ip), port)) not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise AttemptError(Code.UNREACHABLE)

    def wait(self, deadline: float) -> bool:
        """Whether it is there now."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLOUT)
        if waiting.poll(1000 * max(0.0, min(deadline, self._deadline) - time.monotonic())):
            if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise AttemptError(Code.UNREACHABLE)
            return True
        if time.monotonic() >= self._deadline:
            raise AttemptError(Code.UNREACHABLE)
        return False

    def take(self) -> socket.socket:
        """The connected socket, which is the caller's from now on."""
        self._socket.setblocking(True)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def close(self) -> None:
        self._socket.close()
