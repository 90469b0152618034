"""Who asks, and whether that opens the door: one decision, a pure function of what was asked."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

import structlog
from starlette.concurrency import run_in_threadpool

from api.store import Key, Keys
from api.store.keys import Kind
from vision.errors import StoreError

READY: Final = "/readyz"
OPEN_PATHS: Final = frozenset({"/healthz", READY})
ENTER: Final = "/enter"
"""Where a link opens a session; nowhere else does a link open anything."""
CACHE_S = 3.0
"""A key that is revoked opens nothing after this."""
CACHE_SIZE = 1024
USED_EVERY_S = 60.0
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)

CALLER: Final = "matakota.caller"
"""Where in the scope the ``Caller`` is found behind the door."""
INSIDER: Final = "matakota.insider"
"""Whether the scope's caller has a key or is on this machine, and may read names of hosts."""

_PREFIX: Final[Mapping[Kind, str]] = {"key": "mk", "session": "ms", "link": "ml"}
_PORT: Final = re.compile(r":[0-9]+$", re.ASCII)
_TOKEN: Final = re.compile(r"(mk|ms|ml)_([0-9a-f]{8})_([0-9a-f]{64})", re.ASCII)
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(\S+) *", re.ASCII)
_FORWARDED: Final = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})
_READING: Final = frozenset({"GET", "HEAD"})
_OWN_SITE: Final = frozenset({"same-origin", "none"})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Token:
    """What a caller presents: the id and the secret of a key, a session or a link."""

    id: str
    secret: str
    kind: Kind = "key"

    def __repr__(self) -> str:
        return f"Token({self.id})"

    def reveal(self) -> str:
        """The whole of it, as it is shown once and sent by its owner."""
        return f"{_PREFIX[self.kind]}_{self.id}_{self.secret}"

    @property
    def hash(self) -> str:
        """The sha256 of the secret, in hex: with 256 random bits nothing slower is needed."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def new_token(kind: Kind = "key") -> Token:
    """One that nobody can guess."""
    return Token(secrets.token_hex(4), secrets.token_hex(32), kind)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was let in, by the key, session or link that did it."""

    id: str
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Ask:
    """What the decision is taken on. ``path`` is the one that routes are chosen by; ``peer`` the
    address at the other end of the connection, ``port`` the one at this end; header names are in
    lower case."""

    kind: str
    path: str
    root_path: str
    peer: str | None
    headers: Sequence[tuple[bytes, bytes]]
    method: str = "GET"
    query: bytes = b""
    port: int = 0
    tls: bool = False

    def values(self, name: bytes) -> list[str]:
        """What each header of this name holds."""
        return [value.decode("latin-1") for given, value in self.headers if given == name]


@dataclass(frozen=True, slots=True)
class Decision:
    """``status`` 200 lets in; anything else refuses, for the reason ``detail``."""

    status: int
    detail: str = ""

    @property
    def allowed(self) -> bool:
        return self.status == 200


ALLOWED: Final = Decision(200)
NO_KEY: Final = Decision(
    401,
    "send a machine key, as 'Authorization: Bearer mk_…': 'matakota keys create' makes one; a "
    "browser comes in by a link, which 'matakota link' prints",
)
WRONG_KEY: Final = Decision(401, "this machine key is unknown or revoked: use another one")
TWO_KEYS: Final = Decision(401, "send one machine key, in one header, once")
WRONG_SESSION: Final = Decision(
    401, "this session is unknown or over: 'matakota link' prints a link that opens a new one"
)
TWO_SESSIONS: Final = Decision(
    401, "send one session: delete this server's cookies, and come in by a new 'matakota link'"
)
WRONG_LINK: Final = Decision(
    401, "this link is unknown, used already or too old: 'matakota link' prints a new one"
)
NOT_LOCAL: Final = Decision(
    403, "this server answers its own machine only: start 'matakota serve' with --host to open it"
)
OTHER_SITE: Final = Decision(
    403, "another site's page asked for this with your session: open this server's own page"
)
_WRONG: Final[Mapping[Kind, Decision]] = {
    "key": WRONG_KEY,
    "session": WRONG_SESSION,
    "link": WRONG_LINK,
}


def cookie_name(port: int) -> str:
    """The cookie of a session. Browsers do not tell the ports of a host apart; its name does."""
    return f"matakota_{port}"


def presented(ask: Ask) -> Token | Decision:
    """What is to open the door, or why there is none: at ``ENTER`` the link, anywhere else the
    machine key, and where there is none the session."""
    if ask.kind == "http" and ask.path == ENTER and not ask.root_path and ask.query:
        return linked(ask.query) or WRONG_LINK
    found = [
        (name, value) for name, value in ask.headers if name in {b"authorization", b"x-api-key"}
    ]
    if not found:
        return _session(ask)
    if len(found) > 1:
        return TWO_KEYS
    name, raw = found[0]
    text = raw.decode("latin-1")
    if name == b"authorization":
        bearer = _BEARER.fullmatch(text)
        if bearer is None:
            return NO_KEY
        text = bearer[1]
    return _read("key", text.strip(" \t")) or WRONG_KEY


def linked(query: bytes) -> Token | None:
    """The link in the query of an address."""
    name, _, value = query.decode("latin-1").partition("=")
    return _read("link", value) if name == "link" else None


def _session(ask: Ask) -> Token | Decision:
    name = cookie_name(ask.port)
    cookies = [part.partition("=") for line in ask.values(b"cookie") for part in line.split(";")]
    found = [value.strip(" \t") for key, _, value in cookies if key.strip(" \t") == name]
    if len(found) > 1:
        return TWO_SESSIONS
    return (_read("session", found[0]) or WRONG_SESSION) if found else NO_KEY


def _read(kind: Kind, text: str) -> Token | None:
    match = _TOKEN.fullmatch(text)
    return Token(match[2], match[3], kind) if match and match[1] == _PREFIX[kind] else None


def decide(ask: Ask, *, everywhere: bool, key: Key | None, now: float) -> Decision:
    """Whether ``ask`` is let in at ``now``, UTC seconds. ``everywhere`` is False where only this
    machine may ask; ``key`` is the one whose id was presented."""
    if not everywhere and not _is_loopback(ask.peer):
        return NOT_LOCAL
    # Exactly these paths, as they are routed: any other spelling needs a key.
    if ask.kind == "http" and ask.path in OPEN_PATHS and not ask.root_path:
        return ALLOWED
    return opened(ask, key=key, now=now)


def opened(ask: Ask, *, key: Key | None, now: float) -> Decision:
    """Whether what ``ask`` presents is ``key``, and opens the door at ``now``."""
    token = presented(ask)
    if isinstance(token, Decision):
        return token
    if token.kind == "session" and not _is_own(ask):
        return OTHER_SITE
    same = hmac.compare_digest(token.hash, key.hash if key is not None else "0" * 64)
    known = key is not None and key.id == token.id and key.kind == token.kind and key.is_live(now)
    return ALLOWED if known and same else _WRONG[token.kind]


def _is_own(ask: Ask) -> bool:
    """Whether the person or a page of ours asks, as far as the browser tells: a browser sends its
    cookies also when another site's page asks."""
    own = all(site in _OWN_SITE for site in ask.values(b"sec-fetch-site"))
    if ask.kind == "http" and ask.method in _READING:
        # somebody may come here from another page, but that page may not use what is here
        return own or ask.values(b"sec-fetch-mode") == ["navigate"]
    origins, hosts = ask.values(b"origin"), ask.values(b"host")
    if not origins:
        # every browser names the origin of a socket
        return own and ask.kind == "http"
    # a proxy may speak TLS with the browser and none with us; both leave out their own usual port
    schemes = {"https"} if ask.tls else {"http", "https"}
    if len(hosts) != 1 or not hosts[0]:
        return False
    return own and all(
        origin in {f"{scheme}://{hosts[0].lower()}" for scheme in schemes} for origin in origins
    )


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def is_here(ask: Ask) -> bool:
    """Whether this machine asks for itself, as far as its headers tell: a proxy on it asks for
    others, and so does a foreign page whose name was made to lead here."""
    names = {name for name, _ in ask.headers}
    hosts = [value.decode("latin-1") for name, value in ask.headers if name == b"host"]
    return (
        _is_loopback(ask.peer) and not names & _FORWARDED and all(map(_names_this_machine, hosts))
    )


def _names_this_machine(host: str) -> bool:
    name = _PORT.sub("", host).strip("[]").lower()
    return name == "localhost" or _is_loopback(name)


class KnownKeys:
    """Keys, sessions and links by id, and ids that are none, kept for ``CACHE_S`` seconds. For any
    thread."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, tuple[Key, float]] = OrderedDict()
        # apart, so that invented ids push no key out
        self._none: OrderedDict[str, float] = OrderedDict()
        self._used: OrderedDict[str, float] = OrderedDict()

    def now(self) -> float:
        """The time by which they expire, UTC seconds."""
        return self._keys.now()

    def cached(self, key_id: str) -> Key | None:
        with self._lock:
            key, at_s = self._cache.get(key_id, (None, 0.0))
            return key if time.monotonic() < at_s + CACHE_S else None

    def is_none(self, key_id: str) -> bool:
        """Whether the store had no such key just now."""
        with self._lock:
            return time.monotonic() < self._none.get(key_id, -math.inf) + CACHE_S

    async def get(self, key_id: str) -> Key | None:
        """The key as it was in the store within ``CACHE_S``. Raises StoreError."""
        key = self.cached(key_id)
        if key is not None or self.is_none(key_id):
            return key
        return await run_in_threadpool(self.find, key_id)

    async def is_live(self, caller: Caller) -> bool:
        """Whether what opened the door to this one still does, as far as the store tells."""
        try:
            found = await self.get(caller.id)
        except StoreError:
            # Whoever waits for news of this store gets none meanwhile.
            return True
        return found is not None and found.kind == caller.kind and found.is_live(self.now())

    def find(self, key_id: str) -> Key | None:
        """The key as it is in the store. Raises StoreError."""
        at_s = time.monotonic()
        key = self._keys.get(key_id)
        with self._lock:
            if key is not None:
                _keep(self._cache, key_id, (key, at_s))
                self._none.pop(key_id, None)
            else:
                self._cache.pop(key_id, None)
                _keep(self._none, key_id, at_s)
        return key

    def forget(self, key_id: str) -> None:
        """Ask the store anew, since it was changed here."""
        with self._lock:
            self._cache.pop(key_id, None)
            self._none.pop(key_id, None)

    def use(self, key_id: str) -> bool:
        """Whether its use is to be kept now, which is so at most once in ``USED_EVERY_S``."""
        now_s = time.monotonic()
        with self._lock:
            due = now_s >= self._used.get(key_id, -math.inf) + USED_EVERY_S
            if due:
                _keep(self._used, key_id, now_s)
            return due

    def keep_use(self, key_id: str) -> None:
        """Keep that a key was used; nobody is refused where the store takes nothing."""
        try:
            self._keys.used(key_id)
        except StoreError as error:
            log.warning("the use of a key was not kept", key=key_id, why=str(error))


def _keep(cache: OrderedDict[str, Any], name: str, value: Any) -> None:
    cache[name] = value
    cache.move_to_end(name)
    if len(cache) > CACHE_SIZE:
        cache.popitem(last=False)
