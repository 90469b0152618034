"""Small clips whose pictures tell their number, and RTSP clients: a plain socket, and PyAV."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import av
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream

from vision.types import Image

SIZE, COUNT, RATE = (96, 64), 24, 12
BAR_PX = SIZE[0] // COUNT
GUARD_S = 30.0
"""A wait that takes longer has failed; nothing is measured by it."""


def bar(index: int) -> Image:
    """A picture that tells its index by where its bright bar is."""
    image: Image = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    image[:, index * BAR_PX : (index + 1) * BAR_PX] = 220
    return image


def which_bar(image: np.ndarray) -> int:
    """The index of a picture made by ``bar``, of this or another size."""
    columns = image.mean(axis=(0, 2))
    bright = np.flatnonzero(columns > (columns.max() + columns.min()) / 2)
    return int(bright.mean() * COUNT / len(columns))


def small_clip(path: Path) -> Path:
    """A clip of ``COUNT`` pictures that tell which they are, after decoding too."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "5", "bf": "2"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(COUNT):
            frame = av.VideoFrame.from_ndarray(bar(i), format="bgr24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def noise_clip(path: Path) -> Path:
    """A clip of pictures that do not get small, 320x240 px."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.bit_rate = 20_000_000
        for i in range(RATE):
            pixels = np.random.default_rng(i).integers(0, 255, (240, 320, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@dataclass
class Watched:
    """What a client saw: which picture of a ``small_clip`` each one was, its time (1/90000 s) and
    size; the camera's clock less ours by the first packet that has one; how it ended."""

    indices: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    corrupt: int = 0
    skew_s: float | None = None
    ended: str = ""


def watch(url: str, *, login: str = "", limit: int = 100_000) -> Watched:
    """Decode until the stream ends or ``limit`` pictures came. Raises FFmpegError and OSError
    where it does not begin."""
    seen = Watched()
    options = {"rtsp_transport": "tcp", "analyzeduration": "200000"}
    url = url.replace("rtsp://", f"rtsp://{login}@") if login else url
    with av.open(url, format="rtsp", options=options, timeout=(GUARD_S, GUARD_S)) as container:
        try:
            for packet in container.demux(video=0):
                for data in packet.iter_sidedata():
                    if data.data_type == "prft" and seen.skew_s is None:
                        seen.skew_s = struct.unpack_from("<q", bytes(data))[0] / 1e6 - time.time()
                for picture in packet.decode():
                    assert isinstance(picture, av.VideoFrame)
                    seen.indices.append(which_bar(picture.to_ndarray(format="bgr24")))
                    seen.times.append(picture.pts or 0)
                    seen.sizes.append((picture.width, picture.height))
                    seen.corrupt += picture.is_corrupt
                    if len(seen.indices) >= limit:
                        seen.ended = "limit"
                        return seen
        except (FFmpegError, OSError) as error:
            seen.ended = type(error).__name__
            return seen
    seen.ended = "end"
    return seen


def eventually(fact: Callable[[], bool]) -> bool:
    """Whether ``fact`` comes true before the guard."""
    end = time.monotonic() + GUARD_S
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@dataclass(frozen=True)
class Answer:
    """``headers`` by lower-case name; one that comes twice is joined by a newline."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def session(self) -> str:
        return self.headers["session"].partition(";")[0]


class RtspSocket:
    """A plain RTSP client: it sends what it is told and hands out what comes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.port is not None
        self.url = url
        self.base = f"rtsp://{parts.netloc}{parts.path}"
        self._number = 0
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=GUARD_S)
        self._waiting = b""
        self.packets: list[tuple[int, bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, method: str, uri: str | None = None, **headers: str) -> Answer:
        """One request and its answer; packets that come before it are kept in ``packets``."""
        self._number += 1
        lines = [f"{method} {self.url if uri is None else uri} RTSP/1.0", f"CSeq: {self._number}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())
        answer = self.answer()
        assert answer.headers["cseq"] == str(self._number)
        return answer

    def answer(self) -> Answer:
        while (packet := self._packet()) is not None:
            self.packets.append(packet)
        while b"\r\n\r\n" not in self._waiting:
            self._receive()
        head, _, self._waiting = self._waiting.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            earlier = headers.get(name.lower())
            headers[name.lower()] = value if earlier is None else f"{earlier}\n{value}"
        size = int(headers.get("content-length", 0))
        while len(self._waiting) < size:
            self._receive()
        body, self._waiting = self._waiting[:size], self._waiting[size:]
        match = re.fullmatch(r"RTSP/1\.0 (\d{3}) [A-Z][A-Za-z ]+", first)
        assert match is not None, first
        return Answer(int(match[1]), headers, body)

    def play(self, **headers: str) -> Answer:
        """DESCRIBE, SETUP and PLAY; the answer to the last."""
        assert self.ask("DESCRIBE", **headers).status == 200
        setup = self.ask(
            "SETUP",
            f"{self.base}/trackID=0",
            Transport="RTP/AVP/TCP;unicast;interleaved=0-1",
            **headers,
        )
        assert setup.status == 200
        return self.ask("PLAY", Session=setup.session, **headers)

    def stream(self) -> Iterator[tuple[int, bytes]]:
        """Channel and content of every packet until the connection ends."""
        yield from self.packets
        while True:
            try:
                packet = self._packet()
                while packet is None:
                    self._receive()
                    packet = self._packet()
            except EOFError:
                return
            yield packet

    def closed(self) -> bool:
        """Whether the other side ends the connection; waits for it."""
        try:
            while True:
                self._receive()
        except EOFError:
            return True
        except TimeoutError:
            return False

    def _packet(self) -> tuple[int, bytes] | None:
        while not self._waiting:
            self._receive()
        if self._waiting[:1] != b"$":
            return None
        while len(self._waiting) < 4 or len(self._waiting) < 4 + self._size():
            self._receive()
        end = 4 + self._size()
        packet = (self._waiting[1], self._waiting[4:end])
        self._waiting = self._waiting[end:]
        return packet

    def _size(self) -> int:
        return int.from_bytes(self._waiting[2:4], "big")

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        self._waiting += data


def digest(challenge: str, method: str, uri: str, user: str, password: str, *, qop: bool) -> str:
    """An Authorization header by RFC 2617, with ``qop=auth`` or without."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    secret, place = md5(f"{user}:{fields['realm']}:{password}"), md5(f"{method}:{uri}")
    middle = f"{fields['nonce']}:00000001:0a4f113b:auth" if qop else fields["nonce"]
    shown = f'username="{user}", realm="{fields["realm"]}", nonce="{fields["nonce"]}", uri="{uri}"'
    if qop:
        shown += ', qop=auth, nc=00000001, cnonce="0a4f113b"'
    return f'Digest {shown}, response="{md5(f"{secret}:{middle}:{place}")}"'
