"""The chat format, against a server that speaks it; and where pictures may be sent."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
import pytest

from streams.opinionchat import MAX_ANSWER_BYTES, ChatAdviser
from streams.opinions import MAX_WORDS_CHARS, PICTURE_PX, Opinion
from tests.streams.test_opinions import event
from vision.errors import ConfigError, OpinionError

CROP = np.full((900, 700, 3), 90, np.uint8)
KEY = "not-a-real-key"


@dataclass
class Server:
    """Answers ``status`` with ``body``; keeps what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    hosts: list[str | None] = field(default_factory=list)

    def says(self, content: object) -> None:
        self.body = json.dumps({"choices": [{"message": {"content": content}}]}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            assert self.path == "/v1/chat/completions"
            found.asked.append(json.loads(self.rfile.read(length)))
            found.keys.append(self.headers["Authorization"])
            found.hosts.append(self.headers["Host"])
            self.send_response(found.status)
            if found.status == 302:
                self.send_header("Location", "http://192.0.2.1/")
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(found.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        found.url = f"http://127.0.0.1:{listening.server_address[1]}/v1"
        yield found
        listening.shutdown()
        thread.join()


def ask(server: Server, **more: Any) -> Opinion:
    return ChatAdviser(server.url, "looker", **more).ask(CROP, event())


@pytest.mark.parametrize(
    ("said", "verdict", "words"),
    [
        ('{"shown": "yes", "words": "Somebody lies there."}', "confirmed", "Somebody lies there."),
        ('{"shown": "no", "words": "A coat."}', "doubted", "A coat."),
        ('{"shown": "NO ", "words": "A\\ncoat."}', "doubted", "A coat."),
        ('```json\n{"shown": "yes", "words": ""}\n``` I hope so', "confirmed", ""),
        ('{"shown": "perhaps", "words": "Dark."}', "unsure", "Dark."),
        ('{"shown": null}', "unsure", ""),
        ('{"shown": "no", "words": "A sign: {EXIT}."}', "doubted", "A sign: {EXIT}."),
        ('{"answer": {"shown": "no", "words": null}}', "doubted", ""),
        ('{"a": ' * 5000, "unsure", ('{"a": ' * 50)[:-1] + "…"),
        ("It is hard to say.", "unsure", "It is hard to say."),
        ("{not json} {", "unsure", "{not json} {"),
        ("", "unsure", ""),
    ],
)
def test_what_a_model_says(said: str, verdict: str, words: str, server: Server) -> None:
    server.says(said)
    assert ask(server) == Opinion(verdict, words, "looker")  # type: ignore[arg-type]


def test_what_it_is_asked(server: Server) -> None:
    server.says("{}")
    ask(server, key=KEY)
    ((asked,), (key,)) = server.asked, server.keys
    assert (asked["model"], asked["temperature"], key) == ("looker", 0, f"Bearer {KEY}")
    text, picture = asked["messages"][1]["content"]
    assert text["text"] == "Reported: person down. somebody lies there"
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert max(shown.shape) == PICTURE_PX
    ask(server)
    assert server.keys[1] is None


def test_words_are_cut(server: Server) -> None:
    server.says("so much " * 500)
    words = ask(server).words
    assert len(words) == MAX_WORDS_CHARS
    assert words.endswith("…")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"", "answers 401"),
        # a redirect would carry the picture elsewhere
        (302, b"", "answers 302"),
        (200, b"nothing", "does not speak"),
        (200, b"{}", "does not speak"),
        (200, b'{"choices": []}', "does not speak"),
        (200, b'{"choices": [{"message": {"content": 5}}]}', "does not speak"),
        (200, b"[" * 20000, "does not speak"),
        (200, b"x" * (MAX_ANSWER_BYTES + 1), "without end"),
    ],
)
def test_a_server_that_does_not_help(status: int, body: bytes, said: str, server: Server) -> None:
    server.status, server.body = status, body
    with pytest.raises(OpinionError, match=said):
        ask(server)


def test_a_server_that_is_slow_or_away(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(OpinionError, match="ReadTimeout"):
            ChatAdviser(url, "looker", timeout_s=0.2).ask(CROP, event())
    with pytest.raises(OpinionError, match="ConnectError"):
        ChatAdviser(url, "looker").ask(CROP, event())


def test_a_server_that_sends_little_by_little() -> None:
    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
            for _ in range(60):
                connection.sendall(b" ")
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with pytest.raises(OpinionError, match=r"takes over 0\.3 s"):
            ChatAdviser(url, "looker", timeout_s=0.3).ask(CROP, event())
        thread.join()


def test_a_name_that_moves_meanwhile_leads_nowhere_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked up once; connected to is what was looked at."""
    server.says("{}")
    port = int(server.url.split(":")[2].split("/")[0])
    real, asked = socket.getaddrinfo, []

    def moving(host: Any, *args: Any, **more: Any) -> Any:
        if host != "looker.test":
            return real(host, *args, **more)
        asked.append(host)
        ip = "127.0.0.1" if len(asked) == 1 else "192.0.2.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))]

    monkeypatch.setattr(socket, "getaddrinfo", moving)
    ChatAdviser(f"http://looker.test:{port}/v1", "looker", timeout_s=5).ask(CROP, event())
    assert (len(server.asked), len(asked)) == (1, 1)
    assert server.hosts == [f"looker.test:{port}"]


def test_pictures_stay_in_ones_own_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    # an address for documentation (RFC 5737): nothing is sent there
    with pytest.raises(OpinionError, match="not in a private network"):
        ChatAdviser("http://192.0.2.1/v1", "looker").ask(CROP, event())

    def away(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", away)
    with pytest.raises(OpinionError, match="is not known"):
        ChatAdviser("http://somewhere.invalid/v1", "looker").ask(CROP, event())


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "ftp://127.0.0.1/v1",
        "http://",
        "http://a:99999/",
        "http://u:p@h/",
        "http://127.0.0.1/v1\x7f",
        "http://127.0.0.1/\udc80",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigError, match="is none") as caught:
        ChatAdviser(url, "looker")
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("key", ["schl\u00fcssel", "two\nlines", "\udc80"])
def test_a_key_that_cannot_be_sent(key: str) -> None:
    with pytest.raises(ConfigError, match="cannot be sent") as caught:
        ChatAdviser("http://127.0.0.1/v1", "looker", key)
    assert key not in str(caught.value)


def test_the_key_is_never_shown() -> None:
    assert KEY not in repr(ChatAdviser("http://127.0.0.1/v1", "looker", KEY))
