"""Two ends of webhooks in this process: what arrives, how often, under which id."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import threading
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, no other").decode()
MAX_BYTES = 1 << 22


class Receiver:
    """Receives the webhooks of the channel ``name`` on a free port of loopback. A share ``fails``
    of the messages is answered with 500 when they come first, by ``seed``: what fails twice is not
    sent again before minutes have passed."""

    def __init__(self, name: str, *, seed: int = 0, fails: float = 0.0) -> None:
        self.name = name
        self.fails = fails
        self.refused = 0
        self.wrong: list[str] = []
        self.ids: Counter[str] = Counter()
        """How often each message id came."""
        self.told: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        """(alert, what) to how often each message id came."""
        self._chance = random.Random(f"{seed} {name}")
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name=f"receiver {name}", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def alerts(self) -> set[str]:
        """The alerts that were told."""
        with self._lock:
            return {alert for alert, _ in self.told}

    @property
    def repeated(self) -> int:
        """How many messages came again."""
        with self._lock:
            return self.ids.total() - len(self.ids)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Note a message; the status of the answer."""
        with self._lock:
            if (why := wrong(headers, body)) is not None:
                self.wrong.append(why)
                return 400
            message = headers["webhook-id"]
            self.ids[message] += 1
            for pair in told_of(json.loads(body)):
                self.told[pair][message] += 1
            # it was heard all the same: what is sent again has to have the same id
            if self.ids[message] == 1 and self._chance.random() < self.fails:
                self.refused += 1
                return 500
            return 204


def told_of(document: Any) -> list[tuple[str, str]]:
    """The alerts that a message, a CloudEvent, is about, each with what happened to it."""
    data = document["data"]
    what = document["type"].removeprefix("id.matakota.alert.")
    # a long digest shows the first ones and names all
    ids = data["ids"] if "ids" in data else [data["id"]]
    return [(alert, what) for alert in ids]


def wrong(headers: dict[str, str], body: bytes) -> str | None:
    """What is wrong with a message's signature by the Standard Webhooks, None for nothing."""
    missing = {"webhook-id", "webhook-timestamp", "webhook-signature"} - set(headers)
    if missing:
        return f"no {', '.join(sorted(missing))}"
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    if f"v1,{expected}" not in headers["webhook-signature"].split():
        return "the signature does not fit"
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        length = min(int(self.headers.get("content-length", 0)), MAX_BYTES)
        body = self.rfile.read(length)
        if len(body) < length:
            # who sent it was killed meanwhile
            self.close_connection = True
            return
        server = self.server
        assert isinstance(server, _Server)
        status = server.receiver.take({k.lower(): v for k, v in self.headers.items()}, body)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
