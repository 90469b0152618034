"""Without a link or a key nothing is open: every route, page, socket and file there is, and paths
that are none, asked for over real connections as they are written here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection

import pytest

from api.access import ROLES, RULES, SCOPES, Permission, Role, find_rule
from api.auth import NO_KEY, UNNAMED_PROXY, WRONG_KEY, WRONG_LINK, WRONG_SESSION
from api.links import new_link
from tests.api.whole import GUARD_S, POLLING, SOCKET, Whole, read, serving_whole

OPEN = {(rule.method, rule.path.replace("{file}", "x")) for rule in RULES if rule.needs is None}
READY = ("/healthz", "/readyz")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
REFUSALS = {decision.detail for decision in (NO_KEY, WRONG_KEY, WRONG_SESSION, WRONG_LINK)}
ODD = (
    "//", "//room", "//room/", "/room//", "/room/.", "/room/..", "/room/../", "/room/../room/",
    "/./room/", "/%72oom/", "/room%2f", "/room%2F", "/%2e%2e/room/", "/%2e/room/", "/room/%2e%2e/",
    "/room/%00", "/room/%0d%0aX:%201", "/ROOM/", "/Room", "/room;/healthz", "/room/;x", "/room?",
    "/room/?/healthz", "/room/#/healthz", "/room/x", "/room/_nicegui", "/room/_nicegui/",
    "/room/_nicegui_ws", "/room/_nicegui_ws/", "/_nicegui_ws/socket.io/?EIO=4&transport=polling",
    "/socket.io/", "/room/favicon.ico", "/favicon.ico", "/robots.txt", "/static/x.js", "/metrics",
    "/healthz/", "/healthz/.", "/healthz/..", "/healthz/../room/", "/healthz/%2e%2e/room/",
    "/healthz%2f..%2froom%2f", "/healthz;x", "/healthz%00", "/healthz%20", "/healthz%3f",
    "/HEALTHZ", "//healthz", "/./healthz", "/readyz/", "/readyz/x", "/readyz/../api/v1/alerts",
    "/docs/", "/docs/files", "/docs/files/", "/docs/files/..%2f..%2f", "/docs/files/../../x",
    "/docs/files/swagger-ui-bundle.js", "/docs/files/swagger-ui.css", "/docs/files/favicon.png",
    "/redoc", "/openapi.json/", "/openapi.yaml", "/enter/", "//enter", "/enter?", "/enter?link=",
    "/enter?link=ml_00000000_" + "0" * 64, "/enter?x=1", "/ENTER", "/leave/", "/leave?x",
    "/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/alerts/", "/api/v2/alerts", "/api/v1//alerts",
    "/api/v1/../../room/", "/\\room", "/room\\", "/~", "/.env", "/.git/config", "*", "room",
    "http://127.0.0.1/room/", "http://127.0.0.1/healthz/../room/", "http://healthz/room/",
)  # fmt: skip
"""Spellings that some server or other takes for one of its paths."""
FOR_PEOPLE = ("/room/wall", "/room/traffic")
"""Pages that ask for what a key may be given too."""
TRICKS: Sequence[dict[str, str]] = (
    {"X-Original-URL": "/healthz"},
    {"X-Rewrite-URL": "/healthz"},
    {"X-Forwarded-Prefix": "/healthz", "X-Script-Name": "/healthz"},
    {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"},
    {"X-HTTP-Method-Override": "GET"},
    {"Host": "healthz"},
    {"Referer": "http://127.0.0.1/room/", "Origin": "http://127.0.0.1"},
    {"Authorization": "Basic YWRtaW46YWRtaW4="},
    {"Authorization": "Bearer mk_00000000_" + "0" * 64},
    {"X-Api-Key": ""},
    {"Cookie": "matakota_PORT=ms_00000000_" + "0" * 64, "Origin": "http://127.0.0.1:PORT"},
    {"Cookie": "matakota_PORT="},
    {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": ""},
    {"Accept": "text/html"},
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with serving_whole(tmp_path_factory.mktemp("whole")) as served:
        yield served


def refused(answer: tuple[int, bytes, dict[str, str]], method: str = "GET") -> None:
    """Nothing but the refusal is in an answer, or the way to where people sign in."""
    status, body, headers = answer
    if status == 303:
        assert method in {"GET", "HEAD"}
        assert body == b""
        assert re.fullmatch(r"/login(\?next=/[\w./-]*)?", headers.pop("location"))
    else:
        assert status == 401
    if method == "HEAD" or status == 303:
        assert body == b""
    elif headers["content-type"].startswith("text/html"):
        assert b"<h1>" in body
        assert b"nicegui" not in body.lower()
    else:
        said = json.loads(body)
        assert list(said) == ["detail"]
        assert said["detail"] in REFUSALS
    allowed = {
        "date", "content-type", "content-length", "www-authenticate", "x-content-type-options",
        "x-frame-options", "referrer-policy", "cache-control", "content-security-policy",
        "connection", "server",
    }  # fmt: skip
    assert set(headers) <= allowed


def test_the_list_of_routes_is_whole(whole: Whole) -> None:
    found = {path for _, path in whole.routes}
    described = json.loads(whole.ask("GET", "/openapi.json", **{"X-Api-Key": whole.key})[1])
    assert set(described["paths"]) <= found
    assert {"/", "/room", "/room/", "/docs", "/docs/files", "/openapi.json", "/enter", "/leave",
            "/room/_nicegui_ws", "/api/v1/alerts/stream"} <= found  # fmt: skip
    assert ("socket", "/api/v1/live") in whole.routes
    assert len([path for path in found if "/_nicegui/" in path]) >= 5


def test_every_route_is_shut(whole: Whole) -> None:
    paths = set(whole.paths("http", "mount", "socket"))
    assert len(paths) >= 40
    for path in sorted(paths):
        for method in METHODS:
            if ("GET" if method == "HEAD" else method, path) not in OPEN:
                refused(whole.ask(method, path), method)
                refused(whole.ask(method, path + "?x=1"), method)
            refused(whole.ask(method, path + "/"), method)


def test_what_is_open_changes_nothing_without_its_token(whole: Whole) -> None:
    posts = [path for method, path in OPEN if method == "POST"]
    assert posts
    for path in posts:
        assert whole.ask("POST", path)[0] == 403
        assert whole.ask("POST", path, Origin=f"http://127.0.0.1:{whole.port}")[0] == 403


def test_every_socket_is_shut(whole: Whole) -> None:
    for path in {*whole.paths("http", "mount", "socket"), SOCKET, POLLING, "/none", *READY}:
        assert whole.upgrade(path) == 403, path
        assert whole.upgrade(path, Origin=f"http://127.0.0.1:{whole.port}") == 403, path
    for method in METHODS:
        refused(whole.ask(method, POLLING), method)
        refused(whole.ask(method, SOCKET), method)
        refused(whole.ask(method, POLLING + "&sid=x"), method)


@pytest.mark.parametrize("path", ODD)
def test_odd_spellings_are_shut(whole: Whole, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        answer = whole.ask(method, path)
        # what is no request at all
        if answer[0] == 400:
            assert answer[1] in {b"", b"Invalid HTTP request received."}
        else:
            refused(answer, method)


@pytest.mark.parametrize("headers", TRICKS, ids=lambda headers: "+".join(headers))
def test_headers_open_nothing(whole: Whole, headers: dict[str, str]) -> None:
    for path in ("/", "/room/", "/docs", "/openapi.json", "/api/v1/alerts", "/enter", POLLING):
        for method in ("GET", "POST"):
            answer = whole.ask(method, path, **headers)
            if "X-Forwarded-For" in headers:
                assert answer[0] == 403
                assert json.loads(answer[1]) == {"detail": UNNAMED_PROXY.detail}
            else:
                refused(answer, method)
    if "Upgrade" not in headers:
        assert whole.upgrade(SOCKET, **headers) == 403


def test_a_connection_that_asked_for_what_is_open_opens_nothing_else(whole: Whole) -> None:
    with closing(HTTPConnection("127.0.0.1", whole.port, timeout=GUARD_S)) as connection:
        for path in ("/healthz", "/room/", "/readyz", "/docs", "/healthz"):
            answer = read(whole.send(connection, "GET", path))
            if path in READY:
                assert answer[0] == 200
            else:
                refused(answer)


def test_with_a_session_or_a_key_each_is_let_in(whole: Whole) -> None:
    """To what the table says is theirs, and nothing else is there for them."""
    ways = [
        (whole.held, ROLES[Role.ADMINISTRATOR]),
        ({"X-Api-Key": whole.key}, {*SCOPES, Permission.KNOWN}),
    ]
    left = {"/enter", "/leave", "/login", "/language", "/theme"}
    paths = [path for path in whole.paths("http", "mount") if path not in left]
    for path in [*paths, "/enter", POLLING, "/none", "/room/none"]:
        for method in ("GET", "POST"):
            found = find_rule("http", method, path.partition("?")[0])
            for way, may in ways:
                status = whole.ask(method, path, **way)[0]
                if way is not whole.held and method == "GET" and path in FOR_PEOPLE:
                    assert status == 403, "pages are for people"
                elif found.rule is None:
                    assert status == (405 if found.other_methods else 404), (method, path)
                elif found.rule.needs is None or found.rule.needs in may:
                    assert status not in {401, 403, 405, 500}, (method, path)
                    assert status != 503 or method == "POST", (method, path)
                else:
                    assert status == 403, (method, path)
    assert whole.upgrade("/api/v1/live", **whole.held) == 101
    assert whole.upgrade(SOCKET, **whole.held) == 101
    assert whole.upgrade("/api/v1/live", **{"X-Api-Key": whole.key}) == 101
    assert whole.upgrade(SOCKET, **{"X-Api-Key": whole.key}) == 403, "pages are for people"
    # and a session that leaves is out
    mine = whole.session()
    assert whole.ask("POST", "/leave", **mine)[0] == 204
    refused(whole.ask("GET", "/room/", **mine))
    assert whole.upgrade(SOCKET, **mine) == 403
    assert whole.ask("GET", "/room/", **whole.held)[0] == 200


def test_a_link_opens_a_session_and_nothing_else(whole: Whole) -> None:
    link = new_link(whole.store, "", whole.user)
    for path in ("/", "/room/", "/api/v1/alerts", "/leave"):
        refused(whole.ask("GET", link.replace("/enter", path)))
    assert whole.ask("GET", link)[0] == 303
    refused(whole.ask("GET", link))


def test_pages_and_their_files(whole: Whole) -> None:
    """Each file that the pages name comes from here, with a session only."""
    found: set[str] = set()
    for page in ("/room/", "/docs"):
        status, body, headers = whole.ask("GET", page, **whole.held)
        assert status == 200
        assert "default-src 'self'" in headers["content-security-policy"]
        text = body.decode()
        files = set(re.findall(r"""(?:src|href)="(/[^"]+)"|url\("(/[^"]+)"\)""", text))
        found |= {first or second for first, second in files}
        found |= set(re.findall(r"""["'](/room/_nicegui/[^"']+)["']""", text))
        outside = re.findall(r"""(?:src|href|url\()[="'(\s]+((?:https?:)?//[^"')]+)""", text)
        assert not outside, page
    assert len(found) > 10
    for path in found:
        if not path.startswith("/door/"):
            refused(whole.ask("GET", path))
        # a folder is named too, from which others are loaded, and its index, which not each has
        index = "/esm/" in path and path.endswith("/index.js")
        expected = {404} if path.endswith("/") else {200, 404} if index else {200}
        assert whole.ask("GET", path, **whole.held)[0] in expected, path


def test_another_sites_page_uses_no_session(whole: Whole) -> None:
    other = whole.held | {"Origin": "http://evil", "Sec-Fetch-Site": "cross-site"}
    for path in ("/", "/room/", "/api/v1/alerts", POLLING, "/leave"):
        for method in ("GET", "POST"):
            assert whole.ask(method, path, **other)[0] == 403, path
    for path in ("/api/v1/live", SOCKET):
        assert whole.upgrade(path, **other) == 403
        assert whole.upgrade(path, Cookie=whole.held["Cookie"]) == 403, "a socket names its origin"
    # a person may follow a link on it
    came = other | {"Sec-Fetch-Mode": "navigate"}
    assert whole.ask("GET", "/", **came)[0] == 303
    assert whole.ask("POST", "/leave", **came)[0] == 403
