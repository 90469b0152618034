"""A server that takes evidence as the API does, or as a test wants it to, and what to send it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from streams.apiclient import ApiClient
from streams.evidenceform import CONTENT_TYPE, Head
from tests.streams.apis import KEY

ITEM, MISSING, COPY, MATERIAL = "item", "missing", "copy", "material"


@dataclass(frozen=True)
class Item:
    """One item as it came."""

    head: Head
    parts: dict[str, bytes]

    @staticmethod
    def of(body: bytes) -> Item:
        line, _, rest = body.partition(b"\n")
        head, parts = Head.decode(line), {}
        for part in head.parts:
            parts[part.name], rest = rest[: part.size], rest[part.size :]
        assert not rest
        return Item(head, parts)


@dataclass
class EvidenceApi:
    """``answers`` are given first, one for each request, by what is asked; then what is right.
    ``material`` is handed out; while ``hangs`` is set, nobody gets an answer about an alert in
    it."""

    url: str = ""
    answers: dict[str, deque[int]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    missing: dict[tuple[str, str], str] = field(default_factory=dict)
    copies: dict[tuple[str, str], Item] = field(default_factory=dict)
    material: bytes = b""
    body: bytes | None = None
    hangs: set[str] = field(default_factory=set)
    released: threading.Event = field(default_factory=threading.Event)

    def connect(self) -> ApiClient:
        return ApiClient(self.url, KEY)

    def judge(self, what: str, alert: str, form: str, body: bytes) -> tuple[int, bytes]:
        self.asked.append((what, alert, form))
        given = self.answers.get(what)
        if given:
            return given.popleft(), b"{}"
        if what == MATERIAL:
            return (200, self.material) if self.material else (404, b"{}")
        if what == MISSING:
            said = json.loads(body)
            assert set(said) == {"camera", "why"}
            self.missing[alert, form] = said["why"]
            return 204, b""
        item = Item.of(body)
        assert (item.head.alert, item.head.form) == (alert, form)
        kept = self.items if what == ITEM else self.copies
        kept[alert, form] = item
        self.missing.pop((alert, form), None)
        return 201, self.body or json.dumps({"sha256": item.head.parts[0].sha256}).encode()


@contextmanager
def evidence_api() -> Iterator[EvidenceApi]:
    """One that listens on loopback."""
    api = EvidenceApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not self.path.endswith("/missing"):
                assert self.headers["Content-Type"] == CONTENT_TYPE
            self._answer(body)

        def _answer(self, body: bytes) -> None:
            assert self.headers["Authorization"] == f"Bearer {KEY}"
            # /api/v1/alerts/ID/evidence/FORM and what of it
            _, _, _, _, alert, _, form, *what = self.path.split("/")
            if alert in api.hangs:
                api.released.wait(100)
            status, said = api.judge(what[0] if what else ITEM, alert, form, body)
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    class Listening(ThreadingHTTPServer):
        daemon_threads = True
        # connections are kept, and nobody is to wait for their ends
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """Who asked may be gone."""

    with Listening(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        api.url = f"http://127.0.0.1:{listening.server_address[1]}"
        try:
            yield api
        finally:
            api.released.set()
            listening.shutdown()
            thread.join()
