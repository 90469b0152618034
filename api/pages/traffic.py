"""The traffic of a day at a line, a movement or a junction: flow by class, what it is worth, speed,
who turned where, and how much of it was watched. What is looked at stands in the page's address."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

# its ECharts is what the charts of the page import
import nicegui.elements.echart  # noqa: F401
from fastapi import Request, Response
from nicegui import ui
from nicegui.events import GenericEventArguments
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.app import ROOM
from api.board import Board, View
from api.pages.guard import for_people, guarded
from api.pages.page import Page
from api.pages.trafficday import City, shown
from api.pages.trafficwords import traffic_texts
from api.services import Services
from api.times import local
from api.traffic.asked import MAX_QUERY_CHARS, Asked, asked_of
from streams.citydocument import CityDocument
from vision.errors import StoreError

TRAFFIC: Final = ROOM + "traffic"
RENEW_S: Final = 60.0
"""So often a day that is not over is read anew."""
_P: Final = Permission


class Charts(ui.element, component="traffic.js", esm={"charts": "charts"}):
    """A day, and what to choose another one by. ``show`` shows another one."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        for name, value in values.items():
            self.props[name] = value

    def show(self, day: Mapping[str, Any]) -> None:
        self.run_method("show", dict(day))


class TrafficPages:
    """Builds the page for each browser that asks, over one reading of the configuration."""

    def __init__(self, served: Services, board: Board) -> None:
        self._served = served
        self._board = board
        self._number = -1
        self._document: CityDocument | None = None

    async def show(self, request: Request) -> Response | None:
        refused = for_people(request)
        if refused is None:
            await _Traffic(self, self._served, self._board, request).show(("traffic.css",))
        return refused

    def city(self, view: View) -> City:
        """What is configured now, for whoever sees ``view``. Raises StoreError."""
        store = self._served.store
        number = store.configuration.number()
        if number != self._number:
            self._document = store.configuration.current()
            self._number = number
        names = {tile.camera.id: tile.camera.name for tile in view.tiles}
        return City(self._document, store.traffic.current(), names)


class _Traffic(Page):
    """The page in one browser."""

    def __init__(
        self, pages: TrafficPages, served: Services, board: Board, request: Request
    ) -> None:
        super().__init__(served, board, request, TRAFFIC)
        self._pages = pages
        self._query = request.url.query
        self._turn = 0
        self._asked: Asked | None = None
        self._read_s = 0.0

    async def fill(self, view: View) -> None:
        ui.page_title(f"{self.said('Traffic')} · Matakota")
        self._cameras = _named(view)
        day = await self._look(view)
        self._charts = Charts({
            "cameras": self._cameras,
            "junctions": await run_in_threadpool(self._junctions, view),
            "first": day,
            "texts": traffic_texts(self.said),
        })  # fmt: skip
        self._charts.on("ask", guarded(self._served, self._caller, _P.COUNTS_READ, self._ask))

    async def renew(self, view: View, _: Caller) -> bool:
        if _named(view) != self._cameras:
            # what can be chosen is another, and perhaps what is shown is not to be seen any more
            return False
        over = self._asked is None or self._asked.day < local(time.time()).date()
        if not over and time.monotonic() >= self._read_s + RENEW_S:
            try:
                self._charts.show(await self._look(view))
            except StoreError:
                # the foot of the page says so
                self._read_s = time.monotonic()
        return True

    async def _ask(self, event: GenericEventArguments, now: Caller) -> None:
        match event.args:
            case [str() as query, int() as turn] if len(query) <= MAX_QUERY_CHARS:
                pass
            case _:
                return
        # what was asked for later may get here before
        if turn <= self._turn:
            return
        self._turn, self._query = turn, query
        view = (await self._board.look()).of(now)
        if turn != self._turn:
            return
        try:
            self._charts.show(await self._look(view))
        except StoreError as error:
            ui.notify(str(error), type="negative")

    async def _look(self, view: View) -> dict[str, Any]:
        """What was asked for last; ``turn`` tells the browser which of its questions that was.
        Raises StoreError."""
        now, turn = time.time(), self._turn
        self._read_s = time.monotonic()
        self._asked = asked_of(self._query, local(now).date())
        return await run_in_threadpool(self._read, self._asked, view, now) | {"turn": turn}

    def _read(self, asked: Asked, view: View, now: float) -> dict[str, Any]:
        city = self._pages.city(view)
        return shown(self._served.store, city, asked, self.said, now)

    def _junctions(self, view: View) -> list[str]:
        return list(self._pages.city(view).junctions())


def _named(view: View) -> Sequence[dict[str, str]]:
    """The cameras that can be chosen, by name."""
    cameras = [{"id": tile.camera.id, "name": tile.camera.name} for tile in view.tiles]
    return sorted(cameras, key=lambda camera: camera["name"].casefold())
