"""A hub that runs, and whoever views through it, for its tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from api import live
from api.ingest import Heard
from api.live import Hub, Shown, Viewer
from streams.bus.memory_control import MemoryControl
from streams.commands import Picture, View, decode_command
from tests.api.served import DAY, wait_until, watching
from tests.api.viewing import GUARD_S, hearing


def picture(number: int = 0) -> Picture:
    return Picture(DAY + number, 64, 36, f"jpeg {number}".encode())


def show(control: MemoryControl, camera: str, number: int = 0) -> None:
    """Show it as soon as the hub follows the camera."""
    wait_until(lambda: control.show(camera, picture(number).encode()), GUARD_S)


async def newest(viewer: Viewer, timeout_s: float = GUARD_S) -> Shown:
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if (shown := await viewer.next(0.2)) is not None:
            return shown
    raise AssertionError("no picture came")


async def until(true: Callable[[], object]) -> None:
    until_s = time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < until_s, "waited in vain"
        await asyncio.sleep(0.01)


def run(
    story: Callable[[Hub, MemoryControl], Awaitable[None]],
    *,
    workers: Callable[[], tuple[Heard, ...]] | None = None,
    control: MemoryControl | None = None,
) -> None:
    control = control or MemoryControl()

    async def told() -> None:
        with watching(control, workers or hearing("plaza")) as hub:
            await story(hub, control)
            assert hub.room == live.MAX_WATCHED
            assert not hub._viewed

    asyncio.run(told())
    control.close()


def views(control: MemoryControl, worker: str = "w") -> list[str]:
    found = []
    for command in control.take(worker, wait_s=0):
        wanted = decode_command(command.body)
        assert isinstance(wanted, View)
        found.append(wanted.camera)
    return found
