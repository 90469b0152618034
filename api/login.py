"""Proving who one is: passwords, the codes of a second factor, and how often they may be tried."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, TypeAlias, TypeVar

import pyotp
import segno
import structlog
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from starlette.concurrency import run_in_threadpool

from api.auth import Token
from api.i18n import N_, Texts
from api.known import KnownKeys
from api.store import Actor, Store, User
from api.store.names import folded
from api.throttle import WINDOW_S, Refused, Tally, Throttle, place_of
from vision.errors import StoreError

MIN_CHARS: Final = 12
MAX_CHARS: Final = 200
MAX_WRITTEN: Final = 4 * MAX_CHARS
"""A letter is made of at most four."""
MIN_DIFFERENT: Final = 5
STEP_S: Final = 30
CODES: Final = 10
HASH_THREADS: Final = 2
"""A hash takes tens of milliseconds and 64 MiB; so many are made at once, and nothing else waits
for them."""
ISSUER: Final = "Matakota"
COMMON: Final = (
    "administrator", "bismillah", "indonesia", "matakota", "password", "princess", "katasandi",
    "rahasia", "welcome", "jakarta", "iloveyou", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwerty",
    "changeme", "letmein", "dragon", "master", "monkey", "football", "sunshine", "superman",
    "abcdefgh", "abcdef", "abcd", "abc", "admin", "login", "secret", "sayang", "cinta", "kota",
    "mata", "polisi", "qazwsx", "qwert", "asdf", "zxcv", "user", "root", "test", "kamera",
    "camera", "security", "keamanan", "pass", "word", "love", "you", "qwe", "asd", "zxc",
)  # fmt: skip
"""What guessers try first. A password of nothing else, digits and signs is none."""
_NOBODY: Final = 0
"""The number of no user."""

How: TypeAlias = Literal["password", "totp", "recovery"]
log = structlog.get_logger()
_T = TypeVar("_T")
_SIX: Final = re.compile(r"[0-9]{6}", re.ASCII)
_RECOVERY: Final = re.compile(r"[A-Z2-7]{16}", re.ASCII)


class Hasher(Protocol):
    """What makes and checks hashes of passwords."""

    def hash(self, password: str, /) -> str: ...

    def verify_and_update(self, password: str, hash: str, /) -> tuple[bool, str | None]: ...  # noqa: A002


@dataclass(frozen=True, slots=True)
class Tried:
    """Somebody's try to be ``name``; ``browsers`` are what theirs says to have come in with."""

    name: str
    password: str = field(repr=False)
    code: str = field(default="", repr=False)
    address: str | None = None
    browsers: Sequence[Token] = ()


@dataclass(frozen=True, slots=True)
class Proved:
    """It is this user, by ``how``."""

    user: User
    how: How


# --- passwords


def normal(password: str) -> str:
    """A password as it is hashed: however a keyboard makes its letters. One that is too long anyway
    stays as it is, since putting its accents in order may take very long."""
    fits = len(password) <= MAX_WRITTEN
    return unicodedata.normalize("NFKC", password) if fits else password


def password_problem(_: Texts, password: str, again: str, name: str) -> str:
    """Why this cannot become a password of ``name``, in the person's language; "" if it can."""
    text = normal(password)
    rest = text.casefold()
    for word in sorted((folded(name), *COMMON), key=len, reverse=True):
        rest = rest.replace(word, "") if word else rest
    if password != again:
        return _(N_("The two passwords differ: write the same one twice."))
    if len(text) < MIN_CHARS:
        return _(N_("The password is too short: use at least %(n)d characters.")) % {"n": MIN_CHARS}
    if len(text) > MAX_CHARS:
        return _(N_("The password is too long: use at most %(n)d characters.")) % {"n": MAX_CHARS}
    if len(set(text.casefold())) < MIN_DIFFERENT:
        return _(N_("The password repeats few characters: use more different ones."))
    if not any(character.isalpha() for character in rest):
        return _(
            N_(
                "The password is among the first that are guessed: it holds nothing but your name, "
                "common words, digits and signs. Add some other words."
            )
        )
    return ""


# --- the second factor


def new_secret() -> str:
    """What a phone makes codes of."""
    return pyotp.random_base32()


def qr(secret: str, name: str) -> str:
    """The secret as a picture that a phone reads: the address of an SVG."""
    address = pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=name, issuer_name=ISSUER)
    return str(segno.make(address, error="m").svg_data_uri(scale=4, border=4, light="#fff"))


def confirm(secret: str, code: str, now: float) -> int | None:
    """The step that a code is of, at ``now`` (UTC seconds) or one step beside it; None where it is
    of none."""
    plain = _plain(code)
    if _SIX.fullmatch(plain) is None:
        return None
    try:
        made = pyotp.TOTP(secret, interval=STEP_S)
    except ValueError:
        return None
    step, found = int(now // STEP_S), None
    for each in (step - 1, step, step + 1):
        if hmac.compare_digest(made.generate_otp(each), plain):
            found = each
    return found


def new_codes() -> list[str]:
    """Codes of 80 random bits each that stand in for a lost phone, once."""
    made = [pyotp.random_base32()[:16] for _ in range(CODES)]
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in made]


def code_hashes(codes: Iterable[str]) -> list[str]:
    """What is kept of them: with 80 random bits nothing slower is needed."""
    return [hashlib.sha256(_plain(code).encode()).hexdigest() for code in codes]


def _plain(code: str) -> str:
    return "".join(code.replace("-", "").split()).upper()


# --- both


class Login:
    """Says whether somebody is whom they say to be. For the event loop alone."""

    def __init__(
        self,
        store: Store,
        keys: KnownKeys,
        *,
        throttle: Throttle | None = None,
        tally: Tally | None = None,
        hasher: Hasher | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._people = store.people
        self._audit = store.audit
        self._keys = keys
        self._throttle = throttle or Throttle()
        self._tally = tally or Tally()
        self._hasher: Hasher = hasher or PasswordHash.recommended()
        self._now = now or keys.now
        self._pool = ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="passwords")
        self._dummy: str | None = None
        self._putting: asyncio.Task[None] | None = None

    async def check(self, tried: Tried) -> Proved | Refused | None:
        """Who somebody proves to be. None for whatever is wrong, in the same time: nobody learns
        whether there is such a user, or whether the password alone was right. Raises StoreError."""
        name, place = folded(tried.name.strip()), place_of(tried.address)
        browser = await self._browser(name, tried.browsers)
        ticket = self._throttle.take(name, place, browser)
        if isinstance(ticket, Refused):
            await self._note("login.limited", tried, name, place)
            return ticket
        proved = None
        try:
            proved = await self._proved(tried, browser)
        finally:
            self._throttle.settle(ticket, failed=proved is None)
        if proved is None:
            await self._note("login.failed", tried, name, place)
        return proved

    async def is_own_password(self, user: User, password: str, session: str) -> bool | Refused:
        """Whether this is the password of whose session (by its id) it is, who is asked once more.
        Raises StoreError."""
        name = folded(user.name)
        ticket = self._throttle.take(name, "", session)
        if isinstance(ticket, Refused):
            return ticket
        right = False
        try:
            right, _ = await self._matches(password, user.password)
        finally:
            self._throttle.settle(ticket, failed=not right)
        if not right:
            await self._note("login.failed", Tried(user.name, ""), name, "")
        return right

    async def is_own_code(self, user: User, code: str, session: str) -> bool:
        """Whether this is a code of the second factor, or one that stands in for it, of whose
        session (by its id) it is; too many wrong ones are not looked at. Raises StoreError."""
        on = user.totp_secret is not None
        return on and await self._second(user, code, True, session) is not None

    async def hashed(self, password: str) -> str:
        """What is kept of a password."""
        return await self._hashing(self._hasher.hash, normal(password))

    async def hashed_for(self, link: str, password: str) -> str | Refused:
        """The same for whoever has a link (by its id), which keeps no others waiting."""
        ticket = self._throttle.take("", "", link)
        if isinstance(ticket, Refused):
            return ticket
        try:
            return await self.hashed(password)
        finally:
            self._throttle.settle(ticket, failed=False)

    async def enrol(self, user: int, secret: str, code: str, by: Actor) -> list[str] | None:
        """Ask this user for codes of ``secret`` from now on, if ``code`` is one: gives the codes
        that stand in for it, to be shown once. Raises StoreError."""
        step = confirm(secret, code, self._now())
        if step is None:
            return None
        codes = new_codes()
        hashes = code_hashes(codes)
        await run_in_threadpool(self._people.set_totp, user, secret, hashes, by, step=step)
        return codes

    async def _browser(self, name: str, browsers: Sequence[Token]) -> str | None:
        """The browser with which the user of this name came in before."""
        for token in browsers:
            holder = await self._keys.get(token.id)
            if holder is None or holder.key.kind != "device" or not holder.is_live(self._now()):
                continue
            same = hmac.compare_digest(holder.key.hash, token.hash)
            if same and folded(holder.caller.name) == name:
                return token.id
        return None

    async def _proved(self, tried: Tried, browser: str | None) -> Proved | None:
        user = await run_in_threadpool(self._people.named, tried.name.strip())
        known = user if user is not None and user.disabled_at is None else None
        kept = None if known is None else known.password
        right, fresh = await self._matches(tried.password, kept)
        how = await self._second(known, tried.code, right, browser)
        if known is None or how is None or not right:
            return None
        if fresh is not None and kept is not None:
            await run_in_threadpool(self._people.refresh_password, known.id, kept, fresh)
            known = replace(known, password=fresh)
        return Proved(known, how)

    async def _matches(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """Whether a password is the one whose hash is ``kept``, and a stronger hash if that one is
        weak by now. Where there is none, it takes the same time to say so."""
        if self._dummy is None:
            self._dummy = await self._hashing(self._hasher.hash, secrets.token_hex(16))
        text, dummy = normal(password), self._dummy
        fits = len(text) <= MAX_CHARS
        real = kept is not None and fits

        def verify() -> tuple[bool, str | None]:
            try:
                return self._hasher.verify_and_update(
                    text[:MAX_CHARS], kept if kept is not None and fits else dummy
                )
            except UnknownHashError:
                return False, None

        right, fresh = await self._hashing(verify)
        return right and real, fresh if real else None

    async def _second(
        self, user: User | None, code: str, right: bool, browser: str | None
    ) -> How | None:
        """How a user proves it whose password is ``right``; None where a code is missing or wrong.
        Where the password is wrong, as much is asked of the store, about nobody."""
        plain = _plain(code)
        if user is None or user.totp_secret is None:
            # it takes as long as for somebody who has codes
            if _RECOVERY.fullmatch(plain):
                await run_in_threadpool(self._people.use_recovery, _NOBODY, *code_hashes([plain]))
            return "password"
        whose = f"{user.id} {browser or ''}"
        if not plain or (right and not self._throttle.may_try_code(whose)):
            return None
        number = user.id if right else _NOBODY
        step = confirm(user.totp_secret, plain, self._now())
        if step is not None and await run_in_threadpool(self._people.use_step, number, step):
            return "totp"
        if _RECOVERY.fullmatch(plain):
            (kept,) = code_hashes([plain])
            if await run_in_threadpool(self._people.use_recovery, number, kept):
                return "recovery"
        if right:
            self._throttle.wrong_code(whose)
        return None

    async def _hashing(self, work: Callable[..., _T], *given: str) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    async def _note(self, action: str, tried: Tried, name: str, place: str) -> None:
        """Put a try down, or count it for the sum of its minute. The name that was tried is kept
        only if somebody has it: it may be a password in the wrong field."""
        if self._tally.note(action, name, place):
            by = Actor("nobody", "", None, tried.address)
            try:
                user = await run_in_threadpool(self._people.named, tried.name.strip())
                called = "" if user is None else user.name
                await run_in_threadpool(self._audit.add, by, action, "user", called)
            except StoreError as error:
                log.warning("a try to sign in was not put down", action=action, why=str(error))
        sums = self._tally.sums()
        if sums:
            await run_in_threadpool(self._put_down, sums)
        if self._tally.waits and (self._putting is None or self._putting.done()):
            self._putting = asyncio.create_task(self._put_down_in_time())

    async def _put_down_in_time(self) -> None:
        try:
            while self._tally.waits:
                await asyncio.sleep(WINDOW_S)
                await run_in_threadpool(self._put_down, self._tally.sums())
        except asyncio.CancelledError:
            # the server ends
            self._put_down(self._tally.sums(all_of_them=True))
            raise

    def _put_down(self, sums: Mapping[str, int]) -> None:
        by = Actor("nobody", "")
        for action, n in sums.items():
            try:
                self._audit.add(by, action, "user", "", {"n": n})
            except StoreError as error:
                log.warning("tries to sign in were not put down", n=n, why=str(error))
