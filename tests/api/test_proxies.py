"""For whom a proxy asks, and which proxies are believed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.proxies import NO_PROXIES, Proxies
from vision.errors import ConfigError

TRUSTED = Proxies.named(["10.0.0.7", "127.0.0.0/8", "2001:db8::/64"])
FOR, PROTO = "X-Forwarded-For", "X-Forwarded-Proto"
HTTPS = (PROTO, "https")


def scope(*headers: tuple[str, str], client: str | None, **more: Any) -> dict[str, Any]:
    return {
        "type": "http", "path": "/x", "method": "GET", "scheme": "http", "query_string": b"a=1",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": None if client is None else (client, 4711), "server": ("10.0.0.1", 8080), **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("client", "headers", "peer", "tls"),
    [
        ("10.0.0.7", [(FOR, "203.0.113.9"), HTTPS], "203.0.113.9", True),
        ("10.0.0.7", [(FOR, "203.0.113.9")], "203.0.113.9", False),
        ("10.0.0.7", [(FOR, "203.0.113.9"), (PROTO, "http")], "203.0.113.9", False),
        ("10.0.0.7", [(FOR, "203.0.113.9"), (PROTO, "HTTPS ")], "203.0.113.9", True),
        ("10.0.0.7", [(FOR, "203.0.113.9"), (PROTO, "https, http")], "203.0.113.9", False),
        ("10.0.0.7", [(FOR, "203.0.113.9"), HTTPS, (PROTO, "http")], "203.0.113.9", False),
        ("10.0.0.7", [(FOR, "203.0.113.9"), HTTPS, HTTPS], "203.0.113.9", False),
        # who is before the first that is not ours may be made up
        ("10.0.0.7", [(FOR, "127.0.0.1, 203.0.113.9"), HTTPS], "203.0.113.9", True),
        ("10.0.0.7", [(FOR, "8.8.8.8,203.0.113.9 , 10.0.0.7"), HTTPS], "203.0.113.9", True),
        ("10.0.0.7", [(FOR, "8.8.8.8"), (FOR, "203.0.113.9"), HTTPS], "203.0.113.9", True),
        ("127.0.0.1", [(FOR, "203.0.113.9, 127.0.0.1"), HTTPS], "203.0.113.9", True),
        # a browser on a machine of ours
        ("10.0.0.7", [(FOR, "127.0.0.1"), HTTPS], "127.0.0.1", True),
        ("10.0.0.7", [(FOR, "127.0.0.1, 10.0.0.7"), HTTPS], "127.0.0.1", True),
        # other ways to write an address
        ("10.0.0.7", [(FOR, "203.0.113.9:4711"), HTTPS], "203.0.113.9", True),
        ("10.0.0.7", [(FOR, "2001:db8:1::1"), HTTPS], "2001:db8:1::1", True),
        ("10.0.0.7", [(FOR, "[2001:db8:1::1]:4711"), HTTPS], "2001:db8:1::1", True),
        ("10.0.0.7", [(FOR, "[2001:db8:1::1]"), HTTPS], "2001:db8:1::1", True),
        ("10.0.0.7", [(FOR, "2001:DB8:1:0::1"), HTTPS], "2001:db8:1::1", True),
        ("10.0.0.7", [(FOR, "::ffff:203.0.113.9"), HTTPS], "203.0.113.9", True),
        ("::ffff:10.0.0.7", [(FOR, "203.0.113.9"), HTTPS], "203.0.113.9", True),
        ("2001:db8::5", [(FOR, "203.0.113.9, ::ffff:127.0.0.1"), HTTPS], "203.0.113.9", True),
        ("2001:db8::5%eth0", [(FOR, "203.0.113.9"), HTTPS], "203.0.113.9", True),
        # what is no address is nobody
        *(
            ("10.0.0.7", [(FOR, text), HTTPS], None, True)
            for text in (
                "", " ", "unknown", "_hidden", "x" * 9000, "203.0.113.9,", "203.0.113.999",
                "8.8.8.8 203.0.113.9", "\xff", "localhost", "[::1", "203.0.113.9:x", ":80", "[]",
            )
        ),
    ],
)  # fmt: skip
def test_for_whom_a_trusted_proxy_asks(
    client: str, headers: list[tuple[str, str]], peer: str | None, tls: bool
) -> None:
    ask = TRUSTED.asked(scope(*headers, client=client))
    assert (ask.peer, ask.tls, ask.proxied) == (peer, tls, True)


@pytest.mark.parametrize("client", ["10.0.0.8", "203.0.113.9", "2001:db8:0:1::5", None, "", "x"])
@pytest.mark.parametrize("proxies", [TRUSTED, NO_PROXIES])
def test_nobody_else_is_believed(client: str | None, proxies: Proxies) -> None:
    ask = proxies.asked(scope((FOR, "127.0.0.1"), HTTPS, client=client))
    assert (ask.peer, ask.tls, ask.proxied) == (client, False, False)
    assert not NO_PROXIES.asked(scope((FOR, "10.0.0.9"), HTTPS, client="127.0.0.1")).proxied


def test_a_proxy_that_asks_for_itself() -> None:
    """As a probe of its own, which says for nobody."""
    for headers in ([], [HTTPS], [("Forwarded", "for=203.0.113.9;proto=https")]):
        ask = TRUSTED.asked(scope(*headers, client="10.0.0.7"))
        assert (ask.peer, ask.tls, ask.proxied) == ("10.0.0.7", False, False)


@given(st.lists(st.text(st.characters(codec="latin-1"))), st.booleans())
def test_what_comes_before_a_proxys_own_word_changes_nothing(
    lines: list[str], secure: bool
) -> None:
    headers = [(FOR, line) for line in lines]
    said = [HTTPS] if secure else []
    ask = TRUSTED.asked(scope(*headers, (FOR, "203.0.113.9"), *said, client="10.0.0.7"))
    assert (ask.peer, ask.tls, ask.proxied) == ("203.0.113.9", secure, True)


@pytest.mark.parametrize(
    ("scheme", "kind", "tls"),
    [("http", "http", False), ("https", "http", True), ("ws", "websocket", False),
     ("wss", "websocket", True), ("HTTPS", "http", False), ("", "http", False)],
)  # fmt: skip
def test_what_else_is_asked(scheme: str, kind: str, tls: bool) -> None:
    ask = TRUSTED.asked(
        scope(("X-Api-KEY", "k"), client="203.0.113.9", scheme=scheme, type=kind, root_path="/r")
    )
    assert (ask.kind, ask.path, ask.root_path, ask.method) == (kind, "/x", "/r", "GET")
    assert (ask.query, ask.port, ask.tls) == (b"a=1", 8080, tls)
    assert ask.values(b"x-api-key") == ["k"]


def test_a_scope_that_says_little() -> None:
    ask = NO_PROXIES.asked({"type": "websocket", "path": "/", "headers": []})
    assert (ask.peer, ask.port, ask.tls, ask.proxied) == (None, 0, False, False)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("proxy.example", "is no address"),
        ("", "is no address"),
        ("10.0.0.7:80", "is no address"),
        ("10.0.0.7/24", "is no address"),
        ("10.0.0.0/33", "is no address"),
        ("0.0.0.0/0", "is everybody"),
        ("::/0", "is everybody"),
    ],
)
def test_what_is_no_proxy(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Proxies.named([name])
    assert str(caught.value).startswith("--trusted-proxy ")
    assert "\n" not in str(caught.value)


def test_whether_there_are_any() -> None:
    assert TRUSTED
    assert not NO_PROXIES
    assert not Proxies.named([])
