"""What is shown once and never again: links and keys."""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse

from api.auth import ASK, Ask
from api.forms.page import show, texts_of
from api.links import PASSWORD_LINK_S, base_address, new_link
from api.services import Services
from api.sessions import actor_of
from api.store import User

_HOST: Final = re.compile(
    r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?", re.ASCII
)


def here(request: Request) -> str:
    """Where the browser reached this server, for links that are handed over."""
    ask: Ask = request.scope[ASK]
    hosts = ask.values(b"host")
    if len(hosts) == 1 and _HOST.fullmatch(hosts[0]):
        return f"{'https' if ask.tls else 'http'}://{hosts[0].lower()}"
    return base_address("127.0.0.1", ask.port, tls=ask.tls)


def show_once(
    request: Request, title: str, explained: str, secret: str, back: tuple[str, str]
) -> HTMLResponse:
    """The answer to a form that made a ``secret``: loading it again sends the form again, of which
    browsers warn. Texts are in the person's language; ``back`` is a path and its name."""
    values = {"title": title, "explained": explained, "secret": secret, "back": back}
    return show(request, "once.html", values, headers={"Cache-Control": "no-store"})


def show_password_link(request: Request, served: Services, user: User) -> HTMLResponse:
    """Make a link with which this user chooses a password, and show it; the one made before
    ends. Raises StoreError."""
    by = actor_of(request)
    link = new_link(
        served.store, here(request), user.id, kind="password", by=by, lasts_s=PASSWORD_LINK_S
    )
    served.keys.forget()
    _ = texts_of(request)
    return show_once(
        request,
        _("Link for %(name)s") % {"name": user.name},
        _(
            "Hand this link over yourself, to nobody else: whoever opens it chooses the password "
            "of %(name)s. It works once, for 24 hours, and is not shown again."
        )
        % {"name": user.name},
        link,
        (f"/people/{user.id}", user.name),
    )
