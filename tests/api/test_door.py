"""Everything that the application answers lies behind the door: each route of its description,
paths that are none, and WebSockets."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from html import escape
from typing import Any

import pytest

from api import known as known_module
from api.access import RULES, SCOPES, Permission, find_rule
from api.auth import WRONG_LINK, Token
from api.bell import Bell
from api.door import POLICY, Door
from api.i18n import Language, texts
from api.known import KnownKeys
from api.store import Store
from tests.api.served import (
    FakeIngest,
    add_key,
    alert,
    application,
    sqlite_url,
)
from vision.errors import ServiceError, StoreError

OPEN = {rule.path for rule in RULES if rule.needs is None and rule.method == "GET"}
NO_ROUTES = [
    "", "/redoc", "/docs/oauth2-redirect", "/docs/files", "/docs/", "/room/x", "/room/_nicegui",
    "/enter/", "//enter", "/leave/", "/openapi.json/", "/login/", "/door/", "/door/x/y", "/oidc",
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


def test_every_described_route_needs_a_key_but_health(door: Door, key: str) -> None:
    found = routes(door)
    assert len(found) >= 9
    for method, path in found:
        expected = {200, 503} if path in OPEN else {401}
        assert status(call(door, path, method)) in expected, (method, path)
        # a key with every scope does what keys may do
        rule = find_rule("http", method, path).rule
        assert rule is not None
        allowed = rule.needs in {None, Permission.KNOWN, *SCOPES}
        answered = status(call(door, path, method, key))
        assert answered not in {401, 500}, (method, path)
        assert (answered == 403) != allowed, (method, path)


def test_the_description_says_what_is_needed(door: Door) -> None:
    schema = door.inner.openapi()  # type: ignore[attr-defined]
    needs = {(rule.path, rule.method): rule.needs for rule in RULES}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            need = needs[path, method.upper()]
            ways = {name: of for way in operation["security"] for name, of in way.items()}
            assert (need is None) == (not ways)
            for of in ways.values():
                assert of == [need]
            assert ("csrf" in ways) == (method != "get" and need is not None)
            assert set(ways) <= set(schema["components"]["securitySchemes"])
            if need is not None:
                assert {"401", "403"} <= set(operation["responses"]), (method, path)


def test_each_route_has_its_row(door: Door) -> None:
    """A route that the table does not know is answered to nobody."""
    from tests.api.matrix_server import walk

    rows = {(rule.kind, rule.method, rule.path) for rule in RULES}
    found = {*walk(door.inner.routes)}  # type: ignore[attr-defined]
    assert len(found) > 30
    # the frameworks' own, which nobody can ask for
    unasked = {path for _, _, path in found if path.startswith("/openapi.json/") or ":" in path}
    for kind, method, path in found:
        if kind in {"http", "websocket"} and path not in unasked:
            assert (kind, method, path) in rows, (kind, method, path)


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
        assert status(answered) == 404, method
        if method != "HEAD":
            assert json.loads(answered[1]["body"]).keys() == {"detail"}


def test_methods_that_a_path_does_not_take(door: Door, key: str) -> None:
    for method in METHODS:
        taken = method in {"GET", "HEAD", "POST"}
        found = status(call(door, "/api/v1/alerts", method, key))
        assert (found == 405) == (not taken) or method == "HEAD"
        assert status(call(door, "/healthz", method)) in (
            {200, 405} if method in {"GET", "HEAD"} else {401}
        )


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/api/v1/alerts/stream", "/enter", "/room/x", "/login"]
)
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

    monkeypatch.setattr(known_module, "CACHE_S", 0.0)
    monkeypatch.setattr(store.keys, "holder", gone)
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
    monkeypatch.setattr(known_module, "USED_EVERY_S", 0.0)
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

    found = headers_of(call(Door(inner, KnownKeys(store.keys), everywhere=True), "/docs", key=key))
    assert found[b"cache-control"] == b"max-age=9"
    assert found[b"x-frame-options"] == b"SAMEORIGIN"
    assert found[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize(
    ("path", "accept", "to"),
    [
        ("/", b"text/html,application/xhtml+xml,*/*;q=0.8", b"/login"),
        ("/room/", b"text/html", b"/login?next=/room/"),
        ("/people/7", b"TEXT/HTML", b"/login?next=/people/7"),
        # no place of ours
        ("/none", b"text/html", b"/login"),
        ("//evil.example", b"text/html", b"/login"),
        ("/\\evil.example", b"text/html", b"/login"),
        ("/leave", b"text/html", b"/login"),
    ],
)
def test_a_browser_is_led_to_where_people_sign_in(
    door: Door, path: str, accept: bytes, to: bytes
) -> None:
    over = ("cookie", b"matakota_80=ms_00000000_" + b"0" * 64)
    for more in ([], [(over[0].encode(), over[1])]):
        for method in ("GET", "HEAD"):
            sent = call(door, path, method, headers=[(b"accept", accept), *more])
            assert status(sent) == 303
            assert headers_of(sent)[b"location"] == to
            assert sent[1]["body"] == b""
    # what was to be sent is not lost in a redirect
    assert status(call(door, path, "POST", headers=[(b"accept", accept)])) == 401


@pytest.mark.parametrize("query", [b"link=x", b"link=<script>", b"x=1"])
@pytest.mark.parametrize(("accepts", "language"), [("en", "en"), ("id", "id"), ("", "id")])
def test_a_browser_is_refused_with_a_page_in_its_language(
    door: Door, query: bytes, accepts: str, language: Language
) -> None:
    headers = [(b"accept", b"text/html"), (b"accept-language", accepts.encode())]
    sent = call(door, "/enter", query_string=query, headers=headers)
    found, body = headers_of(sent), sent[1]["body"]
    assert status(sent) == 401
    assert found[b"content-type"] == b"text/html; charset=utf-8"
    assert found[b"content-security-policy"] == POLICY.encode()
    assert int(found[b"content-length"]) == len(body)
    _ = texts(language)
    for said in (_(WRONG_LINK.detail) if b"link" in query else "", _("Not let in")):
        assert escape(said).encode() in body
    assert f'<html lang="{language}">'.encode() in body
    for forbidden in (b"<script", b"http:", b"https:", b"src="):
        assert forbidden not in body.lower()
    head = call(door, "/enter", "HEAD", query_string=query, headers=headers)
    assert headers_of(head) == found
    assert head[1]["body"] == b""


def test_a_refusal_is_escaped_and_says_no_more_than_its_reason(
    door: Door, key: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_key_id: str) -> None:
        raise StoreError("the database <b>&'\" is gone")

    monkeypatch.setattr(known_module, "CACHE_S", 0.0)
    monkeypatch.setattr(store.keys, "holder", gone)
    headers = [(b"x-api-key", key.encode()), (b"accept", b"text/html")]
    sent = call(door, "/docs", headers=headers)
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
        scope: dict[str, Any] = {
            "type": kind,
            "path": "/healthz",
            "headers": [],
            "client": ("127.0.0.1", 1),
        }
        with pytest.raises(ServiceError):
            asyncio.run(door(scope, nothing, nothing))  # type: ignore[arg-type]
