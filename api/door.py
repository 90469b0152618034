"""The door: everything that is served stands behind one decision, and leaves with one set of
headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import replace
from html import escape
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool

from api.access import METHODS, Caller, find_rule
from api.auth import (
    ALIVE,
    ASK,
    CALLER,
    FORM_TOKEN,
    INSIDER,
    LOGIN,
    NO_KEY,
    NO_TOKEN,
    OTHER_METHOD,
    TOKEN_FIELD,
    WRONG_LINK,
    WRONG_SESSION,
    Ask,
    Decision,
    Token,
    decide,
    form_secret,
    form_token,
    may_hear_why,
    opened,
    presented,
)
from api.i18n import N_, Texts, chosen, texts
from api.known import KnownKeys
from api.proxies import NO_PROXIES, Proxies
from api.store import Holder
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
MAX_FORM_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 2000
FORM_S: Final = 10.0
"""A form that has not come after this is not waited for."""
TOO_LONG: Final = Decision(
    413, N_("a form has at most 64 KiB and comes within 10 s: send it again")
)
SOCKET_END_S = 2.0
"""What serves a socket that has ended is ended itself after this."""
_POLICY_VIOLATION: Final = 1008
_FORM: Final = "application/x-www-form-urlencoded"

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
_TLS_HEADERS: Final[Mapping[bytes, bytes]] = {
    b"strict-transport-security": b"max-age=31536000",
}
_PAGE: Final = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>Matakota</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; background: #16202b; color: #e6edf3; margin: 0;
  display: grid; place-content: center; min-height: 100vh; padding: 1rem; box-sizing: border-box; }}
main {{ max-width: 38rem; }} p::first-letter {{ text-transform: uppercase; }}
a {{ color: #38bdf8; }}
</style></head><body><main><h1>{title}</h1>
{said}
</main></body></html>
"""


class Door:
    """The whole application behind one decision, for HTTP and WebSocket alike.

    ``inner`` is what stands behind the door; it must not be served without it.
    """

    def __init__(
        self, inner: App, keys: KnownKeys, *, everywhere: bool, proxies: Proxies = NO_PROXIES
    ) -> None:
        self.inner = inner
        self._keys = keys
        self._everywhere = everywhere
        self._proxies = proxies
        self._uses: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self.inner(scope, receive, send)
            return
        if kind not in {"http", "websocket"}:
            raise ServiceError(f"a connection of type {kind} is not served: use HTTP")
        ask = self._proxies.asked(scope)
        try:
            holder = await self._holder(ask)
            decision = self._decide(ask, holder)
            # of whoever lacks anything else, no form is read; every other one is bounded here
            if carries_form(ask) and (decision == NO_TOKEN or _sends_form(decision, holder)):
                body = await _read_form(receive)
                token, receive = _field(body), _again(body, receive)
                if not decision.allowed:
                    ask = replace(ask, form=token)
                    decision = self._decide(ask, holder)
        except StoreError as error:
            decision = Decision(503, str(error))
        except _TooLongError:
            decision = TOO_LONG
        if not decision.allowed:
            await _refuse(ask, decision, send)
            return
        # what is open to everybody says more to whoever is known
        if holder is None and ask.path != ALIVE:
            holder = await self._offered(ask)
        secret = form_secret(ask)
        scope[ASK] = ask
        scope[FORM_TOKEN] = None if secret is None else form_token(secret)
        scope[INSIDER] = may_hear_why(ask, holder)
        caller = None if holder is None else holder.caller
        if caller is not None:
            scope[CALLER] = caller
            self._note(caller)
        if kind == "http":
            await self.inner(scope, receive, _with_headers(send, tls=ask.tls))
        elif caller is None:
            await _refuse(ask, NO_KEY, send)
        else:
            await _Socket(receive, send, lambda: self._stays(caller, ask)).run(self.inner, scope)

    def _decide(self, ask: Ask, holder: Holder | None) -> Decision:
        return decide(ask, everywhere=self._everywhere, holder=holder, now=self._keys.now())

    async def _stays(self, caller: Caller, ask: Ask) -> bool:
        """Whether who opened a socket may still have it."""
        now = await self._keys.renewed(caller)
        rule = find_rule(ask.kind, ask.method, ask.path).rule
        return now is not None and rule is not None and (rule.needs is None or now.may(rule.needs))

    async def _holder(self, ask: Ask) -> Holder | None:
        # Whoever is refused, or needs no key, costs no question to the store.
        token = presented(ask)
        if isinstance(token, Decision):
            return None
        return await self._keys.get(token.id) if self._decide(ask, None).status == 401 else None

    async def _offered(self, ask: Ask) -> Holder | None:
        """Who somebody is that needs to be nobody here."""
        token = presented(ask)
        if not isinstance(token, Token):
            return None
        try:
            holder = await self._keys.get(token.id)
        except StoreError:
            return None
        return holder if opened(ask, holder=holder, now=self._keys.now()).allowed else None

    def _note(self, caller: Caller) -> None:
        """Keep that a key was used, without letting its request wait for that."""
        kept = caller.kind in {"key", "session"}
        if kept and len(self._uses) < MAX_USES and self._keys.use(caller.id):
            task = asyncio.create_task(run_in_threadpool(self._keys.keep_use, caller.id))
            self._uses.add(task)
            task.add_done_callback(self._uses.discard)


class _TooLongError(Exception):
    """A form has more than ``MAX_FORM_BYTES`` or ``MAX_FIELDS``, or does not come."""


def carries_form(ask: Ask) -> bool:
    """Whether a form is sent by a browser, whose token is to be read before anything else."""
    if ask.kind != "http" or ask.is_reading:
        return False
    kinds = ask.values(b"content-type")
    return len(kinds) == 1 and kinds[0].partition(";")[0].strip().lower() == _FORM


def _sends_form(decision: Decision, holder: Holder | None) -> bool:
    """Whether a form comes with its token in the header. Programs call everything they send one,
    and the routes that they may use bound it themselves."""
    return decision.allowed and (holder is None or holder.key.kind != "key")


async def _read_form(receive: Receive) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > MAX_FORM_BYTES or message["type"] == "http.disconnect":
                    raise _TooLongError
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise _TooLongError from None
    if body.count(b"&") >= MAX_FIELDS:
        raise _TooLongError
    return bytes(body)


def _field(body: bytes) -> str | None:
    """The token in a form; none where it is there twice."""
    fields = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    found = [value for name, value in fields if name == TOKEN_FIELD]
    return found[0] if len(found) == 1 else None


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read already, for the application, and then what comes."""
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return unread.pop() if unread else await receive()

    return give


def page(_: Texts, decision: Decision) -> bytes:
    """A small page that needs nothing else, for a person's browser: why there is no other one."""
    said = f"<p>{escape(_(decision.detail))}</p>"
    if decision == WRONG_LINK:
        # for whoever is in already
        back = escape(_("This browser came in before"))
        said += f'\n<p><a href="/">{back}</a></p>'
    title = escape(_("Not let in")) if decision.status in {401, 403} else "Matakota"
    return _PAGE.format(language=_.language, title=title, said=said).encode()


def refusal(
    ask: Ask, decision: Decision, caller: Caller | None = None
) -> tuple[int, bytes, dict[str, str]]:
    """The status, body and headers that say why: for a browser's window a page, or the way to
    where a person signs in; otherwise JSON. ``caller`` is who was let in, if anybody."""
    shown = wants_page(ask)
    if shown and ask.is_reading and decision in {NO_KEY, WRONG_SESSION}:
        # where they wanted to go, as far as it is a place of ours
        known = ask.path != "/" and find_rule(ask.kind, "GET", ask.path).rule is not None
        wanted = f"?next={quote(ask.path)}" if known else ""
        return 303, b"", {"location": LOGIN + wanted, "content-length": "0"}
    if shown:
        body = page(_texts(ask, caller), decision)
        kind = "text/html; charset=utf-8"
    else:
        body = json.dumps({"detail": decision.detail}, ensure_ascii=False).encode()
        kind = "application/json"
    headers = {"content-type": kind, "content-length": str(len(body))}
    if decision == OTHER_METHOD:
        found = (method for method in METHODS if find_rule(ask.kind, method, ask.path).rule)
        headers["allow"] = ", ".join(found)
    if decision.status == 401:
        headers["www-authenticate"] = 'Bearer realm="matakota"'
    return decision.status, body, headers


def _texts(ask: Ask, caller: Caller | None) -> Texts:
    """The texts in the language that the person chose, or else in this browser's."""
    kept = next(iter(ask.cookies(ask.cookie_name("language"))), None)
    person = None if caller is None else caller.language
    return texts(chosen(person, kept, ",".join(ask.values(b"accept-language"))))


def wants_page(ask: Ask) -> bool:
    """Whether a browser's window shows the answer."""
    return any("text/html" in accepted.lower() for accepted in ask.values(b"accept"))


async def _refuse(ask: Ask, decision: Decision, send: Send) -> None:
    if ask.kind == "websocket":
        # before it is accepted, so that the server answers 403
        await send(_close())
        return
    status, body, given = refusal(ask, decision)
    headers = [(name.encode(), value.encode()) for name, value in given.items()]
    say = _with_headers(send, tls=ask.tls)
    await say({"type": "http.response.start", "status": status, "headers": headers})
    await say({"type": "http.response.body", "body": b"" if ask.method == "HEAD" else body})


def _with_headers(send: Send, *, tls: bool) -> Send:
    """Every answer says how a browser has to treat it, unless its route said so already."""

    async def say(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            given = {name.lower(): value for name, value in headers}
            wanted = {**_HEADERS, **(_TLS_HEADERS if tls else {})}
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
