"""Live pictures for a page in a browser, as a server sends them when a test wants them to come."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Page, WebSocketRoute


def _jpeg() -> bytes:
    grey = np.full((90, 160, 3), 120, np.uint8)
    return bytes(cv2.imencode(".jpg", grey)[1])


PICTURE = _jpeg()


@dataclass
class FakePictures:
    """The socket of one page, and what it gets for what it wants. Cameras are live unless
    ``states`` says otherwise; a picture is as old as ``ages`` says, none comes for None."""

    page: Page
    ages: dict[str, float | None] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: bool = False
    _wanted: list[str] = field(default_factory=list)
    _socket: WebSocketRoute | None = None

    def __post_init__(self) -> None:
        self.page.route_web_socket("**/api/v1/live", self._open)

    def wanted(self) -> list[str]:
        """What the page wanted last."""
        # what it sent is heard while the browser is asked something
        self.page.evaluate("0")
        return self._wanted

    def show(self, camera: str, age: float = 0.1) -> None:
        """A newer picture, or one that is this old."""
        head = {"camera": camera, "age": age, "width": 160, "height": 90}
        text = json.dumps(head).encode()
        self._send(struct.pack(">I", len(text)) + text + PICTURE)

    def cut(self) -> None:
        """The server is gone, until ``gone`` is False."""
        self.gone = True
        if self._socket is not None:
            self._socket.close()

    def _open(self, socket: WebSocketRoute) -> None:
        if self.gone:
            socket.close()
            return
        self._socket = socket
        socket.on_message(self._hear)

    def _hear(self, message: str | bytes) -> None:
        self._wanted = json.loads(message)["cameras"]
        live = {"state": "live", "code": None, "age": 0.1, "unheard": None, "message": ""}
        states = {camera: live | self.states.get(camera, {}) for camera in self._wanted}
        self._send(json.dumps({"cameras": states}))
        for camera in self._wanted:
            age = self.ages.get(camera, 0.1)
            if age is not None:
                self.show(camera, age)

    def _send(self, message: str | bytes) -> None:
        if self._socket is not None:
            self._socket.send(message)
