"""Streams of every codec, kept in a ring, and what a clip of them holds."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Recorder, Ring
from tests.streams.simulator.clients import COUNT, RATE, SIZE, bar, which_bar

NOW = 1_700_000_000.0
STEP_S = 1 / RATE


Sent: TypeAlias = list[tuple[bytes, bool, int]]
"""Bytes, key and place of each picture."""


def encoded(codec: str, *, apart: bool = False) -> tuple[Sent, bytes]:
    """A stream of two seconds, a key frame a second, and its parameter sets where they are
    ``apart``."""
    encoder = {"h264": "libx264", "hevc": "libx265"}.get(codec, codec)
    context = VideoCodecContext.create(encoder, "w")
    context.width, context.height = SIZE
    context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.gop_size, context.options = RATE, CODECS[codec]
    if apart:
        context.flags |= Flags.global_header
    found = []
    for i in (*range(COUNT), None):
        picture = None
        if i is not None:
            picture = av.VideoFrame.from_ndarray(bar(i), format="bgr24")
            picture.pts, picture.time_base = i, Fraction(1, RATE)
        for packet in context.encode(picture):
            found.append((bytes(packet), packet.is_keyframe, packet.pts or 0))
    return found, context.extradata or b"" if apart else b""


def kept(forkserver: ForkServer, codec: str, sent: Sent, sets: bytes = b"") -> Ring:
    ring = Ring(forkserver, max_bytes=1 << 20)
    recorder = Recorder(ring.open(), codec, sets)
    for data, key, place in sent:
        recorder.write(memoryview(data), key, place * STEP_S, NOW + place * STEP_S, NOW)
    return ring


CODECS = {
    "h264": {"bf": "3", "x264-params": "log=-1"},
    "hevc": {"x265-params": "log-level=none:bframes=2:open-gop=0"},
    "mpeg4": {"q": "2"},
    "mjpeg": {},
}


def units(data: bytes) -> list[bytes]:
    """The NAL units of an MP4's sample."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def content(codec: str, data: bytes, *, lengths: bool = False) -> list[bytes]:
    """What is in a picture's bytes beside parameter sets: NAL units, divided by ``lengths`` or by
    start codes, of the codecs that have such."""
    if codec in ("mjpeg", "mpeg4"):
        return [data]
    found = units(data) if lengths else [u for u in re.split(b"\0\0\0?\1", data) if u]
    if codec == "h264":
        return [unit for unit in found if unit[0] & 0x1F not in (7, 8)]
    return [unit for unit in found if unit[0] >> 1 & 0x3F not in (32, 33, 34)]


def pictures(path: Path) -> tuple[list[int], list[float]]:
    """Which picture of a ``small_clip`` each one is, and its time (seconds from the first)."""
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        found = list(container.decode(video=0))
    assert all(not picture.is_corrupt for picture in found)
    times = [float(picture.time or 0) for picture in found]
    return [which_bar(picture.to_ndarray(format="bgr24")) for picture in found], times


def samples(path: Path) -> list[av.Packet]:
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]
