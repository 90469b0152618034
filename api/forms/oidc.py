"""To sign in at another service, and back: who is known here comes in, everybody else reads what
to do about it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.auth import ASK, Ask
from api.forms.page import show, texts_of
from api.forms.sent import asked
from api.forms.signing import WAIT, next_path
from api.i18n import N_
from api.oidc import BACK, PENDING_S, Pending, Person, SignIn
from api.oidc.token import (
    NotBegunError,
    SignInDeniedError,
    SignInError,
    SignInGoneError,
    SignInOverError,
)
from api.services import Served, Services
from api.sessions import UNKEPT, known_browser, set_cookie, sign_in
from api.store import Actor, Store, User
from api.store.audit import Values
from api.throttle import place_of

START: Final = "/oidc/start"
COOKIE: Final = "oidc"
MAX_PAGE_BYTES: Final = 500
NOT_SET_UP: Final = N_("This server has no sign-in service: sign in with your password.")
GONE: Final = N_(
    "The sign-in service gives no answer now: try again in a minute, or sign in with your password."
)
NOT_UNDERSTOOD: Final = N_(
    "The sign-in service and this server do not understand each other: tell an administrator, who "
    "finds the reason in this server's log."
)
OVER: Final = N_(
    "This sign-in was begun too long ago, in another browser, or at another address of this "
    "server: sign in again."
)
DENIED: Final = N_(
    "The sign-in service did not let you in: sign in again, or ask whoever runs that service."
)
UNKNOWN: Final = N_(
    "Nobody here is called “%(name)s” at the sign-in service: ask an administrator to add you with "
    "exactly this name at the sign-in service."
)
UNNAMED: Final = N_(
    "The sign-in service does not say who you are: tell an administrator that it has to send "
    "“%(claim)s” to this server."
)
UNVERIFIED: Final = N_(
    "The sign-in service has not checked that “%(name)s” is yours: have it checked there, then "
    "sign in again."
)
DISABLED: Final = N_("Your account here is disabled: ask an administrator to enable it.")
_SAID: Final[tuple[tuple[type[SignInError], int, str], ...]] = (
    (SignInGoneError, 503, GONE),
    (SignInOverError, 400, OVER),
    (SignInDeniedError, 403, DENIED),
    (SignInError, 502, NOT_UNDERSTOOD),
)

log = structlog.get_logger()
router = APIRouter(include_in_schema=False)


class _RefusedError(Exception):
    """Somebody signed in there who does not come in here; ``text`` says why, ``why`` the record."""

    def __init__(self, why: str, text: str, **values: str) -> None:
        super().__init__(why)
        self.why = why
        self.text = text
        self.values = values


@router.get(START)
async def start(request: Request, served: Served) -> Response:
    """Send the browser to the sign-in service."""
    if served.oidc is None:
        return _page(request, 404, NOT_SET_UP)
    ask: Ask = request.scope[ASK]
    wanted = asked(ask.query).get("next", "/")
    try:
        # what is too long for a cookie is not worth one
        address, pending = await served.oidc.start(
            wanted if len(wanted.encode()) <= MAX_PAGE_BYTES else "/"
        )
    except SignInError as error:
        return _sorry(request, served.oidc, error)
    answer = RedirectResponse(address, 303, UNKEPT)
    set_cookie(answer, ask, COOKIE, pending.text(), PENDING_S)
    return answer


@router.get(BACK)
async def back(request: Request, served: Served) -> Response:
    """Let in who comes back from the sign-in service. What was begun is over with this, however
    it ends."""
    if served.oidc is None:
        return _page(request, 404, NOT_SET_UP)
    ask: Ask = request.scope[ASK]
    tries = served.oidc.tries
    # with a browser that somebody came in with, nobody waits for what others do
    whose = await known_browser(ask, served.keys) or place_of(ask.peer)
    wait_s = tries.wait_s(whose, time.monotonic())
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        return _page(request, 429, WAIT, {"n": seconds}, {"Retry-After": str(seconds)})
    begun = True
    try:
        answer = await _let_in(request, served, served.oidc)
    except SignInError as error:
        # another site's page can send anybody here, who has then not failed at anything
        begun = not isinstance(error, NotBegunError)
        answer = _sorry(request, served.oidc, error)
    except _RefusedError as refused:
        answer = _page(request, 403, refused.text, refused.values)
    if begun and answer.status_code >= 400:
        # each one asks the service, or adds to the record
        tries.count(whose, time.monotonic())
    set_cookie(answer, ask, COOKIE, "", 0)
    return answer


async def _let_in(request: Request, served: Services, oidc: SignIn) -> Response:
    ask: Ask = request.scope[ASK]
    kept = ask.cookies(ask.cookie_name(COOKIE))
    pending = Pending.read(kept[0], oidc.now()) if len(kept) == 1 else None
    if pending is None:
        raise NotBegunError("somebody came back who has not begun to sign in here lately")
    person = await oidc.finish(pending, asked(ask.query))
    by = Actor("nobody", person.called or "", None, ask.peer)
    try:
        user = await run_in_threadpool(_user, served.store, person, oidc.claim, by)
        # the cookie could say anything by now
        answer = await sign_in(request, served, user.id, "oidc", next_path(pending.page))
        if answer is None:
            raise _RefusedError("disabled", DISABLED)
    except _RefusedError as refused:
        await run_in_threadpool(_record, served.store, person, refused.why, by)
        raise
    return answer


def _user(store: Store, person: Person, claim: str, by: Actor) -> User:
    """Who this is here: whoever it was before, and else whom an administrator has added under the
    name that the service tells. Raises _RefusedError, StoreError."""
    known = store.people.known_as(person.issuer, person.subject)
    if known is not None:
        return known
    if person.called is None:
        raise _RefusedError("unnamed", UNNAMED, claim=claim)
    if not person.verified:
        raise _RefusedError("unverified", UNVERIFIED, name=person.called)
    bound = store.people.bind(person.called, person.issuer, person.subject, by)
    if bound is None:
        raise _RefusedError("unknown", UNKNOWN, name=person.called)
    return bound


def _record(store: Store, person: Person, why: str, by: Actor) -> None:
    said: Values = {"issuer": person.issuer, "subject": person.subject, "why": why}
    store.audit.add(by, "login.refused", "user", person.called or "", said)


def _sorry(request: Request, oidc: SignIn, error: SignInError) -> Response:
    ask: Ask = request.scope[ASK]
    # everybody may come here, and no log is to grow by that
    place, now_s = f"log {place_of(ask.peer)}", time.monotonic()
    if oidc.tries.wait_s(place, now_s) <= 0:
        oidc.tries.count(place, now_s)
        log.warning("somebody could not sign in elsewhere", why=str(error))
    status, text = next((status, text) for kind, status, text in _SAID if isinstance(error, kind))
    return _page(request, status, text)


def _page(
    request: Request,
    status: int,
    text: str,
    values: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    said = texts_of(request)(text)
    return show(
        request,
        "oidc_refused.html",
        {"said": said % values if values else said},
        status=status,
        headers={**UNKEPT, **(headers or {})},
    )
