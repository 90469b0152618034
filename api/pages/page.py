"""A page that has something of its own below the bar, and follows who may see it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from fastapi import Request
from nicegui import background_tasks, ui

from api.access import Caller
from api.auth import CALLER, FORM_TOKEN
from api.board import Board, View
from api.forms.page import language_of
from api.i18n import Texts, texts
from api.pages.frame import RELOAD, Frame, dress, sorry
from api.services import Services
from vision.errors import StoreError

STEP_S: Final = 1.0
"""So often a page looks at the board, and at the rights of whoever looks."""


class Page(ABC):
    """A page in one browser, for whoever opened it, until they may not see it any more. ``here`` is
    its own path."""

    def __init__(self, served: Services, board: Board, request: Request, here: str) -> None:
        self._request = request
        self._here = here
        self.said: Texts = texts(language_of(request))
        self._served = served
        self._board = board
        self._caller: Caller = request.scope[CALLER]
        self._token: str = request.scope[FORM_TOKEN] or ""

    async def show(self, styles: Sequence[str]) -> None:
        """All of it, in these styles; it goes on changing until its browser is gone."""
        dress(self._request, styles)
        try:
            task = await self._build()
        except StoreError as error:
            sorry(str(error), self.said)
            return
        ui.context.client.on_delete(task.cancel)

    async def _build(self) -> asyncio.Task[None]:
        """Put everything on the page, and begin to follow what changes. Raises StoreError."""
        view = (await self._board.look()).of(self._caller)
        with ui.element("div").classes("mk-room") as self._all:
            self._frame = Frame(view, self._caller, self._token, self.said, self._here)
            with ui.element("main").classes("mk-alone"):
                await self.fill(view)
        return background_tasks.create(self._follow(), name=f"page: {self._here}")

    @abstractmethod
    async def fill(self, view: View) -> None:
        """What is below the bar. Raises StoreError."""

    @abstractmethod
    async def renew(self, view: View, now: Caller) -> bool:
        """Show how it is now; False where whoever looks may not see the page any more."""

    async def _follow(self) -> None:
        with suppress(asyncio.CancelledError):
            await self._all.client.connected()
            while not self._all.is_deleted:
                whole = await self._board.look()
                now = await self._served.keys.renewed(self._caller)
                if now is None or now.permissions != self._caller.permissions:
                    self._end()
                    return
                view = whole.of(now)
                self._frame.say(view)
                if not await self.renew(view, now):
                    self._end()
                    return
                await asyncio.sleep(STEP_S)

    def _end(self) -> None:
        """Show nothing more: whoever looks may do something else now, or nothing."""
        client = self._all.client
        self._all.clear()
        client.run_javascript(RELOAD)
