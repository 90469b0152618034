"""A login with its store, passwords that cost little, and clocks that a test sets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pyotp

from api.access import Role
from api.known import KnownKeys
from api.login import Login, Proved, Tried, new_secret
from api.store import Store
from api.store.audit import Wanted
from api.throttle import Refused, Tally, Throttle
from tests.api.served import TESTER, add_user


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


PASSWORD = "not-a-real-password"
HERE = "203.0.113.1"


@dataclass
class CheapHasher:
    """Quick hashes, and how often each was asked about."""

    made_by: str = "old"
    asked: Counter[str] = field(default_factory=Counter)

    def hash(self, password: str, /) -> str:
        return (
            f"{self.made_by}${secrets.token_hex(4)}${hashlib.sha256(password.encode()).hexdigest()}"
        )

    def verify_and_update(self, password: str, hash: str, /) -> tuple[bool, str | None]:  # noqa: A002
        self.asked[hash] += 1
        made_by, _, rest = hash.partition("$")
        kept = rest.partition("$")[2]
        right = hmac.compare_digest(kept, hashlib.sha256(password.encode()).hexdigest())
        return right, self.hash(password) if right and made_by != self.made_by else None


class World:
    """A login with its store, and clocks of its own."""

    def __init__(self, store: Store, now: Clock) -> None:
        self.store = store
        self.now = now
        self.clock = Clock()
        self.hasher = CheapHasher()
        self.login = Login(
            store,
            KnownKeys(store.keys),
            throttle=Throttle(self.clock),
            tally=Tally(self.clock),
            hasher=self.hasher,
        )

    def add(self, name: str = "kendali", password: str | None = PASSWORD) -> int:
        user = add_user(self.store, name, Role.OPERATOR)
        if password is not None:
            kept = self.hasher.hash(password)
            self.store.people.change_password(user, kept, TESTER, session="")
        return user

    def attempt(
        self, name: str = "kendali", password: str = PASSWORD, code: str = "", **more: Any
    ) -> Proved | Refused | None:
        tried = replace(Tried(name, password, code, HERE), **more)
        return asyncio.run(self.login.check(tried))

    def rested(self, *args: str, **more: Any) -> Proved | Refused | None:
        """The same when every limit has room again."""
        self.clock.now += 86_400
        return self.attempt(*args, **more)

    def actions(self) -> list[tuple[str, str, object]]:
        page = self.store.audit.find(Wanted(action="login"), limit=100)
        return [(each.action, each.object, each.after) for each in reversed(page.entries)]


def enrol(world: World, user: int) -> tuple[pyotp.TOTP, list[str]]:
    secret = new_secret()
    made = pyotp.TOTP(secret)
    codes = asyncio.run(world.login.enrol(user, secret, made.at(int(world.now())), TESTER))
    assert codes is not None
    return made, codes
