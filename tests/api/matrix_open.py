"""What stays open of a served application: event streams, pictures, sockets, and the room's page as
a browser has it."""

from __future__ import annotations

import html
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.api.matrix import GUARD_S, Running
from tests.api.matrix_world import FOREIGN, OWN

V1: Final = "/api/v1"
SOCKET_IO: Final = "/room/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


@dataclass
class Heard:
    """What came so far, read by a thread of its own until its end."""

    said: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def text(self) -> str:
        return "".join(self.said)

    def wait(self, word: str, guard_s: float = GUARD_S) -> bool:
        """Whether a word comes."""
        until_s = time.monotonic() + guard_s
        while word not in self.text():
            if time.monotonic() > until_s or (self.ended.is_set() and word not in self.text()):
                return False
            time.sleep(0.01)
        return True


@contextmanager
def hearing(read: Callable[[], str], shut: Callable[[], object]) -> Iterator[Heard]:
    """Collect what ``read`` gives, "" at the end, until ``shut`` is called."""
    heard = Heard()

    def run() -> None:
        try:
            while text := read():
                heard.said.append(text)
        except (OSError, ValueError, AttributeError, HTTPException, ConnectionClosed):
            pass
        finally:
            heard.ended.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        shut()
        thread.join(GUARD_S)


@contextmanager
def reading(
    running: Running, path: str, caller: str, headers: Mapping[str, str], first: str
) -> Iterator[Heard]:
    """An answer without end of somebody, from when its ``first`` word is there."""
    with closing(HTTPConnection("127.0.0.1", running.port, timeout=GUARD_S)) as connection:
        connection.request("GET", path, headers={**running.world.held[caller], **headers})
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        raw: Any = answer.fp
        link: Any = connection.sock or raw.raw._sock
        with hearing(lambda: answer.read1(65536).decode("latin-1"), lambda: _shut(link)) as heard:
            assert heard.wait(first)
            yield heard
        answer.close()


def _shut(link: Any) -> None:
    with suppress(OSError):
        link.shutdown(2)


def events(
    running: Running, caller: str, after: int | None = None
) -> AbstractContextManager[Heard]:
    """The event stream of somebody, with what is stored from now on."""
    more = {} if after is None else {"last-event-id": str(after)}
    return reading(running, f"{V1}/alerts/stream", caller, more, "the alerts from here on")


def motion(running: Running, caller: str) -> AbstractContextManager[Heard]:
    """The pictures of the own camera, one after the other."""
    return reading(running, f"{V1}/cameras/{OWN}/live", caller, {}, "image/jpeg")


@contextmanager
def wall(running: Running, caller: str) -> Iterator[Heard]:
    """What the socket of live pictures sends to somebody who wants both cameras, in words."""
    with socket(running, f"{V1}/live", caller) as page:
        page.send(json.dumps({"cameras": [FOREIGN, OWN, "zzabsent"]}))

        def read() -> str:
            message = page.recv(GUARD_S)
            if isinstance(message, str):
                return message + "\n"
            length = int.from_bytes(message[:4], "big")
            return f"picture of {json.loads(message[4 : 4 + length])['camera']}\n"

        with hearing(read, page.close) as heard:
            yield heard


@contextmanager
def socket(running: Running, path: str, caller: str) -> Iterator[ClientConnection]:
    headers = dict(running.world.held[caller])
    address = f"ws://127.0.0.1:{running.port}{path}"
    with connect(
        address, additional_headers=headers, proxy=None, open_timeout=GUARD_S, close_timeout=1,
        max_size=None,
    ) as found:  # fmt: skip
        yield found


@dataclass
class Page:
    """A page that is open in somebody's browser: its first words, and the messages that follow."""

    first: str
    query: Mapping[str, str]
    elements: Mapping[str, Any]
    socket: ClientConnection
    heard: Heard

    def emit(self, event: str, *args: Any) -> None:
        """As the page's own script tells of what a person does to an element that listens."""
        self.socket.send(self.said(event, *args))

    def said(self, event: str, *args: Any) -> str:
        """The message that tells of it."""
        for number, element in self.elements.items():
            for listener in element.get("events", ()):
                if listener["type"] == event:
                    said = {
                        "id": int(number), "client_id": self.query["client_id"],
                        "listener_id": listener["listener_id"],
                        "args": [json.dumps(each) for each in args],
                    }  # fmt: skip
                    return "42" + json.dumps(["event", said])
        raise AssertionError(f"nothing listens to {event}")


@contextmanager
def room(running: Running, caller: str, path: str = "/room/") -> Iterator[Page]:
    """A page of the operations room, opened and connected as a browser does."""
    answer = running.send("GET", path, running.world.held[caller])
    first = answer.body.decode()
    client = re.search(r"""["']?client_id["']?: *["']([\w-]+)["']""", first)
    raw = re.search(r"parseElements\(String\.raw`(.*?)`\)", first, re.DOTALL)
    assert client is not None, first[:2000]
    assert raw is not None
    elements: Mapping[str, Any] = json.loads(_unescaped(raw[1]))
    query = {
        "implicit_handshake": "true", "client_id": client[1], "tab_id": "tab",
        "document_id": "document", "next_message_id": "0",
    }  # fmt: skip
    with socket(running, f"{SOCKET_IO}&{urlencode(query)}", caller) as found:
        assert str(found.recv(GUARD_S)).startswith("0")
        found.send("40")

        def read() -> str:
            while True:
                text = found.recv(GUARD_S)
                if text == "2":
                    found.send("3")
                    continue
                return str(text) + "\n"

        with hearing(read, found.close) as heard:
            assert heard.wait("40"), "the page's socket was not taken"
            yield Page(first, query, elements, found, heard)


def _unescaped(text: str) -> str:
    for written, meant in (("&lt;", "<"), ("&gt;", ">"), ("&#96;", "`"), ("&#36;", "$"),
                           ("&amp;", "&")):  # fmt: skip
        text = text.replace(written, meant)
    return html.unescape(text) if "&quot;" in text else text
