"""The decision about what nobody thought of: any headers, paths and kinds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import auth
from api.access import RULES, Kind
from api.auth import (
    ALLOWED,
    OTHER_METHOD,
    OTHER_SITE,
    Token,
    decide,
    form_token,
)
from api.store import Holder
from tests.api.asking import (
    BEARER,
    COOKIE,
    CSRF,
    HEADER,
    HOST,
    KEY,
    LINK,
    LINK_QUERY,
    LINK_TOKEN,
    NOW,
    ORIGIN,
    OTHER,
    READ,
    SESSION,
    SESSION_TOKEN,
    TOKEN,
    ask,
    enter,
    header,
    holding,
    site,
)

NAMES = [b"authorization", b"x-api-key", b"cookie", b"origin", b"host", b"sec-fetch-site",
         b"x-csrf-token", b"x-forwarded-for", b"x-forwarded-proto", b"content-type"]  # fmt: skip
TELLING = [
    b"http://evil", b"evil", b"same-origin", b"navigate", b"Bearer ", b"mk_", b"127.0.0.1",
    b"https", HOST[1], ORIGIN[1], CSRF[1], form_token("").encode(), form_token("x").encode(),
    b"matakota_8080=", b"matakota_8080_form=x", b"__Host-matakota_8080=", b";", b"=", b" ",
    f"ms_{SESSION_TOKEN.id}_".encode(), f"mk_{TOKEN.id}_{OTHER.secret}".encode(),
]  # fmt: skip
VALUES = st.one_of(st.binary(), st.lists(st.sampled_from(TELLING)).map(b"".join))
ODD = st.lists(st.tuples(st.sampled_from(NAMES), VALUES))
HOLDERS = st.sampled_from([None, KEY, SESSION, LINK])


@given(
    ODD,
    st.sampled_from([rule for rule in RULES if rule.needs is not None]),
    VALUES,
    HOLDERS,
    st.sampled_from(["127.0.0.1", "10.0.0.5", None]),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_no_bytes_open_what_needs_something(
    headers: list[tuple[bytes, bytes]],
    rule: Any,
    query: bytes,
    holder: Holder | None,
    peer: str | None,
    said: tuple[bool, bool, bool],
) -> None:
    tls, proxied, everywhere = said
    path = rule.path.replace("{", "").replace("}", "")
    asked = ask(
        path, *headers, query=query, kind=rule.kind, method=rule.method,
        peer=peer, tls=tls, proxied=proxied, form=form_token("x"),
    )  # fmt: skip
    decision = decide(asked, everywhere=everywhere, holder=holder, now=NOW)
    assert decision.status in {401, 403}


@given(ODD, st.sampled_from(["GET", "POST", "OPTIONS"]), st.text(), HOLDERS)
def test_no_bytes_find_what_is_none(
    headers: list[tuple[bytes, bytes]], method: str, path: str, holder: Holder | None
) -> None:
    """Whoever is nobody does not hear what there is."""
    asked = ask("/none/" + path, *headers, method=method)
    assert decide(asked, everywhere=False, holder=holder, now=NOW).status in {401, 403}


@given(
    ODD.map(lambda headers: [each for each in headers if each[0] not in {*NAMES[:3], *NAMES[7:9]}]),
    st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
    st.booleans(),
)
def test_odd_headers_beside_a_session_never_help_another_site(
    headers: list[tuple[bytes, bytes]], method: str, socket: bool
) -> None:
    kind, path = ("websocket", "/api/v1/live") if socket else ("http", READ)
    method = "GET" if socket else method
    other = [*headers, header("origin", "http://evil"), *site("cross-site", "cors"), COOKIE]
    asked = ask(path, *other, method=method, kind=kind)
    assert decide(asked, everywhere=False, holder=SESSION, now=NOW) == OTHER_SITE
    # and what a browser cannot forge stops nobody who has a machine key
    asked = ask(path, *other, BEARER, method=method, kind=kind)
    expected = OTHER_METHOD if method == "DELETE" else ALLOWED
    assert decide(asked, everywhere=False, holder=KEY, now=NOW) == expected


@given(st.lists(st.sampled_from([b"a=1", b";", b" ", b"matakota_8081=x", b"=", b"\xff"])))
def test_other_cookies_do_not_matter(others: list[bytes]) -> None:
    held = (b"cookie", b";".join([*others, COOKIE[1], *others]))
    assert decide(ask(READ, held), everywhere=False, holder=SESSION, now=NOW) == ALLOWED


KINDS: tuple[Kind, ...] = ("key", "session", "link", "setup", "password", "device")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shown", KINDS)
def test_no_kind_passes_for_another(kind: Kind, shown: Kind) -> None:
    """The same id and secret, wherever and as whatever they are presented."""
    token = auth.new_token(kind)
    text = Token(token.id, token.secret, shown).reveal()
    holder = holding(token)
    cookie = header("cookie", f"matakota_8080={text}")
    asks = {
        "key": ask(READ, header("x-api-key", text)),
        "session": ask(READ, cookie),
        "link": enter(f"link={text}".encode()),
    }
    for way, asked in asks.items():
        opens = {"key": {"key"}, "session": {"session"}, "link": {"link", "setup", "password"}}[way]
        allowed = decide(asked, everywhere=False, holder=holder, now=NOW).allowed
        assert allowed == (kind in opens and shown in opens), way


def test_nothing_shows_a_secret() -> None:
    assert TOKEN.secret not in f"{TOKEN} {TOKEN!r} {[TOKEN]}"
    assert len(bytes.fromhex(TOKEN.secret)) == 32
    assert TOKEN.id != OTHER.id
    assert TOKEN.hash != OTHER.hash
    asked = enter(LINK_QUERY, HEADER, COOKIE, form=CSRF[1].decode())
    for secret in (TOKEN.secret, SESSION_TOKEN.secret, LINK_TOKEN.secret, CSRF[1].decode()):
        assert secret not in repr(asked)
        assert secret not in form_token(secret)
