"""A page is driven by the session that opened it: what others send in its name is not heard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.access import Role
from tests.api.served import TESTER, add_user, alert
from tests.api.whole import GUARD_S, SOCKET, Whole, serving_whole
from tests.waiting import wait_for

CLIENT = re.compile(r"'client_id': '([0-9a-f-]{36})'")
ELEMENTS = re.compile(r"parseElements\(String\.raw`(.*?)`\)", re.DOTALL)
numbers = count()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with serving_whole(tmp_path_factory.mktemp("sockets")) as served:
        yield served


@dataclass
class Room:
    """A page that a session opened: its id, and the list of alerts in it."""

    client: str
    element: int
    listener: str

    @property
    def query(self) -> dict[str, str]:
        return {
            "client_id": self.client, "next_message_id": "0", "implicit_handshake": "true",
            "document_id": "d", "tab_id": "t", "old_tab_id": "",
        }  # fmt: skip

    def acknowledge(self, alert_id: str) -> dict[str, Any]:
        """What its browser sends for a click."""
        return {
            "id": self.element, "client_id": self.client, "listener_id": self.listener,
            "args": [json.dumps(alert_id)],
        }  # fmt: skip


def room(whole: Whole, held: dict[str, str]) -> Room:
    status, body, _ = whole.ask("GET", "/room/", **held)
    assert status == 200
    text = body.decode()
    client, elements = CLIENT.search(text), ELEMENTS.search(text)
    assert client
    assert elements
    for number, element in json.loads(elements[1]).items():
        for event in element.get("events", ()):
            if event["type"] == "acknowledge":
                return Room(client[1], int(number), event["listener_id"])
    raise AssertionError("there is no list of alerts")


class Socket:
    """A browser's end of a page's socket, as its frames."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def send(self, name: str, *values: Any) -> None:
        self._connection.send(f"42{json.dumps([name, *values])}")

    def ask(self, name: str, *values: Any) -> Any:
        """Send a message, and what is answered."""
        number = next(numbers)
        self._connection.send(f"42{number}{json.dumps([name, *values])}")
        return json.loads(self.until(f"43{number}"))

    def until(self, beginning: str) -> str:
        """The rest of the next frame that begins like this."""
        while True:
            frame = self._connection.recv(GUARD_S)
            assert isinstance(frame, str)
            if frame == "2":
                self._connection.send("3")
            if frame.startswith(beginning):
                return frame.removeprefix(beginning)


@contextmanager
def opened(
    whole: Whole, held: dict[str, str], query: dict[str, str] | None = None
) -> Iterator[tuple[Socket, str]]:
    """A socket, with the answer to its beginning: a number of its own, or why there is none."""
    more = "&" + urlencode(query) if query else ""
    names = ("Cookie", "Origin")
    with connect(
        f"ws://127.0.0.1:{whole.port}{SOCKET}{more}",
        additional_headers={name: held[name] for name in names},
        proxy=None,
    ) as connection:
        assert str(connection.recv(GUARD_S)).startswith("0")
        connection.send("40")
        yield Socket(connection), str(connection.recv(GUARD_S))


def state(whole: Whole, alert_id: str) -> str | None:
    body = whole.ask("GET", f"/api/v1/alerts/{alert_id}", **{"X-Api-Key": whole.key})[1]
    found: str | None = json.loads(body)["acknowledged_by"]
    return found


@pytest.fixture(scope="module")
def other(whole: Whole) -> dict[str, str]:
    """What the browser of somebody else sends, who may as much."""
    return whole.session(add_user(whole.store, "other", Role.ADMINISTRATOR))


def test_a_page_is_driven_by_its_own_browser(whole: Whole) -> None:
    whole.store.record([alert("own")])
    page = room(whole, whole.held)
    with opened(whole, whole.held, page.query) as (socket, begun):
        assert begun.startswith("40")
        socket.send("event", page.acknowledge("own"))
        wait_for(lambda: state(whole, "own") == "administrator", "it is acknowledged", GUARD_S)


def test_another_persons_socket_is_not_heard(whole: Whole, other: dict[str, str]) -> None:
    whole.store.record([alert("theirs")])
    page, mine = room(whole, whole.held), room(whole, other)
    with (
        opened(whole, whole.held, page.query) as (owner, _),
        opened(whole, other, mine.query) as (socket, begun),
    ):
        assert begun.startswith("40")
        for message in (
            page.acknowledge("theirs"),
            page.acknowledge("theirs") | {"client_id": [page.client]},
            mine.acknowledge("theirs") | {"client_id": page.client},
        ):
            assert socket.ask("event", message) == [False]
        for name in ("handshake", "javascript_response", "ack", "log"):
            message = page.query | {
                "request_id": "r", "result": 1, "next_message_id": 0, "level": "error",
                "message": "m",
            }  # fmt: skip
            assert socket.ask(name, message) == [False], name
        # a message may be called as what the library calls itself
        environ = {"QUERY_STRING": urlencode(page.query)}
        socket.send("connect", environ)
        socket.send("connect", {"QUERY_STRING": [urlencode(page.query)]})
        socket.send("connect", "x")
        socket.send("disconnect")
        junks: list[list[Any]] = [
            [], ["x"], [None], [7], [{}], [{"client_id": None}], [{"client_id": "x"}],
        ]  # fmt: skip
        for junk in junks:
            for name in ("event", "handshake"):
                assert socket.ask(name, *junk) == [False]
        # it is heard in its own page, and its owner's page works on
        assert state(whole, "theirs") is None
        owner.send("event", page.acknowledge("theirs"))
        wait_for(lambda: state(whole, "theirs") == "administrator", "it is heard", GUARD_S)


def test_another_persons_socket_does_not_begin(whole: Whole, other: dict[str, str]) -> None:
    page = room(whole, whole.held)
    with opened(whole, other, page.query) as (_, begun):
        assert begun.startswith("44"), begun
        assert "Implicit handshake failed" in begun, "its browser loads the page anew"
    query = {"client_id": page.client}
    with opened(whole, other, query) as (_, begun):
        assert begun.startswith("44")
    # nor does one of another session of the same person
    with opened(whole, whole.session(), page.query) as (_, begun):
        assert begun.startswith("44")
    # without a page it begins, and takes none
    with opened(whole, other) as (socket, begun):
        assert begun.startswith("40")
        assert socket.ask("handshake", page.query) == [False]
    with opened(whole, whole.held) as (socket, begun):
        assert begun.startswith("40")
        assert socket.ask("handshake", page.query) == [True]


def test_a_page_that_is_none_is_said_to_be_none(whole: Whole) -> None:
    query = room(whole, whole.held).query | {"client_id": "00000000-0000-4000-8000-000000000000"}
    with opened(whole, whole.held, query) as (_, begun):
        assert begun.startswith("44")
        assert "Implicit handshake failed" in begun


def test_a_page_ends_with_its_session(whole: Whole) -> None:
    held = whole.session()
    page = room(whole, held)
    with opened(whole, held, page.query) as (socket, begun):
        assert begun.startswith("40")
        session = held["Cookie"].partition("ms_")[2][:8]
        whole.store.keys.end(session, TESTER)
        with pytest.raises(Exception, match="1008"):
            socket.until("never")
    with pytest.raises(InvalidStatus, match="403"), opened(whole, held, page.query):
        pass


def test_there_is_no_other_way_than_a_socket(whole: Whole) -> None:
    text = whole.ask("GET", "/room/", **whole.held)[1].decode()
    assert "transports: ['websocket']" in text
    for transport in ("polling", "x"):
        path = SOCKET.replace("websocket", transport)
        assert whole.ask("GET", path, **whole.held)[0] == 404
        assert whole.ask("POST", path, **whole.held)[0] == 404
