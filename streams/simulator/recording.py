"""Clips made ready for sending: H.264 without B-frames, a key frame every second, cut for RTP.

A clip is encoded once and kept in a folder under a name that tells its content and the settings.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, takewhile
from pathlib import Path
from typing import BinaryIO

import av
import structlog
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from streams.files import ClipSource
from streams.output import output_error
from streams.simulator.packets import CLOCK_HZ, Fragment, fragments
from streams.video import VideoWriter
from vision.errors import ClipError

ENCODING = {
    "crf": "18", "preset": "veryfast", "bf": "0", "profile": "main", "sc_threshold": "0",
}  # fmt: skip
KEY_FRAME_EVERY_S = 1
FORMAT = 1
"""Raised where files made earlier no longer fit."""
MAX_BYTES = 1 << 29
"""A recording is held in memory, once for all cameras that play it."""
HALVED_S = 4
"""How much of a recording its copy of half the size repeats."""
MIN_SIDE_PX = 32
_SPS, _PPS, _SLICE, _IDR = 7, 8, 1, 5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Unit:
    """One coded picture: ``ticks`` (1/90000 s) since the first, the payloads of its packets (a key
    frame's begin with both parameter sets), and its slices as they are."""

    ticks: int
    key: bool
    parts: tuple[Fragment, ...]
    slices: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A clip that is ready to be sent. ``length_ticks`` (1/90000 s) includes the last picture's
    own time; the first unit is a key frame. ``sps`` and ``pps`` are H.264's parameter sets."""

    width: int
    height: int
    sps: bytes
    pps: bytes
    units: tuple[Unit, ...]
    length_ticks: int

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return len(self.units) * CLOCK_HZ / self.length_ticks

    @property
    def fmtp(self) -> str:
        """The parameters of RFC 6184 for a session description."""
        sets = ",".join(base64.b64encode(part).decode() for part in (self.sps, self.pps))
        level = self.sps[1:4].hex().upper()
        return f"packetization-mode=1;profile-level-id={level};sprop-parameter-sets={sets}"

    def key_at(self, ticks: int) -> int:
        """The index of the last key frame at or before ``ticks``, taken within the loop."""
        place = ticks % self.length_ticks
        before = takewhile(lambda entry: entry[1].ticks <= place, enumerate(self.units))
        return max((index for index, unit in before if unit.key), default=0)


def load_recording(
    clip: Path,
    cache: Path,
    *,
    source_fps: Fraction | None = None,
    size: tuple[int, int] | None = None,
) -> Recording:
    """``clip`` ready to be sent; encoded now if ``cache`` does not have it yet.

    Every picture of the clip is kept, with its time or, with ``source_fps``, at
    ``index / source_fps``; of its own size, or of ``size`` (w, h; even). Several processes may do
    this at once. Raises ClipError for a clip that cannot be used and OutputError for a cache that
    cannot be written.
    """
    source = ClipSource(clip, camera_id="clip", source_fps=source_fps)
    kept = cache / f"{_name(clip, source_fps, size)}.mp4"
    if kept.is_file():
        try:
            return _read_file(kept)
        except (FFmpegError, OSError, ValueError):
            log.warning("a kept clip cannot be read, so it is made again", file=str(kept))
    log.info("the clip is encoded once for sending", clip=str(clip), frames=source.info.frames)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # A folder of our own: whoever else makes the same file at this moment has another.
        with tempfile.TemporaryDirectory(dir=cache, prefix=".part-") as folder:
            made = Path(folder) / kept.name
            _encode(source, made, size)
            os.replace(made, kept)
    except OSError as error:
        raise output_error(cache, error, "folder") from error
    try:
        return _read_file(kept)
    except (FFmpegError, OSError, ValueError) as error:
        raise ClipError(f"{clip} cannot be sent ({error}): convert it to H.264") from error


def halved(recording: Recording) -> Recording:
    """The first seconds of ``recording`` at half its size, for a camera that changes its mode."""
    decoder = VideoCodecContext.create("h264", "r")
    encoded, converter = io.BytesIO(), VideoReformatter()
    width, height = (
        max(MIN_SIDE_PX, side // 2 - side // 2 % 2) for side in (recording.width, recording.height)
    )
    with av.open(encoded, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options=ENCODING)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, CLOCK_HZ)
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = max(1, round(recording.rate))
        for unit in recording.units:
            if unit.ticks >= HALVED_S * CLOCK_HZ:
                break
            sets = (recording.sps, recording.pps) if unit.key else ()
            data = b"".join(b"\0\0\0\1" + nal for nal in (*sets, *unit.slices))
            for picture in decoder.decode(av.Packet(data)):
                small = converter.reformat(picture, width=width, height=height, threads=1)
                small.pts, small.time_base = unit.ticks, Fraction(1, CLOCK_HZ)
                container.mux(stream.encode(small))
        container.mux(stream.encode(None))
    encoded.seek(0)
    return _read(encoded)


def _name(clip: Path, source_fps: Fraction | None, size: tuple[int, int] | None) -> str:
    given = [FORMAT, KEY_FRAME_EVERY_S, ENCODING, str(source_fps), *([] if size is None else size)]
    settings = json.dumps(given, sort_keys=True)
    with clip.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(settings.encode())
    return digest.hexdigest()


def _encode(source: ClipSource, path: Path, size: tuple[int, int] | None) -> None:
    info = source.info
    with VideoWriter(
        path,
        size=size or (info.width, info.height),
        rate=info.rate,
        option="folder",
        encoding=ENCODING,
        key_frame_every_s=KEY_FRAME_EVERY_S,
    ) as film:
        for frame in source.frames():
            film.write(frame.image if size is None else frame.picture.scaled(size), frame.ts)
        film.commit()


def _read_file(path: Path) -> Recording:
    if path.stat().st_size > MAX_BYTES:
        raise ClipError(
            f"{path} has more than {MAX_BYTES >> 20} MiB, which is too long to be held in memory: "
            "cut the clip"
        )
    with path.open("rb") as file:
        return _read(file)


def _read(file: BinaryIO) -> Recording:
    """Raises ValueError or FFmpegError for what is no file of ours."""
    with av.open(file, "r", format="mp4", container_options={"protocol_whitelist": ""}) as video:
        stream = video.streams[0]
        if not isinstance(stream, VideoStream):
            raise ValueError("no video")
        context = stream.codec_context
        sps, pps = _parameter_sets(context.extradata or b"")
        units: list[Unit] = []
        spans: list[int] = []
        for packet in video.demux(stream):
            if packet.size == 0 or packet.pts is None:
                continue
            ticks = round(packet.pts * packet.time_base * CLOCK_HZ)
            slices = tuple(nal for nal in _nals(bytes(packet)) if nal[0] & 0x1F in (_SLICE, _IDR))
            key = bool(slices) and slices[0][0] & 0x1F == _IDR
            sets = (sps, pps) if key else ()
            units.append(Unit(ticks, key, fragments((*sets, *slices)), slices))
            spans.append(round((packet.duration or 0) * packet.time_base * CLOCK_HZ))
        if not units or not units[0].key or units[0].ticks != 0:
            raise ValueError("no key frame at its beginning")
        if any(after.ticks <= before.ticks for before, after in pairwise(units)):
            raise ValueError("times out of order")
        length = units[-1].ticks + max(1, spans[-1])
        return Recording(context.width, context.height, sps, pps, tuple(units), length)


def _parameter_sets(record: bytes) -> tuple[bytes, bytes]:
    """SPS and PPS of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""
    if len(record) < 8 or record[0] != 1 or record[5] & 0x1F != 1:
        raise ValueError("no parameter sets")
    sps_end = 8 + int.from_bytes(record[6:8], "big")
    pps_start = sps_end + 3
    pps_end = pps_start + int.from_bytes(record[sps_end + 1 : pps_start], "big")
    sps, pps = record[8:sps_end], record[pps_start:pps_end]
    if not sps or not pps or sps[0] & 0x1F != _SPS or pps[0] & 0x1F != _PPS:
        raise ValueError("no parameter sets")
    return sps, pps


def _nals(data: bytes) -> Iterator[bytes]:
    """The NAL units of an MP4 sample, each behind its length in four bytes."""
    at = 0
    while at + 4 < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        nal = data[at + 4 : at + 4 + size]
        if not size or len(nal) != size:
            raise ValueError("a picture is cut off")
        yield nal
        at += 4 + size
