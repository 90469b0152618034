"""Sessions of people: how one begins, and in which browser it is kept."""

from __future__ import annotations

import hmac
from functools import partial
from typing import Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.auth import ASK, CALLER, Ask, Token, new_token, read_token
from api.known import KnownKeys
from api.services import Services
from api.store import Actor, ActorKind, Key, NewSession

SESSION_S: Final = 7 * 86_400.0
DEVICE_S: Final = 90 * 86_400.0
DEVICE: Final = "device"
"""The cookie of a browser that came in before."""
MAX_DEVICES: Final = 4
"""So many people may share a browser before it forgets the first of them."""
DEVICES_APART: Final = "."
UNKEPT: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""An address that holds a secret is neither kept nor told to the next page."""


async def sign_in(
    request: Request,
    served: Services,
    user: int,
    how: str,
    to: str = "/",
    *,
    password: str | None = None,
) -> Response | None:
    """Let in who proved to be this user, by ``how``, and lead them ``to`` a path of ours. None
    where the user is disabled by now, or has another password than that of this hash. Raises
    StoreError."""
    session = new_token("session")
    begun = new_session(request, session.id, session.hash)
    begin = partial(served.store.keys.begin, password=password)
    key = await run_in_threadpool(begin, user, begun, how)
    return None if key is None else await come_in(request, served, session, key, to)


async def come_in(
    request: Request, served: Services, session: Token, key: Key, to: str = "/"
) -> Response:
    """Have the browser keep a session that has begun, and lead it ``to`` a path of ours. Another
    one that it has ends with this, and it is known from now on as one that came in before."""
    ask: Ask = request.scope[ASK]
    old = await session_of(ask, served.keys)
    answer = RedirectResponse(to, 303, UNKEPT)
    if old is not None and old.id != session.id:
        await run_in_threadpool(served.store.keys.end, old.id, _as(old, ask))
        served.keys.forget(old.id)
    set_cookie(answer, ask, "", session.reveal(), SESSION_S)
    if key.user is not None:
        kept = await _with_device(ask, served, key.user)
        value = DEVICES_APART.join(token.reveal() for token in kept)
        set_cookie(answer, ask, DEVICE, value, DEVICE_S)
    return answer


async def session_of(ask: Ask, keys: KnownKeys) -> Caller | None:
    """Whose session the browser has, also where the path needs none. Raises StoreError."""
    cookies = ask.cookies(ask.cookie_name())
    token = read_token("session", cookies[0]) if len(cookies) == 1 else None
    holder = None if token is None else await keys.get(token.id)
    if token is None or holder is None or not holder.is_live(keys.now()):
        return None
    same = hmac.compare_digest(token.hash, holder.key.hash)
    return holder.caller if same and holder.key.kind == "session" else None


def devices_of(ask: Ask) -> list[Token]:
    """What the browser keeps of those who came in with it before; whether it is true, the store
    knows."""
    cookies = ask.cookies(ask.cookie_name(DEVICE))
    parts = cookies[0].split(DEVICES_APART)[:MAX_DEVICES] if len(cookies) == 1 else []
    return [token for part in parts if (token := read_token("device", part)) is not None]


async def known_browser(ask: Ask, keys: KnownKeys) -> str | None:
    """The id of the browser, if somebody came in with it before. Raises StoreError."""
    for token in devices_of(ask):
        holder = await keys.get(token.id)
        if holder is None or holder.key.kind != "device" or not holder.is_live(keys.now()):
            continue
        if hmac.compare_digest(holder.key.hash, token.hash):
            return token.id
    return None


async def _with_device(ask: Ask, served: Services, user: int) -> list[Token]:
    """What the browser is to keep, now that this user came in: theirs first, and of others who use
    it too. One that is good for long yet is kept."""
    mine, others = None, []
    for token in devices_of(ask):
        holder = await served.keys.get(token.id)
        if holder is None or not hmac.compare_digest(holder.key.hash, token.hash):
            continue
        if holder.key.user != user:
            others.append(token)
        elif holder.is_live(served.keys.now() + DEVICE_S / 2):
            mine = token
    if mine is None:
        mine = new_token("device")
        add = partial(served.store.keys.add_device, lasts_s=DEVICE_S)
        await run_in_threadpool(add, mine.id, mine.hash, user)
        served.keys.forget(mine.id)
    return [mine, *others][:MAX_DEVICES]


def actor_of(request: Request) -> Actor:
    """Who asks, for the record."""
    caller: Caller | None = request.scope.get(CALLER)
    ask: Ask = request.scope[ASK]
    return Actor("nobody", "", None, ask.peer) if caller is None else _as(caller, ask)


def _as(caller: Caller, ask: Ask) -> Actor:
    if caller.kind == "key":
        return Actor("key", caller.name, caller.id, ask.peer)
    kind: ActorKind = "user" if caller.kind == "session" else "link"
    return Actor(kind, caller.name, None if caller.user is None else str(caller.user), ask.peer)


def new_session(request: Request, session_id: str, secret_hash: str) -> NewSession:
    """A session that is to begin in the browser that asks."""
    ask: Ask = request.scope[ASK]
    agent = next(iter(ask.values(b"user-agent")), None)
    return NewSession(session_id, secret_hash, SESSION_S, ask.peer, agent)


def set_cookie(answer: Response, ask: Ask, what: str, value: str, max_age_s: float) -> None:
    """Have the browser keep the session, or ``what``; with 0 s, forget it."""
    answer.set_cookie(
        ask.cookie_name(what),
        value,
        max_age=int(max_age_s),
        path="/",
        httponly=True,
        samesite="lax",
        secure=ask.tls,
    )
