"""The cameras and what is drawn on them: a list, and the editor of each one's scene. The editor
reads and changes it over the API, as any program does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from nicegui import ui
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.app import ROOM
from api.auth import NO_CAMERA
from api.board import Board, Tile, View
from api.cameras import CameraOut
from api.door import page as plain_page
from api.forms.page import language_of
from api.i18n import Texts, texts
from api.pages.editorwords import editor_texts, list_texts
from api.pages.page import Page
from api.pages.words import shown_camera
from api.services import Services
from vision.errors import StoreError
from vision.types import JsonValue

CAMERAS: Final = ROOM + "cameras"
STYLES: Final = ("editor.css",)
DRAWN: Final = ("lines", "zones", "rules")
_P: Final = Permission


class CameraList(ui.element, component="cameras.js"):
    """The cameras as a table. ``change`` shows how some are now, ``drop`` takes some away."""

    def __init__(self, rows: Sequence[dict[str, Any]], said: Mapping[str, Any]) -> None:
        super().__init__()
        self.props["first"] = list(rows)
        self.props["texts"] = dict(said)

    def change(self, rows: Sequence[dict[str, Any]]) -> None:
        self.run_method("change", list(rows))

    def drop(self, cameras: Sequence[str]) -> None:
        self.run_method("drop", list(cameras))


class Editor(ui.element, component="editor.js", esm={"drawing": "drawing"}):
    """What is drawn on one camera. ``follow`` says by which revision its worker watches."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        for name, value in values.items():
            self.props[name] = value

    def follow(self, revision: int) -> None:
        self.run_method("follow", revision)


class Cameras:
    """Builds both pages for each browser that asks."""

    def __init__(self, served: Services, board: Board) -> None:
        self._served = served
        self._board = board

    async def show_list(self, request: Request) -> None:
        """Every camera that whoever asks sees, with what is drawn on it."""
        await _List(self._served, self._board, request, CAMERAS).show(STYLES)

    async def show_editor(self, request: Request, camera: str) -> Response | None:
        """One camera's editor; for whoever may not change it, what is drawn on it."""
        view = await self._board.look()
        tile = next((tile for tile in view.tiles if tile.camera.id == camera), None)
        if tile is None:
            said = texts(language_of(request))
            return HTMLResponse(plain_page(said, NO_CAMERA), NO_CAMERA.status)
        await _Editing(self._served, self._board, request, tile).show(STYLES)
        return None


class _List(Page):
    """All cameras."""

    async def fill(self, view: View) -> None:
        self._drawn = await run_in_threadpool(_drawn, self._served)
        self._rows = self._shown(view, self._caller)
        self._list = CameraList(list(self._rows.values()), list_texts(self.said))

    async def renew(self, view: View, now: Caller) -> bool:
        before, rows = self._rows, self._shown(view, now)
        # what is drawn changes with the number of its revision
        if any(row["revision"] != before.get(name, row)["revision"] for name, row in rows.items()):
            with suppress(StoreError):
                self._drawn = await run_in_threadpool(_drawn, self._served)
            rows = self._shown(view, now)
        changed = [row for name, row in rows.items() if before.get(name) != row]
        gone = [name for name in before if name not in rows]
        if changed:
            self._list.change(changed)
        if gone:
            self._list.drop(gone)
        self._rows = rows
        return True

    def _shown(self, view: View, caller: Caller) -> dict[str, dict[str, Any]]:
        return {tile.camera.id: self._row(tile, caller) for tile in view.tiles}

    def _row(self, tile: Tile, caller: Caller) -> dict[str, Any]:
        shown = shown_camera(tile, caller, self.said)
        del shown["lines"]
        nothing = dict.fromkeys(DRAWN, 0)
        return shown | {
            "picture": picture_of(tile.camera, self.said),
            "revision": tile.camera.revision,
            "drawn": self._drawn.get(tile.camera.id, nothing),
        }


def picture_of(camera: CameraOut, _: Texts) -> str:
    """What is analysed of a camera: the size of its pictures, and whether its smaller stream is."""
    if camera.width is None or camera.height is None:
        return ""
    size = f"{camera.width}×{camera.height}"
    return _("%(size)s, sub-stream") % {"size": size} if camera.stream == "sub" else size


class _Editing(Page):
    """One camera's scene."""

    def __init__(self, served: Services, board: Board, request: Request, tile: Tile) -> None:
        super().__init__(served, board, request, f"{CAMERAS}/{tile.camera.id}")
        self._camera = tile.camera

    async def fill(self, _: View) -> None:
        camera, caller = self._camera, self._caller
        size = None if camera.width is None else [camera.width, camera.height]
        self._editor = Editor({
            "camera": camera.id,
            "name": camera.name,
            "size": size,
            "me": caller.name,
            "token": self._token,
            "language": self.said.language,
            "edits": caller.may(_P.SCENES_EDIT),
            "pictures": caller.may(_P.PICTURES_SEE),
            "texts": editor_texts(self.said),
        })  # fmt: skip
        self._revision: int | None = None

    async def renew(self, view: View, _: Caller) -> bool:
        tile = next((tile for tile in view.tiles if tile.camera.id == self._camera.id), None)
        if tile is None:
            return False
        if tile.camera.revision != self._revision:
            self._revision = tile.camera.revision
            self._editor.follow(self._revision)
        return True


def _drawn(served: Services) -> dict[str, dict[str, int]]:
    """How much is drawn on each camera, on all its views. Raises StoreError."""
    document = served.store.configuration.current()
    cameras = () if document is None else document.cameras
    return {camera.id: _counted(camera.scene or {}) for camera in cameras}


def _counted(scene: Mapping[str, JsonValue]) -> dict[str, int]:
    presets: Any = scene.get("presets") or []
    return {name: sum(len(part.get(name) or []) for part in (scene, *presets)) for name in DRAWN}
