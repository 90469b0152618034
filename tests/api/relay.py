"""A reverse proxy on this machine, as others put before the server: it says for whom it asks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress


@contextmanager
def relaying(port: int, headers: Mapping[str, str]) -> Iterator[int]:
    """The port of a proxy that sends what it is asked to ``port``, with ``headers`` after those of
    the browser, and one request on a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ending = threading.Event()

        def accept() -> None:
            while not ending.is_set():
                with suppress(OSError):
                    browser, _ = listener.accept()
                    threading.Thread(target=_relay, args=(browser, port, headers)).start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ending.set()
            with suppress(OSError):
                socket.create_connection(listener.getsockname()).close()
            thread.join(20)
            assert not thread.is_alive()


def _relay(browser: socket.socket, port: int, headers: Mapping[str, str]) -> None:
    with browser, suppress(OSError):
        asked = b""
        while b"\r\n\r\n" not in asked:
            piece = browser.recv(1 << 16)
            if not piece:
                return
            asked += piece
        head, _, rest = asked.partition(b"\r\n\r\n")
        added = dict(headers)
        if b"\r\nupgrade:" not in head.lower():
            added["Connection"] = "close"
        lines = [head, *(f"{name}: {value}".encode() for name, value in added.items()), b"", rest]
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(b"\r\n".join(lines))
            back = threading.Thread(target=_pump, args=(server, browser))
            back.start()
            _pump(browser, server)
            back.join()


def _pump(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            to.sendall(piece)
    for each in (source, to):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
