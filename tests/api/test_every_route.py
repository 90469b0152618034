"""Without a link or a key nothing is open: every route, page, socket and file there is, and paths
that are none, asked for over real connections as they are written here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse

import pytest

from api.auth import NO_KEY, WRONG_KEY, WRONG_LINK, WRONG_SESSION
from api.sessions import new_link
from api.store import Store
from tests.api.command import environment
from tests.api.served import add_key, alert, sqlite_url

GUARD_S = 60
OPEN = {"/healthz", "/readyz"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
REFUSALS = {decision.detail for decision in (NO_KEY, WRONG_KEY, WRONG_SESSION, WRONG_LINK)}
SERVER = "from tests.api.every_route import main; main()"
POLLING = "/room/_nicegui_ws/socket.io/?EIO=4&transport=polling"
SOCKET = "/room/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
FILLED = {"alert_id": "known", "camera": "plaza", "key": "vue.js", "path": "x.js", "name": "x"}
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
    {"Cookie": "matakota_PORT=ms_00000000_" + "0" * 64},
    {"Cookie": "matakota_PORT="},
    {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": ""},
    {"Accept": "text/html"},
)


@dataclass
class Whole:
    """The served application, and what lets into it."""

    port: int
    routes: list[tuple[str, str]]
    store: Store
    key: str
    held: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body (up to 64 KiB) and headers of one answer; ``path`` goes as it is."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=GUARD_S)) as connection:
            return _read(self.send(connection, method, path, **headers))

    def send(
        self, connection: HTTPConnection, method: str, path: str, **headers: str
    ) -> HTTPResponse:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.replace("PORT", str(self.port)))
        connection.endheaders()
        return connection.getresponse()

    def upgrade(self, path: str, **headers: str) -> int:
        """The status with which a WebSocket is answered."""
        asked = {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }  # fmt: skip
        with (
            closing(HTTPConnection("127.0.0.1", self.port, timeout=GUARD_S)) as connection,
            self.send(connection, "GET", path, **asked, **headers) as answer,
        ):
            return answer.status

    def session(self) -> dict[str, str]:
        """The headers of a browser that came in by a link, on a page of this server."""
        address = new_link(self.store, "127.0.0.1", self.port)
        _, _, path = address.partition(f":{self.port}")
        status, _, headers = self.ask("GET", path)
        assert status == 303
        return {
            "Cookie": headers["set-cookie"].partition(";")[0],
            "Origin": f"http://127.0.0.1:{self.port}",
            "Sec-Fetch-Site": "same-origin",
        }

    def paths(self, *kinds: str) -> list[str]:
        """The paths of routes of these kinds, their parameters filled in."""
        found = [path for kind, path in self.routes if kind in kinds]
        return [re.sub(r"{(\w+)(?::\w+)?}", lambda m: FILLED[m[1]], path) for path in found]


def _read(answer: HTTPResponse) -> tuple[int, bytes, dict[str, str]]:
    headers = {name.lower(): value for name, value in answer.getheaders()}
    # a stream has no end, and is let in or not by then
    body = b"" if answer.chunked and answer.status == 200 else answer.read(1 << 16)
    answer.close()
    return answer.status, body, headers


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("whole")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        with Store.open(sqlite_url(folder)) as store:
            store.record([alert("known")])
            key = add_key(store)
            found = Whole(said["port"], [(kind, path) for kind, path in said["routes"]], store, key)
            found.held = found.session()
            yield found
    finally:
        try:
            process.communicate(timeout=GUARD_S)
        finally:
            process.kill()
            process.communicate()


def refused(answer: tuple[int, bytes, dict[str, str]], method: str = "GET") -> None:
    """Nothing but the refusal is in an answer."""
    status, body, headers = answer
    assert status == 401
    if method == "HEAD":
        assert body == b""
    elif headers["content-type"].startswith("text/html"):
        assert b"<h1>Not let in</h1>" in body
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
    paths = set(whole.paths("http", "mount", "socket")) - OPEN
    assert len(paths) >= 20
    for path in sorted(paths):
        for method in METHODS:
            refused(whole.ask(method, path), method)
            refused(whole.ask(method, path + "/"), method)
            refused(whole.ask(method, path + "?x=1"), method)


def test_every_socket_is_shut(whole: Whole) -> None:
    for path in {*whole.paths("http", "mount", "socket"), SOCKET, POLLING, "/none", *OPEN}:
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
            refused(whole.ask(method, path, **headers), method)
    if "Upgrade" not in headers:
        assert whole.upgrade(SOCKET, **headers) == 403


def test_a_connection_that_asked_for_what_is_open_opens_nothing_else(whole: Whole) -> None:
    with closing(HTTPConnection("127.0.0.1", whole.port, timeout=GUARD_S)) as connection:
        for path in ("/healthz", "/room/", "/readyz", "/docs", "/healthz"):
            answer = _read(whole.send(connection, "GET", path))
            if path in OPEN:
                assert answer[0] == 200
            else:
                refused(answer)


def test_with_a_session_or_a_key_each_is_let_in(whole: Whole) -> None:
    ways = [whole.held, {"X-Api-Key": whole.key}]
    paths = [path for path in whole.paths("http", "mount") if path not in {"/enter", "/leave"}]
    for path in [*paths, "/enter", POLLING, "/none", "/room/none"]:
        for way in ways:
            assert whole.ask("GET", path, **way)[0] not in {401, 403, 500, 503}, path
            assert whole.ask("POST", path, **way)[0] not in {401, 403, 500}, path
    for way in ways:
        for path in ("/api/v1/live", SOCKET):
            assert whole.upgrade(path, **way) == 101, path
    # and a session that leaves is out
    mine = whole.session()
    assert whole.ask("POST", "/leave", **mine)[0] == 204
    refused(whole.ask("GET", "/room/", **mine))
    assert whole.upgrade(SOCKET, **mine) == 403
    assert whole.ask("GET", "/room/", **whole.held)[0] == 200


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
        refused(whole.ask("GET", path))
        # a folder is named too, from which others are loaded
        assert whole.ask("GET", path, **whole.held)[0] in ({404} if path.endswith("/") else {200})


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
