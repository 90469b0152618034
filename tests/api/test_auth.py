"""The decision as a table: who, from where, with which key, session or link, may have what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api import auth
from api.access import RULES, Role, permitted
from api.auth import (
    ALLOWED,
    NO_CAMERA,
    NO_KEY,
    NOT_LOCAL,
    NOT_SECURE,
    NOT_YOURS,
    NOTHING,
    OTHER_METHOD,
    TWO_KEYS,
    UNNAMED_PROXY,
    WRONG_KEY,
    Ask,
    decide,
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
    NOW,
    ORIGIN,
    OTHER,
    READ,
    REVOKED,
    SESSION_TOKEN,
    TOKEN,
    ask,
    header,
    holding,
    seeing,
)

CASES: list[tuple[Ask, Holder | None, auth.Decision]] = [
    *((ask(path), None, ALLOWED)
      for path in ("/healthz", "/readyz", "/login", "/oidc/start", "/oidc/back", "/door/x.css")),
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
    (ask("/api/v1/live", HEADER, kind="websocket"), KEY, ALLOWED),
    (ask(READ, (b"authorization", b"bEaReR   " + TOKEN.reveal().encode() + b" ")), KEY, ALLOWED),
    (ask(READ, BEARER), None, WRONG_KEY),
    (ask(READ, BEARER), REVOKED, WRONG_KEY),
    (ask(READ, FORGED), KEY, WRONG_KEY),
    (ask(READ, (b"x-api-key", OTHER.reveal().encode())), KEY, WRONG_KEY),
    (ask(READ, BEARER, HEADER), KEY, TWO_KEYS),
    (ask(READ, BEARER, BEARER), KEY, TWO_KEYS),
    (ask(READ, HEADER, FORGED), KEY, TWO_KEYS),
    (ask(READ, (b"authorization", b"Basic dTpw")), KEY, NO_KEY),
    (ask(READ, (b"authorization", b"")), KEY, NO_KEY),
    (ask(READ, (b"authorization", TOKEN.reveal().encode())), KEY, NO_KEY),
    (ask(READ, (b"authorization", b"Bearer a b")), KEY, NO_KEY),
    (ask(READ, (b"x-api-key", b"")), KEY, WRONG_KEY),
    (ask(READ, (b"x-api-key", b"\xff\xfe")), KEY, WRONG_KEY),
    (ask(READ, (b"x-api-key", TOKEN.reveal().upper().encode())), KEY, WRONG_KEY),
    (ask(READ, (b"x-api-key", TOKEN.reveal().encode() + b"\n")), KEY, WRONG_KEY),
    (ask(READ, (b"x-api-key", TOKEN.reveal()[:-1].encode())), KEY, WRONG_KEY),
    # by what is asked
    *((ask(READ, HEADER, method=method), KEY, OTHER_METHOD)
      for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X", "")),
    (ask(READ, HEADER, method="POST"), KEY, ALLOWED),
    (ask(READ, HEADER, method="HEAD"), KEY, ALLOWED),
    *((ask(path, HEADER), KEY, NOTHING)
      for path in ("/none", "/api/v1/alerts/", "//api/v1/alerts", "/API/v1/alerts", "", "/\0",
                   "api/v1/alerts", "/api/v1/alerts\n", "/api/v1/alerts/a/b")),
    (ask(READ, HEADER, root_path="/x"), KEY, NOTHING),
    (ask(READ, HEADER, kind="websocket"), KEY, NOTHING),
    *((ask(path, HEADER), KEY, NOT_YOURS)
      for path in ("/people", "/groups/1", "/keys", "/", "/room/", "/account", "/room/_nicegui/x")),
    (ask("/audit", HEADER), KEY, ALLOWED),
    # by whose camera it is
    *((ask(f"/api/v1/cameras/{camera}/snapshot", HEADER), seeing(KEY, "plaza"), expected)
      for camera, expected in (("plaza", ALLOWED), ("gate", NO_CAMERA), ("Plaza", NO_CAMERA),
                               ("plaza\n", NO_CAMERA), (" plaza", NO_CAMERA))),
    (ask("/api/v1/cameras/gate/snapshot", HEADER), seeing(KEY), NO_CAMERA),
    (ask("/api/v1/cameras/gate/snapshot", HEADER), KEY, ALLOWED),
    (ask("/api/v1/cameras/gate/nothing", HEADER), seeing(KEY), NOTHING),
    # from elsewhere
    (ask("/healthz", peer="10.0.0.5"), None, NOT_LOCAL),
    (ask(READ, BEARER, peer="10.0.0.5"), KEY, NOT_LOCAL),
    (ask(READ, BEARER, peer=None), KEY, NOT_LOCAL),
    (ask(READ, BEARER, peer="localhost"), KEY, NOT_LOCAL),
    (ask(READ, BEARER, peer="::ffff:10.0.0.5"), KEY, NOT_LOCAL),
    (ask(READ, BEARER, peer="0.0.0.0"), KEY, NOT_LOCAL),  # noqa: S104
    (ask(READ, BEARER, peer="127.8.8.8"), KEY, ALLOWED),
    (ask(READ, BEARER, peer="::1"), KEY, ALLOWED),
    (ask(READ, BEARER, peer="::ffff:127.0.0.1"), KEY, ALLOWED),
    (ask(READ, BEARER, peer="::1%lo"), KEY, ALLOWED),
    (ask(READ, BEARER, peer="fe80::1%eth0"), KEY, NOT_LOCAL),
    (ask(READ, BEARER, peer="10.0.0.5", tls=True), KEY, NOT_LOCAL),
    # a proxy that nobody named asks for others, and may be their way around all of this
    *((ask("/healthz", header(name, value)), None, UNNAMED_PROXY)
      for name, value in (("x-forwarded-for", "10.0.0.5"), ("x-forwarded-for", ""),
                          ("forwarded", "for=10.0.0.5"), ("x-real-ip", "127.0.0.1"),
                          ("via", "1.1 proxy"), ("x-forwarded-proto", "https"),
                          ("x-forwarded-host", "city.example"), ("x-forwarded-port", "443"))),
    (ask(READ, BEARER, header("x-forwarded-for", "127.0.0.1")), KEY, UNNAMED_PROXY),
    # one that is named has to have been asked over HTTPS
    (ask(READ, BEARER, header("x-forwarded-for", "10.0.0.5"), peer="10.0.0.5", proxied=True),
     KEY, NOT_SECURE),
    (ask(READ, BEARER, peer="127.0.0.1", proxied=True), KEY, NOT_SECURE),
    (ask(READ, BEARER, header("x-forwarded-for", "10.0.0.5"), peer="10.0.0.5", proxied=True,
         tls=True), KEY, ALLOWED),
    (ask(READ, BEARER, peer=None, proxied=True, tls=True), KEY, ALLOWED),
    (ask(READ, peer="10.0.0.5", proxied=True, tls=True), None, NO_KEY),
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


@pytest.mark.parametrize(
    ("asked", "key", "expected"),
    [row for row in CASES if row[2] not in {NOT_LOCAL, NOT_SECURE, UNNAMED_PROXY}],
)
@pytest.mark.parametrize("proxied", [False, True])
def test_over_https_the_key_still_decides(
    asked: Ask, key: Holder | None, expected: auth.Decision, proxied: bool
) -> None:
    secure = replace(asked, peer="10.0.0.5", tls=True, proxied=proxied)
    assert decide(secure, everywhere=True, holder=key, now=NOW) == expected
    only_here = decide(secure, everywhere=False, holder=key, now=NOW)
    assert only_here == (expected if proxied else NOT_LOCAL)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.method} {rule.path}")
@pytest.mark.parametrize("role", Role)
def test_each_row_asks_for_its_permission(rule: Any, role: Role) -> None:
    path = rule.path.replace("{camera}", "plaza")
    path = path.replace(":path}", "}").replace("{", "").replace("}", "")
    asked = ask(path, COOKIE, HOST, ORIGIN, CSRF, kind=rule.kind, method=rule.method)
    may = rule.needs is None or rule.needs in permitted("session", role, ())
    expected = ALLOWED if may else NOT_YOURS
    holder = holding(SESSION_TOKEN, role)
    assert decide(asked, everywhere=False, holder=holder, now=NOW) == expected
    assert rule.needs is None or decide(
        replace(asked, headers=(HOST, ORIGIN, CSRF)), everywhere=False, holder=holder, now=NOW
    ) in {NO_KEY}
