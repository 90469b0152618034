"""Cameras that no simulator would be, and recordings that are unusual."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from streams.address import RtspAddress, parse_address
from streams.config import Credential
from streams.health import Code, State
from streams.rtsp.choosing import Wish
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Ring
from streams.rtsp.source import RtspSource
from streams.simulator import Recording
from streams.simulator.packets import fragments
from tests.streams.simulator.clients import GUARD_S
from vision.types import Frame

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def source(
    url: str | RtspAddress,
    forkserver: ForkServer,
    *,
    login: Credential | None = None,
    fps: float | None = None,
    networks: Sequence[object] = LOOPBACK,
    ring: Ring | None = None,
    wish: Callable[[], Wish] | None = None,
) -> RtspSource:
    """A source that may connect to the loopback."""
    address = url if isinstance(url, RtspAddress) else parse_address(url)
    return RtspSource(
        "cam",
        address,
        login,
        networks=networks,  # type: ignore[arg-type]
        fps=fps,
        forkserver=forkserver,
        ring=ring,
        wish=wish,
    )


def frames(camera: RtspSource, count: int) -> list[Frame]:
    """The next ``count`` frames; fails when they do not come."""
    found: list[Frame] = []
    end = time.monotonic() + GUARD_S
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} frames; {camera.health}"
        frame = camera.next(0.5)
        if frame is not None:
            found.append(frame)
    return found


def until(camera: RtspSource, state: State, code: Code | None) -> None:
    """Ask for pictures until the camera is in this state."""
    end = time.monotonic() + 3 * GUARD_S
    while (camera.health.state, camera.health.code) != (state, code):
        assert time.monotonic() < end, f"still {camera.health}, not {state}, {code}"
        camera.next(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Listener:
    """A port and how often somebody connected to it."""

    port: int
    connections: int = 0
    held: list[socket.socket] = field(default_factory=list)

    def url(self, path: str = "/x") -> str:
        return f"rtsp://127.0.0.1:{self.port}{path}"


@contextmanager
def serving(talk: Callable[[socket.socket], object]) -> Iterator[Listener]:
    """A port whose connections are given to ``talk``, one after the other, and then closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server.getsockname()[1])

        def run() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                listener.connections += 1
                listener.held.append(connection)
                with connection, suppress(OSError):
                    talk(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in listener.held:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            thread.join()


def answering(*answers: bytes) -> Callable[[socket.socket], None]:
    """Talk that gives one of ``answers`` to each thing that is said, and then nothing more."""

    def talk(connection: socket.socket) -> None:
        for answer in answers:
            if not connection.recv(65536):
                return
            connection.sendall(answer)
        while connection.recv(65536):
            pass

    return talk


def painted_clip(
    path: Path,
    size: tuple[int, int],
    count: int = 6,
    *,
    matrix: Literal["ITU601", "ITU709"] = "ITU601",
) -> Path:
    """Pictures whose left half is blue, with a red corner at the top right: what is turned,
    shifted or sheared shows."""
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": "5"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace = {"ITU601": 6, "ITU709": 1}[matrix]
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(painting(size), format="bgr24").reformat(
                format="yuv420p", dst_colorspace=matrix
            )
            frame.pts, frame.time_base = i, Fraction(1, 12)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def painting(size: tuple[int, int]) -> np.ndarray:
    width, height = size
    image = np.full((height, width, 3), 90, np.uint8)
    image[:, : width // 2] = (200, 60, 60)
    cv2.rectangle(image, (width * 3 // 4, 0), (width, height // 4), (40, 40, 220), -1)
    return image


def with_messages(recording: Recording, message: bytes) -> Recording:
    """The recording with ``message``, a NAL unit, before each picture."""
    units = tuple(
        replace(unit, parts=(*fragments([message]), *unit.parts)) for unit in recording.units
    )
    return replace(recording, units=units)


class Terse(Recording):
    """A recording whose session description leaves the parameter sets to the stream."""

    @property
    def fmtp(self) -> str:
        return "packetization-mode=1"
