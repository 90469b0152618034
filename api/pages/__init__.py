"""The pages for people, behind the same door as everything else."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from nicegui import ui

from api.app import ROOM
from api.pages.room import Room
from api.services import Services

BUILD_S: Final = 60.0
"""A page waits so long for a slow store; what then fails says so, and tries again by itself."""
RECONNECT_S: Final = 5.0
"""A browser that comes back within this goes on; after it, or after our restart, it loads anew."""

FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
    '<path d="M4 32C14 16 24 11 32 11s18 5 28 21C50 48 40 53 32 53S14 48 4 32z" fill="#16202b"/>'
    '<circle cx="32" cy="32" r="13" fill="#38bdf8"/><circle cx="32" cy="32" r="6" fill="#16202b"/>'
    "</svg>"
)


def mount(app: FastAPI) -> None:
    """Put the pages at ``ROOM``. NiceGUI has one application in a process, so that this can be
    done once in it, after the services are in ``app.state``."""
    services: Services = app.state.services
    room = Room(services)

    # a page's function is named by nobody
    ui.page("/", title="Matakota", dark=True, response_timeout=BUILD_S)(room.show)
    ui.run_with(
        app,
        mount_path=ROOM.rstrip("/"),
        title="Matakota",
        favicon=FAVICON,
        tailwind=False,
        reconnect_timeout=RECONNECT_S,
        show_welcome_message=False,
    )
