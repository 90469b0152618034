"""The way to a camera before it speaks: its name is looked up once, the addresses that were found
are checked and pinned, and a connection is made to one of them. Nothing here waits longer than it
is told."""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from streams.address import RtspAddress, UnusableAddressError, resolve_address
from streams.health import Code

RESOLVE_S = 5.0
CONNECT_S = 4.0
"""For all addresses of a camera together."""

IP: TypeAlias = IPv4Address | IPv6Address


class AttemptError(Exception):
    """An attempt is over, and why."""

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class Lookup:
    """The camera's addresses, looked up aside, because the DNS cannot be interrupted."""

    def __init__(self, address: RtspAddress, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._address = address
        self._networks = networks
        self._found: tuple[IP, ...] = ()
        # What stands where the thread cannot say why it ended.
        self._code = Code.UNRESOLVED
        self._ready = threading.Event()
        self._deadline = time.monotonic() + RESOLVE_S
        try:
            ip_address(address.host)
        except ValueError:
            try:
                threading.Thread(target=self._resolve, name="lookup", daemon=True).start()
            except RuntimeError as error:
                raise AttemptError(Code.DECODER_FAILED, f"no look-up: {error}") from error
        else:
            self._resolve()

    @property
    def done(self) -> bool:
        return self._ready.is_set()

    def wait(self, deadline: float) -> tuple[IP, ...] | None:
        """The addresses once they are there; None where they are not yet."""
        if self._ready.wait(max(0.0, deadline - time.monotonic())):
            if not self._found:
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
    """A connection that is being made to the first of some pinned addresses that answers. Each is
    waited for as long as leaves the others their share of the time."""

    def __init__(self, ips: Sequence[IP], port: int) -> None:
        self._ips = list(ips)
        self._port = port
        self._socket: socket.socket | None = None
        self._deadline = time.monotonic() + CONNECT_S
        self._share_ends = 0.0
        self._next_address()

    def wait(self, deadline: float) -> socket.socket | None:
        """The connected socket, which is the caller's from now on; None where it is not there
        yet. Raises AttemptError where no address answers."""
        while self._socket is not None:
            until = min(deadline, self._share_ends)
            waiting = select.poll()
            waiting.register(self._socket, select.POLLOUT)
            if waiting.poll(1000 * max(0.0, until - time.monotonic())):
                if not self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return self._take(self._socket)
                self._next_address()
            elif time.monotonic() >= self._share_ends:
                self._next_address()
            else:
                return None
        raise AttemptError(Code.UNREACHABLE)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _next_address(self) -> None:
        """Go on to the next address that a connection can be begun to; raises AttemptError where
        there is none."""
        self.close()
        while self._ips:
            now = time.monotonic()
            self._share_ends = now + max(0.0, self._deadline - now) / len(self._ips)
            ip = self._ips.pop(0)
            family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            if self._socket.connect_ex((str(ip), self._port)) in (0, errno.EINPROGRESS):
                return
            self.close()
        raise AttemptError(Code.UNREACHABLE)

    def _take(self, connected: socket.socket) -> socket.socket:
        connected.setblocking(True)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = None
        return connected
