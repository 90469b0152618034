"""The pages for people, behind the same door as everything else."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

from fastapi import FastAPI
from nicegui import Client, core, ui
from socketio import exceptions  # type: ignore[import-untyped]

from api.access import Caller
from api.app import ROOM
from api.auth import CALLER
from api.board import Board
from api.forms.page import static
from api.pages.cameras import Cameras
from api.pages.room import Room
from api.pages.traffic import TrafficPages
from api.pages.wallpage import WallPage
from api.services import Services

BUILD_S: Final = 60.0
"""A page waits so long for a slow store; what then fails says so, and tries again by itself."""
RECONNECT_S: Final = 15.0
"""A browser that comes back within this goes on; after it, or after our restart, it loads anew, and
what somebody was writing is gone. A third of it is how long both may be too busy to answer."""

TAKEN: Final = ("handshake", "event", "javascript_response", "ack", "log")
"""What a page's browser sends over its socket, each naming the page."""
Handler: TypeAlias = Callable[..., Any]


def mount(app: FastAPI) -> None:
    """Put the pages at ``ROOM``. NiceGUI has one application in a process, so that this can be
    done once in it, after the services are in ``app.state``."""
    services: Services = app.state.services
    board = Board(services)
    cameras = Cameras(services, board)
    _keep_to_their_own()

    # a page's function is named by nobody
    for path, show in (
        ("/", Room(services, board).show),
        ("/wall", WallPage(services, board).show),
        ("/traffic", TrafficPages(services, board).show),
        ("/cameras", cameras.show_list),
        ("/cameras/{camera}", cameras.show_editor),
    ):
        ui.page(path, title="Matakota", dark=True, response_timeout=BUILD_S)(show)
    ui.run_with(
        app,
        mount_path=ROOM.rstrip("/"),
        title="Matakota",
        favicon=static("icon.svg").decode(),
        tailwind=False,
        reconnect_timeout=RECONNECT_S,
        show_welcome_message=False,
    )


def _keep_to_their_own() -> None:
    """Have sockets drive the pages of their own session only: the library takes whoever names a
    page's id for its browser."""
    core.app.config.socket_io_js_transports = ["websocket"]
    core.sio.eio.transports = ["websocket"]
    handlers = core.sio.handlers["/"]
    for name in TAKEN:
        core.sio.on(name, _kept(handlers[name]))
    core.sio.on("connect", _connecting(handlers["connect"]))


def _kept(handle: Handler) -> Handler:
    """``handle`` for messages that name a page of the socket's own session; others are dropped."""

    async def take(sid: str, message: Any = None, *_: Any) -> Any:
        if not isinstance(message, dict) or not _is_own(sid, message.get("client_id")):
            return False
        found = handle(sid, message)
        return await found if isawaitable(found) else found

    return take


def _connecting(handle: Handler) -> Handler:
    """``handle`` for sockets that come without a page, or with one of their own session."""

    async def take(sid: str, environ: Any = None, *more: Any) -> Any:
        # a message may have this name too, so that all of it may be made up
        query = environ.get("QUERY_STRING", "") if isinstance(environ, dict) else None
        if not isinstance(query, str):
            return False
        # the library reads it as leniently
        if not all(_is_own(sid, named) for named in parse_qs(query).get("client_id", [])):
            # as the library says of a page that is none, so that its browser loads it anew
            raise exceptions.ConnectionRefusedError("Implicit handshake failed")
        return await handle(sid, environ, *more)

    return take


def _is_own(sid: str, page: object) -> bool:
    """Whether a page was asked for by the session that a socket was opened by."""
    client = Client.instances.get(page) if isinstance(page, str) else None
    environ = core.sio.get_environ(sid)
    if client is None or environ is None:
        return False
    asked: Caller | None = client.request.scope.get(CALLER)
    asks: Caller | None = environ["asgi.scope"].get(CALLER)
    return asked is not None and asks is not None and asked.id == asks.id
