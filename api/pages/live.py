"""Cameras on pages: their live pictures over one connection, and how they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nicegui import ui

LIVE: Final = "/api/v1/live"
SHARED: Final = ("live.js", "tile.js")
"""What the elements that show cameras import."""


class Wall(ui.element, component="wall.js", dependencies=[*SHARED]):
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
