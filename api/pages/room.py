"""The operations room's page: live pictures, alerts as they come, counts, and what is wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import Request
from nicegui import background_tasks, ui
from nicegui.events import GenericEventArguments
from starlette.concurrency import run_in_threadpool

from api.auth import CALLER, Caller
from api.board import Board, View
from api.services import Services
from api.store import StoredAlert
from api.times import local
from vision.errors import StoreError

FIRST: Final = 60
"""So many alerts come with the page, and so many more whenever older ones are asked for."""
LIVE: Final = "/api/v1/live"
CSS: Final = Path(__file__).with_name("room.css")
AGAIN_MS: Final = 3000

KINDS: Final = {
    "abandoned_object": "Abandoned object",
    "camera_covered": "Camera covered",
    "camera_dark": "Camera dark",
    "camera_defocused": "Camera out of focus",
    "camera_down": "Camera down",
    "camera_frozen": "Camera picture frozen",
    "camera_moved": "Camera moved",
    "clock_skew": "Camera clock wrong",
    "congestion": "Congestion",
    "crowd": "Crowd",
    "crowd_density": "Crowd too dense",
    "gathering": "Sudden gathering",
    "heavy_vehicle": "Heavy vehicle",
    "illegal_parking": "Illegal parking",
    "intrusion": "Intrusion",
    "line_crossing": "Forbidden crossing",
    "loitering": "Loitering",
    "pedestrian_on_road": "Pedestrian on the road",
    "person_down": "Person down",
    "queue": "Queue",
    "removed_object": "Object removed",
    "smoke_fire": "Smoke or fire",
    "speeding": "Speeding",
    "stopped_vehicle": "Stopped vehicle",
    "stream_corrupt": "Camera stream damaged",
    "wrong_way": "Wrong way",
}
"""What each kind is called. Other programs may post alerts of kinds of their own."""

log = structlog.get_logger()


class Wall(ui.element, component="wall.js"):
    """The cameras. ``change`` updates, adds and removes some of them."""

    def __init__(self, cameras: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self.props["cameras"] = list(cameras)
        self.props["path"] = LIVE

    def change(self, changed: Sequence[dict[str, Any]], gone: Sequence[str]) -> None:
        self.run_method("change", list(changed), list(gone))


class AlertList(ui.element, component="alerts.js"):
    """The alerts. ``add`` shows what is new or changed, ``append`` what is older."""

    def __init__(self, alerts: Sequence[dict[str, Any]], *, older: bool) -> None:
        super().__init__()
        self.props["first"] = list(alerts)
        self.props["older"] = older

    def add(self, alerts: Sequence[dict[str, Any]]) -> None:
        self.run_method("add", list(alerts))

    def append(self, alerts: Sequence[dict[str, Any]], *, more: bool) -> None:
        self.run_method("append", list(alerts), more)


class Room:
    """Builds the page for each browser that asks, over one board for them all."""

    def __init__(self, served: Services) -> None:
        self._served = served
        self._board = Board(served)

    async def show(self, request: Request) -> None:
        """The page; it goes on changing until its browser is gone."""
        ui.add_css(CSS)
        caller: Caller = request.scope[CALLER]
        alerts = self._served.store.alerts
        try:
            view = await self._board.look()
            # the position first: what changes in between comes again, and is not missed
            position = await run_in_threadpool(alerts.position)
            page = await run_in_threadpool(lambda: alerts.find(limit=FIRST))
        except StoreError as error:
            _sorry(str(error))
            return
        with ui.element("div").classes("mk-room"):
            bar = _Bar(view, caller)
            with ui.element("main"):
                wall = Wall([tile.plain() for tile in view.tiles])
                listed = AlertList([self._shown(a, view) for a in page.alerts], older=page.more)
        listed.on("acknowledge", lambda event: self._acknowledge(event, caller))
        listed.on("older", lambda event: self._older(event, listed))
        client = ui.context.client
        tasks = [
            background_tasks.create(self._follow_board(view, wall, bar), name="room: board"),
            background_tasks.create(
                self._follow_alerts(position, listed, caller), name="room: alerts"
            ),
        ]
        client.on_delete(lambda: [task.cancel() for task in tasks])

    async def _follow_board(self, view: View, wall: Wall, bar: _Bar) -> None:
        known = {tile.camera.id: tile.plain() for tile in view.tiles}
        with suppress(asyncio.CancelledError):
            # a browser may be slow; one that never comes is forgotten, which ends this
            await wall.client.connected()
            while not wall.is_deleted:
                view = await self._board.look()
                now = {tile.camera.id: tile.plain() for tile in view.tiles}
                changed = [tile for camera, tile in now.items() if known.get(camera) != tile]
                gone = [camera for camera in known if camera not in now]
                if changed or gone:
                    wall.change(changed, gone)
                bar.say(view)
                known = now
                await asyncio.sleep(1.0)

    async def _follow_alerts(self, position: int, listed: AlertList, caller: Caller) -> None:
        with suppress(asyncio.CancelledError):
            await listed.client.connected()
            feed = self._served.feed.follow(position, lambda: self._served.keys.is_live(caller))
            async for changes in feed:
                if listed.is_deleted:
                    return
                if changes:
                    view = await self._board.look()
                    listed.add([self._shown(alert, view) for alert in changes])

    async def _acknowledge(self, event: GenericEventArguments, caller: Caller) -> None:
        alert = event.args
        if not isinstance(alert, str) or not await self._served.keys.is_live(caller):
            return
        try:
            await run_in_threadpool(self._served.store.alerts.acknowledge, alert, caller.name)
        except StoreError as error:
            ui.notify(str(error), type="negative")
        else:
            # it comes back as a change, here and on every other page
            self._served.bell.ring()

    async def _older(self, event: GenericEventArguments, listed: AlertList) -> None:
        try:
            start_ts, alert_id = float(event.args[0]), str(event.args[1])
        except (TypeError, ValueError, IndexError, KeyError):
            return
        find = self._served.store.alerts.find
        try:
            page = await run_in_threadpool(lambda: find(before=(start_ts, alert_id), limit=FIRST))
        except StoreError as error:
            ui.notify(str(error), type="negative")
            return
        view = await self._board.look()
        listed.append([self._shown(alert, view) for alert in page.alerts], more=page.more)

    def _shown(self, alert: StoredAlert, view: View) -> dict[str, Any]:
        """An alert for the browser, in words."""
        names = {tile.camera.id: tile.camera.name for tile in view.tiles}
        began = local(alert.start_ts)
        title = KINDS.get(alert.kind, alert.kind.replace("_", " ").capitalize())
        where = names.get(alert.camera, alert.camera)
        return {
            "id": alert.id,
            "severity": alert.severity,
            "state": alert.state,
            "title": title,
            "where": f"{where} · {alert.place}" if alert.place else where,
            "why": str(alert.details.get("why", "")),
            "start": alert.start_ts,
            "time": f"{began:%H:%M:%S}",
            "day": f"{began:%Y-%m-%d}",
            "date": f"{began:%Y-%m-%d %H:%M:%S} WITA",
            "by": alert.acknowledged_by or "",
            "synthetic": alert.synthetic,
        }


class _Bar:
    """The top of the page: where, when, who, and one sentence for each thing that is wrong."""

    def __init__(self, view: View, caller: Caller) -> None:
        with ui.element("header").classes("mk-bar"):
            ui.html(f"<h1>Matakota<small>{escape(view.city)}</small></h1>", sanitize=False)
            self._state = ui.html("", sanitize=False).classes("mk-health")
            self._clock = ui.label("").classes("mk-clock")
            ui.label(caller.name).classes("mk-who")
            ui.html(
                '<form method="post" action="/leave"><button type="submit">Leave</button></form>',
                sanitize=False,
            )
        self.say(view)

    def say(self, view: View) -> None:
        live = sum(tile.camera.state == "live" for tile in view.tiles)
        said = [f'<span class="mk-fact">{live} of {len(view.tiles)} cameras live</span>']
        said += [f'<span class="mk-problem">{escape(problem)}</span>' for problem in view.problems]
        self._state.set_content("".join(said))
        self._clock.set_text(f"{local(time.time()):%H:%M:%S} WITA")


def _sorry(why: str) -> None:
    with ui.element("div").classes("mk-room mk-sorry"):
        ui.label(f"The page cannot be shown yet: {why}. It is tried again by itself.")
    ui.add_body_html(f"<script>setTimeout(() => location.reload(), {AGAIN_MS})</script>")
