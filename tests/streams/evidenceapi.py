"""A server that takes evidence as the API does, or as a test wants it to, and what to send it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from streams.apiclient import ApiClient
from streams.evidenceform import CONTENT_TYPE, Head
from tests.streams.apis import KEY, QuietHandler, listening

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

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            self._answer(b"")

        def do_POST(self) -> None:  # noqa: N802 - the library's name
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

    with listening(Handler) as api.url:
        try:
            yield api
        finally:
            api.released.set()
