"""The decision about sessions, links and forms, which browsers send also for other sites' pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api import auth
from api.auth import (
    ALLOWED,
    NO_KEY,
    NO_TOKEN,
    NOT_LOCAL,
    NOT_SECURE,
    NOT_YOURS,
    OTHER_METHOD,
    OTHER_SITE,
    TWO_KEYS,
    TWO_SESSIONS,
    WRONG_KEY,
    WRONG_LINK,
    WRONG_SESSION,
    Ask,
    Token,
    decide,
    form_token,
)
from api.store import Holder
from tests.api.asking import (
    BEARER,
    COOKIE,
    CSRF,
    FORGED,
    HEADER,
    HOST,
    KEY,
    LINK,
    LINK_CSRF,
    LINK_QUERY,
    LINK_TOKEN,
    NOW,
    ORIGIN,
    OTHER,
    READ,
    SESSION,
    SESSION_TOKEN,
    TLS_COOKIE,
    TLS_ORIGIN,
    TOKEN,
    ask,
    enter,
    form_cookie,
    header,
    holding,
    kept,
    post,
    sign_in,
    site,
    socket,
)

CASES: list[tuple[Ask, Holder | None, auth.Decision]] = [
    # a session is a cookie, of this port
    (ask(READ, COOKIE), SESSION, ALLOWED),
    (ask(READ, COOKIE), None, WRONG_SESSION),
    (ask(READ, COOKIE), kept(SESSION, revoked_at=1.0), WRONG_SESSION),
    (ask(READ, COOKIE), kept(SESSION, expires_at=NOW), WRONG_SESSION),
    (ask(READ, COOKIE), kept(SESSION, kind="key"), WRONG_SESSION),
    (ask(READ, COOKIE), kept(SESSION, kind="link"), WRONG_SESSION),
    (ask(READ, COOKIE), kept(SESSION, hash=OTHER.hash), WRONG_SESSION),
    (ask(READ, COOKIE), kept(SESSION, id="00000000"), WRONG_SESSION),
    (ask(READ, COOKIE, port=8081), SESSION, NO_KEY),
    (ask(READ, COOKIE), replace(SESSION, disabled=True), WRONG_SESSION),
    # over HTTPS another cookie, which no other host can set
    (ask(READ, COOKIE, tls=True), SESSION, NO_KEY),
    (ask(READ, TLS_COOKIE), SESSION, NO_KEY),
    (ask(READ, TLS_COOKIE, tls=True), SESSION, ALLOWED),
    (ask(READ, TLS_COOKIE, COOKIE, tls=True), SESSION, ALLOWED),
    (ask(READ, TLS_COOKIE, TLS_COOKIE, tls=True), SESSION, TWO_SESSIONS),
    (ask(READ, COOKIE, COOKIE), SESSION, TWO_SESSIONS),
    (ask(READ, (b"cookie", b"a=1; " + COOKIE[1] + b" ;b=2")), SESSION, ALLOWED),
    (ask(READ, (b"cookie", b"a=1;;=;" + COOKIE[1])), SESSION, ALLOWED),
    (ask(READ, (b"cookie", b"a=1"), COOKIE), SESSION, ALLOWED),
    (ask(READ, (b"cookie", COOKIE[1] + b"; matakota_8080=")), SESSION, TWO_SESSIONS),
    (ask(READ, (b"cookie", b"xmatakota_8080=" + COOKIE[1].partition(b"=")[2])), SESSION, NO_KEY),
    (ask(READ, (b"cookie", COOKIE[1].replace(b"matakota", b"MATAKOTA"))), SESSION, NO_KEY),
    (ask(READ, (b"cookie", COOKIE[1].replace(b"ms_", b"mk_"))), SESSION, WRONG_SESSION),
    (ask(READ, (b"cookie", b"matakota_8080=\"" + COOKIE[1][14:] + b"\"")), SESSION, WRONG_SESSION),
    (ask(READ, (b"cookie", b"matakota_8080")), SESSION, WRONG_SESSION),
    (ask(READ, (b"cookie", b"")), SESSION, NO_KEY),
    # no kind passes for another
    (ask(READ, (b"x-api-key", SESSION_TOKEN.reveal().encode())), SESSION, WRONG_KEY),
    (ask(READ, (b"x-api-key", Token(SESSION_TOKEN.id, SESSION_TOKEN.secret).reveal().encode())),
     SESSION, WRONG_KEY),
    (ask(READ, (b"cookie", f"matakota_8080={TOKEN.reveal()}".encode())), KEY, WRONG_SESSION),
    (ask(READ, (b"x-api-key", LINK_TOKEN.reveal().encode())), LINK, WRONG_KEY),
    (ask(READ, (b"cookie", f"matakota_8080={LINK_TOKEN.reveal()}".encode())), LINK, WRONG_SESSION),
    # of a key and a session the key decides
    (ask(READ, HEADER, COOKIE), KEY, ALLOWED),
    (ask(READ, HEADER, COOKIE), SESSION, WRONG_KEY),
    (ask(READ, FORGED, COOKIE), SESSION, WRONG_KEY),
    (ask(READ, HEADER, BEARER, COOKIE), SESSION, TWO_KEYS),
    # a link opens /enter and nothing else
    (enter(), LINK, ALLOWED),
    (enter(method="HEAD"), LINK, ALLOWED),
    (enter(), None, WRONG_LINK),
    (enter(), kept(LINK, revoked_at=1.0), WRONG_LINK),
    (enter(), kept(LINK, expires_at=NOW), WRONG_LINK),
    (enter(), kept(LINK, kind="session"), WRONG_LINK),
    (enter(), kept(LINK, hash=OTHER.hash), WRONG_LINK),
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
    (enter(b"", HEADER), KEY, NOT_YOURS),
    (enter(b"", COOKIE), SESSION, ALLOWED),
    (enter(method="DELETE"), LINK, OTHER_SITE),
    (enter(LINK_QUERY, HOST, ORIGIN, LINK_CSRF, method="DELETE"), LINK, OTHER_METHOD),
    *((enter(), kept(holding(LINK_TOKEN, kind=kind), expires_at=NOW + 1), ALLOWED)
      for kind in ("setup", "password")),
    (enter(), holding(LINK_TOKEN, kind="device"), WRONG_LINK),
    # and what it is sent for needs its own token
    (enter(LINK_QUERY, HOST, ORIGIN, LINK_CSRF, method="POST"), LINK, ALLOWED),
    (enter(LINK_QUERY, HOST, ORIGIN, method="POST"), LINK, NO_TOKEN),
    (enter(LINK_QUERY, HOST, ORIGIN, CSRF, COOKIE, method="POST"), LINK, NO_TOKEN),
    (enter(LINK_QUERY, HOST, LINK_CSRF, method="POST"), LINK, OTHER_SITE),
    (enter(path="/"), LINK, NO_KEY),
    (enter(path="/leave", method="POST"), LINK, NO_KEY),
    (enter(path="/enter/"), LINK, NO_KEY),
    (enter(path="//enter"), LINK, NO_KEY),
    (enter(path="/api/v1/alerts"), LINK, NO_KEY),
    (enter(root_path="/enter"), LINK, NO_KEY),
    (enter(kind="websocket"), LINK, NO_KEY),
    # a session is not used by other sites' pages: reading
    *((ask(READ, COOKIE, *site(own, mode)), SESSION, ALLOWED)
      for own in ("same-origin", "none") for mode in ("", "cors", "navigate")),
    *((ask(READ, COOKIE, *site(other, "navigate")), SESSION, ALLOWED)
      for other in ("cross-site", "same-site", "?")),
    *((ask(READ, COOKIE, *site(other, mode)), SESSION, OTHER_SITE)
      for other in ("cross-site", "same-site", "?", "")
      for mode in ("", "cors", "no-cors", "NAVIGATE", "websocket")),
    (ask(READ, COOKIE, *site("none"), *site("cross-site")), SESSION, OTHER_SITE),
    (ask(READ, COOKIE, *site("cross-site", "navigate"), header("sec-fetch-mode", "cors")),
     SESSION, OTHER_SITE),
    (ask(READ, COOKIE, *site("cross-site", "cors")), None, OTHER_SITE),
    (ask(READ, HEADER, *site("cross-site", "cors")), KEY, ALLOWED),
    # changing: this server's own page, and its token, once
    (post(HOST, ORIGIN, CSRF), SESSION, ALLOWED),
    (post(HOST, ORIGIN, form=CSRF[1].decode()), SESSION, ALLOWED),
    (post(HOST, ORIGIN), SESSION, NO_TOKEN),
    (post(HOST, CSRF), SESSION, OTHER_SITE),
    (post(HOST, ORIGIN, CSRF), kept(SESSION, revoked_at=1.0), WRONG_SESSION),
    (post(HOST, ORIGIN, CSRF), None, WRONG_SESSION),
    (post(HOST, ORIGIN, CSRF, CSRF), SESSION, NO_TOKEN),
    (post(HOST, ORIGIN, CSRF, form=CSRF[1].decode()), SESSION, NO_TOKEN),
    *((post(HOST, ORIGIN, header("x-csrf-token", text)), SESSION, NO_TOKEN)
      for text in ("", " ", "0" * 64, "\xff", CSRF[1].decode().upper(), CSRF[1].decode() + " ",
                   LINK_CSRF[1].decode(), SESSION_TOKEN.reveal(), form_token(""))),
    *((post(HOST, ORIGIN, form=text), SESSION, NO_TOKEN) for text in ("", "\xff", "0" * 64)),
    # another browser's token is none, also where there is one for whoever has no session
    (post(HOST, ORIGIN, form_cookie("mine"), header("x-csrf-token", form_token("mine"))),
     SESSION, NO_TOKEN),
    (post(HOST, TLS_ORIGIN, CSRF), SESSION, OTHER_SITE),
    (post(HOST, TLS_ORIGIN, CSRF, held=TLS_COOKIE, tls=True), SESSION, ALLOWED),
    (post(HOST, ORIGIN, CSRF, held=TLS_COOKIE, tls=True), SESSION, OTHER_SITE),
    (post(header("host", "Camera-Room"), header("origin", "http://camera-room"), CSRF),
     SESSION, ALLOWED),
    (post(header("host", "[::1]:8080"), header("origin", "http://[::1]:8080"), CSRF),
     SESSION, ALLOWED),
    *((post(HOST, header("origin", other), CSRF), SESSION, OTHER_SITE)
      for other in ("http://10.0.0.1", "http://10.0.0.1:80", "http://10.0.0.1:8081", "null", "",
                    "http://10.0.0.1:8080/", "http://10.0.0.1:8080.evil", "10.0.0.1:8080",
                    "http://evil", "ftp://10.0.0.1:8080", "http://u@10.0.0.1:8080")),
    (post(HOST, ORIGIN, header("origin", "http://evil"), CSRF), SESSION, OTHER_SITE),
    (post(HOST, ORIGIN, ORIGIN, CSRF), SESSION, OTHER_SITE),
    (post(ORIGIN, CSRF), SESSION, OTHER_SITE),
    (post(HOST, header("host", "evil"), ORIGIN, CSRF), SESSION, OTHER_SITE),
    (post(header("host", ""), header("origin", "http://"), CSRF), SESSION, OTHER_SITE),
    (post(HOST, ORIGIN, CSRF, *site("same-origin")), SESSION, ALLOWED),
    (post(HOST, ORIGIN, CSRF, *site("none")), SESSION, ALLOWED),
    *((post(HOST, ORIGIN, CSRF, *site(other, "navigate")), SESSION, OTHER_SITE)
      for other in ("cross-site", "same-site", "")),
    *((post(HOST, ORIGIN, method=method), SESSION, NO_TOKEN)
      for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X", "")),
    *((post(HOST, header("origin", "http://evil"), CSRF, method=method), SESSION, OTHER_SITE)
      for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X", "")),
    (post(HOST, ORIGIN, CSRF, method="DELETE"), SESSION, OTHER_METHOD),
    (post(HOST, header("origin", "http://evil"), method="HEAD"), SESSION, OTHER_METHOD),
    # a form that is open to everybody, for whoever got its page
    (sign_in(), None, NO_TOKEN),
    (sign_in(form_cookie("mine")), None, NO_TOKEN),
    (sign_in(form_cookie("mine"), header("x-csrf-token", form_token("mine"))), None, ALLOWED),
    (sign_in(form_cookie("mine"), form=form_token("mine")), None, ALLOWED),
    (sign_in(form_cookie("mine"), form=form_token("other")), None, NO_TOKEN),
    (sign_in(form=form_token("")), None, NO_TOKEN),
    (sign_in(form_cookie(""), form=form_token("")), None, NO_TOKEN),
    # loaded in a session that is over by now
    (sign_in(COOKIE, form=CSRF[1].decode()), None, ALLOWED),
    (sign_in(form_cookie("mine"), *site("cross-site"), form=form_token("mine")), None, OTHER_SITE),
    (ask("/login", HOST, form_cookie("mine"), method="POST", form=form_token("mine")),
     None, OTHER_SITE),
    (ask("/login", HOST, header("origin", "http://evil"), form_cookie("mine"), method="POST",
         form=form_token("mine")), None, OTHER_SITE),
    *((ask(path, method=method), None, NO_KEY)
      for path in ("/healthz", "/door/x.css", "/oidc/back")
      for method in ("POST", "OPTIONS", "DELETE", "X", "")),
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


@pytest.mark.parametrize(("asked", "key", "expected"), CASES)
def test_the_decision(asked: Ask, key: Holder | None, expected: auth.Decision) -> None:
    assert decide(asked, everywhere=False, holder=key, now=NOW) == expected


@pytest.mark.parametrize(("asked", "key", "expected"), CASES)
def test_from_elsewhere_nothing_goes_plainly(
    asked: Ask, key: Holder | None, expected: auth.Decision
) -> None:
    del expected
    elsewhere = replace(asked, peer="10.0.0.5", tls=False)
    for proxied in (False, True):
        plain = replace(elsewhere, proxied=proxied)
        assert decide(plain, everywhere=True, holder=key, now=NOW) == NOT_SECURE
