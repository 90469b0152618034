"""Many who watch, some of them slowly: what that does to the analysis."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from streams.commands import LEASE_S
from streams.simulator import Simulator
from tests.faults.cities import plaza, write_city
from tests.faults.living import Living
from tests.waiting import wait_for

SETTLE_S = 5.0


@dataclass(frozen=True)
class Viewing:
    """Pictures analysed in a second by all cameras together: ``alone``, and while watched, of
    which ``share`` is the part. ``shown`` pictures reached the viewers in that time, the slowest
    reader among them got ``least``; ``after`` were made after the last viewer had left."""

    alone: float
    watched: float
    shown: int
    least: int
    after: int

    @property
    def share(self) -> float:
        return self.watched / self.alone


class Viewer:
    """Reads a camera's MJPEG in a thread, and counts its pictures."""

    def __init__(self, living: Living, camera: str) -> None:
        self.pictures = 0
        self._address = f"{living.address}/api/v1/cameras/{camera}/live"
        self._headers = living.headers
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with httpx.stream("GET", self._address, headers=self._headers, timeout=60) as answer:
            for chunk in answer.iter_raw():
                self.pictures += chunk.count(b"\xff\xd8\xff")
                if self._left.is_set():
                    return

    def leave(self) -> None:
        self._left.set()
        self._thread.join(30)


@contextmanager
def never_reads(living: Living, camera: str) -> Iterator[None]:
    """A viewer that asks for pictures and takes none."""
    key = living.headers["Authorization"]
    with socket.create_connection(("127.0.0.1", living.port), timeout=30) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(
            f"GET /api/v1/cameras/{camera}/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: {key}\r\n\r\n".encode()
        )
        yield


def viewing(folder: Path, cache: Path, *, viewers: int, seconds: float, fps: str) -> Viewing:
    """Two cameras, first alone, then with ``viewers`` and one that never reads."""
    recording = plaza(cache)
    with Simulator({"a": recording, "b": recording}, offsets_s={"b": 40.0}) as simulator:
        write_city(folder, {name: simulator.url(name) for name in ("a", "b")}, fps=fps)
        with Living(folder) as living:
            states = ("live", "live")
            wait_for(lambda: tuple(c["state"] for c in living.cameras().values()) == states, "live")
            time.sleep(SETTLE_S)
            alone = _rate(living, seconds)
            with ExitStack() as stack:
                watching = [Viewer(living, "ab"[i % 2]) for i in range(viewers)]
                for viewer in watching:
                    stack.callback(viewer.leave)
                stack.enter_context(never_reads(living, "a"))
                wait_for(lambda: all(v.pictures for v in watching), "each viewer has a picture")
                before = [viewer.pictures for viewer in watching]
                watched = _rate(living, seconds)
                got = [v.pictures - b for v, b in zip(watching, before, strict=True)]
            time.sleep(LEASE_S + SETTLE_S)
            made = pictures_made(living)
            time.sleep(SETTLE_S)
            after = pictures_made(living) - made
    return Viewing(alone, watched, sum(got), min(got), after)


def pictures_made(living: Living) -> int:
    """Pictures that workers have made for viewers so far."""
    return sum(worker["pictures"] for worker in living.get("/api/v1/workers")["workers"])


def _rate(living: Living, seconds: float) -> float:
    def analysed() -> int:
        return sum(camera["analysed"] for camera in living.cameras().values())

    before, began_s = analysed(), time.monotonic()
    time.sleep(seconds)
    return (analysed() - before) / (time.monotonic() - began_s)
