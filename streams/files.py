"""Recorded clips as a source: a check before the first frame, then frames by media time.

FFmpeg is only ever given an open file and a short list of container formats: it chooses its
reader by content and by name, and playlists or ``concat:`` names would make it open other
addresses.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from streams.mediaclock import PICK_TOLERANCE_S, MediaClock, MediaSpan, Picker
from streams.planar import planar
from vision.errors import ClipError, ClipUnreadError
from vision.picture import Planes
from vision.types import Frame

FORMATS = "mov,mp4,avi,matroska,webm,mpegts,mpeg,h264,hevc,flv,asf"
"""FFmpeg's names of the containers that are read; none of them refers to other files."""
FORMATS_TEXT = "MP4, MOV, AVI, MKV, WebM, TS, MPG, FLV, WMV, or raw H.264 or H.265"
AGAIN = "copy or download the clip again"

HEADER_SLACK_FRAMES = 2
"""Writers disagree whether the stated duration includes the last frame's own."""
BUFFER_BYTES = 1 << 18
TS_SYNC, TS_UNIT_BYTES = 0x47, 188
EBML, MATROSKA_SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What a clip holds: size in pixels as shown (rotation applied), number of coded frames,
    frames per second, length in seconds, and FFmpeg's name of the codec."""

    width: int
    height: int
    frames: int
    rate: Fraction
    duration_s: float
    codec: str


class ClipSource:
    """The frames of one recorded clip of camera ``camera_id``.

    Building it reads the whole file once without decoding (about the speed of the disk) and
    raises ClipError for a clip that is missing, no video, empty or truncated. ``source_fps``
    replaces the times in the file by ``index / source_fps``; ``fps`` picks at most that many
    frames a second of media time; ``start_ts`` is the capture time of the first frame (UTC
    seconds). ``whole`` is that of ``inspect_clip``. Raises ValueError where a rate is not above 0.
    """

    def __init__(
        self,
        path: Path,
        *,
        camera_id: str,
        source_fps: Fraction | None = None,
        fps: Fraction | None = None,
        start_ts: float = 0.0,
        threads: int = 1,
        whole: bool = True,
    ) -> None:
        if any(rate is not None and rate <= 0 for rate in (source_fps, fps)):
            raise ValueError(f"frame rates are above 0, not {source_fps} and {fps}")
        self._path = path
        self._camera_id = camera_id
        self._source_fps = source_fps
        self._start_ts = start_ts
        self._threads = threads
        self._decoded = 0
        self._running: Generator[Frame, None, None] | None = None
        self.info = inspect_clip(path, source_fps, whole=whole)
        self._fps = None if fps is None or fps >= self.info.rate else fps

    @property
    def camera_id(self) -> str:
        """The camera whose frames these are."""
        return self._camera_id

    @property
    def decoded(self) -> int:
        """Frames decoded so far, picked or not, by the latest ``frames()``."""
        return self._decoded

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._running is not None:
            self._running.close()

    def frames(self, from_ts: float = -math.inf) -> Iterator[Frame]:
        """The picked frames of ``from_ts`` (UTC seconds) and later, in order of presentation.

        ``index`` counts all decoded frames, so that it does not depend on ``fps``. Raises
        ClipError where the clip cannot be decoded or changes its size.
        """
        self._running = self._read(from_ts)
        return self._running

    def _read(self, from_ts: float) -> Generator[Frame, None, None]:
        self._decoded = 0
        clock = MediaClock(self.info.rate, by_index=self._source_fps is not None)
        due = Picker(self._fps, Fraction(0) if self._source_fps else PICK_TOLERANCE_S)
        # One converter for the clip: building FFmpeg's scaler anew costs 1.5 ms a frame.
        converter = VideoReformatter()
        width, height = self.info.width, self.info.height
        with _opened(self._path) as (_, container):
            stream = _video_stream(self._path, container)
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = self._threads
            for picture in self._pictures(container, stream, clock):
                t = clock.next(picture)
                w, h = _shown_size(picture)
                if (w, h) != (width, height):
                    raise ClipError(
                        f"{self._path} changes its picture from {width}x{height} to {w}x{h} at "
                        f"{float(t):.1f} s: cut it there and use the parts as separate clips"
                    )
                index = self._decoded
                self._decoded += 1
                ts = self._start_ts + float(t)
                if due.pick(t) and ts >= from_ts:
                    yield Frame(self._camera_id, index, ts, _upright(converter, picture))

    def _pictures(
        self, container: InputContainer, stream: VideoStream, clock: MediaClock
    ) -> Iterator[VideoFrame]:
        """Decoded pictures; ClipError where one is damaged or too many are missing."""
        expected = decoded = 0
        started = False
        try:
            for packet in container.demux(stream):
                if _is_gap(packet):
                    continue
                started = started or packet.is_keyframe
                expected += started and packet.size > 0 and not packet.is_discard
                for picture in packet.decode():
                    if picture.is_corrupt and decoded:
                        raise self._broken(clock, "the picture is damaged")
                    # A recording may begin between key frames: what comes before one is grey.
                    if not picture.is_corrupt:
                        decoded += 1
                        yield picture
        except FFmpegError as error:
            raise self._broken(clock, error.strerror or "it cannot be decoded") from error
        except OSError as error:
            raise _unread(self._path, error) from error
        # Some codecs hide helper frames among the coded ones (VP8, packed MPEG-4).
        if expected - decoded > max(3, expected // 10):
            raise self._broken(clock, f"only {decoded} of {expected} frames could be decoded")

    def _broken(self, clock: MediaClock, why: str) -> ClipError:
        return ClipError(f"{self._path} breaks at {clock.upcoming_s:.1f} s ({why}): {AGAIN}")


def inspect_clip(path: Path, source_fps: Fraction | None = None, *, whole: bool = True) -> ClipInfo:
    """Read a clip to its end, decoding only its first picture, and say what it holds.

    ``source_fps`` replaces the stated rate. Where it need not be ``whole``, a clip that is cut off
    or damaged is what can be read of it. Raises ClipError for a clip that cannot be used.
    """
    scan = _Scan()
    with _opened(path) as (file, container):
        stream = _video_stream(path, container)
        stated = _stated_frames(container, stream)
        # Raw streams have no clock: FFmpeg's average is then its own default of 25.
        raw = container.format.name in ("h264", "hevc")
        rate = source_fps or (not raw and stream.average_rate) or stream.guessed_rate
        codec = stream.codec_context.codec.canonical_name
        try:
            for packet in container.demux():
                scan.add(packet, stream)
        except FFmpegError as error:
            if whole:
                raise _truncated(path, f"reading stops after {scan.packets} frames") from error
        except OSError as error:
            raise _unread(path, error) from error
        if not rate:
            raise ClipError(f"{path} states no frame rate: give it with --source-fps")
        lacks = _lacks(scan, stated, container, file, rate) if whole else ""
        if lacks:
            raise _truncated(path, lacks)
    if scan.packets == 0:
        raise ClipError(f"{path} holds no frame: {AGAIN}")
    if scan.first is None:
        why = scan.error or "no key frame"
        raise ClipError(f"{path}: its {codec} video cannot be decoded ({why}): convert it to H.264")
    width, height = _shown_size(scan.first)
    span_s = scan.span.seconds
    duration = scan.shown / rate if source_fps or not span_s else span_s
    return ClipInfo(width, height, scan.shown, rate, float(duration), codec)


def _lacks(
    scan: _Scan, stated: int, container: InputContainer, file: BinaryIO, rate: Fraction
) -> str:
    """What a clip that was read to its end lacks, empty where it lacks nothing."""
    if scan.packets + scan.gaps < stated:
        return f"{scan.packets} of its {stated} frames are there"
    if scan.last_corrupt:
        return f"frame {scan.packets - 1} is cut off"
    if (missing := _missing_bytes(container.format.name, file)) > 0:
        return f"bytes missing at its end: {missing}"
    # Elsewhere the length is FFmpeg's estimate, or said already by the number of frames.
    states = container.format.name in ("matroska,webm", "flv", "asf")
    end_s = Fraction(container.duration or 0, av.time_base) if states else Fraction(0)
    if scan.packets and end_s > scan.end_s + HEADER_SLACK_FRAMES / rate:
        return f"it ends at {float(scan.end_s):.1f} of {float(end_s):.1f} s"
    return ""


class _Scan:
    """What reading a clip to its end found: coded frames (``packets``), entries of dropped ones
    (``gaps``), coded frames to be shown and their ``span``, the end of all streams, the first
    picture."""

    def __init__(self) -> None:
        self.packets = self.gaps = self.shown = 0
        self.last_corrupt = False
        self.end_s = Fraction(0)
        self.span = MediaSpan()
        self.first: VideoFrame | None = None
        self.error = ""

    def add(self, packet: Packet[Stream], stream: VideoStream) -> None:
        start = None if packet.pts is None else packet.pts * packet.time_base
        end = (start or 0) + (packet.duration or 0) * packet.time_base
        self.end_s = max(self.end_s, end)
        if packet.stream_index != stream.index:
            return
        if _is_gap(packet):
            self.gaps += 1
            return
        if self.first is None and not self.error:
            try:
                self.first = next((p for p in stream.decode(packet) if not p.is_corrupt), None)
            except FFmpegError as error:
                self.error = error.strerror or "unknown error"
        if packet.size == 0:
            return
        self.packets += 1
        self.shown += not packet.is_discard
        self.last_corrupt = packet.is_corrupt
        if start is not None and not packet.is_discard:
            decoded = None if packet.dts is None else packet.dts * packet.time_base
            self.span.add(start, end, decoded)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, InputContainer]]:
    """The file and FFmpeg's reader on it; both are closed at the end."""
    with _open_file(path) as file:
        head = file.read(16)
        file.seek(0)
        try:
            container = av.open(
                file,
                "r",
                container_options={"format_whitelist": FORMATS, "protocol_whitelist": ""},
                # Titles in other encodings are common and of no interest.
                metadata_errors="replace",
                buffer_size=BUFFER_BYTES,
            )
        except (FFmpegError, OSError) as error:
            if head[4:8] in (b"ftyp", b"moov", b"mdat") or head[8:11] == b"AVI" or head[:4] == EBML:
                raise _truncated(path, "its index or its first frames are missing") from error
            hint = f"give a clip as {FORMATS_TEXT}"
            raise ClipError(f"{path} is no video that can be read here: {hint}") from error
        with container:
            yield file, container


def _open_file(path: Path) -> BinaryIO:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ClipError(f"{path} is a folder: name one clip inside it")
        if not stat.S_ISREG(status.st_mode):
            raise ClipError(f"{path} is no regular file: save the video to a file and name that")
        if status.st_size == 0:
            raise ClipError(f"{path} is empty (0 bytes): {AGAIN}")
        return path.open("rb")
    except FileNotFoundError as error:
        raise ClipError(f"there is no clip {path}: check the path") from error
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise ClipError(f"{path} cannot be read ({why}): check the path and its rights") from error


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    """The first video stream that is not the cover picture of a song."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise ClipError(f"{path} holds no video stream: give a clip that has pictures")


def _stated_frames(container: InputContainer, stream: VideoStream) -> int:
    """How many coded frames the header promises, 0 where it does not say."""
    # A trimmed MP4 keeps the frames outside the trim but never hands them out: its index knows.
    if "mp4" in container.format.name and len(stream.index_entries):
        return min(stream.frames, len(stream.index_entries))
    return stream.frames


def _missing_bytes(format_name: str, file: BinaryIO) -> int:
    """How many bytes a file lacks of its stated length, or of its last whole unit; 0 or less
    where it lacks none or does not say (all but Matroska, WebM and transport streams)."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(4096)
    if format_name == "mpegts" and head[0] == TS_SYNC:
        return -size % TS_UNIT_BYTES
    at = head.find(MATROSKA_SEGMENT) + len(MATROSKA_SEGMENT)
    if "matroska" not in format_name or MATROSKA_SEGMENT not in head[:-9] or head[at] == 0:
        return 0
    # RFC 8794: the leading zero bits of a length give its own length; all ones mean "not known".
    count = 9 - head[at].bit_length()
    mask = (1 << 7 * count) - 1
    stated = int.from_bytes(head[at : at + count], "big") & mask
    return 0 if stated == mask else at + count + stated - size


def _is_gap(packet: Packet[Any]) -> bool:
    """Whether a packet says that a frame was dropped (AVI): a decoder takes it for the end."""
    return packet.size == 0 and packet.dts is not None


def _shown_size(picture: VideoFrame) -> tuple[int, int]:
    w, h = picture.width, picture.height
    return (h, w) if picture.rotation % 180 == 90 else (w, h)


def _upright(converter: VideoReformatter, picture: VideoFrame) -> Planes:
    """Its planes, upright: phones store how they were held as a quarter turn."""
    shown = planar(picture, converter)
    turns = picture.rotation // 90 if picture.rotation % 90 == 0 else 0
    y, u, v = (
        np.ascontiguousarray(np.rot90(plane, turns)) if turns % 4 else plane
        for plane in shown.planes
    )
    return Planes(y, u, v, shown.matrix, shown.full_range)


def _truncated(path: Path, what: str) -> ClipError:
    return ClipError(f"{path} is truncated or damaged ({what}): {AGAIN}")


def _unread(path: Path, error: OSError) -> ClipUnreadError:
    why = error.strerror or str(error)
    return ClipUnreadError(f"{path} cannot be read ({why}): check its disk, and try again")
