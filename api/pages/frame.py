"""What the pages of the operations room have around them: style and language, and the bar at the
top that says where, when, who, and what is wrong, and leads to the other pages."""

from __future__ import annotations

import time
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Final

from fastapi import Request
from nicegui import ui

from api.access import Caller, Permission
from api.app import ROOM
from api.auth import TOKEN_FIELD
from api.board import View
from api.forms.page import THEMES, Theme, language_of, theme_of
from api.i18n import LANGUAGES, N_, Texts
from api.times import local

AGAIN_MS: Final = 3000
RELOAD: Final = "location.reload()"
THEME: Final[Theme] = "dark"
"""These pages are dark unless somebody chose otherwise."""
RECOLOUR: Final = """
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches(".mk-theme")) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  root.dataset.theme = body.get("theme");
  for (const each of form.querySelectorAll("button")) each.ariaPressed = each === event.submitter;
  fetch(form.action, { method: "POST", body, redirect: "manual" });
})"""
"""Other colours at once: what somebody is writing is not to go with the page."""
_P: Final = Permission
WAYS: Final = (
    (ROOM, N_("Alerts"), _P.ALERTS_READ),
    (ROOM + "wall", N_("Wall"), _P.PICTURES_SEE),
    (ROOM + "traffic", N_("Traffic"), _P.COUNTS_READ),
    (ROOM + "cameras", N_("Cameras"), _P.CAMERAS_READ),
    ("/map", N_("Map"), _P.ALERTS_READ),
    ("/handover", N_("Hand-over"), _P.ALERTS_READ),
    ("/silences", N_("Silences"), _P.ALERTS_READ),
    ("/validation", N_("Validation"), _P.COUNTS_VALIDATE),
    ("/delivery", N_("Delivery"), _P.DELIVERY_MANAGE),
    ("/people", N_("People"), _P.PEOPLE_MANAGE),
)
"""Where one may go from each page, and what is needed there."""
_FOLDER: Final = Path(__file__).parent


def dress(request: Request, styles: Iterable[str] = ()) -> None:
    """Give a page its language and its style: that of all, and these files beside this one."""
    for name in ("frame.css", *styles):
        ui.add_css(_FOLDER / name)
    language, theme = language_of(request), theme_of(request, THEME)
    said = f"root.lang = '{language}'; root.dataset.theme = '{theme}'"
    ui.add_head_html(
        f"<script>{{const root = document.documentElement; {said}; {RECOLOUR}}}</script>"
    )


def sorry(why: str, _: Texts) -> None:
    """Instead of a page that cannot be shown: why, until it can."""
    with ui.element("div").classes("mk-room mk-sorry"):
        text = _("The page cannot be shown yet: %(why)s. It is tried again by itself.")
        ui.label(text % {"why": why})
    ui.add_body_html(f"<script>setTimeout(() => {RELOAD}, {AGAIN_MS})</script>")


class Frame:
    """Above a page: where, when, who, the ways to the other pages, in which language. Below it:
    one sentence for each thing that is wrong. ``here`` is the page's own path, which is marked
    among the ways and is where a change of language leads back to."""

    def __init__(
        self, view: View, caller: Caller, token: str, said: Texts, here: str = ROOM
    ) -> None:
        self._said = _ = said
        request = ui.context.client.request
        with ui.element("header").classes("mk-bar"):
            ui.html(f"<h1>Matakota<small>{escape(view.city)}</small></h1>", sanitize=False)
            self._live = ui.label("").classes("mk-health")
            self._clock = ui.label("").classes("mk-clock")
            called = escape(_("Menu"))
            button = f'<button type="button" popovertarget="mk-menu">{called}</button>'
            ui.html(button, sanitize=False).classes("mk-menu-button")
            # where it is narrow, behind the button
            with ui.element("div").classes("mk-menu") as menu:
                menu.props.update(id="mk-menu", popover="auto")
                ways = _ways(caller, said, here)
                nav = ui.html(ways, sanitize=False, tag="nav").classes("mk-ways")
                nav.props["aria-label"] = _("Pages")
                theme = theme_of(request, THEME)
                ui.html(_forms(token, said, here, theme), sanitize=False).classes("mk-forms")
        # seen at the foot of the page, where it moves nothing that somebody works on
        self._wrong = ui.html("", sanitize=False).classes("mk-wrong").props("role=status")
        self.say(view)

    def say(self, view: View) -> None:
        """Show how all of it is now; ``view`` is what its person sees."""
        _ = self._said
        live = sum(tile.camera.state == "live" for tile in view.tiles)
        fact = _("%(live)d of %(all)d cameras live") % {"live": live, "all": len(view.tiles)}
        self._live.set_text(fact)
        wrong = (f'<p class="mk-problem">{escape(_(each))}</p>' for each in view.problems)
        self._wrong.set_content("".join(wrong))
        self._clock.set_text(f"{local(time.time()):%H:%M:%S} WITA")


def _ways(caller: Caller, _: Texts, here: str) -> str:
    """Where else this person may go."""
    ways = [
        f'<a href="{path}"{_current(path, here)}>{escape(_(name))}</a>'
        for path, name, needed in WAYS
        if caller.may(needed)
    ]
    name = escape(caller.name)
    account = f'<a class="mk-who" href="/account" title="{escape(_("My account"))}">{name}</a>'
    return "".join([*ways, account])


def _current(path: str, here: str) -> str:
    if path == here:
        return ' aria-current="page"'
    return ' aria-current="true"' if path != ROOM and here.startswith(path + "/") else ""


def _forms(token: str, _: Texts, here: str, theme: Theme) -> str:
    """The language, the colours and the way out: plain forms, which answer with another page."""
    sent = f'<input type="hidden" name="{TOKEN_FIELD}" value="{escape(token)}">'
    sent_back = f'{sent}<input type="hidden" name="back" value="{escape(here)}">'
    languages = "".join(
        f'<button name="language" value="{code}" lang="{code}" title="{escape(name)}"'
        f' aria-pressed="{"true" if code == _.language else "false"}">{code.upper()}</button>'
        for code, name in LANGUAGES.items()
    )
    themes = "".join(
        f'<button name="theme" value="{name}" title="{escape(_(called))}"'
        f' aria-label="{escape(_(called))}"'
        f' aria-pressed="{"true" if name == theme else "false"}">{sign}</button>'
        for name, (sign, called) in THEMES.items()
    )
    return (
        f'<form class="mk-language" method="post" action="/language">{sent_back}{languages}</form>'
        f'<form class="mk-theme" method="post" action="/theme" aria-label="{escape(_("Colours"))}">'
        f"{sent_back}{themes}</form>"
        f'<form class="mk-leave" method="post" action="/leave">{sent}'
        f'<button type="submit">{escape(_("Leave"))}</button></form>'
    )
