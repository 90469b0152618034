"""Pieces of recorded video for people to count in: which there may be, and each cut out and masked.

A piece is written with heads and plates hidden by the tracks that were kept of it. Nothing of the
recording is left beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streams.files import FORMATS
from streams.maskingprocess import MAX_SIDE_PX
from streams.surveyfiles import MAX_OVERLAP_S
from streams.video import VideoWriter
from vision.bins import Interval
from vision.bystanders import Part
from vision.errors import ClipError, ConfigError
from vision.masking import Masking, pixelate
from vision.merging import binned
from vision.region import known_part
from vision.scene import Line, Scene
from vision.types import Image

SECONDS: Final = 300
MIN_OBSERVED: Final = 0.98
"""What the machine watched less of says more of the camera than of how right it counts."""
MAX_FPS: Final = 12
"""As few as a motorcycle can be followed by."""
ENCODING: Final = {"crf": "26", "preset": "veryfast", "bf": "0"}
EARLY_S: Final = 1.0
"""A piece may end so much before its time: a recording's last picture stands for a while."""
REACH: Final = 0.02
"""A line may reach so far into what is hidden, as a share of the picture."""


class Drawn(NamedTuple):
    """A line as it is drawn in a piece: its ends in shares of the picture, and whether all of it is
    shown, nothing being hidden for its scene's region."""

    line: Line
    points: tuple[tuple[float, float], tuple[float, float]]
    shown: bool


@dataclass(frozen=True, slots=True)
class Film:
    """A recording whose first picture is of ``start_ts`` (UTC seconds)."""

    path: Path
    start_ts: float
    duration_s: float

    @property
    def end_ts(self) -> float:
        return self.start_ts + self.duration_s

    def holds(self, from_ts: float, seconds: float) -> bool:
        """Whether all of that time is in it."""
        return self.start_ts <= from_ts and from_ts + seconds <= self.end_ts + EARLY_S


@dataclass(frozen=True, slots=True)
class Made:
    """A piece's file: its size in bytes and of its pictures, how many of these there are, and how
    many of them are ``hidden`` whole since nobody knows who was there."""

    size: int
    sha256: str
    width: int
    height: int
    pictures: int
    hidden: int


def by_time(films: Iterable[Film]) -> list[Film]:
    """Recordings one after the other. Raises ConfigError for two of one time: by a wrong start,
    people would be hidden where they are not, and shown where they are."""
    found = sorted(films, key=lambda film: film.start_ts)
    for before, film in pairwise(found):
        over_s = before.end_ts - film.start_ts
        if over_s > MAX_OVERLAP_S:
            raise ConfigError(
                f"{film.path} begins {over_s:.1f} s before {before.path} ends, so a start is wrong "
                "and would show people unmasked: correct --start"
            )
    return found


def countable(
    intervals: Iterable[Interval], line: str, films: Sequence[Film], seconds: int = SECONDS
) -> list[Interval]:
    """What the machine counted in each piece of ``seconds`` that lies in one film, in which it
    watched the line nearly all the time by one scene. What no real camera saw is no piece."""
    return [
        each
        for each in binned(intervals, seconds)
        if line in each.lines
        and not each.synthetic
        and each.observed_of(line) >= MIN_OBSERVED * seconds
        and film_of(films, each.start_ts, seconds) is not None
    ]


def film_of(films: Iterable[Film], from_ts: float, seconds: float) -> Film | None:
    """The film that holds a piece of time."""
    return next((film for film in films if film.holds(from_ts, seconds)), None)


def drawn_in(scene: Scene | None, name: str) -> Drawn | None:
    """A line of a scene; None for what is no line, as a movement."""
    for view in () if scene is None else scene.views.values():
        for line in view.lines:
            if line.name == name:
                w, h = view.frame_size
                (x1, y1), (x2, y2) = line.points.tolist()
                left, top, right, bottom = known_part(view)
                shown = all(
                    left - REACH <= min(max(x / w, 0), 1) <= right + REACH
                    and top - REACH <= min(max(y / h, 0), 1) <= bottom + REACH
                    for x, y in ((x1, y1), (x2, y2))
                )
                return Drawn(line, ((x1 / w, y1 / h), (x2 / w, y2 / h)), shown)
    return None


def known_parts(scenes: Iterable[Scene]) -> dict[str, Part]:
    """By view, in which part of its picture whoever was there is in a track, whichever of these
    scenes was in force; in shares of the picture."""
    found: dict[str, Part] = {}
    for scene in scenes:
        for name, view in scene.views.items():
            part = known_part(view)
            (x1, y1, x2, y2), before = part, found.get(name, part)
            x1, y1 = max(x1, before[0]), max(y1, before[1])
            found[name] = x1, y1, max(x1, min(x2, before[2])), max(y1, min(y2, before[3]))
    return found


def cut(film: Film, from_ts: float, seconds: int, masking: Masking, to: Path) -> Made:
    """Write the piece of ``film`` that begins at ``from_ts`` (UTC seconds) to the MP4 ``to``, with
    what ``masking`` says hidden. Raises ClipError for a film that cannot be read so far, and
    OutputError; ``to`` is whole or not there."""
    writer: VideoWriter | None = None
    count = hidden = 0
    last_s, size = 0.0, (0, 0)
    try:
        for image, offset_s in _pictures(film, from_ts, seconds):
            image = _smaller(image)
            if writer is None:
                size = image.shape[1], image.shape[0]
                writer = VideoWriter(
                    to, size=size, rate=Fraction(MAX_FPS), option="--data", encoding=ENCODING
                )
            ts = from_ts + offset_s
            writer.write(pixelate(image, masking.regions(ts, size)), offset_s)
            hidden += not masking.covers(ts)
            count, last_s = count + 1, offset_s
        if writer is None or last_s < seconds - EARLY_S:
            raise ClipError(
                f"{film.path} ends before the piece does: give the recording's true start, or a "
                "whole copy of it"
            )
        writer.commit()
    finally:
        if writer is not None:
            writer.__exit__(None, None, None)
    data = to.read_bytes()
    return Made(len(data), hashlib.sha256(data).hexdigest(), *size, count, hidden)


def _pictures(film: Film, from_ts: float, seconds: int) -> Iterator[tuple[Image, float]]:
    """Up to ``MAX_FPS`` pictures a second of the piece, (h, w, 3) uint8 BGR, each with how many
    seconds it is after the piece's begin."""
    try:
        with film.path.open("rb") as file, _opened(file) as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise ClipError(f"{film.path} holds no video stream: give one that has pictures")
            begin_s = from_ts - film.start_ts
            due_s = 0.0
            for picture, media_s in _decoded(container, stream, begin_s):
                offset_s = media_s - begin_s
                if offset_s >= seconds:
                    return
                if offset_s + 1e-3 < due_s:
                    continue
                due_s = max(due_s + 1 / MAX_FPS, offset_s + 0.5 / MAX_FPS)
                yield _upright(picture), max(offset_s, 0.0)
    except (FFmpegError, OSError) as error:
        why = (error.strerror or "it cannot be decoded").lower()
        raise ClipError(
            f"{film.path} cannot be read ({why}): copy or download the recording again"
        ) from None


def _decoded(
    container: InputContainer, stream: VideoStream, from_s: float
) -> Iterator[tuple[VideoFrame, float]]:
    """Pictures from ``from_s`` seconds of media time on, and their media time; that of the first
    picture is 0, as for whoever analyses the recording."""
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = 1
    first = next((p for p in container.decode(stream) if p.pts is not None), None)
    if first is None or first.pts is None or stream.time_base is None or first.time_base is None:
        return
    origin = first.pts * first.time_base
    # to the key frame before it; what cannot be searched is read from its begin
    container.seek(int((origin + Fraction(from_s)) / stream.time_base), stream=stream)
    for picture in container.decode(stream):
        if picture.pts is None or picture.time_base is None or picture.is_corrupt:
            continue
        media_s = float(picture.pts * picture.time_base - origin)
        if media_s > from_s - 1e-3:
            yield picture, media_s


def _opened(file: object) -> InputContainer:
    return av.open(
        file,
        "r",
        # nothing in it may name another file
        container_options={"format_whitelist": FORMATS, "protocol_whitelist": ""},
        metadata_errors="replace",
    )


def _upright(picture: VideoFrame) -> Image:
    image = picture.to_ndarray(format="bgr24")
    turns = picture.rotation // 90 if picture.rotation % 90 == 0 else 0
    return np.ascontiguousarray(np.rot90(image, turns)).astype(np.uint8, copy=False)


def _smaller(image: Image) -> Image:
    """No larger than copies of evidence are; H.264 has even sides."""
    height, width = image.shape[:2]
    scale = min(1.0, MAX_SIDE_PX / max(width, height))
    size = max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)
    if size == (width, height):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
