"""The whole application with its pages as a process of its own, and asking it anything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from api.store import Store
from tests.api.command import environment
from tests.api.served import add_key, add_session, add_user, alert, person_headers, sqlite_url

GUARD_S = 60
SERVER = "from tests.api.every_route import main; main()"
SOCKET = "/room/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
POLLING = "/room/_nicegui_ws/socket.io/?EIO=4&transport=polling"
FILLED = {"alert_id": "known", "camera": "plaza", "key": "vue.js", "path": "x.js"}


@dataclass
class Whole:
    """The served application, and what lets into it."""

    port: int
    routes: list[tuple[str, str]]
    store: Store
    key: str
    user: int
    held: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body (up to 64 KiB) and headers of one answer; ``path`` goes as it is."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=GUARD_S)) as connection:
            return read(self.send(connection, method, path, **headers))

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

    def session(self, user: int | None = None) -> dict[str, str]:
        """What the browser of a new session sends from a page of this server: of this user, or the
        administrator."""
        headers = person_headers(self.port, add_session(self.store, user or self.user))
        return {name.title(): value for name, value in headers.items()}

    def paths(self, *kinds: str) -> list[str]:
        """The paths of routes of these kinds, their parameters filled in."""
        found = [path for kind, path in self.routes if kind in kinds]
        return [
            re.sub(r"{(\w+)(?::\w+)?}", lambda m: FILLED.get(m[1], "x"), path) for path in found
        ]


def read(answer: HTTPResponse) -> tuple[int, bytes, dict[str, str]]:
    headers = {name.lower(): value for name, value in answer.getheaders()}
    # a stream has no end, and is let in or not by then
    body = b"" if answer.chunked and answer.status == 200 else answer.read(1 << 20)
    answer.close()
    return answer.status, body, headers


@contextmanager
def serving_whole(folder: Path) -> Iterator[Whole]:
    """All of it, with an alert ``known``, served from ``folder``."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), "0", "0", "3600"],
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
            routes = [(kind, path) for kind, path in said["routes"]]
            found = Whole(said["port"], routes, store, add_key(store), add_user(store))
            found.held = found.session()
            yield found
    finally:
        try:
            process.communicate(timeout=GUARD_S)
        finally:
            process.kill()
            process.communicate()
