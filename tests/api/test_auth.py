"""The decision as a table: who, from where, with which key, session or link, may have what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import auth
from api.auth import (
    ALLOWED,
    NO_KEY,
    NOT_LOCAL,
    OTHER_SITE,
    TWO_KEYS,
    TWO_SESSIONS,
    WRONG_KEY,
    WRONG_LINK,
    WRONG_SESSION,
    Ask,
    Token,
    decide,
)
from api.store import Key

NOW = 1000.0
TOKEN = auth.new_token()
OTHER = auth.new_token()
KEY = Key(TOKEN.id, "name", TOKEN.hash, 0.0, None, None)
REVOKED = Key(TOKEN.id, "name", TOKEN.hash, 0.0, 1.0, None)
BEARER = (b"authorization", f"Bearer {TOKEN.reveal()}".encode())
HEADER = (b"x-api-key", TOKEN.reveal().encode())
SESSION_TOKEN = auth.new_token("session")
SESSION = Key(
    SESSION_TOKEN.id, "administrator", SESSION_TOKEN.hash, 0.0, None, None, "session", NOW + 1
)
LINK_TOKEN = auth.new_token("link")
LINK = Key(LINK_TOKEN.id, "administrator", LINK_TOKEN.hash, 0.0, None, None, "link", NOW + 1)
LINK_QUERY = f"link={LINK_TOKEN.reveal()}".encode()
COOKIE = (b"cookie", f"matakota_8080={SESSION_TOKEN.reveal()}".encode())
HOST = (b"host", b"10.0.0.1:8080")
ORIGIN = (b"origin", b"http://10.0.0.1:8080")
FORGED = (b"x-api-key", Token(TOKEN.id, OTHER.secret).reveal().encode())


def ask(
    path: str = "/api/v1/alerts",
    *headers: tuple[bytes, bytes],
    peer: str | None = "127.0.0.1",
    kind: str = "http",
    root_path: str = "",
    **more: Any,
) -> Ask:
    return Ask(kind, path, root_path, peer, headers, **({"port": 8080} | more))


def enter(query: bytes = LINK_QUERY, *headers: tuple[bytes, bytes], **more: Any) -> Ask:
    return ask(more.pop("path", "/enter"), *headers, query=query, **more)


def post(*headers: tuple[bytes, bytes], **more: Any) -> Ask:
    return ask("/x", COOKIE, *headers, method=more.pop("method", "POST"), **more)


def socket(*headers: tuple[bytes, bytes], **more: Any) -> Ask:
    return ask("/x", COOKIE, *headers, kind="websocket", **more)


def header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.encode(), value.encode()


def site(value: str, mode: str = "") -> list[tuple[bytes, bytes]]:
    found = [header("sec-fetch-site", value)]
    return [*found, header("sec-fetch-mode", mode)] if mode else found


CASES = [
    (ask("/healthz"), None, ALLOWED),
    (ask("/readyz"), None, ALLOWED),
    (ask("/healthz", FORGED), None, ALLOWED),
    # only as they are routed, and only over HTTP
    (ask("/healthz/"), None, NO_KEY),
    (ask("//healthz"), None, NO_KEY),
    (ask("/HEALTHZ"), None, NO_KEY),
    (ask("/healthz/../api/v1/alerts"), None, NO_KEY),
    (ask("/healthz%2F"), None, NO_KEY),
    (ask("/healthz\0"), None, NO_KEY),
    (ask("/api/v1/alerts;/healthz"), None, NO_KEY),
    (ask("/healthz", root_path="/healthz"), None, NO_KEY),
    (ask("/healthz", kind="websocket"), None, NO_KEY),
    (ask(""), None, NO_KEY),
    # with a key
    (ask("/api/v1/alerts", BEARER), KEY, ALLOWED),
    (ask("/api/v1/alerts", HEADER), KEY, ALLOWED),
    (ask("/anything", HEADER, kind="websocket"), KEY, ALLOWED),
    (ask("/x", (b"authorization", b"bEaReR   " + TOKEN.reveal().encode() + b" ")), KEY, ALLOWED),
    (ask("/x", BEARER), None, WRONG_KEY),
    (ask("/x", BEARER), REVOKED, WRONG_KEY),
    (ask("/x", FORGED), KEY, WRONG_KEY),
    (ask("/x", (b"x-api-key", OTHER.reveal().encode())), KEY, WRONG_KEY),
    (ask("/x", BEARER, HEADER), KEY, TWO_KEYS),
    (ask("/x", BEARER, BEARER), KEY, TWO_KEYS),
    (ask("/x", HEADER, FORGED), KEY, TWO_KEYS),
    (ask("/x", (b"authorization", b"Basic dTpw")), KEY, NO_KEY),
    (ask("/x", (b"authorization", b"")), KEY, NO_KEY),
    (ask("/x", (b"authorization", TOKEN.reveal().encode())), KEY, NO_KEY),
    (ask("/x", (b"authorization", b"Bearer a b")), KEY, NO_KEY),
    (ask("/x", (b"x-api-key", b"")), KEY, WRONG_KEY),
    (ask("/x", (b"x-api-key", b"\xff\xfe")), KEY, WRONG_KEY),
    (ask("/x", (b"x-api-key", TOKEN.reveal().upper().encode())), KEY, WRONG_KEY),
    (ask("/x", (b"x-api-key", TOKEN.reveal().encode() + b"\n")), KEY, WRONG_KEY),
    (ask("/x", (b"x-api-key", TOKEN.reveal()[:-1].encode())), KEY, WRONG_KEY),
    # from elsewhere
    (ask("/healthz", peer="10.0.0.5"), None, NOT_LOCAL),
    (ask("/x", BEARER, peer="10.0.0.5"), KEY, NOT_LOCAL),
    (ask("/x", BEARER, peer=None), KEY, NOT_LOCAL),
    (ask("/x", BEARER, peer="localhost"), KEY, NOT_LOCAL),
    (ask("/x", BEARER, peer="::ffff:10.0.0.5"), KEY, NOT_LOCAL),
    (ask("/x", BEARER, peer="0.0.0.0"), KEY, NOT_LOCAL),  # noqa: S104
    (ask("/x", BEARER, peer="127.8.8.8"), KEY, ALLOWED),
    (ask("/x", BEARER, peer="::1"), KEY, ALLOWED),
    (ask("/x", BEARER, peer="::ffff:127.0.0.1"), KEY, ALLOWED),
]


SESSION_CASES = [
    # a session is a cookie, of this port
    (ask("/x", COOKIE), SESSION, ALLOWED),
    (ask("/x", COOKIE), None, WRONG_SESSION),
    (ask("/x", COOKIE), replace(SESSION, revoked_at=1.0), WRONG_SESSION),
    (ask("/x", COOKIE), replace(SESSION, expires_at=NOW), WRONG_SESSION),
    (ask("/x", COOKIE), replace(SESSION, kind="key"), WRONG_SESSION),
    (ask("/x", COOKIE), replace(SESSION, kind="link"), WRONG_SESSION),
    (ask("/x", COOKIE), replace(SESSION, hash=OTHER.hash), WRONG_SESSION),
    (ask("/x", COOKIE), replace(SESSION, id="00000000"), WRONG_SESSION),
    (ask("/x", COOKIE, port=8081), SESSION, NO_KEY),
    (ask("/x", COOKIE, COOKIE), SESSION, TWO_SESSIONS),
    (ask("/x", (b"cookie", b"a=1; " + COOKIE[1] + b" ;b=2")), SESSION, ALLOWED),
    (ask("/x", (b"cookie", b"a=1;;=;" + COOKIE[1])), SESSION, ALLOWED),
    (ask("/x", (b"cookie", b"a=1"), COOKIE), SESSION, ALLOWED),
    (ask("/x", (b"cookie", COOKIE[1] + b"; matakota_8080=")), SESSION, TWO_SESSIONS),
    (ask("/x", (b"cookie", b"xmatakota_8080=" + COOKIE[1].partition(b"=")[2])), SESSION, NO_KEY),
    (ask("/x", (b"cookie", COOKIE[1].replace(b"matakota", b"MATAKOTA"))), SESSION, NO_KEY),
    (ask("/x", (b"cookie", COOKIE[1].replace(b"ms_", b"mk_"))), SESSION, WRONG_SESSION),
    (ask("/x", (b"cookie", b"matakota_8080=\"" + COOKIE[1][14:] + b"\"")), SESSION, WRONG_SESSION),
    (ask("/x", (b"cookie", b"matakota_8080")), SESSION, WRONG_SESSION),
    (ask("/x", (b"cookie", b"")), SESSION, NO_KEY),
    # no kind passes for another
    (ask("/x", (b"x-api-key", SESSION_TOKEN.reveal().encode())), SESSION, WRONG_KEY),
    (ask("/x", (b"x-api-key", Token(SESSION_TOKEN.id, SESSION_TOKEN.secret).reveal().encode())),
     SESSION, WRONG_KEY),
    (ask("/x", (b"cookie", f"matakota_8080={TOKEN.reveal()}".encode())), KEY, WRONG_SESSION),
    (ask("/x", (b"x-api-key", LINK_TOKEN.reveal().encode())), LINK, WRONG_KEY),
    (ask("/x", (b"cookie", f"matakota_8080={LINK_TOKEN.reveal()}".encode())), LINK, WRONG_SESSION),
    # of a key and a session the key decides
    (ask("/x", HEADER, COOKIE), KEY, ALLOWED),
    (ask("/x", HEADER, COOKIE), SESSION, WRONG_KEY),
    (ask("/x", FORGED, COOKIE), SESSION, WRONG_KEY),
    (ask("/x", HEADER, BEARER, COOKIE), SESSION, TWO_KEYS),
    # a link opens /enter and nothing else
    (enter(), LINK, ALLOWED),
    (enter(method="HEAD"), LINK, ALLOWED),
    (enter(), None, WRONG_LINK),
    (enter(), replace(LINK, revoked_at=1.0), WRONG_LINK),
    (enter(), replace(LINK, expires_at=NOW), WRONG_LINK),
    (enter(), replace(LINK, kind="session"), WRONG_LINK),
    (enter(), replace(LINK, hash=OTHER.hash), WRONG_LINK),
    (enter(LINK_QUERY, HEADER), KEY, WRONG_LINK),
    (enter(LINK_QUERY, COOKIE), SESSION, WRONG_LINK),
    (enter(LINK_QUERY + b"&x=1"), LINK, WRONG_LINK),
    (enter(b"x=1&" + LINK_QUERY), LINK, WRONG_LINK),
    (enter(LINK_QUERY + b"\n"), LINK, WRONG_LINK),
    (enter(b"link="), LINK, WRONG_LINK),
    (enter(b"LINK=" + LINK_QUERY[5:]), LINK, WRONG_LINK),
    (enter(b"link=" + TOKEN.reveal().encode()), KEY, WRONG_LINK),
    (enter(b"link=" + SESSION_TOKEN.reveal().encode()), SESSION, WRONG_LINK),
    (enter(b"\xff"), LINK, WRONG_LINK),
    (enter(b""), LINK, NO_KEY),
    (enter(b"", HEADER), KEY, ALLOWED),
    (enter(path="/"), LINK, NO_KEY),
    (enter(path="/enter/"), LINK, NO_KEY),
    (enter(path="//enter"), LINK, NO_KEY),
    (enter(path="/api/v1/alerts"), LINK, NO_KEY),
    (enter(root_path="/enter"), LINK, NO_KEY),
    (enter(kind="websocket"), LINK, NO_KEY),
    # a session is not used by other sites' pages: reading
    *((ask("/x", COOKIE, *site(own, mode)), SESSION, ALLOWED)
      for own in ("same-origin", "none") for mode in ("", "cors", "navigate")),
    *((ask("/x", COOKIE, *site(other, "navigate")), SESSION, ALLOWED)
      for other in ("cross-site", "same-site", "?")),
    *((ask("/x", COOKIE, *site(other, mode)), SESSION, OTHER_SITE)
      for other in ("cross-site", "same-site", "?", "")
      for mode in ("", "cors", "no-cors", "NAVIGATE", "websocket")),
    (ask("/x", COOKIE, *site("none"), *site("cross-site")), SESSION, OTHER_SITE),
    (ask("/x", COOKIE, *site("cross-site", "navigate"), header("sec-fetch-mode", "cors")),
     SESSION, OTHER_SITE),
    (ask("/x", COOKIE, *site("cross-site", "cors")), None, OTHER_SITE),
    (ask("/x", HEADER, *site("cross-site", "cors")), KEY, ALLOWED),
    # changing
    (post(HOST, ORIGIN), SESSION, ALLOWED),
    (post(HOST), SESSION, ALLOWED),
    (post(HOST, header("origin", "https://10.0.0.1:8080")), SESSION, ALLOWED),
    (post(HOST, header("origin", "https://10.0.0.1:8080"), tls=True), SESSION, ALLOWED),
    (post(HOST, ORIGIN, tls=True), SESSION, OTHER_SITE),
    (post(header("host", "Camera-Room"), header("origin", "http://camera-room")), SESSION, ALLOWED),
    (post(header("host", "[::1]:8080"), header("origin", "http://[::1]:8080")), SESSION, ALLOWED),
    *((post(HOST, header("origin", other)), SESSION, OTHER_SITE)
      for other in ("http://10.0.0.1", "http://10.0.0.1:80", "http://10.0.0.1:8081", "null", "",
                    "http://10.0.0.1:8080/", "http://10.0.0.1:8080.evil", "10.0.0.1:8080",
                    "http://evil", "ftp://10.0.0.1:8080", "http://u@10.0.0.1:8080")),
    (post(HOST, ORIGIN, header("origin", "http://evil")), SESSION, OTHER_SITE),
    (post(ORIGIN), SESSION, OTHER_SITE),
    (post(HOST, header("host", "evil"), ORIGIN), SESSION, OTHER_SITE),
    (post(header("host", ""), header("origin", "http://")), SESSION, OTHER_SITE),
    (post(HOST, ORIGIN, *site("same-origin")), SESSION, ALLOWED),
    (post(HOST, ORIGIN, *site("none")), SESSION, ALLOWED),
    (post(HOST, ORIGIN, *site("cross-site", "navigate")), SESSION, OTHER_SITE),
    (post(HOST, ORIGIN, *site("same-site", "navigate")), SESSION, OTHER_SITE),
    (post(HOST, *site("cross-site", "navigate")), SESSION, OTHER_SITE),
    *((post(HOST, header("origin", "http://evil"), method=method), SESSION, OTHER_SITE)
      for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X", "")),
    (post(HOST, header("origin", "http://evil"), method="HEAD"), SESSION, ALLOWED),
    # sockets
    (socket(HOST, ORIGIN), SESSION, ALLOWED),
    (socket(HOST), SESSION, OTHER_SITE),
    (socket(HOST, header("origin", "http://evil")), SESSION, OTHER_SITE),
    (socket(HOST, header("origin", "ws://10.0.0.1:8080")), SESSION, OTHER_SITE),
    (socket(HOST, ORIGIN, *site("same-origin", "websocket")), SESSION, ALLOWED),
    (socket(HOST, ORIGIN, *site("cross-site", "websocket")), SESSION, OTHER_SITE),
    (socket(HOST, ORIGIN, *site("cross-site", "navigate")), SESSION, OTHER_SITE),
    (socket(HOST, ORIGIN, *site("same-origin"), peer="10.0.0.5"), SESSION, NOT_LOCAL),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "key", "expected"), [*CASES, *SESSION_CASES])
def test_the_decision(asked: Ask, key: Key | None, expected: auth.Decision) -> None:
    assert decide(asked, everywhere=False, key=key, now=NOW) == expected


@pytest.mark.parametrize(("asked", "key", "expected"), [*CASES, *SESSION_CASES])
def test_opened_to_others_the_key_still_decides(
    asked: Ask, key: Key | None, expected: auth.Decision
) -> None:
    decision = decide(replace(asked, peer="10.0.0.5"), everywhere=True, key=key, now=NOW)
    if expected == NOT_LOCAL:
        assert decision.allowed
    else:
        assert decision == expected


NAMES = [b"authorization", b"x-api-key", b"cookie", b"origin", b"host", b"sec-fetch-site"]
ODD = st.lists(st.tuples(st.sampled_from(NAMES), st.binary()))
PATHS = st.sampled_from(["/x", "/enter", "/", "/healthz/", ""])


@given(ODD, PATHS, st.binary(), st.sampled_from([None, KEY, SESSION, LINK]), st.booleans())
def test_no_bytes_open_it(
    headers: list[tuple[bytes, bytes]], path: str, query: bytes, key: Key | None, socket: bool
) -> None:
    asked = ask(path, *headers, query=query, kind="websocket" if socket else "http")
    assert decide(asked, everywhere=False, key=key, now=NOW).status in {401, 403}


@given(
    ODD.map(lambda headers: [each for each in headers if each[0] not in NAMES[:3]]),
    st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
    st.booleans(),
)
def test_odd_headers_beside_a_session_never_help_another_site(
    headers: list[tuple[bytes, bytes]], method: str, socket: bool
) -> None:
    kind = "websocket" if socket else "http"
    other = [*headers, header("origin", "http://evil"), *site("cross-site", "cors"), COOKIE]
    asked = ask("/x", *other, method=method, kind=kind)
    assert decide(asked, everywhere=False, key=SESSION, now=NOW) == OTHER_SITE
    # and what a browser cannot forge stops nobody who has a machine key
    asked = ask("/x", *other, BEARER, method=method, kind=kind)
    assert decide(asked, everywhere=False, key=KEY, now=NOW) == ALLOWED


@given(st.lists(st.sampled_from([b"a=1", b";", b" ", b"matakota_8081=x", b"=", b"\xff"])))
def test_other_cookies_do_not_matter(others: list[bytes]) -> None:
    held = (b"cookie", b";".join([*others, COOKIE[1], *others]))
    assert decide(ask("/x", held), everywhere=False, key=SESSION, now=NOW) == ALLOWED


def test_tokens_hide_their_secret() -> None:
    assert TOKEN.secret not in f"{TOKEN} {TOKEN!r} {[TOKEN]}"
    assert len(bytes.fromhex(TOKEN.secret)) == 32
    assert TOKEN.id != OTHER.id
    assert TOKEN.hash != OTHER.hash
