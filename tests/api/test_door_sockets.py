"""A WebSocket ends when what opened it ends, whatever its application is doing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api import access
from api import door as door_module
from api import known as known_module
from api.access import Permission, Role, Rule, Table
from api.auth import CALLER
from api.door import Door
from api.known import KnownKeys
from api.store import Rights, Store
from tests.api.served import (
    TESTER,
    add_key,
    add_session,
    add_user,
    person_headers,
    serving,
    sqlite_url,
    wait_until,
)
from vision.errors import StoreError

GUARD_S = 30


@dataclass
class Inner:
    """An application of sockets: what it heard, and how each of its connections ended."""

    heard: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return
        self.callers.append(scope[CALLER].name)
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        try:
            await getattr(self, scope["path"].strip("/"))(receive, send)
        except OSError:
            self.ended.append("sending")
            raise

    async def echo(self, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            self.heard.append(message["text"])
            await send({"type": "websocket.send", "text": message["text"]})
        self.ended.append(f"{message['type']} {message['code']}")
        try:
            await send({"type": "websocket.close", "code": 1000})
        except OSError:
            self.ended.append("close refused")

    async def busy(self, _receive: Any, send: Any) -> None:
        """Never listens."""
        while True:
            await send({"type": "websocket.send", "text": "news"})
            await asyncio.sleep(0.01)

    async def impatient(self, receive: Any, send: Any) -> None:
        """Gives up waiting again and again."""
        while True:
            try:
                message = await asyncio.wait_for(receive(), 0.02)
            except TimeoutError:
                continue
            if message["type"] != "websocket.receive":
                self.ended.append(message["type"])
                return
            await send({"type": "websocket.send", "text": message["text"]})

    async def bye(self, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4000})

    async def broken(self, _receive: Any, _send: Any) -> None:
        raise KeyError("a fault of ours")


@dataclass
class Served:
    store: Store
    inner: Inner
    keys: KnownKeys
    port: int

    def open(self, path: str, key: str = "", **headers: str) -> ClientConnection:
        more = headers | ({"X-Api-Key": key} if key else {})
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            additional_headers={name.replace("_", "-"): value for name, value in more.items()},
            proxy=None,
            compression=None,
        )


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(door_module, "SOCKET_CHECK_S", 0.05)
    monkeypatch.setattr(door_module, "SOCKET_END_S", 0.2)
    monkeypatch.setattr(known_module, "CACHE_S", 0.05)
    rules = [
        Rule("GET", path, Permission.PICTURES_SEE, "websocket")
        for path in ("/echo", "/busy", "/impatient", "/bye", "/broken", "/flood")
    ]
    monkeypatch.setattr(access, "TABLE", Table([*rules, Rule("GET", "/none", None, "websocket")]))
    inner = Inner()
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(sqlite_url(tmp_path)))
        keys = KnownKeys(store.keys)
        address = stack.enter_context(serving(Door(inner, keys, everywhere=False)))
        yield Served(store, inner, keys, int(address.rpartition(":")[2]))


def ended(connection: ClientConnection) -> int | None:
    """The code with which a connection ends, whatever comes before."""
    while True:
        try:
            connection.recv(GUARD_S)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


def test_messages_pass_both_ways(served: Served) -> None:
    key = add_key(served.store, "room")
    with served.open("/echo", key) as connection:
        for number in range(50):
            connection.send(f"m{number}")
        assert [connection.recv(GUARD_S) for _ in range(50)] == [f"m{n}" for n in range(50)]
    wait_until(lambda: served.inner.ended, GUARD_S)
    assert served.inner.ended[0] == "websocket.disconnect 1000"
    assert served.inner.callers == ["room"]


@pytest.mark.parametrize("path", ["/echo", "/busy", "/impatient"])
def test_it_ends_with_its_key(served: Served, path: str) -> None:
    key = add_key(served.store, "room")
    with served.open(path, key) as connection:
        if path != "/busy":
            connection.send("hello")
        assert connection.recv(GUARD_S) in {"hello", "news"}
        served.store.keys.revoke("room", TESTER)
        assert ended(connection) == 1008
    wait_until(lambda: served.inner.ended, GUARD_S)
    assert served.inner.ended[0] in {
        "websocket.disconnect 1008", "sending", "websocket.disconnect",
    }  # fmt: skip
    with pytest.raises(InvalidStatus, match="403"), served.open(path, key):
        pass


def test_what_comes_after_the_end_is_not_heard(served: Served) -> None:
    key = add_key(served.store, "room")
    with served.open("/echo", key) as connection:
        connection.send("before")
        assert connection.recv(GUARD_S) == "before"
        served.store.keys.revoke("room", TESTER)
        wait_until(lambda: served.inner.ended, GUARD_S)
        with suppress(ConnectionClosed):
            connection.send("after")
        assert ended(connection) == 1008
    assert served.inner.heard == ["before"]
    wait_until(lambda: "close refused" in served.inner.ended, GUARD_S)


@pytest.fixture
def session(served: Served) -> tuple[str, str]:
    """A session's id and cookie."""
    text = add_session(served.store, add_user(served.store))
    return text.split("_")[1], person_headers(served.port, text)["cookie"]


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        ("http://127.0.0.1:PORT", True),
        ("http://localhost:PORT", False),
        ("http://127.0.0.1:1", False),
        ("http://evil", False),
        ("null", False),
        ("", False),
    ],
)
def test_a_session_opens_sockets_to_our_pages(
    served: Served, session: tuple[str, str], origin: str, let_in: bool
) -> None:
    headers = {"cookie": session[1]}
    if origin:
        headers["origin"] = origin.replace("PORT", str(served.port))
    if let_in:
        with served.open("/echo", **headers) as connection:
            connection.send("hello")
            assert connection.recv(GUARD_S) == "hello"
            served.store.keys.end(session[0], TESTER)
            assert ended(connection) == 1008
    else:
        with pytest.raises(InvalidStatus, match="403"), served.open("/echo", **headers):
            pass
        assert not served.inner.callers


def test_a_session_ends_its_sockets_when_it_expires(
    served: Served, session: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = served.keys.now()
    headers = {"cookie": session[1], "origin": f"http://127.0.0.1:{served.port}"}
    with served.open("/echo", **headers) as connection:
        monkeypatch.setattr(served.keys, "now", lambda: now + 3601)
        assert ended(connection) == 1008


@pytest.mark.parametrize(
    "rights", [Rights(Role.ANALYST), Rights(Role.VIEWER, disabled=True)], ids=["role", "disabled"]
)
def test_it_ends_when_the_person_may_not_any_more(served: Served, rights: Rights) -> None:
    add_user(served.store)
    user = add_user(served.store, "viewer", Role.VIEWER)
    headers = person_headers(served.port, add_session(served.store, user))
    headers = {name: headers[name] for name in ("cookie", "origin")}
    with served.open("/echo", **headers) as connection:
        connection.send("hello")
        assert connection.recv(GUARD_S) == "hello"
        served.store.people.change(user, rights, TESTER)
        assert ended(connection) == 1008
    with pytest.raises(InvalidStatus, match="403"), served.open("/echo", **headers):
        pass


def test_what_the_table_does_not_know_is_no_socket(served: Served) -> None:
    key = add_key(served.store)
    for path in ("/other", "/", "/echo/", "/api/v1/live"):
        with pytest.raises(InvalidStatus, match="403"), served.open(path, key):
            pass
    assert not served.inner.callers


def test_a_store_that_is_gone_ends_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    key = add_key(served.store)
    asked: list[str] = []

    def gone(key_id: str) -> None:
        asked.append(key_id)
        raise StoreError("the database is gone")

    with served.open("/echo", key) as connection:
        monkeypatch.setattr(served.store.keys, "holder", gone)
        wait_until(lambda: len(asked) > 3, GUARD_S)
        connection.send("hello")
        assert connection.recv(GUARD_S) == "hello"


def test_an_application_ends_its_own_sockets(served: Served) -> None:
    key = add_key(served.store)
    with served.open("/bye", key) as connection:
        assert ended(connection) == 4000
    with served.open("/broken", key) as connection:
        # as the server ends what its application failed to serve
        assert ended(connection) not in {1000, 1008}


def test_a_reader_that_stalls_holds_up_no_end(served: Served) -> None:
    """Its buffers are full, so that its application hangs in sending."""
    key = add_key(served.store, "room")
    with socket.create_connection(("127.0.0.1", served.port)) as stalled:
        stalled.sendall(
            b"GET /flood HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            b"X-Api-Key: " + key.encode() + b"\r\n\r\n"
        )
        flooded = Flood()
        setattr(served.inner, "flood", flooded)  # noqa: B010
        wait_until(flooded.stuck, GUARD_S)
        served.store.keys.revoke("room", TESTER)
        wait_until(lambda: flooded.over, GUARD_S)


class Flood:
    """Sends until nothing more is taken."""

    def __init__(self) -> None:
        self.sent = 0
        self.over = False
        self._before = -1

    async def __call__(self, _receive: Callable[[], Any], send: Any) -> None:
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(1 << 16)})
                self.sent += 1
        finally:
            self.over = True

    def stuck(self) -> bool:
        before, self._before = self._before, self.sent
        return self.sent > 0 and before == self.sent
