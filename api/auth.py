"""The door: one decision about every request, taken before anything else sees it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import math
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, TypeAlias

import structlog
from starlette.concurrency import run_in_threadpool

from api.store import Key, Keys
from vision.errors import ServiceError, StoreError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

READY: Final = "/readyz"
OPEN_PATHS: Final = frozenset({"/healthz", READY})
CACHE_S = 3.0
"""A key that is revoked opens nothing after this."""
CACHE_SIZE = 1024
USED_EVERY_S = 60.0
MAX_USES = 4
"""So many notes of a key's use are written at once; others follow with a later request."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)

_TOKEN = re.compile(r"mk_([0-9a-f]{8})_([0-9a-f]{64})", re.ASCII)
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(\S+) *", re.ASCII)
_POLICY_VIOLATION = 1008
CALLER: Final = "matakota.caller"
"""Where in the scope the caller's key is found behind the door."""
INSIDER: Final = "matakota.insider"
"""Whether the scope's caller has a key or is on this machine, and may read names of hosts."""
_FORWARDED: Final = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Token:
    """What a caller presents: a key's id and its secret."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Token({self.id})"

    def reveal(self) -> str:
        """The whole key, as it is shown once and sent by its owner."""
        return f"mk_{self.id}_{self.secret}"

    @property
    def hash(self) -> str:
        """The sha256 of the secret, in hex: with 256 random bits nothing slower is needed."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def new_token() -> Token:
    """A key that nobody can guess."""
    return Token(secrets.token_hex(4), secrets.token_hex(32))


@dataclass(frozen=True, slots=True)
class Ask:
    """What the decision is taken on. ``path`` is the one that routes are chosen by; ``peer`` the
    address at the other end of the connection; header names are in lower case."""

    kind: str
    path: str
    root_path: str
    peer: str | None
    headers: Sequence[tuple[bytes, bytes]]


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
    401, "send a machine key, as 'Authorization: Bearer mk_…': 'matakota keys create' makes one"
)
WRONG_KEY: Final = Decision(401, "this machine key is unknown or revoked: use another one")
TWO_KEYS: Final = Decision(401, "send one machine key, in one header, once")
NOT_LOCAL: Final = Decision(
    403, "this server answers its own machine only: start 'matakota serve' with --host to open it"
)


def presented(headers: Sequence[tuple[bytes, bytes]]) -> Token | Decision:
    """The key in a request's headers, or why there is none."""
    found = [(name, value) for name, value in headers if name in {b"authorization", b"x-api-key"}]
    if not found:
        return NO_KEY
    if len(found) > 1:
        return TWO_KEYS
    name, raw = found[0]
    text = raw.decode("latin-1")
    if name == b"authorization":
        bearer = _BEARER.fullmatch(text)
        if bearer is None:
            return NO_KEY
        text = bearer[1]
    token = _TOKEN.fullmatch(text.strip(" \t"))
    return WRONG_KEY if token is None else Token(token[1], token[2])


def decide(ask: Ask, *, everywhere: bool, key: Key | None) -> Decision:
    """Whether ``ask`` is let in. ``everywhere`` is False where only this machine may ask; ``key``
    is the one whose id was presented."""
    if not everywhere and not _is_loopback(ask.peer):
        return NOT_LOCAL
    # Exactly these paths, as they are routed: any other spelling needs a key.
    if ask.kind == "http" and ask.path in OPEN_PATHS and not ask.root_path:
        return ALLOWED
    token = presented(ask.headers)
    if isinstance(token, Decision):
        return token
    return ALLOWED if _opens(token, key) else WRONG_KEY


def _opens(token: Token, key: Key | None) -> bool:
    same = hmac.compare_digest(token.hash, key.hash if key is not None else "0" * 64)
    return key is not None and key.id == token.id and key.revoked_at is None and same


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _is_here(ask: Ask) -> bool:
    """Whether this machine asks for itself, as far as its headers tell: a proxy on it asks for
    others."""
    return _is_loopback(ask.peer) and not any(name in _FORWARDED for name, _ in ask.headers)


class KnownKeys:
    """Keys by id, and ids that are none, kept for ``CACHE_S`` seconds. For any thread."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, tuple[Key, float]] = OrderedDict()
        # apart, so that invented ids push no key out
        self._none: OrderedDict[str, float] = OrderedDict()
        self._used: OrderedDict[str, float] = OrderedDict()

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

    async def is_live(self, key: Key) -> bool:
        """Whether a key that opened the door still does, as far as the store tells."""
        try:
            found = await self.get(key.id)
        except StoreError:
            # Whoever waits for news of this store gets none meanwhile.
            return True
        return found is not None and found.revoked_at is None and found.hash == key.hash

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

    def use(self, key: Key) -> bool:
        """Whether its use is to be kept now, which is so at most once in ``USED_EVERY_S``."""
        now_s = time.monotonic()
        with self._lock:
            due = now_s >= self._used.get(key.id, -math.inf) + USED_EVERY_S
            if due:
                _keep(self._used, key.id, now_s)
            return due

    def keep_use(self, key: Key) -> None:
        """Keep that a key was used; nobody is refused where the store takes nothing."""
        try:
            self._keys.used(key.id)
        except StoreError as error:
            log.warning("the use of a key was not kept", key=key.id, why=str(error))


def _keep(cache: OrderedDict[str, Any], name: str, value: Any) -> None:
    cache[name] = value
    cache.move_to_end(name)
    if len(cache) > CACHE_SIZE:
        cache.popitem(last=False)


class Door:
    """The whole application behind one decision, for HTTP and WebSocket alike.

    ``inner`` is what stands behind the door; it must not be served without it.
    """

    def __init__(self, inner: App, keys: KnownKeys, *, everywhere: bool) -> None:
        self.inner = inner
        self._keys = keys
        self._everywhere = everywhere
        self._uses: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self.inner(scope, receive, send)
            return
        if kind not in {"http", "websocket"}:
            raise ServiceError(f"a connection of type {kind} is not served: use HTTP")
        client = scope.get("client")
        ask = Ask(
            kind=kind,
            path=scope["path"],
            root_path=scope.get("root_path", ""),
            peer=client[0] if client else None,
            headers=[(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]],
        )
        try:
            key = await self._key(ask)
        except StoreError as error:
            await _refuse(kind, Decision(503, str(error)), send)
            return
        decision = decide(ask, everywhere=self._everywhere, key=key)
        if not decision.allowed:
            await _refuse(kind, decision, send)
            return
        if ask.path == READY and key is None:
            key = await self._offered(ask)
        if key is not None:
            scope[CALLER] = key
            self._note(key)
        scope[INSIDER] = key is not None or _is_here(ask)
        await self.inner(scope, receive, send)

    async def _key(self, ask: Ask) -> Key | None:
        # Whoever is refused, or needs no key, costs no question to the store.
        if decide(ask, everywhere=self._everywhere, key=None) != WRONG_KEY:
            return None
        token = presented(ask.headers)
        return None if isinstance(token, Decision) else await self._keys.get(token.id)

    async def _offered(self, ask: Ask) -> Key | None:
        """The key of somebody who needs none here, and may have none."""
        token = presented(ask.headers)
        if isinstance(token, Decision):
            return None
        try:
            key = await self._keys.get(token.id)
        except StoreError:
            return None
        return key if _opens(token, key) else None

    def _note(self, key: Key) -> None:
        """Keep that a key was used, without letting its request wait for that."""
        if len(self._uses) < MAX_USES and self._keys.use(key):
            task = asyncio.create_task(run_in_threadpool(self._keys.keep_use, key))
            self._uses.add(task)
            task.add_done_callback(self._uses.discard)


async def _refuse(kind: str, decision: Decision, send: Send) -> None:
    if kind == "websocket":
        # before it is accepted, so that the server answers 403
        close = {"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""}
        await send(close)
        return
    body = json.dumps({"detail": decision.detail}, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if decision.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="matakota"'))
    await send({"type": "http.response.start", "status": decision.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
