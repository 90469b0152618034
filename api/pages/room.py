"""The operations room's page: live pictures, alerts as they come, counts, and what is wrong; of the
cameras that whoever looks may see, as long as they may."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from nicegui import background_tasks, ui
from nicegui.events import GenericEventArguments
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.app import ROOM
from api.auth import CALLER, FORM_TOKEN, TOKEN_FIELD
from api.board import Board, View
from api.forms.page import language_of
from api.i18n import LANGUAGES, Texts, texts
from api.pages.filters import ALL, FILTERS, newest
from api.pages.guard import guarded
from api.pages.handling import Handling
from api.pages.words import alert_texts, shown_alert, shown_camera, wall_texts
from api.services import Services
from api.sessions import actor_of
from api.store import StoredAlert
from api.store.alerts import Page
from api.times import local
from vision.errors import StoreError

FIRST: Final = 60
"""So many alerts come with the page, and so many more whenever older ones are asked for."""
STEP_S: Final = 1.0
"""So often a page looks at the board, and at the rights of whoever looks."""
LIVE: Final = "/api/v1/live"
CSS: Final = Path(__file__).with_name("room.css")
AGAIN_MS: Final = 3000
RELOAD: Final = "location.reload()"
_P: Final = Permission


class Wall(ui.element, component="wall.js"):
    """The cameras. ``change`` updates, adds and removes some of them. Without a ``path`` there are
    no pictures."""

    def __init__(
        self, cameras: Sequence[dict[str, Any]], path: str | None, said: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.props["cameras"] = list(cameras)
        self.props["path"] = path
        self.props["texts"] = dict(said)

    def change(self, changed: Sequence[dict[str, Any]], gone: Sequence[str]) -> None:
        self.run_method("change", list(changed), list(gone))


class AlertList(ui.element, component="alerts.js"):
    """The alerts. ``add`` shows what is new or changed, ``append`` what is older, ``refill`` the
    newest that fit what was chosen, ``show_opened`` which one
    is opened, and ``limit`` takes away those of
    other cameras, before it does."""

    def __init__(
        self,
        alerts: Sequence[dict[str, Any]],
        said: Mapping[str, Any],
        me: str,
        *,
        older: bool,
        acts: bool,
    ) -> None:
        super().__init__()
        self.props["first"] = list(alerts)
        self.props["me"] = me
        self.props["older"] = older
        self.props["acts"] = acts
        self.props["texts"] = dict(said)

    def add(self, alerts: Sequence[dict[str, Any]]) -> None:
        self.run_method("add", list(alerts))

    def append(self, alerts: Sequence[dict[str, Any]], *, more: bool) -> None:
        self.run_method("append", list(alerts), more)

    def refill(self, name: str, alerts: Sequence[dict[str, Any]], *, more: bool) -> None:
        self.run_method("refill", name, list(alerts), more)

    def show_opened(self, alert: str | None) -> None:
        self.run_method("show_opened", alert)

    def limit(self, cameras: frozenset[str] | None) -> None:
        self.run_method("limit", None if cameras is None else sorted(cameras))


class Room:
    """Builds the page for each browser that asks, over one board for them all."""

    def __init__(self, served: Services) -> None:
        self._served = served
        self._board = Board(served)

    async def show(self, request: Request) -> None:
        """The page; it goes on changing until its browser is gone."""
        page = _Room(self._served, self._board, request)
        ui.add_css(CSS)
        ui.add_head_html(f"<script>document.documentElement.lang = '{page.language}'</script>")
        try:
            tasks = await page.build()
        except StoreError as error:
            page.sorry(str(error))
            return
        ui.context.client.on_delete(lambda: [task.cancel() for task in tasks])


class _Room:
    """The page in one browser, for whoever opened it, with what they see now."""

    def __init__(self, served: Services, board: Board, request: Request) -> None:
        self._served = served
        self._board = board
        self._opened: Caller = request.scope[CALLER]
        self._actor = actor_of(request)
        self._token: str = request.scope[FORM_TOKEN] or ""
        self.language = language_of(request)
        self._said: Texts = texts(self.language)
        self._filter = ALL
        self._handling: Handling | None = None

    async def build(self) -> list[asyncio.Task[None]]:
        """Put everything on the page, and begin to follow what changes. Raises StoreError."""
        caller, alerts = self._opened, self._served.store.alerts
        view = (await self._board.look()).of(caller)
        # the position first: what changes in between comes again, and is not missed
        position = await run_in_threadpool(alerts.position)
        reads = caller.may(_P.ALERTS_READ)
        page = await self._newest(caller) if reads else Page([], more=False)
        listed: AlertList | None = None
        with ui.element("div").classes("mk-room") as self._all:
            self._bar = _Bar(view, caller, self._token, self._said)
            with ui.element("main").classes("" if reads else "mk-alone"):
                self._wall = Wall(
                    self._cameras(view, caller),
                    LIVE if caller.may(_P.PICTURES_SEE) else None,
                    wall_texts(self._said, caller),
                )
                if reads:
                    listed = AlertList(
                        self._alerts(page.alerts, view),
                        alert_texts(self._said),
                        caller.name,
                        older=page.more,
                        acts=caller.may(_P.ALERTS_HANDLE),
                    )
                    self._handling = Handling(
                        self._served,
                        caller,
                        self._actor,
                        self._said,
                        self._board.look,
                        listed.show_opened,
                    )
        follow = self._follow(caller, view, listed)
        tasks = [background_tasks.create(follow, name="room: board")]
        if listed is not None:
            self._listen(listed)
            news = self._follow_alerts(position, listed)
            tasks.append(background_tasks.create(news, name="room: alerts"))
        return tasks

    def sorry(self, why: str) -> None:
        _ = self._said
        with ui.element("div").classes("mk-room mk-sorry"):
            said = _("The page cannot be shown yet: %(why)s. It is tried again by itself.")
            ui.label(said % {"why": why})
        ui.add_body_html(f"<script>setTimeout(() => {RELOAD}, {AGAIN_MS})</script>")

    # --- what changes by itself

    async def _follow(self, caller: Caller, view: View, listed: AlertList | None) -> None:
        """Show how the cameras are, and which of them are to be seen, until they are not."""
        known = {camera["id"]: camera for camera in self._cameras(view, caller)}
        with suppress(asyncio.CancelledError):
            # a browser may be slow; one that never comes is forgotten, which ends this
            await self._wall.client.connected()
            while not self._wall.is_deleted:
                whole = await self._board.look()
                now = await self._renewed()
                if now is None or now.permissions != caller.permissions:
                    self._end()
                    return
                view = whole.of(now)
                shown = {camera["id"]: camera for camera in self._cameras(view, now)}
                changed = [each for camera, each in shown.items() if known.get(camera) != each]
                gone = [camera for camera in known if camera not in shown]
                if changed or gone:
                    self._wall.change(changed, gone)
                self._bar.say(view)
                known = shown
                if now.cameras != caller.cameras and await self._recast(now, view, listed):
                    caller = now
                await asyncio.sleep(STEP_S)

    async def _recast(self, now: Caller, view: View, listed: AlertList | None) -> bool:
        """Show alerts of the cameras of now alone. False where the store gives no answer, so that
        those of new cameras are still to come."""
        _ = self._said
        if listed is not None and self._handling is not None:
            listed.limit(now.cameras)
            self._handling.limit(now)
            try:
                page = await self._newest(now)
            except StoreError:
                return False
            listed.append(self._alerts(self._own(page.alerts, now), view), more=page.more)
        with self._wall.client:
            ui.notify(
                _("Your cameras were changed: this page shows those that you see now."),
                type="info",
                timeout=0,
                classes="mk-notice",
                close_button=_("Close"),
            )
        return True

    async def _follow_alerts(self, position: int, listed: AlertList) -> None:
        with suppress(asyncio.CancelledError):
            await listed.client.connected()
            async for news in self._served.feed.follow(position, self._renewed):
                if listed.is_deleted:
                    return
                if news.alerts:
                    view = await self._board.look()
                    now = await self._renewed()
                    if now is None or not now.may(_P.ALERTS_READ):
                        return
                    own = self._own(news.alerts, now)
                    listed.add(self._alerts(own, view))
                    if self._handling is not None:
                        await self._handling.changed(own, now)

    def _end(self) -> None:
        """Show nothing more: whoever looks may do something else now, or nothing."""
        self._all.clear()
        self._wall.client.run_javascript(RELOAD)

    # --- what its person does

    def _listen(self, listed: AlertList) -> None:
        async def older(event: GenericEventArguments, now: Caller) -> None:
            await self._older(event, now, listed)

        async def narrow(event: GenericEventArguments, now: Caller) -> None:
            await self._narrow(event, now, listed)

        served, opened = self._served, self._opened
        listed.on("older", guarded(served, opened, _P.ALERTS_READ, older))
        listed.on("filter", guarded(served, opened, _P.ALERTS_READ, narrow))
        if self._handling is not None:
            self._handling.listen(listed)

    async def _narrow(self, event: GenericEventArguments, now: Caller, listed: AlertList) -> None:
        if event.args not in FILTERS:
            return
        self._filter = name = str(event.args)
        try:
            view = await self._board.look()
            page = await self._newest(now)
        except StoreError as error:
            ui.notify(str(error), type="negative")
            return
        still = await self._renewed()
        if still is not None and name == self._filter:
            own = self._alerts(self._own(page.alerts, still), view)
            listed.refill(name, own, more=page.more)

    async def _older(self, event: GenericEventArguments, now: Caller, listed: AlertList) -> None:
        try:
            start_ts, alert_id = float(event.args[0]), str(event.args[1])
        except (TypeError, ValueError, IndexError, KeyError):
            return
        try:
            view = await self._board.look()
            page = await self._newest(now, (start_ts, alert_id))
        except StoreError as error:
            ui.notify(str(error), type="negative")
            return
        # it may have taken a while
        still = await self._renewed()
        if still is not None:
            listed.append(self._alerts(self._own(page.alerts, still), view), more=page.more)

    # --- what it shows

    async def _renewed(self) -> Caller | None:
        return await self._served.keys.renewed(self._opened)

    async def _newest(self, caller: Caller, before: tuple[float, str] | None = None) -> Page:
        """The newest of those that fit what was chosen. Raises StoreError."""
        return await run_in_threadpool(
            newest, self._served.store.alerts, self._filter, caller, before, FIRST
        )

    def _cameras(self, view: View, caller: Caller) -> list[dict[str, Any]]:
        return [shown_camera(tile, caller, self._said) for tile in view.tiles]

    def _alerts(self, alerts: Iterable[StoredAlert], view: View) -> list[dict[str, Any]]:
        names = {tile.camera.id: tile.camera.name for tile in view.tiles}
        return [shown_alert(alert, names, self._said) for alert in alerts]

    def _own(self, alerts: Iterable[StoredAlert], now: Caller) -> list[StoredAlert]:
        return [alert for alert in alerts if now.sees(alert.camera)]


class _Bar:
    """The top of the page: where, when, who, in which language, and one sentence for each thing
    that is wrong."""

    def __init__(self, view: View, caller: Caller, token: str, said: Texts) -> None:
        self._said = said
        with ui.element("header").classes("mk-bar"):
            ui.html(f"<h1>Matakota<small>{escape(view.city)}</small></h1>", sanitize=False)
            self._state = ui.html("", sanitize=False).classes("mk-health")
            self._clock = ui.label("").classes("mk-clock")
            ui.html(_ways(caller, said), sanitize=False).classes("mk-ways")
            ui.html(_forms(token, said), sanitize=False).classes("mk-forms")
        self.say(view)

    def say(self, view: View) -> None:
        _ = self._said
        live = sum(tile.camera.state == "live" for tile in view.tiles)
        fact = _("%(live)d of %(all)d cameras live") % {"live": live, "all": len(view.tiles)}
        said = [f'<span class="mk-fact">{escape(fact)}</span>']
        said += [f'<span class="mk-problem">{escape(_(each))}</span>' for each in view.problems]
        self._state.set_content("".join(said))
        self._clock.set_text(f"{local(time.time()):%H:%M:%S} WITA")


def _ways(caller: Caller, _: Texts) -> str:
    """Where else this person may go."""
    name = escape(caller.name)
    account = f'<a class="mk-who" href="/account" title="{escape(_("My account"))}">{name}</a>'
    ways = [
        f'<a href="{path}">{escape(said)}</a>'
        for path, said, needed in (
            ("/silences", _("Silences"), _P.ALERTS_READ),
            ("/delivery", _("Delivery"), _P.DELIVERY_MANAGE),
            ("/people", _("People"), _P.PEOPLE_MANAGE),
        )
        if caller.may(needed)
    ]
    return "".join([*ways, account])


def _forms(token: str, _: Texts) -> str:
    """The language and the way out: plain forms, which answer with another page."""
    sent = f'<input type="hidden" name="{TOKEN_FIELD}" value="{escape(token)}">'
    languages = "".join(
        f'<button name="language" value="{code}" lang="{code}" title="{escape(name)}"'
        f' aria-pressed="{"true" if code == _.language else "false"}">{code.upper()}</button>'
        for code, name in LANGUAGES.items()
    )
    return (
        f'<form class="mk-language" method="post" action="/language">{sent}'
        f'<input type="hidden" name="back" value="{ROOM}">{languages}</form>'
        f'<form class="mk-leave" method="post" action="/leave">{sent}'
        f'<button type="submit">{escape(_("Leave"))}</button></form>'
    )
