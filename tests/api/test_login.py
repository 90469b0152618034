"""Proving who one is: passwords, limits, and that nothing is told to whoever does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pwdlib import PasswordHash

from api.access import Role
from api.auth import Token, new_token
from api.i18n import texts
from api.known import KnownKeys
from api.login import MAX_CHARS, Login, Proved, Tried, password_problem
from api.store import Rights
from api.store.audit import Wanted
from api.throttle import Refused, Throttle
from tests.api.logins import HERE, PASSWORD, World
from tests.api.served import TESTER, add_user


def test_the_right_password(world: World) -> None:
    user = world.add("Ruang Kendali")
    for name in ("Ruang Kendali", "RUANG kendali", " ruang kendali "):
        got = world.attempt(name)
        assert isinstance(got, Proved)
        assert (got.user.id, got.how) == (user, "password")


def test_however_its_letters_are_made(world: World) -> None:
    world.add(password=PASSWORD)
    user = add_user(world.store, "rené")
    kept = asyncio.run(world.login.hashed("café-ﬁxture-words"))
    world.store.people.change_password(user, kept, TESTER, session="")
    assert isinstance(world.attempt("rené", "cafe\u0301-fixture-words"), Proved)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("kendali", "another-password"),
        ("kendali", ""),
        ("kendali", PASSWORD + " "),
        ("kendali", PASSWORD * 20),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("x" * 5000, PASSWORD),
        ("bu\0di", PASSWORD),
        ("\ud800", PASSWORD),
        ("without", PASSWORD),
        ("without", ""),
        ("disabled", PASSWORD),
        ("broken", PASSWORD),
    ],
)
def test_whatever_is_wrong_is_answered_alike(world: World, name: str, password: str) -> None:
    world.add()
    world.add("without", None)
    disabled = world.add("disabled")
    world.store.people.change(disabled, Rights(Role.OPERATOR, disabled=True), TESTER)
    broken = world.add("broken", None)
    world.store.people.change_password(broken, "no hash", TESTER, session="")
    before = world.hasher.asked.total()
    assert world.attempt(name, password) is None
    assert world.hasher.asked.total() == before + 1, "one hash, whoever it is"
    kept = {user.password for user in world.store.people.all() if user.name != "kendali"}
    assert not kept & set(world.hasher.asked) - {"no hash"}


def test_the_recommended_hashes(world: World) -> None:
    world.login = Login(world.store, KnownKeys(world.store.keys), throttle=Throttle(world.clock))
    user = add_user(world.store, "kendali")
    kept = asyncio.run(world.login.hashed(PASSWORD))
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PasswordHash.recommended().verify(PASSWORD, kept)
    world.store.people.change_password(user, kept, TESTER, session="")
    assert isinstance(world.attempt(), Proved)
    for name in ("kendali", "nobody"):
        assert world.attempt(name, "wrong") is None


def test_a_weak_hash_is_made_anew(world: World) -> None:
    world.add()
    world.hasher.made_by = "new"
    assert world.attempt(password="wrong") is None
    user = world.store.people.named("kendali")
    assert user is not None
    assert user.password is not None
    assert user.password.startswith("old$")
    got = world.attempt()
    assert isinstance(got, Proved)
    user = world.store.people.named("kendali")
    assert user == got.user
    assert user.password is not None
    assert user.password.startswith("new$")
    assert isinstance(world.attempt(), Proved)


# --- which passwords


@pytest.mark.parametrize(
    ("password", "name", "said"),
    [
        ("tidy otter 9 lamps", "kendali", ""),
        ("x7#Kp2!9vQzr", "kendali", ""),
        ("kucing terbang di atas meja", "kendali", ""),
        ("k" * 5 + "eowrmt", "kendali", "too short"),
        ("tidy otter" * 21, "kendali", "too long"),
        ("aaaaaaaaaaaa", "kendali", "repeats"),
        ("ababababababab", "kendali", "repeats"),
        ("kendali-santoso", "Ruang Kendali", "") ,
        ("Kendali.Kendali.2026", "kendali", "guessed"),
        ("administrator", "kendali", "guessed"),
        ("Password1234!", "kendali", "guessed"),
        ("passwordqwerty", "kendali", "guessed"),
        ("123456789012", "kendali", "guessed"),
        ("qwertyuiop12", "kendali", "guessed"),
        ("Matakota2026!", "kendali", "guessed"),
        ("ＰＡＳＳＷＯＲＤ１２３４", "kendali", "guessed"),
    ],
)  # fmt: skip
def test_which_passwords_are_taken(password: str, name: str, said: str) -> None:
    problem = password_problem(texts("en"), password, password, name)
    assert said in problem
    assert bool(problem) == bool(said)


def test_a_password_is_written_twice() -> None:
    assert "differ" in password_problem(texts("en"), PASSWORD, PASSWORD.upper(), "kendali")


@given(st.text(max_size=300), st.text(max_size=70))
def test_any_text_is_judged(password: str, name: str) -> None:
    problem = password_problem(texts("en"), password, password, name)
    assert problem or len(set(password)) > 1


# --- limits


def device(world: World, user: int, *, lasts_s: float = 1000.0) -> Token:
    token = new_token("device")
    world.store.keys.add_device(token.id, token.hash, user, lasts_s=lasts_s)
    return token


def reached(world: World, name: str) -> int:
    user = world.store.people.named(name)
    assert user is not None
    return world.hasher.asked[user.password or ""]


def test_a_browser_that_came_in_before_is_not_locked_out(world: World) -> None:
    kendali, petugas = world.add(), world.add("petugas")
    mine, hers, old = (
        device(world, kendali),
        device(world, petugas),
        device(world, kendali, lasts_s=1),
    )
    forged = replace(mine, secret="0" * 64)
    world.now.now += 2
    refused = [world.attempt(password="wrong") for _ in range(50)]
    assert sum(isinstance(each, Refused) for each in refused) == 45
    assert reached(world, "kendali") == 5
    for browser in (hers, old, forged, new_token("device")):
        assert isinstance(world.attempt(browsers=[browser]), Refused)
    assert isinstance(world.attempt(browsers=[hers, mine]), Proved), "also one of several"
    assert isinstance(world.attempt("petugas"), Proved), "nor is anybody else"
    for _ in range(4):
        assert world.attempt(password="wrong", browsers=[mine]) is None
    assert isinstance(world.attempt(browsers=[mine]), Refused), "its own allowance is small"


@pytest.mark.parametrize("name", ["kendali", "nobody", "without"])
def test_names_are_limited_alike(world: World, name: str) -> None:
    world.add()
    world.add("without", None)
    got = [world.attempt(name, "wrong") for _ in range(6)]
    assert got[:5] == [None] * 5
    assert got[5] == Refused(12.0, "account")
    assert isinstance(world.attempt(name.upper(), "wrong"), Refused)
    world.clock.now += 12
    assert world.attempt(name, "wrong") is None


def test_who_came_in_is_asked_once_more_with_an_allowance_of_their_own(world: World) -> None:
    world.add()
    user = world.store.people.named("kendali")
    assert user is not None
    for _ in range(20):
        world.attempt(password="wrong")

    def is_own(password: str, session: str = "s1") -> bool | Refused:
        return asyncio.run(world.login.is_own_password(user, password, session))

    assert is_own(PASSWORD) is True
    assert [is_own("wrong") for _ in range(4)] == [False] * 4
    assert isinstance(is_own(PASSWORD), Refused)
    assert is_own(PASSWORD, "s2") is True
    without = replace(user, password=None)
    assert asyncio.run(world.login.is_own_password(without, "", "s3")) is False
    assert ("login.failed", "kendali", None) in world.actions()


# --- the record


def test_failed_tries_are_put_down_few_one_by_one(world: World) -> None:
    world.add()

    async def serve() -> None:
        for _ in range(50):
            await world.login.check(Tried("kendali", "wrong", "", HERE))
        await world.login.check(Tried("typed in the wrong field", "wrong", "", HERE))
        assert world.actions() == [
            ("login.failed", "kendali", None),
            ("login.limited", "kendali", None),
            ("login.failed", "", None),
        ]
        world.clock.now += 60
        await world.login.check(Tried("kendali", "wrong", "", HERE))
        assert world.actions()[3:] == [
            ("login.failed", "kendali", None),
            ("login.failed", "", {"n": 4}),
            ("login.limited", "", {"n": 44}),
        ]

    asyncio.run(serve())
    page = world.store.audit.find(Wanted(action="login.failed"), limit=10)
    first = page.entries[-1]
    assert (first.actor_kind, first.actor, first.address) == ("nobody", "", HERE)


def test_what_was_not_put_down_yet_is_when_the_server_ends(world: World) -> None:
    world.add()

    async def serve() -> None:
        for _ in range(8):
            await world.login.check(Tried("kendali", "wrong", "", HERE))
        # the loop ends what still waits

    asyncio.run(serve())
    assert ("login.failed", "", {"n": 4}) in world.actions()
    assert ("login.limited", "", {"n": 2}) in world.actions()


def test_the_longest_password_counts_whole(world: World) -> None:
    world.add(password="x" * MAX_CHARS)
    assert world.attempt(password="x" * (MAX_CHARS + 1)) is None
    assert isinstance(world.attempt(password="x" * MAX_CHARS), Proved)
