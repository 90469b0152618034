"""A server that takes posted alerts as the API does, or as it should not."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "not-a-real-key"


class QuietHandler(BaseHTTPRequestHandler):
    """Keeps connections, and says nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    # connections are kept, and nobody is to wait for their ends
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Who asked may be gone."""


@contextmanager
def listening(handler: type[QuietHandler], port: int = 0) -> Iterator[str]:
    """The address of a server on loopback whose requests ``handler`` takes."""
    with _Listening(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class StubApi:
    """Answers ``status``, for the alerts in ``refused`` 422; keeps what it was sent, and by id and
    version what it stored. ``body`` is answered in place of the stored alert; while ``hangs`` is
    set, nobody gets an answer."""

    url: str = ""
    status: int = 201
    body: bytes | None = None
    refused: set[str] = field(default_factory=set)
    sent: list[dict[str, Any]] = field(default_factory=list)
    stored: list[tuple[str, int]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    hangs: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def judge(self, alert: dict[str, Any]) -> tuple[int, bytes]:
        self.sent.append(alert)
        status = 422 if alert["id"] in self.refused else self.status
        if status == 201:
            name = alert["id"], alert["version"]
            if name in self.stored:
                status = 200
            else:
                self.stored.append(name)
        return status, json.dumps(alert).encode() if self.body is None else self.body


@contextmanager
def stub_api() -> Iterator[StubApi]:
    """One that listens on loopback."""
    api = StubApi()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            api.paths.append(self.path)
            api.headers.append(dict(self.headers))
            alert = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if api.hangs.is_set():
                api.released.wait(100)
            status, body = api.judge(alert)
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{api.url}/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

    with listening(Handler) as api.url:
        try:
            yield api
        finally:
            api.released.set()


@contextmanager
def dripping(head: bytes) -> Iterator[str]:
    """The address of a server that answers ``head``, and then a letter every 20 ms without end."""
    ended = threading.Event()

    class Dripping(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.sendall(head)
                while not ended.wait(0.02):
                    self.request.sendall(b"x")

    class Listening(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Listening(("127.0.0.1", 0), Dripping) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}"
        finally:
            ended.set()
            listening.shutdown()
            thread.join()
