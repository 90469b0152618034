"""Workers that make live pictures, for the tests of those who view them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api.ingest import Heard
from api.store import Store
from streams.bus import Control
from streams.commands import View, decode_command
from streams.drawing import Check, Checked, Still
from streams.messages import encode
from streams.pictures import Offer, Pictures
from streams.reports import HealthReport
from streams.stills import take_still
from tests.api.served import DAY, Api, api, report, sqlite_url
from vision.types import Frame

GUARD_S = 20
PREFIX = "/api/v1"
LEVELS = 200
"""A picture's brightness is its index, again and again from 0."""


@dataclass
class FakeWorker:
    """One worker's cameras, which look at a wall that gets brighter; ``views`` are the wishes that
    came, with their times (monotonic). No picture of a camera that is in ``dark``."""

    control: Control
    name: str
    cameras: Collection[str]
    fps: float
    pictures: Pictures
    views: list[tuple[float, str]] = field(default_factory=list)
    dark: set[str] = field(default_factory=set)
    index: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def obey(self) -> None:
        while not self.stop.is_set():
            for command in self.control.take(self.name, wait_s=0.05):
                wanted = decode_command(command.body)
                if isinstance(wanted, Still):
                    work = partial(self._take, command.id, wanted)
                    threading.Thread(target=work, daemon=True).start()
                    continue
                if isinstance(wanted, Check):
                    self.control.answer(command.id, encode(Checked(ok=True)))
                    continue
                assert isinstance(wanted, View)
                self.views.append((time.monotonic(), wanted.camera))
                self.pictures.lease(wanted.camera)

    def _take(self, command: str, wanted: Still) -> None:
        self.control.answer(command, encode(take_still(wanted, self.pictures, self.stop)))

    def look(self) -> None:
        while not self.stop.wait(1 / self.fps):
            self.index += 1
            image = np.full((360, 640, 3), self.index % LEVELS, np.uint8)
            for camera in self.cameras:
                if camera not in self.dark and self.pictures.wanted(camera):
                    one = Frame(camera, self.index, DAY + self.index / self.fps, image)
                    self.pictures.offer(camera, Offer(one, None, None, {}, ()))


@contextmanager
def working(
    control: Control, *cameras: str, name: str = "w", fps: float = 20
) -> Iterator[FakeWorker]:
    worker = FakeWorker(control, name, cameras, fps, Pictures(control))
    threads = [threading.Thread(target=run, daemon=True) for run in (worker.obey, worker.look)]
    worker.pictures.start()
    for thread in threads:
        thread.start()
    try:
        yield worker
    finally:
        worker.stop.set()
        for thread in threads:
            thread.join(20)
        worker.pictures.stop()


def hearing(*cameras: str, name: str = "w", **more: object) -> Callable[[], tuple[Heard, ...]]:
    """The ingest's word for a worker that reported just now, whenever it is asked."""
    return lambda: (Heard(report(DAY, *cameras, worker=name, **more), time.monotonic()),)


def brightness(jpeg: bytes) -> int:
    """Of the whole picture, which is the index that it was made with."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert int(image.max()) - int(image.min()) <= 4
    return round(float(image.mean()))


def is_after(new: int, old: int) -> bool:
    """Whether a brightness is a later one, which may have begun anew."""
    return 0 < (new - old + 4) % LEVELS < LEVELS / 2


# --- who is served


@contextmanager
def cameras(folder: Path) -> Iterator[Api]:
    """A served application that has just heard of two cameras, ``plaza`` and ``road``."""
    with Store.open(sqlite_url(folder)) as store, api(store) as running:
        hear(running, report(time.time(), "plaza", "road"))
        yield running


def hear(served: Api, *reports: HealthReport, late_s: float = 0.0) -> None:
    """As if the ingest had heard these, so long ago."""
    for each in reports:
        served.store.cameras.save(each)
    served.ingest.workers = tuple(Heard(each, time.monotonic() - late_s) for each in reports)


class Reader:
    """Somebody who looks at a stream, in a thread: the brightness of what came."""

    def __init__(self, response: httpx.Response) -> None:
        self.seen: list[int] = []
        self.heads: list[str] = []
        self.ended = threading.Event()
        self.response = response
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        buffer = b""
        try:
            for chunk in self.response.iter_raw():
                buffer += chunk
                *parts, buffer = buffer.split(b"--picture\r\n")
                for part in parts:
                    head, _, jpeg = part.partition(b"\r\n\r\n")
                    if jpeg:
                        self.heads.append(head.decode())
                        self.seen.append(brightness(jpeg.removesuffix(b"\r\n")))
        except (httpx.TransportError, httpx.StreamError):
            pass
        finally:
            self.ended.set()

    def leave(self) -> None:
        connection = self.response.extensions["network_stream"].get_extra_info("socket")
        connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(GUARD_S)


@contextmanager
def looking(
    served: Api,
    camera: str = "plaza",
    key: str | None = None,
    client: httpx.Client | None = None,
) -> Iterator[Reader]:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    path = f"{PREFIX}/cameras/{camera}/live"
    with (client or served.client).stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "multipart/x-mixed-replace; boundary=picture"
        assert response.headers["cache-control"] == "no-store"
        reader = Reader(response)
        yield reader
        if not reader.ended.is_set():
            reader.leave()


@contextmanager
def frozen(served: Api, camera: str = "plaza") -> Iterator[socket.socket]:
    """A client that asks for a stream and never reads it."""
    port = httpx.URL(served.client.base_url).port
    path = f"{PREFIX}/cameras/{camera}/live"
    asked = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {served.key}\r\n\r\n".encode()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        # as little as there may be, so that it is soon full
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.connect(("127.0.0.1", port))
        client.sendall(asked)
        yield client


@contextmanager
def viewing(
    served: Api, *cameras: str, headers: dict[str, str] | None = None
) -> Iterator[ClientConnection]:
    port = httpx.URL(served.client.base_url).port
    given = {"X-Api-Key": served.key} if headers is None else headers
    with connect(
        f"ws://127.0.0.1:{port}{PREFIX}/live",
        additional_headers=given,
        proxy=None,
        open_timeout=GUARD_S,
        close_timeout=1,
    ) as page:
        if cameras:
            page.send(json.dumps({"cameras": cameras}))
        yield page


def read_on(page: ClientConnection) -> None:
    for _ in range(1000):
        page.recv(GUARD_S)


def closing(page: ClientConnection) -> tuple[int, str]:
    """How the server closed it."""
    with pytest.raises(ConnectionClosed) as closed:
        read_on(page)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason
