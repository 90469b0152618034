"""A camera that is a recording: its faults, and how one client is played to."""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import parse_qsl

import structlog

from streams.simulator.packets import CLOCK_HZ, Fragment, RtpStream, fragments
from streams.simulator.recording import Recording, Unit, halved

REPORT_EVERY_S = 2.0
MAX_WAIT_S = 0.1
"""How late a fault or an end may be noticed."""
MAX_LAG_S = 5.0
"""A player that fell behind further (a sleeping machine) does not catch up."""
BUFFER_BYTES = 4 << 20
"""What may wait for one client; one that is slower than this is cut."""
YEAR_S = 365 * 86_400.0
SLOW_BYTES_S = 16_384
CORRUPT_EVERY = 7
"""Every so many pictures one is damaged, key frames among them."""
KEPT_SHARE = 0.7
"""How much of a picture is sent that is cut short."""
SLICE_HEAD_BYTES = 8

log = structlog.get_logger()


class FaultKind(StrEnum):
    """What a camera does wrong (``docs/simulator.md``)."""

    STALL = "stall"
    CLOSE = "close"
    UNAUTHORIZED = "401"
    NOT_FOUND = "404"
    BUSY = "453"
    SERVER_ERROR = "500"
    REDIRECT = "redirect"
    REDIRECT_LOOP = "redirect-loop"
    GARBAGE = "garbage"
    CORRUPT = "corrupt"
    RESOLUTION = "resolution"
    CLOCK = "clock"
    SILENT = "silent"
    SLOW = "slow"


ON_MEDIA = frozenset(
    {FaultKind.STALL, FaultKind.CLOSE, FaultKind.CORRUPT, FaultKind.RESOLUTION, FaultKind.CLOCK,
     FaultKind.SLOW}
)  # fmt: skip
"""Those that leave the requests alone. ``garbage`` is of both kinds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that begins ``after_s`` seconds after PLAY, or after it was set on a playing camera;
    one that answers requests begins at once. ``to`` is where ``redirect`` points to.

    Raises ValueError for values that do not fit.
    """

    kind: FaultKind
    after_s: float = 0.0
    to: str | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.after_s) and 0 <= self.after_s <= 86_400):
            raise ValueError(f"a fault begins after 0 to 86400 s, not {self.after_s}")
        if (self.kind is FaultKind.REDIRECT) != (self.to is not None):
            raise ValueError("'to' belongs to the fault 'redirect', which needs it")
        if self.to is not None and not (self.to.isascii() and self.to.isprintable()):
            raise ValueError("'to' is printable ASCII")


def parse_fault(query: str) -> Fault | None:
    """The fault that the query of an address asks for, such as ``fault=stall&after=3``. Raises
    ValueError for one that is unknown or incomplete."""
    fields = dict(parse_qsl(query, max_num_fields=8))
    if "fault" not in fields:
        return None
    return Fault(FaultKind(fields["fault"]), float(fields.get("after", "0")), fields.get("to"))


class Client(Protocol):
    """Who is connected to a camera."""

    def cut(self) -> None:
        """End the connection at once."""


@dataclass(slots=True)
class Device:
    """What the streams of one camera have in common: how many ``sessions`` it has now, and how
    many it serves at the most, None for any number."""

    limit: int | None = None
    sessions: int = 0

    @property
    def full(self) -> bool:
        return self.limit is not None and self.sessions >= self.limit


class Pass(StrEnum):
    """Where the only pass of a camera is that plays ``once``."""

    AHEAD = "ahead"
    RUNNING = "running"
    SENT = "sent"
    OVER = "over"


class SimulatedCamera:
    """The state of one stream of a camera; everything here belongs to the event loop's thread."""

    def __init__(
        self,
        name: str,
        recording: Recording,
        *,
        offset_ticks: int,
        speed: float,
        device: Device,
    ) -> None:
        self.name = name
        self.recording = recording
        self.speed = speed
        self.device = device
        self.running = True
        self.once = Pass.AHEAD
        self.clients: set[Client] = set()
        self.playing = self.plays = 0
        self.fault: Fault | None = None
        self.fault_since_s = 0.0
        self._offset_ticks = offset_ticks
        self._half: asyncio.Future[Recording] | None = None

    def set_fault(self, fault: Fault | None, now_s: float) -> None:
        """Whoever is connected feels it: a fault that answers requests ends the connections."""
        self.fault = fault
        self.fault_since_s = now_s
        mends = fault is None or fault.kind in ON_MEDIA or fault.kind is FaultKind.GARBAGE
        if not mends:
            self.cut()

    def cut(self) -> None:
        """End all connections."""
        for client in tuple(self.clients):
            client.cut()

    def place(self, running_s: float) -> int:
        """The index of the key frame with which a client starts after ``running_s`` seconds."""
        ticks = self._offset_ticks + round(running_s * self.speed * CLOCK_HZ)
        return self.recording.key_at(ticks)

    async def half(self) -> Recording:
        """The picture in half the size, made when it is first needed."""
        if self._half is None:
            loop = asyncio.get_running_loop()
            self._half = loop.run_in_executor(None, halved, self.recording)
        # one client that leaves must not take it from the others
        return await asyncio.shield(self._half)


class Playback:
    """One client's pictures, in real time by the monotonic clock, until ``run`` returns.

    RTP times count from PLAY and go on over the end of the recording. ``speed`` makes a camera
    with so many times the pictures a second.
    """

    def __init__(
        self,
        camera: SimulatedCamera,
        stream: RtpStream,
        transport: asyncio.WriteTransport,
        *,
        first: int,
        once: bool,
        fault: Fault | None,
    ) -> None:
        self._camera = camera
        self._stream = stream
        self._transport = transport
        self._once = once
        self._own_fault = fault
        self._recording = camera.recording
        self._index = first
        self._base = -self._scaled(self._recording.units[first].ticks)
        self._sent = 0
        self._start_s = self._now()
        self._reported_s = -math.inf

    async def run(self) -> bool:
        """Whether the pass came to its end; otherwise the connection is to be closed."""
        halted = False
        while not self._transport.is_closing():
            kind = self._kind()
            if kind is FaultKind.CLOSE:
                return False
            if kind is FaultKind.GARBAGE:
                self._transport.write(garbage())
                return False
            if kind is FaultKind.STALL:
                halted = True
                await asyncio.sleep(MAX_WAIT_S)
                continue
            await self._choose_size(kind)
            ended = self._index == len(self._recording.units)
            wait_s = self._start_s + self._due() / CLOCK_HZ - self._now()
            if halted or wait_s < -MAX_LAG_S:
                self._base += self._ticks() - self._due()
                halted, wait_s = False, 0.0
            self._report(kind)
            if wait_s > 0:
                await asyncio.sleep(min(wait_s, MAX_WAIT_S))
                continue
            if ended and self._once:
                now = self._ticks()
                self._transport.write(self._stream.bye(now, self._wall(kind)))
                return True
            if ended:
                self._rewind(self._recording, self._due())
            halted = await self._send(kind)
        return False

    async def _send(self, kind: FaultKind | None) -> bool:
        """Send the picture that is due. Whether the clock stood still meanwhile."""
        unit = self._recording.units[self._index]
        parts, (times, place) = unit.parts, divmod(self._sent, CORRUPT_EVERY)
        if kind is FaultKind.CORRUPT and place == CORRUPT_EVERY - 1:
            parts = _damaged(unit, cut=times % 2 == 0)
        packets = self._stream.picture(parts, self._due())
        self._index += 1
        self._sent += 1
        if kind is FaultKind.SLOW:
            for packet in packets:
                self._transport.write(packet)
                await asyncio.sleep(len(packet) / SLOW_BYTES_S)
                if self._transport.is_closing():
                    break
            return True
        self._transport.write(b"".join(packets))
        if self._transport.get_write_buffer_size() > BUFFER_BYTES:
            log.warning("a client is slower than the camera and is cut", camera=self._camera.name)
            self._transport.abort()
        # a late player still lets the others have their turn
        await asyncio.sleep(0)
        return False

    def _kind(self) -> FaultKind | None:
        """What is wrong with the media now; what was set at the camera stands above the client's
        own wish."""
        fault, since_s = self._own_fault, self._start_s
        if self._camera.fault is not None:
            fault, since_s = self._camera.fault, max(since_s, self._camera.fault_since_s)
        if fault is None or self._now() < since_s + fault.after_s:
            return None
        return fault.kind

    async def _choose_size(self, kind: FaultKind | None) -> None:
        wanted = self._camera.recording
        # at least one picture of the usual size, or nothing would have changed
        if kind is FaultKind.RESOLUTION and self._sent:
            wanted = await self._camera.half()
        if wanted is not self._recording:
            self._rewind(wanted, max(self._due(), self._ticks()))

    def _rewind(self, recording: Recording, ticks: int) -> None:
        self._recording, self._index, self._base = recording, 0, ticks

    def _due(self) -> int:
        """When the next picture, or the end, is due; ticks since PLAY."""
        units = self._recording.units
        ended = self._index == len(units)
        ticks = self._recording.length_ticks if ended else units[self._index].ticks
        return self._base + self._scaled(ticks)

    def _scaled(self, ticks: int) -> int:
        return round(ticks / self._camera.speed)

    def _report(self, kind: FaultKind | None) -> None:
        now_s = self._now()
        if now_s - self._reported_s >= REPORT_EVERY_S:
            self._reported_s = now_s
            self._transport.write(self._stream.report(self._ticks(), self._wall(kind)))

    def _wall(self, kind: FaultKind | None) -> float:
        return time.time() - (YEAR_S if kind is FaultKind.CLOCK else 0.0)

    def _ticks(self) -> int:
        return round((self._now() - self._start_s) * CLOCK_HZ)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def garbage() -> bytes:
    """Bytes that are neither an answer nor a packet."""
    return b"\x00HTTP? " + os.urandom(4096).replace(b"$", b"#") + b"\r\n\r\n"


def _damaged(unit: Unit, *, cut: bool) -> tuple[Fragment, ...]:
    """The picture with its slices cut short, as after a loss, or with some of their bytes flipped;
    parameter sets stay. A decoder notices the first always, the second two times in three."""
    sets = unit.parts[:2] if unit.key else ()
    return (*sets, *fragments(_shortened(nal) if cut else _flipped(nal) for nal in unit.slices))


def _shortened(nal: bytes) -> bytes:
    return nal[: max(SLICE_HEAD_BYTES, int(len(nal) * KEPT_SHARE))]


def _flipped(nal: bytes) -> bytes:
    data = bytearray(nal)
    for at in range(SLICE_HEAD_BYTES, len(data), random.randrange(20, 40)):
        data[at] ^= 0xFF
    return bytes(data)
