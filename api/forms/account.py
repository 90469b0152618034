"""The own account: password, second factor, sessions and language of whoever asks."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.auth import ASK, Token, presented
from api.forms.page import go, show, texts_of
from api.forms.refusals import REFUSALS, missing, said
from api.forms.sent import Fields, Sent, WrongError
from api.forms.words import ROLES, ROLES_SAID
from api.i18n import N_
from api.login import new_secret, password_problem, qr
from api.services import Asking, Served, Services
from api.sessions import actor_of
from api.store import User
from api.throttle import Refused

WRONG_PASSWORD: Final = N_("This is not your password: write the one that you have now.")
WRONG_CODE: Final = N_(
    "This is not the code that your phone shows now: check that its clock is right, and write the "
    "newest one."
)
NOT_PROVED: Final = N_(
    "Neither the code nor the password is right: write the newest code, a recovery code, or your "
    "password."
)
WAIT: Final = N_("Too many tries: wait %(n)d s, then try again.")
NO_PASSWORD: Final = N_(
    "You have no password yet: an administrator can make a link with which you choose one."
)
IS_ON: Final = N_("The second factor is on already: remove it before you set up another one.")
OLD_SECRET: Final = N_("This page is too old: set up the second factor anew.")
NO_SESSION: Final = N_("There is no such session any more.")
_UNKEPT: Final = {"Cache-Control": "no-store"}

router = APIRouter(include_in_schema=False)


class _Own(NamedTuple):
    """Somebody's form about their own account."""

    request: Request
    served: Services
    asking: Caller
    user: User
    sent: Fields

    def again(self, problem: str) -> Response:
        """The page once more, with what is wrong."""
        return _page(self.request, self.served, self.asking, self.user, problem)

    async def check_password(self, password: str, wrong: str = WRONG_PASSWORD) -> None:
        """Raise WrongError unless this is the password of who asks."""
        right = await self.served.login.is_own_password(self.user, password, self.asking.id)
        if isinstance(right, Refused):
            raise WrongError(WAIT, n=math.ceil(right.wait_s))
        if not right:
            raise WrongError(wrong)


@router.get("/account")
def account(request: Request, served: Served, asking: Asking) -> Response:
    user = None if asking.user is None else served.store.people.get(asking.user)
    return missing(request) if user is None else _page(request, served, asking, user)


@router.post("/account/{change}")
async def change(
    request: Request, served: Served, asking: Asking, change: str, sent: Sent
) -> Response:
    do = _CHANGES.get(change)
    user = None
    if asking.user is not None and do is not None:
        user = await run_in_threadpool(served.store.people.get, asking.user)
    if user is None or do is None:
        return missing(request)
    own = _Own(request, served, asking, user, sent)
    try:
        return await do(own)
    except REFUSALS as error:
        return await run_in_threadpool(own.again, said(texts_of(request), error))


async def _password(own: _Own) -> Response:
    if own.user.password is None:
        raise WrongError(NO_PASSWORD)
    await own.check_password(own.sent.secret("password"))
    new, _ = own.sent.secret("new"), texts_of(own.request)
    problem = password_problem(_, new, own.sent.secret("again"), own.user.name)
    if problem:
        return await run_in_threadpool(own.again, problem)
    kept, by = await own.served.login.hashed(new), actor_of(own.request)
    people = own.served.store.people
    changed = await run_in_threadpool(
        lambda: people.change_password(
            own.user.id, kept, by, session=own.asking.id, before=own.user.password
        )
    )
    own.served.keys.forget()
    if not changed:
        # somebody was faster, to whom it is not theirs any more
        raise WrongError(WRONG_PASSWORD)
    return go("/account?saved=password")


async def _new_factor(own: _Own) -> Response:
    if own.user.totp_secret is not None:
        raise WrongError(IS_ON)
    # or whoever finds a browser open could lock its person out
    if own.user.password is not None:
        await own.check_password(own.sent.secret("password"))
    return _factor(own, new_secret())


async def _confirm_factor(own: _Own) -> Response:
    if own.user.totp_secret is not None:
        raise WrongError(IS_ON)
    secret, seal = own.sent.text("secret"), own.sent.text("seal")
    if not hmac.compare_digest(seal.encode(), _seal(own.request, secret).encode()):
        raise WrongError(OLD_SECRET)
    code, by = own.sent.text("code"), actor_of(own.request)
    codes = await own.served.login.enrol(own.user.id, secret, code, by)
    if codes is None:
        return _factor(own, secret, texts_of(own.request)(WRONG_CODE))
    return show(own.request, "codes.html", {"codes": codes}, headers=_UNKEPT)


async def _no_factor(own: _Own) -> Response:
    if own.user.totp_secret is not None:
        proof = own.sent.secret("proof")
        if not await own.served.login.is_own_code(own.user, proof, own.asking.id):
            if own.user.password is None:
                raise WrongError(NOT_PROVED)
            await own.check_password(proof, NOT_PROVED)
        by = actor_of(own.request)
        await run_in_threadpool(own.served.store.people.clear_totp, own.user.id, by)
    return go("/account?saved=no-factor")


async def _end_session(own: _Own) -> Response:
    keys = own.served.store.keys
    session = own.sent.text("session")
    sessions = await run_in_threadpool(keys.sessions, own.user.id)
    if session not in {each.id for each in sessions}:
        raise WrongError(NO_SESSION)
    await run_in_threadpool(keys.end, session, actor_of(own.request))
    own.served.keys.forget()
    return go("/account?saved=session")


async def _end_others(own: _Own) -> Response:
    people, by = own.served.store.people, actor_of(own.request)
    await run_in_threadpool(lambda: people.end_sessions(own.user.id, by, but=own.asking.id))
    own.served.keys.forget()
    return go("/account?saved=others")


_CHANGES: Final[Mapping[str, Callable[[_Own], Awaitable[Response]]]] = {
    "password": _password,
    "new-factor": _new_factor,
    "factor": _confirm_factor,
    "no-factor": _no_factor,
    "end-session": _end_session,
    "end-others": _end_others,
}
SAVED: Final[Mapping[str, str]] = {
    "password": N_("Your password is changed; you are signed in here only."),
    "no-factor": N_("The second factor is off."),
    "session": N_("The session is ended."),
    "others": N_("You are signed in here only."),
}


def _seal(request: Request, secret: str) -> str:
    """What shows that this session was shown this secret: it is kept nowhere until a code of it
    has come."""
    token = presented(request.scope[ASK])
    session = token.reveal() if isinstance(token, Token) else ""
    return hmac.new(session.encode(), b"factor " + secret.encode(), hashlib.sha256).hexdigest()


def _factor(own: _Own, secret: str, problem: str = "") -> Response:
    values = {
        "secret": secret,
        "seal": _seal(own.request, secret),
        "picture": qr(secret, own.user.name),
    }
    status = 422 if problem else 200
    return show(own.request, "factor.html", values, status=status, problem=problem, headers=_UNKEPT)


def _page(
    request: Request, served: Services, asking: Caller, user: User, problem: str = ""
) -> Response:
    _ = texts_of(request)
    groups = served.store.groups.all()
    saved = "" if problem else SAVED.get(request.query_params.get("saved", ""), "")
    values: dict[str, Any] = {
        "user": user,
        "role": _(ROLES[user.role]),
        "role_said": _(ROLES_SAID[user.role]),
        "groups": [group for group in groups if group.id in user.groups],
        "every_camera": asking.cameras is None,
        "cameras": sorted(asking.cameras or ()),
        "codes_left": served.store.people.recovery_left(user.id),
        "sessions": served.store.keys.sessions(user.id),
        "session": asking.id,
        "saved": _(saved),
    }
    return show(request, "account.html", values, status=422 if problem else 200, problem=problem)
