"""How a form's page is built: its template, its language, the token that it has to send back."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from api.access import Caller, Permission, find_rule
from api.auth import ASK, CALLER, ENTER, FORM_TOKEN, TOKEN_FIELD, Ask, form_token
from api.i18n import LANGUAGES, N_, Language, Texts, chosen, texts
from api.sessions import set_cookie
from api.times import local

FORM_S: Final = 86_400.0
"""So long a form may stay open before it is sent by somebody who has no session."""
POLICY: Final = "; ".join([
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self' data:",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
])  # fmt: skip
"""These pages run no script, but for those that say so."""
MENU: Final = (
    ("/room/", N_("Operations room"), Permission.PERSON),
    ("/map", N_("Map"), Permission.ALERTS_READ),
    ("/silences", N_("Silences"), Permission.ALERTS_READ),
    ("/handover", N_("Hand-over"), Permission.ALERTS_READ),
    ("/precision", N_("Precision"), Permission.ALERTS_READ),
    ("/validation", N_("Validation"), Permission.COUNTS_VALIDATE),
    ("/delivery", N_("Delivery"), Permission.DELIVERY_MANAGE),
    ("/people", N_("People"), Permission.PEOPLE_MANAGE),
    ("/groups", N_("Camera groups"), Permission.PEOPLE_MANAGE),
    ("/keys", N_("Machine keys"), Permission.PEOPLE_MANAGE),
    ("/audit", N_("Record"), Permission.AUDIT_READ),
    ("/account", N_("My account"), Permission.PERSON),
)

Theme: TypeAlias = Literal["dark", "light", "system"]
THEMES: Final[Mapping[Theme, tuple[str, str]]] = {
    "dark": ("☾", N_("Dark")),
    "light": ("☀\ufe0e", N_("Light")),
    "system": ("◐", N_("As the system is")),
}
"""In which colours pages are: a sign, and what it is called."""

FILES: Final[Mapping[str, str]] = {
    "forms.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "validation.css": "text/css; charset=utf-8",
    "validation.js": "text/javascript; charset=utf-8",
}
"""What these pages load, and its kind; nothing else is given out."""

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def static(name: str) -> bytes:
    """One of ``FILES``."""
    return Path(__file__).with_name("static").joinpath(name).read_bytes()


@cache
def file(name: str) -> str:
    """Where a page loads one of ``FILES``: another address where its content is another, so that
    browsers may keep it."""
    return f"/door/{name}?v={hashlib.sha256(static(name)).hexdigest()[:12]}"


def language_of(request: Request) -> Language:
    """The language in which this browser's person is spoken to."""
    ask: Ask = request.scope[ASK]
    caller: Caller | None = request.scope.get(CALLER)
    kept = next(iter(ask.cookies(ask.cookie_name("language"))), None)
    accepts = ",".join(ask.values(b"accept-language"))
    return chosen(None if caller is None else caller.language, kept, accepts)


def theme_of(request: Request, other: Theme = "system") -> Theme:
    """The colours that this browser's person chose, or the ``other`` ones."""
    ask: Ask = request.scope[ASK]
    kept = next(iter(ask.cookies(ask.cookie_name("theme"))), None)
    return cast("Theme", kept) if kept in THEMES else other


def texts_of(request: Request) -> Texts:
    """The texts in that language."""
    return texts(language_of(request))


def show(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    problem: str = "",
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page from a template. ``problem`` is one sentence, already in the person's language, about
    what was wrong with what was sent. In the template, ``_`` translates, ``{{ token() }}`` stands
    in every form, ``when(ts)`` writes a time (UTC seconds) as the city's clocks show it, and
    ``file(name)`` is where one of ``FILES`` is."""
    _ = texts_of(request)
    ask: Ask = request.scope[ASK]
    caller: Caller | None = request.scope.get(CALLER)
    made = None
    token = request.scope[FORM_TOKEN]
    if token is None:
        made = secrets.token_hex(32)
        token = form_token(made)
    person = caller if caller is not None and caller.kind == "session" else None
    body = _environment.get_template(template).render(
        values,
        _=_said(_),
        caller=person,
        file=file,
        here=_here(ask),
        language=_.language,
        languages=LANGUAGES,
        menu=[(at, _(name)) for at, name, need in MENU if person and person.may(need)],
        path=request.scope["path"],
        theme=theme_of(request),
        themes=THEMES,
        problem=problem,
        token_field=TOKEN_FIELD,
        token_value=token,
        when=_when,
    )
    answer = HTMLResponse(body, status, {"Content-Security-Policy": POLICY, **(headers or {})})
    if made is not None:
        set_cookie(answer, ask, "form", made, FORM_S)
    return answer


def _here(ask: Ask) -> str:
    """Where this page is, for coming back; the query of ``ENTER`` is a secret, and stays out."""
    path = ask.path
    while path and find_rule("http", "GET", path).rule is None:
        # a form was sent to it, from a page that is above it
        path = path.rpartition("/")[0]
    query = "" if path in {"", ENTER} or path != ask.path else ask.query.decode("latin-1")
    return f"{path}?{query}" if query else path or "/"


def go(path: str) -> RedirectResponse:
    """After a change: the browser asks for a page, so that reloading it changes nothing again."""
    return RedirectResponse(path, 303)


def _said(_: Texts) -> Callable[..., Markup]:
    """``_("At %(n)s", n=value)`` for templates: what is put in is escaped."""

    def say(text: str, **values: Any) -> Markup:
        said = escape(_(text))
        return said % values if values else said

    return say


def _when(ts: float | None) -> str:
    return "–" if ts is None else f"{local(ts):%Y-%m-%d %H:%M:%S}"
