"""An RTSP server for recordings (RFC 2326), media inside the connection only; part of the
simulator."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Mapping

import structlog

from streams.simulator.camera import (
    ON_MEDIA,
    Fault,
    FaultKind,
    Pass,
    Playback,
    SimulatedCamera,
    garbage,
    parse_fault,
)
from streams.simulator.packets import PAYLOAD_TYPE, RtpStream
from streams.simulator.wire import (
    MAX_HEAD_BYTES,
    Door,
    Login,
    Request,
    WireError,
    answer,
    interleaved,
    read_request,
)

SESSION_S = 60
"""How long a client that is not played to may say nothing."""
FAREWELL_S = 5.0
"""How long a client has to close its side after the end."""
MAX_CONNECTIONS = 4096
BACKLOG = 512
ACCEPT_STEPS = 4
"""Rounds of the event loop from an accepted socket to its connection."""
SEND_BUFFER_BYTES = 1 << 18
TRACK = "/trackID=0"
MAIN, SUB = "/stream1", "/stream2"
"""Behind a camera's name: its main stream, which is also there without, and its sub-stream."""
METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_NOT_OFFERED = ("PAUSE", "ANNOUNCE", "RECORD", "REDIRECT")

log = structlog.get_logger()


class RtspServer:
    """Serves ``cameras`` by name; everything happens in the event loop that ``listen`` runs in.

    ``finished`` is set when every camera has had its only pass (``once``) and its client is gone.
    """

    def __init__(
        self, cameras: Mapping[str, SimulatedCamera], *, login: Login | None, once: bool
    ) -> None:
        self.cameras = cameras
        self.login = login
        self.once = once
        self.finished = asyncio.Event()
        self.started_s = time.monotonic()
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}

    @property
    def connected(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def listen(self, host: str, port: int) -> int:
        """Open the port and return its number; raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._server = await asyncio.start_server(
            self._connected, sock=listener, limit=MAX_HEAD_BYTES
        )
        return int(listener.getsockname()[1])

    async def close(self) -> None:
        """Close the port and cut every connection; ``listen`` may come again."""
        if self._server is not None:
            self._server.close()
            # What was accepted a moment ago becomes a connection, which is then cut.
            for _ in range(ACCEPT_STEPS):
                await asyncio.sleep(0)
        for task, connection in tuple(self._connections.items()):
            # a task that has not begun yet would never cut it
            connection.cut()
            task.cancel()
        if self._connections:
            await asyncio.wait(tuple(self._connections))
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def passed(self) -> None:
        """A camera's only pass may have been the last one."""
        if self.once and all(camera.once is Pass.OVER for camera in self.cameras.values()):
            self.finished.set()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            log.warning("too many connections: one is refused", limit=MAX_CONNECTIONS)
            writer.transport.abort()
            return
        connection = _Connection(self, reader, writer)
        task = asyncio.get_running_loop().create_task(connection.run())
        self._connections[task] = connection
        task.add_done_callback(self._disconnected)

    def _disconnected(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection broke down", exc_info=error)


class _Connection:
    """One client: its requests in order, and at most one session."""

    def __init__(
        self, server: RtspServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._transport = writer.transport
        self._door = Door(server.login)
        self._camera: SimulatedCamera | None = None
        self._fault: Fault | None = None
        self._session = ""
        self._stream: RtpStream | None = None
        self._player: asyncio.Task[None] | None = None
        self._said_farewell = False
        sock = writer.get_extra_info("socket")
        # what waits for a slow client waits with us, where it is counted
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def cut(self) -> None:
        self._transport.abort()

    async def run(self) -> None:
        try:
            while await self._turn():
                pass
        except (ConnectionError, TimeoutError):
            pass
        except asyncio.CancelledError:
            self.cut()
            raise
        finally:
            await self._end_session()
            if self._camera is not None:
                self._camera.clients.discard(self)
            self._writer.close()
            if self._transport.get_write_buffer_size():
                with contextlib.suppress(ConnectionError, TimeoutError):
                    async with asyncio.timeout(FAREWELL_S):
                        await self._writer.wait_closed()
            self._transport.abort()

    async def _turn(self) -> bool:
        """Read a request and answer it; False at the end of the connection."""
        playing = self._player is not None
        limit_s = FAREWELL_S if self._said_farewell else None if playing else SESSION_S
        request = None
        try:
            request = await read_request(self._reader, limit_s)
            if request is None or self._transport.is_closing():
                return False
            if self._said_farewell:
                return True
            return await self._handle(request)
        except WireError as error:
            self._answer(error.status, request, {})
            return request is not None

    async def _handle(self, request: Request) -> bool:
        if request.method == "OPTIONS" and request.uri == "*":
            self._answer(200, request, {"Public": METHODS})
            return True
        parts = request.parts
        camera = self._find(parts.path)
        if camera is not None and camera is not self._camera:
            self._attach(camera)
        if camera is not None and not camera.running:
            self.cut()
            return False
        if parts.query:
            try:
                self._fault = parse_fault(parts.query)
            except ValueError:
                raise WireError(400) from None
        fault = (camera.fault if camera is not None else None) or self._fault
        if fault is not None and fault.kind not in ON_MEDIA:
            done = await self._misbehave(fault, request)
            if done is not None:
                return done
        if request.method == "OPTIONS":
            self._answer(200, request, {"Public": METHODS})
            return True
        if not self._door.admits(request):
            self._answer(401, request, self._door.challenges())
            return True
        if camera is None or (self._server.once and camera.once in (Pass.SENT, Pass.OVER)):
            raise WireError(404)
        return await self._serve(camera, request)

    def _find(self, path: str) -> SimulatedCamera | None:
        name = path.removesuffix(TRACK).strip("/")
        return self._server.cameras.get(name.removesuffix(MAIN))

    def _attach(self, camera: SimulatedCamera) -> None:
        if self._session:
            raise WireError(455)
        if self._camera is not None:
            self._camera.clients.discard(self)
        self._camera = camera
        camera.clients.add(self)

    async def _misbehave(self, fault: Fault, request: Request) -> bool | None:
        """The answer of a camera with this fault; None where it lets the request pass."""
        kind = fault.kind
        if kind is FaultKind.SILENT:
            return True
        if kind is FaultKind.GARBAGE:
            if fault.after_s > 0:
                return None
            self._writer.write(garbage())
            return False
        if request.method == "OPTIONS":
            return None
        if kind is FaultKind.REDIRECT:
            self._answer(302, request, {"Location": str(fault.to)})
        elif kind is FaultKind.REDIRECT_LOOP:
            self._answer(302, request, {"Location": request.uri})
        else:
            refused = kind is FaultKind.UNAUTHORIZED
            self._answer(int(kind), request, self._door.challenges() if refused else {})
        return True

    async def _serve(self, camera: SimulatedCamera, request: Request) -> bool:
        match request.method:
            case "DESCRIBE":
                base = {"Content-Base": f"{_base(request)}/"}
                self._answer(200, request, base, _description(camera))
            case "SETUP":
                self._set_up(camera, request)
            case "PLAY":
                self._check_session(request)
                if self._stream is None or self._player is not None:
                    raise WireError(455)
                self._play(camera, self._stream, request)
            case "TEARDOWN":
                self._check_session(request)
                headers = {"Session": self._session}
                await self._end_session()
                self._answer(200, request, headers)
            case "GET_PARAMETER" | "SET_PARAMETER":
                if "session" in request.headers:
                    self._check_session(request)
                self._answer(200, request, {"Session": self._session} if self._session else {})
            case method:
                self._answer(405 if method in _NOT_OFFERED else 501, request, {"Allow": METHODS})
        return True

    def _set_up(self, camera: SimulatedCamera, request: Request) -> None:
        if "session" in request.headers:
            self._check_session(request)
        if self._session:
            raise WireError(455)
        channel = interleaved(request.headers.get("transport", ""))
        if channel is None:
            raise WireError(461)
        if self._server.once and camera.once is not Pass.AHEAD:
            raise WireError(453)
        if camera.device.full:
            raise WireError(453)
        camera.device.sessions += 1
        self._stream = RtpStream(channel)
        self._session = secrets.token_hex(8)
        transport = (
            f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1};"
            f'ssrc={self._stream.ssrc:08X};mode="PLAY"'
        )
        session = f"{self._session};timeout={SESSION_S}"
        self._answer(200, request, {"Transport": transport, "Session": session})

    def _play(self, camera: SimulatedCamera, stream: RtpStream, request: Request) -> None:
        once = self._server.once
        if once and camera.once is not Pass.AHEAD:
            raise WireError(453)
        camera.once = Pass.RUNNING
        running_s = time.monotonic() - self._server.started_s
        playback = Playback(
            camera,
            stream,
            self._transport,
            first=0 if once else camera.place(running_s),
            once=once,
            fault=self._fault,
        )
        url = f"{_base(request)}{TRACK}"
        headers = {
            "Session": self._session,
            "Range": "npt=0.000-",
            "RTP-Info": f"url={url};seq={stream.sequence};rtptime={stream.first_time}",
        }
        self._answer(200, request, headers)
        self._player = asyncio.get_running_loop().create_task(self._run(camera, playback))

    async def _run(self, camera: SimulatedCamera, playback: Playback) -> None:
        camera.playing += 1
        camera.plays += 1
        log.debug("a client is played to", camera=camera.name)
        try:
            if await playback.run():
                # Closing at once would throw away what the client has not read yet.
                self._said_farewell = True
                camera.once = Pass.SENT
                self._writer.write_eof()
                await asyncio.sleep(FAREWELL_S)
            self._writer.close()
        finally:
            camera.playing -= 1

    async def _end_session(self) -> None:
        player, camera = self._player, self._camera
        if camera is not None and self._session:
            camera.device.sessions -= 1
        self._player, self._stream, self._session = None, None, ""
        if player is None or camera is None:
            return
        player.cancel()
        await asyncio.wait((player,))
        if self._server.once:
            camera.once = Pass.OVER
            self._server.passed()
        if not player.cancelled() and (error := player.exception()) is not None:
            raise error

    def _check_session(self, request: Request) -> None:
        given = request.headers.get("session", "").partition(";")[0].strip()
        if not self._session or given != self._session:
            raise WireError(454)

    def _answer(
        self, status: int, request: Request | None, headers: Mapping[str, str], body: bytes = b""
    ) -> None:
        self._writer.write(answer(status, request, headers, body))


def _base(request: Request) -> str:
    """The camera's address as the client wrote it, without login, query and track."""
    parts = request.parts
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    return f"rtsp://{host}{port}{parts.path.removesuffix(TRACK).rstrip('/')}"


def _description(camera: SimulatedCamera) -> bytes:
    recording = camera.recording
    lines = (
        "v=0",
        f"o=- {secrets.randbits(31)} 1 IN IP4 127.0.0.1",
        f"s={camera.name}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=tool:Matakota simulator",
        "a=range:npt=now-",
        "a=control:*",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/90000",
        f"a=fmtp:{PAYLOAD_TYPE} {recording.fmtp}",
        f"a=framesize:{PAYLOAD_TYPE} {recording.width}-{recording.height}",
        f"a=framerate:{recording.rate * camera.speed:.3f}",
        f"a=control:{TRACK.removeprefix('/')}",
    )
    return "\r\n".join([*lines, ""]).encode()
