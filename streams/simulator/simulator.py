"""Cameras made of clips: an RTSP server of our own, with faults on demand
(``docs/simulator.md``)."""

from __future__ import annotations

import asyncio
import math
import re
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import structlog

from streams.simulator.camera import Device, Fault, SimulatedCamera
from streams.simulator.packets import CLOCK_HZ
from streams.simulator.recording import Recording
from streams.simulator.server import MAIN, SUB, RtspServer
from streams.simulator.wire import Login
from vision.errors import ServiceError

MAX_SPEED = 1000.0
CALL_S = 30.0
"""How long the server's thread may take to answer its owner."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)

log = structlog.get_logger()
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Seen:
    """How many connections have asked for a camera and are open, how many of them are played to,
    and how many were ever played to."""

    connections: int
    playing: int
    plays: int


class Simulator:
    """Plays ``recordings``, by the name of their path, while the context is open.

    Each runs in a loop as a camera would: a client starts with the key frame at or before the
    camera's place, which ``offsets_s`` shift. With ``once`` a camera plays a single pass from its
    first picture to its first client, then says BYE, closes, and is not found any more. ``speed``
    makes a camera of so many times the pictures a second. ``subs`` are the sub-streams of some of
    them, called ``NAME/stream2``, and ``limit`` is how many sessions a camera serves at once over
    both of its streams. Port 0 is any free port. The server runs
    in a thread of its own; its methods may be called from any thread. Entering raises
    ServiceError where the port cannot be opened; building it ValueError for wrong values.
    """

    def __init__(
        self,
        recordings: Mapping[str, Recording],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        login: Login | None = None,
        once: bool = False,
        speed: float = 1.0,
        offsets_s: Mapping[str, float] | None = None,
        subs: Mapping[str, Recording] | None = None,
        limit: int | None = None,
    ) -> None:
        if not recordings or not all(NAME.fullmatch(name) for name in recordings):
            raise ValueError("a simulator has at least one camera, named by letters and digits")
        if not (math.isfinite(speed) and 0 < speed <= MAX_SPEED):
            raise ValueError(f"the speed is above 0 and up to {MAX_SPEED:g}, not {speed}")
        subs = subs or {}
        if not subs.keys() <= recordings.keys() or (subs and once):
            raise ValueError("a sub-stream belongs to a camera, and none is played only once")
        self._host = host
        self._port = port
        self._login = login
        self._once = once
        self._cameras: dict[str, SimulatedCamera] = {}
        for name, recording in recordings.items():
            device, shift_s = Device(limit), (offsets_s or {}).get(name, 0.0)
            streams = {name: recording}
            if name in subs:
                streams[name + SUB] = subs[name]
            for stream, shown in streams.items():
                self._cameras[stream] = SimulatedCamera(
                    stream,
                    shown,
                    offset_ticks=round(shift_s * CLOCK_HZ),
                    speed=speed,
                    device=device,
                )
        self._ready = threading.Event()
        self._finished = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: RtspServer | None = None
        self._leave: asyncio.Event | None = None
        self._error: OSError | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="rtsp-simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            # the socket module adds the address once more, in brackets
            reason = (self._error.strerror or str(self._error)).partition(" (")[0]
            raise ServiceError(
                f"the simulator cannot listen at {self._host} port {self._port} "
                f"({reason.lower()}): choose another port or address"
            ) from self._error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._leave is not None:
            self._loop.call_soon_threadsafe(self._leave.set)
        if self._thread is not None:
            self._thread.join()

    @property
    def port(self) -> int:
        """The port's number."""
        return self._port

    @property
    def names(self) -> tuple[str, ...]:
        """The cameras, and the sub-streams of those that have one."""
        return tuple(self._cameras)

    def main_url(self, name: str, query: str = "") -> str:
        """A camera's address by which its sub-stream is found."""
        self._camera(name)
        return self._url(name + MAIN, query)

    def url(self, name: str, query: str = "") -> str:
        """A camera's address, without a login; ``query`` may ask for a fault."""
        self._camera(name)
        return self._url(name, query)

    def _url(self, path: str, query: str) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"rtsp://{host}:{self._port}/{path}{'?' if query else ''}{query}"

    def fault(self, name: str, fault: Fault | None) -> None:
        """Set a camera's fault, or end it. It stands above what clients ask for in addresses."""
        camera = self._camera(name)
        self._call(lambda loop, _: camera.set_fault(fault, loop.time()))

    def stop_camera(self, name: str) -> None:
        """Cut the camera's connections; new ones are reset at their first request."""
        camera = self._camera(name)
        camera.running = False
        self._call(lambda _loop, _server: camera.cut())

    def start_camera(self, name: str) -> None:
        """Let a stopped camera answer again."""
        self._camera(name).running = True

    def close_port(self) -> None:
        """Cut everybody and refuse connections until ``open_port``."""
        self._await(RtspServer.close)

    def open_port(self) -> None:
        """Listen at the same port again; raises ServiceError where somebody else took it."""

        async def listen(server: RtspServer) -> None:
            await server.listen(self._host, self._port)

        try:
            self._await(listen)
        except OSError as error:
            raise ServiceError(
                f"the simulator cannot listen at port {self._port} again: end whoever took it"
            ) from error

    def seen(self, name: str) -> Seen:
        """A camera's connections."""
        camera = self._camera(name)
        return self._call(
            lambda _loop, _server: Seen(len(camera.clients), camera.playing, camera.plays)
        )

    @property
    def connected(self) -> int:
        """How many connections are open, whatever they asked for."""
        return self._call(lambda _loop, server: server.connected)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every camera has had its only pass (``once``); False when the time is up."""
        return self._finished.wait(timeout_s)

    def _camera(self, name: str) -> SimulatedCamera:
        if name not in self._cameras:
            raise ValueError(f"there is no camera {name}; there are {', '.join(self._cameras)}")
        return self._cameras[name]

    def _call(self, work: Callable[[asyncio.AbstractEventLoop, RtspServer], Result]) -> Result:
        """What ``work`` returns, done in the server's thread."""

        loop, server = self._opened()

        async def do() -> Result:
            return work(loop, server)

        return asyncio.run_coroutine_threadsafe(do(), loop).result(CALL_S)

    def _await(self, work: Callable[[RtspServer], Coroutine[None, None, None]]) -> None:
        loop, server = self._opened()
        asyncio.run_coroutine_threadsafe(work(server), loop).result(CALL_S)

    def _opened(self) -> tuple[asyncio.AbstractEventLoop, RtspServer]:
        if self._loop is None or self._server is None:
            raise RuntimeError("the simulator is not open")
        return self._loop, self._server

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        finally:
            self._ready.set()
            self._finished.set()

    async def _main(self) -> None:
        server = RtspServer(self._cameras, login=self._login, once=self._once)
        try:
            self._port = await server.listen(self._host, self._port)
        except OSError as error:
            self._error = error
            return
        self._leave = asyncio.Event()
        self._loop, self._server = asyncio.get_running_loop(), server
        self._ready.set()
        finish = asyncio.create_task(server.finished.wait())
        finish.add_done_callback(lambda _: self._finished.set())
        await self._leave.wait()
        finish.cancel()
        await server.close()
        self._loop = self._server = None
