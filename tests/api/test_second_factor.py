"""The second factor: codes, those that stand in for them, and that none works twice."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from urllib.parse import unquote

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.login import CODES, Proved, code_hashes, confirm, new_codes, new_secret, qr
from tests.api.logins import World, enrol
from tests.api.served import DAY, TESTER


def test_a_code_is_asked_for_once_it_is_set_up(world: World) -> None:
    user = world.add()
    secret = new_secret()
    assert asyncio.run(world.login.enrol(user, secret, "000000", TESTER)) is None
    assert isinstance(world.attempt(), Proved), "a wrong code sets nothing up"
    made, _ = enrol(world, user)
    used = made.at(int(world.now()))
    assert world.rested() is None
    assert world.rested(code=used) is None, "the one that set it up was used with that"
    world.now.now += 30
    code = made.at(int(world.now()))
    assert world.rested(password="wrong", code=code) is None
    got = world.rested(code=f"{code[:3]} {code[3:]}")
    assert isinstance(got, Proved)
    assert got.how == "totp"
    assert world.rested(code=code) is None, "no code works twice"
    world.now.now += 30
    assert isinstance(world.rested(code=made.at(int(world.now()))), Proved)


@pytest.mark.parametrize("off", [-2, -1, 0, 1, 2])
def test_a_code_is_good_for_a_step_more_or_less(world: World, off: int) -> None:
    made, _ = enrol(world, world.add())
    world.now.now += 300
    got = world.rested(code=made.at(int(world.now()) + 30 * off))
    assert isinstance(got, Proved) == (abs(off) <= 1)
    if off == 1:
        assert world.rested(code=made.at(int(world.now()))) is None, "none before the last one"


def test_a_recovery_code_works_once(world: World) -> None:
    user = world.add()
    _, codes = enrol(world, user)
    assert len(codes) == len(set(codes)) == CODES
    assert world.store.people.recovery_left(user) == CODES
    assert world.rested(password="wrong", code=codes[0]) is None
    assert world.store.people.recovery_left(user) == CODES, "not used up by a wrong password"
    got = world.rested(code=f" {codes[0].lower()} ")
    assert isinstance(got, Proved)
    assert got.how == "recovery"
    assert world.rested(code=codes[0]) is None
    assert isinstance(world.rested(code=codes[1].replace("-", "")), Proved)
    assert world.store.people.recovery_left(user) == CODES - 2
    other = world.add("petugas")
    enrol(world, other)
    assert world.rested("petugas", code=codes[2]) is None, "nobody else's"


def test_codes_are_as_good_as_said() -> None:
    codes = new_codes()
    assert all(len(base64.b32decode(code.replace("-", ""))) * 8 >= 80 for code in codes)
    (kept,) = code_hashes([codes[0]])
    assert kept == hashlib.sha256(codes[0].replace("-", "").encode()).hexdigest()
    assert len(base64.b32decode(new_secret())) * 8 >= 160


@given(st.text(max_size=20).filter(lambda text: not text.isdecimal()))
def test_what_is_no_code_is_none(text: str) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    assert confirm(secret, text, DAY) is None
    assert confirm(secret, pyotp.TOTP(secret).at(int(DAY)), DAY) == DAY // 30
    assert confirm(text, "123456", DAY) is None, "nor is a secret one"


def test_the_secret_as_a_picture() -> None:
    picture = qr(new_secret(), "Kendali & Co")
    assert picture.startswith("data:image/svg+xml")
    assert "<svg" in unquote(picture)


def test_guessing_codes_after_the_right_password_is_slow(world: World) -> None:
    made, _ = enrol(world, world.add())
    for _ in range(5):
        world.clock.now += 60
        assert world.attempt(code="000000") is None
    world.now.now += 30
    right = made.at(int(world.now()))
    world.clock.now += 60
    assert world.attempt(code=right) is None, "not even the right one is looked at"
    world.clock.now += 600
    assert isinstance(world.attempt(code=right), Proved)


def test_who_forgets_the_code_does_not_pay_for_it(world: World) -> None:
    made, _ = enrol(world, world.add())
    for _ in range(20):
        assert world.rested() is None
    world.now.now += 30
    world.clock.now += 12
    assert isinstance(world.attempt(code=made.at(int(world.now()))), Proved)


def test_a_code_of_ones_own(world: World) -> None:
    number = world.add()

    def is_own(code: str, session: str = "s1") -> bool:
        user = world.store.people.get(number)
        assert user is not None
        return asyncio.run(world.login.is_own_code(user, code, session))

    assert not is_own("")
    made, codes = enrol(world, number)
    world.now.now += 30
    assert is_own(made.at(int(world.now())))
    assert not is_own(made.at(int(world.now()))), "no code works twice"
    assert is_own(codes[0])
    assert not is_own(codes[0])
    for _ in range(5):
        assert not is_own("000000")
    assert not is_own(codes[1]), "after too many none is looked at"
    assert is_own(codes[1], "s2")


@pytest.mark.parametrize("name", ["coded", "plain", "disabled", "nobody"])
def test_a_recovery_code_costs_the_same_whoever_is_named(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody learns by the time who there is, and who has set up codes."""
    enrol(world, world.add("coded"))
    world.add("plain")
    world.store.people.set_disabled(world.add("disabled"), TESTER, disabled=True)
    asked: list[int] = []

    def counted(_people: object, user: int, _code: str) -> bool:
        asked.append(user)
        return False

    monkeypatch.setattr(type(world.store.people), "use_recovery", counted)
    assert world.attempt(name, "wrong", "AAAA-AAAA-AAAA-AAAA") is None
    assert asked == [0], "once, about nobody"
