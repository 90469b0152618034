"""Annotated pictures as a video file that browsers and phones play."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from streams.output import Place, output_error
from vision.errors import OutputError
from vision.types import Image

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's container format by the suffix of the file."""
CLOCK_HZ = 90_000
KEY_FRAME_EVERY_S = 2
RATE_DENOMINATOR = 1_000_000
"""FFmpeg keeps a rate as two 32-bit numbers; a rate of 29.9700299 pictures has no room there."""
SLOWEST = Fraction(1, 1000)
"""Pictures a second below which x264 refuses; the pictures keep their own times all the same."""
BT709 = 1
"""The number of this colour space in FFmpeg's enumerations (matrix, primaries and transfer)."""
ENCODING = {"crf": "20", "preset": "veryfast", "bf": "0"}


class VideoWriter:
    """An H.264 video at ``path`` that appears whole on ``commit`` or not at all.

    ``size`` is (w, h) px of the pictures, odd sizes are padded by a pixel; ``rate`` is how many
    pictures a second are expected; ``encoding`` are x264's options. The same
    pictures give the same bytes. Building it raises OutputError for a place that cannot be written
    or a suffix that is not in ``FORMATS``.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int],
        rate: Fraction,
        option: str = "--video",
        encoding: Mapping[str, str] = ENCODING,
        key_frame_every_s: int = KEY_FRAME_EVERY_S,
    ) -> None:
        container_format = FORMATS.get(path.suffix.lower())
        if container_format is None:
            known = ", ".join(FORMATS)
            raise OutputError(f"cannot write {path}: a video's name ends in {known}; rename it")
        rate = max(rate.limit_denominator(RATE_DENOMINATOR), SLOWEST)
        self._option = option
        self._size = size
        self._step = max(1, round(CLOCK_HZ / rate))
        self._last = -1
        self._converter = VideoReformatter()
        self._place = Place(path, option=option)
        self._container: OutputContainer | None = None
        try:
            self._container = _open(self._place.part, container_format)
            self._stream = _add_stream(self._container, size, rate, encoding)
            self._stream.codec_context.gop_size = max(1, round(rate * key_frame_every_s))
        except (FFmpegError, OSError) as error:
            self._abandon()
            raise self._error(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._abandon()

    def write(self, image: Image, offset_s: float) -> None:
        """Add a picture, (h, w, 3) uint8 BGR, to be shown ``offset_s`` seconds after the start.

        A picture no later than the one before is shown a tick (1/90000 s) after it. Raises
        OutputError, and ValueError for another size.
        """
        if image.shape != (self._size[1], self._size[0], 3) or image.dtype != np.uint8:
            raise ValueError(f"the video is {self._size}, the picture {image.shape} {image.dtype}")
        h, w = image.shape[:2]
        if h % 2 or w % 2:
            image = np.asarray(
                cv2.copyMakeBorder(image, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE), np.uint8
            )
        picture = self._converter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        self._last = max(self._last + 1, round(offset_s * CLOCK_HZ))
        picture.pts = self._last
        picture.time_base = Fraction(1, CLOCK_HZ)
        picture.duration = self._step
        self._encode(picture)

    def finish(self) -> None:
        """Write the video to its end, still beside its place; raises OutputError."""
        if self._last < 0:
            raise OutputError(f"cannot write {self._place.path}: no picture came; check the clip")
        self._encode(None)
        try:
            # Closing writes the index; only then is the file a video.
            self._opened.close()
        except (FFmpegError, OSError) as error:
            raise self._error(error) from error
        self._container = None

    def commit(self) -> None:
        """Put the video in its place, finished first if need be; raises OutputError."""
        if self._container is not None:
            self.finish()
        self._place.commit()

    @property
    def _opened(self) -> OutputContainer:
        if self._container is None:
            raise RuntimeError("the video is finished: nothing can be added to it")
        return self._container

    def _encode(self, picture: VideoFrame | None) -> None:
        try:
            container = self._opened
            container.mux(self._stream.encode(picture))
        except (FFmpegError, OSError) as error:
            raise self._error(error) from error

    def _error(self, error: FFmpegError | OSError) -> OutputError:
        known = OSError(error.errno, error.strerror)
        return output_error(self._place.path, known, self._option)

    def _abandon(self) -> None:
        if self._container is not None:
            # A full device fails again here, and the file is removed anyway.
            with contextlib.suppress(FFmpegError, OSError):
                self._container.close()
            self._container = None
        self._place.discard()


def _open(path: Path, container_format: str) -> OutputContainer:
    # bitexact leaves out random ids and versions; faststart lets a browser play at once.
    options = {"fflags": "+bitexact"}
    if container_format != "matroska":
        options["movflags"] = "+faststart"
    # With its protocol named, FFmpeg takes no name for an address.
    return av.open(f"file:{path.absolute()}", "w", format=container_format, options=options)


def _add_stream(
    container: OutputContainer, size: tuple[int, int], rate: Fraction, encoding: Mapping[str, str]
) -> VideoStream:
    stream = container.add_stream("libx264", rate=rate, options=dict(encoding))
    stream.width, stream.height = size[0] + size[0] % 2, size[1] + size[1] % 2
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    # The encoder's clock too, or it would round every time to a whole number of pictures.
    stream.time_base = context.time_base = Fraction(1, CLOCK_HZ)
    # One thread: x264's rate control depends on how many there are.
    context.thread_count = 1
    context.color_range = ColorRange.MPEG
    context.colorspace = context.color_primaries = context.color_trc = BT709
    return stream
