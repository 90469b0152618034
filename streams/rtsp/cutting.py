"""The isolated process that puts a camera's packets into a file and then exits.

It is forked by the fork server, since packets are read and parsed here that a camera wrote and a
decoder handed on. ``streams.rtsp.clipping`` asks over the channel and reads the answer, a line of
JSON each.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from statistics import median
from typing import Final, TypeAlias

import av
from av.error import FFmpegError
from av.packet import Packet as CodedPacket
from av.stream import Stream
from av.video.stream import VideoStream

from streams.rtsp.clipping import CUT_S, MEDIA
from streams.rtsp.decoder import confine, read_line
from streams.rtsp.order import MAX_PIXELS
from streams.rtsp.ring import NONSENSE, Packet, read
from vision.errors import EvidenceError

CLOCK_HZ: Final = 90_000
BACK_S, AHEAD_S = 1.0, 10.0
"""Media time that leaps further within a connection has a new origin."""
MISSING_S = 1.0
"""What is missing and shorter than this is not worth a word."""
GAP_STEPS = 4
"""A gap is also longer than so many usual steps: some cameras send a picture every few seconds."""
FAR_S = 3600.0
MAX_HEAD_BYTES = 1 << 16
"""The parameter sets of a picture are in its first bytes."""

Sets: TypeAlias = Mapping[int, tuple[bytes, ...]]
"""By their type the parts of a stream that tell how the rest is read, without start codes."""


@dataclass(frozen=True, slots=True)
class _Coding:
    """FFmpeg's formats of the bare stream and of the file, the media type, and, of codecs with
    start codes, the types of parameter sets and how a type is read from the first byte."""

    bare: str
    file: str
    media: str
    sets: frozenset[int] = frozenset()
    shift: int = 0
    mask: int = 0xFF
    before: int = 0
    """No parameter sets come after the first unit whose type is below."""


_CODINGS: Final = {
    "h264": _Coding("h264", "mp4", MEDIA[0], frozenset({7, 8}), 0, 0x1F, 6),
    "hevc": _Coding("hevc", "mp4", MEDIA[0], frozenset({32, 33, 34}), 1, 0x3F, 32),
    "mpeg4": _Coding("m4v", "mp4", MEDIA[0], frozenset(range(0x20, 0x30))),
    "mjpeg": _Coding("mjpeg", "mov", MEDIA[1]),
}
_START: Final = re.compile(b"\0\0\1")
_JPEG_SIZE: Final = re.compile(rb"\xff[\xc0-\xc2]..(.{5})", re.DOTALL)


def run(parent_pid: int, channel_fd: int, file_fd: int, *books: int) -> int:
    """Answer one request. Returns the process's exit code."""
    # The index of many small packets may take as much as they do.
    confine(parent_pid, 2 * sum(os.fstat(book).st_size for book in books))
    resource.setrlimit(resource.RLIMIT_CPU, (int(CUT_S), int(CUT_S)))
    channel = socket.socket(fileno=channel_fd)
    from_ts, to_ts = json.loads(read_line(channel))
    answer: dict[str, object]
    try:
        chosen = choose(read((books[0], books[1])), from_ts, to_ts)
        media = write(chosen.packets, chosen.sets, f"/dev/fd/{file_fd}")
        times = [packet.ts for packet in chosen.packets]
        answer = {"from": times[0], "to": max(times), "note": chosen.note, "media": media}
    except EvidenceError as error:
        answer = {"error": str(error)}
    except (FFmpegError, OSError, ValueError, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        why = (reason or type(error).__name__).lower()
        answer = {
            "error": f"the camera's packets cannot be written as a clip ({why}): see the disk and "
            "whether the camera's pictures are damaged"
        }
    channel.sendall(json.dumps(answer).encode())
    return 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """Packets of one coding from a key frame on, the ``sets`` that hold at their beginning, and
    what is missing between the times that were asked for."""

    packets: Sequence[Packet]
    sets: Sets
    note: str | None


def choose(packets: Sequence[Packet], from_ts: float, to_ts: float) -> Chosen:
    """What of ``packets`` shows the time from ``from_ts`` to ``to_ts`` (UTC seconds). Raises
    EvidenceError where nothing does."""
    found: list[tuple[Packet, Sets]] = []
    for stretch in _stretches(packets):
        if found and stretch[0][0].ts > to_ts:
            break
        found += _between(stretch, from_ts, to_ts)
    if not found or found[0][0].ts > to_ts:
        raise EvidenceError(
            "no picture of that time is kept: the camera was away, or it is too long ago"
        )
    parts = [
        list(part) for _, part in groupby(found, key=lambda pair: (pair[0].section.codec, pair[1]))
    ]
    middle = (from_ts + to_ts) / 2
    part = max(parts, key=lambda p: (p[0][0].ts <= middle <= p[-1][0].ts, p[-1][0].ts - p[0][0].ts))
    taken = [packet for packet, _ in part]
    if any(abs(packet.ts - from_ts) > FAR_S for packet in taken):
        raise EvidenceError(NONSENSE)
    return Chosen(taken, part[0][1], _note(taken, from_ts, to_ts, changed=len(parts) > 1))


def _stretches(packets: Sequence[Packet]) -> Iterator[list[tuple[Packet, Sets]]]:
    """Packets that follow on each other, each with the parameter sets that hold for it. What
    cannot be decoded because its key frame is gone is left out."""
    stretch: list[tuple[Packet, Sets]] = []
    sets: Sets = {}
    number, latest_s = -1, 0.0
    for packet in packets:
        step_s = packet.media_s - latest_s
        if packet.section.number != number:
            sets = _sets(packet.section.codec, packet.section.extradata)
        if packet.section.number != number or not -BACK_S < step_s < AHEAD_S:
            if stretch:
                yield stretch
            stretch, latest_s = [], packet.media_s
        number, latest_s = packet.section.number, max(latest_s, packet.media_s)
        if packet.key:
            sets = {**sets, **_sets(packet.section.codec, bytes(packet.data[:MAX_HEAD_BYTES]))}
        if packet.key or stretch:
            stretch.append((packet, sets))
    if stretch:
        yield stretch


def _between(
    stretch: Sequence[tuple[Packet, Sets]], from_ts: float, to_ts: float
) -> Sequence[tuple[Packet, Sets]]:
    """From the latest key frame at or before ``from_ts`` to the first packet at or after
    ``to_ts``, and those that are shown before that one."""
    if max(packet.ts for packet, _ in stretch) < from_ts:
        return ()
    begin = 0
    for i, (packet, _) in enumerate(stretch):
        if packet.key and packet.ts <= from_ts:
            begin = i
    end = begin
    while end < len(stretch) and stretch[end][0].ts < to_ts:
        end += 1
    last = end
    while end + 1 < len(stretch) and stretch[end + 1][0].ts < stretch[last][0].ts:
        end += 1
    return stretch[begin : end + 1]


def _sets(codec: str, data: bytes) -> Sets:
    """The parameter sets in the first bytes of a picture, or in a codec's extradata."""
    coding = _CODINGS[codec]
    if not coding.sets:
        return {0: tuple(size[1] for size in _JPEG_SIZE.finditer(data))[:1]}
    found: dict[int, tuple[bytes, ...]] = {}
    places = [match.end() for match in _START.finditer(data)]
    for at, following in pairwise([*places, len(data) + 3]):
        unit = data[at : following - 3].rstrip(b"\0")
        if not unit:
            continue
        kind = unit[0] >> coding.shift & coding.mask
        if kind in coding.sets:
            found[kind] = (*found.get(kind, ()), unit)
        elif kind < coding.before:
            break
    return found


def _note(packets: Sequence[Packet], from_ts: float, to_ts: float, *, changed: bool) -> str | None:
    times = sorted(packet.ts for packet in packets)
    steps = [after - before for before, after in pairwise(times)]
    least = max(MISSING_S, GAP_STEPS * median(steps)) if steps else MISSING_S
    gaps = [step for step in steps if step > least]
    late, early = times[0] - from_ts, to_ts - times[-1]
    said = [
        *([f"begins {late:.1f} s late"] if late > MISSING_S else []),
        *([f"misses {sum(gaps):.1f} s in between"] if gaps else []),
        *([f"ends {early:.1f} s early"] if early > MISSING_S else []),
    ]
    if not said and not changed:
        return None
    what = (
        f"The clip {', '.join(said[:-1])}{' and ' if said[:-1] else ''}{said[-1]}" if said else ""
    )
    if not changed:
        return f"{what}: the camera sent nothing then, or it is no longer kept."
    if not what:
        return "The clip is one part of that time: the camera changed its format meanwhile."
    return f"{what}: the camera changed its format meanwhile, and one part of that time is taken."


def write(packets: Sequence[Packet], sets: Sets, path: str) -> str:
    """Write ``packets``, which begin with a key frame, to the file at ``path`` as they are.
    Returns its media type. Raises FFmpegError, OSError and ValueError."""
    first = packets[0]
    coding = _CODINGS[first.section.codec]
    data = bytes(first.data)
    # What a stream says in its description it need not say again.
    missing = sorted(sets.keys() - _sets(first.section.codec, data[:MAX_HEAD_BYTES]).keys())
    start = b"".join(b"\0\0\0\1" + unit for kind in missing for unit in sets[kind])
    bare = io.BytesIO(start + data)
    with (
        av.open(
            bare, format=coding.bare, options={"max_pixels": str(MAX_PIXELS), "fpsprobesize": "0"}
        ) as shape,
        av.open(path, "w", format=coding.file, options={"movflags": "+faststart"}) as container,
    ):
        template = shape.streams.video[0]
        if not template.codec_context.width:
            raise EvidenceError(
                "the clip's first picture is damaged: try again, or see the camera's link"
            )
        stream = container.add_stream_from_template(template)
        stream.time_base = Fraction(1, CLOCK_HZ)
        if first.section.codec == "hevc":
            stream.codec_context.codec_tag = "hvc1"
        for packet in _coded(packets, stream):
            container.mux_one(packet)
    return coding.media


def _coded(packets: Sequence[Packet], stream: VideoStream) -> Iterator[CodedPacket[Stream]]:
    """The packets with their times in the file. RTP says when a picture is shown and not when it
    is decoded, so that is made of the order."""
    shown = _shown(packets)
    decoded = sorted(shown)
    shift = max(d - s for d, s in zip(decoded, shown, strict=True))
    for i, packet in enumerate(packets):
        coded = CodedPacket(bytes(packet.data))
        coded.stream, coded.time_base = stream, Fraction(1, CLOCK_HZ)
        coded.pts, coded.dts = shown[i], decoded[i] - shift
        step = decoded[i + 1] - decoded[i] if i + 1 < len(decoded) else 0
        coded.duration = step or (decoded[i] - decoded[i - 1] if i else 1)
        coded.is_keyframe = packet.key
        yield coded


def _shown(packets: Sequence[Packet]) -> list[int]:
    """When each is shown, in ticks: steps are the camera's own, and capture time tells how far
    one connection is from the next. No two are shown at once."""
    start = origin = packets[0]
    seconds: list[float] = []
    for before, packet in zip((None, *packets), packets, strict=False):
        if before is not None and (
            packet.section.number != before.section.number
            or not -BACK_S < packet.media_s - before.media_s < AHEAD_S
        ):
            origin = packet
        seconds.append(origin.ts - start.ts + packet.media_s - origin.media_s)
    ticks = [round(second * CLOCK_HZ) for second in seconds]
    last = min(ticks) - 1
    for i in sorted(range(len(ticks)), key=ticks.__getitem__):
        last = ticks[i] = max(ticks[i], last + 1)
    return ticks
