"""What tests of the control path share."""

from __future__ import annotations

import time

from streams.bus import Control
from streams.bus.control import Pictures as Followed
from tests.streams.servers import until

GUARD_S = 20


def taken(control: Control, worker: str = "w", wait_s: float = 0) -> list[str]:
    return [command.body for command in control.take(worker, wait_s=wait_s)]


def shown(control: Control, camera: str, picture: bytes, followers: int) -> None:
    """Show it as soon as so many follow."""
    until(lambda: control.show(camera, b"probe") == followers, GUARD_S, f"{followers} follow")
    assert control.show(camera, picture) == followers


def read_on(pictures: Followed) -> None:
    for _ in range(1000):
        pictures.next(wait_s=0.1)


def got(pictures: Followed, wanted: bytes) -> str:
    """Read until the wanted picture; its camera."""
    until_s = time.monotonic() + GUARD_S
    while time.monotonic() < until_s:
        found = pictures.next(wait_s=0.1)
        if found is not None and found[1] == wanted:
            return found[0]
    raise AssertionError("the picture did not come")
