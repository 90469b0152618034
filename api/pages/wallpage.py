"""The wall: some cameras at once on a whole screen, those with an open alert in front, by
themselves all night."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from fastapi import Request, Response
from nicegui import background_tasks, ui
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.app import ROOM
from api.auth import CALLER, FORM_TOKEN
from api.board import Board, View
from api.forms.page import language_of
from api.i18n import Texts, texts
from api.kinds import SEVERITIES
from api.pages.alarms import Alarms, open_alerts
from api.pages.frame import RELOAD, Frame, dress, sorry
from api.pages.guard import for_people
from api.pages.live import LIVE, SHARED
from api.pages.words import shown_camera, wall_texts
from api.services import Services
from vision.errors import StoreError

WALL: Final = ROOM + "wall"
STYLES: Final = ("wall.css", "wallpage.css")
STEP_S: Final = 1.0
"""So often a page looks at the board, and at the rights of whoever looks."""
BURST_S: Final = 0.2
"""Alerts that come within this are shown together."""
_P: Final = Permission


class Screen(
    ui.element,
    component="wallpage.js",
    dependencies=[*SHARED, "chooser.js", "tour.js"],
):
    """The cameras and how they are arranged, which is kept in the page's address. ``now`` is the
    time by which alerts began (UTC seconds)."""

    def __init__(self, cameras: Sequence[dict[str, Any]], said: Mapping[str, Any]) -> None:
        super().__init__()
        self.props["cameras"] = list(cameras)
        self.props["path"] = LIVE
        self.props["now"] = time.time()
        self.props["texts"] = dict(said)

    def change(self, changed: Sequence[dict[str, Any]], gone: Sequence[str]) -> None:
        self.run_method("change", list(changed), list(gone), time.time())


class WallPage:
    """Builds the page for each browser that asks, over the board of all pages."""

    def __init__(self, served: Services, board: Board) -> None:
        self._served = served
        self._board = board

    async def show(self, request: Request) -> Response | None:
        """The page; it goes on changing until its browser is gone. Keys that see pictures get none:
        it is for people."""
        refused = for_people(request)
        if refused is not None:
            return refused
        page = _Wall(self._served, self._board, request)
        dress(request, STYLES)
        try:
            tasks = await page.build()
        except StoreError as error:
            sorry(str(error), page.said)
            return None
        ui.context.client.on_delete(lambda: [task.cancel() for task in tasks])
        return None


class _Wall:
    """The page in one browser, for whoever opened it, with what they see now."""

    def __init__(self, served: Services, board: Board, request: Request) -> None:
        self._served = served
        self._board = board
        self._opened: Caller = request.scope[CALLER]
        self._token: str = request.scope[FORM_TOKEN] or ""
        self.said: Texts = texts(language_of(request))
        self._alarms = Alarms()
        # what is read anew and what changes meanwhile are taken one after the other
        self._taking = asyncio.Lock()
        self._rung = asyncio.Event()

    async def build(self) -> list[asyncio.Task[None]]:
        """Put everything on the page, and begin to follow what changes. Raises StoreError."""
        caller = self._opened
        view = (await self._board.look()).of(caller)
        # the position first: what changes in between comes again, and is not missed
        position = await run_in_threadpool(self._served.store.alerts.position)
        await self._read(caller)
        cameras = self._cameras(view, caller)
        _ = self.said
        ui.page_title(f"{_('Wall')} · Matakota")
        with ui.element("div").classes("mk-room").classes("mk-wallpage") as self._all:
            self._frame = Frame(view, caller, self._token, self.said, WALL)
            with ui.element("main"):
                self._screen = Screen(list(cameras.values()), screen_texts(self.said, caller))
        return [
            background_tasks.create(self._follow(caller, cameras), name="wall-board"),
            background_tasks.create(self._follow_alerts(position), name="wall-alerts"),
        ]

    # --- what changes by itself

    async def _follow(self, caller: Caller, known: Mapping[str, dict[str, Any]]) -> None:
        """Show how the cameras are, and which of them are to be seen, until they are not."""
        with suppress(asyncio.CancelledError):
            # a browser may be slow; one that never comes is forgotten, which ends this
            await self._screen.client.connected()
            while not self._screen.is_deleted:
                whole = await self._board.look()
                now = await self._renewed()
                if now is None or now.permissions != caller.permissions:
                    self._end()
                    return
                if now.cameras != caller.cameras and await self._recast(now):
                    caller = now
                view = whole.of(now)
                shown = self._cameras(view, now)
                changed = [each for camera, each in shown.items() if known.get(camera) != each]
                gone = [camera for camera in known if camera not in shown]
                if changed or gone:
                    self._screen.change(changed, gone)
                self._frame.say(view)
                known = shown
                self._rung.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._rung.wait(), STEP_S)
                    await asyncio.sleep(BURST_S)

    async def _follow_alerts(self, position: int) -> None:
        """Know which alerts are open; what is new is shown at once."""
        with suppress(asyncio.CancelledError):
            await self._screen.client.connected()
            async for news in self._served.feed.follow(position, self._renewed):
                if self._screen.is_deleted:
                    return
                if news.alerts:
                    async with self._taking:
                        self._alarms.take(news.alerts)
                    self._rung.set()

    async def _recast(self, now: Caller) -> bool:
        """Know the open alerts of the cameras of now. False where the store gives no answer, so
        that those of new cameras are still to come."""
        try:
            await self._read(now)
        except StoreError:
            return False
        return True

    async def _read(self, caller: Caller) -> None:
        """Raises StoreError."""
        if caller.may(_P.ALERTS_READ):
            async with self._taking:
                alerts = self._served.store.alerts
                self._alarms = Alarms(await run_in_threadpool(open_alerts, alerts, caller))

    async def _renewed(self) -> Caller | None:
        return await self._served.keys.renewed(self._opened)

    def _end(self) -> None:
        """Show nothing more: whoever looks may do something else now, or nothing."""
        self._all.clear()
        self._screen.client.run_javascript(RELOAD)

    def _cameras(self, view: View, caller: Caller) -> dict[str, dict[str, Any]]:
        """Those of the caller, by id, each with the alert that brings it to the front."""
        alarms = self._alarms.shown(self.said)
        found = {}
        for tile in view.tiles:
            shown = shown_camera(tile, caller, self.said)
            del shown["lines"]
            found[tile.camera.id] = shown | {"alarm": alarms.get(tile.camera.id)}
        return found


def screen_texts(_: Texts, caller: Caller) -> dict[str, Any]:
    """What the wall says."""
    return wall_texts(_, caller) | {
        "severities": {severity: _(name) for severity, name in SEVERITIES.items()},
        "layout": _("Cameras at once"),
        "layout_of": _("%(n)s at once (key %(key)s)"),
        "before": _("Page before (left arrow)"),
        "after": _("Next page (right arrow)"),
        "page": _("%(page)s of %(pages)s"),
        "tour": _("Tour"),
        "tour_of": _("Shows one page after the other (space)"),
        "every": _("Seconds a page"),
        "seconds": _("%(n)s s"),
        "tour_next": _("next in %(n)s s"),
        "tour_held": _("waits for you"),
        "tour_alarm": _("stopped by an alert, goes on in %(n)s s"),
        "tour_one": _("all cameras are on the screen"),
        "choose": _("Choose cameras"),
        "chosen": _("%(n)s of %(all)s cameras"),
        "search": _("Search"),
        "all": _("All cameras"),
        "none_of": _("None of them"),
        "none_chosen": _("No camera is chosen: choose some, or all."),
        "done": _("Done"),
        "nobody_here": _("No camera is called so."),
        "absent": _("%(n)s of the chosen cameras are not there, or not yours."),
        "full": _("Full screen"),
        "full_of": _("The cameras alone on the screen (f)"),
        "enlarge": _("Show %(camera)s alone"),
        "back": _("Back to all (Esc)"),
        "keys": _("Keys"),
        "keys_of": [
            ["1 4 9 6", _("1, 4, 9 or 16 cameras at once")],
            ["← →", _("page before, next page")],
            [_("space"), _("begin or end the tour")],
            ["f", _("the cameras alone on the screen")],
            ["Enter", _("show the camera that has the focus alone")],
            ["Esc", _("back")],
            ["?", _("these keys")],
        ],
        "since": _("since %(time)s (%(age)s)"),
        "over": _("%(time)s, over"),
        "more": _("%(n)s more"),
        "to_alert": _("Open the alert: %(title)s, %(camera)s"),
        "elsewhere": _("Not on this screen:"),
        "elsewhere_more": _("and %(n)s more"),
    }
