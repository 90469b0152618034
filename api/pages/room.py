"""The operations room's page: live pictures, alerts as they come, counts, and what is wrong; of the
cameras that whoever looks may see, as long as they may."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from fastapi import Request
from nicegui import background_tasks, ui
from nicegui.events import GenericEventArguments
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.auth import CALLER, FORM_TOKEN
from api.board import Board, View
from api.forms.page import language_of
from api.i18n import Texts, texts
from api.pages.alarms import unseen_alerts
from api.pages.filters import Sought, Wish
from api.pages.frame import RELOAD, Frame, dress, sorry
from api.pages.guard import guarded
from api.pages.handling import Handling
from api.pages.listed import AlertList
from api.pages.live import LIVE, Wall
from api.pages.words import shown_alert, shown_camera, wall_texts
from api.services import Services
from api.sessions import actor_of
from api.store import StoredAlert
from api.store.alerts import Page
from vision.errors import StoreError

FIRST: Final = 60
"""So many alerts come with the page, beside all that nobody acknowledged, and so many more whenever
older ones are asked for."""
STEP_S: Final = 1.0
"""So often a page looks at the board, and at the rights of whoever looks."""
STYLES: Final = ("room.css", "wall.css", "alerts.css", "opened.css")
_P: Final = Permission


class Room:
    """Builds the page for each browser that asks, over the board of all pages."""

    def __init__(self, served: Services, board: Board) -> None:
        self._served = served
        self._board = board

    async def show(self, request: Request) -> None:
        """The page; it goes on changing until its browser is gone."""
        page = _Room(self._served, self._board, request)
        dress(request, STYLES)
        try:
            tasks = await page.build()
        except StoreError as error:
            sorry(str(error), page.said)
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
        self.said: Texts = texts(language_of(request))
        self._sought = Sought.of(Wish(), {}, self.said)
        self._handling: Handling | None = None

    async def build(self) -> list[asyncio.Task[None]]:
        """Put everything on the page, and begin to follow what changes. Raises StoreError."""
        caller, alerts = self._opened, self._served.store.alerts
        view = (await self._board.look()).of(caller)
        # the position first: what changes in between comes again, and is not missed
        position = await run_in_threadpool(alerts.position)
        reads = caller.may(_P.ALERTS_READ)
        page = await self._newest(caller) if reads else Page([], more=False)
        unseen = await self._unseen(caller) if reads else []
        listed: AlertList | None = None
        with ui.element("div").classes("mk-room") as self._all:
            self._bar = Frame(view, caller, self._token, self.said)
            with ui.element("main").classes("" if reads else "mk-alone"):
                self._wall = Wall(
                    self._cameras(view, caller),
                    LIVE if caller.may(_P.PICTURES_SEE) else None,
                    wall_texts(self.said, caller),
                )
                if reads:
                    listed = AlertList(
                        self._alerts(page.alerts, view),
                        self._alerts(unseen, view),
                        self.said,
                        caller.name,
                        _named(view),
                        older=page.more,
                        acts=caller.may(_P.ALERTS_HANDLE),
                    )
                    self._handling = Handling(
                        self._served,
                        caller,
                        self._actor,
                        self.said,
                        self._board.look,
                        listed.show_opened,
                        listed.missed,
                    )
        follow = self._follow(caller, view, listed)
        tasks = [background_tasks.create(follow, name="room: board")]
        if listed is not None:
            self._listen(listed)
            news = self._follow_alerts(position, listed)
            tasks.append(background_tasks.create(news, name="room: alerts"))
        return tasks

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
                if listed is not None and {*shown} != {*known}:
                    listed.offer(_named(view))
                self._bar.say(view)
                known = shown
                if now.cameras != caller.cameras and await self._recast(now, view, listed):
                    caller = now
                await asyncio.sleep(STEP_S)

    async def _recast(self, now: Caller, view: View, listed: AlertList | None) -> bool:
        """Show alerts of the cameras of now alone. False where the store gives no answer, so that
        those of new cameras are still to come."""
        _ = self.said
        if listed is not None and self._handling is not None:
            listed.limit(now.cameras)
            await self._handling.limit(now)
            try:
                page = await self._newest(now)
                unseen = await self._unseen(now)
            except StoreError:
                return False
            listed.append(self._alerts(self._own(page.alerts, now), view), more=page.more)
            listed.know(self._alerts(self._own(unseen, now), view))
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
                    sought, fitting = await self._fitting(own, now)
                    listed.add(self._alerts(own, view), sought.wish.number, fitting)
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
        try:
            wish = Wish.model_validate(event.args)
        except ValidationError:
            return
        try:
            view = await self._board.look()
            if wish.number < self._sought.wish.number:
                # a later one overtook it
                return
            # of the own cameras, so that no other's name is found
            names = {tile.camera.id: tile.camera.name for tile in view.of(now).tiles}
            self._sought = sought = Sought.of(wish, names, self.said)
            page = await self._newest(now)
        except StoreError as error:
            ui.notify(str(error), type="negative")
            return
        still = await self._renewed()
        if still is not None and sought is self._sought:
            own = self._alerts(self._own(page.alerts, still), view)
            listed.refill(wish.number, own, more=page.more)

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
        """The newest of those that are wished for. Raises StoreError."""
        alerts = self._served.store.alerts
        return await run_in_threadpool(self._sought.newest, alerts, caller, before, FIRST)

    async def _unseen(self, caller: Caller) -> list[StoredAlert]:
        """Those that are to be counted and heard, however old. Raises StoreError."""
        return await run_in_threadpool(unseen_alerts, self._served.store.alerts, caller)

    async def _fitting(
        self, alerts: Sequence[StoredAlert], now: Caller
    ) -> tuple[Sought, list[str] | None]:
        """What is sought, and which of these alerts fit it, None for all; where the store gives no
        answer, all as well, for too much is better than a missing one."""
        sought = self._sought
        if not sought.narrows:
            return sought, None
        ids = [alert.id for alert in alerts]
        try:
            found = await run_in_threadpool(sought.among, self._served.store.alerts, now, ids)
        except StoreError:
            return sought, None
        return sought, found

    def _cameras(self, view: View, caller: Caller) -> list[dict[str, Any]]:
        return [shown_camera(tile, caller, self.said) for tile in view.tiles]

    def _alerts(self, alerts: Iterable[StoredAlert], view: View) -> list[dict[str, Any]]:
        names = {tile.camera.id: tile.camera.name for tile in view.tiles}
        return [shown_alert(alert, names, self.said) for alert in alerts]

    def _own(self, alerts: Iterable[StoredAlert], now: Caller) -> list[StoredAlert]:
        return [alert for alert in alerts if now.sees(alert.camera)]


def _named(view: View) -> list[dict[str, str]]:
    """The cameras that can be chosen, by name."""
    cameras = [{"id": tile.camera.id, "name": tile.camera.name} for tile in view.tiles]
    return sorted(cameras, key=lambda camera: camera["name"].casefold())
