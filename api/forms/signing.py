"""To sign in with a password, to use a link, to leave; and in which language one is spoken to."""

from __future__ import annotations

import math
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission, find_rule
from api.auth import ASK, CALLER, ENTER, LOGIN, WRONG_LINK, Ask, Token, linked, new_token
from api.door import refusal, wants_page
from api.forms.page import FILES, THEMES, language_of, show, static, texts_of
from api.forms.refusals import REFUSALS, said
from api.forms.sent import Fields, Sent, asked
from api.i18n import LANGUAGES, N_
from api.login import MIN_CHARS, Tried, password_problem
from api.services import Served, Services
from api.sessions import (
    UNKEPT,
    actor_of,
    come_in,
    devices_of,
    new_session,
    session_of,
    set_cookie,
    sign_in,
)
from api.store import Key
from api.throttle import Refused

LANGUAGE_S: Final = 365 * 86_400.0
FILE_S: Final = 86_400
MAX_PATH_CHARS: Final = 1000
WRONG: Final = N_(
    "This is not right: check name, password and code. Whoever has set up codes needs one that "
    "was not used yet."
)
WAIT: Final = N_("There were too many tries: wait %(n)d seconds, then try again.")
THERE_IS_ONE: Final = N_(
    "There is an administrator already, so this link makes none: sign in, or ask them for access."
)
_AHEAD: Final = "this link is used by opening it, not by fetching it ahead: open it in a browser"
_UNTOLD: Final = {**UNKEPT, "Referrer-Policy": "strict-origin"}
"""For a page whose address holds a secret, and that sends a form: with no referrer at all, a
browser would not say either that the form is ours."""

router = APIRouter(include_in_schema=False)


def own_path(text: str) -> str:
    """A path of ours as it was wanted, with what follows it; "/" for whatever else it is."""
    path, mark, query = text.partition("?")
    fits = len(text) <= MAX_PATH_CHARS and path[:1] == "/" and path[:2] != "//"
    rule = find_rule("http", "GET", path).rule if fits else None
    if rule is None or rule.needs is Permission.ENTER:
        return "/"
    return quote(path) + (mark and "?" + quote(query, safe="=&%+"))


def next_path(text: str) -> str:
    """The same, for whoever has come in: what is open to everybody is not where they go."""
    rule = find_rule("http", "GET", text.partition("?")[0]).rule
    return "/" if rule is None or rule.needs is None else own_path(text)


@router.api_route(LOGIN, methods=["GET", "HEAD"])
async def login(request: Request, served: Served) -> Response:
    if await session_of(request.scope[ASK], served.keys) is not None:
        return RedirectResponse("/", 303)
    return await _login_page(request, served, _wanted(request))


@router.post(LOGIN)
async def sign(request: Request, served: Served, sent: Sent) -> Response:
    ask: Ask = request.scope[ASK]
    _ = texts_of(request)
    to = next_path(sent.text("next"))
    tried = Tried(
        sent.text("name"), sent.secret("password"), sent.text("code"), ask.peer, devices_of(ask)
    )
    found = await served.login.check(tried)
    if isinstance(found, Refused):
        wait_s = math.ceil(found.wait_s)
        return await _login_page(
            request, served, to, tried.name,
            status=429, problem=_(WAIT) % {"n": wait_s}, headers={"Retry-After": str(wait_s)},
        )  # fmt: skip
    answer = None
    if found is not None:
        user = found.user
        answer = await sign_in(request, served, user.id, found.how, to, password=user.password)
    if answer is None:
        return await _login_page(request, served, to, tried.name, status=403, problem=_(WRONG))
    return answer


def _wanted(request: Request) -> str:
    return next_path(asked(request.scope[ASK].query).get("next", "/"))


async def _login_page(
    request: Request,
    served: Services,
    to: str,
    name: str = "",
    *,
    status: int = 200,
    problem: str = "",
    headers: dict[str, str] | None = None,
) -> Response:
    # whoever tried already has read it
    ready = bool(problem) or await run_in_threadpool(served.store.people.has_administrator)
    elsewhere = "" if served.oidc is None else "/oidc/start?" + urlencode({"next": to})
    service = "" if served.oidc is None else served.oidc.name
    values = {
        "name": name, "next": to, "ready": ready, "elsewhere": elsewhere, "service": service,
    }  # fmt: skip
    return show(request, "login.html", values, status=status, problem=problem, headers=headers)


@router.api_route(ENTER, methods=["GET", "HEAD"])
async def enter(request: Request, served: Served) -> Response:
    """Use the link in the address: it opens a session at once, or asks for a password first."""
    caller: Caller = request.scope[CALLER]
    link = linked(request.scope["query_string"])
    if link is None:
        # let in by something else
        return RedirectResponse("/", 303, UNKEPT)
    if caller.kind != "link":
        return await _asked(request, served, caller, Fields())
    if request.method == "HEAD" or _is_ahead(request):
        # no success, which a browser would keep for when the person comes
        return JSONResponse({"detail": _AHEAD}, 503, UNKEPT)
    session = new_token("session")
    begun = new_session(request, session.id, session.hash)
    key = await run_in_threadpool(served.store.keys.redeem, link.id, link.hash, begun)
    return await _entered(request, served, session, key)


@router.post(ENTER)
async def use(request: Request, served: Served, sent: Sent) -> Response:
    """Set what the link lets one set, and come in with that."""
    caller: Caller = request.scope[CALLER]
    link = linked(request.scope["query_string"])
    if link is None:
        return RedirectResponse("/", 303, UNKEPT)
    if caller.kind == "link" or sent.has("language"):
        answer = RedirectResponse(f"{ENTER}?link={link.reveal()}", 303, UNKEPT)
        _keep_language(request, answer, sent.text("language"))
        return answer
    _ = texts_of(request)
    name = sent.text("name") if caller.kind == "setup" else caller.name
    password = sent.secret("password")
    problem = password_problem(_, password, sent.secret("again"), name)
    if problem:
        return await _asked(request, served, caller, sent, problem)
    kept = await served.login.hashed_for(link.id, password)
    if isinstance(kept, Refused):
        return await _asked(request, served, caller, sent, _(WAIT) % {"n": math.ceil(kept.wait_s)})
    people, session = served.store.people, new_token("session")
    begun = new_session(request, session.id, session.hash)
    try:
        if caller.kind == "setup":
            key = await run_in_threadpool(people.set_up, link.id, link.hash, name, kept, begun)
        else:
            key = await run_in_threadpool(people.choose_password, link.id, link.hash, kept, begun)
    except REFUSALS as error:
        return await _asked(request, served, caller, sent, said(_, error))
    return await _entered(request, served, session, key)


async def _asked(
    request: Request, served: Services, caller: Caller, sent: Fields, problem: str = ""
) -> Response:
    """The form of a link that lets one set something; showing it uses nothing up."""
    _ = texts_of(request)
    if caller.kind == "setup" and await run_in_threadpool(served.store.people.has_administrator):
        one = {"title": _("Nothing to set up"), "said": _(THERE_IS_ONE)}
        return show(request, "said.html", one, status=409, headers=UNKEPT)
    values = {
        "name": sent.text("name") if caller.kind == "setup" else caller.name,
        "here_secretly": f"{ENTER}?{request.scope['query_string'].decode('ascii')}",
        "min_chars": MIN_CHARS,
    }
    template = "setup.html" if caller.kind == "setup" else "password.html"
    status = 422 if problem else 200
    return show(request, template, values, status=status, problem=problem, headers=_UNTOLD)


async def _entered(request: Request, served: Services, session: Token, key: Key | None) -> Response:
    """Come in by what a link has begun; where that is nothing, somebody else was faster."""
    # with a password, whatever else its user had has ended
    served.keys.forget()
    if key is not None:
        return await come_in(request, served, session, key)
    status, body, headers = refusal(request.scope[ASK], WRONG_LINK)
    return Response(body, status, headers | UNKEPT)


@router.post("/leave")
async def leave(request: Request, served: Served) -> Response:
    """End the session that asks."""
    caller: Caller = request.scope[CALLER]
    await run_in_threadpool(served.store.keys.end, caller.id, actor_of(request))
    served.keys.forget(caller.id)
    if wants_page(request.scope[ASK]):
        answer: Response = RedirectResponse(LOGIN, 303)
    else:
        answer = Response(status_code=204)
    set_cookie(answer, request.scope[ASK], "", "", 0)
    return answer


@router.post("/language")
async def language(request: Request, served: Served, sent: Sent) -> Response:
    """Speak to this browser in another language, and to its person wherever they sign in."""
    wanted = sent.text("language")
    answer = RedirectResponse(own_path(sent.text("back")), 303)
    _keep_language(request, answer, wanted)
    caller = await session_of(request.scope[ASK], served.keys)
    if caller is not None and caller.user is not None and wanted in LANGUAGES:
        await run_in_threadpool(served.store.people.set_language, caller.user, wanted)
        served.keys.forget()
    return answer


def _keep_language(request: Request, answer: Response, wanted: str) -> None:
    if wanted in LANGUAGES and wanted != language_of(request):
        set_cookie(answer, request.scope[ASK], "language", wanted, LANGUAGE_S)


@router.post("/theme")
async def theme(request: Request, sent: Sent) -> Response:
    """Show pages in other colours in this browser."""
    wanted = sent.text("theme")
    answer = RedirectResponse(own_path(sent.text("back")), 303)
    if wanted in THEMES:
        set_cookie(answer, request.scope[ASK], "theme", wanted, LANGUAGE_S)
    return answer


@router.api_route("/door/{file}", methods=["GET", "HEAD"])
async def loaded(file: str) -> Response:
    """What these pages load, whoever asks."""
    kind = FILES.get(file)
    if kind is None:
        raise HTTPException(404)
    # its address names its content
    kept = {"Cache-Control": f"public, max-age={FILE_S}", "Content-Type": kind}
    return Response(static(file), headers=kept)


def _is_ahead(request: Request) -> bool:
    """Whether a browser fetches what its person has not asked for yet."""
    return any(
        "prefetch" in value.lower() or "preview" in value.lower() or "prerender" in value.lower()
        for name in ("sec-purpose", "purpose", "x-purpose", "x-moz")
        for value in request.headers.getlist(name)
    )
