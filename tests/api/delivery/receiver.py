"""A receiver of webhooks on this machine that answers as a test wants, and letters for it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from api.delivery.addresses import networks_of
from api.delivery.payload import cloud_event, encoded
from api.delivery.webhook import WebhookSender
from api.store.alerts import StoredAlert
from api.store.letters import Letter
from tests.api.served import DAY

SECRET = "whsec_bm90LWEtcmVhbC1zZWNyZXQtYnV0LWxvbmc="
LOOPBACK = networks_of(["127.0.0.0/8"])
MADE: list[WebhookSender] = []
"""Those that ``sender`` made, until the test is over."""


@dataclass
class Got:
    """One message as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """``answers`` are given one after the other, the last one from then on: a status with headers,
    or something that a handler does."""

    answers: list[Any] = field(default_factory=lambda: [200])
    got: list[Got] = field(default_factory=list)
    url: str = ""
    ending: threading.Event = field(default_factory=threading.Event)

    def answer(self) -> Any:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def hang(handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
    receiver.ending.wait(60)


def drip(handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
    """An answer whose head never ends, a byte at a time."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not receiver.ending.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()
    except OSError:
        return


@contextmanager
def receiving(*answers: Any, secure: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(list(answers) or [200])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.got.append(Got(self.path, headers, body))
            answer = receiver.answer()
            if callable(answer):
                answer(self, receiver)
                return
            status, more = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in ({"Content-Length": "0"} | more).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if secure is not None:
            server.socket = secure.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/alerts?of=room1"
        try:
            yield receiver
        finally:
            receiver.ending.set()
            server.shutdown()
            thread.join(20)


def write(letter: Letter) -> bytes:
    return encoded(cloud_event(letter))


def sender(url: str, **more: Any) -> WebhookSender:
    body: Callable[[Letter], bytes] = more.pop("body", write)
    made = WebhookSender(url, SECRET, body, **({"networks": LOOPBACK} | more))
    MADE.append(made)
    return made


def stored(alert_id: str = "a", **more: Any) -> StoredAlert:
    values: dict[str, Any] = {
        "version": 1, "camera": "plaza", "kind": "intrusion", "rule": "intrusion@lawn",
        "place": "lawn", "severity": "high", "state": "open", "start_ts": DAY,
        "raised_ts": DAY + 1, "end_ts": None, "track_ids": [], "score": 0.5,
        "details": {"why": "on the lawn"}, "revision": 3, "synthetic": False, "stored_at": DAY,
        "updated_at": DAY, "position": 1,
    }  # fmt: skip
    return StoredAlert(id=alert_id, **(values | more))


def letter(*alerts: StoredAlert, **more: Any) -> Letter:
    values: dict[str, Any] = {
        "id": "ntc_000000000001", "notice": 1, "channel": "room1", "what": "opened",
        "urgent": False, "attempt": 0, "created_at": DAY,
    }  # fmt: skip
    return Letter(alerts=alerts, **(values | more))
