"""The door: everything that is served stands behind one decision, and leaves with one set of
headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from html import escape
from typing import Any, Final, TypeAlias

from starlette.concurrency import run_in_threadpool

from api.auth import (
    CALLER,
    INSIDER,
    NO_KEY,
    READY,
    WRONG_LINK,
    Ask,
    Caller,
    Decision,
    KnownKeys,
    Token,
    decide,
    is_here,
    opened,
    presented,
)
from api.store import Key
from vision.errors import ServiceError, StoreError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_USES = 4
"""So many notes of a key's use are written at once; others follow with a later request."""
SOCKET_CHECK_S = 5.0
"""So often an open socket is asked whether it may stay; it ends within this and ``CACHE_S``."""
SOCKET_END_S = 2.0
"""What serves a socket that has ended is ended itself after this."""
_POLICY_VIOLATION: Final = 1008

POLICY: Final = "; ".join([
    "default-src 'self'",
    # the pages' own library compiles its templates, and is started by a script in the page
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
])  # fmt: skip
"""What a page may load: nothing from other servers."""
_HEADERS: Final[Mapping[bytes, bytes]] = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    # what says nothing about it is not kept for whoever has the machine next
    b"cache-control": b"no-store",
}
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Matakota</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; background: #16202b; color: #e6edf3; margin: 0;
  display: grid; place-content: center; min-height: 100vh; padding: 1rem; box-sizing: border-box; }}
main {{ max-width: 38rem; }} p::first-letter {{ text-transform: uppercase; }}
</style></head><body><main><h1>{title}</h1>
{said}
</main></body></html>
"""
_HOW: Final = (
    "To come in, run matakota link on the server and open the address that it prints.",
    "A link opens the pages once, in one browser, within an hour.",
)


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
        ask = asked(scope)
        try:
            key = await self._key(ask)
        except StoreError as error:
            await _refuse(ask, Decision(503, str(error)), send)
            return
        decision = decide(ask, everywhere=self._everywhere, key=key, now=self._keys.now())
        if not decision.allowed:
            await _refuse(ask, decision, send)
            return
        if ask.path == READY and key is None:
            key = await self._offered(ask)
        caller = None if key is None else Caller(key.id, key.name, key.kind)
        if caller is not None:
            scope[CALLER] = caller
            self._note(caller)
        scope[INSIDER] = caller is not None or is_here(ask)
        if kind == "http":
            await self.inner(scope, receive, _with_headers(send))
        elif caller is not None:
            await _Socket(receive, send, lambda: self._keys.is_live(caller)).run(self.inner, scope)

    async def _key(self, ask: Ask) -> Key | None:
        # Whoever is refused, or needs no key, costs no question to the store.
        token = presented(ask)
        if isinstance(token, Decision):
            return None
        unknown = decide(ask, everywhere=self._everywhere, key=None, now=self._keys.now())
        return await self._keys.get(token.id) if unknown.status == 401 else None

    async def _offered(self, ask: Ask) -> Key | None:
        """The key of somebody who needs none here, and may have none."""
        token = presented(ask)
        if not isinstance(token, Token):
            return None
        try:
            key = await self._keys.get(token.id)
        except StoreError:
            return None
        return key if opened(ask, key=key, now=self._keys.now()).allowed else None

    def _note(self, caller: Caller) -> None:
        """Keep that a key was used, without letting its request wait for that."""
        if caller.kind != "link" and len(self._uses) < MAX_USES and self._keys.use(caller.id):
            task = asyncio.create_task(run_in_threadpool(self._keys.keep_use, caller.id))
            self._uses.add(task)
            task.add_done_callback(self._uses.discard)


def asked(scope: Scope) -> Ask:
    """What the decision is taken on, of an HTTP or WebSocket scope."""
    client, server = scope.get("client"), scope.get("server")
    return Ask(
        kind=scope["type"],
        path=scope["path"],
        root_path=scope.get("root_path", ""),
        peer=client[0] if client else None,
        headers=[(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]],
        method=scope.get("method", "GET"),
        query=bytes(scope.get("query_string", b"")),
        port=(server[1] or 0) if server else 0,
        tls=scope.get("scheme") in {"https", "wss"},
    )


def page(title: str, *sentences: str, back: bool = False) -> bytes:
    """A small page that needs nothing else, for a person's browser. ``back`` offers the way for
    whoever is in already."""
    said = "\n".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    if back:
        said += '\n<p><a href="/">This browser came in before</a></p>'
    return _PAGE.format(title=escape(title), said=said).encode()


def refusal(ask: Ask, decision: Decision) -> tuple[bytes, dict[str, str]]:
    """The body and headers that say why: a page where a browser asks for one, otherwise JSON."""
    if wants_page(ask):
        why = () if decision == NO_KEY else (decision.detail,)
        how = _HOW if decision.status == 401 else ()
        body = page("Not let in", *why, *how, back=decision == WRONG_LINK)
        kind = "text/html; charset=utf-8"
    else:
        body = json.dumps({"detail": decision.detail}, ensure_ascii=False).encode()
        kind = "application/json"
    headers = {"content-type": kind, "content-length": str(len(body))}
    if decision.status == 401:
        headers["www-authenticate"] = 'Bearer realm="matakota"'
    return body, headers


def wants_page(ask: Ask) -> bool:
    """Whether a browser's window shows the answer."""
    return any("text/html" in accepted.lower() for accepted in ask.values(b"accept"))


async def _refuse(ask: Ask, decision: Decision, send: Send) -> None:
    if ask.kind == "websocket":
        # before it is accepted, so that the server answers 403
        await send(_close())
        return
    body, given = refusal(ask, decision)
    headers = [(name.encode(), value.encode()) for name, value in given.items()]
    say = _with_headers(send)
    await say({"type": "http.response.start", "status": decision.status, "headers": headers})
    await say({"type": "http.response.body", "body": b"" if ask.method == "HEAD" else body})


def _with_headers(send: Send) -> Send:
    """Every answer says how a browser has to treat it, unless its route said so already."""

    async def say(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            given = {name.lower(): value for name, value in headers}
            wanted = dict(_HEADERS)
            if given.get(b"content-type", b"").lower().startswith(b"text/html"):
                wanted[b"content-security-policy"] = POLICY.encode()
            headers += [(name, value) for name, value in wanted.items() if name not in given]
            message = {**message, "headers": headers}
        await send(message)

    return say


def _close() -> Message:
    return {"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""}


class _SocketEndedError(OSError):
    """As a server says that the other end is gone: nothing can be sent any more."""


class _Socket:
    """One WebSocket, which ends when its caller is not ``allowed`` any more."""

    def __init__(
        self, receive: Receive, send: Send, allowed: Callable[[], Awaitable[bool]]
    ) -> None:
        self._receive = receive
        self._send = send
        self._allowed = allowed
        self._closed = False

    async def run(self, inner: App, scope: Scope) -> None:
        self._watch = asyncio.create_task(self._until_refused())
        self._heard: asyncio.Future[Message] | None = None
        serving = asyncio.ensure_future(inner(scope, self._hear, self._say))
        try:
            either: set[asyncio.Future[Any]] = {self._watch, serving}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                await self._end()
                await asyncio.wait({serving}, timeout=SOCKET_END_S)
            if serving.done():
                # an application may raise what is raised in it when it sends after the end
                with suppress(_SocketEndedError):
                    serving.result()
        finally:
            tasks = [task for task in (self._watch, self._heard, serving) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_refused(self) -> None:
        while await self._allowed():
            await asyncio.sleep(SOCKET_CHECK_S)

    async def _end(self) -> None:
        if self._closed:
            return
        # it may be gone just now, or take nothing any more
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._send(_close()), SOCKET_END_S)

    async def _hear(self) -> Message:
        if self._heard is None:
            self._heard = asyncio.ensure_future(self._receive())
        # an application that gives up waiting loses no message
        either: set[asyncio.Future[Any]] = {self._watch, self._heard}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._watch.done():
            return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION, "reason": ""}
        heard, self._heard = self._heard, None
        return heard.result()

    async def _say(self, message: Message) -> None:
        if self._watch.done():
            raise _SocketEndedError("the right to this socket has ended")
        if message["type"] == "websocket.close":
            self._closed = True
        await self._send(message)
