"""The isolated process that decodes one connection to a camera and then exits.

Whatever a camera sends is read here first. The process is forked by ``streams.rtsp.forkserver``,
holds the connection, the memory of one picture, the books of the camera's ring and its channel to
the worker, and dies with the connection or the channel. Lines of JSON go over the channel: what to
do (``Order``) comes first; then each line from the worker asks for the newest picture.
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
from typing import Any, Final
from urllib.parse import quote

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from streams.health import Code
from streams.parentage import die_with_parent
from streams.planar import planar
from streams.rtsp.arrivals import Picker, Stamp, Times
from streams.rtsp.clock import CaptureClock
from streams.rtsp.order import MAX_LINE_BYTES, MAX_PIXELS, Order
from streams.rtsp.relay import Relay
from streams.rtsp.ring import CODECS, Books, Recorder

MAX_MEMORY_BYTES = 1 << 30
OPEN_S, READ_S = 4.0, 3.0
FIRST_PICTURE_S = 12.0
"""Cameras that do not begin with a key frame send one within their interval of at most 10 s."""
PICTURE_S = 5.0
MANY_CORRUPT = 5
"""A link that is too slow damages a few pictures as well."""
ALIVE_S = 1.0
LAG_S, CAUGHT_UP_S = 2.0, 0.5
LAG_PICTURES = 3
"""Pictures that wait longer than this to be decoded, with so many newer ones behind them, are
left out up to the next key frame. FFmpeg itself holds each back until the next one begins."""
SEI: Final = {"h264": "6", "hevc": "39|40"}
"""The types of NAL units that carry messages beside the picture (H.264 table 7-1, H.265 7-1)."""
JOIN_S = 2.0
LAST_PICTURE_S = 0.5
MAX_IN_DECODER = 64
OOM_SCORE = "500"

OPTIONS: Final = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    "protocol_whitelist": "tcp",
    "codec_whitelist": ",".join(CODECS),
    # The session description names the codec, and the decoder finds the rest in the stream:
    # looking ahead would only hold the first pictures back.
    "analyzeduration": "1",
    "probesize": "32",
    "fpsprobesize": "0",
    "max_streams": "8",
    "max_pixels": str(MAX_PIXELS),
    "user_agent": "matakota",
}


def run(parent_pid: int, channel_fd: int, pictures_fd: int, camera_fd: int, *books: int) -> int:
    """Decode until the stream or the worker ends. Returns the process's exit code."""
    confine(parent_pid, 4 * MAX_PIXELS)
    channel = socket.socket(fileno=channel_fd)
    camera = socket.socket(fileno=camera_fd)
    camera.settimeout(None)
    order = Order(**json.loads(read_line(channel)))
    output = _Output(channel, pictures_fd, order.index)
    threading.Thread(target=output.serve, name="channel", daemon=True).start()
    relay = Relay(camera, secure=order.secure, has_login=order.user is not None)
    detail = ""
    try:
        code = _Stream(order, relay, output, (books[0], books[1]) if books else None).decode()
    except Exception as error:  # noqa: BLE001
        # The text of such an error may hold the address with its login.
        code, detail = Code.DECODER_FAILED, _where(error)
    output.end(code, detail)
    return 0


def confine(parent_pid: int, file_bytes: int) -> None:
    """What a process that reads a camera's bytes may take: files of ``file_bytes`` at most, and
    no longer life than its parent's."""
    die_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    av.logging.set_level(None)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        # Where memory is short a decoder goes before the worker does.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write(OOM_SCORE)


def read_line(channel: socket.socket) -> bytes:
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
        self._lock = threading.Condition()
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
        """Say why it is over; the last picture may still be fetched before that."""
        with self._lock:
            self._lock.wait_for(lambda: self._newest is None, LAST_PICTURE_S)
            self._send({"code": code, "detail": detail})

    def _hand_over(self) -> None:
        if not self._wanted or self._newest is None:
            return
        (picture, index, ts), self._newest = self._newest, None
        self._wanted = False
        self._lock.notify_all()
        shown, at = planar(picture, self._converter), 0
        for plane in shown.planes:
            _write(self._fd, np.ascontiguousarray(plane).data.cast("B"), at)
            at += plane.size
        size = {"width": picture.width, "height": picture.height}
        meant = {"matrix": shown.matrix, "full_range": shown.full_range}
        self._send({**size, **meant, "picture": index, "ts": ts})

    def _send(self, message: dict[str, Any]) -> None:
        counts = {
            "index": self.index,
            "dropped": self.dropped,
            "corrupt": self.corrupt,
            "skewed": self.skewed,
        }
        self._channel.sendall(json.dumps(message | counts).encode() + b"\n")


def _write(fd: int, data: memoryview, at: int) -> None:
    while data:
        written = os.pwrite(fd, data, at)
        data, at = data[written:], at + written


class _Stream:
    """One connection: packets in, due pictures to the output."""

    def __init__(
        self, order: Order, relay: Relay, output: _Output, books: Books | None = None
    ) -> None:
        self._books = books
        self._recorder: Recorder | None = None
        self._order = order
        self._relay = relay
        self._output = output
        self._clock = CaptureClock(order.not_before)
        self._picker = Picker(order.fps)
        self._times = Times(relay.talk)
        self._offset_s = math.nan
        self._stamps: OrderedDict[int, Stamp] = OrderedDict()
        # Nothing is shown before the first key frame, nor from a loss to the next one.
        self._whole = False
        self._started = False
        self._behind = False
        self._filter: BitStreamFilterContext | None = None
        self._unproven = False

    def decode(self) -> Code:
        """Until the stream ends; why it did."""
        relay, code = self._relay, Code.DISCONNECTED
        try:
            with self._open() as container:
                code = self._play(container)
            said = relay.code
        except (FFmpegError, OSError) as error:
            # The relay notices the camera's end a moment later, and knows better.
            relay.join(JOIN_S)
            said = relay.code
            if said is None:
                code = self._given_up(error)
        # A camera may end the stream while we leave it for a better reason.
        return code if said in (None, Code.DISCONNECTED) else said

    def _given_up(self, error: Exception) -> Code:
        """Why FFmpeg ended it while the camera did not."""
        talk = self._relay.talk
        if talk.waiting or isinstance(error, av.error.ExitError):
            # One of the time limits.
            return Code.STALLED
        if isinstance(error, av.error.HTTPUnauthorizedError):
            return Code.UNAUTHORIZED
        return Code.DISCONNECTED if talk.playing else Code.NO_VIDEO

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
        context = stream.codec_context
        name = context.codec.canonical_name
        if name not in CODECS:
            return Code.NO_VIDEO
        context.thread_count = 1
        context.thread_type = "SLICE"
        context.options = {
            "err_detect": "explode",
            "flags": "low_delay",
            "max_pixels": str(MAX_PIXELS),
        }
        if self._books is not None:
            self._recorder = Recorder(self._books, name, context.extradata or b"")
        picture_at = time.monotonic()
        for packet in container.demux(stream):
            self._output.alive()
            if packet.size:
                stamp = self._times.of(packet)
                self._keep(packet, stamp)
                if self._decode(stream, packet, stamp):
                    picture_at = time.monotonic()
            limit = PICTURE_S if self._started else FIRST_PICTURE_S
            if time.monotonic() - picture_at > limit:
                few = self._output.corrupt < MANY_CORRUPT
                return Code.STALLED if few else Code.CORRUPT
        return Code.DISCONNECTED

    def _keep(self, packet: Packet[VideoStream], stamp: Stamp) -> None:
        """Put it into the ring, whatever becomes of it here."""
        if self._recorder is None:
            return
        times = stamp.media_s, stamp.arrival_s, self._offset_s
        try:
            self._recorder.write(memoryview(packet), packet.is_keyframe, *times)
        except OSError:
            # Live pictures matter more; the next connection tries again.
            self._recorder = None

    def _decode(self, stream: VideoStream, packet: Packet[VideoStream], stamp: Stamp) -> bool:
        """Whether it brought a picture that can be shown, or could have."""
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
        pictures = self._pictures(stream, packet)
        if pictures is None:
            self._output.corrupt += 1
            self._lose(stream)
            return False
        shown = [self._show(picture, stamp) for picture in pictures]
        return any(shown)

    def _pictures(
        self, stream: VideoStream, packet: Packet[VideoStream]
    ) -> list[VideoFrame] | None:
        """The pictures that a packet brings, None where it is damaged.

        Damage is told from oddity by strict decoding, which some cameras' own messages in the
        stream do not stand. They come before the picture, so it is tried once more without them.
        """
        if self._filter is None:
            try:
                return packet.decode()
            except FFmpegError:
                types = SEI.get(stream.codec_context.codec.canonical_name)
                if types is None:
                    return None
                self._filter = BitStreamFilterContext(f"filter_units=remove_types={types}", stream)
                self._unproven = True
        try:
            pictures = [p for bare in self._filter.filter(packet) for p in stream.decode(bare)]
            self._unproven = False
            return pictures
        except FFmpegError:
            if self._unproven:
                self._filter = None
            return None

    def _left_out(self, stamp: Stamp, is_key: bool) -> bool:
        """Whether we are too far behind to decode this one."""
        lag_s = time.time() - stamp.arrival_s
        if self._started and lag_s > LAG_S and stamp.behind > LAG_PICTURES:
            self._behind = True
        elif is_key and (lag_s < CAUGHT_UP_S or stamp.behind <= 1):
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

    def _show(self, picture: VideoFrame, latest: Stamp) -> bool:
        output = self._output
        if picture.is_corrupt:
            output.corrupt += self._started
            return False
        stamp = latest
        if picture.pts is not None:
            stamp = self._stamps.pop(picture.pts, latest)
        ts = self._clock.stamp(stamp.arrival_s, stamp.media_s, stamp.camera_s)
        self._offset_s = ts - stamp.media_s
        output.skewed = self._clock.skewed
        if self._picker.pick(stamp.media_s):
            output.offer(picture, ts)
        output.index += 1
        self._started = True
        return True
