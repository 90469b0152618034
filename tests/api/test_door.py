"""Everything that the application answers lies behind the door: each route of its description,
paths that are none, and WebSockets."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from api.auth import KnownKeys, Token
from api.bell import Bell
from api.door import POLICY, Door
from api.store import Store
from tests.api.served import FakeIngest, add_key, alert, application, sqlite_url
from vision.errors import BusError, ServiceError, StoreError

OPEN = {"/healthz", "/readyz"}
NO_ROUTES = [
    "/", "", "/docs", "/redoc", "/docs/oauth2-redirect", "/docs/files", "/room", "/room/",
    "/enter/", "//enter", "/leave/", "/openapi.json", "/openapi.json/",
    "/api", "/api/v1", "/api/v1/", "/api/v1/alerts/", "/api/v2/alerts", "/static/x.js",
    "/healthz/", "//healthz", "/readyz/../api/v1/alerts", "/metrics", "/\0", "/%00", "*",
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path_factory.mktemp("door"))) as opened:
        opened.record([alert("known")])
        yield opened


@pytest.fixture(scope="module")
def door(store: Store) -> Iterator[Door]:
    bell = Bell()
    yield application(store, bell, FakeIngest())
    bell.close()


@pytest.fixture(scope="module")
def key(store: Store) -> str:
    return add_key(store)


def call(
    door: Door, path: str, method: str = "GET", key: str = "", **more: Any
) -> list[dict[str, Any]]:
    """What the application sends for one request; a stream is left after its first piece."""
    headers = [(b"X-Api-Key", key.encode())] if key else []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80), **more,
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        gone = asyncio.Event()
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                kind = scope["type"]
                return {"type": f"{kind}.{'connect' if kind == 'websocket' else 'request'}"}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(dict(message))
            if message.get("more_body"):
                gone.set()

        await door(scope, receive, send)

    asyncio.run(run())
    return sent


def status(sent: list[dict[str, Any]]) -> int:
    return int(sent[0]["status"])


def routes(door: Door) -> list[tuple[str, str]]:
    schema = door.inner.openapi()  # type: ignore[attr-defined]
    return [
        (method.upper(), path.replace("{alert_id}", "known"))
        for path, operations in schema["paths"].items()
        for method in operations
    ]


def test_every_route_needs_a_key_but_health(door: Door, key: str) -> None:
    found = routes(door)
    assert len(found) >= 9
    for method, path in found:
        expected = {200, 503} if path in OPEN else {401}
        assert status(call(door, path, method)) in expected, (method, path)
        assert status(call(door, path, method, key)) not in {401, 403, 500}, (method, path)


def test_the_description_says_so(door: Door) -> None:
    schema = door.inner.openapi()  # type: ignore[attr-defined]
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert bool(operation["security"]) == (path not in OPEN)


def test_routes_that_are_not_described_need_one_as_well(door: Door) -> None:
    for route in door.inner.routes:  # type: ignore[attr-defined]
        path = getattr(route, "path", "/")
        if path not in OPEN:
            assert status(call(door, path)) == 401, path


@pytest.mark.parametrize("path", NO_ROUTES)
def test_paths_that_are_no_routes(door: Door, key: str, path: str) -> None:
    for method in METHODS:
        refused = call(door, path, method)
        assert status(refused) == 401, method
        assert dict(refused[0]["headers"])[b"www-authenticate"].startswith(b"Bearer")
        answered = call(door, path, method, key)
        described = (path, method) in {
            ("/openapi.json", "GET"), ("/openapi.json", "HEAD"), ("/docs", "GET"),
        }  # fmt: skip
        assert status(answered) in ({200} if described else {404, 405}), method


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/alerts/stream", "/enter", "/room/x"])
def test_websockets_are_refused_before_they_are_accepted(door: Door, key: str, path: str) -> None:
    for with_key in ("", key):
        sent = call(door, path, key=with_key, type="websocket", subprotocols=[])
        assert [message["type"] for message in sent] == ["websocket.close"]


def test_other_machines_are_refused_everywhere(door: Door, key: str) -> None:
    for _, path in routes(door):
        assert status(call(door, path, key=key, client=("192.0.2.1", 1))) == 403
        assert status(call(door, path, key=key, client=None)) == 403


def test_a_wrong_secret_is_refused(door: Door, key: str) -> None:
    wrong = Token(key.split("_")[1], "0" * 64).reveal()
    assert status(call(door, "/api/v1/alerts", key=wrong)) == 401


def test_a_store_that_is_gone_opens_nothing(
    door: Door, key: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_key_id: str) -> None:
        raise StoreError("the database is gone")

    monkeypatch.setattr("api.auth.CACHE_S", 0.0)
    monkeypatch.setattr(store.keys, "get", gone)
    sent = call(door, "/api/v1/alerts", key=key)
    assert status(sent) == 503
    assert b"the database is gone" in sent[1]["body"]
    assert status(call(door, "/healthz")) == 200


def test_no_request_waits_for_the_note_of_its_use(
    door: Door, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []
    answered = threading.Event()

    def slow(key_id: str) -> None:
        assert answered.wait(30), "the request waited"
        noted.append(key_id)

    monkeypatch.setattr(store.keys, "used", slow)
    monkeypatch.setattr("api.auth.USED_EVERY_S", 0.0)
    headers = [(b"x-api-key", add_key(store, "noted").encode())]
    scope = {"type": "http", "method": "GET", "path": "/api/v1/cameras", "query_string": b"",
             "root_path": "", "headers": headers, "client": ("127.0.0.1", 1)}  # fmt: skip

    async def many() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            assert message.get("status", 200) == 200

        for _ in range(20):
            await door(dict(scope), receive, send)
        assert len(door._uses) <= 4, "and few are under way"
        assert noted == []
        answered.set()
        await asyncio.gather(*door._uses)

    asyncio.run(many())
    assert 1 <= len(noted) <= 4


def headers_of(sent: list[dict[str, Any]]) -> dict[bytes, bytes]:
    names = [name.lower() for name, _ in sent[0]["headers"]]
    assert len(names) == len(set(names)), "each once"
    return {name.lower(): value for name, value in sent[0]["headers"]}


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/alerts", "/none", "/docs", "/openapi.json"])
@pytest.mark.parametrize("with_key", [False, True])
def test_every_answer_tells_browsers_how_to_treat_it(
    door: Door, key: str, path: str, with_key: bool
) -> None:
    found = headers_of(call(door, path, key=key if with_key else ""))
    assert found[b"x-content-type-options"] == b"nosniff"
    assert found[b"x-frame-options"] == b"DENY"
    assert found[b"referrer-policy"] == b"same-origin"
    assert found[b"cache-control"] == b"no-store"
    is_page = found[b"content-type"].startswith(b"text/html")
    assert is_page == (path == "/docs" and with_key)
    assert found.get(b"content-security-policy") == (POLICY.encode() if is_page else None)


def test_what_a_route_says_about_itself_stays(store: Store, key: str) -> None:
    async def inner(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"Cache-Control", b"max-age=9"), (b"X-FRAME-OPTIONS", b"SAMEORIGIN")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    found = headers_of(call(Door(inner, KnownKeys(store.keys), everywhere=True), "/", key=key))
    assert found[b"cache-control"] == b"max-age=9"
    assert found[b"x-frame-options"] == b"SAMEORIGIN"
    assert found[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize(
    ("path", "query", "accept", "words"),
    [
        ("/", b"", b"text/html,application/xhtml+xml,*/*;q=0.8", b"run matakota link"),
        ("/api/v1/alerts", b"", b"TEXT/HTML", b"run matakota link"),
        ("/enter", b"link=x", b"text/html", b"used already or too old"),
        ("/enter", b"link=<script>", b"text/html", b"used already or too old"),
    ],
)
def test_a_browser_is_refused_with_a_page(
    door: Door, path: str, query: bytes, accept: bytes, words: bytes
) -> None:
    sent = call(door, path, query_string=query, headers=[(b"accept", accept)])
    found, body = headers_of(sent), sent[1]["body"]
    assert status(sent) == 401
    assert found[b"content-type"] == b"text/html; charset=utf-8"
    assert found[b"content-security-policy"] == POLICY.encode()
    assert int(found[b"content-length"]) == len(body)
    assert words in body
    assert b"matakota link" in body
    for forbidden in (b"<script", b"http:", b"https:", b"src="):
        assert forbidden not in body.lower()
    head = call(door, path, "HEAD", query_string=query, headers=[(b"accept", accept)])
    assert headers_of(head) == found
    assert head[1]["body"] == b""


def test_a_refusal_is_escaped_and_says_no_more_than_its_reason(
    door: Door, key: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_key_id: str) -> None:
        raise StoreError("the database <b>&'\" is gone")

    monkeypatch.setattr("api.auth.CACHE_S", 0.0)
    monkeypatch.setattr(store.keys, "get", gone)
    headers = [(b"x-api-key", key.encode()), (b"accept", b"text/html")]
    sent = call(door, "/", headers=headers)
    assert status(sent) == 503
    assert b"the database &lt;b&gt;&amp;&#x27;&quot; is gone" in sent[1]["body"]
    assert b"matakota link" not in sent[1]["body"], "no link helps here"


def test_the_reference_comes_from_here_alone(door: Door, key: str) -> None:
    page = call(door, "/docs", key=key)[1]["body"].decode()
    assert "://" not in page
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(files) == 3
    for file in files:
        assert status(call(door, file)) == 401
        assert status(call(door, file, key=key)) == 200


def test_unknown_connections_are_not_served(store: Store) -> None:
    async def inner(*_: object) -> None:
        raise AssertionError("behind the door")

    async def nothing(*_: object) -> dict[str, str]:
        return {}

    door = Door(inner, KnownKeys(store.keys), everywhere=True)
    for kind in ("tcp", "", "HTTP"):
        scope = {"type": kind, "path": "/healthz", "headers": [], "client": ("127.0.0.1", 1)}
        with pytest.raises(ServiceError):
            asyncio.run(door(scope, nothing, nothing))  # type: ignore[arg-type]


INSIDE = "Redis at 10.1.2.3 does not answer: look at it"


@pytest.mark.parametrize(
    ("peer", "headers", "told"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.1", {}, False),
        ("192.0.2.1", {b"x-api-key": "KEY"}, True),
        ("192.0.2.1", {b"Authorization": "Bearer KEY"}, True),
        ("192.0.2.1", {b"x-api-key": "mk_00000000_" + "0" * 64}, False),
        ("192.0.2.1", {b"x-api-key": "KEY", b"authorization": "Bearer KEY"}, False),
        ("192.0.2.1", {b"x-api-key": "REVOKED"}, False),
        # a proxy on this machine asks for somebody else
        ("127.0.0.1", {b"X-Forwarded-For": "192.0.2.1"}, False),
        ("127.0.0.1", {b"X-Forwarded-For": "192.0.2.1", b"x-api-key": "KEY"}, True),
        ("192.0.2.1", {b"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {b"Host": "127.0.0.1:8080"}, True),
        ("127.0.0.1", {b"Host": "LocalHost"}, True),
        ("::1", {b"Host": "[::1]:8080"}, True),
        # a page of another site whose name was made to lead to this machine
        ("127.0.0.1", {b"Host": "rebound.example:8080"}, False),
        ("127.0.0.1", {b"Host": "rebound.example:8080", b"x-api-key": "KEY"}, True),
        ("127.0.0.1", {b"Host": "127.0.0.1.rebound.example"}, False),
        ("127.0.0.1", {b"Host": "10.1.2.3"}, False),
    ],
)
def test_readiness_gives_its_reasons_to_insiders(
    store: Store, key: str, peer: str, headers: dict[bytes, str], told: bool
) -> None:
    bell = Bell()
    ingest = FakeIngest(problem=BusError(INSIDE))
    open_door = application(store, bell, ingest, everywhere=True)
    (given,) = headers.values() if len(headers) == 1 else ("",)
    if given == "REVOKED":
        revoked = add_key(store, "revoked-now")
        store.keys.revoke("revoked-now")
        headers = {b"x-api-key": revoked}
    sent = call(
        open_door, "/readyz", client=(peer, 1),
        headers=[(n, v.replace("KEY", key).encode()) for n, v in headers.items()],
    )  # fmt: skip
    bell.close()
    body = json.loads(sent[1]["body"])
    assert status(sent) == 503
    assert body["store"] == body["ingest"] == "ok"
    assert (body["bus"] == INSIDE) == told
    if not told:
        assert body["bus"].startswith("Redis is not well: ask with a machine key")
        assert b"10.1.2.3" not in sent[1]["body"]


def test_readiness_says_that_the_keys_are_gone(
    store: Store, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise StoreError("the database 10.1.2.3 is gone")

    bell = Bell()
    open_door = application(store, bell, FakeIngest(), everywhere=True)
    monkeypatch.setattr(store.keys, "get", gone)
    monkeypatch.setattr(store, "check", gone)
    sent = call(open_door, "/readyz", key=key, client=("192.0.2.1", 1))
    bell.close()
    assert status(sent) == 503
    assert json.loads(sent[1]["body"])["store"].startswith("the database is not well")
