"""One page that shows live pictures of many cameras over one socket."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from typing import Annotated, Any, Final

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.access import Caller, Permission
from api.cameras import FRESH_S, NOBODY, UNKNOWN
from api.feed import Renew
from api.live import CrowdedError, Seen, Shown, Viewer
from api.services import Services
from streams.messages import Name

STALLED_S: Final = 30.0
"""A client that takes nothing for so long is gone, whatever its connection says."""
STEP_S: Final = 0.5
"""How often a stream without pictures looks whether it is to end."""
STATUS_S: Final = 1.0
MAX_WISHES: Final = 64
MAX_WISH_CHARS: Final = 16_384

# RFC 6455, and 1012, 1013 as registered with it
_UNREADABLE, _POLICY, _TOO_BIG, _RESTART, _LATER = 1003, 1008, 1009, 1012, 1013
_LENGTH = struct.Struct(">I")


async def viewer_of(renew: Renew) -> Caller | None:
    """Who looks, with the rights of now; None where they may see no pictures any more."""
    who = await renew()
    return who if who is not None and who.may(Permission.PICTURES_SEE) else None


class _Wishes(BaseModel):
    """Which cameras a page shows now."""

    model_config = ConfigDict(extra="forbid")

    cameras: Annotated[list[Name], Field(max_length=MAX_WISHES)]


class WallPage:
    """One page that shows cameras: what it wants, and what it is told. Both ``listen`` and
    ``speak`` end with the code and the reason to close it, no code where it is gone."""

    def __init__(self, socket: WebSocket, served: Services, viewer: Viewer, renew: Renew) -> None:
        self._socket = socket
        self._served = served
        self._viewer = viewer
        self._renew = renew
        self._wanted: tuple[str, ...] = ()
        self._viewed: tuple[str, ...] = ()
        self._changed = False

    async def listen(self) -> tuple[int | None, str]:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return None, ""
            text = message.get("text")
            if text is None:
                return _UNREADABLE, "send text: {'cameras': [ids]}"
            if len(text) > MAX_WISH_CHARS:
                return _TOO_BIG, f"send at most {MAX_WISH_CHARS} characters"
            try:
                wanted = _Wishes.model_validate(json.loads(text)).cameras
            except ValidationError:
                return _POLICY, f"send {{'cameras': [ids]}}, {MAX_WISHES} at most"
            except (ValueError, RecursionError):
                return _UNREADABLE, "send JSON: {'cameras': [ids]}"
            self._wanted, self._changed = tuple(dict.fromkeys(wanted)), True
            self._viewer.wake()

    async def speak(self) -> tuple[int | None, str]:
        due_s = time.monotonic()
        shown: Shown | None = None
        try:
            while not self._served.bell.closed:
                who = await viewer_of(self._renew)
                if who is None:
                    return _POLICY, "the right to see pictures has ended: sign in again"
                self._view(who)
                now_s = time.monotonic()
                if self._changed or now_s >= due_s:
                    self._changed, due_s = False, now_s + STATUS_S
                    await self._send(text=json.dumps({"cameras": self._states()}))
                if shown is not None and shown.camera in self._viewed:
                    await self._send(data=_framed(shown))
                # a wish that came meanwhile has woken nobody
                left_s = 0.0 if self._changed else max(0.0, due_s - time.monotonic())
                shown = await self._viewer.next(min(STEP_S, left_s))
        except (WebSocketDisconnect, TimeoutError):
            return None, ""
        except CrowdedError:
            return _LATER, "too many live pictures are viewed: come again later"
        return _RESTART, "the server ends: come again"

    def _view(self, who: Caller) -> None:
        """View those of the wanted cameras that are this one's now. Raises CrowdedError."""
        seen = tuple(camera for camera in self._wanted if who.sees(camera))
        if seen != self._viewed:
            self._viewer.wish(seen)
            self._viewed, self._changed = seen, True

    async def _send(self, *, text: str | None = None, data: bytes | None = None) -> None:
        async with asyncio.timeout(STALLED_S):
            if data is not None:
                await self._socket.send_bytes(data)
            elif text is not None:
                await self._socket.send_text(text)

    def _states(self) -> dict[str, dict[str, Any]]:
        hub = self._served.hub
        return {
            camera: _state(hub.seen(camera) if camera in self._viewed else None)
            for camera in self._wanted
        }


def _state(seen: Seen | None) -> dict[str, Any]:
    if seen is None:
        return {"state": "unknown", "code": None, "age": None, "unheard": None, "message": NOBODY}
    age_s, since_s, report = seen.age_s, seen.since_s, seen.report
    heard = since_s <= FRESH_S
    return {
        "state": report.state if heard else "unknown",
        "code": report.code if heard else None,
        "age": None if age_s is None else round(age_s, 2),
        "unheard": None if heard else round(since_s),
        "message": report.message if heard else UNKNOWN % {"age": since_s},
    }


def _framed(shown: Shown) -> bytes:
    picture = shown.picture
    head = json.dumps(
        {
            "camera": shown.camera,
            "age": round(shown.age_s, 2),
            "width": picture.width,
            "height": picture.height,
        }
    ).encode()
    return _LENGTH.pack(len(head)) + head + picture.jpeg
