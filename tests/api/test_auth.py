"""The decision as a table: who, from where, with which key, may have what."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import auth
from api.auth import ALLOWED, NO_KEY, NOT_LOCAL, TWO_KEYS, WRONG_KEY, Ask, Door, Token, decide
from api.store import Key, Store
from tests.api.served import add_key, sqlite_url
from vision.errors import ServiceError, StoreError

TOKEN = auth.new_token()
OTHER = auth.new_token()
KEY = Key(TOKEN.id, "name", TOKEN.hash, 0.0, None, None)
REVOKED = Key(TOKEN.id, "name", TOKEN.hash, 0.0, 1.0, None)
BEARER = (b"authorization", f"Bearer {TOKEN.reveal()}".encode())
HEADER = (b"x-api-key", TOKEN.reveal().encode())
FORGED = (b"x-api-key", Token(TOKEN.id, OTHER.secret).reveal().encode())


def ask(
    path: str = "/api/v1/alerts",
    *headers: tuple[bytes, bytes],
    peer: str | None = "127.0.0.1",
    kind: str = "http",
    root_path: str = "",
) -> Ask:
    return Ask(kind, path, root_path, peer, headers)


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


@pytest.mark.parametrize(("asked", "key", "expected"), CASES)
def test_the_decision(asked: Ask, key: Key | None, expected: auth.Decision) -> None:
    assert decide(asked, everywhere=False, key=key) == expected


@pytest.mark.parametrize(("asked", "key", "expected"), CASES)
def test_opened_to_others_the_key_still_decides(
    asked: Ask, key: Key | None, expected: auth.Decision
) -> None:
    elsewhere = Ask(asked.kind, asked.path, asked.root_path, "10.0.0.5", asked.headers)
    decision = decide(elsewhere, everywhere=True, key=key)
    if expected == NOT_LOCAL:
        assert decision.allowed
    else:
        assert decision == expected


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key"]), st.binary())))
def test_no_bytes_open_it(headers: list[tuple[bytes, bytes]]) -> None:
    assert not decide(ask("/x", *headers), everywhere=False, key=KEY).allowed


def test_tokens_hide_their_secret() -> None:
    assert TOKEN.secret not in f"{TOKEN} {TOKEN!r} {[TOKEN]}"
    assert len(bytes.fromhex(TOKEN.secret)) == 32
    assert TOKEN.id != OTHER.id
    assert TOKEN.hash != OTHER.hash


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


def test_a_revoked_key_stays_known_for_seconds_only(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = add_key(store)
    key_id = text.split("_")[1]
    known = auth.KnownKeys(store.keys)
    assert known.cached(key_id) is None
    assert known.find(key_id) == known.cached(key_id) != None  # noqa: E711
    store.keys.revoke(key_id)
    assert known.cached(key_id) is not None
    monkeypatch.setattr(auth, "CACHE_S", 0.0)
    assert known.cached(key_id) is None
    found = known.find(key_id)
    assert found is not None
    assert found.revoked_at is not None


def test_the_cache_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "CACHE_SIZE", 3)
    known = auth.KnownKeys(store.keys)
    for number in range(6):
        known.find(add_key(store, f"k{number}").split("_")[1])
        known.find(f"none{number}")
    assert len(known._cache) == 3
    assert len(known._none) == 3


def test_unknown_ids_are_asked_for_once_in_seconds(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    get = store.keys.get
    monkeypatch.setattr(store.keys, "get", lambda key_id: asked.append(key_id) or get(key_id))
    known = auth.KnownKeys(store.keys)

    async def ask_often() -> None:
        for _ in range(10):
            assert await known.get("00000000") is None

    asyncio.run(ask_often())
    assert asked == ["00000000"]
    monkeypatch.setattr(auth, "CACHE_S", 0.0)
    asyncio.run(ask_often())
    assert len(asked) == 11
    # one that is made afterwards is found
    store.keys.add("00000000", "late", TOKEN.hash)
    assert asyncio.run(known.get("00000000")) is not None


def test_use_is_kept_once_a_minute(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_key(store)
    (key,) = store.keys.all()
    known = auth.KnownKeys(store.keys)
    assert [known.use(key) for _ in range(3)] == [True, False, False]
    monkeypatch.setattr(auth, "USED_EVERY_S", 0.0)
    assert known.use(key)
    known.keep_use(key)
    assert store.keys.all()[0].last_used_at is not None
    monkeypatch.setattr(store.keys, "used", _full)
    known.keep_use(key)


def _full(_key_id: str) -> None:
    raise StoreError("no space")


def test_unknown_connections_are_not_served(store: Store) -> None:
    async def inner(*_: object) -> None:
        raise AssertionError("behind the door")

    async def nothing(*_: object) -> dict[str, str]:
        return {}

    door = Door(inner, auth.KnownKeys(store.keys), everywhere=True)
    for kind in ("tcp", "", "HTTP"):
        scope = {"type": kind, "path": "/healthz", "headers": [], "client": ("127.0.0.1", 1)}
        with pytest.raises(ServiceError):
            asyncio.run(door(scope, nothing, nothing))  # type: ignore[arg-type]
