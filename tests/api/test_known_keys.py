"""Keys, sessions and links as the door remembers them, for seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api import known as known_module
from api.access import Caller, Permission, Role
from api.known import KnownKeys
from api.store import Grant, Holder, Rights, Store
from tests.api.served import TESTER, add_key, add_session, add_user, sqlite_url
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
    known = KnownKeys(store.keys)
    assert known.cached(key_id) is None
    assert known.find(key_id) == known.cached(key_id) != None  # noqa: E711
    store.keys.revoke(key_id, TESTER)
    assert known.cached(key_id) is not None
    monkeypatch.setattr(known_module, "CACHE_S", 0.0)
    assert known.cached(key_id) is None
    found = known.find(key_id)
    assert found is not None
    assert found.key.revoked_at is not None


def test_the_cache_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_module, "CACHE_SIZE", 3)
    known = KnownKeys(store.keys)
    for number in range(6):
        known.find(add_key(store, f"k{number}").split("_")[1])
        known.find(f"none{number}")
    assert len(known._cache) == 3
    assert len(known._none) == 3


def test_unknown_ids_are_asked_for_once_in_seconds(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    get = store.keys.holder

    def noted(key_id: str) -> Holder | None:
        asked.append(key_id)
        return get(key_id)

    monkeypatch.setattr(store.keys, "holder", noted)
    known = KnownKeys(store.keys)

    async def ask_often() -> None:
        for _ in range(10):
            assert await known.get("00000000") is None

    asyncio.run(ask_often())
    assert asked == ["00000000"]
    monkeypatch.setattr(known_module, "CACHE_S", 0.0)
    asyncio.run(ask_often())
    assert len(asked) == 11
    # one that is made afterwards is found
    store.keys.add("00000000", "late", "h", Grant(scopes=("alerts:read",)), TESTER)
    assert asyncio.run(known.get("00000000")) is not None


def test_use_is_kept_once_a_minute(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_key(store)
    (key,) = store.keys.all()
    known = KnownKeys(store.keys)
    assert [known.use(key.id) for _ in range(3)] == [True, False, False]
    monkeypatch.setattr(known_module, "USED_EVERY_S", 0.0)
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
        session = add_session(store, add_user(store)).split("_")[1]
        key = add_key(store, "room").split("_")[1]
        known = KnownKeys(store.keys)
        found = known.find(session), known.find(key)
        assert all(found)
        person, program = (holder.caller for holder in found if holder is not None)

        def live(caller: Caller) -> bool:
            return asyncio.run(known.renewed(caller)) is not None

        assert live(person)
        assert live(program)
        assert not live(replace(person, kind="key")), "another kind"
        assert not live(replace(program, id="dddddddd"))
        # the time is looked at also where the row is remembered
        now[0] += 3600
        assert not live(person)
        assert live(program)
        store.keys.revoke("room", TESTER)
        known.forget(key)
        assert not live(program)
        # a store that is gone ends nobody, but what expires is over
        later = known.find(add_key(store, "later").split("_")[1])
        assert later is not None
        monkeypatch.setattr(known_module, "CACHE_S", 0.0)
        monkeypatch.setattr(store.keys, "holder", _full)
        assert live(later.caller)
        assert live(replace(program, id="dddddddd")), "nobody can say"
        assert not live(person)


def test_who_is_renewed_has_the_rights_of_now(store: Store) -> None:
    user = add_user(store, "operator", Role.OPERATOR, cameras=["plaza", "gate"])
    key_id = add_session(store, user).split("_")[1]
    known = KnownKeys(store.keys)
    holder = known.find(key_id)
    assert holder is not None
    before = holder.caller
    assert before.sees("plaza")
    assert before.may(Permission.ALERTS_HANDLE)

    def now() -> Caller | None:
        return asyncio.run(known.renewed(before))

    store.people.change(user, Rights(Role.ANALYST), TESTER)
    assert now() == before, "as it was known"
    known.forget()
    after = now()
    assert after is not None
    assert not after.sees("plaza")
    assert not after.may(Permission.ALERTS_HANDLE)
    add_user(store)
    store.people.change(user, Rights(Role.ANALYST, disabled=True), TESTER)
    known.forget()
    assert now() is None
    store.people.change(user, Rights(Role.ANALYST), TESTER)
    known.forget()
    assert now() is None, "the session has ended with it"


@pytest.mark.parametrize("everything", [False, True])
def test_what_was_read_before_a_change_is_not_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch, everything: bool
) -> None:
    key_id = add_key(store, "room").split("_")[1]
    known = KnownKeys(store.keys)
    read = store.keys.holder

    def meanwhile(wanted: str) -> Holder | None:
        found = read(wanted)
        store.keys.revoke("room", TESTER)
        known.forget(None if everything else key_id)
        return found

    monkeypatch.setattr(store.keys, "holder", meanwhile)
    known.find(key_id)
    assert known.cached(key_id) is None
    monkeypatch.setattr(store.keys, "holder", read)
    found = known.find(key_id)
    assert found is not None
    assert not found.is_live(known.now())
