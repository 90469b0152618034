"""A TCP proxy that breaks on demand: what a network does to a connection, on loopback."""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

Mode = Literal["open", "half-open", "stall", "reset", "refuse"]
CHUNK_BYTES = 1 << 16
TICK_S = 0.05
ANSWER_S = 5.0
RST = struct.pack("ii", 1, 0)
"""To close with a reset: linger for 0 s."""


class Proxy:
    """Listens on a free port of loopback and forwards to ``target``: a path of a socket, or a
    port of loopback. ``mode`` may change at any time:

    - ``open``: forwards.
    - ``half-open``: whoever is or gets connected is heard and never answered, as by a host that is
      gone; such a connection stays dead when the mode changes back.
    - ``stall``: nothing moves, and goes on later where it was.
    - ``reset``: every connection is reset, a new one as soon as it is made.
    - ``refuse``: nobody listens; those that were connected are reset.
    """

    def __init__(self, target: Path | int) -> None:
        self._target = target
        self._listener = _listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.mode: Mode = "open"
        self.accepted = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"proxy {self.port}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(ANSWER_S)

    def _run(self) -> None:
        listener: socket.socket | None = self._listener
        while not self._over.is_set():
            if self.mode == "refuse":
                if listener is not None:
                    listener.close()
                    listener = None
                self._over.wait(TICK_S)
                continue
            if listener is None:
                listener = _listen(self.port)
            ready, _, _ = select.select([listener], [], [], TICK_S)
            if ready:
                with suppress(OSError):
                    client, _ = listener.accept()
                    self.accepted += 1
                    threading.Thread(target=self._serve, args=(client,), daemon=True).start()
        if listener is not None:
            listener.close()

    def _serve(self, client: socket.socket) -> None:
        """One connection, until either end or the mode ends it."""
        with client:
            upstream = self._connect()
            if upstream is None and self.mode != "half-open":
                _reset(client)
                return
            with upstream or socket.socket() as server:
                try:
                    self._forward(client, server)
                except OSError:
                    _reset(client)

    def _connect(self) -> socket.socket | None:
        """A connection to the target, None where there is none to be had."""
        if isinstance(self._target, int):
            link = socket.socket(socket.AF_INET)
        else:
            link = socket.socket(socket.AF_UNIX)
        link.settimeout(ANSWER_S)
        try:
            target = self._target
            link.connect(("127.0.0.1", target) if isinstance(target, int) else str(target))
        except OSError:
            link.close()
            return None
        return link

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        dead = False
        client.settimeout(ANSWER_S)
        for link in (client, server):
            if link.family == socket.AF_INET:
                # a message in two pieces would wait 40 ms for the answer to the first one
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        other = {client: server, server: client}
        while not self._over.is_set():
            mode = self.mode
            if mode in ("reset", "refuse"):
                raise ConnectionResetError
            dead = dead or mode == "half-open"
            if mode == "stall" and not dead:
                self._over.wait(TICK_S)
                continue
            ready, _, _ = select.select([client] if dead else list(other), [], [], TICK_S)
            for link in ready:
                data = link.recv(CHUNK_BYTES)
                if not data:
                    return
                if not dead:
                    other[link].sendall(data)


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=128)


def _reset(link: socket.socket) -> None:
    with suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
