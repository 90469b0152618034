"""The isolated process that decodes one connection to a camera and then exits.

Whatever a camera sends is read here and nowhere else. The process is forked by
``streams.forkserver``, holds the connection, the memory of one picture and its channel to the
worker, and dies with either of them. Lines of JSON go over the channel: what to do
(``Order``) comes first; then each line from the worker asks for the newest picture.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from streams.clock import CaptureClock
from streams.decoding import MAX_LINE_BYTES, MAX_PIXELS, Order
from streams.health import Code
from streams.parentage import die_with_parent
from streams.relay import Conversation, Relay

CODECS = ("h264", "hevc", "mjpeg", "mpeg4")
MAX_MEMORY_BYTES = 1 << 30
OPEN_S, READ_S = 4.0, 3.0
FIRST_PICTURE_S = 12.0
"""Cameras that do not begin with a key frame send one within their interval of at most 10 s."""
PICTURE_S = 5.0
MANY_CORRUPT = 5
"""A link that is too slow damages a few pictures as well."""
ALIVE_S = 1.0
LAG_S, CAUGHT_UP_S = 2.0, 0.5
"""Pictures that wait longer than this to be decoded are left out up to the next key frame."""
PICK_TOLERANCE_S = 1e-3
JOIN_S = 2.0
MAX_IN_DECODER = 64
NO_TIME_STEP_S = 0.04
"""Between pictures of a stream without times."""
OOM_SCORE = "500"

OPTIONS: Final = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    "protocol_whitelist": "tcp",
    "codec_whitelist": ",".join(CODECS),
    "analyzeduration": "200000",
    "fpsprobesize": "0",
    "max_streams": "8",
    "max_pixels": str(MAX_PIXELS),
    "user_agent": "matakota",
}


def run(parent_pid: int, channel_fd: int, pictures_fd: int, camera_fd: int) -> int:
    """Decode until the stream or the worker ends. Returns the process's exit code."""
    die_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit()
    av.logging.set_level(None)
    channel = socket.socket(fileno=channel_fd)
    camera = socket.socket(fileno=camera_fd)
    camera.settimeout(None)
    order = Order(**json.loads(_read_line(channel)))
    output = _Output(channel, pictures_fd, order.index)
    threading.Thread(target=output.serve, name="channel", daemon=True).start()
    relay = Relay(camera, secure=order.secure, has_login=order.user is not None)
    detail = ""
    try:
        code = _Stream(order, relay, output).decode()
    except Exception as error:  # noqa: BLE001
        # The text of such an error may hold the address with its login.
        code, detail = Code.DECODER_FAILED, _where(error)
    output.end(code, detail)
    return 0


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MAX_PIXELS, 4 * MAX_PIXELS))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        # Where memory is short a decoder goes before the worker does.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write(OOM_SCORE)


def _read_line(channel: socket.socket) -> bytes:
    """The first line; what follows it stays for the thread that serves the channel."""
    data = b""
    while not data.endswith(b"\n"):
        part = channel.recv(1)
        if not part or len(data) > MAX_LINE_BYTES:
            os._exit(0)
        data += part
    return data


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        place = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
    return f"{type(error).__name__}{place}"


class _Output:
    """The newest picture that is due, handed over when it is asked for."""

    def __init__(self, channel: socket.socket, pictures_fd: int, index: int) -> None:
        self._channel = channel
        self._fd = pictures_fd
        self._lock = threading.Lock()
        self._newest: tuple[VideoFrame, int, float] | None = None
        self._wanted = False
        self._converter = VideoReformatter()
        self._alive_at = time.monotonic()
        self.index = index
        self.dropped = 0
        self.corrupt = 0
        self.skewed = False

    def serve(self) -> None:
        """Hand over when asked; end the process when the worker is gone."""
        try:
            while self._channel.recv(1):
                with self._lock:
                    self._wanted = True
                    self._hand_over()
        finally:
            # FFmpeg may be waiting for a camera in the other thread.
            os._exit(0)

    def offer(self, picture: VideoFrame, ts: float) -> None:
        """``picture`` is due."""
        with self._lock:
            self.dropped += self._newest is not None
            self._newest = picture, self.index, ts
            self._hand_over()

    def alive(self) -> None:
        """Tell the worker now and then that packets are read."""
        now = time.monotonic()
        if now - self._alive_at >= ALIVE_S:
            self._alive_at = now
            # A worker that does not read has its reasons, and no need of this.
            with contextlib.suppress(BlockingIOError):
                self._channel.send(b"{}\n", socket.MSG_DONTWAIT)

    def end(self, code: Code, detail: str) -> None:
        with self._lock:
            self._send({"code": code, "detail": detail})

    def _hand_over(self) -> None:
        if not self._wanted or self._newest is None:
            return
        (picture, index, ts), self._newest = self._newest, None
        self._wanted = False
        bgr = self._converter.reformat(picture, format="bgr24", threads=1)
        plane = bgr.planes[0]
        padded = plane.line_size != 3 * bgr.width
        _write(self._fd, memoryview(bgr.to_ndarray().tobytes() if padded else plane))
        self._send({"width": bgr.width, "height": bgr.height, "picture": index, "ts": ts})

    def _send(self, message: dict[str, Any]) -> None:
        counts = {
            "index": self.index,
            "dropped": self.dropped,
            "corrupt": self.corrupt,
            "skewed": self.skewed,
        }
        self._channel.sendall(json.dumps(message | counts).encode() + b"\n")


def _write(fd: int, data: memoryview) -> None:
    at = 0
    while at < len(data):
        at += os.pwrite(fd, data[at:], at)


class Picker:
    """Picks the first picture at or after every k / fps of media time; all without a rate."""

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._slot: int | None = None

    def pick(self, media_s: float) -> bool:
        """Whether the picture at ``media_s`` (seconds) is due. Time may start anew."""
        if self._fps is None:
            return True
        slot = math.floor((media_s + PICK_TOLERANCE_S) * self._fps)
        due = slot != self._slot
        self._slot = slot
        return due


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What is known of a coded picture: when it came and when the camera says that it was taken
    (UTC seconds), its media time (seconds), and whether a part of it is missing."""

    arrival_s: float
    camera_s: float | None
    media_s: float
    damaged: bool


class _Times:
    """Puts together FFmpeg's times and what the relay saw.

    FFmpeg counts in the steps of RTP from a beginning of its own, and often leaves the first
    picture without a time. Its packets and the relay's pictures are the same ones in the same
    order, so the first that has both gives the difference.
    """

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._packets = 0
        self._base: int | None = None
        self._media_s = 0.0

    def of(self, packet: Packet[VideoStream]) -> _Stamp:
        rtp_time: int | None
        if packet.pts is not None and self._base is not None:
            rtp_time = packet.pts + self._base
        else:
            rtp_time = self._talk.rtp_time(self._packets)
            if packet.pts is not None and rtp_time is not None:
                self._base = rtp_time - packet.pts
        self._packets += 1
        arrival = None if rtp_time is None else self._talk.arrival(rtp_time)
        arrival_s = time.time() if arrival is None else arrival.ts
        damaged = packet.is_corrupt or (arrival is not None and arrival.damaged)
        if packet.pts is not None:
            self._media_s = float(packet.pts * packet.time_base)
        elif self._packets > 1:
            self._media_s += NO_TIME_STEP_S
        return _Stamp(arrival_s, _camera_s(packet), self._media_s, damaged)


def _camera_s(packet: Packet[VideoStream]) -> float | None:
    """When the camera took it by its own clock, UTC seconds, where it says so (RTCP)."""
    if not packet.has_sidedata("prft"):
        return None
    # AVProducerReferenceTime begins with the wall clock, int64 microseconds.
    return int.from_bytes(bytes(packet.get_sidedata("prft"))[:8], sys.byteorder, signed=True) / 1e6


class _Stream:
    """One connection: packets in, due pictures to the output."""

    def __init__(self, order: Order, relay: Relay, output: _Output) -> None:
        self._order = order
        self._relay = relay
        self._output = output
        self._clock = CaptureClock(order.not_before)
        self._picker = Picker(order.fps)
        self._times = _Times(relay.talk)
        self._stamps: OrderedDict[int, _Stamp] = OrderedDict()
        # Nothing is shown before the first key frame, nor from a loss to the next one.
        self._whole = False
        self._started = False
        self._behind = False

    def decode(self) -> Code:
        """Until the stream ends; why it did."""
        try:
            with self._open() as container:
                code = self._play(container)
        except av.error.ExitError:
            # One of PyAV's time limits.
            code = Code.STALLED
        except (FFmpegError, OSError) as error:
            known = isinstance(error, av.error.HTTPUnauthorizedError)
            code = Code.UNAUTHORIZED if known else Code.DISCONNECTED
            # The relay notices the end a moment later, and may know better.
            self._relay.join(JOIN_S)
            if self._relay.talk.waiting:
                code = Code.STALLED
            elif isinstance(error, av.error.InvalidDataError) and not self._relay.talk.playing:
                code = Code.NO_VIDEO
        said = self._relay.code
        return said if said not in (None, Code.DISCONNECTED) else code

    def _open(self) -> InputContainer:
        order = self._order
        login = ""
        if order.user is not None:
            login = f"{quote(order.user, safe='')}:{quote(order.password or '', safe='')}@"
        return av.open(
            f"rtsp://{login}127.0.0.1:{self._relay.port}{order.path}",
            format="rtsp",
            timeout=(OPEN_S, READ_S),
            options=dict(OPTIONS),
            metadata_errors="replace",
        )

    def _play(self, container: InputContainer) -> Code:
        stream = next(iter(container.streams.video), None)
        if stream is None or stream.codec_context is None:
            return Code.NO_VIDEO
        if stream.codec_context.codec.canonical_name not in CODECS:
            return Code.NO_VIDEO
        context = stream.codec_context
        context.thread_count = 1
        context.thread_type = "SLICE"
        context.options = {
            "err_detect": "explode",
            "flags": "low_delay",
            "max_pixels": str(MAX_PIXELS),
        }
        picture_at = time.monotonic()
        for packet in container.demux(stream):
            self._output.alive()
            if packet.size and self._decode(stream, packet):
                picture_at = time.monotonic()
            limit = PICTURE_S if self._started else FIRST_PICTURE_S
            if time.monotonic() - picture_at > limit:
                few = self._output.corrupt < MANY_CORRUPT
                return Code.STALLED if few else Code.CORRUPT
        return Code.DISCONNECTED

    def _decode(self, stream: VideoStream, packet: Packet[VideoStream]) -> bool:
        """Whether it brought a picture that can be shown, or could have."""
        stamp = self._times.of(packet)
        if self._left_out(stamp, packet.is_keyframe):
            return True
        if stamp.damaged:
            self._lose(stream)
        elif packet.is_keyframe:
            self._whole = True
        if not self._whole:
            self._output.corrupt += self._started
            return False
        if packet.pts is not None:
            self._stamps[packet.pts] = stamp
            if len(self._stamps) > MAX_IN_DECODER:
                self._stamps.popitem(last=False)
        try:
            pictures = packet.decode()
        except FFmpegError:
            self._output.corrupt += 1
            self._lose(stream)
            return False
        shown = [self._show(picture, stamp) for picture in pictures]
        return any(shown)

    def _left_out(self, stamp: _Stamp, is_key: bool) -> bool:
        """Whether we are too far behind to decode this one."""
        lag_s = time.time() - stamp.arrival_s
        if self._started and lag_s > LAG_S:
            self._behind = True
        elif is_key and lag_s < CAUGHT_UP_S:
            self._behind = False
        if self._behind:
            self._whole = False
            self._output.dropped += self._picker.pick(stamp.media_s)
        return self._behind

    def _lose(self, stream: VideoStream) -> None:
        if self._whole:
            stream.codec_context.flush_buffers()
            self._stamps.clear()
        self._whole = False

    def _show(self, picture: VideoFrame, latest: _Stamp) -> bool:
        output = self._output
        if picture.is_corrupt:
            output.corrupt += self._started
            return False
        stamp = latest
        if picture.pts is not None:
            stamp = self._stamps.pop(picture.pts, latest)
        ts = self._clock.stamp(stamp.arrival_s, stamp.media_s, stamp.camera_s)
        output.skewed = self._clock.skewed
        if self._picker.pick(stamp.media_s):
            output.offer(picture, ts)
        output.index += 1
        self._started = True
        return True
