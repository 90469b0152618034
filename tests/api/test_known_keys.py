"""Keys, sessions and links as the door remembers them, for seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import auth
from api.auth import Caller
from api.store import Store
from tests.api.served import add_key, sqlite_url
from vision.errors import StoreError

NOW = 1000.0


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
    store.keys.add("00000000", "late", "h")
    assert asyncio.run(known.get("00000000")) is not None


def test_use_is_kept_once_a_minute(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_key(store)
    (key,) = store.keys.all()
    known = auth.KnownKeys(store.keys)
    assert [known.use(key.id) for _ in range(3)] == [True, False, False]
    monkeypatch.setattr(auth, "USED_EVERY_S", 0.0)
    assert known.use(key.id)
    known.keep_use(key.id)
    assert store.keys.all()[0].last_used_at is not None
    monkeypatch.setattr(store.keys, "used", _full)
    known.keep_use(key.id)


def _full(_key_id: str) -> None:
    raise StoreError("no space")


def test_what_opened_the_door_is_asked_whether_it_still_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [NOW]
    with Store.open(sqlite_url(tmp_path), clock=lambda: now[0]) as store:
        store.keys.add_link("aaaaaaaa", "administrator", "h", lasts_s=10)
        session = store.keys.redeem("aaaaaaaa", "h", "bbbbbbbb", "s", lasts_s=100)
        assert session is not None
        store.keys.add("cccccccc", "room", "k")
        known = auth.KnownKeys(store.keys)
        person = Caller("bbbbbbbb", "administrator", "session")
        program = Caller("cccccccc", "room", "key")

        def live(caller: Caller) -> bool:
            return asyncio.run(known.is_live(caller))

        assert live(person)
        assert live(program)
        assert not live(Caller("bbbbbbbb", "administrator", "key")), "another kind"
        assert not live(Caller("dddddddd", "nobody", "key"))
        # the time is looked at also where the row is remembered
        now[0] += 100
        assert not live(person)
        assert live(program)
        store.keys.revoke("room")
        known.forget("cccccccc")
        assert not live(program)
        # a store that is gone ends nobody
        monkeypatch.setattr(auth, "CACHE_S", 0.0)
        monkeypatch.setattr(store.keys, "get", _full)
        assert live(person)
