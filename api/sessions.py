"""Sessions of people: a link that is printed opens one, once; its browser keeps it as a cookie."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.auth import CALLER, ENTER, WRONG_LINK, Caller, cookie_name, linked, new_token
from api.door import asked, page, refusal, wants_page
from api.services import Served
from api.store import Store

ADMINISTRATOR: Final = "administrator"
"""The name of a session; acknowledged alerts show it."""
LINK_S: Final = 3600.0
SESSION_S: Final = 7 * 86_400.0
_AHEAD: Final = "this link is used by opening it, not by fetching it ahead: open it in a browser"
_NO_SESSION: Final = "there is no session to leave: 'matakota keys revoke' ends a machine key"
_BACK: Final = "To come back, run matakota link on the server and open the address that it prints."
_UNKEPT: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""The address holds a secret: it is neither kept nor told to the next page."""

router = APIRouter(include_in_schema=False)


def new_link(store: Store, host: str, port: int) -> str:
    """An address that opens a session as administrator once, within ``LINK_S``. ``host`` is where
    the server listens or is reached. Raises StoreError."""
    token = new_token("link")
    store.keys.add_link(token.id, ADMINISTRATOR, token.hash, lasts_s=LINK_S)
    return f"http://{_reached(host)}:{port}{ENTER}?link={token.reveal()}"


def _reached(host: str) -> str:
    """The host in an address; a server that listens everywhere is reached on its own machine."""
    try:
        ip = ip_address(host)
    except ValueError:
        return host
    if ip.is_unspecified:
        return "[::1]" if ip.version == 6 else "127.0.0.1"
    return f"[{host}]" if ip.version == 6 else host


@router.api_route(ENTER, methods=["GET", "HEAD"])
async def enter(request: Request, served: Served) -> Response:
    """Turn the link in the address into a session."""
    link = linked(request.scope["query_string"])
    if link is None:
        # let in by something else
        return RedirectResponse("/", 303, _UNKEPT)
    if request.method == "HEAD" or _is_ahead(request):
        # no success, which a browser would keep for when the person comes
        return JSONResponse({"detail": _AHEAD}, 503, _UNKEPT)
    session = new_token("session")
    found = await run_in_threadpool(
        served.store.keys.redeem,
        link.id, link.hash, session.id, session.hash,
        lasts_s=SESSION_S,
    )  # fmt: skip
    served.keys.forget(link.id)
    if found is None:
        # somebody else was faster
        body, headers = refusal(asked(request.scope), WRONG_LINK)
        return Response(body, WRONG_LINK.status, headers | _UNKEPT)
    answer = RedirectResponse("/", 303, _UNKEPT)
    _set_cookie(answer, request, session.reveal(), int(SESSION_S))
    return answer


@router.post("/leave")
async def leave(request: Request, served: Served) -> Response:
    """End the session that asks."""
    caller: Caller = request.scope[CALLER]
    if caller.kind != "session":
        raise HTTPException(422, _NO_SESSION)
    await run_in_threadpool(served.store.keys.end, caller.id)
    served.keys.forget(caller.id)
    if wants_page(asked(request.scope)):
        said = page("You have left", "This browser shows nothing any more.", _BACK)
        answer = Response(said, media_type="text/html")
    else:
        answer = Response(status_code=204)
    _set_cookie(answer, request, "", 0)
    return answer


def _is_ahead(request: Request) -> bool:
    """Whether a browser fetches what its person has not asked for yet."""
    return any(
        "prefetch" in value.lower() or "preview" in value.lower() or "prerender" in value.lower()
        for name in ("sec-purpose", "purpose", "x-purpose", "x-moz")
        for value in request.headers.getlist(name)
    )


def _set_cookie(answer: Response, request: Request, value: str, max_age_s: int) -> None:
    ask = asked(request.scope)
    # A proxy says so where it speaks TLS for us; whoever says so falsely gets less, not more.
    proxied = any(scheme.strip().lower() == "https" for scheme in ask.values(b"x-forwarded-proto"))
    answer.set_cookie(
        cookie_name(ask.port),
        value,
        max_age=max_age_s,
        path="/",
        httponly=True,
        samesite="lax",
        secure=ask.tls or proxied,
    )
