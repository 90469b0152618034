"""What a browser sends to change something: its token is read before anything else sees it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from api import door as door_module
from api.access import Role
from api.auth import CALLER, FORM_TOKEN, INSIDER, form_token
from api.door import MAX_FIELDS, MAX_FORM_BYTES, Door
from api.known import KnownKeys
from api.store import Store
from tests.api.served import (
    add_key,
    add_session,
    add_user,
    person_headers,
    serving,
    sqlite_url,
)

GUARD_S = 30
FORM = "application/x-www-form-urlencoded"


class Inner:
    """Says what reached it: the body, who asks, and what their forms have to send."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.asked += 1
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        caller = scope.get(CALLER)
        said = {
            "body": body.decode("latin-1"), "caller": caller and caller.name,
            "token": scope[FORM_TOKEN], "insider": scope[INSIDER],
        }  # fmt: skip
        content = json.dumps(said).encode()
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


@dataclass
class Served:
    store: Store
    inner: Inner
    keys: KnownKeys
    port: int
    session: str

    @property
    def token(self) -> str:
        return form_token(self.session)

    @property
    def held(self) -> dict[str, str]:
        """What a browser sends with a form, but for the token in it."""
        headers = person_headers(self.port, self.session) | {"content-type": FORM}
        del headers["x-csrf-token"]
        return headers

    def send(
        self,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        path: str = "/leave",
        method: str = "POST",
        *,
        chunked: bool = False,
    ) -> tuple[int, dict[str, Any]]:
        """One request as its bytes, and what is answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=GUARD_S) as connection:
            head = {"Host": f"127.0.0.1:{self.port}", **(self.held if headers is None else headers)}
            if chunked:
                head["Transfer-Encoding"] = "chunked"
            else:
                head.setdefault("Content-Length", str(len(body)))
            lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in head.items())]
            # a server that refuses a body may be gone before all of it is sent
            with suppress(ConnectionError):
                connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
                if chunked:
                    for at in range(0, len(body), 7):
                        piece = body[at : at + 7]
                        connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                    connection.sendall(b"0\r\n\r\n")
                else:
                    connection.sendall(body)
            return _answer(connection)


def _answer(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(1 << 16)
        assert piece, received
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(1 << 16)
    return int(head.split()[1]), json.loads(body)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    inner = Inner()
    with ExitStack() as stack:
        folder: Path = tmp_path_factory.mktemp("forms")
        store = stack.enter_context(Store.open(sqlite_url(folder)))
        keys = KnownKeys(store.keys)
        address = stack.enter_context(serving(Door(inner, keys, everywhere=False)))
        session = add_session(store, add_user(store, "ani", Role.VIEWER))
        yield Served(store, inner, keys, int(address.rpartition(":")[2]), session)


def form(*pairs: tuple[str, str]) -> bytes:
    return urlencode(pairs).encode()


Make = Callable[[Served], tuple[bytes, dict[str, str]]]


def sent(*more: tuple[str, str], tokens: int = 1, kind: str | None = FORM, **headers: str) -> Make:
    """A form with so many right tokens in it."""

    def make(served: Served) -> tuple[bytes, dict[str, str]]:
        held = served.held
        del held["content-type"]
        if kind is not None:
            held["content-type"] = kind
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {name: value.replace("TOKEN", served.token) for name, value in named.items()}
        return form(*more, *([("token", served.token)] * tokens)), held | named

    return make


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("make", "status"),
    [
        (sent(), 200),
        (sent(("a", "1"), ("b", "\xe9 &=")), 200),
        (sent(kind=FORM + "; charset=utf-8"), 200),
        (sent(kind=FORM + ";charset=utf-16"), 200),
        (sent(kind=FORM.upper()), 200),
        (sent(tokens=0), 403),
        (sent(tokens=2), 403),
        (sent(("token", "")), 403),
        (sent(("token", "0" * 64), tokens=0), 403),
        (sent(("Token", "x"), tokens=0), 403),
        # the token in the header is enough, whatever the form says
        (sent(tokens=0, x_csrf_token="TOKEN"), 200),
        (sent(("token", "wrong"), tokens=0, x_csrf_token="TOKEN"), 200),
        (sent(x_csrf_token="wrong"), 403),
        (sent(kind="text/plain", x_csrf_token="TOKEN"), 200),
        # no form as browsers send them: nothing is read of it
        (sent(kind="text/plain"), 403),
        (sent(kind="multipart/form-data; boundary=x"), 403),
        (sent(kind="application/json"), 403),
        (sent(kind=FORM + "2"), 403),
        (sent(kind=""), 403),
        (sent(kind=None), 403),
        (sent(origin="http://evil"), 403),
        (sent(sec_fetch_site="cross-site"), 403),
        (sent(cookie="a=b"), 401),
    ],
)
def test_a_form_has_its_token_once(served: Served, make: Make, status: int, chunked: bool) -> None:
    body, headers = make(served)
    before = served.inner.asked
    found, answer = served.send(body, headers, chunked=chunked)
    assert found == status, answer
    assert served.inner.asked == before + (status == 200)
    if status == 200:
        assert answer["body"] == body.decode("latin-1"), "all of it reaches the application"
        assert answer["caller"] == "ani"
        assert answer["token"] == served.token
    else:
        assert list(answer) == ["detail"]


def test_two_content_types_are_none(served: Served) -> None:
    body, headers = sent()(served)
    headers["Content-Type"] = "text/plain"
    assert served.send(body, headers)[0] == 403


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("bytes_more", [0, 1, 5_000_000])
def test_a_form_has_an_end(served: Served, bytes_more: int, chunked: bool) -> None:
    if chunked and bytes_more > 1:
        bytes_more = 50_000
    token = form(("token", served.token))
    body = token + b"&a=" + b"x" * (MAX_FORM_BYTES - len(token) - 3 + bytes_more)
    before = served.inner.asked
    assert served.send(body, chunked=chunked)[0] == (413 if bytes_more else 200)
    assert served.inner.asked == before + (not bytes_more)


def test_a_form_has_so_many_fields(served: Served) -> None:
    pairs = [("a", "")] * (MAX_FIELDS - 1)
    assert served.send(form(*pairs, ("token", served.token)))[0] == 200
    assert served.send(form(*pairs, ("b", ""), ("token", served.token)))[0] == 413


@pytest.mark.parametrize("path", ["/leave", "/login"])
def test_a_form_has_an_end_also_with_its_token_in_the_header(served: Served, path: str) -> None:
    """Everybody gets a token at /login, and may send it like this."""
    headers = served.held | {"x-csrf-token": served.token}
    before = served.inner.asked
    assert served.send(b"a=" + b"x" * (MAX_FORM_BYTES - 2), headers, path)[0] == 200
    assert served.send(b"a=" + b"x" * (MAX_FORM_BYTES - 1), headers, path)[0] == 413
    assert served.send(b"a=&" * (MAX_FIELDS + 1), headers, path)[0] == 413
    assert served.inner.asked == before + 1


def test_a_form_that_does_not_come_is_not_waited_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "FORM_S", 0.2)
    before = served.inner.asked
    half = form(("token", served.token))
    headers = served.held | {"Content-Length": str(len(half) + 10)}
    assert served.send(half, headers)[0] == 413
    assert served.send(b"", served.held | {"Content-Length": "10"})[0] == 413
    assert served.inner.asked == before


def test_whoever_is_nobody_has_no_form_read(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are answered at once, however much they mean to send, and however slowly."""
    monkeypatch.setattr(door_module, "FORM_S", 10 * GUARD_S)
    for more, status in (
        ({"cookie": "a=b"}, 401),
        ({"origin": "http://evil"}, 403),
        ({"x-api-key": "mk_00000000_" + "0" * 64}, 401),
    ):
        headers = served.held | more | {"Content-Length": "1000000000"}
        assert served.send(b"token=", headers)[0] == status
    for path in ("/none", "/healthz"):
        headers = served.held | {"cookie": "a=b", "Content-Length": "1000000000"}
        assert served.send(b"token=", headers, path)[0] == 401


def test_a_browser_that_goes_while_it_sends_is_forgotten(served: Served) -> None:
    before = served.inner.asked
    head = {"Host": f"127.0.0.1:{served.port}", **served.held, "Content-Length": "100"}
    lines = ["POST /leave HTTP/1.1", *(f"{n}: {v}" for n, v in head.items()), "", "token="]
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall("\r\n".join(lines).encode())
            time.sleep(0.02)
    assert served.send(form(("token", served.token)))[0] == 200
    assert served.inner.asked == before + 1


def test_a_program_sends_what_it_likes(served: Served) -> None:
    key = {"X-Api-Key": add_key(served.store, f"program-{served.inner.asked}")}
    path = "/api/v1/alerts"
    body = b"x" * (2 * MAX_FORM_BYTES)
    for kind in (FORM, "application/json"):
        found, answer = served.send(body, key | {"content-type": kind}, path)
        assert found == 200
        assert len(answer["body"]) == len(body)
        assert answer["caller"].startswith("program-")


def test_who_is_known_is_known_also_where_everybody_may_ask(served: Served) -> None:
    """So that a page that is open to everybody can speak their language, or lead them in."""
    cookie = {"cookie": served.held["cookie"]}
    assert served.send(headers=cookie, path="/login", method="GET")[1]["caller"] == "ani"
    assert served.send(headers={}, path="/login", method="GET")[1]["caller"] is None
    wrong = {"cookie": cookie["cookie"][:-1] + "x"}
    assert served.send(headers=wrong, path="/login", method="GET")[1]["caller"] is None
    other = cookie | {"sec-fetch-site": "cross-site"}
    assert served.send(headers=other, path="/login", method="GET")[1]["caller"] is None
    body = form(("token", served.token), ("language", "en"))
    assert served.send(body, path="/language")[1]["caller"] == "ani"
    # and whether this process lives is said without looking
    assert served.send(headers=cookie, path="/healthz", method="GET")[1]["caller"] is None


def test_a_form_for_everybody_is_sent_by_who_loaded_it(served: Served) -> None:
    held = {
        "cookie": f"matakota_{served.port}_form=mine", "content-type": FORM,
        "origin": f"http://127.0.0.1:{served.port}",
    }  # fmt: skip
    shown = served.send(headers=held, path="/login", method="GET")[1]["token"]
    assert shown == form_token("mine")
    assert served.send(form(("token", shown)), held, "/login")[0] == 200
    assert served.send(form(("token", "x")), held, "/login")[0] == 403
    del held["cookie"]
    assert served.send(form(("token", shown)), held, "/login")[0] == 403
    assert served.send(headers={}, path="/login", method="GET")[1]["token"] is None


def test_forms_that_come_together_are_each_read(served: Served) -> None:
    body = form(("token", served.token))
    with ExitStack() as stack:
        address = ("127.0.0.1", served.port)
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(8)]
        length = {"Content-Length": str(len(body))}
        head = {"Host": f"127.0.0.1:{served.port}", **served.held, **length}
        lines = ["POST /leave HTTP/1.1", *(f"{n}: {v}" for n, v in head.items()), "", ""]
        for connection in slow:
            connection.settimeout(GUARD_S)
            connection.sendall("\r\n".join(lines).encode() + body[:9])
        assert served.send(body)[0] == 200, "others do not wait for it"
        for connection in slow:
            connection.sendall(body[9:])
        assert [_answer(connection)[0] for connection in slow] == [200] * len(slow)
